"""What dead calls left: finished repeats never recorded, linked data, worktrees of jobs."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import LockedError
from gitexp.execution import slots
from gitexp.execution import state as states
from gitexp.execution.resume import dead_call, dead_slots, record
from gitexp.execution.state import finished, is_recorded, live_runs
from gitexp.execution.workdir import is_own_slot, remove_slots
from gitexp.git.refs import local
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.locks import FileLock
from gitexp.git.worktree import checkouts
from gitexp.model.ids import ABSENT, RunId
from gitexp.model.job import LINKED
from gitexp.model.report import Level
from gitexp.report import numbers
from gitexp.store import calls
from gitexp.upkeep.doctor.place import Curable, tip_of
from gitexp.views.status import resumptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.execution.state import State
    from gitexp.execution.workdir import WorkDir
    from gitexp.model.workspace import Workspace
    from gitexp.upkeep.doctor.place import CheckedRepository


def unrecorded(place: CheckedRepository) -> Iterator[Curable]:
    """Yield what is finished and unrecorded, what only looks so, and what cannot be told."""
    yield from _linked(place)
    steps = _steps(place)
    for workspace, workdir, state in place.waiting():
        run = state.draft.id
        if run in place.recorded:
            what = f"run {run[:8]} is recorded on {state.branch}, and its notes do not say so"
            clear, notes = partial(states.recorded, workdir, run), workdir.state(run)
            yield Curable(what, notes, "note that it is recorded", clear, done="noted")
        elif what := _left(workdir, state):
            there = tip_of(place, local(state.branch)) is not ABSENT
            step = steps.get(run) or states.resumption(state, there=there)
            what += f" of run {run[:8]} for {state.branch} never recorded: the coordinator died"
            remedy = f"record them; {step} finishes the call, too" if there else step
            finish = partial(_record, place, workspace, workdir, state) if there else None
            yield Curable(what, workdir.run(run), remedy, finish, step=step)
        elif not any(states.is_at_work(workdir, state, seed) for seed in state.draft.seeds):
            yield from _outputs(workdir, run, "a call that died before a repeat had finished")
    for _, workdir in place.workdirs():
        for name in sorted(states.published(workdir)):
            yield from _outputs(workdir, RunId(name), "a recorded run, which nothing names")
        for run in states.abandoned(workdir):
            what, done = f"run {run[:8]} died before its first repeat", "removed the folder"
            clear = partial(states.renounce, workdir, run)
            yield Curable(what, workdir.run(run), "remove its empty folder", clear, done=done)
    for workspace in place.work_places:
        yield from _earlier(workspace)
        for bad in live_runs(workspace).unreadable:
            what = f"the notes about run {bad.what[:8]} are not to be believed: {bad.why}"
            step = f"look into its jobs/, then rm -r {shlex.quote(bad.where)}"
            yield Curable(what, bad.where, step)


def _linked(place: CheckedRepository) -> Iterator[Curable]:
    """Yield what a dead call has kept of linked files, which its repeats may have changed."""
    for _, workdir in place.workdirs():
        for run in states.kept_linked(workdir):
            what = f"linked files as they were before run {run[:8]}, which was killed"
            put, done = partial(_put_back, workdir, run), "they are as they were"
            remedy = "put back what was changed since"
            yield Curable(what, workdir.linked(run), remedy, put, done=done)
    there = {path.name for _, workdir in place.workdirs() for path in calls.within(workdir.runs)}
    for kept in sorted(layout.state(place.workspace.common_dir, LINKED).glob("*")):
        if kept.name not in there:  # nobody can tell whether it is the only copy
            what = f"linked files as they were before run {kept.name[:8]}, whose folder is gone"
            step = f"copy what you need of it, then rm -r {shlex.quote(str(kept))}"
            yield Curable(what, kept, step)


def _put_back(workdir: WorkDir, run: RunId) -> str:
    said = "; ".join(slots.put_back(workdir.linked(run), workdir.run(run)))
    slots.drop_linked(workdir.linked(run))
    return said


def _left(workdir: WorkDir, state: State) -> str:
    """Return what a dead call has finished, else what it had begun; "" while that is under way."""
    if seeds := finished(workdir, state):
        return numbers.amount(len(seeds), "finished repeat")
    begun = [seed for seed in state.draft.seeds if workdir.began(state.draft.id, seed)]
    if state.left or any(states.is_at_work(workdir, state, seed) for seed in begun):
        return ""
    return numbers.amount(len(begun), "interrupted repeat") if begun else ""


def _steps(place: CheckedRepository) -> dict[RunId, str]:
    found = {}
    for workspace in place.work_places:
        here = workspace.top == place.workspace.top
        found.update(resumptions(workspace, "" if here else str(workspace.top)))
    return found


def _outputs(workdir: WorkDir, run: RunId, whose: str) -> Iterator[Curable]:
    if caches := workdir.caches(run):
        remedy, clear = f"remove {len(caches)} of its folders", partial(workdir.drop_caches, run)
        yield Curable(f"outputs of {whose}", workdir.run(run), remedy, clear, done="removed them")


def _earlier(workspace: Workspace) -> Iterator[Curable]:
    """Yield where earlier versions kept their calls: a branch may have files there as well."""
    if workspace.top and (runs := workspace.top / layout.TMP / "runs").is_dir():
        what = "calls of an earlier version, which alone goes on with what it has not recorded"
        remedy = f"look into {shlex.quote(str(runs))}, then rm -r {shlex.quote(str(runs.parent))}"
        yield Curable(what, runs, remedy, level=Level.NOTE)


def _record(place: CheckedRepository, workspace: Workspace, workdir: WorkDir, state: State) -> str:
    """Record what is finished; a repeat that is under way would be recorded as lost."""
    run = state.draft.id
    for slot in workdir.slots(run):
        lock = FileLock(slot.with_name(f"{slot.name}.lock"))
        if not lock.try_acquire():
            raise LockedError("a worker is at work for it", where=str(slot))
        lock.release()
    repo = open_repository(workspace)
    if is_recorded(repo, state):  # with the other side of its call
        states.recorded(workdir, run)
        return "noted"
    now = datetime.fromtimestamp(place.now_s, UTC).replace(microsecond=0)
    if sides := dead_call(repo, workdir, state.branch, state.draft.call):
        made = record(workspace, repo, workdir, sides, now)
        place.forget()
        return f"recorded {made.commit[:9]} on {state.branch}"
    return "somebody else has"


def dead_worktrees(place: CheckedRepository) -> Iterator[Curable]:
    """Yield job worktrees that nobody uses; what a repeat made is elsewhere."""
    seen: set[Path] = set()
    for workspace, workdir in place.workdirs():
        for path in dead_slots(workdir):
            seen.add(path)
            what, clear = (
                "a job's worktree whose run has ended",
                partial(_remove_slot, workspace, path),
            )
            yield Curable(what, path, "remove the worktree", clear, done="removed the worktree")
    slots = {layout.work(each.git_dir) / "worktrees" for each in place.work_places}
    proofs = calls.proofs(place.workspace)
    for checkout in checkouts.listing(place.workspace):
        top = checkout.top  # whatever stands in .git/worktrees/NAME/gitdir
        if not checkout.missing or top in seen or top.parent not in slots:
            continue
        if is_own_slot(top.name, proofs):
            what, done = "Git knows a job's worktree that is gone", "Git has forgotten it"
            clear = partial(checkouts.forget, place.workspace, top)
            yield Curable(what, top, "let Git forget it", clear, done=done)


def _remove_slot(workspace: Workspace, path: Path) -> None:
    """Remove it, unless a worker is in it all the same."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    if not lock.try_acquire():
        raise LockedError("a worker is at work in it", where=str(path))
    try:
        remove_slots(workspace, [path])
    finally:
        lock.release()
