"""Show what the commands of a run printed: complete from job folders, else the recorded tails."""

from __future__ import annotations

import codecs
import time
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, UnknownRunError
from gitexp.execution.state import live_runs
from gitexp.execution.workdir import ATTEMPT, loaded
from gitexp.git import repository
from gitexp.git.discovery import open_plain
from gitexp.git.transaction.cache import open_index
from gitexp.model import dataclass, replace
from gitexp.model.ids import RunId
from gitexp.model.job import POINTS, Job, Outcome
from gitexp.model.run import other_seeds
from gitexp.model.views import LogSource, LogView, RepeatLog
from gitexp.records import codec
from gitexp.store import calls, lookup
from gitexp.system import logged_metrics
from gitexp.text.paramkeys import param_key
from gitexp.views.status import standing_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Literal

    from gitexp.comparison.failures import Failure
    from gitexp.model.run import RepeatState
    from gitexp.model.workspace import Workspace

TAIL_BYTES = 256 << 10  # of each repeat, unless the caller asks for another length
CHUNK_BYTES = 64 << 10
POLL_S = 0.2
_UTF8 = codecs.getincrementaldecoder("utf-8")


@dataclass(frozen=True, slots=True)
class LogPiece:
    """New text of one repeat, as `follow` gives it."""

    run: RunId
    seed: int
    text: str


def logs(
    workspace: Workspace,
    run: str | None = None,
    *,
    seed: int | None = None,
    tail_bytes: int = TAIL_BYTES,
) -> LogView:
    r"""Return the logs of a run.

    Parameters
    ----------
    run : str, optional
        The beginning of a run's id; by default the newest run of this branch that failed, as long
        as nothing has made up for it, else the newest that left logs in this work tree.
    seed : int, optional
        Only this repeat's.
    tail_bytes : int
        How much of the end of each log to read; 0: all of it.

    Returns
    -------
    LogView
        A finished repeat of a run whose job folder is gone has no log; a failed one has the tail
        that was recorded. Bytes that are no UTF-8 are written as in Python, ``\xff``; the file
        at `path` has them as they were.

    Raises
    ------
    UnknownRunError
        If there is no such run, or several begin so.
    """
    failed = _failed(workspace) if run is None else None
    folder = _folder(workspace, failed.run if failed is not None else run)
    if folder is None:
        view = _recorded(workspace, failed.run if failed is not None else run, seed)
    else:
        view = _of_jobs(workspace, folder, seed, tail_bytes)
    if failed is None:
        return view
    note = f"run {failed.run[:8]} of the {failed.side} failed; gitexp logs RUN shows another"
    return replace(view, notes=(*view.notes, note))


def follow(
    workspace: Workspace, run: str | None = None, *, wait: Callable[[float], None] = time.sleep
) -> Iterator[LogPiece]:
    r"""Yield what the repeats of a run print, until its coordinator has ended.

    `wait`: called with seconds between two looks. The result: bytes that are no UTF-8 are written
    as in Python, ``\xff``.

    Raises `UnknownRunError` if no run of this work tree left logs under this id.
    """
    folder = _folder(workspace, run)
    if folder is None:
        raise _unknown(run)
    offsets: dict[Path, int] = {}
    decoders: dict[Path, codecs.IncrementalDecoder] = {}
    going = True
    while going:
        # Asked first: what was written before the end is read after the question.
        going = any(item.id == folder.name and item.alive for item in live_runs(workspace).running)
        quiet = True
        for seed, path in _log_files(folder):
            data = _read_from(path, offsets.get(path, 0), CHUNK_BYTES)
            if data:
                quiet = False
                offsets[path] = offsets.get(path, 0) + len(data)
                # What was read may end within a character, of which the rest comes later.
                decoder = decoders.setdefault(path, _UTF8("backslashreplace"))
                yield LogPiece(RunId(folder.name), seed, decoder.decode(data))
        if going and quiet:
            wait(POLL_S)
        going = going or not quiet
    for seed, path in _log_files(folder):
        rest = decoders[path].decode(b"", final=True) if path in decoders else ""
        if rest:
            yield LogPiece(RunId(folder.name), seed, rest)


def _failed(workspace: Workspace) -> Failure | None:
    """Return what failed on this branch and was not made up for, unless a run is going on."""
    if live_runs(workspace).running:
        return None
    try:
        return next(iter(standing_failures(workspace)), None)
    except GitexpError:  # a plan or settings that cannot be read: the logs are there all the same
        return None


def _folder(workspace: Workspace, run: str | None) -> Path | None:
    folders = calls.folders(workspace)
    if run is None:
        if not folders:
            raise _unknown(run)
        return max(folders, key=lambda path: ((path / "state.json").stat().st_mtime_ns, path.name))
    found = [path for path in folders if run and path.name.startswith(run)]
    if len(found) > 1:
        raise UnknownRunError(
            f"{len(found)} runs have an id that begins with this",
            found=ascii(run[:40])[1:-1],
            expected=", ".join(path.name for path in found[:10]),
        )
    return found[0] if found else None


def _of_jobs(workspace: Workspace, folder: Path, seed: int | None, tail_bytes: int) -> LogView:
    live = any(item.id == folder.name for item in live_runs(workspace).running)
    repeats = []
    for number, path in _log_files(folder):
        if seed is not None and number != seed:
            continue
        state, reason = _state(path.parent, live=live)
        size = path.lstat().st_size
        start = max(0, size - tail_bytes) if tail_bytes else 0
        data = _read_from(path, start)
        repeats.append(
            RepeatLog(
                run=RunId(folder.name),
                seed=number,
                attempt=ATTEMPT,
                source=LogSource.JOB,
                text=data.decode("utf-8", "backslashreplace"),
                state=state,
                path=str(path),
                truncated=start > 0,
                reason=reason,
                logged=logged_metrics.latest(path.parent / POINTS),
                seeds=_seeds(path.parent.with_name("JOB.json")),
                left_out=start,
            )
        )
    return LogView(RunId(folder.name), tuple(repeats), live=live)


def _recorded(workspace: Workspace, run: str | None, seed: int | None) -> LogView:
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        found = lookup.find_run(repo, run or "", index).run
    repeats = tuple(
        RepeatLog(
            run=found.id,
            seed=repeat.seed,
            attempt=repeat.attempt,
            source=LogSource.RECORD,
            text=repeat.log_tail,
            state=repeat.state,
            truncated=bool(repeat.log_tail),
            reason=repeat.reason,
            seeds=other_seeds(repeat.seed, repeat.seeds, found.fixed_seeds),
        )
        for repeat in found.repeats
        if (seed is None or repeat.seed == seed) and (repeat.log_tail or repeat.reason)
    )
    note = "the job's folder is gone; only the tails of repeats that did not finish are recorded"
    return LogView(found.id, repeats, notes=(note,))


def _log_files(folder: Path) -> list[tuple[int, Path]]:
    """Return (seed, log) of each repeat, by seed."""
    every = folder.glob(f"jobs/*/attempt-{ATTEMPT}/log")
    named = [(path.parent.parent.name, path) for path in every]
    return sorted((int(name), path) for name, path in named if name.removeprefix("-").isdecimal())


def _state(folder: Path, *, live: bool) -> tuple[RepeatState | Literal["running", "queued"], str]:
    path = folder / "outcome.json"
    try:
        if path.lstat().st_size <= codec.limit(Outcome):
            outcome = loaded(Outcome, path)
            return outcome.state, outcome.reason
    except OSError:
        return "running", "" if live else "the coordinator has ended"
    except GitexpError as error:
        return "running", error.summary
    return "running", "the outcome is too large to be read"


def _seeds(path: Path) -> str:
    """Return what a job's number does not say of its seeds."""
    try:
        job = loaded(Job, path)
    except (GitexpError, OSError):
        return ""
    return other_seeds(job.seed, {k: v for k, v in job.seeds.items() if param_key(k) in job.edits})


def _read_from(path: Path, offset: int, most: int = -1) -> bytes:
    """Return what a log has from `offset` on; nothing where it is gone, or is a link."""
    try:
        with open_plain(path) as stream:
            stream.seek(offset)
            return stream.read(most)
    except OSError:
        return b""


def _unknown(run: str | None) -> UnknownRunError:
    return UnknownRunError(
        "no run left logs here",
        found=ascii((run or "")[:40])[1:-1],
        expected="a run that was started in this work tree",
    )
