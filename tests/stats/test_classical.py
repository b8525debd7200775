"""Classical tests on random data against scipy, where scipy has the same definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gitexp.errors import DesignError
from gitexp.stats import (
    blocks,
    bootstrap,
    boundaries,
    contingency,
    curves,
    cv,
    fisher,
    groups,
    margins,
    posthoc,
    power,
    proportions,
    ranks,
    roc,
    sequential,
    studentized,
    ttests,
)
from gitexp.stats.roots import bracket, crossing

SEEDS = range(4)
ALTERNATIVES = ["two-sided", "greater", "less"]


def two_sides(seed: int, n: int = 9, m: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 1.0, n).round(1), rng.normal(0.0, 2.0, m).round(1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_t_tests_are_scipys(seed: int, alternative: str) -> None:
    a, b = two_sides(seed)
    for ours, theirs in (
        (ttests.welch_t_test, stats.ttest_ind(a, b, equal_var=False, alternative=alternative)),
        (ttests.student_t_test, stats.ttest_ind(a, b, alternative=alternative)),
    ):
        test = ours(a, b, alternative=alternative)
        assert (test.statistic, test.df, test.p_value) == pytest.approx(
            (theirs.statistic, theirs.df, theirs.pvalue)
        )
        low, high = theirs.confidence_interval(0.95)
        assert (test.ci_low, test.ci_high) == (
            None if math.isinf(low) else pytest.approx(low),
            None if math.isinf(high) else pytest.approx(high),
        )


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_rank_tests_are_scipys(seed: int, alternative: str) -> None:
    a, b = two_sides(seed)
    ours = ranks.mann_whitney_u(
        a, b, alternative=alternative, method="normal_approximation", continuity_correction=True
    )
    theirs = stats.mannwhitneyu(a, b, alternative=alternative, method="asymptotic")
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))
    untied = np.random.default_rng(seed).normal(size=(2, 8))
    ours = ranks.mann_whitney_u(*untied, alternative=alternative)
    theirs = stats.mannwhitneyu(*untied, alternative=alternative, method="exact")
    assert ours.p_value == pytest.approx(theirs.pvalue)
    signed = ranks.wilcoxon_signed_rank(*untied, alternative=alternative)
    theirs = stats.wilcoxon(*untied, alternative=alternative, method="exact")
    assert signed.p_value == pytest.approx(theirs.pvalue)
    a, b = (10 * a[:7]).round(), (10 * b).round()  # scipy lets rounding noise break ties
    signed = ranks.wilcoxon_signed_rank(
        a, b, alternative=alternative, method="normal_approximation", zero_method="pratt"
    )
    theirs = stats.wilcoxon(a, b, alternative=alternative, method="asymptotic", zero_method="pratt")
    assert signed.p_value == pytest.approx(theirs.pvalue)


@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_tied_exact_rank_tests_are_permutation_tests_of_the_ranks(alternative: str) -> None:
    a, b = [1.0, 2.0, 2.0, 3.0], [2.0, 3.0, 4.0, 4.0, 4.0]
    pooled = ranks.midranks(np.array(a + b))
    theirs = stats.permutation_test(
        (pooled[:4], pooled[4:]),
        lambda x, y, axis: x.mean(axis=axis) - y.mean(axis=axis),
        vectorized=True,
        n_resamples=math.inf,
        alternative=alternative,
    )
    ours = ranks.mann_whitney_u(a, b, alternative=alternative).p_value
    if alternative != "two-sided":  # scipy doubles the smaller tail, we take the distance
        assert ours == pytest.approx(theirs.pvalue)
    assert 0 < ours <= 1


def test_large_rank_tests_stay_finite() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    theirs = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
    assert ranks.mann_whitney_u(a, b).p_value == pytest.approx(theirs.pvalue, abs=0.01)
    theirs = stats.wilcoxon(a, b, method="asymptotic")
    assert ranks.wilcoxon_signed_rank(a, b).p_value == pytest.approx(theirs.pvalue, abs=0.01)


def test_rounding_noise_breaks_neither_zeros_nor_ties() -> None:
    a, b = [0.3, 0.1 + 0.2, 0.8, 0.4], [0.2, 0.3, 0.7, 0.3]
    test = ranks.wilcoxon_signed_rank(a, b)
    assert (test.n_nonzero, test.w_plus, test.p_value) == (3, 6.0, 0.25)


@pytest.mark.parametrize("seed", SEEDS)
def test_analyses_of_variance_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = {"a": rng.normal(size=5), "b": rng.normal(1.0, 2.0, 7), "c": rng.normal(size=6)}
    anova = groups.one_way_anova(samples)
    theirs = stats.f_oneway(*samples.values())
    assert (anova.statistic, anova.p_value) == pytest.approx(tuple(theirs))
    welch = groups.welch_anova(samples)
    theirs = stats.f_oneway(*samples.values(), equal_var=False)
    assert (welch.statistic, welch.p_value) == pytest.approx(tuple(theirs))
    kruskal = groups.kruskal_wallis(samples)
    theirs = stats.kruskal(*samples.values())
    assert (kruskal.statistic, kruskal.p_value) == pytest.approx(tuple(theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_comparisons_of_pairs_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = {"a": rng.normal(size=5), "b": rng.normal(1.0, 1.0, 7), "c": rng.normal(size=6)}
    theirs = stats.tukey_hsd(*samples.values())
    ours = posthoc.tukey_hsd(samples).comparisons
    limits = theirs.confidence_interval(0.95)
    for (i, j), name in {(0, 1): "a - b", (0, 2): "a - c", (1, 2): "b - c"}.items():
        assert ours[name].p_value == pytest.approx(theirs.pvalue[i, j], abs=1e-6)
        assert ours[name].ci_low == pytest.approx(limits.low[i, j], abs=1e-5)
    control, *treatments = samples.values()
    dunnett = posthoc.dunnett_test(control, {"b": treatments[0], "c": treatments[1]})
    theirs = stats.dunnett(*treatments, control=control, rng=np.random.default_rng(0))
    assert [c.p_value for c in dunnett.comparisons.values()] == pytest.approx(
        list(theirs.pvalue), abs=2e-3
    )


@pytest.mark.parametrize("alternative", ["greater", "less"])
def test_one_sided_dunnett_is_scipys(alternative: str) -> None:
    rng = np.random.default_rng(9)
    control, b, c = rng.normal(size=6), rng.normal(0.8, 1.0, 5), rng.normal(-0.5, 1.0, 8)
    ours = posthoc.dunnett_test(control, {"b": b, "c": c}, alternative=alternative)
    theirs = stats.dunnett(
        b, c, control=control, alternative=alternative, rng=np.random.default_rng(0)
    )
    assert [x.p_value for x in ours.comparisons.values()] == pytest.approx(
        list(theirs.pvalue), abs=2e-3
    )


@pytest.mark.parametrize(("k", "df"), [(2, 5), (3, 20), (10, 60), (4, math.inf)])
def test_the_studentized_range_is_scipys(k: int, df: float) -> None:
    for q in (0.5, 2.0, 4.0):
        expected = stats.studentized_range.sf(q, k, df)
        assert studentized.range_sf(q, k, df) == pytest.approx(expected, abs=1e-8)
    assert studentized.range_sf(studentized.range_isf(0.05, k, df), k, df) == pytest.approx(0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_rankings_are_scipys(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 5, size=(8, 4)).astype(float)
    ours = blocks.friedman_test(table, list("abcd"))
    theirs = stats.friedmanchisquare(*table.T)
    assert (ours.statistic, ours.p_value) == pytest.approx(tuple(theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_are_scipys(seed: int) -> None:
    table = np.random.default_rng(seed).integers(1, 9, size=(2, 2))
    for alternative in ALTERNATIVES:
        ours = fisher.fisher_exact(table, alternative=alternative).p_value
        assert ours == pytest.approx(stats.fisher_exact(table, alternative=alternative).pvalue)
    ratio = stats.contingency.odds_ratio(table).statistic
    assert fisher.fisher_exact(table).conditional_odds_ratio == pytest.approx(ratio, rel=1e-5)
    for correction in (True, False):
        ours = contingency.chi_square_independence(table, continuity_correction=correction)
        theirs = stats.chi2_contingency(table, correction=correction)
        assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))


def test_a_table_of_three_rows_is_summed_over_all_tables() -> None:
    table = np.array([[3, 0, 1], [1, 2, 2], [0, 2, 1]])
    rng = np.random.default_rng(0)
    method = stats.MonteCarloMethod(n_resamples=20_000, rng=rng)
    theirs = stats.fisher_exact(table, method=method).pvalue
    assert fisher.fisher_exact(table.tolist()).p_value == pytest.approx(theirs, abs=0.012)
    assert fisher.fisher_exact(table.T.tolist()).p_value == pytest.approx(
        fisher.fisher_exact(table.tolist()).p_value
    )
    with pytest.raises(DesignError, match="too large"):
        fisher.fisher_exact((np.ones((6, 6)) * 30).tolist())


@pytest.mark.parametrize(("successes", "n"), [(0, 9), (3, 9), (9, 9), (50, 1000)])
def test_intervals_of_proportions_are_scipys(successes: int, n: int) -> None:
    test = stats.binomtest(successes, n)
    for ours, method in (
        (proportions.wilson_interval, "wilson"),
        (proportions.clopper_pearson_interval, "exact"),
    ):
        interval = ours(successes, n)
        expected = tuple(test.proportion_ci(0.95, method))
        assert (interval.ci_low, interval.ci_high) == pytest.approx(expected, abs=1e-12)


def test_bootstrap_intervals_are_scipys_up_to_chance() -> None:
    values = np.random.default_rng(3).exponential(size=40)
    for ours, method in (
        (bootstrap.bootstrap_percentile_interval, "percentile"),
        (bootstrap.bootstrap_bca_interval, "BCa"),
    ):
        interval = ours(values)
        theirs = stats.bootstrap((values,), np.mean, method=method, rng=1).confidence_interval
        assert (interval.ci_low, interval.ci_high) == pytest.approx(tuple(theirs), abs=0.02)


def test_an_area_of_a_million_examples_takes_two_seconds_at_most() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(1_000_000) < 0.3).astype(int)
    scores = rng.normal(labels, 1.0), rng.normal(0.99 * labels, 1.0)
    test = roc.delong_test(labels, *scores)
    assert test.auc_a == pytest.approx(stats.norm.cdf(1 / math.sqrt(2)), abs=0.002)
    assert test.ci_low < test.auc_difference < test.ci_high


def test_two_scores_that_rank_alike_have_p_one() -> None:
    test = roc.delong_test([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 30.0, 40.0])
    assert (test.auc_difference, test.p_value) == (0.0, 1.0)


def test_equal_curves_have_p_one_at_every_step() -> None:
    curve = [[0.1, 0.2], [0.3, 0.5], [0.2, 0.2]]
    test = curves.curve_max_t_permutation_test(curve, curve, steps=[1, 2])
    assert test.adjusted_p_values == (1.0, 1.0)
    assert test.t_values == (0.0, 0.0)


def test_constant_differences_are_the_most_extreme_curve() -> None:
    b = np.array([[0.1, 0.2], [0.3, 0.5], [0.2, 0.2]])
    test = curves.curve_max_t_permutation_test(b + 0.1, b, steps=[1, 2])
    assert test.adjusted_p_values == (0.25, 0.25)
    assert all(math.isfinite(t) for t in test.t_values)


def test_power_is_the_share_of_rejections() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0.8, 1.0, size=(40_000, 9))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / 3)
    for alternative, share in (
        ("two-sided", (np.abs(t) > stats.t.ppf(0.975, 8)).mean()),
        ("greater", (t > stats.t.ppf(0.95, 8)).mean()),
        ("less", (t < stats.t.ppf(0.05, 8)).mean()),
    ):
        ours = power.power_paired_t_test(9, 0.8, alternative=alternative).power
        assert ours == pytest.approx(share, abs=0.01)


def test_sample_size_and_detectable_effect_invert_the_power() -> None:
    for alternative, sign in (("two-sided", 1), ("greater", 1), ("less", -1)):
        size = power.sample_size_paired_t_test(sign * 0.7, 0.9, alternative=alternative)
        for n, reaches in ((size.n, True), (size.n - 1, False)):
            got = power.power_paired_t_test(n, sign * 0.7, alternative=alternative).power
            assert (got >= 0.9) == reaches
        effect = power.minimum_detectable_effect_paired_t_test(12, 0.8, alternative=alternative)
        got = power.power_paired_t_test(12, effect.effect_size, alternative=alternative).power
        assert got == pytest.approx(0.8)


def test_the_exact_power_of_mcnemar_is_the_share_of_rejections() -> None:
    rng = np.random.default_rng(0)
    table = rng.multinomial(60, [0.1, 0.3, 0.6], size=20_000)
    tail = stats.binom.cdf(table[:, :2].min(axis=1), table[:, :2].sum(axis=1), 0.5)
    share = (2 * tail <= 0.05).mean()
    ours = power.power_mcnemar(60, 0.1, 0.3, method="exact").power
    assert ours == pytest.approx(share, abs=0.012)


def test_one_look_is_the_plain_test() -> None:
    for boundary in (boundaries.pocock_boundary, boundaries.obrien_fleming_boundary):
        assert boundary(1, 0.05).constant == pytest.approx(stats.norm.ppf(0.975), abs=1e-6)
        assert boundary(1, 0.05, two_sided=False).constant == pytest.approx(
            stats.norm.ppf(0.95), abs=1e-6
        )


def test_a_one_sided_boundary_lies_inside_the_two_sided_one_and_is_crossed_in_alpha() -> None:
    at = {"alpha": 0.05, "v_opt": 20, "alpha_opt": 0.05}
    one, two = (
        sequential.normal_mixture_boundary(30, **at, two_sided=sides).boundary
        for sides in (False, True)
    )
    assert one < two
    steps = np.arange(1, 201)
    bounds = [sequential.normal_mixture_boundary(v, **at, two_sided=False).boundary for v in steps]
    paths = np.random.default_rng(0).normal(size=(4_000, 200)).cumsum(axis=1)
    assert 0.005 < (paths >= bounds).any(axis=1).mean() <= 0.05


def test_averaged_metrics_of_labels_have_names() -> None:
    truth, a, b = [0, 1, 2, 2, 1, 0], [0, 1, 2, 1, 1, 0], [0, 2, 2, 1, 1, 1]
    found = bootstrap.approximate_randomization_test(truth, a, b, metric="macro_f1")
    assert found.metric_a == pytest.approx((1 + 0.8 + 2 / 3) / 3)
    with pytest.raises(DesignError, match="unknown metric"):
        bootstrap.approximate_randomization_test(truth, a, b, metric="macro_accuracy")


def test_the_corrected_t_test_is_the_paired_one_with_a_larger_error() -> None:
    a, b = [0.9, 0.8, 0.7, 0.85], [0.8, 0.8, 0.5, 0.7]
    naive = ttests.paired_t_test(a, b)
    corrected = cv.corrected_resampled_t_test(a, b, test_train_ratio=1 / 3)
    assert naive.statistic / corrected.statistic == pytest.approx(math.sqrt(1 + 4 / 3))


CONSTANT = [0.1 + 0.2, 0.3, 0.3]


@pytest.mark.parametrize(
    "call",
    [
        lambda: ttests.paired_t_test(CONSTANT, [0.2, 0.2, 0.2]),
        lambda: ttests.welch_t_test(CONSTANT, [0.2, 0.2, 0.2]),
        lambda: ttests.student_t_test(CONSTANT, [0.2, 0.2, 0.2]),
        lambda: ttests.one_sample_t_test(CONSTANT),
        lambda: ttests.paired_t_test([1.0], [2.0]),
        lambda: ttests.paired_t_test([1.0, 2.0], [2.0, 4.0], alternative="larger"),
        lambda: margins.tost_paired([1.0, 2.0], [2.0, 4.0], margin_low=1.0, margin_high=-1.0),
        lambda: groups.one_way_anova({"a": [1.0, 1.0], "b": [2.0, 2.0]}),
        lambda: groups.one_way_anova({"a": [1.0, 2.0]}),
        lambda: groups.welch_anova({"a": [1.0, 1.0], "b": [2.0, 3.0]}),
        lambda: blocks.friedman_test([[1.0, 2.0]], ["a"]),
        lambda: blocks.friedman_test([[1.0, float("nan")]], ["a", "b"]),
        lambda: roc.delong_auc_ci([0, 0, 0], [1.0, 2.0, 3.0]),
        lambda: roc.delong_auc_ci([0, 1, 2], [1.0, 2.0, 3.0]),
        lambda: contingency.mcnemar_test([[1, -1], [0, 2]]),
        lambda: contingency.mcnemar_test([[1, 1, 1], [0, 2, 1]]),
        lambda: contingency.chi_square_independence([[0, 0], [1, 2]]),
        lambda: proportions.wilson_interval(3, 2),
        lambda: proportions.wilson_interval(0, 0),
        lambda: curves.curve_area_trapezoid([1.0, 1.0], [0.0, 0.0]),
        lambda: cv.five_by_two_cv_f_test([[1.0, 1.0]], [[0.0, 0.0]]),
        lambda: cv.corrected_resampled_t_test([1.0, 2.0], [0.0, 0.0], test_train_ratio=0.0),
        lambda: power.power_paired_t_test(1, 0.5),
        lambda: power.power_mcnemar(10, 0.0, 0.0),
        lambda: sequential.betting_e_process([0.5, 1.5], mu0=0.5, bet=1.0),
        lambda: sequential.betting_e_process([0.5], mu0=0.5, bet=3.0),
        lambda: sequential.sellke_bayarri_berger_calibration(0.0),
        lambda: bootstrap.bootstrap_percentile_interval([1.0, 2.0], statistic="median"),
        lambda: bootstrap.bootstrap_percentile_interval(statistic="mean"),
        lambda: crossing(lambda x: x + 10, 0.0, 1.0),
        lambda: bracket(lambda _: 1.0, 0.0, 1.0),
    ],
)
def test_input_that_cannot_be_tested_is_refused_with_a_reason(call: object) -> None:
    with pytest.raises(DesignError) as caught:
        call()
    assert caught.value.summary
