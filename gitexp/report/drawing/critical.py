"""The critical-difference diagram: mean ranks on a line, joined by a bar where not told apart.

References
----------
Demsar (2006), Statistical comparisons of classifiers over multiple data sets, JMLR 7, 1-30.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.report.drawing.svg import Scale, drawing, line, short, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MOST_RANKS = 24
_LEFT, _RIGHT = 132.0, 228.0
_AXIS, _BAR_STEP, _LABEL_STEP = 52.0, 7.0, 17.0
_NAME_LIMIT = 14


def critical_difference(
    ranks: Sequence[tuple[str, float]],
    *,
    difference: float,
    key: str,
    title: str,
) -> str:
    """Return the ``<svg>`` of mean ranks; rank 1 is the best and stands on the left.

    `ranks`: name and mean rank over all blocks, in any order. `difference`: mean ranks that differ
    by less are not told apart. `key`: our own word that makes the ids unique in the page. The
    result: empty for fewer than two or more than `MOST_RANKS` names.
    """
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

    Examples
    --------
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
    """Show how long the critical difference is."""
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
