"""Jobs on this machine: so many worker processes at the same time, each in a session of its own.

The terminal's Ctrl-C does not reach a worker; the coordinator decides and calls `cancel`. A worker
dies with the thread that started it (Linux sends it TERM), so an engine belongs to one thread that
lives as long as its jobs: jobs of a dead coordinator end, their finished outcomes stay.
"""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.execution.engines import process
from gitexp.execution.engines.forkserver import ForkServer
from gitexp.model.job import OUTCOME, PID, JobRef, JobRequest, JobState

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


WORKER = (sys.executable, "-I", "-m", "gitexp", "worker")


class LocalEngine:
    """A pool of worker processes, so many at the same time, forked by what `command` starts."""

    name = "local"
    _own_session = True
    _pause_s = 0.01

    def __init__(self, slots: int, command: Sequence[str] = WORKER) -> None:
        self._slots = max(1, slots)
        self._workers = ForkServer(command, own_session=self._own_session)
        self._queue: deque[JobRequest] = deque()
        # Folder of a worker -> when it has had its time to end, monotonic seconds.
        self._running: dict[str, float] = {}
        self._withdrawn: set[str] = set()

    def submit(self, jobs: Sequence[JobRequest]) -> list[JobRef]:
        """Queue jobs and start as many as there are slots; see `Engine.submit`."""
        self._queue.extend(jobs)
        self._fill()
        return [JobRef(self.name, job.out_dir, job.out_dir) for job in jobs]

    def poll(self, refs: Sequence[JobRef]) -> Mapping[str, JobState]:
        """Notice what ended, kill what was cancelled and is late, start what waits."""
        for out_dir, kill_at in self._running.items():
            if time.monotonic() >= kill_at:
                self._kill(out_dir)
        for out_dir in self._workers.ended():
            del self._running[out_dir]
            if not Path(out_dir, OUTCOME).exists():
                process.end_attempt(out_dir)
        self._fill()
        queued = {job.out_dir for job in self._queue}
        return {ref.id: self._state(ref, queued) for ref in refs}

    def wait(self) -> None:
        """Wait for so long that asking costs nothing beside a repeat, or until one has ended."""
        self._workers.pause(self._pause_s)

    def cancel(self, refs: Sequence[JobRef], grace_s: float) -> None:
        """Send TERM now; `poll` sends KILL after `grace_s`, which a second call can shorten."""
        out_dirs = {ref.out_dir for ref in refs}
        self._withdrawn |= {job.out_dir for job in self._queue if job.out_dir in out_dirs}
        self._queue = deque(job for job in self._queue if job.out_dir not in out_dirs)
        for out_dir in out_dirs:
            kill_at = self._running.get(out_dir)
            if kill_at is None and grace_s <= 0 and out_dir not in self._withdrawn:
                process.end_attempt(out_dir)  # of an earlier coordinator
            if kill_at is None:
                continue
            if grace_s <= 0:
                self._kill(out_dir)
                continue
            if kill_at == math.inf:
                self._workers.signal(out_dir, signal.SIGTERM)
            self._running[out_dir] = min(kill_at, time.monotonic() + grace_s)

    def _fill(self) -> None:
        while self._queue and len(self._running) < self._slots:
            job = self._queue.popleft()
            Path(job.out_dir).mkdir(parents=True, exist_ok=True)
            self._workers.start(job.job_file, job.out_dir)
            self._running[job.out_dir] = math.inf

    def _kill(self, out_dir: str) -> None:
        self._workers.signal(out_dir, signal.SIGKILL)
        self._workers.wait(out_dir)
        process.end_attempt(out_dir)

    def _state(self, ref: JobRef, queued: set[str]) -> JobState:
        if ref.out_dir in queued:
            return JobState.QUEUED
        if ref.out_dir in self._running:
            return JobState.RUNNING
        if Path(ref.out_dir, OUTCOME).exists():
            return JobState.ENDED
        with contextlib.suppress(OSError):
            worker = Path(ref.out_dir, PID).read_text("utf-8", "replace")
            if ref.out_dir not in self._withdrawn and process.lives(worker):
                return JobState.RUNNING  # of an earlier coordinator, about to end
        # It may have ended meanwhile.
        return JobState.ENDED if Path(ref.out_dir, OUTCOME).exists() else JobState.LOST


class InlineEngine(LocalEngine):
    """One job after the other, in the foreground: `poll` runs the next one to its end.

    The worker stays in the terminal's process group, so Ctrl-C reaches it and it records itself as
    cancelled. For small machines, and for looking at one repeat alone.
    """

    name = "inline"
    _own_session = False
    _pause_s = 0.005

    def __init__(self, command: Sequence[str] = WORKER) -> None:
        super().__init__(1, command)

    def poll(self, refs: Sequence[JobRef]) -> Mapping[str, JobState]:
        """Wait for the job that runs, then return the states; the next one has begun by then."""
        current = set(self._running)
        while current & set(self._running):
            states = super().poll(refs)
            if current & set(self._running):
                self.wait()
        return super().poll(refs) if not current else states
