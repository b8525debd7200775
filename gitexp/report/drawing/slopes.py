"""Paired slopes: one line from baseline to candidate for each seed, example fold or data set."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.report.drawing.axis import (
    WIDTH,
    circle,
    diamond,
    drawing,
    labelled_ticks,
    line,
    scale_of,
    short,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.report.drawing.axis import Scale

MOST_PAIRS = 200  # drawn; beyond, single lines are not told apart anyhow
_HEIGHT, _TOP, _BOTTOM = 226, 30, 212
_LEFT, _RIGHT = 120.0, 276.0
_NAME_LIMIT = 22


def slopes(
    pairs: Sequence[tuple[float, float]], *, names: tuple[str, str], key: str, title: str
) -> str:
    """Return the ``<svg>`` of paired values.

    `pairs`: baseline's and candidate's value of each pair. `key`: our own word that makes the ids
    unique in the page. The result: empty for fewer than two pairs, or where no scale shows them.
    """
    scale = scale_of([value for pair in pairs for value in pair], start=_BOTTOM, end=_TOP)
    if scale is None or len(pairs) < 2:  # noqa: PLR2004  one pair is a line, not a picture
        return ""
    n_up = sum(1 for left, right in pairs if right > left)
    n_same = sum(1 for left, right in pairs if right == left)
    counts = f"{n_up} of {len(pairs)} pairs rise, {len(pairs) - n_up - n_same} fall"
    counts += f", {n_same} stay" if n_same else ""
    parts = [*_axis(scale), *_lines(pairs[:MOST_PAIRS], scale)]
    parts += _means(pairs, scale)
    parts.append(text("side a", _LEFT - 76, _TOP - 14, short(names[0], _NAME_LIMIT)))
    parts.append(text("side b", WIDTH - 4, _TOP - 14, short(names[1], _NAME_LIMIT), anchor="end"))
    return drawing(
        key, _HEIGHT, title=title, words=f"{names[0]} to {names[1]}: {counts}.", parts=parts
    )


def _axis(scale: Scale) -> Iterator[str]:
    for value, label in labelled_ticks(scale, most=5):
        y = scale.x(value)
        yield line("grid", _LEFT - 34, y, WIDTH - 12, y)
        yield text("tick end", _LEFT - 40, y + 4, label, anchor="end")


def _lines(pairs: Sequence[tuple[float, float]], scale: Scale) -> Iterator[str]:
    for left, right in pairs:
        css = "slope up" if right > left else "slope down" if right < left else "slope"
        yield line(css, _LEFT, scale.x(left), _RIGHT, scale.x(right))
    for left, right in pairs:
        yield circle("dot a", _LEFT, scale.x(left))
        yield diamond("dot b", _RIGHT, scale.x(right))


def _means(pairs: Sequence[tuple[float, float]], scale: Scale) -> Iterator[str]:
    left, right = (math.fsum(side) / len(pairs) for side in zip(*pairs, strict=True))
    yield line("slope mean", _LEFT, scale.x(left), _RIGHT, scale.x(right))
    yield text("side b", _RIGHT + 12, scale.x(right) + 4, "mean")
