"""The pipeline of a state, with the values that fill in its templates; what its stages do.

Git objects are read, and nothing else; templates are filled in here as far as a name or a path
needs it.
"""

from __future__ import annotations

import contextlib
import hashlib
import posixpath
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvcpipeline, pipeline
from gitexp.dvc.acting import NamedFiles, content_at, modules
from gitexp.dvc.dvcpipeline import Pattern, touches
from gitexp.dvc.pipeline import depends_on
from gitexp.dvc.state import Patterns, ProjectState, executed, listed, mapping, texts_in
from gitexp.errors import GitexpError
from gitexp.model import replace
from gitexp.model.config import ParamKey
from gitexp.model.ids import ABSENT, ParamValue
from gitexp.text import params
from gitexp.text.fields import param_json
from gitexp.text.foreign import Steps, with_parents
from gitexp.text.jsontext import Json, json_dumps_compact
from gitexp.text.paramkeys import find, flatten

if TYPE_CHECKING:
    from gitexp.model.job import Stage, StageOut, StageParams

_TEMPLATE = re.compile(r"\$\{([^{}]*)\}")
_PLAIN = re.compile(r"[\w./@=+-]+")
_VARIABLE = "GITEXP_SEED"
_MOST_STEPS: Final = 20_000_000  # letters of what is filled in; seconds
_PATH_STEPS: Final = 50  # of a path of a group, for each of its items: 400,000 of them
_NAME_STEPS: Final = 20  # of a look at what may have a name's value
_NOTHING_OWN: Final[Mapping[str, Json]] = {}
_ASIDE = frozenset(("deps", "outs", "metrics", "plots", "desc", "meta", "always_changed"))


class FilledPipeline:
    """The pipeline of a state, with the values that fill in its templates."""

    def __init__(self, state: ProjectState, *, grouped: bool = True) -> None:
        self._state, self._grouped = state, grouped
        self._path = state.config.pipeline or ""
        self._folder = posixpath.dirname(self._path)
        self._seeds = {str(key) for key in state.config.seed.every}
        self._steps = Steps("the templates of dvc.yaml", self._path, _MOST_STEPS)
        self._known: dict[str, dict[str, ParamValue]] = {}
        data = state.read(self._path) if self._path else ABSENT
        written: tuple[Stage, ...] = ()
        self._top: Mapping[str, Json] = {}
        self.stages: tuple[Stage, ...] = ()
        self._outs: dict[str, Patterns] = {}
        self._above: dict[str, list[Stage]] = {}
        self._taken: dict[str, set[str]] = {}
        self._trained: dict[str, bool] = {}
        with contextlib.suppress(GitexpError):  # `run` says what is wrong with it
            top = {} if data is ABSENT else dvcpipeline.load_mapping(data, self._path)
            self._top = mapping(top)
            if data is not ABSENT:
                written = dvcpipeline.written_stages(data, self._path, self._folder)
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

    def _patterns(self, stage: Stage) -> Patterns:
        if stage.name not in self._outs:
            outs = (Pattern.of(out.path) for out in stage.outs)
            self._outs[stage.name] = Patterns.of(out for out in outs if out.says_something)
        return self._outs[stage.name]

    def makes(self, stage: Stage, file: str) -> bool:
        """Tell whether a stage makes a file, or what lies in it, or a folder with it."""
        return self._patterns(stage).touch(file)

    @cached_property
    def _made(self) -> tuple[dict[str, list[int]], list[str], list[int]]:
        """What stages make, by number: outputs, the same in order, and who has templates left."""
        exact: dict[str, list[int]] = {}
        for number, stage in enumerate(self.stages):
            for path in self._patterns(stage).exact:
                exact.setdefault(path, []).append(number)
        rest = [n for n, stage in enumerate(self.stages) if self._patterns(stage).holes]
        return exact, sorted(exact), rest

    def declares(self, name: str, paths: Iterable[str]) -> bool:
        """Tell whether just these paths are a stage's outputs; of one of a group, may be.

        Where a template is left open, any plain path may stand for it.
        """
        base, _, item = name.partition("@")
        stage = next((each for each in self.stages if each.name == base), None)
        grouped = not self._entries.get(base, {}).keys().isdisjoint(("foreach", "matrix"))
        if stage is None or bool(item) is not grouped:
            return False
        outs = [Pattern.of(posixpath.normpath(out.path)) for out in stage.outs]
        found = {posixpath.normpath(path) for path in paths}
        if not item and all(out.literal for out in outs):
            return found == {out.text for out in outs}
        return all(
            any(out.matches(path) and (out.literal or _PLAIN.fullmatch(path)) for out in outs)
            for path in found
        )

    def trains(self, stage: Stage, numbers: Iterable[str] = ()) -> bool:
        """Tell whether a stage is more than an evaluator: what it evaluates it has made itself.

        `numbers`: of its outputs what is known to be no model.
        """
        above = self.above(stage)
        if not above or pipeline.is_called_training(stage):
            return True
        before = {seed for each in above for seed in self.seeds(each)}
        own = self.seeds(stage) - before
        if own and not (before and pipeline.is_called_evaluating(stage)):
            return True
        return pipeline.makes_model(stage, {*self._told, *self._predicted, *numbers})

    @property
    def _told(self) -> set[str]:
        return {*self._state.config.metrics, *self._state.config.curves}

    @property
    def _predicted(self) -> set[str]:
        predictions = self._state.config.predictions
        return set() if predictions is None else {predictions.path}

    def scores(self, stage: Stage) -> Iterator[tuple[Stage, list[str]]]:
        """Yield the stages of which it reads scores of a model, with the outputs that these are.

        What a stage has measured is known by its kind, by the settings and by names; what a stage
        makes of scores that trains nothing are scores, too. What is made before any training
        speaks of data.
        """
        read_of: dict[str, set[str]] = {}
        for path in _read(stage):
            for maker in self.makers(path):
                read_of.setdefault(maker.name, set()).add(path)
        for maker in (each for each in self.stages if each.name in read_of and each is not stage):
            read = read_of[maker.name]
            outs = self._read_of(maker, read)
            told = [
                out for out in outs if pipeline.is_score(maker, out) or self._is_told(out, read)
            ]
            if not told and any(map(pipeline.is_table, outs)) and self._collects(maker):
                told = [*filter(pipeline.is_table, outs)]
            if told and self._is_after_training(maker):
                yield maker, [out.path for out in told]

    def _read_of(self, maker: Stage, read: set[str]) -> list[StageOut]:
        """Return the outputs of a stage that another one reads, predictions aside."""
        known = Patterns.of(map(Pattern.of, read))
        outs = (out for out in maker.outs if not any(touches(out.path, p) for p in self._predicted))
        return [out for out in outs if known.touch(out.path) or "${" in out.path]

    def _is_told(self, out: StageOut, read: set[str]) -> bool:
        """Tell whether settings call what is read a metrics file; its folder may be the model's."""
        told = self._told
        return out.path in told or any(touches(out.path, each) for each in told & read)

    def _collects(self, stage: Stage) -> bool:
        """Tell whether a stage works with scores and trains nothing."""
        before = (each for each in self.above(stage) if self._is_after_training(each))
        made = ((each, out) for each in before for out in each.outs)
        scored = any(pipeline.is_score(*each) or each[1].path in self._told for each in made)
        return scored and not self.trains(stage)

    @cached_property
    def _learning(self) -> set[str]:
        learn = (e for e in self.stages if pipeline.is_called_training(e) or self.seeds(e))
        return {each.name for each in learn}

    def _is_after_training(self, stage: Stage) -> bool:
        """Tell whether what a stage makes may depend on a model; where none is known, it may."""
        if stage.name not in self._trained:
            names = {stage.name, *(each.name for each in self.above(stage))}
            self._trained[stage.name] = not self._learning or not self._learning.isdisjoint(names)
        return self._trained[stage.name]

    def above(self, stage: Stage) -> list[Stage]:
        """Return the stages that it needs, however indirectly."""
        if stage.name in self._above:
            return self._above[stage.name]
        found, pending = {stage.name: stage}, [stage]
        while pending:
            makers = [each for path in _read(pending.pop()) for each in self.makers(path)]
            new = {each.name: each for each in makers if each.name not in found}
            found |= new
            pending += new.values()
        return self._above.setdefault(stage.name, list(found.values())[1:])

    def seeds(self, stage: Stage) -> set[str]:
        """Return which seeds a stage takes; where no parameter is one, by its code."""
        if stage.name not in self._taken:
            self._taken[stage.name] = self._seeds_of(stage)
        return self._taken[stage.name]

    def _seeds_of(self, stage: Stage) -> set[str]:
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
        exact, ordered, rest = self._made
        found = {n for n in rest if self.makes(self.stages[n], path)}
        found.update(n for each in with_parents(path) for n in exact.get(each, ()))
        below = f"{path}/"
        at = bisect_left(ordered, below)
        while at < len(ordered) and ordered[at].startswith(below):
            found.update(exact[ordered[at]])
            at += 1
        return [self.stages[n] for n in sorted(found)]

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
        values = [self.leaves(each) for each in params_of(stages)]
        values += [self.filled(name) for name in sorted(self.templates(stages))]
        made = (self.entries_of(out.path) for each in stages for out in each.outs)
        return sha(repr(sorted({*made})), repr(sorted(found.items())), *sorted(map(repr, values)))

    def entries_of(self, *outs: str) -> str:
        """Return the digest of the entries that make outputs, whatever they are called."""
        makers = dict.fromkeys(each.name for out in outs for each in self.makers(out))
        plain: list[Json] = [
            [_acting(self._entries.get(name, {})), self._folder, name in self._executed]
            for name in makers
        ]
        return sha(*sorted(json_dumps_compact(each).decode() for each in plain)) if plain else ""

    def templates(self, stages: Iterable[Stage]) -> set[str]:
        """Return the names whose values are filled into the entries of stages."""
        entries = (self._entries.get(each.name, {}) for each in stages)
        return {name for entry in entries for name in self._references(entry) if self.filled(name)}

    def _references(self, entry: Json) -> set[str]:
        return {_dotted(name) for text in texts_in(entry) for name in _TEMPLATE.findall(text)}

    def filled(self, name: str) -> dict[str, ParamValue]:
        """Return what a template stands for, from wherever it comes, without seeds."""
        if name in self._known:
            return self._known[name]
        found: dict[str, ParamValue] = {}
        for source, values in self._sources:
            self._steps.take(_NAME_STEPS, len(self._known))
            value = find(values, name)
            if value is ABSENT:
                continue
            with contextlib.suppress(GitexpError):  # no parameter
                for key, leaf in flatten({name: param_json(value)}).items():
                    inline = source == f"{self._path}:vars"
                    found[f"{source}.{key}" if inline else str(ParamKey(source, key))] = leaf
        self._steps.take(len(found), len(self._known))
        known = {key: leaf for key, leaf in found.items() if key not in self._seeds}
        return self._known.setdefault(name, known)

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
            mine = find(own, name)
            there = there if mine is ABSENT else [mine]
            plain = len(there) == 1 and isinstance(there[0], str | int | float)
            said = str(there[0]) if plain else hole[0]
            return said.lower() if there and isinstance(there[0], bool) else said

        filled = _TEMPLATE.sub(value, text)
        self._steps.take(len(filled), len(self._known))
        return filled

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
            found = find(values, name)
            if found is not ABSENT:
                return param_json(found)
        return self._filled(written, own) if isinstance(written, str) else written

    def _named(self, stage: Stage) -> Stage:
        """Return a stage with the paths that its templates stand for, a group with all of them."""
        body = self._entries.get(stage.name, {}) if self._grouped else {}
        own: dict[str, Json] = {}
        for each in self._own_vars(body):
            own |= mapping(each)
        items = dvcpipeline.group_items(body, partial(self._value, own=own))
        values = [own | each for each in items] or [own]
        paths = len(values) * (len(stage.deps) + len(stage.params) + len(stage.outs))
        self._steps.take(paths * _PATH_STEPS, paths)

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


def _read(stage: Stage) -> tuple[str, ...]:
    return (*stage.deps, *(each.file for each in stage.params))


def params_of(stages: Iterable[Stage]) -> Iterator[StageParams]:
    """Yield what stages declare of parameters."""
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
    return re.sub(r"\[['\"]?([^\[\]'\"]*)['\"]?\]", r".\1", name.strip())


def sha(*texts: str) -> str:
    """Return one digest of several texts."""
    return hashlib.sha256("\0".join(texts).encode("utf-8", "surrogateescape")).hexdigest()
