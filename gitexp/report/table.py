"""Plain ASCII tables, because importing a library for them costs 50 ms on every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.escape import width

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Return aligned lines, two spaces between columns, no trailing space.

    `rows`: the first is the header. Texts are escaped already.

    Examples
    --------
    >>> table([["metric", "n"], ["f1", "10"]], right=frozenset({1}))
    ['metric   n', 'f1      10']
    """
    if not rows:
        return []
    columns = max(len(row) for row in rows)
    full = [[*row, *[""] * (columns - len(row))] for row in rows]
    set_columns = [
        _column([row[index] for row in full], flush_right=index in right)
        for index in range(columns)
    ]
    return ["  ".join(cells).rstrip() for cells in zip(*set_columns, strict=True)]


def _column(cells: Sequence[str], *, flush_right: bool) -> list[str]:
    """Return the cells of a column, all as wide as the widest."""
    taken = [width(cell) for cell in cells]
    widest = max(taken)
    if flush_right:
        return [" " * (widest - used) + cell for cell, used in zip(cells, taken, strict=True)]
    return [cell + " " * (widest - used) for cell, used in zip(cells, taken, strict=True)]
