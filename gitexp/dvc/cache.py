"""DVC's cache of files by content: put, look up, verify; without DVC.

Objects are read-only before they get their name, so that DVC neither doubts nor deletes them, and
a folder's own object comes after its members, so that its presence means completeness. Nothing is
written before everything that a manifest names was checked. Safe for several processes at once:
an object appears by rename, and two writers of one object write the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import (
    cache_objects,
    dvc_config,
    dvcignore,
    hashing,
    links,
    manifest,
    owned_settings,
)
from gitexp.dvc.cache_objects import DEFAULT_TYPES, TEMPORARY, CacheConfig
from gitexp.errors import DamagedDataError, DataMissingError
from gitexp.model.ids import Md5
from gitexp.model.job import FileHash

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.dvc.hashing import Memo

__all__ = [
    "CacheConfig",
    "Damage",
    "damaged",
    "has",
    "listed",
    "missing",
    "object_path",
    "open_cache",
    "put",
    "put_dir",
    "put_file",
    "read_manifest",
    "sweep",
    "unfinished",
    "verify",
]

EMPTY = Md5("d41d8cd98f00b204e9800998ecf8427e")
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Damage:
    """An object whose bytes do not have its name; `have` is empty for a missing one."""

    md5: Md5
    have: str
    path: str  # in the materialised folder, "" for the object itself


def open_cache(folder: Path, environ: Mapping[str, str] = os.environ) -> CacheConfig:
    """Return the cache that DVC uses in `folder`, from its four configuration files.

    Raises `PreconditionError` if `folder` belongs to no DVC repository; `ForeignRemoteError` if
    only the branch that is checked out says where it is.
    """
    dvc_dir = dvc_config.find_dvc_dir(folder)
    owned_settings.refuse_foreign(dvc_dir, environ, cache_alone=True)
    cache = dvc_config.read_settings(dvc_dir, environ).get("cache", {})
    types = tuple(filter(None, (kind.strip() for kind in cache.get("type", "").split(","))))
    return CacheConfig(
        Path(cache.get("dir") or dvc_dir / "cache"),
        types or DEFAULT_TYPES,
        shared=cache.get("shared", "") == "group",
    )


def object_path(cache_dir: Path, md5: Md5) -> Path:
    """Return where an object lies, or would lie."""
    return Path(cache_objects.object_file(CacheConfig(cache_dir), md5))


def put(
    cache: CacheConfig,
    root: Path,
    path: str,
    *,
    memo: Memo | None = None,
) -> FileHash:
    """Store the file or folder `path` below `root`; what is there already is left as it is."""
    full = root / path
    if full.is_dir():
        return put_dir(cache, full, path, memo=memo)
    return put_file(cache, full, path, memo=memo)


def put_file(cache: CacheConfig, file: Path, path: str, *, memo: Memo | None = None) -> FileHash:
    """Store one file; `path` is how the record calls it.

    Raises `DataMissingError, UnsafeInputError, ChangingFileError` if it is not there, not a
    regular file, or written to meanwhile; `NoSpaceError, ReadOnlyError` if the cache takes
    nothing.
    """
    with links.explained(str(cache.dir)):
        digest = cache_objects.store(cache, str(file), memo)
    return FileHash(path, digest.md5, digest.size, isexec=digest.executable)


def put_dir(
    cache: CacheConfig,
    folder: Path,
    path: str,
    *,
    memo: Memo | None = None,
) -> FileHash:
    """Store a folder: its files first, then the object that lists them.

    Raises `UnsafeInputError` if the folder holds links, pipes or names that cannot be stored;
    nothing was written.
    """
    names = hashing.list_files(str(folder), dvcignore.load(folder))
    with links.explained(str(cache.dir)):
        members = tuple(
            hashing.Member(name, cache_objects.store(cache, f"{folder}/{name}", memo))
            for name in names
        )
        content = hashing.manifest(members)
        md5 = hashing.manifest_md5(content)
        cache_objects.write(cache, md5, content)
    return FileHash(path, md5, sum(m.digest.size for m in members), nfiles=len(members))


def has(cache: CacheConfig, md5: Md5) -> bool:
    """Tell whether the object itself is there; an empty file left by a power cut does not count."""
    try:
        seen = Path(cache_objects.object_file(cache, md5)).stat()
    except OSError:
        return False
    return stat.S_ISREG(seen.st_mode) and (seen.st_size > 0 or md5 == EMPTY)


def missing(cache: CacheConfig, md5: Md5) -> tuple[Md5, ...]:
    """Return everything that is not there of a file, or of a folder and its members."""
    if not has(cache, md5):
        return (md5,)
    if not md5.endswith(".dir"):
        return ()
    members = dict.fromkeys(entry.md5 for entry in read_manifest(cache, md5))
    return tuple(member for member in members if not has(cache, member))


def read_manifest(cache: CacheConfig, md5: Md5) -> tuple[manifest.Entry, ...]:
    """Return what a folder consists of, checked.

    Raises `DataMissingError, DamagedDataError, UnsafeInputError, BadFormatError` if the object is
    not there, has other bytes than its name says, or names unsafe paths.
    """
    file = cache_objects.object_file(cache, manifest.check_md5(md5, where="a folder's hash"))
    with (
        hashing.open_regular(file) as (descriptor, seen),
        open(descriptor, "rb", closefd=False) as stream,
    ):
        content = stream.read(min(seen.st_size, manifest.LIMIT_BYTES) + 1)
    have = hashing.manifest_md5(content)
    if have != md5:
        cache_objects.quarantine(cache, md5)
        raise damaged((Damage(md5, have, ""),), file)
    return manifest.parse(content, where=file)


def verify(cache: CacheConfig, md5: Md5) -> tuple[Damage, ...]:
    """Hash an object, and the members of a folder; set bad ones aside so that they are fetched.

    Neither mode nor time of an object is believed. A missing object is damage, too.
    """
    found: list[Damage] = []
    try:
        entries = read_manifest(cache, md5) if md5.endswith(".dir") else ()
    except DataMissingError:
        return (Damage(md5, "", ""),)
    except DamagedDataError as error:
        return (Damage(md5, error.found, ""),)
    wanted = [("", md5)] if not md5.endswith(".dir") else [(e.path, e.md5) for e in entries]
    for path, name in wanted:
        try:
            have = hashing.hash_file(cache_objects.object_file(cache, name)).md5
        except DataMissingError:
            found.append(Damage(name, "", path))
            continue
        if have != name:
            cache_objects.quarantine(cache, name)
            found.append(Damage(name, have, path))
    return tuple(found)


def unfinished(cache: CacheConfig, *, older_than_s: float, now: float) -> tuple[Path, ...]:
    """Return unfinished objects that nobody has written to for a while, sorted."""
    top = cache.dir / "files" / "md5"
    found: list[Path] = []
    for place in (top, *(child for child in _children(top) if child.is_dir())):
        for child in _children(place):
            with contextlib.suppress(FileNotFoundError):
                if child.name.startswith(TEMPORARY) and now - child.lstat().st_mtime > older_than_s:
                    found.append(child)
    return tuple(sorted(found))


def sweep(cache: CacheConfig, *, older_than_s: float, now: float) -> int:
    """Remove unfinished objects that a killed process left; return how many."""
    found = unfinished(cache, older_than_s=older_than_s, now=now)
    for path in found:
        path.unlink(missing_ok=True)
    return len(found)


def _children(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(folder.iterdir())
    except FileNotFoundError:
        return ()


def damaged(damage: Sequence[Damage], where: str) -> DamagedDataError:
    """Return the error that names objects with other bytes than their names say."""
    shown = [f"{one.path or one.md5}: have {one.have}, want {one.md5}" for one in damage]
    return DamagedDataError(
        "data in the cache are damaged",
        found=listed(shown),
        where=where,
        expected="bytes that have the hash of their name",
        next_step="dvc fetch (the damaged objects were set aside)",
    )


def listed(items: Sequence[str]) -> str:
    """Return the first few of many names, and how many more there are."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
