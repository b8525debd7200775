"""The evaluator: what turns the output of a model into the planned metric.

A plan freezes it: the stage that makes the metrics file and those before it that make the scores
which it reads: their entries, the parameters and variables that these stages alone read, and those
of their dependencies that are single files and nobody else's. What is frozen is found in one state,
the reference, and read in others by the names found there: no state can take anything out by what
it declares itself.

And the test examples: what an evaluation reads that no training made. Of all that one stage reads,
what was made last is the model, or what it predicted, and the rest is data. Who reads the seed, or
makes a file with the name of a model, tells where the graph does not.
"""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from gitexp.dvc.acting import (
    Imports,
    attributes,
    content_at,
    imported,
    instead,
    module,
    single_files,
)
from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.filled import FilledPipeline, params_of, sha
from gitexp.model import dataclass, field, replace
from gitexp.model.ids import ABSENT, ParamValue
from gitexp.model.job import Stage, StageParams
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gitexp.dvc.state import ProjectState

NOTHING: Final = "none"  # in a plan's `frozen`: the evaluation is not
# By which an evaluator is found. 3: one stage that trains, of those that may make the metric, hid
# the others; 2: without the stages before the metric's.
RULE: Final = 4
_EACH: Final = 4  # from it on each file that may give the metric is asked about by itself
_LAST_ALONE: Final = 2
BY_NAME: Final = 1  # before: outputs of groups of stages were known by name alone
MADE: Final = "made by a stage"  # instead of a digest
SETTINGS: Final = ".gitexp/config.yaml"
_NO_FILE: Final = "no metrics file gives its metric"
_MOST_STAGES = 1_000
_MOST_OF_EXAMPLES: Final = 200  # each is asked what it stands on
_MODEL: Final = re.compile(
    r"model|weights|checkpoint|estimator|classifier|regressor"
    r"|\.(?:pth?|ckpt|onnx|h5|keras|safetensors|joblib|cbm)\Z",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Evaluator:
    """What a reference state fixes of the evaluation; paths are relative to the project folder."""

    pipeline: str = ""
    makers: tuple[tuple[str, str], ...] = ()  # stage -> the metrics file that it makes
    scores: tuple[tuple[str, tuple[str, ...]], ...] = ()  # stage before these -> what they read
    files: tuple[str, ...] = ()
    params: tuple[StageParams, ...] = ()
    shared: tuple[StageParams, ...] = ()  # that other stages read, too
    imports: Imports = field(default_factory=Imports)  # of the files
    templates: tuple[str, ...] = ()  # names of which the stage's entry has the values
    named: tuple[str, ...] = ()  # what the plan adds
    columns: bool = False  # whether settings say what the columns of predictions mean
    lacking: str = ""  # why a stage that makes the metric, or its scores, is not frozen
    seeded: bool = False  # a frozen stage takes the seed: it may train, and not look like it
    rule: int = RULE


def evaluator(
    state: ProjectState,
    metrics: Iterable[str],
    named: Collection[str],
    *,
    rule: int = RULE,
    sure: bool = True,
) -> Evaluator:
    """Find the evaluator in a reference state.

    `metrics`: files that give the planned metric; where it is not `sure`, one of them does.
    `named`: what a plan adds, or `NOTHING`.
    """
    if NOTHING in named:
        return Evaluator(lacking="as its plan says")
    columns = state.config.predictions is not None
    found = Evaluator(state.config.pipeline or "", named=tuple(named), columns=columns, rule=rule)
    if state.config.pipeline is None:
        return replace(found, lacking="one command trains and evaluates")
    read, makers = FilledPipeline(state, grouped=rule > BY_NAME), dict[str, str]()
    unknown = ""
    if len(read.stages) > _MOST_STAGES:
        return replace(found, lacking=f"more than {_MOST_STAGES} stages")
    for file in metrics:
        stages = [each for each in read.stages if read.makes(each, file)]
        training = [each.name for each in stages if read.trains(each)]
        if not stages or training:
            why = f"{training[0]} trains and evaluates" if stages else f"no stage makes {file}"
            found = found if found.lacking else replace(found, lacking=why)
            if sure or rule < _EACH:
                return found
            if training:
                said = f"{training[0]} trains, and whether its {file} has the metric is not known"
                unknown = unknown or said
            continue
        makers |= {each.name: file for each in stages}
    if not makers:
        return found if found.lacking else replace(found, lacking=_NO_FILE)
    if state.config.predictions is not None:
        path = state.config.predictions.path
        more = (each for each in read.stages if read.makes(each, path) and not read.trains(each))
        makers = {**{each.name: path for each in more}, **makers}
    scores, lacking = _scored(read, makers) if rule > _LAST_ALONE else ({}, "")
    names = {*makers, *scores}
    mine = [each for each in read.stages if each.name in names]
    others = [each for each in read.stages if each.name not in names]
    outs = [out.path for each in read.stages for out in each.outs]
    theirs = {dep for each in others for dep in each.deps}
    called, beside = (read.called(some, read.files) for some in (mine, others))
    by_key = {*state.config.params, *(each.file for each in params_of(read.stages))}
    deps = dict.fromkeys(dep for each in mine for dep in each.deps)
    deps |= dict.fromkeys(sorted(called - beside - by_key))
    own = [d for d in deps if d not in theirs and not read.is_made(d, outs)]
    by_value = [dep for dep in own if dep in state.config.params]
    files = tuple(dict.fromkeys(single_files(state, [d for d in own if d not in by_value])))
    return replace(
        found,
        makers=tuple(makers.items()),
        scores=tuple((name, tuple(outs)) for name, outs in scores.items()),
        lacking=lacking or unknown,
        files=files,
        imports=imported(state, files, read.files, outs),
        params=(*params_of(mine), *(StageParams(dep, ()) for dep in by_value)),
        shared=(*params_of(others), *(StageParams(dep, ()) for dep in theirs)),
        templates=tuple(sorted(read.templates(mine) - read.templates(others))),
        seeded=any(map(read.seeds, mine)),
    )


def _scored(
    read: FilledPipeline, makers: Collection[str]
) -> tuple[dict[str, dict[str, None]], str]:
    """Return the stages whose scores some stages read, however indirectly; and what is lacking."""
    found: dict[str, dict[str, None]] = {}
    lacking, pending = "", [each for each in read.stages if each.name in makers]
    while pending:
        for maker, outs in read.scores(pending.pop()):
            if maker.name in makers:
                continue
            if maker.name not in found and read.trains(maker, outs):
                lacking = lacking or f"{maker.name} trains and evaluates"
                continue
            pending += [] if maker.name in found else [maker]
            found.setdefault(maker.name, {}).update(dict.fromkeys(outs))
    return found, lacking


def content(
    found: Evaluator,
    state: ProjectState,
    overrides: Mapping[str, ParamValue] | None = None,
    installed: Iterable[str] = (),
) -> dict[str, str]:
    """Return what a state has at each frozen name: a digest, "" for nothing.

    `overrides`: parameters laid over it, by `ParamKey`. `installed`: what its imports import.
    """
    read, ids = FilledPipeline(state, grouped=found.rule > BY_NAME), dict[str, str]()
    config = state.config
    given = {*config.metrics, *(() if config.predictions is None else (config.predictions.path,))}
    for stage, out in found.makers:
        ids[f"{found.pipeline}:{stage}"] = read.entries_of(out)
        ids |= {} if out in given else {f"{SETTINGS}:metrics": "without"}
    for stage, scores in found.scores:
        ids[f"{found.pipeline}:{stage}"] = read.entries_of(*scores)
    if found.columns:
        ids[f"{SETTINGS}:predictions"] = sha(repr(config.predictions))
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
    return ids | {name: sha(repr(value)) for name, value in values.items()}


def differing(one: Mapping[str, str], other: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names at which two states have other content."""
    return tuple(n for n in sorted({*one, *other}) if one.get(n, "") != other.get(n, ""))


@dataclass(frozen=True, slots=True)
class ExamplesRead:
    """Where a reference state has its test examples; paths are relative to the project folder."""

    made: tuple[str, ...] = ()  # outputs of stages
    raw: tuple[str, ...] = ()  # data of DVC that nothing else reads
    read_by: tuple[str, ...] = ()  # outputs of the stages that evaluate and predict


def examples_read(state: ProjectState, metrics: Iterable[str]) -> ExamplesRead:
    """Find the test examples of a reference state. `metrics`: as of `evaluator.evaluator`."""
    read = FilledPipeline(state)
    few = len(read.stages) <= _MOST_OF_EXAMPLES
    pending = [stage for file in metrics for stage in read.makers(file) if few]
    reading: dict[str, Stage] = {}
    models: set[str] = set()
    data: dict[str, Stage] = {}
    while pending:
        stage = pending.pop()
        trains = not reading and read.trains(stage)
        reading[stage.name] = stage
        makers, last = _makers(read, stage)
        data |= makers
        if trains:
            continue
        told = [each for each in last if read.seeds(each) or _makes_model(each)]
        predicting = [each for each in last if each not in told and _predicts(read, each)]
        models |= {each.name for each in told or last if each not in predicting}
        pending += [each for each in predicting if each.name not in reading]
    deps = {dep for each in reading.values() for dep in each.deps}
    others = {dep for each in read.stages if each.name not in reading for dep in each.deps}
    made = [
        out.path
        for stage in data.values()
        if models.isdisjoint(each.name for each in (stage, *read.above(stage)))
        for out in stage.outs
        if stage.name not in reading and not _MODEL.search(out.path)
        if any(touches(out.path, dep) for dep in deps)
    ]
    raw = [dep for dep in deps - others if state.entry(state.at(f"{dep}.dvc")) is not ABSENT]
    if any("${" in path for path in made):  # nobody can look it up
        return ExamplesRead()
    by = (out.path for each in reading.values() for out in each.outs)
    return ExamplesRead(tuple(dict.fromkeys(made)), tuple(sorted(raw)), tuple(by))


def recipes(state: ProjectState, paths: Iterable[str], *, upstream: bool) -> str:
    """Return the digest of the stages that make some files; `upstream`: and of all before them."""
    read = FilledPipeline(state)
    found = {each.name: each for path in paths for each in read.makers(path)}
    if upstream:
        found |= {each.name: each for stage in (*found.values(),) for each in read.above(stage)}
    return read.recipe(found.values())


def _makers(read: FilledPipeline, stage: Stage) -> tuple[dict[str, Stage], list[Stage]]:
    """Return the stages of which a stage reads outputs, and those that no other of them needs."""
    found = {each.name: each for dep in stage.deps for each in read.makers(dep)}
    found.pop(stage.name, None)
    needed = {each.name for maker in found.values() for each in read.above(maker)}
    return found, [each for name, each in found.items() if name not in needed]


def _predicts(read: FilledPipeline, stage: Stage) -> bool:
    """Tell whether a stage reads a model and data."""
    makers, last = _makers(read, stage)
    return len(makers) > len(last) or any(map(_makes_model, last))


def _makes_model(stage: Stage) -> bool:
    return any(_MODEL.search(out.path) for out in stage.outs)
