"""Which experiments and runs a list shows, in which order; pure.

Everything that a person can type after ``gitexp list`` is read here, so that the Python API and
the dashboard mean the same by it.
"""

from __future__ import annotations

import math
import operator
import re
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from gitexp.errors import AmbiguousMetricError, UsageError
from gitexp.model import dataclass
from gitexp.model.metrics import bare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitexp.model.ids import ParamValue
    from gitexp.model.listing import ExperimentSummary, RunSummary
    from gitexp.model.metrics import MetricSummary


_Item = TypeVar("_Item")
_CONDITION = re.compile(
    r"\s*(?P<metric>[^<>=!\s](?:[^<>=!]*[^<>=!\s])?)\s*(?P<op>>=|<=|==|!=|=|>|<)\s*(?P<value>\S+)\s*"
)
_SPAN = re.compile(r"(?P<n>[0-9]{1,6})\s*(?P<unit>[hdw])")
_HOURS = {"h": 1, "d": 24, "w": 24 * 7}
_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class MetricCondition:
    """``f1>0.6``: what the mean of a metric has to be."""

    metric: str
    op: str
    value: float

    def holds(self, metrics: Iterable[MetricSummary]) -> bool:
        """Whether a metric of this name is there and its mean fits."""
        compare = _OPERATORS[self.op]
        return any(
            item.metric == self.metric and compare(item.mean, self.value) for item in metrics
        )


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What to show of all that is there; conditions of different kinds must all hold."""

    metrics: tuple[MetricCondition, ...] = ()  # all must hold
    states: tuple[str, ...] = ()  # one of them, without the counts: "finished", "planned", ...
    authors: tuple[str, ...] = ()  # part of the name of one of them, in whatever case
    since: datetime | None = None  # started, or planned, at or after
    branches: tuple[str, ...] = ()  # one of these branches or experiments; empty: all
    archived: bool = False  # only experiments that were archived or removed
    stale_before: datetime | None = None  # only those whose branch was not touched since
    # "" for newest first; else a column, a metric or a parameter; "-" before it turns it round
    sort: str = ""
    limit: int | None = None  # no more than so many, the first by that order


def parse_condition(text: str) -> MetricCondition:
    """Read a condition on a metric.

    Raises
    ------
    UsageError
        If it is not ``METRIC OPERATOR NUMBER``.

    Examples
    --------
    >>> parse_condition("f1>=0.6")
    MetricCondition(metric='f1', op='>=', value=0.6)
    """
    found = _CONDITION.fullmatch(text[:200])
    try:
        value = float(found["value"]) if found else math.nan
    except ValueError:
        value = math.nan
    if found is None or not math.isfinite(value):
        raise UsageError(
            "this is no condition on a metric", found=text[:80], expected="for example 'f1>0.6'"
        )
    return MetricCondition(found["metric"], found["op"], value)


def parse_since(text: str, now: datetime) -> datetime:
    """Read a time: a date, a date with a time, or a span back from now.

    `text`: ``2024-05-01``, ``2024-05-01T12:00:00Z``, ``36h``, ``7d`` or ``2w``; without an offset
    UTC is meant.

    Raises `UsageError` if it is none of these.

    Examples
    --------
    >>> parse_since("2d", datetime(2024, 5, 3, tzinfo=UTC)).isoformat()
    '2024-05-01T00:00:00+00:00'
    """
    span = _SPAN.fullmatch(text.strip())
    if span is not None:
        return now - timedelta(hours=int(span["n"]) * _HOURS[span["unit"]])
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UsageError(
            "this is no time", found=text[:80], expected="2024-05-01, 36h, 7d or 2w"
        ) from error
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def select_runs(runs: Iterable[RunSummary], query: ListQuery) -> tuple[RunSummary, ...]:
    """Filter and sort runs; columns and metrics are named by one file only."""
    runs = tuple(runs)
    _refuse_ambiguous(query, {metric.metric for run in runs for metric in run.metrics})
    kept = [
        run
        for run in runs
        if _fits(query, run.state, run.author, run.started_at)
        and _is_named(query, run.branch, run.experiment)
        and all(condition.holds(run.metrics) for condition in query.metrics)
    ]
    newest = sorted(kept, key=lambda run: (run.started_at, run.id), reverse=True)
    return _sorted(newest, query.sort, run_value)[: query.limit]


def select_experiments(
    experiments: Iterable[ExperimentSummary], query: ListQuery
) -> tuple[ExperimentSummary, ...]:
    """Filter and sort experiments; conditions on metrics speak of the primary metric."""
    experiments = tuple(experiments)
    _refuse_ambiguous(query, {item.metric for item in experiments})
    kept = [
        item
        for item in experiments
        if any(
            _fits(query, state, item.author, item.created_at)
            for state in (item.state, *re.split("[,;] ", item.standing))
        )
        and _is_named(query, item.branch, item.name)
        and all(
            condition.holds(() if item.primary is None else (item.primary,))
            for condition in query.metrics
        )
    ]
    newest = sorted(kept, key=lambda item: (-_seconds(item.created_at), item.name, item.branch))
    return _sorted(newest, query.sort, experiment_value)[: query.limit]


def run_value(run: RunSummary, name: str) -> ParamValue:
    """Return a column, metric (its mean) or parameter of a run; None where it has none."""
    match name:
        case "id" | "branch" | "experiment" | "inputs" | "environment" | "author":
            return str(getattr(run, name))
        case "state":
            return run.state.partition(" ")[0]
        case "started":
            return run.started_at.timestamp()
        case "finished" | "repeats":
            return run.finished if name == "finished" else run.repeats
        case _:
            for metric in run.metrics:
                if metric.metric == name:
                    return metric.mean
            return dict(run.params).get(name)


def experiment_value(item: ExperimentSummary, name: str) -> ParamValue:
    """Return a column of an experiment, or its primary metric's mean."""
    match name:
        case "name" | "branch" | "state" | "author" | "metric" | "baseline":
            return str(getattr(item, name))
        case "created":
            return _seconds(item.created_at)
        case "verdict":
            return "" if item.verdict is None else str(item.verdict.value)
        case "runs" | "finished" | "planned":
            return int(getattr(item, name))
        case _:
            if item.primary is not None and name in {item.primary.metric, "value"}:
                return item.primary.mean
            return None


def _refuse_ambiguous(query: ListQuery, names: Iterable[str]) -> None:
    called = defaultdict(set)
    for name in names:
        if bare(name) != name:
            called[bare(name)].add(name)
    for asked in (query.sort.removeprefix("-"), *(each.metric for each in query.metrics)):
        if len(called[asked]) > 1:
            raise AmbiguousMetricError.of(asked, called[asked])


def _fits(query: ListQuery, state: str, author: str, at: datetime | None) -> bool:
    if query.states and state.partition(" ")[0] not in query.states and state not in query.states:
        return False
    if query.authors and not any(part.casefold() in author.casefold() for part in query.authors):
        return False
    return query.since is None or (at is not None and at >= query.since)


def _is_named(query: ListQuery, branch: str, name: str) -> bool:
    return not query.branches or branch in query.branches or name in query.branches


def _sorted(
    items: Sequence[_Item], sort: str, value: Callable[[_Item, str], ParamValue]
) -> tuple[_Item, ...]:
    """Sort by one value, if by any; what has none comes last, whichever way round."""
    if not sort:
        return tuple(items)
    name = sort.removeprefix("-")
    found = [(value(item, name), item) for item in items]
    have = [pair for pair in found if pair[0] is not None]
    if items and not have:
        raise UsageError(
            f"nothing has a column, metric or parameter {name[:60]}",
            next_step="gitexp list --json shows what there is",
        )
    have.sort(key=lambda pair: _key(pair[0]), reverse=sort.startswith("-"))
    return (*(item for _, item in have), *(item for one, item in found if one is None))


def _key(value: ParamValue) -> tuple[int, float, str]:
    if isinstance(value, (bool, int, float)):
        return 0, float(value), ""
    return 1, 0.0, value if isinstance(value, str) else repr(value)


def _seconds(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()
