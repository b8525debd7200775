"""Metrics of the order of scores (average precision, ROC area): swapped, resampled, left out.

Scores are ranked once; a draw counts examples by rank and sorts nothing again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gitexp.errors import DesignError
from gitexp.stats.permutation import Tails
from gitexp.stats.scored import value
from gitexp.stats.scorekinds import AREA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.stats.scored import Terms
    from gitexp.stats.sums import Places
    from gitexp.stats.values import Values

Counted = NDArray[np.float64] | NDArray[np.int64] | NDArray[np.intp]

CHUNK = 500_000  # counts held at a time, 4 MB; a step has several such tables
TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Ranking:
    """Two scores of the same examples.

    Attributes
    ----------
    kind : str
        "roc_auc" or "average_precision".
    truth : ndarray of float, shape (n_examples,)
        1 for the positive class, else 0.
    baseline, candidate : ndarray of int, shape (n_examples,)
        Rank of the score among those of both sides, 0 for the highest; ties share one.
    ranks : int
        Different ranks.
    clusters : ndarray of int, shape (n_examples,), or None
        What is swapped or drawn whole.
    """

    kind: str
    truth: Values
    baseline: Places
    candidate: Places
    ranks: int
    clusters: Places | None = None

    @property
    def units(self) -> int:
        """What is swapped or drawn: examples, or clusters."""
        return len(self.truth) if self.clusters is None else int(self.clusters.max()) + 1


def ranking(baseline: Terms, candidate: Terms, clusters: Places | None = None) -> Ranking:
    """Rank the scores of both sides."""
    both = -np.concatenate([baseline.values, candidate.values])
    distinct, place = np.unique(both, return_inverse=True)
    n = len(baseline.values)
    return Ranking(
        baseline.scoring.kind, baseline.truth, place[:n], place[n:], len(distinct), clusters
    )


def swap_tails(
    one: Ranking, observed: tuple[float, float], *, sign: float, draws: int, seed: int
) -> Tails:
    """Test a difference by swapping the two scores of random examples or clusters.

    See `sums.swap_tails`. The counts of both sides together stay as they are, so a draw counts
    one side only.
    """
    n, k = len(one.truth), one.ranks
    if (one.baseline == one.candidate).all():
        return Tails(1.0, 1.0, 1.0)
    hit = one.truth > 0
    whole = _counts(np.concatenate([one.baseline, one.candidate]), np.concatenate([hit, hit]), k)
    gain = sign * (observed[1] - observed[0])
    greater = less = outside = 0
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // (2 * k + 2 * n))
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        swapped = rng.integers(0, 2, size=(rows, one.units), dtype=np.int8).astype(bool)
        mask = swapped if one.clusters is None else swapped[:, one.clusters]
        place = np.where(mask, one.candidate, one.baseline) + np.arange(rows)[:, None] * k
        seen = np.bincount(place.ravel(), minlength=rows * k).reshape(rows, k)
        hits = np.bincount(place[:, hit].ravel(), minlength=rows * k).reshape(rows, k)
        base = _metric(one.kind, hits, seen)
        cand = _metric(one.kind, whole[0] - hits, whole[1] - seen)
        gains = sign * (cand - base)
        greater += int((gains >= gain - TIE).sum())
        less += int((gains <= gain + TIE).sum())
        outside += int((np.abs(gains) >= abs(gain) - TIE).sum())
    total = draws + 1
    return Tails((greater + 1) / total, (less + 1) / total, (outside + 1) / total)


def resampled(one: Ranking, *, draws: int, seed: int) -> tuple[Values, Values]:
    """Return the metric of both sides on bootstrap samples, drawn jointly.

    Examples are drawn within their class, so that no sample is without positive ones; clusters
    are drawn whole, and a sample without one class counts 0.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[Values, Values]] = []
    sides = [_Sorted.of(side, one.truth) for side in (one.baseline, one.candidate)]
    for weights in drawn_weights(one, draws, rng):
        found.append((sides[0].metric(one.kind, weights), sides[1].metric(one.kind, weights)))  # noqa: PERF401  read twice
    return np.concatenate([one for one, _ in found]), np.concatenate([two for _, two in found])


def left_out(terms: Terms) -> Values:
    """Return the metric without each example, shape (n_examples,), in O(n log n).

    Raises
    ------
    DesignError
        If a class has one example only.
    """
    m, n = int(terms.truth.sum()), int((1 - terms.truth).sum())
    if min(m, n) < 2:  # noqa: PLR2004 - without it there would be no class
        raise DesignError(
            "leaving out an example needs two of each class",
            found=f"{m} of the positive class, {n} others",
        )
    distinct, place = np.unique(-terms.values, return_inverse=True)
    hit = terms.truth > 0
    hits, seen = (row[0] for row in _rows(_counts(place, hit, len(distinct))))
    if terms.scoring.kind == AREA:
        return _areas_left_out(value(terms), place, hit, (hits, seen), (m, n))
    before, rows = np.cumsum(hits), np.cumsum(seen)

    def ahead(parts: Values) -> Values:
        return np.concatenate([[0.0], np.cumsum(parts)[:-1]])

    def behind(parts: Values) -> Values:
        return np.concatenate([np.cumsum(parts[::-1])[::-1][1:], [0.0]])

    fewer = np.maximum(rows - 1, 1)  # where nothing is left there is no hit either
    kept = ahead(hits * before / rows)
    without_miss = (kept + hits * before / fewer + behind(hits * before / fewer)) / m
    without_hit = (
        kept + (hits - 1) * (before - 1) / fewer + behind(hits * (before - 1) / fewer)
    ) / (m - 1)
    without: Values = np.where(hit, without_hit[place], without_miss[place])
    return without


def _areas_left_out(
    area: float,
    place: Places,
    hit: NDArray[np.bool_],
    counts: tuple[Values, Values],
    classes: tuple[int, int],
) -> Values:
    hits, seen = counts
    m, n = classes
    misses = seen - hits
    above, below = np.cumsum(hits) - hits, np.cumsum(misses[::-1])[::-1] - misses
    won = (below + misses / 2)[place] / n  # a positive example's share of misses behind it
    lost = (above + hits / 2)[place] / m
    without: Values = np.where(hit, (m * area - won) / (m - 1), (n * area - lost) / (n - 1))
    return without


@dataclass(frozen=True, slots=True)
class _Sorted:
    """One side in the order of its scores."""

    order: Places
    truth: Values
    last: Places  # of each group of equal scores

    @classmethod
    def of(cls, side: Places, truth: Values) -> _Sorted:
        order = np.argsort(side, kind="stable")
        last = np.flatnonzero(np.append(np.diff(side[order]) != 0, True))
        return cls(order, truth[order], last)

    def metric(self, kind: str, weights: Values) -> Values:
        drawn = weights[:, self.order]
        hits = np.cumsum(drawn * self.truth, axis=1)[:, self.last]
        seen = np.cumsum(drawn, axis=1)[:, self.last]
        return _metric(kind, np.diff(hits, axis=1, prepend=0.0), np.diff(seen, axis=1, prepend=0.0))


def _metric(kind: str, hits: Counted, seen: Counted) -> Values:
    """Compute the metric from the examples of each rank, positive ones and all; rows of them."""
    gained = hits.astype(np.float64)
    before = np.cumsum(gained, axis=-1)
    total = before[..., -1]
    if kind == AREA:
        misses = seen - gained
        pairs = ((before - gained / 2) * misses).sum(axis=-1)
        return _ratio(pairs, total * misses.sum(axis=-1))
    rows = np.cumsum(seen, axis=-1, dtype=np.float64)
    return _ratio((gained * _ratio(before, rows)).sum(axis=-1), total)


def _ratio(top: Values, bottom: Values) -> Values:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)


def _counts(place: Places, hit: NDArray[np.bool_], k: int) -> tuple[Values, Values]:
    hits = np.bincount(place[hit], minlength=k).astype(np.float64)
    return hits, np.bincount(place, minlength=k).astype(np.float64)


def _rows(counts: tuple[Values, Values]) -> tuple[Values, Values]:
    return counts[0][None], counts[1][None]


def drawn_weights(one: Ranking, draws: int, rng: np.random.Generator) -> Iterator[Values]:
    """Yield how often each example is in a bootstrap sample, rows of draws at a time."""
    n = len(one.truth)
    size = max(1, CHUNK // n)
    groups: tuple[NDArray[np.intp], ...]
    groups = (np.flatnonzero(one.truth > 0), np.flatnonzero(one.truth == 0))
    for start in range(0, draws, size):
        rows = min(size, draws - start)
        shift = np.arange(rows)[:, None]
        if one.clusters is not None:
            index = rng.integers(0, one.units, size=(rows, one.units)) + shift * one.units
            counts = np.bincount(index.ravel(), minlength=rows * one.units)
            yield counts.reshape(rows, -1)[:, one.clusters].astype(np.float64)
            continue
        picked = [
            group[rng.integers(0, len(group), size=(rows, len(group)))] + shift * n
            for group in groups
        ]
        index = np.concatenate(picked, axis=1)
        yield np.bincount(index.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float64)
