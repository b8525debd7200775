"""The one commit that is the user's own: made by ``git commit``, with their hooks."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from gitexp.errors import GitFailedError
from gitexp.git import command

if TYPE_CHECKING:
    from gitexp.model.workspace import Workspace


def commit_tracked(workspace: Workspace, message: str) -> None:
    """Commit all changes of tracked files, as ``git commit --all`` does.

    Raises `GitFailedError` if a hook refuses, or Git cannot commit.
    """
    done = subprocess.run(
        ["git", "commit", "--all", "--quiet", "--file=-", "--cleanup=whitespace"],
        cwd=command.folder(workspace),
        input=message.encode(),
        capture_output=True,
        env=command.environment(),
        check=False,
    )
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "backslashreplace").strip()
        raise GitFailedError(
            "git commit failed",
            found=said[-2000:],
            where=str(workspace.top),
            next_step="commit yourself, then gitexp run",
        )
