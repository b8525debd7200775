"""`gitexp list`: experiments, runs, groups of runs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from gitexp.report.sheet import Grid, Sheet
from gitexp.report.words import SHORT, Fact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.comparison import ExperimentSummary, MetricSummary, RunSummary
    from gitexp.model.ids import ParamValue
    from gitexp.model.views import ExperimentList, RunGroup, RunList, UnreadableRecord
    from gitexp.report.records import Cell

MOST_METRICS = 6  # columns of a table; JSON has all


def experiments(view: ExperimentList) -> Sheet:
    """Return one row an experiment."""
    header = (
        "experiment",
        "state",
        "verdict",
        "metric",
        "n",
        "mean",
        "sd",
        "repeats",
        "author",
        "created",
    )
    rows = tuple(_experiment(item) for item in view.experiments)
    headline = "" if rows else "no experiment yet"
    return Sheet(
        headline=headline,
        grids=(Grid("experiments", header, rows),) if rows else (),
        facts=tuple(unreadable(view.unreadable)),
        next_step="" if rows else "gitexp new NAME",
    )


def runs(view: RunList) -> Sheet:
    """Return one row a run; of its metrics those that most runs have."""
    metrics = common_metrics(item.metrics for item in view.runs)
    header = ("run", "experiment", "branch", "state", *metrics, "author", "started")
    rows = tuple(_run(item, metrics) for item in view.runs)
    return Sheet(
        headline="" if rows else "no run yet",
        grids=(Grid("runs", header, rows),) if rows else (),
        facts=tuple(unreadable(view.unreadable)),
        next_step="" if rows else "gitexp run",
    )


def groups(view: tuple[RunGroup, ...]) -> Sheet:
    """Return one row a group: what it shares, then n, mean and standard deviation."""
    names = tuple(dict.fromkeys(name for group in view for name, _ in group.key))
    metrics = common_metrics(group.metrics for group in view)
    columns = tuple(f"{metric} {what}" for metric in metrics for what in ("n", "mean", "sd"))
    rows = tuple(_group(group, names, metrics) for group in view)
    return Sheet(
        headline="" if rows else "no run to group",
        grids=(Grid("groups", (*names, "runs", "repeats", *columns), rows),) if rows else (),
    )


def common_metrics(many: Iterable[tuple[MetricSummary, ...]]) -> tuple[str, ...]:
    """Return the names that occur most often, at most `MOST_METRICS` of them."""
    counts = Counter(item.metric for metrics in many for item in metrics)
    return tuple(name for name, _ in counts.most_common(MOST_METRICS))


def unreadable(records: Iterable[UnreadableRecord]) -> Iterable[Fact]:
    """Say which records are there and cannot be read."""
    for item in records:
        yield Fact("unreadable", f"{item.what} ({item.where}): {item.why}")


def plain(value: ParamValue) -> Cell:
    """Return a parameter's value as a cell."""
    if isinstance(value, tuple):
        return f"[{', '.join(str(plain(item)) for item in value)}]"
    return value


def _experiment(item: ExperimentSummary) -> tuple[Cell, ...]:
    metric = item.primary
    return (
        item.name or item.branch,
        item.state,
        "" if item.verdict is None else item.verdict.value,
        item.metric,
        None if metric is None else metric.n,
        None if metric is None else metric.mean,
        None if metric is None else metric.sd,
        f"{item.finished}/{item.planned}",
        item.author,
        "" if item.created_at is None else f"{item.created_at:%Y-%m-%d}",
    )


def _run(item: RunSummary, metrics: tuple[str, ...]) -> tuple[Cell, ...]:
    means = {metric.metric: metric.mean for metric in item.metrics}
    state = f"{item.state}, exploratory" if item.exploratory else item.state
    return (
        item.id[:SHORT],
        item.experiment,
        item.branch,
        state,
        *(means.get(name) for name in metrics),
        item.author,
        f"{item.started_at:%Y-%m-%d %H:%M}",
    )


def _group(group: RunGroup, names: tuple[str, ...], metrics: tuple[str, ...]) -> tuple[Cell, ...]:
    key = dict(group.key)
    found = {metric.metric: metric for metric in group.metrics}
    numbers: list[Cell] = []
    for name in metrics:
        metric = found.get(name)
        numbers += [None, None, None] if metric is None else [metric.n, metric.mean, metric.sd]
    return (*(plain(key.get(name)) for name in names), group.runs, group.repeats, *numbers)
