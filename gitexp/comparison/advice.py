"""The words of a comparison that follow from its numbers: first line, reasons, next command."""

from __future__ import annotations

import math
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import exclusions, failures
from gitexp.comparison.eligible import ROW_IDS
from gitexp.comparison.selection import factor, has_fixed_number
from gitexp.model.plan import Claim, Effect, Plan, Verdict
from gitexp.records.terms import format_effect, told_apart
from gitexp.report import numbers, words
from gitexp.stats.design import counted, lacking, pairs_needed
from gitexp.stats.tests import FEWEST_PAIRS, MIN_BOOTSTRAP_EXAMPLES, named

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.comparison.judged import Judged
    from gitexp.model.comparison import (
        Detectable,
        MetricComparison,
        PlannedTest,
        SignificanceResult,
    )

DECIDED = frozenset((Verdict.SUPPORTED, Verdict.REFUTED, Verdict.EQUIVALENT))


def headline(judged: Judged) -> str:
    """Return the first line without the verdict word."""
    one = "" if judged.primary is None else judged.primary.one_valued
    # of a verdict, whose still side has to have no chance in it
    tail = f"; the {one} always reports the same" if one and judged.verdict in DECIDED else ""
    plan, met = judged.sides.plan, ""
    if plan is not None and judged.met:
        met = f"{format_effect(plan.effect, plan.metric, plan.direction)}, but "
    return f"{judged.draft.prefix}{met}{_sentence(judged)}{tail}"


def missing(judged: Judged) -> tuple[list[int], int]:
    """Return the candidate's seeds that the baseline lacks, and further repeats that both need."""
    # Never advise running the candidate with seeds that the baseline happens to have: whoever
    # picks seeds by what the baseline scored on them has picked the result.
    right = set(judged.sides.count.candidate.repeats) - judged.sides.count.given_up
    lacking = sorted(right.difference(judged.sides.count.baseline.repeats))
    return lacking, max(0, _target(judged) - len(right))


def next_step(judged: Judged, found: Detectable | None = None) -> str:
    """Return the cheapest command that brings the comparison further."""
    plan, verdict = judged.sides.plan, judged.verdict
    sides = (judged.sides.baseline, judged.sides.candidate)
    base, candidate = (shlex.quote(side.name) for side in sides)
    if judged.draft.swapped:
        return f"gitexp compare {shlex.quote(judged.draft.swapped)}"
    if judged.draft.same:
        open_ = None if judged.draft.concluded else plan
        changed = f"gitexp inputs {base} {candidate}"
        return exclusions.CHANGE + exclusions.running(open_) if open_ else changed
    if plan is None:
        metric = judged.primary.metric if judged.primary is not None else "METRIC"
        asked = f"--metric {shlex.quote(metric)} --effect ... --hypothesis ..."
        return f"gitexp new NAME --baseline {base} {asked}"
    if verdict is Verdict.NOT_COMPARABLE:
        return judged.draft.choice or f"gitexp diff {base} {candidate}"
    return _next_of_plan(judged, plan, found)


def _next_of_plan(judged: Judged, plan: Plan, found: Detectable | None) -> str:
    open_ = judged.verdict in {Verdict.UNDECIDABLE, Verdict.INCONCLUSIVE} and not judged.met
    if judged.draft.remedy and open_:
        return judged.draft.remedy
    if open_ and judged.problem.endswith(ROW_IDS):
        return failures.row_ids(plan)
    enough = plan.claim is Claim.MODEL or _repeats(judged) >= _target(judged)
    if open_ and not enough:
        on_it, count = judged.current_branch == plan.branch, judged.sides.count
        pairs = judged.sides.paired
        step = exclusions.onward(plan, count, paired=pairs, on_it=on_it, enough=_target(judged))
        if (amend := _amending(judged, plan)) and "gitexp run" in step:
            step = amend
        if not step.startswith(exclusions.COMPARE):  # a repeat may lack the planned metric
            return failures.after(judged.draft.failed, step, plan, lambda: judged.shares)
    inconclusive = open_ and judged.verdict is Verdict.INCONCLUSIVE
    if inconclusive and judged.problem and (again := _again(judged)):
        return again
    if judged.draft.concluded:
        return f"gitexp show {shlex.quote(plan.name)}"
    return _end(judged, plan, found)


def _end(judged: Judged, plan: Plan, found: Detectable | None) -> str:
    """Return how to conclude; where the question is open, also how to go on."""
    name = "" if judged.current_branch == plan.branch else f" {shlex.quote(plan.name)}"
    end = f'gitexp conclude{name} -m "what was learned"'
    if judged.verdict is Verdict.UNDECIDABLE and (amend := _amending(judged, plan)):
        return amend
    closed = judged.verdict is not Verdict.INCONCLUSIVE or judged.met
    if closed or plan.claim is Claim.MODEL or plan.stopping:
        return end
    enough = found.needed if found is not None and repeats_needed(judged, found) else None
    if enough is None or not _by_repeats(judged):
        return f"{end}; to go on: a new plan, with what gitexp power {shlex.quote(plan.name)} says"
    return f"{end}; to go on: {exclusions.planning(plan, enough)}"


def _amending(judged: Judged, plan: Plan) -> str:
    """Return what amends a plan whose repeats reach no alpha; "" where they do, or it may grow."""
    needed, left = _needed(judged), judged.sides.count.left_of(plan.repeats)
    fixed = is_fixed(plan) or not _may_grow(judged)
    if plan.claim is not Claim.METHOD or not (fixed and _by_repeats(judged) and needed > left):
        return ""
    # A look that could not have decided costs nothing, and fresh seeds are drawn.
    name = "" if judged.current_branch == plan.branch else f" {shlex.quote(plan.name)}"
    needed = failures.with_failures(plan, judged.sides.count, needed)
    needed = max(needed, plan.repeats + 1)  # an amendment without a change is none
    why = f"{counted(left, 'repeat')} cannot decide"
    return f'gitexp amend-plan{name} --repeats {needed} --why "{why}"'


def _again(judged: Judged) -> str:
    """Return the command that repeats the seeds that failed, "" where none did."""
    plan, (left, right) = judged.sides.plan, judged.sides.count.failed
    if plan is None or not (left or right):
        return ""
    both = " --with-baseline" if left else ""
    switch = exclusions.switching(plan, on_it=judged.current_branch == plan.branch)
    return f"{switch}gitexp run --seeds {seed_ranges((*left, *right))}{both}"


def reasons(judged: Judged) -> tuple[str, ...]:
    """Say what is missing, how much would do and what it costs."""
    plan = judged.sides.plan
    found: list[str] = []
    if judged.problem:
        found.append(judged.problem)
    if plan is None or plan.claim is Claim.MODEL or judged.verdict is Verdict.NOT_COMPARABLE:
        return tuple(found)
    decided = judged.verdict in DECIDED or judged.met
    if plan.stopping is not None and decided:  # the rest need not be run
        return tuple(found)
    if judged.draft.remedy:  # more repeats would be more copies
        return tuple(found)
    units, needed, repeats = _units(judged), _needed(judged), _repeats(judged)
    if units < needed:
        are = "is" if plan.repeats == 1 else "are"
        planned = f"{plan.repeats} {are} planned, " if _by_repeats(judged) else ""
        if is_fixed(plan) and judged.sides.count.place and needed > plan.repeats:
            shares = judged.shares * judged.sides.count.chances(amended=True)
            planned = f"as the next try, at alpha / {shares}, {planned}"
        found.append(
            f"{_amount(judged, needed)} would do to reach alpha = {plan.alpha:g}, "
            f"{planned}{units} {'is' if units == 1 else 'are'} there"
        )
    elif repeats < judged.sides.count.left_of(plan.repeats):
        word = _repeat_word(judged, plan.repeats)
        verb = "is" if repeats == 1 else "are"
        found.append(f"{repeats} of {plan.repeats} planned {word} {verb} there")
    lacking, more = missing(judged)
    left, right = judged.sides.count.baseline.repeats, judged.sides.count.candidate.repeats
    ahead = len(set(left) - set(right))  # seeds that the candidate's next repeats meet
    of_baseline = len(lacking) + max(0, more - ahead)
    price = _price(judged, of_baseline, more)
    if units < needed and _by_repeats(judged) and not _may_grow(judged):
        found.append("what is run after the planned repeats counts under an amended plan alone")
    if (lacking or more) and repeats < _target(judged):
        found.append(f"missing: {of_baseline} of the baseline, {more} of the candidate{price}")
    return tuple(found)


def repeats_needed(judged: Judged, found: Detectable | None) -> tuple[str, ...]:
    """Say what an inconclusive comparison needed: by the promise, not by what came out."""
    plan = judged.sides.plan
    open_ = judged.verdict is Verdict.INCONCLUSIVE and not judged.met
    if plan is None or found is None or not open_:
        return ()
    had = found.promised is not None and found.promised >= found.distance  # power enough, no luck
    if found.needed is None or had or found.units < _target(judged):
        return ()
    wanted = f"{found.needed:,} {found.unit} would {told_apart(plan)}"
    there = f"{found.units} are there"
    price = next_price(judged)
    more = price > factor(judged.draft.selection)
    tail = f"; of the next try, at alpha / {judged.shares * price}" if more else ""
    if found.unit == "pairs":
        few = found.units < FEWEST_PAIRS
        tail += f"; by the spread of {'the baseline' if few else 'these pairs'}"
    return (f"{wanted}, with {found.power * 100:g} % power, {there}{tail}",)


def seed_ranges(seeds: Iterable[int]) -> str:
    """Return seeds as `--seeds` takes them.

    >>> seed_ranges([1, 2, 3, 7])
    '1-3,7'
    """
    stretches = numbers.stretches(seeds)
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in stretches)


def p_words(p: float, alpha: float) -> str:
    """Return a p-value with two significant digits, more where they would hide alpha's side.

    >>> p_words(0.0009765625, 0.05), p_words(0.0504, 0.05)
    ('0.00098', '0.0504')
    """
    for digits in range(2, 17):
        text = f"{p:.{digits}g}"
        if (float(text) <= alpha) == (p <= alpha):
            return text
    return repr(p)


def effect_words(metric: MetricComparison, effect: Effect) -> str:
    """Return the effect with its interval, in the unit of the promise: no p stands without it."""
    if effect.relative and metric.relative is not None:
        interval = metric.relative_interval
        decimals = numbers.percent_decimals(interval)
        size = numbers.percent(metric.relative, decimals=decimals)
        return f"{size} {numbers.interval_text(interval, decimals, share=True)}".rstrip()
    decimals = numbers.decimals_for(metric)
    size = numbers.number(metric.difference, decimals, signed=True)
    return f"{size} {numbers.interval_text(metric.interval, decimals)}".rstrip()


def out_of_reach(plan: PlannedTest, *, one_sided: bool) -> str:
    """Say that no outcome of this test could have decided, and what would do."""
    lacks = lacking(plan)
    if lacks:
        return f"no outcome reaches alpha = {plan.alpha:g}; {lacks}"
    n, m = plan.n_baseline, plan.n_candidate
    there = f"{n} and {m} values" if n != m else f"{counted(n, 'value')} a side"
    needed = pairs_needed(plan.alpha, paired=plan.paired, one_sided=one_sided)
    if plan.paired:
        test = named(plan.test)
        there, needed = counted(n, test.noun), test.fewest or needed
    side = "" if plan.paired else " a side"
    return f"no outcome of {there} reaches alpha = {plan.alpha:g}; {needed}{side} would do"


def cannot_decide(plan: Plan, n: int, least: str, then: str) -> str:
    """Say, before hours are spent, that no outcome of so many repeats a side can decide a plan."""
    return (
        f"{numbers.amount(n, 'repeat')} a side cannot decide at alpha = {plan.alpha:g}: "
        f"pairs of them reach p = {least}; {then}"
    )


def repeats_of(metric: MetricComparison) -> int:
    """Return the repeats a side that a metric was measured in, however many parts each had."""
    return min(len(metric.baseline_values), len(metric.candidate_values))


def _sentence(judged: Judged) -> str:
    plan, verdict = judged.sides.plan, judged.verdict
    if judged.problem and verdict not in {None, Verdict.SUPPORTED, Verdict.REFUTED}:
        return judged.problem
    if plan is None or verdict is None:
        return "no recorded hypothesis: exploratory"
    promise = format_effect(plan.effect, plan.metric, plan.direction)
    repeats = _repeats(judged)
    if verdict is Verdict.UNDECIDABLE:
        lacks = "" if judged.result is None else lacking(judged.result.plan)
        if lacks:
            return f"no outcome reaches alpha = {plan.alpha:g}: {lacks}"
        there, needed = _amount(judged, _units(judged)), _needed(judged)
        return f"no outcome of {there} reaches alpha = {plan.alpha:g}; {needed} would do"
    fewest = judged.sides.count.left_of(plan.fewest)
    if verdict is Verdict.INCONCLUSIVE and plan.claim is Claim.METHOD and repeats < fewest:
        word = _repeat_word(judged, plan.repeats)
        return f"{repeats} of {plan.repeats} planned {word}; not yet judged: {promise}"
    by = "" if judged.adjustment == "holm" else f" by {judged.adjustment}"
    family = f", adjusted for {judged.family} candidates{by}" if judged.family > 1 else ""
    if judged.family > 1 and judged.adjustment == "none":
        family = f", not adjusted for {judged.family} candidates"
    if (price := factor(judged.draft.selection)) > 1:
        found = judged.draft.selection
        tried = f"as try {found.configurations}" if found and found.price else "configurations"
        family += f", times {price} {tried}"
    p = _p(judged.result, refuted=judged.refuted)
    if judged.siblings is not None and judged.siblings.experiments and p is not None:
        alone, number = _p(judged.alone, refuted=judged.refuted), len(judged.siblings.experiments)
        family += f" alone; 1 of {number + 1} on the same data, Holm p = {p_words(p, plan.alpha)}"
        p = alone
    if judged.siblings is not None and judged.siblings.missed:
        family += f"; {len(judged.siblings.missed)} before it on the same data not counted"
    size = "" if judged.primary is None else f"{effect_words(judged.primary, plan.effect)}, "
    shown = "" if p is None else f": {size}p = {p_words(p, plan.alpha)}"
    shown += "" if p is None else f"{family}, alpha = {plan.alpha:g}"
    return f"{words.BEFORE.get(verdict, '')}{promise}{shown}"


def _p(result: SignificanceResult | None, *, refuted: bool) -> float | None:
    """Return the p of the side that decides."""
    if result is None:
        return None
    return result.p_refute if refuted else result.p_support


def _units(judged: Judged) -> int:
    """Return how many values a side the test of the hypothesis has."""
    primary = judged.primary
    return 0 if primary is None else min(primary.n_baseline, primary.n_candidate)


def _repeats(judged: Judged) -> int:
    primary = judged.primary
    return 0 if primary is None else repeats_of(primary)


def _by_repeats(judged: Judged) -> bool:
    """Whether more repeats are more units: those of folds and data sets are another matter."""
    result = judged.result
    return result is None or not named(result.plan.test).part


def _amount(judged: Judged, number: int) -> str:
    """Return a number of what `_units` and `_needed` count, with its noun."""
    result = judged.result
    if result is not None and (part := named(result.plan.test).part):
        return counted(number, part)
    if judged.sides.plan is not None and judged.sides.plan.claim is Claim.MODEL:
        return counted(number, "example")
    return f"{number} {_repeat_word(judged, number)}"


def _repeat_word(judged: Judged, number: int) -> str:
    word = counted(number, "pair" if judged.sides.paired else "repeat").split(" ", 1)[1]
    return word if judged.sides.paired else f"{word} a side"


def _needed(judged: Judged) -> int:
    """Return how many units a side would do to reach alpha; 0 where those there are do.

    Where the planned ones are there, and the plan drew its seeds, more of them are those of an
    amended plan, which is one more try. Of values that do not vary more would be more copies.
    """
    plan, result = judged.sides.plan, judged.result
    if plan is None or judged.draft.still:
        return 0
    if result is not None and _units(judged) > 1 and result.plan.smallest_p <= plan.alpha:
        return 0
    if result is not None and (fewest := named(result.plan.test).fewest):
        return fewest
    model, grows = plan.claim is Claim.MODEL, _may_grow(judged)
    if model and plan.effect.margin != 0:
        return MIN_BOOTSTRAP_EXAMPLES
    this, other = (
        pairs_needed(
            plan.alpha / (judged.shares * judged.sides.count.chances(amended=amended)),
            paired=judged.sides.paired or model,
            one_sided=plan.effect.one_sided,
        )
        for amended in (False, True)
    )
    beyond = is_fixed(plan) and this > judged.sides.count.left_of(plan.repeats)
    needed = this if grows and not beyond else other
    if result is None or plan.stopping is None:
        return needed
    # Its looks have a price of their own, and each further pair halves the smallest p.
    return max(needed, _units(judged) + math.ceil(math.log2(result.plan.smallest_p / plan.alpha)))


def next_price(judged: Judged) -> int:
    """Return what p of the next plan of this candidate is multiplied by, as of one more try."""
    price, plan = factor(judged.draft.selection), judged.sides.plan
    if not has_fixed_number(plan) or not judged.sides.count.place:
        return price
    return max(price, judged.sides.count.chances(amended=True))


def _target(judged: Judged) -> int:
    plan = judged.sides.plan
    if plan is None:
        return 0
    planned = judged.sides.count.left_of(plan.repeats)
    grows = _by_repeats(judged) and _may_grow(judged) and not is_fixed(plan)
    return max(planned, _needed(judged)) if grows else planned


def is_fixed(plan: Plan) -> bool:
    """Whether no more than the planned repeats count, in whatever call they run."""
    return plan.drawn is not None and has_fixed_number(plan)


def _may_grow(judged: Judged) -> bool:
    """Whether further repeats would count: the planned ones may have been looked at."""
    plan = judged.sides.plan
    if plan is None or plan.claim is not Claim.METHOD:
        return False
    return _repeats(judged) < judged.sides.count.left_of(plan.repeats)


def _price(judged: Judged, baseline: int, candidate: int) -> str:
    seconds = 0.0
    for side, number in (
        (judged.sides.count.baseline, baseline),
        (judged.sides.count.candidate, candidate),
    ):
        walls = [item.repeat.resources.wall_s for item in side.repeats.values()]
        known = [wall for wall in walls if wall is not None]
        if number and not known:
            return ""
        seconds += number * sum(known) / len(known) if known else 0.0
    if seconds < 1:
        return ""
    minutes = seconds / 60
    return f", about {minutes:.0f} min" if minutes >= 2 else f", about {seconds:.0f} s"  # noqa: PLR2004  two minutes
