"""Where each value of a TOML text lies. The text has been parsed before, so it is TOML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitexp.text.yamltext import Place

if TYPE_CHECKING:
    from gitexp.text.paramkeys import Path

_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[^\s,\]}#]+")
_KEY_PART = re.compile(r"[A-Za-z0-9_-]+|\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_STRINGS = (  # the long ones first
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'{3,5}", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)


class _Reader:
    """Reads statements from top to bottom, keeping in which table it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: dict[Path, Place] = {}
        self.tables: dict[Path, int] = {}  # arrays of tables: how many so far

    def read(self) -> None:
        table: Path = ()
        at = self._match(_BLANK, 0)
        while at < len(self.text):
            if self.text[at] == "[":
                many = self.text.startswith("[[", at)
                names, at = self._key(at + 1 + many)
                table = self._table(names, many=many)
                at = self.text.index("]", at) + 1 + many
            else:
                names, at = self._key(at)
                at = self._value(self._equals(at), (*table, *names))
            at = self._match(_BLANK, at)

    def _table(self, names: tuple[str, ...], *, many: bool) -> Path:
        path: Path = ()
        for index, name in enumerate(names):
            path = (*path, name)
            if many and index == len(names) - 1:
                self.tables[path] = self.tables.get(path, 0) + 1
            if path in self.tables:
                path = (*path, self.tables[path] - 1)
        return path

    def _key(self, at: int) -> tuple[tuple[str, ...], int]:
        names: list[str] = []
        while True:
            at = self._match(_SPACE, at)
            end = self._match(_KEY_PART, at)
            part = self.text[at:end]
            names.append(_unquoted(part) if part[0] in "\"'" else part)
            at = self._match(_SPACE, end)
            if self.text[at : at + 1] != ".":
                return tuple(names), at
            at += 1

    def _equals(self, at: int) -> int:
        return self._match(_SPACE, self.text.index("=", at) + 1)

    def _value(self, start: int, path: Path) -> int:
        char = self.text[start]
        if char == "[":
            end = self._items(start, path)
        elif char == "{":
            end = self._members(start, path)
        elif char in "\"'":
            end = next(e for p in _STRINGS if (e := self._match(p, start)) > start)
        else:
            end = self._match(_BARE, start)
        self.found[path] = Place(start, end, char if char in "\"'" else None)
        return end

    def _items(self, start: int, path: Path) -> int:
        at, index = self._match(_BLANK, start + 1), 0
        while self.text[at] != "]":
            at = self._match(_BLANK, self._value(at, (*path, index)))
            index += 1
            at = self._match(_BLANK, at + 1) if self.text[at] == "," else at
        return at + 1

    def _members(self, start: int, path: Path) -> int:
        at = self._match(_BLANK, start + 1)
        while self.text[at] != "}":
            names, at = self._key(at)
            at = self._match(_BLANK, self._value(self._equals(at), (*path, *names)))
            at = self._match(_BLANK, at + 1) if self.text[at] == "," else at
        return at + 1

    def _match(self, pattern: re.Pattern[str], at: int) -> int:
        match = pattern.match(self.text, at)
        return match.end() if match else at


def places(text: str) -> dict[Path, Place]:
    """Return the place of each value by its path."""
    reader = _Reader(text)
    reader.read()
    return reader.found


def _unquoted(part: str) -> str:
    import tomllib  # noqa: PLC0415  most projects have no TOML; every repeat would pay for it

    return str(tomllib.loads(f"k = {part}")["k"])
