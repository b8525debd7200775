"""Comparisons for a terminal: verdict first, plain tables, next command last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import comparisons as table
from gitexp.report import sheet

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Style


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return what ``gitexp compare`` prints."""
    return sheet.text(table.sheet(comparisons, style), style)
