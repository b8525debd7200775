"""What every drawing shares: a scale with round ticks, and the marks that stand on it.

Drawings are inline SVG whose colours come from the page's style sheet, so that one drawing serves
light, dark and print. What they show is told in a title and a description, too, and sides differ
in shape as well as in colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.report import numbers
from gitexp.report.escape import html

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

WIDTH = 360  # of a drawing, in its own units; the page scales it
EDGE = 12
_DESCRIPTION_LIMIT = 600


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to positions between two edges of the drawing.

    Attributes
    ----------
    low, high : float
        The values at the edges.
    start, end : float
        Positions of `low` and `high`; `start` may be the larger, as on a vertical axis.
    """

    low: float
    high: float
    start: float = EDGE
    end: float = WIDTH - EDGE

    def x(self, value: float) -> float:
        """Return the position of `value`, kept between the edges."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Return round values between the edges, about `most` at most."""
        raw = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step)
        return [index * step for index in range(first, min(last, first + most + 2) + 1)]


def scale_of(
    values: Sequence[float], *, pad: float = 0.06, start: float = EDGE, end: float = WIDTH - EDGE
) -> Scale | None:
    """Return a scale that shows all finite values; None where they span more than a float can."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    span = high - low
    if not math.isfinite(span * 4):
        return None
    # Below this width the ticks would coincide in floating point.
    least = max(abs(low), abs(high)) * 1e-9 or 1.0
    span = max(span, least)
    return Scale(low - span * pad, high + span * pad, start, end)


def drawing(key: str, height: float, *, title: str, words: str, parts: Sequence[str]) -> str:
    """Return an ``<svg>`` with its parts, its title and what a screen reader says of it.

    `key`: our own word that makes the ids unique in the page. `title`, `words`: as they are; both
    are escaped here.
    """
    return "\n".join(
        [
            f'<svg class="plot" viewBox="0 0 {WIDTH} {height:g}" {_role(key)}>',
            f'<title id="{key}-t">{html(title)}</title>',
            f'<desc id="{key}-d">{html(words, limit=_DESCRIPTION_LIMIT)}</desc>',
            *parts,
            "</svg>",
        ]
    )


def axis(scale: Scale, y: float, *, top: float, share: bool = False) -> Iterator[str]:
    """Yield a horizontal axis at `y` with its ticks, and grid lines that begin at `top`.

    `share`: values are shares, labelled in per cent.
    """
    for value, text in labelled_ticks(scale, share=share):
        x = scale.x(value)
        yield line("grid", x, top, x, y)
        yield f'<text class="tick" x="{x:.1f}" y="{y + 14:g}">{text}</text>'
    yield line("axis", scale.start, y, scale.end, y)


def labelled_ticks(
    scale: Scale, *, share: bool = False, most: int = 6
) -> Iterator[tuple[float, str]]:
    """Yield the ticks of a scale with as many digits as tell them apart."""
    ticks = scale.ticks(most)
    factor = 100.0 if share else 1.0
    digits = _digits((ticks[1] - ticks[0] if len(ticks) > 1 else 1.0) * factor)
    for value in ticks:
        text = numbers.number(value * factor, min(digits, 9), signed=share)
        yield value, f"{text} %" if share else text


def line(css: str, x1: float, y1: float, x2: float, y2: float) -> str:
    """Return a ``<line>``."""
    return f'<line class="{css}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def circle(css: str, x: float, y: float) -> str:
    """Return the mark of the baseline."""
    return f'<circle class="{css}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'


def diamond(css: str, x: float, y: float) -> str:
    """Return the mark of the candidate."""
    return f'<path class="{css}" d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>'


def text(css: str, x: float, y: float, words: str, *, anchor: str = "start") -> str:
    """Return a ``<text>``; `words` are escaped here."""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text class="{css}" {place}>{html(words)}</text>'


def short(name: str, limit: int = 26) -> str:
    """Return a name that fits into a drawing; the table beside it has it whole."""
    return name if len(name) <= limit else f"{name[: limit - 3]}..."


def _role(key: str) -> str:
    return f'role="img" aria-labelledby="{key}-t {key}-d"'


def _digits(step: float) -> int:
    """Return the decimals that tell multiples of `step` apart."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return digits if abs(round(step, digits) - step) < step * 1e-6 else digits + 1
