"""``dvc.yaml``, as far as it is plain: templates, foreach and matrix are left to DVC itself."""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product

from gitexp.model import dataclass
from gitexp.model.job import OutKind, Stage, StageOut, StageParams
from gitexp.text.fields import Fields
from gitexp.text.foreign import (
    Steps,
    check_path,
    folder_path,
    is_url,
    joined,
    relative_path,
    with_parents,
)
from gitexp.text.jsontext import MIB, Json
from gitexp.text.yamltext import yaml_loads

LIMIT = 16 * MIB  # a dvc.lock of some thousand stages
MOST_LETTERS = 20_000_000  # bytes; of folders, each before all paths that start there
MOST = 8 * MIB  # of all pointers and locks of a tree: seconds to read; a pointer has 100 bytes

_MOST_ITEMS = 1_000  # of a group; of more the templates stand for any name

_HOLE = re.compile(r"\$\{(?:[^}$]|\$(?!\{))*+\}")


def load_mapping(data: bytes, where: str) -> Json:
    """Read the YAML of DVC, where anchors and merge keys are allowed; nothing is {}."""
    value = yaml_loads(data, where=where, limit=LIMIT, allow_aliases=True)
    return {} if value is None else value


def declares(path: str) -> bool:
    """Tell whether a file is a pointer or a lock; what lies in DVC's own folder is none."""
    *above, name = path.split("/")
    ours = name == "dvc.lock" or (name.endswith(".dvc") and name != ".dvc")
    return ours and ".dvc" not in above


def dependency_path(path: str, where: str, wdir: str) -> str:
    """Return a dependency's path relative to the project; it may lie outside."""
    if is_url(path) or path.startswith("/"):
        return check_path(path, where)
    return relative_path(path, where=where, folder=wdir, up=True, whole=True)


def output_path(path: str, where: str, wdir: str) -> str:
    """Return an output's path relative to the project, refusing one outside."""
    if is_url(path):
        return check_path(path, where)
    return relative_path(path, where=where, folder=wdir)


def plain_spelling(path: str, wdir: str) -> str:
    """Return a path as dvc.lock has it where dvc.yaml spells it plainly: relative to `wdir`.

    >>> plain_spelling("params.yaml", "src/train"), plain_spelling("src/a.py", "src")
    ('../../params.yaml', 'a.py')
    """
    if not wdir or is_url(path) or path.startswith("/"):
        return path
    return posixpath.relpath(f"/{path}", f"/{wdir}") if ".." not in wdir else path


def read_commands(fields: Fields) -> tuple[tuple[str, ...], bool]:
    """Return the commands of a stage, and whether they are given as a list."""
    raw = fields.raw("cmd")
    if raw is None:
        return (), False
    if isinstance(raw, list):
        return fields.texts("cmd"), True
    return (fields.text("cmd"),), False


def read_flag(fields: Fields, key: str, *, default: bool = False) -> bool:
    """Return a flag; what is none counts as absent."""
    raw = fields.raw(key)
    return raw if isinstance(raw, bool) else default


def touches(path: str, other: str) -> bool:
    """Tell whether two paths are equal or one contains the other.

    >>> touches("data/a.csv", "data"), touches("data", "data/a.csv"), touches("data", "database")
    (True, True, False)
    """
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")


def outermost(outputs: Iterable[str]) -> tuple[str, ...]:
    """Leave out what lies in another output, of which it is a part.

    >>> outermost(["out/pred.csv", "out/", "outs", "outs"])
    ('out/', 'outs')
    """
    every = {posixpath.normpath(path): path for path in outputs}
    return tuple(one for at, one in every.items() if every.keys().isdisjoint(with_parents(at)[1:]))


@dataclass(frozen=True, slots=True)
class Pattern:
    """A path of which some parts may be unknown; relative to the project folder.

    >>> Pattern.of("data/${item}.csv").matches("data/a.csv")
    True
    >>> Pattern.of("data").touches("data/raw/a.csv"), Pattern.of("data/raw").touches("data")
    (True, True)
    """

    text: str
    parts: tuple[str, ...]  # literal parts around the holes; one part: no hole

    @classmethod
    def of(cls, text: str) -> Pattern:
        """Split a declared path at its holes."""
        return cls(text, tuple(_HOLE.split(text)))

    @property
    def literal(self) -> bool:
        """Whether there is no hole."""
        return len(self.parts) == 1

    @property
    def says_something(self) -> bool:
        """Whether it has any fixed text; a bare ``${dir}`` would match the whole tree."""
        return any(part.strip("./") for part in self.parts)

    def matches(self, path: str) -> bool:
        """Whether the path can be meant; linear in its length."""
        if self.literal:
            return path == self.text
        first, *middle, last = self.parts
        if not path.startswith(first):
            return False
        at = len(first)
        for part in middle:
            found = path.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return len(path) - len(last) >= at and path.endswith(last)

    def may_be(self, path: str) -> bool:
        """Whether the path can be meant, whichever folder a hole stands for: ``.``, too."""
        name = Pattern.of(posixpath.basename(self.text))
        return self.matches(path) or name.matches(posixpath.basename(path))

    def touches(self, path: str) -> bool:
        """Whether the path, a folder above it, or something below it can be meant."""
        return touches(self.text, path) if self.literal else self.touches_any(with_parents(path))

    def touches_any(self, paths: Sequence[str]) -> bool:
        """Whether a path, given with the folders above it, can be meant by a template."""
        leads = self.parts[0].startswith(f"{paths[0]}/")
        return leads or any(self.matches(each) for each in paths)

    def meets(self, other: Pattern) -> bool:
        """Whether one path can lie in both."""
        if self.literal:
            return other.touches(self.text)
        if other.literal:
            return self.touches(other.text)
        mine, theirs = self.parts[0], other.parts[0]
        return mine.startswith(theirs) or theirs.startswith(mine)


_STAGE_KEYS = frozenset(
    (
        *("cmd", "wdir", "deps", "params", "outs", "metrics", "plots", "frozen"),
        *("always_changed", "desc", "meta"),
    )
)
_OUTS = tuple(kind.value for kind in OutKind)
_TOP_LEVEL = ("metrics", "plots", "params", "artifacts")


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The content of ``dvc.yaml``."""

    stages: tuple[Stage, ...]  # in the file's order; empty where DVC has to resolve them
    needs_dvc: bool
    why: str  # what it is that DVC has to resolve
    metrics: tuple[str, ...]  # top level, relative to the project folder
    plots: tuple[str, ...]
    params: tuple[str, ...]
    artifacts: tuple[str, ...]
    open: bool  # whether a template at the top level is left to DVC: its paths are not here


NO_PIPELINE = Pipeline((), False, "", (), (), (), (), False)  # noqa: FBT003 - in their order


def load_pipeline(data: bytes, where: str, folder: str = "", *, resolved: bool = False) -> Pipeline:
    """Read ``dvc.yaml``, as far as it is plain.

    `folder`: its folder, relative to the project folder. `resolved`: whether DVC filled in the
    templates: a ``${`` that is left was escaped, and is the shell's.
    """
    top = Fields(load_mapping(data, where), where)
    named = top.named("stages")
    _check_letters(named.values(), where)
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
        metrics=_paths(named_beside(top, "metrics"), f"{where}: metrics", folder),
        plots=_paths(named_beside(top, "plots"), f"{where}: plots", folder),
        params=_paths(named_beside(top, "params"), f"{where}: params", folder),
        artifacts=_artifacts(top, where, folder),
        open=not resolved and any(_mentions(top.raw(key), "${") for key in _TOP_LEVEL),
    )


def written_stages(data: bytes, where: str, folder: str = "") -> tuple[Stage, ...]:
    """Return the stages as they are written: a group as one stage, templates as they stand."""
    return tuple(_stage(name, fields, where, folder) for name, fields in _written(data, where))


def group_items(body: Mapping[str, Json], value: Callable[[Json], Json]) -> list[dict[str, Json]]:
    """Return what `item` and `key` are in each stage of a group; nothing of one that is too large.

    `value`: what is written, with the values of its templates.
    """
    over, axes = value(body.get("foreach")), value(body.get("matrix"))
    found: Iterable[dict[str, Json]] = ()
    if isinstance(over, Mapping) and len(over) <= _MOST_ITEMS:
        found = ({"key": key, "item": each} for key, each in over.items())
    if isinstance(over, list) and len(over) <= _MOST_ITEMS:
        found = ({"item": each} for each in over)
    if isinstance(axes, Mapping):
        lists = [each for each in axes.values() if isinstance(each, list)]
        if len(lists) == len(axes) and math.prod(map(len, lists)) <= _MOST_ITEMS:
            found = ({"item": dict(zip(axes, each, strict=True))} for each in product(*lists))
    return [*found]


def stage_wdirs(data: bytes, where: str, folder: str = "") -> dict[str, str]:
    """Return where the paths of each stage, or group of stages, start; not of templated folders."""
    found = {}
    for name, fields in _written(data, where):
        wdir = fields.maybe_text("wdir") or "."
        if "${" not in wdir:
            found[name] = folder_path(wdir, where=f"{where}: {name}", folder=folder, up=True)
    return found


def declared_outs(
    data: bytes, where: str, folder: str = "", kinds: Sequence[str] = _OUTS
) -> dict[str, list[tuple[Pattern, bool | None]]]:
    """Return the outputs of each stage, or group of stages, with whether DVC keeps them.

    None: a template says so. dvc.lock does not.
    """
    found: dict[str, list[tuple[Pattern, bool | None]]] = {}
    for name, fields in _written(data, where):
        base = posixpath.join(folder, fields.maybe_text("wdir") or "")
        found[name] = [
            (Pattern.of(joined(path, where, base)), _cached(flags))
            for key in kinds
            for path, flags in _entries(fields, key, where)
        ]
    return found


def _cached(flags: Fields) -> bool | None:
    written = flags.raw("cache")
    return None if isinstance(written, str) else read_flag(flags, "cache", default=True)


def _written(data: bytes, where: str) -> Iterator[tuple[str, Fields]]:
    named = Fields(load_mapping(data, where), where).named("stages").items()
    found = {name: each.child("do") if each.has("do") else each for name, each in named}
    _check_letters(found.values(), where)
    yield from found.items()


def _check_letters(stages: Iterable[Fields], where: str) -> None:
    """Refuse more letters of folders than are written before all paths of a file."""
    letters = Steps("the paths of dvc.yaml", where, MOST_LETTERS)
    for each in stages:
        lists = (each.value.get(key) for key in ("deps", "params", *_OUTS))
        of = [item for some in lists if isinstance(some, list | Mapping) for item in some]
        paths = sum(len(item) if isinstance(item, Mapping) else 1 for item in of)
        letters.take(len(str(each.value.get("wdir", ""))) * paths, paths)


def _templated(name: str, stages: Json, fields: Fields, *, resolved: bool) -> str:
    """Say why DVC has to resolve a stage; "" where it is plain."""
    foreign = sorted(set(fields.names()) - _STAGE_KEYS)
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
        return _spell(path, output_path(path, here, wdir), wdir, spelled)

    def dependency(path: str) -> str:
        return _spell(path, dependency_path(path, here, wdir), wdir, spelled)

    commands, listed = read_commands(fields)
    if not commands:
        raise fields.bad("cmd", "a command")
    outs = tuple(
        StageOut(
            path=output(path),
            kind=kind,
            cache=read_flag(flags, "cache", default=True),
            persist=read_flag(flags, "persist"),
            push=read_flag(flags, "push", default=True),
            remote=flags.maybe_text("remote") or "",
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
        frozen=read_flag(fields, "frozen"),
        always_changed=read_flag(fields, "always_changed"),
        spelled=spelled,
        listed=listed,
    )


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
                (path, Fields({} if flags is None else flags, where, (key, path)))
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
            found.setdefault("params.yaml", {})[item] = None
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


def named_beside(top: Fields, key: str) -> list[str]:
    """Return what a list beside the stages names: texts, or paths with settings."""
    raw = top.raw(key)
    items = raw if isinstance(raw, list) else [raw] if isinstance(raw, (str, Mapping)) else []
    names: list[str] = []
    for item in items:
        if isinstance(item, str):
            names.append(item)
        elif isinstance(item, Mapping):
            for name, settings in item.items():
                names += _plotted(settings) or [name]
    return names


def _plotted(settings: Json) -> list[str]:
    """Return the files that a plot's axes name; its key is then an id and no path."""
    axes = [settings.get(axis) for axis in "xy"] if isinstance(settings, Mapping) else []
    return [file for axis in axes if isinstance(axis, Mapping) for file in axis]


def _artifacts(top: Fields, where: str, folder: str) -> tuple[str, ...]:
    raw = top.raw("artifacts")
    described = raw.values() if isinstance(raw, Mapping) else ()
    paths = [one.get("path") for one in described if isinstance(one, Mapping)]
    names = [path for path in paths if isinstance(path, str)]
    return _paths(names, f"{where}: artifacts", folder)


def _paths(names: list[str], where: str, folder: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(
            relative_path(name, where=where, folder=folder, up=True)
            for name in names
            if "${" not in name and not is_url(name)
        )
    )


def _spell(written: str, path: str, wdir: str, spelled: dict[str, str]) -> str:
    if written != plain_spelling(path, wdir):
        spelled[path] = written
    return path
