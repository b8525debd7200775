"""Subgroups and categories of a comparison, as tables that text, Markdown and pages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import numbers
from gitexp.report.caveats import adjusted_p
from gitexp.report.drawing.charts import MOST_ROWS, Row, forest
from gitexp.report.drawing.svg import framed
from gitexp.report.escape import html
from gitexp.report.sheet import PLAIN, Cell, Fact, Grid, Sheet, Style, page_sheet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import CategoryComparison, Comparison, Slice, SliceComparison
    from gitexp.model.result import SignificanceResult
    from gitexp.report.drawing.figures import Room

_FEW = 20  # rows; verbose shows all


def sheet(comparison: Comparison, style: Style = PLAIN) -> Sheet | None:
    """Return what a terminal and Markdown show; None where nothing was asked for."""
    grids: list[Grid] = []
    facts: list[Fact] = []
    if comparison.slices is not None:
        grids.append(_slices(comparison, comparison.slices, style))
        facts += _slice_facts(comparison.slices, comparison.adjustment)
    if comparison.categories is not None:
        grids.append(_categories(comparison, comparison.categories, style))
        facts += _category_facts(comparison.categories)
    if not grids:
        return None
    return Sheet(grids=tuple(grids), facts=tuple(facts))


def page(comparison: Comparison, room: Room, key: str) -> Iterator[str]:
    """Return the part of an HTML page, with forest plots while there is room."""
    if comparison.slices is not None:
        for index, metric in enumerate(comparison.slices.metrics):
            yield room.take(_plot(comparison.slices, metric, f"{key}-{index}"))
    found = sheet(comparison)
    if found is None:
        return
    yield from page_sheet(found)


def _slices(comparison: Comparison, slices: SliceComparison, style: Style) -> Grid:
    rows = slices.slices if style.verbose else slices.slices[:_FEW]
    confidence = next(
        (
            item.comparison.interval.confidence
            for item in slices.slices
            if item.comparison is not None and item.comparison.interval is not None
        ),
        0.95,
    )
    return Grid(
        f"by {slices.column}",
        (
            slices.column,
            "metric",
            "examples",
            comparison.baseline.name,
            comparison.candidate.name,
            "effect",
            f"{confidence * 100:.3g} % interval",
            f"{adjusted_p(comparison.adjustment)}{_sides(slices)}",
            "",
        ),
        tuple(_slice_row(item) for item in rows),
        right=frozenset({2, 3, 4, 5, 6, 7}),
        left_out=len(slices.slices) - len(rows),
    )


def _sides(slices: SliceComparison) -> str:
    """Say whether the p-values of the table are against a promise, or against no difference."""
    tested = [item for item in slices.slices if item.p_adjusted is not None]
    promised = sum(1 for item in tested if item.p_refute_adjusted is not None)
    if not tested:
        return ""
    if promised == len(tested):
        return ", one-sided"
    return ", one-sided where promised" if promised else ", two-sided"


def _slice_row(item: Slice) -> tuple[Cell, ...]:
    found = item.comparison
    if found is None:
        return (item.value, item.metric, item.examples, "", "", "", "", "", item.note)
    digits = numbers.decimals_for(found)
    alpha = None if found.result is None else found.result.plan.alpha
    return (
        item.value,
        item.metric,
        item.examples,
        numbers.number(found.mean_baseline, digits),
        numbers.number(found.mean_candidate, digits),
        numbers.number(found.difference, digits, signed=True),
        numbers.interval_text(found.interval, digits),
        "" if item.p_adjusted is None else numbers.p_text(item.p_adjusted, alpha),
        _word(item, alpha),
    )


def _word(item: Slice, alpha: float | None) -> str:
    """Say what a subgroup shows, by the p-values adjusted for all of them."""
    if alpha is None or item.p_adjusted is None:
        return item.note
    found = item.comparison
    if found is not None and found.result is not None and found.result.plan.smallest_p > alpha:
        return "too small to show anything"
    if item.p_refute_adjusted is None:
        return "differs" if item.p_adjusted <= alpha else "not shown to differ"
    if item.p_adjusted <= alpha:
        return "as promised"
    return "promise rejected" if item.p_refute_adjusted <= alpha else "not shown"


def _slice_facts(slices: SliceComparison, method: str) -> Iterator[Fact]:
    tests = f"{slices.family} tests of subgroups" if slices.family != 1 else "1 test of a subgroup"
    how = adjusted_p(method).removesuffix(" p")
    yield Fact("subgroups", f"{tests} are one family ({how}); none of them decides the verdict")
    if slices.hidden:
        yield Fact(
            "not shown",
            f"{slices.hidden} with fewer than {slices.least} examples (min_slice), or that would"
            " give those away",
        )


def _categories(comparison: Comparison, found: CategoryComparison, style: Style) -> Grid:
    rows = found.categories if style.verbose else found.categories[:_FEW]
    return Grid(
        f"categories of {found.column}",
        (found.column, comparison.baseline.name, comparison.candidate.name, "change"),
        tuple(
            (item.name, item.baseline, item.candidate, f"{item.candidate - item.baseline:+d}")
            for item in rows
        ),
        right=frozenset({1, 2, 3}),
        left_out=len(found.categories) - len(rows),
    )


def _category_facts(found: CategoryComparison) -> Iterator[Fact]:
    if found.result is not None:
        yield Fact("categories", f"{_p_words(found.result)}; {found.result.plan.why}")
    if found.cramers_v is not None:
        yield Fact("effect", f"Cramer's V {found.cramers_v:.2f}")
    for other in found.beside:
        yield Fact("beside", _p_words(other))
    left, right = found.seeds
    whose = f"seed {left}" if left == right else f"seeds {left} and {right}"
    yield Fact("counted", f"the repeat of each side with {whose}")
    if found.note:
        yield Fact("note", found.note)


def _p_words(result: SignificanceResult) -> str:
    return f"{result.plan.title}: p = {numbers.p_text(result.p_value, result.plan.alpha)}"


def _plot(slices: SliceComparison, metric: str, key: str) -> str:
    rows = [
        Row(
            item.value,
            item.comparison.difference,
            None if item.comparison.interval is None else item.comparison.interval.low,
            None if item.comparison.interval is None else item.comparison.interval.high,
            note=f"n = {item.examples}",
        )
        for item in slices.slices
        if item.metric == metric and item.comparison is not None
    ]
    if len(rows) < 2:  # noqa: PLR2004 - one line is not a plot
        return ""
    title = f"{metric} by {slices.column}"
    picture = forest(rows, key=key, title=title)
    more = "" if len(rows) <= MOST_ROWS else f" The first {MOST_ROWS} of {len(rows)}."
    caption = f"{html(title)}: the difference in each subgroup with its interval.{more}"
    return framed(picture, caption)
