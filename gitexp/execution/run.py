"""Executes repeats of a committed state and records them: `run`.

The way: look (`situation`, `run_sources`), prepare (`preflight`, `prepare`, `jobs`), execute
(`execute`, an engine, workers), publish (`record`, `snapshot`, `publish`). Only the last step
moves a ref, and whatever dies before it leaves finished repeats that `resume` finds.
"""

from __future__ import annotations

import base64
import os
import posixpath
import re
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.comparison import frozen
from gitexp.errors import LockedError, UsageError
from gitexp.execution import answer, holdout, resume, situation, slots, usage
from gitexp.execution import state as states
from gitexp.execution.engines import ENGINES
from gitexp.execution.execute import execute
from gitexp.execution.idle import Watch
from gitexp.execution.partners import other_tests
from gitexp.execution.place import RunPlace, announced, check_clean, commit, find_place
from gitexp.execution.preflight import mentions
from gitexp.execution.preflight.drift import AMEND, drifted, refuse_unmade
from gitexp.execution.prepare import SharedCall, foresee, prepare
from gitexp.execution.publish import publish
from gitexp.execution.record import Ended
from gitexp.execution.run_sources import in_files
from gitexp.execution.workdir import WorkDir, remove_slots
from gitexp.git import objects
from gitexp.git.command import translating
from gitexp.git.transaction import owners
from gitexp.model.ids import ABSENT, RunId
from gitexp.model.plan import MAX_REPEATS
from gitexp.model.report import ProgressEvent, ProgressKind, RunReport
from gitexp.model.request import RunRequest
from gitexp.model.run import MAX_SEED, last_line
from gitexp.provenance import private
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitexp.execution.engines import Engine
    from gitexp.execution.prepare import Prepared
    from gitexp.execution.run_sources import RunSource
    from gitexp.execution.situation import Situation
    from gitexp.model.job import LinkedPath
    from gitexp.model.report import PlannedRun
    from gitexp.model.workspace import Workspace

PROGRAM_NAME = "gitexp"
_RUNNING_ON = (
    "the plan's stopping rule has decided, {}: further repeats are paid for and change nothing of "
    "that; gitexp run --repeats {} --with-baseline runs them all the same"
)
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
    if request.holdout:
        scoring = SharedCall(_new_id(), now(), _new_id, program, variables)
        return holdout.score(workspace, request, scoring, tell, interrupts)
    lock = states.beginning(workspace)
    with nullcontext(lock) if request.dry_run else lock as beginning:
        place = find_place(workspace, request)
        at = place.head if request.at is None else objects.resolve(place.repo, request.at)
        request = replace(request, params=in_files(place.repo, at, request.params))
        place, resumed, told = _begin(place, request, now(), variables)
        seen = situation.look(place, resumed.request, variables, resumed.runs, resumed.pending)
        _refuse_unmade(seen)
        seen, over = _unless_decided(seen, resumed)
        planned = answer.planned(seen)
        told += tuple(filter(None, (over, *_foretold(seen, planned, resumed, tell))))
        done = answer.Performed(resumed.recovered, warnings=told)
        _refuse_useless(seen, resumed)
        if seen.request.dry_run and seen.request.commit_message is None:
            foresee(seen)
        if seen.request.dry_run or not any(each.choice.run for each in seen.sides):
            resume.close(seen.workdir, resumed.calls)
            return answer.report(seen, planned, done)

        def new_run() -> RunId:
            made.append(_new_id())
            states.claim(seen.workdir, made[-1])  # before its worktrees, which others may remove
            return made[-1]

        engine = ENGINES[seen.request.engine](seen.request.jobs)
        engine.submit(())  # to make ready meanwhile
        call = SharedCall(resumed.call or _new_id(), now(), new_run, program, variables)
        try:
            prepared = prepare(seen, call)
            planned = answer.planned(seen, prepared)
            watch = Watch(seen, prepared)
            if not (seen.request.keep_going or seen.request.again or resumed.calls):
                watch.check()
            for text in watch.foretold():  # told at once: at its end the call says what came of it
                tell(ProgressEvent(ProgressKind.WARNING, text))
            for each in prepared:
                states.write(seen.workdir, each.state)
            resume.close(seen.workdir, resumed.calls)  # not before: this call may be killed, too
            beginning.release()  # what this call runs is written down: the next one sees it
            with _kept_linked(seen, prepared):
                performed = _perform(watch, engine, tell, interrupts, now)
        finally:
            remove_slots(workspace, [s for run_id in made for s in seen.workdir.slots(run_id)])
            for run_id in made:
                states.renounce(seen.workdir, run_id)
    done = replace(
        performed,
        published=(*done.published, *performed.published),
        warnings=(*done.warnings, *performed.warnings),
    )
    return answer.report(seen, planned, done)


def _foretold(
    seen: Situation,
    planned: tuple[PlannedRun, ...],
    resumed: resume.Resumed,
    tell: Callable[[ProgressEvent], None],
) -> list[str]:
    """Tell what is to be known before hours are spent; return what the answer repeats of it."""
    source = seen.sides[0]
    drift = [*drifted(seen.repo, source.commit, source.config, seen.plan), *_on_other_data(seen)]
    taken = answer.taken_over(planned, resumed)
    for kind, texts in (
        (ProgressKind.WARNING, [answer.unplanned(seen), answer.too_few(seen)[0], *drift]),
        (ProgressKind.STEP, [taken, *answer.again(seen)]),
    ):
        for text in filter(None, texts):
            tell(ProgressEvent(kind, text))
    return [*drift, taken]


@contextmanager
def _kept_linked(seen: Situation, prepared: Sequence[Prepared]) -> Iterator[None]:
    """Keep the linked files of all sides, once where they see the same, while repeats run."""
    kept: dict[RunId, list[LinkedPath]] = {}
    for each in prepared:
        job, workdir = each.template.job, seen.workdir
        links = [  # what a commit has is not linked
            link
            for link in job.links
            if objects.entry_at(seen.repo, job.tree, posixpath.join(job.project, link.path))
            is ABSENT
        ]
        if not links:
            continue
        same = next((other for other, theirs in kept.items() if theirs == links), None)
        if same is None:
            slots.keep_linked(workdir.linked(each.run), links)
        else:
            workdir.linked(each.run).symlink_to(workdir.linked(same))
        kept[each.run] = links
    yield
    for run in kept:  # not after an error: a worker may still be at work
        slots.drop_linked(seen.workdir.linked(run))


def _unless_decided(seen: Situation, resumed: resume.Resumed) -> tuple[Situation, str]:
    """Leave repeats out that come after a decision, where nobody asks for them; and say so."""
    asked, plan = seen.request, seen.plan
    more = asked.seeds or asked.at or asked.params or asked.repeats or asked.again or resumed.calls
    ahead = asked.dry_run and asked.commit_message is not None  # another state than the branch's
    if plan is None or plan.stopping is None or more or ahead:
        return seen, ""
    from gitexp.comparison.compare import decided  # noqa: PLC0415  loads numerics

    found = decided(seen.repo.workspace, plan, seen.place.branch)
    if found is None:
        return seen, ""
    verdict = found.verdict.value if found.verdict else ""
    sides = tuple(map(_without_repeats, seen.sides))
    return replace(seen, sides=sides, again=()), _RUNNING_ON.format(verdict, plan.repeats)


def _without_repeats(source: RunSource) -> RunSource:
    choice = source.choice
    left = tuple(seed for seed in choice.run if seed == choice.for_snapshot)
    return replace(source, choice=replace(choice, run=left))


def _refuse_unmade(seen: Situation) -> None:
    """Refuse sides that would not report a metric of the plan."""
    plan = seen.plan
    if plan is None:
        return
    for each in (source for source in seen.sides if source.choice.run):
        refuse_unmade(seen.repo, each.commit, each.config, each.overrides, plan, other=AMEND)


def _refuse_useless(seen: Situation, resumed: resume.Resumed) -> None:
    """Refuse repeats that another call makes, or of which no verdict could come."""
    _refuse_double(seen)
    if seen.request.keep_going or resumed.calls or not any(s.choice.run for s in seen.sides):
        return
    if error := other_tests(seen.plan, seen.sides, declared=True):
        raise error


def _on_other_data(seen: Situation) -> Iterator[str]:
    """Warn of raw data that differ where nothing says which of them are test data."""
    begun = any(each.choice.run for each in seen.sides)
    if begun and (error := other_tests(seen.plan, seen.sides, declared=False)):
        yield (
            f"the sides have other raw data ({error.found}), and nothing says which of them are "
            f"test data, so compare will give no verdict: {frozen.SETTLED}"
        )


def _refuse_double(seen: Situation) -> None:
    """Refuse repeats that another call is about to record on this branch."""
    branch = seen.place.branch
    every = () if seen.request.again else WorkDir.everywhere(seen.place.workspace)
    for state in (each for workdir in every for each in states.going(workdir, branch)):
        for source in seen.sides:
            both = set(source.choice.run).intersection(state.draft.seeds)
            if both and source.inputs == state.draft.inputs:
                run = state.draft.id[:8]
                raise LockedError(
                    "another call is running the same repeats",
                    found=f"run {run} of the {source.side}, {numbers.seeds(both)}",
                    where=branch,
                    expected="seeds or a side that no call that goes on has",
                    next_step=f"gitexp logs {run} --follow, and the same when it has ended; "
                    "--again runs them twice",
                )


def _begin(
    place: RunPlace, request: RunRequest, now: datetime, environ: Mapping[str, str]
) -> tuple[RunPlace, resume.Resumed, tuple[str, ...]]:
    """Clear up after calls that died and go on with them; then commit, where that is asked for."""
    # First of all: a call that died when the branch had moved left a work tree that looks edited.
    cleared = () if request.dry_run else owners.clear_stale(place.repo)
    if not request.resume and request.commit_message is None and request.at is None:
        check_clean(place, dry=request.dry_run)
    resumed = (resume.resume if request.resume else resume.go_on)(place, request, now)
    cleared, request = (*cleared, *resumed.said), resumed.request
    workdir = WorkDir.of(place.workspace, make=False)
    for run_id in () if request.dry_run else states.kept_linked(workdir):
        cleared += tuple(slots.put_back(workdir.linked(run_id), workdir.run(run_id)))
        slots.drop_linked(workdir.linked(run_id))
    if resumed.recovered:
        place = find_place(place.workspace, request)
    if request.commit_message is not None and request.dry_run:
        cleared = (*cleared, *filter(None, (announced(place),)))
    elif request.commit_message is not None:

        def refuse(ahead: RunPlace, asked: RunRequest) -> None:
            seen = situation.look(ahead, asked, environ, resumed.runs, resumed.pending)
            _refuse_unmade(seen)
            _refuse_useless(seen, resumed)

        place, request = commit(place, request, refuse)
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


def _perform(
    watch: Watch,
    engine: Engine,
    tell: Callable[[ProgressEvent], None],
    interrupts: Callable[[], int],
    now: Callable[[], datetime],
) -> answer.Performed:
    seen, prepared, workdir = watch.seen, watch.prepared, watch.seen.workdir
    execution = execute(watch, engine, tell, interrupts)
    sides = [
        Ended(
            each.state,
            each.template.source.config,
            each.first,
            {
                seed: workdir.outcome(each.run, seed)
                for seed in each.seeds
                if seed in execution.started[each.run]
                # One that was stopped before its worker took it on: nothing happened to it.
                and (not execution.interrupted or workdir.began(each.run, seed))
            },
        )
        for each in prepared
    ]
    sides = [each for each in sides if each.outcomes]
    if not sides:
        resume.close(workdir, [each.state for each in prepared])
        return answer.Performed((), execution.interrupted, execution.problems)
    warnings = [*execution.problems, *execution.warnings]
    told = (text for each in sides for text in private.held(seen.repo, each.config)[1])
    warnings += dict.fromkeys(text for text in told if "identity" in text)
    warnings += watch.said({each.state.side: each.finished() for each in sides}, execution.idle)
    if any(len(each.finished()) < len(each.outcomes) for each in sides):
        ended = [outcome for each in sides for outcome in each.outcomes.values() if outcome]
        stages = {stage.name: stage for each in prepared for stage in each.template.job.stages}
        lines = [(last_line(o.log_tail), stages.get(o.stage)) for o in ended if o.exit_code]
        doubtful = [path for each in prepared for path in each.doubtful]
        unasked = [path for each in prepared for path in each.unasked]
        warnings += mentions.missed(seen.sides[0], lines, doubtful, unasked)
    tell(ProgressEvent(ProgressKind.STEP, "recording"))
    published = publish(seen.place.workspace, seen.repo, workdir, sides, now())
    usage.remember(seen, sides)
    for each in prepared:
        states.recorded(workdir, each.run)
    stopped = None
    if execution.idle:
        begun = {each.state.side: tuple(each.outcomes) for each in sides}
        stopped = watch.error({name: begun[name] for name in execution.idle})
    return answer.Performed((published,), execution.interrupted, tuple(warnings), stopped)


def _new_id() -> RunId:
    return RunId(base64.b32encode(os.urandom(10)).decode().lower())
