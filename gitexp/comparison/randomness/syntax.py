"""The syntax of Python files: names of calls, arguments and what is assigned; nothing executed."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VARIABLE: Final = "GITEXP_SEED"
# By hand it has the seed of the snapshot, which is 0 where the settings name none.
READ: Final = f'int(os.environ.get("{VARIABLE}", 0))'
# What divides data or makes them: where both sides do so alike, both speak of these data.
_MAKES = r"^make_(?!pipeline|union|column|scorer|.*(model|net|clf|classifier|regressor|estimator))"
_OF_DATA = re.compile(rf"split|[fF]old|{_MAKES}|^fetch_|^load|^sample$|^resample$|[sS]huffle")
_DATA_FILE = re.compile(r"(^|[_/])(data(set)?s?|prepar\w*|split\w*|preproc\w*|featuri\w*)[_.]")
# Gives numbers and texts, no objects that could train.
_OF_SETTINGS = re.compile(
    r"^(?!.*(unsafe|pickle)).*(yaml|json|toml|omegaconf)", re.IGNORECASE | re.DOTALL
)
WRAPPED = re.compile(r"^((base|final)_)?(estimators?|classifier|regressor|model|steps)$")
# What may make the same of all seeds.
_BLUNT = frozenset(("min", "max", "bool", "len", "round", "divmod", "pow", "any", "all", "type"))
_TEXTS = re.compile(r"'[^']*'|\"[^\"]*\"")
_MAY_CHANGE = ast.Compare | ast.Lambda | ast.IfExp | ast.comprehension | ast.BoolOp
_SAME_PATH = re.compile(  # gives a path again, or what is there
    r"^(str|fspath|open|exists|is_?file|abspath|realpath|normpath|resolve|absolute|as_posix)$|^read_"
)
SETTINGS: Final = re.compile(r"\.(ya?ml|json|toml|ini|cfg|conf|env)$", re.IGNORECASE)
_LARGE = 10**4  # what is left of a division by more is as good as the number
SEED_NAME: Final = re.compile(r"(^|[_.-])(seed|random[_-]state)$", re.IGNORECASE)
SEED_CALL: Final = re.compile(
    r"(^|[_.])(seed|seed_all|default_rng|RandomState|Random|PRNGKey|SeedSequence|PCG64(DXSM)?|SFC64"
    r"|seed_everything|MT19937|Philox|check_random_state|set_?state|set_rng_state)$"
)
TAKES_STATE = re.compile(  # of scikit-learn: what takes random_state
    r"Forest|Boost|Bagging|Tree|MLP|SGD|Perceptron|KMeans|TSNE|train_test_split|ShuffleSplit"
    rf"|Mixture|RandomizedSearch|permutation_importance|^resample$|^shuffle$|{_MAKES}|Dummy|PCA|SVD"
)
# What takes a random_state and hardly draws on it, as it is usually called.
STEADY: Final = re.compile(
    r"^(Logistic|Ridge|Lasso|Elastic)|SV[CR]$|DecisionTree|GradientBoost|XGB|LGBM|CatBoost"
)


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
    if isinstance(node, ast.Call) and not parts and called(node) == ("getattr",):
        parts, node = [text_of(node.args[1:2])], node.args[0]
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
    if isinstance(node, ast.Name):
        parts += reversed((modules or {}).get(node.id, node.id).split("."))
    return tuple(reversed(parts)) or ("",)


def imported(nodes: Iterable[ast.AST]) -> dict[str, str]:
    """Return what the names of modules and of their parts stand for."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.Import):
            for each in node.names:
                top = each.name.partition(".")[0]
                names[each.asname or top] = each.name if each.asname else top
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
    return names


def is_of_data(*names: str) -> bool:
    """Whether what has these names only divides or makes data."""
    return any(_OF_DATA.search(name) or _DATA_FILE.search(name) for name in names)


def is_model(name: str) -> bool:
    """Whether a call's name is that of a model of scikit-learn, which takes a random_state."""
    return TAKES_STATE.search(name) is not None and not is_of_data(name, "")


def name_of(node: ast.AST) -> str:
    """Return the name by which a value is known: a variable's; `.name` of an attribute, a key."""
    match node:
        case ast.Name():
            return node.id
        case ast.Attribute():
            return f".{node.attr}"
        case (
            ast.Constant(value=str() as text)
            | ast.Subscript(slice=ast.Constant(value=str() as text))
        ):
            return f".{text}"
    return ""


def text_of(nodes: Sequence[ast.AST | None]) -> str:
    """Return the first of some values, where it is a text, else ""."""
    return (
        str(getattr(nodes[0], "value", "")) if nodes and isinstance(nodes[0], ast.Constant) else ""
    )


def entries(node: ast.Dict) -> list[tuple[ast.expr | None, ast.expr]]:
    """Return keys and values of a mapping; one that is unpacked has no key."""
    return list(zip(node.keys, node.values, strict=True))


def root_of(node: ast.AST) -> str:
    """Return the name that a dotted one begins with."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return name_of(node)


def declared(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names of a declared option, with its default."""
    given = {each.arg: each.value for each in call.keywords}
    names = [text for each in call.args if (text := text_of([each])).startswith("--")]
    names = [text_of([given["dest"]])] if "dest" in given else names[:1]
    for name in names:
        yield spelled(name), given.get("default", ast.Constant(None))


def path_parts(  # noqa: C901, PLR0911  one way for each kind of node
    node: ast.AST, modules: Mapping[str, str]
) -> tuple[str, list[ast.expr]]:
    """Return what a path is made of, or what a call reads, with what stands between the parts."""
    above: ast.expr = ast.Constant("..")
    match node:
        case ast.FormattedValue(value=part):
            return "", [part]
        case ast.JoinedStr():
            return "", node.values
        case ast.BinOp(op=ast.Div() | ast.Add()):
            return "/" if isinstance(node.op, ast.Div) else "", [node.left, node.right]
        case ast.Attribute(attr="parent", value=part):
            return "/", [part, above]
        case ast.Subscript(value=ast.Attribute(attr="parents", value=part)):
            return "/", [part, above]
        case ast.Call(func=func, args=given):
            name = called(node, modules)[-1]
            is_method = isinstance(func, ast.Attribute) and root_of(func) not in modules
            of = [func.value] if is_method and isinstance(func, ast.Attribute) else []
            if name in {"join", "joinpath", "Path", "PurePath"}:
                return "/", [*of, *given]
            if name == "dirname":
                return "/", [*given[:1], above]
            if name in {"getcwd", "cwd"}:
                return "/", [ast.Constant(".")]
            if _SAME_PATH.search(name):
                return "/", [*of, *given, *(each.value for each in node.keywords)][:1]
    return "", []


def is_of_settings(call: ast.Call, name: str) -> bool:
    """Whether what is loaded is of a file of settings, by the loader or the name of the file."""
    if _OF_SETTINGS.search(f"{name} {ast.unparse(call.func)}"):
        return True
    files = [e.value for given in call.args for e in ast.walk(given) if isinstance(e, ast.Constant)]
    return "pickle" not in name and any(SETTINGS.search(f) for f in files if isinstance(f, str))


def wrapped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of what is wrapped, without the settings that a constructor is given."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.keyword) or WRAPPED.search(child.arg or ""):
            yield from wrapped(child)


def is_none(node: ast.AST) -> bool:
    """Whether it is None, written out."""
    return isinstance(node, ast.Constant) and node.value is None


def is_variable(node: ast.AST) -> bool:
    """Whether it is the name of the variable that holds a repeat's seed."""
    return isinstance(node, ast.Constant) and node.value == VARIABLE


def asks_for_seed(test: ast.expr) -> bool:
    """Whether a condition only asks if a seed is given, which it is in each repeat."""
    parts = list(ast.walk(test))
    match test:
        case ast.Compare(ops=[ast.In()]):
            return is_variable(test.left)
        case ast.Compare(ops=[ast.IsNot()]):
            return is_none(test.comparators[0]) and any(map(is_variable, parts))
        case ast.Compare(left=ast.Call() as left, ops=[ast.Gt() | ast.GtE()]):
            return called(left) == ("len",) and any(name_of(e).endswith("argv") for e in parts)
    return isinstance(test, ast.Call | ast.Subscript) and any(map(is_variable, parts))


def names_bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that an assignment gives a value."""
    match node:
        case ast.Tuple() | ast.List():
            for each in node.elts:
                yield from names_bound(each)
        case ast.Starred():
            yield from names_bound(node.value)
        case ast.Subscript(value=base) if not name_of(node):  # by a key that is not in the text
            yield name_of(base)
        case _:
            yield name_of(node)


def is_same(node: ast.expr, name: str) -> bool:
    """Whether a value only hands on what already has this name: ``seed = int(args.seed)``."""
    parts = list(ast.walk(node))
    return any(name_of(each) == name for each in parts) and not any(map(is_blunt, parts))


def is_blunt(node: ast.AST) -> bool:
    """Whether it may make the same of different seeds."""
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


def defaults_of(arguments: ast.arguments) -> dict[str, ast.expr]:
    """Return the default of each parameter that has one."""
    named = [*arguments.posonlyargs, *arguments.args]
    last = named[len(named) - len(arguments.defaults) :]
    pairs = [*zip(last, arguments.defaults, strict=True)]
    pairs += [
        (each, value)
        for each, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
        if value is not None
    ]
    return {each.arg: value for each, value in pairs}


CELL: Final = "#: code cell "


@dataclass(frozen=True, slots=True)
class Fixed:
    """A seed that stands in the code as a number."""

    where: str  # "train.py, line 3"
    line: str
    instead: str
    number: str
    name: str = field(default="", compare=False)  # of what takes it, for people
    step: str = ""  # what to do about it, where no number stands there

    @property
    def is_setting(self) -> bool:
        """Whether it is an entry of a file of settings."""
        return bool(self.name) and self.line == f"{self.name}: {self.number}"


@dataclass(frozen=True, slots=True)
class CopiesReason:
    """Why repeats that all report the same are not method without chance."""

    why: str  # "train.py, line 3 holds its seed fast: ..."
    how: str  # what to change in this project
    where: str = ""  # of a number in the text, "" where the text only does not show enough
    shared: bool = False  # whether the other side has it, too


def place_of(path: str, text: str, number: ast.Constant, name: str) -> Fixed:
    """Return a number that stands in a text as a seed, with its line and what to write instead."""
    line = text.split("\n")[number.lineno - 1]
    raw = line.encode()
    start, end = number.col_offset, number.end_col_offset or number.col_offset
    default = number.value if isinstance(number.value, int) else 0
    new = raw[:start].decode() + READ + raw[end:].decode()
    where = where_of(path, number.lineno, text)
    after = _closed(line, len(raw[:end].decode()))
    kept, new = line[: len(line) - after], new[: len(new) - after]
    return Fixed(where, kept.strip(), new.strip(), str(default), name.lstrip("."))


def _closed(line: str, start: int) -> int:
    """Return how much of a line is behind a bracket that another line opens, from a place on."""
    depth = 0
    for at, letter in enumerate(_TEXTS.sub(lambda text: "_" * len(text[0]), line)):
        depth += (letter in "([{") - (letter in ")]}")
        if depth < 0 and at >= start:
            return len(line) - at
        depth = max(depth, 0)
    return 0


def likewise(places: Sequence[Fixed]) -> str:
    """Return the places beside the first, with what takes a seed there."""
    rest = "; ".join(f"{each.where}: {each.name or each.step}".rstrip(": ") for each in places)
    return f" (likewise in {rest})" if places else ""


def where_of(path: str, line: int, text: str) -> str:
    """Return a line, or the cell of a notebook, as people are told of it."""
    if not path.endswith(".ipynb"):
        return f"{path}, line {line}"
    cells = [each for each in text.split("\n")[:line] if each.startswith(CELL)]
    return f"{path}, {cells[-1].removeprefix('#: ')}" if cells else path


def is_source(node: ast.AST, file: str) -> bool:
    """Whether it names a file, or gives all options ("")."""
    if isinstance(node, ast.Call) and not file:
        return called(node)[-1] == "parse_args"
    named = isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(file)
    return named and str(getattr(node, "value", "")).endswith(file)
