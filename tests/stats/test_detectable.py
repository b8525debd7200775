"""The smallest effect that a design finds, held against simulated tests and published sizes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gitexp.errors import DesignError
from gitexp.stats.permutation import label_tails, sign_flip_tails
from gitexp.stats.planned import detectable
from gitexp.stats.planned.foreseen import OfExamples, area_error

POWER = 0.8


def rejected(n: int, size: float, *, paired: bool, alpha: float, simulations: int = 1_500) -> float:
    """Return how often the planned test finds a true effect of so many standard deviations."""
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(simulations):
        left = np.zeros(n) if paired else rng.normal(size=n)
        right = size + rng.normal(size=n)
        tails = (sign_flip_tails if paired else label_tails)(left, right)
        found += tails.greater <= alpha
    return found / simulations


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("n", "alpha", "paired"),
    [(5, 0.05, True), (8, 0.05, True), (12, 0.05, True), (8, 0.01, True), (4, 0.05, False)],
)
def test_the_planned_test_finds_the_detectable_effect_as_often_as_said(
    n: int,
    alpha: float,
    paired: bool,  # noqa: FBT001  a parameter of the case
) -> None:
    size = detectable.smallest_size(n, POWER, alpha=alpha, paired=paired)
    assert size is not None
    have = rejected(n, size, paired=paired, alpha=alpha)
    assert abs(have - POWER) < 4 * math.sqrt(POWER * (1 - POWER) / 1_500) + 0.015


def test_a_design_that_cannot_reach_alpha_detects_nothing() -> None:
    assert detectable.smallest_size(4, POWER, alpha=0.05, paired=True) is None
    assert detectable.smallest_size(1, POWER, alpha=0.05, paired=False) is None
    assert detectable.smallest_size(5, POWER, alpha=0.01, paired=True) is None


def test_more_repeats_detect_less() -> None:
    sizes = [detectable.smallest_size(n, POWER, alpha=0.05, paired=True) for n in (5, 9, 10, 40)]
    assert None not in sizes
    assert sizes == sorted(sizes, key=lambda size: -(size or 0))


def test_the_repeats_needed_for_an_effect_find_it_and_one_less_do_not() -> None:
    for size in (0.4, 1.0, 1.6):
        n = detectable.fewest(detectable.power_at, size, POWER, alpha=0.05, paired=True)
        assert n is not None
        now, before = (
            detectable.smallest_size(k, POWER, alpha=0.05, paired=True) or math.inf
            for k in (n, n - 1)
        )
        assert now <= size + 0.02
        assert before > size - 0.02


def test_repeats_needed_are_those_of_cohens_tables_where_there_are_many() -> None:
    # Cohen 1988, table 2.4.1: d = 0.50, one-sided 0.05, power 0.80: 50 a group
    assert detectable.fewest(detectable.power_at, 0.5, POWER, alpha=0.05, paired=False) in {50, 51}
    assert detectable.fewest(detectable.power_at, 0.0, POWER, alpha=0.05, paired=True) is None
    assert detectable.fewest(detectable.power_at, 1e-9, POWER, alpha=0.05, paired=True) is None


def test_a_band_of_equivalence_needs_more_repeats_than_a_gain_of_that_size() -> None:
    band = detectable.fewest(detectable.power_of_band, 1.0, POWER, alpha=0.05, paired=True)
    gain = detectable.fewest(detectable.power_at, 1.0, POWER, alpha=0.05, paired=True)
    assert band is not None
    assert gain is not None
    assert band > gain
    width = detectable.smallest_band(band, POWER, alpha=0.05, paired=True)
    assert width is not None
    assert width <= 1.0
    assert detectable.smallest_band(4, POWER, alpha=0.05, paired=True) is None


def test_the_error_of_an_area_without_signal_is_that_of_mann_and_whitney() -> None:
    # under the null the statistic's variance is (m + n + 1) / (12 m n)
    assert area_error(0.5, 51, 58) == pytest.approx(math.sqrt(110 / (12 * 51 * 58)))
    with pytest.raises(DesignError):
        area_error(1.2, 10, 10)


def test_examples_needed_for_an_area_fall_with_correlation() -> None:
    apart, close = (
        OfExamples(0.8, 0.05, positives=0.3, correlation=r).needed(0.05, 0.0, POWER)
        for r in (0.0, 0.6)
    )
    assert apart is not None
    assert close is not None
    assert close < apart


def test_examples_needed_for_accuracy_are_those_of_the_normal_approximation() -> None:
    n = OfExamples(0.8, 0.05, 0.2).needed(0.05, 0.0, POWER)
    z = 1.6449 * math.sqrt(0.2) + 0.8416 * math.sqrt(0.2 - 0.05**2)
    assert n == math.ceil((z / 0.05) ** 2)
    assert OfExamples(0.6, 0.05, 0.2).needed(0.3, 0.0, POWER) is None
