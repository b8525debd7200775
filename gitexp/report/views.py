"""The answers of `list`, `show`, `status`, `diff` and `inputs` in every format.

A new view is one function that makes its `Sheet`, one that makes its JSON, and one case in each
`match` here; text and Markdown follow from the sheet. Lists are CSV too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gitexp.model.views import (
    DiffView,
    ExperimentList,
    InputsView,
    RunGroup,
    RunList,
    ShownExperiment,
    ShownRun,
    StatusView,
)
from gitexp.report import diffs, listjson, listrecords, lists, sheet, shown, viewjson
from gitexp.report.csv import rows as csv_rows
from gitexp.report.style import PLAIN

if TYPE_CHECKING:
    from gitexp.report.sheet import Sheet
    from gitexp.report.style import Style

Listed = ExperimentList | RunList | tuple[RunGroup, ...]
View = Listed | ShownExperiment | ShownRun | StatusView | DiffView | InputsView
VIEW_FORMATS = ("text", "json", "md")


def render(view: View, name: str, style: Style = PLAIN) -> str:
    """Return a view in one of `VIEW_FORMATS`, with its final newline.

    Raises
    ------
    KeyError
        If there is no such format; the command line offers `VIEW_FORMATS` only.
    """
    if name == "json":
        return json(view)
    return sheet.FORMATS[name](sheet_of(view, style), style)


def csv(view: Listed) -> str:
    """Return a list as CSV: every field of every row, numbers in full."""
    match view:
        case ExperimentList():
            records = listrecords.experiments(view)
        case RunList():
            records = listrecords.runs(view)
        case tuple():
            records = listrecords.groups(view)
    return csv_rows(records.columns, records.rows)


def json(view: View) -> str:  # noqa: PLR0911  one return a kind of view
    """Return a view under its schema's name, whatever the text shows of it."""
    match view:
        case ExperimentList():
            return listjson.experiments(view)
        case RunList():
            return listjson.runs(view)
        case tuple():
            return listjson.groups(view)
        case ShownExperiment() | ShownRun():
            return viewjson.show(view)
        case StatusView():
            return viewjson.status(view)
        case DiffView():
            return viewjson.diff(view)
        case InputsView():
            return viewjson.inputs(view)
    assert_never(view)


def sheet_of(view: View, style: Style = PLAIN) -> Sheet:  # noqa: PLR0911  one return a kind of view
    """Return the lines and tables of a view."""
    match view:
        case ExperimentList():
            return lists.experiments(view, style)
        case RunList():
            return lists.runs(view, style)
        case tuple():
            return lists.groups(view, style)
        case ShownExperiment():
            return shown.experiment(view, style)
        case ShownRun():
            return shown.run(view, style)
        case StatusView():
            return shown.status(view, style)
        case DiffView():
            return diffs.diff(view, style)
        case InputsView():
            return diffs.inputs(view, style)
    assert_never(view)
