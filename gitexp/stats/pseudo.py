"""What each example adds to a metric, so that the mean over examples is the metric itself.

Losses are that already. Of a metric that is not a mean - F1, an area - each example has a jackknife
pseudo-value: n times the metric less n - 1 times the metric without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats import metrics, ranked, scored
from gitexp.stats.design import MEANS, RANKED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.metrics import Definition
    from gitexp.stats.scored import ScoreTerms
    from gitexp.stats.sums import Places
    from gitexp.stats.values import Values

CHUNK = 4_000_000  # counts held at a time


def of_terms(terms: ScoreTerms) -> Values:
    """Return the pseudo-values of a metric of scores, shape (n_examples,).

    Examples
    --------
    >>> one = scored.ScoreTerms(scored.Scoring("mae"), np.zeros(2), np.array([1.0, 3.0]))
    >>> [float(number) for number in of_terms(one)]
    [1.0, 3.0]
    """
    if terms.scoring.kind in MEANS:
        return terms.values
    whole, n = scored.value(terms), len(terms.values)
    if terms.scoring.kind in RANKED:
        return _pseudo(whole, ranked.left_out(terms))
    if n < 2:  # noqa: PLR2004 - nothing would be left
        raise DesignError("a jackknife needs two examples", found=str(n))
    rest = np.maximum(terms.values.sum() - terms.values, 0.0) / (n - 1)
    return _pseudo(whole, np.sqrt(rest))


def of_labels(
    definition: Definition, y_true: Sequence[str], y_pred: Sequence[str], labels: Sequence[str]
) -> Values:
    """Return the pseudo-values of a metric of labels, shape (n_examples,).

    Parameters
    ----------
    y_true, y_pred : sequence of str, length n_examples
    labels : sequence of str
        All classes that occur.
    """
    n, k = len(y_true), len(labels)
    if n < 2:  # noqa: PLR2004 - nothing would be left
        raise DesignError("a jackknife needs two examples", found=str(n))
    place = {label: index for index, label in enumerate(labels)}
    truth = np.array([place[label] for label in y_true], dtype=np.intp)
    guess = np.array([place[label] for label in y_pred], dtype=np.intp)
    counts = metrics.count(y_true, y_pred, labels)
    whole = float(metrics.evaluate(definition, counts, labels))
    cells, where = np.unique(truth * k + guess, return_inverse=True)
    left: list[Values] = []
    size = max(1, CHUNK // k)  # examples of one cell are alike, so each cell is left out once
    for start in range(0, len(cells), size):
        some = cells[start : start + size]
        actual, predicted = np.eye(k)[some // k], np.eye(k)[some % k]
        without = metrics.Counts(
            counts.right - actual * predicted,
            counts.predicted - predicted,
            counts.actual - actual,
        )
        left.append(metrics.evaluate(definition, without, labels))
    return _pseudo(whole, np.concatenate(left)[where])


def by_cluster(pseudo: Values, clusters: Places) -> Values:
    """Return one pseudo-value a cluster, with the same mean, shape (n_clusters,).

    What a cluster adds is the sum of what its examples add: a large one counts for more.
    """
    number = int(clusters.max()) + 1
    whole = float(pseudo.mean())
    added: Values = np.bincount(clusters, pseudo - whole, number) * number / len(pseudo)
    return whole + added


def _pseudo(whole: float, left_out: Values) -> Values:
    """Return pseudo-values, moved so that their mean is the metric (jackknife bias taken off)."""
    raw = -(len(left_out) - 1) * left_out
    moved: Values = raw - raw.mean() + whole
    return moved
