"""Where a project's scripts draw on chance that no repeat's seed steers, by their text.

Asked of a side whose repeats all report the same: has it no chance in it, or is it one draw? So a
doubt is no steering: a seed acts only where it is handed on as it is. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

VARIABLE: Final = "GITEXP_SEED"
SEED_NAME: Final = re.compile(r"(^|[_.-])(seed|random[_-]state)$", re.IGNORECASE)
SEED_CALL: Final = re.compile(
    r"(^|[_.])(seed|seed_all|default_rng|RandomState|Random|PRNGKey|SeedSequence|PCG64(DXSM)?|SFC64"
    r"|seed_everything|MT19937|Philox|check_random_state|set_?state|set_rng_state)$"
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
_HOLDS = frozenset(("dict", "Namespace", "SimpleNamespace", "update", "replace", "set_defaults"))
# What gives the entries of a mapping, or the mapping itself, again.
_OF_FIRST = frozenset(("vars", "asdict", "dict", "deepcopy", "copy"))
_SAME = _OF_FIRST | {"to_container", "items", "get", "_asdict", "fit"}
SETTINGS: Final = re.compile(r"\.(ya?ml|json|toml|ini|cfg|conf|env)$", re.IGNORECASE)
_LOADS = re.compile(r"load|open|Path|read|parse_args|^parse$|^vars$|^str$|^join$")
_ELSEWHERE = re.compile(  # another program, but for what only looks
    r"\b(subprocess\.\w+|os\.system|popen)\((?!\s*\[?\s*f?[\"'](git|nvidia-smi|pip)\b"
    r"|\s*\[\s*sys\.executable)"
)
# What trains or draws, if it has chance in it; what a file may give in its place.
_ACTS = re.compile(
    r"(^|\.)(fit(_\w+)?|partial_fit|train(_on_batch)?|step|learn|rvs|random|randn?|randint|integers"
    r"|(standard_)?normal|gauss|uniform|choices?|permut\w+|shuffle)$|^torch\.nn\.[A-Z]"
)
_OF_FILE = re.compile(r"(^|[._])(loads?|load_model|read_pickle)$")
# Gives numbers and texts, no objects that could train.
_OF_SETTINGS = re.compile(
    r"^(?!.*(unsafe|pickle)).*(yaml|json|toml|omegaconf)", re.IGNORECASE | re.DOTALL
)
_READS = re.compile(r"(^|[._])(load|read)_?\w*$|(exists|is_?file|open|fromfile)$")
_WRAPS = re.compile(
    r"^(clone|cross_\w+|\w+_curve|(make_)?[pP]ipeline|RFE)$|Search|Bagg|Voti|Stack|Boost"
)
_WRAPPED = re.compile(r"^((base|final)_)?(estimators?|classifier|regressor|model|steps)$")
# What is in doubt where no repeat differs, and what to write.
_HANDED: Final = (
    "may hand on a seed that stands fixed, which its text does not show",
    "write out what is handed on, with its seed",
)
_HIDDEN: Final = (
    "trains or draws by what a file holds, with a seed that no text shows",
    "make it anew, or give it that of the repeat: set_params(random_state=...)",
)
_PASSED_BY: Final = (
    "is left out where a file has its result, which is one draw",
    "do it in each repeat, without the file",
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
    node: ast.AST
    line: int
    number: ast.Constant | None  # the seed, where the text has it
    at: str  # path of the file that has the number
    seed: str  # its text, where it comes from in the end
    is_number: bool = False  # whether it can be nothing but numbers that the text has

    @property
    def is_of_data(self) -> bool:
        """Whether it only divides or makes data, by its name or that of its file."""
        return is_of_data(self.name, self.path)

    @property
    def sign(self) -> tuple[str, ...]:
        """What two sides share where both have this draw: of data, also how they are divided."""
        given: list[ast.AST] = []
        if self.is_of_data and isinstance(self.node, ast.Call):
            given += [each for each in self.node.args if isinstance(each, ast.Constant)]
            given += [e for e in self.node.keywords if not SEED_NAME.search(e.arg or "")]
        return self.name, self.seed, *sorted(map(ast.unparse, given))


@dataclass(slots=True)
class Scripts:
    """Python files that are executed together, and what their names may stand for.

    Attributes
    ----------
    trees : Mapping of str to ast.AST
    words : collection of str
        By which these scripts know the seed that they are given: an option, the key of a parameter.
    files : collection of str
        Names of the files of settings that they may read, whose keys were looked at.
    """

    trees: Mapping[str, ast.AST]
    words: Collection[str] = ()
    files: Collection[str] = ()
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
    # What gives a seed, with it, wherever it goes: file, name, node, seed; not what draws anew.
    _seeds: list[tuple[str, str, ast.AST, ast.expr]] = field(default_factory=list)

    def __post_init__(self) -> None:  # noqa: C901  one case for each kind of node
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
            names = {spelled(_text([each])) for each in given}
            self.words = {*self.words, *(names if names.intersection(self.words) else ())}
        for path, node in nodes:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                self._define(path, node)
            elif isinstance(node, ast.Try) and any(map(_is_variable, ast.walk(node))):
                self._aside |= {id(e) for each in node.handlers for e in ast.walk(each)}
            elif isinstance(node, ast.If) and _asks_for_seed(node.test):
                self._aside |= {id(e) for each in node.orelse for e in ast.walk(each)}
        for path, node in nodes:
            for name, value in self._given(node) if id(node) not in self._aside else ():
                self._values[name].append((path, value))
        for path, node in nodes:
            for arguments in self._own.get(getattr(node, "name", ""), ()):
                for name, value in _defaults(arguments).items():
                    if name not in self._values and name not in self.words:
                        self._values[name].append((path, value))
        self._settle()
        self._stems = {e for path in self.trees for e in path.removesuffix(".py").split("/")}
        self._seeds = [
            (path, name, node, value)
            for path, node in nodes
            for name, value in self._taken(node, self._modules[path])
            if id(node) not in self._aside and not _is_none(value)
        ]
        live = [(node, name) for _, name, node, value in self._seeds if self._is_live(value)]
        calls = [e.func for e, name in live if isinstance(e, ast.Call) and name == "set_params"]
        assigned = [each for e, _ in live if isinstance(e, ast.Assign) for each in e.targets]
        reseeded = [each for each in (*calls, *assigned) if isinstance(each, ast.Attribute)]
        self._reseeded = {_key(each.value) for each in reseeded}

    def _declarations(self) -> Iterator[ast.Call]:
        """Yield what declares an option of the command line."""
        every = chain.from_iterable(self._calls.values())
        return (each for name, each in every if name.rpartition(".")[2] in _DECLARES)

    def _define(self, path: str, own: ast.FunctionDef | ast.ClassDef) -> None:
        arguments = self._own.setdefault(own.name, [])
        self._bodies[own.name].append(own)
        if isinstance(own, ast.ClassDef):  # fields of a dataclass, which a call may give
            fields = [n for n in own.body if isinstance(n, ast.AnnAssign) and n.value is not None]
            names = [ast.arg(_key(each.target)) for each in fields]
            values = [each.value for each in fields]
            arguments.append(
                ast.arguments([], names, None, [], [], None, [v for v in values if v is not None])
            )
            self._aside |= {id(each) for each in fields}
            for set_here in own.body:
                if isinstance(set_here, ast.Assign):
                    for key in (key for target in set_here.targets for key in _targets(target)):
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

    def _settle(self) -> None:
        """Find the names that stand for the seed of a repeat, whatever else they may stand for."""
        self._live.update(self.words, (f".{word}" for word in self.words))
        self._live |= {n for n, e in self._values.items() if any(_is_none(v) for _, v in e)}
        own = {
            name: [v for _, v in values if not (_is_same(v, name) or _is_none(v))]
            for name, values in self._values.items()
        }
        for _ in range(_ROUNDS):  # what may, then what cannot but
            rest = own.keys() - self._live
            if not (more := {name for name in rest if any(map(self._is_live, own[name]))}):
                break
            self._live |= more
        for _ in range(_ROUNDS):
            less = {
                name
                for name in own.keys() & self._live
                if not all(map(self._is_live, own[name]))
                or all(_is_none(value) for _, value in self._values[name])
            }
            if not less:
                break
            self._live -= less

    def draws(self) -> Iterator[Draw]:
        """Yield what draws on a seed that no repeat changes."""
        for path, name, node, value in self._seeds:
            if not self._is_live(value):
                at, seed = self._origin(path, value)
                is_number = isinstance(seed, ast.Constant) and type(seed.value) is int
                number: ast.Constant | None = seed if is_number else None  # type: ignore[assignment]
                sure = self._is_number(value)
                yield Draw(path, name, node, value.lineno, number, at, ast.unparse(seed), sure)

    def anew(self) -> Counter[str]:
        """Count, by name, what draws on a seed that each repeat changes, or on none."""
        found: Counter[str] = Counter()
        seeded, fixed = set(), {id(each.node) for each in self.draws()}
        for _, name, node, value in self._seeds:
            seeded.add(id(node))
            found[name] += self._is_live(value)
        calls = list(chain.from_iterable(self._calls.values()))
        fixes = {name for name, call in calls if id(call) in fixed}
        for name, call in calls:
            if id(call) not in seeded and _is_anew(name, call, fixes):
                found[name.rpartition(".")[2]] += 1
        return found

    def numbers(self) -> Iterator[tuple[str, str, ast.Constant]]:
        """Yield the names of seeds that stand for numbers, each with the number and its file."""
        for name, values in self._values.items():
            for path, value in values if SEED_NAME.search(name) else ():
                if isinstance(value, ast.Constant) and type(value.value) is int:
                    yield name, path, value

    def takes_seed(self) -> bool:
        """Whether something draws on a seed that each repeat changes."""
        return any(
            self._is_live(value)
            for _, name, node, value in self._seeds
            if isinstance(node, ast.Call | ast.Dict) and name not in self._own
        )

    def unclear(self) -> Iterator[tuple[str, int, tuple[str, str]]]:
        """Yield where one draw may get in unseen: file, line, why, and what to write.

        Each key, keyword and attribute that is named like a seed is looked at where it gets its
        value. What is left is what has no name in the text, and what comes out of a file.
        """
        for path, nodes in self._nodes.items():
            modules = self._modules[path]
            for node in nodes:
                if isinstance(node, ast.Call) and not self._is_clear(node, modules):
                    yield path, node.lineno, _HANDED
                if isinstance(node, ast.Call) and self._is_hidden(path, node):
                    yield path, node.lineno, _HIDDEN
                handed = node.value if isinstance(node, ast.Assign) else None
                passed = node.args if isinstance(node, ast.Call) else [handed]
                if any(self._is_seeder(each) for each in passed if each is not None):
                    yield path, passed[0].lineno, _HANDED  # type: ignore[union-attr]
                for given, instead in self._detours(node):
                    if self._does(_READS, given) and self._does(_ACTS, instead):
                        yield path, node.lineno, _PASSED_BY  # type: ignore[attr-defined]

    def _does(self, what: re.Pattern[str], nodes: Sequence[ast.AST]) -> bool:
        """Whether something is called in some nodes, or in the functions that they call."""
        rest, seen = list(nodes), set[str]()
        while rest:
            for call in (e for e in ast.walk(rest.pop()) if isinstance(e, ast.Call)):
                name = called(call, self._imported)
                if name[-1] in self._bodies:
                    rest += self._bodies[name[-1]] if name[-1] not in seen else ()
                    seen.add(name[-1])
                elif what.search(".".join(name)) or (
                    what is _ACTS and any(SEED_NAME.search(e.arg or "") for e in call.keywords)
                ):
                    return True
        return False

    def _detours(self, node: ast.AST) -> Iterator[tuple[Sequence[ast.AST], Sequence[ast.AST]]]:
        """Yield what may be taken from a file, each with what is done in its place."""
        body = getattr(node, "body", ())
        block: list[ast.stmt] = body if isinstance(body, list) else []
        for number, each in enumerate(block):
            if isinstance(each, ast.If | ast.Try) and isinstance(each.body[-1], ast.Return):
                yield each.body, block[number + 1 :]
        match node:
            case ast.Try():
                yield node.body, node.handlers
            case ast.BoolOp(op=ast.Or(), values=[first, *others]):
                yield [first], others
            case ast.If() | ast.IfExp():
                one, two = (e if isinstance(e, list) else [e] for e in (node.body, node.orelse))
                yield from ((one, two), (two, one))
                match node.test:
                    case ast.UnaryOp(op=ast.Not(), operand=test):
                        lacks = one
                    case ast.Compare(left=test, ops=[ast.Is()]):
                        lacks = one
                    case ast.Compare(left=test, ops=[ast.IsNot()]) | test:
                        lacks = two
                found = [value for _, value in self._values.get(_key(test), ())]
                yield found or [test], lacks

    def _is_hidden(self, path: str, call: ast.Call) -> bool:
        """Whether a call trains, or draws by, an object that was loaded as it is."""
        name, given = called(call, self._imported), call.args[:1]
        if isinstance(call.func, ast.Attribute) and _ACTS.search(f".{call.func.attr}"):
            seeds = [e.value for e in call.keywords if SEED_NAME.search(e.arg or "")]
            return not any(map(self._is_live, seeds)) and self._is_of_file(path, call.func.value)
        if name[-1] == "make_pipeline":
            given = call.args
        elif not _WRAPS.search(name[-1]):  # an optimizer
            given = [e for e in given if isinstance(e, ast.Call) and _key(e.func) == ".parameters"]
        given = [*given, *(e.value for e in call.keywords if _WRAPPED.search(e.arg or ""))]
        return any(self._is_of_file(path, part) for each in given for part in _wrapped(each))

    def _is_of_file(self, path: str, node: ast.AST, above: tuple[str, ...] = ()) -> bool:
        """Whether a value is an object out of a file, or a part of it, that is given no seed."""
        key, at = _key(node), getattr(node, "lineno", 0)
        if isinstance(node, ast.Call):
            name = called(node, self._imported)
            if name[-1] not in self._own and _OF_FILE.search(".".join(name)):
                return not _is_of_settings(node, ".".join(name))
            key = f"{name[-1]}()"
        if key in above or key in self._reseeded:
            return False
        values = self._values.get(key, [])
        values = [(p, v) for p, v in values if p != path or v.lineno <= at] or values
        if any(self._is_of_file(p, value, (*above, key)) for p, value in values):
            return True
        inner: ast.AST | None = None
        match node:
            case ast.Call(args=[first, *_]) if key in {"clone()", "deepcopy()", "copy()"}:
                inner = first
            case ast.Call(func=ast.Attribute(value=base)) if key not in self._values:
                inner = base
            case ast.Attribute(value=base) | ast.Subscript(value=base) if not values:
                inner = base
            case ast.ListComp(elt=part):
                inner = part
        return inner is not None and self._is_of_file(path, inner, above)

    def _is_seeder(self, node: ast.expr) -> bool:
        """Whether a value is a library's function that seeds, which is called elsewhere."""
        name, path = _key(node).lstrip("."), self._imported.get(_root(node), "")
        functions = SEED_CALL.search(name) and not name[:1].isupper()
        return bool(functions and path) and path.partition(".")[0] not in self._stems

    def _is_clear(self, call: ast.Call, modules: Mapping[str, str]) -> bool:
        name, given = called(call, modules)[-1], call.args
        unnamed = [each.value for each in call.keywords if each.arg is None]
        if any(SEED_NAME.search(each.arg or "") for each in call.keywords):
            unnamed = []  # a keyword given twice is refused by Python
        if isinstance(call.func, ast.Name) and name in {"eval", "exec", "__import__"}:
            return False
        if name == "instantiate" or (name == "setattr" and not _text(given[1:2])):
            unnamed += given[-1:]
        elif name == "import_module":
            top = _text(given).partition(".")[0]
            return top in {*_KNOWN, *sys.stdlib_module_names, *self._stems}
        elif name == "getattr" and not _text(given[1:2]):
            return _root(given[0]) not in modules
        return name in {"print", "format", "log_params"} or all(map(self._is_known, unnamed))

    def _is_known(self, node: ast.AST, above: tuple[str, ...] = ()) -> bool:  # noqa: C901, PLR0911
        """Whether all entries of a mapping stand in the text, or in a file that was looked at."""
        key = _key(node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and key not in above:
            values = [value for _, value in self._values.get(key, ())]
            if values or key in self._open:
                return all(self._is_known(each, (*above, key)) for each in values)
        match node:
            case ast.Constant(value=value):
                is_file = isinstance(value, str) and bool(SETTINGS.search(value))
                name = str(value).rpartition("/")[2]
                return name in self.files if is_file else value is None or isinstance(value, str)
            case ast.Dict():
                texts = [_text([k]) if k else self._is_known(v, above) for k, v in _pairs(node)]
                return all(texts)
            case ast.Attribute(attr="argv") | ast.JoinedStr():
                return bool(self.files)
            case ast.Name():
                return key in above
            case ast.Attribute(value=base) | ast.Subscript(value=base):
                return self._is_known(base, above)
            case ast.Call():
                return self._is_known_call(node, above)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return all(self._is_known(each, above) for each in parts)
            case ast.DictComp():
                return all(self._is_known(each.iter, above) for each in node.generators)
            case ast.BinOp() | ast.BoolOp() | ast.IfExp():
                parts = [e for e in ast.iter_child_nodes(node) if isinstance(e, ast.expr)]
                parts = [e for e in parts if e is not getattr(node, "test", None)]
                return all(self._is_known(each, above) for each in parts)
        return False

    def _is_known_call(self, call: ast.Call, above: tuple[str, ...]) -> bool:
        name = called(call, self._imported)[-1]
        if name in self._own:
            values = self._values.get(f"{name}()", ())
            fields = {key for arguments in self._own[name] for key in _defaults(arguments)}
            if any(SEED_NAME.search(key) for key in fields - self._live):
                return False
            return all(self._is_known(value, (*above, name)) for _, value in values)
        if name in _HOLDS and not call.args:
            return all(e.arg or self._is_known(e.value, above) for e in call.keywords)
        if name == "parse_args":
            return all(_text(each.args) for each in self._declarations())
        loads = name == "ConfigParser" or _LOADS.search(name)
        searches = name.endswith("SearchCV")  # whose best_params_ have the names of its grid
        if not (loads and self.files) and not searches and name not in _SAME:
            return False
        base = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        of = call.args[:1] if loads or name in _OF_FIRST else base
        if searches:
            grids = [each.value for each in call.keywords if (each.arg or "").startswith("param_")]
            of = [*call.args[1:2], *grids]
        return all(self._is_known(each, above) for each in of or base)

    def strange(self, texts: Collection[str]) -> str:
        """Return a library, or a program, that may draw from a seed of its own, "" for none."""
        known = {*_KNOWN, *self._stems, *sys.stdlib_module_names}
        tops = (n.partition(".")[0] for names in self._modules.values() for n in names.values())
        if found := next((top for top in tops if top not in known), ""):
            return found
        return "another program" if any(map(_ELSEWHERE.search, texts)) else ""

    def reads_seed(self) -> bool:
        """Whether a script may read the seed of a repeat, whatever it does with it."""
        spelt = "|".join(re.escape(word) for word in self.words) or "(?!)"
        named = re.compile(rf"(?<!\w)({spelt})(?!\w)")
        for nodes in self._nodes.values():
            calls = [node for node in nodes if isinstance(node, ast.Call)]
            aside = {id(each.func) for each in calls}
            for call in calls:
                if called(call)[-1] in _DECLARES:
                    aside |= {id(each) for each in ast.walk(call)}
            for node in nodes:
                if id(node) in aside or isinstance(getattr(node, "ctx", None), ast.Store):
                    continue
                key = node.arg if isinstance(node, ast.arg) else _key(node)
                said = isinstance(node, ast.Constant) and named.search(spelled(key.lstrip(".")))
                if key == VARIABLE or key in self._live or said:
                    return True
                if isinstance(node, ast.keyword) and node.arg is None:
                    return True
        return False

    def hands_on(self, file: str, key: Sequence[str]) -> bool:  # noqa: C901
        """Whether a script hands on a part of what it was given that holds the seed.

        `file`: name of a params file; "" for the options of the command line.
        """
        held: set[str] = set()
        nodes = [node for found in self._nodes.values() for node in found]
        functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}

        def of(node: ast.AST) -> list[ast.expr]:
            """Return what a value is looked up in, or loaded from."""
            match node:
                case ast.Attribute() if id(node) in functions:
                    return []
                case ast.Attribute(value=base) | ast.Subscript(value=base) if _key(node):
                    return [base]
                case ast.Call(func=ast.Attribute(value=base, attr="get")) if _text(node.args[:1]):
                    return [base]
                case ast.Call() if _LOADS.search(called(node)[-1]):
                    given = [*node.args, *(each.value for each in node.keywords)]
                    is_method = isinstance(node.func, ast.Attribute)
                    return [*given, node.func.value] if is_method else given  # type: ignore[attr-defined]
                case ast.BinOp():
                    return [node.left, node.right]
            return []

        def holds(node: ast.AST) -> bool:
            match node:
                case ast.Constant(value=str() as text):
                    return bool(file) and text.endswith(file)
                case ast.Name():
                    return node.id in held
            name = _text(node.args[:1]) if isinstance(node, ast.Call) else _key(node)[1:]
            is_load = isinstance(node, ast.Call) and bool(_LOADS.search(called(node)[-1]))
            if is_load and not file and called(node)[-1] == "parse_args":  # type: ignore[arg-type]
                return True
            within = is_load or isinstance(node, ast.BinOp) or name in key
            return f".{name}" in held or (within and any(map(holds, of(node))))

        named = {n: [v for _, v in e] for n, e in self._values.items() if not n.endswith("()")}
        for _ in range(_ROUNDS):
            held |= {name for name, values in named.items() if any(map(holds, values))}
        aside = {id(value) for values in named.values() for value in values}
        aside -= {id(each.value) for call in self._declarations() for each in call.keywords}
        aside |= {id(each) for node in nodes for each in of(node)}
        return any(
            id(node) not in aside | functions
            and not isinstance(getattr(node, "ctx", None), ast.Store)
            and holds(node)
            for node in nodes
        )

    def draws_anew(self) -> bool:
        """Whether a script may draw on chance that nothing in it fixes."""
        seeded, drawing = (
            {id(node) for _, _, node, _ in self._seeds},
            {e.path for e in self.draws()},
        )
        for path, modules in self._modules.items():
            calls = self._calls[path]
            fixes = {n for n, node in calls if SEED_CALL.search(n) and id(node) in seeded}
            roots = {name.partition(".")[0] for name in modules.values()}
            if roots & _GLOBAL and not any("seed" in name for name in fixes):
                return True
            if not fixes and self.strange(()) and path not in drawing:
                return True
            if any(_is_anew(n, call, fixes) for n, call in calls if id(call) not in seeded):
                return True
        return False

    def _taken(self, node: ast.AST, modules: Mapping[str, str]) -> Iterator[tuple[str, ast.expr]]:
        """Yield the seeds that a node gives to something, with the name of that."""
        match node:
            case ast.Dict():
                yield from (("", v) for k, v in _pairs(node) if SEED_NAME.search(_text([k])))
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() if node.value is not None:
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [key for target in targets for key in _targets(target)]
                yield from ((n, node.value) for n in names if n[:1] == "." and SEED_NAME.search(n))
            case ast.ClassDef():
                own = [each for each in node.body if isinstance(each, ast.Assign)]
                pairs = [(key, e.value) for e in own for t in e.targets for key in _targets(t)]
                yield from (pair for pair in pairs if SEED_NAME.search(pair[0]))
            case ast.Call():
                yield from self._taken_by(node, modules)

    def _taken_by(
        self, call: ast.Call, modules: Mapping[str, str]
    ) -> Iterator[tuple[str, ast.expr]]:
        owner, name = ("", *called(call, modules))[-2:]
        if name in _DECLARES:
            options = [pair for pair in _declared(call) if pair[0] not in self.words]
            yield from (pair for pair in options if SEED_NAME.search(pair[0]))
            return
        given: list[ast.expr] = []
        if SEED_CALL.search(name) or (owner, name) == ("random", "key"):
            given += call.args[:1]
        place = {"setattr": 1, "setdefault": 0, "__setitem__": 0, "__setattr__": 0}.get(name)
        key = "" if place is None else _text(call.args[place : place + 1])
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
                pairs = [(k, v) for k, v in _pairs(node) if k]
            case ast.Call():
                yield from self._handed(node)
                return
            case _:
                return
        yield from ((key, value) for target, value in pairs for key in _targets(target) if key)

    def _handed(  # noqa: C901  one way for each kind of call
        self, call: ast.Call
    ) -> Iterator[tuple[str, ast.expr]]:
        """Yield the names to which a call gives a value."""
        name = called(call, self._imported)[-1]
        given = {each.arg: each.value for each in call.keywords if each.arg}
        if name in _DECLARES:
            for key, value in _declared(call):
                if key not in self.words:
                    yield f".{key}", value
                    if name == "option":  # of click: a parameter of what it decorates
                        yield key, value
        elif name in _HOLDS:
            yield from ((f".{key}", value) for key, value in given.items())
            if name == "update" and isinstance(call.func, ast.Attribute):
                yield from ((_key(call.func.value), each) for each in call.args[:1])
        elif name == "setattr":
            yield from ((f".{_text(call.args[1:2])}", each) for each in call.args[2:])
        for arguments in self._own.get(name, ()):
            names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
            if names[:1] in (["self"], ["cls"]):
                names = names[1:]
            elif isinstance(call.func, ast.Attribute) and not self._is_module(call.func):
                continue  # a method of something else
            positional = dict(zip(names, call.args, strict=False))
            for key, value in (_defaults(arguments) | positional | given).items():
                yield key, value
                if not arguments.posonlyargs and name[:1].isupper():  # fields of a dataclass
                    yield f".{key}", value

    def _is_module(self, node: ast.Attribute) -> bool:
        return _key(node.value) in self._imported

    def _is_live(self, node: ast.AST) -> bool:  # noqa: C901, PLR0911  one way for each kind of node
        """Whether a value is what a repeat is given as its seed, handed on as it is."""
        match node:
            case ast.Name() | ast.Constant():
                return _is_variable(node) or _key(node) in self._live
            case ast.Dict():  # what it holds is known by its keys
                return False
            case ast.Attribute(value=base) if _key(node) not in {*self._live, *self._values}:
                if self._is_module(node):
                    return node.attr in self._live
                return self._is_live(base)
            case ast.Attribute():
                return _key(node) in self._live
            case ast.Subscript(slice=ast.Constant(value=str())):
                return _is_variable(node.slice) or _key(node) in self._live
            case ast.Call() if (name := called(node, self._imported)[-1]) in self._own:
                return f"{name}()" in self._live
            case ast.IfExp(body=one, orelse=two):
                first, second = self._is_live(one), self._is_live(two)
                if first and (second or _asks_for_seed(node.test) or self._is_empty(two)):
                    return True
                return second and self._is_empty(one)
            case ast.BoolOp(op=ast.Or(), values=values):
                return self._is_live(next((e for e in values if not self._is_empty(e)), values[0]))
        if _is_blunt(node):
            return False
        return any(self._is_live(child) for child in ast.iter_child_nodes(node))

    def _is_empty(self, node: ast.AST) -> bool:
        """Whether a value is None, an option that nobody gives."""
        values = [_is_none(value) for _, value in self._values.get(_key(node), ())]
        return (
            _is_none(node)
            or bool(values and all(values))
            or (any(values) and _key(node) in self._live)
        )

    def _is_number(self, node: ast.expr, above: tuple[str, ...] = ()) -> bool:
        """Whether a seed can be nothing but a number in the text, by all that its name gets."""
        if isinstance(node, ast.Constant):
            return type(node.value) is int
        key = f"{called(node)[-1]}()" if isinstance(node, ast.Call) else _key(node)
        if isinstance(node, ast.Attribute) and self._is_module(node):
            key = node.attr
        found = [] if key in above else self._values.get(key, [])
        return bool(found) and all(self._is_number(value, (*above, key)) for _, value in found)

    def _origin(self, path: str, node: ast.expr) -> tuple[str, ast.expr]:
        """Return what a seed is in the end, and the file that has it."""
        for _ in range(3):  # a name may stand for a name that stands for a name
            key = f"{called(node)[-1]}()" if isinstance(node, ast.Call) else _key(node)
            if isinstance(node, ast.Attribute) and self._is_module(node):
                key = node.attr
            if found := self._values.get(key):
                path, node = found[0]
        return path, node


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
    if isinstance(node, ast.Call) and not parts and called(node) == ("getattr",):
        parts, node = [_text(node.args[1:2])], node.args[0]
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


def _key(node: ast.AST) -> str:
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


def _text(nodes: Sequence[ast.AST | None]) -> str:
    """Return the first of some values, where it is a text, else ""."""
    return (
        str(getattr(nodes[0], "value", "")) if nodes and isinstance(nodes[0], ast.Constant) else ""
    )


def _pairs(node: ast.Dict) -> list[tuple[ast.expr | None, ast.expr]]:
    return list(zip(node.keys, node.values, strict=True))


def _root(node: ast.AST) -> str:
    while isinstance(node, ast.Attribute):
        node = node.value
    return _key(node)


def _declared(call: ast.Call) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names of a declared option, with its default."""
    given = {each.arg: each.value for each in call.keywords}
    names = [text for each in call.args if (text := _text([each])).startswith("--")]
    names = [_text([given["dest"]])] if "dest" in given else names[:1]
    for name in names:
        yield spelled(name), given.get("default", ast.Constant(None))


def _is_of_settings(call: ast.Call, name: str) -> bool:
    """Whether what is loaded is of a file of settings, by the loader or the name of the file."""
    if _OF_SETTINGS.search(f"{name} {ast.unparse(call.func)}"):
        return True
    files = [e.value for given in call.args for e in ast.walk(given) if isinstance(e, ast.Constant)]
    return "pickle" not in name and any(SETTINGS.search(f) for f in files if isinstance(f, str))


def _wrapped(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the parts of what is wrapped, without the settings that a constructor is given."""
    yield node
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, ast.keyword) or _WRAPPED.search(child.arg or ""):
            yield from _wrapped(child)


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_variable(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value == VARIABLE


def _asks_for_seed(test: ast.expr) -> bool:
    """Whether a condition only asks if a seed is given, which it is in each repeat."""
    parts = list(ast.walk(test))
    match test:
        case ast.Compare(ops=[ast.In()]):
            return _is_variable(test.left)
        case ast.Compare(ops=[ast.IsNot()]):
            return _is_none(test.comparators[0]) and any(map(_is_variable, parts))
        case ast.Compare(left=ast.Call() as left, ops=[ast.Gt() | ast.GtE()]):
            return called(left) == ("len",) and any(_key(e).endswith("argv") for e in parts)
    return isinstance(test, ast.Call | ast.Subscript) and any(map(_is_variable, parts))


def _targets(node: ast.AST) -> Iterator[str]:
    """Yield the names that an assignment gives a value."""
    match node:
        case ast.Tuple() | ast.List():
            for each in node.elts:
                yield from _targets(each)
        case ast.Starred():
            yield from _targets(node.value)
        case ast.Subscript(value=base) if not _key(node):  # by a key that is not in the text
            yield _key(base)
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
