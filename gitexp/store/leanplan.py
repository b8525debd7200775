"""Read a plan as gitexp itself lays it out, line by line; for lists of thousands.

A YAML parser costs most of the time of listing fresh branches. A file in just the layout that
`formats.plan.dump` writes needs none. What has any other line - a folded text, an escape, a
comment, a flow mapping - is left to the full reader, so the two can only differ in speed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.formats import plan as plan_format
from gitexp.formats.fields import Fields
from gitexp.formats.scalars import scalar
from gitexp.formats.versions import schema

if TYPE_CHECKING:
    from gitexp.formats.text import Json
    from gitexp.model.plan import Plan

LIMIT_BYTES = 1 << 20
_SCHEMA = schema("plan")
# `key: value`, at most one level deep. A plain text here begins with a letter or digit and has
# neither ": " nor " #" nor a colon at its end; a quoted one has neither quotes nor escapes inside.
_QUOTED = r'"(?P<quoted>[^"\\]*)"'
_LINE = re.compile(
    rf"(?P<indent>(?:  )?)(?P<key>[a-z_$]{{1,40}}):(?: (?:{_QUOTED}"
    r"|(?P<plain>[A-Za-z0-9/](?:[^:#\n]|:(?! )|(?<! )#)*)|(?P<empty>\[\])))?"
)
_ITEM = re.compile(rf"- (?:{_QUOTED}|(?P<plain>[A-Za-z/][A-Za-z0-9_./-]*))")


def lean_plan(data: bytes, where: str) -> Plan:
    """Return a plan, by the quick way where its layout is the usual one.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        As `formats.plan.load`, which is asked in every doubt.
    """
    try:
        value = usual(data, where)
        if value is not None and value.get("$schema") == _SCHEMA:
            return plan_format.read(Fields(value, where))
    except GitexpError:
        pass  # the full reader finds the same, and says in which line
    return plan_format.load(data, where)


def usual(data: bytes, where: str) -> dict[str, Json] | None:
    """Return the mapping that the file is, or None where a line is not of the usual kind."""
    if len(data) > LIMIT_BYTES or not data.endswith(b"\n"):
        return None
    try:
        lines = data.decode("utf-8")[:-1].split("\n")
    except UnicodeDecodeError:
        return None
    reader = _Reader(where)
    try:
        # What is not printable (a tab, a separator of lines) may mean something to YAML.
        if all(line.isprintable() and reader.take(line) for line in lines):
            return reader.top
    except GitexpError:  # a bare date, unless the next line goes on with it
        return None
    return None


class _Reader:
    """Takes lines one by one; `take` returns False for one that it does not understand."""

    def __init__(self, where: str) -> None:
        self.top: dict[str, Json] = {}
        self._where = where
        self._opened = ""  # the key whose mapping or list is being read
        self._nested: dict[str, Json] = {}
        self._items: list[Json] = []

    def take(self, line: str) -> bool:
        if line.startswith("- "):
            item = _ITEM.fullmatch(line)
            return item is not None and self._take_item(item)
        found = _LINE.fullmatch(line)
        if found is None:
            return False
        kind = found.lastgroup or ""
        if kind == "plain" and found["plain"].endswith((":", " ")):
            return False
        if found["indent"]:
            return self._take_nested(found["key"], kind, found)
        return self._take_top(found["key"], kind, found)

    def _take_item(self, item: re.Match[str]) -> bool:
        if not self._opened or self._nested:
            return False
        self._items.append(self._value(item.lastgroup or "", item))
        self.top[self._opened] = self._items
        return True

    def _take_nested(self, key: str, kind: str, found: re.Match[str]) -> bool:
        if not self._opened or self._items or key in self._nested or kind == "key":
            return False
        self._nested[key] = self._value(kind, found)
        self.top[self._opened] = self._nested
        return True

    def _take_top(self, key: str, kind: str, found: re.Match[str]) -> bool:
        if key in self.top:
            return False
        self._nested, self._items = {}, []
        self._opened = key if kind == "key" else ""
        self.top[key] = self._value(kind, found)
        return True

    def _value(self, kind: str, found: re.Match[str]) -> Json:
        """Return what the last group of a match means; None where a line has a key alone."""
        match kind:
            case "quoted":
                return found["quoted"]
            case "plain":
                return scalar(found["plain"], where=self._where)
            case "empty":
                return []
            case _:
                return None
