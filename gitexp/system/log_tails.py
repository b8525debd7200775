"""The end of a log, fit for a record: short, printable, without secrets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitexp.system import secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_BYTES = 16 << 10  # read, whatever the size of the log
_LINES = 40
_CHARACTERS = 4000
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def tail(log: Path, env: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    r"""Return the last lines of a log and the names of the secrets that were masked in them.

    Bytes that are not UTF-8 and control characters (an escape sequence would act on whoever
    reads the record) are written as ``\x1b``; of a progress bar the last state is kept.
    """
    try:
        with log.open("rb") as stream:
            size = stream.seek(0, 2)
            start = max(0, size - _BYTES)
            stream.seek(start)
            data = stream.read(_BYTES)
    except OSError:
        return "", ()
    if start:
        data = data.partition(b"\n")[2] or data
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    masked, found = secrets.mask(_COLOUR.sub("", text), env)
    lines = [printable(line.rpartition("\r")[2]) for line in masked.rstrip().split("\n")]
    return "\n".join(lines[-_LINES:])[-_CHARACTERS:], found


def printable(text: str) -> str:
    r"""Write what a terminal would obey as an escape.

    Examples
    --------
    >>> print(printable("a\tb\x1b]52;c\x07\u202e"))
    a   b\x1b]52;c\x07\u202e
    """
    expanded = text.expandtabs(4)
    if expanded.isprintable():
        return expanded
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in expanded)
