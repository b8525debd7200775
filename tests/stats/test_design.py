"""The test is chosen by the design, and its smallest p-value is the one it can really reach."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from gitexp.errors import DesignError
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats.design import Design, Unit, pairs_needed, plan_test
from gitexp.stats.planned.one_dataset import run_on_repeats
from gitexp.stats.tests import FLIP_DRAWS, MAX_ASSIGNMENTS, MIN_BOOTSTRAP_EXAMPLES

GAIN = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)
FIVE_PERCENT = Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True)
EQUIVALENT = Effect(HypothesisKind.EQUIVALENCE, 0.5, relative=False)
BEYOND = Effect(HypothesisKind.TWO_SIDED, 0.5, relative=False)
ANY = Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False)


def repeats(n: int, m: int | None = None, effect: Effect | None = GAIN, **more: object) -> Design:
    return Design(
        Unit.REPEAT,
        paired=m is None,
        n_baseline=n,
        n_candidate=n if m is None else m,
        alpha=0.05,
        effect=effect,
        direction=Direction.MAX,
        **more,
    )


def examples(
    n: int, metric: str, effect: Effect | None = GAIN, direction: Direction = Direction.MAX
) -> Design:
    return Design(
        Unit.EXAMPLE,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=0.05,
        metric=metric,
        effect=effect,
        direction=direction,
    )


@pytest.mark.parametrize(
    ("design", "test", "exact"),
    [
        (repeats(10), "paired-permutation", True),
        (repeats(20), "paired-permutation", True),
        (repeats(21), "paired-permutation", False),
        (repeats(8, 8), "permutation", True),
        (repeats(9, 9), "permutation", False),  # 48,620 assignments
        (repeats(4, 10), "studentized-permutation", True),
        (repeats(10, 30), "studentized-permutation", False),
        (repeats(1, 10), "permutation", True),  # one value has no spread
        (examples(100, "accuracy"), "mcnemar", True),
        (examples(100, "error_rate"), "mcnemar", True),
        (examples(100, "f1"), "paired-randomization", False),
        (examples(1000, "f1", FIVE_PERCENT), "bootstrap-margin", False),
        (examples(1000, "accuracy", FIVE_PERCENT), "bootstrap-margin", False),
        (examples(1000, "accuracy", None), "mcnemar", True),
    ],
)
def test_a_design_gets_its_test(design: Design, test: str, *, exact: bool) -> None:
    plan = plan_test(design)
    assert (plan.test, plan.exact) == (test, exact)
    assert plan.title
    assert plan.why


def test_a_design_holds_no_values() -> None:
    names = {field.name for field in dataclasses.fields(Design)}
    assert not {name for name in names if "value" in name or "mean" in name}


@pytest.mark.parametrize("effect", [GAIN, EQUIVALENT, ANY, BEYOND, None])
@pytest.mark.parametrize("sizes", [(2,), (5,), (8,), (3, 3), (4, 6), (1, 30), (30, 1)])
def test_the_smallest_p_is_reached_by_the_most_extreme_outcome(
    sizes: tuple[int, ...], effect: Effect | None
) -> None:
    design = repeats(*sizes, effect=effect)
    plan = plan_test(design)
    if effect is EQUIVALENT:  # all differences near zero, none equal
        baseline = np.arange(design.n_baseline) * 1e-3
        candidate = 1e-4 + np.arange(design.n_candidate) * 1e-3
    else:
        baseline = np.arange(design.n_baseline, dtype=float)
        candidate = 100.0 + np.arange(design.n_candidate)
    result = run_on_repeats(plan, design, baseline, candidate)
    planned = result.p_value if effect is None else result.p_support
    assert planned == pytest.approx(plan.smallest_p, abs=0)


def test_random_draws_never_promise_less_than_one_in_their_number() -> None:
    plan = plan_test(repeats(40))
    assert plan.smallest_p == 1 / (FLIP_DRAWS + 1)
    assert not plan.exact


def test_one_value_against_many_has_as_many_assignments_as_values() -> None:
    assert plan_test(repeats(9_999, 1)).smallest_p == 1 / 10_000


def test_three_examples_can_be_swapped_in_eight_ways() -> None:
    assert plan_test(examples(3, "f1")).smallest_p == 1 / 8


def test_a_bootstrap_over_few_examples_decides_nothing() -> None:
    few, enough = (
        plan_test(examples(n, "f1", FIVE_PERCENT))
        for n in (MIN_BOOTSTRAP_EXAMPLES - 1, MIN_BOOTSTRAP_EXAMPLES)
    )
    assert few.smallest_p == 1
    assert enough.smallest_p < 0.05


def test_a_million_examples_have_a_smallest_p() -> None:
    assert 0 <= plan_test(examples(10**6, "accuracy")).smallest_p < 1e-100


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("one_sided", [True, False])
@pytest.mark.parametrize("alpha", [0.5, 0.1, 0.05, 0.01, 0.001])
def test_one_pair_fewer_than_needed_cannot_reach_alpha(
    alpha: float, *, one_sided: bool, paired: bool
) -> None:
    effect = GAIN if one_sided else ANY
    n = pairs_needed(alpha, paired=paired, one_sided=one_sided)
    enough = repeats(n, None if paired else n, effect=effect)
    assert plan_test(dataclasses.replace(enough, alpha=alpha)).smallest_p <= alpha
    if n > 2:
        fewer = repeats(n - 1, None if paired else n - 1, effect=effect)
        assert plan_test(dataclasses.replace(fewer, alpha=alpha)).smallest_p > alpha


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"alpha": 0.0}, "alpha"),
        ({"alpha": 1.0}, "alpha"),
        ({"alpha": float("nan")}, "alpha"),
        ({"n_baseline": 0}, "each side"),
        ({"n_candidate": 9}, "length"),
        ({"direction": None}, "better"),
        ({"effect": Effect(HypothesisKind.SUPERIORITY, float("inf"), relative=False)}, "margin"),
    ],
)
def test_a_design_that_makes_no_sense_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        plan_test(dataclasses.replace(repeats(10), **change))


def test_all_assignments_are_visited_up_to_the_limit() -> None:
    plan = plan_test(repeats(8, 8))
    assert plan.resamples == 12_870
    assert plan.resamples <= MAX_ASSIGNMENTS
