"""What `run`, `new`, `init` and `conclude` answer, as text and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.run import RepeatState, other_seeds
from gitexp.records import codec
from gitexp.report import caveats, numbers
from gitexp.report.answers import lifecycle, power
from gitexp.report.escape import PROSE_LIMIT, terminal
from gitexp.report.facts import order_words
from gitexp.report.table import table
from gitexp.report.words import verdict_line
from gitexp.text.jsontext import json_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.model.comparison import Conclusion
    from gitexp.model.report import NewReport, PlannedRun, RunReport
    from gitexp.model.request import InitReport
    from gitexp.model.sharing import EndReport
    from gitexp.text.jsontext import Json

SHORT = 9
_LABEL = 11  # predictions, exploratory


def run_text(report: RunReport) -> str:
    """Return what `gitexp run` prints: what was recorded, where, what to do next."""
    lines = list(_recorded(report) if report.recorded else _not_run(report))
    if report.commit is not None:
        lines.append("")
        lines += _fact("recorded", f"{report.commit[:SHORT]} on {terminal(report.branch)}")
        lines += _fact("snapshot", report.snapshot) if report.snapshot else ()
    if report.failed and report.python:
        lines += _fact("python", terminal(report.python, limit=400))
    for path in report.not_updated:
        lines += _fact("left alone", terminal(path, limit=400))
    for text in report.warnings:
        lines += _fact("warning", terminal(text, limit=400))
    if report.exploratory:
        lines += _fact(
            "exploratory", "this branch has no plan; these repeats are shown, not counted"
        )
    if report.verdict:
        lines += ["", terminal(report.verdict, limit=1_000)]
    if report.stopped is not None:
        lines += ["", f"stopped: {terminal(report.stopped.summary, limit=400)}"]
        for label, text in report.stopped.lines():
            lines += _fact(label, terminal(text, limit=1_000)) if label != "next" else ()
    lines += ["", f"next: {terminal(report.next_step, limit=400)}"]
    return "\n".join(lines)


def run_brief(report: RunReport) -> str:
    """Return the one line that matters of a run: the verdict, else what is recorded where."""
    if report.verdict:
        return terminal(report.verdict, limit=1_000)
    if report.commit is None:
        return next(_not_run(report), "nothing to run")
    counts = []
    for each in report.recorded:
        states = [repeat.state for repeat in each.run.repeats]
        good = states.count(RepeatState.FINISHED)
        counts.append(f"{each.side} {good}/{len(states)} ({each.run.id[:8]})")
    return f"{report.commit[:SHORT]} on {terminal(report.branch)}: {', '.join(counts)} finished"


def run_json(report: RunReport) -> str:
    """Return the same value as JSON."""
    value: dict[str, Json] = {
        "$schema": "gitexp/run-report@1",
        "branch": report.branch,
        "commit": report.commit,
        "dry_run": report.dry_run,
        "exploratory": report.exploratory,
        "interrupted": report.interrupted,
        "next": report.next_step,
        "not_updated": list(report.not_updated),
        "planned": [_planned_json(each) for each in report.planned],
        "python": report.python,
        "runs": [
            {
                "side": each.side,
                "run": codec.to_json(each.run),
                "metrics": {item.metric: item.mean for item in each.metrics},
            }
            for each in report.recorded
        ],
        "snapshot": report.snapshot,
        "verdict": report.verdict,
        "warnings": list(report.warnings),
    }
    if report.stopped is not None:
        stopped = report.stopped
        value["stopped"] = {"id": stopped.id, "summary": stopped.summary, **dict(stopped.lines())}
    return json_dumps(value).decode().rstrip("\n")


def new_text(report: NewReport) -> str:
    """Return what `gitexp new` prints."""
    plan = report.plan
    verb = "would begin" if report.dry_run else "began"
    lines = [f"{verb} {terminal(plan.branch)}: {terminal(report.promise, limit=400)}", ""]
    lines += _fact("hypothesis", terminal(plan.hypothesis))
    lines += _fact(
        "metric", f"{terminal(plan.metric)} ({plan.direction.value}), claim {plan.claim.value}"
    )
    lines += _fact("test", f"alpha {plan.alpha:g}, {numbers.amount(plan.repeats, 'repeat')} a side")
    if plan.stopping is not None:
        lines += _fact("looks", caveats.stopping_text(plan))
    for guard in plan.guards:
        unit = f"{guard.margin:+.4g}" if not guard.relative else f"{100 * guard.margin:+.4g} %"
        lines += _fact("guard", f"{terminal(guard.metric)} {guard.op} {unit}")
    lines += _fact("baseline", f"{plan.baseline.commit[:SHORT]} {terminal(plan.baseline.name)}")
    lines += _fact("price", power.price_text(report.price))
    if report.power is not None:
        lines += _fact("power", power.in_short(report.power))
    if report.commit is not None:
        lines += _fact("recorded", f"{report.commit[:SHORT]}, plan {plan.digest[:SHORT]}")
    for text in report.warnings:
        lines += _fact("warning", terminal(text, limit=400))
    lines += ["", f"next: {terminal(report.next_step, limit=400)}"]
    return "\n".join(lines)


def new_json(report: NewReport) -> str:
    """Return the same value as JSON."""
    value: dict[str, Json] = {
        "$schema": "gitexp/new-report@1",
        "checked_out": report.checked_out,
        "commit": report.commit,
        "digest": report.plan.digest,
        "dry_run": report.dry_run,
        "next": report.next_step,
        "plan": codec.to_json(report.plan),
        "price": {
            "basis": report.price.basis,
            "repeats": report.price.repeats,
            "seconds": report.price.seconds,
        },
        "power": None if report.power is None else power.value(report.power),
        "promise": report.promise,
        "warnings": list(report.warnings),
    }
    return json_dumps(value).decode().rstrip("\n")


def init_text(report: InitReport) -> str:
    """Return what `gitexp init` prints."""
    config = report.config
    where = f" in {terminal(config.project)}" if config.project else ""
    changed = any(path.endswith("config.yaml") for path in report.files)
    if report.existed and not changed:
        verb = "would write" if report.dry_run else "wrote"
        did = (
            f"{verb} {', '.join(map(terminal, report.files))}"
            if report.files
            else "nothing was changed"
        )
        lines = [f"this is a gitexp project already{where}; {did}", ""]
    else:
        done = ("change", "changed") if report.existed else ("write", "wrote")
        verb = f"would {done[0]}" if report.dry_run else done[1]
        lines = [f"{verb} {', '.join(map(terminal, report.files))}", ""]
    for label, text in report.found:
        lines += _fact(label, terminal(text, limit=400))
    for text in report.notes:
        lines += _fact("note", terminal(text, limit=400))
    if report.commit is not None:
        lines += _fact("recorded", report.commit[:SHORT])
    if report.command:
        lines += ["", f"to commit it: {terminal(report.command, limit=PROSE_LIMIT)}"]
    lines += ["", f"next: {terminal(report.next_step, limit=400)}"]
    return "\n".join(lines)


def init_json(report: InitReport) -> str:
    """Return the same value as JSON."""
    value: dict[str, Json] = {
        "$schema": "gitexp/init-report@1",
        "command": report.command,
        "commit": report.commit,
        "dry_run": report.dry_run,
        "existed": report.existed,
        "files": list(report.files),
        "found": dict(report.found),
        "next": report.next_step,
        "notes": list(report.notes),
    }
    return json_dumps(value).decode().rstrip("\n")


def conclude_text(
    conclusion: Conclusion,
    branch: str,
    commit: str | None,
    not_updated: Sequence[str],
    archived: EndReport | None = None,
) -> str:
    """Return what `gitexp conclude` prints."""
    lines = [terminal(verdict_line(conclusion.comparison), limit=PROSE_LIMIT), ""]
    lines += _fact("experiment", terminal(conclusion.experiment))
    for text in conclusion.words.splitlines():
        lines += _fact("words", terminal(text, limit=400))
    if conclusion.comparison.order is not None:
        words = order_words(conclusion.comparison.order)
        lines += _fact("order", terminal(words, limit=PROSE_LIMIT))
    if commit is None:
        lines += _fact("dry run", "nothing was written")
    else:
        lines += _fact("recorded", f"{commit[:SHORT]} on {terminal(branch)}")
    for path in not_updated:
        lines += _fact("left alone", f"{terminal(path)}: edited in the work tree")
    if archived is not None:
        return "\n".join([*lines, "", lifecycle.text(archived)])
    lines += ["", "next: merge the branch, or gitexp archive it; its records are in Git"]
    return "\n".join(lines)


def conclude_json(
    conclusion: Conclusion, commit: str | None, archived: EndReport | None = None
) -> str:
    """Return the same value as JSON."""
    value: dict[str, Json] = {
        "$schema": "gitexp/conclude-report@1",
        "archived": None if archived is None else lifecycle.to_json(archived),
        "commit": commit,
        "conclusion": codec.to_json(conclusion),
    }
    return json_dumps(value).decode().rstrip("\n")


def _recorded(report: RunReport) -> Iterator[str]:
    rows = [["side", "run", "repeats", "metric", "mean", "sd", "n"]]
    for each in report.recorded:
        states = [repeat.state for repeat in each.run.repeats]
        good = states.count(RepeatState.FINISHED)
        first = [each.side, each.run.id[:8], f"{good}/{len(states)} finished"]
        for item in each.metrics:
            spread = "" if item.sd is None else f"{item.sd:.2g}"
            rows.append([*first, terminal(item.metric), f"{item.mean:.5g}", spread, str(item.n)])
            first = ["", "", ""]
        if first[0]:
            rows.append([*first, "", "", "", ""])
    yield from table(rows, right=frozenset({4, 5, 6}))
    for each in report.recorded:
        for repeat in each.run.repeats:
            if repeat.state is not RepeatState.FINISHED:
                where = f" in {terminal(repeat.stage)}" if repeat.stage else ""
                reason = terminal(repeat.reason, limit=400)
                own = other_seeds(repeat.seed, repeat.seeds, each.run.fixed_seeds)
                seed = f"{repeat.seed} ({own})" if own else f"{repeat.seed}"
                yield f"{each.side} seed {seed} {repeat.state.value}{where}: {reason}"
                if repeat.last_line:
                    yield f"  {terminal(repeat.last_line, limit=400)}"


def _not_run(report: RunReport) -> Iterator[str]:
    for each in report.planned:
        verb = "would run" if report.dry_run else "stopped before it ran"
        said = f"{verb} seeds {numbers.ranges(each.seeds)}" if each.seeds else "nothing to run"
        yield f"{each.side} {each.commit[:SHORT]}: {said}"
        if each.for_snapshot in each.seeds:
            yield from _fact(
                "snapshot",
                f"seed {each.for_snapshot} is run for it if dvc.lock has none; it adds no sample",
            )
        if each.counting:
            yield from _fact("counting", f"seeds {numbers.ranges(each.counting)}")
        if each.spent:
            yield from _fact(
                "spent", f"seeds {numbers.ranges(each.spent)} were seen outside the plan"
            )


def _planned_json(each: PlannedRun) -> Json:
    return {
        "commit": each.commit,
        "counting": list(each.counting),
        "for_snapshot": each.for_snapshot,
        "inputs": each.inputs,
        "once": list(each.once),
        "repeated": list(each.repeated),
        "seeds": list(each.seeds),
        "side": each.side,
        "spent": list(each.spent),
    }


def _fact(label: str, text: str) -> list[str]:
    return [f"{label:<{_LABEL}} {text}"]
