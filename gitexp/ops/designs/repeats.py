"""Repeats: one value a seed and side, joined by seed where both sides have it.

The design is fixed from what counts - pairing and numbers - before a value is handed to a test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.model.summary import mean, spread
from gitexp.ops.measure import LARGEST, Answer, build, is_broken, values_of
from gitexp.stats import companions, effects, intervals
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.planned import run_on_repeats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.model.comparison import SignificanceResult
    from gitexp.ops.counting import Count
    from gitexp.ops.measure import Question, Values

UNEQUAL = 2.5  # ratio of the standard deviations from which the measured errors are worth a word


def measure(count: Count, question: Question, *, paired: bool) -> Answer:
    """Compare one metric over the repeats that count.

    Parameters
    ----------
    count : Count
    question : Question
    paired : bool
        Whether repeats are joined by seed.
    """
    return compare(question, values_of(count, question.metric, paired=paired), paired=paired)


def compare(question: Question, values: Values, *, paired: bool) -> Answer:
    """Compare values of repeats, whether reported or computed from predictions."""
    left, right = values.left, values.right
    if not left or not right:
        return Answer(None, "; ".join(values.notes))
    if max(map(abs, (*left, *right))) > LARGEST:
        return Answer(None, f"{question.metric} has values beyond {LARGEST:g}")
    design = Design(
        unit=Unit.REPEAT,
        paired=paired,
        n_baseline=len(left),
        n_candidate=len(right),
        alpha=question.alpha,
        effect=question.effect,
        direction=question.direction,
    )
    planned = plan_test(design)
    result: SignificanceResult | None = None
    beside: tuple[SignificanceResult, ...] = ()
    refused = ""
    try:
        result = run_on_repeats(planned, design, left, right)
        beside = companions.beside_repeats(planned, design, left, right)
    except DesignError as error:
        refused = error.brief
    confidence = 1 - question.alpha
    sizes = effects.paired_effects if paired else effects.independent_effects
    comparison = build(
        question,
        values,
        (mean(left), mean(right)),
        interval=intervals.difference_interval(left, right, paired=paired, confidence=confidence),
        relative_interval=intervals.relative_interval(
            left, right, paired=paired, confidence=confidence
        ),
        sizes=sizes(left, right, confidence=confidence),
    )
    comparison = replace(comparison, result=result, beside=beside)
    if result is not None:
        comparison = replace(comparison, notes=(*comparison.notes, *_spread_note(left, right)))
    if refused:
        comparison = replace(comparison, notes=(*comparison.notes, refused))
    if question.guard is not None:
        comparison = replace(comparison, broken=is_broken(comparison))
    return Answer(comparison, refused)


def _spread_note(left: Sequence[float], right: Sequence[float]) -> tuple[str, ...]:
    """Warn where the measured error of every test of a mean is above alpha; it decides nothing."""
    old, new = spread(left), spread(right)
    if old is None or new is None or max(old, new) <= UNEQUAL * min(old, new):
        return ()
    more, less = ("candidate", "baseline") if new > old else ("baseline", "candidate")
    how = f"{max(old, new) / min(old, new):.1f} times as much as" if min(old, new) else "and not"
    fewer = len(right) < len(left) if new > old else len(left) < len(right)
    if fewer:
        first = (
            f"the {more} has fewer values and varies {how} the {less}: the permutation of labels"
        )
        second = (
            "rejects up to 25 % of true nulls then at alpha = 0.05 (3 and 30 values, 5 times the"
        )
        third = "spread), Welch's t about 5 % unless values are skewed: go by Welch's t beside"
        return (f"{first} {second} {third}",)
    what = f"the {more} varies {how} the {less}: if its values are skewed, tests of a mean reject"
    return (f"{what} up to 13 % of true nulls at alpha = 0.05",)
