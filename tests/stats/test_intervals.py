"""Intervals contain exactly what their test does not reject."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from gitexp.model.design import SKEW_FLIPS, Design, Unit
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats.design import plan_test
from gitexp.stats.effects import effect_sizes, noncentral_f_interval, noncentral_t_interval
from gitexp.stats.hypotheses import with_margin
from gitexp.stats.intervals import (
    difference_interval,
    flips_of_t_interval,
    permutation_interval,
    relative_interval,
)
from gitexp.stats.permutation import sign_flip_tails
from gitexp.stats.planned.one_dataset import run_on_repeats

RNG = np.random.default_rng(11)
BASELINE = RNG.normal(0.8, 0.02, size=10)
CANDIDATE = BASELINE * 1.04 + RNG.normal(0.0, 0.01, size=10)


def test_the_paired_interval_is_scipys() -> None:
    interval = difference_interval(BASELINE, CANDIDATE, paired=True)
    expected = stats.ttest_rel(CANDIDATE, BASELINE).confidence_interval(0.95)
    assert (interval.low, interval.high) == pytest.approx(tuple(expected))


def test_the_independent_interval_is_scipys() -> None:
    interval = difference_interval(BASELINE, CANDIDATE[:6], paired=False, confidence=0.9)
    test = stats.ttest_ind(CANDIDATE[:6], BASELINE, equal_var=False)
    assert (interval.low, interval.high) == pytest.approx(tuple(test.confidence_interval(0.9)))


def test_a_paired_ratio_lies_in_fiellers_interval_if_the_t_test_does_not_reject_it() -> None:
    interval = relative_interval(BASELINE, CANDIDATE, paired=True)
    for limit in (interval.low, interval.high):
        d = CANDIDATE - (1 + limit) * BASELINE
        assert stats.ttest_1samp(d, 0.0).pvalue == pytest.approx(0.05)
    assert interval.low < CANDIDATE.mean() / BASELINE.mean() - 1 < interval.high


def test_an_independent_ratio_is_that_of_welchs_test_at_the_estimated_ratio() -> None:
    new = CANDIDATE[:6]
    interval = relative_interval(BASELINE, new, paired=False)
    ratio = new.mean() / BASELINE.mean()
    df = stats.ttest_ind(new, ratio * BASELINE, equal_var=False).df
    for limit in (interval.low, interval.high):
        error = np.hypot(stats.sem(new), (1 + limit) * stats.sem(BASELINE))
        t = (new.mean() - (1 + limit) * BASELINE.mean()) / error
        assert abs(t) == pytest.approx(stats.t.ppf(0.975, df))


@pytest.mark.parametrize(
    ("baseline", "candidate"),
    [
        ([-1.0, -2.0, -3.0], [1.0, 2.0, 4.0]),
        ([1.0, -1.0, 0.3], [1.0, 2.0, 4.0]),  # mean not positive at this confidence
        ([1.0], [2.0]),
        ([1.0, 1.0], [2.0, 2.0]),
    ],
)
@pytest.mark.parametrize("paired", [True, False])
def test_a_relative_interval_that_does_not_exist_is_none(
    baseline: list[float], candidate: list[float], *, paired: bool
) -> None:
    assert relative_interval(baseline, candidate, paired=paired) is None


@given(st.lists(st.integers(-50, 50), min_size=6, max_size=9))
def test_the_inverted_permutation_interval_is_what_the_test_does_not_reject(d: list[int]) -> None:
    assume(len(set(d)) > 1)
    new = np.array(d, dtype=float)
    interval = permutation_interval(np.zeros(len(d)), new)

    def worst(shift: float) -> float:
        tails = sign_flip_tails(np.full(len(d), shift), new)
        return min(tails.greater, tails.less)

    for limit, outwards in ((interval.low, -1e-6), (interval.high, 1e-6)):
        assert worst(limit + outwards) <= 0.025 < worst(limit - outwards)


@pytest.mark.parametrize("draws", [None, 999])
@given(
    pairs=st.lists(st.tuples(st.integers(40, 90), st.integers(40, 90)), min_size=7, max_size=9),
    margin=st.sampled_from([0.0, 0.05, -0.05, 0.1]),
    share=st.booleans(),
)
def test_an_interval_excludes_what_the_test_of_the_promise_rejects(
    draws: int | None, pairs: list[tuple[int, int]], margin: float, *, share: bool
) -> None:
    """A promise is shown if, and only if, the interval lies beyond it."""
    old, new = (np.array(side) / 100 for side in zip(*pairs, strict=True))
    assume(len(set((new - old).tolist())) > 1)
    effect = Effect(HypothesisKind.SUPERIORITY, margin, relative=share)
    moved = with_margin(old, new, effect, Direction.MAX)(margin)
    tails = sign_flip_tails(*moved, draws=draws, seed=3)
    planned = plan_test(Design(Unit.REPEAT, True, len(old), len(new), alpha=0.05))  # noqa: FBT003
    if draws:
        planned = replace(planned, exact=False, resamples=draws, seed=3)
    found = permutation_interval(old, new, planned, confidence=0.9, relative=share)
    assert found is not None
    assert (tails.greater <= 0.05) == (found.low > margin + 1e-9)
    assert (tails.less <= 0.05) == (found.high < margin - 1e-9)


def test_five_pairs_have_no_exact_interval_at_95_percent() -> None:
    assert permutation_interval(np.zeros(5), np.arange(5.0)) is None
    assert permutation_interval(np.zeros(6), np.arange(6.0)) is not None
    assert permutation_interval(np.zeros(21), np.arange(21.0)) is None


def test_where_nothing_varies_there_is_no_interval_and_no_standardised_size() -> None:
    constant = [0.1 + 0.2] * 4, [0.3 + 0.01] * 4
    assert difference_interval(*constant, paired=True) is None
    assert difference_interval(*constant, paired=False) is None
    assert [size.name for size in effect_sizes(*constant, paired=True)] == [
        "rank-biserial correlation"
    ]
    assert [size.name for size in effect_sizes(*constant, paired=False)] == ["Cliff's delta"]


def test_effects_have_the_sign_of_the_difference_and_swap_with_the_sides() -> None:
    for paired in (True, False):
        for there, back in zip(
            effect_sizes(BASELINE, CANDIDATE, paired=paired),
            effect_sizes(CANDIDATE, BASELINE, paired=paired),
            strict=True,
        ):
            assert there.estimate > 0
            assert there.estimate == pytest.approx(-back.estimate)
            if there.interval is not None:
                assert there.interval.low < there.estimate < there.interval.high
                assert there.interval.low == pytest.approx(-back.interval.high)


@settings(max_examples=40)
@given(st.floats(-40, 40), st.sampled_from([1, 2, 4, 9, 30, 200]))
def test_noncentral_t_limits_put_half_of_alpha_beyond_the_observed_t(t: float, df: int) -> None:
    low, high = noncentral_t_interval(t, df, 0.05)
    assert low < high
    assert noncentral_t_interval(-t, df, 0.05) == pytest.approx((-high, -low))
    if 0.01 < abs(t) < 8:  # scipy's own distribution fails beyond, on either end
        assert stats.nct.sf(t, df, low) == pytest.approx(0.025, abs=1e-6)
        assert stats.nct.cdf(t, df, high) == pytest.approx(0.025, abs=1e-6)


def test_a_limit_of_noncentral_f_that_does_not_exist_is_zero() -> None:
    assert noncentral_f_interval(0.9, 3, 20)[0] == 0.0
    assert noncentral_f_interval(0.01, 3, 20)[1] == 0.0


def repeats(n: int, m: int, *, paired: bool = True, **more: object) -> Design:
    return Design(Unit.REPEAT, paired, n, m, 0.05, **more)  # type: ignore[arg-type]


@settings(max_examples=12)
@given(st.data())
def test_the_inverted_interval_of_halls_t_agrees_with_its_test(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 10**6)))
    n = data.draw(st.integers(15, 24))
    skewed = data.draw(st.booleans())
    old = rng.exponential(size=n) + 1
    new = old.mean() + (3 * (rng.exponential(size=n) - 1) if skewed else rng.normal(size=n))
    share = data.draw(st.booleans())
    way = data.draw(st.sampled_from(Direction))
    margin = data.draw(st.floats(-1, 1))
    effect = Effect(HypothesisKind.SUPERIORITY, margin, relative=share)
    design = repeats(n, n, effect=effect, direction=way, test=SKEW_FLIPS)
    planned = plan_test(design)
    assert planned.exact is (n == 15)
    result = run_on_repeats(planned, design, old, new)
    found = flips_of_t_interval(old, new, planned, confidence=0.9, relative=share)
    assert found is not None
    sign = 1 if way is Direction.MAX else -1
    low, high = sorted((sign * found.low, sign * found.high))
    assert (result.p_support <= 0.05, result.p_refute <= 0.05) == (low > margin, high < margin)


def test_flips_of_halls_t_stand_in_a_plan_of_that_test_and_enough_pairs_alone() -> None:
    for n, test, name in (
        (15, SKEW_FLIPS, "halls-t-flips"),
        (14, SKEW_FLIPS, "paired-permutation"),
        (15, "", "paired-permutation"),
    ):
        assert plan_test(repeats(n, n, test=test)).test == name
    apart = plan_test(repeats(20, 20, paired=False, test=SKEW_FLIPS))
    assert apart.test == "permutation"
