"""Classical tests on random data against scipy, where scipy has the same definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from gitexp.errors import DesignError
from gitexp.stats import (
    contingency,
    distributions,
    groups,
    intervals,
    ranked,
    ranks,
    ttests,
)
from gitexp.stats.effects import bracket, crossing
from gitexp.stats.planned import detectable

SEEDS = range(4)
ALTERNATIVES = ["two-sided", "greater", "less"]


def two_sides(seed: int, n: int = 9, m: int = 7) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(0.3, 1.0, n).round(1), rng.normal(0.0, 2.0, m).round(1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_t_tests_are_scipys(seed: int, alternative: str) -> None:
    a, b = two_sides(seed)
    for mean, theirs in (
        (
            ttests.welch_difference(a, b),
            stats.ttest_ind(a, b, equal_var=False, alternative=alternative),
        ),
        (ttests.pooled_difference(a, b), stats.ttest_ind(a, b, alternative=alternative)),
    ):
        t = mean.estimate / mean.error
        assert (t, mean.df, ttests.p_of_t(t, mean.df, alternative)) == pytest.approx(
            (theirs.statistic, theirs.df, theirs.pvalue)
        )
        if alternative == "two-sided":
            assert ttests.limits(mean, 0.05) == pytest.approx(theirs.confidence_interval(0.95))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("alternative", ALTERNATIVES)
def test_rank_tests_are_scipys(seed: int, alternative: str) -> None:
    a, b = two_sides(seed)
    word = alternative.replace("-", "_")
    ours = ranks.rank_sum_tails(np.array(a), np.array(b), exact=False, correct=True)
    theirs = stats.mannwhitneyu(a, b, alternative=alternative, method="asymptotic")
    assert (ours.statistic, getattr(ours, word)) == pytest.approx((theirs.statistic, theirs.pvalue))
    untied = np.random.default_rng(seed).normal(size=(2, 8))
    ours = ranks.rank_sum_tails(*untied, exact=True)
    theirs = stats.mannwhitneyu(*untied, alternative=alternative, method="exact")
    assert getattr(ours, word) == pytest.approx(theirs.pvalue)
    signed = ranks.signed_rank_tails(untied[0] - untied[1], exact=True)
    theirs = stats.wilcoxon(*untied, alternative=alternative, method="exact")
    assert getattr(signed, word) == pytest.approx(theirs.pvalue)
    a, b = (10 * a[:7]).round(), (10 * b).round()  # scipy lets rounding noise break ties
    signed = ranks.signed_rank_tails(a - b, exact=False)
    theirs = stats.wilcoxon(a, b, alternative=alternative, method="asymptotic", correction=True)
    assert getattr(signed, word) == pytest.approx(theirs.pvalue)


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
    tails = ranks.rank_sum_tails(np.array(a), np.array(b), exact=True)
    ours = getattr(tails, alternative.replace("-", "_"))
    if alternative != "two-sided":  # scipy doubles the smaller tail, we take the distance
        assert ours == pytest.approx(theirs.pvalue)
    assert 0 < ours <= 1


def test_large_rank_tests_stay_finite() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    theirs = stats.mannwhitneyu(a, b, method="asymptotic", use_continuity=False)
    tails = ranks.rank_sum_tails(a, b, exact=True)
    assert tails.two_sided == pytest.approx(theirs.pvalue, abs=0.01)
    theirs = stats.wilcoxon(a, b, method="asymptotic")
    signed = ranks.signed_rank_tails(a - b, exact=True)
    assert signed.two_sided == pytest.approx(theirs.pvalue, abs=0.01)


def test_rounding_noise_breaks_neither_zeros_nor_ties() -> None:
    a, b = [0.3, 0.1 + 0.2, 0.8, 0.4], [0.2, 0.3, 0.7, 0.3]
    d = ranks.differences(np.array(a), np.array(b))
    assert (np.count_nonzero(d), ranks.signed_rank_sums(d)) == (3, (6.0, 0.0))
    assert ranks.signed_rank_tails(d, exact=True).two_sided == 0.25


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


@pytest.mark.sweep(1)
@pytest.mark.parametrize("seed", [0, 1])
def test_comparisons_of_pairs_are_scipys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    samples = {"a": rng.normal(size=5), "b": rng.normal(1.0, 1.0, 7), "c": rng.normal(size=6)}
    theirs = stats.tukey_hsd(*samples.values(), equal_var=False)
    ours = groups.games_howell(samples)
    limits = theirs.confidence_interval(0.95)
    for (i, j), name in {(0, 1): ("a", "b"), (0, 2): ("a", "c"), (1, 2): ("b", "c")}.items():
        assert ours[name].p_value == pytest.approx(theirs.pvalue[i, j], abs=1e-6)
        assert ours[name].ci_low == pytest.approx(limits.low[i, j], abs=1e-5)
    control, *treatments = samples.values()
    dunnett = groups.dunnett_test(control, {"b": treatments[0], "c": treatments[1]})
    theirs = stats.dunnett(*treatments, control=control, rng=np.random.default_rng(0))
    assert [c.p_value for c in dunnett.values()] == pytest.approx(list(theirs.pvalue), abs=2e-3)


@pytest.mark.parametrize(("k", "df"), [(2, 5), (3, 20), (10, 60), (4, math.inf)])
def test_the_studentized_range_is_scipys(k: int, df: float) -> None:
    for q in (0.5, 2.0, 4.0):
        expected = stats.studentized_range.sf(q, k, df)
        assert distributions.range_sf(q, k, df) == pytest.approx(expected, abs=1e-8)
    assert distributions.range_sf(distributions.range_isf(0.05, k, df), k, df) == pytest.approx(
        0.05
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_rankings_are_scipys(seed: int) -> None:
    table = np.random.default_rng(seed).integers(0, 5, size=(8, 4)).astype(float)
    ours = groups.friedman_test(table, list("abcd"))
    theirs = stats.friedmanchisquare(*table.T)
    assert (ours.statistic, ours.p_value) == pytest.approx(tuple(theirs))


@pytest.mark.parametrize("seed", SEEDS)
def test_tables_are_scipys(seed: int) -> None:
    table = np.random.default_rng(seed).integers(1, 9, size=(2, 2))
    ours = contingency.chi_square_independence(table)
    theirs = stats.chi2_contingency(table, correction=False)
    assert (ours.statistic, ours.p_value) == pytest.approx((theirs.statistic, theirs.pvalue))


@pytest.mark.parametrize(("successes", "n"), [(0, 9), (3, 9), (9, 9), (50, 1000)])
def test_intervals_of_proportions_are_scipys(successes: int, n: int) -> None:
    expected = tuple(stats.binomtest(successes, n).proportion_ci(0.95, "wilson"))
    assert intervals.wilson_limits(successes, n, 0.05) == pytest.approx(expected, abs=1e-12)


def test_corrected_limits_of_a_bootstrap_are_scipys() -> None:
    values = np.random.default_rng(3).exponential(size=40)
    theirs = stats.bootstrap((values,), np.mean, method="BCa", rng=1)
    influence = values - values.mean()
    ours = intervals.bca_limits(theirs.bootstrap_distribution, values.mean(), influence, 0.05)
    assert ours == pytest.approx(tuple(theirs.confidence_interval), abs=1e-3)


def test_areas_of_a_million_examples_are_counted() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(1_000_000) < 0.3).astype(float)
    areas = ranked.paired_areas(labels, rng.normal(0.99 * labels, 1.0), rng.normal(labels, 1.0))
    assert areas.candidate == pytest.approx(stats.norm.cdf(1 / math.sqrt(2)), abs=0.002)
    assert 0 < areas.error() < 0.001


def test_areas_of_two_scores_that_rank_alike_have_no_error() -> None:
    labels, scores = np.array([0.0, 1.0, 0.0, 1.0]), np.array([1.0, 2.0, 3.0, 4.0])
    areas = ranked.paired_areas(labels, scores, 10 * scores)
    assert (areas.candidate - areas.baseline, areas.error()) == (0.0, 0.0)


def test_power_is_the_share_of_rejections() -> None:
    rng = np.random.default_rng(0)
    d = rng.normal(0.8, 1.0, size=(40_000, 9))
    t = d.mean(axis=1) / (d.std(axis=1, ddof=1) / 3)
    for sign, share in (
        (1, (t > stats.t.ppf(0.95, 8)).mean()),
        (-1, (t < stats.t.ppf(0.05, 8)).mean()),
    ):
        ours = detectable.power_paired_t_test(9, sign * 0.8)
        assert ours == pytest.approx(share, abs=0.01)


def test_one_look_is_the_plain_test() -> None:
    for z, two_sided in ((stats.norm.ppf(0.975), True), (stats.norm.ppf(0.95), False)):
        crossed = distributions.crossing_probability([z], two_sided=two_sided)
        assert crossed == pytest.approx(0.05, abs=1e-9)


def test_the_corrected_t_test_is_the_paired_one_with_a_larger_error() -> None:
    a, b = [0.9, 0.8, 0.7, 0.85], [0.8, 0.8, 0.5, 0.7]
    naive, corrected = ttests.paired_difference(a, b), ttests.corrected_difference(a, b, 1 / 3)
    assert (corrected.estimate, corrected.df) == (naive.estimate, naive.df)
    assert corrected.error / naive.error == pytest.approx(math.sqrt(1 + 4 / 3))


CONSTANT = [0.1 + 0.2, 0.3, 0.3]


@pytest.mark.parametrize(
    "call",
    [
        lambda: ttests.paired_difference(CONSTANT, [0.2, 0.2, 0.2]),
        lambda: ttests.welch_difference(CONSTANT, [0.2, 0.2, 0.2]),
        lambda: ttests.pooled_difference(CONSTANT, [0.2, 0.2, 0.2]),
        lambda: ttests.pooled_difference([1.0], [2.0]),
        lambda: ttests.paired_difference([1.0], [2.0]),
        lambda: ttests.limits(ttests.Mean(0.0, 1.0, 9), 1.0),
        lambda: groups.nemenyi_critical_difference(0, 5),
        lambda: groups.one_way_anova({"a": [1.0, 1.0], "b": [2.0, 2.0]}),
        lambda: groups.one_way_anova({"a": [1.0, 2.0]}),
        lambda: groups.welch_anova({"a": [1.0, 1.0], "b": [2.0, 3.0]}),
        lambda: groups.friedman_test([[1.0, 2.0]], ["a"]),
        lambda: groups.friedman_test([[1.0, float("nan")]], ["a", "b"]),
        lambda: contingency.chi_square_independence([[0, 0], [1, 2]]),
        lambda: ttests.five_by_two_cv_f_test([[1.0, 1.0]], [[0.0, 0.0]]),
        lambda: ttests.corrected_difference([1.0, 2.0], [0.0, 0.0], 0.0),
        lambda: ttests.correlated_posterior(ttests.Mean(0.0, 1.0, 9), math.nan),
        lambda: detectable.power_paired_t_test(1, 0.5),
        lambda: detectable.power_tost_paired(
            5, true_difference=math.nan, sd_of_differences=1.0, margin=1.0
        ),
        lambda: intervals.bca_limits(np.ones(9), 2.0, np.ones(9), 0.05),
        lambda: crossing(lambda x: x + 10, 0.0, 1.0),
        lambda: bracket(lambda _: 1.0, 0.0, 1.0),
    ],
)
def test_input_that_cannot_be_tested_is_refused_with_a_reason(call: object) -> None:
    with pytest.raises(DesignError) as caught:
        call()
    assert caught.value.summary
