"""Where jobs run; one file an engine, one line here.

Coordinator and engines speak four verbs; engines know neither Git nor DVC. Every engine starts the
same command, ``gitexp worker JOB.json OUT/``, and the only result of a job is ``OUT/outcome.json``,
which the worker puts there by rename. What an engine says of a job is never a verdict: states of
schedulers are forgotten, late or wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gitexp.model.job import JobRef, JobRequest, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class Engine(Protocol):
    """A place where jobs run."""

    @property
    def name(self) -> str:
        """Key of the engine in the registry, as recorded in run.json."""
        ...

    def submit(self, jobs: Sequence[JobRequest]) -> list[JobRef]:
        """Take jobs on, in order; none of them if one cannot be taken.

        None at all say that some will come: what can be made ready for them may begin.
        """
        ...

    def poll(self, refs: Sequence[JobRef]) -> Mapping[str, JobState]:
        """Return the state of each job by its id, also of those that a dead coordinator gave."""
        ...

    def wait(self) -> None:
        """Wait until asking again may tell something new."""
        ...

    def cancel(self, refs: Sequence[JobRef], grace_s: float) -> None:
        """Ask jobs to end, and kill what has not ended after `grace_s` seconds; idempotent.

        Without grace, what a job has left behind ends, too, whoever gave it to the engine.
        A job that had not begun leaves no outcome; one that was asked in time leaves one that
        says so.
        """
        ...


def _inline(_: int) -> Engine:  # one after the other, whatever was asked
    from gitexp.execution.engines.local import InlineEngine

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
