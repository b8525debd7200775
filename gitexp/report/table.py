"""Plain ASCII tables, because importing a library for them costs 50 ms on every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.escape import width

if TYPE_CHECKING:
    from collections.abc import Sequence


def table(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Return aligned lines, two spaces between columns, no trailing space.

    Parameters
    ----------
    rows : sequence of sequence of str
        The first is the header. Texts are escaped already.
    right : frozenset of int
        Columns that are set flush right.

    Examples
    --------
    >>> table([["metric", "n"], ["f1", "10"]], right=frozenset({1}))
    ['metric   n', 'f1      10']
    """
    if not rows:
        return []
    columns = max(len(row) for row in rows)
    full = [[*row, *[""] * (columns - len(row))] for row in rows]
    widths = [max(width(row[index]) for row in full) for index in range(columns)]
    return [
        "  ".join(
            _set(cell, widths[index], flush_right=index in right) for index, cell in enumerate(row)
        ).rstrip()
        for row in full
    ]


def _set(cell: str, columns: int, *, flush_right: bool) -> str:
    space = " " * (columns - width(cell))
    return space + cell if flush_right else cell + space
