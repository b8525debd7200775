"""Looks at the repository once and says what a call of `run` is about to do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.comparison import eligible
from gitexp.comparison.randomness import seeding
from gitexp.comparison.sides import plan_back
from gitexp.dvc.gitignore import refuse_ignored_pointers
from gitexp.dvc.inputs import compute
from gitexp.errors import (
    NoPipelineError,
    NoPlanError,
    NotInitialisedError,
    UsageError,
    WitnessError,
)
from gitexp.execution import jobs, run_sources, snapshot
from gitexp.execution.place import check_trust, chosen_python, installed_in
from gitexp.execution.preflight import checks
from gitexp.execution.run_sources import _refuse_equal, _refuse_unpaired
from gitexp.execution.workdir import WorkDir
from gitexp.git import identity, objects
from gitexp.git.refs import ABSENT
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import open_index
from gitexp.git.upstream import own
from gitexp.model.run import RepeatState
from gitexp.model.witness import Way
from gitexp.provenance.trust_settings import Believing
from gitexp.records import environment as environment_format
from gitexp.store import conclusions, lookup, plans
from gitexp.store.ancestry import Graph
from gitexp.store.plans import own_tips
from gitexp.system import params
from gitexp.text.paramkeys import param_key

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from gitexp.comparison.eligible import Eligible
    from gitexp.execution.jobs import SeedChoice
    from gitexp.execution.place import RunPlace
    from gitexp.execution.run_sources import Cell
    from gitexp.git.absent import Absent
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.config import ParamKey
    from gitexp.model.ids import CommitHash, EnvironmentDigest, RunId
    from gitexp.model.plan import Person, Plan
    from gitexp.model.request import RunRequest
    from gitexp.model.run import Environment, Key, Run
    from gitexp.model.workspace import Workspace
    from gitexp.store.lookup import FoundRun

CANDIDATE = seeding.CANDIDATE
BASELINE = seeding.BASELINE
EXPLORATORY = "exploratory"


@dataclass(frozen=True, slots=True)
class Again:
    """Repeats that would count, were they not of another environment, or other linked data."""

    side: str
    found: FoundRun  # the newest with one
    environment: EnvironmentDigest | None
    n: int
    how: str  # they differ
    complete: bool = False  # all that the plan judges: what is run now replaces none of them


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a call works and what it found there."""

    workspace: Workspace
    repo: Repo
    top: Path
    workdir: WorkDir
    author: Person
    branch: str  # records will be committed here
    tip: CommitHash
    plan: Plan | None
    sides: tuple[tuple[Cell, SeedChoice], ...]  # what is to be executed, at least one
    python: str  # interpreter of the jobs
    installed: Environment | None  # as it is now; None: it was not looked at
    environment: EnvironmentDigest | None  # its digest
    again: tuple[Again, ...] = ()


def look(
    place: RunPlace,
    request: RunRequest,
    environ: Mapping[str, str],
    recovered: Collection[RunId] = (),
    pending: Sequence[FoundRun] = (),
) -> Situation:
    """Read plan, settings, parameters and records, and choose the seeds.

    `environ`: for the active virtual environment and the author. `recovered`: what a dead call had
    finished and was recorded just now. `pending`: what would be recorded first, were this no dry
    run.
    """
    repo = place.repo
    plan = plans.plan_of_branch(repo, place.branch, place.tip)
    if plan is ABSENT and request.with_baseline:
        raise NoPlanError(
            f"{place.branch} has no plan, so there is no baseline to run",
            next_step=plan_back(repo, place.branch, place.tip),
        )
    known = None if plan is ABSENT else plan
    fallback = None if known is None else plans.plan_commit(repo, known, place.tip)
    source = place.head if request.at is None else objects.resolve(repo, request.at)
    planned = known is not None and source == known.baseline.commit
    if request.at is not None and not planned and not request.trust:
        check_trust(place, source)
    is_baseline = known is not None and source == known.baseline.commit and request.at is not None
    if is_baseline and request.with_baseline:
        raise UsageError("--at names the baseline, so --with-baseline says it twice")
    side = EXPLORATORY if known is None else BASELINE if is_baseline else CANDIDATE
    overrides = dict(request.params)
    try:
        main = run_sources.look(repo, side, source, overrides=overrides, fallback=fallback)
    except NotInitialisedError as error:
        if (place.top / layout.CONFIG).exists():
            error.next_step = f"git add {layout.CONFIG} && git commit: a run executes a commit"
        raise
    if main.config.witness_required and known is not None:
        _require_witness(repo, known, place.tip)
    if main.config.pipeline is None and main.config.command is None:
        raise NoPipelineError(
            "nothing says what a run executes", where=f".gitexp/config.yaml at {source[:9]}"
        )
    other = None if known is None else _baseline(repo, request, known, main, fallback)
    if main.config.pipeline is None:
        refuse_ignored_pointers(place.workspace, main.config.project, main.config.outputs)
    python = chosen_python(main.config.python, environ, place.top)
    workdir = WorkDir.of(place.workspace)
    installed = None  # of a dry run: settings, or a sitecustomize, of the branch would be started
    if not request.dry_run:
        installed = installed_in(python, place.top, workdir.environments, environ)
    environment = None if installed is None else environment_format.digest(installed)
    basis = _Basis(place, request, known, environment)
    sides, again = _choose(basis, main, other, recovered, pending)
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
        installed=installed,
        environment=environment,
        again=again,
    )


def _require_witness(repo: Repo, plan: Plan, tip: CommitHash) -> None:
    """Refuse to run before somebody else saw the plan, where the project asks for that."""
    seen, known = Believing(lambda: repo.workspace, here=True), 0
    for item in conclusions.receipts(repo, tip, plan.digest):
        receipt = item.receipt
        if receipt is None or receipt.way is Way.APPROVAL:
            continue
        if plans.holds(repo, plan, receipt.commit) and seen.witnessed(receipt, item.token):
            return
        known += 1
    what = f"{known} receipts, of which none verifies here," if known else "no receipt"
    raise WitnessError(
        "nobody else has seen the plan yet",
        found=f"{what} for plan {plan.digest[:9]}",
        where=f"{layout.witness_dir(plan.digest)} at {tip[:9]}",
        expected="plan.witness: required, says .gitexp/config.yaml",
    )


def _baseline(
    repo: Repo, request: RunRequest, plan: Plan, main: Cell, fallback: CommitHash | None
) -> Cell | None:
    """Return the baseline where it is to run, after a look whether the sides can be compared."""
    paired = main.side == CANDIDATE and main.config.seed.is_vector
    there = paired and objects.exists(repo, plan.baseline.commit)  # not beyond a shallow edge
    if not (request.with_baseline or there):
        return None
    other = run_sources.look(repo, BASELINE, plan.baseline.commit, overrides={}, fallback=fallback)
    if request.with_baseline:
        _refuse_equal(main, other)
    if main.seeding != other.seeding:
        _refuse_unpaired(main, other)
    return (
        replace(other, first={main.committed_seed: main.committed})
        if request.with_baseline
        else None
    )


@dataclass(frozen=True, slots=True)
class _Basis:
    """What the seeds of all sides are chosen by."""

    place: RunPlace
    request: RunRequest
    plan: Plan | None
    environment: EnvironmentDigest | None


def _choose(
    basis: _Basis,
    main: Cell,
    other: Cell | None,
    recovered: Collection[RunId],
    pending: Sequence[FoundRun],
) -> tuple[tuple[tuple[Cell, SeedChoice], ...], tuple[Again, ...]]:
    place, request, plan = basis.place, basis.request, basis.plan
    repo = place.repo
    with open_index(place.workspace) as index:
        reached = (*lookup.runs_at(repo, place.tip, index).runs, *pending)
        environment = basis.environment or _last(reached)
        basis = replace(basis, environment=environment)
        if main.side == BASELINE:
            return _baseline_alone(basis, main, reached)
        known = lookup.runs_by_inputs(repo, main.inputs, index=index, also=[place.tip])
        everywhere = (*known.runs, *pending)
        # What origin has counts nowhere, yet somebody saw it: its seeds are not drawn.
        there = [each.commit for each in own(place.workspace, ["*"])]
        seen = (*lookup.runs_by_inputs(repo, main.inputs, index=index, also=there).runs, *pending)
        # Without a plan nothing counts, and only what a dead call had finished is not run again.
        mine = reached if plan is not None else [r for r in reached if r.run.id in recovered]
        earlier = Earlier(repo, index)
        side = eligible.of_candidate(mine, everywhere, plan, main.inputs, earlier)
        held = side.keys(environment, _links(place, main), main.seeding)
        theirs = eligible.Eligible(())
        if other is not None:
            beside = lookup.runs_at(repo, other.commit, index).runs
            theirs = eligible.of_baseline([*reached, *beside], plan, other.inputs)
        without = eligible.given_up(plan, side, theirs)
        choice = jobs.choose_candidate(
            committed=main.committed_seed,
            wanted=request.repeats or (plan.repeats if plan is not None else 1),
            explicit=request.seeds,
            counting=held,
            spent=eligible.seen_outside(seen, plan, main.inputs, main.key),
            again=request.again,
            shared=main.shared,
            needs_snapshot=not any(_is_whole(each.run, main) for each in pending)
            and _lacks_snapshot(place, main, reached),
            given_up=without,
        )
        again = _again(basis, main, side, choice, None if plan is None else plan.fewest)
        if other is None:
            return ((main, choice),), again
        partners = {**held, **{seed: frozenset({main.key(seed)}) for seed in choice.run}}
        other = replace(other, first=_vectors(partners))
        baseline = jobs.choose_baseline(
            pair_with={*choice.together}.difference(without.difference(request.seeds)),
            counting=_paired(place, other, theirs, environment, partners),
            again=request.again,
        )
        again += _again(basis, other, theirs, baseline)
        return ((main, choice), (other, baseline)), again


def _last(reached: Sequence[FoundRun]) -> EnvironmentDigest | None:
    """Return the environment that was recorded last: that of now, where it was not looked at."""
    known = [repeat.environment for each in reached for repeat in each.run.repeats]
    return next(filter(None, reversed(known)), None)


def _vectors(partners: Mapping[int, frozenset[Key]]) -> dict[int, dict[ParamKey, int]]:
    """Return what the seeds of a baseline's repeats have to be; of several keys `counting`'s."""
    return {
        seed: {param_key(name): value for name, value in min(keys)[1]}
        for seed, keys in partners.items()
    }


def _paired(
    place: RunPlace,
    cell: Cell,
    side: Eligible,
    environment: EnvironmentDigest | None,
    partners: Mapping[int, frozenset[Key]],
) -> frozenset[int]:
    """Return the seeds of which a baseline has a repeat that pairs with the candidate's."""
    return frozenset(
        seed
        for seed, keys in side.keys(environment, _links(place, cell), cell.seeding).items()
        if keys & partners.get(seed, {cell.key(seed)})
    )


def _again(
    basis: _Basis, cell: Cell, side: Eligible, choice: SeedChoice, fewest: int | None = None
) -> tuple[Again, ...]:
    links, environment = _links(basis.place, cell), basis.environment
    others = [
        (found, repeat)
        for found, repeat in side.repeats()
        if (repeat.environment, repeat.links) != (environment, links) and repeat.seed in choice.run
    ]
    if not others:
        return ()
    newest, last = max(others, key=lambda pair: pair[0].order)
    seeds = {repeat.seed for _, repeat in others}
    whole = fewest is not None and side.is_whole(fewest)
    how = ["in another environment"] * (last.environment != environment)
    how += ["with other linked data"] * (last.links != links)
    return (Again(cell.side, newest, last.environment, len(seeds), " and ".join(how), whole),)


class Earlier:
    """Whether one run was recorded before another; the history is walked when that is asked."""

    def __init__(self, repo: Repo, index: Index) -> None:
        self._repo, self._index = repo, index
        self._graph: Graph | None = None
        self._added: dict[RunId, CommitHash] = {}

    def __call__(self, one: FoundRun, other: FoundRun) -> bool:
        """Tell it of two runs that own branches and archives reach."""
        if self._graph is None:
            self._graph = Graph(self._repo, self._index, [t.commit for t in own_tips(self._repo)])
            self._added = {item.run: item.commit for item in self._graph.additions()}
        if not {one.run.id, other.run.id} <= self._added.keys():
            return one.run.id in self._added  # what is pending comes last
        return self._graph.is_before(self._added[one.run.id], self._added[other.run.id])


def _links(place: RunPlace, cell: Cell) -> str:
    """Return the fingerprint of the linked data as they are now."""
    return params.linked_fingerprint(checks.links(place.top, cell))


def _is_whole(run: Run, cell: Cell) -> bool:
    """Tell whether a run that is recorded now writes the snapshot of this state."""
    done = {repeat.seed for repeat in run.repeats if repeat.state is RepeatState.FINISHED}
    return run.inputs == cell.inputs and not cell.overrides and cell.committed_seed in done


def _lacks_snapshot(place: RunPlace, cell: Cell, reached: Sequence[FoundRun]) -> bool:
    """Tell whether the branch is at this very state and holds no recorded snapshot of it."""
    config = cell.config
    if cell.overrides or not (config.pipeline or config.outputs or config.metrics):
        return False
    if cell.commit != place.tip:
        tree = objects.tree_id(place.repo, place.tip)
        if tree is ABSENT or compute(place.repo, tree, cell.config) != cell.inputs:
            return False

    def read(path: str) -> bytes | Absent:
        return objects.read_blob(place.repo, place.tip, path)

    made = [each.commit for each in reached if any(r.snapshot for r in each.run.repeats)]
    lock = snapshot.lock_path(cell.config)
    locks = {objects.blob_id(place.repo, commit, lock) for commit in (place.tip, *made[-1:])}
    return not snapshot.is_written(
        read,
        cell.config,
        [found.run for found in reached],
        cell.inputs,
        cell.key(cell.committed_seed),
        unchanged=len(locks) == 1 and ABSENT not in locks,
    )


def _baseline_alone(
    basis: _Basis, cell: Cell, reached: Sequence[FoundRun]
) -> tuple[tuple[tuple[Cell, SeedChoice], ...], tuple[Again, ...]]:
    """Choose seeds for ``--at BASELINE``: those of the candidate's records, else the default."""
    request, plan = basis.request, basis.plan
    side = eligible.of_baseline(reached, plan, cell.inputs)
    pair_with: set[int] = set(request.seeds)
    beside = [
        (found.run, repeat)
        for found in reached
        if plan is not None and eligible.is_under(found, plan) and found.run.inputs != cell.inputs
        for repeat in found.run.repeats
    ]
    pair_with = pair_with or {repeat.seed for _, repeat in beside}
    partners = {repeat.seed: frozenset({repeat.key}) for _, repeat in beside}
    cell = replace(cell, first=_vectors(partners))
    if not pair_with:
        wanted = request.repeats or (plan.repeats if plan is not None else 1)
        pair_with = set(itertools.islice(jobs.upward(cell.committed_seed, cell.shared), wanted))
    counting = _paired(basis.place, cell, side, basis.environment, partners)
    choice = jobs.choose_baseline(pair_with=pair_with, counting=counting, again=request.again)
    return ((cell, choice),), _again(basis, cell, side, choice)
