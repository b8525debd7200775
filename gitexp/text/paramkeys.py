"""Dotted keys: ``train.lr`` in nested parameters, and parameters laid out flat."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, cast

from gitexp.errors import BadFormatError, UnknownParamError
from gitexp.model.config import ParamKey
from gitexp.model.ids import ABSENT
from gitexp.text.fields import near, param_tree

if TYPE_CHECKING:
    from gitexp.model.ids import Absent, ParamTree, ParamValue
    from gitexp.text.jsontext import Json

Path = tuple[str | int, ...]

_MOST_LETTERS = 1_000  # of a flat name; each parameter of a section repeats the section's
_POSITION = re.compile(r"0|[1-9][0-9]{0,5}")


def flatten(value: Json) -> dict[str, ParamValue]:
    """Lay nested parameters out flat, in the order of the file.

    A list without mappings is one value; one with mappings is gone into by position
    (``layers.0.units``). An empty mapping is not a parameter.

    >>> flatten({"train": {"lr": 0.1, "sizes": [8, 4]}, "layers": [{"units": 3}]})
    {'train.lr': 0.1, 'train.sizes': (8, 4), 'layers.0.units': 3}
    """
    flat: dict[str, ParamValue] = {}
    for path, leaf in _leaves((), value):
        key = ".".join(str(part) for part in path)
        if key in flat:
            raise BadFormatError("two parameters have one name", found=key[:80])
        flat[key] = leaf
    return flat


def lookup(value: Json, key: str) -> ParamTree:
    """Return what a dotted key names: a value or a whole section.

    Raises `UnknownParamError` if there is nothing of this name; near names are given.

    >>> lookup({"train": {"lr": 0.1}}, "train.lr")
    0.1
    """
    found = find(value, key)
    if found is ABSENT:
        raise _unknown(value, key)
    return found


def find(value: Json, key: str) -> ParamTree | Absent:
    """Return the same, or `ABSENT`, without a look at what else there is."""
    found = _descend(value, key)
    return ABSENT if found is None else param_tree(found[0])


def path_of(value: Json, key: str) -> Path:
    """Return the path of keys and list positions that a dotted key stands for."""
    found = _descend(value, key)
    if found is None:
        raise _unknown(value, key)
    return found[1]


def _descend(value: Json, key: str) -> tuple[Json, Path] | None:
    here, path, rest = value, list[str | int](), key
    while len(key) <= 2 * _MOST_LETTERS:
        if isinstance(here, Mapping):
            # A key with a dot in it is met as a whole first, then what stands before a dot.
            name = next((name for name in _heads(rest) if name in here), None)
            if name is None:
                return None
            here = here[name]
            path.append(name)
        elif isinstance(here, list):
            name = rest.partition(".")[0]
            if not (_POSITION.fullmatch(name) and int(name) < len(here)):
                return None
            here = here[int(name)]
            path.append(int(name))
        else:
            return None
        if len(name) == len(rest):
            return here, tuple(path)
        rest = rest[len(name) + 1 :]
    return None


def _heads(key: str) -> Iterator[str]:
    yield key
    at = key.rfind(".")
    while at >= 0:
        yield key[:at]
        at = key.rfind(".", 0, at)


def _leaves(path: Path, value: Json) -> Iterator[tuple[Path, ParamValue]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves((*path, key), item)
    elif isinstance(value, (list, tuple)) and _has_mapping(value):
        for index, item in enumerate(value):
            yield from _leaves((*path, index), item)
    elif sum(len(str(part)) for part in path) > _MOST_LETTERS:
        raise BadFormatError(
            "the name of a parameter is too long",
            found=".".join(str(part)[:20] for part in path)[:80],
            expected=f"at most {_MOST_LETTERS} letters",
        )
    else:
        yield path, cast("ParamValue", param_tree(value))  # no mapping is met here


def _has_mapping(value: Json) -> bool:
    if isinstance(value, Mapping):
        return True
    return isinstance(value, (list, tuple)) and any(_has_mapping(item) for item in value)


def _unknown(value: Json, key: str) -> UnknownParamError:
    known = [".".join(str(part) for part in path) for path, _leaf in _leaves((), value)]
    close = near(key, known)
    return UnknownParamError(
        f"there is no parameter {key[:80]}",
        found=f"{len(known)} parameters",
        expected=" or ".join(close) if close else ", ".join(known[:8]) or "a params file with some",
    )


def param_key(text: str) -> ParamKey:
    """Read ``key`` (of params.yaml) or ``file:key``, as DVC's ``-S`` has it.

    >>> param_key("train.seed"), str(param_key("conf/model.yaml:lr"))
    (ParamKey(file='params.yaml', key='train.seed'), 'conf/model.yaml:lr')
    """
    file, colon, key = text.rpartition(":")
    return ParamKey(file if colon else "params.yaml", key)
