"""Tests of means by Student's t, the companions of the permutation tests.

Their p-values and intervals assume means of roughly normal distribution; ``docs/statistics.md``
has the measured error at few repeats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import stdtr, stdtrit

from gitexp.errors import DesignError
from gitexp.stats.values import Values, finite, finite_pairs, rate, resolution

if TYPE_CHECKING:
    from gitexp.stats.values import Floats

Alternative = Literal["two-sided", "greater", "less"]


@dataclass(frozen=True, slots=True)
class Mean:
    """An estimate of a mean or a difference of means, with its uncertainty.

    Attributes
    ----------
    estimate : float
        In the unit of the metric.
    error : float
        Its standard error, above 0.
    df : float
        Degrees of freedom of `error`.
    """

    estimate: float
    error: float
    df: float


def paired_difference(a: Floats, b: Floats) -> Mean:
    """Return the mean of a - b over pairs.

    Raises
    ------
    DesignError
        If there are fewer than two pairs, their numbers differ, a value is not finite, or the
        differences do not vary beyond rounding noise.
    """
    first, second = finite_pairs(a, b, least=2)
    differences = first - second
    tolerance = resolution(first, second)
    return _mean(float(differences.mean()), float(differences.std(ddof=1)), len(first), tolerance)


def welch_difference(a: Floats, b: Floats) -> Mean:
    """Return mean(a) - mean(b) with Satterthwaite's degrees of freedom.

    Raises
    ------
    DesignError
        If a side has fewer than two values, one is not finite, or neither side varies.

    References
    ----------
    .. [1] Welch, B. L. (1947). The generalization of "Student's" problem when several different
       population variances are involved. Biometrika 34, 28-35. :doi:`10.1093/biomet/34.1-2.28`
    """
    first, second = finite(a, "values", least=2), finite(b, "values", least=2)
    var_a, var_b = (float(x.var(ddof=1)) / len(x) for x in (first, second))
    error = math.sqrt(var_a + var_b)
    if error <= resolution(first, second):
        raise _constant(first, second)
    share = var_a / (var_a + var_b)  # of squares of very large or small values nothing is left
    df = 1 / (share**2 / (len(first) - 1) + (1 - share) ** 2 / (len(second) - 1))
    return Mean(float(first.mean() - second.mean()), error, df)


def pooled_difference(a: Floats, b: Floats) -> Mean:
    """Return mean(a) - mean(b), assuming equal variances.

    Raises
    ------
    DesignError
        If there are fewer than three values in all, one is not finite, or neither side varies.
    """
    first, second = finite(a, "values"), finite(b, "values")
    df = len(first) + len(second) - 2
    if df < 1:
        raise DesignError("too few values", found=str(df + 2), expected="at least 3 in all")
    squares = math.fsum(((x - x.mean()) ** 2).sum() for x in (first, second))
    error = math.sqrt(squares / df * (1 / len(first) + 1 / len(second)))
    if error <= resolution(first, second):
        raise _constant(first, second)
    return Mean(float(first.mean() - second.mean()), error, df)


def p_of_t(statistic: float, df: float, alternative: Alternative) -> float:
    """Return the p-value of a t statistic.

    Examples
    --------
    >>> p_of_t(0.0, 9, "two-sided"), p_of_t(0.0, 9, "less")
    (1.0, 0.5)
    """
    if alternative == "two-sided":
        return float(min(1.0, 2 * stdtr(df, -abs(statistic))))
    return float(stdtr(df, -statistic if alternative == "greater" else statistic))


def limits(mean: Mean, alternative: Alternative, alpha: float) -> tuple[float | None, float | None]:
    """Return the 1 - alpha interval that belongs to a test; None for the infinite limit.

    Raises
    ------
    DesignError
        If alpha is no rate.

    Examples
    --------
    >>> limits(Mean(0.0, 1.0, 9), "greater", 0.05)[1] is None
    True
    """
    rate(alpha)
    if alternative == "two-sided":
        reach = float(stdtrit(mean.df, 1 - alpha / 2)) * mean.error
        return mean.estimate - reach, mean.estimate + reach
    reach = float(stdtrit(mean.df, 1 - alpha)) * mean.error
    if alternative == "greater":
        return mean.estimate - reach, None
    return None, mean.estimate + reach


def _mean(mean: float, sd: float, n: int, tolerance: float) -> Mean:
    if sd <= tolerance:
        raise DesignError(
            "the values do not vary, so a t test has no error to measure by",
            found=f"{n} times {mean:g}",
            expected="values that differ; deterministic repeats count once",
        )
    return Mean(mean, sd / math.sqrt(n), n - 1)


def _constant(first: Values, second: Values) -> DesignError:
    return DesignError(
        "neither side varies, so a t test has no error to measure by",
        found=f"{np.unique(first)} and {np.unique(second)}",
        expected="values that differ; deterministic repeats count once",
    )
