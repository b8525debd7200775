"""What a comparison says about its power: from numbers, spread and the plan alone."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.model.verdict import Verdict
from gitexp.ops.detectable import detectable
from gitexp.report import text
from gitexp.report.style import PLAIN
from tests.ops.records import Lab, experiment, one, scores

if TYPE_CHECKING:
    from tests.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def noisy(lab: Lab, *, effect: str = ">=5%", gain: float = 0.05, n: int = 10) -> None:
    """Record an experiment whose paired differences have a standard deviation of about 0.02."""
    lab.init()
    plan = lab.plan(effect=effect, repeats=n)
    lab.change()
    low = scores(0.6, range(n))
    high = {seed: value * (1 + gain) + (0.02 if seed % 2 else -0.02) for seed, value in low.items()}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": high}, plan=plan)


def test_it_prints_the_smallest_effect_that_it_finds(lab: Lab) -> None:
    noisy(lab)
    result = one(lab)
    found = result.detectable
    assert found is not None
    assert (found.units, found.unit, found.power) == (10, "pairs", 0.8)
    assert found.spread == pytest.approx(0.021, abs=0.002)
    assert found.distance == pytest.approx(0.85 * found.spread, rel=0.03), "Cohen's dz at n = 10"
    assert "with 80 % power" in text.render((result,), PLAIN)


def test_what_it_finds_does_not_depend_on_what_came_out(lab: Lab) -> None:
    plan = experiment(lab)
    (metric,) = one(lab).metrics
    better = replace(
        metric,
        candidate_values=tuple((seed, value + 0.2) for seed, value in metric.candidate_values),
    )
    before, after = (detectable(item, plan, paired=True) for item in (metric, better))
    assert before is not None
    assert after is not None
    assert after.distance == pytest.approx(before.distance)


def test_a_promise_of_any_gain_needs_no_number(lab: Lab) -> None:
    noisy(lab, effect=">0", gain=0.0)
    result = one(lab)
    assert result.detectable is not None
    assert (result.detectable.promised, result.detectable.needed) == (None, None)


def test_an_inconclusive_answer_says_how_many_repeats_the_promise_needs(lab: Lab) -> None:
    noisy(lab, effect=">=1%", gain=0.005)
    result = one(lab)
    assert result.verdict is Verdict.INCONCLUSIVE
    assert result.detectable is not None
    assert result.detectable.promised == pytest.approx(0.006, abs=1e-4), "1 % of 0.6"
    needed = result.detectable.needed
    assert needed is not None
    assert 60 < needed < 100
    assert any(
        reason.startswith(f"{needed} pairs would tell no change at all from the promise that f1")
        for reason in result.reasons
    )


def test_equivalence_is_about_the_band(lab: Lab) -> None:
    noisy(lab, effect="+-1%", gain=0.0)
    result = one(lab)
    assert result.detectable is not None
    assert result.detectable.needed is not None
    assert result.detectable.needed > 60
    assert "show equivalence within" in text.render((result,), PLAIN)


def test_without_any_spread_nothing_is_said(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": dict.fromkeys(range(10), 0.5)}, of="main", plan=plan)
    lab.record("c", {"f1": dict.fromkeys(range(10), 0.5)}, plan=plan)
    assert one(lab).detectable is None
