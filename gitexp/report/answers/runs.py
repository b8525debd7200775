"""What `run` and `conclude` answer, as sheets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.run import RepeatState, other_seeds
from gitexp.report import numbers, words
from gitexp.report.answers import upkeep
from gitexp.report.sheet import PLAIN, Fact, Grid, Item, Sheet, is_good, order_words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.report import ConcludeReport, PlannedRun, RunReport
    from gitexp.model.run import Repeat
    from gitexp.report.sheet import Cell, Style

SHORT = 9


def run(report: RunReport, style: Style = PLAIN) -> Sheet:
    """Return what was recorded, where, and what to do next."""
    del style
    facts: list[Fact] = []
    if report.commit is not None:
        facts.append(Fact("recorded", f"{report.commit[:SHORT]} on {report.branch}"))
        facts += [Fact("snapshot", report.snapshot)] if report.snapshot else []
    if report.failed and report.python:
        facts.append(Fact("python", report.python))
    facts += [Fact("left alone", path) for path in report.not_updated]
    facts += [Fact("warning", text) for text in report.warnings]
    if report.exploratory:
        facts.append(
            Fact("exploratory", "this branch has no plan; these repeats are shown, not counted")
        )
    if report.stopped is not None:
        facts.append(Fact("stopped", report.stopped.summary))
        facts += [Fact(label, text) for label, text in report.stopped.lines() if label != "next"]
    recorded = bool(report.recorded)
    return Sheet(
        headline=report.verdict,
        names=(_brief(report),),
        grids=(_recorded(report),) if recorded else (),
        items=tuple(_unfinished(report) if recorded else _planned(report)),
        facts=tuple(facts),
        next_step=report.next_step,
    )


def concluded(report: ConcludeReport, style: Style = PLAIN) -> Sheet:
    """Return the verdict, the author's words, and where they are kept."""
    conclusion = report.conclusion
    comparison = conclusion.comparison
    facts = [Fact("experiment", conclusion.experiment)]
    facts += [Fact("words", text) for text in conclusion.words.splitlines()]
    if comparison.order is not None:
        facts.append(Fact("order", order_words(comparison.order)))
    if report.commit is None:
        facts.append(Fact("dry run", "nothing was written"))
    else:
        facts.append(Fact("recorded", f"{report.commit[:SHORT]} on {report.branch}"))
    facts += [Fact("left alone", f"{path}: edited in the work tree") for path in report.not_updated]
    end = None if report.archived is None else upkeep.lifecycle(report.archived, style)
    return Sheet(
        headline=comparison.headline,
        word=words.verdict_word(comparison),
        good=is_good(comparison.verdict),
        items=() if end is None else end.items,
        facts=tuple(facts),
        next_step="merge the branch, or gitexp archive it; its records are in Git"
        if end is None
        else end.next_step,
    )


def _brief(report: RunReport) -> str:
    """Return the one line that matters of a run: the verdict, else what is recorded where."""
    if report.verdict:
        return report.verdict
    if report.commit is None:
        return next((_would(report, each) for each in report.planned), "nothing to run")
    counts = [
        f"{each.side} {_finished(each.run.repeats)} ({each.run.id[:8]})" for each in report.recorded
    ]
    return f"{report.commit[:SHORT]} on {report.branch}: {', '.join(counts)} finished"


def _finished(repeats: tuple[Repeat, ...]) -> str:
    good = sum(repeat.state is RepeatState.FINISHED for repeat in repeats)
    return f"{good}/{len(repeats)}"


def _recorded(report: RunReport) -> Grid:
    rows: list[tuple[Cell, ...]] = []
    for each in report.recorded:
        first = (each.side, each.run.id[:8], f"{_finished(each.run.repeats)} finished")
        shown: list[tuple[Cell, ...]] = [
            (item.metric, f"{item.mean:.5g}", "" if item.sd is None else f"{item.sd:.2g}", item.n)
            for item in each.metrics
        ]
        for index, cells in enumerate(shown or [("", "", "", None)]):
            rows.append((*(("", "", "") if index else first), *cells))
    header = ("side", "run", "repeats", "metric", "mean", "sd", "n")
    return Grid("runs", header, tuple(rows), right=frozenset({4, 5, 6}))


def _unfinished(report: RunReport) -> Iterator[Item]:
    """Yield each repeat that did not finish, with the last line that it printed."""
    for each in report.recorded:
        for repeat in each.run.repeats:
            if repeat.state is RepeatState.FINISHED:
                continue
            where = f" in {repeat.stage}" if repeat.stage else ""
            own = other_seeds(repeat.seed, repeat.seeds, each.run.fixed_seeds)
            seed = f"{repeat.seed} ({own})" if own else f"{repeat.seed}"
            yield Item(
                f"{each.side} seed {seed} {repeat.state.value}{where}: {repeat.reason}",
                (Fact("last", repeat.last_line),) if repeat.last_line else (),
            )


def _planned(report: RunReport) -> Iterator[Item]:
    """Yield what would be run, or was to be, for each side."""
    for each in report.planned:
        facts = []
        if each.for_snapshot in each.seeds:
            seed = f"seed {each.for_snapshot}"
            facts.append(
                Fact("snapshot", f"{seed} is run for it if dvc.lock has none; it adds no sample")
            )
        if each.counting:
            facts.append(Fact("counting", f"seeds {numbers.ranges(each.counting)}"))
        if each.spent:
            seen = f"seeds {numbers.ranges(each.spent)} were seen outside the plan"
            facts.append(Fact("spent", seen))
        yield Item(_would(report, each), tuple(facts))


def _would(report: RunReport, each: PlannedRun) -> str:
    verb = "would run" if report.dry_run else "stopped before it ran"
    said = f"{verb} seeds {numbers.ranges(each.seeds)}" if each.seeds else "nothing to run"
    return f"{each.side} {each.commit[:SHORT]}: {said}"
