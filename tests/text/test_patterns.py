"""No pattern takes quadratic time, whatever a stranger's text repeats.

The texts are made of each pattern's own parts, and what is measured is how the time grows.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import time
from pathlib import Path
from re import _compiler as compiler  # type: ignore[attr-defined]
from re import _constants as sre  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import TYPE_CHECKING, Any  # noqa: TID251  # the parts of a parsed pattern have no type

import pytest

import gitexp

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Parts = Iterable[tuple[object, Any]]

_PROBES = " \n.-a0_/'\"\\(#=:,A\t\x00"
_FEW = 5  # characters of a class
_MIB = 1 << 20
_SIZES = tuple(4**k for k in range(2, 9))  # the last one for what is slow at 16 KB already
_UNIT = re.compile("[^x]*x")  # of it over three MiB is what a text has to cost to be measured
_QUADRATIC = 8  # times the time for four times the text: linear is 4, quadratic 16
_REPEATS = {sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT}
_LONG = 50  # a repeat that may be as long is one without end
# By which method patterns are used that are handed on to somebody else.
_HANDED_ON = {
    "gitexp.dvc.covered.packaging._OPTION": "match",
    "gitexp.git.fsck._ENTRY": "match",
    "gitexp.git.worktree.status._FILTERS": "fullmatch",
}
_METHODS = "search|match|fullmatch|findall|finditer|sub|subn|split"


def _found() -> dict[str, tuple[re.Pattern[Any], set[str]]]:
    """Return every pattern of the package, by place and text, with the methods it is used by."""
    found: dict[str, tuple[re.Pattern[Any], set[str]]] = {}
    root = Path(gitexp.__file__).parent
    paths = {path.relative_to(root.parent).with_suffix(""): path for path in root.rglob("*.py")}
    sources = {
        ".".join(at.parts).removesuffix(".__init__"): path.read_text(encoding="utf-8")
        for at, path in paths.items()
    }
    everything = "\n".join(sources.values())
    for each in pkgutil.walk_packages(gitexp.__path__, "gitexp."):
        if each.name.endswith("__main__"):
            continue
        for name, value in vars(importlib.import_module(each.name)).items():
            for pattern in _patterns(value):
                place = f"{each.name}.{name}"
                text = sources[each.name] if name.startswith("_") else everything
                used = {_HANDED_ON.get(place), *re.findall(rf"\b{name}\.({_METHODS})\b", text)}
                found.setdefault(f"{place} {pattern.pattern!r}", (pattern, used - {None}))
    direct = re.compile(rf"\bre\s*\.\s*(?:{_METHODS})\s*\(")
    for module, text in sources.items():
        for node in ast.walk(ast.parse(text)) if direct.search(text) else ():
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name("re"), attr=method),
                    args=[ast.Constant(value=str(literal)), *_],
                ) if method in _METHODS.split("|"):
                    found[f"{module}:{node.lineno} {literal!r}"] = re.compile(literal), {method}
    return found


def _patterns(value: object) -> Iterator[re.Pattern[Any]]:
    match value:
        case re.Pattern():
            yield value
        case dict():
            yield from (pattern for each in value.values() for pattern in _patterns(each))
        case tuple() | list():
            yield from (pattern for each in value for pattern in _patterns(each))


def _characters(op: object, arg: Any) -> str:  # noqa: ANN401
    """Return characters that a part of a pattern matches which is for one character."""
    if op is sre.LITERAL:
        return chr(arg)
    if op not in {sre.ANY, sre.NOT_LITERAL, sre.IN}:
        return ""
    literals = [chr(what) for kind, what in arg if kind is sre.LITERAL] if op is sre.IN else []
    state = parser.State()
    sub = parser.SubPattern(state, [(op, arg)])
    state.str = ""
    code = compiler.compile(sub, re.DOTALL)
    return "".join(c for c in dict.fromkeys([*_PROBES, *literals]) if code.match(c))[:_FEW]


def _pumped(parts: Parts, before: str = "") -> Iterator[tuple[str, str]]:
    """Yield what to begin a text with, and what to repeat."""
    for op, arg in parts:
        if op in _REPEATS:
            _, most, body = arg
            first = ""
            if len(body) == 1 and (signs := _characters(*body[0])):
                first = signs[0]
                for sign in signs if most is sre.MAXREPEAT or most >= _LONG else ():
                    yield before, sign
                    yield "", before + sign
            else:
                yield from _pumped(body, before)
                first = _sample(body)
                yield before, first
            before += first * max(1, min(arg[0], 40))
        elif op is sre.SUBPATTERN:
            yield from _pumped(arg[3], before)
            before += _sample(arg[3])
        elif op is sre.ATOMIC_GROUP:
            yield from _pumped(arg, before)
            before += _sample(arg)
        elif op is sre.BRANCH:
            for each in arg[1]:
                yield from _pumped(each, before)
            before += _sample(arg[1][0])
        else:
            before += _characters(op, arg)[:1]
    yield "", before


def _sample(parts: Parts) -> str:
    *_, (_, text) = _pumped(parts)
    return text


def _steps(pattern: re.Pattern[Any], used: set[str], text: str) -> float:
    data: Any = text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text
    begin = time.process_time()
    if used & {"match", "fullmatch"}:
        pattern.fullmatch(data)
        pattern.match(data)
    if not used or used - {"match", "fullmatch"}:
        for _ in pattern.finditer(data):
            pass
    return time.process_time() - begin


def _growth(
    pattern: re.Pattern[Any], used: set[str], text: tuple[str, str, str], floor: float
) -> float:
    """Return by how much four times the text is slower, 0 where it is not slow.

    What is within bounds for one size, as a repeat that has a limit, is linear for the next.
    """
    begin, unit, end = text
    found = list[float]()
    for size in _SIZES:
        if size == _SIZES[-1] and not found:
            break
        short, long = (begin + unit * (n // len(unit)) + end for n in (size // 4, size))
        slow = _steps(pattern, used, long)
        if found or slow > floor:
            fast = min(_steps(pattern, used, short) for _ in range(3))
            if slow >= _QUADRATIC * fast:  # or less only by chance
                slow = min(slow, *(_steps(pattern, used, long) for _ in range(2)))
            found.append(slow / fast if slow > floor else 0)
            if found[-1] < _QUADRATIC or len(found) > 2:
                break
    return min(found, default=0)


@pytest.mark.slow
def test_no_pattern_takes_quadratic_time() -> None:
    slow: dict[str, object] = {}
    floor = min(_steps(_UNIT, {"fullmatch"}, "a" * 3 * _MIB) for _ in range(5))
    for place, (pattern, used) in _found().items():
        tree = parser.parse(pattern.pattern, pattern.flags)
        texts = {(begin, unit, end) for begin, unit in _pumped(tree) for end in ("", "!") if unit}
        for text in sorted(texts):
            if (growth := _growth(pattern, used, text, floor)) >= _QUADRATIC:
                slow[place] = text, round(growth, 1), used
                break
    assert not slow, "\n".join(f"{place}: {text}" for place, text in slow.items())
