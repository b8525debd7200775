"""Ranks with ties that rounding noise cannot break, and the tests that rest on them.

Exact p-values are those of the permutation distribution of the midranks at hand, counted by
dynamic programming over doubled (hence whole) ranks; untied tables are never applied to ties.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from gitexp.errors import DesignError
from gitexp.stats.permutation import Tails
from gitexp.stats.ttests import Alternative, Regions
from gitexp.stats.values import Values, finite_pairs, resolution

if TYPE_CHECKING:
    from collections.abc import Sequence


SIDES: tuple[Alternative, ...] = ("greater", "less", "two-sided")


def midranks(values: Values) -> Values:
    """Rank values from 1, ties sharing the mean of their ranks.

    >>> [float(rank) for rank in midranks(np.array([3.0, 1.0, 3.0]))]
    [2.5, 1.0, 2.5]
    """
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: Values = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return ranks


def tie_sum(values: Values) -> float:
    """Return the sum of t**3 - t over groups of t equal values."""
    counts = np.unique(values, return_counts=True)[1].astype(np.float64)
    return float((counts**3 - counts).sum())


def differences(a: Values, b: Values) -> Values:
    """Return a - b with rounding noise removed: near zeros are 0, near ties are equal.

    >>> [float(d) == 0 for d in differences(np.array([0.1 + 0.2]), np.array([0.3]))]
    [True]
    """
    tolerance = resolution(a, b)
    raw = a - b
    size = np.abs(raw)
    order = np.argsort(size, kind="stable")
    ordered = np.concatenate([[0.0], size[order]])
    # a run of sizes with gaps below the tolerance takes the value of its first member
    starts = np.concatenate([[True], np.diff(ordered) > tolerance])
    snapped = ordered[starts][np.cumsum(starts) - 1][1:]
    result = np.empty_like(raw)
    result[order] = np.copysign(snapped, raw[order])
    return result


def signed_rank_sums(d: Values) -> tuple[float, float]:
    """Return the rank sums of the positive and the negative differences, zeros dropped."""
    nonzero = d[d != 0]
    ranks = midranks(np.abs(nonzero))
    return float(ranks[nonzero > 0].sum()), float(ranks[nonzero < 0].sum())


def signed_rank_tails(d: Values, *, exact: bool) -> Tails:
    """Return the p-values of the signed-rank test of differences, zeros dropped."""
    d = d[d != 0]
    if not len(d):
        return Tails(1.0, 1.0, 1.0)
    ranks = midranks(np.abs(d))
    plus = float(ranks[d > 0].sum())
    if exact:
        ways = subset_sums(ranks, None)
        doubled = round(2 * plus)
        greater = min(1.0, float(ways[doubled:].sum()))
        less = min(1.0, float(ways[: doubled + 1].sum()))
        return Tails(greater, less, min(1.0, 2 * min(greater, less)))
    centre, spread = float(ranks.sum()) / 2, math.sqrt(float((ranks**2).sum()) / 4)
    return _normal_tails(plus - centre, spread, plus, correct=True)


def rank_sum_tails(a: Values, b: Values, *, exact: bool, correct: bool = False) -> Tails:
    """Return the p-values of the Mann-Whitney test; the statistic is U of the first side.

    `exact`: by the permutation distribution of the midranks at hand (two-sided: rank sums at least
    as far from their mean as the observed one), or its normal approximation; `correct`ed by half a
    rank (Mann and Whitney 1947).

    >>> rank_sum_tails(np.array([3.0, 4.0]), np.array([1.0, 2.0]), exact=True).greater
    0.16666666666666666
    """
    n, m = len(a), len(b)
    pooled = np.concatenate([a, b])
    ranks = midranks(pooled)
    rank_sum = float(ranks[:n].sum())
    u = rank_sum - n * (n + 1) / 2
    if exact:
        ways = subset_sums(ranks, n)
        sums = np.arange(len(ways)) / 2
        centre = n * float(ranks.mean())
        far = np.abs(sums - centre) >= abs(rank_sum - centre) - 1e-9  # quarters at the finest
        extreme = (sums >= rank_sum, sums <= rank_sum, far)
        greater, less, both = (min(1.0, float(ways[one].sum())) for one in extreme)
        return Tails(greater, less, both, u)
    variance = n * m / 12 * (n + m + 1 - tie_sum(pooled) / ((n + m) * (n + m - 1)))
    if variance <= 0:
        return Tails(1.0, 1.0, 1.0, u)
    return _normal_tails(u - n * m / 2, math.sqrt(variance), u, correct=correct)


def _normal_tails(distance: float, spread: float, statistic: float, *, correct: bool) -> Tails:
    greater, less, both = (normal_p(distance, spread, side, correct=correct)[0] for side in SIDES)
    return Tails(greater, less, both, statistic)


def normal_p(
    distance: float, spread: float, alternative: Alternative, *, correct: bool
) -> tuple[float, float]:
    """Return p-value and z of a statistic's distance from its mean.

    The continuity correction draws the distance half a unit towards the null.
    """
    if correct:
        if alternative == "two-sided":
            distance = math.copysign(max(0.0, abs(distance) - 0.5), distance)
        else:
            distance -= 0.5 if alternative == "greater" else -0.5
    z = distance / spread
    if alternative == "two-sided":
        return float(min(1.0, 2 * ndtr(-abs(z)))), z
    return float(ndtr(-z if alternative == "greater" else z)), z


def subset_sums(ranks: Values, size: int | None) -> Values:
    """Return the share of the subsets of ranks, whole or half, with each doubled sum, from 0 on.

    `size`: only subsets of so many ranks; None counts all of them.
    """
    doubled = np.rint(2 * ranks).astype(np.intp)
    total = int(doubled.sum())
    if size is None:
        ways = np.zeros(total + 1)
        ways[0] = 1.0
        for rank in doubled:
            moved = np.zeros_like(ways)
            moved[rank:] = ways[: total + 1 - rank]
            ways = (ways + moved) / 2
        return ways
    table = np.zeros((size + 1, total + 1))
    table[0, 0] = 1.0
    for seen, rank in enumerate(doubled, start=1):
        # shares, not numbers: subsets overflow a float at a few hundred ranks
        for chosen in range(min(seen, size), -1, -1):
            stay = table[chosen] * (seen - chosen) / seen
            if chosen:
                stay[rank:] += table[chosen - 1, : total + 1 - rank] * chosen / seen
            table[chosen] = stay
    chosen_all: Values = table[size]
    return chosen_all


CHUNK = 20_000
SAME = 1e-12  # a difference at the edge of the region lies inside, whatever rounding made of it


def bayesian_signed_rank_test(
    a: Sequence[float], b: Sequence[float], *, rope: float, n_samples: int = 50_000, seed: int = 0
) -> Regions:
    """Return how probably a - b tends to lie below, within or above the region.

    `rope`: half-width of the region of practical equivalence, in the unit of the metric. A
    Dirichlet process with strength 0.5 on a pseudo-difference of 0; the mass of a region is that of
    the Walsh averages in it (Benavoli, Corani, Demsar and Zaffalon 2017).
    """
    if not rope >= 0 or n_samples < 1:
        raise DesignError(
            "no region or no draws", found=f"rope {rope}, {n_samples} draws", expected="rope >= 0"
        )
    d = np.concatenate([[0.0], differences(*finite_pairs(a, b))])
    walsh = (d[:, None] + d[None, :]) / 2
    above = (walsh > rope + SAME).astype(np.float64)
    below = (walsh < -rope - SAME).astype(np.float64)
    strength = np.array([0.5] + [1.0] * (len(d) - 1))
    rng = np.random.default_rng(seed)
    wins = np.zeros(3)
    for start in range(0, n_samples, CHUNK):
        weights = rng.dirichlet(strength, size=min(CHUNK, n_samples - start))
        greater = ((weights @ above) * weights).sum(axis=1)
        less = ((weights @ below) * weights).sum(axis=1)
        largest = np.stack([less, 1 - less - greater, greater]).argmax(axis=0)
        wins += np.bincount(largest, minlength=3)
    less, inside, greater = (float(share) for share in wins / n_samples)
    return Regions(less, inside, greater)
