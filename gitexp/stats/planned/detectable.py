"""What a design finds: the smallest effect for so many repeats, the repeats for an effect.

Everything follows from numbers, spread and alpha; no measured effect is an argument, so nothing
here can turn into an "observed power". Effect sizes are Cohen's d (two samples) or dz (pairs). The
tests are one-sided: of two sides the power at half of alpha counts, for the effect and its opposite
together.
"""

from __future__ import annotations

import functools
import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.design import pairs_needed, smallest_p
from gitexp.stats.distributions import standard_deviations
from gitexp.stats.effects import bracket, crossing
from gitexp.stats.tests import MIN_REPEATS
from gitexp.stats.values import Values, number, rate

if TYPE_CHECKING:
    from collections.abc import Callable

FEW_REJECTING = 40  # relabellings: below, a t test at the attained level is off by up to 10 points
MOST_SIMULATED = 5_000  # relabellings; at a tiny alpha there are more, and t has to do
CELLS = 2_000_000  # relabellings times simulations: some 50 ms and 16 MB
T_LIMIT = 100  # units; above it a reader sees no difference between t and normal
MOST = 1_000_000  # repeats or examples that a report still names


def power_paired_t_test(n_pairs: float, effect_size: float, *, alpha: float = 0.05) -> float:
    """Return the power of a paired t test (Cohen 1988).

    `n_pairs`: above 1, need not be whole. `effect_size`: mean of the differences in their standard
    deviations.

    >>> round(power_paired_t_test(5, 1.2, alpha=0.025), 4)
    0.5302
    """
    _more_than_one(n_pairs)
    return _t_power(effect_size * math.sqrt(n_pairs), n_pairs - 1, alpha)


def power_two_sample_t_test(
    n_per_group: float, effect_size: float, *, alpha: float = 0.05
) -> float:
    """Return the power of Student's t test with two groups of equal size; Cohen's d."""
    _more_than_one(n_per_group)
    return _t_power(effect_size * math.sqrt(n_per_group / 2), 2 * n_per_group - 2, alpha)


def power_tost_paired(
    n_pairs: float,
    *,
    true_difference: float,
    sd_of_differences: float,
    margin: float,
    alpha: float = 0.05,
) -> float:
    """Return the exact power of two one-sided paired t tests against -margin and margin.

    In the unit of the metric (Phillips 1990).
    """
    rate(alpha)
    _more_than_one(n_pairs)
    if not (sd_of_differences > 0 and margin > 0):
        raise DesignError("spread and margin have to be positive")
    error = sd_of_differences / math.sqrt(n_pairs)
    critical = float(stdtrit(n_pairs - 1, 1 - alpha))
    # beyond this spread no mean rejects both: a kink, at which the quadrature has to end
    ratio, weight = standard_deviations(n_pairs - 1, at_most=margin / error / critical)
    # both reject if the mean lies this far inside the margins, in standard errors
    room = margin / error - critical * ratio
    shift = number(true_difference, "the true difference") / error
    inside = ndtr(room - shift) - ndtr(-room - shift)
    return float((weight * inside).sum())


def _t_power(ncp: float, df: float, alpha: float) -> float:
    """Return P(noncentral t > its critical value); far in the wrong tail it is 0, not NaN."""
    critical = float(stdtrit(df, 1 - rate(alpha)))
    if not math.isfinite(ncp):
        raise DesignError("the effect size is not finite", found=str(ncp))
    share = float(nctdtr(df, ncp, critical))
    if math.isnan(share):
        return 1.0 if ncp > critical else 0.0
    return 1 - share


def _more_than_one(n: float) -> None:
    if not (math.isfinite(n) and n > 1):
        raise DesignError("too few for a test", found=str(n), expected="more than 1")


def smallest_size(n: int, power: float, *, alpha: float, paired: bool) -> float | None:
    """Return the effect that a permutation test of n pairs, or repeats a side, finds with `power`.

    Distance from the null in standard deviations of the paired differences, or of one side's
    values; None where no outcome reaches alpha, which is one-sided (half of it for a two-sided
    test). Normal values. A permutation test has few levels at small n: where it rejects for fewer
    than `FEW_REJECTING` relabellings its power is simulated (common random numbers, standard error
    about 0.01), elsewhere it is that of the t test at the attained level.

    >>> round(smallest_size(10, 0.8, alpha=0.05, paired=True), 2)
    0.85
    """
    rate(alpha)
    rate(power, "power")
    if n < 2 or _least(n, paired=paired) > alpha:  # noqa: PLR2004  no spread in one value
        return None

    return smallest_of(lambda size: power_at(n, size, alpha=alpha, paired=paired) >= power, 18)


def smallest_of(finds: Callable[[float], bool], halvings: int) -> float | None:
    """Return the smallest effect that is found; a simulated power has steps, so no secant."""
    low, high = 0.0, 1.0
    while not finds(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    for _ in range(halvings):
        middle = (low + high) / 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high


def power_at(n: int, size: float, *, alpha: float, paired: bool) -> float:
    """Return the power of a permutation test of so many repeats; see `smallest_size`."""
    ways = _ways(n, paired=paired)
    rejecting = math.floor(alpha * ways + 1e-9)
    if rejecting < 1:
        return 0.0
    if rejecting < FEW_REJECTING and ways <= MOST_SIMULATED:
        return _simulated(n, size, rejecting, paired=paired)
    attained = rejecting / ways if ways < 1 / np.finfo(float).eps else alpha
    test = power_paired_t_test if paired else power_two_sample_t_test
    return test(n, size, alpha=attained)


def power_of_band(n: int, width: float, *, alpha: float, paired: bool, truth: float = 0) -> float:
    """Return the power to show equivalence within `width`, where `truth` is the true difference."""
    if width <= 0:
        return 0.0
    # two groups of n with spread 1 differ as n pairs whose spread is the root of 2; their t has
    # more degrees of freedom, so this errs on the safe side
    spread = 1.0 if paired else math.sqrt(2)
    level = max(alpha, _least(n, paired=paired))
    return power_tost_paired(
        n, true_difference=truth, sd_of_differences=spread, margin=width, alpha=level
    )


@dataclass(frozen=True, slots=True)
class Floor:
    """What more pairs do not lessen."""

    # The least variance of the mean, in variances of a pair: for splits of one table the test
    # examples for each training one, see `ttests`; for repeats over one test set its share.
    variance: float
    examples: int = 0  # of that test set, whose t has Satterthwaite's df; 0 for splits
    folds: int = 1  # of each pair, whose variance is then that of a fold
    same: bool = False  # whether all pairs have the same folds, which so are no more of them
    common: bool = False  # whether both sides have all noise in common, so that none is left

    def units(self, n: int) -> int:
        """Return how many values n pairs give to the test."""
        return self.folds if self.same else n * self.folds


def power_over_floor(
    n: int, size: float, floor: Floor, *, alpha: float, truth: float | None = None
) -> float:
    """Return the power of a t test of n pairs whose standard error never falls below a floor.

    `size`: in standard deviations of a pair; for equivalence the half-width of the band, and
    `truth` the true difference.

    >>> round(power_over_floor(10**6, 1.0, Floor(0.25), alpha=0.05), 2)
    0.64
    """
    n = floor.units(n)
    if n < (MIN_REPEATS if floor.examples else 2):  # no spread in one value
        return 0.0
    own, rest, df = 1 / n, floor.variance, float(n - 1)
    if floor.examples:
        df = (own + rest) ** 2 / (own**2 / df + rest**2 / (floor.examples - 1))
    error = math.sqrt(own + rest)
    if truth is None:
        return _t_power(size / error, df, alpha)
    if size <= 0:
        return 0.0
    spread = error * math.sqrt(df + 1)  # of as many pairs as have these degrees of freedom
    return power_tost_paired(
        df + 1, true_difference=truth, sd_of_differences=spread, margin=size, alpha=alpha
    )


def smallest_band(n: int, power: float, *, alpha: float, paired: bool) -> float | None:
    """Return the half-width of the band in which no difference is shown with `power`.

    As `smallest_size`, for equivalence by two one-sided tests and no true difference.
    """
    if n < 2 or _least(n, paired=paired) > alpha:  # noqa: PLR2004  no spread in one value
        return None

    def gap(width: float) -> float:
        return power_of_band(n, width, alpha=alpha, paired=paired) - power

    return crossing(gap, *bracket(gap, 0.0, 0.5))


def found_at(power: float, alpha: float, df: float = math.inf) -> float:
    """Return how many standard errors lie between the null and what is found, one-sided.

    `df`: of Student's t; from `T_LIMIT` on the statistic is taken for normal.

    >>> round(found_at(0.8, 0.05), 3)
    2.486
    """
    levels = (1 - alpha, power)
    return sum(float(stdtrit(df, at) if df < T_LIMIT else ndtri(at)) for at in levels)


def error_behind(low: float, high: float, *, confidence: float, units: int) -> float:
    """Return the standard error that a symmetric interval was made from.

    By Student's t below `T_LIMIT` units, by the normal distribution above.

    >>> round(error_behind(-1.96, 1.96, confidence=0.95, units=1_000), 3)
    1.0
    """
    rate(confidence, "confidence")
    level = (1 + confidence) / 2
    quantile = stdtrit(units - 1, level) if 1 < units < T_LIMIT else ndtri(level)
    return (high - low) / (2 * float(quantile))


def fewest(
    power_of: Callable[..., float], size: float, power: float, *, alpha: float, paired: bool
) -> int | None:
    """Return the fewest pairs (or repeats a side) that find an effect, or show a band, of `size`.

    `power_of`: `power_at` or `power_of_band`. None where there is no such number below `MOST`.

    >>> fewest(power_at, 1.0, 0.8, alpha=0.05, paired=True)
    8
    """
    rate(power, "power")

    def enough(n: int) -> bool:
        return power_of(n, size, alpha=alpha, paired=paired) >= power

    # 2 (z + z)^2 / size^2 is above any of the tests' needs by little; beyond MOST nobody goes on
    if not size >= 2 / math.sqrt(MOST):
        return None
    high = pairs_needed(alpha, paired=paired)
    low = high - 1
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST:
            return None
    return halved(low, high, enough)


def halved(low: int, high: int, enough: Callable[[int], bool]) -> int:
    """Return the fewest that are enough, where `low` are not and `high` are."""
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def _least(n: int, *, paired: bool) -> float:
    return smallest_p(min(n, 1_000), min(n, 1_000), paired=paired, one_sided=True)


def _ways(n: int, *, paired: bool) -> int:
    n = min(n, 500)  # beyond, the ways of two groups are too many for a float
    return 2**n if paired else math.comb(2 * n, n)


def _simulated(n: int, size: float, rejecting: int, *, paired: bool) -> float:
    """Return the share of simulated outcomes that are among the `rejecting` most extreme ones."""
    sums, shifts, top = _relabelled(n, paired=paired)
    moved = sums + size * shifts
    at_least = (moved >= moved[:, :1] - 1e-9 * top).sum(axis=1)
    return float((at_least <= rejecting).mean())


@functools.lru_cache(maxsize=4)
def _relabelled(n: int, *, paired: bool) -> tuple[Values, Values, float]:
    """Return each simulation's statistic under each relabelling, the true one first.

    The second part is what a shift of the candidate by 1 adds to it.
    """
    rng = np.random.default_rng(n)
    if paired:
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=n)))
        shifts = signs.sum(axis=1)
    else:
        dealt = list(itertools.combinations(range(2 * n), n))
        signs = -np.ones((len(dealt), 2 * n))
        for row, chosen in enumerate(dealt):
            signs[row, list(chosen)] = 1.0
        # the first n values are the candidate's
        shifts = signs[:, :n].sum(axis=1)
    simulations = min(2_000, CELLS // len(signs))
    noise = rng.normal(size=(simulations, signs.shape[1]))
    sums: Values = noise @ signs.T
    return sums, shifts, float(np.abs(sums).max())
