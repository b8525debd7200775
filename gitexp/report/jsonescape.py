"""JSON for a terminal; apart from comparisons, which a list need not load."""

from __future__ import annotations

_BMP = 0xFFFF


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
