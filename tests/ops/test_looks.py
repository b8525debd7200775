"""A plan with a stopping rule: looked at as planned, in the order of the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.model.plan import Stopping, StoppingRule
from gitexp.model.verdict import Verdict
from tests.ops.records import Lab, one, scores

if TYPE_CHECKING:
    from tests.build import BuiltRepo

POCOCK = Stopping(StoppingRule.POCOCK, 4)
ALWAYS = Stopping(StoppingRule.ALWAYS_VALID)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def grow(lab: Lab, stopping: Stopping, gains: list[tuple[range, float]]) -> None:
    """Record a plan of twenty repeats, and one run call of either side for each part."""
    lab.init()
    plan = lab.plan(effect=">0", repeats=20, stopping=stopping)
    lab.change()
    for number, (seeds, gain) in enumerate(gains):
        low = scores(0.6, seeds)
        high = {seed: low[seed] + gain + 0.003 * ((seed * 5) % 7 - 3) for seed in seeds}
        lab.record("bdfhj"[number], {"f1": low}, of="main", plan=plan)
        lab.record("cegik"[number], {"f1": high}, plan=plan)


def test_a_clear_gain_is_supported_before_the_last_repeat(lab: Lab) -> None:
    grow(lab, POCOCK, [(range(10), 0.05)])
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.looks == 0
    (metric,) = result.metrics
    assert metric.result is not None
    assert metric.result.plan.test == "pocock-paired-permutation"
    assert "decided with 10 repeats, at look 2 of 4" in metric.notes
    assert metric.interval is not None
    assert "repeated over 4 looks" in metric.interval.method
    assert "as of a single look" in metric.beside[0].plan.title
    assert result.planned_repeats == 20


def test_before_the_first_look_nothing_is_judged(lab: Lab) -> None:
    grow(lab, POCOCK, [(range(4), 0.05)])
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline == "4 of 20 planned pairs; not yet judged: f1 rises"
    assert result.next_step == "gitexp run --until-decided"
    assert "not looked at yet: the first look is planned at 5" in result.metrics[0].notes


def test_what_is_not_decided_goes_on(lab: Lab) -> None:
    grow(lab, ALWAYS, [(range(6), 0.0)])
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.headline.startswith("not shown that f1 rises: ")
    assert result.next_step == "gitexp run --until-decided"


def test_what_was_decided_stays_decided_whatever_comes_after(lab: Lab) -> None:
    grow(lab, ALWAYS, [(range(8), 0.05), (range(8, 20), -0.2)])
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert any("after it change nothing" in note for note in result.metrics[0].notes)


def test_the_order_is_that_of_the_records_and_not_of_the_seeds(lab: Lab) -> None:
    grow(lab, ALWAYS, [(range(10, 18), 0.05), (range(8), -0.2)])
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.looks == 0


def test_going_on_under_an_always_valid_rule_is_no_look(lab: Lab) -> None:
    grow(lab, ALWAYS, [(range(20), 0.0), (range(20, 30), 0.0)])
    result = one(lab)
    assert result.looks == 0
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.next_step == "gitexp conclude"
