"""Comparisons as a pandas DataFrame; imported only when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from gitexp.report import records

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison


def comparisons(values: tuple[Comparison, ...]) -> pd.DataFrame:
    """Return one row for each metric of each candidate, texts as they were recorded."""
    return pd.DataFrame(
        [record.cells for record in records.of(values)], columns=list(records.COLUMNS)
    )


def samples(values: tuple[Comparison, ...]) -> pd.DataFrame:
    """Return the samples that counted: one row for each metric, side and seed."""
    rows = [
        (side.name, which, metric.metric, seed, value)
        for comparison in values
        for metric in comparison.metrics
        for side, which, pairs in (
            (comparison.baseline, "baseline", metric.baseline_values),
            (comparison.candidate, "candidate", metric.candidate_values),
        )
        for seed, value in pairs
    ]
    return pd.DataFrame(rows, columns=["name", "side", "metric", "seed", "value"])
