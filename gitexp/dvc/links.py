"""Reflinks, copies, hard and symbolic links, and folders opened without following a link.

The one place where file systems and operating systems differ. What it makes is new: it never
writes through an existing name.
"""

# Plain strings and open folders: a Path for each object costs more than its hash.
# ruff: noqa: PTH100, PTH108, PTH116, PTH208

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import stat
import sys
from typing import TYPE_CHECKING

from gitexp.dvc.hashing import BLOCK, hash_file, open_regular
from gitexp.errors import (
    BadFormatError,
    NoSpaceError,
    PreconditionError,
    ReadOnlyError,
    UnsafeInputError,
)
from gitexp.model import dataclass

if sys.platform == "linux":
    from fcntl import ioctl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

KINDS = ("reflink", "copy", "hardlink", "symlink")  # the values of DVC's cache.type
FICLONE = 0x40049409  # Linux: share the extents of another file
# Windows lacks these; what needs them is refused by `check_system`, not by an import.
CLOEXEC = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
FOLDER = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0) | CLOEXEC
CREATE = os.O_CREAT | os.O_EXCL | os.O_WRONLY | NO_FOLLOW | CLOEXEC
CANNOT = frozenset(  # the file system says that it does not do this, or not across its border
    {
        errno.EOPNOTSUPP,
        errno.ENOTTY,
        errno.ENOSYS,
        errno.EINVAL,
        errno.EXDEV,
        errno.EPERM,
        errno.EMLINK,
        errno.EACCES,
    }
)
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class Placer:
    """Puts cache objects into a folder by the first way that works here."""

    # Ways still worth trying, in order; one that the file system refuses is dropped.
    kinds: list[str]

    def place(self, source: str, name: str, folder: int, *, executable: bool) -> tuple[str, str]:
        """Make `name` below a folder from an object; return the way, and the hash of a copy."""
        if os.stat(source).st_size == 0:  # DVC copies these too, whatever the type
            return "copy", _copy(source, name, folder, executable=executable)
        while self.kinds:
            kind = self.kinds[0]
            try:
                match kind:
                    case "copy":
                        return kind, _copy(source, name, folder, executable=executable)
                    case "reflink":
                        _reflink(source, name, folder, executable=executable)
                    case "hardlink":
                        os.link(source, name, dst_dir_fd=folder, follow_symlinks=False)
                    case _:
                        os.symlink(os.path.abspath(source), name, dir_fd=folder)
            except OSError as error:
                if kind == "copy" or error.errno not in CANNOT:
                    raise
                self.kinds.pop(0)
            else:
                return kind, ""
        raise OSError(errno.EOPNOTSUPP, "no way of cache.type works here", name)


def placer(kinds: Sequence[str]) -> Placer:
    """Return a `Placer`; raises BadFormatError for a kind that DVC does not know."""
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        raise BadFormatError(
            "cache.type cannot be read",
            found=", ".join(kinds),
            where=".dvc/config",
            expected=", ".join(KINDS),
        )
    return Placer(list(kinds))


def copy_hashing(source: int, target: str, *, size: int) -> tuple[str, int]:
    """Copy or clone an open file; return hash and count of *the bytes written*."""
    made = os.open(target, CREATE, 0o600)
    try:
        if size >= BLOCK and _clone(made, source):
            digest = hash_file(target)
            return digest.md5, digest.size
        state = hashlib.md5(usedforsecurity=False)
        count = _pump(source, made, state.update, size=size)
    finally:
        os.close(made)
    return state.hexdigest(), count


def clone_or_copy(source: str, target: str, *, limit: int) -> int | None:
    """Make a new file of another's bytes, by reflink, else by a copy of at most `limit` bytes.

    The result: how many bytes were copied; None where there would be more, and nothing is made.
    """
    with open_regular(source) as (descriptor, seen):
        made = os.open(target, CREATE, 0o600)
        try:
            if _clone(made, descriptor):
                return 0
            if seen.st_size <= limit:
                return _pump(descriptor, made, lambda _: None, size=seen.st_size)
        except BaseException:
            os.unlink(target)
            raise
        finally:
            os.close(made)
        os.unlink(target)
    return None


def check_system() -> None:
    """Refuse Windows: no path is opened part by part there, so a link could lead out."""
    if os.open not in os.supports_dir_fd:
        raise PreconditionError(
            "outputs cannot be handled safely on this system",
            found=f"{sys.platform}, which opens no path part by part",
            expected="Linux or macOS; on Windows its Subsystem for Linux",
        )


def open_folder(root: str, path: str, *, create: bool) -> int:
    """Open the folder `path` part by part, following no link below `root`."""
    check_system()
    current = os.open(root, FOLDER)
    try:
        for part in filter(None, path.split("/")):
            if create:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, dir_fd=current)
            try:
                below = os.open(part, FOLDER | NO_FOLLOW, dir_fd=current)
            except OSError as error:
                if error.errno in (errno.ELOOP, errno.ENOTDIR):
                    raise UnsafeInputError(
                        "a folder above an output, or a lock, is a symbolic link or a file",
                        found=part,
                        where=f"{root}/{path}",
                        expected="a folder",
                        next_step=f"remove {part}",
                    ) from error
                raise
            os.close(current)
            current = below
    except BaseException:
        os.close(current)
        raise
    return current


def make_folder(folder: int, path: str) -> None:
    """Make the folder `path`, and those above it, below an open folder that is ours alone."""
    place = ""
    for part in path.split("/"):
        place = f"{place}/{part}" if place else part
        with contextlib.suppress(FileExistsError):
            os.mkdir(place, dir_fd=folder)


def remove(name: str, folder: int) -> None:
    """Remove a file or a whole folder below an open folder; links are removed, not followed."""
    try:
        seen = os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(seen.st_mode):
        os.unlink(name, dir_fd=folder)
        return
    below = os.open(name, FOLDER | NO_FOLLOW, dir_fd=folder)
    try:
        for child in os.listdir(below):
            remove(child, below)
    finally:
        os.close(below)
    os.rmdir(name, dir_fd=folder)


@contextlib.contextmanager
def explained(where: str) -> Iterator[None]:
    """Turn a full or read-only disk into an error that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise NoSpaceError(
                "there is no room for the data", found=error.strerror or "", where=where
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
            raise ReadOnlyError(
                "the data cannot be written", found=error.strerror or "", where=where
            ) from error
        raise


def _copy(source: str, name: str, folder: int, *, executable: bool) -> str:
    with open_regular(source) as (descriptor, seen):
        made = os.open(name, CREATE, 0o777 if executable else 0o666, dir_fd=folder)
        try:
            state = hashlib.md5(usedforsecurity=False)
            _pump(descriptor, made, state.update, size=seen.st_size)
        finally:
            os.close(made)
    return state.hexdigest()


def _reflink(source: str, name: str, folder: int, *, executable: bool) -> None:
    with open_regular(source) as (descriptor, _):
        made = os.open(name, CREATE, 0o777 if executable else 0o666, dir_fd=folder)
        try:
            if not _clone(made, descriptor):
                os.unlink(name, dir_fd=folder)
                raise OSError(errno.EOPNOTSUPP, "no reflinks here", name)
        finally:
            os.close(made)


def _clone(target: int, source: int) -> bool:
    if sys.platform != "linux":
        return False
    try:
        ioctl(target, FICLONE, source)
    except OSError as error:
        if error.errno in CANNOT:
            return False
        raise
    return True


def _pump(source: int, target: int, see: Callable[[memoryview], None], *, size: int) -> int:
    buffer = bytearray(min(BLOCK, size + 1))
    view = memoryview(buffer)
    count = 0
    with io.FileIO(source, closefd=False) as reader:
        while n := reader.readinto(buffer):
            see(view[:n])
            written = 0
            while written < n:
                written += os.write(target, view[written:n])
            count += n
    return count
