"""The answers of `list` in every format; apart from other views, whose code it need not load."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gitexp.model.views import ExperimentList, RunGroup, RunList
from gitexp.report import sheet
from gitexp.report.answers import listjson, listrecords, lists
from gitexp.report.csv import rows as csv_rows
from gitexp.report.style import PLAIN

if TYPE_CHECKING:
    from gitexp.report.sheet import Sheet
    from gitexp.report.style import Style

Listed = ExperimentList | RunList | tuple[RunGroup, ...]


def render(view: Listed, name: str, style: Style = PLAIN) -> str:
    """Return a list as "text", "json" or "md", with its final newline."""
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


def json(view: Listed) -> str:
    """Return a list under its schema's name, whatever the text shows of it."""
    match view:
        case ExperimentList():
            return listjson.experiments(view)
        case RunList():
            return listjson.runs(view)
        case tuple():
            return listjson.groups(view)
    assert_never(view)


def sheet_of(view: Listed, style: Style = PLAIN) -> Sheet:
    """Return the lines and table of a list."""
    match view:
        case ExperimentList():
            return lists.experiments(view, style)
        case RunList():
            return lists.runs(view, style)
        case tuple():
            return lists.groups(view, style)
    assert_never(view)
