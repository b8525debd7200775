"""Jobs of a side: which seeds a call executes, and a job for each. Pure.

The committed seed s is the first, then s + 1, s + 2, ... Where several parameters vary and the
first repeat has other values of them, those numbers are passed over: two repeats share no seed.
A seed that was seen outside the plan is *spent*: it cannot count for the candidate any more,
because choosing a candidate by a seed and testing it on the same seed finds differences that are
not there. Which seeds count and which are spent says `comparison.eligible`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.dvc.snapshot import UNCACHED_LIMIT_BYTES
from gitexp.model.job import COMMAND_STAGE, Given, OutKind, Stage, StageOut

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gitexp.execution.run_sources import Cell
    from gitexp.model.config import ParamKey, SeedRule
    from gitexp.model.job import Job, Outcome


# Stands for the seed while DVC fills in templates; replaced by the real one in each job. The
# second of several seed parameters has the next number, and so on.
SEED_MARK = 748_291_365_017


@dataclass(frozen=True, slots=True)
class JobTemplate:
    """What all jobs of one side share.

    `job` is of no seed yet: its commands may hold `marks` of seeds, and `edits` are the overrides.
    `seeded` names the stages that are executed for every seed.
    """

    job: Job
    cell: Cell
    seeded: frozenset[str]

    def of_seed(self, seed: int, label: str) -> Job:
        """Return the job of one seed, which executes every stage of the template."""
        rule, seeds = self.cell.config.seed, self.cell.seeds(seed)
        varied = {key: seeds[key] for key in rule.params}
        return replace(
            self.job,
            seed=seed,
            label=label,
            stages=tuple(_with_seeds(stage, rule, varied) for stage in self.job.stages),
            edits={**self.job.edits, **varied},
            seeds={str(key): value for key, value in seeds.items()} if rule.is_vector else {},
        )


def command_stage(command: str, outputs: Sequence[str], metrics: Sequence[str]) -> Stage:
    """Return the one stage of a project that has a command and no pipeline.

    `outputs`: declared outputs, kept in the DVC cache.
    """
    from_outputs = [stage_out(path, cache=True) for path in outputs]
    from_metrics = [stage_out(path, cache=False) for path in metrics if not lies_in(path, outputs)]
    return Stage(COMMAND_STAGE, (command,), outs=(*from_outputs, *from_metrics))


def later_jobs(
    template: JobTemplate,
    seeds: Sequence[int],
    labels: Sequence[str],
    first: Outcome | None,
    made: str = "",
) -> tuple[Job, ...]:
    """Return the jobs of the other seeds, which find what ran once in the cache.

    `first`: of the first repeat; None where it failed, so that everything is executed again, and
    any repeat may be the one of which all outputs are kept.
    """
    pairs = tuple(zip(seeds, labels, strict=True))
    if first is None:
        return tuple(template.of_seed(seed, label) for seed, label in pairs)
    job = template.job
    again = template.seeded | _too_large_to_give(job.stages, first)
    done = {
        out.path: Given(out.path, out.md5, record.name, out.isexec)
        for record in first.stages
        if record.name not in again
        for out in record.outs
    }
    shorter = replace(
        job,
        stages=tuple(stage for stage in job.stages if stage.name in again),
        given=(*job.given, *done.values()),
        made=(made,),
    )
    rest = replace(template, job=shorter)
    return tuple(
        replace(rest.of_seed(seed, label), whole=seed == template.cell.committed_seed)
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


@dataclass(frozen=True, slots=True)
class SeedChoice:
    """The seeds of one side."""

    run: tuple[int, ...]  # to execute now, in this order
    counting: tuple[int, ...]  # count already
    spent: tuple[int, ...]  # skipped, or executed for the snapshot only
    # the one of `run` that adds no sample: it counts already, or is spent
    for_snapshot: int | None = None

    @property
    def together(self) -> tuple[int, ...]:
        """All seeds that will count when the chosen ones have finished."""
        fresh = (seed for seed in self.run if seed not in self.spent)
        return tuple(sorted({*self.counting, *fresh}))


def choose_candidate(  # noqa: PLR0913  each is a fact of its own about one side
    *,
    committed: int,
    wanted: int,
    explicit: tuple[int, ...],
    counting: Collection[int],
    spent: Collection[int],
    again: bool,
    needs_snapshot: bool,
    shared: Collection[int] = (),
    given_up: Collection[int] = (),
) -> SeedChoice:
    """Choose the seeds of the candidate, or of an exploratory run.

    `committed`: seed in the committed params file; 0 where there is none. `wanted`: number of
    repeats that shall count in the end. `explicit`: exactly these, if not empty; spent ones among
    them are run and will not count. `again`: execute seeds that count already once more.
    `needs_snapshot`: the branch seems to have no valid snapshot of this state: the committed seed
    is executed for it, also where it is spent or counts already. `shared`: numbers that would
    repeat a seed of the first repeat: taken only where they are asked for. `given_up`: seeds that
    failed on either side, and that others replace.
    """
    counted = tuple(sorted(counting))
    if explicit:
        run = tuple(seed for seed in dict.fromkeys(explicit) if again or seed not in counting)
        return SeedChoice(run, counted, tuple(seed for seed in run if seed in spent))
    fresh = upward(committed, {*spent, *shared, *given_up})
    if again:
        run = tuple(itertools.islice(fresh, wanted))
    else:
        lacking = max(0, wanted - len({*counted}.difference(given_up)))
        run = tuple(itertools.islice((s for s in fresh if s not in counting), lacking))
    # A fresh one would add a sample that nobody asked for.
    known = committed in counting or committed in spent
    for_snapshot = committed if needs_snapshot and known and committed not in run else None
    if for_snapshot is not None:
        run = (for_snapshot, *run)
    passed = tuple(seed for seed in sorted(spent) if seed >= committed)
    return SeedChoice(run, counted, passed, for_snapshot)


def choose_baseline(
    *, pair_with: Collection[int], counting: Collection[int], again: bool
) -> SeedChoice:
    """Choose the seeds of the baseline: those of the candidate that it lacks.

    `pair_with`: seeds that count, or will, on the candidate's side. `counting`: seeds that count
    for the baseline already.
    """
    run = tuple(seed for seed in sorted(pair_with) if again or seed not in counting)
    return SeedChoice(run, tuple(sorted(counting)), ())


def upward(start: int, without: Collection[int]) -> Iterator[int]:
    """Yield the numbers from `start` on, some of them left out."""
    return (seed for seed in itertools.count(start) if seed not in without)
