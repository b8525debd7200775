"""DVC's lock on a work tree, taken as DVC takes it, for as long as outputs are exchanged."""

from __future__ import annotations

import os
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitexp.dvc import dvc_config
from gitexp.errors import LockedError

if sys.platform == "win32":  # pragma: no cover - the workflow runs it there
    import msvcrt
else:
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PAUSE_S = 0.05


@contextmanager
def main_lock(
    folder: Path, *, timeout_s: float = 3.0, environ: Mapping[str, str] = os.environ
) -> Iterator[None]:
    """Hold ``.dvc/tmp/lock`` of the repository that `folder` belongs to.

    A file left by a dead process is harmless: the lock is the kernel's, not the file.

    Raises `PreconditionError` if `folder` belongs to no DVC repository; `LockedError` if another
    process holds it for longer than `timeout_s` seconds, or DVC is told to use hard links as locks,
    which we leave alone.
    """
    dvc_dir = dvc_config.find_dvc_dir(folder)
    if dvc_config.is_on(dvc_config.read_settings(dvc_dir, environ), "core", "hardlink_lock"):
        raise LockedError(
            "DVC's lock cannot be taken",
            found="core.hardlink_lock is set",
            where=str(dvc_dir / "config"),
            next_step="dvc checkout",
        )
    file = dvc_dir / "tmp" / "lock"
    file.parent.mkdir(exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        _wait(descriptor, file, time.monotonic() + timeout_s)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f" {os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)  # which ends the lock


def _wait(descriptor: int, file: Path, until: float) -> None:
    while True:
        try:
            _lock(descriptor)
        except (BlockingIOError, PermissionError):
            if time.monotonic() < until:
                time.sleep(PAUSE_S)
                continue
            owner = _owner(descriptor)
            raise LockedError(
                "another process uses DVC in this work tree",
                found=f"process {owner}" if owner else "",
                where=str(file),
            ) from None
        else:
            return


def _lock(descriptor: int) -> None:
    """Lock as ``zc.lockfile`` does, which DVC uses: there, the first byte alone."""
    if sys.platform == "win32":  # pragma: no cover - the workflow runs it there
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _owner(descriptor: int) -> str:
    """Return the process that wrote into the file; the byte before it may be locked."""
    os.lseek(descriptor, 1, os.SEEK_SET)
    return os.read(descriptor, 32).decode("ascii", "replace").strip()
