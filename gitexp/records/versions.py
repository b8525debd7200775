"""Which version of which format a file says it is: ``$schema: gitexp/run@1``.

Every version that was ever released is read; the newest is written. A version above it is refused
with the advice to install a newer gitexp, never half understood.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, NewerFormatError

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

NEWEST: Mapping[str, int] = {
    "comparison": 1,
    "conclusion": 1,
    "config": 1,
    "curves": 1,
    "environment": 1,
    "job": 1,
    "outcome": 1,
    "plan": 1,
    "points": 1,
    "predictions": 1,
    "review": 1,
    "run": 1,
    "samples": 1,
    "tombstone": 1,
    "witness": 1,
}

_SCHEMA = re.compile(r"gitexp/([a-z]{1,40})@([1-9][0-9]{0,5})")


def schema(kind: str) -> str:
    """Return the text that stands under ``$schema`` in a file of the newest version.

    Examples
    --------
    >>> schema("run")
    'gitexp/run@1'
    """
    return f"gitexp/{kind}@{NEWEST[kind]}"


def schema_of(value: Json, kind: str, where: str) -> int:
    """Return the version of a file that has to be of one kind.

    Raises `BadFormatError` if the file does not say what it is, or is something else;
    `NewerFormatError` if the version is above the newest that this program knows.
    """
    found = value.get("$schema") if isinstance(value, Mapping) else None
    match = _SCHEMA.fullmatch(found) if isinstance(found, str) else None
    if match is None or match[1] != kind:
        raise BadFormatError(
            f"this is not a {kind} of gitexp",
            found=f"$schema: {str(found)[:60]}" if found is not None else "no $schema",
            where=where,
            expected=f"$schema: {schema(kind)}",
        )
    version = int(match[2])
    if version > NEWEST[kind]:
        raise NewerFormatError(
            f"this {kind} was written by a newer gitexp",
            found=f"$schema: {found}",
            where=where,
            expected=f"{schema(kind)} or older",
            next_step=f"install the gitexp that writes {found}: pip install --upgrade gitexp",
        )
    return version
