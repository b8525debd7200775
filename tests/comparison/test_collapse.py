"""Runs that failed by the plan's own rule: counted, left out of the effect, and no way to a yes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.exclusions import planning
from gitexp.comparison.power import power
from gitexp.errors import BadEffectError, UsageError
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.new import new
from gitexp.model.design import PowerRequest
from gitexp.model.plan import Direction, Guard, OnFailed, Terms, Verdict
from gitexp.model.request import NewRequest
from gitexp.records import codec
from gitexp.records.terms import sealed
from gitexp.report import views
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import PLAIN
from gitexp.views.list_runs import list_experiments
from gitexp.views.status import status
from tests.lab.records import Lab, one, scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.model.comparison import Comparison
    from tests.lab.build import BuiltRepo

RULE = "f1<0.3"
COLLAPSED = 0.05


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def compared(
    lab: Lab,
    *,
    baseline: Sequence[int] = (),
    candidate: Sequence[int] = (),
    rule: str = RULE,
    gain: float = 0.05,
) -> Comparison:
    """Compare ten pairs, of which these seeds collapse on either side."""
    lab.init()
    plan = lab.plan(effect=">0", repeats=10, failure=rule)
    lab.change()
    low = scores(0.6, range(10))
    high = {seed: value + gain + 0.001 * (seed % 3) for seed, value in low.items()}
    left, right = (
        {seed: COLLAPSED if seed in gone else value for seed, value in side.items()}
        for side, gone in ((low, baseline), (high, candidate))
    )
    lab.record("b", {"f1": left}, of="main", plan=plan)
    lab.record("c", {"f1": right}, plan=plan)
    return one(lab)


def test_the_effect_is_that_of_the_runs_that_do_not_fail(lab: Lab) -> None:
    found = compared(lab, baseline=[2], candidate=[7])
    assert found.verdict is Verdict.SUPPORTED
    assert found.pairs == 8
    assert (
        "among runs that do not fail by f1<0.3 (failed: candidate 1 of 10, baseline 1 of 10): "
        in (found.headline)
    )
    assert found.collapsed is not None
    assert (found.collapsed.baseline, found.collapsed.candidate) == ((2,), (7,))
    primary = found.metrics[0]
    assert min(primary.mean_baseline, primary.mean_candidate) > 0.5, (
        "no mean over good and bad runs"
    )
    assert {item.why for item in found.unused} == {"failed by f1<0.3"}
    assert codec.load(type(found), codec.dump(found), "answer") == replace(found, words="")


def test_list_and_status_say_what_their_means_are_without(lab: Lab) -> None:
    compared(lab, baseline=[2], candidate=[7])
    said = "failed by f1<0.3: candidate 1 of 10, baseline 1 of 10; means are of the others"
    listed = list_experiments(lab.repo.workspace)
    (found,) = listed.experiments
    assert (found.finished, found.collapsed) == (8, said)
    assert found.primary is not None
    assert found.primary.mean > 0.5
    assert f"deep: {said}" in views.render(listed, "text")
    assert json.loads(views.render(listed, "json"))["experiments"][0]["collapsed"] == said
    view = status(lab.repo.workspace)
    assert (len(view.counted), view.not_counted) == (8, (said,))
    assert view.next_step == "gitexp compare", "nothing stands in for them"


def test_a_candidate_that_fails_more_often_is_not_supported(lab: Lab) -> None:
    found = compared(lab, candidate=[1, 7])
    assert found.verdict is Verdict.INCONCLUSIVE
    assert (
        "2 of 10 repeats of the candidate failed by f1<0.3, 0 of 10 of the baseline"
        in found.headline
    )
    assert "gitexp conclude" in found.next_step
    assert "no more repeats" not in render((found,), PLAIN)


def test_one_that_fails_less_often_is_and_a_worse_one_is_refuted(lab: Lab) -> None:
    assert compared(lab, baseline=[4]).verdict is Verdict.SUPPORTED


def test_a_no_needs_no_equal_number_of_failures(lab: Lab) -> None:
    found = compared(lab, candidate=[4], gain=-0.05)
    assert found.verdict is Verdict.REFUTED


def test_what_the_baseline_does_all_the_time_is_no_failure(lab: Lab) -> None:
    found = compared(lab, baseline=[1, 2, 3], candidate=[1])
    assert found.verdict is Verdict.UNDECIDABLE
    said = "not judged: 3 of 10 repeats of the baseline failed by f1<0.3, more than 20%"
    assert found.headline.startswith(said), "all runs are in the table, and not those that are left"
    assert "gitexp new" in found.next_step
    assert "--failure" not in found.next_step, "the next plan would meet the same"


def test_where_repeats_do_not_pair_each_side_loses_its_own(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0", repeats=10, failure=RULE)
    lab.change()
    low = scores(0.6, range(10)) | {3: COLLAPSED}
    lab.record("b", {"f1": low}, of="main", plan=plan)
    high = {seed + 20: value + 0.1 for seed, value in scores(0.6, range(10)).items()}
    lab.record("c", {"f1": high | {25: COLLAPSED}}, plan=plan)
    found = one(lab)
    assert found.verdict is Verdict.SUPPORTED
    assert (found.metrics[0].n_baseline, found.metrics[0].n_candidate) == (9, 9)


def test_a_rule_on_what_is_not_measured_decides_nothing(lab: Lab) -> None:
    found = compared(lab, rule="recall<0.3")
    assert found.verdict is Verdict.UNDECIDABLE
    assert "recall of its rule for failures is not measured" in found.headline


def test_the_spread_that_is_planned_with_is_of_runs_that_do_not_fail(lab: Lab) -> None:
    lab.init()
    low = scores(0.6, range(10)) | {3: COLLAPSED}
    lab.record("b", {"f1": low}, of="main", plan=None)
    spreads = {}
    for rule in ("", RULE):
        lab.repo.switch("main")
        lab.plan(f"deep{len(rule)}", failure=rule)
        spreads[rule] = power(lab.repo.workspace, PowerRequest()).spread
    assert spreads[RULE] is not None
    assert spreads[""] is not None
    assert spreads[RULE] < 0.1 * spreads[""]


def test_the_next_plan_keeps_all_that_binds(lab: Lab) -> None:
    lab.init()
    guards = (Guard("ms", "<=", 0.05, relative=True),)
    plan = lab.plan(guards=guards, failure=RULE, on_failed=OnFailed.DROP, alpha=0.01)
    plan = sealed(replace(plan, guards_shown=True, frozen=("train.py",)))
    terms = ("--guard 'ms<=+5%'", "--guards-shown", "--frozen train.py", "--alpha 0.01")
    for term in (*terms, "--failure 'f1<0.3'", "--on-failed drop"):
        assert term in planning(plan, 12)


def test_new_and_amend_refuse_a_rule_that_the_baseline_meets(lab: Lab) -> None:
    lab.init()
    workspace = lab.repo.workspace
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main", plan=None)
    asked = NewRequest(
        name="deep",
        hypothesis="A deeper model raises F1.",
        metric="f1",
        effect=">0",
        direction=Direction.MAX,
        failure="f1<0.7",
    )
    with pytest.raises(UsageError, match="rule for failures") as caught:
        new(workspace, asked)
    assert "10 of 10 repeats of the baseline failed by f1<0.7" in caught.value.found
    with pytest.raises(BadEffectError):
        new(workspace, replace(asked, failure="f1 is low"))
    assert new(workspace, replace(asked, failure=" f1 < .3 ")).plan.failure == "f1<0.3"
    with pytest.raises(UsageError, match="rule for failures"):
        amend_plan(workspace, "deep", Terms(failure="f1<0.7"), why="another rule")
    gone = amend_plan(workspace, "deep", Terms(failure=""), why="no rule").plan
    assert gone.failure == ""
