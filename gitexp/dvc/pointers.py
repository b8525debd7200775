"""Data that a run needs and does not make: where it is declared, and what of it is not there.

Data are the outputs of ``.dvc`` files and of stages that the run does not execute, as far as its
stages read them. Only Git objects and the cache are looked at; nothing is fetched or written.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.dvc import cache as objects
from gitexp.dvc import dvcfiles
from gitexp.dvc.dvcpaths import touches
from gitexp.dvc.dvcpipeline import stage_wdirs
from gitexp.errors import BadFormatError, DamagedDataError, UnsafeInputError
from gitexp.git.objects import MODE_BLOB, MODE_EXECUTABLE, read_blob, walk_tree
from gitexp.model.job import Given

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.dvc.cache import CacheConfig
    from gitexp.dvc.dvcfiles import HashedPath
    from gitexp.git.objects import Entry
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, Md5, TreeId
    from gitexp.model.job import Stage

LIMIT_BYTES = dvcfiles.LIMIT
HASH = "md5"
PIPELINE = "dvc.yaml"


@dataclass(frozen=True, slots=True)
class Missing:
    """Data whose bytes are not in the cache, or only in part."""

    path: str  # relative to the project folder
    md5: Md5
    objects: tuple[Md5, ...]  # every object that is not there
    declared: str  # the .dvc file, or dvc.lock and stage


@dataclass(frozen=True, slots=True)
class Delegated:
    """Data that DVC alone can bring, and why."""

    path: str
    declared: str
    why: str


@dataclass(frozen=True, slots=True)
class DataState:
    """What a run needs beyond Git; paths are relative to the project folder.

    Attributes
    ----------
    given : tuple of Given
        All of it, whether its bytes are there or not.
    missing : tuple of Missing
        What has to be fetched first.
    delegated : tuple of Delegated
        What has no plain hash in the cache; a run cannot have it.
    raw : tuple of str
        ``path:md5`` of what ``.dvc`` files declare, sorted: the identity of the raw data.
    unread : tuple of str
        ``.dvc`` files and locks that cannot be read, with the reason.
    pointed : tuple of str
        The paths of all ``.dvc`` files, needed or not: their bytes are DVC's.
    unasked : tuple of str
        What DVC tracks, is not made here, and no executed stage names: a job does not see it.
    """

    given: tuple[Given, ...]
    missing: tuple[Missing, ...]
    delegated: tuple[Delegated, ...]
    raw: tuple[str, ...]
    unread: tuple[str, ...]
    pointed: tuple[str, ...] = ()
    unasked: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Declared:
    path: str
    declared: str
    out: HashedPath
    pointer: bool


def files_in_tree(
    repo: Repo, tree: TreeId | CommitHash, walked: Iterable[Entry] | None = None
) -> dict[str, bytes]:
    """Return the ``.dvc`` files, locks and pipelines in a tree, by path from its top.

    `walked`: all of `tree`, where it has been walked already.
    """
    found: dict[str, bytes] = {}
    for entry in walk_tree(repo, tree) if walked is None else walked:
        if entry.mode not in {MODE_BLOB, MODE_EXECUTABLE}:
            continue
        if not entry.path.endswith((b".dvc", b"dvc.lock", b"dvc.yaml")):
            continue
        path = entry.path.decode("utf-8", "surrogateescape")
        name = posixpath.basename(path)
        if (name in {"dvc.lock", "dvc.yaml"} or (name.endswith(".dvc") and name != ".dvc")) and (
            ".dvc" not in path.split("/")[:-1]
        ):
            data = read_blob(repo, tree, path, LIMIT_BYTES)
            if isinstance(data, bytes):
                found[path] = data
    return found


def data_state(  # noqa: PLR0913 - what is declared, what is executed, what is there
    files: Mapping[str, bytes],
    executed: Sequence[Stage],
    cache: CacheConfig,
    *,
    project: str = "",
    apart: Sequence[Stage] = (),
    also: Collection[str] = (),
    everything: bool = False,
    outputs: Collection[str] = (),
    lock: str = "dvc.lock",
) -> DataState:
    """Return the data that stages need from elsewhere.

    `files`: ``.dvc`` files, locks and the pipelines beside them, by path from the repository's
    top; see `files_in_tree`. `executed`, `apart`: what the run executes, and the rest of the
    pipeline (see `pipeline.look`). `project`: project folder below the repository's top. `also`:
    further paths that are needed, e.g. the evaluation data. `everything`: whether all ``.dvc``
    files are needed: a project without a pipeline names no dependencies. `outputs`: declared
    outputs: what the run itself makes is never given. `lock`: the dvc.lock of the executed
    pipeline, from the repository's top; another pipeline may have stages of the same names.
    """
    made = {out.path for stage in executed for out in stage.outs} | set(outputs)
    wanted = _wanted(executed, made) | set(also)
    unread: list[str] = []
    given: dict[str, Given] = {}
    missing: list[Missing] = []
    delegated: list[Delegated] = []
    raw: list[str] = []
    unasked: list[str] = []
    own = _Own(lock, (*executed, *apart), frozenset(stage.name for stage in executed))
    declared = tuple(_declared(files, own, project, unread))
    for one in declared:
        if any(touches(one.path, path) for path in made):
            continue
        if not (everything and one.pointer) and not any(touches(one.path, path) for path in wanted):
            if not everything:
                unasked.append(one.path)
            continue
        why = _foreign(one.out)
        md5 = one.out.md5
        if why or md5 is None:
            delegated.append(Delegated(one.path, one.declared, why))
            continue
        if one.path in given:
            continue
        given[one.path] = Given(one.path, md5, one.declared, one.out.isexec)
        if one.pointer:
            raw.append(f"{one.path}:{md5}")
        gone = _missing(cache, md5)
        if gone:
            missing.append(Missing(one.path, md5, gone, one.declared))
    delegated += [
        Delegated(out.path, f"dvc.lock: {stage.name}", "the stage is not executed, and has no hash")
        for stage in apart
        for out in stage.outs
        if out.cache
        and any(touches(out.path, path) for path in wanted)
        and not any(touches(out.path, path) for path in (*given, *(d.path for d in delegated)))
    ]
    return DataState(
        tuple(given.values()),
        tuple(missing),
        tuple(delegated),
        tuple(sorted(raw)),
        tuple(unread),
        tuple(one.path for one in declared if one.pointer),
        tuple(unasked),
    )


def _wanted(executed: Sequence[Stage], made: Collection[str]) -> set[str]:
    deps = {path for stage in executed for path in stage.deps}
    return {path for path in deps if path not in made}


@dataclass(frozen=True, slots=True)
class _Own:
    """The pipeline that a run executes."""

    lock: str
    stages: tuple[Stage, ...]
    executed: frozenset[str]


def _declared(
    files: Mapping[str, bytes], own: _Own, project: str, unread: list[str]
) -> Iterator[_Declared]:
    """Yield all that is declared, in the order of the files' names; paths from the project."""
    wdirs = {stage.name: _from_top(stage.wdir, project) for stage in own.stages}
    for file in sorted(files):
        folder, name = posixpath.split(file)
        if name == PIPELINE:
            continue
        try:
            if file.endswith(".dvc"):
                pointer = dvcfiles.load_pointer(files[file], file, folder)
                for out in pointer.outs:
                    yield _Declared(_to_project(out.path, project), file, out, pointer=True)
                continue
            is_own = file == own.lock
            lock = dvcfiles.load_lock(
                files[file], file, folder, wdirs if is_own else _wdirs(files, folder)
            )
        except (BadFormatError, UnsafeInputError) as error:
            unread.append(f"{file}: {error.summary} ({error.found})")
            continue
        for name, stage in lock.stages.items():
            if not is_own or name not in own.executed:
                for out in stage.outs:
                    path = _to_project(out.path, project)
                    yield _Declared(path, f"{file}: {name}", out, pointer=False)


def _wdirs(files: Mapping[str, bytes], folder: str) -> dict[str, str]:
    """Return where the paths of another pipeline's stages start."""
    file = posixpath.join(folder, PIPELINE)
    return stage_wdirs(files[file], file, folder) if file in files else {}


def _missing(cache: CacheConfig, md5: Md5) -> tuple[Md5, ...]:
    try:
        return objects.missing(cache, md5)
    except DamagedDataError:  # set aside by now, so it has to be fetched like a missing one
        return (md5,)


def _foreign(out: HashedPath) -> str:
    if out.md5 is None:
        return "its content has no hash that is known here"
    if out.hash != HASH:
        return "it was added by DVC 2; `dvc cache migrate --dvc-files` brings it up to date"
    return ""


def _to_project(path: str, project: str) -> str:
    return posixpath.relpath(f"/{path}", f"/{project}") if project else path


def _from_top(path: str, project: str) -> str:
    joined = posixpath.normpath(posixpath.join(project, path))
    return "" if joined == "." else joined


def listed(missing: Iterable[Missing]) -> tuple[str, ...]:
    """Return one line for each of the missing data, for a message."""
    return tuple(
        f"{one.path} ({one.declared}): {len(one.objects)} "
        f"{'object' if len(one.objects) == 1 else 'objects'}"
        for one in missing
    )
