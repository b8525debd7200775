"""Locks between processes, and the text that says whose they are. The one place for flock.

A `FileLock` goes with its process, however that ends. A lock that must outlive a crash (Git's own
``index.lock``) is described by an `OwnerFile`, written first, so that it can be told later whether
anybody is still behind it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import random
import sys
import time
from functools import cache
from typing import TYPE_CHECKING, Self

from gitexp.errors import LockedError
from gitexp.git.discovery import plain_bytes
from gitexp.model import dataclass

if sys.platform == "win32":  # pragma: no cover - the workflow runs it there
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from pathlib import Path

_UNSUPPORTED = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Owner:
    """A process: a pid alone is used again by another one, after a boot above all."""

    host: str  # where the pid is one: "name/namespace/machine", on Linux; "name" elsewhere
    pid: int
    started: str  # opaque: boot id and start time where the system tells them

    def __str__(self) -> str:
        """Return one line for people and for files."""
        return f"{self.host} {self.pid} {self.started}"

    @property
    def host_name(self) -> str:
        """The host's name, for people."""
        return self.host.partition("/")[0]

    @classmethod
    def parse(cls, text: str) -> Owner | None:
        """Return the owner that a line describes; None where it describes none."""
        parts = text.strip().split(" ")
        if len(parts) != 3 or not parts[1].isdecimal():  # noqa: PLR2004 - the fields above
            return None
        return cls(parts[0], int(parts[1]), parts[2])


def this_process() -> Owner:
    """Return the process that is running."""
    pid = os.getpid()
    return Owner(_place(), pid, _started(pid))


def is_dead(owner: Owner) -> bool:
    """Return whether a process has certainly ended.

    On another host, in another namespace of pids, and over a boot where no machine-id tells
    whether it was this machine's, nobody can say. An older gitexp noted the host's name alone.
    """
    if owner.host not in {_place(), _host()}:
        return False
    boots = {started.partition("-")[0] for started in (owner.started, _started(os.getpid()))}
    if owner.host.endswith("/-") and len(boots - {""}) > 1:
        return False
    if has_ended(owner.pid):
        return True
    now = _started(owner.pid)
    return now == _ENDED or ("-" not in {now, owner.started} and now != owner.started)


def has_ended(pid: int) -> bool:
    """Return whether no process of this host has that number; False where nobody can say."""
    if sys.platform == "win32":  # signal 0 is Ctrl-C there
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # it belongs to somebody else, or is not a number of a process
        return False
    return False


class FileLock:
    """A lock on a file that is never deleted; held by one process, released by its end.

    The file is made if missing; its one line says who has, or last had, the lock.

    >>> import pathlib, tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> lock = FileLock(pathlib.Path(folder.name, "slot"))
    >>> lock.try_acquire(), lock.try_acquire()
    (True, True)
    >>> lock.release(); folder.cleanup()
    """

    def __init__(self, path: Path, *, timeout_s: float = 30.0) -> None:
        self.path = path
        self.timeout_s = timeout_s
        self._file: int | None = None

    def try_acquire(self) -> bool:
        """Take the lock if it is free, as it is on a file system without; tell if."""
        if self._file is not None:
            return True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        try:
            lock(file)
        except OSError as error:
            if error.errno not in _UNSUPPORTED:
                os.close(file)
                if error.errno in {errno.EAGAIN, errno.EACCES, errno.EDEADLK}:
                    return False
                raise
        # Who holds it is a courtesy: on a full disk the lock works all the same.
        with contextlib.suppress(OSError):
            os.ftruncate(file, 0)
            os.pwrite(file, f"{this_process()}\n".encode(), 0) if hasattr(os, "pwrite") else None
        self._file = file
        return True

    def acquire(self) -> None:
        """Take the lock, waiting up to `timeout_s` seconds."""
        deadline = time.monotonic() + self.timeout_s
        while not self.try_acquire():
            if time.monotonic() >= deadline:
                raise LockedError(
                    "another process holds a lock",
                    found=self.holder(),
                    where=str(self.path),
                    expected=f"to get it within {self.timeout_s:g} s",
                )
            time.sleep(random.uniform(0.001, 0.01))  # noqa: S311 - jitter, no secret

    def release(self) -> None:
        """Give the lock back; without one this does nothing."""
        if self._file is not None:
            os.close(self._file)  # closes the only descriptor, so the lock goes
            self._file = None

    def is_held(self) -> bool:
        """Whether somebody has it now; nothing is written."""
        try:
            file = os.open(self.path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
        except OSError:
            return False
        try:
            lock(file)
        except OSError as error:
            return error.errno not in _UNSUPPORTED
        finally:
            os.close(file)
        return False

    def holder(self) -> str:
        """Return who wrote into the file last, for a message."""
        with contextlib.suppress(OSError, ValueError):
            owner = Owner.parse(plain_bytes(self.path, 1000).decode())
            if owner is not None:
                return f"process {owner.pid} on {owner.host_name}"
        return "an unknown process"

    def __enter__(self) -> Self:
        """Take the lock, or raise `LockedError`."""
        self.acquire()
        return self

    def __exit__(self, *_error: object) -> None:
        """Give the lock back."""
        self.release()


def lock(file: int) -> None:
    """Lock an open file, or raise: the whole of it, on Windows its first byte."""
    if sys.platform == "win32":  # pragma: no cover - the workflow runs it there
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _host() -> str:
    name = os.uname().nodename if hasattr(os, "uname") else os.environ.get("COMPUTERNAME", "")
    return "".join(name.replace("/", "").split()) or "localhost"


@cache
def _place() -> str:
    """Return where this process's pid is one: two containers may share the name of a host."""
    if sys.platform != "linux":
        return _host()
    namespace = machine = "-"
    with contextlib.suppress(OSError):
        namespace = os.readlink("/proc/self/ns/pid")[len("pid:[") : -1]  # noqa: PTH115
    with contextlib.suppress(OSError, ValueError), open("/etc/machine-id", "rb") as file:  # noqa: PTH123
        machine = "".join(file.read(8).decode("ascii").split()) or "-"
    return f"{_host()}/{namespace}/{machine}"


def _started(pid: int) -> str:
    """Return when a process began, in a form that is only compared; "-" where nobody tells."""
    try:
        if os.readlink("/proc/self") != str(os.getpid()):  # noqa: PTH115 - of another namespace
            return "-"
        with open(f"/proc/{pid}/stat", "rb") as stat:  # noqa: PTH123 - in hot paths, once a lock
            # The name in parentheses may hold anything; field 22 is the 20th after it.
            fields = stat.read().rpartition(b") ")[2].split()
        if fields[0] in {b"Z", b"X"}:  # ended, and nobody has asked for its exit code yet
            return _ENDED
        with open("/proc/sys/kernel/random/boot_id", "rb") as boot:  # noqa: PTH123
            return f"{boot.read(8).decode('ascii')}-{fields[19].decode('ascii')}"
    except (OSError, IndexError, ValueError):
        return "-"
