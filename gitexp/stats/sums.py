"""Metrics that are functions of sums over examples: swapped, resampled and left out as sums.

A mean loss, its root, accuracy and F1 depend on the predictions through a few sums only. What is
swapped or drawn is a unit: one example, or a whole cluster of them (all examples of one user).

What each example adds to a metric is such that the mean over examples is the metric itself: losses
are that already; of a metric that is not a mean - F1, an area - each example has a jackknife
pseudo-value, n times the metric less n - 1 times the metric without it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats import metrics, ranked, scored
from gitexp.stats.design import MEANS, RANKED, ROOT
from gitexp.stats.metrics import Counts, Definition, evaluate
from gitexp.stats.permutation import Tails, chunks, drawn_tails
from gitexp.stats.values import Places, Values, noise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from gitexp.stats.scored import ScoreTerms

BYTE = 8  # units whose swaps one random byte decides
CHUNK = 500_000  # numbers held at a time, 4 MB; a step has several such tables
TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Sums:
    """Two sides as sums over units, and the metric as a function of their totals."""

    baseline: Values  # shape (n_units, n_sums)
    candidate: Values
    of: Callable[[Values], Values]  # totals of shape (..., n_sums) -> metric of shape (...)

    @property
    def both(self) -> tuple[float, float]:
        """The metric of the baseline and of the candidate."""
        return float(self.of(self.baseline.sum(axis=0))), float(self.of(self.candidate.sum(axis=0)))


def places(names: Sequence[str]) -> tuple[Places, int]:
    """Return the number of each example's cluster, shape (n_examples,), and how many there are."""
    # Not numpy's texts: each would take the room of the longest.
    place = {name: index for index, name in enumerate(sorted(set(names)))}
    return np.fromiter((place[name] for name in names), np.intp, len(names)), len(place)


def of_terms(baseline: ScoreTerms, candidate: ScoreTerms, clusters: Places | None = None) -> Sums:
    """Return a mean loss (or its root) as sums of losses and of examples."""
    root = baseline.scoring.kind == ROOT

    def mean(totals: Values) -> Values:
        means: Values = totals[..., 0] / totals[..., 1]
        return np.sqrt(np.maximum(means, 0.0)) if root else means

    def side(one: ScoreTerms) -> Values:
        return _by_cluster(np.column_stack([one.values, np.ones_like(one.values)]), clusters)

    return Sums(side(baseline), side(candidate), mean)


def of_labels(
    truth: Places,
    sides: tuple[Places, Places],
    labels: Sequence[str],
    definition: Definition,
    clusters: Places,
) -> Sums:
    """Return a metric of labels as counts of right, predicted and actual examples a class.

    `truth`, and each of `sides`: places in `labels`, shape (n_examples,).
    """
    k, number = len(labels), int(clusters.max()) + 1

    def counted(column: Places, kept: NDArray[np.bool_] | None = None) -> Values:
        codes = clusters * k + column
        codes = codes if kept is None else codes[kept]
        return np.bincount(codes, minlength=number * k).reshape(number, k).astype(np.float64)

    def metric(totals: Values) -> Values:
        return evaluate(definition, Counts(*np.split(totals, 3, axis=-1)), labels)

    actual = counted(truth)
    baseline, candidate = (
        np.hstack([counted(side, side == truth), counted(side), actual]) for side in sides
    )
    return Sums(baseline, candidate, metric)


def swap_tails(sums: Sums, *, sign: float, draws: int, seed: int) -> Tails:
    """Test a difference of metrics by swapping the two sides of random units.

    As `examples.swap_tails`, which has the references and `sign`.
    """
    change = sums.candidate - sums.baseline
    moved = change.any(axis=1)
    low, high = sums.baseline.sum(axis=0), sums.candidate.sum(axis=0)
    observed = sign * float(sums.of(high) - sums.of(low))
    if not moved.any():
        return Tails(1.0, 1.0, 1.0)
    tie = _tie(sums, observed)
    parts = half_sums(change[moved], draws, np.random.default_rng(seed))
    gains = (sign * (sums.of(high - part) - sums.of(low + part)) for part in parts)
    return drawn_tails(gains, observed, tie)


def half_sums(rows: Values, draws: int, rng: np.random.Generator) -> Iterator[Values]:
    """Yield sums over random halves of the rows, each row in or out by a fair coin.

    One random byte decides about eight rows, whose 256 possible sums stand in a table: a draw over
    100,000 examples is 12,500 look-ups.

    >>> (some,) = half_sums(np.ones((20, 1)), 1000, np.random.default_rng(0))
    >>> some.shape, bool(abs(some.mean() - 10) < 0.3)
    ((1000, 1), True)
    """
    width = rows.shape[1]
    columns = np.flatnonzero(rows.any(axis=0))  # what no row moves has no sum to look up
    bits = ((np.arange(2**BYTE)[:, None] >> np.arange(BYTE)) & 1).astype(np.float64)
    blocks = -(-len(rows) // BYTE)
    padded = np.zeros((blocks * BYTE, len(columns)))
    padded[: len(rows)] = rows[:, columns]
    for number in chunks(draws, max(8, width), CHUNK):
        sums = np.zeros((width, number))
        for block in padded.reshape(blocks, BYTE, len(columns)):
            picked = rng.integers(0, 2**BYTE, size=number, dtype=np.uint8)
            tables = bits @ block
            for index, column in enumerate(columns):
                sums[column] += tables[:, index].take(picked)
        yield sums.T


def resampled(sums: Sums, *, draws: int, seed: int) -> tuple[Values, Values]:
    """Return the metric of both sides on bootstrap samples of the units, drawn jointly."""
    both = np.hstack([sums.baseline, sums.candidate])
    width, n = sums.baseline.shape[1], len(both)
    rng = np.random.default_rng(seed)
    found: list[tuple[Values, Values]] = []
    vary = np.flatnonzero(np.ptp(both, axis=0) > 0)  # the rest is n times one number
    for index in _drawn(n, draws, width, rng):
        totals = np.tile(n * both[0], (len(index), 1))
        for column in vary:
            totals[:, column] = both[:, column].take(index).sum(axis=1)
        found.append((sums.of(totals[:, :width]), sums.of(totals[:, width:])))
    return np.concatenate([one for one, _ in found]), np.concatenate([two for _, two in found])


def left_out(sums: Sums) -> tuple[Values, Values]:
    """Return the metric of both sides without each unit, shape (n_units,) each."""
    one, two = (sums.of(side.sum(axis=0) - side) for side in (sums.baseline, sums.candidate))
    return one, two


def _drawn(n: int, draws: int, width: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    """Yield which units are in a bootstrap sample, rows of draws at a time."""
    for rows in chunks(draws, max(n, width), CHUNK):
        yield rng.integers(0, n, size=(rows, n))


def _by_cluster(rows: Values, clusters: Places | None) -> Values:
    if clusters is None:
        return rows
    number = int(clusters.max()) + 1
    columns = [np.bincount(clusters, weights=rows[:, i], minlength=number) for i in range(2)]
    return np.column_stack(columns)


def _tie(sums: Sums, observed: float) -> float:
    """Return what two differences may be apart by rounding alone."""
    change = sums.candidate[:, 0] - sums.baseline[:, 0]
    error = noise(change, sums.baseline[:, 0], sums.candidate[:, 0])
    return max(TIE * max(1.0, abs(observed)), error / max(1.0, float(sums.baseline[:, -1].sum())))


MOST_HELD = 4_000_000  # counts held at a time


def pseudo_of_terms(terms: ScoreTerms) -> Values:
    """Return the pseudo-values of a metric of scores, shape (n_examples,).

    >>> one = scored.ScoreTerms(scored.Scoring("mae"), np.zeros(2), np.array([1.0, 3.0]))
    >>> [float(number) for number in pseudo_of_terms(one)]
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


def pseudo_of_labels(
    definition: Definition, y_true: Sequence[str], y_pred: Sequence[str], labels: Sequence[str]
) -> Values:
    """Return the pseudo-values of a metric of labels, shape (n_examples,)."""
    n, k = len(y_true), len(labels)
    if n < 2:  # noqa: PLR2004 - nothing would be left
        raise DesignError("a jackknife needs two examples", found=str(n))
    truth, guess = metrics.encoded(labels, y_true, y_pred)
    counts = metrics.count(y_true, y_pred, labels)
    whole = float(metrics.evaluate(definition, counts, labels))
    cells, where = np.unique(truth * k + guess, return_inverse=True)
    left: list[Values] = []
    size = max(1, MOST_HELD // k)  # examples of one cell are alike, so each cell is left out once
    for start in range(0, len(cells), size):
        some = cells[start : start + size]
        actual, predicted = np.eye(k)[some // k], np.eye(k)[some % k]
        without = metrics.Counts(
            counts.right - actual * predicted, counts.predicted - predicted, counts.actual - actual
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
