"""Parameters changed in place: comments, order and layout stay to the byte.

Only the text of the changed values is exchanged, at the place where the parser met it. The result
is parsed again, and unless it says exactly what was asked for, nothing is returned.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from gitexp.errors import BadFormatError, UnknownParamError
from gitexp.text import yamlwrite
from gitexp.text.fields import param_json, shorten
from gitexp.text.jsontext import Json, decode, json_dumps_compact
from gitexp.text.paramkeys import Path, flatten, path_of
from gitexp.text.params import LIMIT, Syntax, parse, python_assignments, python_tree, syntax_of
from gitexp.text.yamltext import TextSpan, scan

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue

_Holder = dict[str | int, object]  # as a table or an array of tomlkit is used here
_BOM = "\ufeff"


def edit(data: bytes, file: str, changes: Mapping[str, ParamValue]) -> bytes:
    r"""Change parameters in the text of a params file.

    `file`: its path: the ending tells the syntax; also for messages. `changes`: dotted key to new
    value. One that has this value already is left as it is written.

    Raises `UnknownParamError` if a parameter is not there, or is a whole section; near names are
    given.

    >>> edit(b"lr: 1e-3  # tuned\nseed: 1\n", "params.yaml", {"lr": 0.01})
    b'lr: 0.01  # tuned\nseed: 1\n'
    """
    value = parse(data, file)
    wanted: dict[Path, ParamValue] = {}
    for key, new in changes.items():
        path = path_of(value, key)
        old = _at(value, path)
        if isinstance(old, Mapping):
            raise UnknownParamError(
                f"{key} is a section, not a parameter",
                where=file,
                expected=", ".join(f"{key}.{name}" for name in list(flatten(old))[:8]),
            )
        if not _same(old, param_json(new)):
            wanted[path] = new
    if not wanted:
        return data
    syntax = syntax_of(file)
    text = decode(data, where=file, limit=LIMIT)
    if syntax is Syntax.TOML:
        text = _toml_edited(text, wanted)
    else:
        places = _places(text, file, syntax)
        regions = {path: _region(places, path, text, file) for path in wanted}
        for path, place in sorted(regions.items(), key=lambda item: item[1].start, reverse=True):
            shown = _shown(wanted[path], place, text[place.start : place.end], syntax)
            text = text[: place.start] + shown + text[place.end :]
    result = ((_BOM if data.startswith(_BOM.encode()) else "") + text).encode()
    expected = value
    for path, new in wanted.items():
        expected = _with(expected, path, param_json(new))
    if not _same(_reread(result, file), expected):
        raise _cannot(file, next(iter(wanted)))
    return result


def _toml_edited(text: str, wanted: Mapping[Path, ParamValue]) -> str:
    import tomlkit  # noqa: PLC0415  most projects have no TOML; every repeat would pay for it

    document = tomlkit.parse(text)
    for path, new in wanted.items():
        if new is None:
            raise BadFormatError("TOML has no null", found="null", expected="a text or a number")
        holder = cast("_Holder", document)
        for part in path[:-1]:
            holder = cast("_Holder", holder[part])
        holder[path[-1]] = list(new) if isinstance(new, tuple) else new
    return document.as_string()


def _places(text: str, file: str, syntax: Syntax) -> Mapping[Path, TextSpan]:
    match syntax:
        case Syntax.YAML:
            return scan(text.encode(), where=file, limit=LIMIT).places
        case Syntax.JSON:
            return json_places(text)
        case _:
            return python_places(text, file)


def _region(places: Mapping[Path, TextSpan], path: Path, text: str, file: str) -> TextSpan:
    """Return the text to be exchanged for one value."""
    place = places.get(path)
    if place is None or place.marked:
        raise _cannot(file, path)
    if place.style != "-":
        return place
    # A list in block style begins on the line below its key, and its mark ends after comments.
    items = (p.end for below, p in places.items() if below[: len(path)] == path and below != path)
    return replace(place, start=len(text[: place.start].rstrip()), end=max(items))


def _shown(new: ParamValue, place: TextSpan, old: str, syntax: Syntax) -> str:
    match syntax:
        case Syntax.YAML:
            shown = _yaml(new, place.style)
            if place.style in ("|", ">"):  # the region of a block ends with its line breaks
                return shown + old[len(old.rstrip()) :]
            return f" {shown}" if not old or place.style == "-" else shown  # right after "key:"
        case Syntax.JSON:
            return json.dumps(param_json(new), ensure_ascii=False, allow_nan=False)
        case _:
            return _python(new, brackets="()" if old.startswith("(") else "[]")


def _yaml(new: ParamValue, style: str | None) -> str:
    if not isinstance(new, str):
        return yamlwrite.inline(param_json(new))
    if style == "'" and new.isprintable():
        return "'" + new.replace("'", "''") + "'"
    # Whether this is inside [] or {} is not looked at: what could end a text there is quoted.
    if style != '"' and yamlwrite.is_plain(new) and not any(char in new for char in ",[]{}"):
        return new
    return yamlwrite.quoted(new)


def _python(new: ParamValue, brackets: str) -> str:
    if not isinstance(new, tuple):
        return repr(new)
    inner = ", ".join(_python(item, "[]") for item in new)
    comma = "," if brackets == "()" and len(new) == 1 else ""
    return f"{brackets[0]}{inner}{comma}{brackets[1]}"


def _cannot(file: str, path: Path) -> BadFormatError:
    key = ".".join(str(part) for part in path)
    return BadFormatError(
        f"{key} cannot be changed in place",
        found="an anchor, an alias, a tag or a layout that gitexp does not edit",
        where=file,
        next_step=f"change {key} in {file} by hand and commit",
    )


def _reread(data: bytes, file: str) -> Json:
    try:
        return parse(data, file)
    except BadFormatError:
        return None


def _at(value: Json, path: Path) -> Json:
    for part in path:
        if isinstance(value, Mapping):
            value = value[str(part)]
        elif isinstance(value, list):
            value = value[int(part)]
        else:
            raise BadFormatError("a path leads nowhere", found=shorten(list(path)))
    return value


def _with(value: Json, path: Path, new: Json) -> Json:
    if not path:
        return new
    here, below = path[0], path[1:]
    if isinstance(value, Mapping):
        return {**value, str(here): _with(value[str(here)], below, new)}
    if isinstance(value, list):
        return [_with(item, below, new) if i == here else item for i, item in enumerate(value)]
    return value


def _same(a: Json, b: Json) -> bool:
    """Compare as JSON, where 1, 1.0 and true differ."""
    return json_dumps_compact(a) == json_dumps_compact(b)


_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')


def json_places(text: str) -> dict[Path, TextSpan]:
    """Return the place of each value by its path."""
    found: dict[Path, TextSpan] = {}
    path: list[str | int | None] = []  # None: in a mapping, before the next key
    starts: list[int] = []
    for token in _TOKENS.finditer(text):
        shown, style = token[0], None
        if shown in "{[":
            starts.append(token.start())
            path.append(None if shown == "{" else 0)
            continue
        if shown == ",":
            path[-1] = path[-1] + 1 if isinstance(path[-1], int) else None
            continue
        if path and path[-1] is None and shown != "}":
            path[-1] = json.loads(shown)
            continue
        start = token.start()
        if shown in "}]":
            start, _ = starts.pop(), path.pop()
        elif shown.startswith('"'):
            style = '"'
        found[cast("Path", tuple(path))] = TextSpan(start, token.end(), style)
    return found


def python_places(text: str, file: str) -> dict[Path, TextSpan]:
    """Return the place of each literal by its path; a later assignment wins, as in Python."""
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    lines = text.split("\n")
    found: dict[Path, TextSpan] = {}

    def offset(line: int, column: int) -> int:
        # ast counts columns in bytes of UTF-8.
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    stack: list[tuple[Path, ast.expr]] = list(python_assignments(python_tree(text, file)))
    while stack:
        path, node = stack.pop(0)
        if node.end_lineno is None or node.end_col_offset is None:
            continue
        start = offset(node.lineno, node.col_offset)
        found[path] = TextSpan(start, offset(node.end_lineno, node.end_col_offset))
        if isinstance(node, ast.Dict):
            stack.extend(
                ((*path, str(key.value)), value)
                for key, value in zip(node.keys, node.values, strict=True)
                if isinstance(key, ast.Constant)
            )
        elif isinstance(node, (ast.List, ast.Tuple)):
            stack.extend(((*path, index), item) for index, item in enumerate(node.elts))
    return found
