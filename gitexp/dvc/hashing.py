"""MD5 of files and folders exactly as DVC names them; reads regular files only, writes nothing.

A file that changes while it is read gets no hash: the state before and after reading is compared,
and reading starts over. DVC does not do so, and stores a growing file under the hash of its first
part.
"""

# Plain strings and open folders: a Path for each object costs more than its hash.
# ruff: noqa: PTH112, PTH115

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import re
import stat
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gitexp.errors import ChangingFileError, DataMissingError, UnsafeInputError
from gitexp.model import dataclass, field
from gitexp.model.ids import MD5, Md5

if TYPE_CHECKING:
    from pathlib import Path

Ignored = Callable[[str, bool], bool]
"""(absolute path, whether it is a folder) -> whether ``.dvcignore`` hides it."""
StatKey = tuple[int, int, int, int, int]

READ = (
    os.O_RDONLY
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_BINARY", 0)
)
TRIES = 3
BLOCK = 1 << 20
SETTLED_NS = 100_000_000  # a younger file may change again within one tick of the clock
NEVER = frozenset({".git", ".hg", ".dvc"})  # what DVC hides in every folder
OBJECT = re.compile(r"/[0-9a-f]{2}/[0-9a-f]{30}\Z")  # in a cache of DVC's, of either layout


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The hash of one file's bytes."""

    md5: Md5
    size: int  # bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Member:
    """One file of a folder, with its POSIX path relative to the folder."""

    path: str
    digest: FileDigest


@dataclass(slots=True)
class Memo:
    """Hashes of files by what the file system says of them, within one process.

    An entry is made only for a file that had been left alone for a while before it was read, so
    that a later edit is bound to change the time of the last status change (``ctime``), which
    no program can set back.
    """

    known: dict[StatKey, FileDigest] = field(default_factory=dict)

    def look(self, seen: os.stat_result) -> FileDigest | None:
        """Return the hash of a file in exactly this state, None if it is not known."""
        return self.known.get(stat_key(seen))

    def keep(self, seen: os.stat_result, digest: FileDigest, *, started_ns: int) -> None:
        """Remember a hash whose reading started at `started_ns` (Unix time, nanoseconds)."""
        if started_ns - seen.st_ctime_ns > SETTLED_NS:
            self.known[stat_key(seen)] = digest


def stat_key(seen: os.stat_result) -> StatKey:
    """Return what changes whenever a file's bytes do."""
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns)


def check_md5(text: str, *, where: str) -> Md5:
    """Return `text` as the hash of a file or folder."""
    if MD5.fullmatch(text):
        return Md5(text)
    raise UnsafeInputError(
        "a hash does not have the form of an MD5",
        found=repr(text[:80]),
        where=where,
        expected="32 lower-case hex digits",
    )


def hash_file(path: str, memo: Memo | None = None) -> FileDigest:
    """Return the hash of a regular file; a symbolic link is followed."""
    buffer = bytearray(BLOCK)
    view = memoryview(buffer)
    for _ in range(TRIES):
        started = time.time_ns()
        with open_regular(path) as (descriptor, before):
            if memo is not None and (known := memo.look(before)) is not None:
                return known
            state = hashlib.md5(usedforsecurity=False)
            count = 0
            with io.FileIO(descriptor, closefd=False) as source:
                while n := source.readinto(buffer):
                    state.update(view[:n])
                    count += n
            after = os.fstat(descriptor)
        if stat_key(before) == stat_key(after) and count == before.st_size:
            digest = FileDigest(Md5(state.hexdigest()), count, is_executable(before))
            if memo is not None:
                memo.keep(before, digest, started_ns=started)
            return digest
    raise changing(path)


def list_files(folder: str, ignored: Ignored | None = None) -> list[str]:
    """Return the paths of all files below `folder`, sorted; refuse what DVC would change."""
    found: list[str] = []
    folders: list[str] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(f"{folder}/{prefix}") as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name in NEVER or os.path.isdir(f"{entry.path}/.dvc"):
                        continue
                    if ignored is None or not ignored(entry.path, True):  # noqa: FBT003 - a callback's position
                        folders.append(path)
                        pending.append(path + "/")
                elif entry.name != ".git" and not (
                    ignored is not None and ignored(entry.path, False)  # noqa: FBT003 - as above
                ):
                    _check_member(entry, path, folder)
                    found.append(path)
    twins = twin(found, folders)
    if twins is not None:
        raise UnsafeInputError(
            "a folder holds two names that some file systems cannot tell apart",
            found=f"{twins[0]!r} and {twins[1]!r}",
            where=folder,
            next_step="rename one of them",
        )
    found.sort()
    return found


def manifest(members: Sequence[Member]) -> bytes:
    """Return the content of a ``.dir`` object; `members` sorted by path.

    >>> manifest(())
    b'[]'
    """
    rows = [{"md5": member.digest.md5, "relpath": member.path} for member in members]
    return json.dumps(rows, sort_keys=True).encode("ascii")


def manifest_md5(content: bytes) -> Md5:
    """Return the name of a ``.dir`` object.

    >>> manifest_md5(b"[]")
    'd751713988987e9331980363e24189ce.dir'
    """
    return Md5(hashlib.md5(content, usedforsecurity=False).hexdigest() + ".dir")


def fold(path: str) -> str:
    """Return what paths have in common that a case-folding or normalising file system joins."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFC", path).casefold()


def twin(files: Iterable[str], folders: Iterable[str]) -> tuple[str, str] | None:
    """Return two paths that fold to the same, or None."""
    seen: dict[str, str] = {}
    for path in (*folders, *files):
        other = seen.setdefault(fold(path), path)
        if other != path:
            return other, path
    return None


def is_executable(seen: os.stat_result) -> bool:
    """Tell whether DVC would note ``isexec: true``."""
    return bool(seen.st_mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))


@contextmanager
def open_regular(path: str, folder: int | None = None) -> Iterator[tuple[int, os.stat_result]]:
    """Open a regular file for reading; never waits on a pipe, never touches a device.

    `folder`: an open one, to which the path is relative; then it may not be a link.
    """
    no_follow = 0 if folder is None else getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, READ | no_follow, dir_fd=folder)
    except OSError as error:
        if no_follow and error.errno == errno.ELOOP:
            raise _not_regular(path) from error
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            raise DataMissingError(
                "a file is not there", found="nothing", where=path, next_step="dvc pull"
            ) from error
        if error.errno == errno.ENXIO:  # a socket
            raise _not_regular(path) from error
        raise
    try:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode):
            raise _not_regular(path)
        yield descriptor, seen
    finally:
        os.close(descriptor)


def read_regular(path: Path, limit: int) -> bytes:
    """Return the first bytes of a file that a branch may have made a pipe, a device or a link."""
    with open_regular(str(path)) as (descriptor, _), io.FileIO(descriptor, closefd=False) as file:
        return file.read(limit)


def changing(path: str) -> ChangingFileError:
    """Return the error for a file that is written to while it is read."""
    return ChangingFileError(
        "a file changes while it is read",
        found=f"different states before and after, {TRIES} times",
        where=path,
        expected="a command that has ended, and closed its files",
    )


def _not_regular(path: str) -> UnsafeInputError:
    return UnsafeInputError(
        "only regular files can be read and stored",
        found="a pipe, socket, device, folder or link",
        where=path,
        next_step="remove it, or hide it with .dvcignore",
    )


def _check_member(entry: os.DirEntry[str], path: str, folder: str) -> None:
    if entry.is_symlink() and not OBJECT.search(os.readlink(entry.path)):
        problem = "a symbolic link, which DVC would replace or leave out"
    elif not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
        problem = "a pipe, socket or device"
    elif entry.name == ".dvcignore":
        problem = "a .dvcignore, which DVC refuses inside data"
    elif "\\" in path:
        problem = "a backslash in the name"
    else:
        try:
            path.encode()
        except UnicodeEncodeError:
            problem = "a name that is not UTF-8"
        else:
            return
    raise UnsafeInputError(
        "a folder holds what cannot be stored",
        found=f"{path!r}: {problem}",
        where=folder,
        next_step="remove or rename it",
    )
