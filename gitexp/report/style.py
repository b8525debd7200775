"""How much a renderer says and whether it may colour."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Style:
    """What the command line knows about the reader.

    Attributes
    ----------
    color : bool
        The stream takes ANSI colours; only the text renderer looks.
    quiet : bool
        The verdict line alone.
    verbose : bool
        Every run that was left aside, every reason.
    """

    color: bool = False
    quiet: bool = False
    verbose: bool = False


PLAIN = Style()
