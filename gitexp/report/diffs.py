"""`gitexp diff` and `gitexp inputs`: what differs between two states, and whether it matters."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.report import lists
from gitexp.report.sheet import Grid, Sheet
from gitexp.report.words import SHORT, Fact

if TYPE_CHECKING:
    from gitexp.model.views import (
        DataState,
        DiffView,
        InputsView,
        MetricChange,
        StateName,
        ValueChange,
    )
    from gitexp.report.records import Cell


def diff(view: DiffView) -> Sheet:
    """Return one table for each kind of difference."""
    a, b = view.a.name, view.b.name
    grids = (
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
        Grid(
            "metrics",
            ("metric", f"{a} n", f"{a} mean", f"{b} n", f"{b} mean", "difference"),
            tuple(_metric(item) for item in view.metrics),
        ),
    )
    headline = "nothing differs but what was measured" if view.same else ""
    return Sheet(
        headline=headline,
        grids=tuple(grid for grid in grids if grid.rows),
        facts=(*_states(view.a, view.b), *(Fact("note", text) for text in view.notes)),
        next_step=f"gitexp compare {shlex.quote(a)} {shlex.quote(b)}" if view.metrics else "",
    )


def inputs(view: InputsView) -> Sheet:
    """Return why two states do or do not share samples."""
    rows = tuple((item.kind, item.what, item.a, item.b) for item in view.reasons)
    facts = [*_states(view.a, view.b)]
    if view.ignored:
        facts.append(Fact("ignored", ", ".join(view.ignored)))
    for name, runs in ((view.a.name, view.runs_a), (view.b.name, view.runs_b)):
        shown = " ".join(run[:SHORT] for run in runs) or "none"
        facts.append(Fact("runs", f"{name}: {shown}"))
    facts += [Fact("note", text) for text in view.notes]
    return Sheet(
        headline="the same inputs: samples are shared"
        if view.shared
        else f"different inputs: {len(rows)} reasons, no sample is shared",
        grids=(Grid("reasons", ("kind", "what", view.a.name, view.b.name), rows),) if rows else (),
        facts=tuple(facts),
    )


def _states(a: StateName, b: StateName) -> tuple[Fact, ...]:
    return tuple(
        Fact(
            label,
            f"{state.commit[:SHORT]} {state.name}, inputs "
            f"{'unknown' if state.inputs is None else state.inputs[:SHORT]}",
        )
        for label, state in (("a", a), ("b", b))
    )


def _value(item: ValueChange) -> tuple[Cell, ...]:
    return (
        item.name,
        lists.plain(item.a) if item.in_a else "(none)",
        lists.plain(item.b) if item.in_b else "(none)",
    )


def _data(state: DataState | None) -> str:
    if state is None:
        return "(none)"
    parts = [state.md5[:SHORT] if state.md5 else "?"]
    parts += [] if state.size is None else [f"{state.size:,} bytes"]
    parts += [] if state.nfiles is None else [f"{state.nfiles:,} files"]
    return ", ".join(parts)


def _metric(item: MetricChange) -> tuple[Cell, ...]:
    a, b = item.a, item.b
    return (
        item.metric,
        None if a is None else a.n,
        None if a is None else a.mean,
        None if b is None else b.n,
        None if b is None else b.mean,
        item.difference,
    )
