"""How the hooks stand, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.escape import terminal
from gitexp.report.jsonescape import escaped
from gitexp.report.table import table
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from gitexp.model.rules import HooksReport
    from gitexp.text.jsontext import Json

_LIMIT = 600


def hooks_text(report: HooksReport) -> str:
    """Return what `gitexp hooks` prints: the sum, each hook, what was done, what to type."""
    running = sum(hook.runs for hook in report.hooks)
    lines = [f"{running} of {len(report.hooks)} hooks run", ""]
    rows = [
        [hook.name, hook.state.value, terminal(hook.note, limit=_LIMIT)] for hook in report.hooks
    ]
    lines += [line.rstrip() for line in table(rows)]
    lines += ["", f"folder      {terminal(report.folder, limit=_LIMIT)}"]
    if report.manager:
        lines.append(f"manager     {report.manager}")
    if report.done:
        lines += ["", *(terminal(line, limit=_LIMIT) for line in report.done)]
    if report.entry:
        lines += ["", f"{report.manager} is in charge; nothing was written. Tell it:", ""]
        lines += report.entry.split("\n")
    if report.next_step:
        lines += ["", f"next: {report.next_step}"]
    return "\n".join(lines)


def hooks_json(report: HooksReport) -> str:
    """Return the same value as JSON: gitexp/hooks-report@1."""
    value: dict[str, Json] = {
        "$schema": "gitexp/hooks-report@1",
        "done": list(report.done),
        "entry": report.entry,
        "folder": report.folder,
        "hooks": [
            {"name": hook.name, "note": hook.note, "runs": hook.runs, "state": hook.state.value}
            for hook in report.hooks
        ],
        "manager": report.manager,
        "next": report.next_step,
        "verb": report.verb,
    }
    return escaped(json_dumps(value).decode()).rstrip("\n")
