"""Charts: effects with their intervals on one scale; mean ranks, joined where not told apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.model import dataclass
from gitexp.model.result import Interval
from gitexp.report import numbers
from gitexp.report.drawing.svg import WIDTH, Scale, axis, drawing, line, scale_of, short, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_ROWS = 40
_TOP, _STEP = 30, 30
_LABEL_LIMIT = 24
_START = 158  # right of the labels
_END = WIDTH - 12


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the plot."""

    label: str  # as it is; escaped when drawn
    estimate: float
    # `low`, `high`: of the interval; a limit that does not exist is None, and both None where
    # there is none
    low: float | None = None
    high: float | None = None
    note: str = ""  # small, below the label: "guard-rail", "n = 214", ...
    strong: bool = False  # the line that the verdict rests on


def forest(
    rows: Sequence[Row],
    *,
    key: str,
    title: str,
    share: bool = False,
    sides: tuple[str, str] = ("", ""),
) -> str:
    """Return the ``<svg>`` of a forest plot, with zero; empty where nothing can be drawn.

    `key`: makes the ids unique in the page. `share`: estimates are labelled in per cent. `sides`:
    what lies left and right of zero.
    """
    shown = rows[:MOST_ROWS]
    ends = [item for row in shown for item in (row.estimate, row.low, row.high) if item is not None]
    scale = scale_of([0.0, *ends], pad=0.08, start=_START, end=_END)
    if not shown or scale is None:
        return ""
    bottom = _TOP + _STEP * len(shown)
    parts = [*axis(scale, bottom, top=_TOP - 8, share=share)]
    zero = scale.x(0.0)
    parts.append(line("zero", zero, _TOP - 8, zero, bottom))
    parts += _sides(sides, zero)
    for index, row in enumerate(shown):
        parts += _row(row, scale, _TOP + _STEP * (index + 0.5), share=share)
    words = "; ".join(f"{row.label}: {_words(row, share=share)}" for row in shown)
    return drawing(key, bottom + 22, title=title, words=words, parts=parts)


def _row(row: Row, scale: Scale, y: float, *, share: bool) -> Iterator[str]:
    css = "side b" if row.strong else "row"
    lift = 2 if row.note else -4
    yield text(css, 0, y - lift, short(row.label, _LABEL_LIMIT))
    if row.note:
        yield text("small soft", 0, y + 10, short(row.note, _LABEL_LIMIT + 4))
    if row.low is not None or row.high is not None:
        x1 = scale.x(scale.low if row.low is None else row.low)
        x2 = scale.x(scale.high if row.high is None else row.high)
        yield line("interval" if row.strong else "interval weak", x1, y, x2, y)
        for x, end in ((x1, row.low), (x2, row.high)):
            if end is not None:
                yield line("cap" if row.strong else "cap weak", x, y - 4, x, y + 4)
    x = scale.x(row.estimate)
    css = "estimate" if row.strong else "estimate weak"
    yield (
        f'<rect class="{css}" x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8">'
        f"<title>{_words(row, share=share)}</title></rect>"
    )


def _sides(sides: tuple[str, str], zero: float) -> Iterator[str]:
    """Say what lies on either side of zero, where there is room for it."""
    left, right = sides
    if left and zero - _START > 7 * len(left) / 2:
        yield text("small soft", zero - 6, _TOP - 14, f"\u2190 {left}", anchor="end")
    if right:
        room = _END - zero > 7 * len(right)
        x, anchor = (zero + 6, "start") if room else (_END, "end")
        yield text("small soft", x, _TOP - 14, f"{right} \u2192", anchor=anchor)


def _words(row: Row, *, share: bool) -> str:
    factor = 100.0 if share else 1.0
    estimate = row.estimate * factor
    low, high = (None if end is None else end * factor for end in (row.low, row.high))
    digits = numbers.decimals(estimate, low, high, largest=abs(estimate))
    unit = " %" if share else ""
    interval = None if low is None and high is None else Interval(low, high, 0.0, "")
    found = [numbers.number(estimate, digits, signed=True), numbers.interval_text(interval, digits)]
    return " ".join(part for part in found if part) + unit


MOST_RANKS = 24
_LEFT, _RIGHT = 132.0, 228.0
_AXIS, _BAR_STEP, _LABEL_STEP = 52.0, 7.0, 17.0
_NAME_LIMIT = 14


def critical_difference(
    ranks: Sequence[tuple[str, float]], *, difference: float, key: str, title: str
) -> str:
    """Return the ``<svg>`` of mean ranks, the best on the left; empty for too few or many."""
    ordered = sorted(ranks, key=lambda item: item[1])
    if not 1 < len(ordered) <= MOST_RANKS or not all(math.isfinite(rank) for _, rank in ordered):
        return ""
    scale = Scale(1.0, float(len(ordered)), _LEFT, _RIGHT)
    bars = cliques([rank for _, rank in ordered], difference)
    below = _AXIS + 12 + _BAR_STEP * len(bars)
    n_left = (len(ordered) + 1) // 2
    parts = [
        *_axis(scale, len(ordered)),
        *_ruler(scale, difference),
        *_labels(ordered, scale, below),
    ]
    for index, (first, last) in enumerate(bars):
        y = _AXIS + 9 + _BAR_STEP * index
        x1, x2 = scale.x(ordered[first][1]) - 3, scale.x(ordered[last][1]) + 3
        parts.append(line("clique", x1, y, x2, y))
    groups = "; ".join(
        "not told apart: " + ", ".join(name for name, _ in ordered[first : last + 1])
        for first, last in bars
    )
    words = ", ".join(f"{name} {rank:.2f}" for name, rank in ordered)
    return drawing(
        key,
        below + _LABEL_STEP * n_left + 6,
        title=title,
        words=f"Mean ranks: {words}. Critical difference {difference:.2f}. {groups}",
        parts=parts,
    )


def cliques(ordered: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """Return first and last index of every longest stretch of ranks that are not told apart.

    >>> cliques([1.2, 1.9, 2.6, 4.3], 1.0)
    [(0, 1), (1, 2)]
    """
    found: list[tuple[int, int]] = []
    for first, start in enumerate(ordered):
        within = [index for index, rank in enumerate(ordered) if rank - start < difference]
        last = max([first, *within])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def _axis(scale: Scale, k: int) -> Iterator[str]:
    yield line("axis", scale.start, _AXIS, scale.end, _AXIS)
    step = 1 if k <= 10 else 5  # noqa: PLR2004  labels would touch
    for rank in range(1, k + 1):
        x = scale.x(rank)
        yield line("axis", x, _AXIS - 5, x, _AXIS)
        if rank in {1, k} or rank % step == 0:
            yield text("tick", x, _AXIS - 9, str(rank), anchor="middle")


def _ruler(scale: Scale, difference: float) -> Iterator[str]:
    x1, x2, y = scale.x(1.0), scale.x(1.0 + difference), 20.0
    yield line("cap", x1, y - 4, x1, y + 4)
    if 1.0 + difference <= scale.high:
        yield line("cap", x2, y - 4, x2, y + 4)
    yield line("interval", x1, y, x2, y)
    yield text(
        "small", (x1 + x2) / 2, y - 7, f"critical difference {difference:.2f}", anchor="middle"
    )


def _labels(ordered: Sequence[tuple[str, float]], scale: Scale, below: float) -> Iterator[str]:
    """Lead each rank to its name: the better half to the left, the other to the right."""
    n_left = (len(ordered) + 1) // 2
    for index, (name, rank) in enumerate(ordered):
        left = index < n_left
        row = index if left else len(ordered) - 1 - index
        x, y = scale.x(rank), below + _LABEL_STEP * (row + 0.5)
        edge = _LEFT - 8 if left else _RIGHT + 8
        yield f'<path class="leader" d="M{x:.1f} {_AXIS:g}V{y:.1f}H{edge:.1f}"/>'
        label = f"{short(name, _NAME_LIMIT)} {rank:.2f}"
        yield text(
            "row", edge - 4 if left else edge + 4, y + 4, label, anchor="end" if left else "start"
        )
