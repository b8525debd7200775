"""Sizes of an effect, standardised or by ranks, and their intervals (noncentral t and F).

All are first minus second: `a` relative to `b`, the candidate relative to the baseline.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import gammaln, ncfdtr, nctdtr, ndtri

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.model.comparison import EffectSize, Interval
from gitexp.stats import ranks
from gitexp.stats.ttests import paired_difference, pooled_difference
from gitexp.stats.values import Floats, finite, finite_pairs, rate

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate with a two-sided interval."""

    estimate: float
    ci_low: float
    ci_high: float


def effect_sizes(
    baseline: Floats, candidate: Floats, *, paired: bool, confidence: float = 0.95
) -> tuple[EffectSize, ...]:
    """Return the effect sizes of a design; those that do not exist are left out.

    Standardised where values, or paired differences, vary; then one by ranks.

    >>> [size.name for size in effect_sizes([1.0, 2.0, 4.0], [2.0, 4.0, 5.0], paired=True)]
    ["Cohen's dz", "Hedges' gz", 'rank-biserial correlation']
    >>> [size.name for size in effect_sizes([1.0, 2.0], [3.0, 5.0], paired=False)]
    ["Cohen's d", "Hedges' g", "Cliff's delta"]
    """
    sizes = []
    for name, function in _PAIRED if paired else _INDEPENDENT:
        try:
            size = function(candidate, baseline, 1 - confidence)
        except DesignError:  # too few values, or none of them varies: there is no such size
            continue
        interval = Interval(size.ci_low, size.ci_high, confidence, "noncentral t")
        sizes.append(EffectSize(name, size.estimate, interval))
    name = "rank-biserial correlation" if paired else "Cliff's delta"
    by_ranks = (rank_biserial_paired if paired else cliffs_delta)(candidate, baseline)
    return (*sizes, EffectSize(name, by_ranks, None))


def cohens_d(a: Floats, b: Floats, alpha: float = 0.05) -> Estimate:
    """Return the difference of means in pooled standard deviations, with its interval.

    The interval has confidence 1 - alpha: noncentral-t limits times sqrt(1/n + 1/m) (Cumming and
    Finch 2001). Three values in all at least, and a side has to vary.

    >>> round(cohens_d([3.0, 4.0, 5.0], [1.0, 2.0, 3.0]).estimate, 6)
    2.0
    """
    mean = pooled_difference(a, b)
    scale = math.sqrt(1 / len(a) + 1 / len(b))
    return _from_t(mean.estimate / mean.error, mean.df, scale, alpha)


def hedges_g(a: Floats, b: Floats, alpha: float = 0.05) -> Estimate:
    """Return `cohens_d` and its limits, exactly corrected for small samples (Hedges 1981)."""
    return _corrected(cohens_d(a, b, alpha), len(a) + len(b) - 2)


def cohens_dz(a: Floats, b: Floats, alpha: float = 0.05) -> Estimate:
    """Return the mean paired difference in standard deviations of the differences.

    The interval has confidence 1 - alpha: noncentral-t limits / sqrt(n). Two pairs at least, with
    differences that vary.

    >>> round(cohens_dz([2.0, 4.0, 6.0], [1.0, 2.0, 3.0]).estimate, 6)
    2.0
    """
    mean = paired_difference(a, b)
    return _from_t(mean.estimate / mean.error, mean.df, 1 / math.sqrt(len(a)), alpha)


def hedges_gz(a: Floats, b: Floats, alpha: float = 0.05) -> Estimate:
    """Return `cohens_dz` and its limits with the correction of `hedges_g` at n - 1."""
    return _corrected(cohens_dz(a, b, alpha), len(a) - 1)


def cliffs_delta(a: Floats, b: Floats) -> float:
    """Return P(a > b) - P(a < b) over all pairs of one value a side (Cliff 1993).

    >>> cliffs_delta([1.0, 2.0], [2.0, 3.0])
    -0.75
    """
    first, second = finite(a), np.sort(finite(b))
    below = np.searchsorted(second, first, side="left").sum()
    above = (len(second) - np.searchsorted(second, first, side="right")).sum()
    return float(below - above) / (len(first) * len(second))


def rank_biserial_paired(a: Floats, b: Floats) -> float:
    """Return (W+ - W-) / (W+ + W-) of the signed ranks; 0 if all differences are zero (Kerby 2014).

    >>> rank_biserial_paired([1.0, 5.0], [2.0, 3.0])
    0.3333333333333333
    """
    plus, minus = ranks.signed_rank_sums(ranks.differences(*finite_pairs(a, b)))
    total = plus + minus
    return (plus - minus) / total if total else 0.0


def _from_t(t: float, df: float, scale: float, alpha: float) -> Estimate:
    low, high = noncentral_t_interval(t, df, alpha)
    return Estimate(t * scale, low * scale, high * scale)


def _corrected(size: Estimate, df: float) -> Estimate:
    if df <= 1:
        raise DesignError(
            "the correction for small samples needs two degrees of freedom", found=f"{df:g}"
        )
    factor = math.exp(float(gammaln(df / 2) - gammaln((df - 1) / 2))) / math.sqrt(df / 2)
    return Estimate(size.estimate * factor, size.ci_low * factor, size.ci_high * factor)


_PAIRED = (("Cohen's dz", cohens_dz), ("Hedges' gz", hedges_gz))
_INDEPENDENT = (("Cohen's d", cohens_d), ("Hedges' g", hedges_g))
TINY = 1e-9  # below it the series of the noncentral t takes seconds to say what is known


def noncentral_t_interval(t: float, df: float, alpha: float = 0.05) -> tuple[float, float]:
    """Return the 1 - alpha interval of the noncentrality of an observed t, half of alpha a side.

    See Steiger and Fouladi (1997).

    >>> [round(limit, 4) for limit in noncentral_t_interval(2.6, 18)]
    [0.436, 4.7033]
    """
    rate(alpha)
    if abs(t) < TINY:  # at t = 0 the distribution function is the normal one of -ncp
        z = float(ndtri(1 - alpha / 2))
        return t - z, t + z
    if t < 0:  # far in the wrong tail the distribution function returns NaN: use the symmetry
        low, high = noncentral_t_interval(-t, df, alpha)
        return -high, -low

    def below(ncp: float) -> float:
        share = float(nctdtr(df, ncp, t))
        if math.isnan(share):
            return 1.0 if ncp < t else 0.0
        return share

    def limit(share: float, step: float) -> float:
        return crossing(
            lambda ncp: below(ncp) - share, *bracket(lambda ncp: below(ncp) - share, t, step)
        )

    # the median of a noncentral t lies a little above its noncentrality, so t itself is inside
    return limit(1 - alpha / 2, -1.0), limit(alpha / 2, 1.0)


def noncentral_f_interval(
    statistic: float, df1: float, df2: float, alpha: float = 0.05
) -> tuple[float, float]:
    """Return the 1 - alpha interval of the noncentrality of an observed F (Smithson 2003).

    Half of alpha lies beyond either limit; a limit that does not exist is 0.
    """
    rate(alpha)

    def limit(share: float) -> float:
        def gap(ncp: float) -> float:
            return float(ncfdtr(df1, df2, ncp, statistic)) - share

        return 0.0 if gap(0.0) <= 0 else crossing(gap, *bracket(gap, 0.0, 1.0))

    return limit(1 - alpha / 2), limit(alpha / 2)


MAX_STEPS = 200


def crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the argument between two at which a function changes its sign, by bisection.

    The function is monotone between them; to the last bit that halving can give.

    >>> crossing(lambda x: x * x - 2, 0, 2)
    1.4142135623730951
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0:
        return low
    if at_high == 0:
        return high
    if math.isnan(at_low) or math.isnan(at_high) or (at_low > 0) == (at_high > 0):
        raise DesignError(
            "no solution in the range searched",
            found=f"{at_low:g} at {low:g}, {at_high:g} at {high:g}",
            expected="a change of sign",
        )
    for _ in range(MAX_STEPS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if (function(middle) > 0) == (at_low > 0):
            low = middle
        else:
            high = middle
    return high


def bracket(function: Callable[[float], float], start: float, step: float) -> tuple[float, float]:
    """Walk from `start` with doubling steps until the sign changes; return the last two places."""
    here, sign = start, function(start) > 0
    for _ in range(60):
        there = here + step
        if (function(there) > 0) != sign:
            return min(here, there), max(here, there)
        here, step = there, step * 2
    raise DesignError("no solution in any range", found=f"searched from {start:g} to {here:g}")
