"""A plan that was changed after its first run: said, with what was changed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.draft import CompareOptions
from gitexp.enforcement.review import review
from gitexp.git.transaction import layout
from gitexp.model.plan import OLDER_RULES, Direction, PlanSeeds
from gitexp.records import codec
from gitexp.records import plan as plan_format
from gitexp.report.brief import joined, three
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from tests.lab.records import CONFIG, ENVIRONMENT, Lab, one, scores

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def rewritten(lab: Lab, plan: Plan, **terms: object) -> Plan:
    """Commit the plan with other terms."""
    other = replace(plan, **terms)  # type: ignore[arg-type]
    data = codec.dump(other)
    lab.repo.commit({layout.plan_path(plan.name): data}, at=lab.tick(), message="better terms")
    return plan_format.load(data, "plan.yaml")


def test_alpha_and_effect_that_were_changed_after_a_run_are_said(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">=5%", alpha=0.01)
    lab.change()
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.02 for seed, value in low.items()}}, plan=plan)
    easier = rewritten(lab, plan, alpha=0.05, repeats=5)
    fresh = range(20, 30)
    lab.record("d", {"f1": scores(0.6, fresh)}, of="main", plan=easier)
    lab.record("e", {"f1": {s: v + 0.05 for s, v in scores(0.6, fresh).items()}}, plan=easier)
    result = one(lab)
    said = [text for text in result.warnings if text.startswith("the plan was changed after run")]
    assert len(said) == 1
    assert "alpha 0.01 -> 0.05" in said[0]
    assert "repeats 10 -> 5" in said[0]


@pytest.mark.parametrize("then", [1, 2])
def test_a_plan_that_went_back_to_the_first_rules_says_so_in_line_1(lab: Lab, then: int) -> None:
    lab.init()
    plan = rewritten(lab, lab.plan(effect=">=0", rules=2), seeds=PlanSeeds("a" * 32))
    plan = rewritten(lab, plan, rules=then)
    lab.change()
    seeds = list(itertools.islice(PlanSeeds("a" * 32).sequence(), 10))
    low = dict(zip(seeds, scores(0.6, range(10)).values(), strict=True))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {s: v + 0.02 + v / 100 for s, v in low.items()}}, plan=plan)
    found = one(lab)
    first = "judged by the first rules, which the plan went back to: "
    assert found.headline.startswith(first) == (then == 1)
    assert (OLDER_RULES in found.warnings) == (then == 1)
    (item,) = review(lab.repo.workspace, "main...exp/deep").experiments
    line = joined(three(item)[0], lambda part: part.text)
    assert (OLDER_RULES in line) == (then == 1)


def test_mended_prose_is_no_change(lab: Lab) -> None:
    lab.init()
    plan = lab.plan(effect=">0")
    lab.change()
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.02 for seed, value in low.items()}}, plan=plan)
    rewritten(lab, plan, hypothesis="A deeper model raises F1, as it should.")
    assert not [text for text in one(lab).warnings if "plan was changed" in text]


def test_settings_that_turn_a_metric_around_are_said(lab: Lab) -> None:
    lab.init(replace(CONFIG, directions={"f1": Direction.MIN}))
    plan = lab.plan(effect=">0")
    lab.change()
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.02 for seed, value in low.items()}}, plan=plan)
    assert (
        "the plan says that f1 is better when larger, and the settings now say smaller"
        in one(lab).warnings
    )


@pytest.mark.parametrize("newer", ["settings", "another plan", ""])
def test_a_plan_without_the_rules_of_its_time_is_said_to_be(lab: Lab, newer: str) -> None:
    """Whoever takes the line out of a new plan thaws the evaluator and has no siblings."""
    lab.init(replace(CONFIG, inputs_rules=2) if newer == "settings" else CONFIG)
    if newer == "another plan":
        lab.plan("before", rules=2)
    plan = lab.plan(effect=">0")
    lab.change()
    low = scores(0.6, range(10))
    lab.record("b", {"f1": low}, of="main", plan=plan)
    lab.record("c", {"f1": {seed: value + 0.1 for seed, value in low.items()}}, plan=plan)
    said = one(lab).headline
    assert said.startswith("judged by the first rules, though ") == bool(newer)


STAGES = """\
stages:
  train:
    cmd: python train.py
    deps: [train.py]
    params: [depth]
    outs: [model]
  score:
    cmd: python score.py
    deps: [score.py, model]
    metrics: [metrics.json: {cache: false}]
"""
PIPELINE = replace(CONFIG, command=None, pipeline="dvc.yaml")
NEWER = {  # what is recorded of an older plan, and what its line says
    "all": "supported: f1 rises: +",
    "no pair": "not known: nothing to compare with: 0 samples that count for inputs",
    "other scorer": "not comparable: the evaluator differs: score.py",
    "one script": "not known: evaluation not frozen: ",
    "public seeds": "not known: its seeds were not drawn with it",
    "rules 2": "",
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize("case", NEWER)
def test_of_an_older_plan_a_line_says_what_newer_rules_would_give(lab: Lab, case: str) -> None:
    scorer = {"dvc.yaml": STAGES, "score.py": "print('score')\n"}
    lab.init(CONFIG if case == "one script" else PIPELINE, scorer)
    drawn = None if case == "public seeds" else PlanSeeds("a" * 32)
    rules = 2 if case == "rules 2" else 1
    plan = rewritten(lab, lab.plan(effect=">0", rules=rules), seeds=drawn)
    if case == "other scorer":
        lab.repo.commit({"score.py": "print('better score')\n"}, at=lab.tick())
    lab.change()
    seeds = list(itertools.islice(PlanSeeds("a" * 32).sequence(), 10))
    low = dict(zip(seeds, scores(0.6, range(10)).values(), strict=True))
    where = replace(ENVIRONMENT, python="3.12.1") if case == "no pair" else ENVIRONMENT
    high = {seed: value + 0.02 + value / 100 for seed, value in low.items()}
    lab.record("c", {"f1": high}, plan=plan, environment=where)
    lab.record("b", {"f1": low}, of="main", plan=plan)
    found = one(lab, options=CompareOptions(verbose=True))
    assert found.newer_rules.startswith(NEWER[case])
    assert bool(found.newer_rules) == bool(NEWER[case])
    assert one(lab) == replace(found, newer_rules=""), "who does not ask gets the same as ever"
    told = [
        text for text in render((found,), Style(verbose=True)).split("\n") if "newer rules" in text
    ]
    assert len(told) == bool(NEWER[case])
