"""YAML that gitexp writes: block style, and every text quoted that any reader might mistake.

PyYAML's own writer leaves ``1e5`` and digits-e-digits hashes bare (DVC's reader sees numbers), and
quotes by YAML 1.1; this one is safe for both versions and does not fold lines.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

_PLAIN = re.compile(r"[A-Za-z_/$](?:[^:#]|:(?! |$)|(?<! )#)*")
_FLOW_PLAIN = re.compile(r"[A-Za-z_/$.*][A-Za-z0-9_/$.*@+=-]*")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
_SURROGATES = range(0xD800, 0xE000)
_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "true", "false", "null"))


def yaml_dumps(value: Json) -> bytes:
    r"""Write a value as one YAML document, keys in the order given.

    >>> yaml_dumps({"name": "a", "ok": "yes", "list": [1, {"k": 1e-3}], "none": []}).decode()
    'name: a\nok: "yes"\nlist:\n- 1\n- k: 0.001\nnone: []\n'
    """
    lines: list[str] = []
    if isinstance(value, (str, int, float)) or value is None or not value:
        lines.append(inline(value))
    else:
        _block(value, "", lines)
    return ("\n".join(lines) + "\n").encode()


def inline(value: Json) -> str:
    """Write a value on one line (lists and mappings in flow style)."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return text(value)
    if isinstance(value, (int, float)):
        return number(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(k)}: {_within(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(_within(v) for v in value) + "]"


def number(value: float) -> str:
    """Write a finite number, shortest, so that every YAML reader sees an integer or a float.

    >>> number(1e16), number(1e-07), number(2.0)
    ('1.0e+16', '1.0e-07', '2.0')
    """
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        raise BadFormatError(
            "a record holds finite numbers only", found=str(value), where="the value to be written"
        )
    digits = repr(value)
    # YAML 1.1 wants a point before the exponent, and says "1e16" is a text.
    return digits.replace("e", ".0e") if "e" in digits and "." not in digits else digits


def text(value: str) -> str:
    """Write a text on one line, in quotes where it could be read as something else."""
    return value if is_plain(value) else quoted(value)


def is_plain(value: str) -> bool:
    """Tell whether a text can stand without quotes for YAML 1.1 and 1.2 alike."""
    return (
        _PLAIN.fullmatch(value) is not None
        and not value.endswith(" ")
        and value.isprintable()
        and value.lower() not in _WORDS
    )


def _block(value: Json, indent: str, lines: list[str]) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _item(f"{indent}{text(key)}:", item, indent, lines)
    elif isinstance(value, (list, tuple)):
        for item in value:
            if isinstance(item, Mapping) and item:
                at = len(lines)
                _block(item, f"{indent}  ", lines)
                lines[at] = f"{indent}- {lines[at][len(indent) + 2 :]}"
            else:
                _item(f"{indent}-", item, f"{indent}  ", lines)


def _item(head: str, item: Json, indent: str, lines: list[str]) -> None:
    if isinstance(item, str) and _is_prose(item):
        chomp = "" if item.endswith("\n") else "-"
        lines.append(f"{head} |{chomp}")
        body = item.removesuffix("\n").split("\n")
        lines.extend(f"{indent}  {line}" if line else "" for line in body)
    elif isinstance(item, (str, int, float)) or item is None or not item:
        lines.append(f"{head} {inline(item)}")
    else:
        lines.append(head)
        # A list stands at the level of its key, as DVC and most people write it.
        deeper = indent if isinstance(item, (list, tuple)) and head.endswith(":") else f"{indent}  "
        _block(item, deeper, lines)


def _is_prose(value: str) -> bool:
    """Tell whether a text of several lines can be a literal block as it stands."""
    body = value.removesuffix("\n")
    lines = body.split("\n")
    return (
        len(lines) > 1
        and bool(lines[-1])
        and bool(lines[0])
        and all(line.isprintable() and not line.startswith((" ", "\ufeff")) for line in lines)
    )


def quoted(value: str) -> str:
    """Write a text in double quotes, with escapes for what does not print."""
    return '"' + "".join(_escaped(char) for char in value) + '"'


def _within(value: Json) -> str:
    """Write a value inside brackets, where a comma would end a plain text."""
    if isinstance(value, str):
        return value if _FLOW_PLAIN.fullmatch(value) and is_plain(value) else quoted(value)
    return inline(value)


def _escaped(char: str) -> str:
    if char in _SHORT:
        return _SHORT[char]
    if char.isprintable():
        return char
    code = ord(char)
    if code in _SURROGATES:
        raise BadFormatError(
            "a text is not Unicode", found=f"U+{code:04X}", where="the value to be written"
        )
    for sign, width in (("x", 2), ("u", 4)):
        if code < 16**width:
            return f"\\{sign}{code:0{width}x}"
    return f"\\U{code:08x}"
