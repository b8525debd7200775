"""A process that has imported what a worker needs, and forks one for each job.

A worker starts in a tenth of the time that a new interpreter takes, which is half of what a short
repeat costs. The server is a child of the coordinator and ends with it; workers end with theirs.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import subprocess
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from gitexp.execution.engines import process
from gitexp.model.job import LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

_READ_BYTES = 1 << 16
_LEFT: list[subprocess.Popen[bytes]] = []


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

    def start(self, job_file: str, out_dir: str) -> None:
        """Start a worker."""
        self._listen(0.0)  # a dead server takes no more
        if self._server is None:
            self._launch(out_dir)
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

    def _launch(self, out_dir: str) -> None:
        with _open_log(out_dir) as log:
            self._server = subprocess.Popen(
                self._command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=self._own_session,
            )
        weakref.finalize(self, _leave, self._server, self._alive)

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
                self._end(list(self._alive))
                _leave(self._server, self._alive)
                self._server, self._heard = None, b""
                return
            timeout_s = 0.0

    def _end(self, out_dirs: Iterable[str]) -> None:
        for out_dir in out_dirs:
            self._alive.discard(out_dir)
            self._ended.add(out_dir)


def serve(work: Callable[[list[str]], int]) -> int:
    """Fork for each request on standard input until it is closed; say who has ended.

    Returns in the worker, too, with its exit code.
    """
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
                    return work([request.job, request.out])


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
    for pipe in (server.stdin, server.stdout):
        if pipe is not None:
            pipe.close()
