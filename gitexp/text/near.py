"""Which known names a mistyped one may stand for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 3  # names of a message
_MOST_STEPS = 3  # a longer name is not mistyped more often, and has more others around it
_STEM = 2  # letters that a name has to begin with to be taken for the longer one
_LONGEST = 80  # characters looked at: the name is foreign, and the comparison is quadratic


def near(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return a few known names that a mistyped one may stand for, nearest first.

    Below one parent only the last part is compared, within a third of its length, three characters
    at most; so are names that differ in punctuation, or of which one is the beginning of the other.

    Examples
    --------
    >>> near("train.lrr", ["train.lr", "train.seed", "data.split"])
    ('train.lr',)
    >>> near("train.nest", ["train.seed", "train.n_estimators"]), near("lr", ["train.lr"])
    (('train.n_estimators',), ('train.lr',))
    >>> near("lsit", ["list", "logs"])
    ('list',)
    """
    name = name[:_LONGEST]
    scored = []
    for other in known:
        steps = _steps(name.lower(), other[:_LONGEST].lower())
        if steps is not None:
            scored.append((steps, other))
    best = min(scored, default=(0, ""))[0]
    return tuple(other for steps, other in sorted(scored)[:_MOST] if steps <= best + 1)


def _steps(name: str, other: str) -> int | None:
    """Return how far two names are apart; None where nobody would take one for the other."""
    parent, _, leaf = name.rpartition(".")
    other_parent, _, other_leaf = other.rpartition(".")
    if parent == other_parent or not parent:
        short, long = sorted((_plain(leaf), _plain(other_leaf)), key=len)
        if short == long:
            return 0 if parent == other_parent else 1
        if len(short) >= _STEM and long.startswith(short):
            return 1
        name, other = leaf, other_leaf
    elif leaf == other_leaf:
        return len(name)  # "lr" of another parent
    most = max(1, min(len(name) // 3, _MOST_STEPS))
    if abs(len(other) - len(name)) > most:
        return None
    steps = _distance(name, other)
    return steps if steps <= most else None


def _plain(name: str) -> str:
    return "".join(char for char in name if char.isalnum())


def _distance(a: str, b: str) -> int:
    """Return the least number of inserted, deleted, replaced and swapped characters."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, start=1):
        above, row, last = row, [i], before
        before = above
        for j, right in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (left != right)))
            if i > 1 and j > 1 and (a[i - 2], left) == (right, b[j - 2]):
                row[j] = min(row[j], last[j - 2] + 1)
    return row[-1]
