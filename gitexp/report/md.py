"""Comparisons as GitHub-flavoured Markdown.

Every foreign string is a code span, so nothing in it links, mentions, embeds or ends a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import omnibus, sheet, subgroups, words
from gitexp.report.escape import PROSE_LIMIT, markdown, prose
from gitexp.report.facts import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.report.style import Style

_TEXT_LIMIT = 1_000  # characters of a line of facts


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one section a candidate."""
    if style.quiet:
        return "\n".join(_verdict(item) for item in comparisons) + "\n"
    parts = ["\n".join(_lines(item, style)) + "\n" for item in comparisons]
    together = omnibus.of_call(comparisons)
    if together is not None:
        parts.insert(0, sheet.markdown(omnibus.sheet(together, style), style))
    return "\n".join(parts)


def _verdict(comparison: Comparison) -> str:
    headline = markdown(comparison.headline, limit=_TEXT_LIMIT)
    return f"**{words.verdict_word(comparison)}** {headline}"


def _lines(comparison: Comparison, style: Style) -> Iterator[str]:
    yield f"## {markdown(comparison.candidate.name)} against {markdown(comparison.baseline.name)}"
    yield ""
    yield _verdict(comparison)
    plan = comparison.plan
    if plan is not None:
        yield ""
        yield f"Hypothesis: {markdown(prose(plan.hypothesis), limit=PROSE_LIMIT)}"
    if comparison.metrics:
        yield ""
        yield from metric_table(comparison)
    groups = subgroups.sheet(comparison, style)
    if groups is not None:
        yield ""
        yield sheet.markdown(groups, style).rstrip("\n")
    yield ""
    facts = words.facts(comparison)
    for fact in facts if style.verbose else shortened(facts):
        yield f"- {fact.label}: {markdown(fact.text, limit=_TEXT_LIMIT)}"
    if comparison.next_step:
        yield ""
        yield f"Next: {markdown(comparison.next_step, limit=_TEXT_LIMIT)}"


def metric_table(comparison: Comparison) -> Iterator[str]:
    """Yield the lines of the table of all metrics."""
    header = (
        "metric",
        "n",
        markdown(comparison.baseline.name, cell=True),
        markdown(comparison.candidate.name, cell=True),
        "effect",
        "relative",
        words.confidence_title(comparison),
        markdown(words.size_title(comparison), cell=True),
        "two-sided p",
        "role",
    )
    yield f"| {' | '.join(header)} |"
    yield "|---|" + "---:|" * (len(header) - 2) + "---|"
    for metric in comparison.metrics:
        row = words.metric_row(comparison, metric)
        cells = (
            markdown(row.metric, cell=True),
            row.n,
            row.baseline,
            row.candidate,
            row.effect,
            row.relative,
            row.interval,
            row.size,
            row.p,
            row.note,
        )
        yield f"| {' | '.join(cells)} |"
