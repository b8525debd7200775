"""Where jobs run; one file an engine, one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.job import JobRef, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gitexp.execution.engines.base import Engine


def _inline(_: int) -> Engine:  # one after the other, whatever was asked
    from gitexp.execution.engines.inline import InlineEngine

    return InlineEngine()


def _local(slots: int) -> Engine:
    from gitexp.execution.engines.local import LocalEngine

    return LocalEngine(slots)


ENGINES: Mapping[str, Callable[[int], Engine]] = {"inline": _inline, "local": _local}
"""Name -> maker of an engine that runs so many jobs at the same time."""


def state_of(engine: str, out_dir: Path) -> JobState:
    """Return how a job is that a coordinator, be it alive or not, gave to an engine."""
    ref = JobRef(engine, str(out_dir), str(out_dir))
    return _found(engine).poll([ref])[ref.id]


def end(engine: str, out_dir: Path) -> None:
    """Kill what such a job has left behind."""
    _found(engine).cancel([JobRef(engine, str(out_dir), str(out_dir))], 0.0)


def wait(engine: str) -> None:
    """Wait until asking again may tell something new."""
    _found(engine).wait()


def _found(engine: str) -> Engine:
    """Return an engine of that name; one of another version is not known here."""
    return ENGINES.get(engine, _local)(1)
