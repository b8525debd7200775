"""What a repeat logged, whatever the file looks like."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.errors import BadMetricError, UnsafeInputError
from gitexp.model.run import LoggedValue
from gitexp.system import curves, logged_metrics
from gitexp.text import points

if TYPE_CHECKING:
    from pathlib import Path


def write(file: Path, *found: tuple[str, float, int | None], stage: str = "train") -> Path:
    with file.open("ab") as stream:
        for name, value, step in found:
            stream.write(points.encode(name, value, step, 0.0, stage))
    return file


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "points.jsonl"


def test_a_metric_is_the_last_value_without_a_step_else_that_of_the_last_step(file: Path) -> None:
    write(file, ("f1", 0.1, None), ("f1", 0.8, None), ("f1", 0.9, 7))
    write(file, ("loss", 3.0, 1), ("loss", 1.0, 9), ("loss", 2.0, 5), ("loss", 1.5, 9))
    found = logged_metrics.read(file)
    assert found.values == {"f1": 0.8, "loss": 1.5}
    assert found.curves == {"f1": {7: 0.9}, "loss": {1: 3.0, 5: 2.0, 9: 1.5}}
    assert list(found.curves["loss"]) == [1, 5, 9]
    assert logged_metrics.read(file.with_name("none")) == logged_metrics.Logged({}, {})


def test_a_last_value_that_is_not_finite_is_an_error_and_one_before_is_a_gap(file: Path) -> None:
    write(file, ("loss", math.nan, 1), ("loss", 1.0, 2))
    assert logged_metrics.read(file).curves == {"loss": {1: None, 2: 1.0}}
    write(file, ("loss", math.inf, 3))
    with pytest.raises(BadMetricError, match="not a finite number"):
        logged_metrics.read(file)


def test_a_name_that_two_stages_log_is_each_stages_own(file: Path) -> None:
    write(file, ("acc", 0.5, None), ("loss", 1.0, 1), stage="fit@a")
    write(file, ("acc", 0.6, None), stage="fit@b")
    assert logged_metrics.read(file).values == {"loss": 1.0, "fit@a:acc": 0.5, "fit@b:acc": 0.6}


def test_a_pipe_or_a_file_beyond_all_bounds_keeps_nobody_waiting(file: Path) -> None:
    os.mkfifo(file)
    assert logged_metrics.read(file) == logged_metrics.Logged({}, {})
    assert logged_metrics.latest(file) == ()
    file.unlink()
    file.touch()
    os.truncate(file, logged_metrics.LIMIT_BYTES + 1)
    assert logged_metrics.latest(file) == ()
    with pytest.raises(UnsafeInputError, match="4 GiB"):
        logged_metrics.read(file)


def test_torn_and_foreign_lines_are_passed_over_and_counted(file: Path) -> None:
    write(file, ("f1", 0.8, None))
    with file.open("ab") as stream:
        stream.write(b'{"name":"f1","step":nu\n[1]\n"x"\n{}\n\xff\n' + b"[" * 10_000 + b"\n")
        stream.write(b"y" * 300_000 + b"\n")
        stream.write(b'{"name":"a\\nb","step":null,"t":1,"value":1}\n')
        stream.write(b'{"name":"big","step":99999999999999999999,"t":1,"value":1}\n')
        stream.write(b'{"name":"huge","step":1,"t":1,"value":1e999,"stage":"train"}\n')
    write(file, ("huge", 2.0, 2))
    with file.open("ab") as stream:
        stream.write(b'{"name":"f1","step":null,"t":1.0,"va')
    found = logged_metrics.read(file)
    assert found.values == {"f1": 0.8, "huge": 2.0}
    assert found.curves == {"huge": {1: None, 2: 2.0}}
    assert found.warnings == ("10 lines of log_metric cannot be read",)


def test_a_curve_that_is_too_long_is_thinned_but_for_its_ends_and_gaps(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logged_metrics, "_CURVES_BYTES", 100 * 40)
    write(file, *(("loss", 1 / (1 + step), step) for step in range(1000)))
    write(file, *(("gap", math.nan if step == 500 else 1.0, step) for step in range(1000)))
    found = logged_metrics.read(file)
    loss, gap = found.curves["loss"], found.curves["gap"]
    assert len(loss) + len(gap) <= 110
    assert (next(iter(loss.items())), list(loss.items())[-1]) == ((0, 1.0), (999, 0.001))
    assert gap[500] is None
    assert found.values["loss"] == 0.001
    assert [text.split()[:4] for text in found.warnings] == [
        ["curve", "loss", "is", "thinned:"],
        ["curve", "gap", "is", "thinned:"],
    ]


def test_curves_beyond_the_most_are_left_out_unless_they_are_asked_for(file: Path) -> None:
    write(file, *((f"c{number}", 1.0, 1) for number in range(60)))
    found = logged_metrics.read(file, wanted=["c59"])
    assert len(found.curves) == 51
    assert "c59" in found.curves
    assert len(found.values) == 60
    assert found.warnings == (curves.TOO_MANY,)


values = st.one_of(st.floats(width=32), st.floats(allow_nan=False))
steps = st.integers(-5, 40)


@given(
    st.lists(st.tuples(st.sampled_from(["loss", "val/acc"]), values, steps), max_size=60),
    st.data(),
)
def test_a_logged_curve_measures_what_the_same_curve_in_a_declared_file_does(
    tmp_path_factory: pytest.TempPathFactory,
    found: list[tuple[str, float, int]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("curves")
    # The last step of each is finite, else the repeat fails before any curve is measured.
    ends = [(name, data.draw(st.floats(-1e6, 1e6)), 41) for name in {name for name, *_ in found}]
    rows = [*found, *ends]
    log = logged_metrics.read(write(folder / "points.jsonl", *rows))
    (folder / "declared.csv").write_bytes(
        curves.dump(curves.CurvePoint(name, step, value) for name, value, step in rows)
    )
    declared = curves.read(folder, ["declared.csv"], seed=1)
    assert curves.read(folder, [], seed=1, logged=log.curves) == declared
    both = curves.read(folder, ["declared.csv"], seed=1, logged=log.curves)
    assert both == declared


def test_the_tail_reads_what_is_new_and_a_window_of_a_long_file(file: Path) -> None:
    tail = logged_metrics.Tail(file)
    assert not tail.look()
    write(file, ("f1", 0.5, 1), ("loss", 2.0, 1))
    assert tail.look()
    assert not tail.look()
    with file.open("ab") as stream:
        stream.write(b'{"name":"f1","step":2,"t":1.0,')
    assert not tail.look()
    with file.open("ab") as stream:
        stream.write(b'"value":0.75}\n')
    assert tail.look()
    assert tail.latest == (LoggedValue("loss", 2.0, 1), LoggedValue("f1", 0.75, 2))
    write(file, *(("loss", 1.0, step) for step in range(20_000)))
    assert tail.look()
    assert tail.latest == (LoggedValue("f1", 0.75, 2), LoggedValue("loss", 1.0, 19_999))
    assert logged_metrics.latest(file) == (LoggedValue("loss", 1.0, 19_999),)
