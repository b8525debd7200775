"""Planned tests of scores: DeLong against the published case, the others against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from gitexp.errors import DesignError
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats import ranked, sums
from gitexp.stats.design import Design, lacking, plan_examples
from gitexp.stats.planned import scoretests
from gitexp.stats.scored import ScoreTerms, Scoring
from tests.stats import reference
from tests.stats.test_design import examples


def design(metric: str, n: int, *, margin: float | None = None, relative: bool = False) -> Design:
    effect = None
    if margin is not None:
        effect = Effect(HypothesisKind.SUPERIORITY, margin, relative)
    direction = Direction.MAX if metric in {"roc_auc", "average_precision"} else Direction.MIN
    return examples(n, metric, effect, direction)


def pair(kind: str, n: int = 400, *, seed: int = 0) -> tuple[ScoreTerms, ScoreTerms]:
    rng = np.random.default_rng(seed)
    truth = (rng.uniform(size=n) < 0.4).astype(float)
    shared = rng.normal(size=n)
    one = truth + shared + rng.normal(size=n)
    two = 1.2 * truth + shared + 0.9 * rng.normal(size=n)
    scoring = Scoring(kind, "1")
    if kind in {"mae", "rmse"}:
        return ScoreTerms(scoring, truth, np.abs(one)), ScoreTerms(scoring, truth, np.abs(two))
    return ScoreTerms(scoring, truth, one), ScoreTerms(scoring, truth, two)


def test_the_area_s_planned_test_is_delongs() -> None:
    one, two = pair("roc_auc")
    sides = scoretests.of_terms(one, two)
    ours = design("roc_auc", 400, margin=0.0)
    plan = plan_examples(ours, classes=sides.classes)
    got = scoretests.run_on_scores(plan, ours, sides)
    labels = one.truth.astype(int).tolist()
    scores = {"scores_a": two.values, "scores_b": one.values, "alternative": "greater"}
    want = reference.run("delong_test", {"labels": labels, **scores})
    assert plan.test == "delong"
    assert got.p_support == pytest.approx(want["p_value"], rel=1e-9)
    assert got.p_refute == pytest.approx(1 - want["p_value"], rel=1e-9)
    between, share = scoretests.intervals(sides, confidence=0.95)
    assert between is not None
    assert share is not None
    assert between.low == pytest.approx(want["ci_low"], rel=1e-9)
    assert share.low is not None
    assert share.high is not None
    assert share.low < got.statistic / sides.both[0] < share.high  # type: ignore[operator]


def test_a_margin_of_an_area_shifts_the_null() -> None:
    one, two = pair("roc_auc")
    sides = scoretests.of_terms(one, two)
    gain = sides.both[1] - sides.both[0]
    for margin, relative in ((gain, False), (gain / sides.both[0], True)):
        ours = design("roc_auc", 400, margin=margin, relative=relative)
        got = scoretests.run_on_scores(plan_examples(ours, classes=sides.classes), ours, sides)
        assert got.p_support == pytest.approx(0.5, abs=1e-6)


def test_clusters_of_one_example_give_delongs_error_and_copies_do_not_add_to_n() -> None:
    one, two = pair("roc_auc", 100)
    plain = ranked.paired_areas(one.truth, one.values, two.values)
    alone = ranked.paired_areas(one.truth, one.values, two.values, np.arange(100))
    assert alone.error() == pytest.approx(plain.error(), rel=1e-12)
    copies = [np.repeat(x, 3) for x in (one.truth, one.values, two.values)]
    joined = ranked.paired_areas(copies[0], copies[1], copies[2], np.repeat(np.arange(100), 3))
    assert joined.error() == pytest.approx(plain.error(), rel=0.01)
    assert ranked.paired_areas(copies[0], copies[1], copies[2]).error() < 0.6 * plain.error()


def test_few_examples_of_a_class_decide_nothing() -> None:
    ours = design("roc_auc", 100, margin=0.0)
    few = plan_examples(ours, classes=(19, 81))
    assert few.smallest_p == 1.0
    assert "20 examples of either class" in lacking(few)
    enough = plan_examples(ours, classes=(20, 80))
    assert enough.smallest_p == 0.0
    assert lacking(enough) == ""
    assert plan_examples(ours, classes=(40, 60), clusters=19).smallest_p == 1.0


def test_a_class_is_counted_by_the_clusters_that_hold_it() -> None:
    one, two = pair("roc_auc", 400)
    truth = np.repeat([1.0, 0.0], [100, 300])
    one, two = (ScoreTerms(side.scoring, truth, side.values) for side in (one, two))
    clusters = np.arange(400) // 10  # ten clusters hold all positive examples
    sides = scoretests.of_terms(one, two, clusters)
    assert sides.classes == (10, 30)
    plan = plan_examples(design("roc_auc", 400, margin=0.0), classes=sides.classes, clusters=40)
    assert plan.smallest_p == 1.0
    assert lacking(plan) == "an area needs 20 examples of either class, in 20 clusters"
    assert plan.why.endswith("10 of them with positive ones")


@pytest.mark.parametrize("metric", ["recall", "f1", "average_precision"])
def test_a_margin_of_a_clustered_metric_needs_clusters_of_its_class(metric: str) -> None:
    ours = design(metric, 600, margin=0.05)
    few = plan_examples(ours, classes=(19, 250), clusters=250)
    assert few.smallest_p == 1.0
    assert lacking(few).endswith("20 examples of the positive class, in 20 clusters")
    assert plan_examples(ours, classes=(20, 250), clusters=250).smallest_p < 0.001
    whole = design("accuracy", 600, margin=0.05)  # right or wrong, no class of its own
    assert plan_examples(whole, classes=(0, 0), clusters=250).smallest_p < 0.001


def test_a_mean_loss_is_swapped_and_stands_beside_t() -> None:
    one, two = pair("mae")
    sides = scoretests.of_terms(one, two)
    ours = design("mae", 400, margin=0.0)
    plan = plan_examples(ours)
    got = scoretests.run_on_scores(plan, ours, sides)
    want = stats.ttest_rel(one.values, two.values, alternative="greater").pvalue
    assert plan.test == "paired-randomization"
    assert got.p_support == pytest.approx(want, abs=0.01)
    (beside,) = scoretests.beside_scores(plan, ours, sides)
    assert beside.p_support == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("kind", ["mae", "rmse", "average_precision"])
def test_bca_limits_of_a_difference_come_near_scipys(kind: str) -> None:
    one, two = pair(kind)
    sides = scoretests.of_terms(one, two)
    between, share = scoretests.intervals(sides, confidence=0.95)
    assert between is not None
    assert share is not None
    assert between.method == "BCa bootstrap over 400 examples"
    if kind == "mae":
        differences = two.values - one.values
        want = stats.bootstrap(
            (differences,), np.mean, n_resamples=9_999, method="BCa", rng=np.random.default_rng(1)
        ).confidence_interval
        reach = want.high - want.low
        assert between.low == pytest.approx(want.low, abs=0.03 * reach)
        assert between.high == pytest.approx(want.high, abs=0.03 * reach)


def test_clusters_are_the_units_of_the_plan() -> None:
    one, two = pair("mae", 120)
    clusters, number = sums.places([str(i // 4) for i in range(120)])
    sides = scoretests.of_terms(one, two, clusters)
    ours = design("mae", 120, margin=0.0)
    plan = plan_examples(ours, clusters=number)
    assert plan.n_baseline == 30
    assert "in 30 clusters" in plan.why
    got = scoretests.run_on_scores(plan, ours, sides)
    totals = [np.bincount(clusters, side.values) for side in (one, two)]
    want = stats.ttest_rel(totals[0], totals[1], alternative="greater").pvalue
    assert got.p_support == pytest.approx(want, abs=0.02)
    with pytest.raises(DesignError, match="do not fit"):
        scoretests.run_on_scores(plan_examples(ours), ours, sides)


def test_equal_models_are_no_evidence_and_have_no_interval() -> None:
    for kind in ("roc_auc", "mae", "average_precision"):
        one, _ = pair(kind)
        sides = scoretests.of_terms(one, one)
        ours = design(kind, 400, margin=0.0)
        got = scoretests.run_on_scores(plan_examples(ours, classes=sides.classes), ours, sides)
        assert got.p_value == 1.0
        assert scoretests.intervals(sides, confidence=0.95)[0] is None


@pytest.mark.parametrize("kind", ["roc_auc", "average_precision", "mae", "rmse"])
def test_swapped_sides_mirror_and_the_order_of_examples_does_not_matter(kind: str) -> None:
    one, two = pair(kind, 120)
    ours = design(kind, 120, margin=0.0)
    plan = plan_examples(ours, classes=scoretests.of_terms(one, two).classes)
    there = scoretests.run_on_scores(plan, ours, scoretests.of_terms(one, two))
    back = scoretests.run_on_scores(plan, ours, scoretests.of_terms(two, one))
    order = np.random.default_rng(1).permutation(120).tolist()
    ones, twos = (
        ScoreTerms(side.scoring, side.truth[order], side.values[order]) for side in (one, two)
    )
    mixed = scoretests.run_on_scores(plan, ours, scoretests.of_terms(ones, twos))
    assert there.statistic == pytest.approx(-(back.statistic or 0.0))
    assert there.p_support == pytest.approx(back.p_refute, abs=0.02)
    assert there.p_value == pytest.approx(mixed.p_value, abs=0.02)
    for p in (there.p_value, there.p_support, there.p_refute):
        assert p is not None
        assert 0 < p <= 1


def test_one_example_and_no_variation_break_nothing() -> None:
    single = ScoreTerms(Scoring("mae"), np.zeros(1), np.array([1.0]))
    other = ScoreTerms(Scoring("mae"), np.zeros(1), np.array([2.0]))
    ours = design("mae", 1, margin=0.0)
    plan = plan_examples(ours)
    assert plan.smallest_p == 0.5
    found = scoretests.run_on_scores(plan, ours, scoretests.of_terms(single, other))
    assert 0 < found.p_value <= 1
    with pytest.raises(DesignError, match="both classes"):
        ranked.paired_areas(np.ones(4), np.arange(4.0), np.arange(4.0))


def test_few_examples_or_clusters_get_a_jackknife() -> None:
    one, two = pair("mae", 60)
    between, share = scoretests.intervals(scoretests.of_terms(one, two), confidence=0.95)
    want = stats.ttest_rel(two.values, one.values).confidence_interval(0.95)
    assert between is not None
    assert share is not None
    assert (between.low, between.high) == pytest.approx((want.low, want.high))
    assert between.method == "jackknife, t over 60 examples"
    clusters = np.arange(60) // 2
    between, _ = scoretests.intervals(scoretests.of_terms(one, two, clusters), confidence=0.95)
    change = (two.values - one.values).reshape(30, 2).mean(axis=1)  # clusters of one size
    want = stats.ttest_1samp(change, 0).confidence_interval(0.95)
    assert between is not None
    assert (between.low, between.high) == pytest.approx((want.low, want.high))
    assert between.method == "jackknife, t over 30 clusters"
    ranked = scoretests.of_terms(*pair("average_precision", 60))
    assert scoretests.intervals(ranked, confidence=0.95) == (None, None)
