"""A forest plot: one effect with its interval a line, all on one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.result import Interval
from gitexp.report import numbers
from gitexp.report.drawing.svg import WIDTH, axis, drawing, line, scale_of, short, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.report.drawing.svg import Scale

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
    """Return the ``<svg>`` of a forest plot; zero is always on it.

    `key`: our own word that makes the ids unique in the page. `share`: estimates are shares,
    labelled in per cent. `sides`: what lies left and right of zero: ("baseline is better",
    "candidate is better"). The result: empty where there is nothing to draw, or no scale shows it.
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
    words = "; ".join(_words(row, share=share) for row in shown)
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
        f"<title>{_words_of_numbers(row, share=share)}</title></rect>"
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
    return f"{row.label}: {_words_of_numbers(row, share=share)}"


def _words_of_numbers(row: Row, *, share: bool) -> str:
    factor = 100.0 if share else 1.0
    estimate = row.estimate * factor
    low, high = (None if end is None else end * factor for end in (row.low, row.high))
    digits = numbers.decimals(estimate, low, high, largest=abs(estimate))
    unit = " %" if share else ""
    interval = None if low is None and high is None else Interval(low, high, 0.0, "")
    found = [numbers.number(estimate, digits, signed=True), numbers.interval_text(interval, digits)]
    return " ".join(part for part in found if part) + unit
