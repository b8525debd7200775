"""Where a project's scripts draw on chance that no repeat's seed steers, by their text.

Asked of a side whose repeats all report the same: has it no chance in it, or is it one draw? So a
doubt is no steering: a seed acts only where it is handed on as it is. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

VARIABLE: Final = "GITEXP_SEED"
SEED_NAME: Final = re.compile(r"(^|_)(seed|random_state|rng_seed)$", re.IGNORECASE)
SEED_CALL: Final = re.compile(
    r"(^|[_.])(seed|seed_all|default_rng|RandomState|Random|PRNGKey|SeedSequence|manual_seed|PCG64"
    r"|seed_everything|MT19937|Philox)$"
)
# What divides data or makes them: where both sides do so alike, both speak of these data.
_OF_DATA = re.compile(r"split|[fF]old|^make_|^fetch_|^load|^sample$|^resample$|[sS]huffle")
_DATA_FILE = re.compile(r"(^|[_/])(data(set)?s?|prepar\w*|split\w*|preproc\w*|featuri\w*)[_.]")
# Libraries that draw nothing, or only from what the caller seeds, or anew in each process.
_KNOWN: Final = frozenset(
    (
        *("sklearn", "numpy", "pandas", "scipy", "yaml", "ruamel", "joblib", "pyarrow", "polars"),
        *("dvc", "dvclive", "gitexp", "matplotlib", "seaborn", "toml", "tomllib", "click", "tqdm"),
        *("statsmodels", "PIL", "skimage", "cv2", "torch", "torchvision", "tensorflow", "keras"),
        *("jax", "flax", "optax", "typer", "rich", "requests", "pydantic", "omegaconf", "hydra"),
        *("dotenv", "tabulate", "orjson", "h5py", "tyro", "fire", "lightning", "nltk", "attr"),
        *("pytorch_lightning", "setuptools", "attrs", "mlflow", "wandb", "typing_extensions"),
    )
)
_GLOBAL = {"torch", "tensorflow", "keras", "jax", "lightning", "pytorch_lightning"}
_TAKES_STATE = re.compile(  # of scikit-learn: what takes random_state
    r"Forest|Boost|Bagging|Tree|MLP|SGD|Perceptron|KMeans|TSNE|train_test_split|ShuffleSplit"
    r"|Mixture|RandomizedSearch|permutation_importance|^resample$|^shuffle$|^make_|Dummy|PCA|SVD"
)
_DECLARES = frozenset(("add_argument", "option", "Option"))
_LOADS = re.compile(r"load|open|Path|read|parse_args|^parse$|^vars$|^str$|^join$")
_ELSEWHERE = re.compile(  # another program, but for what only looks
    r"\b(subprocess\.\w+|os\.system|popen)\((?!\s*\[?\s*f?[\"'](git|nvidia-smi|pip)\b"
    r"|\s*\[\s*sys\.executable)"
)
# What may make the same of all seeds.
_BLUNT = frozenset(("min", "max", "bool", "len", "round", "divmod", "pow", "any", "all", "type"))
_MAY_CHANGE = ast.Compare | ast.Lambda | ast.IfExp | ast.comprehension | ast.BoolOp
_ROUNDS = 20  # of names that stand for names
_LARGE = 10**4  # what is left of a division by more is as good as the number


@dataclass(frozen=True, slots=True)
class Draw:
    """A call, or a table of arguments, that takes chance from a seed which no repeat changes."""

    path: str
    name: str  # of what is called, "" for a table
    node: ast.Call | ast.Dict
    number: ast.Constant | None  # the seed, where the text has it
    at: str  # path of the file that has the number

    @property
    def is_of_data(self) -> bool:
        """Whether it only divides or makes data, by its name or that of its file."""
        return bool(_OF_DATA.search(self.name) or _DATA_FILE.search(self.path))


@dataclass(slots=True)
class Scripts:
    """Python files that are executed together, and what their names may stand for.

    Attributes
    ----------
    trees : Mapping of str to ast.AST
    words : collection of str
        By which these scripts know the seed that they are given: an option, the key of a parameter.
    """

    trees: Mapping[str, ast.AST]
    words: Collection[str] = ()
    _values: dict[str, list[tuple[str, ast.expr]]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _own: dict[str, list[ast.arguments]] = field(default_factory=dict)
    _fields: set[int] = field(default_factory=set)
    _live: set[str] = field(default_factory=set)  # names that stand for the seed of a repeat

    def __post_init__(self) -> None:
        """Collect the values of names; attributes, keys and parameters are names like others."""
        nodes = [(path, node) for path, tree in self.trees.items() for node in ast.walk(tree)]
        for path, node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._define(path, node)
        for path, node in nodes:
            for name, value in self._given(node) if id(node) not in self._fields else ():
                self._values[name].append((path, value))
        for path, node in nodes:
            for arguments in self._own.get(getattr(node, "name", ""), ()):
                for name, value in _defaults(arguments).items():
                    if name not in self._values:
                        self._values[name].append((path, value))
        self._settle()

    def _define(self, path: str, own: ast.FunctionDef | ast.ClassDef) -> None:
        arguments = self._own.setdefault(own.name, [])
        if isinstance(own, ast.ClassDef):  # fields of a dataclass, which a call may give
            fields = [n for n in own.body if isinstance(n, ast.AnnAssign) and n.value is not None]
            names = [ast.arg(_key(each.target)) for each in fields]
            values = [each.value for each in fields]
            arguments.append(
                ast.arguments([], names, None, [], [], None, [v for v in values if v is not None])
            )
            self._fields |= {id(each) for each in fields}
        for each in ast.walk(own):
            if isinstance(each, ast.FunctionDef) and each.name in {own.name, "__init__"}:
                arguments.append(each.args)
            elif isinstance(each, ast.Return) and each.value is not None:
                self._values[f"{own.name}()"].append((path, each.value))

    def _settle(self) -> None:
        """Find the names that stand for the seed of a repeat, whatever else they may stand for."""
        self._live.update(self.words)
        for _ in range(_ROUNDS):  # what may, then what cannot but
            self._live |= {n for n, e in self._values.items() if any(self._are_live(n, e))}
        for _ in range(_ROUNDS):
            self._live -= {n for n, e in self._values.items() if not all(self._are_live(n, e))}

    def draws(self) -> Iterator[Draw]:
        """Yield what draws on a seed that no repeat changes."""
        for path, name, node, value in self._seeds():
            if not self._is_live(value):
                at, number = self._number(path, value)
                yield Draw(path, name, node, number, at)

    def numbers(self) -> Iterator[tuple[str, ast.Constant]]:
        """Yield the numbers that a name of a seed stands for, each with its file."""
        for name, values in self._values.items():
            for path, value in values if SEED_NAME.search(name) else ():
                if isinstance(value, ast.Constant) and type(value.value) is int:
                    yield path, value

    def takes_seed(self) -> bool:
        """Whether something draws on a seed that each repeat changes."""
        return any(self._is_live(value) for *_, value in self._seeds())

    def strange(self, texts: Collection[str]) -> str:
        """Return a library, or a program, that may draw from a seed of its own, "" for none."""
        own = {part for path in self.trees for part in path.removesuffix(".py").split("/")}
        for tree in self.trees.values():
            for name in imported(tree).values():
                top = name.partition(".")[0]
                if top not in {*_KNOWN, *own} and top not in sys.stdlib_module_names:
                    return top
        return "another program" if any(map(_ELSEWHERE.search, texts)) else ""

    def reads_seed(self) -> bool:
        """Whether a script may read the seed of a repeat, whatever it does with it."""
        spelt = "|".join(re.escape(word) for word in self.words) or "(?!)"
        named = re.compile(rf"(?<!\w)({spelt})(?!\w)")
        for tree in self.trees.values():
            nodes = list(ast.walk(tree))
            calls = [node for node in nodes if isinstance(node, ast.Call)]
            aside = {id(each.func) for each in calls}
            for call in calls:
                if called(call)[-1] in _DECLARES:
                    aside |= {id(each) for each in ast.walk(call)}
            for node in nodes:
                if id(node) in aside or isinstance(getattr(node, "ctx", None), ast.Store):
                    continue
                key = node.arg if isinstance(node, ast.arg) else _key(node)
                said = isinstance(node, ast.Constant) and named.search(spelled(key))
                if key == VARIABLE or key in self._live or said:
                    return True
                if isinstance(node, ast.keyword) and node.arg is None:
                    return True
        return False

    def hands_on(self, file: str, key: Sequence[str]) -> bool:  # noqa: C901
        """Whether a script hands on a part of what it was given that holds the seed.

        Parameters
        ----------
        file : str
            Name of a params file; "" for the options of the command line.
        key : sequence of str
            The seed, from the top of that.
        """
        parts: dict[str, tuple[str, ...]] = {}
        looked_up: set[int] = set()

        def part(node: ast.AST | None) -> tuple[str, ...] | None:  # noqa: PLR0911  by its kind
            match node:
                case ast.Constant(value=str() as text):
                    return () if file and text.endswith(file) else None
                case ast.Name():
                    return parts.get(node.id)
                case ast.Attribute(value=base, attr=name):
                    return below(base, name) if id(node) not in functions else None
                case ast.Subscript(value=base, slice=ast.Constant(value=str() as name)):
                    return below(base, name)
                case ast.Call(func=ast.Attribute(value=base, attr="get"), args=[first, *_]):
                    return below(base, _key(first)) if _key(first) else None
                case ast.Call() if _LOADS.search(called(node)[-1]):
                    given = [*node.args, *(k.value for k in node.keywords)]
                    given += [node.func.value] if isinstance(node.func, ast.Attribute) else []
                    return whole(given, always=not file and called(node)[-1] == "parse_args")
                case ast.BinOp():
                    return whole([node.left, node.right])
            return None

        def below(base: ast.expr, name: str) -> tuple[str, ...] | None:
            if (above := part(base)) is None:
                return parts.get(name)
            looked_up.add(id(base))
            return (*above, name)

        def whole(given: Iterable[ast.expr], *, always: bool = False) -> tuple[str, ...] | None:
            found = [each for each in given if part(each) == ()]
            looked_up.update(map(id, found))
            return () if found or always else None

        nodes = [node for tree in self.trees.values() for node in ast.walk(tree)]
        functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        given = {n: [v for _, v in e] for n, e in self._values.items() if not n.endswith("()")}
        for _ in range(_ROUNDS):
            found = {name: part(v) for name, e in given.items() for v in e if part(v) is not None}
            if found == parts:
                break
            parts = found  # type: ignore[assignment]
        followed = {id(value) for values in given.values() for value in values}
        reached = [(node, part(node)) for node in nodes]
        return any(
            where is not None
            and tuple(key[: len(where)]) == where
            and id(node) not in looked_up | followed
            and not isinstance(getattr(node, "ctx", None), ast.Store)
            for node, where in reached
        )

    def draws_anew(self) -> bool:
        """Whether a script may draw on chance that nothing in it fixes."""
        seeded = {id(node) for _, _, node, _ in self._seeds()}
        for path, tree in self.trees.items():
            modules = imported(tree)
            calls = [
                (".".join(called(node, modules)), node)
                for node in ast.walk(tree)
                if isinstance(node, ast.Call)
            ]
            fixes = {n for n, node in calls if SEED_CALL.search(n) and id(node) in seeded}
            roots = {name.partition(".")[0] for name in modules.values()}
            if roots & _GLOBAL and not any("seed" in name for name in fixes):
                return True
            if not fixes and self.strange(()) and path not in {e.path for e in self.draws()}:
                return True
            if any(_is_anew(n, call, fixes) for n, call in calls if id(call) not in seeded):
                return True
        return False

    def _seeds(self) -> Iterator[tuple[str, str, ast.Call | ast.Dict, ast.expr]]:
        """Yield what takes a seed, with it; not what draws anew each time."""
        for path, tree in self.trees.items():
            modules = imported(tree)
            for node in ast.walk(tree):
                if isinstance(node, ast.Dict):
                    name, pairs = "", zip(node.keys, node.values, strict=True)
                    given = [v for k, v in pairs if SEED_NAME.search(str(getattr(k, "value", "")))]
                elif isinstance(node, ast.Call):
                    owner, name = ("", *called(node, modules))[-2:]
                    if name in self._own:  # its own text shows what it does with it
                        continue
                    given = [k.value for k in node.keywords if SEED_NAME.search(k.arg or "")]
                    if SEED_CALL.search(name) or (owner, name) == ("random", "key"):
                        given = [*node.args[:1], *given]
                else:
                    continue
                for each in given:
                    if not (isinstance(each, ast.Constant) and each.value is None):
                        yield path, name, node, each

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
                pairs = [(k, v) for k, v in zip(node.keys, node.values, strict=True) if k]
            case ast.Call() if (name := called(node)[-1]) in self._own:
                given = {each.arg: each.value for each in node.keywords if each.arg}
                yield from given.items()
                for arguments in self._own[name]:
                    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
                    if names[:1] in (["self"], ["cls"]):
                        names = names[1:]
                    elif isinstance(node.func, ast.Attribute) and not self._is_module(node.func):
                        continue  # a method of something else
                    positional = dict(zip(names, node.args, strict=False))
                    yield from (_defaults(arguments) | positional | given).items()
                return
            case _:
                return
        yield from ((key, value) for target, value in pairs for key in _targets(target) if key)

    def _is_module(self, node: ast.Attribute) -> bool:
        return any(_key(node.value) in imported(tree) for tree in self.trees.values())

    def _is_live(self, node: ast.AST) -> bool:  # noqa: PLR0911  one way for each kind of node
        """Whether a value is what a repeat is given as its seed, handed on as it is."""
        match node:
            case ast.Name() | ast.Constant():
                key = _key(node)
                return key == VARIABLE or key in self._live
            case ast.Attribute(attr=key):
                known = key in self._live or key in self._values
                return key in self._live if known else self._is_live(node.value)
            case ast.Call() if (name := called(node)[-1]) in self._own:
                return f"{name}()" in self._live
            case ast.IfExp(body=one, orelse=two):
                return self._is_live(one) and self._is_live(two)
            case ast.BoolOp(op=ast.Or(), values=[one, *_]):
                return self._is_live(one)
        if _is_blunt(node):
            return False
        return any(self._is_live(child) for child in ast.iter_child_nodes(node))

    def _are_live(self, name: str, values: Iterable[tuple[str, ast.expr]]) -> Iterator[bool]:
        return (self._is_live(value) for _, value in values if not _is_same(value, name))

    def _number(self, path: str, node: ast.expr) -> tuple[str, ast.Constant | None]:
        """Return the number that a seed is in the end, and the file that has it."""
        for _ in range(3):  # a name may stand for a name that stands for a name
            if isinstance(node, ast.Name) and self._values.get(node.id):
                path, node = self._values[node.id][0]
        is_number = isinstance(node, ast.Constant) and type(node.value) is int
        return path, node if is_number else None  # type: ignore[return-value]


def _is_anew(name: str, call: ast.Call, fixes: Collection[str]) -> bool:
    """Whether a call without a seed takes its chance from nowhere that is fixed."""
    owner, _, last = name.rpartition(".")
    if owner in {"random", "numpy.random"} and last != "seed":
        return last in {"default_rng", "RandomState", "Random"} or f"{owner}.seed" not in fixes
    given = {each.arg for each in call.keywords}
    takes = _TAKES_STATE.search(last) or (last.endswith("Fold") and "shuffle" in given)
    return bool(takes) and None not in given and "numpy.random.seed" not in fixes


def spelled(text: str) -> str:
    """Return an option or a key as the name that a script has for it."""
    return text.lstrip("-+").replace("-", "_")


def called(call: ast.Call, modules: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Return the dotted name of what is called, ("",) where it has none."""
    parts: list[str] = []
    node = call.func
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts += reversed((modules or {}).get(node.id, node.id).split("."))
    return tuple(reversed(parts)) or ("",)


def imported(tree: ast.AST) -> dict[str, str]:
    """Return what the names of modules and of their parts stand for."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                names[each.asname or top] = each.name if each.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
    return names


def _key(node: ast.AST) -> str:
    """Return the name by which a value is known: a variable's, an attribute's, a key."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return node.attr
        case ast.Constant(value=str() as text):
            return text
    return ""


def _targets(node: ast.AST) -> Iterator[str]:
    """Yield the names that an assignment gives a value."""
    match node:
        case ast.Tuple() | ast.List():
            for each in node.elts:
                yield from _targets(each)
        case ast.Starred():
            yield from _targets(node.value)
        case ast.Subscript():
            yield _key(node.slice)
        case _:
            yield _key(node)


def _is_same(node: ast.expr, name: str) -> bool:
    """Whether a value only hands on what already has this name: ``seed = int(args.seed)``."""
    parts = list(ast.walk(node))
    return any(_key(each) == name for each in parts) and not any(map(_is_blunt, parts))


def _is_blunt(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(op=ast.Mod(), right=by):
            return isinstance(by, ast.Constant) and not (
                isinstance(by.value, int) and by.value > _LARGE
            )
        case ast.BinOp(op=ast.Mult()):
            return any(isinstance(e, ast.Constant) and not e.value for e in (node.left, node.right))
        case ast.BinOp():
            return not isinstance(node.op, ast.Add | ast.Sub | ast.BitXor | ast.LShift)
        case ast.Call():
            return called(node)[-1] in _BLUNT
    return isinstance(node, _MAY_CHANGE)


def _defaults(arguments: ast.arguments) -> dict[str, ast.expr]:
    named = [*arguments.posonlyargs, *arguments.args]
    last = named[len(named) - len(arguments.defaults) :]
    pairs = [*zip(last, arguments.defaults, strict=True)]
    pairs += [
        (each, value)
        for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value is not None
    ]
    return {each.arg: value for each, value in pairs}
