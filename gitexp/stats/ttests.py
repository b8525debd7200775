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
from gitexp.stats.values import (
    ALTERNATIVES,
    Values,
    finite,
    finite_pairs,
    known,
    number,
    rate,
    resolution,
)

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


@dataclass(frozen=True, slots=True)
class TTest:
    """A t test of a difference (first minus second); an infinite limit is None."""

    mean_difference: float
    statistic: float
    df: float
    p_value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, slots=True)
class OneSampleTTest:
    """A t test of one mean; the interval is that of the mean."""

    mean: float
    sd: float
    statistic: float
    df: float
    p_value: float
    ci_low: float | None
    ci_high: float | None


def one_mean(values: Floats, what: str = "values") -> Mean:
    """Return the mean of at least two values with its standard error.

    Raises
    ------
    DesignError
        If there are fewer than two values, or they do not vary beyond rounding noise.
    """
    array = finite(values, what, least=2)
    centre = float(array[0])  # large constants with small variation: sum what is left only
    mean = centre + float((array - centre).mean())
    return _mean(mean, float((array - centre).std(ddof=1)), len(array), resolution(array))


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


def t_test(
    mean: Mean, mu0: float = 0.0, *, alternative: Alternative = "two-sided", alpha: float = 0.05
) -> TTest:
    """Test an estimated difference against `mu0`.

    Parameters
    ----------
    mean : Mean
        From `paired_difference`, `welch_difference` or `pooled_difference`.
    mu0 : float
        The difference under the null hypothesis.
    alternative : {"two-sided", "greater", "less"}
    alpha : float
        The interval has confidence 1 - alpha.

    Raises
    ------
    DesignError
        If the alternative is unknown, alpha is no rate or `mu0` not finite.
    """
    known(alternative, ALTERNATIVES, "alternative")
    statistic = (mean.estimate - number(mu0, "the difference under the null")) / mean.error
    low, high = limits(mean, alternative, alpha)
    p_value = p_of_t(statistic, mean.df, alternative)
    return TTest(mean.estimate, statistic, mean.df, p_value, low, high)


def paired_t_test(
    a: Floats,
    b: Floats,
    *,
    mu0: float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> TTest:
    """Test mean(a - b) over pairs against `mu0`.

    Parameters
    ----------
    a, b : sequence of float, shape (n_pairs,)
        At least two pairs.
    mu0, alternative, alpha
        See `t_test`.

    Raises
    ------
    DesignError
        If there are fewer than two pairs, or all differences are equal: t has no error then.

    References
    ----------
    .. [1] Student (1908). The probable error of a mean. Biometrika 6, 1-25.
       :doi:`10.1093/biomet/6.1.1`

    Examples
    --------
    >>> round(paired_t_test([0.84, 0.8362, 0.845], [0.8373, 0.8309, 0.8407]).p_value, 6)
    0.032455
    """
    return t_test(paired_difference(a, b), mu0, alternative=alternative, alpha=alpha)


def welch_t_test(
    a: Floats,
    b: Floats,
    *,
    mu0: float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> TTest:
    """Test mean(a) - mean(b) of independent values against `mu0`, see `welch_difference`."""
    return t_test(welch_difference(a, b), mu0, alternative=alternative, alpha=alpha)


def student_t_test(
    a: Floats,
    b: Floats,
    *,
    mu0: float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> TTest:
    """Test mean(a) - mean(b) against `mu0`, assuming equal variances."""
    return t_test(pooled_difference(a, b), mu0, alternative=alternative, alpha=alpha)


def one_sample_t_test(
    values: Floats,
    *,
    mu0: float = 0.0,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> OneSampleTTest:
    """Test one mean against `mu0`; the interval is that of the mean."""
    mean = one_mean(values)
    sd = mean.error * math.sqrt(len(values))
    test = t_test(mean, mu0, alternative=alternative, alpha=alpha)
    return OneSampleTTest(
        mean.estimate, sd, test.statistic, test.df, test.p_value, test.ci_low, test.ci_high
    )


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
