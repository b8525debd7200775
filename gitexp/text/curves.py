"""Learning curves: a CSV file of name, step and value that a training script leaves behind."""

from __future__ import annotations

import csv
import io
import math
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError
from gitexp.model import dataclass
from gitexp.text.jsontext import MIB, decode

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = ("name", "step", "value")
LIMIT = 64 * MIB


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One value of a curve; `value` is None where the training diverged."""

    name: str
    step: int
    value: float | None


def load(data: bytes, where: str) -> tuple[CurvePoint, ...]:
    """Read curves, in the file's order.

    Raises `BadFormatError, UnsafeInputError` if a column is missing, or a step or value is no
    number. An empty value, NaN or Inf is None.
    """
    text = decode(data, where=where, limit=LIMIT)
    reader = csv.DictReader(io.StringIO(text, newline=""))
    try:
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise BadFormatError(
                "these are not curves",
                found=", ".join(reader.fieldnames or ())[:120] or "no header",
                where=f"{where}, line 1",
                expected=", ".join(COLUMNS),
            )
        return tuple(
            CurvePoint(
                name=row["name"] or "",
                step=_step(row["step"], f"{where}, line {reader.line_num}"),
                value=_value(row["value"], f"{where}, line {reader.line_num}"),
            )
            for row in reader
        )
    except csv.Error as error:
        raise BadFormatError(
            "this is not CSV", found=str(error), where=f"{where}, line {reader.line_num}"
        ) from error


def dump(points: Iterable[CurvePoint]) -> bytes:
    """Write curves, in the order given."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    stream.write(",".join(COLUMNS) + "\n")
    for point in points:
        finite = point.value is not None and math.isfinite(point.value)
        writer.writerow((point.name, point.step, float(point.value or 0.0) if finite else ""))
    return stream.getvalue().encode()


def _step(cell: str | None, where: str) -> int:
    try:
        step = float(cell or "")
    except ValueError:
        step = math.nan
    if not step.is_integer():
        raise BadFormatError(
            "a step cannot be read", found=str(cell)[:60], where=where, expected="an integer"
        )
    return int(step)


def _value(cell: str | None, where: str) -> float | None:
    if not cell:
        return None
    try:
        value = float(cell)
    except ValueError as error:
        raise BadFormatError(
            "a value cannot be read", found=cell[:60], where=where, expected="a number"
        ) from error
    return value if math.isfinite(value) else None
