"""What `gitexp check` answers: what is broken, and how sure the order of each plan is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.rules import Policy
from gitexp.records import codec
from gitexp.report import numbers
from gitexp.report.escape import terminal
from gitexp.text.fields import maybe_time_text
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.review import CheckedPlan, CheckReport
    from gitexp.model.rules import Violation
    from gitexp.text.jsontext import Json

_LONG = 400
SHORT = 9


def text(report: CheckReport) -> str:
    """Return it for a terminal: first what was found in all, then each by itself."""
    errors, warnings = report.broken(Policy.ERROR), report.broken(Policy.WARN)
    where = f" on {terminal(report.branch)}" if report.branch else ""
    commits = numbers.amount(report.commits, "commit")
    if not errors and not warnings:
        lines = [f"nothing is broken in {commits}{where}"]
    else:
        counts = [
            numbers.amount(len(found), word)
            for found, word in ((errors, "error"), (warnings, "warning"))
            if found
        ]
        lines = [f"{' and '.join(counts)} in {commits}{where}"]
    for violation in (*errors, *warnings):
        lines += ["", *_violation(violation)]
    if report.plans:
        lines += ["", *(line for plan in report.plans for line in _plan(plan))]
    lines += [f"note: {terminal(note, limit=_LONG)}" for note in report.notes]
    return "\n".join(lines)


def json(report: CheckReport) -> str:
    """Return it as ``gitexp/check@1``."""
    value: dict[str, Json] = {
        "$schema": "gitexp/check@1",
        "branch": report.branch or None,
        "base": report.base,
        "tip": report.tip,
        "commits": report.commits,
        "violations": [codec.to_json(item) for item in report.violations],
        "plans": [plan_json(item) for item in report.plans],
        "notes": list(report.notes),
    }
    return json_dumps(value).decode().rstrip("\n")


def plan_json(item: CheckedPlan) -> dict[str, Json]:
    """Return how sure a plan's order is, as JSON."""
    return {
        "experiment": item.name,
        "plan": item.digest,
        "amended": item.amended,
        "runs": item.runs,
        "order": item.order.grade.value,
        "why": item.order.why,
        "time": maybe_time_text(item.order.time),
    }


def order_words(item: CheckedPlan) -> str:
    """Return how sure it is that a plan came first, in one line."""
    when = f", {maybe_time_text(item.order.time)}" if item.order.time is not None else ""
    return f"order {item.order.grade.value}{when}: {terminal(item.order.why, limit=_LONG)}"


def _violation(item: Violation) -> Iterator[str]:
    word = "error" if item.policy is Policy.ERROR else "warning"
    yield f"{word}[{item.rule}]: {terminal(item.message, limit=_LONG)}"
    place = str(item.where)
    if place:
        yield f"  where     {terminal(place, limit=_LONG)}"
    yield f"  next      {terminal(item.next_step, limit=_LONG)}"


def _plan(item: CheckedPlan) -> Iterator[str]:
    yield f"{terminal(item.name)}: {order_words(item)}"
    if item.amended:
        times = numbers.amount(item.amended, "time")
        yield f"  amended {times} after runs; gitexp show {terminal(item.name)} says why"
