"""Looks at the repository once and says what a call of `run` is about to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import (
    NoPipelineError,
    NoPlanError,
    NotInitialisedError,
    PreflightError,
    UsageError,
)
from gitexp.git import identity, objects
from gitexp.git.refs import ABSENT
from gitexp.ops.detect import refuse_ignored_pointers
from gitexp.ops.eligible import is_under, spent_by_run
from gitexp.ops.run import cells, interpreter, seeds, trust
from gitexp.ops.run.workdir import WorkDir
from gitexp.store import layout, lookup, plans
from gitexp.store.ancestry import Graph
from gitexp.store.index import open_index
from gitexp.store.tips import tips

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, EnvironmentDigest, InputsDigest
    from gitexp.model.plan import Person, Plan
    from gitexp.model.request import RunRequest
    from gitexp.model.run import Run
    from gitexp.model.workspace import Workspace
    from gitexp.ops.run.cells import Cell
    from gitexp.ops.run.place import Place
    from gitexp.ops.run.seeds import SeedChoice
    from gitexp.store.lookup import FoundRun

CANDIDATE = "candidate"
BASELINE = "baseline"
EXPLORATORY = "exploratory"


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a call works and what it found there.

    Attributes
    ----------
    branch : str
        Records will be committed here.
    tip : CommitHash
    plan : Plan or None
    sides : tuple of (Cell, SeedChoice)
        What is to be executed, at least one.
    python : str
        Interpreter of the jobs.
    """

    workspace: Workspace
    repo: Repo
    top: Path
    workdir: WorkDir
    author: Person
    branch: str
    tip: CommitHash
    plan: Plan | None
    sides: tuple[tuple[Cell, SeedChoice], ...]
    python: str


def look(
    place: Place,
    request: RunRequest,
    environ: Mapping[str, str],
    recovered: Sequence[Run] = (),
) -> Situation:
    """Read plan, settings, parameters and records, and choose the seeds.

    Parameters
    ----------
    place : Place
    request : RunRequest
    environ : Mapping
        For the active virtual environment and the author.
    recovered : sequence of Run
        What a dead call had finished and was recorded just now.

    Raises
    ------
    NoPlanError
        If the baseline is asked for and the branch has no plan.
    NoPipelineError
        If the settings name neither pipeline nor command.
    PreflightError
        If the baseline is asked for and has the candidate's inputs.
    """
    repo = place.repo
    plan = plans.plan_of_branch(repo, place.branch, place.tip)
    if plan is ABSENT and request.with_baseline:
        raise NoPlanError(f"{place.branch} has no plan, so there is no baseline to run")
    known = None if plan is ABSENT else plan
    fallback = None if known is None else plans.plan_commit(repo, known, place.tip)
    source = place.head if request.at is None else objects.resolve(repo, request.at)
    planned = known is not None and source == known.baseline.commit
    if request.at is not None and not planned and not request.trust:
        trust.check(place, source)
    is_baseline = known is not None and source == known.baseline.commit and request.at is not None
    if is_baseline and request.with_baseline:
        raise UsageError("--at names the baseline, so --with-baseline says it twice")
    side = EXPLORATORY if known is None else BASELINE if is_baseline else CANDIDATE
    overrides = dict(request.params)
    try:
        main = cells.look(repo, side, source, overrides=overrides, fallback=fallback)
    except NotInitialisedError as error:
        if (place.top / layout.CONFIG).exists():
            error.next_step = f"git add {layout.CONFIG} && git commit: a run executes a commit"
        raise
    if main.config.pipeline is None and main.config.command is None:
        raise NoPipelineError(
            "nothing says what a run executes", where=f".gitexp/config.yaml at {source[:9]}"
        )
    other = None
    if known is not None and request.with_baseline:
        other = cells.look(repo, BASELINE, known.baseline.commit, overrides={}, fallback=fallback)
        _refuse_equal(main, other)
    if main.config.pipeline is None:
        refuse_ignored_pointers(place.workspace, main.config.project, main.config.outputs)
    python = interpreter.choose(main.config.python, environ, place.top)
    workdir = WorkDir.of(place.top)
    environment = interpreter.digest(python, place.top, workdir.environments, environ)
    sides = _choose(place, request, known, main, other, environment, recovered)
    return Situation(
        workspace=place.workspace,
        repo=repo,
        top=place.top,
        workdir=workdir,
        author=identity.author(repo),
        branch=place.branch,
        tip=place.tip,
        plan=known,
        sides=sides,
        python=python,
    )


def _refuse_equal(main: Cell, other: Cell) -> None:
    """Refuse to run two sides of which `compare` could say nothing.

    Raises
    ------
    PreflightError
    """
    if main.inputs == other.inputs:
        raise PreflightError(
            "both sides have the same inputs, so there would be nothing to compare",
            found=f"inputs {main.inputs[:7]} of candidate and baseline",
            where=f"{main.commit[:9]} and {other.commit[:9]}",
            expected="a change of code, parameters or data",
            next_step='change it, then gitexp run --commit -m "what changed" --with-baseline',
        )


def _choose(  # noqa: PLR0913, PLR0917  two sides under one plan in one environment
    place: Place,
    request: RunRequest,
    plan: Plan | None,
    main: Cell,
    other: Cell | None,
    environment: EnvironmentDigest,
    recovered: Sequence[Run],
) -> tuple[tuple[Cell, SeedChoice], ...]:
    repo = place.repo
    reached = lookup.runs_at(repo, place.tip).runs
    here = [found.run for found in reached]
    wanted = request.repeats or (plan.repeats if plan is not None else 1)
    if main.side == BASELINE:
        choice = _baseline_alone(request, plan, main, here, environment, wanted)
        return ((main, choice),)
    everywhere = lookup.runs_by_inputs(repo, main.inputs).runs
    # Without a plan nothing counts, and only what a dead call had finished is not run again.
    counting = seeds.counting_seeds(
        here if plan is not None else recovered, main.inputs, environment, plan
    )
    spent = seeds.spent_seeds([found.run for found in everywhere], main.inputs, plan)
    if plan is not None and counting & spent:
        counting -= _seen_first(place, plan, main.inputs, reached, everywhere)
    choice = seeds.choose_candidate(
        committed=main.committed_seed,
        wanted=wanted,
        explicit=request.seeds,
        counting=counting,
        spent=spent,
        again=request.again,
        needs_snapshot=not any(
            run.inputs == main.inputs and repeat.snapshot for run in here for repeat in run.repeats
        ),
    )
    if other is None:
        return ((main, choice),)
    beside = [found.run for found in lookup.runs_at(repo, other.commit).runs]
    baseline = seeds.choose_baseline(
        pair_with=choice.together,
        counting=seeds.counting_seeds([*here, *beside], other.inputs, environment, None),
        again=request.again,
    )
    return ((main, choice), (other, baseline))


def _seen_first(
    place: Place,
    plan: Plan,
    inputs: InputsDigest,
    reached: Sequence[FoundRun],
    everywhere: Sequence[FoundRun],
) -> frozenset[int]:
    """Return seeds that ran under the plan when others had seen them: they do not count."""
    mine = [item for item in reached if item.run.inputs == inputs and is_under(item, plan)]
    with open_index(place.workspace) as index:
        graph = Graph(place.repo, index, [tip.commit for tip in tips(place.repo)])
    added = {item.run: item.commit for item in graph.additions()}

    def earlier(one: FoundRun, other: FoundRun) -> bool:
        return graph.is_before(added[one.run.id], added[other.run.id])

    spent = spent_by_run(everywhere, mine, plan, inputs, earlier, [])
    return frozenset(seed for found in spent.values() for seed in found)


def _baseline_alone(  # noqa: PLR0913, PLR0917  as above
    request: RunRequest,
    plan: Plan | None,
    cell: Cell,
    here: list[Run],
    environment: EnvironmentDigest,
    wanted: int,
) -> SeedChoice:
    """Choose seeds for ``--at BASELINE``: those of the candidate's records, else the default."""
    counting = seeds.counting_seeds(here, cell.inputs, environment, None)
    pair_with: set[int] = set(request.seeds)
    if not pair_with and plan is not None:
        pair_with = {
            repeat.seed
            for run in here
            if run.plan is not None
            and plan.covers(run.plan.name, run.plan.digest)
            and run.inputs != cell.inputs
            for repeat in run.repeats
        }
    if not pair_with:
        pair_with = set(range(cell.committed_seed, cell.committed_seed + wanted))
    return seeds.choose_baseline(pair_with=pair_with, counting=counting, again=request.again)
