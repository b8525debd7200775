"""Areas under ROC curves of the same examples, by DeLong's method in O(n log n)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats.ranks import midranks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gitexp.stats.values import Values


ROUNDING = 1e-12  # relative; below, a variance is none


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
        Examples of one cluster may depend on each other [3]_.

    Raises
    ------
    DesignError
        If a class has fewer than two examples (or clusters).

    Notes
    -----
    Each example's share in an area is a difference of midranks [2]_; their covariance within the
    classes gives that of the areas [1]_.

    References
    ----------
    .. [1] DeLong, E. R., DeLong, D. M. and Clarke-Pearson, D. L. (1988). Biometrics 44, 837-845.
       :doi:`10.2307/2531595`
    .. [2] Sun, X. and Xu, W. (2014). Fast implementation of DeLong's algorithm. IEEE Signal
       Process. Lett. 21, 1389-1393. :doi:`10.1109/LSP.2014.2337313`
    .. [3] Obuchowski, N. A. (1997). Nonparametric analysis of clustered ROC curve data. Biometrics
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
