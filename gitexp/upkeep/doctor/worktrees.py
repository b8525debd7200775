"""Worktrees of jobs whose coordinator is dead."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import LockedError
from gitexp.execution.resume import dead_slots
from gitexp.execution.workdir import is_own_slot, remove_slots
from gitexp.git.transaction import layout
from gitexp.git.transaction.locks import FileLock
from gitexp.git.worktree import worktrees
from gitexp.store import calls
from gitexp.upkeep.doctor.place import Curable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.model.workspace import Workspace
    from gitexp.upkeep.doctor.place import CheckedRepository

NAME = "worktrees"


def look(place: CheckedRepository) -> Iterator[Curable]:
    """Yield job worktrees that nobody uses; what a repeat made is elsewhere."""
    seen: set[Path] = set()
    for workspace, workdir in place.workdirs():
        for path in dead_slots(workdir):
            seen.add(path)
            yield Curable(
                "a job's worktree whose run has ended",
                path,
                "remove the worktree",
                partial(_remove, workspace, path),
                done="removed the worktree",
            )
    slots = {each.top / layout.TMP / "worktrees" for each in place.work_places if each.top}
    proofs = calls.proofs(place.workspace)
    for checkout in place.worktrees():
        top = checkout.top  # whatever stands in .git/worktrees/NAME/gitdir
        if not checkout.missing or top in seen or top.parent not in slots:
            continue
        if is_own_slot(top.name, proofs):
            yield Curable(
                "Git knows a job's worktree that is gone",
                top,
                "let Git forget it",
                partial(worktrees.forget, place.workspace, top),
                done="Git has forgotten it",
            )


def _remove(workspace: Workspace, path: Path) -> None:
    """Remove it, unless a worker is in it all the same."""
    lock = FileLock(path.with_name(f"{path.name}.lock"))
    if not lock.try_acquire():
        raise LockedError("a worker is at work in it", where=str(path))
    try:
        remove_slots(workspace, [path])
    finally:
        lock.release()
