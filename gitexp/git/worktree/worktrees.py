"""Add and remove the worktrees in which repeats run; their only settings are on command lines.

Every argument vector is fixed, a path goes behind ``--``, a revision is a full hash.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from gitexp.errors import ExistsError
from gitexp.git import command
from gitexp.git.worktree import submodules
from gitexp.git.worktree.checkouts import Checkout, listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace

__all__ = ["Checkout", "add", "listing", "remove"]

_WORKERS = 4  # that write files at once, where there are a hundred or more: waiting is most of it
_LEFT_OUT = b".gitexp/"


def add(workspace: Workspace, path: Path, commit: CommitHash) -> tuple[str, ...]:
    """Make a detached worktree of `commit` at `path`, without gitexp's own folder.

    What is left out stands in the worktree's index as skip-worktree, so ``git status`` there is
    clean and the user's settings are not touched. LFS and other filters of the user run, hooks do
    not. Submodules are filled from the user's own clones of them.

    The result: submodules that stay empty, because the user's clone has none of their files
    either.

    Raises `ExistsError` if there is something at `path`; `NoSpaceError, ReadOnlyError,
    GitFailedError` if git cannot make it; what was made of it is removed.
    """
    if path.exists():
        raise ExistsError("the worktree's folder is there already", where=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        command.run(workspace, ["worktree", "add", "--no-checkout", "--detach", "--force",
                                "--quiet", "--", str(path), commit])  # fmt: skip
        command.run(path, ["read-tree", commit])
        entries = _entries(path)
        skipped = [name for mode, _, name in entries if name.startswith(_LEFT_OUT)]
        if skipped:
            command.run(path, ["update-index", "--skip-worktree", "-z", "--stdin"],
                        data=_joined(skipped))  # fmt: skip
        wanted = [
            name
            for mode, _, name in entries
            if mode != b"160000" and not name.startswith(_LEFT_OUT)
        ]
        command.run(path, ["-c", f"checkout.workers={_WORKERS}", "checkout-index", "--force",
                           "--index", "--quiet", "-z", "--stdin"],
                    data=_joined(wanted))  # fmt: skip
        modules = [(name, sha) for mode, sha, name in entries if mode == b"160000"]
        return submodules.fill(path, workspace.common_dir, modules, commit)
    except BaseException:
        remove(workspace, path)
        raise


def remove(workspace: Workspace, path: Path) -> None:
    """Remove a worktree with everything in it, also one that is half made or half removed."""
    git_dir = next(
        (checkout.git_dir for checkout in listing(workspace) if checkout.top == path), None
    )
    if path.is_symlink():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)
    if git_dir is not None and git_dir != workspace.common_dir:
        shutil.rmtree(git_dir, ignore_errors=True)


def _entries(top: Path) -> list[tuple[bytes, bytes, bytes]]:
    found = []
    for record in command.run(top, ["ls-files", "--stage", "-z"]).split(b"\0"):
        if record:
            head, _, name = record.partition(b"\t")
            mode, sha, _ = head.split(b" ")
            found.append((mode, sha, name))
    return found


def _joined(names: Sequence[bytes]) -> bytes:
    return b"".join(name + b"\0" for name in names)
