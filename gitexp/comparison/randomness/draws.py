"""Where a project's scripts draw on chance that no repeat's seed steers, by their text.

Asked of a side whose repeats all report the same: has it no chance in it, or is it one draw? So a
doubt is not a steering: a seed acts only where it is handed on as it is. Nothing is executed.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, Final

from gitexp.comparison.randomness.bindings import DECLARES, HOLDS, Bindings, Met
from gitexp.comparison.randomness.syntax import (
    SEED_CALL,
    SEED_NAME,
    SETTINGS,
    TAKES_STATE,
    VARIABLE,
    WRAPPED,
    called,
    defaults_of,
    entries,
    is_of_data,
    is_of_settings,
    is_source,
    name_of,
    root_of,
    spelled,
    text_of,
    wrapped,
)
from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

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
# What gives the entries of a mapping, or the mapping itself, again.
_OF_FIRST = frozenset(("vars", "asdict", "dict", "deepcopy", "copy"))
_SAME = _OF_FIRST | {"to_container", "items", "get", "_asdict", "fit"}
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
_READS = re.compile(r"(^|\.)(?=\w+$)(\w*_)?(load|read)|(exists|is_?file|open|fromfile)$")
_WRAPS = re.compile(
    r"^(clone|cross_\w+|\w+_curve|(make_)?[pP]ipeline|RFE)$|Search|Bagg|Voti|Stack|Boost"
)
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
OF_FILE: Final = (_HIDDEN, _PASSED_BY)


@dataclass(frozen=True)
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
    parts: str = ""  # of a generator that only divides the data by hand: how

    @property
    def is_of_data(self) -> bool:
        """Whether it only divides or makes data, by its use, its name or that of its file."""
        return bool(self.parts) or is_of_data(self.name, self.path)

    @cached_property
    def sign(self) -> tuple[str, ...]:
        """What two sides share where both have this draw: of data, also how they are divided."""
        given: list[ast.AST] = []
        if self.is_of_data and isinstance(self.node, ast.Call):
            given += [each for each in self.node.args if isinstance(each, ast.Constant)]
            given += [e for e in self.node.keywords if not SEED_NAME.search(e.arg or "")]
        return self.name, self.seed, self.parts, *sorted(map(ast.unparse, given))


@dataclass()
class Scripts(Bindings):
    """Python files that are executed together: where they draw on chance, and from which seed."""

    is_lost: bool = False  # beyond what can be followed: nobody's own code
    draws: list[Draw] = field(default_factory=list)  # on seeds that no repeat changes
    # where one draw may get in unseen: file, line, why, and what to write
    unclear: list[tuple[str, int, tuple[str, str]]] = field(default_factory=list)

    def settle(self) -> None:
        """Find all that goes through names and expressions, however deep they are."""
        super().settle()
        for path, name, node, value in self._seeds:
            if not self._is_live(value):
                at, seed = self._origin(path, value)
                is_number = isinstance(seed, ast.Constant) and type(seed.value) is int
                number: ast.Constant | None = seed if is_number else None  # type: ignore[assignment]
                sure = self._is_number(value)
                text, parts = ast.unparse(seed), self._parts(path, node)
                draw = Draw(path, name, node, value.lineno, number, at, text, sure, parts)
                if draw.sign:
                    self.draws.append(draw)
        self.unclear.extend(self._unclear())

    def anew(self) -> Counter[str]:
        """Count, by name, what draws on a seed that each repeat changes, or on none."""
        fixed = {id(each.node) for each in self.draws}
        calls = chain.from_iterable(self._calls.values())
        fixes = {name for name, call in calls if id(call) in fixed}
        unseeded = (name for path in self._calls for name in self._unseeded(path, fixes))
        seeded = (name for _, name, _, value in self._seeds if self._is_live(value))
        return Counter(seeded) + Counter(name.rpartition(".")[2] for name in unseeded)

    def _unseeded(self, path: str, fixes: Collection[str]) -> Iterator[str]:
        """Yield what takes its chance in a file from nowhere that is fixed."""
        seeded = {id(node) for _, _, node, _ in self._seeds}
        for name, call in self._calls[path]:
            if id(call) not in seeded and _is_anew(name, call, fixes):
                yield name

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

    def _unclear(self) -> Iterator[tuple[str, int, tuple[str, str]]]:
        """Yield where one draw may get in unseen.

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
                elif what is _READS:
                    if what.search(".".join(name)) and not self._is_absent(call):
                        return True
                elif what.search(".".join(name)) or any(
                    SEED_NAME.search(e.arg or "") for e in call.keywords
                ):
                    return True
        return False

    def _is_settled(self, test: ast.AST) -> bool:
        """Whether a condition only asks for files that a job lacks when it starts."""
        calls = [e for e in ast.walk(test) if isinstance(e, ast.Call)]
        asked = [e for e in calls if _READS.search(".".join(called(e, self._imported)))]
        either = any(isinstance(each, ast.Or) for each in ast.walk(test))
        return bool(asked) and not either and all(map(self._is_absent, asked))

    def _detours(self, node: ast.AST) -> Iterator[tuple[Sequence[ast.AST], Sequence[ast.AST]]]:
        """Yield what may be taken from a file, each with what is done in its place."""
        body = getattr(node, "body", ())
        block: list[ast.stmt] = body if isinstance(body, list) else []
        for number, each in enumerate(block):
            settled = isinstance(each, ast.If) and self._is_settled(each.test)
            returns = isinstance(each, ast.If | ast.Try) and isinstance(each.body[-1], ast.Return)
            if returns and not settled:
                yield each.body, block[number + 1 :]  # type: ignore[attr-defined]
        match node:
            case ast.Try():
                yield node.body, node.handlers
            case ast.BoolOp(op=ast.Or(), values=[first, *others]):
                yield [first], others
            case ast.If() | ast.IfExp():
                one, two = (e if isinstance(e, list) else [e] for e in (node.body, node.orelse))
                match node.test:
                    case ast.UnaryOp(op=ast.Not(), operand=test):
                        lacks = one
                    case ast.Compare(left=test, ops=[ast.Is()]):
                        lacks = one
                    case ast.Compare(left=test, ops=[ast.IsNot()]) | test:
                        lacks = two
                found = [value for _, value in self._values.get(name_of(test), ())] or [test]
                if not all(map(self._is_settled, found)):
                    yield from ((one, two), (two, one), (found, lacks))

    def _is_hidden(self, path: str, call: ast.Call) -> bool:
        """Whether a call trains, or draws by, an object that was loaded as it is."""
        name, given = called(call, self._imported), call.args[:1]
        if isinstance(call.func, ast.Attribute) and _ACTS.search(f".{call.func.attr}"):
            seeds = [e.value for e in call.keywords if SEED_NAME.search(e.arg or "")]
            return not any(map(self._is_live, seeds)) and self._is_of_file(path, call.func.value)
        if name[-1] == "make_pipeline":
            given = call.args
        elif not _WRAPS.search(name[-1]):  # an optimizer
            given = [
                e for e in given if isinstance(e, ast.Call) and name_of(e.func) == ".parameters"
            ]
        given = [*given, *(e.value for e in call.keywords if WRAPPED.search(e.arg or ""))]
        return any(self._is_of_file(path, part) for each in given for part in wrapped(each))

    def _is_of_file(self, path: str, node: ast.AST) -> bool:
        """Whether a value is an object out of a file, or a part of it, that is given no seed."""
        rest, seen = [(path, node)], {(path, node)}
        while rest:
            path, node = rest.pop()
            key, at = name_of(node), getattr(node, "lineno", 0)
            if isinstance(node, ast.Call):
                name = called(node, self._imported)
                if name[-1] not in self._own and _OF_FILE.search(".".join(name)):
                    if not (is_of_settings(node, ".".join(name)) or self._is_absent(node)):
                        return True
                    continue
                key = f"{name[-1]}()"
            if key in self._reseeded:
                continue
            values: list[tuple[str, ast.AST]] = [*self._values.get(key, ())]
            found = [(p, v) for p, v in values if p != path or getattr(v, "lineno", 0) <= at]
            found = found or values
            match node:
                case ast.Call(args=[first, *_]) if key in {"clone()", "deepcopy()", "copy()"}:
                    found.append((path, first))
                case ast.Call(func=ast.Attribute(value=base)) if key not in self._values:
                    found.append((path, base))
                case ast.Attribute(value=base) | ast.Subscript(value=base) if not values:
                    found.append((path, base))
                case ast.ListComp(elt=part):
                    found.append((path, part))
            rest += [each for each in found if each not in seen]
            seen.update(found)
        return False

    def _is_clear(self, call: ast.Call, modules: Mapping[str, str]) -> bool:
        name, given = called(call, modules)[-1], call.args
        unnamed = [each.value for each in call.keywords if each.arg is None]
        if any(SEED_NAME.search(each.arg or "") for each in call.keywords):
            unnamed = []  # a keyword given twice is refused by Python
        if isinstance(call.func, ast.Name) and name in {"eval", "exec", "__import__"}:
            return False
        if name == "instantiate" or (name == "setattr" and not text_of(given[1:2])):
            unnamed += given[-1:]
        elif name == "import_module":
            top = text_of(given).partition(".")[0]
            return top in {*_KNOWN, *sys.stdlib_module_names, *self._stems}
        elif name == "getattr" and not text_of(given[1:2]):
            return root_of(given[0]) not in modules
        return name in {"print", "format", "log_params"} or all(map(self._is_known, unnamed))

    def _is_known(self, node: ast.AST, met: Met | None = None) -> bool:  # noqa: C901, PLR0911
        """Whether all entries of a mapping stand in the text, or in a file that was looked at."""
        key, met = name_of(node), met or Met((), set())
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript) and key not in met.above:
            if key in met.done:
                return True
            values = [value for _, value in self._values.get(key, ())]
            if values or key in self._open:
                met.done.add(key)
                return all(self._is_known(each, met.below(key)) for each in values)
        match node:
            case ast.Constant(value=value):
                is_file = isinstance(value, str) and bool(SETTINGS.search(value))
                name = str(value).rpartition("/")[2]
                return name in self.files if is_file else value is None or isinstance(value, str)
            case ast.Dict():
                texts = [text_of([k]) if k else self._is_known(v, met) for k, v in entries(node)]
                return all(texts)
            case ast.Attribute(attr="argv") | ast.JoinedStr():
                return bool(self.files)
            case ast.Name():
                return key in met.above
            case ast.Attribute(value=base) | ast.Subscript(value=base):
                return self._is_known(base, met)
            case ast.Call():
                return self._is_known_call(node, met)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return all(self._is_known(each, met) for each in parts)
            case ast.DictComp():
                return all(self._is_known(each.iter, met) for each in node.generators)
            case ast.BinOp() | ast.BoolOp() | ast.IfExp():
                parts = [e for e in ast.iter_child_nodes(node) if isinstance(e, ast.expr)]
                parts = [e for e in parts if e is not getattr(node, "test", None)]
                return all(self._is_known(each, met) for each in parts)
        return False

    def _is_known_call(self, call: ast.Call, met: Met) -> bool:
        name = called(call, self._imported)[-1]
        if name in self._own:
            values = self._values.get(f"{name}()", ()) if f"{name}()" not in met.done else ()
            met.done.add(f"{name}()")
            fields = {key for arguments in self._own[name] for key in defaults_of(arguments)}
            if any(SEED_NAME.search(key) for key in fields - self._live):
                return False
            return all(self._is_known(value, met.below(name)) for _, value in values)
        if name in HOLDS and not call.args:
            return all(e.arg or self._is_known(e.value, met) for e in call.keywords)
        if name == "parse_args":
            return all(text_of(each.args) for each in self._declarations())
        loads = name == "ConfigParser" or _LOADS.search(name)
        searches = name.endswith("SearchCV")  # whose best_params_ have the names of its grid
        if not (loads and self.files) and not searches and name not in _SAME:
            return False
        base = [call.func.value] if isinstance(call.func, ast.Attribute) else []
        of = call.args[:1] if loads or name in _OF_FIRST else base
        if searches:
            grids = [each.value for each in call.keywords if (each.arg or "").startswith("param_")]
            of = [*call.args[1:2], *grids]
        return all(self._is_known(each, met) for each in of or base)

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
        aside = {id(call.func) for calls in self._calls.values() for _, call in calls}
        aside |= {id(each) for call in self._declarations() for each in ast.walk(call)}
        for node in chain.from_iterable(self._nodes.values()):
            if id(node) in aside or isinstance(getattr(node, "ctx", None), ast.Store):
                continue
            key = node.arg if isinstance(node, ast.arg) else name_of(node)
            said = isinstance(node, ast.Constant) and named.search(spelled(key.lstrip(".")))
            unpacked = isinstance(node, ast.keyword) and node.arg is None
            if key == VARIABLE or key in self._live or said or unpacked:
                return True
        return False

    def hands_on(self, file: str, key: Sequence[str]) -> bool:
        """Whether a script hands on what holds the seed of a file, or of options ("")."""
        nodes = [node for found in self._nodes.values() for node in found]
        parents = {id(each): node for node in nodes for each in ast.iter_child_nodes(node)}
        held: set[str] = set()
        rest = [node for node in nodes if is_source(node, file)]
        while rest:
            node = rest.pop()
            up, looked_up = parents[id(node)], ""
            up = parents[id(up)] if isinstance(up, ast.keyword) else up
            is_declared = isinstance(up, ast.Call) and called(up)[-1] in DECLARES
            names = {name for name, value in self._given(up) if value is node and not is_declared}
            if names:
                rest += [e for e in nodes if name_of(e) in names - held and hasattr(e, "ctx")]
                held |= names
                continue
            if isinstance(getattr(node, "ctx", None), ast.Store):
                continue
            match up:
                case ast.Attribute() if (
                    isinstance(call := parents[id(up)], ast.Call) and call.func is up
                ):
                    looked_up = text_of(call.args[:1]) if up.attr == "get" else ""
                    up = call
                case ast.Attribute() | ast.Subscript() if up.value is node:
                    looked_up = name_of(up)[1:]
            loads = isinstance(up, ast.Call) and _LOADS.search(called(up)[-1])
            if looked_up in key or (not looked_up and (loads or isinstance(up, ast.BinOp))):
                rest.append(up)
            elif not looked_up:
                return True
        return False

    def draws_anew(self) -> bool:
        """Whether a script may draw on chance that nothing in it fixes."""
        seeded = {id(node) for _, _, node, _ in self._seeds}
        drawing = {each.path for each in self.draws}
        for path, modules in self._modules.items():
            calls = self._calls[path]
            fixes = {n for n, node in calls if SEED_CALL.search(n) and id(node) in seeded}
            tops = {name.partition(".")[0] for name in modules.values()}
            is_global = tops & _GLOBAL and not any("seed" in name for name in fixes)
            is_strange = not fixes and path not in drawing and self.strange(())
            if is_global or is_strange or any(self._unseeded(path, fixes)):
                return True
        return False


def _is_anew(name: str, call: ast.Call, fixes: Collection[str]) -> bool:
    """Whether a call without a seed takes its chance from nowhere that is fixed."""
    owner, _, last = name.rpartition(".")
    if owner in {"random", "numpy.random"} and last != "seed":
        return last in {"default_rng", "RandomState", "Random"} or f"{owner}.seed" not in fixes
    given = {each.arg for each in call.keywords}
    takes = TAKES_STATE.search(last) or (last.endswith("Fold") and "shuffle" in given)
    return bool(takes) and None not in given and "numpy.random.seed" not in fixes
