"""Which pictures a page gets, and how many: a page stays small enough to be mailed.

Verdict, tables and facts are always there; pictures and samples only while there is room.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.model import dataclass
from gitexp.model.plan import Direction
from gitexp.report import numbers, words
from gitexp.report.drawing import svg
from gitexp.report.drawing.charts import Row, forest
from gitexp.report.escape import html
from gitexp.report.words import unit_title, units

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.comparison import Comparison
    from gitexp.model.result import MetricComparison

_MOST_SAMPLES = 300  # rows of a table of samples; JSON has all
MOST_PAIRS = 200  # drawn; beyond, single lines are not told apart anyhow
_HEIGHT, _TOP, _BOTTOM = 226, 30, 212
_LEFT, _RIGHT = 120.0, 276.0
_NAME_LIMIT = 22
_WIDTH = 61  # columns
_MARGIN = 0.05  # of the range, on either side


@dataclass(slots=True)
class Room:
    """What is left of a page; the one value of this room of code that changes."""

    left: int

    def take(self, picture: str) -> str:
        """Return a picture if there is room for it, else nothing."""
        size = len(picture.encode())
        if size > self.left:
            return ""
        self.left -= size
        return picture


def strip(comparison: Comparison, metric: MetricComparison, room: Room, key: str) -> str:
    """Return all samples of a metric and its difference, as a figure."""
    gap = svg.gap_of(comparison, metric)
    confidence = "" if gap.interval is None else f" with its {gap.interval.confidence * 100:.3g} %"
    below = f"Below: the difference{confidence} interval" if confidence else "Below: the difference"
    unit = " in per cent of the baseline" if gap.share else ""
    promised = "; shaded: what was promised" if gap.promised else ""
    caption = (
        f"{html(metric.metric)}. Above: every sample that counts, bars at the means. "
        f"{below}{unit}{promised}."
    )
    return room.take(svg.framed(svg.figure(comparison, metric, key=key), caption))


def pairs(comparison: Comparison, metric: MetricComparison, room: Room, key: str) -> str:
    """Return the paired slopes of a metric, as a figure; nothing where repeats are not paired."""
    if metric.result is None or not metric.result.plan.paired:
        return ""
    left, right = units(metric)
    joined = [(value, right[name]) for name, value in left.items() if name in right]
    picture = slopes(
        joined,
        names=(comparison.baseline.name, comparison.candidate.name),
        key=key,
        title=f"{metric.metric}: pair by pair",
    )
    n_up = sum(1 for left, value in joined if value > left)
    caption = (
        f"{html(metric.metric)}, pair by pair: it rises in {n_up} of {len(joined)}. "
        "Dashed: it falls; bold: the means."
    )
    return room.take(svg.framed(picture, caption))


def metrics(comparison: Comparison, room: Room, key: str) -> str:
    """Return the forest plot of two metrics or more; the better to the right, where known."""
    shown = [item for item in comparison.metrics if item.relative is not None]
    if len(shown) < 2:  # noqa: PLR2004  one is in the figure above already
        return ""
    oriented = all(item.direction is not None for item in shown)
    main = words.primary(comparison)
    rows = [
        _row(item, note=words.role_note(comparison, item), oriented=oriented, strong=item is main)
        for item in shown
    ]
    picture = forest(
        rows,
        key=key,
        title="all metrics: the change in per cent of the baseline",
        share=True,
        sides=("worse", "better") if oriented else ("less", "more"),
    )
    caption = f"All metrics: the change in per cent of the baseline, {_confidence(comparison)}."
    if oriented:
        caption += " Metrics of which less is better are mirrored."
    return room.take(svg.framed(picture, caption))


def samples(comparison: Comparison, metric: MetricComparison, room: Room) -> str:
    """Return the table of the samples of a metric, folded away."""
    left, right = units(metric)
    names = list(left | right) if metric.parts else sorted(left | right, key=int)
    if not names:
        return ""
    which = "All samples" if len(names) <= _MOST_SAMPLES else f"The first {_MOST_SAMPLES} samples"
    digits = min(9, numbers.decimals_for(metric) + 1)
    titles = (
        "row" if comparison.row_key and not metric.parts else unit_title(metric),
        html(comparison.baseline.name),
        html(comparison.candidate.name),
        "difference",
    )
    lines = [
        f"<details><summary>{which} of {html(metric.metric)}</summary>",
        '<div class="scroll" role="region" aria-label="All samples" tabindex="0"><table>',
        "<thead><tr>",
        *(f'<th scope="col">{word}</th>' for word in titles),
        "</tr></thead>",
        "<tbody>",
    ]
    for name in names[:_MOST_SAMPLES]:
        both = name in left and name in right
        cells = (
            numbers.number(left[name], digits) if name in left else "",
            numbers.number(right[name], digits) if name in right else "",
            numbers.number(right[name] - left[name], digits, signed=True) if both else "",
        )
        row = "".join(f"<td>{cell}</td>" for cell in cells)
        lines.append(f'<tr><th scope="row">{html(name)}</th>{row}</tr>')
    lines.append("</tbody></table></div></details>")
    return room.take("\n".join(lines))


def others(comparison: Comparison, shown: MetricComparison, room: Room, key: str) -> Iterator[str]:
    """Yield the figures of the other metrics, folded away, as many as there is room for."""
    rest = [item for item in comparison.metrics if item is not shown]
    drawn = [
        figure
        for index, item in enumerate(rest, 1)
        if (figure := strip(comparison, item, room, f"{key}-m{index}"))
    ]
    if not drawn:
        return
    which = "other metric" if len(rest) == 1 else f"other {len(rest)} metrics"
    if len(drawn) < len(rest):
        which = f"first {len(drawn)} of {which}"
    yield f"<details><summary>Plots of the {which}</summary>"
    yield from drawn
    yield "</details>"


def _row(item: MetricComparison, *, note: str, oriented: bool, strong: bool) -> Row:
    mirrored = oriented and item.direction is Direction.MIN
    estimate = item.relative or 0.0
    interval = item.relative_interval
    low, high = (None, None) if interval is None else (interval.low, interval.high)
    if mirrored:
        estimate = -estimate
        low, high = (None if end is None else -end for end in (high, low))
    return Row(item.metric, estimate, low, high, note=note, strong=strong)


def _confidence(comparison: Comparison) -> str:
    every = [item.relative_interval for item in comparison.metrics if item.relative_interval]
    found = dict.fromkeys(f"{item.confidence * 100:.3g} %" for item in every)
    of = " for what was promised, ".join(found)
    return f"with {of} intervals where there are" if found else "without intervals"


def slopes(
    pairs: Sequence[tuple[float, float]], *, names: tuple[str, str], key: str, title: str
) -> str:
    """Return the ``<svg>`` of (baseline, candidate) pairs; empty for fewer than two."""
    scale = svg.scale_of([value for pair in pairs for value in pair], start=_BOTTOM, end=_TOP)
    if scale is None or len(pairs) < 2:  # noqa: PLR2004  one pair is a line, not a picture
        return ""
    n_up = sum(1 for left, right in pairs if right > left)
    n_same = sum(1 for left, right in pairs if right == left)
    counts = f"{n_up} of {len(pairs)} pairs rise, {len(pairs) - n_up - n_same} fall"
    counts += f", {n_same} stay" if n_same else ""
    parts = [*_axis(scale), *_lines(pairs[:MOST_PAIRS], scale)]
    left, right = (math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True))
    parts.append(svg.line("slope mean", _LEFT, scale.x(left), _RIGHT, scale.x(right)))
    parts.append(svg.text("side b", _RIGHT + 12, scale.x(right) + 4, "mean"))
    parts.append(svg.text("side a", _LEFT - 76, _TOP - 14, svg.short(names[0], _NAME_LIMIT)))
    parts.append(
        svg.text("side b", svg.WIDTH - 4, _TOP - 14, svg.short(names[1], _NAME_LIMIT), anchor="end")
    )
    return svg.drawing(
        key, _HEIGHT, title=title, words=f"{names[0]} to {names[1]}: {counts}.", parts=parts
    )


def _axis(scale: svg.Scale) -> Iterator[str]:
    for value, label in svg.labelled_ticks(scale, most=5):
        y = scale.x(value)
        yield svg.line("grid", _LEFT - 34, y, svg.WIDTH - 12, y)
        yield svg.text("tick end", _LEFT - 40, y + 4, label, anchor="end")


def _lines(pairs: Sequence[tuple[float, float]], scale: svg.Scale) -> Iterator[str]:
    for left, right in pairs:
        css = "slope up" if right > left else "slope down" if right < left else "slope"
        yield svg.line(css, _LEFT, scale.x(left), _RIGHT, scale.x(right))
    for left, right in pairs:
        yield svg.circle("dot a", _LEFT, scale.x(left))
        yield svg.diamond("dot b", _RIGHT, scale.x(right))


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
        f"o  {gap.estimate * scale:+.3g}{unit} and its {interval.confidence * 100:.3g} % interval",
        "|  no difference",
        *([f":  promised {promised}"] if promised else []),
    ]
