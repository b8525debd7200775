"""Tests of several independent groups: analysis of variance, its robust and rank-based kin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, fdtrc

from gitexp.errors import DesignError
from gitexp.stats.effects import Estimate, noncentral_f_interval
from gitexp.stats.ranks import midranks, tie_sum
from gitexp.stats.values import Values, finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Groups = Mapping[str, Sequence[float]]


@dataclass(frozen=True, slots=True)
class Anova:
    """One-way analysis of variance; eta squared is the share of the sum of squares."""

    statistic: float
    df_between: int
    df_within: int
    ss_between: float
    ss_within: float
    eta_squared: float
    p_value: float


@dataclass(frozen=True, slots=True)
class FTest:
    """A statistic with its F p-value."""

    statistic: float
    df1: float
    df2: float
    p_value: float


@dataclass(frozen=True, slots=True)
class KruskalWallis:
    """The tie-corrected H with its chi-squared p-value."""

    statistic: float
    df: int
    p_value: float


def one_way_anova(groups: Groups) -> Anova:
    """Test whether all groups have the same mean, assuming equal variances.

    Parameters
    ----------
    groups : mapping of name to values
        Two groups at least, more values than groups.

    Raises
    ------
    DesignError
        If no group varies.

    References
    ----------
    .. [1] Fisher, R. A. (1925). Statistical Methods for Research Workers. Oliver and Boyd.

    Examples
    --------
    >>> one_way_anova({"a": [1.0, 2.0], "b": [3.0, 4.0]}).statistic
    8.0
    """
    values = checked(groups)
    # Large constants with small variation: differences from one value are exact, so centre first.
    origin = values[0][0]
    centred = [group - origin for group in values]
    n, k = sum(len(group) for group in centred), len(centred)
    grand = np.concatenate(centred).mean()
    between = math.fsum(len(group) * (group.mean() - grand) ** 2 for group in centred)
    within = math.fsum(((group - group.mean()) ** 2).sum() for group in centred)
    if within <= 0:
        raise DesignError("no group varies, so there is no error to measure by")
    statistic = (between / (k - 1)) / (within / (n - k))
    p_value = float(fdtrc(k - 1, n - k, statistic))
    return Anova(statistic, k - 1, n - k, between, within, between / (between + within), p_value)


def welch_anova(groups: Groups) -> FTest:
    """Test whether all groups have the same mean, whatever their variances.

    Parameters
    ----------
    groups : mapping of name to values
        Each with two values at least, that vary.

    References
    ----------
    .. [1] Welch, B. L. (1951). On the comparison of several mean values: an alternative
       approach. Biometrika 38, 330-336. :doi:`10.1093/biomet/38.3-4.330`
    """
    values = checked(groups, least=2)
    k = len(values)
    n = np.array([len(group) for group in values], dtype=np.float64)
    origin = values[0][0]
    means = np.array([(group - origin).mean() for group in values])
    variances = np.array([(group - origin).var(ddof=1) for group in values])
    if (variances <= 0).any():
        raise DesignError("a group does not vary, so its mean has no error to weigh it by")
    weights = n / variances
    centre = (weights * means).sum() / weights.sum()
    spread = ((1 - weights / weights.sum()) ** 2 / (n - 1)).sum()
    top = (weights * (means - centre) ** 2).sum() / (k - 1)
    statistic = float(top / (1 + 2 * (k - 2) / (k * k - 1) * spread))
    df2 = float((k * k - 1) / (3 * spread))
    return FTest(statistic, k - 1, df2, float(fdtrc(k - 1, df2, statistic)))


def kruskal_wallis(groups: Groups) -> KruskalWallis:
    """Test whether values of all groups tend to be equally large.

    References
    ----------
    .. [1] Kruskal, W. H. and Wallis, W. A. (1952). Use of ranks in one-criterion variance
       analysis. J. Am. Stat. Assoc. 47, 583-621. :doi:`10.1080/01621459.1952.10483441`
    """
    values = checked(groups)
    pooled = np.concatenate(values)
    n = len(pooled)
    ranks = midranks(pooled)
    parts = np.split(ranks, np.cumsum([len(group) for group in values])[:-1])
    spread = math.fsum(len(part) * (part.mean() - (n + 1) / 2) ** 2 for part in parts)
    correction = 1 - tie_sum(pooled) / (n**3 - n)
    if correction <= 0:
        return KruskalWallis(0.0, len(values) - 1, 1.0)  # all values are equal
    statistic = float(12 / (n * (n + 1)) * spread / correction)
    df = len(values) - 1
    return KruskalWallis(statistic, df, float(chdtrc(df, statistic)))


def eta_squared(groups: Groups, *, alpha: float = 0.05) -> Estimate:
    """Return the share of the variation that lies between groups, with its interval.

    Parameters
    ----------
    alpha : float
        The interval has confidence 1 - alpha: noncentral-F limits lambda / (lambda + N).

    References
    ----------
    .. [1] Steiger, J. H. (2004). Beyond the F test: effect size confidence intervals and tests
       of close fit. Psychol. Methods 9, 164-182. :doi:`10.1037/1082-989X.9.2.164`
    """
    anova = one_way_anova(groups)
    n = anova.df_between + anova.df_within + 1
    limits = noncentral_f_interval(anova.statistic, anova.df_between, anova.df_within, alpha)
    low, high = (ncp / (ncp + n) for ncp in (limits.ncp_low, limits.ncp_high))
    return Estimate(anova.eta_squared, low, high)


def omega_squared(groups: Groups) -> Estimate:
    """Return the share between groups with less bias than `eta_squared`.

    References
    ----------
    .. [1] Hays, W. L. (1963). Statistics for Psychologists. Holt, Rinehart and Winston.
    """
    anova = one_way_anova(groups)
    error = anova.ss_within / anova.df_within
    total = anova.ss_between + anova.ss_within
    return Estimate((anova.ss_between - anova.df_between * error) / (total + error))


def checked(groups: Groups, *, least: int = 1) -> list[Values]:
    """Return the groups as arrays; there must be two, and more values than groups.

    Raises
    ------
    DesignError
        If there are fewer than two groups, one is empty, all have one value only, or a value is not
        finite.
    """
    values = [finite(group, f"values of {name}", least=least) for name, group in groups.items()]
    if len(values) < 2 or sum(map(len, values)) <= len(values):  # noqa: PLR2004 - nothing to compare
        raise DesignError(
            "too few groups or values",
            found=f"{len(values)} groups, {sum(map(len, values))} values",
            expected="at least 2 groups and more values than groups",
        )
    return values
