"""Tests of means by Student's t: plain, and corrected for training sets that overlap.

Their p-values and intervals assume means of roughly normal distribution; ``docs/statistics.md``
has the measured error at few repeats.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.permutation import Tails
from gitexp.stats.values import Floats, Values, finite, finite_pairs, number, rate, resolution

if TYPE_CHECKING:
    from collections.abc import Sequence


Alternative = Literal["two-sided", "greater", "less"]
_SQUARED = 1e150  # above this the square of a number need not be one


@dataclass(frozen=True, slots=True)
class Mean:
    """An estimate of a mean or a difference of means, with its uncertainty."""

    estimate: float  # in the unit of the metric
    error: float  # its standard error, above 0
    df: float  # degrees of freedom of `error`

    @property
    def t(self) -> float:
        """The t statistic against zero."""
        return self.estimate / self.error

    @property
    def tails(self) -> Tails:
        """The p-values of `t`."""
        return t_tails(self.t, self.df)


def paired_difference(a: Floats, b: Floats) -> Mean:
    """Return the mean of a - b over pairs: two at least, which vary beyond rounding noise."""
    first, second = finite_pairs(a, b, least=2)
    if (largest := float(max(np.abs(first).max(), np.abs(second).max()))) > _SQUARED:
        raise DesignError(
            "the values are too large for a t test",
            found=f"{largest:g}",
            expected=f"at most {_SQUARED:g}, of which there are squares",
        )
    differences = first - second
    n, mean, sd = len(first), float(differences.mean()), float(differences.std(ddof=1))
    if sd <= resolution(first, second):
        raise DesignError(
            "the values do not vary, so a t test has no error to measure by",
            found=f"{n} times {mean:g}",
            expected="values that differ; deterministic repeats count once",
        )
    return Mean(mean, sd / math.sqrt(n), n - 1)


def welch_difference(a: Floats, b: Floats) -> Mean:
    """Return mean(a) - mean(b) with Satterthwaite's degrees of freedom (Welch 1947)."""
    first, second = finite(a, "values", least=2), finite(b, "values", least=2)
    var_a, var_b = (float(x.var(ddof=1)) / len(x) for x in (first, second))
    error = math.sqrt(var_a + var_b)
    if error <= resolution(first, second):
        raise _constant(first, second)
    share = var_a / (var_a + var_b)  # of squares of very large or small values nothing is left
    df = 1 / (share**2 / (len(first) - 1) + (1 - share) ** 2 / (len(second) - 1))
    return Mean(float(first.mean() - second.mean()), error, df)


def pooled_difference(a: Floats, b: Floats) -> Mean:
    """Return mean(a) - mean(b), assuming equal variances."""
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

    >>> p_of_t(0.0, 9, "two-sided"), p_of_t(0.0, 9, "less")
    (1.0, 0.5)
    """
    if alternative == "two-sided":
        return float(min(1.0, 2 * stdtr(df, -abs(statistic))))
    return float(stdtr(df, -statistic if alternative == "greater" else statistic))


def t_tails(t: float, df: float) -> Tails:
    """Return the p-values of a t statistic in all directions."""
    return Tails(p_of_t(t, df, "greater"), p_of_t(t, df, "less"), p_of_t(t, df, "two-sided"), t)


def limits(mean: Mean, alpha: float) -> tuple[float, float]:
    """Return the two-sided 1 - alpha interval."""
    reach = float(stdtrit(mean.df, 1 - rate(alpha) / 2)) * mean.error
    return mean.estimate - reach, mean.estimate + reach


def _constant(first: Values, second: Values) -> DesignError:
    return DesignError(
        "neither side varies, so a t test has no error to measure by",
        found=f"{np.unique(first)} and {np.unique(second)}",
        expected="values that differ; deterministic repeats count once",
    )


@dataclass(frozen=True, slots=True)
class FTest:
    """A statistic with its F p-value."""

    statistic: float
    df1: float
    df2: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Regions:
    """How probable a difference below, within and above a region of equivalence is."""

    p_less: float
    p_rope: float
    p_greater: float


def corrected_difference(a: Floats, b: Floats, test_train_ratio: float) -> Mean:
    """Return the mean of a - b over folds or random splits, its error corrected for their overlap.

    `a`, `b`: scores on the same splits, repeats laid one after another. `test_train_ratio`:
    n_test / n_train of one split; 1 / (k - 1) for k folds (Nadeau and Bengio 2003, Bouckaert and
    Frank 2004).

    >>> mean = corrected_difference([0.9, 0.8, 0.7], [0.8, 0.8, 0.5], 0.5)
    >>> round(mean.estimate / mean.error, 6)
    1.095445
    """
    if not (math.isfinite(test_train_ratio) and test_train_ratio > 0):
        raise DesignError(
            "the sizes of test and training parts make no ratio",
            found=str(test_train_ratio),
            expected="n_test / n_train above 0",
        )
    naive = paired_difference(a, b)
    return Mean(naive.estimate, naive.error * math.sqrt(1 + len(a) * test_train_ratio), naive.df)


def same_folds_p(differences: Sequence[Sequence[float]]) -> float:
    """Test whether the number of a fold says anything about its difference.

    Of folds that each repetition divides afresh it says nothing: number and difference are
    exchangeable within a repetition. What F finds are folds that stay the same. `differences`:
    shape (n_repetitions, n_folds), two of both at least. The two-way F has repetitions for blocks:
    one divides the same data, so its folds are correlated, and a one-way F rejects twice as often
    as it says.

    >>> same_folds_p([[0.1, 0.3], [0.2, 0.4]])
    0.0
    >>> same_folds_p([[0.1, 0.3], [0.3, 0.1]])
    1.0
    """
    d = np.asarray(differences, dtype=float)
    repetitions, folds = d.shape
    if (largest := float(np.abs(d).max())) > _SQUARED:  # F is the same of any scale
        if not math.isfinite(largest):
            return 1.0
        d = d / largest
    within = d - d.mean(axis=1, keepdims=True)
    of_folds = within.mean(axis=0)
    tolerance = resolution(d.ravel(), d.ravel()) ** 2 * d.size
    between = repetitions * float((of_folds**2).sum())
    rest = float(((within - of_folds) ** 2).sum())
    if rest <= tolerance:
        return 1.0 if between <= tolerance else 0.0
    df = folds - 1, (folds - 1) * (repetitions - 1)
    return float(fdtrc(*df, between / df[0] / (rest / df[1])))


def five_by_two_cv_t_test(
    scores_a: Sequence[Sequence[float]], scores_b: Sequence[Sequence[float]]
) -> Tails:
    """Test five repetitions of two-fold cross-validation by the first difference (Dietterich 1998).

    Rows are repetitions, columns folds.
    """
    d, variances = _five_by_two(scores_a, scores_b)
    return t_tails(float(d[0, 0] / math.sqrt(variances.mean())), 5)


def five_by_two_cv_f_test(
    scores_a: Sequence[Sequence[float]], scores_b: Sequence[Sequence[float]]
) -> FTest:
    """Test five repetitions of two-fold cross-validation by all ten differences (Alpaydin 1999)."""
    d, variances = _five_by_two(scores_a, scores_b)
    statistic = float((d**2).sum() / (2 * variances.sum()))
    return FTest(statistic, 10, 5, float(fdtrc(10, 5, statistic)))


def correlated_posterior(mean: Mean, rope: float) -> Regions:
    """Return how probable a difference below, within and above a region of equivalence is.

    `mean`: from `corrected_difference`; the correlation of two scores is n_test / (n_train +
    n_test). `rope`: half-width of the region, in the unit of the metric (Corani and Benavoli 2015).
    """
    number(rope, "the region of equivalence", least=0)
    below = float(stdtr(mean.df, (-rope - mean.estimate) / mean.error))
    above = float(stdtr(mean.df, (mean.estimate - rope) / mean.error))
    return Regions(below, max(0.0, 1 - below - above), above)


def _five_by_two(
    scores_a: Sequence[Sequence[float]], scores_b: Sequence[Sequence[float]]
) -> tuple[Values, Values]:
    first, second = finite_pairs(np.asarray(scores_a), np.asarray(scores_b))
    if first.shape != (5, 2):
        raise DesignError("not a 5 x 2 cross-validation", found=str(first.shape), expected="5 x 2")
    d = first - second
    variances = ((d - d.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    if variances.sum() <= 0:
        raise DesignError(
            "the differences do not vary within any repetition",
            expected="scores that differ; the test has no error to measure by",
        )
    return d, variances
