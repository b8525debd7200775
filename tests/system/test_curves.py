"""Learning curves become measurements that no value of theirs has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitexp.errors import BadMetricError, UnknownMetricError
from gitexp.system import curves

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

TEXT = """name,step,value
val/acc,1,0.50
val/acc,2,0.70
val/acc,4,0.65
test/acc,1,0.48
test/acc,2,0.66
test/acc,4,0.69
"""


def read(folder: Path, text: str = TEXT, expect: tuple[str, ...] = ()) -> curves.Summaries:
    (folder / "curves.csv").write_text(text)
    return curves.read(folder, ["curves.csv"], seed=3, expect=expect)


def test_each_curve_has_a_final_value_and_an_area(tmp_path: Path) -> None:
    found = read(tmp_path)
    values = {sample.metric: sample.value for sample in found.samples}
    assert {sample.seed for sample in found.samples} == {3}
    assert values.keys() == {
        "curve:val/acc.final", "curve:val/acc.area", "curve:test/acc.final", "curve:test/acc.area",
    }  # fmt: skip
    assert values["curve:test/acc.final"] == 0.69
    area = np.trapezoid([0.48, 0.66, 0.69], [1, 2, 4]) / 3
    assert values["curve:test/acc.area"] == pytest.approx(area)


def test_a_value_at_the_best_step_of_a_validation_curve_is_measured_where_a_plan_asks(
    tmp_path: Path,
) -> None:
    asked = "curve:test/acc.at-max:val/acc"
    found = read(tmp_path, expect=(asked, "curve:val/acc.final"))
    values = {sample.metric: sample.value for sample in found.samples}
    assert values[asked] == 0.66
    assert len(found.samples) == 5
    low = read(tmp_path, expect=("curve:test/acc.at-min:val/acc",))
    assert low.samples[-1].value == 0.48


@pytest.mark.parametrize(
    "metric",
    ["curve:val/acc.max", "curve:loss.min", "curve:acc.best", "curve:val/acc.at-max:val/acc"],
)
def test_the_best_value_of_a_curve_is_refused_and_others_are_offered(metric: str) -> None:
    with pytest.raises(UnknownMetricError) as caught:
        curves.check_name(metric)
    assert "luckiest of all steps" in caught.value.summary
    assert ".final" in caught.value.expected
    assert ".at-max:OTHER" in caught.value.expected


def test_an_unknown_summary_is_refused() -> None:
    with pytest.raises(UnknownMetricError):
        curves.check_name("curve:loss.median")


def test_a_diverged_end_is_a_warning_unless_the_plan_is_about_it(tmp_path: Path) -> None:
    text = "name,step,value\nloss,1,0.7\nloss,2,\n"
    found = read(tmp_path, text)
    assert found.samples == ()
    assert len(found.warnings) == 2
    with pytest.raises(BadMetricError):
        read(tmp_path, text, expect=("curve:loss.final",))


def test_a_step_that_is_written_twice_keeps_its_last_value(tmp_path: Path) -> None:
    found = read(tmp_path, "name,step,value\nloss,2,0.4\nloss,1,0.9\nloss,2,0.5\n")
    values = {sample.metric: sample.value for sample in found.samples}
    assert values == {"curve:loss.final": 0.5, "curve:loss.area": pytest.approx(0.7)}


def test_large_values_have_an_area(tmp_path: Path) -> None:
    found = read(tmp_path, "name,step,value\nx,0,1.7e308\nx,9,1.7e308\n")
    values = {sample.metric: sample.value for sample in found.samples}
    assert values["curve:x.area"] == pytest.approx(1.7e308)


def test_more_curves_than_can_be_shown_are_left_out_with_a_word(tmp_path: Path) -> None:
    lines = "".join(f"c{i},1,0.5\n" for i in range(60))
    found = read(tmp_path, f"name,step,value\n{lines}")
    assert len(found.samples) == 2 * curves.MOST_CURVES
    assert any("more than 50 curves" in text for text in found.warnings)


def test_a_missing_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(BadMetricError) as caught:
        curves.read(tmp_path, ["gone.csv"], seed=0)
    assert caught.value.where == "gone.csv"


CURVES = st.dictionaries(
    st.integers(-(10**6), 10**6), st.floats(-1e6, 1e6) | st.none(), min_size=1, max_size=8
)


@settings(max_examples=60, suppress_health_check=list(HealthCheck))
@given(CURVES, st.randoms(use_true_random=False))
def test_a_curve_is_measured_as_numpy_measures_it_in_whatever_order_it_was_written(
    tmp_path: Path, curve: dict[int, float | None], chance: Random
) -> None:
    rows = [curves.CurvePoint("c", step, value) for step, value in curve.items()]
    chance.shuffle(rows)
    (tmp_path / "curves.csv").write_bytes(curves.dump(rows))
    found = curves.read(tmp_path, ["curves.csv"], seed=0)
    values = {sample.metric: sample.value for sample in found.samples}
    steps = sorted(curve)
    heights = [curve[step] for step in steps]
    assert values.get("curve:c.final") == heights[-1]
    gaps = ["final"] * (heights[-1] is None) + ["area"] * (None in heights)
    assert [word for line in found.warnings for word in ("final", "area") if word in line] == gaps
    if None in heights:
        assert "curve:c.area" not in values
    elif len(steps) == 1:
        assert values["curve:c.area"] == heights[0]
    else:
        area = float(np.trapezoid(heights, steps)) / (steps[-1] - steps[0])
        assert values["curve:c.area"] == pytest.approx(area, rel=1e-9, abs=1e-6)
        known = [height for height in heights if height is not None]
        assert min(known) - 1e-6 <= values["curve:c.area"] <= max(known) + 1e-6


@pytest.mark.parametrize(
    ("metric", "names"),
    [
        ("curve:loss.final", ("loss",)), ("curve:a.b.area", ("a.b",)),
        ("curve:a.at-min:b", ("a", "b")),
        ("curve:t/x.at-max:v/x.y", ("t/x", "v/x.y")), ("curve:loss", ()), ("curve:.final", ()),
        ("loss.final", ()),
        ("curve:a.median", ()), ("", ()),
    ],
)  # fmt: skip
def test_a_metric_of_a_curve_says_on_which_curves_it_is_measured(
    metric: str, names: tuple[str, ...]
) -> None:
    assert curves.named(metric) == names
    assert curves.is_curve(metric) == metric.startswith("curve:")
    if names:
        curves.check_name(metric)
    else:
        with pytest.raises(UnknownMetricError):
            curves.check_name(metric)


@pytest.mark.parametrize(
    ("other", "largest", "value"),
    [
        ("v,0,1\nv,1,3\nv,2,3\n", True, 20.0),  # of equals the first
        ("v,0,1\nv,1,3\nv,2,0\n", False, 30.0), ("v,1,\nv,2,5\n", True, 30.0),
    ],
)  # fmt: skip
def test_the_best_step_is_the_first_of_equals_and_no_gap(
    tmp_path: Path, other: str, *, largest: bool, value: float
) -> None:
    text = f"name,step,value\nt,0,10\nt,1,20\nt,2,30\n{other}"
    metric = f"curve:t.at-{'max' if largest else 'min'}:v"
    assert read(tmp_path, text, (metric,)).samples[-1].value == value


@pytest.mark.parametrize("other", ["v,9,1\n", "v,0,\n", "w,0,1\n"])
def test_where_the_best_step_has_no_value_the_metric_was_not_measured(
    tmp_path: Path, other: str
) -> None:
    with pytest.raises(BadMetricError, match="was not measured") as caught:
        read(tmp_path, f"name,step,value\nt,0,10\n{other}", ("curve:t.at-max:v",))
    assert caught.value.found.startswith("t")


def test_one_name_in_a_file_and_in_the_log_is_told_apart_unless_they_are_the_same(
    tmp_path: Path,
) -> None:
    (tmp_path / "c.csv").write_text("name,step,value\na,0,1\na,1,2\n")
    same = curves.read(tmp_path, ["c.csv"], seed=0, logged={"a": {0: 1.0, 1: 2.0}})
    assert {sample.metric for sample in same.samples} == {"curve:a.final", "curve:a.area"}
    other = curves.read(tmp_path, ["c.csv"], seed=0, logged={"a": {0: 1.0, 1: 3.0}})
    values = {sample.metric: sample.value for sample in other.samples}
    assert (values["curve:a.final"], values["curve:log_metric:a.final"]) == (2.0, 3.0)
