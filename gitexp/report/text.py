"""Comparisons for a terminal: verdict first, plain tables, next command last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import omnibus, sheet, subgroups, words
from gitexp.report.escape import terminal
from gitexp.report.facts import is_good, shortened
from gitexp.report.table import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.report.style import Style

_NAME_LIMIT = 28  # characters of a branch or metric in the table; the facts below have it whole
_TEXT_LIMIT = 1_000  # characters of a line of facts
_COLORS = {True: "32", False: "31", None: "33"}
_NUMERIC = frozenset({1, 2, 3, 4, 5, 6, 7, 8})


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return what ``gitexp compare`` prints."""
    if style.quiet:
        return "".join(f"{_verdict(item, style)}\n" for item in comparisons)
    parts = [
        "\n".join(_blocks(item, style, last=item is comparisons[-1])) + "\n" for item in comparisons
    ]
    together = omnibus.of_call(comparisons)
    if together is not None:
        parts.insert(0, sheet.text(omnibus.sheet(together, style), style))
    return "\n".join(parts)


def _blocks(comparison: Comparison, style: Style, *, last: bool) -> Iterator[str]:
    yield _verdict(comparison, style)
    if comparison.metrics:
        yield ""
        yield from metric_table(comparison)
    groups = subgroups.sheet(comparison, style)
    if groups is not None:
        yield ""
        yield sheet.text(groups, style).rstrip("\n")
    yield ""
    yield from _facts(comparison, style)
    if comparison.next_step and last:
        yield ""
        yield f"next: {terminal(comparison.next_step, limit=_TEXT_LIMIT)}"


def metric_table(comparison: Comparison) -> list[str]:
    """Return the lines of the table of all metrics."""
    header = [
        "metric",
        "n",
        terminal(comparison.baseline.name, limit=_NAME_LIMIT),
        terminal(comparison.candidate.name, limit=_NAME_LIMIT),
        "effect",
        "relative",
        words.confidence_title(comparison),
        terminal(words.size_title(comparison), limit=_NAME_LIMIT),
        "two-sided p",
        "",
    ]
    rows = [words.metric_row(comparison, metric) for metric in comparison.metrics]
    return table(
        [
            header,
            *(
                [
                    terminal(row.metric, limit=_NAME_LIMIT),
                    row.n,
                    row.baseline,
                    row.candidate,
                    row.effect,
                    row.relative,
                    row.interval,
                    row.size,
                    row.p,
                    row.note,
                ]
                for row in rows
            ),
        ],
        right=_NUMERIC,
    )


def _verdict(comparison: Comparison, style: Style) -> str:
    word = words.verdict_word(comparison)
    if style.color:
        word = f"\x1b[1;{_COLORS[is_good(comparison.verdict)]}m{word}\x1b[0m"
    return f"{word}  {terminal(comparison.headline, limit=_TEXT_LIMIT)}"


def _facts(comparison: Comparison, style: Style) -> Iterator[str]:
    facts = words.facts(comparison)
    if not style.verbose:
        facts = shortened(facts)
    widest = max((len(fact.label) for fact in facts), default=0)
    before = ""
    for fact in facts:
        label = "" if fact.label == before else fact.label
        before = fact.label
        yield f"{label:<{widest}}  {terminal(fact.text, limit=_TEXT_LIMIT)}"
