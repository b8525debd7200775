"""Repeats: one value a seed and side, joined by seed where both sides have it.

The design is fixed from what counts - pairing and numbers - before a value is handed to a test.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison import outliers
from gitexp.comparison.measure import LARGEST, Answer, build, is_broken, values_of
from gitexp.errors import DesignError
from gitexp.model.metrics import mean
from gitexp.stats import effects, intervals
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.planned import companions
from gitexp.stats.planned.planned import run_on_repeats

if TYPE_CHECKING:
    from gitexp.comparison.counting import Count
    from gitexp.comparison.measure import Question, Values
    from gitexp.model.comparison import SignificanceResult


def measure(count: Count, question: Question, *, paired: bool) -> Answer:
    """Compare one metric over the repeats that count.

    `paired`: whether repeats are joined by seed.
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
    caution = "" if result is None else outliers.of_two(left, right, paired=paired)
    said = [note for note in (caution, refused) if note]
    comparison = replace(comparison, notes=(*comparison.notes, *said))
    if question.guard is not None:
        comparison = replace(comparison, broken=is_broken(comparison))
    return Answer(comparison, refused)
