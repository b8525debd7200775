"""Drives an engine until all repeats have ended: first repeats first, then the rest.

A side whose seed does not act is stopped: further repeats of it would be copies. Where the other
side is still to show whether it varies, what is left of the first one waits for that: a method
without chance needs a partner for each repeat of one that has it.

The first repeat of a side goes ahead alone. It executes the stages that do not depend on the
seed, whose outputs the others then find in the cache, and it is the second half of the preflight:
what fails there would fail in every repeat.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.seeding import BASELINE
from gitexp.comparison.randomness.syntax import VARIABLE
from gitexp.comparison.randomness.variation import ENOUGH, Acts
from gitexp.errors import GitexpError
from gitexp.execution import adoption, slots
from gitexp.execution import state as states
from gitexp.execution.preflight import checks
from gitexp.git.discovery import plain_bytes
from gitexp.model import dataclass, field, replace
from gitexp.model.job import FEW_BYTES, POINTS, STAGE, Job, JobRef, JobRequest, JobState, Outcome
from gitexp.model.report import ProgressEvent, ProgressKind
from gitexp.model.run import OnceRecord, RepeatState, StageOrigin, last_line, other_seeds
from gitexp.report.answers.lines import in_short
from gitexp.system.logged_metrics import Tail

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.execution.engines import Engine
    from gitexp.execution.idle import Watch
    from gitexp.execution.prepare import Prepared
    from gitexp.model.ids import RunId

LOOK_S = 0.25  # at what a repeat logs
GRACE_S = 10.0


@dataclass(slots=True)
class _Progress:
    """Counts repeats and guesses the time that is left."""

    total: int
    slots: int
    metric: str  # the primary one, "" without a plan
    tell: Callable[[ProgressEvent], None]
    done: int = 0
    walls: list[float] = field(default_factory=list)

    def event(
        self, kind: ProgressKind, label: str, *, stage: str = "", message: str = "", value: str = ""
    ) -> None:
        eta = None
        if self.walls:
            mean = sum(self.walls) / len(self.walls)
            eta = mean * (self.total - self.done) / self.slots
        self.tell(ProgressEvent(kind, message, label, stage, self.done, self.total, value, eta))

    def ended(self, label: str, outcome: Outcome | None) -> None:
        self.done += 1
        if outcome is not None and outcome.state is RepeatState.FINISHED:
            self.walls.append((outcome.ended_at - outcome.started_at).total_seconds())
            self.event(ProgressKind.FINISHED, label, value=_value(outcome, self.metric))
            return
        reason = "ended without a word" if outcome is None else outcome.reason
        stage = "" if outcome is None else outcome.stage
        if outcome is not None and outcome.exit_code and (said := last_line(outcome.log_tail)):
            reason = f"{reason}: {said}"
        self.event(ProgressKind.FAILED, label, stage=stage, message=reason)


@dataclass(slots=True)
class _Active:
    """A submitted repeat."""

    ref: JobRef
    job: Job
    side: Prepared
    points: Tail
    stage: str = ""
    started: bool = False
    looked_at: float = 0.0  # monotonic, seconds

    @property
    def label(self) -> str:
        fixed = tuple(map(str, self.side.template.source.config.seed.fixed))
        own = other_seeds(self.job.seed, self.job.seeds, fixed)
        return f"{self.side.side} seed {self.job.seed}{f' ({own})' if own else ''}"


@dataclass(frozen=True, slots=True)
class Execution:
    """What an execution came to; outcomes are read from the job folders."""

    started: Mapping[RunId, tuple[int, ...]]
    interrupted: bool
    problems: tuple[str, ...]
    idle: tuple[str, ...]  # sides that were stopped because their seed does not act
    warnings: tuple[str, ...]  # of the first repeat


def execute(
    watch: Watch,
    engine: Engine,
    tell: Callable[[ProgressEvent], None],
    interrupts: Callable[[], int],
) -> Execution:
    """Run every job of every side; `interrupts`: once keeps what is finished, twice kills."""
    sides, request = watch.prepared, watch.seen.request
    total, metric = sum(len(side.seeds) for side in sides), sides[0].state.plan_metric
    progress = _Progress(total, request.jobs, metric, tell)
    loop = _Loop(watch, engine, progress, interrupts)
    # The baseline's goes first: where it fails, no seed of the candidate is spent, and what runs
    # once is as it has it. Then, of seeds that the plan drew, none that the candidate has not begun
    # may have a score.
    job = sides[-1].template.job
    made = set(job.once) <= {each.stage for each in job.bound}
    loop.waiting = [*sides] if loop.drawn and made else [*reversed(sides)]
    loop.begin()
    while loop.active:
        loop.stop_if_asked()
        ended = loop.turn()
        loop.begin()
        if not ended:
            loop.engine.wait()
        elif not loop.no_more:
            loop.weigh(sides)
    return Execution(
        started={side.run: tuple(loop.started.get(side.run, ())) for side in sides},
        interrupted=loop.stopping > 0,
        problems=tuple(loop.problems),
        idle=tuple(loop.idle),
        warnings=loop.warnings,
    )


@dataclass(slots=True)
class _Loop:
    """The jobs under way and what was decided about the others."""

    watch: Watch
    engine: Engine
    progress: _Progress
    interrupts: Callable[[], int]
    active: list[_Active] = field(default_factory=list)
    started: dict[RunId, list[int]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    warnings: tuple[str, ...] = ()
    stopping: int = 0
    failed: bool = False
    finished: dict[str, list[Outcome]] = field(default_factory=dict)
    held: dict[str, list[Job]] = field(default_factory=dict)  # by side, until the other has shown
    idle: list[str] = field(default_factory=list)
    over: bool = False  # one side is one draw, and the other one is not

    waiting: list[Prepared] = field(default_factory=list)  # whose first repeat has not begun

    @property
    def keep_going(self) -> bool:
        """Whether repeats go on although one failed, or the seed does not act."""
        return self.watch.seen.request.keep_going

    @property
    def drawn(self) -> bool:
        """Whether the seeds were drawn with the plan."""
        plan = self.watch.seen.plan
        return plan is not None and plan.drawn is not None

    @property
    def no_more(self) -> bool:
        """Whether no further repeat may start."""
        return self.over or self.stopping > 0 or (self.failed and not self.keep_going)

    def begin(self) -> None:
        """Submit the first repeat of each side that need not wait for another's."""
        beside = self.progress.slots > 1 or self.keep_going
        while self.waiting and not self.no_more and (beside or not self.active):
            side = self.waiting[0]
            if any(
                self._makes_for(side.template.job, each)
                or (self.drawn and side.side == BASELINE and each.job.seed != side.seeds[0])
                for each in self.active
            ):
                return
            self.submit(side, [self._knowing(side.first)])
            self.waiting.pop(0)

    def _makes_for(self, job: Job, other: _Active) -> bool:
        """Whether another side is about to make what a job of this one needs not make again."""
        mine = {stage.name: stage.commands for stage in job.stages if stage.name in job.once}
        theirs = [stage for stage in other.job.stages if stage.name in other.job.once]
        shared = {stage.name for stage in theirs if mine.get(stage.name) == stage.commands}
        return not shared <= {made.stage for made in self._made_once(other.job)}

    def _made_once(self, job: Job) -> tuple[OnceRecord, ...]:
        return adoption.noted(self.watch.seen.workdir.attempt(job.run, job.seed))

    def _knowing(self, job: Job) -> Job:
        """Let a job know what the first repeat of another side has made that no seed reaches."""
        for side in self.watch.prepared if job.once else ():
            if side.run in self.started and side.run != job.run:
                first = side.first
                made = adoption.with_origin(self._made_once(first), StageOrigin.ADOPTED)
                known = (*made, *job.known)  # of two the first counts
                bound = (*job.bound, *(made if self.watch.seen.plan else ()))
                place = str(self.watch.seen.workdir.cache(side.run, first.seed))
                job = replace(job, known=known, bound=bound, made=(*job.made, place))
        return job

    def submit(self, side: Prepared, jobs: Sequence[Job]) -> None:
        """Write the jobs down and give them to the engine."""
        workdir = self.watch.seen.workdir
        if not self.watch.seen.request.again:
            jobs = [states.going_on(workdir, side.state, job) for job in jobs]
        for job in jobs:
            workdir.put_job(job)
        requests = [
            JobRequest(
                str(workdir.job_file(job.run, job.seed)), str(workdir.attempt(job.run, job.seed))
            )
            for job in jobs
        ]
        for job, ref in zip(jobs, self.engine.submit(requests), strict=True):
            self.started.setdefault(side.run, []).append(job.seed)
            points = Tail(workdir.attempt(job.run, job.seed) / POINTS)
            self.active.append(_Active(ref, job, side, points))

    def stop_if_asked(self) -> None:
        """Cancel everything where the user asked to: with grace first, then without."""
        asked = self.interrupts()
        if asked > self.stopping:
            self.stopping = asked
            # What has not begun is taken back: nothing happened to it, and nothing is recorded.
            states = self.engine.poll([each.ref for each in self.active])
            self._withdraw([e for e in self.active if states.get(e.ref.id) is JobState.QUEUED])
            grace_s = GRACE_S if asked == 1 else 0.0
            self.engine.cancel([each.ref for each in self.active], grace_s)

    def turn(self) -> bool:
        """Look at all jobs once; return whether one ended."""
        states = self.engine.poll([each.ref for each in self.active])
        ended = []
        for each in self.active:
            match states.get(each.ref.id, JobState.UNKNOWN):
                case JobState.ENDED | JobState.LOST:
                    ended.append(each)
                case JobState.RUNNING:
                    self._follow(each)
                case _:
                    pass
        self.active = [each for each in self.active if each not in ended]
        for each in ended:
            self._end(each)
        if self.no_more and not self.stopping:
            self._withdraw([e for e in self.active if states.get(e.ref.id) is JobState.QUEUED])
        return bool(ended)

    def _end(self, each: _Active) -> None:
        workdir = self.watch.seen.workdir
        outcome = workdir.outcome(each.job.run, each.job.seed)
        if outcome is None:  # its worker was killed
            self.problems += slots.put_back(workdir.linked(each.job.run), workdir.run(each.job.run))
        self.progress.ended(each.label, outcome)
        good = outcome is not None and outcome.state is RepeatState.FINISHED
        if outcome is not None and good:
            self.finished.setdefault(each.side.side, []).append(outcome)
        self.failed = self.failed or not good
        self._tell_once(each, outcome)
        if self.no_more or each.job.seed != each.side.seeds[0]:
            return
        usable = outcome if good else None
        if usable is not None:
            try:
                self._accept_first(each.side, usable)
            except GitexpError as error:
                self.problems.append(f"{each.side.side}: {error.summary}")
                self.failed, self.over = True, self.over or self.drawn  # no pair can come of it
                return
        elif outcome is not None and each.job.once:
            if outcome.stage in each.job.once:  # it would fail in every repeat
                self.problems.append(f"{each.side.side}: {outcome.reason}")
                self.over = self.over or self.drawn
                return
            usable = outcome
        jobs = list(each.side.rest(usable, self.watch.seen.workdir, each.job.made))
        if outcome is None and each.job.once:  # its worker was killed, perhaps behind these stages
            known = (*self._made_once(each.job), *each.job.known)
            place = str(self.watch.seen.workdir.cache(each.job.run, each.job.seed))
            made = (place, *each.job.made)
            jobs = [replace(job, known=known, bound=each.job.bound, made=made) for job in jobs]
        if jobs:  # `weigh` gives them out
            self.held[each.side.side] = jobs

    def _tell_once(self, each: _Active, outcome: Outcome | None) -> None:
        """Say which stages did not run at all, or failed for want of the seed."""
        if outcome is None or not each.job.once:
            return
        taken = [m.stage for m in outcome.once if m.origin is not StageOrigin.EXECUTED]
        if taken:
            said = f"{each.side.side}: {', '.join(taken)} did not run, what it makes was there"
            self.progress.tell(ProgressEvent(ProgressKind.STEP, said))
        if outcome.stage in each.job.once and VARIABLE in outcome.log_tail:
            self.problems.append(
                f"{outcome.stage} runs once, without {VARIABLE}, as it has no seed parameter and "
                "reads of no stage that has one: name one under its params: in dvc.yaml, or let it "
                "do without"
            )

    def _accept_first(self, side: Prepared, outcome: Outcome) -> None:
        """Look at the first outcome of a side; refuse it where the others must not start."""
        job, metrics = side.template.job, side.template.source.config.metrics
        checks.check_first(outcome, job.expect_metrics, metrics)
        # Said once, of the candidate where it runs, which comes last: there it can be mended.
        self.warnings = checks.check_files(side.template)

    def weigh(self, sides: Sequence[Prepared]) -> None:
        """Give out what is held: not of a side whose seed does not act, and pair by pair.

        An engine has one job more than it can run at once, so that no slot waits for us.
        """
        if not self.held and len(self.active) <= self.progress.slots:
            return
        if any(each.job.seed == each.side.seeds[0] for each in self.active):
            return  # what fails there would fail in every repeat
        if not self.keep_going and self.watch.lacks_test(self.finished):
            self.over = True  # the call's answer says it, by what is recorded
            return
        said = {name: self.watch.acts(name, found) for name, found in self.finished.items()}
        going = sides if self.keep_going else self._going(sides, said)
        while not self.no_more and len(self.active) <= self.progress.slots:
            ready = [side for side in going if self._may_go_on(side, said.get(side.side))]
            if not ready:
                return
            # A call that is cut short leaves pairs.
            side = max(ready, key=lambda each: len(self.held[each.side]))
            self.submit(side, [self.held[side.side].pop(0)])
            if not self.held[side.side]:
                del self.held[side.side]

    def _going(self, sides: Sequence[Prepared], said: Mapping[str, Acts]) -> list[Prepared]:
        """Return the sides that may go on; one of which further repeats were copies is stopped."""
        still: list[Prepared] = []
        for side in sides:
            others = [other for other in sides if other is not side]
            if said.get(side.side) is not Acts.NO:
                continue
            if not self._varies(side.side, others, said):
                still.append(side)
            elif self.watch.is_draw(side.side):  # no verdict can come of the other one either
                self.idle.append(side.side)
                self.over = True
                return []
        states = self.engine.poll([each.ref for each in self.active])
        going = [side for side in sides if side not in still]
        for side in still:
            mine = [
                each
                for each in self.active
                if each.side is side and states.get(each.ref.id) is JobState.QUEUED
            ]
            if not mine and side.side not in self.held:
                continue
            self._withdraw(mine)
            jobs = [*(each.job for each in mine), *self.held.get(side.side, ())]
            self.held[side.side] = jobs
            if not any(
                other.side in self.held or any(each.side is other for each in self.active)
                for other in going
            ):
                del self.held[side.side]
                self.idle.append(side.side)
        return going

    def _may_go_on(self, side: Prepared, said: Acts | None) -> bool:
        """Whether a side has a job that is worth its time, as far as is known now."""
        if side.side not in self.held:
            return False
        untold = said is Acts.UNTOLD and len(self.finished[side.side]) < ENOUGH
        mine = sum(each.side is side for each in self.active)
        return self.keep_going or not untold or mine < self.progress.slots

    def _varies(self, side: str, others: Sequence[Prepared], said: Mapping[str, Acts]) -> bool:
        if others:
            return any(said.get(other.side) is Acts.YES for other in others)
        return self.watch.acts_elsewhere(side)

    def _withdraw(self, queued: Sequence[_Active]) -> None:
        """Take back what has not begun; what runs may finish."""
        if not queued:
            return
        self.engine.cancel([each.ref for each in queued], 0.0)
        for each in queued:
            self.active.remove(each)
            self.started[each.side.run].remove(each.job.seed)

    def _follow(self, each: _Active) -> None:
        if not each.started:
            each.started = True
            self.progress.event(ProgressKind.STARTED, each.label)
        attempt = self.watch.seen.workdir.attempt(each.job.run, each.job.seed)
        with contextlib.suppress(OSError):  # not there yet; or the job itself has been at it
            stage = plain_bytes(attempt / STAGE, FEW_BYTES).decode("utf-8", "replace").strip()
            if stage != each.stage:
                each.stage = stage
                self.progress.event(ProgressKind.STAGE, each.label, stage=stage)
        now = time.monotonic()
        if now - each.looked_at >= LOOK_S:
            each.looked_at = now
            if each.points.look():
                said = in_short(each.points.latest, self.progress.metric)
                self.progress.event(ProgressKind.LOGGED, each.label, stage=each.stage, value=said)


def _value(outcome: Outcome, metric: str) -> str:
    """Return the primary metric of a repeat, for people; the first one where there is no plan."""
    for sample in outcome.samples:
        if sample.fold is None and metric in {"", sample.metric}:
            return f"{sample.metric} {sample.value:.4g}"
    return ""
