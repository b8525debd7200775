"""Sheets of what shares, ends and keeps experiments, and of `check`, `hooks` and `doctor`."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.model.report import Diagnosis, Level, MaintenanceReport, RepositorySize, Trouble
from gitexp.model.rules import HooksReport, Policy, Violation
from gitexp.model.sharing import BranchMove, BranchOutcome, DataMoved, EndReport, TogetherReport
from gitexp.report import numbers
from gitexp.report.answers.lines import head_of, places_of
from gitexp.report.sheet import PLAIN, Fact, Grid, Item, Sheet, Style, order_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.review import CheckedPlan, CheckReport

_KINDS = ("loose objects", "packs", "loose refs", "job folders")
SHORT = 9
_VERBS = {"push": "pushed to", "pull": "pulled from", "sync": "in step with"}


def check(report: CheckReport, _: Style = PLAIN) -> Sheet:
    """Return what was found in all, each broken rule, then how sure the order of each plan is."""
    broken = [(report.broken(Policy.ERROR), "error"), (report.broken(Policy.WARN), "warning")]
    counts = [numbers.amount(len(found), word) for found, word in broken if found]
    where = f" on {report.branch}" if report.branch else ""
    said = " and ".join(counts) or "nothing is broken"
    items = [violation(item) for found, _ in broken for item in found]
    items += [_plan(item) for item in report.plans]
    return Sheet(
        headline=f"{said} in {numbers.amount(report.commits, 'commit')}{where}",
        items=tuple(items),
        facts=tuple(Fact("note", note) for note in report.notes),
    )


def violation(item: Violation) -> Item:
    """Return a broken rule with its place and what to type."""
    return Item(head_of(item), tuple(Fact(label, text) for label, text in places_of(item)))


def hooks(report: HooksReport, _: Style = PLAIN) -> Sheet:
    """Return how each hook stands, what was done, and what a manager of hooks has to be told."""
    running = sum(hook.runs for hook in report.hooks)
    facts = [Fact("folder", report.folder)]
    facts += [Fact("manager", report.manager)] if report.manager else []
    items = [Item(line) for line in report.done]
    if report.entry:
        items.append(Item(f"{report.manager} is in charge; nothing was written. Tell it:"))
        items += [Item(line) for line in report.entry.split("\n")]
    return Sheet(
        headline=f"{running} of {len(report.hooks)} hooks run",
        grids=(
            Grid(
                "hooks",
                ("hook", "state", ""),
                tuple((hook.name, hook.state.value, hook.note) for hook in report.hooks),
            ),
        ),
        items=tuple(items),
        facts=tuple(facts),
        next_step=report.next_step,
    )


def doctor(diagnosis: Diagnosis, _: Style = PLAIN) -> Sheet:
    """Return the sum, then each finding."""
    findings = diagnosis.findings
    cleared = sum(finding.cleared for finding in findings)
    notes = sum(finding.level is Level.NOTE and not finding.cleared for finding in findings)
    parts = [numbers.amount(diagnosis.left, "problem") if diagnosis.left else "no problems"]
    parts += [f"{cleared} cleared"] if cleared else []
    parts += [numbers.amount(notes, "note")] if notes else []
    steps = [
        finding.step or "gitexp doctor --fix"
        for finding in findings
        if finding.fixable and not finding.cleared and not finding.said
    ]
    return Sheet(
        headline=f"{', '.join(parts)}; {len(diagnosis.checks)} checks",
        items=tuple(_finding(finding) for finding in findings),
        next_step=max(steps, key=lambda step: step != "gitexp doctor --fix", default=""),
    )


def maintenance(report: MaintenanceReport, _: Style = PLAIN) -> Sheet:
    """Return sizes before and after."""
    sides = [report.before] if report.dry_run else [report.before, report.after]
    removed = f"{numbers.amount(len(report.removed), 'job folder')} of recorded runs"
    return Sheet(
        grids=(
            Grid(
                "sizes",
                ("", "now") if report.dry_run else ("", "before", "after"),
                tuple(zip(_KINDS, *map(_sizes, sides), strict=True)),
                right=frozenset({1, 2}),
            ),
        ),
        items=(
            Item(
                f"would pack, and remove {removed}"
                if report.dry_run
                else f"{', '.join(report.done)}; removed {removed}"
            ),
        ),
    )


def _plan(item: CheckedPlan) -> Item:
    name = shlex.quote(item.name)
    amended = f"{numbers.amount(item.amended, 'time')}; gitexp show {name} says when and why"
    return Item(
        f"{item.name}: order {order_words(item.order)}",
        (Fact("amended", amended),) if item.amended else (),
    )


def _finding(finding: Trouble) -> Item:
    mark = "cleared" if finding.cleared else finding.level.value
    return Item(f"{mark} ({finding.check}): {finding.what}", tuple(_about(finding)))


def _about(finding: Trouble) -> Iterator[Fact]:
    yield Fact("where", finding.where)
    if finding.said:
        yield Fact("said", finding.said)
    if not finding.cleared:
        yield Fact("--fix" if finding.fixable else "remedy", finding.remedy)


def _sizes(size: RepositorySize) -> tuple[str, ...]:
    return (
        f"{size.loose_objects} ({numbers.size(size.loose_bytes)})",
        f"{size.packs} ({numbers.size(size.pack_bytes)})",
        str(size.loose_refs),
        f"{size.job_folders} ({numbers.size(size.job_bytes)})",
    )


def lifecycle(report: EndReport, _: Style = PLAIN) -> Sheet:
    """Return a line for each thing that was done or left alone."""
    lines = [*report.done, *report.sent] or ["nothing to do: it is so already"]
    lines += [f"note: {note}" for note in report.notes]
    return Sheet(items=tuple(map(Item, lines)), next_step=report.next_step)


def together(report: TogetherReport, _: Style = PLAIN) -> Sheet:
    """Return each branch, the data, and what stayed."""
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
    if move.way in {BranchOutcome.REPLAYED, BranchOutcome.MERGED}:
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
        # What DVC could not look at comes with its reason in brackets.
        yield Fact("lacking", path if path.endswith(")") else f"{path}: its bytes {where}")
    yield from (Fact("damaged", what) for what in data.damaged)
