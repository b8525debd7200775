"""Tests of predictions: counts instead of labels, the same p, and a million examples."""

from __future__ import annotations

import itertools
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gitexp.stats.examples import (
    bootstrap_tails,
    discordant,
    mcnemar_tails,
    mid_p_tails,
    relevant,
    resampled_scores,
    scores,
    swap_tails,
    tabulate,
)
from gitexp.stats.intervals import newcombe_paired, predictions_interval
from gitexp.stats.metrics import Definition, value

F1 = Definition("f1", "binary", "1")
MACRO = Definition("f1", "macro")


def by_enumeration(truth: str, old: str, new: str, definition: Definition) -> tuple[float, ...]:
    """Swap every subset of the examples and compute the metric from labels again."""
    gains = []
    for swap in itertools.product((False, True), repeat=len(truth)):
        first = [n if s else o for o, n, s in zip(old, new, swap, strict=True)]
        second = [o if s else n for o, n, s in zip(old, new, swap, strict=True)]
        gains.append(value(definition, truth, second) - value(definition, truth, first))
    seen = gains[0]
    return (
        np.mean([gain >= seen - 1e-12 for gain in gains]),
        np.mean([gain <= seen + 1e-12 for gain in gains]),
        np.mean([abs(gain) >= abs(seen) - 1e-12 for gain in gains]),
    )


@pytest.mark.parametrize(
    "definition", [F1, MACRO, Definition("accuracy"), Definition("cohen_kappa")]
)
def test_random_swaps_come_close_to_all_swaps_of_labels(definition: Definition) -> None:
    truth, old, new = "1110010010", "1011010000", "1110000110"
    expected = by_enumeration(truth, old, new, definition)
    tails = swap_tails(tabulate(truth, old, new), definition, sign=1.0, draws=40_000, seed=0)
    assert (tails.greater, tails.less, tails.two_sided) == pytest.approx(expected, abs=0.01)


def test_swaps_of_three_classes_move_the_right_counts() -> None:
    truth, old, new = "abcabcabc", "abbacbaac", "abcabbabc"
    expected = by_enumeration(truth, old, new, MACRO)
    tails = swap_tails(tabulate(truth, old, new), MACRO, sign=1.0, draws=40_000, seed=1)
    assert (tails.greater, tails.less, tails.two_sided) == pytest.approx(expected, abs=0.01)


def test_the_sign_turns_the_tails() -> None:
    cells = tabulate("1110010010", "1011010000", "1110000110")
    up = swap_tails(cells, F1, sign=1.0, draws=999, seed=0)
    down = swap_tails(cells, F1, sign=-1.0, draws=999, seed=0)
    assert (up.greater, up.less) == (down.less, down.greater)


@pytest.mark.parametrize("definition", [F1, MACRO])
def test_swapped_sides_and_another_order_get_the_same_swaps(definition: Definition) -> None:
    rng = np.random.default_rng(8)
    truth, old, new = ("".join(map(str, rng.integers(0, 2, 60))) for _ in range(3))

    def tails(one: str, two: str, order: slice) -> tuple[float, float, float]:
        cells = tabulate(truth[order], one[order], two[order])
        found = swap_tails(cells, definition, sign=1, draws=999, seed=0)
        return found.greater, found.less, found.two_sided

    greater, less, both = tails(old, new, slice(None))
    assert tails(new, old, slice(None)) == (less, greater, both)
    assert tails(old, new, slice(None, None, -1)) == (greater, less, both)


def test_equal_predictions_have_p_one() -> None:
    cells = tabulate("1100", "1010", "1010")
    tails = swap_tails(cells, F1, sign=1.0, draws=99, seed=0)
    assert (tails.greater, tails.less, tails.two_sided) == (1.0, 1.0, 1.0)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_scipys_binomial_test(lost: int, won: int) -> None:
    tails = mcnemar_tails(lost, won)
    if lost + won == 0:
        assert (tails.greater, tails.less, tails.two_sided) == (1.0, 1.0, 1.0)
        return
    for alternative in ("greater", "less", "two-sided"):
        expected = stats.binomtest(won, lost + won, alternative=alternative).pvalue
        assert getattr(tails, alternative.replace("-", "_")) == pytest.approx(expected)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mid_p_counts_outcomes_as_far_from_the_middle_half(lost: int, won: int) -> None:
    n = lost + won
    k = np.arange(n + 1)
    chance, distance = stats.binom.pmf(k, n, 0.5), np.abs(k - n / 2)
    far = abs(won - n / 2)
    expected = chance[distance > far].sum() + chance[distance == far].sum() / 2
    assert mid_p_tails(lost, won).two_sided == pytest.approx(expected, abs=1e-12)


@settings(max_examples=20)
@given(st.lists(st.tuples(*[st.sampled_from("01")] * 3), min_size=1, max_size=30))
def test_scores_from_cells_are_scores_from_labels(rows: list[tuple[str, str, str]]) -> None:
    truth, old, new = zip(*rows, strict=True)
    cells = tabulate(truth, old, new)
    assert int(cells.number.sum()) == len(rows)
    if "1" in cells.labels:
        expected = (value(F1, truth, old), value(F1, truth, new))
        assert scores(cells, F1) == pytest.approx(expected)
    lost, won = discordant(cells)
    right = np.array(truth) == np.array(old), np.array(truth) == np.array(new)
    assert (lost, won) == ((right[0] & ~right[1]).sum(), (~right[0] & right[1]).sum())


def test_bootstrap_p_is_the_larger_of_percentile_and_basic() -> None:
    gains = np.array([-1.0, 0.5, 1.0, 1.5, 5.0])
    tails = bootstrap_tails(gains, 1.0)
    assert tails.greater == 2 / 6  # one at most 0, one at least 2
    assert tails.less == 5 / 6


def test_a_hundred_thousand_examples_are_judged() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(100_000) < 0.3
    old, new = truth ^ (rng.random(100_000) < 0.2), truth ^ (rng.random(100_000) < 0.19)
    columns = [tuple(np.where(side, "1", "0").tolist()) for side in (truth, old, new)]
    cells = tabulate(*columns)
    tails = swap_tails(cells, F1, sign=1.0, draws=9_999, seed=0)
    first, second = resampled_scores(cells, F1, draws=9_999, seed=0)
    assert tails.greater < 0.05
    assert (second > first).mean() > 0.95


@pytest.mark.parametrize(
    "definition",
    [Definition("accuracy"), Definition("error_rate"), Definition("f1", "binary", "b")],
)
def test_labels_that_a_metric_does_not_tell_apart_are_one(definition: Definition) -> None:
    cells = tabulate("abcabcabc", "abbacbaac", "abcabbabc")
    fewer = relevant(cells, definition)
    assert len(fewer.labels) == 2
    assert fewer.number.sum() == cells.number.sum()
    assert scores(fewer, definition) == scores(cells, definition)
    assert relevant(cells, MACRO) is cells


def test_a_thousand_classes_cost_no_more_than_two() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 1000, size=20_000)
    old, new = (
        np.where(rng.random(20_000) < share, truth, rng.integers(0, 1000, size=20_000))
        for share in (0.60, 0.62)
    )
    columns = [tuple(map(str, side.tolist())) for side in (truth, old, new)]
    cells = tabulate(*columns)
    # With a cell for each pair of classes these would need gigabytes.
    tracemalloc.start()
    resampled_scores(cells, Definition("accuracy"), draws=9_999, seed=0)
    swap_tails(cells, Definition("recall", "binary", "7"), sign=1.0, draws=9_999, seed=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20e6


def test_newcombes_interval_is_the_published_one() -> None:
    # Newcombe (1998), Stat. Med. 17:2635, table III, example (a): 36, 12, 2, 0 of 50, method 10
    rows = [("1", "1", "1")] * 36 + [("1", "0", "1")] * 12 + [("1", "1", "0")] * 2
    cells = tabulate(*zip(*rows, strict=True))
    interval = newcombe_paired(cells, 0.95)
    assert (interval.low, interval.high) == pytest.approx((0.0569, 0.3404), abs=1e-4)


def test_the_interval_of_the_error_rate_mirrors_that_of_accuracy() -> None:
    cells = tabulate("1100" * 20, "1010" * 20, "1110" * 20)
    accuracy, _ = predictions_interval(cells, Definition("accuracy"))
    error, _ = predictions_interval(cells, Definition("error_rate"))
    assert (error.low, error.high) == (-accuracy.high, -accuracy.low)


def test_few_examples_get_a_jackknife_instead_of_a_bootstrap() -> None:
    cells = tabulate("1100" * 20, "1010" * 20, "1110" * 20)
    difference, relative = predictions_interval(cells, F1)
    assert difference.method == relative.method == "jackknife, t over 80 examples"
    assert difference.low < 0.3 < difference.high
    difference, relative = predictions_interval(cells, Definition("accuracy"))
    assert difference.method == "Newcombe's paired score"
    assert relative.method == "jackknife, t over 80 examples"
    assert predictions_interval(tabulate("10" * 9, "11" * 9, "10" * 9), F1) == (None, None)


def test_the_jackknife_covers_what_it_promises() -> None:
    rng = np.random.default_rng(5)
    truth = rng.integers(0, 2, 400_000)

    def guesses(truth: np.ndarray, right: float) -> np.ndarray:
        return np.where(rng.random(len(truth)) < right, truth, 1 - truth)

    def text(column: np.ndarray) -> list[str]:
        return [str(number) for number in column]

    sides = (guesses(truth, 0.75), guesses(truth, 0.85))
    old, new = (value(F1, text(truth), text(side)) for side in sides)
    covered = 0
    for start in range(0, 600 * 60, 60):
        some = slice(start, start + 60)
        cells = tabulate(*(text(column[some]) for column in (truth, *sides)))
        interval, _ = predictions_interval(cells, F1)
        covered += interval.low <= new - old <= interval.high
    assert covered / 600 == pytest.approx(0.95, abs=0.03)


def test_many_examples_get_both_intervals() -> None:
    cells = tabulate("11001010" * 40, "10101010" * 40, "11101010" * 40)
    old, new = scores(cells, F1)
    difference, relative = predictions_interval(cells, F1)
    assert difference.low < new - old < difference.high
    assert relative.low < new / old - 1 < relative.high
    assert difference.low > 0
