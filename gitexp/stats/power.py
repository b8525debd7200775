"""Power of tests and the sample size it takes, from exact distributions.

Effect sizes are Cohen's d (two samples) or dz (pairs). The tests are one-sided: of two sides the
power at half of alpha counts, for the effect and its opposite together.
"""

from __future__ import annotations

import math

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from gitexp.errors import DesignError
from gitexp.stats.distributions import standard_deviations
from gitexp.stats.values import number, rate


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


def sample_size_mcnemar(
    p_a_only: float, p_b_only: float, power: float, *, alpha: float = 0.05
) -> float:
    """Return the examples at which McNemar's two-sided test has `power`, by its normal law.

    `p_a_only`, `p_b_only`: probabilities that only `a`, only `b` is right on an example (Connett,
    Smith and McHugh 1987).
    """
    rate(alpha)
    rate(power, "power")
    discordant, difference = _discordant(p_a_only, p_b_only)
    if difference == 0:
        raise DesignError("no sample finds a difference of zero")
    root = float(ndtri(1 - alpha / 2)) * math.sqrt(discordant) + float(ndtri(power)) * math.sqrt(
        discordant - difference**2
    )
    return (root / difference) ** 2


def power_tost_paired(
    n_pairs: int,
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


def _discordant(p_a_only: float, p_b_only: float) -> tuple[float, float]:
    total = p_a_only + p_b_only
    if min(p_a_only, p_b_only) < 0 or not 0 < total <= 1:
        raise DesignError(
            "no probabilities of discordant examples",
            found=f"{p_a_only} and {p_b_only}",
            expected="neither negative, together above 0 and at most 1",
        )
    return total, abs(p_a_only - p_b_only)


def _more_than_one(n: float) -> None:
    if not (math.isfinite(n) and n > 1):
        raise DesignError("too few for a test", found=str(n), expected="more than 1")
