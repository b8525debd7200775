"""Recorded resources as guard-rails: a yes that costs too much is no yes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import exit_code
from gitexp.model.comparison import Role
from gitexp.model.plan import Direction, Verdict
from gitexp.model.run import Resources
from gitexp.records.terms import parse_guard
from tests.lab.records import Lab, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

SEEDS = range(10)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def used(wall: float, memory: int, host: str = "here") -> dict[int, Resources]:
    return {
        seed: Resources(
            host=host,
            wall_s=wall + 0.01 * (seed % 3),
            peak_memory_bytes=memory + 1_000 * (seed % 4),
        )
        for seed in SEEDS
    }


def guarded(lab: Lab, *guards: str, wall: float, memory: int = 10**8, host: str = "here") -> None:
    lab.init()
    plan = lab.plan(effect=">0", guards=tuple(parse_guard(text) for text in guards))
    lab.change()
    low = scores(0.6, SEEDS)
    lab.record("b", {"f1": low}, of="main", plan=plan, resources=used(10.0, 10**8))
    high = {seed: value + 0.05 for seed, value in low.items()}
    lab.record("c", {"f1": high}, plan=plan, resources=used(wall, memory, host))


def test_a_supported_gain_that_takes_too_long_breaks_its_guard_rail(lab: Lab) -> None:
    guarded(lab, "wall_s<=+10%", wall=14.0)
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.endswith("; BROKEN: wall_s")
    assert exit_code([result]) == 1
    guard = result.metrics[1]
    assert (guard.metric, guard.role, guard.broken) == ("wall_s", Role.GUARD, True)
    assert guard.mean_baseline == pytest.approx(10.01, abs=0.01)


def test_time_and_memory_that_stay_in_bounds_are_kept(lab: Lab) -> None:
    guarded(lab, "resource:wall_s<=+10%", "peak_memory_bytes<=+5%", wall=10.2, memory=10**8)
    result = one(lab)
    assert exit_code([result]) == 0
    assert not any(metric.broken for metric in result.metrics)
    assert [metric.metric for metric in result.metrics] == [
        "f1",
        "resource:wall_s",
        "peak_memory_bytes",
    ]


def test_other_machines_are_named(lab: Lab) -> None:
    guarded(lab, "wall_s<=+10%", wall=10.0, host="there")
    assert "time and memory of the two sides were measured on different machines" in (
        one(lab).warnings
    )


def test_what_was_not_recorded_cannot_be_judged(lab: Lab) -> None:
    guarded(lab, "cpu_s<=+10%", wall=10.0)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert "the guard-rail on cpu_s cannot be judged" in result.headline


def test_a_resource_can_be_the_hypothesis(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(metric="wall_s", direction=Direction.MIN, effect=">=5%")
    lab.change()
    low = scores(0.6, SEEDS)
    lab.record("b", {"f1": low}, of="main", plan=plan, resources=used(10.0, 10**8))
    lab.record("c", {"f1": low}, plan=plan, resources=used(8.0, 10**8))
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.headline.startswith("wall_s falls by at least 5 %: ")
