"""Values -> text, Markdown, JSON, HTML, CSV, LaTeX, DataFrame; pure.

`RENDERERS` is the registry of formats of a comparison: a new one is a function and one line here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Style


RENDERERS: dict[str, str] = {  # module and function of this room
    "text": "comparisons.text",
    "md": "comparisons.markdown",
    "json": "comparisons.json",
    "html": "html.render",
    "csv": "comparisons.csv",
    "latex": "latex.render",
}


def render_comparisons(name: str, comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return comparisons in a format of `RENDERERS`, with its final newline."""
    module, _, function = RENDERERS[name].partition(".")
    made: Callable[[tuple[Comparison, ...], Style], str] = getattr(
        importlib.import_module(f"gitexp.report.{module}"), function
    )
    return made(comparisons, style)
