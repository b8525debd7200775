"""DVC's own files, read without DVC: ``X.dvc``, ``dvc.lock``, and all of those of one tree.

Reading is tolerant: what only DVC understands (cloud versions, imports, templates, unknown keys)
is marked ``needs_dvc`` and the rest goes on. It is not trusting: every path is made relative to
the project folder, and one that would be written outside it is refused before anything is.
"""

from __future__ import annotations

import contextlib
import posixpath
from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc.dvcpipeline import (
    MOST,
    Pipeline,
    declared_outs,
    dependency_path,
    load_mapping,
    load_pipeline,
    output_path,
    read_commands,
    read_flag,
    stage_wdirs,
)
from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import MD5, Absent, Md5, ParamTree
from gitexp.model.job import StageRecord
from gitexp.model.run import FileHash
from gitexp.text.fields import LARGEST, Fields, param_tree
from gitexp.text.foreign import folder_path, is_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping


_PLAIN_HASH_KEYS = frozenset(("md5", "size", "nfiles", "isexec", "hash", "path"))
_OUT_KEYS = _PLAIN_HASH_KEYS | frozenset(
    ("desc", "type", "labels", "meta", "cache", "metric", "plot", "persist", "remote", "push")
)
_POINTER_KEYS = frozenset(
    ("desc", "md5", "wdir", "frozen", "locked", "deps", "outs", "always_changed", "meta")
)


def bound(size: int, where: str, what: str = "DVC's files", most: int = MOST) -> None:
    """Refuse more bytes of pointers and locks, or of others, in one tree than any project has."""
    if size > most:
        raise UnsafeInputError(
            f"{what} are larger than those of any project",
            found=f"{size} bytes of them, or more",
            where=where,
            expected=f"at most {most} bytes in one state",
        )


@dataclass(slots=True)
class FilesRead:
    """How much of some files was read of a state; one that is read again counts once."""

    what: str = "DVC's files"
    most: int = MOST  # bytes
    total: int = 0
    seen: set[str] = field(default_factory=set)

    def take(self, path: str, size: int) -> None:
        """Count a file; `UnsafeInputError` where all are too much to be read."""
        if path not in self.seen:
            self.seen.add(path)
            self.total += size
        bound(self.total, path, self.what, self.most)


@dataclass(frozen=True, slots=True)
class HashedPath:
    """A dependency or an output with its recorded hash."""

    path: str  # relative to the project folder
    written: str  # as the file has it
    md5: Md5 | None  # None where nothing is recorded, or in a way that DVC alone understands
    size: int | None
    nfiles: int | None
    isexec: bool
    hash: str  # "md5"; "md5-dos2unix" for what DVC 2 wrote
    needs_dvc: bool
    cache: bool = True  # of a lock as dvc.yaml says; `DvcFiles.outs` looks there
    push: bool = True  # these two as a pointer says
    own_remote: str = ""
    odd: bool = False  # what stands there as its MD5 is none, and DVC takes it all the same


@dataclass(frozen=True, slots=True)
class Pointer:
    """The content of a ``.dvc`` file."""

    outs: tuple[HashedPath, ...]
    deps: tuple[HashedPath, ...]
    needs_dvc: bool  # an import, or something in it that DVC alone understands


@dataclass(frozen=True, slots=True)
class LockedStage:
    """One stage of dvc.lock."""

    name: str
    commands: tuple[str, ...]
    deps: tuple[HashedPath, ...]
    params: Mapping[str, Mapping[str, ParamTree]]  # file relative to the project -> key -> value
    outs: tuple[HashedPath, ...]
    needs_dvc: bool

    def record(self) -> StageRecord | None:
        """Return the stage as a record; None where DVC alone understands it."""
        deps, outs = _files(self.deps), _files(self.outs)
        if self.needs_dvc or deps is None or outs is None:
            return None
        return StageRecord(self.name, self.commands, deps, self.params, outs)


def base_name(name: str) -> str:
    """Return the declared name of a stage of dvc.lock or of a target (``dvc.yaml:each@a``)."""
    return name.partition("@")[0].rpartition(":")[2]


def load_pointer(data: bytes, where: str, folder: str = "") -> Pointer:
    """Read a ``.dvc`` file that lies in `folder` of the project."""
    top = Fields(load_mapping(data, where), where)
    wdir = folder_path(top.text("wdir", "."), where=where, folder=folder)
    deps = _hashed(top, "deps", where, wdir, up=True)
    outs = tuple(
        replace(
            _hashed_path(fields, where, wdir, up=False),
            cache=read_flag(fields, "cache", default=True),
            push=read_flag(fields, "push", default=True),
            own_remote=fields.maybe_text("remote") or "",
        )
        for fields in top.children("outs", required=False)
    )
    foreign = not _POINTER_KEYS.issuperset(top.names())
    return Pointer(
        outs=outs, deps=deps, needs_dvc=foreign or bool(deps) or any(out.needs_dvc for out in outs)
    )


def load_lock(
    data: bytes, where: str, folder: str = "", wdirs: Mapping[str, str] | None = None
) -> dict[str, LockedStage]:
    """Read the stages of a ``dvc.lock`` that lies in `folder` of the project.

    `wdirs`: stage, or group of stages, to where its paths start, which the lock does not say. A
    stage that is not named here is one that dvc.yaml has no more; where its paths make no sense it
    is passed over, as DVC does.
    """
    top, known = Fields(load_mapping(data, where), where), wdirs or {}
    # DVC 1 wrote the stages at the top, without a schema.
    listed = top.named("stages") if top.has("schema") or top.has("stages") else {}
    stages: dict[str, LockedStage] = {}
    for name, fields in listed.items():
        wdir = known.get(name, known.get(name.partition("@")[0]))
        try:
            stages[name] = _locked(name, fields, where, folder if wdir is None else wdir)
        except UnsafeInputError:
            if wdir is not None or wdirs is None:
                raise
    return stages


class DvcFiles:
    """DVC's files in one tree: each is read when it is first asked for, and once.

    `read`: from a path below the tree's top to the bytes of a regular file; may refuse. `names`:
    all pointers and locks that are there, relative to `base`. `base`: the folder from which all
    paths start that are asked for or returned. `starts`: from a lock to where the paths of its
    stages start (see `load_lock`), where others know it better than the dvc.yaml beside it.
    """

    def __init__(
        self,
        read: Callable[[str], bytes | Absent | None],
        names: Callable[[], Iterable[str]] = tuple,
        *,
        base: str = "",
        starts: Callable[[str], Mapping[str, str] | None] | None = None,
    ) -> None:
        self._read = read
        self._names = names
        self._base = base
        self._starts = starts or self.beside
        self._data: dict[str, bytes | None] = {}
        self._outs: dict[str, tuple[tuple[str, HashedPath], ...] | GitexpError] = {}

    def starting(self, starts: Callable[[str], Mapping[str, str] | None]) -> DvcFiles:
        """Return the same files with another knowledge of where the paths of locks start."""
        return DvcFiles(self._read, self._names, base=self._base, starts=starts)

    def at(self, path: str) -> str:
        """Turn a path relative to `base` into one relative to the tree's top."""
        return posixpath.normpath(posixpath.join(self._base, path)) if self._base else path

    def data(self, path: str) -> bytes | None:
        """Return the bytes of a file; None where there is none."""
        if path not in self._data:
            found = self._read(self.at(path))
            self._data[path] = found if isinstance(found, bytes) else None
        return self._data[path]

    def pointer(self, path: str) -> Pointer | None:
        """Return what a ``.dvc`` file says; see `load_pointer`."""
        data = self.data(path)
        return None if data is None else load_pointer(data, self.at(path), posixpath.dirname(path))

    def pipeline(self, path: str) -> Pipeline | None:
        """Return what a ``dvc.yaml`` says, as far as it is plain; see `load_pipeline`."""
        data = self.data(path)
        folder = posixpath.dirname(path)
        return None if data is None else load_pipeline(data, self.at(path), folder)

    def wdirs(self, path: str) -> dict[str, str]:
        """Return where the paths of each stage of a ``dvc.yaml`` start; see `stage_wdirs`."""
        data = self.data(path)
        return {} if data is None else stage_wdirs(data, self.at(path), posixpath.dirname(path))

    def beside(self, lock: str) -> dict[str, str]:
        """Return the same by the ``dvc.yaml`` beside a lock."""
        return self.wdirs(posixpath.join(posixpath.dirname(lock), "dvc.yaml"))

    def lock(self, path: str) -> dict[str, LockedStage] | None:
        """Return the stages of a ``dvc.lock``; see `load_lock`."""
        data = self.data(path)
        if data is None:
            return None
        return load_lock(data, self.at(path), posixpath.dirname(path), self._starts(path))

    def outs(self, path: str) -> tuple[tuple[str, HashedPath], ...]:
        """Return (stage, output) of a pointer or a lock; the stage of a pointer is ""."""
        if path not in self._outs:
            self.data(path)  # what may not even be read is refused anew each time
            try:
                self._outs[path] = self._read_outs(path)
            except (BadFormatError, UnsafeInputError) as error:
                self._outs[path] = error
        found = self._outs[path]
        if isinstance(found, GitexpError):
            raise found
        return found

    @property
    def outputs(self) -> Iterator[tuple[str, str, HashedPath]]:
        """Yield (file, stage, output) of all pointers and locks; see `unreadable`."""
        for path in self._names():
            with contextlib.suppress(BadFormatError, UnsafeInputError):
                yield from ((path, stage, out) for stage, out in self.outs(path))

    @property
    def unreadable(self) -> dict[str, GitexpError]:
        """Return which pointers and locks, of those asked for, make no sense, and why."""
        return {path: error for path, error in self._outs.items() if isinstance(error, GitexpError)}

    def _read_outs(self, path: str) -> tuple[tuple[str, HashedPath], ...]:
        if path.endswith(".dvc"):
            pointer = self.pointer(path)
            return () if pointer is None else tuple(("", out) for out in pointer.outs)
        stages, file = self.lock(path) or {}, posixpath.join(posixpath.dirname(path), "dvc.yaml")
        declared = {}
        with contextlib.suppress(BadFormatError, UnsafeInputError):  # the lock can be read alone
            declared = declared_outs(self.data(file) or b"", self.at(file), posixpath.dirname(path))

        def is_gits(name: str, out: HashedPath) -> bool:
            group = declared.get(name, declared.get(name.partition("@")[0], ()))
            flags = [cached for each, cached in group if each.matches(out.path)]
            return bool(flags) and all(cached is False for cached in flags)

        return tuple(
            (name, replace(out, cache=False) if is_gits(name, out) else out)
            for name, stage in stages.items()
            for out in stage.outs
        )


def _locked(name: str, fields: Fields, where: str, wdir: str) -> LockedStage:
    deps = _hashed(fields, "deps", where, wdir, up=True)
    outs = _hashed(fields, "outs", where, wdir, up=False)
    files = fields.named("params")
    params = {
        dependency_path(file, where, wdir): {
            key: param_tree(values.raw(key)) for key in values.names()
        }
        for file, values in files.items()
    }
    foreign = not {"cmd", "deps", "params", "outs"}.issuperset(fields.names())
    commands, _listed = read_commands(fields)
    return LockedStage(
        name=name,
        commands=commands,
        deps=deps,
        params=params,
        outs=outs,
        needs_dvc=foreign or any(item.needs_dvc for item in (*deps, *outs)),
    )


def _hashed(fields: Fields, key: str, where: str, wdir: str, *, up: bool) -> tuple[HashedPath, ...]:
    return tuple(
        _hashed_path(item, where, wdir, up=up) for item in fields.children(key, required=False)
    )


def _hashed_path(fields: Fields, where: str, wdir: str, *, up: bool) -> HashedPath:
    written = fields.text("path", "") if up else fields.text("path")
    if up and not written:  # a dependency on a dataset, or on a whole repository
        return HashedPath("", "", None, None, None, isexec=False, hash="", needs_dvc=True)
    path = dependency_path(written, where, wdir) if up else output_path(written, where, wdir)
    count = partial(fields.integer, least=-LARGEST, most=LARGEST)
    md5 = fields.raw("md5")
    known = isinstance(md5, str) and MD5.fullmatch(md5) is not None
    method = fields.text("hash", "md5-dos2unix")
    allowed = _PLAIN_HASH_KEYS if up else _OUT_KEYS
    plain = allowed.issuperset(fields.names()) and method in ("md5", "md5-dos2unix")
    return HashedPath(
        path=path,
        written=written,
        md5=Md5(md5) if isinstance(md5, str) and known else None,
        size=fields.maybe("size", count),
        nfiles=fields.maybe("nfiles", count),
        isexec=read_flag(fields, "isexec"),
        hash=method,
        needs_dvc=is_url(path) or not plain or (md5 is not None and not known),
        odd=bool(md5) and MD5.fullmatch(str(md5).lower()) is None,
    )


def _files(items: tuple[HashedPath, ...]) -> tuple[FileHash, ...] | None:
    found: list[FileHash] = []
    for item in items:
        if item.md5 is None or item.needs_dvc or item.hash != "md5":
            return None
        found.append(FileHash(item.path, item.md5, item.size or 0, item.nfiles, item.isexec))
    return tuple(found)
