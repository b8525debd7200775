"""``points.jsonl``: live metrics of a running job, one JSON object a line, only ever appended.

A training script writes them without gitexp running, so this module stays light and `encode` is
quick. Whatever the script does it can do to the file, so no line of it is trusted: one that is cut
short, or not a point, is None.
"""

from __future__ import annotations

import json
import math

from gitexp.model import dataclass

NAME_LIMIT = 190  # characters; `curve:NAME.final` has to be a metric's name, too
LINE_LIMIT = 4096  # bytes; the longest point is shorter
LARGEST_STEP = 2**63 - 1
FOLDER = "gitexp-points/curves"  # of the curves, below the working directory


@dataclass(frozen=True, slots=True)
class Point:
    """One live value; `value` is None where it was not finite (the training diverged)."""

    name: str
    value: float | None
    step: int | None
    t: float  # seconds since the epoch
    stage: str = ""  # that logged it, as DVC calls it


def is_name(name: object) -> bool:
    """Tell whether a metric may be called so: 1 to 190 printable characters."""
    return isinstance(name, str) and 0 < len(name) <= NAME_LIMIT and name.isprintable()


def encode(name: str, value: float, step: int | None, t: float, stage: str = "") -> bytes:
    r"""Write one line.

    >>> encode("loss", 0.25, 3, 1700000000.5)
    b'{"name":"loss","step":3,"t":1700000000.5,"value":0.25}\n'
    """
    shown = repr(value) if math.isfinite(value) else "null"
    at = "null" if step is None else step
    where = f',"stage":{json.dumps(stage)}' if stage else ""
    return f'{{"name":{json.dumps(name)},"step":{at},"t":{t!r},"value":{shown}{where}}}\n'.encode()


def decode(line: bytes) -> Point | None:
    r"""Read one line; None where it is not a point.

    >>> decode(b'{"name":"loss","step":3,"t":1.5,"value":null}\n')
    Point(name='loss', value=None, step=3, t=1.5, stage='')
    >>> decode(b'{"name":"loss","st')
    """
    if len(line) > LINE_LIMIT:
        return None
    try:
        item = json.loads(line)
        name, value, step = item["name"], item["value"], item["step"]
        t, stage = float(item["t"]), item.get("stage", "")
        number = None if value is None else float(value)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError):
        return None
    if not is_name(name) or not (is_name(stage) or stage == ""):
        return None
    if step is not None and (type(step) is not int or abs(step) > LARGEST_STEP):
        return None
    if isinstance(value, (bool, str)):
        return None
    return Point(name, number if number is None or math.isfinite(number) else None, step, t, stage)
