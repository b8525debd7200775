"""Executes repeats of a committed state and records them: `run`.

The way: look (`situation`, `cells`, `seeds`), prepare (`preflight`, `prepare`, `jobs`), execute
(`execute`, an engine, workers), publish (`record`, `snapshot`, `publish`). Only the last step
moves a ref, and whatever dies before it leaves finished repeats that `resume` finds.
"""

from __future__ import annotations

import base64
import os
import re
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison.advice import seed_ranges
from gitexp.dvc.declared_data import drifted
from gitexp.errors import LockedError, UsageError
from gitexp.execution import answer, resume, situation
from gitexp.execution import state as states
from gitexp.execution.engines import ENGINES
from gitexp.execution.execute import SideJobs, Surroundings, execute
from gitexp.execution.idle import Watch
from gitexp.execution.jobs import later_jobs
from gitexp.execution.outcomes import Ended, PublishedCall
from gitexp.execution.place import check_clean, find_place
from gitexp.execution.preflight import checks, mentions, uncommitted
from gitexp.execution.prepare import SharedCall, prepare
from gitexp.execution.publish import publish
from gitexp.execution.workdir import WorkDir, remove_slots
from gitexp.git.command import translating
from gitexp.git.transaction import layout, locks, owners
from gitexp.model.ids import RunId
from gitexp.model.plan import MAX_REPEATS
from gitexp.model.report import ProgressEvent, ProgressKind
from gitexp.model.request import RunRequest
from gitexp.model.run import MAX_SEED, last_line
from gitexp.records import codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.errors import IdleSeedError
    from gitexp.execution.place import RunPlace
    from gitexp.execution.prepare import Prepared
    from gitexp.execution.situation import Situation
    from gitexp.model.job import Job, Outcome
    from gitexp.model.report import RunReport
    from gitexp.model.workspace import Workspace

PROGRAM_NAME = "gitexp"
_BEGIN_S = 600.0  # more than another call takes to make its worktrees
_GROUP = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]{0,63}")


def _silent(_: ProgressEvent) -> None:
    """Tell nobody."""


def _never() -> int:
    return 0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@translating("the run cannot go on")
def run(  # noqa: PLR0913  what a call is, and what surrounds it
    workspace: Workspace,
    request: RunRequest | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    tell: Callable[[ProgressEvent], None] = _silent,
    interrupts: Callable[[], int] = _never,
    now: Callable[[], datetime] = _utc_now,
    program: str = PROGRAM_NAME,
) -> RunReport:
    """Execute what a request asks for and record it on a branch.

    Parameters
    ----------
    workspace : Workspace
    request : RunRequest, optional
        The default makes the repeats that the branch's plan still lacks.
    environ : Mapping, optional
        The user's variables; the process's own by default.
    tell : callable, optional
        Takes progress events.
    interrupts : callable, optional
        Returns how often the user asked to stop.
    now : callable, optional
        The clock.
    program : str, optional
        Name and version as recorded.

    Returns
    -------
    RunReport
        Failed repeats are in it; they raise nothing.

    Raises
    ------
    PreconditionError
        Nothing was executed.
    MovedRefError
        The branch went away meanwhile; the finished repeats wait for ``resume``.
    """
    request = request or RunRequest()
    tell = _silent if request.dry_run else tell  # its answer says it all
    _check(request)
    variables = dict(os.environ if environ is None else environ)
    made: list[RunId] = []
    lock = locks.FileLock(layout.locks_dir(workspace) / "begin", timeout_s=_BEGIN_S)
    with nullcontext(lock) if request.dry_run else lock as beginning:
        place, resumed, cleared = _begin(find_place(workspace, request), request, now())
        recovered, request = resumed.recovered, resumed.request
        seen = situation.look(place, request, variables, resumed.runs, resumed.pending)
        planned = answer.planned(seen)
        cell = seen.sides[0][0]
        few, odd = answer.too_few(seen, request), drifted(seen.repo, cell.commit, cell.config)
        for said in filter(None, (few, *odd)):
            cleared = (*cleared, said)
            tell(ProgressEvent(ProgressKind.WARNING, said))
        if said := answer.taken_over(planned, recovered, resumed.calls):
            cleared = (*cleared, said)
            tell(ProgressEvent(ProgressKind.STEP, said))
        for said in answer.again(seen):
            tell(ProgressEvent(ProgressKind.STEP, said))
        done = partial(answer.report, seen, interrupted=False, warnings=cleared)
        _refuse_double(seen, again=request.again)
        if request.dry_run or not any(choice.run for _, choice in seen.sides):
            resume.close(seen.workdir, resumed.calls)
            return done(planned, recovered, request)

        def new_run() -> RunId:
            made.append(_new_id())
            states.claim(seen.workdir, made[-1])  # before its worktrees, which others may remove
            return made[-1]

        call = SharedCall(resumed.call or _new_id(), now(), new_run, program, variables)
        try:
            prepared = prepare(seen, request, call)
            planned = answer.with_stages(planned, prepared)
            watch = Watch(seen, prepared)
            if not (request.keep_going or request.again or resumed.calls):
                watch.check()
            for said in watch.foretold():  # told at once: at its end the call says what came of it
                tell(ProgressEvent(ProgressKind.WARNING, said))
            for each in prepared:
                states.write(seen.workdir, each.state)
            resume.close(seen.workdir, resumed.calls)  # not before: this call may be killed, too
            if not prepared:
                return done(planned, recovered, request)
            beginning.release()  # what this call runs is written down: the next one sees it
            published, interrupted, warnings, stopped = _perform(
                seen, request, prepared, watch, tell=tell, interrupts=interrupts, now=now
            )
        finally:
            _remove_slots(seen, made)
    return done(
        planned,
        (*recovered, *published),
        request,
        interrupted=interrupted,
        warnings=(*cleared, *warnings),
        stopped=stopped,
    )


def _refuse_double(seen: Situation, *, again: bool) -> None:
    """Refuse repeats that another call is about to record on this branch."""
    every = () if again else WorkDir.everywhere(seen.workspace)
    for state in (each for workdir in every for each in states.going(workdir, seen.branch)):
        for cell, choice in seen.sides:
            both = set(choice.run).intersection(state.draft.seeds)
            if both and cell.inputs == state.draft.inputs:
                run = state.draft.id[:8]
                raise LockedError(
                    "another call is running the same repeats",
                    found=f"run {run} of the {cell.side}, seeds {seed_ranges(both)}",
                    where=seen.branch,
                    expected="seeds or a side that no call that goes on has",
                    next_step=f"gitexp logs {run} --follow, and the same when it has ended; "
                    "--again runs them twice",
                )


def _begin(
    place: RunPlace, request: RunRequest, now: datetime
) -> tuple[RunPlace, resume.Resumed, tuple[str, ...]]:
    """Clear up after calls that died and go on with them; then commit, where that is asked for."""
    # First of all: a call that died when the branch had moved left a work tree that looks edited.
    cleared = () if request.dry_run else owners.clear_stale(place.repo)
    if not request.resume and request.commit_message is None and request.at is None:
        check_clean(place, dry=request.dry_run)
    resumed = (resume.resume if request.resume else resume.go_on)(place, request, now)
    cleared, request = (*cleared, *resumed.said), resumed.request
    if resumed.recovered:
        place = find_place(place.workspace, request)
    if request.commit_message is not None and request.dry_run:
        cleared = (*cleared, *filter(None, (uncommitted.announced(place),)))
    elif request.commit_message is not None:
        place, request = uncommitted.commit(place, request)
    elif request.resume and request.at is None:
        check_clean(place)
    return place, replace(resumed, request=request), cleared


def _check(request: RunRequest) -> None:
    """Refuse what contradicts itself, and numbers that no plan and no record can hold."""
    if request.resume and request.dry_run:
        raise UsageError(
            "--resume records what has finished, and --dry-run records nothing",
            next_step="gitexp status, which names the calls that died",
        )
    if request.resume and request.commit_message is not None:
        raise UsageError(
            "--resume goes on with the commit that a dead call ran, and --commit makes another",
            next_step="gitexp run --resume, then gitexp run --commit -m MESSAGE",
        )
    if request.engine not in ENGINES:
        raise UsageError(
            "there is no such engine",
            found=request.engine,
            expected=", ".join(ENGINES),
            next_step="the same with --engine local, which is the default",
        )
    if request.repeats is not None and request.seeds:
        raise UsageError(
            "--repeats says how many repeats shall count in the end, --seeds which are run now",
            next_step="the same with one of the two",
        )
    if request.trust and request.at is None and not request.resume:
        raise UsageError(
            "--trust speaks of the commit that --at names, or that a dead call ran",
            next_step="the same without it: HEAD is your own",
        )
    if request.repeats is not None and not 1 <= request.repeats <= MAX_REPEATS:
        raise UsageError(
            "there cannot be so many repeats",
            found=str(request.repeats),
            expected=f"1 to {MAX_REPEATS}",
        )
    if request.group and not _GROUP.fullmatch(request.group):
        raise UsageError(
            "a sweep cannot have this name",
            found=ascii(request.group[:60]),
            expected="up to 64 letters, digits, dots, underscores, hyphens; no hyphen first",
        )
    if len(request.seeds) > MAX_REPEATS or any(not 0 <= seed <= MAX_SEED for seed in request.seeds):
        raise UsageError(
            "these seeds cannot be recorded",
            found=f"{len(request.seeds)} of them, the largest is {max(request.seeds)}",
            expected=f"at most {MAX_REPEATS}, each from 0 to {MAX_SEED}",
        )


def _perform(  # noqa: PLR0913  the middle of `run`, with its surroundings
    seen: Situation,
    request: RunRequest,
    prepared: Sequence[Prepared],
    watch: Watch,
    *,
    tell: Callable[[ProgressEvent], None],
    interrupts: Callable[[], int],
    now: Callable[[], datetime],
) -> tuple[tuple[PublishedCall, ...], bool, tuple[str, ...], IdleSeedError | None]:
    """Execute what was prepared and publish what came out of it."""
    by_run = {each.template.job.run: each for each in prepared}
    warnings: list[str] = []

    def accept_first(side: SideJobs, outcome: Outcome) -> None:
        template = by_run[side.run].template
        metrics = template.cell.config.metrics
        checks.check_first(outcome, template.job.expect_metrics, metrics)
        if not warnings:  # said once, of whatever side
            warnings.extend(uncommitted.warnings(template))

    around = Surroundings(
        engine=ENGINES[request.engine](request.jobs),
        workdir=seen.workdir,
        write_job=lambda job: _write_job(seen, job),
        accept_first=accept_first,
        acts=watch.acts,
        acts_elsewhere=watch.acts_elsewhere,
        is_draw=watch.is_draw,
        value_of=lambda outcome: _value(outcome, prepared[0].state.plan_metric),
        metric=prepared[0].state.plan_metric,
        tell=tell,
        interrupts=interrupts,
        keep_going=request.keep_going,
        slots=request.jobs,
    )
    execution = execute([_side_jobs(each, seen.workdir) for each in prepared], around)
    sides = [
        Ended(
            each.state,
            each.template.cell.config,
            _first(each),
            {
                seed: seen.workdir.outcome(each.template.job.run, seed)
                for seed in each.seeds
                if seed in execution.started[each.template.job.run]
                # One that was stopped before its worker took it on: nothing happened to it.
                and (not execution.interrupted or seen.workdir.began(each.template.job.run, seed))
            },
        )
        for each in prepared
    ]
    sides = [each for each in sides if each.outcomes]
    if not sides:
        resume.close(seen.workdir, [each.state for each in prepared])
        return (), execution.interrupted, execution.problems, None
    warnings += watch.said({each.state.side: each.finished() for each in sides}, execution.idle)
    if any(len(each.finished()) < len(each.outcomes) for each in sides):
        ended = [outcome for each in sides for outcome in each.outcomes.values() if outcome]
        stages = {stage.name: stage for each in prepared for stage in each.template.job.stages}
        lines = [(last_line(o.log_tail), stages.get(o.stage)) for o in ended if o.exit_code]
        doubtful = [path for each in prepared for path in each.doubtful]
        unasked = [path for each in prepared for path in each.unasked]
        warnings += mentions.missed(seen.top, seen.sides[0][0], lines, doubtful, unasked)
    tell(ProgressEvent(ProgressKind.STEP, "recording"))
    published = publish(seen.workspace, seen.repo, seen.workdir, sides, now())
    for each in prepared:
        states.recorded(seen.workdir, each.template.job.run)
    stopped = None
    if execution.idle:
        begun = {each.state.side: tuple(each.outcomes) for each in sides}
        stopped = watch.error({name: begun[name] for name in execution.idle})
    return (published,), execution.interrupted, (*execution.problems, *warnings), stopped


def _side_jobs(prepared: Prepared, workdir: WorkDir) -> SideJobs:
    seeds = prepared.seeds
    total = len(seeds)
    labels = [f"{prepared.state.side} {number}/{total}" for number in range(1, total + 1)]

    def rest(first: Outcome | None) -> Sequence[Job]:
        made = str(workdir.cache(prepared.template.job.run, seeds[0]))
        return later_jobs(prepared.template, seeds[1:], labels[1:], first, made)

    fixed = tuple(map(str, prepared.template.cell.config.seed.fixed))
    return SideJobs(
        prepared.state.side, prepared.template.job.run, seeds, _first(prepared), rest, fixed
    )


def _first(prepared: Prepared) -> Job:
    label = f"{prepared.state.side} 1/{len(prepared.seeds)}"
    return prepared.template.of_seed(prepared.seeds[0], label)


def _write_job(seen: Situation, job: Job) -> None:
    path = seen.workdir.job_file(job.run, job.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(codec.dump(job))
    seen.workdir.attempt(job.run, job.seed).mkdir(parents=True, exist_ok=True)


def _value(outcome: Outcome, metric: str) -> str:
    """Return the primary metric of a repeat, for people; the first one where there is no plan."""
    for sample in outcome.samples:
        if sample.fold is None and metric in {"", sample.metric}:
            return f"{sample.metric} {sample.value:.4g}"
    return ""


def _remove_slots(seen: Situation, runs: Sequence[RunId]) -> None:
    for made in runs:
        remove_slots(seen.workspace, seen.workdir.slots(made))
        states.renounce(seen.workdir, made)


def _new_id() -> RunId:
    return RunId(base64.b32encode(os.urandom(10)).decode().lower())
