"""Comparisons as CSV, one row a metric; numbers in full, texts safe for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from gitexp.report import records
from gitexp.report.escape import csv as safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gitexp.model.comparison import Comparison
    from gitexp.report.records import Cell
    from gitexp.report.style import Style


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return a header and one row for each metric of each candidate."""
    del style
    return rows(records.COLUMNS, (record.cells for record in records.of(comparisons)))


def rows(header: Sequence[str], lines: Iterable[Sequence[Cell]]) -> str:
    """Return CSV text (RFC 4180 quoting, LF) of these cells."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([safe(name) for name in header])
    for line in lines:
        writer.writerow([_cell(cell) for cell in line])
    return buffer.getvalue()


def _cell(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, str):
        return safe(cell)
    return repr(cell)
