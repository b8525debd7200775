"""All commits of one call together, as tables that every renderer shows alike.

The omnibus test comes first: pairs are read after it, and decide no verdict either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import numbers
from gitexp.report.drawing.charts import critical_difference
from gitexp.report.drawing.svg import framed
from gitexp.report.escape import html
from gitexp.report.sheet import PLAIN, Cell, Fact, Grid, Sheet, Style, page_facts, page_table
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.model.result import AcrossMetric, Family, Omnibus, OmnibusComparison, Pairwise

_FEW_PAIRS = 12  # of one family; verbose shows all
_MOST_PAIRS = 60  # on a page


def of_call(comparisons: tuple[Comparison, ...]) -> OmnibusComparison | None:
    """Return what is said about all commits; it is the same in every comparison of a call."""
    return comparisons[0].across if comparisons else None


def sheet(across: OmnibusComparison, style: Style = PLAIN) -> Sheet:
    """Return the tables of all metrics, for a terminal or Markdown."""
    grids: list[Grid] = []
    facts: list[Fact] = []
    for metric in across.metrics:
        grids += _grids(metric, style)
        facts += _facts(metric)
    if across.reason:
        facts.insert(0, Fact("not together", across.reason))
    return Sheet(headline=_headline(across), grids=tuple(grids), facts=tuple(facts))


def page(across: OmnibusComparison, key: str) -> Iterator[str]:
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
