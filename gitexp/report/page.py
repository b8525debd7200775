"""The frame of an HTML page: its style sheet, and a sheet as its lines."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from gitexp.report.escape import html
from gitexp.report.sheet import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.report.sheet import Fact, Grid, Sheet

_TEXT_LIMIT = 1_000  # characters of a line of facts


def style_sheet() -> str:
    """Return what a page carries in itself, so that it loads nothing."""
    return resources.files("gitexp.report").joinpath("page.css").read_text("utf-8")


def page_table(grid: Grid) -> Iterator[str]:
    """Return the lines of a table; its first column names the rows."""
    yield '<div class="scroll"><table>'
    yield f"<caption>{html(grid.title)}</caption><thead><tr>"
    yield "".join(f'<th scope="col">{html(name)}</th>' for name in grid.header)
    yield "</tr></thead><tbody>"
    for row in grid.rows:
        first, *others = (html(cell_text(cell)) for cell in row)
        cells = "".join(f"<td>{cell}</td>" for cell in others)
        yield f'<tr><th scope="row" class="name">{first}</th>{cells}</tr>'
    yield "</tbody></table></div>"
    if grid.left_out:
        yield f"<p>and {grid.left_out} more</p>"


def page_sheet(sheet: Sheet) -> Iterator[str]:
    """Yield the lines of a whole sheet: headline, tables, parts, lines, facts, next command."""
    if sheet.word or sheet.headline:
        word = f"<strong>{html(sheet.word)}</strong> " if sheet.word else ""
        yield f'<p class="lead">{word}{html(sheet.headline, limit=_TEXT_LIMIT)}</p>'
    for grid in sheet.grids:
        yield from page_table(grid)
    for part in sheet.parts:
        yield from page_sheet(part)
    for item in sheet.items:
        yield f"<p>{html(item.text, limit=_TEXT_LIMIT)}</p>"
        yield from page_facts(item.facts)
    yield from page_facts(sheet.facts)
    if sheet.next_step:
        yield f'<code class="cmd">{html(sheet.next_step, limit=_TEXT_LIMIT)}</code>'


def page_facts(facts: Iterable[Fact]) -> Iterator[str]:
    """Yield a line for each fact."""
    for fact in facts:
        yield f"<p>{html(fact.label)}: {html(fact.text, limit=_TEXT_LIMIT)}</p>"
