"""One comparison in every format: the same numbers, the same verdict, none of them cut apart."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.model.result import MetricComparison, Role, SignificanceResult
from gitexp.report import RENDERERS, frame, numbers, words
from gitexp.report import render_comparisons as render
from gitexp.report.comparisons import COLUMNS, COMMENT, WHOLE, grid, sheet_of
from gitexp.report.sheet import PLAIN, Style
from tests.lab import samples

if TYPE_CHECKING:
    from gitexp.model.comparison import Comparison

READ = ("text", "md", "html", "latex")  # by people
CASES = [(case, at) for case, found in sorted(samples.ALL.items()) for at in range(len(found))]
values = st.floats(-1e6, 1e6).map(lambda value: round(value, 6))


class Text(HTMLParser):
    """The text of a page, without its style and its drawings."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.said: list[str] = []
        self.skipped = 0
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, _attrs: list[tuple[str, str | None]]) -> None:
        self.skipped += tag in {"style", "svg"}

    def handle_endtag(self, tag: str) -> None:
        self.skipped -= tag in {"style", "svg"}

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.said.append(data)


def said(name: str, comparison: Comparison) -> str:
    """Return what a person reads of a format, in the letters of a terminal."""
    page = render(name, (comparison,), Style(verbose=name == "text"))
    if name == "html":
        return "\n".join(Text(page).said)
    if name == "latex":
        page = re.sub(r"\$([+-])\$", r"\1", page).replace("\\textbackslash{}", "\\")
        page = re.sub(r"\\ensuremath\{(.)\}", r"\1", page)
        return re.sub(r"\\([%&$#_{}])", r"\1", page)
    return page


def shown(comparison: Comparison) -> list[tuple[str, str]]:
    """Return metric and cell of each number that people read."""
    table = grid(comparison)
    names = [*WHOLE]
    columns = [names.index(name) for name in ("baseline", "candidate", "effect", "interval", "p")]
    return [
        (str(row[0]), str(row[column])) for row in table.rows for column in columns if row[column]
    ]


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize(("case", "at"), CASES)
def test_every_format_that_is_read_has_each_number_of_the_table(
    name: str, case: str, at: int
) -> None:
    comparison = samples.ALL[case][at]
    page = said(name, comparison)
    for metric, cell in shown(comparison):
        assert metric in page
        assert cell in page, (metric, cell)


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize(("case", "at"), CASES)
def test_every_format_that_is_read_has_verdict_headline_and_both_sides(
    name: str, case: str, at: int
) -> None:
    comparison = samples.ALL[case][at]
    page = said(name, comparison)
    assert words.verdict_word(comparison).lower() in page.lower()
    assert comparison.headline in page
    assert comparison.baseline.name in page
    assert comparison.candidate.name in page


@pytest.mark.parametrize(("case", "at"), CASES)
def test_csv_json_and_the_data_frame_have_the_numbers_in_full(case: str, at: int) -> None:
    comparison = samples.ALL[case][at]
    rows = list(csv.DictReader(io.StringIO(render("csv", (comparison,), PLAIN))))
    found = json.loads(render("json", (comparison,), PLAIN))
    table = frame.comparisons((comparison,))
    assert list(table.columns) == list(COLUMNS) == list(rows[0]) if rows else True
    assert len(rows) == len(table) == len(found["metrics"]) == len(comparison.metrics)
    for row, value, line, metric in zip(
        rows, found["metrics"], table.to_dict("records"), comparison.metrics, strict=True
    ):
        assert row["metric"] == value["metric"] == line["metric"] == metric.metric
        for column in ("mean_baseline", "mean_candidate", "difference", "sd_baseline"):
            exact = getattr(metric, column)
            assert float(row[column]) == line[column] == exact
            assert value[column] == exact
        low = None if metric.interval is None else metric.interval.low
        assert (float(row["low"]) if row["low"] else None) == low
        assert row["verdict"] == (comparison.verdict.value if comparison.verdict else "")
        assert row["broken"] == ("true" if metric.broken else "false")


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_several_candidates_are_told_in_the_order_in_which_they_were_asked(name: str) -> None:
    one, two = samples.supported(), samples.refuted()
    one = replace(one, candidate=replace(one.candidate, name="exp/first-of-two"))
    two = replace(two, candidate=replace(two.candidate, name="exp/second-of-two"))
    page = render(name, (one, two), PLAIN)
    assert -1 < page.find("first-of-two") < page.find("second-of-two")
    page = render(name, (two, one), PLAIN)
    assert -1 < page.find("second-of-two") < page.find("first-of-two")


@pytest.mark.parametrize("name", sorted(RENDERERS))
def test_rendering_twice_gives_the_same_bytes(name: str) -> None:
    comparison = (samples.crossed(), samples.supported())
    assert render(name, comparison, PLAIN) == render(name, comparison, PLAIN)


# --- numbers that were drawn ----------------------------------------------------------------------


def drawn(pairs: list[tuple[float, float]], half: float, p: float) -> MetricComparison:
    left, right = zip(*pairs, strict=True)
    result = SignificanceResult(samples.planned(), p, p, 1 - p)
    return samples.metric(baseline=left, candidate=right, half=half, result=result)


@settings(max_examples=40)
@given(
    st.lists(st.tuples(values, values), min_size=2, max_size=5),
    st.floats(0, 1e5),
    st.floats(0, 1),
)
def test_whatever_was_measured_the_formats_agree_and_no_rounding_turns_a_side(
    pairs: list[tuple[float, float]], half: float, p: float
) -> None:
    metric = drawn(pairs, half, p)
    comparison = replace(samples.supported(), metrics=(metric,))
    (row,) = grid(comparison).rows
    cells = dict(zip(WHOLE, map(str, row), strict=True))
    digits = numbers.decimals_for(metric)
    for shown_, exact in (
        (cells["baseline"], metric.mean_baseline),
        (cells["candidate"], metric.mean_candidate),
        (cells["effect"], metric.difference),
    ):
        assert abs(float(shown_) - exact) <= max(10**-digits, abs(exact) * 1e-3)
        assert float(shown_) * exact >= 0
    assert (float(cells["p"]) <= 0.05) == (p <= 0.05)
    low, high = (float(text) for text in cells["interval"].strip("[]").split(", "))
    assert low <= high
    assert metric.interval is not None
    for shown_number, limit in ((low, metric.interval.low), (high, metric.interval.high)):
        assert limit is not None
        assert shown_number * limit >= 0
    for name in READ:
        page = said(name, comparison)
        for column in ("baseline", "candidate", "effect", "interval", "p"):
            assert cells[column] in page, (name, column)
    (line,) = csv.DictReader(io.StringIO(render("csv", (comparison,), PLAIN)))
    assert float(line["difference"]) == metric.difference
    assert float(line["p_value"]) == p


# --- tables ---------------------------------------------------------------------------------------


def test_a_narrow_table_has_the_columns_that_were_asked_for() -> None:
    comparison = samples.supported()
    whole, narrow = grid(comparison), grid(comparison, COMMENT)
    assert len(whole.header) == len(WHOLE)
    assert len(narrow.header) == len(COMMENT)
    effect, relative = WHOLE.index("effect"), WHOLE.index("relative")
    for wide, short in zip(whole.rows, narrow.rows, strict=True):
        assert short[COMMENT.index("change")] == f"{wide[effect]} ({wide[relative]})"
        assert short[0] == wide[0]
    assert narrow.right == frozenset({1, 2, 3, 4})


def test_sides_are_called_as_they_were_typed_or_as_there_is_room_for() -> None:
    comparison = samples.supported()
    at = WHOLE.index("baseline")
    named = grid(comparison).header[at : at + 2]
    assert named == (comparison.baseline.name, comparison.candidate.name)
    short = grid(comparison, sides=("baseline", "candidate")).header[at : at + 2]
    assert short == ("baseline", "candidate")


@pytest.mark.parametrize(("most", "left_out"), [(None, 0), (0, 3), (1, 2), (3, 0), (9, 0)])
def test_rows_beyond_the_most_are_counted(most: int | None, left_out: int) -> None:
    many = tuple(samples.metric(f"m{number}", role=Role.WATCHED) for number in range(3))
    table = grid(replace(samples.supported(), metrics=many), most=most)
    assert table.left_out == left_out
    assert len(table.rows) == 3 - left_out


def test_sides_of_different_sizes_say_both() -> None:
    metric = replace(samples.metric(), n_baseline=8, n_candidate=10)
    (row,) = grid(replace(samples.supported(), metrics=(metric,))).rows
    assert row[WHOLE.index("n")] == "8/10"


def test_what_is_not_known_is_an_empty_cell_and_never_zero() -> None:
    bare = replace(
        samples.metric(), interval=None, relative=None, relative_interval=None, effects=()
    )
    (row,) = grid(replace(samples.supported(), metrics=(bare,))).rows
    cells = dict(zip(WHOLE, row, strict=True))
    assert (cells["interval"], cells["size"], cells["p"]) == ("", "", "")
    assert cells["relative"] == "n/a"
    (line,) = csv.DictReader(
        io.StringIO(render("csv", (replace(samples.supported(), metrics=(bare,)),), PLAIN))
    )
    assert {line[name] for name in ("low", "high", "confidence", "effect_size", "p_value")} == {""}


def test_infinite_means_are_said_and_end_no_format() -> None:
    metric = replace(samples.metric(), mean_candidate=math.inf, difference=math.inf, relative=None)
    comparison = replace(samples.supported(), metrics=(metric,))
    for name in ("text", "md", "latex", "csv", "html"):
        assert "inf" in render(name, (comparison,), PLAIN)


def test_a_sheet_of_a_comparison_says_the_hypothesis_only_where_there_is_a_plan() -> None:
    assert sheet_of(samples.supported()).lead[0].label == "hypothesis"
    assert sheet_of(samples.exploratory()).lead == ()
    assert sheet_of(replace(samples.supported(), metrics=())).grids == ()


@pytest.mark.parametrize("name", ["text", "md", "latex"])
def test_quiet_is_one_line_a_candidate(name: str) -> None:
    pages = (samples.supported(), samples.refuted(), samples.exploratory())
    lines = [line for line in render(name, pages, Style(quiet=True)).splitlines() if line]
    assert len(lines) == len(pages)
    for line, comparison in zip(lines, pages, strict=True):
        assert words.verdict_word(comparison) in line
