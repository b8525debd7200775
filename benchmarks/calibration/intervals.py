"""How often the intervals that reports show hold the true difference."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calibration.predictions import POPULATIONS, tabulated
from benchmarks.calibration.rates import LAWS, SIMULATIONS, Row
from benchmarks.calibration.splits import STABLE, scores
from gitexp.stats import effects, examples, intervals
from gitexp.stats.design import Splits
from gitexp.stats.metrics import Definition
from gitexp.stats.planned.datasets import fold_intervals, shift
from gitexp.stats.planned.scoretests import intervals as score_intervals
from gitexp.stats.planned.scoretests import of_terms
from gitexp.stats.scored import ScoreTerms, Scoring

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.model.comparison import Interval

CONFIDENCE = 0.95


def coverage_rows(simulations: int = SIMULATIONS // 4) -> Iterator[Row]:
    """Yield the share of intervals that hold the truth, where there is one."""
    for law in ("normal", "t, 3 df", "exponential"):
        for n in (5, 10, 30):
            for paired in (True, False):
                yield from _repeats(law, n, simulations, paired=paired)
    for name, population in POPULATIONS.items():
        for definition in (Definition("accuracy"), Definition("f1", "binary", "1")):
            few = simulations if definition.kind == "accuracy" else simulations // 4
            yield _labels(name, population.cells(), definition, 500, few)
    yield _areas(200, simulations // 2)
    for n in (10, 30):
        yield _datasets(n, simulations // 2)
    yield _folds(simulations // 4)


def _row(name: str, truth: float, found: Iterable[Interval | None]) -> Row:
    seen = [item for item in found if item is not None]
    holds = [_low(item) <= truth <= _high(item) for item in seen]
    return Row(name, len(seen), {"covered": float(np.mean(holds))})


def _repeats(law: str, n: int, simulations: int, *, paired: bool) -> Iterator[Row]:
    rng = np.random.default_rng(21)
    between, relative, size = [], [], []
    gain, mean = 0.5, 20.0
    for _ in range(simulations):
        old, new = (mean + LAWS[law](rng, n) + extra for extra in (0.0, gain))
        between.append(
            intervals.difference_interval(old, new, paired=paired, confidence=CONFIDENCE)
        )
        relative.append(intervals.relative_interval(old, new, paired=paired, confidence=CONFIDENCE))
        if law == "normal":
            sizes = effects.effect_sizes(old, new, paired=paired, confidence=CONFIDENCE)
            size.append(sizes[0].interval)
    shape = f"{law}, {n} pairs" if paired else f"{law}, {n} and {n}"
    yield _row(f"difference, {'t' if paired else 'Welch'}: {shape}", gain, between)
    yield _row(f"relative, Fieller: {shape}", gain / mean, relative)
    if law == "normal":
        standard = gain / math.sqrt(2) if paired else gain
        yield _row(f"Cohen's {'dz' if paired else 'd'}: {shape}", standard, size)


def _labels(
    name: str,
    cells: tuple[np.ndarray, np.ndarray],
    definition: Definition,
    n: int,
    simulations: int,
) -> Row:
    index, share = cells
    whole = tabulated(index, np.rint(share * 1e12).astype(np.int64))
    old, new = examples.scores(whole, definition)
    rng = np.random.default_rng(22)
    found = [
        intervals.predictions_interval(
            tabulated(index, rng.multinomial(n, share)), definition, confidence=CONFIDENCE
        )[0]
        for _ in range(simulations)
    ]
    method = next(item.method for item in found if item is not None)
    return _row(f"{definition.kind}, {method}: {name}, {n} examples", new - old, found)


def _areas(n: int, simulations: int) -> Row:
    rng = np.random.default_rng(23)
    found, truth = [], np.repeat([1.0, 0.0], n // 2)
    for _ in range(simulations):
        shared, *noise = rng.normal(size=(3, n))
        sides = [
            ScoreTerms(
                Scoring("roc_auc", "1"), truth, gain * truth + (shared + each) / math.sqrt(2)
            )
            for gain, each in zip((1.0, 1.4), noise, strict=True)
        ]
        found.append(score_intervals(of_terms(*sides), confidence=CONFIDENCE)[0])
    areas = [0.5 * (1 + math.erf(gain / 2)) for gain in (1.0, 1.4)]  # binormal, sd 1
    return _row(f"roc_auc, DeLong: {n} examples", areas[1] - areas[0], found)


def _datasets(n: int, simulations: int) -> Row:
    rng = np.random.default_rng(24)
    found = []
    for _ in range(simulations):
        worth = rng.normal(size=n)
        old, new = (20 + worth + 0.3 * rng.normal(size=n) + extra for extra in (0.0, 0.2))
        found.append(shift(old, new, confidence=CONFIDENCE).interval)
    return _row(f"data sets, Hodges-Lehmann: {n}", 0.2, found)


def _folds(simulations: int) -> Row:
    splits = Splits(1, 10, STABLE.n * 0.9, STABLE.n * 0.1)
    rng = np.random.default_rng(25)
    found = [
        fold_intervals(splits, *scores(STABLE, 1, 10, rng), confidence=CONFIDENCE)[0]
        for _ in range(simulations)
    ]
    return _row(f"folds, corrected t: {STABLE.name}, 10-fold", 0.0, found)


def _low(interval: Interval) -> float:
    return -math.inf if interval.low is None else interval.low


def _high(interval: Interval) -> float:
    return math.inf if interval.high is None else interval.high
