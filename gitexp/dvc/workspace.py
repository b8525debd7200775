"""Brings the outputs in a user's work tree to a new snapshot, without losing an unsaved byte.

What is there is replaced only if every byte of it is in the cache, hashed again now. The caller
holds DVC's lock (`dvclock.main_lock`).
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.dvc import cache as objects
from gitexp.dvc import dvcignore, hashing, snapshot
from gitexp.dvc.gitignore import ignore_files, ignore_line, ignore_lines
from gitexp.dvc.placement import materialise
from gitexp.errors import (
    ChangingFileError,
    DamagedDataError,
    DataMissingError,
    ExistsError,
    UnsafeInputError,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.dvc.cache import CacheConfig
    from gitexp.model.job import FileHash

__all__ = ["Left", "Refreshed", "ignore_files", "ignore_line", "ignore_lines", "refresh"]


@dataclass(frozen=True, slots=True)
class Left:
    """An output that was not touched, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What became of the outputs of a work tree."""

    refreshed: tuple[str, ...]  # brought to the new hash; those that had it already are in none
    left: tuple[Left, ...]


def refresh(project: Path, new: Sequence[FileHash], cache: CacheConfig) -> Refreshed:
    """Bring outputs to their new hashes where nothing is lost by it, and name the others.

    `project`: the project folder in the user's work tree. `new`: cached outputs as the new
    dvc.lock has them.
    """
    done: list[str] = []
    left: list[Left] = []
    for out in new:
        try:
            if _refresh(project, out, cache):
                done.append(out.path)
        except (
            DataMissingError,
            DamagedDataError,
            UnsafeInputError,
            ChangingFileError,
            ExistsError,
        ) as error:
            left.append(Left(out.path, error.summary))
    return Refreshed(tuple(done), tuple(left))


def _refresh(project: Path, out: FileHash, cache: CacheConfig) -> bool:
    """Return whether something had to be done."""
    place = project / out.path
    try:
        seen = place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        materialise(cache, out.md5, project, out.path, executable=out.isexec)
        return True
    before = _state(place)
    now = snapshot.hash_path(project, out.path)
    if now.md5 == out.md5:
        return False
    if stat.S_ISDIR(seen.st_mode):
        _refuse_hidden(place)
    damage = objects.verify(cache, now.md5)
    if damage:
        raise UnsafeInputError("it has changes that the cache does not hold")
    materialise(
        cache,
        out.md5,
        project,
        out.path,
        executable=out.isexec,
        replace=True,
        unchanged=lambda aside: _state(place.parent / aside) == before,
    )
    return True


def _refuse_hidden(folder: Path) -> None:
    """Refuse to exchange a folder with files in it that no hash covers."""
    hides = dvcignore.load(folder)
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
