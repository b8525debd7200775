"""Reading a mapping field by field, with messages that say file, key path, found and expected.

`codec` says what it expects with these few readers, and so do the formats that people write.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from gitexp.errors import BadFormatError
from gitexp.model.ids import GIT_ID, MD5, RUN_ID, SHA256, ParamTree, ParamValue

if TYPE_CHECKING:
    import re

    from gitexp.text.jsontext import Json

WordT = TypeVar("WordT", bound=enum.Enum)
_T = TypeVar("_T")

LARGEST = 2**63 - 1  # of an integer: a longer one becomes no float, and no number of NumPy's
_SHOWN = 80  # characters of a foreign value in a message


class Fields:
    """A mapping that is being read, of the file `where`; anything else is refused.

    `path`: what leads to it in the file, for messages; put together only where one is needed, since
    a stranger's key may be long and have much below it.
    """

    __slots__ = ("_path", "_seen", "value", "where")

    def __init__(self, value: Json, where: str, path: tuple[str, ...] = ()) -> None:
        self.where = where
        self._path = path
        self._seen: set[str] = {"$schema"}
        if type(value) is not dict and not isinstance(value, Mapping):
            raise self._error(self._at(""), value, "a mapping")
        self.value = value

    def has(self, key: str) -> bool:
        """Tell whether the key is there with a value other than null."""
        return self.value.get(key) is not None

    def text(self, key: str, default: str | None = None) -> str:
        """Read a text; without a default it has to be there."""
        value = self._take(key, default, "a text")
        if not isinstance(value, str):
            raise self.bad(key, "a text")
        return value

    def maybe(self, key: str, read: Callable[[str], _T]) -> _T | None:
        """Read what may be null or absent, by a reader of this mapping."""
        return read(key) if self._optional(key) else None

    def maybe_text(self, key: str) -> str | None:
        """Read a text that may be null or absent."""
        return self.text(key) if self._optional(key) else None

    def integer(
        self,
        key: str,
        default: int | None = None,
        *,
        least: int | None = None,
        most: int | None = None,
    ) -> int:
        """Read an integer, not below `least` and not above `most`."""
        value = self._take(key, default, "an integer")
        if type(value) is not int:
            raise self.bad(key, "an integer")
        if least is not None and value < least:
            raise self.bad(key, f"an integer of at least {least}")
        if most is not None and value > most:
            raise self.bad(key, f"an integer of at most {most}")
        return value

    def number(self, key: str, default: float | None = None, *, most: float | None = None) -> float:
        """Read a finite number; with `most` one from 0 to that."""
        value = self._take(key, default, "a number")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.bad(key, "a number")
        try:
            result = float(value)
        except OverflowError:
            raise self.bad(key, "a finite number") from None
        if not math.isfinite(result):
            raise self.bad(key, "a finite number")
        if most is not None and not 0 <= result <= most:
            raise self.bad(key, f"a number from 0 to {most:g}")
        return result

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        """Read true or false."""
        value = self._take(key, default, "true or false")
        if not isinstance(value, bool):
            raise self.bad(key, "true or false")
        return value

    def word(self, key: str, kind: type[WordT], default: WordT | None = None) -> WordT:
        """Read a word of an enum."""
        text = self.raw(key)
        if text is None and default is not None:
            return default
        try:
            return kind(text)
        except ValueError:
            expected = "one of " + ", ".join(str(word.value) for word in kind)
            self._take(key, None, expected)
            raise self.bad(key, expected) from None

    def time(self, key: str) -> datetime:
        """Read a moment in UTC."""
        text = self.text(key)
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is not None:
                return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise self.bad(key, "a time like 2025-01-31T12:00:00Z") from None
        raise self.bad(key, "a time with its zone, like 2025-01-31T12:00:00Z")

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Read a list of texts."""
        if default is not None and not self._optional(key):
            return default
        value = self._list(key, "a list of texts")
        texts = tuple(item for item in value if isinstance(item, str))
        if len(texts) != len(value):
            raise self.bad(key, "a list of texts")
        return texts

    def integers(self, key: str) -> tuple[int, ...]:
        """Read a list of integers."""
        value = self._list(key, "a list of integers")
        if any(type(item) is not int for item in value):
            raise self.bad(key, "a list of integers")
        found = tuple(item for item in value if isinstance(item, int))
        if any(abs(item) > LARGEST for item in found):
            raise self.bad(key, f"integers of at most {LARGEST}")
        return found

    def child(self, key: str) -> Fields:
        """Read a mapping."""
        return Fields(self._take(key, None, "a mapping"), self.where, (*self._path, key))

    def maybe_child(self, key: str) -> Fields | None:
        """Read a mapping that may be null or absent."""
        return self.child(key) if self._optional(key) else None

    def section(self, key: str) -> Fields:
        """Read a mapping; an empty one where it is null or absent."""
        return self.child(key) if self._optional(key) else Fields({}, self.where)

    def children(self, key: str, *, required: bool = True) -> tuple[Fields, ...]:
        """Read a list of mappings."""
        if not required and not self._optional(key):
            return ()
        value = self._list(key, "a list of mappings")
        return tuple(
            Fields(item, self.where, (*self._path, key, f"[{i}]")) for i, item in enumerate(value)
        )

    def named(self, key: str) -> dict[str, Fields]:
        """Read a mapping of mappings; empty where the key is absent."""
        child = self.maybe_child(key)
        return {name: child.child(name) for name in child.names()} if child else {}

    def names(self) -> tuple[str, ...]:
        """Return all keys."""
        return tuple(self.value)

    def raw(self, key: str) -> Json:
        """Return what is there, unread."""
        self._seen.add(key)
        return self.value.get(key)

    def param(self, key: str) -> ParamValue:
        """Read the value of a parameter, which may be null."""
        return as_param(self._take(key, None, "a value", nullable=True), self, key)

    def git_id(self, key: str) -> str:
        """Read the hash of a commit, a tree or a blob."""
        return self._matching(key, GIT_ID, "40 (or 64) lower-case hex digits")

    def sha256(self, key: str) -> str:
        """Read a sha256 in hex."""
        return self._matching(key, SHA256, "64 lower-case hex digits")

    def md5(self, key: str) -> str:
        """Read an md5 as DVC writes it."""
        return self._matching(key, MD5, "32 lower-case hex digits, .dir after a folder's")

    def run_id(self, key: str) -> str:
        """Read the id of a run."""
        return self._matching(key, RUN_ID, "16 characters of a-z and 2-7")

    def only_known(self, known: Collection[str] = ()) -> None:
        """Refuse keys that were not read, and name the ones they may stand for.

        `known`: others that were read, from `value`.
        """
        for key in self.value:
            if key not in self._seen and key not in known:
                self._seen.update(known)
                read = self._seen - {"$schema"}
                close = near(key, read)
                raise BadFormatError(
                    "unknown key",
                    found=self._at(key),
                    where=self.where,
                    expected=" or ".join(close) if close else f"one of {', '.join(sorted(read))}",
                )

    def bad(self, key: str, expected: str) -> BadFormatError:
        """Return the error for a value that is not what was expected."""
        return self._error(self._at(key), self.value.get(key), expected)

    def _matching(self, key: str, pattern: re.Pattern[str], expected: str) -> str:
        text = self.raw(key)
        if type(text) is not str or not pattern.fullmatch(text):
            self.text(key)
            raise self.bad(key, expected)
        return text

    def _list(self, key: str, expected: str) -> tuple[Json, ...]:
        value = self._take(key, None, expected)
        if not isinstance(value, (list, tuple)):
            raise self.bad(key, expected)
        return tuple(value)

    def _optional(self, key: str) -> bool:
        self._seen.add(key)
        return self.has(key)

    def _take(self, key: str, default: Json, expected: str, *, nullable: bool = False) -> Json:
        self._seen.add(key)
        value = self.value.get(key)
        if value is None:
            if default is None and not (nullable and key in self.value):
                raise self._error(self._at(key), "nothing", expected, quote=False)
            return default
        return value

    def _at(self, key: str) -> str:
        return ".".join(part for part in (*self._path, key) if part).replace(".[", "[")

    def _error(
        self, path: str, found: Json, expected: str, *, quote: bool = True
    ) -> BadFormatError:
        shown = shorten(found) if quote else str(found)
        return BadFormatError(
            f"{path or 'the file'} cannot be read",
            found=shown,
            where=f"{self.where}: {path}" if path else self.where,
            expected=expected,
        )


def as_param(value: Json, fields: Fields, key: str) -> ParamValue:
    """Turn JSON into the value of a parameter."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, Mapping):
        raise fields.bad(key, "a value without mappings")
    return tuple(as_param(item, fields, key) for item in value)


def param_json(value: ParamTree) -> Json:
    """Turn the value of a parameter into JSON."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: param_json(item) for key, item in value.items()}
    return [param_json(item) for item in value]


def param_tree(value: Json) -> ParamTree:
    """Turn JSON into the value of a parameter or of a whole section."""
    if isinstance(value, (str, int, float)) or value is None:
        return value
    if isinstance(value, Mapping):
        return {key: param_tree(item) for key, item in value.items()}
    return tuple(param_tree(item) for item in value)


def time_text(moment: datetime) -> str:
    """Write a moment: ISO 8601, UTC, Z.

    >>> time_text(datetime(2025, 1, 31, 12, tzinfo=UTC))
    '2025-01-31T12:00:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shorten(value: Json) -> str:
    """Show a foreign value in a message, cut to a length that can be read."""
    shown = json.dumps(value, ensure_ascii=True, default=str)
    return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 3]}..."


_MOST = 3  # names of a message
_MOST_STEPS = 3  # a longer name is not mistyped more often, and has more others around it
_STEM = 2  # letters that a name has to begin with to be taken for the longer one
_LONGEST = 80  # characters looked at: the name is foreign, and the comparison is quadratic


def near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return a few known names that a mistyped one may stand for, nearest first.

    Below one parent only the last part is compared, within a third of its length, three characters
    at most; so are names that differ in punctuation, or of which one is the beginning of the other.

    >>> near("train.lrr", ["train.lr", "train.seed", "data.split"])
    ('train.lr',)
    >>> near("train.nest", ["train.seed", "train.n_estimators"]), near("lr", ["train.lr"])
    (('train.n_estimators',), ('train.lr',))
    >>> near("lsit", ["list", "logs"])
    ('list',)
    """
    name = name[:_LONGEST]
    scored = []
    for other in known:
        steps = _steps(name.lower(), other[:_LONGEST].lower())
        if steps is not None:
            scored.append((steps, other))
    best = min(scored, default=(0, ""))[0]
    return tuple(other for steps, other in sorted(scored)[:_MOST] if steps <= best + 1)


def _steps(name: str, other: str) -> int | None:
    """Return how far two names are apart; None where nobody would take one for the other."""
    parent, _, leaf = name.rpartition(".")
    other_parent, _, other_leaf = other.rpartition(".")
    if parent == other_parent or not parent:
        plain = ("".join(filter(str.isalnum, each)) for each in (leaf, other_leaf))
        short, long = sorted(plain, key=len)
        if short == long:
            return 0 if parent == other_parent else 1
        if len(short) >= _STEM and long.startswith(short):
            return 1
        name, other = leaf, other_leaf
    elif leaf == other_leaf:
        return len(name)  # "lr" of another parent
    most = max(1, min(len(name) // 3, _MOST_STEPS))
    if abs(len(other) - len(name)) > most:
        return None
    steps = _distance(name, other)
    return steps if steps <= most else None


def _distance(a: str, b: str) -> int:
    """Return the least number of inserted, deleted, replaced and swapped characters."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        above, row, last = row, [i], before
        before = above
        for j, right in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (left != right)))
            if i > 1 and j > 1 and (a[i - 2], left) == (right, b[j - 2]):
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]
