"""The text of ``.dvc/config`` as DVC reads it: by ConfigObj, and by DVC's own rule for names.

It decides whose word a text is. Everything else reads by `dvc_config.parse`, which starts faster.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED: Final = re.compile(r'^\s*(remote|machine|db)\s*"(.*)"\s*$')  # as in DVC's config.py
_FILLED_IN: Final = re.compile(r"%\((?:[^)%]|%(?!\())*+\)s")
_LONG = 1 << 16
_MANY = 4  # signs of one kind in a line; by more, DVC's reader takes for ever


def as_dvc(text: str) -> dict[str, dict[str, str]] | None:
    """Return the sections as DVC's own reader takes them, in our spelling; None where it may not.

    That is where it fails or may take for ever, and where one value is filled into another.
    """
    from configobj import ConfigObj, ConfigObjError  # noqa: PLC0415 - most commands decide nothing

    lines = (line for line in text.split("\n") if not line.lstrip().startswith("#"))
    slow = any(max(map(line.count, ",[]")) > _MANY for line in lines)
    if slow or len(text) > _LONG or "\ufffd" in text or _FILLED_IN.search(text):
        return None
    try:
        read = ConfigObj(io.StringIO(text, newline=None)).dict()
    except ConfigObjError:
        return None
    named: dict[str, dict[str, object]] = {"remote": {}, "machine": {}, "db": {}}
    parts: dict[str, object] = {}
    for section, values in _lower(read).items():
        match = _NAMED.search(section)
        if match:
            named[match[1]][match[2]] = values
        elif section in named and isinstance(values, dict):  # all of its kind, instead
            named[section] = values
        else:
            parts[section] = values
    for kind, each in named.items():
        parts |= {f'{kind} "{name}"': values for name, values in each.items()}
    found: dict[str, dict[str, str]] = {}
    for part, values in parts.items():
        if not isinstance(values, dict):
            return None
        found[part] = {
            key: each if isinstance(each, str) else repr(each) for key, each in values.items()
        }
    return found


def _lower(read: Mapping[str, object]) -> dict[str, object]:
    return {
        key.lower(): _lower(value) if isinstance(value, dict) else value
        for key, value in read.items()
    }
