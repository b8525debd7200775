"""What a comparison says about its power: from numbers, spread and the plan alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.detectable import POWER, detectable
from gitexp.model.plan import Stopping, StoppingRule, Verdict
from gitexp.model.result import VarianceShare
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from gitexp.stats.planned.detectable import crossed_repeats_needed
from tests.lab.records import Lab, experiment, one, scores

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


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
    assert "with 80 % power" in render((result,), Style(verbose=True))


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
        reason.startswith(f"{needed} pairs would refute the promise that f1")
        for reason in result.reasons
    )


def test_equivalence_is_about_the_band(lab: Lab) -> None:
    noisy(lab, effect="+-1%", gain=0.0)
    result = one(lab)
    assert result.detectable is not None
    assert result.detectable.needed is not None
    assert result.detectable.needed > 60
    assert "show equivalence within" in render((result,), Style(verbose=True))


def test_more_repeats_do_not_make_up_for_a_small_test_set() -> None:
    noise = VarianceShare(10, 100, 0.02, seeds_share=0.5, examples_share=0.5, rest_share=0.0)
    few = crossed_repeats_needed(noise, 0.06, POWER, alpha=0.05, df=9.0)
    assert few == math.ceil(10 * 0.5 / ((0.06 / (1.833 + 0.883) / 0.02) ** 2 - 0.5))
    assert crossed_repeats_needed(noise, 0.03, POWER, alpha=0.05, df=9.0) is None


@pytest.mark.parametrize("rule", [StoppingRule.POCOCK, StoppingRule.ALWAYS_VALID])
def test_a_stopping_rule_finds_less_than_a_single_look_would(lab: Lab, rule: StoppingRule) -> None:
    sizes = []
    looks = 0 if rule is StoppingRule.ALWAYS_VALID else 2
    noisy(lab, effect=">=1%", gain=0.005)
    result = one(lab)
    assert result.plan is not None
    for stopping in (None, Stopping(rule, looks)):
        plan = replace(result.plan, stopping=stopping)
        found = detectable(result.metrics[0], plan, paired=True)
        assert found is not None
        assert found.needed is not None
        sizes.append((found.distance, found.needed))
    (single, few), (ruled, more) = sizes
    assert ruled > 1.05 * single
    assert more > few


def test_before_the_first_look_of_a_rule_nothing_is_found(lab: Lab) -> None:
    noisy(lab, effect=">=1%", n=6)
    result = one(lab)
    assert result.plan is not None
    plan = replace(result.plan, repeats=20, stopping=Stopping(StoppingRule.POCOCK, 2))
    assert detectable(result.metrics[0], plan, paired=True) is None


def test_without_any_spread_nothing_is_said(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    lab.record("b", {"f1": dict.fromkeys(range(10), 0.5)}, of="main", plan=plan)
    lab.record("c", {"f1": dict.fromkeys(range(10), 0.5)}, plan=plan)
    assert one(lab).detectable is None
