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
from gitexp.stats.ttests import Mean, p_of_t, paired_difference
from gitexp.stats.values import Values, finite_pairs, number

if TYPE_CHECKING:
    from collections.abc import Sequence

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


def corrected_difference(a: Floats, b: Floats, test_train_ratio: float) -> Mean:
    """Return the mean of a - b over folds or random splits, its error corrected for their overlap.

    Parameters
    ----------
    a, b : sequence of float, shape (n_scores,)
        Scores on the same splits, repeats laid one after another.
    test_train_ratio : float
        n_test / n_train of one split; 1 / (k - 1) for k folds.

    Raises
    ------
    DesignError
        If the ratio is not positive, besides the reasons of `ttests.paired_difference`.

    References
    ----------
    .. [1] Nadeau, C. and Bengio, Y. (2003). Inference for the generalization error. Mach. Learn.
       52, 239-281. :doi:`10.1023/A:1024068626366`
    .. [2] Bouckaert, R. R. and Frank, E. (2004). Evaluating the replicability of significance
       tests for comparing learning algorithms. PAKDD, 3-12.
       :doi:`10.1007/978-3-540-24775-3_3`

    Examples
    --------
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


def correlated_posterior(mean: Mean, rope: float) -> CorrelatedT:
    """Return how probable a difference below, within and above a region of equivalence is.

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

    References
    ----------
    .. [1] Corani, G. and Benavoli, A. (2015). A Bayesian approach for comparing cross-validated
       algorithms on multiple data sets. Mach. Learn. 100, 285-304.
       :doi:`10.1007/s10994-015-5486-z`
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
