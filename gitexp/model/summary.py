"""Samples put together: how many there are of each metric, their mean and their spread."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.model.run import Sample


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """Mean and spread of one metric over the samples of a run or experiment."""

    metric: str
    n: int
    mean: float
    sd: float | None


def summarise(samples: Iterable[Sample]) -> tuple[MetricSummary, ...]:
    """Return n, mean and standard deviation of each metric over seeds, sorted by metric.

    Folds and repetitions of one seed are averaged first: they share their training data, so they
    are no samples of their own. Where a metric has both, the value of the whole counts, not the
    folds. A metric measured on a named data set is called ``metric[dataset]``.
    """
    return summarise_rows(
        (
            f"{sample.metric}[{sample.dataset}]" if sample.dataset else sample.metric,
            sample.seed,
            sample.fold is None and sample.rep is None,
            sample.value,
        )
        for sample in samples
    )


def summarise_rows(rows: Iterable[tuple[str, int, bool, float]]) -> tuple[MetricSummary, ...]:
    """Do the work of `summarise` on rows of name, seed, whether of the whole, and value."""
    whole: dict[str, dict[int, list[float]]] = {}
    folds: dict[str, dict[int, list[float]]] = {}
    for name, seed, is_whole, value in rows:
        of_metric = (whole if is_whole else folds).setdefault(name, {})
        of_metric.setdefault(seed, []).append(value)
    return tuple(
        describe(name, [_mean(values) for values in (whole.get(name) or folds[name]).values()])
        for name in sorted({*whole, *folds})
    )


def describe(metric: str, values: Sequence[float]) -> MetricSummary:
    """Return n, mean and sample standard deviation (None below two values)."""
    n = len(values)
    mean = _mean(values)
    sd = None if n < 2 else math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))  # noqa: PLR2004  Bessel
    return MetricSummary(metric, n, mean, sd)


def pooled(parts: Sequence[MetricSummary]) -> MetricSummary:
    """Return the summary of all values together, from summaries of disjoint groups of them."""
    if len(parts) == 1:
        return parts[0]
    n = sum(part.n for part in parts)
    mean = math.fsum(part.n * part.mean for part in parts) / n
    squares = math.fsum(
        (part.n - 1) * (part.sd or 0.0) ** 2 + part.n * (part.mean - mean) ** 2 for part in parts
    )
    return MetricSummary(parts[0].metric, n, mean, math.sqrt(squares / (n - 1)))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if len(values) > 1 else values[0]
