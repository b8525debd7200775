"""The planned test speaks about the recorded hypothesis: margins, shares, both directions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from gitexp.errors import DesignError
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats import examples
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.metrics import Definition
from gitexp.stats.planned import one_dataset
from gitexp.stats.planned.one_dataset import run_on_predictions, run_on_repeats
from tests.stats.test_design import examples as on_examples

SUPERIORITY, EQUIVALENCE = HypothesisKind.SUPERIORITY, HypothesisKind.EQUIVALENCE
BASELINE = [0.61, 0.58, 0.63, 0.60, 0.59, 0.62, 0.57, 0.64]
NOISE = np.array([0.002, -0.003, 0.001, 0.004, -0.002, 0.0015, -0.0005, 0.0025])


def design_of(
    effect: Effect | None,
    direction: Direction = Direction.MAX,
    *,
    n: int = 8,
    paired: bool = True,
    **more: object,
) -> Design:
    return Design(
        Unit.REPEAT, paired, n, n, 0.05, **{"effect": effect, "direction": direction, **more}
    )


def run(design: Design, baseline: object, candidate: object) -> tuple[float, float]:
    result = run_on_repeats(plan_test(design), design, baseline, candidate)
    return result.p_support, result.p_refute


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("relative", [True, False])
def test_a_gain_beyond_the_margin_supports_and_one_below_refutes(
    direction: Direction, *, relative: bool, paired: bool
) -> None:
    baseline = np.array(BASELINE)
    sign = 1 if direction is Direction.MAX else -1
    effect = Effect(SUPERIORITY, 0.05 if relative else 0.03, relative=relative)
    design = design_of(effect, direction, paired=paired)
    for share, wanted in ((0.20, "support"), (-0.20, "refute")):
        candidate = baseline * (1 + sign * share) + NOISE
        support, refute = run(design, baseline, candidate)
        assert (support <= 0.05, refute <= 0.05) == (wanted == "support", wanted == "refute")


def test_a_significant_gain_below_the_promised_one_supports_nothing() -> None:
    candidate = np.array(BASELINE) * 1.03 + NOISE / 10
    design = design_of(Effect(SUPERIORITY, 0.05, relative=True))
    result = run_on_repeats(plan_test(design), design, BASELINE, candidate)
    assert result.p_value <= 0.05
    assert result.p_support > 0.95
    assert result.p_refute <= 0.05


def test_a_relative_margin_is_tested_on_candidate_less_scaled_baseline() -> None:
    candidate = np.array(BASELINE) * 1.06 + NOISE
    d = candidate - 1.05 * np.array(BASELINE)
    sums = [np.dot(signs, d) for signs in itertools.product((1, -1), repeat=8)]
    design = design_of(Effect(SUPERIORITY, 0.05, relative=True))
    support, refute = run(design, BASELINE, candidate)
    assert support == np.mean(np.array(sums) >= d.sum() - 1e-12)
    assert refute == np.mean(np.array(sums) <= d.sum() + 1e-12)


@given(st.lists(st.integers(-9, 9), min_size=6, max_size=6), st.sampled_from([0.0, 0.5, -0.5, 2.0]))
def test_turning_the_direction_and_the_signs_gives_the_same_p(
    gains: list[int], margin: float
) -> None:
    baseline, gain = np.arange(6.0), np.array(gains, dtype=float)
    effect = Effect(SUPERIORITY, margin, relative=False)
    up = run(design_of(effect, n=6), baseline, baseline + gain)
    down = run(design_of(effect, Direction.MIN, n=6), -baseline, -baseline - gain)
    assert up == down


@given(st.lists(st.integers(-9, 9), min_size=5, max_size=8), st.sampled_from(list(HypothesisKind)))
def test_no_data_support_and_refute_at_once(gains: list[int], kind: HypothesisKind) -> None:
    effect = Effect(kind, 1.0, relative=False)
    baseline = np.zeros(len(gains))
    support, refute = run(design_of(effect, n=len(gains)), baseline, np.array(gains, dtype=float))
    assert 0 < support <= 1
    assert 0 < refute <= 1
    assert support + refute > 0.5


def test_non_inferiority_is_superiority_with_a_negative_margin() -> None:
    candidate = np.array(BASELINE) - 0.001 + NOISE / 10
    design = design_of(Effect(SUPERIORITY, -0.02, relative=True))
    assert run(design, BASELINE, candidate)[0] == 1 / 256


def test_equivalence_needs_both_sides_and_refutes_beyond_either() -> None:
    design = design_of(Effect(EQUIVALENCE, 0.01, relative=False))
    near, far = np.array(BASELINE) + NOISE / 10, np.array(BASELINE) + 0.05 + NOISE
    assert run(design, BASELINE, near)[0] == 1 / 256
    assert run(design, BASELINE, far) == (1.0, 2 / 256)
    assert run(design, far, BASELINE) == (1.0, 2 / 256)


def test_a_two_sided_hypothesis_is_supported_by_any_difference_and_never_refuted_at_zero() -> None:
    design = design_of(Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False))
    support, refute = run(design, BASELINE, np.array(BASELINE) - 0.05 + NOISE)
    assert support == 2 / 256
    assert refute == 1.0


def test_without_an_effect_there_is_only_the_two_sided_p() -> None:
    design = design_of(None)
    result = run_on_repeats(plan_test(design), design, BASELINE, np.array(BASELINE) + 0.01)
    assert (result.p_support, result.p_refute, result.p_value) == (None, None, 2 / 256)
    assert result.statistic == pytest.approx(0.01)


def test_a_share_of_a_baseline_that_is_not_positive_is_refused() -> None:
    design = design_of(Effect(SUPERIORITY, 0.05, relative=True), n=2)
    with pytest.raises(DesignError, match="positive baseline"):
        run_on_repeats(plan_test(design), design, [0.0, 1.0], [1.0, 2.0])
    with pytest.raises(DesignError, match="positive baseline"):
        one_dataset.beside_repeats(plan_test(design), design, [-1.0, 1.0], [1.0, 2.0])


def test_values_that_do_not_fit_the_plan_are_refused() -> None:
    design = design_of(None, n=3)
    with pytest.raises(DesignError, match="fit the plan"):
        run_on_repeats(plan_test(design), design, [1.0, 2.0], [1.0, 2.0])
    with pytest.raises(DesignError, match="finite"):
        run_on_repeats(plan_test(design), design, [1.0, 2.0, float("nan")], [1.0, 2.0, 3.0])


@pytest.mark.parametrize("paired", [True, False])
def test_the_companion_is_scipys_t_test_against_the_same_margin(*, paired: bool) -> None:
    candidate = np.array(BASELINE) * 1.06 + NOISE
    design = design_of(Effect(SUPERIORITY, 0.05, relative=True), paired=paired)
    beside, *_ = one_dataset.beside_repeats(plan_test(design), design, BASELINE, candidate)
    scaled = 1.05 * np.array(BASELINE)
    test = stats.ttest_rel if paired else lambda *a, **k: stats.ttest_ind(*a, **k, equal_var=False)
    assert beside.p_support == pytest.approx(test(candidate, scaled, alternative="greater").pvalue)
    assert beside.p_refute == pytest.approx(test(candidate, scaled, alternative="less").pvalue)
    assert beside.p_value == pytest.approx(test(candidate, np.array(BASELINE)).pvalue)


def test_where_nothing_varies_ranks_alone_stand_beside() -> None:
    design = design_of(None, n=3)
    constant = one_dataset.beside_repeats(plan_test(design), design, [0.1] * 3, [0.3] * 3)
    assert [item.plan.test for item in constant] == ["signed-rank"]


# --- predictions ----------------------------------------------------------------------------------

TRUTH = ("1",) * 40 + ("0",) * 60
OLD = ("1",) * 25 + ("0",) * 15 + ("0",) * 50 + ("1",) * 10
NEW = ("1",) * 36 + ("0",) * 4 + ("0",) * 57 + ("1",) * 3


@pytest.mark.parametrize("metric", ["accuracy", "error_rate", "f1", "matthews_corrcoef"])
def test_a_better_model_is_better_by_every_metric_and_its_direction(metric: str) -> None:
    direction = Direction.MIN if metric == "error_rate" else Direction.MAX
    definition = Definition(metric, *(("binary", "1") if metric == "f1" else ()))
    design = on_examples(100, metric, Effect(SUPERIORITY, 0.0, relative=False), direction)
    plan = plan_test(design)
    cells = examples.tabulate(TRUTH, OLD, NEW)
    better = run_on_predictions(plan, design, cells, definition)
    worse = run_on_predictions(plan, design, examples.tabulate(TRUTH, NEW, OLD), definition)
    assert max(better.p_support, worse.p_refute) < 0.01
    assert min(better.p_refute, worse.p_support) > 0.95
    assert better.statistic == pytest.approx(-worse.statistic)
    assert better.p_value == pytest.approx(worse.p_value, abs=0.002)


def test_mcnemar_is_the_binomial_test_of_the_discordant_examples() -> None:
    cells = examples.tabulate(TRUTH, OLD, NEW)
    lost, won = examples.discordant(cells)
    design = on_examples(100, "accuracy", Effect(SUPERIORITY, 0.0, relative=False))
    result = run_on_predictions(plan_test(design), design, cells, Definition("accuracy"))
    expected = stats.binomtest(won, won + lost, alternative="greater").pvalue
    assert result.p_support == pytest.approx(expected)
    (beside,) = one_dataset.beside_predictions(plan_test(design), design, cells)
    assert beside.p_support < result.p_support


def test_a_margin_is_tested_by_the_bootstrap_and_zero_by_swaps() -> None:
    truth, old, new = TRUTH * 3, OLD * 3, NEW * 3
    cells, definition = examples.tabulate(truth, old, new), Definition("f1", "binary", "1")
    for margin, supports in ((0.02, True), (0.6, False)):
        design = on_examples(300, "f1", Effect(SUPERIORITY, margin, relative=True))
        plan = plan_test(design)
        result = run_on_predictions(plan, design, cells, definition)
        assert plan.test == "bootstrap-margin"
        assert (result.p_support <= 0.05, result.p_refute <= 0.05) == (supports, not supports)
        assert result.p_value < 0.001


def test_predictions_of_another_number_of_examples_are_refused() -> None:
    design = on_examples(99, "accuracy", None)
    with pytest.raises(DesignError, match="fit the plan"):
        run_on_predictions(
            plan_test(design), design, examples.tabulate(TRUTH, OLD, NEW), Definition("accuracy")
        )
