"""The picture of a comparison: every sample of both sides, and the interval against the promise.

Drawn as inline SVG whose colours come from the page, so that one drawing serves light, dark and
print. Sides differ in shape as well as in colour; a title and a description say it in words.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.plan import Direction, HypothesisKind
from gitexp.report import numbers
from gitexp.report.escape import html

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.comparison import Comparison, Interval, MetricComparison

WIDTH, _HEIGHT = 360, 252
_LEFT, _RIGHT = 12, 12
_ROW_BASELINE, _ROW_CANDIDATE, _AXIS = 38, 98, 138
_LABELS = {_ROW_BASELINE: -22, _ROW_CANDIDATE: 26}  # outside, where no pair is drawn
_GAP_TOP, _GAP_ROW, _GAP_AXIS = 178, 205, 226
_MOST_POINTS = 400  # drawn on one side; the table below has all
_NAME_LIMIT = 26


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values to horizontal positions of the drawing."""

    low: float
    high: float

    def x(self, value: float) -> float:
        """Return the position of `value`, kept within the drawing."""
        share = (value - self.low) / (self.high - self.low)
        return _LEFT + min(1.0, max(0.0, share)) * (WIDTH - _LEFT - _RIGHT)

    def ticks(self) -> list[float]:
        """Return between three and seven round values."""
        span = self.high - self.low
        raw = span / 6
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step)
        return [index * step for index in range(first, min(last, first + 8) + 1)]


@dataclass(frozen=True, slots=True)
class Gap:
    """The difference as it is drawn: in the metric's unit, or as a share of the baseline."""

    estimate: float
    interval: Interval | None
    share: bool
    promised: tuple[float, ...]  # signed changes at which the hypothesis begins or ends
    rises: bool  # the promised region lies above the limit
    within: bool  # ... or between the two limits


def scale_of(values: Sequence[float], *, pad: float = 0.06) -> Scale | None:
    """Return a scale that shows all values; None where they span more than a float can."""
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
    return Scale(low - span * pad, high + span * pad)


def figure(comparison: Comparison, metric: MetricComparison, *, key: str) -> str:
    """Return the ``<svg>`` of one metric.

    Parameters
    ----------
    comparison : Comparison
    metric : MetricComparison
    key : str
        Our own word that makes the ids unique in the page.

    Returns
    -------
    str
        Empty where nothing can be drawn.
    """
    left = [value for _, value in metric.baseline_values] or [metric.mean_baseline]
    right = [value for _, value in metric.candidate_values] or [metric.mean_candidate]
    samples = scale_of([*left, *right])
    gap = gap_of(comparison, metric)
    limits = [] if gap.interval is None else [gap.interval.low, gap.interval.high]
    gaps = scale_of(
        [0.0, gap.estimate, *gap.promised, *(item for item in limits if item is not None)],
        pad=0.14,
    )
    if samples is None or gaps is None:
        return ""
    ids = f"{key}-t {key}-d"
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH} {_HEIGHT}" role="img" aria-labelledby="{ids}">',
        f'<title id="{key}-t">{html(metric.metric)}: all samples, and the difference</title>',
        f'<desc id="{key}-d">{html(_description(comparison, metric, gap), limit=600)}</desc>',
        *_strip(comparison, metric, samples),
        *_gap(gap, gaps),
        "</svg>",
    ]
    return "\n".join(parts)


def gap_of(comparison: Comparison, metric: MetricComparison) -> Gap:
    """Return what the lower panel shows: the unit is that of the promised effect."""
    effect = comparison.effect if metric.role.value == "primary" else None
    share = (
        effect is not None
        and effect.relative
        and metric.relative is not None
        and metric.relative_interval is not None
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


# --- the samples --------------------------------------------------------------------------------


def _strip(comparison: Comparison, metric: MetricComparison, scale: Scale) -> Iterator[str]:
    digits = numbers.decimals_for(metric)
    left, right = dict(metric.baseline_values), dict(metric.candidate_values)
    yield from _axis(scale, _AXIS, top=_ROW_BASELINE - 14, share=False)
    paired = metric.result is not None and metric.result.plan.paired
    if paired:
        for seed in list(left.keys() & right.keys())[:_MOST_POINTS]:
            yield (
                f'<line class="pair" x1="{scale.x(left[seed]):.1f}" y1="{_ROW_BASELINE}" '
                f'x2="{scale.x(right[seed]):.1f}" y2="{_ROW_CANDIDATE}"/>'
            )
    for side, values, mean, row in (
        (comparison.baseline, left, metric.mean_baseline, _ROW_BASELINE),
        (comparison.candidate, right, metric.mean_candidate, _ROW_CANDIDATE),
    ):
        which = "a" if row == _ROW_BASELINE else "b"
        for x, dy in _dodged(
            [scale.x(value) for value in list(values.values())[:_MOST_POINTS]], spread=not paired
        ):
            y = row + dy
            if which == "a":
                yield f'<circle class="dot a" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
            else:
                yield (f'<path class="dot b" d="M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5z"/>')
        x = scale.x(mean)
        yield (
            f'<line class="mean {which}" x1="{x:.1f}" y1="{row - 13}" x2="{x:.1f}" '
            f'y2="{row + 13}"/>'
        )
        text = f"{_short(side.name)}: mean {numbers.number(mean, digits)}, n = {len(values) or 1}"
        shape = "circle" if which == "a" else "diamond"
        yield _label(_LEFT, row + _LABELS[row], html(text), css=f"side {which}", mark=shape)


def _dodged(positions: Sequence[float], *, spread: bool) -> Iterator[tuple[float, float]]:
    """Move points that would cover each other up and down in turn; paired ones stay in line."""
    last, stacked = -math.inf, 0
    for x in sorted(positions):
        stacked = stacked + 1 if x - last < 5 else 0  # noqa: PLR2004  half a point's width
        last = x
        step = min((stacked + 1) // 2, 3) * 4.0
        yield x, (step if stacked % 2 else -step) if spread else 0.0


# --- the difference -----------------------------------------------------------------------------


def _gap(gap: Gap, scale: Scale) -> Iterator[str]:
    top, axis, row = _GAP_TOP, _GAP_AXIS, _GAP_ROW
    yield from _promise(gap, scale, top, axis)
    yield from _axis(scale, axis, top=top, share=gap.share)
    zero = scale.x(0.0)
    yield f'<line class="zero" x1="{zero:.1f}" y1="{top}" x2="{zero:.1f}" y2="{axis}"/>'
    if gap.interval is not None:
        low = scale.low if gap.interval.low is None else gap.interval.low
        high = scale.high if gap.interval.high is None else gap.interval.high
        x1, x2 = scale.x(low), scale.x(high)
        yield f'<line class="interval" x1="{x1:.1f}" y1="{row}" x2="{x2:.1f}" y2="{row}"/>'
        for x, limit in ((x1, gap.interval.low), (x2, gap.interval.high)):
            if limit is not None:
                yield f'<line class="cap" x1="{x:.1f}" y1="{row - 6}" x2="{x:.1f}" y2="{row + 6}"/>'
    x = scale.x(gap.estimate)
    yield f'<rect class="estimate" x="{x - 4.5:.1f}" y="{row - 4.5}" width="9" height="9"/>'


def _promise(gap: Gap, scale: Scale, top: int, axis: int) -> Iterator[str]:
    if not gap.promised:
        return
    edges = [scale.x(value) for value in gap.promised]
    start, end = float(_LEFT), float(WIDTH - _RIGHT)
    if len(edges) == 1:
        bands = [(edges[0], end)] if gap.rises else [(start, edges[0])]
    elif gap.within:
        bands = [(edges[0], edges[1])]
    else:
        bands = [(start, edges[0]), (edges[1], end)]
    for x1, x2 in bands:
        yield (
            f'<rect class="promise" x="{x1:.1f}" y="{top}" width="{max(0.0, x2 - x1):.1f}" '
            f'height="{axis - top}"/>'
        )
    for x in edges:
        yield f'<line class="limit" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{axis}"/>'
    x1, x2 = bands[-1]
    narrow = x2 - x1 < 64  # noqa: PLR2004  the word is wider than that
    anchor, x = ("end", x1 - 4) if narrow and x1 > WIDTH / 2 else ("start", x1 + 4)
    place = f'x="{x:.1f}" y="{top + 11}" text-anchor="{anchor}"'
    yield f'<text class="small promised" {place}>promised</text>'


# --- shared -------------------------------------------------------------------------------------


def _axis(scale: Scale, y: int, *, top: int, share: bool) -> Iterator[str]:
    ticks = scale.ticks()
    step = ticks[1] - ticks[0] if len(ticks) > 1 else 1.0
    factor = 100.0 if share else 1.0
    digits = _digits(step * factor)
    for value in ticks:
        x = scale.x(value)
        yield f'<line class="grid" x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{y}"/>'
        text = numbers.number(value * factor, min(digits, 9), signed=share)
        yield f'<text class="tick" x="{x:.1f}" y="{y + 14}">{text}{" %" if share else ""}</text>'
    yield f'<line class="axis" x1="{_LEFT}" y1="{y}" x2="{WIDTH - _RIGHT}" y2="{y}"/>'


def _digits(step: float) -> int:
    """Return the decimals that tell multiples of `step` apart."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    return digits if abs(round(step, digits) - step) < step * 1e-6 else digits + 1


def _label(x: float, y: float, text: str, *, css: str, mark: str) -> str:
    which = css[-1]
    shape = (
        f'<circle class="dot {which}" cx="{x + 4:.1f}" cy="{y - 4:.1f}" r="4"/>'
        if mark == "circle"
        else f'<path class="dot {which}" d="M{x + 4:.1f} {y - 9:.1f}l5 5l-5 5l-5 -5z"/>'
    )
    return f'{shape}<text class="{css}" x="{x + 14:.1f}" y="{y:.1f}">{text}</text>'


def _short(name: str) -> str:
    return name if len(name) <= _NAME_LIMIT else f"{name[: _NAME_LIMIT - 3]}..."


def _description(comparison: Comparison, metric: MetricComparison, gap: Gap) -> str:
    digits = numbers.decimals_for(metric)
    shown = numbers.interval_text(
        gap.interval,
        numbers.percent_decimals(gap.interval) if gap.share else digits,
        share=gap.share,
    )
    change = (
        numbers.percent(gap.estimate, decimals=numbers.percent_decimals(gap.interval))
        if gap.share
        else numbers.number(gap.estimate, digits, signed=True)
    )
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
