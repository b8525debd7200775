"""A merge that stopped at conflicts, and what finishes it."""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.git import refs
from gitexp.git.absent import ABSENT
from gitexp.git.worktree import status
from gitexp.store import replay

if TYPE_CHECKING:
    from gitexp.git.repository import Repo

_REBASE: Final = "rebase-merge"
_SQUASH: Final = "SQUASH_MSG"
_COMMIT: Final = "git commit --no-edit"
# What stopped, by a file of the Git directory, and what ends it. The first counts: a rebase picks.
_STOPPED: Final = {
    "MERGE_HEAD": _COMMIT,
    _REBASE: "git rebase --continue",
    "CHERRY_PICK_HEAD": "git cherry-pick --continue",
    "REVERT_HEAD": "git revert --continue",
    _SQUASH: _COMMIT,
}


def way_out(repo: Repo, *, experiment: bool) -> str:
    """Return what finishes a merge that stopped; "" where none did.

    dvc.lock and what else a run's snapshot writes are taken whole from one side: an `experiment`'s
    own, which the next run replaces, else those of what is merged, or moved by a rebase. The rest
    is a person's.
    """
    found = status.unmerged(repo.workspace)
    stopped = next((name for name in _STOPPED if (repo.workspace.git_dir / name).exists()), "")
    if not stopped or (stopped == _SQUASH and not found):  # which `git restore` leaves for good
        return "git status, which says how to go on with what has conflicts" if found else ""
    head = refs.head(repo).commit
    made = frozenset[str]() if head is ABSENT else replay.snapshot_paths(repo, head)
    side, stage, then = ("theirs", "3", "dvc checkout")
    if experiment and stopped != _REBASE:
        side, stage, then = ("ours", "2", "gitexp run")
    taken = [
        path
        for path, stages in found.items()
        if stage in stages and any(_lies_in(path, other) for other in made)
    ]
    rest = [path for path in found if path not in taken]
    steps = [_STOPPED[stopped]]
    if taken:
        paths = shlex.join(f":/{path}" for path in taken)
        steps = [f"git checkout --{side} -- {paths}", f"git add -- {paths}", *steps, then]
    first = f"settle {', '.join(map(shlex.quote, rest))} and git add them, then " if rest else ""
    return first + " && ".join(steps)


def _lies_in(path: str, other: str) -> bool:
    return path == other or path.startswith(posixpath.join(other, ""))
