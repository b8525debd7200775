"""YAML as gitexp dares to read it: YAML 1.2's scalars, as DVC reads them, and nothing unsafe.

The C scanner gives events; values are built from them here. So nesting, the number of nodes and
duplicate keys are checked on the way, tags cannot make objects, and every value's place is known
(`scan`), which is what editing a file in place needs.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from gitexp.errors import BadFormatError
from gitexp.model import dataclass, field
from gitexp.text.jsontext import MAX_DEPTH, MIB, Json, check_integer, decode, too_deep, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from yaml.events import _Mark  # of the stubs: the C scanner and the Python one have one each

    _Path = tuple[str | int, ...]
    _Places = dict[_Path, "TextSpan"]
    _Unlike = list[tuple[_Path, str]]

MAX_NODES = 100_000

_TAG = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class TextSpan:
    """Where a node's text lies; `style`: None if plain, a quote or block sign, ``-`` for a list."""

    start: int
    end: int
    style: str | None = None
    marked: bool = False  # has an anchor or a tag, or is an alias: not to be edited in place


@dataclass(frozen=True, slots=True)
class Scanned:
    """A document's value and the place of each node, by its path of keys and list positions."""

    value: Json
    places: _Places


def yaml_loads(data: bytes, *, where: str, limit: int = MIB, allow_aliases: bool = False) -> Json:
    r"""Read one YAML document from an untrusted place.

    `data`: UTF-8; a byte order mark is skipped. An empty document is None. `allow_aliases`: for
    the user's own files; gitexp's have none. Aliases are counted as if written out, with letters.

    Raises `UnsafeInputError, BadFormatError` if it is too large, too deep or has too many nodes; if
    it is not YAML, repeats a key, holds a bare date, a number that is not finite, an unknown tag
    or, where not allowed, an alias. The message names line and column.

    >>> yaml_loads(b"lr: 1e-3\non: yes\nmode: 0777\n", where="params.yaml")
    {'lr': 0.001, 'on': 'yes', 'mode': 777}
    """
    return _built(data, _Builder(where, limit, allow_aliases=allow_aliases))


def unlike(data: bytes, *, where: str, limit: int = MIB) -> _Unlike:
    r"""Return path and text of what YAML 1.1 reads otherwise than we do, and DVC; keys, too.

    A project may read its parameters by PyYAML, for which ``010`` is 8, ``1:30`` is 90, ``no`` is
    false and ``1e-3`` a text.

    >>> unlike(b"lr: 1e-3\nn: 8\n1: {on: 2}\n", where="params.yaml")
    [(('lr',), '1e-3'), ((), '1'), (('1',), 'on')]
    """
    found: _Unlike = []
    _built(data, _Builder(where, limit, allow_aliases=True, unlike=found))
    return found


def scan(data: bytes, *, where: str, limit: int = MIB, allow_aliases: bool = True) -> Scanned:
    """Read a document and note where each node lies; otherwise as `yaml_loads`."""
    places: _Places = {}
    return Scanned(
        _built(data, _Builder(where, limit, allow_aliases=allow_aliases, places=places)), places
    )


def _built(data: bytes, builder: _Builder) -> Json:
    where = builder.where
    text = decode(data, where=where, limit=builder.limit)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return builder.document(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.problem is not None and "nesting depth" in error.problem:
            # libyaml's own limit, met ahead of ours: its scanner runs before its events
            raise too_deep(_at(where, mark)) from error
        raise BadFormatError(
            "this is not YAML",
            found=" ".join(filter(None, (error.context, error.problem))),
            where=_at(where, mark),
        ) from error
    except yaml.reader.ReaderError as error:
        found = error.character if isinstance(error.character, int) else ord(error.character[:1])
        line = text.count("\n", 0, error.position) + 1
        raise BadFormatError(
            "this is not YAML",
            found=f"character U+{found:04X}",
            where=f"{where}, line {line}",
            expected="printable text",
        ) from error
    except yaml.YAMLError as error:
        raise BadFormatError("this is not YAML", found=str(error), where=where) from error


@dataclass(slots=True)
class _Builder:
    """Builds the value of one document from events."""

    where: str
    limit: int  # bytes of the file
    allow_aliases: bool
    places: _Places | None = None
    unlike: _Unlike | None = None
    _events: Iterator[yaml.Event] = iter(())
    # A value, the nodes and the letters that it took, its levels.
    _anchors: dict[str, tuple[Json, int, int, int]] = field(default_factory=dict)
    _nodes: int = 0  # aliases counted as if written out, as in the letters
    _letters: int = 0

    def document(self, events: Iterator[yaml.Event]) -> Json:
        """Return the value of the one document that there is, None where there is none."""
        self._events = events
        value, is_first = None, True
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent):
                if not is_first:
                    raise self._bad("a second document begins", event)
                if self.unlike is not None and (event.version or event.tags):
                    self.unlike.append(((), f"%{event.version} {event.tags}"))
                value, is_first = self._node(next(events), (), 0)[0], False
        return value

    def _node(self, event: yaml.Event, path: _Path, depth: int) -> tuple[Json, int]:
        """Return the value that begins with an event, and how many levels it has."""
        nodes, letters, end, style, marked = self._nodes, self._letters, event, None, False
        value: Json
        if isinstance(event, yaml.ScalarEvent):
            self._count(1, len(event.value), event)
            value, height = self._value(event), 0
            self._compare(event, value, path)
            style, marked = event.style or None, event.tag is not None
        elif isinstance(event, yaml.AliasEvent):
            value, height = self._alias(event, depth)
        else:
            value, height, end = self._collection(event, path, depth)
            # A flow collection ends with its bracket, a block has no text of its own at the end.
            style = "-" if isinstance(value, list) and _begin(end) == _end(end) else None
        anchor = event.anchor if isinstance(event, yaml.NodeEvent) else None
        if anchor and not isinstance(event, yaml.AliasEvent):
            nodes, letters = self._nodes - nodes, self._letters - letters
            self._anchors[anchor] = (value, nodes, letters, height)
        if self.places is not None:
            self.places[path] = TextSpan(_begin(event), _end(end), style, marked or bool(anchor))
        return value, height

    def _collection(
        self, event: yaml.Event, path: _Path, depth: int
    ) -> tuple[Json, int, yaml.Event]:
        """Return a mapping or a list, its levels, and the event that ends it."""
        self._count(1, 0, event)
        kind = "map" if isinstance(event, yaml.MappingStartEvent) else "seq"
        tag = event.tag if isinstance(event, yaml.CollectionStartEvent) else None
        if tag not in (None, "!", f"{_TAG}{kind}"):
            raise self._bad(f"tag {str(tag)[:80]}", event)
        if depth >= MAX_DEPTH:
            raise too_deep(_at(self.where, event.start_mark))
        items: list[Json] = []
        members: dict[str, Json] = {}
        merges: list[Json] = []
        levels = 0
        for each in self._events:
            if isinstance(each, yaml.CollectionEndEvent):
                break
            if kind == "seq":
                value, height = self._node(each, (*path, len(items)), depth + 1)
                items.append(value)
            else:
                key = self._key(each, members, path)
                value, height = self._node(
                    next(self._events), (*path, "<<" if key is None else key), depth + 1
                )
                if key is None:
                    merges += value if isinstance(value, list) else [value]
                else:
                    members[key] = value
            levels = max(levels, height)
        for part in merges:
            if not isinstance(part, dict):
                raise self._bad("a merge key << without a mapping", event)
            for key, value in part.items():
                members.setdefault(key, value)
        return items if kind == "seq" else members, levels + 1, each

    def _key(self, event: yaml.Event, members: Mapping[str, Json], path: _Path) -> str | None:
        """Return a key, None for one that merges."""
        if not isinstance(event, yaml.ScalarEvent):
            raise self._bad("a key that is a list or a mapping", event)
        self._count(1, len(event.value), event)
        key = str(event.value)  # 1: and yes: are texts here, as they are in JSON
        if event.implicit[0] and key == "<<" and self.allow_aliases:
            return None
        self._compare(event, key, path)
        if key in members:
            where = _at(self.where, event.start_mark)
            raise BadFormatError("a key occurs twice", found=key[:80], where=where)
        return key

    def _compare(self, event: yaml.ScalarEvent, value: object, path: _Path) -> None:
        """Note what YAML 1.1 would read otherwise; a quoted text it would not."""
        if self.unlike is None or not (event.implicit[0] or event.tag not in (None, "!")):
            return
        if not is_alike(event.value, value, event.tag):
            self.unlike.append((path, event.value))

    def _value(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        where = _at(self.where, event.start_mark)
        if event.tag is None or event.tag == "!":
            if event.implicit[0] and event.tag is None:
                return scalar(event.value, where=where)
            return str(event.value)
        kind = event.tag.removeprefix(_TAG)
        value = str(event.value) if kind == "str" else scalar(event.value, where=where)
        if kind == "float" and type(value) is int:
            value = float(value)
        expected = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}
        if type(value) is not expected.get(kind):
            raise self._bad(f"tag {event.tag[:80]}", event)
        return value

    def _alias(self, event: yaml.AliasEvent, depth: int) -> tuple[Json, int]:
        name = event.anchor or ""
        if not self.allow_aliases:
            raise self._bad(f"alias *{name[:80]}", event)
        if name not in self._anchors:
            raise self._bad(f"alias *{name[:80]} without its anchor", event)
        value, nodes, letters, height = self._anchors[name]
        if depth + height > MAX_DEPTH:
            raise too_deep(_at(self.where, event.start_mark))
        self._count(nodes, letters, event)
        return value, height

    def _count(self, nodes: int, letters: int, event: yaml.Event) -> None:
        self._nodes += nodes
        self._letters += letters
        if self._nodes > MAX_NODES:
            where = _at(self.where, event.start_mark)
            raise too_large("more values", where, f"at most {MAX_NODES} values")
        if self._letters > 2 * self.limit:  # the file has at most half of them
            where = _at(self.where, event.start_mark)
            expected = f"at most {2 * self.limit} letters where aliases are written out"
            raise too_large("more letters", where, expected)

    def _bad(self, found: str, event: yaml.Event) -> BadFormatError:
        return BadFormatError(
            "this YAML says something that is not data",
            found=found,
            where=_at(self.where, event.start_mark),
            expected="plain mappings, lists, texts, numbers, true, false, null",
        )


def _begin(event: yaml.Event) -> int:
    return event.start_mark.index if event.start_mark else 0


def _end(event: yaml.Event) -> int:
    return event.end_mark.index if event.end_mark else 0


def _at(where: str, mark: _Mark | None) -> str:
    return f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where


_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_NUMBER_START = frozenset("-+.0123456789")
# ruamel's YAML 1.2 resolvers, which decide what DVC sees.
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9_]+)")
_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?"
)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
    r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?"
)
_OLD = Resolver()
_BASES = {"0b": 2, "0o": 8, "0x": 16}
_MANY_DIGITS = 100  # a number that long is one that Python does not convert


def scalar(text: str, *, where: str) -> str | int | float | bool | None:
    """Read a plain scalar by the rules of YAML 1.2, as DVC does.

    >>> [scalar(text, where="") for text in ("1_000", "1e5", "0x1F", "yes", "null")]
    [1000, 100000.0, 31, 'yes', None]
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if text[0] not in _NUMBER_START:
        return text
    if _FLOAT.fullmatch(text):
        return _float(text, where)
    if _INT.fullmatch(text):
        return _int(text, where)
    if _NOT_FINITE.fullmatch(text):
        raise BadFormatError(
            "a number is not finite", found=text, where=where, expected="a finite number or a text"
        )
    if _TIME.fullmatch(text):
        raise BadFormatError(
            "a bare date is not a value that every tool reads alike",
            found=text,
            where=where,
            expected="a text",
            next_step=f'put it in quotes: "{text}"',
        )
    return text


def is_alike(text: str, value: object, tag: str | None) -> bool:
    """Tell whether YAML 1.1, as PyYAML has it, reads a scalar as `value`, too.

    `tag`: the one that it has in the text; None for none.

    >>> [is_alike(text, scalar(text, where=""), None) for text in ("8", "0.1", "010", "1e-3", "no")]
    [True, True, False, False, False]
    """
    known = tag or _OLD.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    try:
        made = SafeConstructor().construct_object(yaml.ScalarNode(known, text))
    except (yaml.YAMLError, ValueError, LookupError):
        return False
    return type(made) is type(value) and bool(made == value)


def is_date(text: str) -> bool:
    """Tell whether a plain scalar would be a date for YAML 1.1."""
    return _TIME.fullmatch(text) is not None


def _float(text: str, where: str) -> float | str:
    try:
        value = float(text.replace("_", ""))
    except ValueError:  # "._": the resolver says float, and nobody can read it
        return text
    if not math.isfinite(value):
        raise BadFormatError("a number is not finite", found=text[:40], where=where)
    return value


def _int(text: str, where: str) -> int | str:
    digits = text.replace("_", "")
    sign = -1 if digits.startswith("-") else 1
    digits = digits.lstrip("+-")
    base = _BASES.get(digits[:2])
    try:
        return check_integer(sign * (int(digits[2:], base) if base else int(digits)), where)
    except ValueError as error:
        if len(digits) < _MANY_DIGITS:  # "_" alone, or "0o" without a digit: a text
            return text
        raise BadFormatError("a number is too long", found=digits[:40], where=where) from error
