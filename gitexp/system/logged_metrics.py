"""Metrics that `gitexp.log_metric` wrote in a repeat: last values, curves, the latest news.

The file is the script's to write and may be of any length, so memory is bounded: a curve that is
too long for its share loses every second point, never its first or last one, and never a gap.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from typing import TYPE_CHECKING, BinaryIO

from gitexp.errors import BadMetricError, UnsafeInputError
from gitexp.git.discovery import open_plain
from gitexp.model import dataclass, field
from gitexp.model.run import LoggedValue
from gitexp.system.curves import MOST_CURVES, TOO_MANY
from gitexp.system.metrics import LOGGED
from gitexp.text import points

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping
    from pathlib import Path

    from gitexp.text.points import Point

LIMIT_BYTES = 4 << 30
MOST_NAMES = 10_000
_CURVES_BYTES = 32 << 20  # of all curves of a repeat, as CSV; a declared file may have twice that
_ROW_BYTES = 32
_WINDOW_BYTES = 64 << 10
_MOST_LATEST = 50

Curve = dict[int, float | None]  # step -> value, in the order of the steps


@dataclass(frozen=True, slots=True)
class Logged:
    """What one repeat logged, by name; one that several stages log is ``STAGE:NAME`` of each."""

    values: Mapping[str, float]
    curves: Mapping[str, Curve]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Curve:
    """Points in the order in which they were logged; NaN is a gap."""

    steps: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    seen: int = 0

    def thin(self) -> None:
        """Drop one of two neighbours, but neither end, and a gap last."""
        inner = range(1, len(self.steps) - 2, 2)
        kept = [at if math.isnan(self.values[at]) else at + 1 for at in inner]
        kept = [0, *kept, *range(1 + 2 * len(inner), len(self.steps))]
        self.steps = array("q", (self.steps[at] for at in kept))
        self.values = array("d", (self.values[at] for at in kept))


@dataclass(slots=True)
class _Found:
    """What has been read so far, by (stage, name)."""

    wanted: Collection[str]  # curves to be kept, however many there are
    plain: dict[tuple[str, str], Point] = field(default_factory=dict)
    last: dict[tuple[str, str], Point] = field(default_factory=dict)  # that of the largest step
    curves: dict[tuple[str, str], _Curve] = field(default_factory=dict)
    bytes: int = 0
    left_out: bool = False

    def add(self, point: Point) -> None:
        key = (point.stage, point.name)
        if point.step is None:
            self.plain[key] = point
        else:
            held = self.last.get(key)
            if held is None or held.step is None or point.step >= held.step:
                self.last[key] = point
            self._add_to_curve(key, point.step, point.value)
        if len(self.plain) + len(self.last) > 2 * MOST_NAMES:
            raise UnsafeInputError(
                "a repeat logs more metrics than can be recorded",
                found=f"more than {MOST_NAMES}",
                where=LOGGED,
                next_step="log what belongs to steps with step=, under one name",
            )

    def _add_to_curve(self, key: tuple[str, str], step: int, value: float | None) -> None:
        if key not in self.curves:
            if len(self.curves) >= MOST_CURVES and key[1] not in self.wanted:
                self.left_out = True
                return
            self.curves[key] = _Curve()
        curve = self.curves[key]
        curve.seen += 1
        curve.steps.append(step)
        curve.values.append(math.nan if value is None else value)
        self.bytes += _ROW_BYTES + len(key[1])
        if self.bytes > _CURVES_BYTES:
            self._thin()

    def _thin(self) -> None:
        """Halve the longest curve."""
        (_, name), curve = max(self.curves.items(), key=lambda item: len(item[1].steps))
        before = len(curve.steps)
        curve.thin()
        self.bytes -= (before - len(curve.steps)) * (_ROW_BYTES + len(name))


def read(
    file: Path,
    *,
    wanted: Collection[str] = (),
    before: Collection[Path] = (),
    own: Collection[str] = (),
) -> Logged:
    """Read all that a repeat logged; without steps a value is the last, else the last step's.

    `wanted`: curves to be kept. `before`: what other repeats logged, of which the stages that ran
    once belong to this one, too. `own`: the stages that this repeat executed itself.
    """
    found, torn = _Found(wanted), 0
    for each in (*before, file):
        if not each.is_file():  # nothing was logged; or the script put a pipe there
            continue
        if each.stat().st_size > LIMIT_BYTES:
            raise UnsafeInputError(
                "a repeat logs more than can be read",
                where=LOGGED,
                expected=f"at most {LIMIT_BYTES >> 30} GiB",
                next_step="log every tenth step",
            )
        with each.open("rb") as stream:
            for line in _lines(stream):
                point = points.decode(line)
                if point is None:
                    torn += each == file
                elif each == file or point.stage not in own:
                    found.add(point)
    finals = {**found.last, **found.plain}
    stages = Counter(name for _, name in finals)
    names = {
        (stage, name): f"{stage}:{name}" if stages[name] > 1 and stage else name
        for stage, name in finals
    }
    warnings = [f"{torn} lines of {LOGGED} cannot be read"] if torn else []
    warnings += [TOO_MANY] if found.left_out else []
    curves: dict[str, Curve] = {}
    for key, curve in found.curves.items():
        made = {
            step: None if math.isnan(value) else value
            for step, value in zip(curve.steps, curve.values, strict=True)
        }
        last = found.last[key]
        made[last.step or 0] = last.value
        curves[names[key]] = dict(sorted(made.items()))
        if len(curve.steps) < curve.seen:
            warnings.append(
                f"curve {names[key]} is thinned: {len(curve.steps)} of {curve.seen} points are kept"
            )
    values = {names[key]: _finite(point) for key, point in finals.items()}
    return Logged(values, curves, tuple(warnings))


@dataclass(slots=True)
class Tail:
    """The latest values of a repeat that goes on; each look reads what is new, 64 KiB at most."""

    file: Path
    _latest: dict[str, LoggedValue] = field(default_factory=dict)  # by name, the newest last
    _offset: int = 0

    @property
    def latest(self) -> tuple[LoggedValue, ...]:
        """The latest value of each metric, the newest last."""
        return tuple(self._latest.values())

    def look(self) -> bool:
        """Read on; return whether there was anything new."""
        try:
            size = self.file.lstat().st_size
            if size <= self._offset:
                return False
            start = max(self._offset, size - _WINDOW_BYTES)
            with open_plain(self.file) as stream:
                stream.seek(start)
                data = stream.read(_WINDOW_BYTES)
        except OSError:
            return False
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:
            return False
        skipped = start > self._offset  # so it begins within a line
        self._offset = start + len(whole)
        for line in whole.split(b"\n")[1 if skipped else 0 : -1]:
            point = points.decode(line)
            if point is not None:
                self._latest.pop(point.name, None)
                self._latest[point.name] = LoggedValue(point.name, point.value, point.step)
        for name in list(self._latest)[:-_MOST_LATEST]:
            del self._latest[name]
        return True


def latest(file: Path, start: int = 0) -> tuple[LoggedValue, ...]:
    """Return what stands at the end of a file, behind its first bytes, the newest last."""
    tail = Tail(file, _offset=start)
    tail.look()
    return tail.latest


def _lines(stream: BinaryIO) -> Iterator[bytes]:
    """Yield lines; of one that is too long to be a point a piece that is none."""
    while line := stream.readline(points.LINE_LIMIT + 1):
        if len(line) > points.LINE_LIMIT and not line.endswith(b"\n"):
            while (rest := stream.readline(_WINDOW_BYTES)) and not rest.endswith(b"\n"):
                pass
        if line.strip():
            yield line


def _finite(point: Point) -> float:
    if point.value is None:
        at = "" if point.step is None else f" at step {point.step}"
        raise BadMetricError(
            f"metric {point.name} is not a finite number",
            found=f"NaN or infinite{at}",
            where=LOGGED,
            expected="a finite number as its last value",
        )
    return point.value
