"""Plans: what a promise means, and what its digest covers."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given

from gitexp.errors import BadEffectError, BadFormatError, UnknownMetricError
from gitexp.model.plan import (
    BaselineRef,
    Claim,
    Direction,
    Effect,
    Guard,
    HypothesisKind,
    OnFailed,
    Person,
    PlanDraft,
    Stopping,
    StoppingRule,
)
from gitexp.records import plan, terms
from gitexp.records.terms import digest as plan_digest
from tests.records import strategies

if TYPE_CHECKING:
    from gitexp.model.plan import Plan

MAX, MIN = Direction.MAX, Direction.MIN
SUP = HypothesisKind.SUPERIORITY


@pytest.mark.parametrize(
    ("text", "direction", "effect", "sentence"),
    [
        (">=5%", MAX, Effect(SUP, 0.05, relative=True), "m rises by at least 5 %"),
        (">= 5 %", MAX, Effect(SUP, 0.05, relative=True), "m rises by at least 5 %"),
        (">0", MAX, Effect(SUP, 0.0, relative=False, strict=True), "m rises"),
        (">=0", MAX, Effect(SUP, 0.0, relative=False), "m does not get worse"),
        (">=0.01", MAX, Effect(SUP, 0.01, relative=False), "m rises by at least 0.01"),
        (
            ">0.5%",
            MAX,
            Effect(SUP, 0.005, relative=True, strict=True),
            "m rises by more than 0.5 %",
        ),
        (">=-2%", MAX, Effect(SUP, -0.02, relative=True), "m falls by at most 2 %"),
        (">=5%", MIN, Effect(SUP, 0.05, relative=True), "m falls by at least 5 %"),
        ("<=-5%", MIN, Effect(SUP, 0.05, relative=True), "m falls by at least 5 %"),
        ("<0", MIN, Effect(SUP, 0.0, relative=False, strict=True), "m falls"),
        ("<=+2%", MIN, Effect(SUP, -0.02, relative=True), "m rises by at most 2 %"),
        (
            "+-1%",
            MAX,
            Effect(HypothesisKind.EQUIVALENCE, 0.01, relative=True),
            "m changes by less than 1 %",
        ),
        ("!=0", MAX, Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False), "m changes"),
    ],
)
def test_an_effect_is_read_as_a_gain(
    text: str, direction: Direction, effect: Effect, sentence: str
) -> None:
    assert terms.parse_effect(text, direction) == effect
    assert terms.format_effect(effect, "m", direction) == sentence


@pytest.mark.parametrize(
    "text", ["", "5%", ">=", ">= five", "=>5%", ">=5%%", "<=5%", "<0", "+-0", ">=1e999", ">=nan"]
)
def test_what_is_no_effect_of_a_metric_to_be_raised_is_refused(text: str) -> None:
    with pytest.raises(BadEffectError):
        terms.parse_effect(text, MAX)


@given(strategies.effects)
def test_an_effect_comes_back_from_its_text(effect: Effect) -> None:
    for direction in Direction:
        assert terms.parse_effect(terms.effect_text(effect, direction), direction) == effect


@given(strategies.guards)
def test_a_guard_comes_back_from_its_text(guard: Guard) -> None:
    assert terms.parse_guard(terms.guard_text(guard)) == guard


def test_guards_and_metrics_are_read() -> None:
    assert terms.parse_guard("latency_ms <= +5%") == Guard("latency_ms", "<=", 0.05, relative=True)
    assert terms.parse_guard("recall>=-0.01") == Guard("recall", ">=", -0.01, relative=False)
    assert terms.parse_metric("f1:max") == ("f1", MAX)
    assert terms.parse_metric("val:loss") == ("val:loss", None)
    for text in ("", ":max", "  "):
        with pytest.raises(UnknownMetricError):
            terms.parse_metric(text)
    for text in ("recall", "recall<1", "<=5%", "a=b<=1"):
        with pytest.raises(BadEffectError):
            terms.parse_guard(text)


@given(strategies.plans)
def test_prose_is_no_part_of_the_digest_and_all_that_binds_is(value: Plan) -> None:
    prose = replace(
        value,
        objective="other",
        hypothesis="other",
        name="other",
        branch="other",
        author=Person("x", "y"),
        baseline=BaselineRef("other", value.baseline.commit),
    )
    assert plan_digest(prose) == value.digest
    binding = (
        replace(value, metric=value.metric + "x"),
        replace(value, claim=next(claim for claim in Claim if claim is not value.claim)),
        replace(value, direction=next(d for d in Direction if d is not value.direction)),
        replace(value, effect=replace(value.effect, margin=value.effect.margin + 1)),
        replace(value, alpha=value.alpha / 2),
        replace(value, repeats=value.repeats + 1),
        replace(value, guards=(*value.guards, Guard("x", "<=", 0.5, relative=False))),
        replace(value, evaluation=(*value.evaluation, "x")),
        replace(value, stopping=Stopping(StoppingRule.POCOCK, 7)),
        replace(value, on_failed=next(way for way in OnFailed if way is not value.on_failed)),
        replace(value, failure="recall<0.1"),
    )
    for other in binding:
        assert plan_digest(other) != value.digest


PLAN = b"""\
$schema: gitexp/plan@1
name: focal
branch: exp/focal
hypothesis: focal loss raises auc by at least 0.005
claim: method
metric: auc
direction: max
effect: ">=0.005"
alpha: 0.05
repeats: 8
baseline: {name: main, commit: 3fa9c1e3fa9c1e3fa9c1e3fa9c1e3fa9c1e3fa9c}
author: {name: A, email: a@b}
created_at: 2025-01-31T12:00:00Z
"""


def test_a_time_in_our_files_is_quoted_by_us_and_asked_for_from_others() -> None:
    with pytest.raises(BadFormatError) as caught:
        plan.load(PLAN, "plan.yaml")
    assert "line 13" in caught.value.where
    quoted = PLAN.replace(b"2025-01-31T12:00:00Z", b'"2025-01-31T12:00:00+01:00"')
    assert plan.load(quoted, "plan.yaml").created_at.hour == 11


def test_the_sides_of_a_merge_are_named() -> None:
    with pytest.raises(BadFormatError, match="merge") as caught:
        plan.load(b"a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n", "plan.yaml")
    assert caught.value.where == "plan.yaml, line 2"


def test_a_draft_may_leave_out_anything_but_not_mistype_it() -> None:
    draft = plan.load_draft(b"metric: f1\neffect: '>=5%'\nbaseline: main\n", "plan.yaml")
    assert (draft.metric, draft.effect, draft.baseline) == ("f1", ">=5%", "main")
    assert plan.load_draft(b"", "plan.yaml") == PlanDraft()
    with pytest.raises(BadFormatError) as caught:
        plan.load_draft(b"hypotesis: x\n", "plan.yaml")
    assert "hypothesis" in caught.value.expected


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        (b"alpha: 0.05", b"alpha: 5", "alpha"),
        (b"alpha: 0.05", b"alpha: 0.6", "alpha"),
        (b"alpha: 0.05", b"alpha: 0.5", "alpha"),
        (b"repeats: 8", b"repeats: 0", "repeats"),
        (b"repeats: 8", b"repeats: 100001", "repeats"),
        (b'">=0.005"', b'"<=0.005"', "effect"),
        (b"3fa9c1e3", b"main", "baseline.commit"),
        (b"claim: method", b"claim: idea", "claim"),
        (b"repeats: 8", b"repeats: 8\nguards: [x]", "guards"),
        (b"repeats: 8", b"repeats: 8\nstopping: {rule: peeking}", "stopping.rule"),
        (b"repeats: 8", b"repeats: 8\nstopping: {rule: pocock, looks: 99}", "stopping.looks"),
        (b"repeats: 8", b"repeats: 8\non_failed: ignore", "on_failed"),
        (b"repeats: 8", b"repeats: 8\nfailure: x", "failure"),
    ],
)
def test_a_wrong_value_in_a_plan_is_named(old: bytes, new: bytes, key: str) -> None:
    data = PLAN.replace(b"2025-01-31T12:00:00Z", b'"2025-01-31T12:00:00Z"').replace(old, new, 1)
    with pytest.raises(BadFormatError) as caught:
        plan.load(data, "plan.yaml")
    assert caught.value.where == f"plan.yaml: {key}"


STAMPED = PLAN.replace(b"2025-01-31T12:00:00Z", b'"2025-01-31T12:00:00Z"')


def test_a_plan_from_before_stopping_rules_keeps_its_digest() -> None:
    old = plan.load(STAMPED, "plan.yaml")
    assert old.digest == "b4c0e3c6c34979b988162cab70a6d200ecd3c2221386db7562a6ba3e9667f355"
    assert (old.stopping, old.on_failed) == (None, OnFailed.REFUSE)
    said = plan.load(STAMPED + b"on_failed: refuse\n", "plan.yaml")
    assert said.digest == old.digest, "the default, said or not"


def test_looks_are_spaced_evenly_and_end_with_the_planned_repeats() -> None:
    rule = plan.load(STAMPED + b"stopping: {rule: obrien-fleming, looks: 3}\n", "p").stopping
    assert rule == Stopping(StoppingRule.OBRIEN_FLEMING, 3)
    assert rule.at(8) == (3, 6, 8)
    assert Stopping(StoppingRule.ALWAYS_VALID).at(3) == (1, 2, 3)


@pytest.mark.parametrize("rule", ["{rule: pocock, looks: 1}", "{rule: pocock, looks: 9}"])
def test_there_are_two_looks_at_least_and_no_more_than_repeats(rule: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        plan.load(STAMPED + f"stopping: {rule}\n".encode(), "plan.yaml")
    assert caught.value.expected == "2 to 8 looks"
    with pytest.raises(BadFormatError, match="no looks to plan") as caught:
        plan.load(STAMPED + b"stopping: {rule: always-valid, looks: 3}\n", "plan.yaml")
    assert (caught.value.where, caught.value.expected) == ("plan.yaml", "no looks")
