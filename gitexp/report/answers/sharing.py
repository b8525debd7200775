"""What `push`, `pull` and `sync` answer, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.sharing import Way
from gitexp.report import numbers
from gitexp.report.escape import terminal
from gitexp.report.jsonescape import escaped
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.sharing import BranchMove, DataMoved, TogetherReport
    from gitexp.text.jsontext import Json

SHORT = 9
_LIMIT = 600
_VERBS = {"push": "pushed to", "pull": "pulled from", "sync": "in step with"}


def text(report: TogetherReport) -> str:
    """Return what the command prints: each branch, the data, what stayed, what to type next."""
    lines = [_head(report), ""]
    for move in report.branches:
        lines += _branch(move)
    for name in report.archived:
        lines.append(f"archived   {terminal(name)}")
    lines += _data(report.data, report.verb)
    if report.attempts > 1:
        lines.append(f"attempts   {report.attempts}: somebody else was faster")
    for path in report.not_updated:
        # An output of DVC's comes with its reason in brackets.
        why = "" if path.endswith(")") else ": edited in the work tree"
        lines.append(f"left alone {terminal(path)}{why}")
    lines += [f"warning    {terminal(warning, limit=_LIMIT)}" for warning in report.warnings]
    return "\n".join([*lines, "", f"next: {terminal(report.next_step, limit=_LIMIT)}"])


def json(report: TogetherReport) -> str:
    """Return the same value as JSON: gitexp/together-report@1."""
    data = report.data
    value: dict[str, Json] = {
        "$schema": "gitexp/together-report@1",
        "archived": list(report.archived),
        "attempts": report.attempts,
        "branches": [
            {
                "after": move.after,
                "before": move.before,
                "branch": move.branch,
                "kept": move.kept,
                "pushed": move.pushed,
                "records": move.records,
                "way": move.way.value,
                "why": move.why,
            }
            for move in report.branches
        ],
        "data": {
            "by": data.by,
            "bytes": data.size,
            **({"imported": list(data.imported)} if data.imported else {}),
            "lacking": list(data.lacking),
            "objects": data.objects,
            "remote": data.remote,
            "said": data.said,
        },
        "next": report.next_step,
        "not_updated": list(report.not_updated),
        "remote": report.remote,
        "verb": report.verb,
        "warnings": list(report.warnings),
    }
    return escaped(json_dumps(value).decode()).rstrip("\n")


def _head(report: TogetherReport) -> str:
    head = f"{_VERBS[report.verb]} {terminal(report.remote)}"
    if not report.branches and not report.data.objects:
        return f"no experiment to {report.verb}"
    if not report.open:
        return head
    some = f"{len(report.open)} of {len(report.branches)} branches need a look"
    return f"{some}; nothing was pushed" if report.verb == "push" else f"{some}; the rest: {head}"


def _branch(move: BranchMove) -> Iterator[str]:
    said = move.way.value
    if move.way in {Way.REPLAYED, Way.MERGED}:
        said = f"{said}, {move.records} commits of ours"
    at = "" if move.after is None else f" at {move.after[:SHORT]}"
    yield f"branch     {terminal(move.branch)}: {said}{at}{', pushed' if move.pushed else ''}"
    if move.kept:
        yield f"snapshot   {terminal(move.kept)}"
    if move.why:
        yield f"           {terminal(move.why, limit=_LIMIT)}"


def _data(data: DataMoved, verb: str) -> Iterator[str]:
    if data.said:
        yield f"data       {terminal(data.said)}"
        return
    size = f", {numbers.size(data.size)}" if data.size else ""
    way = "from" if verb == "pull" else "to"
    by = " by dvc" if data.by == "dvc" else ""
    yield f"data       {data.objects} objects{size} {way} {terminal(data.remote)}{by}"
    for path in data.lacking:
        where = (
            "came by an import, and dvc pull asks the place that it names"
            if path in data.imported
            else ("are neither here nor there")
        )
        yield f"lacking    {terminal(path)}: its bytes {where}"
