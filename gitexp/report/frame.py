"""Comparisons and lists as pandas DataFrames; imported only when one is asked for.

>>> import gitexp
>>> gitexp.frame.runs(gitexp.list_runs(gitexp.open(".")))  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from gitexp.report import comparisons as table
from gitexp.report.answers import listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.model.listing import ExperimentList, RunGroup, RunList
    from gitexp.model.result import MetricComparison
    from gitexp.report.answers.listing import Listed

_PARTS = ("seed", "rep", "fold", "dataset", "n_train", "n_test")  # fields of a part
_NUMBERS = ("seed", "rep", "fold", "n_train", "n_test")


def comparisons(values: tuple[Comparison, ...]) -> pd.DataFrame:
    """Return one row for each metric of each candidate, texts as they were recorded."""
    return pd.DataFrame(list(table.records(values)), columns=list(table.COLUMNS))


def samples(values: tuple[Comparison, ...]) -> pd.DataFrame:
    """Return the samples that counted: a row a metric, side and seed, or fold or data set."""
    rows = [
        (side.name, which, metric.metric, *row)
        for comparison in values
        for metric in comparison.metrics
        for side, which in ((comparison.baseline, "baseline"), (comparison.candidate, "candidate"))
        for row in _measured(metric, which)
    ]
    found = pd.DataFrame(rows, columns=["name", "side", "metric", *_PARTS, "value"])
    return found.astype(dict.fromkeys(_NUMBERS, "Int64"))


def _measured(metric: MetricComparison, which: str) -> Iterator[tuple[object, ...]]:
    """Yield each measurement of a side: of what, then its value."""
    if metric.parts:
        for part in metric.parts:
            yield *(getattr(part, name) for name in _PARTS), getattr(part, which)
        return
    values = metric.baseline_values if which == "baseline" else metric.candidate_values
    for seed, value in values:
        yield seed, None, None, "", None, None, value


def experiments(value: ExperimentList) -> pd.DataFrame:
    """Return one row for each experiment; moments as UTC timestamps."""
    return _table(value, "created_at")


def runs(value: RunList) -> pd.DataFrame:
    """Return one row for each run, with ``metric.NAME``, ``metric.NAME.sd`` and ``param.KEY``."""
    return _table(value, "started_at")


def groups(value: tuple[RunGroup, ...]) -> pd.DataFrame:
    """Return one row for each group of runs."""
    return _table(value)


def _table(value: Listed, *moments: str) -> pd.DataFrame:
    columns, rows = listing.records(value)
    shown = pd.DataFrame(rows, columns=list(columns))
    for name in moments:
        shown[name] = pd.to_datetime(shown[name], utc=True)
    return shown
