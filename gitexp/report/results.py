"""What `gitexp.compare` answers in Python: comparisons that can become a table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from gitexp.model.comparison import Comparison
from gitexp.report import frames, renderer
from gitexp.report.sheet import PLAIN

if TYPE_CHECKING:
    import pandas as pd


class Comparisons(tuple[Comparison, ...]):
    """One comparison for each candidate; a tuple that knows its data frames."""

    __slots__ = ()

    def __repr__(self) -> str:
        """Return a line for each: the whole of a comparison is many thousand characters."""
        return f"Comparisons({', '.join(map(repr, self))})"

    def _repr_html_(self) -> str:
        """Return the report, as a notebook shows it: in a frame, so that styles stay apart."""
        page = escape(renderer("html").render(self, PLAIN))
        return f'<iframe srcdoc="{page}" sandbox="" width="100%" height="700"></iframe>'

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric of each candidate, texts as they were recorded."""
        return frames().comparisons(self)

    def samples_to_frame(self) -> pd.DataFrame:
        """Return the samples that counted: one row for each metric, side and seed."""
        return frames().samples(self)
