"""Runs that no commit holds yet: what coordinators left in ``.gitexp/tmp``; read only.

A coordinator writes there while we read, and one of another version may have. What cannot be read
is passed on as a reason, and never stops the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, GitexpError
from gitexp.formats import outcome as outcome_format
from gitexp.formats import run as run_format
from gitexp.formats.text import json_dumps, json_loads
from gitexp.model.run import RepeatState
from gitexp.model.views import LiveRun, UnreadableRecord
from gitexp.store import locks
from gitexp.store.layout import TMP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.formats.text import Json
    from gitexp.model.run import Run
    from gitexp.model.workspace import Workspace

STATE_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class LiveRuns:
    """All unrecorded runs of a work tree."""

    running: tuple[LiveRun, ...]
    unpublished: tuple[LiveRun, ...]  # the coordinator is dead, a finished repeat is there
    unreadable: tuple[UnreadableRecord, ...]


def live_runs(workspace: Workspace) -> LiveRuns:
    """Look at what is going on, or was left, in a work tree.

    Parameters
    ----------
    workspace : Workspace
        A bare one has nothing.
    """
    found: list[LiveRun] = []
    bad: list[UnreadableRecord] = []
    for folder in run_folders(workspace):
        try:
            run = _look(folder)
        except (GitexpError, OSError) as error:
            bad.append(UnreadableRecord(folder.name, str(folder), str(error)))
            continue
        if run is not None:
            found.append(run)
    return LiveRuns(
        running=tuple(run for run in found if run.alive),
        unpublished=tuple(run for run in found if not run.alive and run.finished),
        unreadable=tuple(bad),
    )


def run_folders(workspace: Workspace) -> tuple[Path, ...]:
    """Return the folders of calls in a work tree, each named by its run."""
    if workspace.top is None:
        return ()
    try:
        return tuple(
            sorted(path.parent for path in (workspace.top / TMP / "runs").glob("*/state.json"))
        )
    except OSError:
        return ()


def _look(folder: Path) -> LiveRun | None:
    """Return what is going on in one folder; None where it is all recorded."""
    path = folder / "state.json"
    where = str(path)
    state = json_loads(path.read_bytes(), where=where, limit=STATE_LIMIT_BYTES)
    if not isinstance(state, dict):
        raise BadFormatError("this is no state of a run", where=where)
    if state.get("published") is True:
        return None
    run = run_format.load(json_dumps(state.get("draft")), where)
    owner = _owner(state.get("owner"), where)
    ended = dict(_ended(folder, run))
    return LiveRun(
        id=run.id,
        branch=str(state.get("branch", "")),
        side=str(state.get("side", "")),
        seeds=run.seeds,
        finished=tuple(s for s, state in ended.items() if state is RepeatState.FINISHED),
        ended=tuple(s for s, state in ended.items() if state is not RepeatState.FINISHED),
        alive=not locks.is_dead(owner),
        started_at=run.started_at,
        host=owner.host,
    )


def _owner(value: Json, where: str) -> locks.Owner:
    if not isinstance(value, dict) or not isinstance(value.get("pid"), int):
        raise BadFormatError("this state of a run has no owner", where=where)
    return locks.Owner(
        str(value.get("host", "")), int(str(value["pid"])), str(value.get("started", ""))
    )


def _ended(folder: Path, run: Run) -> Iterator[tuple[int, RepeatState]]:
    for seed in run.seeds:
        for path in sorted((folder / "jobs" / str(seed)).glob("attempt-*/outcome.json")):
            if path.stat().st_size <= outcome_format.LIMIT_BYTES:
                yield seed, outcome_format.load(path.read_bytes(), str(path)).state
