"""YAML as gitexp dares to read it: YAML 1.2's scalars, as DVC reads them, and nothing unsafe.

The C scanner gives events; values are built from them here, without recursion. So nesting, the
number of nodes and duplicate keys are checked before anything is built, tags cannot make objects,
and every value's place is known (`scan`), which is what editing a file in place needs.
"""

from __future__ import annotations

import math
import re
from typing import Protocol

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from gitexp.errors import BadFormatError
from gitexp.model import dataclass, field
from gitexp.text.jsontext import MAX_DEPTH, MIB, Json, check_integer, decode, too_deep, too_large

MAX_NODES = 100_000

_TAG = "tag:yaml.org,2002:"


class _Mark(Protocol):
    """A place in the text; the C scanner and the Python one have a class each."""

    @property
    def index(self) -> int: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


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
    places: dict[tuple[str | int, ...], TextSpan]


@dataclass(slots=True)
class _Open:
    """A mapping or a list that is being read."""

    value: dict[str, Json] | list[Json]
    path: tuple[str | int, ...]
    mark: _Mark
    anchor: str | None
    nodes: int = 1  # with all below, aliases counted as if written out
    height: int = 1  # levels, likewise
    key: str | None = None
    merges: list[Json] = field(default_factory=list)
    merging: bool = False


def yaml_loads(data: bytes, *, where: str, limit: int = MIB, allow_aliases: bool = False) -> Json:
    r"""Read one YAML document from an untrusted place.

    `data`: UTF-8; a byte order mark is skipped. An empty document is None. `allow_aliases`: for
    the user's own files; gitexp's have none. Aliases are counted as if written out.

    Raises `UnsafeInputError, BadFormatError` if it is too large, too deep or has too many nodes; if
    it is not YAML, repeats a key, holds a bare date, a number that is not finite, an unknown tag
    or, where not allowed, an alias. The message names line and column.

    >>> yaml_loads(b"lr: 1e-3\non: yes\nmode: 0777\n", where="params.yaml")
    {'lr': 0.001, 'on': 'yes', 'mode': 777}
    """
    return _built(data, limit, _Builder(where, allow_aliases=allow_aliases))


def unlike(data: bytes, *, where: str, limit: int = MIB) -> list[tuple[tuple[str | int, ...], str]]:
    r"""Return path and text of what YAML 1.1 reads otherwise than we do, and DVC; keys, too.

    A project may read its parameters by PyYAML, for which ``010`` is 8, ``1:30`` is 90, ``no`` is
    false and ``1e-3`` a text.

    >>> unlike(b"lr: 1e-3\nn: 8\n1: {on: 2}\n", where="params.yaml")
    [(('lr',), '1e-3'), ((), '1'), (('1',), 'on')]
    """
    found: list[tuple[tuple[str | int, ...], str]] = []
    _built(data, limit, _Builder(where, allow_aliases=True, unlike=found))
    return found


def scan(data: bytes, *, where: str, limit: int = MIB, allow_aliases: bool = True) -> Scanned:
    """Read a document and note where each node lies; otherwise as `yaml_loads`."""
    places: dict[tuple[str | int, ...], TextSpan] = {}
    builder = _Builder(where, allow_aliases=allow_aliases, places=places)
    return Scanned(_built(data, limit, builder), places)


def _built(data: bytes, limit: int, builder: _Builder) -> Json:
    """Return what a builder makes of a document."""
    where = builder.where
    text = decode(data, where=where, limit=limit)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(text, Loader=loader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if error.problem is not None and "nesting depth" in error.problem:
            # libyaml's own limit, met ahead of ours: its scanner runs before its events
            raise too_deep(_at(where, mark) if mark else where) from error
        raise BadFormatError(
            "this is not YAML",
            found=" ".join(filter(None, (error.context, error.problem))),
            where=_at(where, mark) if mark else where,
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
    return builder.root


class _Builder:
    """Builds the value of one document from events."""

    def __init__(
        self,
        where: str,
        *,
        allow_aliases: bool,
        places: dict[tuple[str | int, ...], TextSpan] | None = None,
        unlike: list[tuple[tuple[str | int, ...], str]] | None = None,
    ) -> None:
        self.root: Json = None
        self.places = places
        self._unlike = unlike
        self.where = where
        self._allow_aliases = allow_aliases
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Json, int, int]] = {}  # value, nodes, height
        self._nodes = 0
        self._documents = 0

    def take(self, event: yaml.Event) -> None:
        """Take the next event."""
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
            self._start(event)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end(event)
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._bad("a second document begins", _begin(event))
            if self._unlike is not None and (event.version or event.tags):
                self._unlike.append(((), f"%{event.version} {event.tags}"))

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        self._count(1, _begin(event))
        parent = self._open[-1] if self._open else None
        as_key = parent is not None and isinstance(parent.value, dict) and parent.key is None
        if as_key and event.implicit[0] and event.value == "<<" and self._allow_aliases:
            self._open[-1].merging = True
            self._open[-1].key = "<<"
            return
        if as_key:
            self._compare(event, str(event.value), self._open[-1].path)
            self._key(event)
            return
        value = self._value(event)
        self._compare(event, value, self._path(event))
        if event.anchor:
            self._anchors[event.anchor] = (value, 1, 0)
        marked = bool(event.anchor) or event.tag is not None
        place = TextSpan(_begin(event).index, _finish(event).index, event.style or None, marked)
        self._add(value, (1, 0), event, place)

    def _compare(self, event: yaml.ScalarEvent, value: object, path: tuple[str | int, ...]) -> None:
        """Note what YAML 1.1 would read otherwise; a quoted text it would not."""
        if self._unlike is None or not (event.implicit[0] or event.tag not in (None, "!")):
            return
        if not is_alike(event.value, value, event.tag):
            self._unlike.append((path, event.value))

    def _value(self, event: yaml.ScalarEvent) -> str | int | float | bool | None:
        where = _at(self.where, _begin(event))
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
            raise self._bad(f"tag {event.tag[:80]}", _begin(event))
        return value

    def _key(self, event: yaml.ScalarEvent) -> None:
        parent = self._open[-1]
        key = str(event.value)  # 1: and yes: are texts here, as they are in JSON
        if isinstance(parent.value, dict) and key in parent.value:
            raise BadFormatError(
                "a key occurs twice", found=key[:80], where=_at(self.where, _begin(event))
            )
        parent.key = key

    def _start(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        self._count(1, _begin(event))
        mapping = isinstance(event, yaml.MappingStartEvent)
        if event.tag not in (None, "!", f"{_TAG}{'map' if mapping else 'seq'}"):
            raise self._bad(f"tag {str(event.tag)[:80]}", _begin(event))
        if len(self._open) >= MAX_DEPTH:
            raise too_deep(_at(self.where, _begin(event)))
        self._open.append(
            _Open({} if mapping else [], self._path(event), _begin(event), event.anchor)
        )

    def _end(self, event: yaml.MappingEndEvent | yaml.SequenceEndEvent) -> None:
        done = self._open.pop()
        if isinstance(done.value, dict):
            for merged in done.merges:
                self._merge(done.value, merged, done.mark)
        if done.anchor:
            self._anchors[done.anchor] = (done.value, done.nodes, done.height)
        # A flow collection ends with its bracket, a block has no text of its own at the end.
        block = _begin(event).index == _finish(event).index
        style = "-" if block and isinstance(done.value, list) else None
        place = TextSpan(done.mark.index, _finish(event).index, style, bool(done.anchor))
        self._add(done.value, (done.nodes, done.height), event, place)

    def _alias(self, event: yaml.AliasEvent) -> None:
        name = event.anchor or ""
        if not self._allow_aliases:
            raise self._bad(f"alias *{name[:80]}", _begin(event))
        if name not in self._anchors:
            raise self._bad(f"alias *{name[:80]} without its anchor", _begin(event))
        value, nodes, height = self._anchors[name]
        if len(self._open) + height > MAX_DEPTH:
            raise too_deep(_at(self.where, _begin(event)))
        self._count(nodes, _begin(event))
        place = TextSpan(_begin(event).index, _finish(event).index, marked=True)
        self._add(value, (nodes, height), event, place)

    def _merge(self, into: dict[str, Json], merged: Json, mark: _Mark) -> None:
        for part in merged if isinstance(merged, list) else [merged]:
            if not isinstance(part, dict):
                raise self._bad("a merge key << without a mapping", mark)
            for key, value in part.items():
                into.setdefault(key, value)

    def _add(self, value: Json, size: tuple[int, int], event: yaml.Event, place: TextSpan) -> None:
        if not self._open:
            self.root = value
            if self.places is not None:
                self.places[()] = place
            return
        parent = self._open[-1]
        if self.places is not None and not parent.merging:
            self.places[self._path(event)] = place
        parent.nodes += size[0]
        parent.height = max(parent.height, size[1] + 1)
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.merging:
            parent.merges.append(value)
            parent.merging = False
            parent.key = None
        elif parent.key is not None:
            parent.value[parent.key] = value
            parent.key = None
        else:
            raise self._bad("a key that is a list or a mapping", _begin(event))

    def _path(self, event: yaml.Event) -> tuple[str | int, ...]:
        if not self._open:
            return ()
        parent = self._open[-1]
        if isinstance(parent.value, list):
            return (*parent.path, len(parent.value))
        if parent.key is None:
            raise self._bad("a key that is a list or a mapping", _begin(event))
        return (*parent.path, parent.key)

    def _count(self, nodes: int, mark: _Mark) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise too_large("more values", _at(self.where, mark), f"at most {MAX_NODES} values")

    def _bad(self, found: str, mark: _Mark) -> BadFormatError:
        return BadFormatError(
            "this YAML says something that is not data",
            found=found,
            where=_at(self.where, mark),
            expected="plain mappings, lists, texts, numbers, true, false, null",
        )


def _begin(event: yaml.Event) -> _Mark:
    if event.start_mark is None:
        raise yaml.YAMLError("an event without a place")
    return event.start_mark


def _finish(event: yaml.Event) -> _Mark:
    if event.end_mark is None:
        raise yaml.YAMLError("an event without a place")
    return event.end_mark


def _at(where: str, mark: _Mark) -> str:
    return f"{where}, line {mark.line + 1}, column {mark.column + 1}"


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
