"""What a read-only command answers, as labelled lines and tables that text and Markdown share.

Texts in a sheet are raw; each of the two functions passes them through its own escaper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.report import escape
from gitexp.report.style import PLAIN, paint
from gitexp.report.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitexp.report.facts import Fact
    from gitexp.report.records import Cell
    from gitexp.report.style import Style

_CELL_LIMIT = 60  # characters of a cell on a terminal
_LINE_LIMIT = 1_000
_DIGITS = 6  # significant ones of a number in a table; JSON has all


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; numbers are set flush right, and so are the columns named in `right`."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    right: frozenset[int] = frozenset()
    left_out: int = 0  # rows that only a verbose reader wants


@dataclass(frozen=True, slots=True)
class Sheet:
    """Headline, tables, labelled lines, next command; each may be empty.

    Attributes
    ----------
    word, good : str, bool or None
        What is decided, in capitals before the headline, and whether that is good news.
    names : tuple of str or None
        What a quiet reader of a list gets; None: the headline.
    """

    headline: str = ""
    word: str = ""
    good: bool | None = None
    names: tuple[str, ...] | None = None
    grids: tuple[Grid, ...] = ()
    facts: tuple[Fact, ...] = ()
    next_step: str = ""


def text(sheet: Sheet, style: Style = PLAIN) -> str:
    """Return the sheet for a terminal."""
    headline = escape.terminal(sheet.headline, limit=_LINE_LIMIT)
    head = "  ".join(part for part in (paint(sheet.word, sheet.good, style), headline) if part)
    if style.quiet:
        lines = [head] if sheet.names is None else [escape.terminal(n) for n in sheet.names]
        return "".join(f"{line}\n" for line in lines)
    blocks = [head] if head else []
    for grid in sheet.grids:
        titled = bool(grid.title) and len(sheet.grids) > 1
        lines = [escape.terminal(grid.title, limit=_LINE_LIMIT)] if titled else []
        blocks.append("\n".join([*lines, *_grid_text(grid), *_left_out(grid)]))
    if sheet.facts:
        blocks.append("\n".join(_facts_text(sheet.facts)))
    if sheet.next_step:
        blocks.append(f"next: {escape.terminal(sheet.next_step, limit=_LINE_LIMIT)}")
    return "\n\n".join(blocks) + "\n"


def markdown(sheet: Sheet, style: Style = PLAIN) -> str:
    """Return the sheet as GitHub-flavoured Markdown."""
    headline = escape.markdown(sheet.headline, limit=_LINE_LIMIT) if sheet.headline else ""
    word = f"**{sheet.word}**" if sheet.word else ""
    head = " ".join(part for part in (word, headline) if part)
    if style.quiet:
        lines = [head] if sheet.names is None else [f"- {escape.markdown(n)}" for n in sheet.names]
        return "".join(f"{line}\n" for line in lines)
    blocks = [head] if head else []
    for grid in sheet.grids:
        if grid.title and len(sheet.grids) > 1:
            blocks.append(f"**{_span(grid.title)}**")
        blocks.append("\n".join(_grid_markdown(grid)))
        blocks += _left_out(grid)
    if sheet.facts:
        blocks.append(
            "\n".join(
                f"- {fact.label}: {escape.markdown(fact.text, limit=_LINE_LIMIT)}"
                for fact in sheet.facts
            )
        )
    if sheet.next_step:
        blocks.append(f"Next: {escape.markdown(sheet.next_step, limit=_LINE_LIMIT)}")
    return "\n\n".join(blocks) + "\n"


def cell_text(cell: Cell) -> str:
    """Return a cell as people read it.

    Examples
    --------
    >>> cell_text(0.123456789), cell_text(None), cell_text(True)
    ('0.123457', '', 'yes')
    """
    match cell:
        case None:
            return ""
        case bool():
            return "yes" if cell else "no"
        case float():
            return f"{cell:.{_DIGITS}g}"
        case int():
            return str(cell)
        case str():
            return cell


def numeric(grid: Grid) -> frozenset[int]:
    """Return the columns that are set flush right."""

    def is_numeric(index: int) -> bool:
        cells = [row[index] for row in grid.rows if row[index] is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)

    return grid.right | {index for index in range(len(grid.header)) if is_numeric(index)}


def _left_out(grid: Grid) -> list[str]:
    return [f"and {grid.left_out} more; -v shows them"] if grid.left_out else []


def _grid_text(grid: Grid) -> list[str]:
    body = [
        [
            escape.visible(cell if isinstance(cell, str) else cell_text(cell), limit=_CELL_LIMIT)
            for cell in row
        ]
        for row in grid.rows
    ]
    header = [escape.terminal(name, limit=_CELL_LIMIT) for name in grid.header]
    return table([header, *body], right=numeric(grid))


def _grid_markdown(grid: Grid) -> Iterator[str]:
    right = numeric(grid)
    yield f"| {' | '.join(_span(name) for name in grid.header)} |"
    yield f"|{'|'.join('---:' if i in right else '---' for i in range(len(grid.header)))}|"
    for row in grid.rows:
        yield f"| {' | '.join(_cell_markdown(cell) for cell in row)} |"


def _cell_markdown(cell: Cell) -> str:
    return _span(cell) if isinstance(cell, str) and cell else cell_text(cell)


def _span(text: str) -> str:
    """Return a cell's text: a plain word or number stands as it is, else a code span."""
    short = len(text) <= _CELL_LIMIT and text.isascii()
    plain = short and all(char.isalnum() or char in " ./+-%" for char in text)
    if plain and (text[:1].isdigit() or "." not in text):  # a name with a dot might be a link
        return text
    return escape.markdown(text, cell=True)


def _facts_text(facts: Sequence[Fact]) -> Iterator[str]:
    widest = max(len(fact.label) for fact in facts)
    before = ""
    for fact in facts:
        label = "" if fact.label == before else fact.label
        before = fact.label
        yield f"{label:<{widest}}  {escape.terminal(fact.text, limit=_LINE_LIMIT)}"


FORMATS: dict[str, Callable[[Sheet, Style], str]] = {"text": text, "md": markdown}
