"""Values -> text, Markdown, JSON, HTML, CSV, LaTeX, DataFrame; pure, one file each.

`RENDERERS` is the registry: a new format is one file with a function ``render`` and one line here.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pandas as pd

    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Style


class Renderer(Protocol):
    """What a file of this room offers for comparisons."""

    def render(self, comparisons: tuple[Comparison, ...], style: Style) -> str:
        """Return the whole output, with its final newline."""


class Frames(Protocol):
    """What `gitexp.report.frame` offers for comparisons."""

    def comparisons(self, values: tuple[Comparison, ...]) -> pd.DataFrame:
        """Return one row for each metric of each candidate."""

    def samples(self, values: tuple[Comparison, ...]) -> pd.DataFrame:
        """Return one row for each metric, side and seed."""


RENDERERS: dict[str, str] = {
    "text": "text",
    "md": "md",
    "json": "json",
    "html": "html",
    "csv": "csv",
    "latex": "latex",
}


def renderer(name: str) -> Renderer:
    """Import and return the renderer of that name.

    Raises `KeyError` if there is none; the command line offers only the keys of `RENDERERS`.
    """
    module: Renderer = importlib.import_module(f"gitexp.report.{RENDERERS[name]}")
    return module


def frames() -> Frames:
    """Import and return what makes data frames: pandas comes with it."""
    module: Frames = importlib.import_module("gitexp.report.frame")
    return module
