"""The picture of a metric: every sample of both sides, and the interval against the promise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.plan import Direction, HypothesisKind
from gitexp.report import numbers
from gitexp.report.drawing.axis import (
    EDGE,
    WIDTH,
    axis,
    circle,
    diamond,
    drawing,
    line,
    scale_of,
    short,
    text,
)
from gitexp.report.units import units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.comparison import Comparison
    from gitexp.model.result import Interval, MetricComparison
    from gitexp.report.drawing.axis import Scale

_HEIGHT = 252
_ROW_BASELINE, _ROW_CANDIDATE, _AXIS = 38, 98, 138
_LABELS = {_ROW_BASELINE: -22, _ROW_CANDIDATE: 26}  # outside, where no point is drawn
_GAP_TOP, _GAP_ROW, _GAP_AXIS = 178, 205, 226
_MOST_POINTS = 120  # drawn on one side; the table below has all


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
    """Return the ``<svg>`` of one metric.

    `key`: our own word that makes the ids unique in the page. The result: empty where nothing can
    be drawn.
    """
    one, two = units(metric)
    left, right = list(one.values()), list(two.values())
    left, right = left or [metric.mean_baseline], right or [metric.mean_candidate]
    samples = scale_of([*left, *right])
    gap = gap_of(comparison, metric)
    limits = [] if gap.interval is None else [gap.interval.low, gap.interval.high]
    gaps = scale_of(
        [0.0, gap.estimate, *gap.promised, *(item for item in limits if item is not None)],
        pad=0.14,
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
