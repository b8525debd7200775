"""What `check`, `hooks`, `doctor` and `maintenance` answer, as sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.report import Level
from gitexp.model.rules import Policy
from gitexp.report import numbers
from gitexp.report.answers.violations import head_of, places_of
from gitexp.report.facts import Fact, order_words
from gitexp.report.sheet import Grid, Item, Sheet
from gitexp.report.style import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.report import Diagnosis, Finding, MaintenanceReport, RepositorySize
    from gitexp.model.review import CheckedPlan, CheckReport
    from gitexp.model.rules import HooksReport, Violation
    from gitexp.report.style import Style


def check(report: CheckReport, style: Style = PLAIN) -> Sheet:
    """Return what was found in all, each broken rule, then how sure the order of each plan is."""
    del style
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


def hooks(report: HooksReport, style: Style = PLAIN) -> Sheet:
    """Return how each hook stands, what was done, and what a manager of hooks has to be told."""
    del style
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


def doctor(diagnosis: Diagnosis, style: Style = PLAIN) -> Sheet:
    """Return the sum, then each finding."""
    del style
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


def maintenance(report: MaintenanceReport, style: Style = PLAIN) -> Sheet:
    """Return sizes before and after."""
    del style
    sides = [report.before] if report.dry_run else [report.before, report.after]
    removed = f"{len(report.removed)} job folders of recorded runs"
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
    amended = f"{numbers.amount(item.amended, 'time')} after runs; gitexp show {item.name} says why"
    return Item(
        f"{item.name}: order {order_words(item.order)}",
        (Fact("amended", amended),) if item.amended else (),
    )


def _finding(finding: Finding) -> Item:
    mark = "cleared" if finding.cleared else finding.level.value
    return Item(f"{mark} ({finding.check}): {finding.what}", tuple(_about(finding)))


def _about(finding: Finding) -> Iterator[Fact]:
    yield Fact("where", finding.where)
    if finding.said:
        yield Fact("said", finding.said)
    if not finding.cleared:
        yield Fact("--fix" if finding.fixable else "remedy", finding.remedy)


_KINDS = ("loose objects", "packs", "loose refs", "job folders")


def _sizes(size: RepositorySize) -> tuple[str, ...]:
    return (
        f"{size.loose_objects} ({numbers.size(size.loose_bytes)})",
        f"{size.packs} ({numbers.size(size.pack_bytes)})",
        str(size.loose_refs),
        f"{size.job_folders} ({numbers.size(size.job_bytes)})",
    )
