"""A grid as a table of an HTML page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.escape import html
from gitexp.report.sheet import cell_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.report.sheet import Grid


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
