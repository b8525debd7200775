"""`gitexp show` and `gitexp status`: one experiment, one run, where this branch stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.effects import format_effect, guard_text
from gitexp.report import lists, numbers
from gitexp.report.escape import prose
from gitexp.report.sheet import Grid, Sheet
from gitexp.report.words import SHORT, Fact, verdict_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.model.comparison import MetricSummary
    from gitexp.model.plan import Plan
    from gitexp.model.run import Repeat
    from gitexp.model.views import LiveRun, ShownExperiment, ShownRun, StatusView
    from gitexp.report.records import Cell

_MOST_DISTRIBUTIONS = 5


def experiment(view: ShownExperiment) -> Sheet:
    """Return plan, conclusion and runs."""
    name = view.branch if view.plan is None else view.plan.name
    facts = [Fact("branch", f"{view.branch} at {view.commit[:SHORT]}")]
    facts += [] if view.plan is None else plan_facts(view.plan)
    if view.inputs is not None:
        facts.append(Fact("inputs", view.inputs[:SHORT]))
    done = view.conclusion
    if done is not None:
        facts.append(Fact("verdict", verdict_line(done.comparison)))
        facts.append(Fact("concluded", f"{done.concluded_at:%Y-%m-%d} by {done.author_name}"))
        facts.append(Fact("words", prose(done.words)))
    facts += lists.unreadable(view.unreadable)
    facts += _notes(view.notes, shallow=view.shallow)
    metrics = lists.common_metrics(item.metrics for item in view.runs)
    rows = tuple(
        (
            item.id[:SHORT],
            item.state,
            item.inputs[:SHORT],
            "exploratory" if item.exploratory else "",
            numbers.ranges(item.seeds),
            *({m.metric: m.mean for m in item.metrics}.get(name) for name in metrics),
            f"{item.started_at:%Y-%m-%d %H:%M}",
        )
        for item in view.runs
    )
    header = ("run", "state", "inputs", "counts", "seeds", *metrics, "started")
    return Sheet(
        headline=name if view.plan is None else f"{name}: {prose(view.plan.hypothesis)}",
        grids=(Grid("runs", header, rows),) if rows else (),
        facts=tuple(facts),
    )


def run(view: ShownRun) -> Sheet:
    """Return one run: its source, environment, repeats, metrics and parameters."""
    record = view.run
    source = record.source
    facts = [
        Fact("source", f"{source.commit[:SHORT]} {source.branch}".rstrip()),
        Fact("inputs", record.inputs[:SHORT]),
        Fact(
            "plan",
            "none: exploratory"
            if record.plan is None
            else f"{record.plan.name} ({record.plan.digest[:SHORT]})",
        ),
        Fact("origin", record.origin.value),
        Fact("author", record.author.name),
        Fact("time", f"{record.started_at:%Y-%m-%d %H:%M} - {record.ended_at:%H:%M} UTC"),
        Fact("recorded", f"{view.commit[:SHORT]} on {', '.join(view.refs) or 'no branch'}"),
        Fact("program", f"{record.program}, engine {record.engine}"),
    ]
    facts += [Fact("override", f"{key} = {value}") for key, value in source.overrides.items()]
    environment = view.environment
    if environment is not None:
        shown = [f"{item.name} {item.version}" for item in environment.distributions]
        more = len(shown) - _MOST_DISTRIBUTIONS
        listed = ", ".join(shown[:_MOST_DISTRIBUTIONS]) + (f" and {more} more" if more > 0 else "")
        system = f"{environment.implementation} {environment.python}, {environment.platform}"
        facts.append(Fact("environment", f"{system}; {listed}" if listed else system))
    if view.deleted:
        facts.append(Fact("warning", "the record was deleted from the tree later"))
    if view.altered:
        facts.append(Fact("warning", "the record was edited after it was made"))
    facts += [Fact("warning", text) for text in record.warnings]
    facts += _notes(view.notes)
    grids = [
        Grid(
            "repeats",
            ("seed", "state", "wall s", "snapshot", "reason"),
            tuple(_repeat(item) for item in record.repeats),
        ),
        metrics_grid(view.metrics),
        Grid(
            "parameters",
            ("parameter", "value"),
            tuple((key, lists.plain(value)) for key, value in record.params.items()),
        ),
    ]
    return Sheet(
        headline=f"run {record.id}",
        grids=tuple(grid for grid in grids if grid.rows),
        facts=tuple(facts),
    )


def status(view: StatusView) -> Sheet:
    """Return where the branch stands."""
    facts: list[Fact] = []
    if view.inputs is not None:
        facts.append(Fact("inputs", view.inputs[:SHORT]))
    if view.plan is not None:
        facts += plan_facts(view.plan)
        facts.append(Fact("counting", _seeds(view.counted, view.planned)))
        facts.append(Fact("baseline", _seeds(view.baseline_counted, view.planned)))
    if view.exploratory:
        facts.append(Fact("exploratory", f"{view.exploratory} repeats, which do not count"))
    if view.verdict is not None:
        facts.append(Fact("verdict", view.verdict or "concluded without one"))
    facts += [Fact("running", _live(item)) for item in view.running]
    facts += [Fact("not recorded", _live(item)) for item in view.unpublished]
    facts += [Fact("uncommitted", path) for path in view.dirty]
    facts += lists.unreadable(view.unreadable)
    facts += _notes(view.notes, shallow=view.shallow)
    place = view.branch or "no branch (detached HEAD)"
    commit = "no commit yet" if view.commit is None else view.commit[:SHORT]
    what = "" if view.plan is None else f": {prose(view.plan.hypothesis)}"
    return Sheet(
        headline=f"{place} at {commit}{what}", facts=tuple(facts), next_step=view.next_step
    )


def plan_facts(plan: Plan) -> list[Fact]:
    """Return the lines of a plan."""
    facts = [
        Fact("objective", prose(plan.objective)),
        Fact("promised", format_effect(plan.effect, plan.metric, plan.direction)),
        Fact("claim", f"{plan.claim.value}, alpha {plan.alpha:g}, {plan.repeats} repeats a side"),
        Fact("against", f"{plan.baseline.name} at {plan.baseline.commit[:SHORT]}"),
        Fact("planned", f"{plan.created_at:%Y-%m-%d} by {plan.author.name}"),
    ]
    facts += [Fact("guard-rail", guard_text(guard)) for guard in plan.guards]
    return [fact for fact in facts if fact.text]


def metrics_grid(metrics: Iterable[MetricSummary]) -> Grid:
    """Return n, mean and standard deviation of each metric."""
    rows = tuple((item.metric, item.n, item.mean, item.sd) for item in metrics)
    return Grid("metrics", ("metric", "n", "mean", "sd"), rows)


def _repeat(item: Repeat) -> tuple[Cell, ...]:
    wall = item.resources.wall_s
    return (
        item.seed,
        item.state.value,
        None if wall is None else round(wall, 1),
        "yes" if item.snapshot else "",
        item.reason,
    )


def _seeds(seeds: tuple[int, ...], planned: int) -> str:
    of = f"{len(seeds)} of {planned} repeats"
    return f"{of}, seeds {numbers.ranges(seeds)}" if seeds else of


def _live(item: LiveRun) -> str:
    state = "" if item.alive else ", its coordinator is gone"
    done = f"{len(item.finished)} of {len(item.seeds)} finished"
    failed = f", {len(item.ended)} failed" if item.ended else ""
    return f"{item.id[:SHORT]} {item.side} on {item.branch}: {done}{failed}{state}"


def _notes(notes: Iterable[str], *, shallow: bool = False) -> Iterator[Fact]:
    if shallow:
        yield Fact("note", "this clone is shallow: older runs may be unknown here")
    for text in notes:
        yield Fact("note", text)
