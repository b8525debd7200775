"""DVC's own files, read without DVC: ``X.dvc``, ``dvc.lock`` and plain ``dvc.yaml``.

Reading is tolerant: what only DVC understands (cloud versions, imports, templates, unknown keys)
is marked ``needs_dvc`` and the rest goes on. It is not trusting: every path is made relative to
the project folder, and one that would be written outside it is refused before anything is.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gitexp.errors import BadFormatError
from gitexp.formats.fields import Fields, param_tree
from gitexp.formats.jsontext import MIB, Json
from gitexp.formats.safepath import folder_path, is_url, relative_path
from gitexp.formats.yamltext import yaml_loads
from gitexp.model.ids import Md5, ParamTree
from gitexp.model.job import FileHash, OutKind, Stage, StageOut, StageParams, StageRecord

LIMIT = 16 * MIB  # a dvc.lock of some thousand stages

_MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?")
_PLAIN_HASH_KEYS = frozenset(("md5", "size", "nfiles", "isexec", "hash", "path"))
_OUT_KEYS = _PLAIN_HASH_KEYS | frozenset(
    ("desc", "type", "labels", "meta", "cache", "metric", "plot", "persist", "remote", "push")
)
_POINTER_KEYS = frozenset(
    ("desc", "md5", "wdir", "frozen", "locked", "deps", "outs", "always_changed", "meta")
)
_STAGE_KEYS = frozenset(
    (
        *("cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "frozen"),
        *("always_changed", "desc", "meta"),
    )
)
_DEFAULT_PARAMS = "params.yaml"


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


@dataclass(frozen=True, slots=True)
class Pointer:
    """The content of a ``.dvc`` file."""

    outs: tuple[HashedPath, ...]
    deps: tuple[HashedPath, ...]
    wdir: str  # relative to the project folder
    frozen: bool
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


@dataclass(frozen=True, slots=True)
class Lock:
    """The content of ``dvc.lock``."""

    stages: Mapping[str, LockedStage]
    needs_dvc: bool


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The content of ``dvc.yaml``."""

    stages: tuple[Stage, ...]  # in the file's order; empty where DVC has to resolve them
    needs_dvc: bool
    why: str  # what it is that DVC has to resolve
    metrics: tuple[str, ...]  # top level, relative to the project folder
    plots: tuple[str, ...]
    params: tuple[str, ...]


def load_pointer(data: bytes, where: str, folder: str = "") -> Pointer:
    """Read a ``.dvc`` file.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.
    folder : str
        Its folder, relative to the project folder.

    Raises
    ------
    BadFormatError, UnsafeInputError
        If it is no YAML mapping, or an out's path leaves the project folder.
    """
    top = Fields(_load(data, where), where)
    wdir = folder_path(top.text("wdir", "."), where=where, folder=folder)
    deps = _hashed(top, "deps", where, wdir, up=True)
    outs = _hashed(top, "outs", where, wdir, up=False)
    foreign = not _POINTER_KEYS.issuperset(top.keys())
    return Pointer(
        outs=outs,
        deps=deps,
        wdir=wdir,
        frozen=_flag(top, "frozen") or _flag(top, "locked"),
        needs_dvc=foreign or bool(deps) or any(out.needs_dvc for out in outs),
    )


def load_lock(
    data: bytes, where: str, folder: str = "", wdirs: Mapping[str, str] | None = None
) -> Lock:
    """Read ``dvc.lock``.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.
    folder : str
        Its folder, relative to the project folder.
    wdirs : mapping of str to str, optional
        Stage to its ``wdir`` relative to the project folder, for those that have one: paths in
        dvc.lock start there, and the lock does not say so.

    Raises
    ------
    BadFormatError, UnsafeInputError
        If it is no YAML mapping, or an out's path leaves the project folder.
    """
    value = _load(data, where)
    top = Fields(value, where)
    # DVC 1 wrote the stages at the top, without a schema.
    listed = top.named("stages") if top.has("schema") or top.has("stages") else {}
    stages = {
        name: _locked(name, fields, where, (wdirs or {}).get(name, folder))
        for name, fields in listed.items()
    }
    foreign = not {"schema", "stages"}.issuperset(top.keys())
    return Lock(stages, foreign or any(stage.needs_dvc for stage in stages.values()))


def load_pipeline(data: bytes, where: str, folder: str = "", *, resolved: bool = False) -> Pipeline:
    """Read ``dvc.yaml``, as far as it is plain.

    Parameters
    ----------
    data : bytes
        The file.
    where : str
        Its name, for messages.
    folder : str
        Its folder, relative to the project folder.
    resolved : bool
        Whether DVC filled in the templates: a ``${`` that is left was escaped, and is the shell's.

    Raises
    ------
    BadFormatError, UnsafeInputError
        If it is not what DVC accepts, or an out's path leaves the project folder.
    """
    top = Fields(_load(data, where), where)
    named = top.named("stages")
    raw_stages = top.raw("stages")
    reasons = {
        name: _templated(name, raw_stages, fields, resolved=resolved)
        for name, fields in named.items()
    }
    why = next((reason for reason in reasons.values() if reason), "")
    stages: tuple[Stage, ...] = ()
    if not why:
        stages = tuple(_stage(name, fields, where, folder) for name, fields in named.items())
    return Pipeline(
        stages=stages,
        needs_dvc=bool(why),
        why=why,
        metrics=_top_paths(top, "metrics", where, folder),
        plots=_top_paths(top, "plots", where, folder),
        params=_top_paths(top, "params", where, folder),
    )


def _load(data: bytes, where: str) -> Json:
    value = yaml_loads(data, where=where, limit=LIMIT, allow_aliases=True)
    return {} if value is None else value


def _locked(name: str, fields: Fields, where: str, wdir: str) -> LockedStage:
    deps = _hashed(fields, "deps", where, wdir, up=True)
    outs = _hashed(fields, "outs", where, wdir, up=False)
    files = fields.named("params")
    params = {
        _dependency(file, where, wdir): {key: param_tree(values.raw(key)) for key in values.keys()}
        for file, values in files.items()
    }
    foreign = not {"cmd", "deps", "params", "outs"}.issuperset(fields.keys())
    commands, _listed = _commands(fields)
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
    path = _dependency(written, where, wdir) if up else _output(written, where, wdir)
    md5 = fields.raw("md5")
    known = isinstance(md5, str) and _MD5.fullmatch(md5) is not None
    method = fields.text("hash", "md5-dos2unix")
    allowed = _PLAIN_HASH_KEYS if up else _OUT_KEYS
    plain = allowed.issuperset(fields.keys()) and method in ("md5", "md5-dos2unix")
    return HashedPath(
        path=path,
        written=written,
        md5=Md5(md5) if isinstance(md5, str) and known else None,
        size=fields.maybe_integer("size"),
        nfiles=fields.maybe_integer("nfiles"),
        isexec=_flag(fields, "isexec"),
        hash=method,
        needs_dvc=is_url(path) or not plain or (md5 is not None and not known),
    )


def _templated(name: str, stages: Json, fields: Fields, *, resolved: bool) -> str:
    """Say why DVC has to resolve a stage; "" where it is plain."""
    foreign = sorted(set(fields.keys()) - _STAGE_KEYS)
    if foreign:
        return f"{foreign[0]} in stage {name}"
    body = stages.get(name) if isinstance(stages, Mapping) else None
    if isinstance(body, Mapping):
        acting = [value for key, value in body.items() if key not in ("desc", "meta")]
        if not resolved and _mentions(acting, "${"):
            return f"${{...}} in stage {name}"
        if _mentions([body.get("deps"), body.get("outs")], "://"):
            return f"a URL in stage {name}"
    return ""


def _mentions(value: Json, text: str) -> bool:
    if isinstance(value, str):
        return text in value
    if isinstance(value, Mapping):
        return any(text in key or _mentions(item, text) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return any(_mentions(item, text) for item in value)
    return False


def _stage(name: str, fields: Fields, where: str, folder: str) -> Stage:
    spelled: dict[str, str] = {}
    here = f"{where}: stages.{name}"
    wdir = folder_path(fields.text("wdir", "."), where=here, folder=folder, up=True)

    def output(path: str) -> str:
        return _spell(path, _output(path, here, wdir), wdir, spelled)

    def dependency(path: str) -> str:
        return _spell(path, _dependency(path, here, wdir), wdir, spelled)

    commands, listed = _commands(fields)
    if not commands:
        raise fields.bad("cmd", "a command")
    outs = tuple(
        StageOut(
            path=output(path),
            kind=kind,
            cache=_flag(flags, "cache", default=True),
            persist=_flag(flags, "persist"),
            push=_flag(flags, "push", default=True),
        )
        for kind in OutKind
        for path, flags in _entries(fields, kind.value, here)
    )
    return Stage(
        name=name,
        commands=commands,
        wdir=wdir,
        deps=tuple(dependency(path) for path in fields.texts("deps", ())),
        params=tuple(StageParams(dependency(file), keys) for file, keys in _stage_params(fields)),
        outs=outs,
        frozen=_flag(fields, "frozen"),
        always_changed=_flag(fields, "always_changed"),
        spelled=spelled,
        listed=listed,
    )


def _commands(fields: Fields) -> tuple[tuple[str, ...], bool]:
    raw = fields.raw("cmd")
    if raw is None:
        return (), False
    if isinstance(raw, list):
        return fields.texts("cmd"), True
    return (fields.text("cmd"),), False


def _entries(fields: Fields, key: str, where: str) -> list[tuple[str, Fields]]:
    """Return an out list's paths with their flags: an entry is a text, or {path: flags}."""
    raw = fields.raw(key)
    items = raw if isinstance(raw, list) else [] if raw is None else [raw]
    entries: list[tuple[str, Fields]] = []
    for item in items:
        if isinstance(item, str):
            entries.append((item, Fields({}, where)))
        elif isinstance(item, Mapping):
            entries.extend(
                (path, Fields({} if flags is None else flags, where, f"{key}.{path}"))
                for path, flags in item.items()
            )
        else:
            raise fields.bad(key, "paths, or paths with flags")
    return entries


def _stage_params(fields: Fields) -> list[tuple[str, tuple[str, ...]]]:
    """Return file -> keys; no keys means the whole file."""
    raw = fields.raw("params")
    if raw is None:
        return []
    found: dict[str, dict[str, None]] = {}
    for item in raw if isinstance(raw, list) else [raw]:
        if isinstance(item, str):
            found.setdefault(_DEFAULT_PARAMS, {})[item] = None
            continue
        if not isinstance(item, Mapping):
            raise fields.bad("params", "parameters, or files with parameters")
        for file, keys in item.items():
            known = found.setdefault(file, {})
            for key in [] if keys is None else keys if isinstance(keys, list) else [keys]:
                if not isinstance(key, str):
                    raise fields.bad("params", "parameters, or files with parameters")
                known[key] = None
    return [(file, tuple(keys)) for file, keys in found.items()]


def _top_paths(top: Fields, key: str, where: str, folder: str) -> tuple[str, ...]:
    """Return the paths that a top-level list names; a plot may be named by an id instead."""
    raw = top.raw(key)
    items = raw if isinstance(raw, list) else [raw] if isinstance(raw, (str, Mapping)) else []
    names: list[str] = []
    for item in items:
        names.extend([item] if isinstance(item, str) else item if isinstance(item, Mapping) else [])
    return tuple(
        relative_path(name, where=f"{where}: {key}", folder=folder, up=True)
        for name in names
        if "${" not in name and not is_url(name)
    )


def _dependency(path: str, where: str, wdir: str) -> str:
    if is_url(path) or path.startswith("/"):
        return path
    return relative_path(path, where=where, folder=wdir, up=True, whole=True)


def _output(path: str, where: str, wdir: str) -> str:
    if is_url(path):
        return path
    return relative_path(path, where=where, folder=wdir)


def _spell(written: str, path: str, wdir: str, spelled: dict[str, str]) -> str:
    if written != plain_spelling(path, wdir):
        spelled[path] = written
    return path


def plain_spelling(path: str, wdir: str) -> str:
    """Return a path as dvc.lock has it where dvc.yaml spells it plainly: relative to `wdir`.

    Examples
    --------
    >>> plain_spelling("params.yaml", "src/train"), plain_spelling("src/a.py", "src")
    ('../../params.yaml', 'a.py')
    """
    if not wdir or is_url(path) or path.startswith("/"):
        return path
    return posixpath.relpath(f"/{path}", f"/{wdir}") if ".." not in wdir else path


def _flag(fields: Fields, key: str, *, default: bool = False) -> bool:
    raw = fields.raw(key)
    return raw if isinstance(raw, bool) else default


def _files(items: tuple[HashedPath, ...]) -> tuple[FileHash, ...] | None:
    found: list[FileHash] = []
    for item in items:
        if item.md5 is None or item.needs_dvc or item.hash != "md5":
            return None
        found.append(FileHash(item.path, item.md5, item.size or 0, item.nfiles, item.isexec))
    return tuple(found)


def check_schema(value: Json, where: str) -> None:
    """Refuse a dvc.lock that DVC would refuse: a schema that is not the text 2.0."""
    found = value.get("schema") if isinstance(value, Mapping) else None
    if found != "2.0":
        raise BadFormatError(
            "this is not a dvc.lock that gitexp can write to",
            found=f"schema: {found}",
            where=where,
            expected="schema: '2.0'",
            next_step="dvc commit, which writes it in the present form",
        )
