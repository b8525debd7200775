"""Where Git looks for hooks: the one question for which the user's own setting counts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.git import command

if TYPE_CHECKING:
    from gitexp.model.workspace import Workspace

# Everywhere else `command.SAFE` turns hooks off, and with them this answer.
_SETTINGS: Final = ("-c", "core.fsmonitor=false")


@dataclass(frozen=True, slots=True)
class HooksDir:
    """The folder of a repository's hooks.

    Attributes
    ----------
    path : Path
    own : bool
        Whether it lies in the repository's Git directory: what core.hooksPath names may be tracked,
        or shared with other repositories.
    """

    path: Path
    own: bool


def hooks_dir(workspace: Workspace) -> HooksDir:
    """Return the folder, by core.hooksPath of whatever scope; linked worktrees share it.

    Raises `GitFailedError`.
    """
    arguments = ["rev-parse", "--path-format=absolute", "--git-path", "hooks"]
    code, out, err = command.attempt(workspace, arguments, settings=_SETTINGS)
    if b"empty string" in err:  # core.hooksPath without a value: Git comes to no hook
        return HooksDir(Path(os.devnull), own=False)
    if code:
        raise command.failure(arguments, code, err)
    path = Path(out.decode("utf-8", "surrogateescape").rstrip("\n"))
    return HooksDir(path, own=path.resolve().is_relative_to(workspace.common_dir.resolve()))
