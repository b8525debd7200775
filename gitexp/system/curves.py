"""Measurements from learning curves: one number a curve and repeat, chosen by no value.

``curve:NAME.final`` is the last value, ``curve:NAME.area`` the area under the curve divided by the
range of its steps, so in the unit of the values. The largest or smallest value of a curve is no
measurement: it is the luckiest of many, on the data that it speaks about. What is chosen on other
data may be measured, under a name that says so: ``curve:NAME.at-max:OTHER`` is the value of NAME at
the step where OTHER, a curve of validation data, is largest.
"""

from __future__ import annotations

import csv
import io
import math
import re
from itertools import pairwise
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, BadMetricError, UnknownMetricError
from gitexp.model import dataclass
from gitexp.model.run import Sample
from gitexp.system.metrics import LOGGED
from gitexp.text.samples import LIMIT, csv_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    Curve = Mapping[int, float | None]  # step -> value, in the order of the steps

COLUMNS = ("name", "step", "value")  # of a file that a training script leaves behind
PREFIX = "curve:"
MOST_CURVES = 50  # of one repeat
TOO_MANY = f"more than {MOST_CURVES} curves: those beyond are not measured"
_NAME_LIMIT = 190  # characters; a metric has 200
_NAME = re.compile(
    r"curve:(?P<curve>.+?)\.(?:(?P<what>final|area)|at-(?P<side>max|min):(?P<other>.+))"
)
_SELECTED = re.compile(r"curve:(?P<curve>.+)\.(?:max|min|best|max_value|min_value)")


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """One value of a curve; `value` is None where the training diverged."""

    name: str
    step: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Summaries:
    """The samples of all curves, and what could not be measured of them."""

    samples: tuple[Sample, ...]
    warnings: tuple[str, ...] = ()


def is_curve(metric: str) -> bool:
    """Return whether a metric is measured on a learning curve."""
    return metric.startswith(PREFIX)


def named(metric: str) -> tuple[str, ...]:
    """Return the curves that a metric is measured on.

    >>> named("curve:test/acc.at-max:val/acc"), named("f1")
    (('test/acc', 'val/acc'), ())
    """
    found = _NAME.fullmatch(metric)
    return () if found is None else tuple(filter(None, (found["curve"], found["other"])))


def check_name(metric: str) -> None:
    """Refuse a metric of a curve that would be no measurement."""
    found = _NAME.fullmatch(metric)
    selected = _SELECTED.fullmatch(metric)
    own = found is not None and found["other"] == found["curve"]
    if selected is not None or own:
        curve = (selected or found or {"curve": ""})["curve"]
        raise UnknownMetricError(
            "the best value of a curve is no sample: it is the luckiest of all steps",
            found=metric,
            expected=f"a value that the curve itself did not select: curve:{curve}.final, "
            f"curve:{curve}.area, or curve:{curve}.at-max:OTHER with a curve of validation data",
            next_step=f"the same with --metric 'curve:{curve}.final'",
        )
    if found is None:
        raise UnknownMetricError(
            "this is no measurement of a curve",
            found=metric,
            expected="curve:NAME.final, curve:NAME.area, curve:NAME.at-max:OTHER or .at-min:OTHER",
        )


def read(
    project: Path,
    files: Sequence[str],
    *,
    seed: int,
    expect: Sequence[str] = (),
    logged: Mapping[str, Curve] | None = None,
) -> Summaries:
    """Read the curve files of one repeat, and measure them with what it logged."""
    warnings: list[str] = []
    found = _declared(project, files, warnings)
    for name, curve in (logged or {}).items():
        if found.get(name) != curve:
            found[name if name not in found else f"{LOGGED}:{name}"] = curve
    values: dict[str, float] = {}
    for name, curve in found.items():
        for what, measure in (("final", _final), ("area", _area)):
            value = measure(curve)
            if value is None:
                warnings.append(f"curve {name} has no {what}: a value is missing where it counts")
            else:
                values[f"{PREFIX}{name}.{what}"] = value
    for metric in expect:
        values[metric] = _expected(metric, found, values)
    samples = tuple(Sample(metric, seed, value) for metric, value in values.items())
    return Summaries(samples, tuple(dict.fromkeys(warnings)))


def _declared(project: Path, files: Sequence[str], warnings: list[str]) -> dict[str, Curve]:
    found: dict[str, Curve] = {}
    for file in files:
        for name, curve in _by_name(_points(project, file)).items():
            if len(found) >= MOST_CURVES:
                warnings.append(TOO_MANY)
                break
            key = name if name not in found else f"{file}:{name}"
            if not key or len(key) > _NAME_LIMIT or not key.isprintable():
                warnings.append(f"a curve has a name that cannot be recorded: {ascii(key)[:60]}")
            else:
                found[key] = curve
    return found


def _expected(metric: str, found: Mapping[str, Curve], values: Mapping[str, float]) -> float:
    check_name(metric)
    if metric in values:
        return values[metric]
    parts = _NAME.fullmatch(metric)
    value = None
    if parts is not None and parts["side"] and {parts["curve"], parts["other"]} <= found.keys():
        value = _at(found[parts["curve"]], found[parts["other"]], largest=parts["side"] == "max")
    if value is None:
        raise BadMetricError(
            f"metric {metric} was not measured",
            found=", ".join(sorted(found)[:20]) or "no curves",
            expected="a curve of that name with finite values where it is measured",
        )
    return value


def _points(project: Path, file: str) -> tuple[CurvePoint, ...]:
    try:
        with (project / file).open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise BadMetricError(
            "a declared file of curves is missing",
            found=error.strerror or "",
            where=file,
            expected="a file that the pipeline writes in every repeat",
        ) from error
    return load(data, file)


def load(data: bytes, where: str) -> tuple[CurvePoint, ...]:
    """Read the points of a file, in its order; an empty value, NaN or Inf is None."""
    lines = csv_rows(data, where)
    header = next(lines, ("", []))[1]
    if not set(header).issuperset(COLUMNS):
        raise BadFormatError(
            "these are not curves",
            found=", ".join(header)[:120] or "no header",
            where=f"{where}, line 1",
            expected=", ".join(COLUMNS),
        )
    points = []
    for here, row in lines:
        cell = dict(zip(header, row, strict=False)).get
        if row:
            step, value = _step(cell("step"), here), _value(cell("value"), here)
            points.append(CurvePoint(cell("name") or "", step, value))
    return tuple(points)


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
    try:
        value = float(cell or math.nan)
    except ValueError as error:
        raise BadFormatError(
            "a value cannot be read", found=str(cell)[:60], where=where, expected="a number"
        ) from error
    return value if math.isfinite(value) else None


def _by_name(points: Iterable[CurvePoint]) -> dict[str, Curve]:
    """Return the curves by name; a step that is written twice keeps its last value."""
    found: dict[str, dict[int, float | None]] = {}
    for point in points:
        found.setdefault(point.name, {})[point.step] = point.value
    return {name: dict(sorted(curve.items())) for name, curve in found.items()}


def _final(curve: Curve) -> float | None:
    return curve[max(curve)] if curve else None


def _area(curve: Curve) -> float | None:
    """Return the mean height by the trapezoidal rule; of a single step its value."""
    steps, values = list(curve), [value for value in curve.values() if value is not None]
    if len(values) < len(steps) or not steps:
        return None
    if len(steps) == 1:
        return values[0]
    width = steps[-1] - steps[0]
    # each value is weighed before it is added: sums of large values leave the range of a float
    points = pairwise(zip(steps, values, strict=True))
    area = math.fsum((b - a) / width * (x / 2 + y / 2) for (a, x), (b, y) in points)
    return area if math.isfinite(area) else None


def _at(curve: Curve, other: Curve, *, largest: bool) -> float | None:
    """Return the value at the first step where the other curve is best."""
    known = [
        (value if largest else -value, -step) for step, value in other.items() if value is not None
    ]
    return curve.get(-max(known)[1]) if known else None
