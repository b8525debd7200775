"""Plain scalars by YAML 1.2 as ruamel.yaml resolves them, which decides what DVC sees.

PyYAML's own rules (YAML 1.1) differ: for it ``on`` is true, ``0777`` is 511, ``1:30`` is 90 and
``1e-3`` is a text.
"""

from __future__ import annotations

import math
import re

from gitexp.errors import BadFormatError
from gitexp.text.jsontext import check_integer

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
_BASES = {"0b": 2, "0o": 8, "0x": 16}
_MANY_DIGITS = 100  # a number that long is one that Python does not convert


def scalar(text: str, *, where: str) -> str | int | float | bool | None:
    """Read a plain scalar by the rules of YAML 1.2, as DVC does.

    Raises `BadFormatError` if it is a date, which must be quoted, or not finite.

    Examples
    --------
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
