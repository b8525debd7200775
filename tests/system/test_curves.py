"""Learning curves become measurements that no value of theirs has chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from gitexp.errors import BadMetricError, UnknownMetricError
from gitexp.system import curves

if TYPE_CHECKING:
    from pathlib import Path

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
