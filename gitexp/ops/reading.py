"""Which part of a params file a script may hand on, by its text: nothing is executed."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    Part = tuple[str, ...]  # keys from the top of the file

_ROUNDS = 3  # a name may stand for a name that stands for a name


def takes(tree: ast.AST, file: str, key: tuple[str, ...]) -> bool:
    """Whether a script may hand on a part of a params file that holds a key.

    Followed are names that stand for the file, or for a part of what was read of it. Whatever else
    is done with such a part than to look up another key in it hands it on.

    Parameters
    ----------
    tree : ast.AST
        The script.
    file : str
        Name of the params file.
    key : tuple of str
        The parameter, from the top of the file.
    """
    seen = _Seen(file)
    pairs = list(_assigned(tree))
    for _ in range(_ROUNDS):
        for name, value in pairs:
            if seen.is_file(value):
                seen.files.add(name)
                continue
            where = seen.part(value)
            if where is not None and seen.parts.setdefault(name, where) != where:
                return True
    followed = {id(value) for _, value in pairs}
    nodes = list(ast.walk(tree))
    found = [(node, seen.part(node)) for node in nodes]
    lost = [node for node in nodes if seen.is_named(node) and id(node) not in seen.followed]
    return bool(lost) or any(
        where is not None
        and key[: len(where)] == where
        and id(node) not in seen.followed | followed
        and not isinstance(getattr(node, "ctx", None), ast.Store)
        for node, where in found
    )


@dataclass(slots=True)
class _Seen:
    """What names stand for, and which nodes were accounted for."""

    file: str
    files: set[str] = field(default_factory=set)
    parts: dict[str, Part] = field(default_factory=dict)
    followed: set[int] = field(default_factory=set)

    def is_named(self, node: ast.AST) -> bool:
        """Whether a node is a text that names the file."""
        text = node.value if isinstance(node, ast.Constant) else None
        return isinstance(text, str) and text.endswith(self.file)

    def is_file(self, node: ast.AST) -> bool:
        """Whether a node is the file: its name, its path, opened or as text."""
        if self.is_named(node):
            self.followed.add(id(node))
            return True
        if isinstance(node, ast.Name):
            return node.id in self.files
        if isinstance(node, ast.BinOp):
            return any([self.is_file(node.left), self.is_file(node.right)])
        if isinstance(node, ast.Call):
            function = node.func
            if isinstance(function, ast.Attribute) and self.is_file(function.value):
                return True
            plain = isinstance(function, ast.Name) and function.id in {"open", "Path", "str"}
            return plain and any(self.is_file(each) for each in node.args)
        return False

    def part(self, node: ast.AST) -> Part | None:
        """Return which part of the params a node is; None for anything else."""
        if isinstance(node, ast.Name):
            return self.parts.get(node.id)
        looked_up = _lookup(node)
        if looked_up is not None:
            above, name = looked_up
            where = self.part(above)
            if where is not None:
                self.followed.add(id(above))
                return (*where, name)
        if isinstance(node, ast.Call) and not self.is_file(node):
            given = [*node.args, *(each.value for each in node.keywords)]
            return () if any(self.is_file(each) for each in given) else None
        return None


def _lookup(node: ast.AST) -> tuple[ast.expr, str] | None:
    """Return what a key is looked up in, and the key."""
    base, name = None, None
    if isinstance(node, ast.Subscript):
        base, name = node.value, node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        base = node.func.value if node.func.attr == "get" else None
        name = node.args[0] if node.args else None
    if base is None or not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return None
    return base, name.value


def _assigned(tree: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that are given a value, with it."""
    for node in ast.walk(tree):
        target: ast.expr | None = None
        value: ast.expr | None = None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)):
            target, value = node.target, node.value
        elif isinstance(node, ast.withitem):
            target, value = node.optional_vars, node.context_expr
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value
