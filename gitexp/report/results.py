"""What `gitexp.compare` answers in Python: comparisons that can become a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.comparison import Comparison
from gitexp.report import frames

if TYPE_CHECKING:
    import pandas as pd


class Comparisons(tuple[Comparison, ...]):
    """One comparison for each candidate; a tuple that knows its data frames."""

    __slots__ = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each metric of each candidate, texts as they were recorded."""
        return frames().comparisons(self)

    def samples_to_frame(self) -> pd.DataFrame:
        """Return the samples that counted: one row for each metric, side and seed."""
        return frames().samples(self)
