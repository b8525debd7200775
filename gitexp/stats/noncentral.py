"""Intervals of noncentrality parameters, and the search for roots that they need."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.special import ncfdtr, nctdtr, ndtri

from gitexp.errors import DesignError
from gitexp.stats.values import rate

if TYPE_CHECKING:
    from collections.abc import Callable

TINY = 1e-9  # below it the series of the noncentral t takes seconds to say what is known


@dataclass(frozen=True, slots=True)
class NoncentralInterval:
    """Two-sided interval of a noncentrality parameter."""

    ncp_low: float
    ncp_high: float


def noncentral_t_interval(t: float, df: float, alpha: float = 0.05) -> NoncentralInterval:
    """Return the 1 - alpha interval of the noncentrality of an observed t.

    Parameters
    ----------
    t : float
        Observed statistic, finite.
    df : float
        Degrees of freedom, above 0.
    alpha : float
        Half of it lies beyond either limit.

    Raises
    ------
    DesignError
        If alpha is no rate, or a limit cannot be found.

    References
    ----------
    .. [1] Steiger, J. H. and Fouladi, R. T. (1997). Noncentrality interval estimation and the
       evaluation of statistical models. In: What if there were no significance tests? 221-257.

    Examples
    --------
    >>> limits = noncentral_t_interval(2.6, 18)
    >>> round(limits.ncp_low, 4), round(limits.ncp_high, 4)
    (0.436, 4.7033)
    """
    rate(alpha)
    if abs(t) < TINY:  # at t = 0 the distribution function is the normal one of -ncp
        z = float(ndtri(1 - alpha / 2))
        return NoncentralInterval(t - z, t + z)
    if t < 0:  # far in the wrong tail the distribution function returns NaN: use the symmetry
        mirrored = noncentral_t_interval(-t, df, alpha)
        return NoncentralInterval(-mirrored.ncp_high, -mirrored.ncp_low)

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
    return NoncentralInterval(limit(1 - alpha / 2, -1.0), limit(alpha / 2, 1.0))


def noncentral_f_interval(
    statistic: float, df1: float, df2: float, alpha: float = 0.05
) -> NoncentralInterval:
    """Return the 1 - alpha interval of the noncentrality of an observed F.

    Parameters
    ----------
    statistic : float
        Observed F, at least 0.
    df1, df2 : float
        Degrees of freedom.
    alpha : float
        Half of it lies beyond either limit; a limit that does not exist is 0.

    Raises
    ------
    DesignError
        If alpha is no rate, or a limit cannot be found.

    References
    ----------
    .. [1] Smithson, M. (2003). Confidence Intervals. Sage. :doi:`10.4135/9781412983761`
    """
    rate(alpha)

    def limit(share: float) -> float:
        def gap(ncp: float) -> float:
            return float(ncfdtr(df1, df2, ncp, statistic)) - share

        return 0.0 if gap(0.0) <= 0 else crossing(gap, *bracket(gap, 0.0, 1.0))

    return NoncentralInterval(limit(1 - alpha / 2), limit(alpha / 2))


MAX_STEPS = 200


def crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the argument between two at which a function changes its sign, by bisection.

    Parameters
    ----------
    function : callable
        Float to float, monotone between `low` and `high`.
    low, high : float
        Values of the function there must not have the same sign.

    Returns
    -------
    float
        To the last bit that halving can give.

    Raises
    ------
    DesignError
        If the function does not change its sign.

    Examples
    --------
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
    """Walk from `start` with doubling steps until the sign changes; return the last two places.

    Raises
    ------
    DesignError
        If it does not change within sixty doublings.
    """
    here, sign = start, function(start) > 0
    for _ in range(60):
        there = here + step
        if (function(there) > 0) != sign:
            return min(here, there), max(here, there)
        here, step = there, step * 2
    raise DesignError("no solution in any range", found=f"searched from {start:g} to {here:g}")
