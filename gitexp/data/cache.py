"""DVC's cache of files by content: put, look up, materialise, verify; without DVC.

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

from gitexp.data import dvcignore, hashing, links, manifest, objects, settings
from gitexp.data.objects import DEFAULT_TYPES, TEMPORARY, CacheConfig
from gitexp.errors import DamagedDataError, DataMissingError, ExistsError
from gitexp.model.ids import Md5
from gitexp.model.job import FileHash

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.data.hashing import Memo

__all__ = [
    "CacheConfig",
    "Damage",
    "Placed",
    "has",
    "materialise",
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
class Placed:
    """What `materialise` made, and how: a linked file has to be verified after use."""

    kinds: tuple[str, ...]  # sorted, of all files
    nfiles: int

    @property
    def linked(self) -> bool:
        """Whether something shares its bytes with the cache and a write would reach them."""
        return "hardlink" in self.kinds or "symlink" in self.kinds


@dataclass(frozen=True, slots=True)
class Damage:
    """An object whose bytes do not have its name; `have` is empty for a missing one."""

    md5: Md5
    have: str
    path: str  # in the materialised folder, "" for the object itself


def open_cache(folder: Path, environ: Mapping[str, str] = os.environ) -> CacheConfig:
    """Return the cache that DVC uses in `folder`, from its four configuration files.

    Raises
    ------
    PreconditionError
        If `folder` belongs to no DVC repository.
    """
    dvc_dir = settings.find_dvc_dir(folder)
    cache = settings.read_settings(dvc_dir, environ).get("cache", {})
    types = tuple(filter(None, (kind.strip() for kind in cache.get("type", "").split(","))))
    return CacheConfig(
        Path(cache.get("dir") or dvc_dir / "cache"),
        types or DEFAULT_TYPES,
        shared=cache.get("shared", "") == "group",
    )


def object_path(cache_dir: Path, md5: Md5) -> Path:
    """Return where an object lies, or would lie."""
    return Path(objects.object_file(CacheConfig(cache_dir), md5))


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

    Raises
    ------
    DataMissingError, UnsafeInputError, ChangingFileError
        If it is not there, not a regular file, or written to meanwhile.
    NoSpaceError, ReadOnlyError
        If the cache takes nothing.
    """
    with links.explained(str(cache.dir)):
        digest = objects.store(cache, str(file), memo)
    return FileHash(path, digest.md5, digest.size, isexec=digest.executable)


def put_dir(
    cache: CacheConfig,
    folder: Path,
    path: str,
    *,
    memo: Memo | None = None,
) -> FileHash:
    """Store a folder: its files first, then the object that lists them.

    Raises
    ------
    UnsafeInputError
        If the folder holds links, pipes or names that cannot be stored; nothing was written.
    """
    names = hashing.list_files(str(folder), dvcignore.load(folder))
    with links.explained(str(cache.dir)):
        members = tuple(
            hashing.Member(name, objects.store(cache, f"{folder}/{name}", memo)) for name in names
        )
        content = hashing.manifest(members)
        md5 = hashing.manifest_md5(content)
        objects.write(cache, md5, content)
    return FileHash(path, md5, sum(m.digest.size for m in members), nfiles=len(members))


def has(cache: CacheConfig, md5: Md5) -> bool:
    """Tell whether the object itself is there; an empty file left by a power cut does not count."""
    try:
        seen = Path(objects.object_file(cache, md5)).stat()
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

    Raises
    ------
    DataMissingError, DamagedDataError, UnsafeInputError, BadFormatError
        If the object is not there, has other bytes than its name says, or names unsafe paths.
    """
    file = objects.object_file(cache, manifest.check_md5(md5, where="a folder's hash"))
    with (
        hashing.open_regular(file) as (descriptor, seen),
        open(descriptor, "rb", closefd=False) as stream,
    ):
        content = stream.read(min(seen.st_size, manifest.LIMIT_BYTES) + 1)
    have = hashing.manifest_md5(content)
    if have != md5:
        objects.quarantine(cache, md5)
        raise _damaged((Damage(md5, have, ""),), file)
    return manifest.parse(content, where=file)


def materialise(  # noqa: PLR0913 - four say what goes where, the others how
    cache: CacheConfig,
    md5: Md5,
    root: Path,
    path: str,
    *,
    types: Sequence[str] | None = None,
    executable: bool = False,
    replace: bool = False,
    unchanged: Callable[[str], bool] | None = None,
    check: bool = True,
) -> Placed:
    """Put a file or folder from the cache at `path` below `root`, all or nothing.

    Parameters
    ----------
    cache : CacheConfig
    md5 : Md5
        Hash of a file, or of a folder (``.dir``).
    root : Path
        A trusted folder, e.g. a worktree. `path` is not trusted.
    path : str
        POSIX, relative to `root`.
    types : sequence of str, optional
        Ways to try, in order; those of `cache` by default.
    executable : bool
        Whether a single file gets its executable bits.
    replace : bool
        Whether something at `path` may be swapped for the new; its bytes are then gone.
    unchanged : callable, optional
        Asked with the name to which the old thing was moved, beside `path`; if it answers no,
        the old thing is moved back and nothing was changed.
    check : bool
        Whether every byte is hashed on its way; an object with other bytes is set aside.

    Raises
    ------
    UnsafeInputError
        If the manifest or `path` would reach elsewhere; nothing was written.
    DataMissingError
        If objects are missing: all are named, nothing was written.
    DamagedDataError
        If an object has other bytes than its name says; nothing stays in the worktree.
    ExistsError
        If there is something at `path` and `replace` is false, or `unchanged` answered no.
    """
    manifest.check_path(path, where="an output's path")
    manifest.check_md5(md5, where=path)
    gone = missing(cache, md5)
    if gone:
        raise _missing(path, gone)
    entries = read_manifest(cache, md5) if md5.endswith(".dir") else ()
    parent, _, name = path.rpartition("/")
    with links.explained(f"{root}/{path}"):
        folder = links.open_folder(str(root), parent, create=True)
        temporary = f"{TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}"
        try:
            if not replace and _exists(name, folder):
                raise ExistsError("something is in the way", found=path, where=str(root))
            placer = links.placer(types or cache.types)
            work = _Work(cache, placer, executable=executable, check=check)
            if md5.endswith(".dir"):
                work.fill(entries, temporary, folder)
            else:
                work.file(md5, "", temporary, folder)
            if work.damage:
                raise _damaged(tuple(work.damage), f"{root}/{path}")
            _swap(temporary, name, folder, unchanged)
        finally:
            links.remove(temporary, folder)
            os.close(folder)
    return Placed(tuple(sorted(work.kinds)), len(entries) or 1)


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
            have = hashing.hash_file(objects.object_file(cache, name)).md5
        except DataMissingError:
            found.append(Damage(name, "", path))
            continue
        if have != name:
            objects.quarantine(cache, name)
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


class _Work:
    """One materialisation under way: what was used and what turned out bad."""

    def __init__(
        self, cache: CacheConfig, placer: links.Placer, *, executable: bool, check: bool
    ) -> None:
        self.cache = cache
        self.placer = placer
        self.executable = executable
        self.check = check
        self.kinds: set[str] = set()
        self.damage: list[Damage] = []

    def fill(self, entries: Sequence[manifest.Entry], name: str, folder: int) -> None:
        """Make a folder; it is new and ours, so its sub-folders cannot be links."""
        os.mkdir(name, dir_fd=folder)
        top = os.open(name, links.FOLDER | links.NO_FOLLOW, dir_fd=folder)
        made: set[str] = {""}
        try:
            for entry in entries:
                parent = entry.path.rpartition("/")[0]
                if parent not in made:
                    links.make_folder(top, parent)
                    made.add(parent)
                self.file(entry.md5, entry.path, entry.path, top)
        finally:
            os.close(top)

    def file(self, md5: Md5, shown: str, name: str, folder: int) -> None:
        """Make one file and hash what the cache gave."""
        source = objects.object_file(self.cache, md5)
        kind, have = self.placer.place(
            source, name, folder, executable=self.executable, check=self.check
        )
        self.kinds.add(kind)
        if self.check and (have or hashing.hash_file(source).md5) != md5:
            have = have or hashing.hash_file(source).md5
            objects.quarantine(self.cache, md5)
            self.damage.append(Damage(md5, have, shown))


def _exists(name: str, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _swap(temporary: str, name: str, folder: int, unchanged: Callable[[str], bool] | None) -> None:
    """Give the new thing its name; the old one, moved aside first, goes last."""
    aside = f"{temporary}-old"
    try:
        os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    try:
        edited = unchanged is not None and not unchanged(aside)
        if not edited:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        raise
    if edited:
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        raise ExistsError("it was changed meanwhile", found=name)
    links.remove(aside, folder)


def _children(folder: Path) -> tuple[Path, ...]:
    try:
        return tuple(folder.iterdir())
    except FileNotFoundError:
        return ()


def _missing(path: str, gone: Sequence[Md5]) -> DataMissingError:
    return DataMissingError(
        "data are not in the cache",
        found=f"{len(gone)} missing: {_listed(gone)}",
        where=path,
        next_step="dvc pull",
    )


def _damaged(damage: Sequence[Damage], where: str) -> DamagedDataError:
    shown = [f"{one.path or one.md5}: have {one.have}, want {one.md5}" for one in damage]
    return DamagedDataError(
        "data in the cache are damaged",
        found=_listed(shown),
        where=where,
        expected="bytes that have the hash of their name",
        next_step="dvc fetch (the damaged objects were set aside)",
    )


def _listed(items: Sequence[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
