"""Folders of calls of `run` that no commit holds yet: whose, and on which branch; read only.

A coordinator writes its state there while we read, and one of another version may have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, GitexpError
from gitexp.formats.jsontext import json_loads
from gitexp.store import locks
from gitexp.store.layout import TMP

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.formats.jsontext import Json
    from gitexp.model.workspace import Workspace

STATE_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Call:
    """The state of a call, as far as it says whose it is."""

    branch: str  # on which it will be recorded
    side: str  # "candidate" | "baseline" | "exploratory"
    draft: Json  # the record so far
    owner: locks.Owner
    where: str  # the file, for messages

    @property
    def alive(self) -> bool:
        """Whether its coordinator works."""
        return not locks.is_dead(self.owner)


def folders(workspace: Workspace) -> tuple[Path, ...]:
    """Return the folders of calls in a work tree, each named by its run."""
    if workspace.top is None:
        return ()
    try:
        return tuple(
            sorted(path.parent for path in (workspace.top / TMP / "runs").glob("*/state.json"))
        )
    except OSError:
        return ()


def read(folder: Path) -> Call | None:
    """Return the call of one folder; None where it is all recorded.

    Raises
    ------
    BadFormatError, UnsafeInputError
        If its state cannot be read.
    OSError
        If the file cannot be.
    """
    path = folder / "state.json"
    where = str(path)
    state = json_loads(path.read_bytes(), where=where, limit=STATE_LIMIT_BYTES)
    if not isinstance(state, dict):
        raise BadFormatError("this is no state of a run", where=where)
    if state.get("published") is True:
        return None
    return Call(
        str(state.get("branch", "")),
        str(state.get("side", "")),
        state.get("draft"),
        _owner(state.get("owner"), where),
        where,
    )


def busy_branches(workspace: Workspace) -> frozenset[str]:
    """Return the branches on which a call is going on; what cannot be read is no call."""
    found = set()
    for folder in folders(workspace):
        try:
            call = read(folder)
        except (GitexpError, OSError):
            continue
        if call is not None and call.alive:
            found.add(call.branch)
    return frozenset(found)


def _owner(value: Json, where: str) -> locks.Owner:
    if not isinstance(value, dict) or not isinstance(value.get("pid"), int):
        raise BadFormatError("this state of a run has no owner", where=where)
    return locks.Owner(
        str(value.get("host", "")), int(str(value["pid"])), str(value.get("started", ""))
    )
