"""Power of tests and the sample size it takes, from exact distributions.

Effect sizes are Cohen's d (two samples) or dz (pairs). Two-sided power counts
rejections in both tails, the wrong one too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import nctdtr, ndtr, ndtri, stdtrit

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.distributions import standard_deviations
from gitexp.stats.values import number, rate

if TYPE_CHECKING:
    from gitexp.stats.ttests import Alternative


@dataclass(frozen=True, slots=True)
class Power:
    """Probability of rejecting the null hypothesis."""

    power: float


@dataclass(frozen=True, slots=True)
class SampleSize:
    """The size that gives the power exactly, and rounded up to whole units."""

    n_exact: float
    n: int


def power_paired_t_test(
    n_pairs: float, effect_size: float, *, alpha: float = 0.05, alternative: Alternative = "greater"
) -> Power:
    """Return the power of a paired t test.

    Parameters
    ----------
    n_pairs : float
        Above 1; need not be whole.
    effect_size : float
        Mean of the differences in their standard deviations, the alternative's direction
        positive for "greater".

    References
    ----------
    .. [1] Cohen, J. (1988). Statistical Power Analysis for the Behavioral Sciences, 2nd edition.
       Lawrence Erlbaum.

    Examples
    --------
    >>> round(power_paired_t_test(5, 1.2, alternative="two-sided").power, 4)
    0.5302
    """
    _more_than_one(n_pairs)
    return Power(_t_power(effect_size * math.sqrt(n_pairs), n_pairs - 1, alpha, alternative))


def power_two_sample_t_test(
    n_per_group: float,
    effect_size: float,
    *,
    alpha: float = 0.05,
    alternative: Alternative = "greater",
) -> Power:
    """Return the power of Student's t test with two groups of equal size.

    See `power_paired_t_test`; the effect size is Cohen's d.
    """
    _more_than_one(n_per_group)
    ncp = effect_size * math.sqrt(n_per_group / 2)
    return Power(_t_power(ncp, 2 * n_per_group - 2, alpha, alternative))


def sample_size_mcnemar(
    p_a_only: float,
    p_b_only: float,
    power: float,
    *,
    alpha: float = 0.05,
) -> SampleSize:
    """Return the examples at which McNemar's two-sided test has `power`, by its normal law [1]_.

    Parameters
    ----------
    p_a_only, p_b_only : float
        Probabilities that only `a`, only `b` is right on an example.

    Raises
    ------
    DesignError
        If the probabilities are equal or none of discordant examples, or a rate is none.

    References
    ----------
    .. [1] Connett, J. E., Smith, J. A. and McHugh, R. B. (1987). Sample size and power for
       pair-matched case-control studies. Stat. Med. 6, 53-59. :doi:`10.1002/sim.4780060107`
    """
    rate(alpha)
    rate(power, "power")
    discordant, difference = _discordant(p_a_only, p_b_only)
    if difference == 0:
        raise DesignError("no sample finds a difference of zero")
    root = float(ndtri(1 - alpha / 2)) * math.sqrt(discordant) + float(ndtri(power)) * math.sqrt(
        discordant - difference**2
    )
    n = (root / difference) ** 2
    return SampleSize(n, math.ceil(n))


def power_tost_paired(
    n_pairs: int,
    *,
    true_difference: float,
    sd_of_differences: float,
    margin: float,
    alpha: float = 0.05,
) -> Power:
    """Return the exact power of two one-sided paired t tests against -margin and margin.

    Parameters
    ----------
    n_pairs : int
        At least 2.
    true_difference, sd_of_differences, margin : float
        In the unit of the metric.

    References
    ----------
    .. [1] Phillips, K. F. (1990). Power of the two one-sided tests procedure in bioequivalence.
       J. Pharmacokinet. Biopharm. 18, 137-144. :doi:`10.1007/BF01063556`
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
    return Power(float((weight * inside).sum()))


def _t_power(ncp: float, df: float, alpha: float, alternative: Alternative) -> float:
    rate(alpha)
    if not math.isfinite(ncp):
        raise DesignError("the effect size is not finite", found=str(ncp))
    if alternative == "less":
        return _t_power(-ncp, df, alpha, "greater")
    if alternative == "greater":
        return _above(float(stdtrit(df, 1 - alpha)), ncp, df)
    critical = float(stdtrit(df, 1 - alpha / 2))
    return _above(critical, ncp, df) + _above(critical, -ncp, df)


def _above(critical: float, ncp: float, df: float) -> float:
    """Return P(noncentral t > critical); far in the wrong tail it is 0, not NaN."""
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
