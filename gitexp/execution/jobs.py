"""Plans jobs: seeds x one composed source -> Job values. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.dvc.snapshot import UNCACHED_LIMIT_BYTES
from gitexp.execution.workdir import ATTEMPT
from gitexp.model.job import COMMAND_STAGE, Given, Job, OutKind, Stage, StageOut

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitexp.execution.run_sources import Cell
    from gitexp.model.config import ParamKey, SeedRule
    from gitexp.model.ids import ParamValue, RunId
    from gitexp.model.job import LinkedPath, Outcome

# Stands for the seed while DVC fills in templates; replaced by the real one in each job. The
# second of several seed parameters has the next number, and so on.
SEED_MARK = 748_291_365_017


@dataclass(frozen=True, slots=True)
class Setting:
    """What all jobs of one side share.

    Attributes
    ----------
    stages : tuple of Stage
        In the order of execution; commands may hold `marks` of seeds.
    seeded : frozenset of str
        Names of the stages that are executed for every seed.
    keep : tuple of str
        What Git will hold of the snapshot.
    """

    run: RunId
    cell: Cell
    stages: tuple[Stage, ...]
    seeded: frozenset[str]
    slots: tuple[str, ...]
    python: str
    import_paths: tuple[str, ...]
    given: tuple[Given, ...]
    keep: tuple[str, ...]
    links: tuple[LinkedPath, ...]
    data_pointers: tuple[str, ...]
    cache_dir: str
    cache_types: tuple[str, ...]
    repository: str
    timeout_s: float | None
    variables: Mapping[str, str]
    expect_metrics: tuple[str, ...]
    overrides: Mapping[ParamKey, ParamValue]
    left_out: tuple[str, ...] = ()


def command_stage(command: str, outputs: Sequence[str], metrics: Sequence[str]) -> Stage:
    """Return the one stage of a project that has a command and no pipeline.

    `outputs`: declared outputs, kept in the DVC cache.
    """
    from_outputs = [stage_out(path, cache=True) for path in outputs]
    from_metrics = [stage_out(path, cache=False) for path in metrics if not lies_in(path, outputs)]
    return Stage(COMMAND_STAGE, (command,), outs=(*from_outputs, *from_metrics))


def first_job(setting: Setting, seed: int, label: str) -> Job:
    """Return the job that executes every stage."""
    return _job(setting, seed, label, setting.stages, setting.given)


def later_jobs(
    setting: Setting,
    seeds: Sequence[int],
    labels: Sequence[str],
    first: Outcome | None,
    made: str = "",
) -> tuple[Job, ...]:
    """Return the jobs of the other seeds, which find what ran once in the cache.

    `first`: of the first repeat; None where it failed, so that everything is executed again, and
    any repeat may be the one of which all outputs are kept.
    """
    if first is None:
        return tuple(
            first_job(setting, seed, label) for seed, label in zip(seeds, labels, strict=True)
        )
    again = setting.seeded | _too_large_to_give(setting.stages, first)
    seeded = tuple(stage for stage in setting.stages if stage.name in again)
    done = {
        out.path: Given(out.path, out.md5, record.name, out.isexec)
        for record in first.stages
        if record.name not in again
        for out in record.outs
    }
    given = (*setting.given, *done.values())
    return tuple(
        replace(
            _job(setting, seed, label, seeded, given),
            made=(made,),
            whole=seed == setting.cell.committed_seed,
        )
        for seed, label in zip(seeds, labels, strict=True)
    )


def _too_large_to_give(stages: Sequence[Stage], first: Outcome) -> frozenset[str]:
    """Return stages with an output that is neither in the cache nor small: each repeat makes it."""
    uncached = {out.path for stage in stages for out in stage.outs if not out.cache}
    return frozenset(
        record.name
        for record in first.stages
        for out in record.outs
        if out.path in uncached and (out.nfiles is not None or out.size > UNCACHED_LIMIT_BYTES)
    )


def _job(
    setting: Setting, seed: int, label: str, stages: Sequence[Stage], given: tuple[Given, ...]
) -> Job:
    config = setting.cell.config
    seeds = setting.cell.seeds(seed)
    varied = {key: seeds[key] for key in config.seed.params}
    return Job(
        run=setting.run,
        label=label,
        attempt=ATTEMPT,
        seed=seed,
        commit=setting.cell.commit,
        tree=setting.cell.tree,
        project=config.project,
        slots=setting.slots,
        stages=tuple(_with_seeds(stage, config.seed, varied) for stage in stages),
        python=setting.python,
        import_paths=setting.import_paths,
        edits={**setting.overrides, **varied},
        seed_arg=config.seed.arg,
        given=given,
        links=setting.links,
        metrics=config.metrics,
        predictions=config.predictions,
        curves=config.curves,
        evaluation=config.evaluation,
        data_pointers=setting.data_pointers,
        keep=setting.keep,
        cache_dir=setting.cache_dir,
        cache_types=setting.cache_types,
        repository=setting.repository,
        timeout_s=setting.timeout_s,
        variables=setting.variables,
        expect_metrics=setting.expect_metrics,
        seeds={str(key): seeds[key] for key in seeds} if config.seed.is_vector else {},
        left_out=setting.left_out,
    )


def kept_paths(
    stages: Sequence[Stage], metrics: Sequence[str], data: Sequence[str]
) -> tuple[str, ...]:
    """Return the paths that Git may hold: metrics and other outputs without a cache.

    What lies in an output of DVC is DVC's: `dvc repro` refuses an output of which Git holds a part.
    """
    uncached = [out.path for stage in stages for out in stage.outs if not out.cache]
    cached = [out.path for stage in stages for out in stage.outs if out.cache]
    wanted = dict.fromkeys([*metrics, *uncached])
    return tuple(path for path in wanted if not lies_in(path, (*cached, *data)))


def lies_in(path: str, outputs: Sequence[str]) -> bool:
    """Tell whether a path is one of these outputs, or below one."""
    return any(path == out or path.startswith(f"{out.rstrip('/')}/") for out in outputs)


def stage_out(path: str, *, cache: bool) -> StageOut:
    """Return an output as DVC would declare it: uncached ones are metrics."""
    return StageOut(path, OutKind.OUT if cache else OutKind.METRIC, cache=cache)


def marks(rule: SeedRule) -> dict[ParamKey, int]:
    """Return what stands for each seed while templates are filled in."""
    return {key: SEED_MARK + number for number, key in enumerate(rule.params)}


def mentions_seed(stages: Sequence[Stage], rule: SeedRule) -> Collection[str]:
    """Return the names of stages into whose command a template wrote a seed."""
    found = {str(mark) for mark in marks(rule).values()}
    return {
        stage.name
        for stage in stages
        if any(mark in text for text in stage.commands for mark in found)
    }


def without_marks(text: str, rule: SeedRule, values: Mapping[ParamKey, int] | None = None) -> str:
    """Put seeds where their marks are; without values what people read: ``{seed}``."""
    for key, mark in marks(rule).items():
        shown = f"{{{key}}}" if len(rule.params) > 1 else "{seed}"
        text = text.replace(str(mark), shown if values is None else str(values[key]))
    return text


def _with_seeds(stage: Stage, rule: SeedRule, values: Mapping[ParamKey, int]) -> Stage:
    commands = tuple(without_marks(text, rule, values) for text in stage.commands)
    return stage if commands == stage.commands else replace(stage, commands=commands)
