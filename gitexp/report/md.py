"""Comparisons as GitHub-flavoured Markdown.

Every foreign string is a code span, so nothing in it links, mentions, embeds or ends a cell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report import comparisons as table
from gitexp.report import sheet

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Style


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one section a candidate."""
    return sheet.markdown(table.sheet(comparisons, style), style)
