"""Digits follow the interval, and a p-value is never rounded to the other side of alpha."""

from __future__ import annotations

import itertools
import math
import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.model.result import Interval
from gitexp.report import numbers
from tests.lab.samples import metric

finite = st.floats(-1e300, 1e300)
usual = st.floats(-1e6, 1e6)


def interval(low: float | None, high: float | None) -> Interval:
    return Interval(low, high, 0.95, "t")


# --- how many digits ------------------------------------------------------------------------------


def test_digits_follow_the_interval() -> None:
    assert numbers.decimals_for(metric(half=0.00245)) == 4
    assert numbers.decimals_for(metric(half=0.15)) == 2
    assert numbers.decimals_for(metric(half=24)) == 0


@pytest.mark.parametrize(
    ("estimate", "low", "high", "expected"),
    [
        (0.5, 0.4, 0.6, 2),  # half a width of 0.1: two digits of it
        (0.5, 0.49, 0.51, 3),
        (0.5, 0.4, None, 2),  # one limit: the distance to it
        (0.5, None, 0.6, 2),
        (500.0, 480.0, 520.0, 0),
        (5e9, 4e9, 6e9, 0),  # never a negative number of digits
        (1e-12, 0.0, 2e-12, 9),  # nor more than a column has room for
        (0.5, None, None, 4),  # none: four digits of the means
        (0.5, 0.5, 0.5, 4),  # an interval of no width tells none
        (0.5, -math.inf, math.inf, 4),
        (0.5, -1.7e308, 1.7e308, 4),  # its width is no float
        (0.5, math.nan, 1.0, 4),
    ],
)
def test_an_estimate_has_two_digits_of_half_its_interval(
    estimate: float, low: float | None, high: float | None, expected: int
) -> None:
    assert numbers.decimals(estimate, low, high, largest=0.5) == expected


@pytest.mark.parametrize(
    ("largest", "expected"),
    [(0.0, 4), (0.85, 4), (8.5, 3), (85.0, 2), (8500.0, 0), (1e20, 0), (math.inf, 4), (1e-20, 9)],
)
def test_without_an_interval_four_digits_of_the_means_are_shown(
    largest: float, expected: int
) -> None:
    assert numbers.decimals(0.0, None, None, largest=largest) == expected


@given(usual, st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_a_narrower_interval_never_has_fewer_digits(
    middle: float, one: float, other: float
) -> None:
    narrow, wide = sorted((one, other))

    def digits(half: float) -> int:
        return numbers.decimals(middle, 0.0, 2 * half, largest=1.0)

    assert digits(narrow) >= digits(wide)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.01, 0.04, 1), (0.010, 0.012, 2), (-0.5, 0.5, 0), (0.1, 0.1, 1), (0.0, 1e-9, 4)],
)
def test_a_share_has_two_digits_of_half_its_interval_in_per_cent(
    low: float, high: float, expected: int
) -> None:
    assert numbers.percent_decimals(interval(low, high)) == expected


@pytest.mark.parametrize("found", [None, interval(None, 1.0), interval(0.0, None)])
def test_a_share_without_two_limits_has_one_digit(found: Interval | None) -> None:
    assert numbers.percent_decimals(found) == 1


def test_an_interval_wider_than_any_number_has_decimals_all_the_same() -> None:
    assert numbers.percent_decimals(interval(-1e308, 1e308)) == 1


# --- numbers --------------------------------------------------------------------------------------


@given(finite, st.integers(0, 9))
def test_every_number_is_written_shortly(value: float, decimals: int) -> None:
    text = numbers.number(value, decimals, signed=True)
    assert len(text) <= 20
    assert math.isfinite(float(text))


@given(usual, st.integers(0, 8), st.booleans())
def test_a_number_is_the_nearest_of_so_many_decimals(
    value: float,
    decimals: int,
    signed: bool,  # noqa: FBT001
) -> None:
    shown = Decimal(numbers.number(value, decimals, signed=signed))
    assert abs(shown - Decimal(value)) <= Decimal(10) ** -decimals / 2


@given(usual, usual, st.integers(0, 8))
def test_a_larger_number_is_never_shown_as_a_smaller_one(
    one: float, other: float, decimals: int
) -> None:
    low, high = (float(numbers.number(value, decimals)) for value in sorted((one, other)))
    assert low <= high


@given(finite, st.integers(0, 9))
def test_the_opposite_of_a_number_is_shown_with_the_opposite_sign(
    value: float, decimals: int
) -> None:
    text = numbers.number(value, decimals, signed=True)
    other = numbers.number(-value, decimals, signed=True)
    assert (
        other == text.translate(str.maketrans("+-", "-+"))
        or (float(text) == 0 and text == other and text[0] not in "+-")
        or "e" in text
    )


@pytest.mark.parametrize(
    ("value", "decimals", "shown"),
    [
        (0.0, 2, "0.00"),
        (-0.0, 2, "0.00"),
        (-0.4, 0, "0"),
        (-0.5, 0, "0"),
        (0.5, 1, "+0.5"),
        (9_999_999.0, 0, "+9999999"),
        (1e7, 0, "+1e+07"),
        (-1.23456e9, 3, "-1.235e+09"),
        (1e-7, 9, "+1e-07"),
        (1e-7, 4, "0.0000"),
        (math.inf, 2, "inf"),
        (-math.inf, 2, "-inf"),
        (math.nan, 2, "nan"),
    ],
)
def test_zero_has_no_sign_and_the_huge_and_the_tiny_have_powers_of_ten(
    value: float, decimals: int, shown: str
) -> None:
    assert numbers.number(value, decimals, signed=True) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "n/a"),
        (math.nan, "n/a"),
        (math.inf, "n/a"),
        (0.0, "0.0 %"),
        (-0.0004, "0.0 %"),
        (1.0, "+100.0 %"),
        (-1.5, "-150.0 %"),
        (1e6, "+1e+08 %"),
    ],
)
def test_a_share_is_told_in_per_cent(value: float | None, shown: str) -> None:
    assert numbers.percent(value) == shown


def test_a_share_may_be_told_without_its_sign_and_with_other_digits() -> None:
    assert numbers.percent(0.05, signed=False, decimals=0) == "5 %"


# --- intervals ------------------------------------------------------------------------------------

TEXT = re.compile(r"\[(\S+), (\S+)\]( %)?")


@given(usual, st.floats(0, 1e6), st.integers(0, 6), st.booleans())
def test_the_limits_of_an_interval_are_told_in_their_order(
    low: float,
    width: float,
    decimals: int,
    share: bool,  # noqa: FBT001
) -> None:
    shown = TEXT.fullmatch(numbers.interval_text(interval(low, low + width), decimals, share=share))
    assert shown is not None
    assert float(shown[1]) <= float(shown[2])
    assert (shown[3] is not None) == share


@given(st.floats(1e-3, 1e3), st.sampled_from([1, -1]), st.integers(0, 2))
def test_a_limit_that_is_not_zero_keeps_its_side_of_it(
    size: float, sign: int, decimals: int
) -> None:
    """Whether an interval has zero in it is what a reader looks for."""
    low, high = sorted((sign * size, sign * size * 2))
    shown = TEXT.fullmatch(numbers.interval_text(interval(low, high), decimals))
    assert shown is not None
    assert {math.copysign(1, float(shown[1])), math.copysign(1, float(shown[2]))} == {sign}
    assert 0.0 not in {float(shown[1]), float(shown[2])}


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        (None, ""),
        (interval(None, None), "[-inf, +inf]"),
        (interval(0.5, None), "[+0.50, +inf]"),
        (interval(None, -0.5), "[-inf, -0.50]"),
        (interval(0.0, 0.0), "[0.00, 0.00]"),
        (interval(-math.inf, math.inf), "[-inf, inf]"),
        (interval(0.0001, 0.1), "[+0.0001, +0.10]"),
        (interval(1e-9, 0.1), "[0.00, +0.10]"),  # four digits more at most
        (interval(-0.004, 0.004), "[-0.004, +0.004]"),
    ],
)
def test_a_limit_that_is_not_there_is_infinite(found: Interval | None, shown: str) -> None:
    assert numbers.interval_text(found, 2) == shown


# --- p-values -------------------------------------------------------------------------------------


@given(st.floats(0, 1.0), st.sampled_from([0.01, 0.05, 0.1, 0.049999999999999996]))
def test_a_p_value_stays_on_its_side_of_alpha(p: float, alpha: float) -> None:
    assert (float(numbers.p_text(p, alpha)) <= alpha) == (p <= alpha)


@given(st.floats(1e-300, 1.0))
def test_a_p_value_is_within_half_a_second_digit_and_never_zero(p: float) -> None:
    shown = float(numbers.p_text(p))
    assert shown > 0
    assert abs(shown - p) <= 0.06 * p


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_p_value_is_never_shown_as_a_smaller_one(one: float, other: float) -> None:
    low, high = (float(numbers.p_text(p)) for p in sorted((one, other)))
    assert low <= high


@pytest.mark.parametrize(
    ("p", "alpha", "shown"),
    [
        (None, 0.05, ""),
        (0.0, None, "0"),
        (1.0, None, "1"),
        (0.05, 0.05, "0.050"),  # on alpha is not beyond it
        (0.0500001, 0.05, "0.0500001"),
        (0.04999, 0.05, "0.050"),
        (0.0001, None, "0.00010"),
        (0.00009999, None, "0.0001"),
        (0.5, None, "0.50"),
        (2**-10, None, "0.00098"),
    ],
)
def test_a_p_value_has_two_digits_and_more_where_they_decide(
    p: float | None, alpha: float | None, shown: str
) -> None:
    assert numbers.p_text(p, alpha) == shown


# --- counts, seeds, names -------------------------------------------------------------------------


@given(st.lists(st.integers(-5, 40)))
def test_seeds_as_people_write_them_are_these_seeds(seeds: list[int]) -> None:
    told: set[int] = set()
    for part in filter(None, numbers.ranges(seeds).split(", ")):
        low, _, high = part.lstrip("-").partition("-")
        sign = -1 if part.startswith("-") else 1
        first = sign * int(low)
        told.update(range(first, int(high) + 1) if high else [first])
    assert told == set(seeds)


@given(st.sets(st.integers(0, 10**20)))
def test_stretches_are_disjoint_apart_and_in_order(seeds: set[int]) -> None:
    found = numbers.stretches(seeds)
    assert all(low <= high for low, high in found)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(found))
    assert sum(high - low + 1 for low, high in found) == len(seeds)


def test_two_neighbours_are_named_and_three_are_a_range() -> None:
    assert numbers.ranges([]) == ""
    assert numbers.ranges([5, 5]) == "5"
    assert numbers.ranges([2, 1]) == "1, 2"
    assert numbers.ranges([3, 1, 2]) == "1-3"


@given(st.lists(st.text("ab", min_size=1), max_size=8), st.integers(1, 8))
def test_of_names_the_first_are_told_and_the_others_counted(names: list[str], most: int) -> None:
    head, _, more = numbers.listed(names, most).partition(" and ")
    shown = head.split(", ") if head else []
    assert shown == names[:most]
    assert len(shown) + int(more.partition(" ")[0] or 0) == len(names)


@pytest.mark.parametrize(
    ("number", "planned", "shown"),
    [
        (0, None, "0 by seed"),
        (5, None, "5 by seed"),
        (5, 5, "5 of 5 by seed"),
        (0, 5, "0 of 5 by seed"),
        (6, 5, "6 by seed, 5 planned"),
    ],
)
def test_more_than_were_planned_are_no_share_of_them(
    number: int, planned: int | None, shown: str
) -> None:
    assert numbers.of_planned(number, planned, "by seed") == shown


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 runs"), (1, "1 run"), (2, "2 runs"), (1234567, "1,234,567 runs")]
)
def test_a_noun_is_in_the_plural_for_all_but_one(number: int, shown: str) -> None:
    assert numbers.amount(number, "run") == shown


# --- times, sizes, spreads ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (10, "10 s"),
        (119, "119 s"),
        (120, "2 min"),
        (7199, "120 min"),
        (7200, "2.0 h"),
        (360_000, "100.0 h"),
    ],
)
def test_a_length_of_time_is_told_in_the_unit_of_people(seconds: float, shown: str) -> None:
    assert numbers.duration(seconds) == shown


UNITS = {"s": 1, "min": 60, "h": 3600, "d": 86400, "y": 365 * 86400}


@given(st.floats(-1e6, 1e11))
def test_an_age_is_never_told_as_more_than_it_is_and_less_than_one_unit_off(
    seconds: float,
) -> None:
    count, unit = numbers.age(seconds).split()
    told = int(count) * UNITS[unit]
    least = max(0.0, seconds)
    assert told - 0.5 <= least < told + UNITS[unit] + 0.5


@given(st.integers(0, 1 << 60))
def test_a_size_is_told_within_its_last_digit(n_bytes: int) -> None:
    count, unit = numbers.size(n_bytes).split()
    factor = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB"].index(unit)
    assert abs(float(count) * factor - n_bytes) <= (0.0500001 * factor if factor > 1 else 0)


@pytest.mark.parametrize(
    ("n_bytes", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 52, "4096.0 TiB"),
    ],
)
def test_sizes_have_binary_units(n_bytes: int, shown: str) -> None:
    assert numbers.size(n_bytes) == shown


@pytest.mark.parametrize(
    ("mean", "sd", "shown"),
    [
        (0.0, None, ("0.0000", "")),
        (12345.678, None, ("12346", "")),
        (0.5, 0.0, ("0.5000", "0.0000")),  # no spread: four digits, as without one
        (0.512345, 0.1, ("0.51", "0.10")),
        (512.345, 25.0, ("512", "25")),
        (1e9, 1.0, ("1e+09", "1.0")),
        (0.5, math.inf, ("0.5000", "inf")),
        (-0.25, 0.01, ("-0.250", "0.010")),
    ],
)
def test_a_mean_has_the_digits_that_its_spread_allows(
    mean: float, sd: float | None, shown: tuple[str, str]
) -> None:
    assert numbers.mean_sd(mean, sd) == shown
