"""Repeats under a plan with a stopping rule: tested at each look, in an order of nobody's choice.

It is that in which the seeds were drawn with the plan: a repeat that failed at first is not moved
behind others. Of committed seeds it is that of the records, so whoever adds a repeat adds it at the
end, whatever its seed. What was decided at a look stays decided: later repeats are shown and change
nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison import selection
from gitexp.comparison.designs import repeats
from gitexp.comparison.measure import Answer, CountedSides, Question, Values, values_of
from gitexp.errors import DesignError
from gitexp.model.comparison import Role
from gitexp.model.plan import Plan, PlanSeeds, Stopping, StoppingRule
from gitexp.stats.design import Unit
from gitexp.stats.stopping import FEWEST, Course, repeated_interval, run_sequential

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.comparison.counting import Count
    from gitexp.comparison.eligible import Counted


def measure(situation: CountedSides, question: Question, plan: Plan) -> Answer:
    """Compare one metric by the stopping rule; one without an effect as if there were none."""
    count, paired = situation.count, situation.paired
    values = values_of(count, question.metric, paired=paired)
    plain = repeats.compare(question, values, paired=paired)
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
