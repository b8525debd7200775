"""Whether dvc.lock is the snapshot of a state: it says of every stage what the state says.

Hashes what stages depend on in a fresh worktree of the state; executes and writes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.data import cache as objects
from gitexp.data import graph, snapshot
from gitexp.errors import DamagedDataError, DataMissingError, UnsafeInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitexp.data.cache import CacheConfig
    from gitexp.formats.dvcfiles import Lock, LockedStage
    from gitexp.model.ids import Md5, ParamTree
    from gitexp.model.job import Given, Stage


def differences(  # noqa: PLR0913 - the state, what is recorded of it, and where bytes are
    project: Path,
    lock: Lock,
    stages: Sequence[Stage],
    params: Mapping[str, Mapping[str, ParamTree]],
    *,
    given: Sequence[Given],
    cache: CacheConfig,
) -> tuple[str, ...]:
    """Return why dvc.lock is no snapshot of this state; nothing if it is one.

    Parameters
    ----------
    project : Path
        The project folder in a worktree of the state, as Git has it: no stage was executed.
    lock : Lock
        Read with the stages' working folders.
    stages : sequence of Stage
        Those that a run executes, with the committed seed in their commands.
    params : mapping of str to mapping
        File -> its content, with the committed seed.
    given : sequence of Given
        Data from ``.dvc`` files and other stages.
    cache : CacheConfig
        Tells what is inside a folder of data.
    """
    known: dict[str, Md5] = {one.path: one.md5 for one in given}
    for stage in stages:
        locked = lock.stages.get(stage.name)
        if locked is not None:
            known |= {out.path: out.md5 for out in locked.outs if out.md5 is not None}
    found: list[str] = []
    for stage in stages:
        locked = lock.stages.get(stage.name)
        if locked is None:
            found.append(f"{stage.name} is not in dvc.lock")
            continue
        found += [f"{stage.name}: {one}" for one in _stage(stage, locked, params)]
        recorded = {dep.path: dep.md5 for dep in locked.deps}
        if set(recorded) != set(stage.deps):
            found.append(f"{stage.name}: other dependencies")
            continue
        found += [
            f"{stage.name}: {path} differs"
            for path in stage.deps
            if recorded[path] is None or recorded[path] != _md5(project, path, known, cache)
        ]
    return tuple(found)


def _stage(
    stage: Stage, locked: LockedStage, params: Mapping[str, Mapping[str, ParamTree]]
) -> tuple[str, ...]:
    found: list[str] = []
    if locked.commands != stage.commands:
        found.append("another command")
    try:
        declared = snapshot.declared_params(stage, params)
    except DataMissingError as error:
        return (*found, error.found)
    if declared != {file: dict(values) for file, values in locked.params.items()}:
        found.append("other parameters")
    if {out.path for out in locked.outs} != {out.path for out in stage.outs}:
        found.append("other outputs")
    return tuple(found)


def _md5(project: Path, path: str, known: Mapping[str, Md5], cache: CacheConfig) -> Md5 | None:
    """Return the hash of a dependency: as recorded where DVC holds it, else of the file here."""
    if path in known:
        return known[path]
    for above in graph.parents(path):
        if above in known:
            return _member(cache, known[above], path.removeprefix(f"{above}/"))
    return _here(project, path)


def _member(cache: CacheConfig, folder: Md5, path: str) -> Md5 | None:
    try:
        entries = objects.read_manifest(cache, folder)
    except (DataMissingError, DamagedDataError):
        return None
    return next((entry.md5 for entry in entries if entry.path == path), None)


def _here(project: Path, path: str) -> Md5 | None:
    try:
        return snapshot.hash_path(project, path).md5
    except (DataMissingError, UnsafeInputError):
        return None
