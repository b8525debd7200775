"""What `doctor` and `maintenance` answer, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.report import Level
from gitexp.report import numbers
from gitexp.report.escape import terminal
from gitexp.report.jsonescape import escaped
from gitexp.report.table import table
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.report import Diagnosis, Finding, MaintenanceReport, RepositorySize
    from gitexp.text.jsontext import Json

_LIMIT = 600


def doctor_text(diagnosis: Diagnosis) -> str:
    """Return what `gitexp doctor` prints: each finding, then the sum, then what to type."""
    lines = [line for finding in diagnosis.findings for line in (*_finding(finding), "")]
    return "\n".join([*lines, *_sum(diagnosis)])


def doctor_json(diagnosis: Diagnosis) -> str:
    """Return the same value as JSON: gitexp/doctor-report@1."""
    value: dict[str, Json] = {
        "$schema": "gitexp/doctor-report@1",
        "checks": list(diagnosis.checks),
        "findings": [
            {
                "check": finding.check,
                "cleared": finding.cleared,
                "fixable": finding.fixable,
                "level": finding.level.value,
                "remedy": finding.remedy,
                "said": finding.said,
                "what": finding.what,
                "where": finding.where,
            }
            for finding in diagnosis.findings
        ],
        "left": diagnosis.left,
    }
    return escaped(json_dumps(value).decode()).rstrip("\n")


def maintenance_text(report: MaintenanceReport) -> str:
    """Return what `gitexp maintenance` prints: sizes before and after."""
    before, after = _rows(report.before), _rows(report.after)
    head = ["", "now"] if report.dry_run else ["", "before", "after"]
    rows = [
        [name, old] if report.dry_run else [name, old, new]
        for (name, old), (_, new) in zip(before, after, strict=True)
    ]
    lines = list(table([head, *rows], right=frozenset({1, 2})))
    count = len(report.removed)
    if report.dry_run:
        lines += ["", f"would pack, and remove {count} job folders of recorded runs"]
    else:
        lines += ["", f"{', '.join(report.done)}; removed {count} job folders of recorded runs"]
    return "\n".join(lines)


def maintenance_json(report: MaintenanceReport) -> str:
    """Return the same value as JSON: gitexp/maintenance-report@1."""
    value: dict[str, Json] = {
        "$schema": "gitexp/maintenance-report@1",
        "after": _size_json(report.after),
        "before": _size_json(report.before),
        "done": list(report.done),
        "dry_run": report.dry_run,
        "removed": list(report.removed),
    }
    return escaped(json_dumps(value).decode()).rstrip("\n")


def _finding(finding: Finding) -> Iterator[str]:
    mark = "cleared" if finding.cleared else finding.level.value
    yield f"{mark} ({finding.check}): {terminal(finding.what, limit=_LIMIT)}"
    yield f"  where   {terminal(finding.where, limit=_LIMIT)}"
    if finding.said:
        yield f"  said    {terminal(finding.said, limit=_LIMIT)}"
    if not finding.cleared:
        label = "--fix" if finding.fixable else "remedy"
        yield f"  {label:<7} {terminal(finding.remedy, limit=_LIMIT)}"


def _sum(diagnosis: Diagnosis) -> Iterator[str]:
    findings = diagnosis.findings
    cleared = sum(1 for finding in findings if finding.cleared)
    notes = sum(1 for finding in findings if finding.level is Level.NOTE and not finding.cleared)
    parts = [numbers.amount(diagnosis.left, "problem") if diagnosis.left else "no problems"]
    parts += [f"{cleared} cleared"] if cleared else []
    parts += [numbers.amount(notes, "note")] if notes else []
    yield f"{', '.join(parts)}; {len(diagnosis.checks)} checks"
    open_ = [finding for finding in findings if finding.fixable and not finding.cleared]
    steps = [finding.step or "gitexp doctor --fix" for finding in open_ if not finding.said]
    if steps:
        yield ""
        step = max(steps, key=lambda step: step != "gitexp doctor --fix")
        yield f"next: {terminal(step, limit=_LIMIT)}"


def _rows(size: RepositorySize) -> list[tuple[str, str]]:
    return [
        ("loose objects", f"{size.loose_objects} ({numbers.size(size.loose_bytes)})"),
        ("packs", f"{size.packs} ({numbers.size(size.pack_bytes)})"),
        ("loose refs", str(size.loose_refs)),
        ("job folders", f"{size.job_folders} ({numbers.size(size.job_bytes)})"),
    ]


def _size_json(size: RepositorySize) -> Json:
    return {
        "job_bytes": size.job_bytes,
        "job_folders": size.job_folders,
        "loose_bytes": size.loose_bytes,
        "loose_objects": size.loose_objects,
        "loose_refs": size.loose_refs,
        "pack_bytes": size.pack_bytes,
        "packs": size.packs,
    }
