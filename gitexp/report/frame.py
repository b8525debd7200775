"""Comparisons and lists as pandas DataFrames; imported only when one is asked for.

>>> import gitexp
>>> gitexp.frame.runs(gitexp.list_runs(gitexp.open(".")))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from gitexp.report import listrecords, records

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.model.listed import ExperimentList, RunGroup, RunList
    from gitexp.report.listrecords import Records


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


def experiments(value: ExperimentList) -> pd.DataFrame:
    """Return one row for each experiment; moments as UTC timestamps."""
    return _table(listrecords.experiments(value), "created_at")


def runs(value: RunList) -> pd.DataFrame:
    """Return one row for each run, with ``metric.NAME``, ``metric.NAME.sd`` and ``param.KEY``."""
    return _table(listrecords.runs(value), "started_at")


def groups(value: tuple[RunGroup, ...]) -> pd.DataFrame:
    """Return one row for each group of runs."""
    return _table(listrecords.groups(value))


def _table(found: Records, *moments: str) -> pd.DataFrame:
    table = pd.DataFrame(list(found.rows), columns=list(found.columns))
    for name in moments:
        table[name] = pd.to_datetime(table[name], utc=True)
    return table
