"""What holds for the planned test of every design, whatever the values are."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitexp.errors import DesignError
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats import examples
from gitexp.stats.design import Design, Splits, Unit, plan_examples, plan_test
from gitexp.stats.metrics import Definition, MeasuredMetric
from gitexp.stats.planned.datasets import run_on_datasets, run_on_folds
from gitexp.stats.planned.one_dataset import run_on_predictions, run_on_repeats
from gitexp.stats.planned.scoretests import of_terms, run_on_scores
from gitexp.stats.scored import Scoring, terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.model.comparison import SignificanceResult

BETTER = Effect(HypothesisKind.SUPERIORITY, 0.0, relative=False)
DESIGNS = {
    "paired repeats": (Unit.REPEAT, True, 7, None),
    "independent repeats": (Unit.REPEAT, False, 7, None),
    "data sets": (Unit.DATASET, True, 8, None),
    "folds": (Unit.FOLD, True, 10, Splits(1, 10, 90.0, 10.0)),
    "5 x 2 folds": (Unit.FOLD, True, 10, Splits(5, 2, 50.0, 50.0, balanced=True)),
}
RUNS = {Unit.REPEAT: run_on_repeats, Unit.DATASET: run_on_datasets, Unit.FOLD: run_on_folds}
# Sixteenths: sums, shifts and doublings are exact, so that equal outcomes have equal p-values.
sixteenths = st.integers(-64, 64).map(lambda n: n / 16)
tables = st.lists(st.tuples(sixteenths, sixteenths), min_size=10, max_size=10)
names = st.sampled_from(sorted(DESIGNS))


def run(
    name: str, old: Sequence[float], new: Sequence[float], effect: Effect | None = BETTER
) -> SignificanceResult:
    """Run the planned test of a design on as many of the values as it takes."""
    unit, paired, n, splits = DESIGNS[name]
    design = Design(unit, paired, n, n, 0.05, effect=effect, direction=Direction.MAX, splits=splits)
    return RUNS[unit](plan_test(design), design, list(old[:n]), list(new[:n]))


def attempt(name: str, old: Sequence[float], new: Sequence[float]) -> SignificanceResult:
    """Run a test; values that a t or F cannot take (no variation) are not the question here."""
    try:
        return run(name, old, new)
    except DesignError:
        assume(False)  # noqa: FBT003
        raise


def sides(table: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [a for a, _ in table], [b for _, b in table]


@given(names, tables)
def test_p_is_above_zero_and_at_most_one(name: str, table: list[tuple[float, float]]) -> None:
    found = attempt(name, *sides(table))
    for p in (found.p_value, found.p_support, found.p_refute):
        assert 0 < p <= 1


@given(names, tables)
def test_swapping_the_sides_swaps_support_and_refutation(
    name: str, table: list[tuple[float, float]]
) -> None:
    old, new = sides(table)
    one, two = attempt(name, old, new), attempt(name, new, old)
    assert two.p_value == pytest.approx(one.p_value, rel=1e-9)
    assert two.p_support == pytest.approx(one.p_refute, rel=1e-9)
    assert two.p_refute == pytest.approx(one.p_support, rel=1e-9)
    if name in {"paired repeats", "independent repeats", "folds"} and one.statistic is not None:
        assert two.statistic == pytest.approx(-one.statistic, rel=1e-9, abs=1e-12)


@given(names.filter(lambda name: name != "5 x 2 folds"), tables, st.randoms(use_true_random=False))
def test_the_order_of_units_changes_nothing(
    name: str, table: list[tuple[float, float]], random: object
) -> None:
    n = DESIGNS[name][2]
    kept = table[:n]
    turned = list(kept)
    random.shuffle(turned)
    one, two = attempt(name, *sides(kept)), attempt(name, *sides(turned))
    assert two.p_support == pytest.approx(one.p_support, rel=1e-9)
    assert two.p_value == pytest.approx(one.p_value, rel=1e-9)


@given(names, tables, st.sampled_from([0.25, 2.0, 1024.0]), st.integers(-100, 100))
def test_without_a_margin_scale_and_shift_leave_p(
    name: str, table: list[tuple[float, float]], scale: float, shift: int
) -> None:
    old, new = sides(table)
    one = attempt(name, old, new)
    moved = attempt(name, [v * scale + shift for v in old], [v * scale + shift for v in new])
    assert moved.p_support == pytest.approx(one.p_support, rel=1e-6)
    assert moved.p_value == pytest.approx(one.p_value, rel=1e-6)


@given(names, tables, st.floats(-3, 3))
def test_a_larger_gain_never_has_a_larger_p(
    name: str, table: list[tuple[float, float]], gain: float
) -> None:
    if name == "5 x 2 folds":  # F has no order among gains of different spread
        return
    old, new = sides(table)
    step = abs(round(gain * 16) / 16)
    one, two = attempt(name, old, new), attempt(name, old, [v + step for v in new])
    assert two.p_support <= one.p_support * (1 + 1e-9)


@pytest.mark.parametrize("name", sorted(DESIGNS))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_not_finite_is_refused(name: str, bad: float) -> None:
    values = [0.1 * index for index in range(10)]
    with pytest.raises(DesignError):
        run(name, [bad, *values[1:]], values)
    with pytest.raises(DesignError):
        run(name, values, [bad, *values[1:]])


@pytest.mark.parametrize("name", sorted(DESIGNS))
@pytest.mark.parametrize("value", [0.0, 1.0, -1e150, 1e-300])
def test_equal_constant_sides_are_no_evidence(name: str, value: float) -> None:
    found = run(name, [value] * 10, [value] * 10)
    assert (found.p_value, found.p_support, found.p_refute) == (1, 1, 1)


@pytest.mark.parametrize("name", ["paired repeats", "independent repeats", "data sets"])
def test_a_constant_gain_is_the_most_extreme_outcome(name: str) -> None:
    found = run(name, [1.0] * 10, [2.0] * 10)
    assert found.p_support == pytest.approx(found.plan.smallest_p)


@pytest.mark.parametrize("unit", [Unit.REPEAT, Unit.DATASET])
def test_one_unit_a_side_has_p_one_half_at_best_and_says_so(unit: Unit) -> None:
    design = Design(
        unit,
        paired=True,
        n_baseline=1,
        n_candidate=1,
        alpha=0.05,
        effect=BETTER,
        direction=Direction.MAX,
    )
    plan = plan_test(design)
    assert plan.smallest_p == 0.5
    assert RUNS[unit](plan, design, [1.0], [2.0]).p_support == 0.5


# --- examples -------------------------------------------------------------------------------------


def of_examples(n: int, kind: str, direction: Direction = Direction.MAX) -> Design:
    return Design(
        unit=Unit.EXAMPLE,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=0.05,
        metric=kind,
        effect=BETTER,
        direction=direction,
    )


def predicted(kind: str, rows: Sequence[tuple[int, float, float]]) -> SignificanceResult:
    """Run the planned test of two models on examples: truth, and what either model says."""
    truth, old, new = zip(*rows, strict=True)
    n = len(rows)
    direction = Direction.MAX if kind in {"accuracy", "f1", "roc_auc"} else Direction.MIN
    design = of_examples(n, kind, direction)
    labels = tuple(map(str, truth))
    if kind in {"accuracy", "f1"}:
        cells = examples.tabulate(
            labels, [str(round(v)) for v in old], [str(round(v)) for v in new]
        )
        definition = Definition(kind) if kind == "accuracy" else Definition(kind, "binary", "1")
        return run_on_predictions(plan_test(design), design, cells, definition)
    positives = sum(truth)
    plan = plan_examples(design, classes=(positives, n - positives))
    scoring = Scoring(kind, "1") if kind in {"roc_auc", "log_loss"} else Scoring(kind)
    measured = [
        MeasuredMetric(0.0, labels, tuple(map(str, side)), {"score": side}) for side in (old, new)
    ]
    return run_on_scores(plan, design, of_terms(*(terms(scoring, one) for one in measured)))


KINDS = ("accuracy", "f1", "roc_auc", "log_loss", "mae")
chances = st.integers(1, 31).map(lambda n: n / 32)
answers = st.lists(st.tuples(st.integers(0, 1), chances, chances), min_size=20, max_size=20)


@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", KINDS)
def test_predictions_keep_the_same_promises(kind: str) -> None:
    @given(answers)
    def holds(rows: list[tuple[int, float, float]]) -> None:
        rows = [*rows, (0, 0.2, 0.3), (1, 0.7, 0.6), (0, 0.4, 0.1), (1, 0.3, 0.9)]
        try:
            one = predicted(kind, rows)
            two = predicted(kind, [(truth, new, old) for truth, old, new in rows])
        except DesignError:
            assume(False)  # noqa: FBT003
        for found in (one, two):
            assert all(0 < p <= 1 for p in (found.p_value, found.p_support, found.p_refute))
        assert two.statistic == pytest.approx(-one.statistic, abs=1e-12)
        loose = 0.03 if "random" in one.plan.title else 1e-9  # other draws
        assert two.p_support == pytest.approx(one.p_refute, abs=loose)

    holds()


@pytest.mark.parametrize("kind", ["accuracy", "mae", "roc_auc"])
def test_the_order_of_examples_changes_nothing(kind: str) -> None:
    rng = np.random.default_rng(0)
    rows = [(i % 2, float(a), float(b)) for i, (a, b) in enumerate(rng.uniform(size=(60, 2)))]
    one, two = predicted(kind, rows), predicted(kind, rows[::-1])
    loose = 0.02 if "random" in one.plan.title else 1e-9
    assert two.p_support == pytest.approx(one.p_support, abs=loose)


@pytest.mark.slow
def test_a_million_examples_are_tested() -> None:
    rng = np.random.default_rng(0)
    truth = tuple(rng.integers(0, 2, size=1_000_000).astype(str))
    old, new = (tuple(rng.integers(0, 2, size=1_000_000).astype(str)) for _ in range(2))
    cells = examples.tabulate(truth, old, new)
    for kind in ("accuracy", "f1"):
        design = of_examples(10**6, kind)
        definition = Definition(kind) if kind == "accuracy" else Definition(kind, "binary", "1")
        assert 0 < run_on_predictions(plan_test(design), design, cells, definition).p_value <= 1
