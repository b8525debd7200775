"""Tests of cross-validation scores, whose training sets overlap and whose errors are correlated.

A plain paired t test on such scores rejects a true null in more than half of the runs of a
repeated cross-validation; these tests pay for the overlap. They remain approximations: on
unstable learners with little data they, too, exceed alpha.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import fdtrc, stdtr

from gitexp.errors import DesignError
from gitexp.stats.ttests import Mean, TTest, p_of_t, paired_difference, t_test
from gitexp.stats.values import Values, finite_pairs, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.ttests import Alternative
    from gitexp.stats.values import Floats


@dataclass(frozen=True, slots=True)
class FiveByTwoT:
    """Dietterich's t."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, slots=True)
class FiveByTwoF:
    """Alpaydin's F."""

    statistic: float
    df1: int
    df2: int
    p_value: float


@dataclass(frozen=True, slots=True)
class CorrelatedT:
    """Posterior of the mean difference: a t distribution and its mass in three regions."""

    p_less: float
    p_rope: float
    p_greater: float
    posterior_mean: float
    posterior_scale: float
    posterior_df: int


def corrected_resampled_t_test(
    a: Sequence[float],
    b: Sequence[float],
    *,
    test_train_ratio: float,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> TTest:
    """Test a mean difference over folds or random splits with a variance that knows the overlap.

    Parameters
    ----------
    a, b : sequence of float, shape (n_scores,)
        Scores on the same splits, repeats laid one after another.
    test_train_ratio : float
        n_test / n_train of one split; 1 / (k - 1) for k folds.
    alternative : {"two-sided", "greater", "less"}
    alpha : float
        The interval has confidence 1 - alpha.

    Raises
    ------
    DesignError
        If the ratio is not positive, there are fewer than two scores or they do not vary.

    References
    ----------
    .. [1] Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Mach. Learn.
       52, 239-281. :doi:`10.1023/A:1024068626366`
    .. [2] Bouckaert, R. R. and Frank, E. (2004). Evaluating the replicability of significance
       tests for comparing learning algorithms. PAKDD, 3-12.
       :doi:`10.1007/978-3-540-24775-3_3`

    Examples
    --------
    >>> test = corrected_resampled_t_test([0.9, 0.8, 0.7], [0.8, 0.8, 0.5], test_train_ratio=0.5)
    >>> round(test.statistic, 6)
    1.095445
    """
    mean = corrected_difference(a, b, test_train_ratio)
    return t_test(mean, alternative=alternative, alpha=alpha)


def corrected_difference(a: Floats, b: Floats, test_train_ratio: float) -> Mean:
    """Return the mean of a - b over splits with the error of `corrected_resampled_t_test`.

    Raises
    ------
    DesignError
        If the ratio is not positive, besides the reasons of `ttests.paired_difference`.
    """
    if not (math.isfinite(test_train_ratio) and test_train_ratio > 0):
        raise DesignError(
            "the sizes of test and training parts make no ratio",
            found=str(test_train_ratio),
            expected="n_test / n_train above 0",
        )
    naive = paired_difference(a, b)
    return Mean(naive.estimate, naive.error * math.sqrt(1 + len(a) * test_train_ratio), naive.df)


def five_by_two_cv_t_test(
    scores_a: Sequence[Sequence[float]], scores_b: Sequence[Sequence[float]]
) -> FiveByTwoT:
    """Test five repetitions of two-fold cross-validation by the first difference.

    Parameters
    ----------
    scores_a, scores_b : sequence, shape (5, 2)
        Rows are repetitions, columns folds.

    Raises
    ------
    DesignError
        If the scores are not 5 x 2, or their differences vary within no repetition.

    References
    ----------
    .. [1] Dietterich, T. G. (1998). Approximate statistical tests for comparing supervised
       classification learning algorithms. Neural Comput. 10, 1895-1923.
       :doi:`10.1162/089976698300017197`
    """
    d, variances = _five_by_two(scores_a, scores_b)
    statistic = float(d[0, 0] / math.sqrt(variances.mean()))
    return FiveByTwoT(statistic, 5, p_of_t(statistic, 5, "two-sided"))


def five_by_two_cv_f_test(
    scores_a: Sequence[Sequence[float]], scores_b: Sequence[Sequence[float]]
) -> FiveByTwoF:
    """Test five repetitions of two-fold cross-validation by all ten differences.

    See `five_by_two_cv_t_test` for the parameters.

    References
    ----------
    .. [1] Alpaydin, E. (1999). Combined 5 x 2 cv F test for comparing supervised classification
       learning algorithms. Neural Comput. 11, 1885-1892. :doi:`10.1162/089976699300016007`
    """
    d, variances = _five_by_two(scores_a, scores_b)
    statistic = float((d**2).sum() / (2 * variances.sum()))
    return FiveByTwoF(statistic, 10, 5, float(fdtrc(10, 5, statistic)))


def bayesian_correlated_t_test(
    a: Sequence[float], b: Sequence[float], *, n_folds: int, n_repeats: int, rope: float
) -> CorrelatedT:
    """Return how probable a difference below, within and above a region of equivalence is.

    Parameters
    ----------
    a, b : sequence of float, shape (n_folds * n_repeats,)
        Scores on the same folds.
    n_folds, n_repeats : int
        The correlation of two scores is taken as 1 / n_folds.
    rope : float
        Half-width of the region of practical equivalence, in the unit of the metric.

    Raises
    ------
    DesignError
        If the number of scores is not n_folds * n_repeats, or they do not vary.

    References
    ----------
    .. [1] Corani, G. and Benavoli, A. (2015). A Bayesian approach for comparing cross-validated
       algorithms on multiple data sets. Mach. Learn. 100, 285-304.
       :doi:`10.1007/s10994-015-5486-z`
    """
    if len(a) != n_folds * n_repeats or n_folds < 2:  # noqa: PLR2004 - one fold is no validation
        raise DesignError(
            "the scores are not those of the folds",
            found=f"{len(a)} scores",
            expected=f"{n_folds} folds x {n_repeats} repeats",
        )
    # a correlation of 1 / k is a ratio of 1 / (k - 1), that of k folds
    return correlated_posterior(corrected_difference(a, b, 1 / (n_folds - 1)), rope)


def correlated_posterior(mean: Mean, rope: float) -> CorrelatedT:
    """Return the posterior of `bayesian_correlated_t_test` for a corrected mean difference.

    Parameters
    ----------
    mean : Mean
        From `corrected_difference`; the correlation of two scores is n_test / (n_train + n_test).
    rope : float
        Half-width of the region of practical equivalence, in the unit of the metric.

    Raises
    ------
    DesignError
        If the region is negative or not finite.
    """
    number(rope, "the region of equivalence", least=0)
    below = float(stdtr(mean.df, (-rope - mean.estimate) / mean.error))
    above = float(stdtr(mean.df, (mean.estimate - rope) / mean.error))
    within = max(0.0, 1 - below - above)
    return CorrelatedT(below, within, above, mean.estimate, mean.error, round(mean.df))


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
