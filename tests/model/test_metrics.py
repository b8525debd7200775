"""Names of metrics with and without their file, and summaries held to exact fractions."""

from __future__ import annotations

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gitexp.model import metrics
from gitexp.model.run import Sample

plain_names = st.text("abc_:/.", min_size=1, max_size=6)
FILES = ("a.json", "eval/b.yaml", "c.csv")
numbers_ = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20)


# --- names ----------------------------------------------------------------------------------------


@given(plain_names, st.sampled_from(FILES))
def test_a_name_without_its_file_is_the_name_that_the_file_was_put_before(
    name: str, file: str
) -> None:
    assume(not any(name.startswith(f"{each}:") for each in FILES))
    assert metrics.plain(metrics.by_file(name, file), FILES) == name
    assert metrics.plain(name, FILES) == name


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("acc", "acc"),
        ("a.json:acc", "acc"),
        ("A.JSON:acc", "acc"),
        ("eval/m.yml:top:1", "eval/m.yml:top:1"),  # "top" would be a file: nobody knows
        ("curve:acc", "curve:acc"),
        (":acc", ":acc"),
        ("a.json:", ""),
        ("a.json", "a.json"),
    ],
)
def test_a_name_whose_files_are_not_known_loses_what_ends_as_a_file(
    name: str, expected: str
) -> None:
    assert metrics.bare(name) == expected


@pytest.mark.parametrize(
    ("names", "files", "expected"),
    [
        (set(), ["a.json", "b.json"], ()),
        ({"a.json:acc"}, ["a.json", "b.json"], ()),
        ({"a.json:acc", "b.json:acc"}, ["b.json", "a.json"], ("b.json:acc", "a.json:acc")),
        ({"acc", "b.json:acc"}, ["a.json", "b.json", "c.json"], ("acc", "b.json:acc")),
        (
            {"acc", "a.json:acc", "b.json:acc"},
            ["a.json", "b.json"],
            ("a.json:acc", "acc", "b.json:acc"),
        ),
    ],
)
def test_a_name_that_several_files_give_is_told_by_file(
    names: set[str], files: list[str], expected: tuple[str, ...]
) -> None:
    assert metrics.several("acc", names, files) == expected


@pytest.mark.parametrize(
    ("asked", "names", "files", "expected"),
    [
        ("acc", {"acc"}, [], "acc"),
        ("acc", set(), ["a.json"], None),
        ("a.json:acc", {"acc"}, ["a.json"], "acc"),
        ("a.json:acc", {"acc"}, ["a.json", "b.json"], None),  # may be either's
        ("b.json:acc", {"acc", "b.json:acc"}, ["a.json", "b.json"], "b.json:acc"),
        ("acc", {"b.json:acc"}, ["b.json"], "b.json:acc"),
        ("acc", {"b.json:acc"}, ["a.json"], None),  # of a file that is none of these
        ("acc", {"x:acc"}, ["a.json"], None),
    ],
)
def test_a_record_has_what_is_asked_for_only_where_that_is_sure(
    asked: str, names: set[str], files: list[str], expected: str | None
) -> None:
    assert metrics.recorded(asked, names, files) == expected


# --- summaries ------------------------------------------------------------------------------------


@given(numbers_)
def test_the_mean_is_the_exact_one_rounded_once_or_twice(values: list[float]) -> None:
    exact = sum(map(Fraction, values)) / len(values)
    found = metrics.mean(values)
    assert abs(Fraction(found) - exact) <= abs(exact) * Fraction(1, 2**51) + Fraction(1, 2**1070)
    assert min(values) - 1e-9 <= found <= max(values) + 1e-9


@given(numbers_)
def test_mean_and_spread_know_no_order(values: list[float]) -> None:
    assert metrics.describe("m", values) == metrics.describe("m", values[::-1])
    assert metrics.describe("m", values) == metrics.describe("m", sorted(values))


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=20))
def test_the_spread_is_the_sample_standard_deviation(values: list[float]) -> None:
    found = metrics.spread(values)
    assert found == pytest.approx(statistics.stdev(values), rel=1e-9, abs=1e-9)


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(2, 9))
def test_equal_values_have_that_mean_and_no_spread(value: float, count: int) -> None:
    found = metrics.describe("m", [value] * count)
    assert (found.n, found.mean, found.sd) == (count, value, 0.0)
    assert metrics.describe("m", [value]).sd is None
    assert metrics.spread([]) is None


@given(st.lists(st.lists(st.floats(-100, 100), min_size=1, max_size=6), min_size=1, max_size=4))
def test_summaries_of_groups_together_are_that_of_all(groups: list[list[float]]) -> None:
    whole = metrics.describe("m", [value for group in groups for value in group])
    found = metrics.pooled([metrics.describe("m", group) for group in groups])
    assert found.n == whole.n
    assert found.mean == pytest.approx(whole.mean, abs=1e-9)
    assert (found.sd is None) == (whole.sd is None)
    assert found.sd is None or found.sd == pytest.approx(whole.sd, abs=1e-6)


def test_a_group_whose_spread_is_not_known_leaves_that_of_all_unknown() -> None:
    unknown = metrics.MetricSummary("m", 3, 0.5, None)
    found = metrics.pooled([unknown, metrics.describe("m", [0.1, 0.2])])
    assert (found.n, found.sd) == (5, None)
    assert metrics.pooled([unknown]) is unknown


@pytest.mark.parametrize(
    ("distance", "values", "expected"),
    [
        (0.0, [1.0], True),
        (1e-13, [1.0], True),
        (1e-11, [1.0], False),
        (-1e-13, [1.0], True),
        (1e-9, [1e6, -1.0], True),
        (0.0, [0.0], True),
        (1e-300, [0.0], False),
        (math.inf, [1.0], False),
    ],
)
def test_what_rounding_does_follows_the_size_of_the_values(
    distance: float,
    values: list[float],
    expected: bool,  # noqa: FBT001
) -> None:
    assert metrics.is_rounding(distance, values) is expected


def sample(seed: int, value: float, metric: str = "f1", **where: object) -> Sample:
    return Sample(metric, seed, value, **where)  # type: ignore[arg-type]


def test_folds_are_averaged_before_seeds_and_the_whole_counts_before_folds() -> None:
    folds = [sample(1, 0.2, fold=0), sample(1, 0.4, fold=1), sample(2, 0.7, fold=0)]
    (found,) = metrics.summarise(folds)
    assert (found.n, found.mean) == (2, pytest.approx((0.3 + 0.7) / 2))
    (found,) = metrics.summarise([*folds, sample(1, 0.9)])
    assert (found.n, found.mean, found.sd) == (1, 0.9, None)


def test_data_sets_are_metrics_of_their_own_and_names_are_sorted() -> None:
    rows = [sample(1, 1.0, "z"), sample(1, 2.0, dataset="iris"), sample(1, 3.0), sample(2, 5.0)]
    found = metrics.summarise(rows)
    assert [(item.metric, item.n, item.mean) for item in found] == [
        ("f1", 2, 4.0),
        ("f1[iris]", 1, 2.0),
        ("z", 1, 1.0),
    ]
    assert metrics.summarise([]) == ()
