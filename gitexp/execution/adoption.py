"""A stage that no seed reaches, as the worker sees it: taken over from who has made the same.

Else it is executed, and held against what the plan's other repeats rest on. Each such stage is
noted when it is done, so that the other side of a call need not wait for the whole repeat, and a
killed call need not begin at its beginning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.stage_records import UNCACHED_LIMIT_BYTES
from gitexp.errors import DamagedDataError, DataMissingError, GitexpError, OtherOutputError
from gitexp.execution import slots
from gitexp.git.discovery import plain_bytes
from gitexp.git.transaction import layout
from gitexp.model import dataclass, replace
from gitexp.model.job import Given, Job, Stage, StageRecord
from gitexp.model.run import LoggedValue, OnceRecord, StageOrigin, is_report
from gitexp.records import codec
from gitexp.system.logged_metrics import latest
from gitexp.text import points
from gitexp.text.fields import Fields
from gitexp.text.jsontext import MIB, json_dumps, json_loads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from gitexp.dvc.cache_objects import CacheConfig

NOTES = "once.json"  # in OUT/: what is done of these stages
_MOST_LOGGED = 40  # values, of which a record holds the last


@dataclass(frozen=True, slots=True)
class Notes:
    """The content of ``once.json``."""

    once: tuple[OnceRecord, ...]


def record_of(
    record: StageRecord, recipe: str, origin: StageOrigin = StageOrigin.EXECUTED
) -> OnceRecord:
    """Return what a run says of a stage that was executed once."""
    return OnceRecord(record.name, recipe, record.outs, origin)


def unread(stage: Stage, stages: Iterable[Stage]) -> tuple[str, ...]:
    """Return the reports among a stage's outputs that no other stage declares or names.

    An executed notebook or a log holds the time, so that no second execution makes its bytes.
    """
    others = [each for each in stages if each.name != stage.name]
    said = "\n".join(line for each in others for line in each.commands)
    deps = [dep for each in others for dep in each.deps]
    return tuple(
        out.path
        for out in stage.outs
        if is_report(out.path)
        and out.path not in said
        and not any(touches(out.path, dep) for dep in deps)
    )


def made_before(stage: Stage, recipe: str, records: Iterable[OnceRecord]) -> OnceRecord | None:
    """Return what was recorded of a stage with this recipe; its outputs are the declared ones."""
    declared = {out.path for out in stage.outs}
    for each in records:
        if (each.stage, each.recipe) == (stage.name, recipe) and each.hashes.keys() == declared:
            return each
    return None


def with_origin(records: Iterable[OnceRecord], origin: StageOrigin) -> tuple[OnceRecord, ...]:
    """Return records as others take them over, those aside that no run has made."""
    return tuple(
        each if each.origin is StageOrigin.OUTSIDE else replace(each, origin=origin)
        for each in records
    )


def place(slot: Path, job: Job, record: OnceRecord, cache: CacheConfig) -> tuple[Given, ...] | None:
    """Put recorded outputs into a worktree; None where their bytes are not there, or damaged."""
    wanted = [Given(out.path, out.md5, record.stage, out.isexec) for out in record.outs]
    try:
        return slots.fill(slot, job.project, wanted, cache, kept=job.keep)
    except (DataMissingError, DamagedDataError):
        return None


def check(record: OnceRecord, bound: OnceRecord | None) -> None:
    """Refuse what an execution made where the plan's other repeats rest on other bytes."""
    if bound is None or not (path := record.other(bound)):
        return
    if path not in record.hashes:
        raise OtherOutputError(
            f"stage {record.stage} logged other metrics than where this plan's repeats rest on it",
            found=f"{path} is logged by one of two executions",
            where=record.stage,
            expected="the same names, of the same command, dependencies and parameters",
            next_step=f"let {record.stage} log the same each time, on the baseline, too, and "
            "gitexp amend-plan --baseline BRANCH",
        )
    raise OtherOutputError(
        f"stage {record.stage} made another {path} than the one that this plan's repeats rest on",
        found=f"{record.hashes[path]}, of the same command, dependencies and parameters",
        where=path,
        expected=f"{bound.hashes[path]}, which was recorded first",
        next_step=""
        if bound.origin is not StageOrigin.OUTSIDE
        else f"no run has made that, it was in dvc.lock: take {record.stage} out of it, on the "
        "baseline, too, and gitexp amend-plan --baseline BRANCH",
    )


def logging(file: Path) -> Callable[[], tuple[LoggedValue, ...]]:
    """Return what tells the values that are logged from now on."""
    start = file.stat().st_size if file.is_file() else 0
    return lambda: latest(file, start)


def log_again(file: Path, record: OnceRecord) -> None:
    """Let a repeat report what a stage logged that it did not execute."""
    if record.logged:
        lines = [
            points.encode(
                x.name, math.nan if x.value is None else x.value, x.step, 0.0, record.stage
            )
            for x in record.logged
        ]
        with file.open("ab") as stream:
            stream.write(b"".join(lines))


def is_recordable(stage: Stage, record: OnceRecord) -> bool:
    """Tell whether what a stage made can be handed on: in the cache, or small."""
    uncached = {out.path for out in stage.outs if not out.cache}
    return len(record.logged) <= _MOST_LOGGED and not any(
        out.path in uncached and (out.nfiles is not None or out.size > UNCACHED_LIMIT_BYTES)
        for out in record.outs
    )


def note(out_dir: Path, records: Sequence[OnceRecord]) -> None:
    """Write down what is done, by rename."""
    layout.put(out_dir / NOTES, json_dumps(codec.to_json(Notes(tuple(records)))), "once.tmp")


def noted(out_dir: Path) -> tuple[OnceRecord, ...]:
    """Return what is done; nothing where that cannot be read."""
    file = out_dir / NOTES
    try:
        value = json_loads(plain_bytes(file, MIB + 1), where=str(file))
        return codec.read(Notes, Fields(value, str(file))).once
    except (GitexpError, OSError):
        return ()
