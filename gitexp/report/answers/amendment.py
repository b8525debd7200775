"""What `gitexp amend-plan` answers, and how reports show what was amended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.records import codec
from gitexp.report import numbers
from gitexp.report.escape import terminal
from gitexp.report.facts import value_text
from gitexp.text.fields import param_json
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from gitexp.model.report import AmendReport
    from gitexp.text.jsontext import Json

_LONG = 400
SHORT = 9


def text(report: AmendReport) -> str:
    """Return it for a terminal."""
    verb = "would amend" if report.dry_run else "amended"
    changes = ", ".join(
        f"{item.name} {value_text(item.old)} -> {value_text(item.new)}" for item in report.terms
    )
    lines = [f"{verb} {terminal(report.plan.name)}: {terminal(changes, limit=_LONG)}", ""]
    lines.append(f"why         {terminal(report.plan.amended[-1].why, limit=_LONG)}")
    if report.runs:
        spent = f"; seeds {numbers.ranges(report.spent)} are spent" if report.spent else ""
        lines.append(
            f"before      {numbers.amount(report.runs, 'run')} under plan {report.before[:SHORT]}:"
            f" the candidate's are shown and not counted{spent}"
        )
    if report.commit is not None:
        lines.append(f"recorded    {report.commit[:SHORT]}, plan {report.plan.digest[:SHORT]}")
    lines += [f"left alone  {terminal(path, limit=_LONG)}" for path in report.not_updated]
    lines += [f"warning     {terminal(said, limit=_LONG)}" for said in report.warnings]
    lines += ["", f"next: {_next(report)}"]
    return "\n".join(lines)


def json(report: AmendReport) -> str:
    """Return it as ``gitexp/amend-report@1``."""
    value: dict[str, Json] = {
        "$schema": "gitexp/amend-report@1",
        "plan": codec.to_json(report.plan),
        "digest": report.plan.digest,
        "before": report.before,
        "terms": [
            {"name": item.name, "old": param_json(item.old), "new": param_json(item.new)}
            for item in report.terms
        ],
        "runs": report.runs,
        "spent": list(report.spent),
        "commit": report.commit,
        "dry_run": report.dry_run,
        "not_updated": list(report.not_updated),
        "warnings": list(report.warnings),
        "next": _next(report),
    }
    return json_dumps(value).decode().rstrip("\n")


def _next(report: AmendReport) -> str:
    return "the same without --dry-run" if report.dry_run else "gitexp run --with-baseline"
