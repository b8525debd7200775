"""Scales and marks of a drawing: an axis rises, its ticks are told apart, points stay in view."""

from __future__ import annotations

import itertools
import math
import re
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.model.result import Interval, Role
from gitexp.report import html
from gitexp.report.drawing import svg
from gitexp.report.drawing.svg import EDGE, WIDTH, Scale, scale_of
from gitexp.report.sheet import Style
from tests.lab import samples

finite = st.floats(allow_nan=False, allow_infinity=False)
SVG = "{http://www.w3.org/2000/svg}"


@st.composite
def scales(draw: st.DrawFn) -> Scale:
    scale = scale_of(draw(st.lists(finite, min_size=1, max_size=4)))
    if scale is None:
        scale = Scale(0.0, 1.0)
    return scale


@given(st.lists(st.floats(), max_size=6))
@example([5e-324])
@example([1e308, 1e308])
@example([-1e308, 1e308])
def test_a_scale_shows_every_finite_value_or_there_is_none(values: list[float]) -> None:
    scale = scale_of(values)
    seen = [value for value in values if math.isfinite(value)]
    if scale is None:
        span = max(seen) - min(seen) if seen else 0.0
        assert not seen or not math.isfinite(span * 4 + max(map(abs, seen)) * (1 + 1e-8))
        return
    assert scale.low < scale.high
    assert all(scale.low <= value <= scale.high for value in seen)
    assert all(EDGE <= scale.x(value) <= WIDTH - EDGE for value in values if value == value)  # noqa: PLR0124


@given(scales(), finite, finite)
def test_an_axis_never_turns_back(scale: Scale, one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert scale.x(low) <= scale.x(high)
    upright = replace(scale, start=200.0, end=20.0)
    assert upright.x(low) >= upright.x(high)


@given(scales())
def test_the_edges_of_a_scale_are_the_edges_of_the_drawing(scale: Scale) -> None:
    assert scale.x(scale.low) == EDGE
    assert scale.x(scale.high) == WIDTH - EDGE
    assert scale.x(-math.inf) == EDGE
    assert scale.x(math.inf) == WIDTH - EDGE


@given(scales(), st.integers(2, 10))
@example(scale_of([2.225073858507e-311]) or Scale(0.0, 1.0), 3)
@example(Scale(0.0, 1e-300), 6)
@example(Scale(1e9, 1e9 + 1), 6)
def test_ticks_rise_evenly_are_few_and_lie_on_the_axis(scale: Scale, most: int) -> None:
    ticks = scale.ticks(most)
    assert len(ticks) <= most + 1
    span = scale.high - scale.low
    assert all(scale.low - span * 1e-6 <= tick <= scale.high + span * 1e-6 for tick in ticks)
    steps = [after - before for before, after in itertools.pairwise(ticks)]
    assert all(step > 0 for step in steps)
    assert not steps or max(steps) - min(steps) <= span * 1e-5


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (0.0, 0.9, ["0.0", "0.2", "0.4", "0.6", "0.8"]),
        (-1.0, 1.0, ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
        (0.0, 1.5, ["0.00", "0.25", "0.50", "0.75", "1.00", "1.25", "1.50"]),
        (0.0, 12.0, ["0", "2", "4", "6", "8", "10", "12"]),
        (0.0, 6e8, ["0", "1e+08", "2e+08", "3e+08", "4e+08", "5e+08", "6e+08"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, expected: list[str]) -> None:
    assert [words for _, words in svg.labelled_ticks(Scale(low, high))] == expected


def test_ticks_of_a_share_are_signed_per_cent() -> None:
    told = [words for _, words in svg.labelled_ticks(Scale(-0.1, 0.1), share=True)]
    assert told == ["-10 %", "-5 %", "0 %", "+5 %", "+10 %"]


@given(st.floats(-1e5, 1e5), st.floats(1e-3, 1e5))
def test_no_two_ticks_have_one_label(low: float, span: float) -> None:
    told = [words for _, words in svg.labelled_ticks(Scale(low, low + span))]
    assert len(set(told)) == len(told)
    values = [float(words) for words in told]
    assert values == sorted(values)


@pytest.mark.parametrize(
    ("name", "limit", "shown"),
    [
        ("short", 26, "short"),
        ("x" * 26, 26, "x" * 26),
        ("x" * 27, 26, "x" * 23 + "..."),
        ("", 3, ""),
    ],
)
def test_a_long_name_is_cut_for_a_drawing(name: str, limit: int, shown: str) -> None:
    assert svg.short(name, limit) == shown


def test_a_picture_without_anything_to_show_has_no_frame() -> None:
    assert svg.framed("", "caption") == ""
    assert svg.framed("<svg/>", "c") == "<figure>\n<svg/>\n<figcaption>c</figcaption>\n</figure>"


def parsed(drawing: str) -> ET.Element:
    named = drawing.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    return ET.fromstring(named)  # noqa: S314  our own output


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_title_and_words_of_a_drawing_are_read_back_by_an_xml_parser(text: str) -> None:
    found = parsed(svg.drawing("k", 10, title=text, words=text, parts=[svg.text("c", 1, 2, text)]))
    seen = {(item.tag.removeprefix(SVG), item.text or "") for item in found}
    assert {tag for tag, _ in seen} == {"title", "desc", "text"}
    assert len({words for _, words in seen}) == 1
    assert found.get("aria-labelledby") == "k-t k-d"


# --- what the picture of a metric says -----------------------------------------------------------


def marks(drawing: str, css: str) -> list[ET.Element]:
    return [item for item in parsed(drawing).iter() if item.get("class") == css]


def test_every_sample_is_a_mark_and_both_means_are_lines() -> None:
    comparison = samples.supported()
    drawing = svg.figure(comparison, comparison.metrics[0], key="k")
    # One more of each is the mark in the legend.
    assert len(marks(drawing, "dot a")) == len(samples.BASELINE) + 1
    assert len(marks(drawing, "dot b")) == len(samples.CANDIDATE) + 1
    assert len(marks(drawing, "mean a")) == len(marks(drawing, "mean b")) == 1
    (left,), (right,) = (marks(drawing, f"mean {which}") for which in "ab")
    assert float(left.attrib["x1"]) < float(right.attrib["x1"])  # the candidate is the larger


def test_marks_of_equal_values_do_not_cover_each_other() -> None:
    item = samples.metric(baseline=(0.5,) * 4, candidate=(0.6,) * 4)
    drawing = svg.figure(samples.supported(), item, key="k")
    places = {(mark.get("cx"), mark.get("cy")) for mark in marks(drawing, "dot a")}
    assert len(places) == 4 + 1


def test_a_side_of_thousands_draws_the_first_and_counts_all() -> None:
    values = tuple(index / 1000 for index in range(1000))
    drawing = svg.figure(samples.supported(), samples.metric(baseline=values), key="k")
    assert len(marks(drawing, "dot a")) <= 130
    assert "n = 1000" in drawing


@pytest.mark.parametrize(
    ("kind", "direction", "bands", "limits"),
    [
        (HypothesisKind.SUPERIORITY, Direction.MAX, 1, 1),
        (HypothesisKind.SUPERIORITY, Direction.MIN, 1, 1),
        (HypothesisKind.EQUIVALENCE, Direction.MAX, 1, 2),
        (HypothesisKind.TWO_SIDED, Direction.MAX, 2, 2),
    ],
)
def test_what_was_promised_is_a_band_on_its_side(
    kind: HypothesisKind, direction: Direction, bands: int, limits: int
) -> None:
    comparison = replace(samples.supported(), effect=Effect(kind, 0.01, relative=False))
    item = samples.metric(direction=direction)
    gap = svg.gap_of(comparison, item)
    drawing = svg.figure(comparison, item, key="k")
    assert len(marks(drawing, "promise")) == bands
    assert len(marks(drawing, "limit")) == limits == len(gap.promised)
    if kind is HypothesisKind.SUPERIORITY:
        assert gap.promised == ((0.01,) if direction is Direction.MAX else (-0.01,))
        assert gap.rises is (direction is Direction.MAX)
    else:
        assert gap.promised == (-0.01, 0.01)
        assert gap.within is (kind is HypothesisKind.EQUIVALENCE)


def test_a_relative_promise_is_drawn_as_a_share_where_the_interval_is_one() -> None:
    comparison = replace(
        samples.supported(), effect=Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True)
    )
    item = samples.metric()
    gap = svg.gap_of(comparison, item)
    assert gap.share
    assert gap.promised == (0.05,)
    assert gap.estimate == item.relative
    bare = svg.gap_of(comparison, replace(item, relative_interval=None))
    assert not bare.share
    assert bare.promised == pytest.approx((0.05 * item.mean_baseline,))
    assert bare.estimate == item.difference


def test_a_metric_that_nothing_was_promised_of_has_no_band() -> None:
    drawing = svg.figure(samples.supported(), samples.metric(role=Role.WATCHED), key="k")
    assert not marks(drawing, "promise")
    assert not marks(drawing, "limit")


def test_a_limit_without_end_reaches_the_edge_and_has_no_cap() -> None:
    item = replace(samples.metric(role=Role.WATCHED), interval=Interval(0.01, None, 0.95, "t"))
    drawing = svg.figure(samples.supported(), item, key="k")
    (line,) = marks(drawing, "interval")
    assert float(line.attrib["x2"]) == WIDTH - EDGE
    assert len(marks(drawing, "cap")) == 1


def test_a_metric_that_stands_for_infinity_is_left_out_of_the_pictures() -> None:
    """The largest float is what some frameworks write for "nothing yet"."""
    most = (sys.float_info.max,)
    item = samples.metric(baseline=most, candidate=most)
    assert svg.figure(samples.supported(), replace(item, interval=None), key="k") == ""
    page = html.render((replace(samples.supported(), metrics=(item,)),), Style())
    assert "All metrics" in page


@given(st.lists(st.tuples(finite, finite), min_size=1, max_size=5), st.floats(0, 1e300))
@example([(1.1588391152833642e-290, 0.0)], 2716029176445386.0)  # a share beyond all floats
@example([(5e-07, 0.0)], 1e299)
def test_whatever_was_measured_the_picture_is_well_formed_and_within_its_frame(
    pairs: list[tuple[float, float]], half: float
) -> None:
    left, right = zip(*pairs, strict=True)
    scaled = [tuple(value / 10 for value in side) for side in (left, right)]
    item = samples.metric(baseline=scaled[0], candidate=scaled[1], half=half)
    drawing = svg.figure(samples.supported(), item, key="k")
    if not drawing:
        return
    parsed(drawing)
    assert "nan" not in drawing
    assert "inf" not in re.sub(r"<desc.*?</desc>", "", drawing)
    for x in re.findall(r'\b(?:x|x1|x2|cx)="([^"]*)"', drawing):
        assert -5 <= float(x) <= WIDTH + 5
