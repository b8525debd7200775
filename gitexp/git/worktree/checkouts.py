"""Worktrees and what each has checked out, without GitPython; Git's own lock on their index.

`worktrees.py` adds and removes them; this reads, for the transaction, `doctor` and the like.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import LockedError
from gitexp.git import command
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.command import translated
from gitexp.model import dataclass
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
    missing: bool  # its folder is gone, or is not of this repository

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
                missing=not _is_there(top, git_dir, workspace.common_dir),
            )
        )
    return tuple(found)


def on_branch(workspace: Workspace, branch: str) -> tuple[Checkout, ...]:
    """Return the worktrees, present on the disk, that have `branch` checked out."""
    return tuple(at for at in listing(workspace) if at.branch == branch and not at.missing)


def heads(workspace: Workspace) -> tuple[bytes, ...]:
    """Return the raw HEADs of all worktrees, to see a switch; with reftable they say nothing."""
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


def _is_there(top: Path, git_dir: Path, common: Path) -> bool:
    """Whether a worktree is there, and its ``.git`` leads back: any path can be noted."""
    dot_git = top / ".git"
    if git_dir == common:
        return dot_git.exists() and git_dir.is_dir()
    if not dot_git.is_file() or dot_git.is_symlink() or not git_dir.is_dir():
        return False
    with dot_git.open("rb") as file:
        text = file.read(1 << 14).decode("utf-8", "surrogateescape")
    return (top / text.removeprefix("gitdir: ").rstrip("\n")).resolve() == git_dir.resolve()


def _field(line: str) -> tuple[str, str]:
    key, _, value = line.partition(" ")
    return key, value


def _all_git_dirs(workspace: Workspace) -> list[Path]:
    folder = workspace.common_dir / "worktrees"
    linked = sorted(folder.iterdir()) if folder.is_dir() else []
    return [workspace.common_dir, *linked]


def _git_dirs(workspace: Workspace) -> dict[Path, Path]:
    """Map the top of each linked worktree to its Git directory."""
    found: dict[Path, Path] = {}
    for git_dir in _all_git_dirs(workspace)[1:]:
        try:
            text = (git_dir / "gitdir").read_text(errors="surrogateescape").rstrip("\n")
        except OSError:
            continue
        dot_git = Path(text)
        if not dot_git.is_absolute():  # worktree.useRelativePaths
            dot_git = (git_dir / dot_git).resolve()
        found[dot_git.parent] = git_dir
    return found


def take(checkout: Checkout, owner: str) -> Path:
    """Take a worktree's ``index.lock``, with a line that says whose it is; return its path."""
    path = path_of(checkout)
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError as error:
        raise LockedError(
            "the index of a worktree is locked by another process",
            where=str(path),
            expected="no git command under way in that worktree",
            next_step=f"finish it; if there is none, rm {shlex.quote(str(path))}",
        ) from error
    except OSError as error:
        raise translated(error, "cannot lock the index", str(path)) from error
    try:
        with os.fdopen(file, "wb") as opened:
            opened.write(owner.encode() + b"\n")
    except OSError as error:
        path.unlink(missing_ok=True)
        raise translated(error, "cannot lock the index", str(path)) from error
    return path


def path_of(checkout: Checkout) -> Path:
    """Return where git locks the index of a worktree."""
    return checkout.git_dir / "index.lock"


def owner_of(checkout: Checkout) -> str:
    """Return the line in a worktree's ``index.lock``; "" where there is none or it is git's."""
    try:
        with path_of(checkout).open("rb") as file:
            return file.read(200).decode("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
