"""What a comparison has beside its metrics, as tables that every target shows alike.

All commits of one call together: the omnibus test comes first, pairs are read after it, and decide
no verdict either. Then subgroups and categories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import numbers
from gitexp.report.caveats import adjusted_p
from gitexp.report.drawing.charts import MOST_ROWS, Row, critical_difference, forest
from gitexp.report.drawing.svg import framed
from gitexp.report.escape import html
from gitexp.report.sheet import (
    PLAIN,
    Cell,
    Fact,
    Grid,
    Sheet,
    Style,
    page_facts,
    page_sheet,
    page_table,
)
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import CategoryComparison, Comparison, Slice, SliceComparison
    from gitexp.model.result import (
        AcrossMetric,
        Family,
        Omnibus,
        OmnibusComparison,
        Pairwise,
        SignificanceResult,
    )
    from gitexp.report.drawing.figures import Room

_FEW_PAIRS = 12  # of one family; verbose shows all
_MOST_PAIRS = 60  # on a page
_FEW = 20  # rows of subgroups; verbose shows all


def of_call(comparisons: tuple[Comparison, ...]) -> OmnibusComparison | None:
    """Return what is said about all commits; it is the same in every comparison of a call."""
    return comparisons[0].across if comparisons else None


def commits_sheet(across: OmnibusComparison, style: Style = PLAIN) -> Sheet:
    """Return the tables of all metrics, for a terminal or Markdown."""
    grids: list[Grid] = []
    facts: list[Fact] = []
    for metric in across.metrics:
        grids += _grids(metric, style)
        facts += _facts(metric)
    if across.reason:
        facts.insert(0, Fact("not together", across.reason))
    return Sheet(headline=_headline(across), grids=tuple(grids), facts=tuple(facts))


def commits_page(across: OmnibusComparison, key: str) -> Iterator[str]:
    """Return the section of an HTML page, with its diagram; `key` makes ids unique."""
    yield f'<section aria-labelledby="{key}-title">'
    yield f'<h2 id="{key}-title">All commits together</h2>'
    yield f"<p>{html(_headline(across))}</p>"
    if across.reason:
        yield f'<p class="none">{html(across.reason)}</p>'
    for index, metric in enumerate(across.metrics):
        if diagram := _diagram(metric, f"{key}-{index}"):
            yield diagram
        for grid in _grids(metric, PLAIN, most=_MOST_PAIRS):
            yield from page_table(grid)
        yield from page_facts(_facts(metric))
    yield "</section>"


def _headline(across: OmnibusComparison) -> str:
    metric = next(iter(across.metrics), None)
    if metric is None or not metric.omnibus:
        return f"{len(across.names)} commits together"
    test, alpha = metric.omnibus[0], metric.alpha
    differ = "they are not all alike" if test.p_value <= alpha else "not shown that they differ"
    p = f"{test.title} p = {numbers.p_text(test.p_value, alpha)}"
    return f"{len(metric.groups)} commits together: {metric.metric}: {differ}, {p}"


def _grids(metric: AcrossMetric, style: Style, *, most: int = _FEW_PAIRS) -> Iterator[Grid]:
    whose = f"{metric.metric}, "
    pairs = [each for family in metric.families for each in family.pairs if each.interval]
    decimals = max((_decimals(metric, pair) for pair in pairs), default=4)
    ranked = any(group.rank is not None for group in metric.groups)
    if metric.groups:
        yield Grid(
            f"{whose}{metric.design}",
            ("commit", "n", "mean", *(("mean rank",) if ranked else ())),
            tuple(
                (
                    group.name,
                    group.n,
                    numbers.number(group.mean, decimals),
                    *((f"{group.rank or 0:.2f}",) if ranked else ()),
                )
                for group in metric.groups
            ),
            right=frozenset({1, 2, 3}),
        )
    if metric.omnibus:
        yield Grid(
            f"{whose}is there any difference",
            ("test of all", "statistic", "df", "p", ""),
            tuple(_omnibus_row(test, metric.alpha) for test in metric.omnibus),
            right=frozenset({1, 2, 3}),
        )
    for family in metric.families:
        rows = family.pairs if style.verbose else family.pairs[:most]
        yield Grid(
            f"{whose}{family.among}, {family.title}",
            ("pair", "difference", "interval", "p adjusted"),
            tuple(_pair_row(family, pair, decimals, metric.alpha) for pair in rows),
            right=frozenset({1, 2, 3}),
            left_out=len(family.pairs) - len(rows),
        )


def _omnibus_row(test: Omnibus, alpha: float) -> tuple[Cell, ...]:
    df = ", ".join(f"{value:.4g}" for value in (test.df1, test.df2) if value is not None)
    return (
        test.title,
        f"{test.statistic:.4g}",
        df,
        numbers.p_text(test.p_value, alpha),
        "planned" if test.planned else "beside",
    )


def _pair_row(family: Family, pair: Pairwise, decimals: int, alpha: float) -> tuple[Cell, ...]:
    by_rank = named(family.test).by_rank
    places = 2 if by_rank else decimals
    difference = numbers.number(pair.difference, places, signed=True)
    return (
        f"{pair.first} - {pair.second}",
        f"{difference} ranks" if by_rank else difference,
        numbers.interval_text(pair.interval, places),
        numbers.p_text(pair.p_value, alpha),
    )


def _facts(metric: AcrossMetric) -> Iterator[Fact]:
    if metric.critical_difference is not None:
        yield Fact(
            "ranks",
            f"mean ranks of {metric.metric} differ at alpha = {metric.alpha:g} if by more than "
            f"{metric.critical_difference:.2f} (rank 1 is the best)",
        )
    for size in metric.sizes:
        interval = numbers.interval_text(size.interval, 2)
        yield Fact("effect", f"{size.name} {size.estimate:.2f} {interval}".rstrip())
    for note in metric.notes:
        yield Fact("note", f"{metric.metric}: {note}")


def _decimals(metric: AcrossMetric, pair: Pairwise) -> int:
    interval = pair.interval
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    largest = max(abs(group.mean) for group in metric.groups)
    return numbers.decimals(pair.difference, low, high, largest=largest)


def _diagram(metric: AcrossMetric, key: str) -> str:
    if metric.critical_difference is None:
        return ""
    drawing = critical_difference(
        [(group.name, group.rank) for group in metric.groups if group.rank is not None],
        difference=metric.critical_difference,
        key=key,
        title=f"{metric.metric}: mean ranks over data sets",
    )
    best = "Mean ranks, the best on the left; commits under one bar are not told apart."
    return framed(drawing, f"{html(metric.metric)}. {best}")


def groups_sheet(comparison: Comparison, style: Style = PLAIN) -> Sheet | None:
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


def groups_page(comparison: Comparison, room: Room, key: str) -> Iterator[str]:
    """Return the part of an HTML page, with forest plots while there is room."""
    if comparison.slices is not None:
        for index, metric in enumerate(comparison.slices.metrics):
            yield room.take(_plot(comparison.slices, metric, f"{key}-{index}"))
    found = groups_sheet(comparison)
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
