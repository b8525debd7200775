"""A plot of growth on two logarithmic axes, as an SVG file that stands alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH, HEIGHT = 640, 360
LEFT, RIGHT, TOP, BOTTOM = 56, 420, 40, 312
# Told apart by more than colour: each line has its own dashes and a label at its end.
COLOURS = ("#4477aa", "#ee6677", "#228833", "#aa3377", "#66ccee", "#ccbb44", "#000000", "#888888")
DASHES = ("", "6 3", "2 2", "8 2 2 2", "1 3", "12 4", "4 4", "10 2 2 2 2 2")
_LABEL_HEIGHT = 15


@dataclass(frozen=True, slots=True)
class Curve:
    """A name, and (size, cost) from small to large."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _Log:
    """Maps positive values to positions by their logarithm."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        span = math.log(self.high / self.low)
        return self.start + math.log(value / self.low) / span * (self.end - self.start)

    def ticks(self) -> Iterator[float]:
        for power in range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1):
            for factor in (1, 2, 5):
                value = factor * 10.0**power
                if self.low <= value <= self.high:
                    yield value


def plot(curves: Sequence[Curve], *, title: str, x: str, y: str) -> str:
    """Return the SVG; a grey line shows what linear growth would be."""
    across = _log([size for curve in curves for size, _ in curve.points], LEFT, RIGHT)
    up = _log([cost for curve in curves for _, cost in curve.points], BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        "<style>text{font:12px sans-serif;fill:#222}</style>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(8, 14, title),
        _text((LEFT + RIGHT) / 2, HEIGHT - 10, x, "middle"),
        _text(8, TOP - 8, y),
    ]
    for value in across.ticks():
        parts.append(_line(across.at(value), TOP, across.at(value), BOTTOM, "#ddd"))
        parts.append(_text(across.at(value), BOTTOM + 16, f"{value:,g}", "middle"))
    for value in up.ticks():
        parts.append(_line(LEFT, up.at(value), RIGHT, up.at(value), "#ddd"))
        parts.append(_text(LEFT - 6, up.at(value) + 4, f"{value:g}", "end"))
    parts += _linear(across, up)
    ends = sorted((up.at(curve.points[-1][1]), index) for index, curve in enumerate(curves))
    places = _apart([place for place, _ in ends])
    for (end, index), place in zip(ends, places, strict=True):
        curve, colour = curves[index], COLOURS[index % len(COLOURS)]
        points = " ".join(f"{across.at(s):.1f},{up.at(c):.1f}" for s, c in curve.points)
        dash = DASHES[index % len(DASHES)]
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dash}"/>'
        )
        parts.append(_line(RIGHT, end, RIGHT + 18, place, colour))
        parts.append(_text(RIGHT + 22, place + 4, curve.name))
    return "\n".join([*parts, "</svg>", ""])


def _log(values: Sequence[float], start: float, end: float) -> _Log:
    low, high = min(values), max(values)
    return _Log(low / 1.1, high * 1.1, start, end)


def _linear(across: _Log, up: _Log) -> Iterator[str]:
    low, high = across.low * 1.1, across.high / 1.1
    cost = up.low * 1.1
    reach = min(high / low, up.high / cost)
    x, y = across.at(low * reach), up.at(cost * reach)
    yield _line(across.at(low), up.at(cost), x, y, "#999", "1 4")
    yield _text(x - 4, y - 4, "linear", "end")


def _apart(places: Sequence[float]) -> list[float]:
    """Push labels down until none covers another, and all up again if they leave the drawing."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + _LABEL_HEIGHT) if found else place)
    over = max(0.0, found[-1] - BOTTOM) if found else 0.0
    return [place - over for place in found]


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, dash: str = "") -> str:  # noqa: PLR0913, PLR0917  two ends, colour, dashes
    return (
        f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
        f'stroke-dasharray="{dash}"/>'
    )


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'
