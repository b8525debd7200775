"""JSON as gitexp writes it, byte for byte the same on every machine, and as it dares to read it.

What is read comes from branches that anybody may have written: size, depth and duplicate keys are
checked, and a number that is not finite is refused in either direction (a metric that is NaN is a
failed repeat, never a value).
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence

from gitexp.errors import BadFormatError, UnsafeInputError

Json = Mapping[str, "Json"] | Sequence["Json"] | str | int | float | bool | None
"""What JSON can say. A str is a Sequence of str: test for str before Sequence."""

JSON_LINES = (".jsonl", ".ndjson")  # endings of files with one object a line
RECORDS = 'the same with what to_json(FILE, orient="records") of pandas writes'  # of a data frame
MIB = 1 << 20
MAX_DEPTH = 50
MAX_BITS = 14_284  # of an integer: Python writes no more than 4,300 digits
_MOST_DIGITS = 4_300
_MOST_LINES = 2_000_000  # predictions of 64 MiB have fewer; each is read by itself
_PATH_SHOWN = 200


def json_dumps(value: Json) -> bytes:
    r"""Write canonical JSON: sorted keys, UTF-8, LF, indent 2, shortest floats, final newline.

    >>> json_dumps({"b": 0.1, "a": ["ä"]}).decode()
    '{\n  "a": [\n    "ä"\n  ],\n  "b": 0.1\n}\n'
    """
    return _dumps(value, indent=2, separators=(",", ": ")) + b"\n"


def json_dumps_compact(value: Json) -> bytes:
    """Write canonical JSON on one line without spaces or newline: for digests and JSON lines."""
    return _dumps(value, indent=None, separators=(",", ":"))


def json_loads(data: bytes, *, where: str, limit: int = MIB) -> Json:
    """Read JSON from an untrusted place; a byte order mark of UTF-8 is skipped."""
    text = decode(data, where=where, limit=limit)

    def constant(name: str) -> float:
        raise BadFormatError("a number is not finite", found=name, where=_place(text, where))

    def number(digits: str) -> float:
        value = float(digits)
        if not math.isfinite(value):
            place = _place(text, where)
            raise BadFormatError("a number is not finite", found=digits[:40], where=place)
        return value

    def members(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
        value = dict(pairs)
        if len(value) != len(pairs):
            twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
            raise BadFormatError("a key occurs twice", found=twice[:80], where=where)
        return value

    try:
        value: Json = json.loads(
            text, parse_constant=constant, parse_float=number, object_pairs_hook=members
        )
    except json.JSONDecodeError as error:
        raise BadFormatError(
            "this is not JSON",
            found=error.msg,
            where=f"{where}, line {error.lineno}, column {error.colno}",
        ) from error
    except RecursionError as error:
        raise too_deep(where) from error
    except ValueError as error:  # an integer of more digits than Python converts
        place = _place(text, where)
        raise BadFormatError("a number is too long", found=str(error), where=place) from error
    _check_depth(value, where)
    return value


def json_file(data: bytes, path: str, *, where: str, limit: int) -> Json:
    """Read a file as its ending says: JSON, or JSON Lines as the list of its objects."""
    if not path.lower().endswith(JSON_LINES):
        try:
            return json_loads(data, where=where, limit=limit)
        except BadFormatError as error:
            if data.lstrip().startswith(b"{") and error.found == "Extra data":
                error.next_step = f"name it {path[: -len('.json')]}.jsonl, if a line is an object"
            raise
    lines = decode(data, where=where, limit=limit).split("\n")
    if len(lines) > _MOST_LINES:
        raise too_large(f"{len(lines)} lines", where, f"at most {_MOST_LINES} lines")
    found: list[Json] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        here = f"{where}, line {number}"
        try:
            value = json_loads(line.encode(), where=here, limit=limit)
        except BadFormatError as error:
            error.where = error.where.replace(f"{here}, line 1,", f"{here},")
            raise
        if not isinstance(value, dict):
            raise BadFormatError("a line is not an object", where=here, expected="{...} in a line")
        found.append(value)
    return found


def is_json(path: str) -> bool:
    """Whether `json_file` reads a file of this name."""
    return path.lower().endswith((".json", *JSON_LINES))


def decode(data: bytes, *, where: str, limit: int) -> str:
    """Turn bytes into text: at most `limit` of them, UTF-8, without byte order mark."""
    if len(data) > limit:
        raise too_large(f"{len(data)} bytes", where, f"at most {limit} bytes")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise BadFormatError(
            "this is not UTF-8 text",
            found=f"byte 0x{data[error.start]:02x}",
            where=f"{where}, line {line}",
        ) from error


def too_large(found: str, where: str, expected: str) -> UnsafeInputError:
    """Return the error for input that is larger than we read."""
    return UnsafeInputError(
        "this file is too large to be read", found=found, where=where, expected=expected
    )


def too_deep(where: str) -> UnsafeInputError:
    """Return the error for values that are nested deeper than we read."""
    return UnsafeInputError(
        "this file is nested too deeply", where=where, expected=f"at most {MAX_DEPTH} levels"
    )


def check_integer(value: int, where: str) -> int:
    """Return an integer that can be written again."""
    if value.bit_length() > MAX_BITS:
        raise BadFormatError("a number is too long", found=f"{value:#x}"[:40], where=where)
    return value


def _dumps(value: Json, *, indent: int | None, separators: tuple[str, str]) -> bytes:
    try:
        text = json.dumps(
            value,
            sort_keys=True,
            ensure_ascii=False,
            allow_nan=False,
            indent=indent,
            separators=separators,
            default=_plain,
        )
    except ValueError as error:
        raise BadFormatError(
            "a record holds finite numbers only", found=str(error), where="the value to be written"
        ) from error
    # A lone surrogate (a byte of a path that is not UTF-8) becomes \udcXX, which is JSON's own
    # escape for it, so it comes back.
    return text.encode("utf-8", "backslashreplace")


def _plain(value: Json) -> dict[str, Json]:
    """Let json write a Mapping that is not a dict."""
    if isinstance(value, Mapping):
        return dict(value)
    message = f"{type(value).__name__} is not JSON"
    raise TypeError(message)


def _place(text: str, where: str) -> str:
    """Return where in a text the first number is that was refused, by its keys."""

    def integer(digits: str) -> float:
        return math.nan if len(digits) > _MOST_DIGITS else 0

    try:
        value = json.loads(text, parse_int=integer)
    except (ValueError, RecursionError):  # what follows is no better
        return where
    todo: list[tuple[str, Json]] = [("", value)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict):
            path = f"{path}." if path else ""
            todo += [
                (f"{path}{key}"[:_PATH_SHOWN], child) for key, child in reversed(value.items())
            ]
        elif isinstance(value, list):
            todo += [(f"{path}[{at}]", value[at]) for at in reversed(range(len(value)))]
        elif isinstance(value, float) and not math.isfinite(value):
            return f"{where}, {path}" if path else where
    return where


def _check_depth(value: Json, where: str) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        items = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for each in items for child in each if isinstance(child, (dict, list))]
        if not level:
            return
    raise too_deep(where)
