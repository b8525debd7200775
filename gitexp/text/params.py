"""Parameters: read from files, laid out flat, looked up, changed in place, taken from argv.

The parts are in `paramfiles` (parse), `paramkeys` (flatten, lookup) and `paramedit` (edit).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gitexp.errors import UsageError
from gitexp.text.paramedit import edit
from gitexp.text.paramfiles import parse, unlike
from gitexp.text.paramkeys import flatten, lookup, param_key
from gitexp.text.yamltext import is_date, scalar, yaml_loads

if TYPE_CHECKING:
    from gitexp.model.config import ParamKey
    from gitexp.model.ids import ParamValue
    from gitexp.text.jsontext import Json

__all__ = ["edit", "flatten", "lookup", "parse", "parse_assignment", "unlike"]


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
    return key, _value(shown.strip(), text)


def _value(shown: str, text: str) -> ParamValue:
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
