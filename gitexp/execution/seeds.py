"""Which seeds a call of `run` executes. Pure: the same records and request give the same seeds.

The committed seed s is the first, then s + 1, s + 2, ... Where several parameters vary and the
first repeat has other values of them, those numbers are passed over: two repeats share no seed.
A seed that was seen outside the plan is *spent*: it cannot count for the candidate any more,
because choosing a candidate by a seed and testing it on the same seed finds differences that are
not there. Which seeds count and which are spent says `ops.eligible`, for `run` as for `compare`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator


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
    for_snapshot : int or None
        The one of `run` that adds no sample: it counts already, or is spent.
    """

    run: tuple[int, ...]
    counting: tuple[int, ...]
    spent: tuple[int, ...]
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
