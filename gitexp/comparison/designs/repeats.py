"""The design of repeats: one value a seed and side, joined by seed; outliers among them.

Under a plan with a stopping rule they are tested at each look.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.comparison import selection
from gitexp.comparison.designs.still import untested
from gitexp.comparison.measure import LARGEST, Answer, Question, Values, build, values_of
from gitexp.errors import DesignError
from gitexp.model.comparison import Interval, PlannedTest, Role, SignificanceResult
from gitexp.model.metrics import mean, spread
from gitexp.model.plan import Plan, PlanSeeds, Stopping, StoppingRule
from gitexp.stats import effects, intervals
from gitexp.stats.design import Unit, plan_test
from gitexp.stats.planned.one_dataset import beside_repeats, run_on_repeats, student
from gitexp.stats.stopping import FEWEST, Course, repeated_interval, run_sequential
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.comparison.counting import Count
    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.measure import CountedSides


def measure(count: Count, question: Question, *, paired: bool) -> Answer:
    """Compare one metric over the repeats that count, `paired` by seed or not."""
    return compare(question, values_of(count, question.metric, paired=paired), paired=paired)


def compare(question: Question, values: Values, *, paired: bool, decides: bool = True) -> Answer:
    """Compare values of repeats, whether reported or computed from predictions.

    `decides`: whether the verdict rests on it, so that its weak sides are worth a word.
    """
    left, right = values.left, values.right
    if not left or not right:
        return Answer(None, "; ".join(values.notes))
    if max(map(abs, (*left, *right))) > LARGEST:
        return Answer(None, f"{question.metric} has values beyond {LARGEST:g}")
    design = question.design(Unit.REPEAT, len(left), len(right), paired=paired)
    planned = plan_test(design)
    result: SignificanceResult | None = None
    beside: tuple[SignificanceResult, ...] = ()
    refused = ""
    try:
        result = run_on_repeats(planned, design, left, right)
        beside = beside_repeats(planned, design, left, right)
    except DesignError as error:
        refused = error.brief
    apart = question.inverts and not paired
    if result is not None and apart:
        result = _larger(result, student(planned, design, left, right))
    comparison = build(
        question,
        values,
        (mean(left), mean(right)),
        _intervals(question, planned, left, right),
        effects.effect_sizes(left, right, paired=paired, confidence=question.confidence),
    )
    comparison = replace(comparison, result=result, beside=beside)
    if apart and len(left) != len(right) and (fewer := min(len(left), len(right))) < _SAFE:
        why = f"{len(left)} and {len(right)} values: a side of {fewer} decides nothing beside more"
        why += f"; {_SAFE} a side would do, or as many on both"
        return untested(Answer(comparison.noted(why)), why)
    caution = outliers_of_two(left, right, paired=paired or apart) if decides and result else ""
    return Answer(question.judged(comparison.noted(*filter(None, (caution, refused)))), refused)


def _intervals(
    question: Question, planned: PlannedTest, left: Sequence[float], right: Sequence[float]
) -> tuple[Interval | None, Interval | None]:
    """Return the intervals of the difference and of the share: of the test itself where it has any.

    Else by t, as of independent values and by the first rules.
    """
    paired, confidence = planned.paired, question.confidence
    found = [
        how(left, right, paired=paired, confidence=confidence)
        for how in (intervals.difference_interval, intervals.relative_interval)
    ]
    if question.inverts and question.effect is not None and (name := named(planned.test).interval):
        inverted: Callable[..., Interval | None] = getattr(intervals, name)
        own = [
            inverted(left, right, planned, confidence=confidence, relative=share)
            for share in (False, True)
        ]
        level = question.effect.level(question.alpha)
        if question.price > 1 and question.price * planned.smallest_p > level:
            return own[0], own[1]  # no outcome excludes a value, as t would
        found = [one or other for one, other in zip(own, found, strict=True)]
    return found[0], found[1]


def _larger(result: SignificanceResult, t: SignificanceResult | None) -> SignificanceResult:
    """Return the larger p-values of a test of labels and of Welch's t, of which the interval is.

    By labels few values of a wide spread beside many are supported too often, by t skewed ones.
    """
    if t is None:
        return result
    plan = replace(result.plan, title=f"{result.plan.title}, or Welch's t: the larger p")

    def larger(one: float | None, other: float | None) -> float | None:
        return one if one is None or other is None else max(one, other)

    return replace(
        result,
        plan=plan,
        p_value=max(result.p_value, t.p_value),
        p_support=larger(result.p_support, t.p_support),
        p_refute=larger(result.p_refute, t.p_refute),
    )


UNEQUAL: Final = 2.5  # ratio of standard deviations from which the measured errors are worth a word
_SAFE = 5  # values a side from which unequal spreads alone do no harm: 3 reject 7 %
_MOST = "of true nulls at alpha = 0.05"
_SKEWED = f"tests of a mean reject 9 % to 16 % {_MOST}, under a stopping rule too"


def outliers_of_two(left: Sequence[float], right: Sequence[float], *, paired: bool) -> str:
    """Return a warning where the measured error of a test of two means is above alpha, or ""."""
    old, new = spread(left), spread(right)
    if old is None or new is None:
        return ""
    if max(old, new) <= UNEQUAL * min(old, new):
        return ""
    more, less = ("candidate", "baseline") if new > old else ("baseline", "candidate")
    how = _how(max(old, new), min(old, new))
    fewer = len(right) < len(left) if new > old else len(left) < len(right)
    if fewer and not paired:
        return (
            f"the {more} has fewer values and varies {how} the {less}: the permutation of labels "
            f"rejects up to 15 % {_MOST} then (3 and 30 values, 5 times the spread), Welch's t "
            "about 5 %, and if the values are skewed 20 % and 17 %: go by Welch's t beside"
        )
    few = "with so few values, or " if not paired and min(len(left), len(right)) < _SAFE else ""
    return f"the {more} varies {how} the {less}: {few}if its values are skewed, {_SKEWED}"


def outliers_of_many(
    names: Sequence[str], values: Sequence[Sequence[float]], *, blocked: bool
) -> str:
    """Return a warning where the error of a test of several means is above alpha, or ""."""
    spreads = [spread(side) or 0.0 for side in values]
    (least, less), (most, more) = (f(zip(spreads, names, strict=True)) for f in (min, max))
    if most <= UNEQUAL * least:
        return ""
    start = f"{more} varies {_how(most, least)} {less}: if its values are skewed, the analysis of"
    if blocked:
        return f"{start} variance rejects up to 8 % {_MOST}"
    return (
        f"{start} variance rejects up to 9 % {_MOST}, tests of ranks up to 30 %; Dunnett's takes "
        "the spreads for equal: go by Games-Howell"
    )


def _how(most: float, least: float) -> str:
    return f"{most / least:.1f} times as much as" if least else "and not"


def at_looks(situation: CountedSides, question: Question, plan: Plan) -> Answer:
    """Compare one metric by the stopping rule, in an order of nobody's choice.

    One without an effect as if there were no rule. The order is that in which the seeds were drawn
    with the plan: a repeat that failed at first is not moved behind others. Of committed seeds it
    is that of the records, so whoever adds a repeat adds it at the end, whatever its seed. What was
    decided at a look stays decided: later repeats are shown and change nothing.
    """
    count, paired = situation.count, situation.paired
    values = values_of(count, question.metric, paired=paired)
    plain = compare(question, values, paired=paired)
    stopping = plan.stopping
    if question.effect is None or stopping is None or plain.comparison is None or plain.refused:
        return plain
    left, right = in_order(count, values, plan.drawn, paired=paired)
    design = question.design(Unit.REPEAT, len(left), len(right), paired=paired)
    design = replace(design, alpha=question.alpha / _chances(situation, question, plan))
    sizes = _sizes(count, plan)
    try:
        course = run_sequential(design, stopping, plan.repeats, left, right, sizes=sizes)
    except DesignError as error:
        why = error.brief
        return Answer(replace(plain.comparison, result=None), why)
    # its p-values are multiplied later: they are held against alpha itself
    tested = replace(course.result, plan=replace(course.result.plan, alpha=question.alpha))
    course = replace(course, result=tested)
    comparison = plain.comparison
    if comparison.result is not None:
        single = replace(
            comparison.result.plan, title=f"{comparison.result.plan.title}, as of a single look"
        )
        comparison = replace(
            comparison, beside=(replace(comparison.result, plan=single), *comparison.beside)
        )
    comparison = replace(
        comparison,
        result=course.result,
        interval=repeated_interval(course, stopping, left, right, question.confidence),
    ).noted(_said(course, stopping, min(len(left), len(right))))
    return Answer(question.judged(comparison))


def _sizes(count: Count, plan: Plan) -> tuple[int, ...]:
    """Return how many repeats each look has without the seeds that ended; nothing where none did.

    They stay those of a look: none moves up from behind it.
    """
    if not count.ended or plan.drawn is None or not selection.has_fixed_number(plan):
        return ()
    every = itertools.islice(plan.drawn.sequence(), plan.repeats + len(count.spent))
    fresh = [seed for seed in every if seed not in count.spent]
    looks = () if plan.stopping is None else plan.stopping.at(plan.repeats)
    return tuple(n - len(count.ended.intersection(fresh[:n])) for n in looks)


def in_order(
    count: Count, values: Values, drawn: PlanSeeds | None, *, paired: bool
) -> tuple[list[float], list[float]]:
    """Return both sides in the order in which they are looked at; pairs stay together."""
    left, right = dict(values.baseline), dict(values.candidate)
    old = {seed: _place(count.baseline.repeats, seed) for seed in left}
    new = {seed: _place(count.candidate.repeats, seed) for seed in right}
    if drawn is not None:
        order = drawn.until({*left, *right})
        old = new = {seed: (number, 0) for number, seed in enumerate(order)}
    if not paired:
        return (
            [left[seed] for seed in sorted(left, key=old.__getitem__)],
            [right[seed] for seed in sorted(right, key=new.__getitem__)],
        )
    seeds = sorted(left, key=lambda seed: max(old[seed], new[seed]))
    return [left[seed] for seed in seeds], [right[seed] for seed in seeds]


def _chances(situation: CountedSides, question: Question, plan: Plan) -> int:
    """Return how many chances a look has to pay for before it decides.

    They are the plan's variants or tries (see `selection`), for each candidate of the call: Holm's
    procedure multiplies by the number of candidates at most, so what a look has decided by this
    stays decided after it. Unadjusted candidates are not paid for.
    """
    if question.role is not Role.PRIMARY:
        return 1
    candidates = 1 if situation.adjust == "none" else situation.candidates
    return candidates * selection.factor(selection.of_variants(situation.count, plan))


def _place(repeats: Mapping[int, Counted], seed: int) -> tuple[int, int]:
    """Return where a repeat stands: its run among all, then its place in the run."""
    run = repeats[seed].found
    seeds = [repeat.seed for repeat in run.run.repeats]
    return run.order, seeds.index(seed)


def _said(course: Course, stopping: Stopping, have: int) -> str:
    always = stopping.rule is StoppingRule.ALWAYS_VALID
    if not course.looks:
        first = f"at {FEWEST}" if always else f"planned at {course.planned[0]}"
        return f"not looked at yet: the first look is {first}"
    last = course.looks[-1]
    if course.decided:
        later = f"; the {have - last} after it change nothing" if have > last else ""
        number = "" if always else f", at look {len(course.looks)} of {len(course.planned)}"
        return f"decided with {last} repeats{number}{later}"
    if always:
        return f"not decided with {last} repeats; it may be looked at after every further one"
    return f"not decided after {len(course.looks)} of {len(course.planned)} looks"
