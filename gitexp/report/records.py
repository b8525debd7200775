"""A comparison as flat rows, for CSV and data frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison, MetricComparison

Cell = str | int | float | bool | None

COLUMNS = (
    "baseline",
    "baseline_commit",
    "candidate",
    "candidate_commit",
    "verdict",
    "metric",
    "role",
    "direction",
    "n_baseline",
    "n_candidate",
    "mean_baseline",
    "mean_candidate",
    "sd_baseline",
    "sd_candidate",
    "difference",
    "relative",
    "low",
    "high",
    "confidence",
    "interval_method",
    "effect_size",
    "effect_size_name",
    "p_value",
    "p_support",
    "p_refute",
    "p_adjusted",
    "test",
    "why",
    "broken",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One metric of one candidate; `cells` stand in the order of `COLUMNS`."""

    cells: tuple[Cell, ...]


def of(comparisons: tuple[Comparison, ...]) -> Iterator[Record]:
    """Return the rows of all comparisons, the primary metric of each first."""
    for comparison in comparisons:
        for metric in comparison.metrics:
            yield Record(_cells(comparison, metric))


def _cells(comparison: Comparison, metric: MetricComparison) -> tuple[Cell, ...]:
    interval, result = metric.interval, metric.result
    size = metric.effects[0] if metric.effects else None
    return (
        comparison.baseline.name,
        comparison.baseline.commit,
        comparison.candidate.name,
        comparison.candidate.commit,
        None if comparison.verdict is None else comparison.verdict.value,
        metric.metric,
        metric.role.value,
        None if metric.direction is None else metric.direction.value,
        metric.n_baseline,
        metric.n_candidate,
        metric.mean_baseline,
        metric.mean_candidate,
        metric.sd_baseline,
        metric.sd_candidate,
        metric.difference,
        metric.relative,
        None if interval is None else interval.low,
        None if interval is None else interval.high,
        None if interval is None else interval.confidence,
        None if interval is None else interval.method,
        None if size is None else size.estimate,
        None if size is None else size.name,
        None if result is None else result.p_value,
        None if result is None else result.p_support,
        None if result is None else result.p_refute,
        metric.p_adjusted,
        None if result is None else result.plan.title,
        None if result is None else result.plan.why,
        metric.broken,
    )
