"""Which worktrees there are and what each has checked out, without GitPython.

`worktrees.py` adds and removes them; this reads, for the transaction, `doctor` and the like.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.git import command
from gitexp.git.absent import ABSENT, Absent
from gitexp.model.ids import CommitHash

if TYPE_CHECKING:
    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Checkout:
    """One worktree of the repository, the main one included."""

    top: Path
    git_dir: Path
    branch: str | None  # short name; None: detached
    head: CommitHash | Absent  # ABSENT: unborn
    missing: bool  # its folder is gone; `git worktree prune` would forget it

    @property
    def index(self) -> Path:
        """The worktree's index file."""
        return self.git_dir / "index"


def listing(workspace: Workspace) -> tuple[Checkout, ...]:
    """Return every worktree with a work tree; the main one first unless it is bare."""
    out = command.run(workspace, ["worktree", "list", "--porcelain", "-z"])
    dirs = _git_dirs(workspace)
    found = []
    for block in out.decode("utf-8", "surrogateescape").split("\0\0"):
        fields = dict(_field(line) for line in block.split("\0") if line)
        if "worktree" not in fields or "bare" in fields:
            continue
        top = Path(fields["worktree"])
        ref = fields.get("branch")
        hash_ = fields.get("HEAD", "")
        git_dir = dirs.get(top, workspace.common_dir)
        found.append(
            Checkout(
                top=top,
                git_dir=git_dir,
                branch=None if ref is None else ref.removeprefix("refs/heads/"),
                head=CommitHash(hash_) if hash_.strip("0") else ABSENT,
                missing=not (top / ".git").exists() or not git_dir.is_dir(),
            )
        )
    return tuple(found)


def on_branch(workspace: Workspace, branch: str) -> tuple[Checkout, ...]:
    """Return the worktrees, present on the disk, that have `branch` checked out."""
    return tuple(
        checkout
        for checkout in listing(workspace)
        if checkout.branch == branch and not checkout.missing
    )


def heads(workspace: Workspace) -> tuple[bytes, ...]:
    """Return the raw HEADs of all worktrees, only to see whether one was switched meanwhile.

    With reftable these files say nothing; the window is then as small as it is.
    """
    found = []
    for git_dir in _all_git_dirs(workspace):
        try:
            found.append((git_dir / "HEAD").read_bytes())
        except OSError:
            found.append(b"")
    return tuple(found)


def rebasing(workspace: Workspace, branch: str) -> Path | None:
    """Return the Git directory of a worktree in which a rebase of `branch` is under way."""
    for git_dir in _all_git_dirs(workspace):
        for folder in ("rebase-merge", "rebase-apply"):
            try:
                name = (git_dir / folder / "head-name").read_text(errors="surrogateescape")
            except OSError:
                continue
            if name.strip() == f"refs/heads/{branch}":
                return git_dir
    return None


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def _all_git_dirs(workspace: Workspace) -> list[Path]:
    folder = workspace.common_dir / "worktrees"
    linked = sorted(folder.iterdir()) if folder.is_dir() else []
    return [workspace.common_dir, *linked]


def _git_dirs(workspace: Workspace) -> dict[Path, Path]:
    """Map the top of each linked worktree to its Git directory."""
    folder = workspace.common_dir / "worktrees"
    found: dict[Path, Path] = {}
    if not folder.is_dir():
        return found
    for git_dir in folder.iterdir():
        try:
            text = (git_dir / "gitdir").read_text(errors="surrogateescape").rstrip("\n")
        except OSError:
            continue
        dot_git = Path(text)
        if not dot_git.is_absolute():  # worktree.useRelativePaths
            dot_git = (git_dir / dot_git).resolve()
        found[dot_git.parent] = git_dir
    return found
