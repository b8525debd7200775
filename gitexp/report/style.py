"""How much a renderer says, whether it may colour, and since when ages are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Style:
    """What the command line knows about the reader.

    Attributes
    ----------
    color : bool
        The stream takes ANSI colours; only the text renderers look.
    quiet : bool
        The verdict line, or the names, alone.
    verbose : bool
        Every run that was left aside, every reason, every row.
    now : datetime or None
        Ages are counted from it; without it moments are shown.
    metrics : tuple of str
        Metrics that were asked for and so come first in a list.
    narrowed : bool
        A list was asked for a part; that nothing fits does not say that there is nothing.
    """

    color: bool = False
    quiet: bool = False
    verbose: bool = False
    now: datetime | None = None
    metrics: tuple[str, ...] = ()
    narrowed: bool = False


PLAIN = Style()
_COLORS = {True: "32", False: "31", None: "33"}


def paint(word: str, good: bool | None, style: Style) -> str:  # noqa: FBT001  a third value is none
    """Return a verdict's word in its colour, where there is colour; the word says it too."""
    return f"\x1b[1;{_COLORS[good]}m{word}\x1b[0m" if style.color and word else word
