r"""Comparisons as LaTeX: one table a candidate, for ``\usepackage{booktabs}``.

What is no table stands in comments, so that the file can be taken in by ``\input`` as it is.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tabulate import tabulate

from gitexp.report import words
from gitexp.report.escape import visible
from gitexp.report.facts import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.report.style import Style

_TEXT_LIMIT = 1_000  # characters of a comment
_SIGN = re.compile(r"(?<![\w$])([+-])(?=\d)")


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one ``tabular`` a candidate, its verdict and its facts in comments above."""
    return "\n".join("\n".join(_lines(item, style)) + "\n" for item in comparisons)


def _lines(comparison: Comparison, style: Style) -> Iterator[str]:
    yield f"% {visible(words.verdict_line(comparison), limit=_TEXT_LIMIT)}"
    if style.quiet:
        return
    facts = words.facts(comparison)
    for fact in facts if style.verbose else shortened(facts):
        yield f"% {fact.label}: {visible(fact.text, limit=_TEXT_LIMIT)}"
    if comparison.metrics:
        yield from _table(comparison)


def _table(comparison: Comparison) -> Iterator[str]:
    header = (
        "metric",
        "n",
        visible(comparison.baseline.name),
        visible(comparison.candidate.name),
        "effect",
        words.confidence_title(comparison),
        "relative",
        words.size_title(comparison),
        "p",
        "role",
    )
    rows = [
        (
            visible(row.metric),
            row.n,
            row.baseline,
            row.candidate,
            row.effect,
            row.interval,
            row.relative,
            row.size,
            row.p,
            row.note,
        )
        for row in (words.metric_row(comparison, metric) for metric in comparison.metrics)
    ]
    # tabulate escapes every cell; digits are left as they are.
    page = tabulate(
        rows,
        header,
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=("left", *("right",) * (len(header) - 2), "left"),
    )
    below = False
    for line in page.splitlines():
        yield _row(line) if below and "&" in line else _guarded(line)
        below = below or line == "\\midrule"


def _row(line: str) -> str:
    """Set signs as signs, except in the metric's name."""
    name, between, numbers = line.partition(" & ")
    return _guarded(name) + between + _SIGN.sub(r"$\1$", numbers)


def _guarded(line: str) -> str:
    r"""Keep a name like ``[1pt]`` from being taken for an option of the ``\\`` before it."""
    return f"{{}}{line}" if line.lstrip().startswith(("[", "*")) else line
