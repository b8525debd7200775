"""Comparisons as CSV, one row a metric; numbers in full, texts safe for spreadsheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import comparisons as table
from gitexp.report.sheet import csv_rows

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Style


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return a header and one row for each metric of each candidate."""
    del style
    return csv_rows(table.COLUMNS, table.records(comparisons))
