"""`run --resume`: finished repeats of calls that died are recorded, and the last call goes on.

It goes on with what it was asked for: its commit, overrides and seeds. Nothing else is begun: on a
branch without a plan and without a dead call there is nothing to resume.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.errors import MovedRefError, PreconditionError
from gitexp.formats import config as config_format
from gitexp.formats import job as job_format
from gitexp.formats.keys import param_key
from gitexp.git import objects, refs
from gitexp.git.refs import ABSENT
from gitexp.model.run import RepeatState
from gitexp.ops.advice import seed_ranges
from gitexp.ops.run import state as states
from gitexp.ops.run.keeping import remove_slots
from gitexp.ops.run.publish import Ended, PublishedCall, publish
from gitexp.ops.run.situation import BASELINE
from gitexp.ops.run.workdir import WorkDir
from gitexp.store import layout, plans
from gitexp.store.inputs import compute

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.job import Outcome
    from gitexp.model.request import RunRequest
    from gitexp.model.workspace import Workspace
    from gitexp.ops.run.place import Place
    from gitexp.ops.run.state import State


@dataclass(frozen=True, slots=True)
class Resumed:
    """What is recorded now, and how the call goes on.

    Attributes
    ----------
    recovered : tuple of PublishedCall
    request : RunRequest
        With what the dead call was asked for.
    said : tuple of str
        What the user has to know.
    call : str or None
        Id of the call that goes on: for the count of looks the two are one.
    """

    recovered: tuple[PublishedCall, ...]
    request: RunRequest
    said: tuple[str, ...]
    call: str | None


def resume(place: Place, request: RunRequest, now: datetime) -> Resumed:
    """Record the finished repeats of calls that died here, and ask again what the last asked.

    Those of a branch that was rewritten since wait until it is restored; they are told of.

    Raises
    ------
    PreconditionError
        If no call died, the request asks for nothing itself, and no plan lacks repeats.
    """
    workdir = WorkDir.of(place.top)
    last: State | None = None
    known: list[str] = []
    for state in states.unpublished(workdir):
        if is_recorded(place.repo, state):
            # It died after the branch had moved: only its notes do not say so.
            states.write(workdir, replace(state, published=True))
            known.append(state.draft.id[:8])
        elif state.branch == place.branch and (last is None or _leads(state, last)):
            last = state
    done: list[PublishedCall] = []
    said: list[str] = []
    for sides in dead_calls(place.repo, workdir, place.branch):
        try:
            done.append(record(place.workspace, place.repo, workdir, sides, now))
        except MovedRefError as error:
            names = ", ".join(ended.state.draft.id[:8] for ended in sides)
            said.append(f"run {names} is not recorded: {error.summary}")
            if last is not None and any(e.state.draft.call == last.draft.call for e in sides):
                last = None
    remove_slots(place.workspace, dead_slots(workdir))
    if request.repeats is not None or request.seeds or request.params or request.at is not None:
        return Resumed(tuple(done), request, tuple(said), None)
    if last is None:
        said += _nothing(place, workdir, known, said, recovered=bool(done or said))
        return Resumed(tuple(done), request, tuple(said), None)
    return Resumed(
        tuple(done), _asked(place, workdir, request, last), tuple(said), last.draft.call or None
    )


def record(
    workspace: Workspace, repo: Repo, workdir: WorkDir, sides: Sequence[Ended], now: datetime
) -> PublishedCall:
    """Record what a dead call has finished, and note that it is recorded.

    Raises
    ------
    As `publish` does.
    """
    done = publish(workspace, repo, workdir, sides, now)
    for ended in sides:
        states.write(workdir, replace(ended.state, published=True))
    return done


def _leads(state: State, other: State) -> bool:
    """Whether a state says more of what its call was asked for: newer, and not the baseline."""
    mine = (state.draft.started_at, state.side != BASELINE)
    return mine >= (other.draft.started_at, other.side != BASELINE)


def _asked(place: Place, workdir: WorkDir, request: RunRequest, state: State) -> RunRequest:
    """Return the request of a dead call, as far as it is still to be done."""
    asked, draft = state.asked, state.draft
    overrides = draft.source.overrides
    seeds, again = asked.seeds, request.again or asked.again
    if again:  # else what has finished counts already
        left = tuple(seed for seed in draft.seeds if not workdir.finished(draft.id, seed))
        seeds, again = left or draft.seeds, bool(left)
    at = request.at or asked.at
    if at is None and not _is_at(place, state):
        at = draft.source.commit
    return replace(
        request,
        repeats=asked.repeats,
        seeds=seeds,
        jobs=max(request.jobs, asked.jobs),
        with_baseline=request.with_baseline or asked.with_baseline,
        at=at,
        params=tuple((param_key(key), value) for key, value in overrides.items()),
        group=draft.group,
        again=again,
        timeout_s=request.timeout_s or asked.timeout_s,
    )


def _is_at(place: Place, state: State) -> bool:
    """Whether HEAD is the state that a dead call ran; its own record has moved the branch."""
    source = state.draft.source
    head = refs.head(place.repo).commit
    if head is ABSENT or head == source.commit:
        return head == source.commit
    tree = objects.tree_id(place.repo, head)
    config, _ = plans.config_of(place.repo, head, source.commit)
    found = (
        ABSENT if tree is ABSENT else compute(place.repo, tree, config, overrides=source.overrides)
    )
    return found == state.draft.inputs


def _nothing(
    place: Place, workdir: WorkDir, known: Sequence[str], said: Sequence[str], *, recovered: bool
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
        if any(workdir.finished(state.draft.id, seed) for seed in state.draft.seeds):
            yield state


def _left(workdir: WorkDir, branch: str) -> str:
    """Return what runs the repeats that the last call on a branch has left, or a new one."""
    last = states.newest(workdir, branch)
    if last is None or last.draft.source.overrides or last.asked.at is not None:
        return "gitexp run"
    run = last.draft.id
    left = [seed for seed in last.draft.seeds if not workdir.finished(run, seed)]
    return f"gitexp run --seeds {seed_ranges(dict.fromkeys(left))}" if left else "gitexp run"


def dead_calls(repo: Repo, workdir: WorkDir, branch: str) -> Iterator[list[Ended]]:
    """Yield the sides of each dead call that was to record on `branch` and finished something.

    A repeat that was running when its coordinator died is `lost`; one that never started is left
    out, since nothing happened to it.
    """
    calls: dict[str, list[State]] = {}
    for each in states.unpublished(workdir):
        if each.branch == branch:
            calls.setdefault(each.draft.call, []).append(each)
    for members in calls.values():
        sides = [ended for each in members if (ended := _ended(repo, workdir, each)) is not None]
        if sides:
            yield sides


def is_recorded(repo: Repo, state: State) -> bool:
    """Whether the branch holds the record of this run already."""
    tip = refs.read_ref(repo, refs.local(state.branch))
    if tip is ABSENT:
        return False
    return objects.blob_id(repo, tip, layout.run_json(state.draft.id)) is not ABSENT


def _ended(repo: Repo, workdir: WorkDir, state: State) -> Ended | None:
    outcomes: dict[int, Outcome | None] = {}
    first = None
    for seed in state.draft.seeds:
        path = workdir.job_file(state.draft.id, seed)
        if not path.exists():
            continue
        job = job_format.load(path.read_bytes(), str(path))
        if first is None or len(job.stages) > len(first.stages):
            first = job
        if workdir.began(state.draft.id, seed):
            outcomes[seed] = workdir.outcome(state.draft.id, seed)
    if first is None or not any(
        outcome is not None and outcome.state is RepeatState.FINISHED
        for outcome in outcomes.values()
    ):
        return None
    source = state.draft.source
    data = None if source.config is None else objects.blob(repo, source.config)
    if data is None:
        config, _ = plans.config_of(repo, source.commit)
    else:
        config = config_format.load(data, layout.CONFIG)
    return Ended(state, config, first, outcomes)


def dead_slots(workdir: WorkDir) -> list[Path]:
    """Return the worktrees that no living coordinator uses."""
    living = states.living(workdir)
    return [path for path in workdir.slots() if path.name.rpartition("-")[0] not in living]
