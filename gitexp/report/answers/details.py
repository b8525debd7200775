"""`gitexp show` and `gitexp status`: one experiment, one run, where this branch stands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.model.listing import standing
from gitexp.model.plan import OnFailed, Plan, Verdict
from gitexp.model.run import Repeat, RepeatState, other_seeds
from gitexp.records.terms import format_effect, guard_text
from gitexp.report import numbers
from gitexp.report.answers import lines, listing
from gitexp.report.caveats import stopping_text
from gitexp.report.escape import prose
from gitexp.report.sheet import (
    PLAIN,
    SHORT,
    Cell,
    Fact,
    Grid,
    Sheet,
    Style,
    amendment_words,
    is_good,
    order_words,
    shortened,
)
from gitexp.report.words import verdict_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gitexp.model.metrics import MetricSummary
    from gitexp.model.views import LiveRun, ShownExperiment, ShownRun, StatusView

_MOST_DISTRIBUTIONS = 5
_FEW_RUNS = 20  # verbose shows all
_FEW_REPEATS = 30
_FEW_REFS = 6


def experiment(view: ShownExperiment, style: Style = PLAIN) -> Sheet:
    """Return verdict, runs, plan and conclusion."""
    plan, done = view.plan, view.conclusion
    facts = [Fact("branch", f"{view.branch} at {view.commit[:SHORT]}")]
    facts += [] if plan is None else _plan_facts(plan)
    if view.plan_commit is not None and plan is not None:
        facts.append(Fact("plan", f"{plan.digest[:SHORT]} in {view.plan_commit[:SHORT]}"))
    if view.inputs is not None:
        facts.append(Fact("inputs", view.inputs[:SHORT]))
    if done is not None:
        facts.append(Fact("concluded", f"{done.concluded_at:%Y-%m-%d} by {done.author_name}"))
        facts.append(Fact("words", prose(done.words)))
        if done.comparison.order is not None:
            facts.append(Fact("order", order_words(done.comparison.order)))
    facts += _failed(view.failed)
    facts += listing.unreadable(view.unreadable)
    facts += _notes(view.notes, shallow=view.shallow)
    grid = _runs(view, style)
    headline, step = view.branch, "gitexp new NAME"
    word, good = "NO PLAN", None
    if plan is not None:
        word, headline = "NO CONCLUSION", f"{plan.name}: {promise(plan)}"
        step = f"gitexp compare {shlex.quote(plan.name)}"
        stands = done is not None and done.stands(plan) and not view.changed
        of_now = [item for item in view.runs if item.inputs == view.inputs or not view.changed]
        if not stands and all(item.exploratory for item in of_now):  # or of an earlier plan
            step = f"git switch {shlex.quote(view.branch)} && gitexp run --with-baseline"
        step = step if stands else view.next_step or step
        word = "CHANGED" if view.changed else word
        if done is not None and stands:
            word, good = verdict_word(done.comparison), is_good(done.verdict)
            headline = done.comparison.headline
            if view.runs and all(item.exploratory for item in view.runs):
                headline = f"as it was concluded; no run here is under this plan; {headline}"
    return Sheet(
        headline=headline,
        word=word,
        good=good,
        grids=(grid,) if grid.rows else (),
        facts=tuple(facts),
        next_step=step,
    )


def run(view: ShownRun, style: Style = PLAIN) -> Sheet:
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
        Fact("origin", record.origin.value + ", by a hidden holdout" * record.is_holdout),
        Fact("author", f"{record.author.name} <{record.author.email}>"),
        Fact("time", f"{record.started_at:%Y-%m-%d %H:%M} - {record.ended_at:%H:%M} UTC"),
        Fact(
            "recorded",
            f"{view.commit[:SHORT]} on {numbers.listed(view.refs, _FEW_REFS) or 'no branch'}",
        ),
        Fact("program", f"{record.program}, engine {record.engine}"),
    ]
    facts += [
        Fact("override", f"{key} = {listing.shown_param(value)}")
        for key, value in source.overrides.items()
    ]
    facts += [Fact("fixed seed", f"{key} = {value}") for key, value in record.fixed]
    environment = view.environment
    if environment is not None:
        shown = [f"{item.name} {item.version}" for item in environment.distributions]
        listed = numbers.listed(shown, _MOST_DISTRIBUTIONS)
        system = f"{environment.implementation} {environment.python}, {environment.platform}"
        facts.append(Fact("environment", f"{system}; {listed}" if listed else system))
    if view.deleted:
        facts.append(Fact("warning", "the record was deleted from the tree later"))
    if view.altered:
        facts.append(Fact("warning", "the record was edited after it was made"))
    facts += [Fact("warning", text) for text in record.warnings]
    facts += _notes(view.notes)
    kept = record.repeats if style.verbose else record.repeats[:_FEW_REPEATS]
    grids = [
        Grid(
            "repeats",
            ("seed", "state", "time", "memory", ""),
            tuple(_repeat(item, record.fixed_seeds) for item in kept),
            right=frozenset({2, 3}),
            left_out=len(record.repeats) - len(kept),
        ),
        _metrics(view.metrics),
        Grid(
            "parameters",
            ("parameter", "value"),
            tuple((key, listing.shown_param(value)) for key, value in record.params.items()),
        ),
    ]
    own = record.own_repeats or record.repeats
    good = sum(1 for repeat in own if repeat.state is RepeatState.FINISHED)
    whose = (
        "exploratory, never counted for a candidate"
        if record.plan is None
        else f"for {record.plan.name}"
    )
    return Sheet(
        headline=f"run {record.id}: {good}/{len(own)} finished, {whose}",
        grids=tuple(grid for grid in grids if grid.rows),
        facts=tuple(facts),
        next_step="gitexp compare" if record.is_holdout else f"gitexp logs {record.id[:SHORT]}",
    )


def status(view: StatusView, style: Style = PLAIN) -> Sheet:
    """Return where the branch stands."""
    facts: list[Fact] = []
    plan = view.plan
    if plan is not None:
        facts.append(Fact("hypothesis", prose(plan.hypothesis)))
        facts.append(Fact("repeats", _seeds(view.counted, plan.repeats)))
        against = f", {plan.baseline.name} at {plan.baseline.commit[:SHORT]}"
        facts.append(Fact("baseline", _seeds(view.baseline_counted, plan.repeats) + against))
        facts += [Fact("not counted", text) for text in view.not_counted]
        facts += _failed(view.failed)
    if view.exploratory and not view.not_counted:
        said = f"{numbers.amount(view.exploratory, 'repeat')}, never counted for a candidate"
        baseline = "; an experiment that begins here may count them for its baseline"
        facts.append(Fact("exploratory", said if plan is not None else f"{said}{baseline}"))
    if view.commit is not None:
        inputs = "" if view.inputs is None else f", inputs {view.inputs[:SHORT]}"
        facts.append(Fact("commit", f"{view.commit[:SHORT]}{inputs}"))
    facts += [Fact("running", _live(item)) for item in view.running]
    metric = "" if plan is None else plan.metric
    facts += [
        Fact("logged", f"{item.id[:SHORT]} seed {seed}: {lines.in_short(values, metric)}")
        for item in view.running
        for seed, values in item.logged
    ]
    facts += [Fact("not recorded", _live(item)) for item in view.unpublished]
    facts += [Fact("uncommitted", path) for path in view.dirty]
    facts += listing.unreadable(view.unreadable)
    facts += _notes(view.notes, shallow=view.shallow)
    word, good = "", None
    if view.verdict is not None:
        word = view.verdict.upper() or "NO VERDICT"
        good = is_good(next((item for item in Verdict if item.value == view.verdict), None))
    return Sheet(
        headline=f"{view.branch or 'HEAD is on no branch'}: {_standing(view)}",
        word=word,
        good=good,
        facts=tuple(facts if style.verbose else shortened(facts)),
        next_step=view.next_step,
    )


def _failed(texts: Iterable[str]) -> list[Fact]:
    names = ("failed" if " failed" in each.partition(":")[0] else "unfinished" for each in texts)
    return [Fact(name, text) for name, text in zip(names, texts, strict=True)]


def promise(plan: Plan) -> str:
    """Return the promised effect as a sentence."""
    return format_effect(plan.effect, plan.metric, plan.direction)


def _plan_facts(plan: Plan) -> list[Fact]:
    facts = [
        Fact("hypothesis", prose(plan.hypothesis)),
        Fact("objective", prose(plan.objective)),
        Fact("promised", promise(plan)),
        Fact(
            "claim",
            f"{plan.claim.value}, alpha {plan.alpha:g}, "
            f"{numbers.amount(plan.repeats, 'repeat')} a side",
        ),
        Fact("against", f"{plan.baseline.name} at {plan.baseline.commit[:SHORT]}"),
        Fact("planned", f"{plan.created_at:%Y-%m-%d} by {plan.author.name}"),
    ]
    facts += [Fact("guard-rail", guard_text(guard)) for guard in plan.guards]
    if plan.guards_shown:
        facts.append(Fact("guard-rails", "shown to be kept, or there is no yes"))
    if plan.stopping is not None:
        facts.append(Fact("looks", stopping_text(plan)))
    if plan.failure:
        facts.append(Fact("failed", f"finished repeats with {plan.failure}"))
    if plan.on_failed is not OnFailed.REFUSE:
        facts.append(Fact("failed", "the comparison goes on without failed repeats"))
    facts += [Fact("amended", amendment_words(item)) for item in plan.amended]
    return [fact for fact in facts if fact.text]


def _metrics(metrics: Iterable[MetricSummary]) -> Grid:
    rows = tuple((item.metric, item.n, *numbers.mean_sd(item.mean, item.sd)) for item in metrics)
    return Grid("metrics", ("metric", "n", "mean", "+- sd"), rows, frozenset({2, 3}))


def _runs(view: ShownExperiment, style: Style) -> Grid:
    """Return a row for each run, the newest last, with means: what is planned first."""
    found = view.runs
    planned = () if view.plan is None else (view.plan.metric, *(g.metric for g in view.plan.guards))
    kept = found if style.verbose else found[-_FEW_RUNS:]
    metrics = listing.common_metrics((item.metrics for item in kept), planned)
    first = ("run", "state", "counts", *metrics, "inputs", "seeds")
    mine = sum(name in metrics for name in planned)
    others, rest = range(3 + mine, 3 + len(metrics)), len(first)
    rows = tuple(
        (
            item.id[:SHORT],
            item.state,
            listing.counts_text(item),
            *(listing.metric_text(item.metrics, name) for name in metrics),
            item.inputs[:SHORT],
            numbers.seeds(item.seeds).partition(" ")[2] if item.seeds else "",
            listing.moment(item.started_at, style),
        )
        for item in kept
    )
    return Grid(
        "runs",
        (*first, "age" if style.now else "started"),
        rows,
        right=frozenset({*range(3, 3 + len(metrics)), rest}),
        spare={
            **dict.fromkeys(reversed(others[2:]), "metric"),
            **dict.fromkeys((rest, rest - 1), ""),
            **dict.fromkeys(reversed(others[:2]), "metric"),
            rest - 2: "",
            **dict.fromkeys(reversed(range(3, 3 + mine)[1:]), "metric"),
        },
        left_out=len(found) - len(kept),
    )


def _repeat(item: Repeat, fixed: Mapping[str, int]) -> tuple[Cell, ...]:
    own = other_seeds(item.seed, item.seeds, fixed)
    resumed = f"resumed {numbers.amount(item.resumed, 'time')}" if item.resumed else ""
    marks = filter(None, ("snapshot" if item.snapshot else "", resumed, own))
    wall, memory = item.resources.wall_s, item.resources.peak_memory_bytes
    where = f"in {item.stage}: " if item.stage and item.reason else ""
    return (
        item.seed,
        item.state.value,
        "" if wall is None else numbers.duration(wall),
        "" if memory is None else numbers.size(memory),
        f"{where}{item.reason}" if item.reason else ", ".join(marks),
    )


def _standing(view: StatusView) -> str:
    if view.commit is None:
        return "no commit yet"
    if not view.initialised:
        return "not a gitexp project"
    if view.plan is None:
        return "no plan, so runs here are exploratory"
    said = promise(view.plan)
    if view.verdict is not None:
        return "; ".join(filter(None, (said, view.qualifier)))
    state = "run" if view.counted or view.failed else "planned"
    state = "changed" if view.changed else state
    counts = len(view.counted), len(view.baseline_counted)
    state = "running" if any(item.branch == view.branch for item in view.running) else state
    return f"{said}: {standing(state, '', counts, view.planned)}"


def _seeds(seeds: tuple[int, ...], planned: int) -> str:
    of = numbers.of_planned(len(seeds), planned, "count")
    return f"{of} ({numbers.seeds(seeds)})" if seeds else of


def _live(item: LiveRun) -> str:
    state = "" if item.alive else ", its coordinator is gone"
    done = f"{len(item.finished)} of {len(item.seeds)} finished"
    failed = len(item.ended) - len(item.interrupted)
    done += f", {failed} failed" if failed else ""
    done += f", {len(item.interrupted)} interrupted" if item.interrupted else ""
    return f"{item.id[:SHORT]} {item.side} on {item.branch}: {done}{state}"


def _notes(notes: Iterable[str], *, shallow: bool = False) -> Iterator[Fact]:
    yield from listing.edge(shallow=shallow)
    for text in notes:
        yield Fact("note", text)
