"""Names of Python files that are executed together, and what each may stand for."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from itertools import chain, product
from math import prod
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.syntax import (
    SEED_CALL,
    SEED_NAME,
    VARIABLE,
    asks_for_seed,
    called,
    declared,
    defaults_of,
    entries,
    imported,
    is_blunt,
    is_none,
    is_of_data,
    is_same,
    is_variable,
    name_of,
    names_bound,
    path_parts,
    root_of,
    spelled,
    text_of,
)
from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

DECLARES = frozenset(("add_argument", "option", "Option"))
HOLDS = frozenset(("dict", "Namespace", "SimpleNamespace", "update", "replace", "set_defaults"))
ROUNDS = 20  # of names that stand for names

_MOST, _LONGEST = 1_000, 4_096  # paths that an expression may be, and characters of one
_ORDERS = re.compile("^(permutation|shuffle)$")
_AGAIN = ast.For | ast.While | ast.comprehension | ast.FunctionDef | ast.Lambda | ast.ClassDef


@dataclass(frozen=True)
class Met:
    """Names above a value, and those that need no second look: one unknown makes all unknown."""

    above: tuple[str, ...]
    done: set[str]

    def below(self, key: str) -> Met:
        """Return what is above the values of a name."""
        return Met((*self.above, key), self.done)


@dataclass()
class Bindings:
    """Python files that are executed together, and what their names may stand for."""

    trees: Mapping[str, ast.AST]
    # by which these scripts know the seed that they are given: an option, the key of a parameter
    words: Collection[str] = ()
    # names of the files of settings that they may read, whose keys were looked at
    files: Collection[str] = ()
    commands: str = ""  # what may give an option: one that it lacks has its default
    # Whether no job has a file of this name, or whose path ends in it, when its command starts.
    absent: Callable[[str], bool] = lambda _: False
    _values: dict[str, list[tuple[str, ast.expr]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _own: dict[str, list[ast.arguments]] = field(default_factory=dict)
    _bodies: dict[str, list[ast.AST]] = field(default_factory=lambda: defaultdict(list))
    _aside: set[int] = field(default_factory=set)  # what gives no value where a seed is given
    _nodes: dict[str, list[ast.AST]] = field(default_factory=dict)  # of each tree
    _modules: dict[str, dict[str, str]] = field(default_factory=dict)  # names, by file
    _imported: dict[str, str] = field(default_factory=dict)
    _open: set[str] = field(default_factory=set)  # parameters that a call in the text need not give
    _live: set[str] = field(default_factory=set)  # names that stand for the seed of a repeat
    _reseeded: set[str] = field(default_factory=set)  # objects that are given that seed later
    _stems: set[str] = field(default_factory=set)  # by which these files import each other
    _calls: dict[str, list[tuple[str, ast.Call]]] = field(default_factory=dict)  # by dotted name
    _options: dict[str, list[ast.Call]] | None = None
    # What gives a seed, with it, wherever it goes: file, name, node, seed; not what draws anew.
    _seeds: list[tuple[str, str, ast.AST, ast.expr]] = field(default_factory=list)

    def settle(self) -> None:  # noqa: C901  one case for each kind of node
        """Collect the values of names; `.name` is an attribute or a key, whatever it is of."""
        self._nodes = {path: list(ast.walk(tree)) for path, tree in self.trees.items()}
        nodes = [(path, node) for path, found in self._nodes.items() for node in found]
        for path, found in self._nodes.items():
            self._modules[path] = imported(found)
            self._imported |= self._modules[path]
            every = (node for node in found if isinstance(node, ast.Call))
            self._calls[path] = [(".".join(called(e, self._modules[path])), e) for e in every]
        for call in self._declarations():
            given = [*call.args, *(each.value for each in call.keywords if each.arg == "dest")]
            names = {spelled(text_of([each])) for each in given}
            self.words = {*self.words, *(names if names.intersection(self.words) else ())}
        for path, node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._define(path, node)
            elif isinstance(node, ast.Try) and any(map(is_variable, ast.walk(node))):
                self._aside |= {id(e) for each in node.handlers for e in ast.walk(each)}
            elif isinstance(node, ast.If) and asks_for_seed(node.test):
                self._aside |= {id(e) for each in node.orelse for e in ast.walk(each)}
        for path, node in nodes:
            for name, value in self._given(node) if id(node) not in self._aside else ():
                self._values[name].append((path, value))
        for path, node in nodes:
            for arguments in self._own.get(getattr(node, "name", ""), ()):
                for name, value in defaults_of(arguments).items():
                    if name not in self._values and name not in self.words:
                        self._values[name].append((path, value))
        self._find_live()
        self._stems = {e for path in self.trees for e in path.removesuffix(".py").split("/")}
        self._seeds = [
            (path, name, node, value)
            for path, node in nodes
            for name, value in self._taken(node, self._modules[path])
            if id(node) not in self._aside and not is_none(value)
        ]
        live = [(node, name) for _, name, node, value in self._seeds if self._is_live(value)]
        calls = [e.func for e, name in live if isinstance(e, ast.Call) and name == "set_params"]
        assigned = [each for e, _ in live if isinstance(e, ast.Assign) for each in e.targets]
        reseeded = [each for each in (*calls, *assigned) if isinstance(each, ast.Attribute)]
        self._reseeded = {name_of(each.value) for each in reseeded}

    def _declarations(self) -> Iterator[ast.Call]:
        """Yield what declares an option of the command line."""
        every = chain.from_iterable(self._calls.values())
        return (each for name, each in every if name.rpartition(".")[2] in DECLARES)

    def _options_of(self) -> Mapping[str, list[ast.Call]]:
        """Return what declares an option, by its name."""
        if self._options is None:  # it is asked for at each name that a path goes by
            self._options = defaultdict(list)
            for call in self._declarations():
                for name, _ in declared(call):
                    self._options[name].append(call)
        return self._options

    def _define(self, path: str, own: ast.FunctionDef | ast.ClassDef) -> None:
        arguments = self._own.setdefault(own.name, [])
        self._bodies[own.name].append(own)
        if isinstance(own, ast.ClassDef):  # fields of a dataclass, which a call may give
            fields = [n for n in own.body if isinstance(n, ast.AnnAssign) and n.value is not None]
            names = [ast.arg(name_of(each.target)) for each in fields]
            values = [each.value for each in fields]
            arguments.append(
                ast.arguments([], names, None, [], [], None, [v for v in values if v is not None])
            )
            self._aside |= {id(each) for each in fields}
            for set_here in own.body:
                if isinstance(set_here, ast.Assign):
                    for key in (key for target in set_here.targets for key in names_bound(target)):
                        self._values[f".{key}"].append((path, set_here.value))
        elif own.args.kwarg is not None or own.decorator_list:
            kwarg = [own.args.kwarg] if own.args.kwarg else []
            named = own.args.args if own.decorator_list and self.files else []
            self._open |= {each.arg for each in (*kwarg, *named)}
        for each in ast.walk(own):
            if isinstance(each, ast.FunctionDef) and each.name in {own.name, "__init__"}:
                arguments.append(each.args)
            elif isinstance(each, ast.Return) and each.value is not None:
                self._values[f"{own.name}()"].append((path, each.value))

    def _find_live(self) -> None:
        """Find the names that stand for the seed of a repeat, whatever else they may stand for."""
        self._live.update(self.words, (f".{word}" for word in self.words))
        self._live |= {n for n, e in self._values.items() if any(is_none(v) for _, v in e)}
        own = {
            name: [v for _, v in values if not (is_same(v, name) or is_none(v))]
            for name, values in self._values.items()
        }
        for _ in range(ROUNDS):  # what may, then what cannot but
            rest = own.keys() - self._live
            if not (more := {name for name in rest if any(map(self._is_live, own[name]))}):
                break
            self._live |= more
        for _ in range(ROUNDS):
            less = {
                name
                for name in own.keys() & self._live
                if not all(map(self._is_live, own[name]))
                or all(is_none(value) for _, value in self._values[name])
            }
            if not less:
                break
            self._live -= less

    def _taken(self, node: ast.AST, modules: Mapping[str, str]) -> Iterator[tuple[str, ast.expr]]:
        """Yield the seeds that a node gives to something, with the name of that."""
        match node:
            case ast.Call():
                yield from self._taken_by(node, modules)
            case ast.ClassDef():
                pairs = [
                    e for own in node.body if isinstance(own, ast.Assign) for e in self._given(own)
                ]
                yield from (pair for pair in pairs if SEED_NAME.search(pair[0]))
            case _:
                found = [pair for pair in self._given(node) if pair[0].startswith(".")]
                is_table = isinstance(node, ast.Dict)
                yield from (("" if is_table else n, v) for n, v in found if SEED_NAME.search(n))

    def _taken_by(
        self, call: ast.Call, modules: Mapping[str, str]
    ) -> Iterator[tuple[str, ast.expr]]:
        owner, name = ("", *called(call, modules))[-2:]
        if name in DECLARES:
            options = [pair for pair in declared(call) if pair[0] not in self.words]
            yield from (pair for pair in options if SEED_NAME.search(pair[0]))
            return
        given: list[ast.expr] = []
        if SEED_CALL.search(name) or (owner, name) == ("random", "key"):
            given += call.args[:1]
        place = {"setattr": 1, "setdefault": 0, "__setitem__": 0, "__setattr__": 0}.get(name)
        key = "" if place is None else text_of(call.args[place : place + 1])
        if place is not None and key != VARIABLE and SEED_NAME.search(key):
            given += call.args[place + 1 :]
        yield from ((name, each) for each in given)
        for each in call.keywords:
            if each.arg and SEED_NAME.search(each.arg):
                yield each.arg if is_of_data(each.arg) else name, each.value

    def _given(self, node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
        """Yield the names to which a node gives a value, with it."""
        match node:
            case ast.Assign():
                pairs = [(target, node.value) for target in node.targets]
            case ast.AnnAssign() | ast.NamedExpr() | ast.AugAssign() if node.value is not None:
                pairs = [(node.target, node.value)]
            case ast.For() | ast.comprehension():
                pairs = [(node.target, node.iter)]
            case ast.withitem() if node.optional_vars is not None:
                pairs = [(node.optional_vars, node.context_expr)]
            case ast.Dict():
                pairs = [(k, v) for k, v in entries(node) if k]
            case ast.Call():
                yield from self._handed(node)
                return
            case _:
                return
        yield from ((key, value) for target, value in pairs for key in names_bound(target) if key)

    def _handed(  # noqa: C901  one way for each kind of call
        self, call: ast.Call
    ) -> Iterator[tuple[str, ast.expr]]:
        """Yield the names to which a call gives a value."""
        name = called(call, self._imported)[-1]
        given = {each.arg: each.value for each in call.keywords if each.arg}
        if name in DECLARES:
            for key, value in declared(call):
                if key not in self.words:
                    yield f".{key}", value
                    if name == "option":  # of click: a parameter of what it decorates
                        yield key, value
        elif name in HOLDS:
            yield from ((f".{key}", value) for key, value in given.items())
            if name == "update" and isinstance(call.func, ast.Attribute):
                yield from ((name_of(call.func.value), each) for each in call.args[:1])
        elif name == "setattr":
            yield from ((f".{text_of(call.args[1:2])}", each) for each in call.args[2:])
        for arguments in self._own.get(name, ()):
            names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
            if names[:1] in (["self"], ["cls"]):
                names = names[1:]
            elif isinstance(call.func, ast.Attribute) and not self._is_module(call.func):
                continue  # a method of something else
            positional = dict(zip(names, call.args, strict=False))
            for key, value in (defaults_of(arguments) | positional | given).items():
                yield key, value
                if not arguments.posonlyargs and name[:1].isupper():  # fields of a dataclass
                    yield f".{key}", value

    def _key(self, node: ast.AST) -> str:
        """Return the name whose values a value may have."""
        if isinstance(node, ast.Attribute) and self._is_module(node):
            return node.attr
        return f"{called(node)[-1]}()" if isinstance(node, ast.Call) else name_of(node)

    def _is_module(self, node: ast.Attribute) -> bool:
        return name_of(node.value) in self._imported

    def _is_live(self, node: ast.AST) -> bool:  # noqa: C901, PLR0911  one way for each kind of node
        """Whether a value is what a repeat is given as its seed, handed on as it is."""
        match node:
            case ast.Name() | ast.Constant():
                return is_variable(node) or name_of(node) in self._live
            case ast.Dict():  # what it holds is known by its keys
                return False
            case ast.Attribute(value=base) if name_of(node) not in {*self._live, *self._values}:
                if self._is_module(node):
                    return node.attr in self._live
                return self._is_live(base)
            case ast.Attribute():
                return name_of(node) in self._live
            case ast.Subscript(slice=ast.Constant(value=str())):
                return is_variable(node.slice) or name_of(node) in self._live
            case ast.Call(args=given) if any(map(is_variable, given[:1])):
                return True  # os.environ.get, whatever of that name is the script's own
            case ast.Call() if (name := called(node, self._imported)[-1]) in self._own:
                return f"{name}()" in self._live
            case ast.IfExp(body=one, orelse=two):
                first, second = self._is_live(one), self._is_live(two)
                if first and (second or asks_for_seed(node.test) or self._is_empty(two)):
                    return True
                return second and self._is_empty(one)
            case ast.BoolOp(op=ast.Or(), values=values):
                return self._is_live(next((e for e in values if not self._is_empty(e)), values[0]))
        if is_blunt(node):
            return False
        return any(self._is_live(child) for child in ast.iter_child_nodes(node))

    def _is_empty(self, node: ast.AST) -> bool:
        """Whether a value is None, an option that nobody gives."""
        values = [is_none(value) for _, value in self._values.get(name_of(node), ())]
        return (
            is_none(node)
            or bool(values and all(values))
            or (any(values) and name_of(node) in self._live)
        )

    def _is_number(self, node: ast.expr, met: dict[str, bool] | None = None) -> bool:
        """Whether a seed can be nothing but a number in the text, by all that its name gets."""
        if isinstance(node, ast.Constant):
            return type(node.value) is int
        key, met = self._key(node), {} if met is None else met
        if key not in met:
            met[key] = False  # of itself it is none
            found = self._values.get(key, [])
            met[key] = bool(found) and all(self._is_number(value, met) for _, value in found)
        return met[key]

    def _origin(self, path: str, node: ast.expr) -> tuple[str, ast.expr]:
        """Return what a seed is in the end, and the file that has it."""
        for _ in range(3):  # a name may stand for a name that stands for a name
            if found := self._values.get(self._key(node)):
                path, node = found[0]
        return path, node

    def _paths(self, node: ast.AST, met: dict[str, frozenset[str]] | None = None) -> frozenset[str]:
        """Return what a path in the folder of a job may be; empty where it may be any."""
        met = {} if met is None else met
        key = f"{called(node)[-1]}()" if isinstance(node, ast.Call) else name_of(node)
        if isinstance(node, ast.Constant) or key == "__file__":
            return frozenset(filter(None, (str(getattr(node, "value", key)),)))
        by, parts = path_parts(node, self._imported)
        if parts:
            found = [self._paths(each, met) for each in parts]
            longest = sum(max(map(len, each), default=0) for each in found)
            if longest > _LONGEST or prod(map(len, found)) > _MOST:
                return frozenset()
            return frozenset(map(by.join, product(*found)))
        if isinstance(node, ast.Attribute) and self._is_module(node):
            key = node.attr
        asked = self._options_of().get(key[1:], ())
        is_given = any(text_of([e]) in self.commands for call in asked for e in call.args)
        if key not in met:
            met[key] = frozenset()  # of itself it may be any
            values = () if is_given else self._values.get(key, ())
            found = [self._paths(value, met) for _, value in values if not is_none(value)]
            met[key] = frozenset().union(*found) if all(found) else frozenset()
        return met[key]

    def _is_absent(self, read: ast.Call) -> bool:
        """Whether a job that starts lacks the file that a call reads, or looks for."""
        by_itself = path_parts(read, self._imported)[1]
        of = [read] if by_itself else read.args or [each.value for each in read.keywords]
        paths = self._paths(of[0]) if of else ()
        return bool(paths) and all(map(self.absent, paths))

    def _is_seeder(self, node: ast.expr) -> bool:
        """Whether a value is a library's function that seeds, which is called elsewhere."""
        name, path = name_of(node).lstrip("."), self._imported.get(root_of(node), "")
        functions = SEED_CALL.search(name) and not name[:1].isupper()
        return bool(functions and path) and path.partition(".")[0] not in self._stems

    def _parts(self, path: str, made: ast.AST) -> str:
        """Return how a generator divides the data, where its one use is to order them for that.

        ``i = Random(0).permutation(n); a, b = i[:90], i[90:]``. A shuffle whose order goes anywhere
        else, or that is made in a loop, may be the chance of a method.
        """
        nodes = self._nodes[path]
        named = [
            node.targets[0]
            for node in nodes
            if isinstance(node, ast.Assign) and node.value is made and len(node.targets) == 1
        ]
        uses = [made] if not named else _named(nodes, name_of(named[0]))
        calls = [
            node
            for node in nodes
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.value in uses
            and _ORDERS.search(node.func.attr)
        ]
        if len(calls) != 1 or len(uses) != 1 + len(named) or not calls[0].args:
            return ""
        (call,) = calls
        within = [n for n in nodes if isinstance(n, _AGAIN) and call in ast.walk(n)]
        if any(not isinstance(n, ast.FunctionDef) or made not in ast.walk(n) for n in within):
            return ""
        orders = [call.args[0]] if called(call)[-1] == "shuffle" else []
        orders += [n.targets[0] for n in nodes if isinstance(n, ast.Assign) and n.value is call]
        if len(orders) != 1 or not isinstance(orders[0], ast.Name):
            return ""
        heads, tails = set(), set()
        lengths = [
            e for n in nodes if isinstance(n, ast.Call) and called(n) == ("len",) for e in n.args
        ]
        slices = {id(n.value): n.slice for n in nodes if isinstance(n, ast.Subscript)}
        end = call.end_lineno or call.lineno, call.end_col_offset or call.col_offset
        for each in _named(nodes, orders[0].id):
            if each in lengths or (each.lineno, each.col_offset) <= end:
                continue
            match slices.get(id(each)):
                case ast.Slice(lower=None, upper=ast.expr() as bound, step=None):
                    heads.add(ast.unparse(self._origin(path, bound)[1]))
                case ast.Slice(lower=ast.expr() as bound, upper=None, step=None):
                    tails.add(ast.unparse(self._origin(path, bound)[1]))
                case _:
                    return ""
        return f"{ast.unparse(call)} at {heads.pop()}" if len(heads) == 1 and heads == tails else ""


def _named(nodes: Iterable[ast.AST], name: str) -> list[ast.Name]:
    """Return where a name stands, as what is read or is given a value."""
    return [node for node in nodes if isinstance(node, ast.Name) and node.id == name]
