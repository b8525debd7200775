"""The evaluator: what turns the output of a model into the planned metric.

A plan freezes it: the entry of the stage that makes the metrics file, the parameters and variables
that this stage alone reads, and those of its dependencies that are single files and nobody else's.
What is frozen is found in one state, the reference, and read in others by the names found there:
no state can take anything out by what it declares itself.

Git objects are read, and nothing else; templates are filled in here as far as a name or a path
needs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import Final

from gitexp.dvc import dvcpipeline, pipeline
from gitexp.dvc.acting import (
    Imports,
    NamedFiles,
    attributes,
    content_at,
    imported,
    instead,
    module,
    modules,
    single_files,
)
from gitexp.dvc.dvcpipeline import Pattern, touches
from gitexp.dvc.pipeline import depends_on
from gitexp.dvc.state import Patterns, ProjectState, executed, listed, mapping, texts_in
from gitexp.errors import GitexpError
from gitexp.model import dataclass, field, replace
from gitexp.model.config import ParamKey
from gitexp.model.ids import ABSENT, ParamValue
from gitexp.model.job import Stage, StageParams
from gitexp.text import params
from gitexp.text.fields import param_json
from gitexp.text.jsontext import Json, json_dumps_compact
from gitexp.text.paramkeys import flatten, lookup, param_key

NOTHING: Final = "none"  # in a plan's `frozen`: the evaluation is not
MADE: Final = "made by a stage"  # instead of a digest
SETTINGS: Final = ".gitexp/config.yaml"
_TEMPLATE = re.compile(r"\$\{([^{}]*)\}")
_MOST_STAGES = 1_000
_VARIABLE = "GITEXP_SEED"
_NOTHING_OWN: Final[Mapping[str, Json]] = {}
_ASIDE = frozenset(("deps", "outs", "metrics", "plots", "desc", "meta", "always_changed"))


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What a reference state fixes of the evaluation; paths are relative to the project folder."""

    pipeline: str = ""
    makers: tuple[tuple[str, str], ...] = ()  # stage -> the metrics file that it makes
    files: tuple[str, ...] = ()
    params: tuple[StageParams, ...] = ()
    shared: tuple[StageParams, ...] = ()  # that other stages read, too
    imports: Imports = field(default_factory=Imports)  # of the files
    templates: tuple[str, ...] = ()  # names of which the stage's entry has the values
    named: tuple[str, ...] = ()  # what the plan adds
    columns: bool = False  # whether settings say what the columns of predictions mean
    lacking: str = ""  # why the stage that makes the metric is not frozen; "" where it is
    seeded: bool = False  # a frozen stage takes the seed: it may train, and not look like it
    grouped: bool = True  # False: as before the outputs of groups of stages were known by name


def evaluator(
    state: ProjectState, metrics: Iterable[str], named: Collection[str], *, grouped: bool = True
) -> Evaluator:
    """Find the evaluator in a reference state.

    `metrics`: files of which one gives the planned metric. `named`: what a plan adds, or `NOTHING`.
    """
    if NOTHING in named:
        return Evaluator(lacking="as its plan says")
    columns = state.config.predictions is not None
    found = Evaluator(
        state.config.pipeline or "", named=tuple(named), columns=columns, grouped=grouped
    )
    if state.config.pipeline is None:
        return replace(found, lacking="one command trains and evaluates")
    read, makers = FilledPipeline(state, grouped=grouped), dict[str, str]()
    if len(read.stages) > _MOST_STAGES:
        return replace(found, lacking=f"more than {_MOST_STAGES} stages")
    for file in metrics:
        stages = [each for each in read.stages if read.makes(each, file)]
        training = [each.name for each in stages if read.trains(each)]
        if not stages or training:
            why = f"{training[0]} trains and evaluates" if stages else f"no stage makes {file}"
            return replace(found, lacking=why)
        makers |= {each.name: file for each in stages}
    if not makers:
        return replace(found, lacking="no metrics file gives its metric")
    if state.config.predictions is not None:
        path = state.config.predictions.path
        more = (each for each in read.stages if read.makes(each, path) and not read.trains(each))
        makers = {**{each.name: path for each in more}, **makers}
    mine = [each for each in read.stages if each.name in makers]
    others = [each for each in read.stages if each.name not in makers]
    outs = [out.path for each in read.stages for out in each.outs]
    theirs = {dep for each in others for dep in each.deps}
    called, beside = (read.called(some, read.files) for some in (mine, others))
    by_key = {*state.config.params, *(each.file for each in _params(read.stages))}
    deps = dict.fromkeys(dep for each in mine for dep in each.deps)
    deps |= dict.fromkeys(sorted(called - beside - by_key))
    own = [d for d in deps if d not in theirs and not read.is_made(d, outs)]
    by_value = [dep for dep in own if dep in state.config.params]
    files = tuple(dict.fromkeys(single_files(state, [d for d in own if d not in by_value])))
    return replace(
        found,
        makers=tuple(makers.items()),
        files=files,
        imports=imported(state, files, read.files, outs),
        params=(*_params(mine), *(StageParams(dep, ()) for dep in by_value)),
        shared=(*_params(others), *(StageParams(dep, ()) for dep in theirs)),
        templates=tuple(sorted(read.templates(mine) - read.templates(others))),
        seeded=any(map(read.seeds, mine)),
    )


def content(
    found: Evaluator,
    state: ProjectState,
    overrides: Mapping[str, ParamValue] | None = None,
    installed: Iterable[str] = (),
) -> dict[str, str]:
    """Return what a state has at each frozen name: a digest, "" for nothing.

    `overrides`: parameters laid over it, by `ParamKey`. `installed`: what its imports import.
    """
    read, ids = FilledPipeline(state, grouped=found.grouped), dict[str, str]()
    config = state.config
    given = {*config.metrics, *(() if config.predictions is None else (config.predictions.path,))}
    for stage, out in found.makers:
        ids[f"{found.pipeline}:{stage}"] = read.entries_of(out)
        ids |= {} if out in given else {f"{SETTINGS}:metrics": "without"}
    if found.columns:
        ids[f"{SETTINGS}:predictions"] = _sha(repr(config.predictions))
    for path in found.files:
        ids |= {path: MADE} if read.makers(path) else content_at(state, path)
    read_here = [*found.files, *(each.file for each in found.params), *found.named]
    watched = found.imports.watched(installed) if found.makers else frozenset()
    for path in (*attributes(state, read_here), *instead(state, watched)):
        entry = state.entry(posixpath.normpath(state.at(path)))
        if entry is not ABSENT:
            ids.setdefault(path, f"{entry.mode:o} {entry.id}")
    outs = (out.path.rstrip("/") for stage in read.stages for out in stage.outs)
    ids.update((out, MADE) for out in outs if {out, module(out)} & watched)
    values = dict[str, ParamValue]()
    for each in found.params:
        values |= read.leaves(each, found.shared)
    for name in found.templates:
        values |= read.filled(name)
    for name in found.named:
        key = param_key(name)
        there = content_at(state, name)
        ids |= {path: MADE if read.makers(path) else id_ for path, id_ in there.items()}
        values |= {} if there else read.leaves(StageParams(key.file, (key.key,)))
    values |= {name: value for name, value in (overrides or {}).items() if name in values}
    return ids | {name: _sha(repr(value)) for name, value in values.items()}


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names at which two states have other content."""
    return tuple(n for n in sorted({*one, *other}) if one.get(n, "") != other.get(n, ""))


class FilledPipeline:
    """The pipeline of a state, with the values that fill in its templates."""

    def __init__(self, state: ProjectState, *, grouped: bool = True) -> None:
        self._state, self._grouped = state, grouped
        self._path = state.config.pipeline or ""
        self._folder = posixpath.dirname(self._path)
        self._seeds = {str(key) for key in state.config.seed.every}
        data = state.read(self._path) if self._path else ABSENT
        self._top: Mapping[str, Json] = {}
        self.stages: tuple[Stage, ...] = ()
        self._outs: dict[str, Patterns] = {}
        with contextlib.suppress(GitexpError):  # `run` says what is wrong with it
            top = {} if data is ABSENT else dvcpipeline.load_mapping(data, self._path)
            self._top = mapping(top)
            written = (
                () if data is ABSENT else dvcpipeline.written_stages(data, self._path, self._folder)
            )
            self.stages = tuple(map(self._named, written))
        self._executed = executed(state.stages, state.config.targets) if self.stages else ()

    @cached_property
    def _sources(self) -> list[tuple[str, Json]]:
        """What templates are filled in from: a name, with a mapping."""
        every = [*listed(self._top.get("vars"))]
        for body in self._entries.values():
            every += [each for each in self._own_vars(body) if isinstance(each, str)]
        found: list[tuple[str, Json]] = []
        files = dict.fromkeys(
            ["params.yaml", *(x.partition(":")[0] for x in every if isinstance(x, str))]
        )
        for name in files:
            path = posixpath.normpath(posixpath.join(self._folder, name))
            found.append((path, self._parsed(path)))
        inline = [each for each in every if isinstance(each, Mapping)]
        return [*found, *((f"{self._path}:vars", each) for each in inline)]

    @cached_property
    def _entries(self) -> dict[str, Mapping[str, Json]]:
        return {name: mapping(body) for name, body in mapping(self._top.get("stages")).items()}

    def _parsed(self, file: str) -> Json:
        with contextlib.suppress(GitexpError):
            data = self._state.read(file)
            return {} if data is ABSENT else params.parse(data, file)
        return {}

    def _own_vars(self, body: Mapping[str, Json]) -> list[Json]:
        inner = mapping(body.get("do")) if self._grouped else {}
        return [*listed(body.get("vars")), *listed(inner.get("vars"))]

    def is_made(self, path: str, outs: Iterable[str]) -> bool:
        """Tell whether a stage makes a dependency, of which `outs` are all outputs."""
        alike = any(touches(path, out) for out in outs)
        return alike or (self._grouped and bool(self.makers(path)))

    def makes(self, stage: Stage, file: str) -> bool:
        """Tell whether a stage makes a file, or what lies in it, or a folder with it."""
        if stage.name not in self._outs:
            outs = (Pattern.of(out.path) for out in stage.outs)
            self._outs[stage.name] = Patterns.of(out for out in outs if out.says_something)
        return self._outs[stage.name].touch(file)

    def trains(self, stage: Stage) -> bool:
        """Tell whether a stage is more than an evaluator: what it evaluates it has made itself."""
        above = self.above(stage)
        if not above or pipeline.is_called_training(stage):
            return True
        before = {seed for each in above for seed in self.seeds(each)}
        own = self.seeds(stage) - before
        if own and not (before and pipeline.is_called_evaluating(stage)):
            return True
        config = self._state.config
        told = {*config.metrics, *config.curves}
        told |= set() if config.predictions is None else {config.predictions.path}
        return pipeline.makes_model(stage, told)

    def above(self, stage: Stage) -> list[Stage]:
        """Return the stages that it needs, however indirectly."""
        found, pending = {stage.name: stage}, [stage]
        while pending:
            read = pending.pop()
            paths = (*read.deps, *(each.file for each in read.params))
            for each in self.stages:
                if each.name not in found and any(self.makes(each, path) for path in paths):
                    found[each.name] = each
                    pending.append(each)
        return list(found.values())[1:]

    def seeds(self, stage: Stage) -> set[str]:
        """Return which seeds a stage takes; where no parameter is one, by its code."""
        seeds = self._state.config.seed.params
        if seeds:
            names = self._references(self._entries.get(stage.name, {}))
            read = (each for each in seeds if depends_on(stage, each) or _names(names, each.key))
            return set(map(str, read))
        code = {*self.called([stage], self.files), *stage.deps}
        texts = (self._text(path) for path in sorted(code) if path.endswith(pipeline.CODE))
        return {name for text in (*stage.commands, *texts) for name in [_VARIABLE] if name in text}

    @cached_property
    def files(self) -> list[str]:
        """All paths of the state."""
        return [entry.text for entry in self._state.files()]

    def _text(self, path: str) -> str:
        with contextlib.suppress(GitexpError):  # no code is so large
            data = self._state.read(path)
            return "" if data is ABSENT else data.decode("utf-8", "replace")
        return ""

    def makers(self, path: str) -> list[Stage]:
        """Return the stages that make a file, or what lies in it, or a folder with it."""
        return [each for each in self.stages if self.makes(each, path)]

    def recipe(self, stages: Iterable[Stage]) -> str:
        """Return the digest of what stages are and read that no stage makes, but of their seeds."""
        stages, found = [*stages], dict[str, str]()
        code = self.called(stages, self.files) | {dep for each in stages for dep in each.deps}
        pending, named = [*code], NamedFiles(self.files)
        while pending:
            path = pending.pop()
            new = {*named.imported(modules(self._text(path)))} if path.endswith(".py") else set()
            pending += new - code
            code |= new
        for path in sorted(each for each in code if not self.makers(each)):
            found |= content_at(self._state, path)
        values = [self.leaves(each) for each in _params(stages)]
        values += [self.filled(name) for name in sorted(self.templates(stages))]
        made = (self.entries_of(out.path) for each in stages for out in each.outs)
        return _sha(repr(sorted({*made})), repr(sorted(found.items())), *sorted(map(repr, values)))

    def entries_of(self, out: str) -> str:
        """Return the digest of the entries that make an output, whatever they are called."""
        makers = [each.name for each in self.makers(out)]
        plain: list[Json] = [
            [_acting(self._entries.get(name, {})), self._folder, name in self._executed]
            for name in makers
        ]
        return _sha(*sorted(json_dumps_compact(each).decode() for each in plain)) if plain else ""

    def templates(self, stages: Iterable[Stage]) -> set[str]:
        """Return the names whose values are filled into the entries of stages."""
        entries = (self._entries.get(each.name, {}) for each in stages)
        return {name for entry in entries for name in self._references(entry) if self.filled(name)}

    def _references(self, entry: Json) -> set[str]:
        return {_dotted(name) for text in texts_in(entry) for name in _TEMPLATE.findall(text)}

    def filled(self, name: str) -> dict[str, ParamValue]:
        """Return what a template stands for, from wherever it comes, without seeds."""
        found: dict[str, ParamValue] = {}
        for source, values in self._sources:
            with contextlib.suppress(GitexpError):  # it is not there, or no parameter
                value = lookup(values, name)
                for key, leaf in flatten({name: param_json(value)}).items():
                    inline = source == f"{self._path}:vars"
                    found[f"{source}.{key}" if inline else str(ParamKey(source, key))] = leaf
        return {key: leaf for key, leaf in found.items() if key not in self._seeds}

    def called(self, stages: Iterable[Stage], every: Iterable[str]) -> set[str]:
        """Return the files that the commands of stages name: by their paths, else in any folder."""
        known, found = NamedFiles(every), set[str]()
        for stage in stages:
            for text in map(self._filled, stage.commands):
                named = {*known.named(text)}
                paths = {posixpath.normpath(posixpath.join(stage.wdir, w)) for w in text.split()}
                names = {posixpath.basename(each) for each in paths & named}
                found |= {p for p in named if p in paths or posixpath.basename(p) not in names}
        return found

    def _filled(self, text: str, own: Mapping[str, Json] = _NOTHING_OWN) -> str:
        def value(hole: re.Match[str]) -> str:
            name = _dotted(hole[1])
            there: list[object] = [*self.filled(name).values()]
            with contextlib.suppress(GitexpError):
                there = [lookup(own, name)]
            plain = len(there) == 1 and isinstance(there[0], str | int | float)
            said = str(there[0]) if plain else hole[0]
            return said.lower() if there and isinstance(there[0], bool) else said

        return _TEMPLATE.sub(value, text)

    def _fill(self, text: str, own: Mapping[str, Json] = _NOTHING_OWN) -> str:
        return posixpath.normpath(self._filled(text, own)) if "${" in text else text

    def _value(self, written: Json, own: Mapping[str, Json]) -> Json:
        """Return what a group goes over, wherever it stands."""
        if isinstance(written, list | tuple):
            return [self._value(each, own) for each in written]
        if isinstance(written, Mapping):
            return {key: self._value(each, own) for key, each in written.items()}
        hole = _TEMPLATE.fullmatch(written.strip()) if isinstance(written, str) else None
        name = _dotted(hole[1]) if hole else ""
        for values in (own, *(each for _, each in self._sources)) if name else ():
            with contextlib.suppress(GitexpError):
                return param_json(lookup(values, name))
        return self._filled(written, own) if isinstance(written, str) else written

    def _named(self, stage: Stage) -> Stage:
        """Return a stage with the paths that its templates stand for, a group with all of them."""
        body = self._entries.get(stage.name, {}) if self._grouped else {}
        own: dict[str, Json] = {}
        for each in self._own_vars(body):
            own |= mapping(each)
        items = dvcpipeline.group_items(body, partial(self._value, own=own))
        values = [own | each for each in items] or [own]

        def fill(text: str) -> list[str]:
            return [*dict.fromkeys(self._fill(text, each) for each in values)]

        return replace(
            stage,
            deps=tuple(dict.fromkeys(path for dep in stage.deps for path in fill(dep))),
            params=tuple(replace(p, file=file) for p in stage.params for file in fill(p.file)),
            outs=tuple(replace(out, path=path) for out in stage.outs for path in fill(out.path)),
        )

    def leaves(
        self, declared: StageParams, shared: Iterable[StageParams] = ()
    ) -> dict[str, ParamValue]:
        """Return the parameters that a stage declares and no other one does, without seeds."""
        file, keys = declared.file, [self._fill(key) for key in declared.keys]
        if any(self.makes(stage, file) for stage in self.stages):
            return {}
        flat: dict[str, ParamValue] = {}
        with contextlib.suppress(GitexpError):
            flat = flatten(self._parsed(file))
        beside = [each.keys for each in shared if each.file == file]
        return {
            name: value
            for key, value in flat.items()
            if (not keys or _names(keys, key))
            and not any(not theirs or _names(theirs, key) for theirs in beside)
            and (name := str(ParamKey(file, key))) not in self._seeds
        }


def _params(stages: Iterable[Stage]) -> Iterator[StageParams]:
    return (each for stage in stages for each in stage.params)


def _names(declared: Iterable[str], key: str) -> bool:
    """Tell whether a parameter is one of those declared, or lies in a section that is."""
    return any(key == each or key.startswith((f"{each}.", f"{each}[")) for each in declared)


def _acting(entry: Mapping[str, Json]) -> Json:
    """Return what of an entry acts on its output, whichever way it is written."""
    plain = {key: value for key, value in entry.items() if key not in _ASIDE and value is not False}
    if "do" in plain:
        plain["do"] = _acting(mapping(plain["do"]))
    if isinstance(plain.get("cmd"), str):
        plain["cmd"] = [plain["cmd"]]
    names = sorted(listed(plain.pop("params", None)), key=repr)
    return {**plain, **({"params": names} if names else {})}


def _dotted(name: str) -> str:
    return re.sub(r"\[['\"]?([^\]'\"]*)['\"]?\]", r".\1", name.strip())


def _sha(*texts: str) -> str:
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
