"""Jobs on this machine: so many worker processes at the same time, each in a session of its own.

The terminal's Ctrl-C does not reach a worker; the coordinator decides and calls `cancel`. A worker
dies with the thread that started it (Linux sends it TERM), so an engine belongs to one thread that
lives as long as its jobs: jobs of a dead coordinator end, their finished outcomes stay. Workers are
forked by a process that has imported what they need: that takes a tenth of the time of a new
interpreter, which is half of what a short repeat costs.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import select
import signal
import subprocess
import sys
import time
import weakref
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gitexp.execution.engines import process
from gitexp.git.discovery import plain_bytes
from gitexp.model.job import FEW_BYTES, LOG, OUTCOME, PID, JobRef, JobRequest, JobState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence


WORKER = (sys.executable, "-I", "-m", "gitexp", "worker")
_READ_BYTES = 1 << 16
_LEFT: list[subprocess.Popen[bytes]] = []


class LocalEngine:
    """A pool of worker processes, so many at the same time, forked by what `command` starts.

    Or by `workers`, which outlives it.
    """

    name = "local"
    _own_session = True
    _pause_s = 0.05

    def __init__(
        self, slots: int, command: Sequence[str] = WORKER, workers: ForkServer | None = None
    ) -> None:
        self._slots = max(1, slots)
        self._workers = workers or ForkServer(command, own_session=self._own_session)
        self._queue: deque[JobRequest] = deque()
        # Folder of a worker -> when it has had its time to end, monotonic seconds.
        self._running: dict[str, float] = {}
        self._withdrawn: set[str] = set()

    def submit(self, jobs: Sequence[JobRequest]) -> list[JobRef]:
        """Queue jobs and start as many as there are slots; see `Engine.submit`."""
        self._workers.launch()
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
            worker = plain_bytes(Path(ref.out_dir, PID), FEW_BYTES).decode("utf-8", "replace")
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


class _Request(NamedTuple):
    """To begin a job, or to signal its worker."""

    out: str
    job: str = ""
    session: bool = False  # of its own
    signal: int = 0


class ForkServer:
    """The coordinator's end: starts workers, signals them and hears which have ended.

    Where the server itself dies, all its workers have ended: they die with it.
    """

    def __init__(self, command: Sequence[str], *, own_session: bool) -> None:
        self._command = tuple(command)
        self._own_session = own_session
        self._server: subprocess.Popen[bytes] | None = None
        self._alive: set[str] = set()
        self._ended: set[str] = set()
        self._heard = b""

    @property
    def idle(self) -> bool:
        """Whether all that it started has ended, and was heard of."""
        return not (self._alive or self._ended)

    def start(self, job_file: str, out_dir: str) -> None:
        """Start a worker."""
        self.launch()
        self._alive.add(out_dir)
        self._tell(_Request(out_dir, job_file, self._own_session))

    def signal(self, out_dir: str, number: int) -> None:
        """Send a signal to a worker, if it is still there."""
        self._tell(_Request(out_dir, signal=number))

    def ended(self) -> set[str]:
        """Return, once, the folders of workers that have ended."""
        self._listen(0.0)
        ended, self._ended = self._ended, set()
        return ended

    def wait(self, out_dir: str) -> None:
        """Wait for the end of a worker."""
        while out_dir in self._alive:
            self._listen(None)

    def pause(self, seconds: float) -> None:
        """Wait for so long, or until something has been said."""
        said = None if self._server is None else self._server.stdout
        select.select([] if said is None else [said], [], [], seconds)

    def launch(self) -> None:
        """Start the server, if none is there: it imports what workers need meanwhile."""
        self._listen(0.0)  # a dead server takes no more
        if self._server is None:
            self._server = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=self._own_session,
            )
            self._leave = weakref.finalize(self, _leave, self._server, self._alive)

    def _tell(self, request: _Request) -> None:
        if self._server is not None and self._server.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it is dead, which is heard next
                os.write(self._server.stdin.fileno(), f"{json.dumps(request)}\n".encode())

    def _listen(self, timeout_s: float | None) -> None:
        """Take in what the server has said so far, or wait for its next word."""
        if self._server is None or self._server.stdout is None:
            return
        while select.select([self._server.stdout], [], [], timeout_s)[0]:
            part = os.read(self._server.stdout.fileno(), _READ_BYTES)
            *lines, self._heard = (self._heard + part).split(b"\n")
            self._end(json.loads(line) for line in lines)
            if not part:
                self._hand_down(self._server)
                self._end(list(self._alive))
                self._leave()
                self._server, self._heard = None, b""
                return
            timeout_s = 0.0

    def _hand_down(self, server: subprocess.Popen[bytes]) -> None:
        """Write what a dead server said into the logs of those that died with it."""
        said = b"" if server.stderr is None else server.stderr.read()
        for out_dir in self._alive if said else ():
            with _open_log(out_dir) as log:
                log.write(said)

    def _end(self, out_dirs: Iterable[str]) -> None:
        for out_dir in out_dirs:
            self._alive.discard(out_dir)
            self._ended.add(out_dir)


def serve(work: Callable[[list[str]], int]) -> int:
    """Fork for each request on standard input until it is closed; say who has ended."""
    process.end_with_parent()
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is the coordinator's to handle
    gc.freeze()  # what is shared with the workers stays so
    workers: dict[int, str] = {}
    heard = b""
    while True:
        ready, _, _ = select.select([0, wake], [], [])
        if wake in ready:
            os.read(wake, _READ_BYTES)
            _say_ended(workers)
        if 0 in ready:
            part = os.read(0, _READ_BYTES)
            if not part:
                return 0
            *lines, heard = (heard + part).split(b"\n")
            for line in lines:
                request = _Request(*json.loads(line))
                if request.signal:
                    for pid in (pid for pid, out in workers.items() if out == request.out):
                        os.kill(pid, request.signal)  # it is ours until it is waited for
                elif pid := os.fork():
                    workers[pid] = request.out
                else:
                    _settle(request, wake, woken)
                    code = work([request.job, request.out])
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code)  # to take apart what it shares would copy all of that first


def _say_ended(workers: dict[int, str]) -> None:
    while workers:
        pid, _ = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        os.write(1, f"{json.dumps(workers.pop(pid))}\n".encode())


def _settle(request: _Request, *pipe: int) -> None:
    """Make a forked process what a new one would be."""
    signal.set_wakeup_fd(-1)
    for end in pipe:
        os.close(end)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if request.session:
        os.setsid()
    with open(os.devnull, "rb") as null, _open_log(request.out) as log:  # noqa: PTH123
        for file, number in ((null, 0), (log, 1), (log, 2)):
            os.dup2(file.fileno(), number)


def _open_log(out_dir: str) -> BinaryIO:
    """Open the log of a worker: what its commands print is nobody else's on this machine."""
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
    return os.fdopen(os.open(Path(out_dir, LOG), flags, 0o600), "ab")


def _leave(server: subprocess.Popen[bytes], alive: Collection[str]) -> None:
    """End a server whose workers have ended; another one stays as long as this process."""
    if alive:
        _LEFT.append(server)
        return
    server.terminate()  # a fork of this process may hold its pipes open
    server.wait()
    for pipe in (server.stdin, server.stdout, server.stderr):
        if pipe is not None:
            pipe.close()
