"""Areas under ROC curves of the same examples, by DeLong's method in O(n log n)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from gitexp.errors import DesignError
from gitexp.stats.ranks import midranks, normal_p
from gitexp.stats.values import ALTERNATIVES, Values, finite, known, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from gitexp.stats.ttests import Alternative

ROUNDING = 1e-12  # relative; below, a variance is none


@dataclass(frozen=True, slots=True)
class DeLongTest:
    """Two correlated areas compared; the interval is that of the difference, two-sided."""

    auc_a: float
    auc_b: float
    auc_difference: float
    standard_error: float
    statistic: float
    p_value: float
    ci_low: float
    ci_high: float


@dataclass(frozen=True, slots=True)
class AucInterval:
    """One area with its interval."""

    auc: float
    standard_error: float
    ci_low: float
    ci_high: float


def delong_test(
    labels: Sequence[int],
    scores_a: Sequence[float],
    scores_b: Sequence[float],
    *,
    alternative: Alternative = "two-sided",
    alpha: float = 0.05,
) -> DeLongTest:
    """Test whether two scores of the same examples have the same area under the ROC curve.

    Parameters
    ----------
    labels : sequence of int, shape (n_examples,)
        0 or 1.
    scores_a, scores_b : sequence of float, shape (n_examples,)
        Larger means class 1.
    alternative : {"two-sided", "greater", "less"}
        Of `a` relative to `b`.
    alpha : float
        The interval has confidence 1 - alpha.

    Raises
    ------
    DesignError
        If a class has fewer than two examples, lengths differ, a score is not finite, or the
        alternative is unknown.

    Notes
    -----
    Each example's share in the area is a difference of midranks [2]_; their covariance within
    the classes gives that of the areas [1]_. Two scores that rank all examples alike have no
    error and p = 1.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Comparing the areas
       under two or more correlated receiver operating characteristic curves. Biometrics 44,
       837-845. :doi:`10.2307/2531595`
    .. [2] Sun, X. and Xu, W. (2014). Fast implementation of DeLong's algorithm. IEEE Signal
       Process. Lett. 21, 1389-1393. :doi:`10.1109/LSP.2014.2337313`

    Examples
    --------
    >>> test = delong_test([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0])
    >>> test.auc_a, test.auc_b
    (1.0, 0.75)
    """
    rate(alpha)
    known(alternative, ALTERNATIVES, "alternative")
    first, second = _placements(labels, scores_a), _placements(labels, scores_b)
    auc_a, auc_b = float(first[0].mean()), float(second[0].mean())
    difference = auc_a - auc_b
    error = _error(first[0] - second[0], first[1] - second[1])
    if error == 0 and difference != 0:
        raise DesignError(
            "areas that do not vary from example to example cannot be tested",
            found=f"{auc_a:g} and {auc_b:g}",
            expected="examples on which the scores differ by more or less",
        )
    statistic, p_value = 0.0, 1.0
    if error > 0:
        p_value, statistic = normal_p(difference, error, alternative, correct=False)
    reach = float(ndtri(1 - alpha / 2)) * error
    return DeLongTest(
        auc_a,
        auc_b,
        difference,
        error,
        statistic,
        p_value,
        difference - reach,
        difference + reach,
    )


@dataclass(frozen=True, slots=True)
class Areas:
    """The areas of two scores of the same examples with their covariance.

    Attributes
    ----------
    baseline, candidate : float
    var_baseline, var_candidate, covariance : float
    """

    baseline: float
    candidate: float
    var_baseline: float
    var_candidate: float
    covariance: float

    def error(self, factor: float = 1.0) -> float:
        """Return the standard error of ``candidate - factor * baseline``."""
        spread = self.var_candidate - 2 * factor * self.covariance + factor**2 * self.var_baseline
        # equal scores leave rounding noise
        return math.sqrt(spread) if spread > ROUNDING * self.var_baseline else 0.0


def paired_areas(
    truth: Values,
    baseline: Values,
    candidate: Values,
    clusters: NDArray[np.intp] | None = None,
) -> Areas:
    """Compute two correlated areas, of independent examples or of clusters of them.

    Parameters
    ----------
    truth : ndarray of float, shape (n_examples,)
        1 for the positive class, else 0.
    baseline, candidate : ndarray of float, shape (n_examples,)
        Larger means the positive class.
    clusters : ndarray of int, shape (n_examples,), or None
        Examples of one cluster may depend on each other [2]_.

    Raises
    ------
    DesignError
        If a class has fewer than two examples (or clusters).

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Biometrics 44, 837-845.
       :doi:`10.2307/2531595`
    .. [2] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics
       53, 567-578. :doi:`10.2307/2533958`
    """
    labels = truth.astype(np.intp)
    hit = labels == 1
    unit = np.arange(len(labels)) if clusters is None else clusters
    number = int(unit.max(initial=-1)) + 1
    areas: list[float] = []
    shares: list[tuple[Values, Values]] = []
    for scores in (baseline, candidate):
        positive, negative = _shares(labels, scores)
        area = float(positive.mean())
        areas.append(area)
        shares.append(
            (
                np.bincount(unit[hit], positive - area, number) / len(positive),
                np.bincount(unit[~hit], negative - area, number) / len(negative),
            )
        )
    groups = (int(hit.sum()), int((~hit).sum()), number)
    if clusters is not None:
        groups = (len(np.unique(unit[hit])), len(np.unique(unit[~hit])), number)
    if min(groups) < 2:  # noqa: PLR2004 - a variance needs two
        raise DesignError(
            "an area needs examples of both classes in two clusters at least",
            found=f"{groups[0]} clusters with the positive class, {groups[1]} with the other",
        )
    one, two, all_ = (size / (size - 1) for size in groups)

    def spread(first: tuple[Values, Values], second: tuple[Values, Values]) -> float:
        return float(
            one * first[0] @ second[0]
            + two * first[1] @ second[1]
            + all_ * (first[0] @ second[1] + first[1] @ second[0])
        )

    return Areas(
        areas[0],
        areas[1],
        spread(shares[0], shares[0]),
        spread(shares[1], shares[1]),
        spread(shares[0], shares[1]),
    )


def delong_auc_ci(
    labels: Sequence[int], scores: Sequence[float], *, alpha: float = 0.05
) -> AucInterval:
    """Return the area under a ROC curve with its normal interval, clipped to [0, 1].

    See `delong_test`.
    """
    rate(alpha)
    placements = _placements(labels, scores)
    auc, error = float(placements[0].mean()), _error(*placements)
    reach = float(ndtri(1 - alpha / 2)) * error
    return AucInterval(auc, error, max(0.0, auc - reach), min(1.0, auc + reach))


def _placements(labels: Sequence[int], scores: Sequence[float]) -> tuple[Values, Values]:
    """Return for each example of class 1, and of class 0, its share in the area."""
    truth, values = np.asarray(labels), finite(scores, "scores")
    if truth.shape != values.shape or not np.isin(truth, (0, 1)).all():
        raise DesignError(
            "labels and scores do not match",
            found=f"{truth.shape} labels, {values.shape} scores",
            expected="one label, 0 or 1, for each score",
        )
    return _shares(truth.astype(np.intp), values)


def _shares(truth: NDArray[np.intp], values: Values) -> tuple[Values, Values]:
    positive, negative = values[truth == 1], values[truth == 0]
    m, n = len(positive), len(negative)
    if min(m, n) < 2:  # noqa: PLR2004 - a variance needs two
        raise DesignError(
            "an area needs examples of both classes",
            found=f"{m} of class 1, {n} of class 0",
            expected="at least 2 of each",
        )
    ranks = midranks(np.concatenate([positive, negative]))
    of_positive = (ranks[:m] - midranks(positive)) / n
    of_negative = 1 - (ranks[m:] - midranks(negative)) / m
    return of_positive, of_negative


def _error(of_positive: Values, of_negative: Values) -> float:
    return math.sqrt(
        float(of_positive.var(ddof=1)) / len(of_positive)
        + float(of_negative.var(ddof=1)) / len(of_negative)
    )
