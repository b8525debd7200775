"""Comparisons as a sheet, as the table of their metrics, and as flat rows of numbers.

What every target shows of a metric is here: a column is added in this file alone.
"""

from __future__ import annotations

import importlib
from html import escape
from typing import TYPE_CHECKING, Final

from gitexp.model.comparison import Comparison
from gitexp.records import codec
from gitexp.report import glance, numbers, render_comparisons, supplements, words
from gitexp.report import sheet as sheets
from gitexp.report.escape import escaped, prose
from gitexp.report.sheet import PLAIN, Cell, Fact, Grid, Sheet, Style, csv_rows, is_good, shortened
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import ModuleType

    import pandas as pd

    from gitexp.model.result import MetricComparison

# Columns of the table of all metrics, and of one that is narrower.
WHOLE: Final = (
    *("metric", "n", "baseline", "candidate", "effect", "relative", "interval", "size"),
    *("p", "note"),
)
COMMENT: Final = ("metric", "baseline", "candidate", "change", "interval", "role")
_TEXTS = frozenset({"metric", "note", "role"})
_BELOW = {"interval": "effect", "note": "metric"}  # where there is no room beside it
# Columns of the flat rows, and what stands in them.
_FLAT: Final[Mapping[str, Callable[[Comparison, MetricComparison], Cell]]] = {
    "baseline": lambda all_, _: all_.baseline.name,
    "baseline_commit": lambda all_, _: all_.baseline.commit,
    "candidate": lambda all_, _: all_.candidate.name,
    "candidate_commit": lambda all_, _: all_.candidate.commit,
    "verdict": lambda all_, _: None if all_.verdict is None else all_.verdict.value,
    "metric": lambda _, one: one.metric,
    "role": lambda _, one: one.role.value,
    "direction": lambda _, one: None if one.direction is None else one.direction.value,
    "n_baseline": lambda _, one: one.n_baseline,
    "n_candidate": lambda _, one: one.n_candidate,
    "mean_baseline": lambda _, one: one.mean_baseline,
    "mean_candidate": lambda _, one: one.mean_candidate,
    "sd_baseline": lambda _, one: one.sd_baseline,
    "sd_candidate": lambda _, one: one.sd_candidate,
    "difference": lambda _, one: one.difference,
    "relative": lambda _, one: one.relative,
    "low": lambda _, one: None if one.interval is None else one.interval.low,
    "high": lambda _, one: None if one.interval is None else one.interval.high,
    "confidence": lambda _, one: None if one.interval is None else one.interval.confidence,
    "interval_method": lambda _, one: None if one.interval is None else one.interval.method,
    "effect_size": lambda _, one: next((size.estimate for size in one.effects), None),
    "effect_size_name": lambda _, one: next((size.name for size in one.effects), None),
    "p_value": lambda _, one: None if one.result is None else one.result.p_value,
    "p_support": lambda _, one: None if one.result is None else one.result.p_support,
    "p_refute": lambda _, one: None if one.result is None else one.result.p_refute,
    "p_adjusted": lambda _, one: one.p_adjusted,
    "test": lambda _, one: None if one.result is None else one.result.plan.title,
    "why": lambda _, one: None if one.result is None else one.result.plan.why,
    "broken": lambda _, one: one.broken,
}
COLUMNS: Final = tuple(_FLAT)


def text(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return comparisons for a terminal: verdict first, plain tables, next command last."""
    seen = (
        glance.sheet_of(item, style, grid(item) if style.verbose and item.metrics else None)
        for item in comparisons
    )
    return sheets.text(Sheet(parts=(*_together(comparisons, style), *seen)), style)


def markdown(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one section a candidate; every foreign string is a code span."""
    return sheets.markdown(sheet(comparisons, style), style)


def json(comparisons: tuple[Comparison, ...], _: Style) -> str:
    """Return the recorded format: one object for one candidate, an array for several."""
    values = [codec.to_json(item) for item in comparisons]
    return escaped(json_dumps(values[0] if len(values) == 1 else values).decode())


def csv(comparisons: tuple[Comparison, ...], _: Style) -> str:
    """Return a header and one row for each metric of each candidate, numbers in full."""
    return csv_rows(COLUMNS, records(comparisons))


def sheet(comparisons: tuple[Comparison, ...], style: Style = PLAIN) -> Sheet:
    """Return what all commits show together, then each candidate."""
    own = (sheet_of(item, style) for item in comparisons)
    return Sheet(parts=(*_together(comparisons, style), *own))


def _together(comparisons: tuple[Comparison, ...], style: Style) -> tuple[Sheet, ...]:
    found = None if style.quiet else supplements.of_call(comparisons)
    return () if found is None else (supplements.commits_sheet(found, style),)


def sheet_of(comparison: Comparison, style: Style = PLAIN) -> Sheet:
    """Return one candidate: verdict, metrics, subgroups, facts."""
    facts = words.facts(comparison)
    groups = supplements.groups_sheet(comparison, style)
    plan = comparison.plan
    return Sheet(
        headline=comparison.headline,
        word=words.verdict_word(comparison),
        good=is_good(comparison.verdict),
        title=f"{comparison.candidate.name} against {comparison.baseline.name}",
        lead=() if plan is None else (Fact("hypothesis", prose(plan.hypothesis)),),
        grids=(grid(comparison),) if comparison.metrics else (),
        parts=() if groups is None else (groups,),
        facts=tuple(facts if style.verbose else shortened(facts)),
        next_step=comparison.next_step,
    )


def grid(
    comparison: Comparison,
    columns: tuple[str, ...] = WHOLE,
    *,
    most: int | None = None,
    sides: tuple[str, str] | None = None,
) -> Grid:
    """Return the table of metrics; `sides`: what both are called where names have no room."""
    baseline, candidate = sides or (comparison.baseline.name, comparison.candidate.name)
    titles = {
        "baseline": baseline,
        "candidate": candidate,
        "interval": words.confidence_title(comparison),
        "size": words.size_title(comparison),
        "p": "two-sided p",
        "note": "",
    }
    shown = comparison.metrics[:most]
    rows = [_shown(comparison, metric) for metric in shown]
    return Grid(
        "metrics",
        tuple(titles.get(name, name) for name in columns),
        tuple(tuple(row[name] for name in columns) for row in rows),
        right=frozenset(at for at, name in enumerate(columns) if name not in _TEXTS),
        left_out=len(comparison.metrics) - len(shown),
        below={
            columns.index(name): columns.index(above)
            for name, above in _BELOW.items()
            if name in columns and above in columns
        },
    )


def records(comparisons: tuple[Comparison, ...]) -> Iterator[tuple[Cell, ...]]:
    """Yield a row of `COLUMNS` for each metric of each candidate, the primary metric first."""
    for comparison in comparisons:
        for metric in comparison.metrics:
            yield tuple(cell(comparison, metric) for cell in _FLAT.values())


def _shown(comparison: Comparison, metric: MetricComparison) -> dict[str, str]:
    """Return what people read of a metric; all but its name and notes is made of digits."""
    digits = numbers.decimals_for(metric)
    effect = numbers.number(metric.difference, digits, signed=True)
    places = numbers.percent_decimals(metric.relative_interval)
    relative = numbers.percent(metric.relative, decimals=places)
    result = metric.result
    note = words.role_note(comparison, metric)
    return {
        "metric": metric.metric,
        "n": words.counts(metric),
        "baseline": numbers.number(metric.mean_baseline, digits),
        "candidate": numbers.number(metric.mean_candidate, digits),
        "effect": effect,
        "relative": relative,
        "change": f"{effect} ({relative})",
        "interval": words.interval(comparison, metric, digits),
        "size": "".join(f"{size.estimate:+.2f}" for size in metric.effects[:1]),
        "p": "" if result is None else numbers.p_text(result.p_value, result.plan.alpha),
        "note": note,
        "role": note.partition(";")[0].removesuffix(", no verdict"),
    }


class Comparisons(tuple[Comparison, ...]):
    """One comparison for each candidate; a tuple that knows its data frames."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a line for each: the whole of a comparison is many thousand characters."""
        return f"Comparisons({', '.join(map(repr, self))})"

    def _repr_html_(self) -> str:
        """Return the report, as a notebook shows it: in a frame, so that styles stay apart."""
        page = escape(render_comparisons("html", self, PLAIN))
        return f'<iframe srcdoc="{page}" sandbox="" width="100%" height="700"></iframe>'

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric of each candidate, texts as they were recorded."""
        frame: pd.DataFrame = _frames().comparisons(self)
        return frame

    def samples_to_frame(self) -> pd.DataFrame:
        """Return the samples that counted: one row for each metric, side and seed."""
        frame: pd.DataFrame = _frames().samples(self)
        return frame


def _frames() -> ModuleType:
    return importlib.import_module("gitexp.report.frame")  # pandas comes with it
