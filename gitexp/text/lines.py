r"""Lines of a text that somebody else wrote.

`str.splitlines` also ends a line at form feeds, U+0085 and U+2028, where Git, Python and an editor
go on: what they take for one line would be two.
"""

from __future__ import annotations


def lines(text: str) -> list[str]:
    r"""Return the lines of a text, which end at newlines, carriage returns, or both.

    Examples
    --------
    >>> lines("a\x0cb\r\n\u2028c\n"), lines("")
    (['a\x0cb', '\u2028c'], [])
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return plain.split("\n") if text else []
