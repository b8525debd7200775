"""Files and folders from the cache, placed into a work tree: all or nothing.

Nothing is written before everything that a manifest names was checked, and every byte is hashed
on its way: what is damaged in the cache is set aside and stays out of the work tree. In a user's
work tree (`refresh`) what is there is replaced only if every byte of it is in the cache, hashed
again now; the caller holds DVC's lock (`main_lock`).
"""

from __future__ import annotations

import errno
import itertools
import os
import shlex
import stat
import sys
import time
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from gitexp.dvc import cache as objects
from gitexp.dvc import cache_objects, dvc_config, gitignore, hashing, links, stage_records
from gitexp.dvc.cache import Damage, ManifestEntry, check_path
from gitexp.dvc.cache_objects import TEMPORARY, CacheConfig
from gitexp.errors import (
    ChangingFileError,
    DamagedDataError,
    DataMissingError,
    ExistsError,
    LockedError,
    UnsafeInputError,
)
from gitexp.git.transaction.locks import lock
from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from gitexp.dvc.declared_data import Needed
    from gitexp.model.ids import Md5
    from gitexp.model.job import Given
    from gitexp.model.run import FileHash

LINKS = frozenset({"hardlink", "symlink"})  # a write would reach the cache: verify after use
PAUSE_S = 0.05
ENVIRONMENTS: Final = frozenset({".venv", "venv", "pyvenv.cfg", "conda-meta"})
_PROGRAMS: Final = frozenset({"bin", "lib", "lib64", "scripts"})  # of an environment
# A pipe is not waited for.
_LOCK_FLAGS = (
    os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0) | links.NO_FOLLOW | links.CLOEXEC
)


def materialise(
    cache: CacheConfig,
    out: FileHash | Given | Needed,
    root: Path,
    path: str,
    over: Callable[[str], bool] | None = None,
) -> frozenset[str]:
    """Put a file or folder from the cache at `path` below a trusted `root`; return by which ways.

    Every byte is hashed on its way; an object with other bytes is set aside. `over`: whether what
    is there may be swapped for the new, its bytes then gone: asked with the name to which it was
    moved, beside `path`, and moved back if not. Without it nothing may be there.
    """
    md5 = out.md5
    check_path(path, where="an output's path")
    hashing.check_md5(md5, where=path)
    gone = objects.missing(cache, md5)
    if gone:
        raise DataMissingError(
            "data are not in the cache",
            found=f"{len(gone)} missing: {objects.listed(gone)}",
            where=path,
            next_step="dvc pull",
        )
    entries = objects.read_manifest(cache, md5) if md5.endswith(".dir") else ()
    parent, _, name = path.rpartition("/")
    with links.explained(f"{root}/{path}"):
        folder = links.open_folder(str(root), parent, create=True)
        temporary = f"{TEMPORARY}{os.getpid()}-{os.urandom(4).hex()}"
        try:
            if over is None and _exists(name, folder):
                raise ExistsError("something is in the way", found=path, where=str(root))
            placer = links.placer(cache.types)
            work = _Work(cache, placer, executable=out.isexec)
            if md5.endswith(".dir"):
                work.fill(entries, temporary, folder)
            else:
                work.file(md5, "", temporary, folder)
            if work.damage:
                raise objects.damaged(tuple(work.damage), f"{root}/{path}")
            _swap(temporary, name, folder, over)
        finally:
            links.remove(temporary, folder)
            os.close(folder)
    return frozenset(work.kinds)


class _Work:
    """One materialisation under way: what was used and what turned out bad."""

    def __init__(self, cache: CacheConfig, placer: links.Placer, *, executable: bool) -> None:
        self.cache = cache
        self.placer = placer
        self.executable = executable
        self.kinds: set[str] = set()
        self.damage: list[Damage] = []

    def fill(self, entries: Sequence[ManifestEntry], name: str, folder: int) -> None:
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
        source = cache_objects.object_file(self.cache, md5)
        kind, have = self.placer.place(source, name, folder, executable=self.executable)
        self.kinds.add(kind)
        have = have or hashing.hash_file(source).md5
        if have != md5:
            cache_objects.quarantine(self.cache, md5)
            self.damage.append(Damage(md5, have, shown))


def _exists(name: str, folder: int) -> bool:
    try:
        os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    return True


def _swap(temporary: str, name: str, folder: int, over: Callable[[str], bool] | None) -> None:
    """Give the new thing its name; the old one, moved aside first, goes last."""
    aside = f"{temporary}-old"
    try:
        os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
    except FileNotFoundError:
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        return
    try:
        edited = over is not None and not over(aside)
        if not edited:
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        raise
    if edited:
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
        raise ExistsError("it was changed meanwhile", found=name)
    links.remove(aside, folder)


@dataclass(frozen=True, slots=True)
class UntouchedOutput:
    """An output that was not touched, and why."""

    path: str
    why: str
    unsaved: bool = False  # DVC, too, refuses to put another in its place

    @property
    def aside(self) -> str:
        """What to type before ``dvc checkout``, which else refuses; "" for nothing."""
        return f"{moved(self.path)} && " if self.unsaved else ""


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of the outputs of a work tree."""

    refreshed: tuple[str, ...]  # brought to the new hash; those that had it already are in none
    left: tuple[UntouchedOutput, ...]


def moved(path: str, folder: Path | None = None) -> str:
    """Return what sets an output aside, under a name that in a `folder` nothing has."""
    names = (f"{path}.mine{number or ''}" for number in itertools.count())
    free = next(name for name in names if folder is None or not os.path.lexists(folder / name))
    return f"mv {shlex.quote(path)} {shlex.quote(free)}"


def is_unsaved(project: Path, path: str, cache: CacheConfig) -> bool:
    """Whether an output lies there with bytes that the cache does not hold.

    DVC refuses to put another in its place.
    """
    if not os.path.lexists(project / path):
        return False
    return not objects.has(cache, stage_records.hash_inside(project, path).md5)


def refresh(
    project: Path,
    new: Sequence[FileHash | Needed],
    cache: CacheConfig,
    refused: Mapping[str, str] = MappingProxyType({}),
) -> Refreshed:
    """Bring outputs to their new hashes where nothing is lost by it, and name the others.

    `refused`: by path why one is not brought at all.
    """
    done: list[str] = []
    left: list[UntouchedOutput] = []
    for out in new:
        try:
            if _refresh(project, out, cache, refused.get(out.path, "")):
                done.append(out.path)
            gitignore.hide(project, out.path)
        except (
            DataMissingError,
            DamagedDataError,
            UnsafeInputError,
            ChangingFileError,
            ExistsError,
        ) as error:
            unsaved = isinstance(error, UnsafeInputError)
            left.append(UntouchedOutput(out.path, error.summary, unsaved))
    return Refreshed(tuple(done), tuple(left))


def _refresh(project: Path, out: FileHash | Needed, cache: CacheConfig, refused: str) -> bool:
    """Return whether something had to be done."""
    place = project / out.path
    try:
        seen = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        _refuse_misplaced(project, out.path, refused)
        materialise(cache, out, project, out.path)
        return True
    before = _state(place)
    now = stage_records.hash_inside(project, out.path)
    if now.md5 == out.md5:
        return False
    _refuse_misplaced(project, out.path, refused)
    if stat.S_ISDIR(seen.st_mode):
        _refuse_hidden(place)
    damage = objects.verify(cache, now.md5)
    if damage:
        raise UnsafeInputError("it has changes that the cache does not hold")
    materialise(cache, out, project, out.path, lambda aside: _state(place.parent / aside) == before)
    return True


def misplaced(project: Path, path: str) -> str:
    """Say why no output may lie there: a place of programs that no commit gave; "" where it may."""
    parts = path.split("/")
    prefixes = (sys.prefix, *map(os.environ.get, ("VIRTUAL_ENV", "CONDA_PREFIX")))
    taken = {os.path.realpath(prefix) for prefix in prefixes if prefix}
    top = project.resolve()
    above = [top.joinpath(*parts[:count]) for count in range(1, len(parts) + 1)]
    if (
        not ENVIRONMENTS.isdisjoint(map(objects.plain, parts))
        or any(str(place) in taken or _is_environment(place) for place in above)
        or (_is_environment(top) and parts[0].casefold() in _PROGRAMS)
    ):
        return "it would lie in an environment of programs"
    if any(os.path.lexists(place / ".git") for place in above):
        return "it would lie in another Git repository"
    return ""


def _refuse_misplaced(project: Path, path: str, refused: str) -> None:
    if why := misplaced(project, path) or refused:
        raise UnsafeInputError(why)


def _is_environment(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in ("pyvenv.cfg", "conda-meta"))


def _refuse_hidden(folder: Path) -> None:
    """Refuse to exchange a folder with files in it that no hash covers."""
    hides = gitignore.load_dvcignore(folder)
    listed = set(hashing.list_files(str(folder), hides))
    for base, _, names in os.walk(folder):
        for name in names:
            path = os.path.relpath(os.path.join(base, name), folder)  # noqa: PTH118 - plain text
            if path not in listed:
                raise UnsafeInputError(f"it holds {path}, which DVC ignores")


def _state(place: Path) -> tuple[tuple[str, int, int, int], ...]:
    """Return what tells that nothing was written (not ctime, which a renaming changes)."""
    seen = place.stat()
    if not stat.S_ISDIR(seen.st_mode):
        return (("", seen.st_ino, seen.st_size, seen.st_mtime_ns),)
    found = []
    for base, _, names in os.walk(place):
        for name in names:
            file = os.path.join(base, name)  # noqa: PTH118 - plain text, as os.walk gives it
            one = os.lstat(file)
            found.append((os.path.relpath(file, place), one.st_ino, one.st_size, one.st_mtime_ns))
    return tuple(sorted(found))


@contextmanager
def main_lock(folder: Path, *, timeout_s: float = 3.0) -> Iterator[None]:
    """Hold ``.dvc/tmp/lock``, which is the kernel's: a dead process's file is harmless.

    It is emptied, so no link leads to it: a branch may have one there, out of the repository.
    """
    dvc_dir = dvc_config.find_dvc_dir(folder)
    core = dvc_config.read_settings(dvc_dir, os.environ).get("core", {})
    if core.get("hardlink_lock", "").lower() in dvc_config.YES:
        raise LockedError(
            "DVC's lock cannot be taken",
            found="core.hardlink_lock is set",
            where=str(dvc_dir / "config"),
            next_step="dvc checkout",
        )
    file = dvc_dir / "tmp" / "lock"
    descriptor = _open_lock(dvc_dir)
    try:
        _wait(descriptor, file, time.monotonic() + timeout_s)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f" {os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)  # which ends the lock


def _open_lock(dvc_dir: Path) -> int:
    below = links.open_folder(str(dvc_dir.parent), f"{dvc_dir.name}/tmp", create=True)  # noqa: S108  DVC's own
    try:
        descriptor = os.open("lock", _LOCK_FLAGS, 0o666, dir_fd=below)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise _no_lock(dvc_dir) from error
        raise
    finally:
        os.close(below)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise _no_lock(dvc_dir)
    return descriptor


def _no_lock(dvc_dir: Path) -> UnsafeInputError:
    return UnsafeInputError(
        "DVC's lock is no regular file",
        where=str(dvc_dir / "tmp" / "lock"),
        expected="a regular file, or none",
        next_step="remove it",
    )


def _wait(descriptor: int, file: Path, until: float) -> None:
    while True:
        try:
            lock(descriptor)  # as ``zc.lockfile`` does, which DVC uses
        except (BlockingIOError, PermissionError):
            if time.monotonic() < until:
                time.sleep(PAUSE_S)
                continue
            os.lseek(descriptor, 1, os.SEEK_SET)  # the byte before it may be locked
            owner = os.read(descriptor, 32).decode("ascii", "replace").strip()
            raise LockedError(
                "another process uses DVC in this work tree",
                found=f"process {owner}" if owner else "",
                where=str(file),
            ) from None
        else:
            return
