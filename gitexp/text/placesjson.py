"""Where each value of a JSON text lies. The text has been parsed before, so it is JSON."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from gitexp.text.yamltext import Place

if TYPE_CHECKING:
    from gitexp.text.paramkeys import Path

_DECODER = json.JSONDecoder()
_SPACE = re.compile(r"[ \t\r\n]*")
_BARE = re.compile(r"[^\s,\]}]+")


def places(text: str) -> dict[Path, Place]:
    """Return the place of each value by its path."""
    found: dict[Path, Place] = {}
    _value(text, _skip(text, 0), (), found)
    return found


def _value(text: str, start: int, path: Path, found: dict[Path, Place]) -> int:
    """Note a value and all in it; return where it ends. As deep as JSON we read, at most."""
    char = text[start]
    if char == "{":
        end = _members(text, start, path, found)
    elif char == "[":
        end = _items(text, start, path, found)
    elif char == '"':
        end = _DECODER.raw_decode(text, start)[1]
    else:
        match = _BARE.match(text, start)
        end = match.end() if match else start
    found[path] = Place(start, end, '"' if char == '"' else None)
    return end


def _members(text: str, start: int, path: Path, found: dict[Path, Place]) -> int:
    at = _skip(text, start + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, at)
        at = _skip(text, at) + 1  # the colon
        at = _skip(text, _value(text, _skip(text, at), (*path, key), found))
        at = _skip(text, at + 1) if text[at] == "," else at
    return at + 1


def _items(text: str, start: int, path: Path, found: dict[Path, Place]) -> int:
    at, index = _skip(text, start + 1), 0
    while text[at] != "]":
        at = _skip(text, _value(text, at, (*path, index), found))
        at, index = _skip(text, at + 1) if text[at] == "," else at, index + 1
    return at + 1


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
