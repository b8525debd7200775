"""Executes repeats of a committed state and records them: `run`.

The way: look (`situation`, `cells`, `seeds`), prepare (`preflight`, `prepare`, `jobs`), execute
(`execute`, an engine, workers), publish (`record`, `snapshot`, `publish`). Only the last step
moves a ref, and whatever dies before it leaves finished repeats that `resume` finds.
"""

from __future__ import annotations

import base64
import os
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.engines import ENGINES
from gitexp.errors import MovedRefError, UsageError
from gitexp.formats import job as job_format
from gitexp.git.faults import translating
from gitexp.model.ids import RunId
from gitexp.model.plan import MAX_REPEATS
from gitexp.model.progress import ProgressEvent, ProgressKind
from gitexp.model.report import PlannedRun, RecordedRun, RunReport
from gitexp.model.request import RunRequest
from gitexp.model.run import MAX_SEED, RepeatState
from gitexp.ops.advice import seed_ranges
from gitexp.ops.run import commit_first, preflight, resume, situation
from gitexp.ops.run import state as states
from gitexp.ops.run.execute import SideJobs, Surroundings, execute
from gitexp.ops.run.jobs import first_job, later_jobs
from gitexp.ops.run.keeping import remove_slots
from gitexp.ops.run.place import check_clean, find_place
from gitexp.ops.run.prepare import Call, prepare
from gitexp.ops.run.publish import Ended, PublishedCall, publish
from gitexp.ops.run.workdir import WorkDir
from gitexp.store import owners

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.model.job import Job, Outcome
    from gitexp.model.workspace import Workspace
    from gitexp.ops.run.place import Place
    from gitexp.ops.run.prepare import Prepared
    from gitexp.ops.run.situation import Situation

PROGRAM_NAME = "gitexp"


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
    _check(request)
    variables = dict(os.environ if environ is None else environ)
    if request.engine not in ENGINES:
        raise UsageError(
            "there is no such engine", found=request.engine, expected=", ".join(ENGINES)
        )
    place = find_place(workspace, request)
    # First of all: a call that died when the branch had moved left a work tree that looks edited.
    cleared = () if request.dry_run else owners.clear_stale(place.repo)
    recovered: tuple[PublishedCall, ...] = ()
    if request.resume:
        recovered, request, waiting = _resume(place, request, now())
        cleared = (*cleared, *waiting)
        place = find_place(workspace, request)
    if request.commit_message is not None and not request.dry_run:
        place, request = commit_first.commit(place, request)
    elif request.at is None:
        check_clean(place)
    finished = {record.run.id for call in recovered for _, record in call.records}
    seen = situation.look(place, request, variables, finished)
    planned = tuple(
        PlannedRun(
            side=cell.side,
            commit=cell.commit,
            inputs=cell.inputs,
            seeds=choice.run,
            counting=choice.counting,
            spent=choice.spent,
            once=(),
            repeated=(),
            for_snapshot=choice.for_snapshot,
        )
        for cell, choice in seen.sides
    )
    if request.dry_run or not any(choice.run for _, choice in seen.sides):
        return _report(seen, planned, recovered, request, interrupted=False, warnings=cleared)
    made: list[RunId] = []

    def new_run() -> RunId:
        made.append(_new_id())
        states.claim(seen.workdir, made[-1])  # before its worktrees, which others may clear away
        return made[-1]

    call = Call(_new_id(), now(), new_run, program, variables)
    try:
        prepared = prepare(seen, request, call)
        planned = _with_stages(planned, prepared)
        if not prepared:
            return _report(seen, planned, recovered, request, interrupted=False, warnings=cleared)
        published, interrupted, warnings = _perform(
            seen, request, prepared, tell=tell, interrupts=interrupts, now=now
        )
    finally:
        _remove_slots(seen, made)
    return _report(
        seen,
        planned,
        (*recovered, *published),
        request,
        interrupted=interrupted,
        warnings=(*cleared, *warnings),
    )


def _check(request: RunRequest) -> None:
    """Refuse numbers that no plan and no record can hold."""
    if request.repeats is not None and not 1 <= request.repeats <= MAX_REPEATS:
        raise UsageError(
            "there cannot be so many repeats",
            found=str(request.repeats),
            expected=f"1 to {MAX_REPEATS}",
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
    *,
    tell: Callable[[ProgressEvent], None],
    interrupts: Callable[[], int],
    now: Callable[[], datetime],
) -> tuple[tuple[PublishedCall, ...], bool, tuple[str, ...]]:
    """Execute what was prepared and publish what came out of it."""
    by_run = {each.setting.run: each for each in prepared}
    for each in prepared:
        states.write(seen.workdir, each.state)
    around = Surroundings(
        engine=ENGINES[request.engine](request.jobs),
        workdir=seen.workdir,
        write_job=lambda job: _write_job(seen, job),
        accept_first=lambda side, outcome: preflight.check_first(
            outcome, by_run[side.run].setting.expect_metrics
        ),
        value_of=lambda outcome: _value(outcome, prepared[0].state.plan_metric),
        tell=tell,
        interrupts=interrupts,
        keep_going=request.keep_going,
        slots=request.jobs,
    )
    execution = execute([_side_jobs(each) for each in prepared], around)
    sides = [
        Ended(
            each.state,
            each.setting.cell.config,
            _first(each),
            {
                seed: seen.workdir.outcome(each.setting.run, seed)
                for seed in each.seeds
                if seed in execution.started[each.setting.run]
                # One that was stopped before its worker took it on: nothing happened to it.
                and (not execution.interrupted or seen.workdir.began(each.setting.run, seed))
            },
        )
        for each in prepared
    ]
    sides = [each for each in sides if each.outcomes]
    if not sides:
        return (), execution.interrupted, execution.problems
    tell(ProgressEvent(ProgressKind.STEP, "recording"))
    published = publish(seen.workspace, seen.repo, seen.workdir, sides, now())
    for each in prepared:
        states.write(seen.workdir, replace(each.state, published=True))
    return (published,), execution.interrupted, execution.problems


def _resume(
    place: Place, request: RunRequest, now: datetime
) -> tuple[tuple[PublishedCall, ...], RunRequest, tuple[str, ...]]:
    """Record the finished repeats of calls that died here, and ask again what the last asked.

    Those of a branch that was rewritten since wait until it is restored; they are told of.
    """
    workdir = WorkDir.of(place.top)
    done: list[PublishedCall] = []
    waiting: list[str] = []
    for state in states.unpublished(workdir):
        if resume.is_recorded(place.repo, state):
            # It died after the branch had moved: only its notes do not say so.
            states.write(workdir, replace(state, published=True))
            continue
        if state.branch == place.branch and request.repeats is None and not request.seeds:
            asked = state.asked
            request = replace(
                request,
                repeats=asked.repeats,
                seeds=asked.seeds,
                jobs=max(request.jobs, asked.jobs),
                with_baseline=request.with_baseline or asked.with_baseline,
                at=request.at or asked.at,
            )
    for sides in resume.dead_calls(place.repo, workdir, place.branch):
        try:
            done.append(publish(place.workspace, place.repo, workdir, sides, now))
        except MovedRefError as error:
            names = ", ".join(ended.state.draft.id[:8] for ended in sides)
            waiting.append(f"run {names} is not recorded: {error.summary}")
            continue
        for ended in sides:
            states.write(workdir, replace(ended.state, published=True))
    remove_slots(place.workspace, resume.dead_slots(workdir))
    return tuple(done), request, tuple(waiting)


def _side_jobs(prepared: Prepared) -> SideJobs:
    seeds = prepared.seeds
    total = len(seeds)
    labels = [f"{prepared.state.side} {number}/{total}" for number in range(1, total + 1)]

    def rest(first: Outcome | None) -> Sequence[Job]:
        return later_jobs(prepared.setting, seeds[1:], labels[1:], first)

    return SideJobs(prepared.state.side, prepared.setting.run, seeds, _first(prepared), rest)


def _first(prepared: Prepared) -> Job:
    label = f"{prepared.state.side} 1/{len(prepared.seeds)}"
    return first_job(prepared.setting, prepared.seeds[0], label)


def _write_job(seen: Situation, job: Job) -> None:
    path = seen.workdir.job_file(job.run, job.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(job_format.dump(job))
    seen.workdir.attempt(job.run, job.seed).mkdir(parents=True, exist_ok=True)


def _value(outcome: Outcome, metric: str) -> str:
    """Return the primary metric of a repeat, for people; the first one where there is no plan."""
    for sample in outcome.samples:
        if sample.fold is None and metric in {"", sample.metric}:
            return f"{sample.metric} {sample.value:.4g}"
    return ""


def _with_stages(
    planned: Sequence[PlannedRun], prepared: Sequence[Prepared]
) -> tuple[PlannedRun, ...]:
    stages = {each.state.side: each for each in prepared}
    return tuple(
        replace(
            each,
            seeds=stages[each.side].seeds,
            once=stages[each.side].state.once,
            repeated=tuple(sorted(stages[each.side].setting.seeded)),
        )
        if each.side in stages
        else replace(each, seeds=())
        for each in planned
    )


def _remove_slots(seen: Situation, runs: Sequence[RunId]) -> None:
    for made in runs:
        remove_slots(seen.workspace, seen.workdir.slots(made))
        states.renounce(seen.workdir, made)


def _report(  # noqa: PLR0913  the parts of the answer
    seen: Situation,
    planned: tuple[PlannedRun, ...],
    published: Sequence[PublishedCall],
    request: RunRequest,
    *,
    interrupted: bool,
    warnings: tuple[str, ...] = (),
) -> RunReport:
    recorded = tuple(
        RecordedRun(state.side, record.run, record.samples)
        for each in published
        for state, record in each.records
    )
    heard = [text for each in recorded for repeat in each.run.repeats for text in repeat.warnings]
    return RunReport(
        branch=seen.branch,
        commit=published[-1].commit if published else None,
        planned=planned,
        recorded=recorded,
        snapshot=published[-1].snapshot if published else "",
        not_updated=tuple(path for each in published for path in each.not_updated),
        exploratory=seen.plan is None,
        interrupted=interrupted,
        dry_run=request.dry_run,
        warnings=(
            *warnings,
            *(text for each in published for text in each.cleared),
            *_mixed(recorded),
            *dict.fromkeys(heard),
        ),
        next_step=_next_step(seen, planned, request, recorded, interrupted=interrupted),
    )


def _mixed(recorded: Sequence[RecordedRun]) -> list[str]:
    """Say where an installation changed while the repeats went on."""
    return [
        f"the environment changed during run {each.run.id[:8]}: its repeats ran in "
        f"{len(found)} of them, and a comparison uses one"
        for each in recorded
        if len(found := {r.environment for r in each.run.repeats if r.environment}) > 1
    ]


def _next_step(
    seen: Situation,
    planned: Sequence[PlannedRun],
    request: RunRequest,
    recorded: Sequence[RecordedRun],
    *,
    interrupted: bool,
) -> str:
    if request.dry_run:
        return "the same without --dry-run"
    if interrupted:
        return _go_on(planned, request, recorded)
    if any(repeat.state.value != "finished" for each in recorded for repeat in each.run.repeats):
        return "gitexp logs"
    if seen.plan is None:
        return "gitexp new NAME, to record a hypothesis that runs can count for"
    sides = {each.side for each in planned} | {each.side for each in recorded}
    if request.params:
        step = "the same with --commit -m MESSAGE, to bring the branch to this state"
    elif situation.BASELINE not in sides:
        step = "gitexp run --with-baseline, or gitexp compare"
    else:
        step = "gitexp compare"
    return step


def _go_on(
    planned: Sequence[PlannedRun], request: RunRequest, recorded: Sequence[RecordedRun]
) -> str:
    """Return what runs the repeats that an interrupted call has left."""
    counts = not any(each.side == situation.EXPLORATORY for each in planned)
    if request.at is not None or request.params or (counts and request.seeds):
        return "the same again"
    if counts:
        return "gitexp run --with-baseline" if request.with_baseline else "gitexp run"
    done = {
        repeat.seed
        for each in recorded
        for repeat in each.run.repeats
        if repeat.state is RepeatState.FINISHED
    }
    left = [seed for each in planned for seed in each.seeds if seed not in done]
    return f"gitexp run --seeds {seed_ranges(dict.fromkeys(left))}"


def _new_id() -> RunId:
    return RunId(base64.b32encode(os.urandom(10)).decode().lower())
