"""Runs that no commit holds yet: what coordinators left in ``.gitexp/tmp``; read only.

A coordinator writes there while we read, and one of another version may have. What cannot be read
is passed on as a reason, and never stops the answer.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.execution.engines import process
from gitexp.execution.engines.base import OUTCOME
from gitexp.model.job import POINTS, Outcome
from gitexp.model.run import RepeatState, Run
from gitexp.model.views import LiveRun, UnreadableRecord
from gitexp.records import codec
from gitexp.store import calls
from gitexp.system import logged_metrics
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from gitexp.model.request import Asked
    from gitexp.model.views import LoggedValue
    from gitexp.model.workspace import Workspace

_INTERRUPTED = frozenset({RepeatState.CANCELLED, RepeatState.LOST})


@dataclass(frozen=True, slots=True)
class LiveRuns:
    """All unrecorded runs of a work tree."""

    running: tuple[LiveRun, ...]
    unpublished: tuple[LiveRun, ...]  # the coordinator is dead, a finished repeat is there
    begun: tuple[LiveRun, ...]  # it is dead, nothing has finished, and nobody went on or gave up
    unreadable: tuple[UnreadableRecord, ...]


def live_runs(workspace: Workspace) -> LiveRuns:
    """Look at what is going on, or was left, in a work tree."""
    found: list[LiveRun] = []
    bad: list[UnreadableRecord] = []
    for folder in calls.folders(workspace):
        try:
            run = _look(workspace, folder)
        except (GitexpError, OSError) as error:
            bad.append(UnreadableRecord(folder.name, str(folder), str(error)))
            continue
        if run is not None:
            found.append(run)
    return LiveRuns(
        running=tuple(run for run in found if run.alive),
        unpublished=tuple(run for run in found if not run.alive and run.finished),
        begun=tuple(run for run in found if not (run.alive or run.finished or run.left)),
        unreadable=tuple(bad),
    )


def resumption(  # noqa: PLR0913  of a call, from one place
    branch: str, side: str, asked: Asked, commit: str, *, there: bool, folder: str = ""
) -> str:
    """Return what records what a call has finished, and finishes it, wherever that is typed.

    Where the branch is not `there` it is made anew at the `commit` that the call ran; a baseline,
    or another revision, was never on it. `folder` is the call's work tree, if it is another one.
    """
    name, on_it = shlex.quote(branch), side != "baseline" and asked.at is None
    anew = f"git branch {name} {commit} && " if on_it else f"bring back the branch {name}, then "
    where = f" -C {shlex.quote(folder)}" if folder else ""
    return f"{'' if there else anew}gitexp run --resume{where} --on {name}"


def _look(workspace: Workspace, folder: Path) -> LiveRun | None:
    """Return what is going on in one folder; None where it is all recorded."""
    call = calls.read(workspace, folder)
    if call is None:
        return None
    run = codec.load(Run, json_dumps(call.draft), call.where)
    ended = dict(_ended(folder, run))
    asked = calls.asked(call.asked, run, call.side, call.where)
    return LiveRun(
        id=run.id,
        branch=call.branch,
        side=call.side,
        seeds=run.seeds,
        finished=tuple(s for s, state in ended.items() if state is RepeatState.FINISHED),
        ended=tuple(s for s, state in ended.items() if state is not RepeatState.FINISHED),
        alive=call.alive,
        started_at=run.started_at,
        host=call.owner.host,
        interrupted=tuple(s for s, state in ended.items() if state in _INTERRUPTED),
        plan=None if run.plan is None else run.plan.digest,
        commit=run.source.commit,
        asked=asked,
        left=call.left,
        logged=tuple(_logged(folder, run, ended)) if call.alive else (),
    )


def _logged(
    folder: Path, run: Run, ended: Mapping[int, RepeatState]
) -> Iterator[tuple[int, tuple[LoggedValue, ...]]]:
    for seed in run.seeds:
        for path in sorted((folder / "jobs" / str(seed)).glob(f"attempt-*/{POINTS}"))[-1:]:
            if seed not in ended and (found := logged_metrics.latest(path)):
                yield seed, found


def _ended(folder: Path, run: Run) -> Iterator[tuple[int, RepeatState]]:
    for seed in run.seeds:
        for path in sorted((folder / "jobs" / str(seed)).glob("attempt-*/outcome.json")):
            if path.stat().st_size <= codec.limit(Outcome):
                yield seed, codec.load(Outcome, path.read_bytes(), str(path)).state
        for path in (folder / "jobs" / str(seed)).glob("attempt-*/pid"):
            gone = not process.lives(path.read_text("utf-8", "replace"))
            if gone and not path.with_name(OUTCOME).exists():  # asked last: it may just have ended
                yield seed, RepeatState.LOST
