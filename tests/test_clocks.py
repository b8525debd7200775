"""No test depends on how fast this machine is: a lint over tests and doctests.

Refused are a clock, or what was worked out from one, held against a number (also as a limit that is
a clock plus a number, outside of a loop that waits), a sleep outside of ``tests/lab/waiting.py``, a
time-out that a busy machine reaches, deadlines of hypothesis, and durations in the text of scripts,
where nobody follows the value. Two clocks' ratio is a number; bars for ratios are in `make bench`.
"""

from __future__ import annotations

import ast
import doctest
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
CLOCK = re.compile(r"(monotonic|perf_counter|process_time|thread_time|default_timer|timeit)(_ns)?")
SUSPECT = re.compile(rf"{CLOCK.pattern}|\btime\b|sleep|timeout|deadline|suppress_health_check")
READING = re.compile(rf"\b({CLOCK.pattern}|time\.time(_ns)?)\(")
KEEPS = {"min", "max", "sum", "abs", "round", "float", "int", "sorted", "median", "mean", "fmean"}
LEAST_TIMEOUT_S = 60
SELF, WAITING = Path(__file__), ROOT / "tests/lab/waiting.py"


class Clocks:
    """What is a time in one file: names and functions, found until nothing is added."""

    def __init__(self, tree: ast.AST) -> None:
        self.tree = tree
        self.times: set[str] = set()
        self.limits: set[str] = set()  # a time plus a number
        self.numbers = {
            name: value
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign)
            for name, value in bindings(node.targets, node.value)
            if self.number(value, {})
        }
        while self.grown():
            pass

    def grown(self) -> bool:
        """Look once more; say whether a name was added."""
        before = len(self.times) + len(self.limits)
        for node in ast.walk(self.tree):
            match node:
                case ast.Assign(targets, value):
                    pairs = list(bindings(targets, value))
                case ast.AugAssign(target, _, value) | ast.AnnAssign(
                    target, _, ast.expr() as value
                ):
                    pairs = list(bindings([target], value))
                case ast.NamedExpr(ast.Name(name), value):
                    pairs = [(name, value)]
                case ast.For(target, value) | ast.comprehension(target, value):
                    pairs = list(bindings([target], value))
                case ast.FunctionDef(name):
                    pairs = [
                        (name, found.value)
                        for found in ast.walk(node)
                        if isinstance(found, ast.Return | ast.Yield) and found.value
                    ]
                case _:
                    continue
            self.times |= {name for name, value in pairs if self.time(value)}
            self.limits |= {name for name, value in pairs if self.limit(value)}
        return len(self.times) + len(self.limits) > before

    def time(self, node: ast.AST) -> bool:  # noqa: C901, PLR0911  a line a kind of node
        """Whether a value is a clock's, or worked out from one."""
        match node:
            case ast.Name(name) | ast.Attribute(_, name) if name in self.times:
                return True
            case ast.Call(ast.Attribute(ast.Name("time"), "time" | "time_ns")):
                return True
            case ast.Call(ast.Name(name) | ast.Attribute(_, name), arguments):
                if CLOCK.fullmatch(name) or name in self.times:
                    return True
                return name in KEEPS and any(
                    self.time(part) for each in arguments for part in ast.walk(each)
                )
            case ast.BinOp(left, ast.Div(), right):
                return self.time(left) != self.time(right)  # a ratio of two is a number
            case ast.BinOp(left, _, right):
                return self.time(left) or self.time(right)
            case ast.UnaryOp(_, value) | ast.Subscript(value) | ast.NamedExpr(_, value):
                return self.time(value)
            case ast.IfExp(_, left, right):
                return self.time(left) or self.time(right)
            case ast.List(parts) | ast.Tuple(parts):
                return any(map(self.time, parts))
            case ast.ListComp(part) | ast.GeneratorExp(part):
                return self.time(part)
        return False

    def limit(self, node: ast.AST) -> bool:
        """Whether a value is a time plus a number."""
        match node:
            case ast.Name(name):
                return name in self.limits
            case ast.BinOp(left, ast.Add(), right):
                return any(
                    self.time(one) and self.number(other, self.numbers)
                    for one, other in ((left, right), (right, left))
                )
        return False

    def number(self, node: ast.AST, known: dict[str, ast.AST]) -> bool:
        """Whether a value is written down as a number."""
        match node:
            case ast.Constant(value):
                return isinstance(value, int | float)
            case ast.Name(name) | ast.Attribute(_, name):
                return name in known or (bool(known) and name.isupper())
            case ast.UnaryOp(_, value):
                return self.number(value, known)
            case ast.BinOp(left, _, right):
                return self.number(left, known) and self.number(right, known)
            case ast.Call(ast.Name("approx" | "float") | ast.Attribute(_, "approx"), [value, *_]):
                return self.number(value, known)
        return False


def bindings(targets: list[ast.expr], value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the names that are bound, each with its value as far as it can be told apart."""
    for target in targets:
        match target, value:
            case ast.Tuple(names), ast.Tuple(values) if len(names) == len(values):
                for name, part in zip(names, values, strict=True):
                    yield from bindings([name], part)
            case ast.Tuple(names), _:
                for name in names:
                    yield from bindings([name], value)
            case ((ast.Name(name) | ast.Attribute(_, name)), _):
                yield name, value


def complaints(  # noqa: C901, PLR0912  a case a rule
    source: str, *, waits: bool = False
) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file that depend on the machine's speed, and why."""
    if not SUSPECT.search(source):  # nearly every file
        return
    tree = ast.parse(source)
    clocks = Clocks(tree)
    waiting = {
        inner for loop in ast.walk(tree) if isinstance(loop, ast.While) for inner in ast.walk(loop)
    }
    for node in ast.walk(tree):
        match node:
            case ast.Compare(left, _, others):
                sides = [left, *others]
                timed = [side for side in sides if clocks.time(side)]
                if timed and any(clocks.number(side, clocks.numbers) for side in sides):
                    yield node.lineno, "a time is held against a number"
                elif timed and any(map(clocks.limit, sides)) and node not in waiting:
                    yield node.lineno, "a time is held against a limit outside of a loop"
            case ast.Call(ast.Attribute(ast.Name("time"), "sleep")) if not waits:
                yield node.lineno, "a sleep: wait for the condition, by tests/lab/waiting.py"
            case ast.keyword("timeout", ast.Constant(float() | int() as limit)):
                if 0 < limit < LEAST_TIMEOUT_S:
                    yield node.value.lineno, f"a time-out below {LEAST_TIMEOUT_S} s"
            case ast.keyword("deadline", value):
                if not (isinstance(value, ast.Constant) and value.value is None):
                    yield node.value.lineno, "a deadline"
            case ast.keyword("suppress_health_check", ast.List(checks)):
                if not any(isinstance(e, ast.Attribute) and e.attr == "too_slow" for e in checks):
                    yield node.value.lineno, "health checks without too_slow: list(HealthCheck)"
            case ast.Constant(str(text)) if len(READING.findall(text)) > 1:
                yield node.lineno, "a duration in a script's text"


FILES = [path for path in sorted((ROOT / "tests").rglob("*.py")) if path != SELF]


def test_no_test_depends_on_the_speed_of_the_machine() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {why}"
        for path in FILES
        for line, why in complaints(path.read_text("utf-8"), waits=path == WAITING)
    ]
    assert not found, "\n".join(found)


def test_nor_does_a_doctest() -> None:
    found = []
    for path in sorted((ROOT / "gitexp").rglob("*.py")):
        text = path.read_text("utf-8")
        if ">>>" in text:
            examples = doctest.DocTestParser().get_examples(text)
            source = "".join(example.source for example in examples)
            found += [f"{path.name}: {why}" for _, why in complaints(source)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "assert time.time() - began < 3",
        "began = time.perf_counter()\nassert perf_counter() - began <= 0.05",
        "took = time.monotonic() - began\nassert took < 2 * 60",
        "LIMIT = 0.1\ntook = process_time() - start\nassert took < LIMIT",
        "assert 2 > (time.perf_counter_ns() - start) / 1e9",
        "def s():\n    return perf_counter() - a\nbest = min(s() for _ in x)\nassert n / best > 9",
        "took = [perf_counter() - a for a in b]\nassert sorted(took)[1] < 1",
        "a, b = time.time(), 7\nassert abs(time.time() - a) < b",
        "if (took := timeit(f)) > 2:\n    fail()",
        "end = time.monotonic() + 2\nf()\nassert time.monotonic() < end",
        "assert timeit(f) == pytest.approx(0.1)",
        "total = 0\nfor x in y:\n    total += perf_counter() - x\nassert total < 4",
        "time.sleep(0.1)\nassert path.exists()",
        "process.communicate(timeout=5)",
        "@settings(deadline=200)\ndef f(): ...",
        "@settings(suppress_health_check=[HealthCheck.data_too_large])\ndef f(): ...",
        "run(['-c', 'a = time.time(); f(); print(time.time() - a)'])",
    ],
)
def test_what_depends_on_the_speed_of_the_machine_is_found(source: str) -> None:
    assert list(complaints(source)), source


@pytest.mark.parametrize(
    "source",
    [
        "old = perf_counter() - a\nnew = perf_counter() - b\nassert new / old < 3",
        "end = time.monotonic() + 10\nwhile time.monotonic() < end:\n    poll()",
        "end = time.monotonic() + 10\nwhile not f():\n    assert time.monotonic() < end",
        "os.utime(path, (time.time() - 3600, 0))\nassert n < 5",
        "process.communicate(timeout=300)",
        "@settings(deadline=None, suppress_health_check=list(HealthCheck))\ndef f(): ...",
        "script.write_text('seed = int(time.time())')",
        "assert record.wall_s > 0\nassert seconds < 5",
    ],
)
def test_what_does_not_depend_on_it_is_left_alone(source: str) -> None:
    assert not list(complaints(source)), source
