"""Comparisons as a sheet, as the table of their metrics, and as flat rows of numbers.

What every target shows of a metric is here: a column is added in this file alone.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from gitexp.model.comparison import Comparison
from gitexp.records import codec
from gitexp.report import frames, numbers, omnibus, render_comparisons, subgroups, words
from gitexp.report import sheet as sheets
from gitexp.report.escape import escaped, prose
from gitexp.report.sheet import PLAIN, Fact, Grid, Sheet, csv_rows, is_good, shortened
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from gitexp.model.result import MetricComparison
    from gitexp.report.sheet import Cell, Style

# Columns of the table of all metrics, and of one that is narrower.
WHOLE: Final = (
    *("metric", "n", "baseline", "candidate", "effect", "relative", "interval", "size"),
    *("p", "note"),
)
COMMENT: Final = ("metric", "baseline", "candidate", "change", "interval", "role")
_TEXTS = frozenset({"metric", "note", "role"})
_BELOW = {"interval": "effect", "note": "metric"}  # where there is no room beside it
# Columns of the flat rows.
COLUMNS: Final = (
    "baseline",
    "baseline_commit",
    "candidate",
    "candidate_commit",
    "verdict",
    "metric",
    "role",
    "direction",
    "n_baseline",
    "n_candidate",
    "mean_baseline",
    "mean_candidate",
    "sd_baseline",
    "sd_candidate",
    "difference",
    "relative",
    "low",
    "high",
    "confidence",
    "interval_method",
    "effect_size",
    "effect_size_name",
    "p_value",
    "p_support",
    "p_refute",
    "p_adjusted",
    "test",
    "why",
    "broken",
)


def text(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return comparisons for a terminal: verdict first, plain tables, next command last."""
    return sheets.text(sheet(comparisons, style), style)


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
    found = None if style.quiet else omnibus.of_call(comparisons)
    together = () if found is None else (omnibus.sheet(found, style),)
    return Sheet(parts=(*together, *(sheet_of(item, style) for item in comparisons)))


def sheet_of(comparison: Comparison, style: Style = PLAIN) -> Sheet:
    """Return one candidate: verdict, metrics, subgroups, facts."""
    facts = words.facts(comparison)
    groups = subgroups.sheet(comparison, style)
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
    """Return the table of all metrics, or of the first of them.

    `sides`: what baseline and candidate are called, where their names have no room.
    """
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
            yield _cells(comparison, metric)


def _shown(comparison: Comparison, metric: MetricComparison) -> dict[str, str]:
    """Return what people read of a metric; all but its name and notes is made of digits."""
    digits = numbers.decimals_for(metric)
    left, right = metric.n_baseline, metric.n_candidate
    effect = numbers.number(metric.difference, digits, signed=True)
    places = numbers.percent_decimals(metric.relative_interval)
    relative = numbers.percent(metric.relative, decimals=places)
    result = metric.result
    note = words.role_note(comparison, metric)
    return {
        "metric": metric.metric,
        "n": str(right) if left == right else f"{left}/{right}",
        "baseline": numbers.number(metric.mean_baseline, digits),
        "candidate": numbers.number(metric.mean_candidate, digits),
        "effect": effect,
        "relative": relative,
        "change": f"{effect} ({relative})",
        "interval": numbers.interval_text(metric.interval, digits),
        "size": "".join(f"{size.estimate:+.2f}" for size in metric.effects[:1]),
        "p": "" if result is None else numbers.p_text(result.p_value, result.plan.alpha),
        "note": note,
        "role": note.partition(";")[0].removesuffix(", no verdict"),
    }


def _cells(comparison: Comparison, metric: MetricComparison) -> tuple[Cell, ...]:
    interval, result = metric.interval, metric.result
    size = metric.effects[0] if metric.effects else None
    return (
        comparison.baseline.name,
        comparison.baseline.commit,
        comparison.candidate.name,
        comparison.candidate.commit,
        None if comparison.verdict is None else comparison.verdict.value,
        metric.metric,
        metric.role.value,
        None if metric.direction is None else metric.direction.value,
        metric.n_baseline,
        metric.n_candidate,
        metric.mean_baseline,
        metric.mean_candidate,
        metric.sd_baseline,
        metric.sd_candidate,
        metric.difference,
        metric.relative,
        None if interval is None else interval.low,
        None if interval is None else interval.high,
        None if interval is None else interval.confidence,
        None if interval is None else interval.method,
        None if size is None else size.estimate,
        None if size is None else size.name,
        None if result is None else result.p_value,
        None if result is None else result.p_support,
        None if result is None else result.p_refute,
        metric.p_adjusted,
        None if result is None else result.plan.title,
        None if result is None else result.plan.why,
        metric.broken,
    )


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
        return frames().comparisons(self)

    def samples_to_frame(self) -> pd.DataFrame:
        """Return the samples that counted: one row for each metric, side and seed."""
        return frames().samples(self)
