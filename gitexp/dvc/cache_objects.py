"""Single objects of DVC's cache: how one comes into being under its name, and is set aside.

An object is written under a temporary name, made read-only, and renamed: DVC trusts what is
read-only, deletes what is damaged and not read-only, and must never see half a file.
"""

# Plain strings and open folders: a Path for each object costs more than its hash.
# ruff: noqa: PTH101, PTH103, PTH104, PTH102, PTH108, PTH110, PTH112, PTH116, PTH120

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shlex
import stat
import time
from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc import hashing, links
from gitexp.errors import DamagedDataError, DataMissingError, UnsafeInputError
from gitexp.model import dataclass
from gitexp.model.ids import Md5

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gitexp.dvc.hashing import FileDigest, Memo

DEFAULT_TYPES = ("reflink", "copy")
SMALL = 256 << 10  # bytes; read at once, so that its name is known before it is written
TEMPORARY = ".gitexp-"  # begins the name of everything unfinished
DVC_2 = "."
DAMAGED = "gitexp-damaged"  # folder below cache.dir


@dataclass(frozen=True, slots=True)
class CacheConfig:
    """Where DVC's cache is and how it hands files out."""

    dir: Path  # ``cache.dir``, absolute; objects lie in `layout` below it
    types: tuple[str, ...] = DEFAULT_TYPES  # ``cache.type``: ways to try, in order
    shared: bool = False  # ``cache.shared = group``: folders are writable for the group
    # Further caches, which are read and never written to: what they hold is not stored again.
    under: tuple[Path, ...] = ()
    layout: str = "files/md5"  # `DVC_2`: what that version wrote, only to be read
    shared_remote: bool = False  # others write to it: no link below `dir` is followed


def object_file(cache: CacheConfig, md5: Md5) -> str:
    """Return where an object lies, or would lie."""
    own = _file_in(cache.dir, md5, cache.layout)
    if cache.under and not os.path.exists(own):
        found = (_file_in(folder, md5) for folder in cache.under)
        return next(filter(os.path.exists, found), own)
    return own


def is_present(cache: CacheConfig, md5: Md5, size: int) -> bool:
    """Tell whether an object is there in its full length (a power cut leaves shorter ones)."""
    for folder in (cache.dir, *cache.under):
        with contextlib.suppress(OSError):
            seen = os.stat(_file_in(folder, md5))
            if stat.S_ISREG(seen.st_mode) and seen.st_size == size:
                return True
    return False


@contextlib.contextmanager
def opened(cache: CacheConfig, md5: Md5) -> Iterator[tuple[int, os.stat_result]]:
    """Open an object for reading, with what the file system says of it."""
    if not cache.shared_remote:
        with hashing.open_regular(object_file(cache, md5)) as found:
            yield found
        return
    name = hashing.check_md5(md5, where=str(cache.dir))
    with contextlib.ExitStack() as stack:
        try:
            folder = links.open_folder(str(cache.dir), f"{cache.layout}/{name[:2]}", create=False)
            stack.callback(os.close, folder)
            found = stack.enter_context(hashing.open_regular(name[2:], folder))
        except FileNotFoundError as error:
            raise DataMissingError(
                "an object is not there", where=object_file(cache, md5)
            ) from error
        except UnsafeInputError as error:
            raise damaged_object(cache, md5, "is a link, or lies below one") from error
        yield found


def damaged_object(cache: CacheConfig, md5: Md5, what: str) -> DamagedDataError:
    """Return the error; it does not say what hash the bytes have, which may be a link's."""
    where = object_file(cache, md5)
    if cache.shared_remote:
        parts = f"{cache.layout}/{md5[:2]}/{md5[2:]}".split("/")
        places = itertools.accumulate(parts, "{}/{}".format, initial=str(cache.dir))
        where = next(filter(os.path.islink, itertools.islice(places, 1, None)), where)
        step = f"rm {shlex.quote(where)}, then gitexp push from a clone that has its bytes"
    else:
        step = "gitexp doctor, then fetch it from somebody who has it"
    return DamagedDataError(f"an object {what}", where=where, expected=md5, next_step=step)


def store(cache: CacheConfig, source: str, memo: Memo | None) -> FileDigest:
    """Store one file: the bytes that are hashed are the bytes that are written."""
    return _stored(cache, partial(hashing.open_regular, source), memo, source)


def copy(cache: CacheConfig, there: CacheConfig, md5: Md5) -> int | None:
    """Copy an object; return its size, and None where its bytes have another hash: they stay."""
    source = partial(opened, cache, md5)
    digest = _stored(there, source, None, object_file(cache, md5), only=md5)
    return digest.size if digest.md5 == md5.removesuffix(".dir") else None


def _stored(
    cache: CacheConfig,
    source: Callable[[], contextlib.AbstractContextManager[tuple[int, os.stat_result]]],
    memo: Memo | None,
    where: str,
    only: Md5 | None = None,
) -> FileDigest:
    """Store bytes under their name; where `only` is given, no others than those of that name."""
    for _ in range(hashing.TRIES):
        started = time.time_ns()
        with source() as (descriptor, before):
            known = memo.look(before) if memo is not None else None
            if known is not None and is_present(cache, known.md5, known.size):
                return known
            content, temporary, md5, size = _read(cache, descriptor, before.st_size)
            after = os.fstat(descriptor)
        if hashing.stat_key(before) == hashing.stat_key(after) and size == before.st_size:
            digest = hashing.FileDigest(Md5(md5), size, hashing.is_executable(before))
            name = only or digest.md5
            if name.removesuffix(".dir") != md5:
                _discard(temporary)
            elif temporary:
                _name(cache, name, temporary, size)
            else:
                write(cache, name, content)
            if memo is not None:
                memo.keep(before, digest, started_ns=started)
            return digest
        _discard(temporary)
    raise hashing.changing(where)


def _read(cache: CacheConfig, descriptor: int, expected: int) -> tuple[bytes, str, str, int]:
    """Return the bytes of a small file, "" or where the others are now, their hash and count."""
    if expected <= SMALL:
        content = os.read(descriptor, expected + 1)
        return content, "", hashlib.md5(content, usedforsecurity=False).hexdigest(), len(content)
    temporary = _temporary(cache, "")
    try:
        return b"", temporary, *links.copy_hashing(descriptor, temporary, size=expected)
    except BaseException:
        _discard(temporary)
        raise


def write(cache: CacheConfig, md5: Md5, content: bytes) -> None:
    """Store bytes whose hash is known."""
    if is_present(cache, md5, len(content)):
        return
    temporary = _temporary(cache, md5[:2])
    try:
        with os.fdopen(os.open(temporary, links.CREATE, 0o600), "wb") as stream:
            stream.write(content)
    except BaseException:
        _discard(temporary)
        raise
    _name(cache, md5, temporary, len(content))


def adopt(cache: CacheConfig, source: str, md5: Md5) -> bool:
    """Give an object of another cache a name here, by link or copy; False if it is not sound.

    Nor is a link: what it leads to may be changed, or read, by who put it there.
    """
    there = os.lstat(source)
    if is_present(cache, md5, there.st_size):
        return True
    if not stat.S_ISREG(there.st_mode) or hashing.hash_file(source).md5 != md5.removesuffix(".dir"):
        return False
    temporary = _temporary(cache, md5[:2])
    try:
        os.link(source, temporary, follow_symlinks=False)
    except OSError as error:
        if error.errno not in links.CANNOT:
            raise
        if not md5.endswith(".dir"):
            return store(cache, source, None).md5 == md5
        with open(source, "rb") as stream:  # noqa: PTH123  a plain string
            write(cache, md5, stream.read())
        return True
    _name(cache, md5, temporary, there.st_size)
    return True


def flush() -> None:
    """Make what was written survive a power cut; called once, before a ref names it.

    One call for everything is the cheapest way: 200 objects of 4 KiB on ext4 took 4 ms to write,
    0.5 s more with an ``fsync`` each, and 10 ms more with this.
    """
    os.sync()


def quarantine(cache: CacheConfig, md5: Md5) -> None:
    """Set a damaged object aside, so that DVC fetches it again."""
    file = object_file(cache, md5)
    place = f"{file.removesuffix(_file_in('', md5))}/{DAMAGED}"
    # In a read-only cache it stays where it is: the caller reports the damage all the same.
    with contextlib.suppress(OSError):
        os.makedirs(place, exist_ok=True)
        os.rename(file, f"{place}/{md5}-{os.urandom(4).hex()}")


def _name(cache: CacheConfig, md5: Md5, temporary: str, size: int) -> None:
    """Give a written object its name; of two writers of the same bytes, either may win."""
    try:
        if is_present(cache, md5, size):
            return
        _folder(cache, md5[:2])
        os.chmod(temporary, 0o444)
        os.rename(temporary, _file_in(cache.dir, md5))
    finally:
        _discard(temporary)


def _file_in(folder: Path | str, md5: Md5, layout: str = "files/md5") -> str:
    md5 = hashing.check_md5(md5, where=f"{folder}/{layout}")  # nothing else becomes a path
    return f"{folder}/{layout}/{md5[:2]}/{md5[2:]}"


def _temporary(cache: CacheConfig, prefix: str) -> str:
    return f"{_folder(cache, prefix)}/{TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}"


def _folder(cache: CacheConfig, prefix: str) -> str:
    top = f"{cache.dir}/files/md5"
    path = f"{top}/{prefix}" if prefix else top
    if not os.path.isdir(path):
        made = [path]
        while not os.path.isdir(parent := os.path.dirname(made[-1])):
            made.append(parent)
        for place in reversed(made):
            with contextlib.suppress(FileExistsError):
                os.mkdir(place)
                if cache.shared:
                    os.chmod(place, 0o2775)  # noqa: S103 - as DVC does for cache.shared
    return path


def _discard(temporary: str) -> None:
    if temporary:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
