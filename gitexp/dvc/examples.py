"""The test examples: what an evaluation reads that no training made.

Of all that one stage reads, what was made last is the model, or what it predicted, and the rest is
data. Who reads the seed, or makes a file with the name of a model, tells where the graph does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from gitexp.dvc.dvcpipeline import touches
from gitexp.dvc.evaluator import FilledPipeline
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.dvc.state import ProjectState
    from gitexp.model.job import Stage

_MODEL: Final = re.compile(
    r".*(?:model|weights|checkpoint|estimator|classifier|regressor).*"
    r"|.*\.(?:pth?|ckpt|onnx|h5|keras|safetensors|joblib|cbm)",
    re.IGNORECASE,
)
_MOST_STAGES: Final = 200  # each is asked what it stands on


@dataclass(frozen=True, slots=True)
class ExamplesRead:
    """Where a reference state has its test examples; paths are relative to the project folder."""

    made: tuple[str, ...] = ()  # outputs of stages
    raw: tuple[str, ...] = ()  # data of DVC that nothing else reads
    read_by: tuple[str, ...] = ()  # outputs of the stages that evaluate and predict


def examples_read(state: ProjectState, metrics: Iterable[str]) -> ExamplesRead:
    """Find the test examples of a reference state. `metrics`: as of `evaluator.evaluator`."""
    read = FilledPipeline(state)
    few = len(read.stages) <= _MOST_STAGES
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
        if stage.name not in reading and not _MODEL.fullmatch(out.path)
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
    return any(_MODEL.fullmatch(out.path) for out in stage.outs)
