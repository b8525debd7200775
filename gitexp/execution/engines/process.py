"""Process groups, and how to end one for good: the one place where systems differ about it.

Killing a process group is not killing a job: a grandchild that called ``setsid`` survives. So a
worker makes itself a *subreaper*: orphans below it become its children, and it ends what it
adopts. Where the system has no subreaper (macOS) the group is all that can be reached.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

LINUX = sys.platform == "linux"
MARK = "GITEXP_ATTEMPT"  # variable by which every process of an attempt is known
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAUSE_S = 0.005
_LOOK_S = 0.05  # between two looks at what a bounded command prints
GRACE_S = 5.0  # between TERM and KILL; less than the engine gives a worker
_START_FIELD = 19  # of /proc/PID/stat, counted after the closing parenthesis of the name
_LIBC = ctypes.CDLL(None) if LINUX else None


class StopAskedError(Exception):
    """The process was asked to end; raised by `Stop` where it is allowed to interrupt."""


class Stop:
    """Turns TERM and INT into an exception, but only while `interrupting`: no child is lost."""

    def __init__(self, deadline: float | None = None) -> None:
        self.deadline = deadline  # monotonic, seconds: when a command is ended all the same
        self.asked = False
        self._raising = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._take)

    def _take(self, *_: object) -> None:
        self.asked = True
        if self._raising:
            self._raising = False
            raise StopAskedError

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Let a signal end this block."""
        self._raising = True
        try:
            if self.asked:
                raise StopAskedError
            yield
        finally:
            self._raising = False


@dataclass(frozen=True, slots=True)
class ProcessEnd:
    """How a command ended: its exit code (minus the signal that killed it), or out of time."""

    code: int
    timed_out: bool = False


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it, and let it die with its parent."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    end_with_parent()


def end_with_parent(number: int = signal.SIGTERM) -> None:
    """Let the system send this process a signal when its parent dies, where it can."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def run(
    argv: Sequence[str], *, folder: Path, env: Mapping[str, str], log: int, stop: Stop
) -> ProcessEnd:
    """Run one command in a process group of its own, to its end; leave nothing of it alive.

    `log`: file descriptor that takes both of its output streams.
    """
    child = subprocess.Popen(
        argv,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        process_group=0,
        preexec_fn=partial(end_with_parent, signal.SIGKILL),  # noqa: PLW1509  a worker has one thread
    )
    try:
        with stop.interrupting():
            in_time = _wait(child, stop.deadline)
    finally:
        end_all(child)
    return ProcessEnd(child.wait(), timed_out=not in_time)


@dataclass(frozen=True, slots=True)
class Bounded:
    """A shell command that may take so long, and print so much."""

    command: str
    limit_s: float
    most: int  # bytes


def run_bounded(
    asked: Bounded,
    folder: Path,
    env: Mapping[str, str],
    out: int,
    interrupts: Callable[[], int],
) -> str:
    """Run a command to its end; return why it did not end well, "" where it did.

    Unlike `run` it leaves other children of this process, and its signals, alone. `out`: a file,
    which takes what it prints; its errors nothing takes.
    """
    child = subprocess.Popen(
        ["/bin/sh", "-c", asked.command],
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=subprocess.DEVNULL,
        process_group=0,
        preexec_fn=partial(end_with_parent, signal.SIGKILL),  # noqa: PLW1509  as above
    )
    until, why = time.monotonic() + asked.limit_s, ""
    try:
        while child.poll() is None and not (why or interrupts()):
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_LOOK_S)
            if os.fstat(out).st_size > asked.most:
                why = f"it printed more than {asked.most >> 20} MiB"
            elif time.monotonic() > until:
                why = f"it took longer than {asked.limit_s:g} s"
    finally:
        _signal(child.pid, signal.SIGKILL, os.killpg)  # and what it left behind
        child.wait()
    return why or (f"exit code {child.returncode}" if child.returncode else "")


def _wait(child: subprocess.Popen[bytes], deadline: float | None) -> bool:
    """Wait for a child; False if the deadline came first. Does not poll: a repeat may be 20 ms."""
    if deadline is None:
        child.wait()
        return True
    left = max(0.0, deadline - time.monotonic())
    if not LINUX:
        try:
            child.wait(left)
        except subprocess.TimeoutExpired:
            return False
        return True
    descriptor = os.pidfd_open(child.pid)
    try:
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return bool(poller.poll(min(left * 1000, 2**31 - 1)))
    finally:
        os.close(descriptor)


def end_all(leader: subprocess.Popen[bytes]) -> None:
    """End a child's group and all that this process adopted: TERM, then KILL; reap everything."""
    deadline = time.monotonic() + GRACE_S
    number: int = signal.SIGTERM
    while True:
        leader.poll()  # before the others, or its exit code would be lost
        reaped = _reap()
        group_lives = _signal(leader.pid, 0, os.killpg)
        if not group_lives and (reaped or not LINUX) and leader.returncode is not None:
            return
        if number:
            _signal(leader.pid, number, os.killpg)
            for pid in _descendants(os.getpid()):
                _signal(pid, number)
            number = 0
        if time.monotonic() >= deadline:
            number = signal.SIGKILL
        time.sleep(_PAUSE_S)


def _reap() -> bool:
    """Collect children that have ended; True if no child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return True
    return False


def end_attempt(out_dir: str) -> None:
    """Kill every process that carries the mark of an attempt whose worker died without a word."""
    while pids := _marked(out_dir):
        for pid in pids:
            _signal(pid, signal.SIGKILL)
        time.sleep(_PAUSE_S)


def _marked(out_dir: str) -> list[int]:
    if not LINUX:
        return []
    wanted = f"{MARK}={out_dir}".encode(errors="surrogateescape")
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                variables = Path(entry.path, "environ").read_bytes()
            except OSError:  # not ours, or gone
                continue
            if wanted in variables.split(b"\0"):
                found.append(int(entry.name))
    return found


def identity(pid: int) -> str:
    """Return a text that names a process even after its number was given to another."""
    fields = _stat(pid)
    return f"{pid} {fields[_START_FIELD] if fields else '-'}"


def lives(identity_text: str) -> bool:
    """Whether the process that `identity` named still runs; a zombie does not."""
    pid, _, start = identity_text.strip().partition(" ")
    if not pid.isdigit() or not start:
        return False
    if not LINUX:
        return _signal(int(pid), 0)
    fields = _stat(int(pid))
    return bool(fields) and fields[_START_FIELD] == start and fields[0] not in {"Z", "X"}


def _stat(pid: int) -> list[str]:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:
        return []
    return stat.rpartition(")")[2].split()


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    pending = [pid]
    while pending:
        for task in Path(f"/proc/{pending.pop()}/task").glob("*/children"):
            try:
                children = [int(word) for word in task.read_text("ascii").split()]
            except OSError:
                continue
            found += children
            pending += children
    return found


def _signal(pid: int, number: int, kill: Callable[[int, int], None] = os.kill) -> bool:
    try:
        kill(pid, number)
    except OSError:
        return False
    return True
