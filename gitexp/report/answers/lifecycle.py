"""What `archive`, `restore`, `rm` and `rename` answer, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.report.escape import terminal
from gitexp.report.jsonescape import escaped
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from gitexp.model.sharing import EndReport
    from gitexp.text.jsontext import Json

_LIMIT = 400


def text(report: EndReport) -> str:
    """Return one line a thing that was done, what was left alone, and what to type next."""
    lines = [*report.done, *report.sent] or ["nothing to do: it is so already"]
    lines += [f"note: {note}" for note in report.notes]
    shown = [terminal(line, limit=_LIMIT) for line in lines]
    return "\n".join([*shown, "", f"next: {terminal(report.next_step, limit=_LIMIT)}"])


def json(report: EndReport) -> str:
    """Return the same value as JSON: gitexp/end-report@1."""
    return escaped(json_dumps(to_json(report)).decode()).rstrip("\n")


def to_json(report: EndReport) -> dict[str, Json]:
    """Turn the report into JSON."""
    return {
        "$schema": "gitexp/end-report@1",
        "verb": report.verb,
        "name": report.name,
        "commit": report.commit,
        "done": list(report.done),
        "sent": list(report.sent),
        "notes": list(report.notes),
        "next": report.next_step,
    }
