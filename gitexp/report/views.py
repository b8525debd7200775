"""The answers of `list`, `show`, `status`, `diff`, `inputs` and `logs` in every format.

A new view is one function that makes its `Sheet` and one case in `sheet_of`; text, Markdown and
CSV follow from the sheet, JSON from the value itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from gitexp.model.views import (
    DiffView,
    ExperimentList,
    InputsView,
    LogView,
    RunGroup,
    RunList,
    ShownExperiment,
    ShownRun,
    StatusView,
)
from gitexp.report import diffs, lists, sheet, shown, viewjson
from gitexp.report.escape import visible
from gitexp.report.words import SHORT

if TYPE_CHECKING:
    from gitexp.report.sheet import Sheet

View = (
    ExperimentList
    | RunList
    | tuple[RunGroup, ...]
    | ShownExperiment
    | ShownRun
    | StatusView
    | DiffView
    | InputsView
)
VIEW_FORMATS = ("text", "json", "csv", "md")


def render(view: View, name: str) -> str:
    """Return a view in one of `VIEW_FORMATS`, with its final newline.

    Raises
    ------
    KeyError
        If there is no such format; the command line offers `VIEW_FORMATS` only.
    """
    if name == "json":
        return viewjson.dump(f"gitexp/{schema_name(view)}@1", view)
    return sheet.FORMATS[name](sheet_of(view))


def sheet_of(view: View) -> Sheet:  # noqa: PLR0911  one return a kind of view
    """Return the lines and tables of a view."""
    match view:
        case ExperimentList():
            return lists.experiments(view)
        case RunList():
            return lists.runs(view)
        case ShownExperiment():
            return shown.experiment(view)
        case ShownRun():
            return shown.run(view)
        case StatusView():
            return shown.status(view)
        case DiffView():
            return diffs.diff(view)
        case InputsView():
            return diffs.inputs(view)
        case tuple():
            return lists.groups(view)
    assert_never(view)


def schema_name(view: View | LogView) -> str:
    """Return the word that names a view's JSON."""
    if isinstance(view, tuple):
        return "run-groups"
    return {
        ExperimentList: "experiments",
        RunList: "runs",
        ShownExperiment: "experiment",
        ShownRun: "shown-run",
        StatusView: "status",
        DiffView: "diff",
        InputsView: "inputs",
        LogView: "logs",
    }[type(view)]


def log_text(view: LogView) -> str:
    """Return what a run's commands printed, each line made safe for a terminal."""
    blocks: list[str] = []
    for item in view.repeats:
        head = f"run {item.run[:SHORT]}, seed {item.seed}, attempt {item.attempt}: "
        state = item.state if isinstance(item.state, str) else item.state.value
        reason = f" ({visible(item.reason)})" if item.reason else ""
        cut = ["... older lines are not shown"] if item.truncated else []
        lines = [visible(line, limit=len(line) + 3) for line in item.text.splitlines()]
        blocks.append("\n".join([f"{head}{state}{reason}", *cut, *lines]))
    blocks += [f"note: {visible(text)}" for text in view.notes]
    return "\n\n".join(blocks) + "\n"


def log_json(view: LogView) -> str:
    """Return the same as JSON."""
    return viewjson.dump("gitexp/logs@1", view)
