"""The answers of read-only commands as JSON: every field of the value, under its own name."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.formats.text import json_dumps
from gitexp.report.json import escaped

if TYPE_CHECKING:
    from gitexp.formats.text import Json

# Fields whose pairs (name, value) are a mapping to whoever reads them.
_PAIRS = frozenset({"params", "key"})


def dump(schema: str, value: object) -> str:
    """Return a view with its schema's name, e.g. ``gitexp/status@1``.

    Raises
    ------
    BadFormatError
        If a number is not finite.
    """
    body = to_json(value)
    fields = body if isinstance(body, dict) else {"items": body}
    return escaped(json_dumps({"$schema": schema, **fields}).decode())


def to_json(  # noqa: PLR0911  one return a kind of value
    value: object, name: str = ""
) -> Json:
    """Turn a value of the model into JSON: enums by value, times in UTC with a Z.

    Raises
    ------
    TypeError
        If it holds something that the model does not use.
    """
    match value:
        case enum.Enum():
            return to_json(value.value)
        case None | str() | bool() | int() | float():
            return value
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Mapping():
            return {str(key): to_json(item) for key, item in value.items()}
        case tuple() if name in _PAIRS and _are_pairs(value):
            return {str(key): to_json(item) for key, item in value}
        case tuple() | list():
            return [to_json(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_json(getattr(value, field.name), field.name)
            for field in dataclasses.fields(value)
        }
    raise TypeError(type(value).__name__)


def _are_pairs(value: tuple[object, ...]) -> bool:
    return all(isinstance(item, tuple) and len(item) == 2 for item in value)  # noqa: PLR2004  a pair
