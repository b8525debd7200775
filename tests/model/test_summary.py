"""Means and spreads of recorded numbers, also of those whose squares are no numbers."""

from __future__ import annotations

import math
import statistics

import pytest

from gitexp.model.metrics import MetricSummary, describe, mean, pooled, spread

LARGE = 1.7e308


@pytest.mark.parametrize(
    "values", [(1e200, 3e200), (1e200, -1e200, 5.0), (1e160, 2e160, 4e160), (1.7e308, 1.6e308)]
)
def test_a_metric_that_ran_away_has_a_mean_and_a_spread(values: tuple[float, ...]) -> None:
    scaled = [value / 1e150 for value in values]
    assert mean(values) == pytest.approx(statistics.fmean(scaled) * 1e150)
    assert spread(values) == pytest.approx(statistics.stdev(scaled) * 1e150)


def test_a_spread_that_no_float_holds_is_not_told() -> None:
    assert describe("loss", [LARGE, -LARGE, LARGE]).sd is None
    assert math.isfinite(describe("loss", [LARGE, LARGE]).mean)


@pytest.mark.parametrize(
    "parts",
    [
        ([LARGE, LARGE], [LARGE]),
        ([LARGE, LARGE], [-LARGE, -LARGE]),
        ([LARGE, -LARGE], [1.0]),
        ([1e200, -1e200], [1e200, 3e200]),
    ],
)
def test_summaries_of_large_numbers_are_put_together(parts: tuple[list[float], ...]) -> None:
    found = pooled([describe("loss", part) for part in parts])
    assert found.n == sum(map(len, parts))
    assert math.isfinite(found.mean)
    assert found.sd is None or math.isfinite(found.sd)


def test_summaries_put_together_are_that_of_all_values() -> None:
    left, right = [0.5, 0.75], [0.25, 1.0, 0.5]
    found = pooled([describe("f1", left), describe("f1", right)])
    whole = describe("f1", [*left, *right])
    assert found.n == whole.n
    assert found.mean == pytest.approx(whole.mean)
    assert found.sd == pytest.approx(whole.sd)
    assert pooled([MetricSummary("f1", 1, 0.5, None)]).sd is None


@pytest.mark.parametrize("n", [5, 10, 20])
def test_repeats_that_all_gave_one_value_have_that_mean_and_no_spread(n: int) -> None:
    part = describe("f1", [0.84] * n)
    assert (part.mean, part.sd) == (0.84, 0.0)
    whole = pooled([part, part, part])
    assert (whole.mean, whole.sd) == (0.84, 0.0)


def test_what_rounding_left_is_no_spread() -> None:
    assert spread([0.1 + 0.2, 0.3, 0.3]) == 0.0
    assert spread([3e9 * (0.1 + 0.2), 3e9 * 0.3]) == 0.0
    assert spread([1e-9, 2e-9]) == pytest.approx(1e-9 / math.sqrt(2))
    parts = [MetricSummary("f1", 5, 0.1 + 0.2, 0.0), MetricSummary("f1", 5, 0.3, 1e-17)]
    assert pooled(parts).sd == 0.0
