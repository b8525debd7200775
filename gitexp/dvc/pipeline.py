"""The stages of a pipeline, in the order of their execution, and which stage needs which.

A plain ``dvc.yaml`` is read by us; one with templates, ``foreach`` or ``matrix`` by DVC's own
resolver, in one process for all worktrees that are asked about. Nothing is executed or written.
Stages need each other by outputs and dependencies that are equal or contain each other. Whether a
stage trains is told by its names and by what it makes, where the graph does not.
"""

from __future__ import annotations

import heapq
import json
import posixpath
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvc_config, hashing
from gitexp.dvc.dvcpipeline import NO_PIPELINE, Pipeline, load_pipeline, touches
from gitexp.errors import (
    BadFormatError,
    DataMissingError,
    DvcFailedError,
    NoPipelineError,
    PreconditionError,
    UsageError,
)
from gitexp.git import command
from gitexp.git.discovery import project_folder
from gitexp.model import dataclass
from gitexp.model.job import COMMAND_STAGE, OutKind, Stage, StageOut
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.model.config import ParamKey, ProjectConfig

RESOLVER = Path(__file__).parent / "scripts" / "resolver.py"
TIMEOUT_S = 120
LIMIT_BYTES = 1 << 20
CODE: Final = (".py", ".sh", ".R", ".jl", ".ipynb")
_TRAINING: Final = re.compile(
    r"(?<![a-z])(?:re|pre)?(?:train|trainer|training|fit|fine[_-]?tune|tune|learn)(?![a-z])",
    re.IGNORECASE,
)
_EVALUATING: Final = re.compile(r"eval|scor|test|metric|report|valid|measure|judg", re.IGNORECASE)
_METRICS: Final = re.compile(r"(?<![a-z])metrics?(?![a-z])", re.IGNORECASE)
_ANSWERS: Final = re.compile(r"predict|(?<![a-z])(?:y_?)?preds?(?![a-z])", re.IGNORECASE)
# A stage that makes something else beside its numbers trains; so does one that makes model.json.
_REPORT: Final = re.compile(
    r".*\.(?:[ct]sv|jsonl|ya?ml|md|html|pdf|png|jpg|svg|parquet)|(?!.*model).*\.(?:json|txt|np[yz])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A pipeline, taken apart."""

    executed: tuple[Stage, ...]  # what a run executes, in this order
    # Frozen stages and those that no target needs: their outputs are data to a run.
    apart: tuple[Stage, ...] = ()
    top: Pipeline = NO_PIPELINE  # what stands beside the stages


def look(roots: Sequence[tuple[Path, ProjectConfig]]) -> list[Resolved]:
    """Return the stages of each worktree, if any, and what is beside them, by its settings."""
    read = [_read(root, config) for root, config in roots]
    templated = [
        number for number, one in enumerate(read) if one is not None and (one.needs_dvc or one.open)
    ]
    answers = _ask([roots[number] for number in templated])
    for number, answer in zip(templated, answers, strict=True):
        where, folder = _where(roots[number][1])
        read[number] = load_pipeline(answer, where, folder, resolved=True)
    return [_taken_apart(one, config) for one, (_, config) in zip(read, roots, strict=True)]


def plain(data: bytes, config: ProjectConfig) -> Resolved | None:
    """Return the stages of a ``dvc.yaml``; None where DVC has to resolve them."""
    read = load_pipeline(data, *_where(config))
    return None if read.needs_dvc else _taken_apart(read, config)


def seeded(
    stages: Sequence[Stage],
    seeds: Collection[ParamKey],
    once: Collection[str],
    *,
    named: Collection[str] = (),
) -> frozenset[str]:
    """Return the names of the stages that are executed for every seed.

    `seeds`: the parameters that vary. Without one every stage is executed each time. `once`:
    stages, or groups of them, that the settings want executed once. `named`: stages that have the
    seed in another way, e.g. by a template in their command.
    """
    edges = stage_needs(stages)
    if not seeds:
        found = frozenset(edges)
    else:
        start = {s.name for s in stages if any(depends_on(s, seed) for seed in seeds)}
        found = downstream(edges, start | (set(named) & edges.keys()))
    return frozenset(name for name in found if not any(is_called(name, one) for one in once))


def _read(root: Path, config: ProjectConfig) -> Pipeline | None:
    if config.pipeline is None:
        return None
    file = _file(root, config)
    try:
        data = hashing.read_regular(file, LIMIT_BYTES + 1)
    except DataMissingError as error:
        raise NoPipelineError(
            "the pipeline is not there",
            found="no such file",
            where=posixpath.join(config.project, config.pipeline),
            expected="the file that `pipeline:` of .gitexp/config.yaml names",
            next_step="bring the file back, or mend that line and commit it",
        ) from error
    return load_pipeline(data, *_where(config))


def _file(root: Path, config: ProjectConfig) -> Path:
    return project_folder(root, config.project) / (config.pipeline or "dvc.yaml")


def _where(config: ProjectConfig) -> tuple[str, str]:
    path = config.pipeline or "dvc.yaml"
    return posixpath.join(config.project, path), posixpath.dirname(path)


def _taken_apart(read: Pipeline | None, config: ProjectConfig) -> Resolved:
    if read is None:
        return Resolved(())
    if read.needs_dvc:
        raise DvcFailedError(
            "the pipeline has a stage that DVC alone can execute",
            found=read.why,
            where=_where(config)[0],
            expected="dependencies and outputs that are files of the project",
            next_step="import the data with `dvc import-url`, and depend on the imported file",
        )
    edges = stage_needs(read.stages)
    wanted = selected(read.stages, edges, config.targets, pipeline=config.pipeline or "")
    run = [stage for stage in read.stages if stage.name in wanted and not stage.frozen]
    names = {stage.name for stage in run}
    apart = tuple(stage for stage in read.stages if stage.name not in names)
    return Resolved(in_order(run, edges), apart, read)


def _ask(roots: Sequence[tuple[Path, ProjectConfig]]) -> list[bytes]:
    """Return ``dvc.yaml`` with everything filled in, for each folder; one process for all."""
    if not roots:
        return []
    files = [_file(*each) for each in roots]
    question = [{"file": str(file), "parsing": dict(_parsing(file.parent))} for file in files]

    def failed(found: str) -> DvcFailedError:
        return DvcFailedError(
            "DVC could not resolve the pipeline",
            found=found,
            where=", ".join(map(str, files[:3])),
            next_step="dvc stage list",
        )

    # Templates are told paths relative to where it runs.
    said = by_script(RESOLVER, question, failed, Path(files[0].anchor), TIMEOUT_S)
    answers: list[dict[str, object]] = json.loads(said)
    for (_, config), answer in zip(roots, answers, strict=True):
        if "error" in answer:
            raise BadFormatError(
                "the pipeline cannot be resolved",
                found=str(answer["error"])[:1000],
                where=_where(config)[0],
                expected="templates whose values are in params.yaml or vars, and lists or mappings "
                "that are not empty for foreach and matrix",
                next_step="mend it, or what it reads, then the same again",
            )
    return [_as_yaml(answer) for answer in answers]


def _as_yaml(answer: Mapping[str, object]) -> bytes:
    """Return JSON that YAML reads alike: pairs of surrogates are none there."""
    text = json.dumps(answer, ensure_ascii=False)
    return "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in text).encode()


def _parsing(folder: Path) -> Mapping[str, str]:
    """Return how a mapping in a command is spelt, as what is committed says: that is an input."""
    try:
        dvc_dir = dvc_config.find_dvc_dir(folder)
    except PreconditionError:
        return {}
    return dvc_config.parse(dvc_config.content(dvc_dir / "config")).get(dvc_config.PARSING, {})


def by_script(
    script: Path,
    question: object,
    failed: Callable[[str], DvcFailedError],
    folder: Path,
    timeout_s: float | None = None,
) -> bytes:
    """Return what a script of ours, which imports DVC, answers in a process of its own."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(script)],
            input=json.dumps(question).encode(),
            capture_output=True,
            cwd=folder,
            env=command.environment({"GIT_LITERAL_PATHSPECS": "0", "DVC_NO_ANALYTICS": "true"}),
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise failed(str(error)) from error
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        raise failed(last[:1000])
    return done.stdout


StageNeeds = dict[str, set[str]]  # stage -> stages whose outputs it reads


def stage_needs(stages: Sequence[Stage]) -> StageNeeds:
    """Return for each stage those that it reads from; one may write a params file, too."""
    makers: dict[str, str] = {}
    for stage in stages:
        for out in stage.outs:
            if out.path in makers:
                raise _overlap(out.path, makers[out.path], stage.name)
            makers[out.path] = stage.name
    below: dict[str, set[str]] = {}
    for path, name in makers.items():
        for parent in with_parents(path)[1:]:
            if parent in makers:
                raise _overlap(parent, makers[parent], name)
            below.setdefault(parent, set()).add(name)
    found: StageNeeds = {}
    for stage in stages:
        mine = found.setdefault(stage.name, set())
        for path in (*stage.deps, *(params.file for params in stage.params)):
            mine |= below.get(path, set())
            mine |= {makers[one] for one in with_parents(path) if one in makers}
        mine.discard(stage.name)
    return found


def in_order(stages: Sequence[Stage], edges: StageNeeds) -> tuple[Stage, ...]:
    """Return `stages` so that each comes after those it needs; else in their own order."""
    index = {stage.name: number for number, stage in enumerate(stages)}
    waiting = {name: len(edges[name] & index.keys()) for name in index}
    readers: dict[str, list[str]] = {}
    for name in index:
        for needed in edges[name] & index.keys():
            readers.setdefault(needed, []).append(name)
    ready = [index[name] for name, count in waiting.items() if count == 0]
    heapq.heapify(ready)
    done: list[Stage] = []
    while ready:
        stage = stages[heapq.heappop(ready)]
        done.append(stage)
        for name in readers.get(stage.name, ()):
            waiting[name] -= 1
            if waiting[name] == 0:
                heapq.heappush(ready, index[name])
    if len(done) < len(stages):
        left = sorted(index.keys() - {stage.name for stage in done})
        raise BadFormatError(
            "stages need each other in a circle",
            found=", ".join(left[:10]),
            where="dvc.yaml",
            expected="outputs that come before what depends on them",
        )
    return tuple(done)


def selected(
    stages: Sequence[Stage], edges: StageNeeds, targets: Sequence[str], *, pipeline: str
) -> frozenset[str]:
    """Return the names of the targets and of all that they need; all where there is no target.

    A target is a stage, a group of ``foreach`` or ``matrix`` stages, or an output's path. What
    lies behind a frozen stage is not needed.

    Raises `UsageError` if a target is none of these.
    """
    if not targets:
        return frozenset(stage.name for stage in stages)
    found: set[str] = set()
    for target in targets:
        name = target.removeprefix(f"{pipeline}:").removeprefix(":")
        hits = {stage.name for stage in stages if is_called(stage.name, name)} or {
            stage.name for stage in stages if any(out.path == name for out in stage.outs)
        }
        if not hits:
            raise UsageError(
                "a target is no stage of the pipeline",
                found=target,
                where=f"{pipeline}, .gitexp/config.yaml",
                expected=", ".join(stage.name for stage in stages[:20]),
            )
        found |= hits
    frozen = {stage.name for stage in stages if stage.frozen}
    pending = list(found)
    while pending:
        name = pending.pop()
        if name not in frozen:
            new = edges[name] - found
            found |= new
            pending.extend(new)
    return frozenset(found)


def downstream(edges: Mapping[str, Collection[str]], start: Iterable[str]) -> frozenset[str]:
    """Return `start` and everything that reads from it, however indirectly."""
    readers: dict[str, list[str]] = {}
    for name, needed in edges.items():
        for one in needed:
            readers.setdefault(one, []).append(name)
    found = set(start)
    pending = list(found)
    while pending:
        for name in readers.get(pending.pop(), ()):
            if name not in found:
                found.add(name)
                pending.append(name)
    return frozenset(found)


def depends_on(stage: Stage, seed: ParamKey) -> bool:
    """Tell whether a stage depends on a parameter: by key, parent key, or the whole file."""
    if any(path == seed.file or seed.file.startswith(f"{path}/") for path in stage.deps):
        return True
    return any(
        params.file == seed.file
        and (not params.keys or any(_overlaps(key, seed.key) for key in params.keys))
        for params in stage.params
    )


def is_called(name: str, pattern: str) -> bool:
    """Tell whether a stage has this name or belongs to the group of this name.

    >>> is_called("each@a", "each"), is_called("each@a", "each@b")
    (True, False)
    """
    return name == pattern or name.rpartition("@")[0] == pattern


def _overlaps(declared: str, key: str) -> bool:
    return (
        declared == key
        or key.startswith((f"{declared}.", f"{declared}["))
        or declared.startswith((f"{key}.", f"{key}["))
    )


def _overlap(path: str, one: str, other: str) -> BadFormatError:
    if one == other == COMMAND_STAGE:
        return BadFormatError(
            "two outputs overlap",
            found=f"{path}, and what lies in it",
            where="outputs: in .gitexp/config.yaml",
            expected="outputs that lie beside each other: a folder stands for what is in it",
        )
    return BadFormatError(
        "two outputs of the pipeline overlap",
        found=f"{path}, of {one} and {other}",
        where="dvc.yaml",
        expected="outputs that lie beside each other",
    )


def is_called_training(stage: Stage) -> bool:
    """Tell whether a stage, or a script of it, is called train or fit, and none evaluate."""
    return any(map(_TRAINING.search, _names(stage))) and not is_called_evaluating(stage)


def is_called_evaluating(stage: Stage) -> bool:
    """Tell whether a stage, or a script of it, has a name such as evaluate or test."""
    return any(map(_EVALUATING.search, _names(stage)))


def makes_model(stage: Stage, told: Collection[str]) -> bool:
    """Tell whether a stage makes more than reports. `told`: what settings say of its numbers."""
    return any(
        out.kind is OutKind.OUT
        and not any(touches(out.path, each) for each in told)
        and not _is_report(out.path)
        for out in stage.outs
    )


def is_score(stage: Stage, out: StageOut) -> bool:
    """Tell whether an output is what an evaluation has measured, and not what a model answers."""
    if out.kind is OutKind.METRIC:
        return True
    named = is_called_evaluating(stage) or _METRICS.search(out.path)
    return bool(named) and not _ANSWERS.search(out.path)


def is_table(out: StageOut) -> bool:
    """Tell whether an output is called as numbers may be, and not as a model or its answers are."""
    return _is_report(out.path) and not _ANSWERS.search(out.path)


def _is_report(path: str) -> bool:
    return _REPORT.fullmatch(posixpath.basename(path)) is not None


def _names(stage: Stage) -> Iterator[str]:
    yield stage.name.partition("@")[0]
    for word in " ".join(stage.commands).split():
        if word.endswith(CODE):
            yield posixpath.splitext(posixpath.basename(word))[0]
