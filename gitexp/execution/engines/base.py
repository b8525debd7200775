"""The four verbs that coordinator and engines speak; engines know neither Git nor DVC.

Every engine starts the same command, ``gitexp worker JOB.json OUT/``, and the only result of a
job is ``OUT/outcome.json``, which the worker puts there by rename. What an engine says of a job is
never a verdict: states of schedulers are forgotten, late or wrong.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gitexp.errors import ResourceError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.job import JobRef, JobRequest, JobState, Limits

# In OUT/:
OUTCOME = "outcome.json"
LOG = "log"
PID = "pid"  # who works on it: there once a worker has taken the job on
STAGE = "stage"  # which one runs
CACHE = "cache"  # outputs, laid out as DVC's cache is


class Engine(Protocol):
    """A place where jobs run."""

    @property
    def name(self) -> str:
        """Key of the engine in the registry, as recorded in run.json."""
        ...

    def submit(self, jobs: Sequence[JobRequest]) -> list[JobRef]:
        """Take jobs on, in order; none of them if one cannot be taken."""
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


def check_requests(jobs: Sequence[JobRequest], limits: Limits) -> None:
    """Refuse jobs that could never start; schedulers would let them wait for ever."""
    for job in jobs:
        for what, asked, most in (
            ("processors", job.cpus, limits.cpus),
            ("bytes of memory", job.memory_bytes or 0, limits.memory_bytes),
            ("GPUs", job.gpus, limits.gpus),
        ):
            if most is not None and asked > most:
                raise ResourceError(
                    "a job asks for more than this engine can ever give",
                    found=f"{asked} {what}",
                    where=job.job_file,
                    expected=f"at most {most}",
                )
