"""Jobs of a side: one for each seed that a call executes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.dvc import pipeline
from gitexp.dvc.stage_records import UNCACHED_LIMIT_BYTES
from gitexp.errors import PreflightError
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT
from gitexp.model.job import COMMAND_STAGE, Given, Job, Outcome, OutKind, Stage, StageOut
from gitexp.model.run import RepeatState

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gitexp.dvc.state import ProjectState
    from gitexp.execution.run_sources import RunSource
    from gitexp.model.config import ParamKey, ProjectConfig, SeedRule


# Stands for the seed while DVC fills in templates; replaced by the real one in each job. The
# second of several seed parameters has the next number, and so on.
SEED_MARK = 748_291_365_017


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """What all jobs of one side share; `seeded` names the stages executed for every seed."""

    job: Job
    source: RunSource
    seeded: frozenset[str]

    def of_seed(self, seed: int, label: str) -> Job:
        """Return the job of one seed, which executes every stage of the template."""
        rule, seeds = self.source.config.seed, self.source.seeds(seed)
        varied = {key: seeds[key] for key in rule.params}
        return replace(
            self.job,
            seed=seed,
            label=label,
            stages=tuple(
                replace(
                    stage, commands=tuple(without_marks(x, rule, varied) for x in stage.commands)
                )
                for stage in self.job.stages
            ),
            edits={**self.job.edits, **varied},
            seeds={str(key): value for key, value in seeds.items()} if rule.is_vector else {},
        )


def command_stage(command: str, outputs: Sequence[str], metrics: Sequence[str]) -> Stage:
    """Return the one stage of a project that has a command and no pipeline."""
    from_outputs = [StageOut(path) for path in outputs]
    from_metrics = [
        StageOut(path, OutKind.METRIC, cache=False)
        for path in metrics
        if not lies_in(path, outputs)
    ]
    return Stage(COMMAND_STAGE, (command,), outs=(*from_outputs, *from_metrics))


def later_jobs(
    template: JobTemplate,
    seeds: Sequence[int],
    labels: Sequence[str],
    first: Outcome | None,
    made: tuple[str, ...] = (),
) -> tuple[Job, ...]:
    """Return the jobs of the other seeds; None for `first`: it failed, all is executed again.

    Of one that failed there is what it made of the stages that no seed reaches.
    """
    pairs = tuple(zip(seeds, labels, strict=True))
    if first is None:
        return tuple(template.of_seed(seed, label) for seed, label in pairs)
    job = template.job
    again = template.seeded | _too_large_to_give(job.stages, first)
    records = [record for record in first.stages if record.name not in again]
    done = {
        out.path: Given(out.path, out.md5, record.name, out.isexec)
        for record in records
        for out in record.outs
    }
    given = {record.name for record in records}
    shorter = replace(
        job,
        stages=tuple(stage for stage in job.stages if stage.name not in given),
        given=(*job.given, *done.values()),
        made=made,
    )
    rest = replace(template, job=shorter)
    failed = first.state is not RepeatState.FINISHED
    return tuple(
        replace(rest.of_seed(seed, label), whole=failed or seed == template.source.committed_seed)
        for seed, label in pairs
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


def kept_paths(
    stages: Sequence[Stage], metrics: Sequence[str], data: Sequence[str]
) -> tuple[str, ...]:
    """Return the metrics and other outputs without a cache: of DVC's, Git may hold no part."""
    uncached = [out.path for stage in stages for out in stage.outs if not out.cache]
    cached = [out.path for stage in stages for out in stage.outs if out.cache]
    wanted = dict.fromkeys([*metrics, *uncached])
    return tuple(path for path in wanted if not lies_in(path, (*cached, *data)))


def saved_paths(
    stages: Sequence[Stage], own: Sequence[str], others: Sequence[str]
) -> tuple[str, ...]:
    """Return the outputs that every repeat of a side keeps.

    `own`: what its settings name. `others`: what the candidate's do, which a baseline that is older
    than they are keeps, too, where it has such an output.
    """
    cached = [out.path for stage in stages for out in stage.outs if out.cache]
    if lacking := next((path for path in own if path not in cached), ""):
        raise PreflightError(
            "no stage that a run executes has this output in DVC's cache",
            found=lacking,
            where="run.keep in .gitexp/config.yaml",
            expected=", ".join(cached[:10]) or "an output of a stage",
            next_step="name an output as dvc.yaml has it, or take it out of run.keep; and commit",
        )
    return tuple(path for path in dict.fromkeys((*own, *others)) if path in cached)


def lies_in(path: str, outputs: Collection[str]) -> bool:
    """Tell whether a path is one of these outputs, or below one."""
    return any(path == out or path.startswith(f"{out.rstrip('/')}/") for out in outputs)


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


def plain_stages(state: ProjectState) -> pipeline.Resolved | None:
    """Return the stages of a tree; None where DVC has to resolve them."""
    config = state.config
    if stage := lone_stage(config):
        return pipeline.Resolved((stage,))
    text = ABSENT if config.pipeline is None else state.read(config.pipeline)
    return None if text is ABSENT else pipeline.plain(text, config)


def lone_stage(config: ProjectConfig) -> Stage | None:
    """Return the one stage of a project without a pipeline."""
    if config.command is None or config.pipeline is not None:
        return None
    return command_stage(config.command, config.outputs, config.metrics)
