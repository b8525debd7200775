"""The picture of a metric: every sample of both sides, and the interval against the promise."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING

from gitexp.model import dataclass
from gitexp.model.plan import Direction, HypothesisKind
from gitexp.report import numbers
from gitexp.report.escape import html
from gitexp.report.words import units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.comparison import Comparison
    from gitexp.model.result import Interval, MetricComparison

_HEIGHT = 252
_ROW_BASELINE, _ROW_CANDIDATE, _AXIS = 38, 98, 138
_LABELS = {_ROW_BASELINE: -22, _ROW_CANDIDATE: 26}  # outside, where no point is drawn
_GAP_TOP, _GAP_ROW, _GAP_AXIS = 178, 205, 226
_MOST_POINTS = 120  # drawn on one side; the table below has all
EDGE = 12
WIDTH = 360  # of a drawing, in its own units; the page scales it
_DESCRIPTION_LIMIT = 600
_MOST_SHARE = 1e300


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference as it is drawn: in the metric's unit, or as a share of the baseline."""

    estimate: float
    interval: Interval | None
    share: bool
    promised: tuple[float, ...]  # signed changes at which the hypothesis begins or ends
    rises: bool  # the promised region lies above the limit
    within: bool  # ... or between the two limits


def figure(comparison: Comparison, metric: MetricComparison, *, key: str) -> str:
    """Return the ``<svg>`` of one metric; empty where nothing can be drawn."""
    one, two = units(metric)
    left, right = list(one.values()), list(two.values())
    left, right = left or [metric.mean_baseline], right or [metric.mean_candidate]
    samples = scale_of([*left, *right])
    gap = gap_of(comparison, metric)
    limits = [] if gap.interval is None else [gap.interval.low, gap.interval.high]
    gaps = scale_of(
        [0.0, gap.estimate, *gap.promised, *(item for item in limits if item is not None)], pad=0.14
    )
    if samples is None or gaps is None:
        return ""
    return drawing(
        key,
        _HEIGHT,
        title=f"{metric.metric}: all samples, and the difference",
        words=_description(comparison, metric, gap),
        parts=[*_strip(comparison, metric, samples), *_gap(gap, gaps)],
    )


def gap_of(comparison: Comparison, metric: MetricComparison) -> Gap:
    """Return what the lower panel shows: the unit is that of the promised effect."""
    effect = comparison.effect if metric.role.value == "primary" else None
    share = (
        effect is not None
        and effect.relative
        and metric.relative is not None
        and metric.relative_interval is not None
        and _has_per_cent(metric.relative, metric.relative_interval)
    )
    estimate = metric.relative if share and metric.relative is not None else metric.difference
    interval = metric.relative_interval if share else metric.interval
    if effect is None or metric.direction is None:
        return Gap(estimate, interval, share, (), rises=True, within=False)
    unit = metric.mean_baseline if effect.relative and not share else 1.0
    sign = -1.0 if metric.direction is Direction.MIN else 1.0
    margin = effect.margin * unit
    if effect.kind is HypothesisKind.SUPERIORITY:
        return Gap(estimate, interval, share, (sign * margin,), rises=sign > 0, within=False)
    within = effect.kind is HypothesisKind.EQUIVALENCE
    return Gap(estimate, interval, share, (-margin, margin), rises=True, within=within)


def _has_per_cent(share: float, interval: Interval) -> bool:
    """Whether floats hold the shares in per cent: of a mean next to nothing they may not."""
    edges = (share, interval.low or 0.0, interval.high or 0.0)
    return max(map(abs, edges)) < _MOST_SHARE


def change_texts(gap: Gap, metric: MetricComparison) -> tuple[str, str]:
    """Return the difference, and its interval, in the unit of what was promised."""
    if gap.share:
        digits = numbers.percent_decimals(gap.interval)
        shown = numbers.percent(gap.estimate, decimals=digits)
    else:
        digits = numbers.decimals_for(metric)
        shown = numbers.number(gap.estimate, digits, signed=True)
    return shown, numbers.interval_text(gap.interval, digits, share=gap.share)


def _strip(comparison: Comparison, metric: MetricComparison, scale: Scale) -> Iterator[str]:
    digits = numbers.decimals_for(metric)
    yield from axis(scale, _AXIS, top=_ROW_BASELINE - 14)
    left, right = (list(side.values()) for side in units(metric))
    for side, samples, mean, row in (
        (comparison.baseline, left, metric.mean_baseline, _ROW_BASELINE),
        (comparison.candidate, right, metric.mean_candidate, _ROW_CANDIDATE),
    ):
        which, mark = ("a", circle) if row == _ROW_BASELINE else ("b", diamond)
        positions = [scale.x(value) for value in samples[:_MOST_POINTS]]
        for x, dy in _dodged(positions):
            yield mark(f"dot {which}", x, row + dy)
        x, y = scale.x(mean), row + _LABELS[row]
        yield line(f"mean {which}", x, row - 13, x, row + 13)
        words = f"{short(side.name)}: mean {numbers.number(mean, digits)}, n = {len(samples) or 1}"
        yield mark(f"dot {which}", EDGE + 4, y - 4)
        yield text(f"side {which}", EDGE + 14, y, words)


def _dodged(positions: Sequence[float]) -> Iterator[tuple[float, float]]:
    """Move points that would cover each other up and down in turn."""
    last, stacked = -math.inf, 0
    for x in sorted(positions):
        stacked = stacked + 1 if x - last < 5 else 0  # noqa: PLR2004  half a point's width
        last = x
        step = min((stacked + 1) // 2, 3) * 4.0
        yield x, step if stacked % 2 else -step


def _gap(gap: Gap, scale: Scale) -> Iterator[str]:
    top, bottom, row = _GAP_TOP, _GAP_AXIS, _GAP_ROW
    yield from _promise(gap, scale)
    yield from axis(scale, bottom, top=top, share=gap.share)
    zero = scale.x(0.0)
    yield line("zero", zero, top, zero, bottom)
    if gap.interval is not None:
        low = scale.low if gap.interval.low is None else gap.interval.low
        high = scale.high if gap.interval.high is None else gap.interval.high
        x1, x2 = scale.x(low), scale.x(high)
        yield line("interval", x1, row, x2, row)
        for x, limit in ((x1, gap.interval.low), (x2, gap.interval.high)):
            if limit is not None:
                yield line("cap", x, row - 6, x, row + 6)
    x = scale.x(gap.estimate)
    yield f'<rect class="estimate" x="{x - 4.5:.1f}" y="{row - 4.5}" width="9" height="9"/>'


def _promise(gap: Gap, scale: Scale) -> Iterator[str]:
    if not gap.promised:
        return
    top, bottom = _GAP_TOP, _GAP_AXIS
    edges = [scale.x(value) for value in gap.promised]
    start, end = scale.start, scale.end
    if len(edges) == 1:
        bands = [(edges[0], end)] if gap.rises else [(start, edges[0])]
    elif gap.within:
        bands = [(edges[0], edges[1])]
    else:
        bands = [(start, edges[0]), (edges[1], end)]
    for x1, x2 in bands:
        yield (
            f'<rect class="promise" x="{x1:.1f}" y="{top}" width="{max(0.0, x2 - x1):.1f}" '
            f'height="{bottom - top}"/>'
        )
    for x in edges:
        yield line("limit", x, top, x, bottom)
    x1, x2 = bands[-1]
    narrow = x2 - x1 < 64  # noqa: PLR2004  the word is wider than that
    anchor, x = ("end", x1 - 4) if narrow and x1 > WIDTH / 2 else ("start", x1 + 4)
    yield text("small promised", x, top + 11, "promised", anchor=anchor)


def _description(comparison: Comparison, metric: MetricComparison, gap: Gap) -> str:
    digits = numbers.decimals_for(metric)
    change, shown = change_texts(gap, metric)
    promised = " or ".join(
        numbers.percent(value) if gap.share else numbers.number(value, digits, signed=True)
        for value in gap.promised
    )
    return (
        f"{comparison.baseline.name} (circles) has mean "
        f"{numbers.number(metric.mean_baseline, digits)}, {comparison.candidate.name} (diamonds) "
        f"{numbers.number(metric.mean_candidate, digits)}. The difference is {change}"
        f"{f', interval {shown}' if shown else ''}"
        f"{f'; promised was {promised}' if promised else ''}."
    )


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to positions between two edges of the drawing."""

    # `low`, `high`: the values at the edges
    low: float
    high: float
    # `start`, `end`: positions of `low` and `high`; `start` may be the larger, as on a vertical
    # axis
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
    """Return a scale that shows all finite values; None where no float holds its edges."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return None
    low, high = min(finite), max(finite)
    # Below this width the ticks would coincide in floating point, which has no finer one either.
    least = max(abs(low), abs(high)) * 1e-9
    least = 1.0 if least < sys.float_info.min else least
    span = max(high - low, least)
    if not math.isfinite(span * 4 + max(-low, high)):
        return None
    return Scale(low - span * pad, high + span * pad, start, end)


def drawing(key: str, height: float, *, title: str, words: str, parts: Sequence[str]) -> str:
    """Return an ``<svg>`` of our own `key`; title, and words for a screen reader, are escaped."""
    role = f'role="img" aria-labelledby="{key}-t {key}-d"'
    return "\n".join(
        [
            f'<svg class="plot" viewBox="0 0 {WIDTH} {height:g}" {role}>',
            f'<title id="{key}-t">{html(title)}</title>',
            f'<desc id="{key}-d">{html(words, limit=_DESCRIPTION_LIMIT)}</desc>',
            *parts,
            "</svg>",
        ]
    )


def framed(picture: str, caption: str) -> str:
    """Return a picture with its caption, which is escaped already; nothing without a picture."""
    return f"<figure>\n{picture}\n<figcaption>{caption}</figcaption>\n</figure>" if picture else ""


def axis(scale: Scale, y: float, *, top: float, share: bool = False) -> Iterator[str]:
    """Yield a horizontal axis at `y` with ticks, in per cent if a `share`, and grid lines."""
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


def _digits(step: float) -> int:
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return digits if abs(round(step, digits) - step) < step * 1e-6 else digits + 1
