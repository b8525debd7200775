"""`run --commit -m`: the user's own commit of changes and overrides, before anything is run."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import UsageError
from gitexp.execution.assign import assigned
from gitexp.execution.place import find_place
from gitexp.git.absent import ABSENT
from gitexp.git.worktree import status
from gitexp.store import plans

if TYPE_CHECKING:
    from gitexp.execution.place import Place
    from gitexp.git.absent import Absent
    from gitexp.model.request import RunRequest


_SHOWN = 5


def commit(place: Place, request: RunRequest) -> tuple[Place, RunRequest]:
    """Write the overrides into the params files and commit all tracked changes.

    The commit is the user's: their hooks run, their identity signs.

    The result: without the overrides, which are in the commit now.

    Raises `UnknownParamError` if there is no such parameter; nothing is written then; `UsageError`
    if ``--at`` names another state, or only files that Git does not track could be committed;
    `GitFailedError` if a hook refuses, or Git cannot commit.
    """
    if request.at is not None:
        raise UsageError(
            "--commit commits the work tree, and --at names another state",
            next_step="the same without --at, or without --commit -m",
        )
    message = request.commit_message or ""
    if not message.strip():
        raise UsageError("the commit message is empty", next_step='gitexp run --commit -m "why"')
    config, _ = plans.config_of(place.repo, place.head)
    project = place.top / config.project

    def read(file: str) -> bytes | Absent:
        path = project / file
        return path.read_bytes() if path.is_file() else ABSENT

    for file, data in assigned(request.params, config.params, read, "the work tree").items():
        (project / file).write_bytes(data)
    new = status.untracked(place.workspace)
    if status.dirty_tracked(place.workspace):
        status.commit_tracked(place.workspace, message)
    elif new:
        raise UsageError(
            "there is nothing to commit but files that Git does not track",
            found=", ".join(new[:_SHOWN]),
            expected="changes of tracked files, or of files that were added",
            next_step=f"git add -- {shlex.quote(new[0])}, then the same; or without --commit",
        )
    emptied = replace(request, params=(), commit_message=None)
    return find_place(place.workspace, emptied), emptied


def announced(place: Place) -> str:
    """Return what a dry run says of the commit that it does not make; "" where there is none."""
    dirty = status.dirty_tracked(place.workspace, looking=True)
    if not dirty:
        return ""
    names = ", ".join(dirty[:_SHOWN]) + (" ..." if len(dirty) > _SHOWN else "")
    return (
        f"{names} would be committed first; what is said here is of the commit before, and a "
        "new state starts with none of the repeats that count"
    )
