"""Repeats: what is said of values on which tests of a mean are known to err."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gitexp.comparison.designs import repeats
from gitexp.comparison.measure import Answer, Question, Values
from gitexp.model.comparison import Role
from gitexp.model.plan import Direction, Effect, HypothesisKind

if TYPE_CHECKING:
    from collections.abc import Sequence

NARROW = (0.50, 0.51, 0.52, 0.49, 0.48)
WIDE = (0.40, 0.55, 0.62, 0.49, 0.44)


def notes(left: tuple[float, ...], right: tuple[float, ...], *, paired: bool) -> tuple[str, ...]:
    values = Values(tuple(enumerate(left)), tuple(enumerate(right)))
    question = Question("f1", Role.WATCHED, None, None, 0.05)
    found = repeats.compare(question, values, paired=paired).comparison
    assert found is not None
    return found.notes


@pytest.mark.parametrize("paired", [True, False])
def test_a_spread_that_the_candidate_changes_is_said_with_what_it_may_cost(*, paired: bool) -> None:
    (text,) = notes(NARROW, WIDE, paired=paired)
    assert text.startswith("the candidate varies 5.5 times as much as the baseline: if its values")
    (text,) = notes(WIDE, NARROW, paired=paired)
    assert text.startswith("the baseline varies 5.5 times as much as the candidate")


def test_fewer_values_that_vary_more_need_no_skew_to_mislead_the_labels() -> None:
    (text,) = notes(WIDE[:3], (*NARROW, *NARROW), paired=False)
    assert text.startswith("the baseline has fewer values and varies ")
    assert "the permutation of labels rejects up to 15 % of true nulls" in text
    assert text.endswith("go by Welch's t beside")
    (text,) = notes((*WIDE, *WIDE), NARROW[:3], paired=False)
    assert "with so few values, or if its values are skewed" in text, "more vary more: it errs less"


def test_a_side_that_does_not_vary_is_said() -> None:
    (text,) = notes((0.5,) * 5, WIDE, paired=True)
    assert text.startswith("the candidate varies and not the baseline")


def test_what_rounding_left_is_no_spread() -> None:
    rounded = (0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2, 0.3)
    assert notes(rounded, tuple(v + 0.1 for v in rounded), paired=False) == ()
    (text,) = notes(NARROW, rounded, paired=True)
    assert text.startswith("the baseline varies and not the candidate")


def test_equal_spreads_and_single_values_are_no_remark() -> None:
    assert notes(NARROW, tuple(v + 0.1 for v in NARROW), paired=True) == ()
    assert notes((0.5,), (0.6,), paired=True) == ()
    assert notes((0.5, 0.5), (0.6, 0.6), paired=True) == ()


@pytest.mark.parametrize(("inverts", "confidence"), [(False, 0.95), (True, 0.9)])
def test_an_interval_has_the_level_of_its_test_where_the_plan_says_so(
    *, inverts: bool, confidence: float
) -> None:
    """Seven pairs: sign flips show a gain at 5 %, which an interval of 95 % does not."""
    gains = (0.03, 0.02, -0.012, 0.025, 0.01, 0.04, -0.004)
    left = (0.50, 0.51, 0.52, 0.49, 0.48, 0.5, 0.51)
    right = tuple(b + gain for b, gain in zip(left, gains, strict=True))
    values = Values(tuple(enumerate(left)), tuple(enumerate(right)))
    effect = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=True)
    question = Question("f1", Role.PRIMARY, Direction.MAX, effect, 0.05, inverts=inverts)
    found = repeats.compare(question, values, paired=True).comparison
    assert found is not None
    assert found.result is not None
    assert found.result.p_support is not None
    assert 0.025 < found.result.p_support <= 0.05
    for interval in (found.interval, found.relative_interval):
        assert interval is not None
        assert interval.confidence == pytest.approx(confidence)
        assert interval.low is not None
        assert (interval.low > 0) == inverts
    paid = repeats.compare(replace(question, price=2), values, paired=True).comparison
    if inverts:
        assert paid is not None
        assert paid.interval is not None
        assert paid.interval.low is not None
        assert paid.interval.confidence == pytest.approx(0.95)
        assert paid.interval.low <= 0


def apart(left: Sequence[float], right: Sequence[float], *, inverts: bool = True) -> Answer:
    values = Values(tuple(enumerate(left)), tuple(enumerate(right)))
    effect = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)
    question = Question("f1", Role.PRIMARY, Direction.MAX, effect, 0.05, inverts=inverts)
    return repeats.compare(question, values, paired=False)


def test_where_repeats_do_not_pair_the_larger_p_of_labels_and_welch_decides() -> None:
    """Five wide values beside many narrow ones: labels alone reject too often."""
    rng = np.random.default_rng(5)
    rejected = {True: 0, False: 0}
    for many in [12] * 300 + [
        30
    ] * 12:  # all labels, and drawn ones, which take thirty times as long
        left, right = rng.normal(0.6, 0.01, many), rng.normal(0.6, 0.05, 5)
        for inverts in rejected:
            found = apart(left, right, inverts=inverts).comparison
            assert found is not None
            assert found.result is not None
            assert found.interval is not None
            assert found.interval.low is not None
            assert found.result.p_support is not None
            shown = found.result.p_support <= 0.05
            rejected[inverts] += shown
            if inverts:
                assert not shown or found.interval.low > 0, "the interval says the same"
    assert rejected[True] <= 0.05 * 312 + 3 * (0.05 * 0.95 * 312) ** 0.5 < rejected[False]


@pytest.mark.parametrize(("many", "few", "decides"), [(30, 4, False), (4, 4, True), (30, 5, True)])
def test_a_few_values_beside_many_decide_nothing(many: int, few: int, *, decides: bool) -> None:
    left = [0.5 + 0.01 * (seed % 3) for seed in range(many)]
    answer = apart(left, [0.7 + 0.01 * (seed % 3) for seed in range(few)])
    assert answer.comparison is not None
    assert (answer.comparison.result is not None) == decides
    if not decides:
        assert answer.still == (
            "30 and 4 values: a side of 4 decides nothing beside more; 5 a side would do, or as "
            "many on both"
        )
