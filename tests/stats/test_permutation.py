"""Permutation p-values against brute force, ties that rounding must not break, and speed."""

from __future__ import annotations

import itertools
import math
import tracemalloc
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtr

from gitexp.errors import DesignError
from gitexp.stats.permutation import (
    Tails,
    flips_of_t_tails,
    label_tails,
    sign_flip_tails,
    studentized_label_tails,
)

TESTS = (sign_flip_tails, label_tails, studentized_label_tails)
tenths = st.integers(-30, 30).map(lambda n: n / 10)


def exact_flips(baseline: list[float], candidate: list[float]) -> tuple[float, ...]:
    """Count in decimal arithmetic, where 0.3 - 0.1 is 0.2."""
    d = [Fraction(str(c)) - Fraction(str(b)) for b, c in zip(baseline, candidate, strict=True)]
    sums = [
        sum(s * x for s, x in zip(signs, d, strict=True))
        for signs in itertools.product((1, -1), repeat=len(d))
    ]
    seen, n = sum(d), len(sums)
    return (
        sum(s >= seen for s in sums) / n,
        sum(s <= seen for s in sums) / n,
        sum(abs(s) >= abs(seen) for s in sums) / n,
    )


def exact_labels(baseline: list[float], candidate: list[float]) -> tuple[float, ...]:
    values = [Fraction(str(x)) for x in (*candidate, *baseline)]
    n, total = len(candidate), sum(values)
    m = len(values) - n
    means = [
        sum(chosen) / n - (total - sum(chosen)) / m for chosen in itertools.combinations(values, n)
    ]
    seen = sum(values[:n]) / n - sum(values[n:]) / m
    return (
        sum(x >= seen for x in means) / len(means),
        sum(x <= seen for x in means) / len(means),
        sum(abs(x) >= abs(seen) for x in means) / len(means),
    )


@given(st.lists(st.tuples(tenths, tenths), min_size=1, max_size=8))
def test_sign_flips_agree_with_decimal_arithmetic(pairs: list[tuple[float, float]]) -> None:
    baseline, candidate = map(list, zip(*pairs, strict=True))
    tails = sign_flip_tails(np.array(baseline), np.array(candidate))
    assert (tails.greater, tails.less, tails.two_sided) == exact_flips(baseline, candidate)


@given(st.lists(tenths, min_size=1, max_size=5), st.lists(tenths, min_size=1, max_size=4))
def test_labels_agree_with_decimal_arithmetic(
    baseline: list[float], candidate: list[float]
) -> None:
    tails = label_tails(np.array(baseline), np.array(candidate))
    assert (tails.greater, tails.less, tails.two_sided) == exact_labels(baseline, candidate)


@given(
    st.lists(st.tuples(tenths, tenths), min_size=2, max_size=7),
    st.sampled_from(TESTS),
)
def test_swapping_the_sides_swaps_the_tails(pairs: list[tuple[float, float]], test: object) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    there, back = test(a, b), test(b, a)
    assert (there.greater, there.less) == (back.less, back.greater)
    assert there.two_sided == back.two_sided
    assert min(there.greater, there.less, there.two_sided) > 0
    assert max(there.greater, there.less, there.two_sided) <= 1


@given(
    st.lists(st.tuples(tenths, tenths), min_size=2, max_size=7),
    st.sampled_from([1e-6, 0.37, 1.0, 1e6]),
    st.sampled_from([0.0, 0.1, -7.3]),
    st.sampled_from(TESTS),
)
def test_scale_and_shift_of_both_sides_leave_p(
    pairs: list[tuple[float, float]], scale: float, shift: float, test: object
) -> None:
    a, b = (np.array(side) for side in zip(*pairs, strict=True))
    assert test(a, b) == test(scale * a + shift, scale * b + shift)


@pytest.mark.parametrize("test", TESTS)
def test_the_order_of_values_changes_nothing(test: object) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 7)).round(2)
    order = rng.permutation(7)
    assert test(a, b) == test(a[order], b[order])


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("draws", [None, 999])
def test_identical_sides_have_p_one(test: object, draws: int | None) -> None:
    tails = test(np.full(6, 0.1 + 0.2), np.full(6, 0.3), draws=draws)
    assert (tails.greater, tails.less, tails.two_sided) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("test", TESTS)
def test_draws_come_close_to_the_exact_p_and_are_never_zero(test: object) -> None:
    rng = np.random.default_rng(5)
    b = rng.normal(size=8)
    c = b + rng.normal(0.4, 1.0, size=8)
    exact, drawn = test(b, c), test(b, c, draws=20_000, seed=3)
    for name in ("greater", "less", "two_sided"):
        assert getattr(drawn, name) == pytest.approx(getattr(exact, name), abs=0.015)
    far = test(np.zeros(30), np.arange(1.0, 31.0), draws=99)
    assert far.greater == 0.01


@pytest.mark.parametrize("sizes", [(1, 200), (200, 1), (2, 100), (12, 12), (3, 17)])
def test_sides_of_any_size_are_counted_exactly_where_it_is_cheap(sizes: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    baseline, candidate = (rng.normal(size=n) for n in sizes)
    exact = label_tails(baseline, candidate)
    drawn = label_tails(baseline, candidate, draws=20_000)
    assert (drawn.greater, drawn.two_sided) == pytest.approx(
        (exact.greater, exact.two_sided), abs=0.015
    )


def test_what_cannot_be_counted_is_refused() -> None:
    many = np.arange(60.0)
    for test in (sign_flip_tails, label_tails):
        with pytest.raises(DesignError, match="too many"):
            test(many, many)


@pytest.mark.parametrize("test", TESTS)
def test_a_large_constant_drowns_neither_ties_nor_differences(test: object) -> None:
    b = np.array([0.0, 0.1, 0.2, 0.3, 0.4, 0.0, 0.1, 0.2])
    c = b + np.array([0.3, 0.1, 0.2, -0.1, 0.4, 0.1, 0.3, 0.2])
    for constant in (1e3, 1e6, 1e9, 1e11):
        assert test(b + constant, c + constant) == test(b, c)


def test_the_seed_fixes_the_draws() -> None:
    b, c = np.random.default_rng(2).normal(size=(2, 25))
    assert sign_flip_tails(b, c, draws=500, seed=1) == sign_flip_tails(b, c, draws=500, seed=1)
    assert sign_flip_tails(b, c, draws=500, seed=1) != sign_flip_tails(b, c, draws=500, seed=2)


def test_twenty_pairs_are_exact_in_little_room() -> None:
    rng = np.random.default_rng(1)
    b = rng.normal(size=20)
    c = b + rng.normal(0.3, 1.0, size=20)
    tails = sign_flip_tails(b, c)
    assert tails.greater * 2**20 == int(tails.greater * 2**20)
    tracemalloc.start()
    sign_flip_tails(b, c)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("test", TESTS)
def test_a_value_that_is_not_finite_is_refused(test: object, bad: float) -> None:
    with pytest.raises(DesignError, match="finite"):
        test(np.array([1.0, bad]), np.array([1.0, 2.0]))


def test_pairs_of_different_length_are_refused() -> None:
    with pytest.raises(DesignError, match="length"):
        sign_flip_tails(np.ones(2), np.ones(3))
    with pytest.raises(DesignError, match="too few"):
        label_tails(np.ones(0), np.ones(3))


def test_many_drawn_flips_follow_the_normal_law_that_they_tend_to() -> None:
    rng = np.random.default_rng(5)
    for n in (1_001, 8_000):  # not all a multiple of what one random byte decides
        differences = rng.normal(loc=1 / np.sqrt(n), size=n)
        drawn = sign_flip_tails(np.zeros(n), differences, draws=20_000, seed=n).greater
        tends_to = ndtr(-differences.sum() / np.sqrt((differences**2).sum()))
        assert drawn == pytest.approx(tends_to, abs=0.015)


def welch_over_labels(baseline: list[float], candidate: list[float]) -> tuple[float, float, float]:
    """Deal the labels in every way and count by scipy's Welch t."""
    pooled, n = np.array(candidate + baseline), len(candidate)
    t = []
    for chosen in itertools.combinations(range(len(pooled)), n):
        rest = np.delete(pooled, chosen)
        t.append(stats.ttest_ind(pooled[list(chosen)], rest, equal_var=False).statistic)
    values, bar = np.array(t), 1e-9 * abs(t[0])
    return (
        float((values >= t[0] - bar).mean()),
        float((values <= t[0] + bar).mean()),
        float((np.abs(values) >= abs(t[0]) - bar).mean()),
    )


@pytest.mark.sweep
@pytest.mark.parametrize("sizes", [(2, 3), (3, 7), (7, 3), (2, 9), (5, 5)])
@pytest.mark.parametrize("shift", [0.0, 0.8, 1e5])
def test_studentized_labels_are_welchs_t_over_all_assignments(
    sizes: tuple[int, int], shift: float
) -> None:
    rng = np.random.default_rng(sum(sizes))
    baseline, candidate = (shift + rng.normal(size=n) for n in sizes)
    tails = studentized_label_tails(baseline, candidate)
    wanted = welch_over_labels(baseline.tolist(), candidate.tolist())
    assert (tails.greater, tails.less, tails.two_sided) == pytest.approx(wanted)
    if len(baseline) == len(candidate):
        assert tails == label_tails(baseline, candidate)


def test_studentized_labels_where_a_side_does_not_vary() -> None:
    apart = studentized_label_tails(np.zeros(3), np.ones(5))
    assert (apart.greater, apart.less, apart.two_sided) == (1 / 56, 1.0, 1 / 56)
    tied = studentized_label_tails(np.array([0.1, 0.1]), np.array([0.1, 0.1, 0.2, 0.0]))
    assert tied.two_sided == 1.0
    drawn = studentized_label_tails(np.zeros(10), np.arange(1.0, 31.0), draws=999)
    assert drawn.greater == 0.001


def test_studentized_labels_need_two_values_a_side() -> None:
    with pytest.raises(DesignError, match="too few"):
        studentized_label_tails(np.ones(1), np.arange(3.0))


def test_more_spread_on_the_smaller_side_misleads_studentized_labels_less() -> None:
    rng = np.random.default_rng(8)
    false = dict.fromkeys((label_tails, studentized_label_tails), 0)
    for draw in range(400):
        baseline, candidate = 3 * rng.normal(size=10), rng.normal(size=30)
        for test in false:
            false[test] += test(baseline, candidate, draws=499, seed=draw).greater <= 0.05
    assert false[label_tails] > 40
    assert false[studentized_label_tails] < 38


# --- flips of Hall's t ---------------------------------------------------------------------------


def halls_t_by_hand(differences: list[float]) -> float:
    """Hall 1992, as one reads it: S + g S^2 / 3 + g^2 S^3 / 27 + g / (6 n)."""
    n = len(differences)
    mean = math.fsum(differences) / n
    spread = math.sqrt(math.fsum((d - mean) ** 2 for d in differences) / n)
    skewness = stats.skew(differences, bias=False)
    ratio = mean / spread
    return math.sqrt(n) * (
        ratio + skewness * ratio**2 / 3 + skewness**2 * ratio**3 / 27 + skewness / (6 * n)
    )


@settings(max_examples=40)
@given(st.lists(st.sampled_from([*range(-50, -1), *range(2, 90)]), min_size=4, max_size=7))
def test_flips_of_halls_t_are_those_counted_by_hand(differences: list[int]) -> None:
    values = np.array(differences) / 10 + np.arange(len(differences)) / 1000
    patterns = list(itertools.product((1, -1), repeat=len(values)))
    every = [halls_t_by_hand([s * d for s, d in zip(p, values, strict=True)]) for p in patterns]
    seen, tie = every[0], 1e-7 * (1 + abs(every[0]))
    found = flips_of_t_tails(np.zeros(len(values)), values)
    assert found.greater == sum(t >= seen - tie for t in every) / len(every)
    assert found.less == sum(t <= seen + tie for t in every) / len(every)
    assert found.two_sided == sum(abs(t) >= abs(seen) - tie for t in every) / len(every)
    mirrored = flips_of_t_tails(values, np.zeros(len(values)))
    assert (mirrored.greater, mirrored.less) == (found.less, found.greater)


def test_flips_of_halls_t_err_less_where_differences_are_skewed() -> None:
    """20 pairs, exponential values, spreads 1 and 3: the mean rejects 10 %, s.e. 0.5 %."""
    rng, draws = np.random.default_rng(3), 999
    base = rng.exponential(size=(2000, 20)) - 1
    other = 3 * (rng.exponential(size=(2000, 20)) - 1)
    pairs = list(zip(base, other, strict=True))
    by_t = np.mean([flips_of_t_tails(*both, draws=draws).less <= 0.05 for both in pairs])
    by_mean = np.mean([sign_flip_tails(*both, draws=draws).less <= 0.05 for both in pairs])
    assert by_t < 0.085
    assert by_mean > 0.09
    alike = rng.normal(size=(2, 2000, 20))
    both = zip(*alike, strict=True)
    kept = np.mean([flips_of_t_tails(*each, draws=draws).less <= 0.05 for each in both])
    assert abs(kept - 0.05) < 3 * math.sqrt(0.05 * 0.95 / 2000)


def test_without_spread_halls_t_is_the_sign_of_the_mean() -> None:
    ones = np.ones(15)
    assert flips_of_t_tails(np.zeros(15), ones).greater == 2**-15
    assert flips_of_t_tails(ones, ones) == Tails(1.0, 1.0, 1.0)
