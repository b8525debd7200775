"""A plan with a stopping rule: looked at as planned, in the order of the records."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import CompareOptions, compare
from gitexp.model.plan import Stopping, StoppingRule, Verdict
from tests.lab.records import START, Lab, one, scores

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

POCOCK = Stopping(StoppingRule.POCOCK, 4)
ALWAYS = Stopping(StoppingRule.ALWAYS_VALID)


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def grow(lab: Lab, stopping: Stopping, gains: list[tuple[range, float]]) -> Plan:
    """Record a plan of twenty repeats, and one run call of either side for each part."""
    lab.init()
    plan = lab.plan(effect=">0", repeats=20, stopping=stopping)
    lab.change()
    for number, (seeds, gain) in enumerate(gains):
        low = scores(0.6, seeds)
        high = {seed: low[seed] + gain + 0.003 * ((seed * 5) % 7 - 3) for seed in seeds}
        lab.record("bdfhj"[number], {"f1": low}, of="main", plan=plan)
        lab.record("cegik"[number], {"f1": high}, plan=plan)
    return plan


def test_a_clear_gain_is_supported_before_the_last_repeat(lab: Lab) -> None:
    grow(lab, POCOCK, [(range(10), 0.05)])
    result = one(lab)
    assert result.verdict is Verdict.SUPPORTED
    assert result.looks == 0
    assert result.reasons == ()  # what is decided lacks nothing
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


def test_one_pair_is_before_the_first_look_of_a_rule_without_planned_ones(lab: Lab) -> None:
    grow(lab, ALWAYS, [(range(1), 0.05)])
    result = one(lab)
    assert result.verdict is Verdict.UNDECIDABLE
    assert "not looked at yet: the first look is at 2" in result.metrics[0].notes


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


def test_what_comes_after_the_last_planned_look_does_not_count(lab: Lab) -> None:
    plan = grow(lab, POCOCK, [(range(20), 0.0)])
    before = one(lab).metrics[0]
    late = scores(0.6, range(20, 40))
    lab.record("d", {"f1": late}, of="main", plan=plan)
    lab.record("e", {"f1": {seed: value + 0.05 for seed, value in late.items()}}, plan=plan)
    result = one(lab)
    (after,) = result.metrics
    assert (after.result, after.interval, after.n_candidate) == (before.result, before.interval, 20)
    assert after.difference == before.difference, "no p of one set beside an effect of another"
    assert "20 repeats came after the last planned look and do not count" in result.warnings


def test_a_look_that_does_not_pay_for_its_variants_has_decided_nothing(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=12, stopping=Stopping(StoppingRule.POCOCK, 2))
    low = scores(0.6, range(12))
    lab.change(3)
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: low[seed] - 0.01 for seed in range(6)}}, plan=plan)
    lab.change(4)
    high = {seed: value + 0.005 + 0.001 * (seed % 3) for seed, value in low.items()}
    lab.record("d", {"f1": {seed: high[seed] for seed in range(6)}}, plan=plan)
    first = one(lab)
    assert first.metrics[0].result is not None
    assert first.metrics[0].result.p_support == pytest.approx(0.0265, abs=1e-3), "twice: 0.053"
    assert first.verdict is Verdict.INCONCLUSIVE
    assert "not decided after 1 of 2 looks" in first.metrics[0].notes
    lab.record("e", {"f1": {seed: high[seed] for seed in range(6, 12)}}, plan=plan)
    second = one(lab)
    assert second.verdict is Verdict.SUPPORTED
    assert second.metrics[0].result is not None
    assert second.metrics[0].result.plan.alpha == 0.05
    assert "decided with 12 repeats, at look 2 of 2" in second.metrics[0].notes


def test_a_look_that_does_not_pay_for_all_candidates_of_the_call_has_decided_nothing(
    lab: Lab,
) -> None:
    lab.init()
    low = scores(0.6, range(12))
    high = {seed: value + 0.005 + 0.001 * (seed % 3) for seed, value in low.items()}
    same = {seed: value + 0.001 * (seed % 2) - 0.0005 for seed, value in low.items()}
    plans: dict[str, Plan] = {}
    for letters, name, values in (("bc", "better", high), ("de", "same", same)):
        lab.repo.switch("main")
        plan = lab.plan(name, effect=">0", repeats=12, stopping=Stopping(StoppingRule.POCOCK, 2))
        lab.change(ord(letters[0]))
        lab.record(letters[0], {"f1": low}, of="main", plan=plan)
        lab.record(letters[1], {"f1": {seed: values[seed] for seed in range(6)}}, plan=plan)
        plans[name] = plan
    names = ["main", "exp/better", "exp/same"]
    alone = compare(lab.repo.workspace, ["better"], now=START)[0]
    assert alone.verdict is Verdict.SUPPORTED
    first = compare(lab.repo.workspace, names, now=START)[0]
    assert first.verdict is Verdict.INCONCLUSIVE
    assert "not decided after 1 of 2 looks" in first.metrics[0].notes
    free = compare(lab.repo.workspace, names, CompareOptions(adjust="none"), now=START)[0]
    assert free.verdict is Verdict.SUPPORTED
    lab.repo.switch("exp/better")
    later = {seed: high[seed] for seed in range(6, 12)}
    lab.record("f", {"f1": later}, plan=plans["better"])
    second = compare(lab.repo.workspace, names, now=START)[0]
    assert second.verdict is Verdict.SUPPORTED
    assert "decided with 12 repeats, at look 2 of 2" in second.metrics[0].notes


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
    assert result.next_step == 'gitexp conclude -m "what was learned"'
