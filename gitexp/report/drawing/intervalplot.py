"""An interval against zero and the promise, in characters: what a comment can show of a plot."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.report.drawing import svg

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.model.result import MetricComparison

_WIDTH = 61  # columns
_MARGIN = 0.05  # of the range, on either side


def lines(comparison: Comparison, metric: MetricComparison) -> list[str]:
    """Return the plot of a metric's difference, in ASCII; empty where it has no interval."""
    gap = svg.gap_of(comparison, metric)
    interval = gap.interval
    if interval is None:
        return []
    ends = [end for end in (interval.low, interval.high) if end is not None]
    shown = [gap.estimate, 0.0, *gap.promised, *ends]
    span = (max(shown) - min(shown)) or 1.0
    start, span = min(shown) - _MARGIN * span, span * (1 + 2 * _MARGIN)
    if not math.isfinite(start) or not math.isfinite(span):
        return []

    def column(value: float) -> int:
        return max(0, min(_WIDTH - 1, round((value - start) / span * (_WIDTH - 1))))

    low = 0 if interval.low is None else column(interval.low)
    high = _WIDTH - 1 if interval.high is None else column(interval.high)
    axis, bar = [" "] * _WIDTH, [" "] * _WIDTH
    for value in gap.promised:
        axis[column(value)] = bar[column(value)] = ":"
    axis[column(0.0)] = bar[column(0.0)] = "|"
    for place in range(low, high + 1):
        bar[place] = "-"
    bar[low] = "<" if interval.low is None else "["
    bar[high] = ">" if interval.high is None else "]"
    bar[column(gap.estimate)] = "o"
    scale, unit = (100.0, " %") if gap.share else (1.0, "")
    promised = " and ".join(f"{value * scale:+.3g}{unit}" for value in gap.promised)
    edge = "".join(axis).rstrip()
    return [
        edge,
        "".join(bar).rstrip(),
        edge,
        "",
        f"o  {gap.estimate * scale:+.3g}{unit}, with its {interval.confidence * 100:g} % interval",
        "|  no difference",
        *([f":  promised {promised}"] if promised else []),
    ]
