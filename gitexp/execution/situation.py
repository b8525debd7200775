"""Looks at the repository once and says what a call of `run` is about to do."""

from __future__ import annotations

import itertools
import shlex
from functools import partial
from typing import TYPE_CHECKING

from gitexp.comparison import eligible, frozen, tally
from gitexp.comparison.gather import RecordedBefore
from gitexp.comparison.randomness.seeding import BASELINE, CANDIDATE
from gitexp.comparison.selection import has_fixed_number
from gitexp.comparison.sides import Named
from gitexp.dvc.dvcpipeline import outermost
from gitexp.dvc.gitignore import refuse_ignored_pointers
from gitexp.dvc.inputs import compute
from gitexp.errors import NoPipelineError, NotInitialisedError, UsageError
from gitexp.execution import partners, run_sources, snapshot
from gitexp.execution.place import (
    RunPlace,
    check_trust,
    chosen_python,
    installed_in,
    plan_of,
    remembered_in,
)
from gitexp.execution.preflight import checks
from gitexp.execution.run_sources import RunSource, SeedChoice
from gitexp.execution.workdir import WorkDir
from gitexp.git import identity, objects
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Index, open_index
from gitexp.git.upstream import own
from gitexp.git.worktree import status
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash, EnvironmentDigest, RunId
from gitexp.model.run import RepeatState, Run
from gitexp.provenance.contradicted import in_order, strange_to
from gitexp.store import lookup, plans

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Eligible
    from gitexp.comparison.tally import Settled
    from gitexp.execution.partners import Again
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Person, Plan
    from gitexp.model.request import RunRequest
    from gitexp.store.lookup import FoundRun
    from gitexp.system.environment import Captured

EXPLORATORY = "exploratory"


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a call works, what it is asked for, and what it found there."""

    place: RunPlace
    request: RunRequest
    workdir: WorkDir
    author: Person
    plan: Plan | None
    python: str  # interpreter of the jobs
    installed: Captured | None  # as it is now; None: it was not looked at
    environment: EnvironmentDigest | None  # its digest
    import_paths: tuple[str, ...] = ()  # folders of the repository that jobs import from
    sides: tuple[RunSource, ...] = ()  # what is to be executed, at least one
    again: tuple[Again, ...] = ()
    reached: tuple[FoundRun, ...] = ()  # all runs of the branch
    recovered: frozenset[RunId] = frozenset()  # of these what a dead call of this clone had made
    settled: Settled | None = None  # what counts of the plan's candidate, where one is to run
    beside: Plan | None = None  # that of the branch, where the call explores

    @property
    def chances(self) -> int:
        """What p is multiplied by: for the candidates that the plan has, or the tries before."""
        return 1 if self.settled is None else self.settled.chances

    @property
    def repo(self) -> Repo:
        """The repository in which it works."""
        return self.place.repo

    @property
    def late(self) -> frozenset[int]:
        """Seeds that came after those that count."""
        return frozenset() if self.settled is None else self.settled.late

    @property
    def wanted(self) -> int:
        """How many repeats shall count in the end."""
        return self.request.repeats or (1 if self.plan is None else self.plan.repeats)


def look(
    place: RunPlace,
    request: RunRequest,
    environ: Mapping[str, str],
    recovered: Collection[RunId] = (),
    pending: Sequence[FoundRun] = (),
) -> Situation:
    """Read plan, settings, parameters and records, and choose the seeds.

    `recovered`: what a dead call had finished and was recorded just now. `pending`: what would be
    recorded first, were this no dry run.
    """
    repo = place.repo
    known = plan_of(place, request)
    fallback = None if known is None else plans.fixed_at(repo, known, place.tip)
    known, beside = _under(known, request)
    commit = place.head if request.at is None else objects.resolve(repo, request.at)
    named = request.at is not None
    is_baseline = named and known is not None and commit == known.baseline.commit
    if named and not is_baseline and not request.trust:
        check_trust(place, commit)
    if is_baseline and request.with_baseline:
        raise UsageError("--at names the baseline, so --with-baseline says it twice")
    side = EXPLORATORY if known is None else BASELINE if is_baseline else CANDIDATE
    request = _in_pairs(request, known, side)
    overrides = dict(request.params)
    try:
        lent = run_sources.lent(known, place.tip) if is_baseline else None
        main = run_sources.look(
            repo, side, commit, overrides=overrides, fallback=fallback, borrows=lent
        )
    except NotInitialisedError as error:
        if (place.top / layout.CONFIG).exists():
            error.next_step = f"git add {layout.CONFIG} && git commit: a run executes a commit"
        raise
    if main.config.witness_required and known is not None:
        checks.require_witness(repo, known, place.tip)
    if main.config.pipeline is None and main.config.command is None:
        raise NoPipelineError(
            "nothing says what a run executes", where=f".gitexp/config.yaml at {commit[:9]}"
        )
    other = None if known is None else _baseline(repo, request, known, main, fallback)
    if main.config.pipeline is None:
        made = outermost(main.config.outputs)
        refuse_ignored_pointers(place.workspace, main.config.project, made)
    python = chosen_python(main.config.python, environ, place.top)
    workdir = WorkDir.of(place.workspace, make=not request.dry_run)
    where = python, place.top, workdir.environments, environ
    # By a dry run no settings, and no sitecustomize, of the branch are started.
    installed, paths = remembered_in(*where) if request.dry_run else installed_in(*where)
    environment = None if installed is None else lookup.environment_digest(installed.environment)
    author = identity.author(repo)
    seen = Situation(place, request, workdir, author, known, python, installed, environment, paths)
    seen = replace(seen, beside=beside, recovered=frozenset(recovered))
    return _choose(seen, main, other, recovered, pending)


def _under(plan: Plan | None, request: RunRequest) -> tuple[Plan | None, Plan | None]:
    """Return the plan that a call runs under, and the one beside which it explores."""
    if plan is None or not plan.leaves_out(request.group):
        return plan, None
    if request.with_baseline:
        raise UsageError(
            "--group explores, and a baseline runs with the candidate of a plan",
            next_step="the same without --group",
        )
    return None, plan


def _in_pairs(request: RunRequest, plan: Plan | None, side: str) -> RunRequest:
    """Ask for the baseline, too, as all plans do but those of the first rules."""
    both = plan is not None and (plan.drawn or plan.rules > 1) and side == CANDIDATE
    return replace(request, with_baseline=True) if both and not request.seeds else request


def _baseline(
    repo: Repo, request: RunRequest, plan: Plan, main: RunSource, fallback: CommitHash | None
) -> RunSource | None:
    """Return the baseline where it is to run, after a look whether the sides can be compared."""
    if main.side == CANDIDATE:
        named = {str(key): value for key, value in main.overrides.items()}
        frozen.refuse(frozen.look(repo, plan, main.commit), main.state, main.commit, named)
    paired = main.side == CANDIDATE and main.config.seed.is_vector
    there = paired and objects.exists(repo, plan.baseline.commit)  # not beyond a shallow edge
    if not (request.with_baseline or there):
        return None
    other = run_sources.baseline(repo, plan, main.commit, fallback)
    # What a dry run would commit first is in neither side yet.
    pending = request.dry_run and request.commit_message is not None
    if request.with_baseline and not (
        pending and status.dirty_tracked(repo.workspace, looking=True)
    ):
        partners.refuse_equal(main, other)
    if main.seeding != other.seeding:
        partners.refuse_unpaired(main, other)
    return (
        replace(other, first={main.committed_seed: main.committed})
        if request.with_baseline
        else None
    )


def _choose(
    seen: Situation,
    main: RunSource,
    other: RunSource | None,
    recovered: Collection[RunId],
    pending: Sequence[FoundRun],
) -> Situation:
    repo, request, plan, tip = seen.repo, seen.request, seen.plan, seen.place.tip
    with open_index(repo.workspace) as index:
        reached = (*lookup.runs_at(repo, tip, index).runs, *pending)
        seen = replace(seen, reached=reached)
        environment = seen.environment or _last(reached)
        if main.side == BASELINE:
            return _baseline_alone(seen, main, reached, environment, index)
        known = lookup.runs_by_inputs(repo, main.inputs, index=index, also=[tip]).runs
        # Without a plan nothing counts, and only what a dead call had finished is not run again.
        mine = reached if plan is not None else [r for r in reached if r.run.id in recovered]
        under = [item for item in reached if eligible.is_under(item, plan)]
        earlier = in_order(RecordedBefore(repo, index), strange_to(repo, plan, under))
        side = eligible.of_candidate(mine, (*known, *pending), plan, main.inputs, earlier)
        place = partners.where(plan, environment, main)
        held = side.keys(place, main.seeding)
        theirs = eligible.Eligible(())
        if other is not None:
            beside = (*reached, *lookup.runs_at(repo, other.commit, index).runs)
            theirs = _of_baseline(seen, beside, other, index)
        without = eligible.given_up(plan, side, theirs)
        if plan is not None:
            named = Named(seen.place.branch, tip, seen.place.branch, plan, main.inputs)
            seen = replace(seen, settled=tally.of_plan(repo, index, plan, named))
        if plan is not None and plan.drawn:
            choice = _drawn(seen, held, without)
            spent = frozenset({*choice.spent, main.committed_seed})
        else:
            spent = _seen_outside(seen, main, pending, index)
            choice = choose_candidate(seen, main, held, spent, without)
        if not any(_is_whole(each.run, main) for each in pending) and _lacks_snapshot(
            seen, main, reached
        ):
            choice = with_snapshot(seen, main, choice, spent)
        counts = tuple(s for s in choice.counting if s not in seen.late)
        choice, rule = replace(choice, counting=counts), None
        bound: tuple[Again, ...] = ()
        if other is not None and place is None and plan is not None and seen.settled is not None:
            here = partners.here(other, tip, environment, seen.installed, seen.python)
            rule = partners.Partners(other, theirs, seen.settled, plan, here, earlier)
            choice, bound = rule.runnable(choice, main.key, side)
        main = replace(main, choice=choice)
        again = () if place is None else partners.again(main, side, environment, plan)
        if other is None:
            return replace(seen, sides=(main,), again=again)
        needed = {**held, **{seed: frozenset({main.key(seed)}) for seed in choice.run}}
        pair_with = [s for s in choice.together if s not in without or s in request.seeds]
        other = replace(other, first=run_sources.vectors(needed))
        if rule is not None:
            counting, again = rule.settled(needed)
        else:
            counting = partners.paired(other, theirs, place, needed)
        other = replace(other, choice=_baseline_seeds(seen, pair_with, counting, choice.run))
        again += bound if place is None else partners.again(other, theirs, environment)
        if rule is not None and not request.dry_run:  # which did not look at what is here
            rule.refuse_idle(bound, {*choice.run, *other.choice.run} - {choice.for_snapshot})
        return replace(seen, sides=(main, other), again=again)


def _seen_outside(
    seen: Situation, main: RunSource, pending: Sequence[FoundRun], index: Index
) -> frozenset[int]:
    """Return seeds to pass over: what origin has counts nowhere, yet somebody saw it."""
    there = [each.commit for each in own(seen.repo.workspace, ["*"])]
    shown = lookup.runs_by_inputs(seen.repo, main.inputs, index=index, also=there).runs
    return eligible.seen_outside((*shown, *pending), seen.plan, main.inputs, main.key)


def choose_candidate(
    seen: Situation,
    source: RunSource,
    counting: Collection[int],
    spent: Collection[int],
    given_up: Collection[int],
) -> SeedChoice:
    """Choose the seeds of the candidate, or of an exploratory run.

    The committed seed s is the first, then s + 1, s + 2, ... A seed that was seen outside the plan
    is *spent*: choosing a candidate by a seed and testing it on the same seed finds differences
    that are not there, so it is passed over unless it is asked for, and then does not count. So are
    numbers that would repeat a seed of the first repeat. Others replace seeds that failed on
    either side, which are `given_up`.
    """
    committed, passed = source.committed_seed, {*spent, *source.shared}
    wanted = seen.wanted
    if seen.plan is not None and seen.settled is not None and seen.settled.full:
        wanted = min(wanted, seen.plan.repeats)  # what would not count is not run unasked
    drawn = None if seen.beside is None else seen.beside.drawn
    row = _upward(committed, passed)
    if drawn is not None:
        row = (seed for seed in drawn.sequence("/explore") if seed not in passed)
    if seen.request.seeds:
        return _asked_for(seen, counting, sorted(counting), spent.__contains__)
    run = _first(seen, row, wanted, counting, given_up)
    later = tuple(seed for seed in sorted(spent) if seed >= committed)
    return SeedChoice(run, tuple(sorted(counting)), later)


def _drawn(seen: Situation, counting: Collection[int], given_up: Collection[int]) -> SeedChoice:
    """Choose of the seeds that were drawn with the plan: the first ones, without a gap.

    What is asked for besides them is executed, and does not count.
    """
    plan, settled = seen.plan, seen.settled
    assert plan and plan.drawn and settled  # noqa: S101, PT018  whoever calls has looked
    wanted = min(seen.wanted, plan.repeats) if settled.full else seen.wanted
    fresh = (s for s in plan.drawn.sequence() if s not in settled.count.spent)
    more = 0 if plan.ends_seeds and has_fixed_number(plan) else len(given_up)
    first = tuple(itertools.islice(fresh, wanted + more))
    counted = sorted({*counting}.intersection(first))
    if seen.request.seeds:
        return _asked_for(seen, counting, counted, lambda seed: seed not in first)
    run = _first(seen, first, wanted, counted, given_up)
    return SeedChoice(run, tuple(counted), tuple(sorted(settled.count.spent)))


def _asked_for(
    seen: Situation,
    counting: Collection[int],
    counted: Sequence[int],
    is_spent: Callable[[int], bool],
) -> SeedChoice:
    run = [s for s in dict.fromkeys(seen.request.seeds) if seen.request.again or s not in counting]
    return SeedChoice(tuple(run), tuple(counted), tuple(filter(is_spent, run)))


def _first(
    seen: Situation,
    row: Iterable[int],
    wanted: int,
    counted: Collection[int],
    given_up: Collection[int],
) -> tuple[int, ...]:
    """Return the first seeds of a row that are still lacking."""
    there = () if seen.request.again else counted
    left = (seed for seed in row if seed not in {*given_up, *there})
    return tuple(itertools.islice(left, max(0, wanted - len({*there}.difference(given_up)))))


def with_snapshot(
    seen: Situation, source: RunSource, choice: SeedChoice, spent: Collection[int]
) -> SeedChoice:
    """Let the committed seed, if spent or counting, be executed for the snapshot alone."""
    seed = source.committed_seed
    known = seed in choice.counting or seed in spent
    if seen.request.seeds or not known or seed in choice.run:
        return choice
    return replace(choice, run=(seed, *choice.run), for_snapshot=seed)


def _baseline_seeds(
    seen: Situation,
    pair_with: Collection[int],
    counting: Collection[int],
    beside: Collection[int],
) -> SeedChoice:
    """Choose the seeds of the baseline: those of the candidate that it lacks.

    `beside`: what a candidate executes in this call, which is made again on both sides.
    """
    anew = {*beside} if seen.request.again else set[int]()
    run = tuple(seed for seed in pair_with if seed in anew or seed not in counting)
    return SeedChoice(run, tuple(sorted(counting)), ())


def _upward(start: int, without: Collection[int]) -> Iterator[int]:
    return (seed for seed in itertools.count(start) if seed not in without)


def _last(reached: Sequence[FoundRun]) -> EnvironmentDigest | None:
    """Return the environment that was recorded last: that of now, where it was not looked at."""
    known = [repeat.environment for each in reached for repeat in each.run.repeats]
    return next(filter(None, reversed(known)), None)


def _is_whole(run: Run, source: RunSource) -> bool:
    """Tell whether a run that is recorded now writes the snapshot of this state."""
    done = {repeat.seed for repeat in run.repeats if repeat.state is RepeatState.FINISHED}
    return run.inputs == source.inputs and not source.overrides and source.committed_seed in done


def _lacks_snapshot(seen: Situation, source: RunSource, reached: Sequence[FoundRun]) -> bool:
    """Tell whether the branch is at this very state and holds no recorded snapshot of it."""
    repo, tip, config = seen.repo, seen.place.tip, source.config
    if source.overrides or not (config.pipeline or config.outputs or config.metrics):
        return False
    if source.commit != tip:
        tree = objects.tree_id(repo, tip)
        if tree is ABSENT or compute(repo, tree, config) != source.inputs:
            return False
    state = source.inputs, source.key(source.committed_seed)
    read = partial(objects.read_blob, repo, tip)
    return not snapshot.is_written(repo, read, config, reached, state)


def _of_baseline(
    seen: Situation, reached: Sequence[FoundRun], source: RunSource, index: Index
) -> Eligible:
    """Return what of the baseline may count beside whatever was run under the plan."""
    plan, tip = seen.plan, [seen.place.tip]
    under = () if plan is None else lookup.runs_for(seen.repo, plan, index, tip).runs
    return eligible.of_baseline(reached, plan, source.inputs, under)


def _baseline_alone(
    seen: Situation,
    source: RunSource,
    reached: Sequence[FoundRun],
    environment: EnvironmentDigest | None,
    index: Index,
) -> Situation:
    """Choose seeds for ``--at BASELINE``: those of the candidate's records, else the default."""
    request, plan = seen.request, seen.plan
    side = _of_baseline(seen, reached, source, index)
    pair_with = set(request.seeds)
    beside = [
        (found.run, repeat)
        for found in reached
        if eligible.is_under(found, plan) and eligible.is_tried(found, source.inputs)
        for repeat in found.run.repeats
    ]
    tried = {repeat.seed for _, repeat in beside}
    if plan is not None and plan.drawn:
        tried &= (mine := plan.likely_seeds(tried | pair_with))
        if pair_with & mine - tried or not (tried or pair_with):
            raise UsageError(
                "the seeds of this plan are run on both sides together, or the baseline's scores "
                "would be known before there is a candidate",
                where=plan.branch,
                next_step=f"git switch {shlex.quote(plan.branch)}, then gitexp run",
            )
    pair_with = pair_with or tried
    needed = {repeat.seed: frozenset({repeat.key}) for _, repeat in beside}
    source = replace(source, first=run_sources.vectors(needed))
    if not pair_with:
        first = _upward(source.committed_seed, source.shared)
        pair_with = set(itertools.islice(first, seen.wanted))
    place = partners.where(plan, environment, source)
    counting = partners.paired(source, side, place, needed)
    source = replace(source, choice=_baseline_seeds(seen, sorted(pair_with), counting, pair_with))
    again = () if place is None else partners.again(source, side, environment)
    return replace(seen, sides=(source,), again=again)
