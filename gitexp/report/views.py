"""What a verb answers, in every format: one table from the type of the answer to its sheet.

Text, Markdown, HTML, CSV and LaTeX follow from the sheet, JSON from the codec, whose shape of the
type names the schema. A verb's answer is an entry of `VIEWS` and a shape in `records/answers`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, cast

from gitexp.records import codec
from gitexp.report import sheet
from gitexp.report.escape import escaped
from gitexp.report.sheet import PLAIN, Sheet, Style
from gitexp.text.jsontext import Json, json_dumps, json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


# By names, so that a verb loads what its own answer needs: type, then module and function.
VIEWS: Final[Mapping[str, tuple[str, str]]] = {
    "ExperimentList": ("listing", "experiments"),
    "RunList": ("listing", "runs"),
    "tuple": ("listing", "groups"),  # of RunGroup
    "ShownExperiment": ("details", "experiment"),
    "ShownRun": ("details", "run"),
    "StatusView": ("details", "status"),
    "DiffView": ("diffs", "diff"),
    "InputsView": ("diffs", "inputs"),
    "InitReport": ("plans", "init"),
    "NewReport": ("plans", "new"),
    "AmendReport": ("plans", "amended"),
    "PowerReport": ("plans", "power"),
    "Witnessed": ("plans", "witnessed"),
    "RunReport": ("plans", "run"),
    "ConcludeReport": ("plans", "concluded"),
    "EndReport": ("upkeep", "lifecycle"),
    "TogetherReport": ("upkeep", "together"),
    "CheckReport": ("upkeep", "check"),
    "HooksReport": ("upkeep", "hooks"),
    "Diagnosis": ("upkeep", "doctor"),
    "MaintenanceReport": ("upkeep", "maintenance"),
}
FORMATS: Final = ("text", "json", "md")
DOCUMENTS: Final = ("html", "csv", "latex")
_LISTS: Final = frozenset({"list", "run-list", "group-list"})


def render(view: object, name: str, style: Style = PLAIN) -> str:
    """Return an answer in one of `FORMATS` or `DOCUMENTS`, with its final newline."""
    if name == "json":
        return json(view)
    shown = sheet_of(view, style)
    if name in sheet.FORMATS:
        return sheet.FORMATS[name](shown, style)
    document: Callable[[Sheet], str] = importlib.import_module(f"gitexp.report.{name}").document
    return document(shown)


def sheet_of(view: object, style: Style = PLAIN) -> Sheet:
    """Return the lines and tables of an answer."""
    module, name = VIEWS[type(view).__name__]
    make: Callable[[object, Style], Sheet] = getattr(
        importlib.import_module(f"gitexp.report.answers.{module}"), name
    )
    return make(view, style)


def json(view: object) -> str:
    """Return an answer under its schema's name, whatever the text shows of it."""
    value: dict[str, Json]
    if isinstance(view, tuple):
        groups = [codec.to_json(item) for item in view]
        value = {"$schema": "gitexp/group-list@1", "groups": groups}
    else:
        value = codec.to_json(view)
    kind = cast("str", value["$schema"]).partition("/")[2].partition("@")[0]
    return escaped(_by_lines(value) if kind in _LISTS else json_dumps(value).decode())


def _by_lines(value: Mapping[str, Json]) -> str:
    """Return lists as JSON, one line an item: half the time of indented JSON, and grep works."""
    parts = []
    for key, items in sorted(value.items(), key=lambda pair: isinstance(pair[1], list)):
        if isinstance(items, list):
            dumped = ",\n".join(f"    {json_dumps_compact(item).decode()}" for item in items)
            parts.append(f'  "{key}": [\n{dumped}\n  ]' if items else f'  "{key}": []')
        else:
            parts.append(f'  "{key}": {json_dumps_compact(items).decode()}')
    return "{\n" + ",\n".join(parts) + "\n}\n"
