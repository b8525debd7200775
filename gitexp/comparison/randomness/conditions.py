"""Draws on a fixed seed by which both sides make the same data: a condition of what is found.

Asked where one side never varies and the other does. A draw cannot explain that if both make it
whatever their settings choose, in the same words, and if it makes data and goes nowhere else. Any
doubt leaves it as the reason. Nothing is executed.
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections import defaultdict
from itertools import chain
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.syntax import SEED_CALL, called, imported, is_of_data, names_bound

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.comparison.randomness.draws import Draw, Scripts

_OF_DATA = re.compile(
    r"data|(^|_)(rows?|points?|samples?|labels?|targets?|features?|examples?|x|y)\d*$",
    re.IGNORECASE,
)
# What is executed whenever that which it stands in is.
_ALWAYS = (
    *(ast.Expr, ast.Assign, ast.AnnAssign, ast.AugAssign, ast.Return, ast.With, ast.withitem),
    *(ast.Call, ast.keyword, ast.Attribute, ast.Subscript, ast.Starred, ast.Tuple, ast.List),
    *(ast.Dict, ast.BinOp, ast.UnaryOp, ast.NamedExpr),
)
_OVER_ALL = ast.ListComp | ast.GeneratorExp | ast.SetComp
_FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef
_LEAVES = re.compile(r"(^|\.)_?(exit|quit)$")


def conditions(scripts: Scripts, commands: str) -> dict[Draw, tuple[str, ...]]:
    """Return the draws that only make data, in any case, with all that is done by them."""
    text = _Text(scripts, commands)
    return {each: done for each in scripts.draws if (done := text.uses(each))}


class _Text:
    """Python files, and what of them is executed in any case."""

    def __init__(self, scripts: Scripts, commands: str) -> None:
        self.is_own = not scripts.strange(())  # no library draws on what all share
        self.words = set(re.findall(r"[\w.-]+", commands))
        self.trees = scripts.trees
        self.above: dict[int, ast.AST] = {}
        self.nodes: dict[str, list[ast.AST]] = {}
        self.modules: dict[str, dict[str, str]] = {}
        self.constants: defaultdict[str, list[str]] = defaultdict(list)
        self.defined: defaultdict[str, list[ast.AST]] = defaultdict(list)
        for path, tree in self.trees.items():
            self.nodes[path] = list(ast.walk(tree))
            self.modules[path] = imported(self.nodes[path])
            for node in self.nodes[path]:
                self.above |= {id(child): node for child in ast.iter_child_nodes(node)}
                if isinstance(node, _FUNCTION | ast.ClassDef):
                    self.defined[node.name].append(node)
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
                    for name in chain.from_iterable(map(names_bound, node.targets)):
                        self.constants[name].append(ast.unparse(node.value))

    def uses(self, draw: Draw) -> tuple[str, ...]:
        """Return all that is done by a generator, none where some of it may be anything else."""
        made = draw.node
        if draw.number is None or not isinstance(made, ast.Call) or not SEED_CALL.search(draw.name):
            return ()
        if draw.name == "seed":
            if called(made, self.modules[draw.path]) != ("random", "seed") or not self.is_own:
                return ()
            used = self._of_all()
            unused = () if used else ("nothing draws on it",)
        else:
            used, unused = self._of_one(draw.path, made), ()
        if not self._is_always(made) or not all(map(self._makes_data, used)):
            return ()
        return tuple(map(self._said, used)) or unused

    def _of_one(self, path: str, made: ast.Call) -> Sequence[ast.AST]:
        """Return where a generator is used in place, or by its one name."""
        match self.above[id(made)]:
            case ast.Attribute():
                return [made]
            case ast.Assign(targets=[ast.Name() as to]) | ast.AnnAssign(target=ast.Name() as to):
                place = self._function(made)
                within = self.nodes[path] if place is None else list(ast.walk(place))
                found = [e for e in within if isinstance(e, ast.Name) and e.id == to.id]
                others = chain.from_iterable(self.nodes.values()) if place is None else within
                known = {id(each) for each in found}
                if any(_is_named(e, to.id) and id(e) not in known for e in others):
                    return []
                return [each for each in found if each is not to]
        return []

    def _of_all(self) -> Sequence[ast.AST]:
        """Return where the generator that a process shares is used: functions of `random`."""
        found: list[ast.AST] = []
        for path, nodes in self.nodes.items():
            names = {n for n, of in self.modules[path].items() if f"{of}.".startswith("random.")}
            for node in nodes:
                if isinstance(node, ast.Name) and node.id in names:
                    up = self.above[id(node)]
                    part = getattr(up, "attr", self.modules[path][node.id].rpartition(".")[2])
                    if part not in {"seed", "Random"}:
                        found.append(node)
        return found

    def _makes_data(self, used: ast.AST) -> bool:
        """Whether a generator is asked, in any case, for what can only be data."""
        up = self.above[id(used)]
        call = self.above[id(up)] if isinstance(up, ast.Attribute) else up
        if not (isinstance(call, ast.Call) and call.func in {used, up} and self._is_always(call)):
            return False
        said, place = self._statement(call), self._function(call)
        to = [getattr(said, "target", None), *getattr(said, "targets", ())]
        if called(call)[-1] == "shuffle":  # in place
            to = call.args[:1]
        names = [key for each in to if each is not None for key in names_bound(each)]
        if isinstance(said, ast.Return) and isinstance(place, _FUNCTION):
            names = [place.name]
        return any(map(_is_data, names)) or _fills(said)

    def _said(self, used: ast.AST) -> str:
        """Return the statement that uses a generator, with the numbers that its names stand for."""
        said = self._statement(used)
        names = sorted({e.id for e in ast.walk(said) if isinstance(e, ast.Name)})
        return f"{ast.unparse(said)} {[(e, self.constants[e]) for e in names if self.constants[e]]}"

    def _statement(self, node: ast.AST) -> ast.AST:
        while not isinstance(node, ast.stmt):
            node = self.above[id(node)]
        return node

    def _function(self, node: ast.AST) -> ast.AST | None:
        """Return the function that something stands in, None where it is in none."""
        above: ast.AST | None = self.above.get(id(node))
        while above is not None and not isinstance(above, _FUNCTION | ast.Lambda):
            above = self.above.get(id(above))
        return above

    def _is_always(self, node: ast.AST, seen: frozenset[str] = frozenset()) -> bool:
        """Whether something is executed once or over all data, whatever the settings choose."""
        while (up := self.above.get(id(node))) is not None:
            if isinstance(node, ast.stmt) and any(map(_leaves, self._before(node, up))):
                return False
            if isinstance(up, _FUNCTION):
                return self._is_called(up, seen)
            is_main = isinstance(up, ast.If) and ast.unparse(up.test) == "__name__ == '__main__'"
            over_all = isinstance(up, _OVER_ALL) and not any(e.ifs for e in up.generators)
            over_all = over_all or isinstance(up, ast.comprehension)
            over_all = over_all or (isinstance(up, ast.For) and _fills(up))
            over_all = over_all or (isinstance(up, ast.Compare) and len(up.ops) == 1)
            if not (isinstance(up, (*_ALWAYS, ast.Module)) or is_main or over_all):
                return False
            node = up
        return self._is_executed(next(p for p, tree in self.trees.items() if tree is node), seen)

    def _is_called(
        self, function: ast.FunctionDef | ast.AsyncFunctionDef, seen: frozenset[str]
    ) -> bool:
        name = function.name
        if name in seen or len(self.defined[name]) > 1 or function.decorator_list:
            return False
        seen |= {name}
        return any(
            isinstance(node, ast.Call)
            and called(node, self.modules[path])[-1] == name
            and self._is_always(node, seen)
            for path, nodes in self.nodes.items()
            for node in nodes
        )

    def _is_executed(self, path: str, seen: frozenset[str]) -> bool:
        """Whether a command names a file, or one that is executed imports it in any case."""
        name = posixpath.basename(path)
        stem = posixpath.basename(posixpath.dirname(path)) if name == "__init__.py" else name[:-3]
        others = [p for p in self.trees if posixpath.basename(p) == name]
        if path in seen or len(others) > 1:
            return False
        if any(re.search(rf"(^|[/.]){re.escape(stem)}(\.py|\.ipynb)?$", e) for e in self.words):
            return True
        seen |= {path}
        return any(
            isinstance(node, ast.Import | ast.ImportFrom)
            and stem in _imports(node)
            and self._is_always(node, seen)
            for nodes in self.nodes.values()
            for node in nodes
        )

    @staticmethod
    def _before(node: ast.stmt, up: ast.AST) -> Iterator[ast.AST]:
        """Yield what comes before a statement in its block."""
        for block in (getattr(up, key, ()) for key in ("body", "orelse", "finalbody")):
            if isinstance(block, list) and node in block:
                yield from block[: block.index(node)]


def _is_data(name: str) -> bool:
    return is_of_data(name) or _OF_DATA.search(name) is not None


def _fills(node: ast.AST) -> bool:
    """Whether a statement, or one in a loop, puts rows to data: ``rows.append((x, y))``."""
    said = node.body if isinstance(node, ast.For) else [node]
    calls = [e.value for e in said if isinstance(e, ast.Expr) and isinstance(e.value, ast.Call)]
    names = [name for e in calls if len(name := called(e)) > 1]
    return any(
        name[-1] == "writerow" or (name[-1] == "append" and _is_data(name[-2])) for name in names
    )


def _leaves(node: ast.AST) -> bool:
    """Whether a statement may be the last one that is executed."""
    return not isinstance(node, _FUNCTION | ast.ClassDef) and any(
        isinstance(each, ast.Return | ast.Break | ast.Continue)
        or (isinstance(each, ast.Call) and _LEAVES.search(".".join(called(each))))
        for each in ast.walk(node)
    )


def _is_named(node: ast.AST, name: str) -> bool:
    """Whether a node may be what another file, or another place, calls so."""
    match node:
        case ast.alias(name=of, asname=by):
            return name in {of, by} or of == "*"
        case ast.Global(names=names) | ast.Nonlocal(names=names):
            return name in names
        case ast.Attribute(attr=of) | ast.Name(id=of):
            return of == name
    return False


def _imports(node: ast.Import | ast.ImportFrom) -> set[str]:
    """Return the last parts of the names that an import may take modules from."""
    names = [each.name for each in node.names]
    names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return {name.rpartition(".")[2] for name in names}
