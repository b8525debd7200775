"""DVC's lock on a work tree, taken as DVC takes it, for as long as outputs are exchanged."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitexp.data import settings
from gitexp.errors import LockedError

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

    Raises
    ------
    PreconditionError
        If `folder` belongs to no DVC repository.
    LockedError
        If another process holds it for longer than `timeout_s` seconds, or DVC is told to use
        hard links as locks, which we leave alone.
    """
    dvc_dir = settings.find_dvc_dir(folder)
    if settings.is_on(settings.read_settings(dvc_dir, environ), "core", "hardlink_lock"):
        raise LockedError(
            "DVC's lock cannot be taken",
            found="core.hardlink_lock is set",
            where=str(dvc_dir / "config"),
            next_step="dvc checkout",
        )
    file = dvc_dir / "tmp" / "lock"
    file.parent.mkdir(exist_ok=True)
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(PAUSE_S)
                continue
            owner = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
            raise LockedError(
                "another process uses DVC in this work tree",
                found=f"process {owner}" if owner else "",
                where=str(file),
            ) from None
        else:
            return
