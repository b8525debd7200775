r"""Comparisons as LaTeX: floats with a caption, for ``\usepackage{booktabs}``.

The caption of a candidate's table is its verdict; subgroups, categories and all commits together
have tables of their own. Facts stand in comments, so that the file can be taken in by ``\input``.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from tabulate import tabulate

from gitexp.report import comparisons as table
from gitexp.report import supplements, words
from gitexp.report.escape import latex, visible
from gitexp.report.sheet import Fact, Grid, Sheet, Style, cell_text, numeric, shortened

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from gitexp.model.comparison import Comparison

_TEXT_LIMIT = 1_000  # characters of a comment or a caption
_COLUMNS = tuple(name for name in table.WHOLE if name != "size")
_SIGN = re.compile(r"(?<![\w$])([+-])(?=\d)")


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one table a candidate, with its facts in comments above, and what they have beside."""
    parts = ["\n".join(_lines(item, style)) + "\n" for item in comparisons]
    together = supplements.of_call(comparisons)
    if together is not None and not style.quiet:
        parts.insert(0, "\n".join(_sheet(supplements.commits_sheet(together, style))) + "\n")
    return "\n".join(parts)


def document(sheet: Sheet) -> str:
    """Return the tables of a sheet as floats, all else as comments."""
    return "\n".join(_sheet(sheet)) + "\n"


def _lines(comparison: Comparison, style: Style) -> Iterator[str]:
    if style.quiet:
        yield f"% {visible(words.verdict_line(comparison), limit=_TEXT_LIMIT)}"
        return
    facts = words.facts(comparison)
    yield from _comments(facts if style.verbose else shortened(facts))
    if comparison.metrics:
        # The caption has the names, which are long; a paper needs the adjusted p-value.
        found = table.grid(comparison, _COLUMNS, sides=("baseline", "candidate"))
        rows = tuple((*row[:-1], str(row[-1]).replace(", no verdict;", ",")) for row in found.rows)
        yield from _float(_caption(comparison, facts), _grid(replace(found, rows=rows)))
    groups = supplements.groups_sheet(comparison, style)
    if groups is not None:
        yield from _sheet(groups)


def _caption(comparison: Comparison, facts: Sequence[Fact]) -> str:
    """Return the verdict as a sentence, between what, and by which test."""
    sides = f"{visible(comparison.candidate.name)} against {visible(comparison.baseline.name)}"
    test = next((f" Test: {fact.text}." for fact in facts if fact.label == "test"), "")
    return f"{sides}. {words.verdict_word(comparison).capitalize()}: {comparison.headline}.{test}"


def _sheet(found: Sheet) -> Iterator[str]:
    """Yield the lines of a sheet: its tables as floats, all else as comments."""
    head = " ".join(part for part in (found.word, found.headline) if part)
    if head:
        yield f"% {visible(head, limit=_TEXT_LIMIT)}"
    for item in found.items:
        yield f"% {visible(item.text, limit=_TEXT_LIMIT)}"
        yield from _comments(item.facts)
    yield from _comments(found.facts)
    for grid in found.grids:
        more = f" (and {grid.left_out} more)" if grid.left_out else ""
        yield from _float(f"{grid.title}{more}", _grid(grid))
    for part in found.parts:
        yield from _sheet(part)


def _comments(facts: Iterable[Fact]) -> Iterator[str]:
    for fact in facts:
        yield f"% {fact.label}: {visible(fact.text, limit=_TEXT_LIMIT)}"


def _float(caption: str, lines: Iterable[str]) -> Iterator[str]:
    yield "\\begin{table}"
    yield "\\centering\\footnotesize\\setlength{\\tabcolsep}{3pt}"
    yield f"\\caption{{{latex(caption, limit=_TEXT_LIMIT)}}}"
    yield from lines
    yield "\\end{table}"


def _grid(grid: Grid) -> Iterator[str]:
    rows = [
        [visible(cell if isinstance(cell, str) else cell_text(cell)) for cell in row]
        for row in grid.rows
    ]
    yield from _table([visible(name) for name in grid.header], rows, numeric(grid))


def _table(
    header: Sequence[str], rows: Sequence[Sequence[str]], right: Container[int]
) -> Iterator[str]:
    # tabulate escapes every cell; digits are left as they are.
    page = tabulate(
        rows,
        header,
        tablefmt="latex_booktabs",
        disable_numparse=True,
        colalign=["right" if index in right else "left" for index in range(len(header))],
    )
    below = False
    for line in page.split("\n"):
        yield _row(line) if below and "&" in line else _guarded(line)
        below = below or line == "\\midrule"


def _row(line: str) -> str:
    name, between, numbers = line.partition(" & ")
    return _guarded(name) + between + _SIGN.sub(r"$\1$", numbers)


def _guarded(line: str) -> str:
    r"""Keep a name like ``[1pt]`` from being taken for an option of the ``\\`` before it."""
    return f"{{}}{line}" if line.lstrip().startswith(("[", "*")) else line
