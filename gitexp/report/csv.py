"""Comparisons as CSV, one row a metric; numbers in full, texts safe for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import comparisons as table
from gitexp.report.sheet import csv_rows

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Sheet, Style


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return a header and one row for each metric of each candidate."""
    del style
    return csv_rows(table.COLUMNS, table.records(comparisons))


def document(sheet: Sheet) -> str:
    """Return the tables of a sheet, one below the other."""
    every = [*sheet.grids, *(grid for part in sheet.parts for grid in part.grids)]
    return "\n".join(csv_rows(grid.header, grid.rows) for grid in every) or "\n"
