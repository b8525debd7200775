"""What a read-only command answers, as labelled lines and tables that text, Markdown and CSV share.

Texts in a sheet are raw; each of the three functions passes them through its own escaper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.report import escape
from gitexp.report.csv import rows as csv_rows
from gitexp.report.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gitexp.report.records import Cell
    from gitexp.report.words import Fact

_CELL_LIMIT = 60  # characters of a cell on a terminal
_LINE_LIMIT = 1_000
_DIGITS = 6  # significant ones of a number in a table; JSON and CSV have all


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: cells are values, so that CSV keeps what text rounds."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """Headline, tables, labelled lines, next command; each may be empty."""

    headline: str = ""
    grids: tuple[Grid, ...] = ()
    facts: tuple[Fact, ...] = ()
    next_step: str = ""


def text(sheet: Sheet) -> str:
    """Return the sheet for a terminal."""
    blocks: list[str] = []
    if sheet.headline:
        blocks.append(escape.terminal(sheet.headline, limit=_LINE_LIMIT))
    for grid in sheet.grids:
        lines = [grid.title] if grid.title and len(sheet.grids) > 1 else []
        blocks.append("\n".join([*lines, *_grid_text(grid)]))
    if sheet.facts:
        blocks.append("\n".join(_facts_text(sheet.facts)))
    if sheet.next_step:
        blocks.append(f"next: {escape.terminal(sheet.next_step, limit=_LINE_LIMIT)}")
    return "\n\n".join(blocks) + "\n"


def markdown(sheet: Sheet) -> str:
    """Return the sheet as GitHub-flavoured Markdown."""
    blocks: list[str] = []
    if sheet.headline:
        blocks.append(escape.markdown(sheet.headline, limit=_LINE_LIMIT))
    for grid in sheet.grids:
        if grid.title and len(sheet.grids) > 1:
            blocks.append(f"**{grid.title}**")
        blocks.append("\n".join(_grid_markdown(grid)))
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


def csv(sheet: Sheet) -> str:
    """Return the tables as CSV; of several the first column says which one a row is of."""
    if len(sheet.grids) == 1:
        return csv_rows(sheet.grids[0].header, sheet.grids[0].rows)
    if not sheet.grids:
        return csv_rows(("label", "text"), ((fact.label, fact.text) for fact in sheet.facts))
    widest = max((grid.header for grid in sheet.grids), key=len)
    lines: list[Sequence[Cell]] = []
    for grid in sheet.grids:
        if grid.header != widest:
            lines.append((grid.title, *grid.header))
        lines += [(grid.title, *row) for row in grid.rows]
    return csv_rows(("table", *widest), lines)


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


def _grid_text(grid: Grid) -> list[str]:
    body = [
        [escape.terminal(cell_text(cell), limit=_CELL_LIMIT) for cell in row] for row in grid.rows
    ]
    header = [escape.terminal(name, limit=_CELL_LIMIT) for name in grid.header]
    return table([header, *body], right=_numeric(grid))


def _grid_markdown(grid: Grid) -> Iterator[str]:
    right = _numeric(grid)
    yield f"| {' | '.join(_span(name) for name in grid.header)} |"
    yield f"|{'|'.join('---:' if i in right else '---' for i in range(len(grid.header)))}|"
    for row in grid.rows:
        yield f"| {' | '.join(_cell_markdown(cell) for cell in row)} |"


def _cell_markdown(cell: Cell) -> str:
    return _span(cell) if isinstance(cell, str) and cell else cell_text(cell)


def _span(text: str) -> str:
    plain = text.replace(" ", "").replace("_", "").isalnum() and text.isascii() and "_" not in text
    return text if plain else escape.markdown(text, cell=True)


def _numeric(grid: Grid) -> frozenset[int]:
    def is_numeric(index: int) -> bool:
        cells = [row[index] for row in grid.rows if row[index] is not None]
        return bool(cells) and all(isinstance(cell, int | float) for cell in cells)

    return frozenset(index for index in range(len(grid.header)) if is_numeric(index))


def _facts_text(facts: Sequence[Fact]) -> Iterator[str]:
    widest = max(len(fact.label) for fact in facts)
    before = ""
    for fact in facts:
        label = "" if fact.label == before else fact.label
        before = fact.label
        yield f"{label:<{widest}}  {escape.terminal(fact.text, limit=_LINE_LIMIT)}"


FORMATS: dict[str, Callable[[Sheet], str]] = {"text": text, "md": markdown, "csv": csv}
