"""Git's own lock on a worktree's index, taken so that no commit falls between two of our steps."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from gitexp.errors import LockedError
from gitexp.git.faults import translated

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.git.worktree.checkouts import Checkout


def take(checkout: Checkout, owner: str) -> Path:
    """Take a worktree's ``index.lock``, with a line that says whose it is; return its path.

    Raises `LockedError` if another process has it; worth another try; `NoSpaceError,
    ReadOnlyError` if it cannot be made.
    """
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
