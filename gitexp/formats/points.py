"""``points.jsonl``: live metrics of a running job, one JSON object a line, only ever appended.

A training script writes them without gitexp running, so this module stays light and `encode` is
quick. A line that is cut short at the end is one that is being written: it is left for later.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from gitexp.errors import BadFormatError
from gitexp.formats.fields import Fields
from gitexp.formats.jsontext import MIB, check_size, json_loads

LIMIT = 256 * MIB
_LINE_LIMIT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Point:
    """One live value; `value` is None where it was not finite (the training diverged)."""

    name: str
    value: float | None
    step: int | None
    t: float  # seconds since the epoch


def encode(name: str, value: float, step: int | None, t: float) -> bytes:
    r"""Write one line.

    Examples
    --------
    >>> encode("loss", 0.25, 3, 1700000000.5)
    b'{"name":"loss","step":3,"t":1700000000.5,"value":0.25}\n'
    """
    shown = repr(float(value)) if math.isfinite(value) else "null"
    at = "null" if step is None else int(step)
    line = f'{{"name":{json.dumps(name)},"step":{at},"t":{float(t)!r},"value":{shown}}}\n'
    return line.encode()


def decode(data: bytes, where: str) -> tuple[Point, ...]:
    """Read all whole lines.

    Raises
    ------
    BadFormatError, UnsafeInputError
        If a whole line is no point.
    """
    check_size(len(data), where=where, limit=LIMIT)
    whole = data[: data.rfind(b"\n") + 1]
    return tuple(
        _point(line, f"{where}, line {number}")
        for number, line in enumerate(whole.split(b"\n")[:-1], 1)
        if line.strip()
    )


def _point(line: bytes, where: str) -> Point:
    fields = Fields(json_loads(line, where=where, limit=_LINE_LIMIT), where)
    if not fields.has("name"):
        raise BadFormatError("this is no point", where=where, expected="name, value, step, t")
    return Point(
        name=fields.text("name"),
        value=fields.maybe_number("value"),
        step=fields.maybe_integer("step"),
        t=fields.number("t"),
    )
