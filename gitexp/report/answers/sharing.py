"""What `push`, `pull`, `sync`, `archive`, `restore`, `rm` and `rename` answer, as sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.sharing import Way
from gitexp.report import numbers
from gitexp.report.facts import Fact
from gitexp.report.sheet import Item, Sheet
from gitexp.report.style import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.sharing import BranchMove, DataMoved, EndReport, TogetherReport
    from gitexp.report.style import Style

SHORT = 9
_VERBS = {"push": "pushed to", "pull": "pulled from", "sync": "in step with"}


def lifecycle(report: EndReport, style: Style = PLAIN) -> Sheet:
    """Return a line for each thing that was done or left alone."""
    del style
    lines = [*report.done, *report.sent] or ["nothing to do: it is so already"]
    lines += [f"note: {note}" for note in report.notes]
    return Sheet(items=tuple(map(Item, lines)), next_step=report.next_step)


def together(report: TogetherReport, style: Style = PLAIN) -> Sheet:
    """Return each branch, the data, and what stayed."""
    del style
    facts = [fact for move in report.branches for fact in _branch(move)]
    facts += [Fact("archived", name) for name in report.archived]
    facts += _data(report.data, report.verb)
    if report.attempts > 1:
        facts.append(Fact("attempts", f"{report.attempts}: somebody else was faster"))
    for path in report.not_updated:
        # An output of DVC's comes with its reason in brackets.
        why = "" if path.endswith(")") else ": edited in the work tree"
        facts.append(Fact("left alone", f"{path}{why}"))
    facts += [Fact("warning", text) for text in report.warnings]
    return Sheet(headline=_head(report), facts=tuple(facts), next_step=report.next_step)


def _head(report: TogetherReport) -> str:
    head = f"{_VERBS[report.verb]} {report.remote}"
    if not report.branches and not report.data.objects:
        return f"no experiment to {report.verb}"
    if not report.open:
        return head
    some = f"{len(report.open)} of {len(report.branches)} branches need a look"
    return f"{some}; nothing was pushed" if report.verb == "push" else f"{some}; the rest: {head}"


def _branch(move: BranchMove) -> Iterator[Fact]:
    said = move.way.value
    if move.way in {Way.REPLAYED, Way.MERGED}:
        said = f"{said}, {move.records} commits of ours"
    at = "" if move.after is None else f" at {move.after[:SHORT]}"
    yield Fact("branch", f"{move.branch}: {said}{at}{', pushed' if move.pushed else ''}")
    if move.kept:
        yield Fact("snapshot", move.kept)
    if move.why:
        yield Fact("why", move.why)


def _data(data: DataMoved, verb: str) -> Iterator[Fact]:
    if data.said:
        yield Fact("data", data.said)
        return
    size = f", {numbers.size(data.size)}" if data.size else ""
    way = "from" if verb == "pull" else "to"
    by = " by dvc" if data.by == "dvc" else ""
    yield Fact("data", f"{data.objects} objects{size} {way} {data.remote}{by}")
    for path in data.lacking:
        where = (
            "came by an import, and dvc pull asks the place that it names"
            if path in data.imported
            else "are neither here nor there"
        )
        yield Fact("lacking", f"{path}: its bytes {where}")
