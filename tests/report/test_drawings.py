"""Drawings take plain numbers and give well-formed SVG that says the same in words."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET

import pytest

from gitexp.report.drawing.charts import (
    MOST_RANKS,
    MOST_ROWS,
    Row,
    cliques,
    critical_difference,
    forest,
)
from gitexp.report.drawing.figures import MOST_PAIRS, slopes

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>"


def parsed(drawing: str) -> ET.Element:
    named = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ET.fromstring(named)  # noqa: S314  our own output


def words_of(drawing: str) -> str:
    found = parsed(drawing).find(f"{SVG}desc")
    assert found is not None
    return found.text or ""


def elements(drawing: str, tag: str, css: str) -> list[ET.Element]:
    return [item for item in parsed(drawing).iter(f"{SVG}{tag}") if item.get("class") == css]


# Ranks of Demsar (2006), figure 1(a): four classifiers, 14 data sets, Nemenyi at 0.05.
DEMSAR = (("C4.5", 3.143), ("C4.5+m", 2.000), ("C4.5+cf", 2.893), ("C4.5+m+cf", 1.964))


def test_the_diagram_of_demsar_joins_what_the_paper_joins() -> None:
    drawing = critical_difference(DEMSAR, difference=1.25, key="d", title="ranks")
    assert "not told apart: C4.5+m+cf, C4.5+m, C4.5+cf, C4.5" in words_of(drawing)
    apart = critical_difference(DEMSAR, difference=1.10, key="d", title="ranks")
    assert len(elements(apart, "line", "clique")) == 2  # the figure with the smaller difference


def test_the_best_rank_stands_on_the_left() -> None:
    drawing = critical_difference(DEMSAR, difference=0.1, key="d", title="ranks")
    first, *_ = elements(drawing, "text", "row")
    assert (first.text, first.get("text-anchor")) == ("C4.5+m+cf 1.96", "end")


def test_a_difference_longer_than_the_axis_has_no_end_on_it() -> None:
    drawing = critical_difference((("a", 1.2), ("b", 1.8)), difference=1.5, key="d", title="t")
    assert len(elements(drawing, "line", "cap")) == 1


@pytest.mark.parametrize(
    ("ranks", "difference", "expected"),
    [
        ([1.0, 2.0, 3.0], 0.5, []),
        ([1.0, 2.0, 3.0], 5.0, [(0, 2)]),
        ([1.0, 1.0, 3.0], 0.5, [(0, 1)]),
        ([1.2, 1.9, 2.6, 4.3], 1.0, [(0, 1), (1, 2)]),
        ([1.0, 2.0], 1.0, []),  # exactly the critical difference is significant
    ],
)
def test_cliques(ranks: list[float], difference: float, expected: list[tuple[int, int]]) -> None:
    assert cliques(ranks, difference) == expected


@pytest.mark.parametrize(
    "ranks", [(), (("a", 1.0),), (("a", 1.0), ("b", math.nan)), (("a", 1.0),) * (MOST_RANKS + 1)]
)
def test_a_diagram_that_cannot_be_drawn_is_empty(ranks: tuple[tuple[str, float], ...]) -> None:
    assert critical_difference(ranks, difference=1.0, key="d", title="t") == ""


def test_a_forest_plot_says_its_numbers_with_the_digits_of_the_interval() -> None:
    rows = [Row("f1", 0.0763, 0.0721, 0.0805, "tested", strong=True), Row("recall", 0.01)]
    said = words_of(forest(rows, key="f", title="metrics", share=True))
    assert said == "f1: +7.63 [+7.21, +8.05] %; recall: +1.000 %"


def test_a_forest_plot_has_one_mark_a_row_and_zero_always() -> None:
    rows = [Row(f"m{index}", 5 + index, 4 + index, 6 + index) for index in range(7)]
    drawing = forest(rows, key="f", title="t")
    assert len(elements(drawing, "rect", "estimate weak")) == 7
    assert len(elements(drawing, "line", "zero")) == 1


def test_a_limit_that_does_not_exist_runs_to_the_edge_and_has_no_end() -> None:
    drawing = forest([Row("f1", 1.0, 0.5, None)], key="f", title="t")
    assert len(elements(drawing, "line", "cap weak")) == 1
    assert "[+0.50, +inf]" in words_of(drawing)


def test_a_forest_plot_without_rows_or_beyond_floats_is_empty() -> None:
    assert forest([], key="f", title="t") == ""
    assert forest([Row("m", 1e308, -1e308, 1e308)], key="f", title="t") == ""


def test_a_forest_plot_of_too_many_rows_draws_the_first() -> None:
    rows = [Row(f"m{index}", float(index)) for index in range(MOST_ROWS + 5)]
    drawing = forest(rows, key="f", title="t")
    assert len(elements(drawing, "rect", "estimate weak")) == MOST_ROWS


def test_slopes_count_what_rises_and_falls() -> None:
    drawing = slopes([(1, 2), (2, 1), (3, 4), (5, 5)], names=("main", "exp/a"), key="s", title="t")
    assert words_of(drawing) == "main to exp/a: 2 of 4 pairs rise, 1 fall, 1 stay."
    assert len(elements(drawing, "line", "slope up")) == 2
    assert len(elements(drawing, "line", "slope down")) == 1


def test_slopes_of_one_pair_are_no_picture() -> None:
    assert slopes([(1, 2)], names=("a", "b"), key="s", title="t") == ""


def test_slopes_of_a_thousand_pairs_stay_small() -> None:
    pairs = [(float(index), index + 1.0) for index in range(1000)]
    drawing = slopes(pairs, names=("a", "b"), key="s", title="t")
    assert len(elements(drawing, "line", "slope up")) == MOST_PAIRS
    assert "1000 of 1000 pairs rise" in words_of(drawing)


def test_names_cannot_leave_a_drawing() -> None:
    for drawing in (
        slopes([(1, 2), (1, 3)], names=(HOSTILE, HOSTILE), key="s", title=HOSTILE),
        forest([Row(HOSTILE, 1.0, note=HOSTILE)], key="f", title=HOSTILE, sides=(HOSTILE, "b")),
        critical_difference(((HOSTILE, 1), ("b", 2)), difference=1, key="d", title=HOSTILE),
    ):
        parsed(drawing)
        assert "<script" not in drawing
