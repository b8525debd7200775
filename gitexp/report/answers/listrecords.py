"""What `list` shows as flat rows with every field and every digit, for CSV and data frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.report.answers.lists import shown_param

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.model.ids import ParamValue
    from gitexp.model.metrics import MetricSummary
    from gitexp.model.views import ExperimentList, RunGroup, RunList
    from gitexp.report.records import Cell


@dataclass(frozen=True, slots=True)
class Records:
    """Columns, and one tuple of cells a row."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def experiments(value: ExperimentList) -> Records:
    """Return every field of every experiment."""
    columns = (
        "name",
        "branch",
        "commit",
        "state",
        "verdict",
        "runs",
        "finished",
        "planned",
        "metric",
        "n",
        "mean",
        "sd",
        "baseline",
        "author",
        "created_at",
        "hypothesis",
    )
    rows = tuple(
        (
            item.name,
            item.branch,
            item.commit,
            item.state,
            None if item.verdict is None else item.verdict.value,
            item.runs,
            item.finished,
            item.planned,
            item.metric,
            None if item.primary is None else item.primary.n,
            None if item.primary is None else item.primary.mean,
            None if item.primary is None else item.primary.sd,
            item.baseline,
            item.author,
            None if item.created_at is None else item.created_at.isoformat(),
            item.hypothesis,
        )
        for item in value.experiments
    )
    return Records(columns, rows)


def runs(value: RunList) -> Records:
    """Return every field of every run; ``metric.f1``, ``metric.f1.sd``, ``param.lr`` as columns."""
    metrics = sorted({item.metric for run in value.runs for item in run.metrics})
    params = sorted({key for run in value.runs for key, _ in run.params})
    columns = (
        "id",
        "branch",
        "experiment",
        "exploratory",
        "counts",
        "state",
        "finished",
        "repeats",
        "author",
        "started_at",
        "inputs",
        "environment",
        *_metric_columns(metrics),
        *(f"param.{key}" for key in params),
    )
    rows = []
    for run in value.runs:
        of_params = dict(run.params)
        rows.append(
            (
                run.id,
                run.branch,
                run.experiment,
                run.exploratory,
                len(run.counts),
                run.state.partition(" ")[0],
                run.finished,
                run.repeats,
                run.author,
                run.started_at.isoformat(),
                run.inputs,
                run.environment,
                *_metric_cells(run.metrics, metrics),
                *(_raw(of_params.get(key)) for key in params),
            )
        )
    return Records(columns, tuple(rows))


def groups(value: tuple[RunGroup, ...]) -> Records:
    """Return every field of every group."""
    metrics = sorted({item.metric for group in value for item in group.metrics})
    keys = [name for name, _ in value[0].key] if value else []
    rows = tuple(
        (
            *(_raw(item) for _, item in group.key),
            group.runs,
            group.counts,
            group.repeats,
            *_metric_cells(group.metrics, metrics),
        )
        for group in value
    )
    return Records((*keys, "runs", "counts", "repeats", *_metric_columns(metrics)), rows)


def _metric_columns(metrics: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        column
        for name in metrics
        for column in (f"metric.{name}", f"metric.{name}.sd", f"metric.{name}.n")
    )


def _metric_cells(found: Sequence[MetricSummary], metrics: Iterable[str]) -> tuple[Cell, ...]:
    by_name = {item.metric: item for item in found}
    cells: list[Cell] = []
    for name in metrics:
        item = by_name.get(name)
        cells += [None] * 3 if item is None else [item.mean, item.sd, item.n]
    return tuple(cells)


def _raw(value: ParamValue) -> Cell:
    return shown_param(value) if isinstance(value, tuple) else value
