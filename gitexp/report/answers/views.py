"""The answers of `list`, `show`, `status`, `diff` and `inputs` in every format.

A new view is one function that makes its `Sheet`, one that makes its JSON, and one case in each
`match` here; text and Markdown follow from the sheet. `listed` does it for lists.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gitexp.model.views import (
    DiffView,
    ExperimentList,
    InputsView,
    RunList,
    ShownExperiment,
    ShownRun,
    StatusView,
)
from gitexp.report import sheet
from gitexp.report.answers import details, diffs, listing, viewjson
from gitexp.report.style import PLAIN

if TYPE_CHECKING:
    from gitexp.report.sheet import Sheet
    from gitexp.report.style import Style

View = listing.Listed | ShownExperiment | ShownRun | StatusView | DiffView | InputsView
VIEW_FORMATS = ("text", "json", "md")


def render(view: View, name: str, style: Style = PLAIN) -> str:
    """Return a view in one of `VIEW_FORMATS`, with its final newline.

    Raises `KeyError` if there is no such format; the command line offers `VIEW_FORMATS` only.
    """
    if name == "json":
        return json(view)
    return sheet.FORMATS[name](sheet_of(view, style), style)


def json(view: View) -> str:
    """Return a view under its schema's name, whatever the text shows of it."""
    match view:
        case ExperimentList() | RunList() | tuple():
            return listing.json(view)
        case ShownExperiment() | ShownRun():
            return viewjson.show(view)
        case StatusView():
            return viewjson.status(view)
        case DiffView():
            return viewjson.diff(view)
        case InputsView():
            return viewjson.inputs(view)
    assert_never(view)


def sheet_of(view: View, style: Style = PLAIN) -> Sheet:
    """Return the lines and tables of a view."""
    match view:
        case ExperimentList() | RunList() | tuple():
            return listing.sheet_of(view, style)
        case ShownExperiment():
            return details.experiment(view, style)
        case ShownRun():
            return details.run(view, style)
        case StatusView():
            return details.status(view, style)
        case DiffView():
            return diffs.diff(view, style)
        case InputsView():
            return diffs.inputs(view, style)
    assert_never(view)
