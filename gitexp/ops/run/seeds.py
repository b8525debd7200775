"""Which seeds a call of `run` executes. Pure: the same records and request give the same seeds.

The committed seed s is the first, then s + 1, s + 2, ... A seed that was seen outside the plan is
*spent*: it cannot count for the candidate any more, because choosing a candidate by a seed and
testing it on the same seed finds differences that are not there.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.run import Origin, RepeatState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from gitexp.model.ids import EnvironmentDigest, InputsDigest
    from gitexp.model.plan import Plan
    from gitexp.model.run import Run


@dataclass(frozen=True, slots=True)
class SeedChoice:
    """The seeds of one side.

    Attributes
    ----------
    run : tuple of int
        To execute now, in this order.
    counting : tuple of int
        Count already.
    spent : tuple of int
        Skipped, or executed for the snapshot only.
    """

    run: tuple[int, ...]
    counting: tuple[int, ...]
    spent: tuple[int, ...]

    @property
    def together(self) -> tuple[int, ...]:
        """All seeds that will count when the chosen ones have finished."""
        fresh = (seed for seed in self.run if seed not in self.spent)
        return tuple(sorted({*self.counting, *fresh}))


def counting_seeds(
    runs: Iterable[Run],
    inputs: InputsDigest,
    environment: EnvironmentDigest | None,
    plan: Plan | None,
) -> frozenset[int]:
    """Return the seeds that have a finished, observed repeat for these inputs.

    Parameters
    ----------
    runs : iterable of Run
        Reachable from the branch that records.
    inputs : InputsDigest
    environment : EnvironmentDigest or None
        Only repeats of this environment; None: of any.
    plan : Plan or None
        Only runs under this plan; None: whatever plan, as for a baseline.
    """
    return frozenset(
        repeat.seed
        for run in runs
        if run.inputs == inputs
        and run.origin is Origin.OBSERVED
        and (plan is None or _is_under(run, plan))
        for repeat in run.repeats
        if repeat.state is RepeatState.FINISHED
        and (environment is None or repeat.environment == environment)
    )


def spent_seeds(runs: Iterable[Run], inputs: InputsDigest, plan: Plan | None) -> frozenset[int]:
    """Return the seeds of which a result was seen outside the plan, in whatever environment.

    Parameters
    ----------
    runs : iterable of Run
        From every branch, archive tag and remote-tracking branch.
    inputs : InputsDigest
    plan : Plan or None
        None: there is no plan, so nothing can be spent.
    """
    if plan is None:
        return frozenset()
    return frozenset(
        repeat.seed
        for run in runs
        if run.inputs == inputs and (run.origin is Origin.REPORTED or not _is_under(run, plan))
        for repeat in run.repeats
        if repeat.state is RepeatState.FINISHED
    )


def choose_candidate(  # noqa: PLR0913  each is a fact of its own about one side
    *,
    committed: int,
    wanted: int,
    explicit: tuple[int, ...],
    counting: Collection[int],
    spent: Collection[int],
    again: bool,
    needs_snapshot: bool,
) -> SeedChoice:
    """Choose the seeds of the candidate, or of an exploratory run.

    Parameters
    ----------
    committed : int
        Seed in the committed params file; 0 where there is none.
    wanted : int
        Number of repeats that shall count in the end.
    explicit : tuple of int
        Exactly these, if not empty; spent ones among them are run and will not count.
    counting, spent : collection of int
    again : bool
        Execute seeds that count already once more.
    needs_snapshot : bool
        The branch has no valid snapshot: a spent committed seed is executed for it.

    Returns
    -------
    SeedChoice
    """
    counted = tuple(sorted(counting))
    if explicit:
        run = tuple(seed for seed in dict.fromkeys(explicit) if again or seed not in counting)
        return SeedChoice(run, counted, tuple(seed for seed in run if seed in spent))
    fresh = _upward(committed, spent)
    if again:
        run = tuple(itertools.islice(fresh, wanted))
    else:
        lacking = max(0, wanted - len(counted))
        run = tuple(itertools.islice((s for s in fresh if s not in counting), lacking))
    if needs_snapshot and committed in spent:
        run = (committed, *run)
    passed = tuple(seed for seed in sorted(spent) if seed >= committed)
    return SeedChoice(run, counted, passed)


def choose_baseline(
    *, pair_with: Collection[int], counting: Collection[int], again: bool
) -> SeedChoice:
    """Choose the seeds of the baseline: those of the candidate that it lacks.

    Parameters
    ----------
    pair_with : collection of int
        Seeds that count, or will, on the candidate's side.
    counting : collection of int
        Seeds that count for the baseline already.
    again : bool
    """
    run = tuple(seed for seed in sorted(pair_with) if again or seed not in counting)
    return SeedChoice(run, tuple(sorted(counting)), ())


def _is_under(run: Run, plan: Plan) -> bool:
    return run.plan is not None and plan.covers(run.plan.name, run.plan.digest)


def _upward(start: int, without: Collection[int]) -> Iterator[int]:
    return (seed for seed in itertools.count(start) if seed not in without)
