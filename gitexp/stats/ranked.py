"""Metrics of the order of scores (average precision, ROC area): swapped, resampled, left out.

Scores are ranked once; a draw counts examples by rank and sorts nothing again. Of the average
precision only those ranks are kept that a positive example has: at no other can it change.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.design import AREA, PRECISION
from gitexp.stats.permutation import Tails, chunks, drawn_tails
from gitexp.stats.ranks import midranks
from gitexp.stats.scored import ScoreTerms, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.stats.values import Places, Values

Counted = NDArray[np.float64] | NDArray[np.int64] | NDArray[np.intp]
Pair = tuple[Counted, Counted]  # of the positive examples, and of the others

CHUNK = 500_000  # counts held at a time, 4 MB; a step has several such tables
TIE = 1e-12


@dataclass(frozen=True, slots=True)
class Ranking:
    """Two scores of the same examples; columns have the shape (n_examples,)."""

    kind: str  # "roc_auc" or "average_precision"
    truth: Values  # 1 for the positive class, else 0
    # Rank of the score among those of both sides, 0 for the highest; ties share one, see `_places`.
    baseline: Places
    candidate: Places
    ranks: int  # different ones
    clusters: Places | None = None  # what is swapped or drawn whole

    @property
    def units(self) -> int:
        """What is swapped or drawn: examples, or clusters."""
        return len(self.truth) if self.clusters is None else int(self.clusters.max()) + 1


def ranking(baseline: ScoreTerms, candidate: ScoreTerms, clusters: Places | None = None) -> Ranking:
    """Rank the scores of both sides."""
    kind, hit, n = baseline.scoring.kind, baseline.truth > 0, len(baseline.values)
    both = -np.concatenate([baseline.values, candidate.values])
    place, ranks = _places(kind, both, np.concatenate([hit, hit]))
    return Ranking(kind, baseline.truth, place[:n], place[n:], ranks, clusters)


def _places(kind: str, keys: Values | Places, hit: NDArray[np.bool_]) -> tuple[Places, int]:
    """Return the rank of each key and how many there are, the smallest key first.

    For the average precision the ranks between two positive examples are one with that of the
    later, and those behind the last one are one.
    """
    distinct, place = np.unique(keys, return_inverse=True)
    if kind != PRECISION:
        return place, len(distinct)
    is_threshold = np.zeros(len(distinct), dtype=np.intp)
    is_threshold[place[hit]] = 1
    merged = np.cumsum(is_threshold) - is_threshold
    return merged[place], int(is_threshold.sum()) + 1


def swap_tails(
    one: Ranking, observed: tuple[float, float], *, sign: float, draws: int, seed: int
) -> Tails:
    """Test a difference by swapping the two scores of random examples or clusters.

    See `sums.swap_tails`. The counts of both sides together stay as they are, so a draw counts
    one side only.
    """
    hit = one.truth > 0
    order = np.concatenate([np.flatnonzero(hit), np.flatnonzero(~hit)])  # positive ones first
    base, change = one.baseline[order], (one.candidate - one.baseline)[order]
    clusters = None if one.clusters is None else one.clusters[order]
    n, m, k = len(order), int(hit.sum()), one.ranks
    if not change.any():
        return Tails(1.0, 1.0, 1.0)
    whole = [
        np.bincount(part, minlength=k) + np.bincount(part + moved, minlength=k)
        for part, moved in ((base[:m], change[:m]), (base[m:], change[m:]))
    ]
    rng = np.random.default_rng(seed)

    def gains() -> Iterator[Values]:
        for rows in chunks(draws, 2 * k + 2 * n, CHUNK):
            swapped = _coins(rows, one.units, rng)
            place = change * (swapped if clusters is None else swapped[:, clusters])
            place += base + np.arange(rows)[:, None] * k  # no branches: a coin cannot be foreseen
            hits, misses = (
                np.bincount(part.ravel(), minlength=rows * k).reshape(rows, k)
                for part in (place[:, :m], place[:, m:])
            )
            low = _metric(one.kind, hits, misses)
            yield sign * (_metric(one.kind, whole[0] - hits, whole[1] - misses) - low)

    return drawn_tails(gains(), sign * (observed[1] - observed[0]), TIE)


def resampled(one: Ranking, *, draws: int, seed: int) -> tuple[Values, Values]:
    """Return the metric of both sides on bootstrap samples, drawn jointly.

    Examples are drawn within their class, so that no sample is without positive ones; clusters
    are drawn whole, and a sample without one class counts 0.
    """
    rng = np.random.default_rng(seed)
    found: list[tuple[Values, Values]] = []
    hit = one.truth > 0
    sides = []
    for side in (one.baseline, one.candidate):
        place, k = _places(one.kind, side, hit)
        sides.append(((place[hit], place[~hit]), k))
    for weights in drawn_weights(one, draws, rng):
        low, high = (_weighted(one.kind, places, k, weights) for places, k in sides)
        found.append((low, high))
    return np.concatenate([one for one, _ in found]), np.concatenate([two for _, two in found])


def left_out(terms: ScoreTerms) -> Values:
    """Return the metric without each example, shape (n_examples,), in O(n log n)."""
    m, n = int(terms.truth.sum()), int((1 - terms.truth).sum())
    if min(m, n) < 2:  # noqa: PLR2004 - without it there would be no class
        raise DesignError(
            "leaving out an example needs two of each class",
            found=f"{m} of the positive class, {n} others",
        )
    distinct, place = np.unique(-terms.values, return_inverse=True)
    hit = terms.truth > 0
    k = len(distinct)
    hits, seen = (np.bincount(part, minlength=k).astype(float) for part in (place[hit], place))
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


def _weighted(kind: str, places: tuple[Places, Places], k: int, weights: Pair) -> Values:
    """Compute one side's metric of examples that are there so often; rows of weights."""
    counts = []
    for place, often in zip(places, weights, strict=True):
        rows = len(often)
        codes = (place + np.arange(rows)[:, None] * k).ravel()
        counts.append(np.bincount(codes, often.ravel(), minlength=rows * k).reshape(rows, k))
    return _metric(kind, counts[0], counts[1])


def _metric(kind: str, hits: Counted, misses: Counted) -> Values:
    """Compute the metric from the positive and the other examples of each rank; rows of them."""
    before = np.cumsum(hits, axis=-1, dtype=np.float64)
    total = before[..., -1].copy()
    if kind == AREA:
        pairs = ((before - hits / 2) * misses).sum(axis=-1)
        return _ratio(pairs, total * misses.sum(axis=-1, dtype=np.float64))
    rows = np.cumsum(misses, axis=-1, dtype=np.float64)
    rows += before
    before /= np.maximum(rows, 1.0, out=rows)  # above the first example there is no hit either
    before *= hits
    return _ratio(before.sum(axis=-1), total)


def _coins(rows: int, n: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return fair coins, 0 or 1: each random byte is eight of them."""
    drawn = rng.integers(0, 256, size=(rows, -(-n // 8)), dtype=np.uint8)
    return np.unpackbits(drawn, axis=1, count=n)


def _ratio(top: Values, bottom: Values) -> Values:
    return np.divide(top, bottom, out=np.zeros_like(top), where=bottom != 0)


def drawn_weights(one: Ranking, draws: int, rng: np.random.Generator) -> Iterator[Pair]:
    """Yield how often each example is in a bootstrap sample, rows of draws at a time.

    The positive examples, then the others, each in their order.
    """
    hit = one.truth > 0
    numbers = int(hit.sum()), int((~hit).sum())

    def drawn(rows: int, units: int) -> Counted:
        index = rng.integers(0, units, size=(rows, units)) + np.arange(rows)[:, None] * units
        return np.bincount(index.ravel(), minlength=rows * units).reshape(rows, units)

    for rows in chunks(draws, len(one.truth), CHUNK):
        if one.clusters is None:
            yield drawn(rows, numbers[0]), drawn(rows, numbers[1])
        else:
            often = drawn(rows, one.units)
            yield often[:, one.clusters[hit]], often[:, one.clusters[~hit]]


ROUNDING = 1e-12  # relative; below, a variance is none


@dataclass(frozen=True, slots=True)
class Areas:
    """The areas of two scores of the same examples with their covariance."""

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
    truth: Values, baseline: Values, candidate: Values, clusters: NDArray[np.intp] | None = None
) -> Areas:
    """Compute two correlated areas, of independent examples or of clusters of them.

    `truth`: 1 for the positive class, else 0; a larger score means the positive class. Examples of
    one cluster may depend on each other (Obuchowski 1997). Each example's share in an area is a
    difference of midranks (Sun and Xu 2014); their covariance within the classes gives that of the
    areas (DeLong et al. 1988).
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
