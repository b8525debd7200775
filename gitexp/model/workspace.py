"""Where a command works: found once by the command line, then passed along as a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model import dataclass

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Workspace:
    """A place in a Git repository; it has no verbs."""

    git_dir: Path  # the Git directory of this worktree (``.git``, or ``.git/worktrees/NAME``)
    # The Git directory that all linked worktrees share; locks, index and live state lie here.
    common_dir: Path
    top: Path | None  # top of the work tree; None in a bare repository
    start: Path  # the folder the user stood in
