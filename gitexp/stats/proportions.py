"""Intervals of proportions and of their difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import betaincinv

from gitexp.errors import DesignError
from gitexp.stats.effects import Estimate
from gitexp.stats.intervals import wilson_limits
from gitexp.stats.values import rate


@dataclass(frozen=True, slots=True)
class DifferenceInterval:
    """The difference of two proportions (first minus second) with its interval."""

    difference: float
    ci_low: float
    ci_high: float


def wilson_interval(successes: int, n: int, alpha: float = 0.05) -> Estimate:
    """Return a proportion with Wilson's score interval.

    Parameters
    ----------
    successes, n : int
        0 <= successes <= n, n at least 1.
    alpha : float
        The interval has confidence 1 - alpha; its limit is exactly 0 or 1 at 0 or n successes.

    Raises
    ------
    DesignError
        If there are not 0 to n successes of at least one, or alpha is no rate.

    References
    ----------
    .. [1] Wilson, E. B. (1927). Probable inference, the law of succession, and statistical
       inference. J. Am. Stat. Assoc. 22, 209-212. :doi:`10.1080/01621459.1927.10502953`

    Examples
    --------
    >>> round(wilson_interval(0, 20).ci_high, 6)
    0.161125
    """
    _check(successes, n, alpha)
    low, high = wilson_limits(successes, n, alpha)
    return Estimate(successes / n, low, high)


def clopper_pearson_interval(successes: int, n: int, alpha: float = 0.05) -> Estimate:
    """Return a proportion with the exact binomial interval.

    See `wilson_interval` for the parameters.

    References
    ----------
    .. [1] Clopper, C. J. and Pearson, E. S. (1934). The use of confidence or fiducial limits
       illustrated in the case of the binomial. Biometrika 26, 404-413.
       :doi:`10.1093/biomet/26.4.404`
    """
    _check(successes, n, alpha)
    misses = n - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, misses + 1, alpha / 2))
    high = 1.0 if misses == 0 else float(betaincinv(successes + 1, misses, 1 - alpha / 2))
    return Estimate(successes / n, low, high)


def newcombe_difference_interval(
    successes_a: int, n_a: int, successes_b: int, n_b: int, alpha: float = 0.05
) -> DifferenceInterval:
    """Return the hybrid score interval of a difference of independent proportions.

    References
    ----------
    .. [1] Newcombe, R. G. (1998). Interval estimation for the difference between independent
       proportions: comparison of eleven methods. Stat. Med. 17, 873-890, method 10.
       :doi:`10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I`
    """
    a, b = wilson_interval(successes_a, n_a, alpha), wilson_interval(successes_b, n_b, alpha)
    low_a, high_a = wilson_limits(successes_a, n_a, alpha)
    low_b, high_b = wilson_limits(successes_b, n_b, alpha)
    difference = a.estimate - b.estimate
    return DifferenceInterval(
        difference,
        difference - math.hypot(a.estimate - low_a, high_b - b.estimate),
        difference + math.hypot(high_a - a.estimate, b.estimate - low_b),
    )


def _check(successes: int, n: int, alpha: float) -> None:
    rate(alpha)
    if not 0 <= successes <= n or n < 1:
        raise DesignError(
            "no proportion", found=f"{successes} of {n}", expected="0 <= successes <= n, n >= 1"
        )
