"""Comparisons as JSON: the recorded format, so that API, file and output cannot disagree."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.records import codec
from gitexp.report.escape import escaped
from gitexp.text.jsontext import json_dumps, json_loads

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison
    from gitexp.report.sheet import Style


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return one object for one candidate, an array of them for several."""
    del style
    dumped = [codec.dump(item) for item in comparisons]
    if len(dumped) == 1:
        return escaped(dumped[0].decode())
    values = [json_loads(item, where="comparison", limit=len(item)) for item in dumped]
    return escaped(json_dumps(values).decode())
