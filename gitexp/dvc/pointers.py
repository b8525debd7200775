"""Data that a run needs and does not make: where it is declared, and what of it is not there.

Data are the outputs of ``.dvc`` files and of stages that the run does not execute, as far as its
stages read them. Only Git objects and the cache are looked at; nothing is fetched or written.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitexp.dvc import cache as objects
from gitexp.dvc.cache_objects import DVC_2, CacheConfig
from gitexp.dvc.dvcfiles import DvcFiles
from gitexp.dvc.dvcpipeline import LIMIT, declares, touches
from gitexp.dvc.exchange import take
from gitexp.errors import DamagedDataError
from gitexp.git.objects import MODE_BLOB, MODE_EXECUTABLE, Entry, read_blob, walk_tree
from gitexp.model import dataclass, replace
from gitexp.model.job import Given

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.dvc.pipeline import Resolved
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, Md5, TreeId

HASH = "md5"


@dataclass(frozen=True, slots=True)
class MissingData:
    """Data whose bytes are not in the cache, or only in part."""

    path: str  # relative to the project folder
    md5: Md5
    objects: tuple[Md5, ...]  # every object that is not there
    declared: str  # the .dvc file, or dvc.lock and stage
    by_dvc_2: bool = False  # the cache may have the bytes where that version put them


@dataclass(frozen=True, slots=True)
class Delegated:
    """Data that DVC alone can bring, and why."""

    path: str
    declared: str
    why: str
    step: str = "dvc pull, then dvc commit"


@dataclass(frozen=True, slots=True)
class PointerState:
    """What a run needs beyond Git; paths are relative to the project folder."""

    given: tuple[Given, ...]  # all of it, whether its bytes are there or not
    missing: tuple[MissingData, ...]  # what has to be fetched first
    delegated: tuple[Delegated, ...]  # what has no plain hash in the cache; a run cannot have it
    # ``path:md5`` of what ``.dvc`` files declare, sorted: the identity of the raw data.
    raw: tuple[str, ...]
    unread: tuple[str, ...]  # ``.dvc`` files and locks that cannot be read, with the reason
    # The paths of all ``.dvc`` files, needed or not: their bytes are DVC's.
    pointed: tuple[str, ...] = ()
    # What DVC tracks, is not made here, and no executed stage names: a job does not see it.
    unasked: tuple[str, ...] = ()


def files_in_tree(
    repo: Repo, tree: TreeId | CommitHash, walked: Iterable[Entry] | None = None
) -> DvcFiles:
    """Return DVC's files of a whole tree; `walked`: all of it, where it has been walked already."""

    def names() -> list[str]:
        found = []
        for entry in walk_tree(repo, tree) if walked is None else walked:
            path = entry.text
            if entry.mode in {MODE_BLOB, MODE_EXECUTABLE} and declares(path):
                found.append(path)
        return sorted(found)

    return DvcFiles(lambda path: read_blob(repo, tree, path, LIMIT), names)


def data_state(
    files: DvcFiles, resolved: Resolved, config: ProjectConfig, cache: CacheConfig
) -> PointerState:
    """Return the data that a run needs from elsewhere; without a pipeline, all pointers."""
    project, executed, apart = config.project, resolved.executed, resolved.apart
    everything = config.pipeline is None
    # With a pipeline its stages say what is made; the settings also name what frozen ones made.
    outputs = config.outputs if everything else ()
    lock = posixpath.join(project, config.lock)
    made = {out.path for stage in executed for out in stage.outs} | set(outputs)
    read = {path for stage in executed for path in stage.deps}
    wanted = (read - made) | set(config.evaluation)
    given: dict[str, Given] = {}
    missing: list[MissingData] = []
    delegated: list[Delegated] = []
    raw: list[str] = []
    unasked: list[str] = []
    own = {stage.name: _from_top(stage.wdir, project) for stage in (*executed, *apart)}
    there = files.starting(lambda path: own if path == lock else files.beside(path))
    run = {stage.name for stage in executed}
    for file, stage, out in there.outputs:
        if file == lock and stage in run:
            continue
        path = _to_project(out.path, project)
        pointer, declared = file.endswith(".dvc"), f"{file}: {stage}" if stage else file
        if not out.cache or any(touches(path, each) for each in made):
            continue  # in Git, or made by the run
        if not (everything and pointer) and not any(touches(path, each) for each in wanted):
            if not everything:
                unasked.append(path)
            continue
        md5, by_dvc_2 = out.md5, out.hash != HASH
        if md5 is None:
            delegated.append(_unknown(path, declared, odd=out.odd))
            continue
        if path in given:
            continue
        given[path] = Given(path, md5, declared, out.isexec)
        if pointer:
            raw.append(f"{path}:{md5}")
        gone = _missing(cache, md5)
        if gone or by_dvc_2:
            missing.append(MissingData(path, md5, gone or (md5,), declared, by_dvc_2))
    delegated += [
        Delegated(out.path, f"dvc.lock: {stage.name}", "the stage is not executed, and has no hash")
        for stage in apart
        for out in stage.outs
        if out.cache
        and any(touches(out.path, path) for path in wanted)
        and not any(touches(out.path, path) for path in (*given, *(d.path for d in delegated)))
    ]
    return PointerState(
        tuple(given.values()),
        tuple(missing),
        tuple(delegated),
        tuple(sorted(raw)),
        tuple(
            f"{file}: {error.summary} ({error.found})" for file, error in there.unreadable.items()
        ),
        tuple(_to_project(o.path, project) for f, _, o in there.outputs if f.endswith(".dvc")),
        tuple(unasked),
    )


def _unknown(path: str, declared: str, *, odd: bool) -> Delegated:
    if odd:  # DVC would go wherever that leads
        why = "a hash does not have the form of an MD5"
        return Delegated(path, declared, why, "dvc add it anew, where it was made, and commit")
    return Delegated(path, declared, "its content has no hash that is known here")


def _missing(cache: CacheConfig, md5: Md5) -> tuple[Md5, ...]:
    try:
        return objects.missing(cache, md5)
    except DamagedDataError:  # set aside by now, so it has to be fetched like a missing one
        return (md5,)


def with_dvc_2(found: PointerState, cache: CacheConfig) -> PointerState:
    """Bring DVC 2's part of the cache over; its hashes pass over line ends, so texts stay."""
    old = replace(cache, layout=DVC_2)
    missing, delegated = [], list(found.delegated)
    for one in found.missing:
        if not one.by_dvc_2 or not take(old, cache, one.md5):
            if one.by_dvc_2 and not _missing(old, one.md5):
                why = "it was added by DVC 2, whose hash does not say how its lines end"
                step = "dvc checkout && dvc cache migrate --dvc-files, then commit what it changed"
                delegated.append(Delegated(one.path, one.declared, why, step))
            else:
                missing.append(one)
    return replace(found, missing=tuple(missing), delegated=tuple(delegated))


def _to_project(path: str, project: str) -> str:
    return posixpath.relpath(f"/{path}", f"/{project}") if project else path


def _from_top(path: str, project: str) -> str:
    joined = posixpath.normpath(posixpath.join(project, path))
    return "" if joined == "." else joined


def listed(missing: Iterable[MissingData]) -> tuple[str, ...]:
    """Return one line for each of the missing data, for a message."""
    return tuple(
        f"{one.path} ({one.declared}): {len(one.objects)} "
        f"{'object' if len(one.objects) == 1 else 'objects'}"
        for one in missing
    )
