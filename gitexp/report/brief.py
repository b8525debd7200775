"""What decides about an experiment, in three lines: verdict, price, what else changed.

A line is a sequence of parts: ours as they are, and such as came from a branch, which each target
escapes in its own way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model import dataclass
from gitexp.model.plan import Verdict
from gitexp.model.rules import Policy
from gitexp.model.witness import ALONE
from gitexp.records.terms import effect_text
from gitexp.report import numbers, words
from gitexp.report import sheet as sheets
from gitexp.report.answers.diffs import METRICS
from gitexp.report.answers.lines import violations_text
from gitexp.report.drawing import svg
from gitexp.report.escape import PROSE_LIMIT, prose, visible
from gitexp.report.sheet import MANY, SHORT, Grid, Sheet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.model.result import MetricComparison
    from gitexp.model.review import RecordedBy, Review, ReviewedExperiment

_LONG = 300
_UNDECIDED = (Verdict.UNDECIDABLE, Verdict.NOT_COMPARABLE)  # why not is more than any number
_SHORT = 80  # characters of a name in the lines that are always shown
_MOST_GUARDS = 3
_MOST_CHANGES = 40  # of a kind
_NUMBERS = frozenset((1, 2))  # columns
_ONCE = "No plan, one run each: a difference, not evidence"
_NO_METRICS = "No plan, and no metric that Git has on both sides"


@dataclass(frozen=True, slots=True)
class Foreign:
    """A text that a branch controls."""

    text: str
    limit: int = 200


Line = tuple["str | Foreign", ...]


def joined(line: Line, foreign: Callable[[Foreign], str]) -> str:
    """Return a line as text, with what is foreign as a target wants it."""
    return "".join(part if isinstance(part, str) else foreign(part) for part in line)


def text(review: Review) -> str:
    """Return a review for a terminal: the broken rules, then each experiment."""

    def plain(part: Foreign) -> str:
        return visible(part.text, limit=part.limit)

    blocks = ["\n".join(joined(line, plain) for line in heading(review))]
    blocks += [violations_text([item]) for item in review.violations]
    blocks += [
        "\n".join(joined(line, plain) for line in three(experiment))
        for experiment in review.experiments
    ]
    if (sheet := changed(review)) is not None:
        blocks.append(sheets.text(sheet).rstrip("\n"))
    if review.notes:
        blocks.append("\n".join(f"note: {visible(note, limit=_LONG)}" for note in review.notes))
    return "\n\n".join(blocks) + "\n"


def changed(review: Review) -> Sheet | None:
    """Return what differs where no experiment is touched: it was measured once, and proves nothing.

    None where nothing differs.
    """
    if not review.changes:
        return None
    grids = []
    for title, kind in (("metric", METRICS), ("parameter", "params"), ("data", "data")):
        every = [item for item in review.changes if item.kind == kind]
        rows = [(item.what, item.before, item.after, item.by) for item in every[:_MOST_CHANGES]]
        header = (title, "before", "after", "change")
        if rows:
            cut = len(header) if kind == METRICS else -1
            shown = tuple(row[:cut] for row in rows)
            left = len(every) - len(rows)
            grids.append(Grid("", header[:cut], shown, _NUMBERS, left_out=left))
    measured = any(item.kind == METRICS for item in review.changes)
    return Sheet(
        headline=_ONCE if measured else _NO_METRICS,
        grids=tuple(grids),
        next_step=review.testing if measured else "",
    )


def heading(review: Review) -> Iterator[Line]:
    """Yield the line above all: what is broken, and in what."""
    counts = [
        numbers.amount(len(found), word)
        for policy, word in ((Policy.ERROR, "error"), (Policy.WARN, "warning"))
        if (found := review.broken(policy))
    ]
    said = " and ".join(counts) or "No rule is broken"
    word = "RULES BROKEN: " if review.broken(Policy.ERROR) else ""
    yield (
        f"{word}{said} in {numbers.amount(review.commits, 'commit')} of ",
        Foreign(review.branch or review.head.name),
        f" ({review.head.commit[:SHORT]}) against ",
        Foreign(review.base.name),
        f" ({review.base.commit[:SHORT]})",
    )


def three(item: ReviewedExperiment, *, on_github: bool = False) -> tuple[Line, Line, Line]:
    """Return the three lines that decide about an experiment."""
    price = tuple(_price(item))
    if on_github and item.lacking is not None:
        price = (*price, "; in the action: pull-data: true")
    return tuple(_verdict(item)), price, tuple(_beside(item))


def word_of(item: ReviewedExperiment) -> str:
    """Return the verdict in capitals."""
    return "NO VERDICT" if item.comparison is None else words.verdict_word(item.comparison)


def hypothesis(item: ReviewedExperiment) -> Line:
    """Return what was promised, in its author's words."""
    return ("Hypothesis: ", Foreign(prose(item.hypothesis), PROSE_LIMIT))


def recorded(item: ReviewedExperiment) -> Line:
    """Say who recorded it, and whether anybody else did."""
    if not item.recorded_by:
        return ("Reproduced by: nobody; no run of it counts",)
    first, *others = item.recorded_by
    said: list[str | Foreign] = ["Recorded by ", *_who(first)]
    said.append("; reproduced by: " + ("" if others else "nobody else yet"))
    for index, other in enumerate(others[:MANY]):
        said += [", " if index else "", *_who(other)]
    return tuple(said)


def _who(by: RecordedBy) -> Iterator[str | Foreign]:
    yield Foreign(by.who)
    yield f" ({numbers.amount(by.runs, 'run')}, {numbers.seeds(by.seeds)}"
    for name in by.recorded_as[:MANY]:
        yield "; THE RECORD SAYS "
        yield Foreign(name)
    yield ")"


def _verdict(item: ReviewedExperiment) -> Iterator[str | Foreign]:
    yield f"{word_of(item)} "
    yield Foreign(item.name, _SHORT)
    yield " (the base never stood on its baseline)" if item.behind is None else ""
    comparison = item.comparison
    if comparison is None:
        yield ": "
        if item.lacking is not None and item.lacking.concluded is not None:
            yield f"its author concluded {item.lacking.concluded.value.upper()}"
            refuted = item.lacking.concluded in {Verdict.REFUTED, Verdict.EQUIVALENT}
            yield ", a guard-rail broken" if item.lacking.no and not refuted else ""
            yield ", which is not recomputed here: "
        yield Foreign(item.problem, _LONG)
    else:
        yield from _effect(comparison)
        for metric in item.broken_guards[:_MOST_GUARDS]:
            yield "; guard-rail BROKEN: "
            yield Foreign(metric, _SHORT)
        shared = comparison.evaluator
        if shared is not None and shared.lent:
            yield "; BOTH SIDES WITH THE CANDIDATE'S EVALUATOR "
            yield from _listed(shared.lent)
        if comparison.plan is not None and comparison.plan.older_rules:
            yield f"; {comparison.plan.older_rules}"
        settings = words.by_kind(comparison).get("config", ())
        if settings:
            yield "; OTHER SETTINGS "
            yield from _listed(change.what for change in settings)
    why = item.plan.order.why
    yield f"; order: {item.plan.order.grade.value} ("
    yield why if why == ALONE else Foreign(why, _LONG)
    yield ")"
    if item.plan.amended:
        yield f"; the plan was amended {numbers.amount(item.plan.amended, 'time')}"


def _effect(comparison: Comparison) -> Iterator[str | Foreign]:
    main = words.primary(comparison) or next(iter(comparison.metrics), None)
    if main is None or comparison.verdict in _UNDECIDED:
        yield ": "
        yield Foreign(comparison.headline, _LONG)
        return
    yield ": "
    yield Foreign(main.metric, _SHORT)
    yield f" {_change(comparison, main)}"
    plan = comparison.plan
    if plan is not None:
        yield ", promised "
        yield Foreign(effect_text(plan.effect, plan.direction))
        yield f", alpha {plan.alpha:g}"
        if main.result is None:
            yield "; "
            yield Foreign(comparison.headline, _LONG)
        elif main.one_valued:
            yield f"; the {main.one_valued} always reports the same"


def _change(comparison: Comparison, main: MetricComparison) -> str:
    gap = svg.gap_of(comparison, main)
    shown, limits = svg.change_texts(gap, main)
    if gap.interval is None:
        return shown
    return f"{shown}, {gap.interval.confidence * 100:.3g} % interval {limits}"


def _price(item: ReviewedExperiment) -> Iterator[str | Foreign]:
    comparison = item.comparison
    if comparison is None:
        yield f"Price: {numbers.amount(item.plan.runs, 'run')} recorded"
        if item.next_step:
            yield "; next: "
            yield Foreign(item.next_step, _LONG)
        return
    sides = (comparison.baseline, comparison.candidate)
    seconds = sum(side.wall_s for side in sides)
    repeats = " and ".join(str(len(side.seeds)) for side in sides)
    yield f"Price: {repeats} repeats (baseline and candidate)"
    yield f", {numbers.duration(seconds)}" if seconds > 0 else ""
    yield f", {words.unfinished(*sides)}"
    if comparison.selection is not None:
        found = comparison.selection
        tried = f"try {found.configurations}"
        yield f"; {tried if found.price else f'best of {found.configurations} configurations'}"
    if comparison.siblings is not None and comparison.siblings.experiments:
        yield f"; 1 of {len(comparison.siblings.experiments) + 1} experiments on the same data"
    if comparison.looks:
        yield f"; {numbers.amount(comparison.looks, 'look')} after the planned one"


def _beside(item: ReviewedExperiment) -> Iterator[str | Foreign]:
    comparison = item.comparison
    if comparison is None:
        yield "Changed: not known without a comparison"
    else:
        yield "Changed: "
        yield from _changed(comparison)
    yield "; "
    yield from _baseline(item)


def _changed(comparison: Comparison) -> Iterator[str | Foreign]:
    changed = words.by_kind(comparison)
    for index, (kind, changes) in enumerate(changed.items()):
        names = [change.what for change in changes]
        stages = any(name.startswith("stage ") for name in names)
        noun = "code change" if stages else words.KINDS.get(kind, "change")
        yield ", " if index else ""
        yield "environment " if kind == "environment" else f"{numbers.amount(len(names), noun)} "
        if kind not in words.KINDS:
            yield "of "
            yield Foreign(kind, _SHORT)
            yield " "
        yield from _listed(names)
    same = words.unchanged(comparison, changed)
    yield ("; same " if changed else "same ") + ", ".join(same) if same else ""


def _listed(names: Iterable[str]) -> Iterator[str | Foreign]:
    every = list(names)
    for index, name in enumerate(every[:3]):
        yield ", " if index else "("
        yield Foreign(name, _SHORT)
    yield ", ...)" if len(every) > 3 else ")"  # noqa: PLR2004  as many as are named


def _baseline(item: ReviewedExperiment) -> Iterator[str | Foreign]:
    behind = item.behind
    if behind is None:
        yield "the base never stood on the baseline"
    elif not behind.commits:
        yield "the baseline is the base"
    else:
        yield f"the baseline is {numbers.amount(behind.commits, 'commit')} behind the base"
        match behind.other_inputs:
            case None:
                yield ", whose inputs are not known"
            case True:
                yield ", WHICH HAS OTHER INPUTS"
            case False:
                yield ", which has the same inputs"
