"""Comparisons as JSON: the recorded format, so that API, file and output cannot disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats import comparison as comparison_format
from gitexp.formats.text import json_dumps, json_loads

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.report.style import Style


_BMP = 0xFFFF


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one object for one candidate, an array of them for several."""
    del style
    dumped = [comparison_format.dump(item) for item in comparisons]
    if len(dumped) == 1:
        return escaped(dumped[0].decode())
    values = [json_loads(item, where="comparison", limit=len(item)) for item in dumped]
    return escaped(json_dumps(values).decode())


def escaped(text: str) -> str:
    """Write what cannot be seen as JSON's own escapes: the value is the same, a terminal is safe.

    Such characters occur within strings only; outside them JSON has none but line feeds.
    """
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "".join(char if char == "\n" or char.isprintable() else _units(char) for char in text)


def _units(char: str) -> str:
    code = ord(char)
    if code <= _BMP:
        return f"\\u{code:04x}"
    code -= _BMP + 1
    return f"\\u{0xD800 + (code >> 10):04x}\\u{0xDC00 + (code & 0x3FF):04x}"
