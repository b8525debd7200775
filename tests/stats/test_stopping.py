"""Looking early: the error of all looks together, and what a decision rests on."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gitexp.model.plan import Direction, Effect, HypothesisKind, Stopping, StoppingRule
from gitexp.stats.design import Design, Unit
from gitexp.stats.intervals import difference_interval
from gitexp.stats.stopping import (
    nominal_level,
    plan_sequential,
    repeated_interval,
    repeated_p,
    run_sequential,
)
from tests.stats import reference

ALWAYS = Stopping(StoppingRule.ALWAYS_VALID)
POCOCK = Stopping(StoppingRule.POCOCK, 4)
FLEMING = Stopping(StoppingRule.OBRIEN_FLEMING, 4)
ANY = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)


def design(n: int, *, effect: Effect = ANY, paired: bool = True) -> Design:
    return Design(Unit.REPEAT, paired, n, n, 0.05, effect=effect, direction=Direction.MAX)


def false_yes(stopping: Stopping, n: int, *, simulations: int, effect: Effect = ANY) -> float:
    """Return how often a plan whose gain is just its margin ends with a yes or a no, by halves."""
    rng = np.random.default_rng(11)
    wrong = 0.0
    for _ in range(simulations):
        base = 20 + rng.normal(size=n)
        moved = base * (1 + effect.margin) if effect.relative else base + effect.margin
        course = run_sequential(
            design(n, effect=effect), stopping, n, base, moved + rng.normal(size=n)
        )
        wrong += course.decided / 2
    return wrong / simulations


@pytest.mark.parametrize("stopping", [ALWAYS, POCOCK, FLEMING], ids=lambda rule: rule.rule.value)
def test_all_looks_together_keep_alpha(stopping: Stopping) -> None:
    n, simulations = 12, 400
    error = math.sqrt(0.05 * 0.95 / simulations)
    assert false_yes(stopping, n, simulations=simulations) <= 0.05 + 3 * error


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("stopping", [ALWAYS, POCOCK, FLEMING], ids=lambda rule: rule.rule.value)
def test_all_looks_together_keep_alpha_against_a_share_of_the_baseline(stopping: Stopping) -> None:
    effect = Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True)
    simulations = 1_000
    error = math.sqrt(0.05 * 0.95 / simulations)
    assert false_yes(stopping, 20, simulations=simulations, effect=effect) <= 0.05 + 3 * error


def test_a_hundred_looks_at_bets_keep_alpha_under_every_symmetric_law() -> None:
    rng = np.random.default_rng(2)
    for law in (
        rng.normal(size=(200, 100)),
        rng.standard_t(2, size=(200, 100)),
        rng.integers(-1, 2, size=(200, 100)).astype(float),
    ):
        hits = sum(
            run_sequential(design(100), ALWAYS, 100, np.zeros(100), row).result.p_support <= 0.05  # type: ignore[operator]
            for row in law
        )
        assert hits / 200 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 200)


def test_the_repeated_p_of_a_boundary_is_alpha() -> None:
    for stopping, boundary in (
        (POCOCK, "pocock_boundary"),
        (FLEMING, "obrien_fleming_boundary"),
    ):
        looks = stopping.at(20)
        case = {"n_looks": 4, "alpha": 0.05, "two_sided": False}
        for look, nominal in enumerate(reference.run(boundary, case)["nominal_p_values"], 1):
            assert nominal_level(stopping, looks, look, 0.05) == pytest.approx(nominal, rel=1e-4)
            assert repeated_p(nominal, stopping, looks, look) == pytest.approx(0.05, rel=1e-4)
    assert repeated_p(0.7, POCOCK, (5, 10, 15, 20), 2) == 1.0


def test_a_clear_gain_is_seen_early_and_later_values_change_nothing() -> None:
    base = np.linspace(0.5, 0.6, 20)
    clear = base + 0.1 + 0.001 * np.arange(20)
    spoiled = np.concatenate([clear[:12], base[12:] - 5.0])
    for stopping in (POCOCK, ALWAYS):
        one = run_sequential(design(20), stopping, 20, base, clear)
        two = run_sequential(design(20), stopping, 20, base, spoiled)
        assert one.decided
        assert one.looks[-1] < 20
        assert one.looks == two.looks
        assert one.result.p_support == two.result.p_support


def test_before_the_first_look_nothing_is_looked_at() -> None:
    course = run_sequential(design(4), POCOCK, 20, np.zeros(4), np.ones(4))
    assert (course.looks, course.decided, course.planned[0]) == ((), False, 5)
    assert course.result.p_support == course.result.p_refute == 1.0
    assert repeated_interval(course, POCOCK, np.zeros(4), np.ones(4), 0.95) is None


@pytest.mark.parametrize("stopping", [ALWAYS, POCOCK, FLEMING], ids=lambda rule: rule.rule.value)
def test_the_interval_of_all_looks_is_wider_than_that_of_one_and_covers(stopping: Stopping) -> None:
    rng = np.random.default_rng(6)
    simulations, missed = 100, 0
    for _ in range(simulations):
        base, other = rng.normal(size=12), 0.3 + rng.normal(size=12)
        course = run_sequential(design(12), stopping, 12, base, other)
        found = repeated_interval(course, stopping, base, other, 0.95)
        assert found is not None
        low = -np.inf if found.low is None else found.low
        high = np.inf if found.high is None else found.high
        missed += not low <= 0.3 <= high
        plain = difference_interval(list(base), list(other), paired=True, confidence=0.95)
        assert plain is not None
        assert high - low > plain.high - plain.low  # type: ignore[operator]
    assert missed / simulations <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / simulations)


def test_more_repeats_than_planned_make_no_further_look() -> None:
    rng = np.random.default_rng(4)
    course = run_sequential(design(30), POCOCK, 20, np.zeros(30), rng.normal(size=30))
    assert course.planned == (5, 10, 15, 20)
    assert course.looks == (5, 10, 15, 20)


def test_the_plan_says_what_it_could_reach_with_all_its_repeats() -> None:
    assert plan_sequential(design(5), FLEMING, 20).smallest_p < 1e-4
    assert plan_sequential(design(4), POCOCK, 4).smallest_p > 0.05
    always = plan_sequential(design(3), ALWAYS, 10)
    assert always.smallest_p == 2.0**-10
    assert "sign of each difference" in always.title


def test_equivalence_and_two_sides_can_be_looked_at_too() -> None:
    rng = np.random.default_rng(8)
    base = rng.normal(size=30)
    near = base + 0.05 * rng.normal(size=30)
    band = Effect(HypothesisKind.EQUIVALENCE, 0.5, relative=False)
    sides = Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False)
    for stopping in (POCOCK, ALWAYS):
        inside = run_sequential(design(30, effect=band), stopping, 30, base, near).result
        assert inside.p_support is not None
        assert inside.p_support <= 0.05
        apart = run_sequential(design(30, effect=sides), stopping, 30, base, near - 1).result
        assert apart.p_support is not None
        assert apart.p_support <= 0.05


def test_independent_repeats_are_joined_in_their_order() -> None:
    rng = np.random.default_rng(9)
    left, right = rng.normal(size=12), 3 + rng.normal(size=12)
    for stopping in (POCOCK, ALWAYS):
        course = run_sequential(design(12, paired=False), stopping, 12, left, right)
        assert course.decided
        assert course.result.p_support is not None
        assert 0 < course.result.p_support <= 0.05
