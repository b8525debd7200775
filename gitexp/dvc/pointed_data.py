"""Data that a state points to: ``.dvc`` files and what dvc.lock records of outputs."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.dvc import dvcfiles
from gitexp.dvc.dvcpaths import declares
from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.git.absent import ABSENT
from gitexp.git.objects import MODE_COMMIT, MODE_LINK, tree_id, walk_tree
from gitexp.git.transaction.cache import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.dvc.dvcfiles import HashedPath
    from gitexp.dvc.state import State
    from gitexp.git.transaction.cache import Index

LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Pointed:
    """A file or folder that DVC holds."""

    path: str  # relative to the project folder
    by: str  # the .dvc file, or dvc.lock
    md5: str | None
    size: int | None
    nfiles: int | None


@dataclass(frozen=True, slots=True)
class PointedData:
    """All of a state, by path; files that could not be read beside it."""

    data: dict[str, Pointed]
    unreadable: tuple[str, ...]


def pointed(state: State) -> PointedData:
    """Return what the pointers and locks of a state's project folder name."""
    found: dict[str, Pointed] = {}
    bad: list[str] = []
    for path in _files(state):
        try:
            data = state.read(path, LIMIT_BYTES)
        except UnsafeInputError as error:
            bad.append(f"{state.at(path)}: {error.summary}")
            break  # all together are too much
        if data is ABSENT:
            continue
        folder, where = posixpath.dirname(path), state.at(path)
        outs: list[HashedPath] = []
        try:
            if path.endswith(".dvc"):
                outs += dvcfiles.load_pointer(data, where, folder).outs
            else:
                wdirs = _wdirs(state) if path == state.lock_path() else {}
                lock = dvcfiles.load_lock(data, where, folder, wdirs)
                outs += (out for stage in lock.stages.values() for out in stage.outs)
        except (BadFormatError, UnsafeInputError) as error:
            bad.append(f"{where}: {error.summary}")
            continue
        for out in outs:
            found[out.path] = Pointed(out.path, path, out.md5, out.size, out.nfiles)
    return PointedData(found, tuple(bad))


def unreadable(state: State, index: Index) -> tuple[str, ...]:
    """Return `PointedData.unreadable` of a state, remembered by its tree."""
    key = f"{state.tree}:{state.config.project}:{state.config.pipeline}"
    if key in (rows := index.get(Kind.POINTERS, [key])):
        return tuple(rows[key].decode("utf-8", "surrogateescape").splitlines())
    # A name may hold what ends a line, and a line is only shown.
    found = tuple(" ".join(line.splitlines()) for line in pointed(state).unreadable)
    index.put(Kind.POINTERS, {key: "\n".join(found).encode("utf-8", "surrogateescape")})
    return found


def _files(state: State) -> Iterator[str]:
    folder = tree_id(state.repo, state.tree, state.config.project)
    if folder is ABSENT:
        return
    for entry in walk_tree(state.repo, folder):
        path = entry.path.decode("utf-8", "surrogateescape")
        if declares(path) and entry.mode not in {MODE_LINK, MODE_COMMIT}:
            yield path


def _wdirs(state: State) -> dict[str, str]:
    """Return the wdir of each plain stage; a lock's paths start there."""
    try:
        return {stage.name: stage.wdir for stage in state.stages() if "${" not in stage.wdir}
    except (BadFormatError, UnsafeInputError):
        return {}
