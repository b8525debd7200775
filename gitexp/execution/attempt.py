"""One attempt at a repeat: what is known of it so far, its checkpoint, and outcome.json in the end.

A worker starts in every repeat, so what is imported here is part of the price, too.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.dvc.hashing import Memo
from gitexp.errors import ExistsError
from gitexp.execution.engines import process
from gitexp.git.discovery import plain_bytes
from gitexp.git.transaction.failpoints import FailPoint, reach
from gitexp.model import dataclass, field, replace
from gitexp.model.job import (
    BEGUN,
    CHECKPOINT,
    FEW_BYTES,
    LOG,
    NOTES,
    OUTCOME,
    PID,
    POINTS,
    Given,
    Job,
    Outcome,
    StageRecord,
)
from gitexp.model.run import (
    Environment,
    FileHash,
    Observed,
    OnceRecord,
    Parts,
    RepeatState,
    Resources,
)
from gitexp.records import codec
from gitexp.system import environment
from gitexp.system.secrets import log_tail, mask, printable

if sys.platform != "win32":
    import resource

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.execution import measurements

_KIB = 1024
_MACOS = sys.platform == "darwin"


@dataclass(slots=True)
class Attempt:
    """What is known so far; becomes the outcome at any moment."""

    job: Job
    out_dir: Path
    env: dict[str, str]
    started_at: datetime
    started: float  # monotonic, seconds
    stage: str = ""
    exit_code: int | None = None
    environment: Environment | None = None
    parts: Parts | None = None  # of the environment
    links: str = ""
    stages: list[StageRecord] = field(default_factory=list)
    outputs: list[FileHash] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    patched: tuple[str, ...] = ()
    once: list[OnceRecord] = field(default_factory=list)
    shared: list[Given] = field(default_factory=list)  # what the cache shares with the worktree
    ran: list[str] = field(default_factory=list)  # commands
    observed: Observed | None = None  # until it ended, however that was
    resumed: int = 0
    scores: measurements.Scores | None = None  # once a stage of the seed has begun
    seen: bool = False  # whether a score may have been
    memo: Memo = field(default_factory=Memo)
    outside: set[str] = field(default_factory=set)  # what was read of the user's work tree
    rewritten: dict[str, str] = field(default_factory=dict)  # what is frozen, by which stage


def claim(out_dir: Path) -> None:
    """Make this attempt ours; a scheduler may start the same job twice."""
    try:
        descriptor = os.open(out_dir / PID, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError as error:
        raise ExistsError(
            "this attempt was begun before",
            found=PID,
            where=str(out_dir),
            expected="a folder for each attempt",
        ) from error
    os.write(descriptor, process.identity(os.getpid()).encode("ascii"))
    os.close(descriptor)


def go_on(attempt: Attempt) -> None:
    """Offer a checkpoint; one of another environment, or of other linked data, is none."""
    folder, job = attempt.out_dir / CHECKPOINT, attempt.job
    of, now = folder / "of", hashlib.sha256(codec.dump(attempt.environment))
    now.update(attempt.links.encode())
    attempt.resumed = job.resumed
    if job.resumed and _text(of) != now.hexdigest():
        shutil.rmtree(folder)
        (attempt.out_dir / POINTS).unlink(missing_ok=True)
        (attempt.out_dir / NOTES).write_bytes(b"")
        attempt.resumed = 0
        attempt.warnings.append("begun anew: its checkpoint is of another environment, or data")
    (folder / "files").mkdir(parents=True, exist_ok=True)
    of.write_text(now.hexdigest(), "ascii")


def _text(path: Path) -> str:
    """Return what a small file of ours holds; "" where it is not there, or is a link."""
    try:
        return plain_bytes(path, FEW_BYTES).decode("ascii", "replace")
    except OSError:
        return ""


def begin(attempt: Attempt) -> None:
    """Note in what it runs: who is killed without a word may have printed a score there."""
    begun = replace(_outcome(attempt, RepeatState.LOST), seen=True)
    (attempt.out_dir / BEGUN).write_bytes(codec.dump(begun))


def finish(
    attempt: Attempt, state: RepeatState, reason: str, result: measurements.Measurements | None
) -> None:
    """Write outcome.json; from here on nothing interrupts."""
    job = attempt.job
    failed = state is not RepeatState.FINISHED
    if reason != RepeatState.CANCELLED.value:
        shutil.rmtree(attempt.out_dir / CHECKPOINT, ignore_errors=True)
    # Nothing that gitexp sets itself is secret: the run's id stands in the path of every traceback.
    env = {
        name: value
        for name, value in attempt.env.items()
        if name in job.variables or os.environ.get(name) == value
    }
    tail, secrets = log_tail(attempt.out_dir / LOG, env) if failed else ("", ())
    attempt.warnings += [f"the log's end held a secret ({name}): masked" for name in secrets]
    reason, found = mask(reason, env)
    said = [mask(text, env) for text in attempt.warnings]
    found = tuple(dict.fromkeys((*found, *(name for _, names in said for name in names))))
    attempt.warnings = [text for text, _ in said]
    attempt.warnings += [f"a message held a secret ({name}): masked" for name in found]
    reach(FailPoint.RUN_SNAPSHOT)
    outcome = replace(
        _outcome(attempt, state),
        reason=printable(reason),
        stage=attempt.stage if failed else "",
        log_tail=tail,
        resources=_resources(attempt),
        evaluation=None if result is None else result.evaluation,
        evaluation_basis="" if result is None else result.evaluation_basis,
        samples=() if result is None else result.samples,
        kept=() if result is None else result.kept,
        logged=None if result is None else result.logged,
    )
    reach(FailPoint.RUN_OUTCOME)
    unfinished = attempt.out_dir / f"{OUTCOME}.tmp"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as stream:  # noqa: PTH123  a descriptor, no path
        stream.write(codec.dump(outcome))
        stream.flush()
        os.fsync(descriptor)
    unfinished.rename(attempt.out_dir / OUTCOME)


def _outcome(attempt: Attempt, state: RepeatState) -> Outcome:
    job = attempt.job
    return Outcome(
        run=job.run,
        attempt=job.attempt,
        seed=job.seed,
        state=state,
        reason="",
        stage="",
        exit_code=attempt.exit_code,
        log_tail="",
        started_at=attempt.started_at,
        ended_at=max(attempt.started_at, datetime.now(UTC)),  # a clock may be set back meanwhile
        environment=attempt.environment,
        resources=Resources(),
        links=attempt.links,
        evaluation=None,
        evaluation_basis="",
        samples=(),
        outputs=tuple(attempt.outputs),
        stages=tuple(attempt.stages),
        kept=(),
        warnings=tuple(attempt.warnings),
        patched=attempt.patched,
        seeds=job.seeds,
        once=tuple(attempt.once),
        observed=attempt.observed,
        resumed=attempt.resumed,
        seen=attempt.seen,
    )


def _resources(attempt: Attempt) -> Resources:
    known = replace(
        environment.resources(attempt.env), wall_s=round(time.monotonic() - attempt.started, 6)
    )
    if sys.platform == "win32":  # tells neither of processes that have ended
        return known
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return replace(
        known,
        cpu_s=round(used.ru_utime + used.ru_stime, 6),
        peak_memory_bytes=used.ru_maxrss * (1 if _MACOS else _KIB),
    )
