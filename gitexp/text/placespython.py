"""Where each literal of a Python params file lies."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gitexp.text.paramfiles import python_assignments, python_tree
from gitexp.text.yamltext import Place

if TYPE_CHECKING:
    from gitexp.text.paramkeys import Path


def places(text: str, file: str) -> dict[Path, Place]:
    """Return the place of each literal by its path; a later assignment wins, as in Python."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    lines = text.split("\n")
    found: dict[Path, Place] = {}

    def offset(line: int, column: int) -> int:
        # ast counts columns in bytes of UTF-8.
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    stack: list[tuple[Path, ast.expr]] = list(python_assignments(python_tree(text, file)))
    while stack:
        path, node = stack.pop(0)
        if node.end_lineno is None or node.end_col_offset is None:
            continue
        start = offset(node.lineno, node.col_offset)
        found[path] = Place(start, offset(node.end_lineno, node.end_col_offset))
        if isinstance(node, ast.Dict):
            stack.extend(
                ((*path, str(key.value)), value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            )
        elif isinstance(node, (ast.List, ast.Tuple)):
            stack.extend(((*path, index), item) for index, item in enumerate(node.elts))
    return found
