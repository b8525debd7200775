"""Digits follow the interval, and a p-value is never rounded to the other side of alpha."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from gitexp.model.result import Interval
from gitexp.report import numbers
from tests.lab.samples import metric


def test_digits_follow_the_interval() -> None:
    assert numbers.decimals_for(metric(half=0.00245)) == 4
    assert numbers.decimals_for(metric(half=0.15)) == 2
    assert numbers.decimals_for(metric(half=24)) == 0


@given(st.floats(1e-12, 1.0), st.sampled_from([0.01, 0.05, 0.1]))
def test_a_p_value_stays_on_its_side_of_alpha(p: float, alpha: float) -> None:
    assert (float(numbers.p_text(p, alpha)) <= alpha) == (p <= alpha)


@given(st.floats(-1e300, 1e300), st.integers(0, 9))
def test_every_number_is_written_shortly(value: float, decimals: int) -> None:
    text = numbers.number(value, decimals, signed=True)
    assert len(text) <= 20
    assert math.isfinite(float(text))


def test_an_interval_wider_than_any_number_has_decimals_all_the_same() -> None:
    wide = Interval(low=-1e308, high=1e308, confidence=0.95, method="t")
    assert numbers.percent_decimals(wide) == 1
