"""Parameters changed in place: comments, order and layout stay to the byte.

Only the text of the changed values is exchanged, at the place where the parser met it. The result
is parsed again, and unless it says exactly what was asked for, nothing is returned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from gitexp.errors import BadFormatError, UnknownParamError
from gitexp.formats import placesjson, placespython, placestoml, yamlwrite
from gitexp.formats.fields import param_json, shorten
from gitexp.formats.jsontext import Json, decode, json_dumps_compact
from gitexp.formats.paramfiles import LIMIT, Syntax, parse, syntax_of
from gitexp.formats.paramkeys import Path, flatten, path_of
from gitexp.formats.yamltext import Place, scan
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue

_BOM = "\ufeff"


def edit(data: bytes, file: str, changes: Mapping[str, ParamValue]) -> bytes:
    r"""Change parameters in the text of a params file.

    Parameters
    ----------
    data : bytes
        The file.
    file : str
        Its path: the ending tells the syntax; also for messages.
    changes : mapping of str to ParamValue
        Dotted key to new value. One that has this value already is left as it is written.

    Raises
    ------
    UnknownParamError
        If a parameter is not there, or is a whole section; near names are given.
    BadFormatError
        If the file cannot be read, or the value cannot be exchanged where it stands (it comes from
        an anchor, say).

    Examples
    --------
    >>> edit(b"lr: 1e-3  # tuned\\nseed: 1\\n", "params.yaml", {"lr": 0.01})
    b'lr: 0.01  # tuned\\nseed: 1\\n'
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
    places = _places(text, file, syntax)
    for path in sorted(wanted, key=lambda path: _place(places, path, file).start, reverse=True):
        text = _exchange(text, places, path, wanted[path], syntax, file)
    result = ((_BOM if data.startswith(_BOM.encode()) else "") + text).encode()
    expected = value
    for path, new in wanted.items():
        expected = _with(expected, path, param_json(new))
    if not _same(_reread(result, file), expected):
        raise _cannot(file, next(iter(wanted)))
    return result


def _places(text: str, file: str, syntax: Syntax) -> Mapping[Path, Place]:
    match syntax:
        case Syntax.YAML:
            return scan(text.encode(), where=file, limit=LIMIT).places
        case Syntax.JSON:
            return placesjson.places(text)
        case Syntax.TOML:
            return placestoml.places(text)
        case Syntax.PYTHON:
            return placespython.places(text, file)


def _exchange(
    text: str,
    places: Mapping[Path, Place],
    path: Path,
    new: ParamValue,
    syntax: Syntax,
    file: str,
) -> str:
    place = _place(places, path, file)
    start, end = place.start, place.end
    old = text[start:end]
    match syntax:
        case Syntax.YAML:
            shown = _yaml(new, place.style)
            if place.style in ("|", ">"):  # the region of a block ends with its line breaks
                shown += old[len(old.rstrip()) :]
            elif start == end:  # "key:" with nothing behind it
                shown = f" {shown}"
            elif place.style == "-":  # a list in block style: one line below its key
                start, end = len(text[:start].rstrip()), _last(places, path)
                shown = f" {shown}"
        case Syntax.JSON:
            shown = json.dumps(param_json(new), ensure_ascii=False, allow_nan=False)
        case Syntax.TOML:
            shown = _toml(new, file)
        case Syntax.PYTHON:
            shown = _python(new, brackets="()" if old.startswith("(") else "[]")
    return text[:start] + shown + text[end:]


def _last(places: Mapping[Path, Place], path: Path) -> int:
    """Return where the last scalar of a block list ends."""
    return max(
        place.end
        for below, place in places.items()
        if below[: len(path)] == path and len(below) > len(path)
    )


def _yaml(new: ParamValue, style: str | None) -> str:
    if not isinstance(new, str):
        return yamlwrite.inline(param_json(new))
    if style == "'" and new.isprintable():
        return "'" + new.replace("'", "''") + "'"
    # Whether this is inside [] or {} is not looked at: what could end a text there is quoted.
    if style is None and yamlwrite.is_plain(new) and not any(char in new for char in ",[]{}"):
        return new
    return yamlwrite.quoted(new)


def _toml(new: ParamValue, file: str) -> str:
    if new is None:
        raise BadFormatError("TOML has no null", where=file, expected="a text or a number")
    if isinstance(new, tuple):
        return "[" + ", ".join(_toml(item, file) for item in new) + "]"
    return json.dumps(new, ensure_ascii=False, allow_nan=False).replace("\x7f", "\\u007f")


def _python(new: ParamValue, brackets: str) -> str:
    if not isinstance(new, tuple):
        return repr(new)
    inner = ", ".join(_python(item, "[]") for item in new)
    comma = "," if brackets == "()" and len(new) == 1 else ""
    return f"{brackets[0]}{inner}{comma}{brackets[1]}"


def _place(places: Mapping[Path, Place], path: Path, file: str) -> Place:
    place = places.get(path)
    if place is None or place.marked:
        raise _cannot(file, path)
    return place


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
    if isinstance(value, Mapping):
        return {
            key: _with(item, path[1:], new) if key == path[0] else item
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [
            _with(item, path[1:], new) if i == path[0] else item for i, item in enumerate(value)
        ]
    return value


def _same(a: Json, b: Json) -> bool:
    """Compare as JSON, where 1, 1.0 and true differ."""
    return json_dumps_compact(a) == json_dumps_compact(b)
