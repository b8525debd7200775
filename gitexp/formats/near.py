"""Which known names a mistyped one may stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 3  # names of a message
_LONGEST = 80  # characters looked at: the name is foreign, and the comparison is quadratic


def near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return a few known names within a third of the name's length, nearest first.

    Examples
    --------
    >>> near("train.lrr", ["train.lr", "train.seed", "data.split"])
    ('train.lr',)
    """
    name = name[:_LONGEST]
    scored = []
    for other in known:
        if abs(len(other) - len(name)) <= max(1, len(name) // 3):
            steps = _distance(name.lower(), other[:_LONGEST].lower())
            if steps <= max(1, len(name) // 3):
                scored.append((steps, other))
        elif name and other.rpartition(".")[2] == name.rpartition(".")[2]:
            scored.append((len(name), other))  # "lr" for "train.lr"
    best = min(scored, default=(0, ""))[0]
    return tuple(other for steps, other in sorted(scored)[:_MOST] if steps <= best + 1)


def _distance(a: str, b: str) -> int:
    """Return the least number of inserted, deleted and replaced characters."""
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        before, row[0] = row[0], i
        for j, right in enumerate(b, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]
