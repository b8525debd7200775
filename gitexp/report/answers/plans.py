"""Sheets of an experiment: what `init`, `new`, `power`, `witness`, `run`, `conclude` answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.design import NO_CHANGE, PowerReport, Price
from gitexp.model.run import RepeatState, Run, other_seeds
from gitexp.model.witness import Way, Witnessed
from gitexp.report import caveats, numbers, words
from gitexp.report.answers import listing, upkeep
from gitexp.report.caveats import rounded
from gitexp.report.sheet import (
    PLAIN,
    Fact,
    Grid,
    Item,
    Sheet,
    Style,
    is_good,
    order_words,
    value_text,
)
from gitexp.text.foreign import lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Guard
    from gitexp.model.report import (
        AmendReport,
        ConcludeReport,
        NewReport,
        PlannedRun,
        RunReport,
        SideSoFar,
    )
    from gitexp.model.request import InitReport

SHORT = 9
_WITNESSES = {
    Way.PUSH: "pushed to {}",
    Way.RFC3161: "stamped by {}",
    Way.APPROVAL: "approved by {}",
}


def init(report: InitReport, _: Style = PLAIN) -> Sheet:
    """Return what was written, and what was found."""
    changed = any(path.endswith("config.yaml") for path in report.files)
    new = not report.existed or changed
    would, did = ("change", "changed") if report.existed and changed else ("write", "wrote")
    verb = f"would {would}" if report.dry_run else did
    done = f"{verb} {', '.join(report.files)}" if report.files or new else "nothing was changed"
    where = f" in {report.config.project}" if report.config.project else ""
    facts = [Fact(label, text) for label, text in report.found]
    facts += [Fact("note", text) for text in report.notes]
    if report.commit is not None:
        facts.append(Fact("recorded", report.commit[:SHORT]))
    return Sheet(
        headline=done if new else f"this is a gitexp project already{where}; {done}",
        items=(Item(f"to commit it: {report.command}"),) if report.command else (),
        facts=tuple(facts),
        next_step=report.next_step,
    )


def new(report: NewReport, _: Style = PLAIN) -> Sheet:
    """Return what was promised, and what it costs to find out."""
    plan = report.plan
    verb = "would begin" if report.dry_run else "began"
    facts = [
        Fact("hypothesis", plan.hypothesis),
        Fact("metric", f"{plan.metric} ({plan.direction.value}), claim {plan.claim.value}"),
        Fact("test", f"alpha {plan.alpha:g}, {numbers.amount(plan.repeats, 'repeat')} a side"),
    ]
    if plan.stopping is not None:
        facts.append(Fact("looks", caveats.stopping_text(plan)))
    facts += [Fact("guard", _guard(guard)) for guard in plan.guards]
    if plan.failure:
        facts.append(Fact("failed", f"finished repeats with {plan.failure}"))
    facts.append(Fact("baseline", f"{plan.baseline.commit[:SHORT]} {plan.baseline.name}"))
    if report.evaluator:
        facts.append(Fact("evaluator", report.evaluator))
    facts.append(Fact("price", _price(report.price)))
    if report.power is not None:
        facts.append(Fact("power", _likely(report.power)))
        facts += _otherwise(report.power)
    if report.commit is not None:
        facts.append(Fact("recorded", f"{report.commit[:SHORT]}, plan {plan.digest[:SHORT]}"))
    facts += [Fact("warning", text) for text in report.warnings]
    return Sheet(
        headline=f"{verb} {plan.branch}: {report.promise}",
        facts=tuple(facts),
        next_step=report.next_step,
    )


def amended(report: AmendReport, _: Style = PLAIN) -> Sheet:
    """Return what binds otherwise now, and what became of the runs before."""
    verb = "would amend" if report.dry_run else "amended"
    changes = (
        ", ".join(
            f"{item.name} {value_text(item.old)} -> {value_text(item.new)}" for item in report.terms
        )
        or "tells what the history of the plan has, and binds as before"
    )
    facts = [Fact("why", report.plan.amended[-1].why)] if report.terms else []
    if report.runs and report.terms:
        spent = f"; spent: {numbers.seeds(report.spent)}" if report.spent else ""
        under = f"{numbers.amount(report.runs, 'run')} under plan {report.before[:SHORT]}"
        facts.append(Fact("before", f"{under}: the candidate's are shown and not counted{spent}"))
    if report.commit is not None:
        digest = report.plan.digest[:SHORT]
        facts.append(Fact("recorded", f"{report.commit[:SHORT]}, plan {digest}"))
    facts += [Fact("left alone", path) for path in report.not_updated]
    facts += [Fact("warning", text) for text in report.warnings]
    return Sheet(
        headline=f"{verb} {report.plan.name}: {changes}",
        facts=tuple(facts),
        next_step=report.next_step,
    )


def witnessed(found: Witnessed, _: Style = PLAIN) -> Sheet:
    """Return whose word was kept, and what it makes of the order."""
    receipt = found.receipt
    who = {Way.PUSH: receipt.remote, Way.RFC3161: receipt.url, Way.APPROVAL: receipt.by.name}
    what = _WITNESSES[receipt.way].format(who[receipt.way])
    facts = [
        Fact("order", order_words(found.order)),
        Fact("recorded", f"{found.commit[:SHORT]}, {found.path}"),
    ]
    if found.runs:
        amount = numbers.amount(found.runs, "run")
        facts.append(Fact("warning", f"{amount} came before: for them it proves nothing"))
    return Sheet(
        headline=f"{found.experiment}: plan {receipt.plan[:SHORT]} {what}",
        facts=tuple(facts),
        next_step="gitexp run --with-baseline",
    )


def power(report: PowerReport, _: Style = PLAIN) -> Sheet:
    """Return the answer first, then what it rests on."""
    return Sheet(
        headline=_likely(report), facts=tuple(_rests_on(report)), next_step=report.next_step
    )


def _guard(guard: Guard) -> str:
    unit = f"{guard.margin:+.4g}" if not guard.relative else f"{100 * guard.margin:+.4g} %"
    return f"{guard.metric} {guard.op} {unit}"


def _likely(report: PowerReport) -> str:
    """Return in one line how likely a yes is, and how many units make it so."""
    found, units = report.support, f"{report.units:,} {report.unit}"
    power, yes = f"{report.power * 100:g} %", found.verdict.value.upper()
    if found.truth:
        some, most = found.chance, found.up_to
        chance = "" if some is None else _chance(some)
        if most is not None:
            chance = f"{chance} to {_chance(most)}" if chance else f"at most {_chance(most)}"
        few, many = found.needed_from, found.needed
        if few is not None and many is not None:
            enough = f"{few:,} to {_of(report, many)} give {power}"
        elif few is not None or many is not None:
            number = few or many or 0
            enough = f"{_of(report, number)}{' or more' if few else ''} give {power}"
            if number == 1:
                enough = f"one of the {report.unit} may give {power}"
        else:
            enough = f"no number of {report.unit} gives {power}"
        return f"{yes} with a chance of {chance} by {units}, if in truth {found.truth}; {enough}"
    if found.least is None:
        return f"no outcome of {units} is {yes}: none reaches alpha"
    share = "" if found.least_share is None else f" ({numbers.percent(found.least_share)})"
    size = f"{rounded(found.least)}{share} or more"
    just = f"at just the promise at most {_chance(report.alpha)}"
    return f"{yes} with a chance of {power} by {units}, if the true gain is {size}; {just}"


def _of(report: PowerReport, number: int) -> str:
    """Return so many units; those beyond the planned ones are of another plan."""
    beyond = " of a next try" if report.again and number > report.units else ""
    return f"{number:,} {report.unit}{beyond}"


def _chance(p: float) -> str:
    """Return a probability in whole per cent, of which none is certain."""
    whole = round(100 * p)
    if 0 < whole < 100:  # noqa: PLR2004  certainty
        return f"{whole} %"
    return "less than 1 %" if whole < 1 else "more than 99 %"


def _otherwise(report: PowerReport) -> Iterator[Fact]:
    """Yield how the promise is told from no change, where that is another question."""
    if report.distance is None or report.support.truth == NO_CHANGE:
        return
    said = f"no number of {report.unit} is known to {report.question}"
    if report.needed is not None:
        said = f"{_of(report, report.needed)} {report.question}, with {report.power * 100:g} %"
    reached = "" if report.reached is None else f"; {report.units:,} with {_chance(report.reached)}"
    yield Fact("no change", said + reached)


def _rests_on(report: PowerReport) -> Iterator[Fact]:
    yield Fact("promise", report.promise)
    if report.distance is not None:
        yield Fact("distance", f"{rounded(report.distance)}, in the unit of {report.metric}")
    if report.spread is not None:
        yield Fact("spread", f"{rounded(report.spread)} of one of the {report.unit}")
    yield Fact("alpha", f"{report.alpha:g}")
    yield from _otherwise(report)
    units = f"{report.units:,} {report.unit}"
    if report.detectable is not None:
        yield Fact("finds", f"{units} find a distance of {rounded(report.detectable)}")
    elif report.spread is not None:
        yield Fact("finds", f"no outcome of {units} reaches alpha")
    if report.price is not None:
        each = _of(report, report.price.repeats // 2)
        yield Fact("price", f"{each}: {_price(report.price)}")
    yield from (Fact("assumed", text) for text in report.assumed)
    if report.unit == "pairs" and not any("of the plan's" in text for text in report.assumed):
        yield Fact("later", "once five pairs are there, their own spread is taken instead")


def _price(price: Price) -> str:
    runs = f"{price.repeats:,} repeats on both sides"
    if price.seconds is None:
        return f"{runs}; hours unknown, {price.basis}"
    said = f"{runs}, about {numbers.duration(price.seconds)} one after another ({price.basis})"
    if price.money is not None:
        money = f"{price.money:,.2f}" if price.money >= 0.01 else "less than 0.01"  # noqa: PLR2004
        said += f", {money} by gitexp.pricePerHour"
    if price.reusing is None:
        return said
    fewer = numbers.amount(price.reusing, "repeat")
    return f"{said}; {fewer} with --seeds committed, which are public, and the answer says so"


def run(report: RunReport, _: Style = PLAIN) -> Sheet:
    """Return what was recorded, where, and what to do next."""
    facts: list[Fact] = []
    if report.commit is not None:
        facts.append(Fact("recorded", f"{report.commit[:SHORT]} on {report.branch}"))
        facts += [Fact("snapshot", report.snapshot)] if report.snapshot else []
    if report.failed and report.python:
        facts.append(Fact("python", report.python))
    facts += [Fact("left alone", path) for path in report.not_updated]
    facts += [Fact("warning", text) for text in report.warnings]
    where = report.branch or "HEAD"
    said = f"exploratory: {where} has no plan, so this counts for a baseline at most"
    if report.stopped is not None:
        facts.append(Fact("stopped", report.stopped.summary))
        facts += [Fact(label, text) for label, text in report.stopped.lines() if label != "next"]
    recorded = bool(report.recorded)
    return Sheet(
        headline=report.verdict or (said if report.exploratory else ""),
        names=(_brief(report), *(f"left alone: {path}" for path in report.not_updated)),
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
    facts += [Fact("words", text) for text in lines(conclusion.words)]
    if comparison.order is not None:
        facts.append(Fact("order", order_words(comparison.order)))
    if report.commit is None:
        facts.append(Fact("dry run", "nothing was written"))
    else:
        facts.append(Fact("recorded", f"{report.commit[:SHORT]} on {report.branch}"))
    facts += [Fact("left alone", f"{path}: edited in the work tree") for path in report.not_updated]
    said, again = report.moved
    facts += [Fact("warning", said)] if said else []
    end = None if report.archived is None else upkeep.lifecycle(report.archived, style)
    merge = report.abandon or "merge the branch, or gitexp archive it; its records are in Git"
    merge += f"; to ask it of main as it is: {again}" if again else ""
    return Sheet(
        headline=comparison.headline,
        word=words.verdict_word(comparison),
        good=is_good(comparison.verdict),
        items=() if end is None else end.items,
        facts=tuple(facts),
        next_step=merge if end is None else end.next_step,
    )


def _brief(report: RunReport) -> str:
    """Return the one line that matters of a run: the verdict, else what is recorded where."""
    if report.verdict:
        return report.verdict
    if report.commit is None:
        return next((_would(report, each) for each in report.planned), "nothing to run")
    counts = [f"{each.side} {_finished(each.run)} ({each.run.id[:8]})" for each in report.recorded]
    return f"{report.commit[:SHORT]} on {report.branch}: {', '.join(counts)} finished"


def _finished(run: Run) -> str:
    repeats = run.own_repeats or run.repeats
    good = sum(repeat.state is RepeatState.FINISHED for repeat in repeats)
    return f"{good}/{len(repeats)}"


def _recorded(report: RunReport) -> Grid:
    """Return a row for each side, with all that counts; without a plan one for each run."""
    rows: tuple[tuple[str, ...], ...]
    new = {
        side: ", ".join(f"{each.run.id[:8]} {_finished(each.run)}" for each in every)
        for side in dict.fromkeys(each.side for each in report.recorded)
        for every in [[each for each in report.recorded if each.side == side]]
    }
    if metric := next((each.primary.metric for each in report.sides if each.primary), ""):
        rows = tuple(
            (
                each.side,
                f"{each.repeats}/{max(each.repeats, each.planned)}",
                _mean_text(each),
                new.get(each.side, ""),
            )
            for each in report.sides
        )
        header = ("side", "counts", metric, "finished")
        return Grid("runs", header, rows, frozenset({1, 2}), spare={})
    metrics = listing.common_metrics(each.metrics for each in report.recorded)
    rows = tuple(
        (
            each.side,
            f"{each.run.id[:8]} {_finished(each.run)}",
            *(listing.metric_text(each.metrics, name) for name in metrics),
        )
        for each in report.recorded
    )
    right = range(2, 2 + len(metrics))
    spare = dict.fromkeys(reversed(right), "metric")
    return Grid("runs", ("side", "finished", *metrics), rows, frozenset(right), spare=spare)


def _mean_text(side: SideSoFar) -> str:
    """Return a side's mean, and of how many pairs it is where some have no partner."""
    if side.primary is None:
        return ""
    text = listing.summary_text(side.primary)
    pairs = side.primary.n
    return text if pairs == side.repeats else f"{text} in {numbers.amount(pairs, 'pair')}"


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
            facts.append(Fact("snapshot", f"{seed} is run for it alone; it adds no sample"))
        if each.counting:
            facts.append(Fact("counting", numbers.seeds(each.counting)))
        if each.spent:
            facts.append(Fact("spent", f"{numbers.seeds(each.spent)}, seen outside the plan"))
        yield Item(_would(report, each), tuple(facts))


def _would(report: RunReport, each: PlannedRun) -> str:
    verb = "would run" if report.dry_run else "stopped before it ran"
    which = f"{'seed' if len(each.seeds) == 1 else 'seeds'} {numbers.ranges(each.seeds)}"
    said = f"{verb} {which}" if each.seeds else "nothing to run"
    return f"{each.side} {each.commit[:SHORT]}: {said}"
