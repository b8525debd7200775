"""Distributions by quadrature, held to SciPy's, to simulation and to what they are in a limit."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from gitexp.stats.distributions import (
    crossing_probability,
    many_to_one_sf,
    range_isf,
    range_sf,
    standard_deviations,
)

DFS = (2.0, 5.0, 20.0, 120.0, math.inf)


# --- the studentized range ------------------------------------------------------------------------


@pytest.mark.parametrize("df", DFS)
@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("q", [0.5, 2.0, 3.5, 6.0])
def test_the_studentized_range_is_that_of_scipy(q: float, k: int, df: float) -> None:
    assert range_sf(q, k, df) == pytest.approx(stats.studentized_range.sf(q, k, df), abs=2e-7)


@pytest.mark.parametrize("df", DFS)
@pytest.mark.parametrize("q", [0.1, 1.0, 3.0, 8.0])
def test_the_range_of_two_means_is_a_t_test(q: float, df: float) -> None:
    two_sided = 2 * stats.t.sf(q / math.sqrt(2), df)
    assert range_sf(q, 2, df) == pytest.approx(two_sided, abs=1e-9)


@pytest.mark.parametrize(
    ("k", "df", "q"), [(3, 10, 3.877), (5, 20, 4.232), (10, 60, 4.646), (4, math.inf, 3.633)]
)
def test_critical_values_are_those_of_the_printed_tables(k: int, df: float, q: float) -> None:
    """Pearson and Hartley (1970), table 29, upper 5 % points."""
    assert range_isf(0.05, k, df) == pytest.approx(q, abs=6e-4)


@given(st.floats(0.001, 0.999), st.integers(2, 12), st.sampled_from(DFS))
@settings(max_examples=20)
def test_the_quantile_of_the_range_is_exceeded_with_its_probability(
    p: float, k: int, df: float
) -> None:
    assert range_sf(range_isf(p, k, df), k, df) == pytest.approx(p, abs=1e-6)


@given(st.floats(0, 60), st.floats(0, 60), st.integers(2, 12), st.sampled_from(DFS))
@settings(max_examples=30)
def test_a_wider_range_is_rarer_and_more_means_make_it_likelier(
    one: float, other: float, k: int, df: float
) -> None:
    low, high = sorted((one, other))
    assert 0 <= range_sf(high, k, df) <= range_sf(low, k, df) + 1e-12 <= 1 + 1e-12
    assert range_sf(low, k, df) <= range_sf(low, k + 1, df) + 1e-12


@pytest.mark.parametrize("q", [0.0, -1.0, -math.inf])
def test_a_range_is_never_negative(q: float) -> None:
    assert range_sf(q, 3, 10.0) == 1.0
    assert range_sf(1e9, 3, 10.0) == pytest.approx(0.0, abs=1e-12)


# --- many groups against one control --------------------------------------------------------------


@pytest.mark.parametrize("df", DFS)
@pytest.mark.parametrize("statistic", [0.5, 2.0, 4.0])
def test_one_group_against_a_control_is_a_t_test(statistic: float, df: float) -> None:
    found = many_to_one_sf(statistic, [0.5], df)
    assert found == pytest.approx(2 * stats.t.sf(statistic, df), abs=1e-8)


@pytest.mark.parametrize("df", [5, 30])
@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.3, 0.5, 0.8)])
def test_several_groups_are_a_multivariate_t(shares: tuple[float, ...], df: int) -> None:
    root = np.sqrt(shares)
    shape = np.outer(root, root)
    np.fill_diagonal(shape, 1.0)
    oracle = stats.multivariate_t(shape=shape, df=df, seed=1)
    for statistic in (1.5, 2.5):
        limit = np.full(len(shares), statistic)
        two = 1 - float(oracle.cdf(limit, lower_limit=-limit))
        assert many_to_one_sf(statistic, shares, df) == pytest.approx(two, abs=1e-3)


def test_unequal_groups_agree_with_a_simulation() -> None:
    rng = np.random.default_rng(7)
    sizes, control, df, statistic = np.array([5, 10, 20]), 8, 12, 2.2
    draws = 200_000
    center = rng.standard_normal(draws) / math.sqrt(control)
    scale = np.sqrt(rng.chisquare(df, draws) / df)
    groups = rng.standard_normal((draws, 3)) / np.sqrt(sizes)
    t = (groups - center[:, None]) / np.sqrt(1 / sizes + 1 / control) / scale[:, None]
    shares = [size / (size + control) for size in sizes]
    expected = float((np.abs(t).max(1) > statistic).mean())
    assert many_to_one_sf(statistic, shares, df) == pytest.approx(expected, abs=4e-3)


@given(st.lists(st.floats(0.1, 0.9), min_size=1, max_size=5), st.floats(0.1, 5))
@settings(max_examples=20)
def test_a_maximum_lies_between_one_group_s_and_bonferroni(
    shares: list[float], statistic: float
) -> None:
    single = 2 * float(stats.t.sf(statistic, 12))
    found = many_to_one_sf(statistic, shares, 12.0)
    assert single - 1e-9 <= found <= min(1.0, len(shares) * single) + 1e-9
    assert many_to_one_sf(statistic, shares[::-1], 12.0) == pytest.approx(found)


# --- the standard deviation -----------------------------------------------------------------------


@pytest.mark.parametrize("df", [1.0, 3.0, 10.0, 500.0])
def test_the_nodes_carry_the_moments_of_the_standard_deviation(df: float) -> None:
    s, weight = standard_deviations(df)
    assert weight.sum() == pytest.approx(1.0)
    assert (weight * s**2).sum() == pytest.approx(1.0, abs=1e-6)  # an unbiased variance
    mean = math.sqrt(2 / df) * math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2))
    assert (weight * s).sum() == pytest.approx(mean, abs=1e-6)


@pytest.mark.parametrize("at_most", [0.3, 0.8, 1.0, 1.7])
def test_nodes_below_a_bound_carry_the_probability_of_being_there(at_most: float) -> None:
    s, weight = standard_deviations(8.0, at_most=at_most)
    assert (s <= at_most).all()
    assert weight.sum() == pytest.approx(stats.chi2.cdf(8 * at_most**2, 8))


def test_a_bound_that_nothing_is_below_has_no_weight_and_no_spread_has_one_node() -> None:
    assert standard_deviations(50.0, at_most=1e-3)[1].sum() == 0.0
    s, weight = standard_deviations(math.inf)
    assert (list(s), list(weight)) == ([1.0], [1.0])


# --- several looks --------------------------------------------------------------------------------


def test_one_look_is_the_normal_tail() -> None:
    for z in (0.0, 1.0, 1.96, 4.0):
        assert crossing_probability([z]) == pytest.approx(stats.norm.sf(z), abs=1e-9)
        assert crossing_probability([z], two_sided=True) == pytest.approx(
            2 * stats.norm.sf(z), abs=1e-9
        )


@pytest.mark.parametrize(
    ("looks", "pocock", "obrien"),
    [(2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040)],
)
def test_boundaries_of_the_printed_tables_keep_five_per_cent(
    looks: int, pocock: float, obrien: float
) -> None:
    """Jennison and Turnbull (2000), tables 2.1 and 2.3, two-sided 5 %."""
    assert crossing_probability([pocock] * looks, two_sided=True) == pytest.approx(0.05, abs=1e-4)
    limits = [obrien * math.sqrt(looks / at) for at in range(1, looks + 1)]
    assert crossing_probability(limits, two_sided=True) == pytest.approx(0.05, abs=1e-4)


def test_two_looks_are_a_plane_of_the_normal() -> None:
    for first, second, time in ((1.5, 1.5, 0.5), (2.5, 1.8, 0.3), (0.5, 2.2, 0.9)):
        corr = math.sqrt(time)
        plane = stats.multivariate_normal(cov=[[1, corr], [corr, 1]])
        expected = 1 - float(plane.cdf([first, second]))
        assert crossing_probability([first, second], times=[time, 1.0]) == pytest.approx(
            expected, abs=1e-5
        )


@given(st.lists(st.floats(0, 5), min_size=1, max_size=5))
@settings(max_examples=25)
def test_one_look_more_never_makes_an_error_less_likely(limits: list[float]) -> None:
    chances = [crossing_probability(limits[: at + 1]) for at in range(len(limits))]
    assert all(0 <= chance <= 1 for chance in chances)
    assert all(later >= before - 1e-9 for before, later in itertools.pairwise(chances))
    both = crossing_probability(limits, two_sided=True)
    assert chances[-1] - 1e-9 <= both <= 2 * chances[-1] + 1e-9


@given(st.lists(st.floats(0.5, 4), min_size=2, max_size=4), st.floats(0.01, 1e4))
@settings(max_examples=15)
def test_the_unit_of_the_information_does_not_matter(limits: list[float], unit: float) -> None:
    times = [unit * (at + 1) for at in range(len(limits))]
    assert crossing_probability(limits, times=times) == pytest.approx(
        crossing_probability(limits), abs=1e-9
    )


def test_a_limit_that_is_infinite_is_no_look() -> None:
    assert crossing_probability([math.inf, 1.96], two_sided=True) == pytest.approx(0.05, abs=1e-4)
