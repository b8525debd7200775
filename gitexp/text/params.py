"""Parameters read: from files of the four kinds that DVC knows, and from argv.

Those are YAML, JSON, TOML and Python literals. `paramkeys` looks them up, `paramedit` edits files.
"""

from __future__ import annotations

import ast
import enum
import math
import re
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, UsageError
from gitexp.text import yamltext
from gitexp.text.jsontext import MAX_DEPTH, MIB, Json, check_integer, decode, json_loads, too_deep
from gitexp.text.paramkeys import flatten, param_key
from gitexp.text.yamltext import is_date, scalar, yaml_loads

if TYPE_CHECKING:
    from gitexp.model.config import ParamKey
    from gitexp.model.ids import ParamValue

LIMIT = MIB
_PYTHON_LIMIT = MIB // 8  # Python's own parser is quadratic in some places

# What may hold dots that part no keys in TOML, and a key of more parts than we nest: tomllib takes
# quadratic time for it.
_TEXT = re.compile(
    r"""'{3}(?:[^']|'(?!''))*+'*+|"(?!"")(?:[^"\\\n]|\\.)*+"?|'[^'\n]*+'?|#[^\n]*+"""
    r'|"{3}(?:[^"\\]|\\.|"(?!""))*+"*+',
    re.DOTALL,
)
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{MAX_DEPTH}}}")


class Syntax(enum.Enum):
    """How a params file is written."""

    YAML = "yaml"
    JSON = "json"
    TOML = "toml"
    PYTHON = "py"


def syntax_of(file: str) -> Syntax:
    """Tell the syntax from the file's ending, as DVC does: YAML where it says nothing."""
    name = file.lower()
    for ending, syntax in ((".json", Syntax.JSON), (".toml", Syntax.TOML), (".py", Syntax.PYTHON)):
        if name.endswith(ending):
            return syntax
    return Syntax.YAML


def parse(data: bytes, file: str) -> Json:
    r"""Read a params file; an empty one is an empty mapping.

    `data`: the file, at most 1 MiB, of Python 128 KiB. `file`: its path: the ending tells the
    syntax; also for messages.

    >>> parse(b"lr = 1e-3\n[net]\nsizes = [8, 4]\n", "conf.toml")
    {'lr': 0.001, 'net': {'sizes': [8, 4]}}
    """
    match syntax_of(file):
        case Syntax.YAML:
            value = yaml_loads(data, where=file, limit=LIMIT, allow_aliases=True)
        case Syntax.JSON:
            value = json_loads(data, where=file, limit=LIMIT) if data.strip() else None
        case Syntax.TOML:
            value = _plain(toml(decode(data, where=file, limit=LIMIT), file), file, file, 0)
        case Syntax.PYTHON:
            value = _python(decode(data, where=file, limit=_PYTHON_LIMIT), file)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadFormatError(
            "a params file holds names and values",
            found=f"a {type(value).__name__}",
            where=file,
            expected="a mapping",
        )
    return value


def flat(data: bytes, file: str) -> dict[str, ParamValue]:
    """Read a params file, and lay its parameters out flat."""
    return flatten(parse(data, file))


def unlike(data: bytes, file: str) -> list[tuple[tuple[str | int, ...], str]]:
    """Return what of a params file YAML 1.1 reads otherwise; see `yamltext.unlike`."""
    if syntax_of(file) is not Syntax.YAML:
        return []
    return yamltext.unlike(data, where=file, limit=LIMIT)


def python_assignments(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    """Yield (path, value) of each assignment that DVC takes for a parameter.

    Those are names at the top and in classes, and ``self.x`` in ``__init__``.
    """
    stack: list[tuple[tuple[str, ...], list[ast.stmt], bool]] = [((), tree.body, False)]
    while stack:
        path, body, in_init = stack.pop()
        for node in body:
            if isinstance(node, ast.ClassDef):
                stack.append(((*path, node.name), node.body, False))
            elif isinstance(node, ast.FunctionDef) and node.name == "__init__":
                stack.append((path, node.body, True))
            elif isinstance(node, ast.AnnAssign) and node.value is not None:
                yield from _assigned(path, node.target, node.value, in_init=in_init)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1:
                yield from _assigned(path, node.targets[0], node.value, in_init=in_init)


def _assigned(
    path: tuple[str, ...], target: ast.expr, value: ast.expr, *, in_init: bool
) -> Iterator[tuple[tuple[str, ...], ast.expr]]:
    if isinstance(target, ast.Name) and not in_init:
        yield (*path, target.id), value
    elif (
        isinstance(target, ast.Attribute)
        and isinstance(target.value, ast.Name)
        and target.value.id == "self"
    ):
        yield (*path, target.attr), value


def python_tree(text: str, file: str) -> ast.Module:
    """Parse Python source without running it."""
    try:
        with warnings.catch_warnings(action="ignore"):  # they would quote it on the terminal
            return ast.parse(text, filename=file)
    except SyntaxError as error:
        raise BadFormatError(
            "this is not Python", found=error.msg, where=f"{file}, line {error.lineno}"
        ) from error
    except (RecursionError, MemoryError) as error:
        raise too_deep(file) from error
    except ValueError as error:
        raise BadFormatError("this is not Python", found=str(error), where=file) from error


def _python(text: str, file: str) -> Json:
    found: dict[str, Json] = {}
    for path, node in python_assignments(python_tree(text, file)):
        try:
            value: object = ast.literal_eval(node)
        except (ValueError, TypeError, RecursionError, MemoryError):
            continue  # computed, or another module's: not a parameter
        section = found
        for name in path[:-1]:
            below = section.setdefault(name, {})
            if not isinstance(below, dict):
                below = section[name] = {}
            section = below
        section[path[-1]] = _plain(value, file, f"{file}, line {node.lineno}", 1)
    return found


def toml(text: str, file: str) -> dict[str, Json]:
    """Read a TOML file, with what JSON has not (times, NaN) as tomllib gives it."""
    import tomllib  # noqa: PLC0415  most projects have no TOML; every repeat would pay for it

    if _LONG_KEY.search(_TEXT.sub("x", text)):
        raise too_deep(file)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFormatError("this is not TOML", found=str(error), where=file) from error
    except RecursionError as error:
        raise too_deep(file) from error
    except ValueError as error:  # an integer of more digits than Python converts
        raise BadFormatError("this is not TOML", found=str(error), where=file) from error


def _plain(value: object, file: str, where: str, depth: int) -> Json:
    """Turn what TOML and Python have and JSON has not into JSON, or refuse it."""
    if depth > MAX_DEPTH:
        raise too_deep(where)
    if isinstance(value, dict):
        return {str(key): _plain(item, file, where, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, file, where, depth + 1) for item in value]
    if isinstance(value, (set, frozenset)):
        return [_plain(item, file, where, depth + 1) for item in sorted(value, key=repr)]
    if isinstance(value, float) and not math.isfinite(value):
        raise BadFormatError(
            "a number is not finite", found=str(value), where=where, expected="a finite number"
        )
    if isinstance(value, int):
        return check_integer(value, where)
    if value is None or isinstance(value, (str, float)):
        return value
    raise BadFormatError(
        "a value is none that every tool reads alike",
        found=f"{value!s:.60} ({type(value).__name__})",
        where=where,
        expected="a text, a number, true or false",
        next_step="put it in quotes",
    )


def parse_assignment(text: str) -> tuple[ParamKey, ParamValue]:
    """Read ``KEY=VALUE`` or ``FILE:KEY=VALUE``, the value by the rules of YAML 1.2.

    Raises `UsageError` if there is no ``=`` or no key, or the value is a mapping.

    >>> parse_assignment("train.lr=1e-3")
    (ParamKey(file='params.yaml', key='train.lr'), 0.001)
    >>> parse_assignment("conf/net.toml:sizes=[8, 4]")
    (ParamKey(file='conf/net.toml', key='sizes'), (8, 4))
    """
    name, equals, shown = text.partition("=")
    key = param_key(name.strip())
    if not equals or not key.key or not key.file:
        raise UsageError(
            "a parameter is given as KEY=VALUE", found=text[:80], expected="train.lr=0.1"
        )
    return key, _assigned_value(shown.strip(), text)


def _assigned_value(shown: str, text: str) -> ParamValue:
    where = f"--param {text[:80]}"
    if is_date(shown):  # unmistakable here; `edit` puts it in quotes
        return shown
    if not shown.startswith(("[", "{", '"', "'")):
        return scalar(shown, where=where)
    return _leaf(yaml_loads(shown.encode(), where=where), text)


def _leaf(value: Json, text: str) -> ParamValue:
    if isinstance(value, Mapping):
        raise UsageError(
            "a parameter's value is a text, a number, true, false, null or a list of them",
            found=text[:80],
        )
    if isinstance(value, (str, int, float)) or value is None:
        return value
    return tuple(_leaf(item, text) for item in value)
