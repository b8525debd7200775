"""Repeats that calls which died had begun are recorded, and the last call goes on.

With `run --resume` it goes on with what it was asked for: its commit, overrides and seeds. Nothing
else is begun: on a branch without a plan and without a dead call there is nothing to resume. A
plain `run` goes on with a dead call that had the same state, plan and options, and otherwise stops.
"""

from __future__ import annotations

import shlex
import sys
import time
from typing import TYPE_CHECKING

from gitexp.comparison import eligible
from gitexp.comparison.advice import seed_ranges
from gitexp.comparison.randomness.seeding import BASELINE
from gitexp.dvc.inputs import digest
from gitexp.dvc.state import ProjectState
from gitexp.errors import (
    DamagedDataError,
    GitexpError,
    KilledCallError,
    LockedError,
    MovedRefError,
    PreconditionError,
)
from gitexp.execution import engines
from gitexp.execution import state as states
from gitexp.execution.publish import publish, record_of
from gitexp.execution.record import Ended, PublishedCall
from gitexp.execution.state import State, _outcome, finished, is_recorded
from gitexp.execution.workdir import WorkDir, loaded, remove_slots
from gitexp.git import objects, refs
from gitexp.git.transaction import layout
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash, InputsDigest, ParamValue, RunId
from gitexp.model.job import Job, JobState, Outcome
from gitexp.records import config as config_format
from gitexp.report import numbers
from gitexp.store import plans
from gitexp.store.lookup import FoundRun
from gitexp.text.foreign import Lines
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from gitexp.execution.place import RunPlace
    from gitexp.git.repository import Repo
    from gitexp.model.request import RunOptions, RunRequest
    from gitexp.model.workspace import Workspace


QUIET_S = 20.0  # more than a worker takes to end its commands when its coordinator has died


@dataclass(frozen=True, slots=True)
class Resumed:
    """What is recorded now, and how the call goes on."""

    recovered: tuple[PublishedCall, ...]
    request: RunRequest  # with what the dead call was asked for
    said: tuple[str, ...] = ()  # what the user has to know
    call: str | None = None  # id of the call that goes on: for the count of looks the two are one
    calls: tuple[State, ...] = ()  # the dead calls that this one takes over; see `close`
    pending: tuple[FoundRun, ...] = ()  # what a dry run would have recorded first

    @property
    def runs(self) -> frozenset[RunId]:
        """The runs that this call takes for its own."""
        made = [record.run for call in self.recovered for _, record in call.records]
        made += [*(state.draft for state in self.calls), *(found.run for found in self.pending)]
        return frozenset(run.id for run in made)


def resume(place: RunPlace, request: RunRequest, now: datetime) -> Resumed:
    """Record what calls that died here had begun; those of a rewritten branch are told of."""
    workdir = WorkDir.of(place.workspace)
    dead, known = _dead(place, workdir)
    done, said, failed = _record_all(place, workdir, dead, now)
    dead = [each for each in dead if each.draft.call not in failed]
    if request.repeats is not None or request.seeds or request.params or request.at is not None:
        return Resumed(done, request, said, calls=tuple(dead))
    if not dead:
        said += tuple(_nothing(place, workdir, known, said, recovered=bool(done or said)))
        return Resumed(done, request, said)
    return _taken_over(place, workdir, request, dead, Resumed(done, request, said))


def go_on(place: RunPlace, request: RunRequest, now: datetime) -> Resumed:
    """Record what dead calls had begun, and go on with those of this state, plan and choice."""
    workdir = WorkDir.of(place.workspace)
    dead, _ = _dead(place, workdir, note=not request.dry_run)
    dead = [each for each in dead if not each.left]
    if not dead:
        return Resumed((), request)
    if not request.dry_run:  # what is about to finish has to be seen
        _quiet(workdir, [each for each in dead if not each.published])
    same = _same(place, request, dead)
    other = [each for each in dead if each not in same and not each.published]
    waiting = [each for each in other if finished(workdir, each)]
    if waiting and not request.again:
        raise _differs(place, workdir, request, waiting)
    if request.dry_run:
        pending = tuple(_pending(place, workdir, same, now))
        count = sum(len(eligible.finished_seeds(each)) for each in pending)
        repeats = numbers.amount(count, "finished repeat")
        first = f"{repeats} of a killed call would be recorded first"
        so_far = Resumed((), request, (first,) if count else (), pending=pending)
        if request.again or not same:
            return so_far
        return replace(_taken_over(place, workdir, request, same, so_far), calls=())
    # What anybody may have seen is recorded before the same is run again, or another state: of a
    # repeat that was begun, too, as what it had printed may have been a score.
    done, said, failed = _record_all(place, workdir, [*same, *other], now)
    same = [each for each in same if each.draft.call not in failed]
    close(workdir, [each for each in other if each not in waiting])
    if request.again or not same:
        return Resumed(done, request, said, calls=tuple(same))
    return _taken_over(place, workdir, request, same, Resumed(done, request, said))


def _pending(
    place: RunPlace, workdir: WorkDir, dead: Sequence[State], now: datetime
) -> Iterator[FoundRun]:
    """Yield what dead calls have finished as if it were recorded at the tip."""
    for call in dict.fromkeys(state.draft.call for state in dead if not state.published):
        for ended in dead_call(place.repo, workdir, place.branch, call):
            made = record_of(ended, now)
            yield FoundRun(made.run, made.samples, place.tip, sys.maxsize)


def close(workdir: WorkDir, calls: Sequence[State]) -> None:
    """Note that nobody needs to go on with these calls any more."""
    for state in calls:
        states.note(workdir, state.draft.id, open=False, left=True)
        if not finished(workdir, state):
            workdir.drop_caches(state.draft.id)


def _dead(place: RunPlace, workdir: WorkDir, *, note: bool = True) -> tuple[list[State], list[str]]:
    """Return what died on this branch and can be gone on with; and names of what is recorded."""
    dead: list[State] = []
    known: list[str] = []
    for state in states.unpublished(workdir, opened=True):
        if not state.published and is_recorded(place.repo, state):
            # It died after the branch had moved: only its notes do not say so.
            if note:
                states.recorded(workdir, state.draft.id)
            known.append(state.draft.id[:8])
        elif state.branch == place.branch and (not state.left or finished(workdir, state)):
            dead.append(state)
    return dead, known


def _record_all(
    place: RunPlace, workdir: WorkDir, dead: Sequence[State], now: datetime
) -> tuple[tuple[PublishedCall, ...], tuple[str, ...], frozenset[str]]:
    """Record what dead calls had begun; return also words and ids of those that must wait."""
    _quiet(workdir, [state for state in dead if not state.published])
    done: list[PublishedCall] = []
    said: list[str] = []
    failed: set[str] = set()
    for call in dict.fromkeys(state.draft.call for state in dead):
        try:
            sides = dead_call(place.repo, workdir, place.branch, call)
            if sides:
                done.append(record(place.workspace, place.repo, workdir, sides, now))
        except (MovedRefError, DamagedDataError) as error:  # `git gc` has taken its commit
            names = ", ".join(each.draft.id[:8] for each in dead if each.draft.call == call)
            said.append(f"run {names} is not recorded: {error.summary}")
            failed.add(call)
    remove_slots(place.workspace, dead_slots(workdir))
    return tuple(done), tuple(said), frozenset(failed)


def _quiet(workdir: WorkDir, dead: Sequence[State]) -> None:
    """Wait until no worker of dead calls works: it may be about to finish a repeat."""
    deadline = time.monotonic() + QUIET_S
    for state in dead:
        run, engine = state.draft.id, state.draft.engine
        for seed in state.draft.seeds:
            attempt = workdir.attempt(run, seed)
            if not workdir.began(run, seed):
                # A worker that was just being started finds no job, and executes nothing.
                workdir.job_file(run, seed).unlink(missing_ok=True)
            while engines.state_of(engine, attempt) is JobState.RUNNING:
                if time.monotonic() >= deadline:
                    raise LockedError(
                        "a worker of a killed call is still at work",
                        found=f"seed {seed} of run {run[:8]}",
                        where=str(attempt),
                        next_step="the same again when it has ended",
                    )
                engines.wait(engine)
            if workdir.began(run, seed) and not workdir.holds_outcome(run, seed):
                engines.end(engine, attempt)  # what outlived a worker that was killed, too


def _taken_over(
    place: RunPlace, workdir: WorkDir, request: RunRequest, dead: Sequence[State], so_far: Resumed
) -> Resumed:
    last = max(dead, key=lambda each: (each.draft.started_at, each.side != BASELINE))
    return replace(
        so_far,
        request=_asked(place, workdir, request, last),
        call=last.draft.call or None,
        calls=tuple(dead),
    )


def _same(place: RunPlace, request: RunRequest, dead: Sequence[State]) -> list[State]:
    """Return the calls that had the state, plan and seeds that a request has."""
    if request.commit_message is not None:
        return []  # which makes another state
    plan = plans.plan_of_branch(place.repo, place.branch, place.tip)
    fallback = None if plan is ABSENT else plans.fixed_at(place.repo, plan, place.tip)
    source = place.head if request.at is None else objects.resolve(place.repo, request.at)
    overrides = {str(key): value for key, value in request.params}
    inputs = _inputs(place, source, fallback, overrides)
    digest = None if plan is ABSENT or plan.leaves_out(request.group) else plan.digest
    return [e for e in dead if e.plan == digest and e.asked.is_same(request.seeds, inputs)]


def _differs(
    place: RunPlace, workdir: WorkDir, request: RunRequest, other: Sequence[State]
) -> KilledCallError:
    """Return the error that says what waits, and by which two commands it goes on."""
    lines = []
    for state in other:
        done = finished(workdir, state)
        asked = [f"--param {key}={value}" for key, value in state.asked.overrides.items()]
        if state.asked.seeds:
            asked.append(f"--seeds {seed_ranges(dict.fromkeys(state.asked.seeds))}")
        own = state.draft  # `asked` is of the call's first side
        what = f"inputs {own.inputs[:7]} of {own.source.commit[:9]}"
        lines.append(
            f"{len(done)} of {len(state.draft.seeds)} repeats of run {state.draft.id[:8]} "
            f"({state.side}, {' '.join([what, *asked])})"
        )
    typed = [f"--param {key}={value}" for key, value in request.params]
    typed += ["--with-baseline"] if request.with_baseline else []
    typed += [f"--seeds {seed_ranges(dict.fromkeys(request.seeds))}"] if request.seeds else []
    typed += [f"--repeats {request.repeats}"] if request.repeats is not None else []
    typed += [f"--at {request.at}"] if request.at is not None else []
    typed += ["--commit -m MESSAGE"] if request.commit_message is not None else []
    on = [f"--on {shlex.quote(request.on)}"] if request.on is not None else []
    return KilledCallError(
        "a call that was killed has finished repeats of another state or choice",
        found=Lines.of(lines),
        where=f"{place.branch}, recorded nowhere yet",
        expected="this call to go on with them, or only to record them",
        next_step=f"{' '.join(['gitexp run --resume', *on])}, which records them and finishes that "
        f"call; or {' '.join(['gitexp run --again', *typed, *on])}, which only records them",
    )


def record(
    workspace: Workspace, repo: Repo, workdir: WorkDir, sides: Sequence[Ended], now: datetime
) -> PublishedCall:
    """Record what a dead call had begun, and note that it is recorded."""
    done = publish(workspace, repo, workdir, sides, now)
    for ended in sides:
        draft = ended.state.draft
        lacks = len(finished(workdir, ended.state)) < len(draft.seeds)
        states.recorded(workdir, draft.id, open_=lacks and not ended.state.left)
    return done


def _asked(place: RunPlace, workdir: WorkDir, request: RunRequest, state: State) -> RunRequest:
    """Return the request of a dead call, as far as it is still to be done."""
    asked, draft = state.asked, state.draft
    seeds, again = asked.seeds, request.again or asked.again
    if again:  # else what has finished counts already
        done = finished(workdir, state)
        left = tuple(seed for seed in draft.seeds if seed not in done)
        seeds, again = left or draft.seeds, bool(left)
    at = request.at
    if at is None and asked.at is not None:
        # A branch that it named may have moved since; and both sides are more than that one.
        both = state.side == BASELINE and request.with_baseline
        at = None if both else asked.commit
    elif at is None and asked.commit and not _is_at(place, asked):
        at = asked.commit
    return replace(
        request,
        repeats=asked.repeats if request.repeats is None else request.repeats,
        seeds=seeds,
        jobs=max(request.jobs, asked.jobs),
        with_baseline=request.with_baseline or asked.with_baseline,
        at=at,
        params=tuple((param_key(key), value) for key, value in asked.overrides.items()),
        group=request.group or asked.group,
        again=again,
        timeout_s=request.timeout_s or asked.timeout_s,
    )


def _is_at(place: RunPlace, asked: RunOptions) -> bool:
    """Whether HEAD is the state that a dead call ran; its own record has moved the branch."""
    head = refs.head(place.repo).commit
    if head is ABSENT or head == asked.commit:
        return head == asked.commit
    fallback = objects.resolve(place.repo, asked.commit)
    return _inputs(place, head, fallback, asked.overrides) == asked.inputs


def _inputs(
    place: RunPlace,
    commit: CommitHash,
    fallback: CommitHash | None,
    overrides: Mapping[str, ParamValue],
) -> InputsDigest | None:
    tree = objects.tree_id(place.repo, commit)
    if tree is ABSENT:
        return None
    config, _ = plans.config_of(place.repo, commit, fallback)
    return digest(ProjectState(place.repo, tree, config), overrides)


def _nothing(
    place: RunPlace, workdir: WorkDir, known: Sequence[str], said: Sequence[str], *, recovered: bool
) -> list[str]:
    """Stop where nothing is left to do; under a plan its lacking repeats are."""
    found, then = "no call that died", _left(workdir, place.branch)
    if said:
        found = "; ".join(said)
    elif known:
        found = f"run {', '.join(known)} of a call that died is recorded already"
    elif going := states.living(workdir):
        found = f"run {', '.join(sorted(name[:8] for name in going))} is still going on"
    elif waiting := next(_elsewhere(place.repo, workdir), None):
        there = refs.read_ref(place.repo, refs.local(waiting.branch)) is not ABSENT
        found = f"run {waiting.draft.id[:8]}, which belongs on {waiting.branch}"
        then = states.resumption(waiting, there=there)
    if plans.plan_of_branch(place.repo, place.branch, place.tip) is not ABSENT:
        return [] if recovered else [f"{found}: these are the repeats that the plan lacks"]
    raise PreconditionError(
        "there is nothing to resume",
        found=found,
        where=place.branch,
        expected="a call of run that was killed before it had recorded its repeats",
        next_step=then,
    )


def _elsewhere(repo: Repo, workdir: WorkDir) -> Iterator[State]:
    """Yield what other branches' dead calls have finished, the candidate's side first."""
    found = [s for s in states.unpublished(workdir) if not is_recorded(repo, s)]
    for state in sorted(found, key=lambda each: each.side == BASELINE):
        if finished(workdir, state):
            yield state


def _left(workdir: WorkDir, branch: str) -> str:
    """Return what runs the repeats that the last call on a branch has left, or a new one."""
    last = states.newest(workdir, branch)
    if last is None or last.draft.source.overrides or last.asked.at is not None:
        return "gitexp run"
    done = finished(workdir, last)
    left = [seed for seed in last.draft.seeds if seed not in done]
    return f"gitexp run --seeds {seed_ranges(dict.fromkeys(left))}" if left else "gitexp run"


def dead_call(repo: Repo, workdir: WorkDir, branch: str, call: str) -> list[Ended]:
    """Return the sides of a dead call on `branch` that had begun; what was running is `lost`."""
    members = [s for s in states.unpublished(workdir) if (s.branch, s.draft.call) == (branch, call)]
    return [ended for each in members if (ended := _ended(repo, workdir, each)) is not None]


def _ended(repo: Repo, workdir: WorkDir, state: State) -> Ended | None:
    outcomes: dict[int, Outcome | None] = {}
    first = None
    for seed in state.draft.seeds:
        path = workdir.job_file(state.draft.id, seed)
        try:
            job = loaded(Job, path)
        except (GitexpError, OSError):  # it never was, or a power cut left half of it
            continue
        if first is None or len(job.stages) > len(first.stages):
            first = job
        if workdir.began(state.draft.id, seed):
            outcomes[seed] = _outcome(workdir, state, seed)
    if first is None or not outcomes:
        return None
    source = state.draft.source
    if source.config is None:
        config, _ = plans.config_of(repo, source.commit)
    else:
        config = config_format.load(repo.read(source.config), layout.CONFIG)
    return Ended(state, config, first, outcomes)


def dead_slots(workdir: WorkDir) -> list[Path]:
    """Return the worktrees that no living coordinator uses."""
    living = states.living(workdir)
    return [path for path in workdir.slots() if path.name.rpartition("-")[0] not in living]
