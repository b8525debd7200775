"""What a list shows, and in which order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.make_repos import make
from gitexp.errors import UsageError
from gitexp.git.discovery import discover
from gitexp.model.listing import RunSummary
from gitexp.model.metrics import MetricSummary, describe, pooled
from gitexp.views.list_runs import group_runs, list_experiments, list_runs
from gitexp.views.query import ListQuery, MetricCondition, parse_condition, parse_since, select_runs

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)


def run(  # noqa: PLR0913
    name: str,
    f1: float | None = None,
    *,
    hour: int = 0,
    state: str = "finished 2/2",
    author: str = "Ada",
    params: tuple[tuple[str, float], ...] = (),
    seeds: tuple[int, ...] = (0, 1),
    inputs: str = "",
) -> RunSummary:
    return RunSummary(
        id=name,
        branch="exp/x",
        experiment="x",
        inputs=inputs or name,
        environment="e",
        state=state,
        finished=len(seeds),
        repeats=2,
        author=author,
        started_at=NOON + timedelta(hours=hour),
        params=params,
        metrics=() if f1 is None else (MetricSummary("f1", 2, f1, 0.1),),
        exploratory=False,
        seeds=seeds,
    )


def names(runs: tuple[RunSummary, ...]) -> list[str]:
    return [item.id for item in runs]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("f1>0.6", ["c"]),
        ("f1 >= 0.6", ["b", "c"]),
        ("f1<0.6", ["a"]),
        ("f1<=0.6", ["a", "b"]),
        ("f1=0.6", ["b"]),
        ("f1!=0.6", ["a", "c"]),
        ("f2>0", []),
    ],
)
def test_a_condition_keeps_the_runs_whose_metric_fits(text: str, kept: list[str]) -> None:
    runs = [run("a", 0.5), run("b", 0.6), run("c", 0.7), run("d")]
    found = select_runs(runs, ListQuery(metrics=(parse_condition(text),), sort="id"))
    assert names(found) == kept


@pytest.mark.parametrize("text", ["", "f1", "f1>", ">0.5", "f1>x", "f1>nan", "f1>1e999", "f1>>1"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_condition(text)


def test_a_metric_name_may_have_dots_slashes_and_blanks() -> None:
    found = parse_condition("val/f1 score.macro>=-1e-3")
    assert found == MetricCondition("val/f1 score.macro", ">=", -1e-3)


def test_states_authors_and_times_are_filters_that_must_all_hold() -> None:
    runs = [
        run("a", hour=1, author="Ada Lovelace"),
        run("b", hour=2, state="failed 0/2"),
        run("c", hour=3, author="Grace"),
    ]
    assert names(select_runs(runs, ListQuery(states=("failed", "partial")))) == ["b"]
    assert names(select_runs(runs, ListQuery(authors=("lovelace",)))) == ["a"]
    assert names(select_runs(runs, ListQuery(since=NOON + timedelta(hours=2)))) == ["c", "b"]
    assert not select_runs(runs, ListQuery(states=("failed",), authors=("grace",)))


def test_the_newest_comes_first_unless_something_else_is_asked() -> None:
    runs = [run("a", 0.7, hour=1), run("b", hour=3), run("c", 0.5, hour=2)]
    assert names(select_runs(runs, ListQuery())) == ["b", "c", "a"]
    assert names(select_runs(runs, ListQuery(sort="f1"))) == ["c", "a", "b"]
    assert names(select_runs(runs, ListQuery(sort="-f1"))) == ["a", "c", "b"]
    with pytest.raises(UsageError, match="column, metric or parameter"):
        select_runs(runs, ListQuery(sort="f2"))


def test_a_time_is_a_date_or_a_span_back_from_now() -> None:
    assert parse_since("36h", NOON) == NOON - timedelta(hours=36)
    assert parse_since("2w", NOON) == NOON - timedelta(days=14)
    assert parse_since("2024-01-01", NOON) == datetime(2024, 1, 1, tzinfo=UTC)
    with pytest.raises(UsageError):
        parse_since("yesterday", NOON)


def test_runs_are_grouped_by_the_parameters_that_differ() -> None:
    fixed = ("seeded", 1.0)
    runs = [
        run("a", 0.5, params=(fixed, ("lr", 0.1))),
        run("b", 0.7, params=(fixed, ("lr", 0.1))),
        run("c", 0.9, params=(fixed, ("lr", 0.2))),
    ]
    first, second = group_runs(runs, ["params"])
    assert first.key == (("lr", 0.1),)
    assert (first.runs, first.repeats) == (2, 4)
    (metric,) = first.metrics
    assert (metric.n, metric.mean) == (4, pytest.approx(0.6))
    assert second.key == (("lr", 0.2),)


def test_a_repeat_that_was_run_again_counts_once_in_a_group() -> None:
    runs = [run("a", 0.5, inputs="i"), run("b", 0.7, inputs="i", hour=1)]
    (group,) = group_runs(runs, ["branch"])
    assert (group.runs, group.repeats, group.metrics[0].mean) == (2, 2, 0.5)


def test_grouping_by_what_no_run_has_is_refused() -> None:
    with pytest.raises(UsageError):
        group_runs([run("a")], ["nothing"])


VALUES = st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=8)


@given(st.lists(VALUES, min_size=1, max_size=4))
def test_pooled_parts_describe_all_values_together(groups: list[list[float]]) -> None:
    whole = describe("m", [value for group in groups for value in group])
    found = pooled([describe("m", group) for group in groups])
    assert found.n == whole.n
    assert found.mean == pytest.approx(whole.mean, abs=1e-9)
    assert found.sd == (whole.sd if whole.sd is None else pytest.approx(whole.sd, abs=1e-6))


def test_a_limit_keeps_the_first_of_the_same_order(tmp_path: Path) -> None:
    make(tmp_path / "r", 3, 12)
    workspace = discover(tmp_path / "r")
    few = ListQuery(limit=5)
    cold = list_runs(workspace, few).runs
    every = list_runs(workspace).runs
    assert len(every) == 36
    assert cold == list_runs(workspace, few).runs == every[:5]
    lowest = list_runs(workspace, ListQuery(sort="id", limit=2)).runs
    assert names(lowest) == sorted(names(every))[:2]
    assert [item.name for item in list_experiments(workspace, ListQuery(limit=2)).experiments] == [
        "e2",
        "e1",
    ]
