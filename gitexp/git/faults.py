"""Turn what libgit2 and the system say into gitexp's errors, in one table."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, GitFailedError, NoSpaceError, ReadOnlyError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_READ_ONLY = frozenset({errno.EROFS, errno.EACCES, errno.EPERM})

# libgit2 gives most system errors as text only.
_NO_SPACE_TEXT = ("No space left on device", "File too large", "Disk quota exceeded")
_READ_ONLY_TEXT = ("Read-only file system", "Permission denied", "Operation not permitted")


def translated(error: Exception, doing: str, where: str = "") -> GitexpError:
    """Return the error to raise ``from error``.

    `error`: from pygit2 or from the operating system. `doing`: what could not be done, e.g.
    ``"cannot write objects"``.
    """
    text = str(error)
    number = error.errno if isinstance(error, OSError) else None
    if number in _NO_SPACE or any(sign in text for sign in _NO_SPACE_TEXT):
        return NoSpaceError(
            f"{doing}: the disk is full, or a file would be too large", found=text, where=where
        )
    if number in _READ_ONLY or any(sign in text for sign in _READ_ONLY_TEXT):
        return ReadOnlyError(
            f"{doing}: the repository cannot be written to",
            found=text,
            where=where,
            expected="write access",
        )
    return GitFailedError(doing, found=text or type(error).__name__, where=where)


@contextlib.contextmanager
def translating(doing: str, where: str = "") -> Iterator[None]:
    """Let errors of the system leave a block, or a decorated function, as errors of ours.

    Raises `GitexpError`.
    """
    try:
        yield
    except OSError as error:
        raise translated(error, doing, where) from error


def reason_for_failed_write(folder: Path, size: int, error: Exception) -> Exception:
    """Return why a file of `size` bytes cannot be written into `folder`.

    libgit2 forgets the system's error when an object cannot be written, and reports the message
    of whatever failed before. So the same is tried once more, by us.
    """
    try:
        with tempfile.TemporaryFile(dir=folder, prefix="gitexp-") as trial:
            for start in range(0, size, 1 << 20):
                trial.write(os.urandom(min(1 << 20, size - start)))
            trial.flush()
    except OSError as found:
        return found
    return error
