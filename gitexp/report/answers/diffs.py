"""`gitexp diff` and `gitexp inputs`: what differs between two states, and whether it matters."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.model.clocked import is_spread
from gitexp.model.review import Difference
from gitexp.report import numbers
from gitexp.report.answers import listing
from gitexp.report.sheet import PLAIN, SHORT, Cell, Fact, Grid, Sheet, Style, cell_text, shortened

if TYPE_CHECKING:
    from gitexp.model import views
    from gitexp.model.metrics import MetricSummary

METRICS = "metrics"
_MOST_CHANGES = 200  # of a kind
COMMITTED = "metrics as committed: one run each, no plan: a difference, not evidence"
_FEW = 20  # rows of one kind; verbose shows all


def diff(view: views.DiffView, style: Style = PLAIN) -> Sheet:
    """Return one table for each kind of difference."""
    a, b = view.a.name, view.b.name
    grids: tuple[Grid, ...] = (
        Grid(
            "settings",
            ("setting", a, b),
            tuple((item.what, item.a, item.b) for item in view.config),
        ),
        Grid("parameters", ("parameter", a, b), tuple(_value(item) for item in view.params)),
        Grid(
            "code",
            ("path", "change", "added", "removed"),
            tuple((item.path, item.kind, item.added, item.removed) for item in view.code),
        ),
        Grid(
            "data",
            ("path", a, b),
            tuple((item.path, _data(item.a), _data(item.b)) for item in view.data),
        ),
        Grid(
            "environment", ("distribution", a, b), tuple(_value(item) for item in view.environment)
        ),
    )
    metrics = Grid(
        COMMITTED if view.committed else "metrics",
        ("metric", f"{a}", f"{b}", "difference", ""),
        tuple(_metric(item, view) for item in view.metrics),
        right=frozenset({1, 2, 3}),
    )
    grids = (metrics, *grids) if view.committed else (*grids, metrics)
    return Sheet(
        word="SAME" if view.same else "DIFFERENT",
        headline=_counted(view),
        grids=tuple(_short(grid, style) for grid in grids if grid.rows),
        facts=(*_states(view.a, view.b), *(Fact("note", text) for text in view.notes)),
        next_step="" if view.same else _next(view),
    )


def inputs(view: views.InputsView, style: Style = PLAIN) -> Sheet:
    """Return why two states do or do not share samples."""
    rows = tuple((item.kind, item.what, item.a, item.b) for item in view.reasons)
    facts = [*_states(view.a, view.b)]
    facts += [Fact("does not count", path) for path in view.ignored]
    for name, runs in ((view.a.name, view.runs_a), (view.b.name, view.runs_b)):
        shown = " ".join(run[:SHORT] for run in runs) or "none"
        facts.append(Fact("runs", f"{name}: {shown}"))
    facts += [Fact("note", text) for text in view.notes]
    return Sheet(
        word="SAME INPUTS" if view.shared else "DIFFERENT INPUTS",
        headline="samples are shared" if view.shared else "no sample is shared",
        grids=(_short(Grid("reasons", ("kind", "what", view.a.name, view.b.name), rows), style),)
        if rows
        else (),
        facts=tuple(facts if style.verbose else shortened(facts)),
        next_step=f"gitexp diff {shlex.quote(view.a.name)} {shlex.quote(view.b.name)}",
    )


def _states(a: views.StateName, b: views.StateName) -> tuple[Fact, ...]:
    return tuple(
        Fact(
            label,
            f"{state.commit[:SHORT]} {state.name}, inputs "
            f"{'unknown' if state.inputs is None else state.inputs[:SHORT]}",
        )
        for label, state in (("a", a), ("b", b))
    )


def _value(item: views.ValueChange) -> tuple[Cell, ...]:
    return (
        item.name,
        listing.shown_param(item.a) if item.in_a else "(none)",
        listing.shown_param(item.b) if item.in_b else "(none)",
    )


def _data(state: views.DataState | None) -> str:
    if state is None:
        return "(none)"
    parts = [state.md5[:SHORT] if state.md5 else "?"]
    parts += [] if state.size is None else [numbers.size(state.size)]
    parts += [] if state.nfiles is None else [f"{state.nfiles:,} files"]
    return ", ".join(parts)


def _metric(item: views.MetricChange, view: views.DiffView) -> tuple[Cell, ...]:
    word = "" if item.better is None else "better" if item.better else "worse"
    sides = [_measured(side, counted=not view.committed) for side in (item.a, item.b)]
    return (item.metric, *sides, numbers.difference(item.difference, item.a), word)


def _measured(side: MetricSummary | None, *, counted: bool) -> str:
    if side is None:
        return "(none)"
    return f"{listing.summary_text(side)}{f' (n {side.n})' if counted else ''}"


def _next(view: views.DiffView) -> str:
    a, b = shlex.quote(view.a.name), shlex.quote(view.b.name)
    if not view.committed:
        return f"gitexp compare {a} {b}"
    return tests(view, view.a.name)


def differences(view: views.DiffView) -> tuple[Difference, ...]:
    """Return what a review has of a difference: metrics, parameters, data."""
    # What changed before what is new: a hundred new names push nothing out of sight.
    metrics = sorted(view.metrics, key=lambda item: (item.difference is None, item.difference == 0))
    params = sorted(view.params, key=lambda item: not (item.in_a and item.in_b))
    kinds: dict[str, list[tuple[Cell, ...]]] = {
        METRICS: [_metric(item, view) for item in metrics],
        "params": [_value(item) for item in params],
        "data": [(item.path, _data(item.a), _data(item.b)) for item in view.data],
    }
    found = []
    for kind, rows in kinds.items():
        for row in rows[:_MOST_CHANGES]:
            what, before, after, *by = map(cell_text, row)
            found.append(Difference(kind, what, before, after, " ".join(filter(None, by))))
        if more := len(rows) - _MOST_CHANGES:
            found += [Difference(kind, f"and {more} more", "", "")] if more > 0 else []
    return tuple(found)


def tests(view: views.DiffView, baseline: str) -> str:
    """Return what to type to test a difference that was seen once."""
    every = sorted(view.metrics, key=lambda item: (is_spread(item.metric), item.better is None))
    metric = shlex.quote(every[0].metric) if every else "METRIC"
    return f'gitexp new NAME --baseline {shlex.quote(baseline)} --metric {metric} --effect ">0"'


def _counted(view: views.DiffView) -> str:
    if view.same:
        return "settings, code, params, data and environment"
    kinds = (
        (view.config, "setting", "settings"),
        (view.code, "file", "files"),
        (view.params, "parameter", "parameters"),
        (view.data, "data file", "data files"),
        (view.environment, "part of the environment", "parts of the environment"),
    )
    return ", ".join(
        f"{len(items)} {one if len(items) == 1 else many}" for items, one, many in kinds if items
    )


def _short(grid: Grid, style: Style) -> Grid:
    """Leave out the rows that only a verbose reader wants, and say how many."""
    if style.verbose or len(grid.rows) <= _FEW:
        return grid
    return replace(grid, rows=grid.rows[:_FEW], left_out=len(grid.rows) - _FEW)
