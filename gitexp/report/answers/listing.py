"""What `gitexp list` answers, as sheets, and as flat rows with every field and every digit."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from gitexp.model.listing import (
    ExperimentList,
    ExperimentSummary,
    RunGroup,
    RunList,
    RunSummary,
    UnreadableRecord,
)
from gitexp.report import numbers
from gitexp.report.sheet import (
    MANY,
    PLAIN,
    SHORT,
    Cell,
    Fact,
    Grid,
    Sheet,
    Style,
    csv_rows,
    shortened,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gitexp.model.ids import ParamValue
    from gitexp.model.metrics import MetricSummary

_FEW = 2  # metrics, and parameters, before which other columns fall away

Listed = ExperimentList | RunList | tuple[RunGroup, ...]


def experiments(view: ExperimentList, style: Style = PLAIN) -> Sheet:
    """Return one row an experiment."""
    header = ("experiment", "state", "repeats", "metric", "mean", "+- sd")
    grid = Grid(
        "experiments",
        (*header, "baseline", "author", "age" if style.now else "created"),
        tuple(_experiment(item, style) for item in view.experiments),
        right=frozenset({2, 4, 5, 8}),
        spare=dict.fromkeys((6, 7, 8, 5), ""),
        names=frozenset({0, 3, 6, 7}),
    )
    names = tuple(item.name or item.branch for item in view.experiments)
    lost = [item.name for item in view.experiments if item.source_lost]
    facts = [Fact("note", f"source lost (squashed): {numbers.listed(lost, MANY)}")] if lost else []
    facts += [Fact("warning", item.rewritten) for item in view.experiments if item.rewritten]
    own_first = sorted(view.experiments, key=lambda item: bool(item.remote))
    facts += [Fact("note", f"{it.name}: {it.collapsed}") for it in own_first if it.collapsed]
    beside = (item for item in own_first if ": " in item.qualifier)
    facts += [Fact("guard-rail", f"{item.name}: {item.qualifier}") for item in beside]
    if style.metrics and not names:
        facts.append(
            Fact("note", "of an experiment the primary metric alone is asked; --runs asks all")
        )
    none, then = _empty("experiment", "gitexp list", "gitexp new NAME", style)
    return Sheet(
        headline="" if grid.rows else none,
        names=names,
        grids=(grid,) if grid.rows else (),
        facts=_capped(facts, view, style),
        next_step=f"gitexp show {shlex.quote(names[0])}" if names else then,
    )


def runs(view: RunList, style: Style = PLAIN) -> Sheet:
    """Return one row a run: its metrics, and the parameters that differ between these runs."""
    metrics = common_metrics((run.metrics for run in view.runs), style.metrics)
    params = differing_params(view.runs)
    age = "age" if style.now else "started"
    header = ("run", "experiment", "state", "counts", *metrics, *params, "author", age)
    right = range(4, 4 + len(metrics) + len(params))
    grid = Grid(
        "runs",
        header,
        tuple(_run(run, metrics, params, style) for run in view.runs),
        right=frozenset({*right, len(header) - 1}),
        spare=_spare(header, metrics, params, ("author", age)),
        names=frozenset({1, len(header) - 2}),
    )
    none, then = _empty("run", "gitexp list --runs", "gitexp run", style)
    return Sheet(
        headline="" if grid.rows else none,
        names=tuple(run.id for run in view.runs),
        grids=(grid,) if grid.rows else (),
        facts=_capped([], view, style),
        next_step=f"gitexp show {view.runs[0].id[:SHORT]}" if grid.rows else then,
    )


def _capped(facts: list[Fact], view: ExperimentList | RunList, style: Style) -> tuple[Fact, ...]:
    every = [*facts, *edge(shallow=view.shallow), *unreadable(view.unreadable)]
    return tuple(every if style.verbose else shortened(every))


def _empty(what: str, whole: str, begin: str, style: Style) -> tuple[str, str]:
    if style.narrowed:
        return f"no {what} fits these conditions", whole
    return f"no {what} found", begin


def groups(view: tuple[RunGroup, ...], style: Style = PLAIN) -> Sheet:
    """Return one row a group: what it shares, then mean and standard deviation of each metric."""
    metrics = common_metrics((group.metrics for group in view), style.metrics)
    keys = tuple(name for name, _ in view[0].key) if view else ()
    header = (*keys, "runs", "counts", "repeats", *metrics)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            *(shown_param(item) for _, item in group.key),
            group.runs,
            ("yes" if group.counts else "no") + (", fetched" if group.fetched else ""),
            group.repeats,
            *(metric_text(group.metrics, name) for name in metrics),
        )
        for group in view
    )
    right, spare = frozenset(range(len(keys), len(header))), _spare(header, metrics, (), ())
    return Sheet(
        headline="" if rows else "no run to group",
        grids=(Grid("groups", header, rows, right, spare=spare, names=frozenset(range(len(keys)))),)
        if rows
        else (),
        facts=(Fact("note", "a description, not a test: gitexp compare tests"),) if rows else (),
        next_step="gitexp list --runs",
    )


def _spare(
    header: Sequence[str], metrics: Sequence[str], params: Sequence[str], others: Sequence[str]
) -> dict[int, str]:
    """Return which columns of a list of runs fall away, the first first, and what they are."""
    first = len(header) - len(others) - len(params)
    kinds = {"parameter": range(first, first + len(params))}
    kinds["metric"] = range(first - len(metrics), first)
    late = {at: noun for noun, places in kinds.items() for at in reversed(places[_FEW:])}
    rest = {len(header) - len(others) + at: "" for at in range(len(others))}
    early = {at: noun for noun, places in kinds.items() for at in reversed(places[:_FEW])}
    return late | rest | early


def common_metrics(
    many: Iterable[Sequence[MetricSummary]], first: Iterable[str] = ()
) -> tuple[str, ...]:
    """Return all metrics: those named first, then those that most of these have."""
    count: dict[str, int] = {}
    for metrics in many:
        for item in metrics:
            count[item.metric] = count.get(item.metric, 0) + 1
    others = sorted(count, key=lambda name: (-count[name], name))
    return tuple(dict.fromkeys((*(name for name in first if name in count), *others)))


def differing_params(found: Sequence[RunSummary]) -> tuple[str, ...]:
    """Return the parameters that do not have one value in all these runs, sorted."""
    values: dict[str, set[str]] = {}
    count: dict[str, int] = {}
    for run in found:
        for key, value in run.params:
            values.setdefault(key, set()).add(repr(value))
            count[key] = count.get(key, 0) + 1
    return tuple(sorted(key for key in values if len(values[key]) > 1 or count[key] < len(found)))


def edge(*, shallow: bool) -> Iterator[Fact]:
    """Say that more may be known elsewhere."""
    if shallow:
        yield Fact("note", "this clone is shallow: older runs may be unknown here")


def unreadable(records: Iterable[UnreadableRecord]) -> Iterator[Fact]:
    """Say which records are there and cannot be read."""
    for item in records:
        yield Fact("unreadable", f"{item.what} ({item.where}): {item.why}")


def summary_text(item: MetricSummary) -> str:
    """Return ``0.612 +- 0.010``, or the mean alone where there is one value."""
    mean, sd = numbers.mean_sd(item.mean, item.sd)
    return f"{mean} +- {sd}" if sd else mean


def metric_text(metrics: Iterable[MetricSummary], name: str) -> str:
    """Return the same of one metric of some; "" where it is not among them."""
    return next((summary_text(item) for item in metrics if item.metric == name), "")


def counts_text(run: RunSummary) -> str:
    """Return whether a run's finished repeats count: all, some or none of them."""
    if run.counts:
        return "yes" if len(run.counts) == run.finished else f"{len(run.counts)} of {run.finished}"
    return "exploratory" if run.exploratory and run.finished else "no"


def shown_param(value: ParamValue) -> str:
    """Return a parameter's value as a params file has it.

    >>> shown_param((1, True, "a", None))
    '[1, true, a, -]'
    """
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case float() | int():
            return repr(value)
    return f"[{', '.join(shown_param(item) for item in value)}]"


def moment(at: datetime, style: Style) -> str:
    """Return how long ago something was; the moment where no present is known."""
    if style.now is None:
        return f"{at:%Y-%m-%d %H:%M}"
    return numbers.age((style.now - at).total_seconds())


def _experiment(item: ExperimentSummary, style: Style) -> tuple[Cell, ...]:
    primary = item.primary
    mean, sd = ("", "") if primary is None else numbers.mean_sd(primary.mean, primary.sd)
    return (
        item.name or item.branch,
        item.standing,
        f"{item.finished}/{max(item.finished, item.planned)}" if item.planned else "",
        item.metric,
        mean,
        sd,
        item.baseline,
        item.author,
        "" if item.created_at is None else moment(item.created_at, style),
    )


def _run(
    run: RunSummary, metrics: Sequence[str], params: Sequence[str], style: Style
) -> tuple[Cell, ...]:
    values = dict(run.params)
    return (
        run.id[:SHORT],
        run.experiment or run.branch,
        run.state,
        counts_text(run),
        *(metric_text(run.metrics, name) for name in metrics),
        *(shown_param(values.get(key)) for key in params),
        run.author,
        moment(run.started_at, style),
    )


def csv(view: Listed) -> str:
    """Return a list as CSV: every field of every row, numbers in full."""
    return csv_rows(*records(view))


def records(view: Listed) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Return a list as columns and flat rows."""
    if isinstance(view, ExperimentList):
        rows = [tuple(cell(item) for cell in _EXPERIMENT.values()) for item in view.experiments]
        return tuple(_EXPERIMENT), rows
    return _run_records(view) if isinstance(view, RunList) else _group_records(view)


_EXPERIMENT: Final[Mapping[str, Callable[[ExperimentSummary], Cell]]] = {
    "name": lambda item: item.name,
    "branch": lambda item: item.branch,
    "commit": lambda item: item.commit,
    "state": lambda item: item.state,
    "verdict": lambda item: None if item.verdict is None else item.verdict.value,
    "runs": lambda item: item.runs,
    "finished": lambda item: item.finished,
    "planned": lambda item: item.planned,
    "metric": lambda item: item.metric,
    "n": lambda item: None if item.primary is None else item.primary.n,
    "mean": lambda item: None if item.primary is None else item.primary.mean,
    "sd": lambda item: None if item.primary is None else item.primary.sd,
    "baseline": lambda item: item.baseline,
    "author": lambda item: item.author,
    "created_at": lambda item: None if item.created_at is None else item.created_at.isoformat(),
    "hypothesis": lambda item: item.hypothesis,
}
_RUN: Final[Mapping[str, Callable[[RunSummary], Cell]]] = {
    "id": lambda run: run.id,
    "branch": lambda run: run.branch,
    "experiment": lambda run: run.experiment,
    "exploratory": lambda run: run.exploratory,
    "counts": lambda run: len(run.counts),
    "state": lambda run: run.state.partition(" ")[0],
    "finished": lambda run: run.finished,
    "repeats": lambda run: run.repeats,
    "author": lambda run: run.author,
    "started_at": lambda run: run.started_at.isoformat(),
    "inputs": lambda run: run.inputs,
    "environment": lambda run: run.environment,
}


def _run_records(value: RunList) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    """Return every field of every run; ``metric.f1``, ``metric.f1.sd``, ``param.lr`` as columns."""
    metrics = sorted({item.metric for run in value.runs for item in run.metrics})
    params = sorted({key for run in value.runs for key, _ in run.params})
    rows: list[tuple[Cell, ...]] = []
    for run in value.runs:
        given = dict(run.params)
        cells = (cell(run) for cell in _RUN.values())
        measured = _metric_cells(run.metrics, metrics)
        rows.append((*cells, *measured, *(_raw(given.get(key)) for key in params)))
    return (*_RUN, *_metric_columns(metrics), *(f"param.{key}" for key in params)), rows


def _group_records(value: tuple[RunGroup, ...]) -> tuple[tuple[str, ...], list[tuple[Cell, ...]]]:
    metrics = sorted({item.metric for group in value for item in group.metrics})
    keys = [name for name, _ in value[0].key] if value else []
    rows: list[tuple[Cell, ...]] = [
        (
            *(_raw(item) for _, item in group.key),
            group.runs,
            group.counts,
            group.repeats,
            *_metric_cells(group.metrics, metrics),
        )
        for group in value
    ]
    return (*keys, "runs", "counts", "repeats", *_metric_columns(metrics)), rows


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
