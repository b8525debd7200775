"""R2, its second half: the ways around `amend-plan` are no ways."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from gitexp.model.plan import Amendment, BaselineRef, Claim, Direction
from gitexp.records import codec
from gitexp.records.terms import digest as plan_digest
from tests.lab.records import ADA, CONFIG, START, Lab
from tests.lab.shell import gitexp
from tests.rules.world import World

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

SCORES = {"f1": {0: 0.6, 1: 0.61}}


@pytest.fixture
def world(repo: BuiltRepo) -> World:
    lab = Lab(repo)
    lab.init(replace(CONFIG, params=()))
    return World(lab)


def other(plan: Plan, **terms: object) -> Plan:
    """Return a plan of other terms, with its digest."""
    changed = replace(plan, **terms)  # type: ignore[arg-type]
    return replace(changed, digest=plan_digest(changed))


def judged(world: World, *plans: Plan, gone: str = "") -> list[str]:
    """Commit plans; return what R2 says."""
    files: dict[str, bytes | None] = {layout.plan_path(p.name): codec.dump(p) for p in plans}
    found = world.judge(files | ({layout.plan_path(gone): None} if gone else {}))
    assert {rule for rule, _, _ in found} <= {"R2"}
    return [message for _, _, message in found]


def planned(world: World, *, run: bool = True) -> Plan:
    plan = world.lab.plan()
    if run:
        world.lab.record("c", SCORES, plan=plan)
    return plan


def was(plan: Plan, old: dict[str, ParamValue]) -> tuple[Amendment, ...]:
    return (*plan.amended, Amendment(plan.digest, "too strict", ADA, START, old))


@pytest.mark.parametrize(
    "terms",
    [
        {"alpha": 0.2},
        {"claim": Claim.MODEL},
        {"direction": Direction.MIN},
        {"metric": "accuracy"},
        {"repeats": 3},
        {"evaluation": ("test.csv",)},
        {"baseline": BaselineRef("main", "f" * 40)},  # type: ignore[arg-type]
    ],
)
def test_each_term_that_changes_after_a_run_is_found(
    world: World, terms: dict[str, object]
) -> None:
    plan = planned(world)
    (message,) = judged(world, other(plan, **terms))
    assert "changed after its first run" in message
    assert judged(world, plan) == []  # that it was changed stays in the history


def test_a_plan_is_not_changed_by_another_name(world: World) -> None:
    plan = planned(world)
    easier = other(plan, name="wide", formerly=("deep",), alpha=0.2)
    (message,) = judged(world, easier, gone="deep")
    assert "plan deep changed after its first run" in message


def test_a_plan_that_is_only_renamed_is_the_same(world: World) -> None:
    plan = planned(world)
    assert judged(world, other(plan, name="wide", formerly=("deep",)), gone="deep") == []


@pytest.mark.parametrize("gone", ["", "deep"])
def test_a_plan_does_not_give_way_to_a_second_one_of_its_branch(world: World, gone: str) -> None:
    plan = planned(world)
    (message,) = judged(world, other(plan, name="wide", alpha=0.2), gone=gone)
    assert "plan deep gave way to another after its first run" in message


def test_before_the_first_run_everything_may_change(world: World) -> None:
    plan = planned(world, run=False)
    assert judged(world, other(plan, alpha=0.2)) == []
    assert judged(world, other(plan, name="wide", alpha=0.1), gone="deep") == []


@pytest.mark.parametrize(
    ("old", "said"),
    [
        ({"alpha": 0.05, "repeats": 10}, ""),
        ({"alpha": 0.05}, "what repeats was"),
        ({}, "what alpha was"),
        ({"alpha": 0.1, "repeats": 10}, "what alpha was"),
    ],
)
def test_an_amendment_keeps_what_bound_before(
    world: World, old: dict[str, ParamValue], said: str
) -> None:
    plan = planned(world)
    found = judged(world, other(plan, alpha=0.2, repeats=5, amended=was(plan, old)))
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_two_amendments_in_one_commit_are_followed_back(world: World) -> None:
    plan = planned(world)
    once = other(plan, alpha=0.2, amended=was(plan, {"alpha": 0.05}))
    twice = other(once, repeats=5, alpha=0.1, amended=was(once, {"alpha": 0.2, "repeats": 10}))
    assert judged(world, twice) == []


AMENDED = (
    ("--claim", "model", "--repeats", "1"),
    ("--metric", "accuracy:max"),
    ("--metric", "f1:min", "--effect", "<=-3%"),
    ("--effect", ">=3%", "--alpha", "0.1"),
    ("--repeats", "7", "--guard", "wall_s<=+10%", "--guard", "memory_mb<=+5%"),
    ("--baseline", "HEAD", "--stopping", "pocock", "--looks", "2"),
    ("--on-failed", "drop"),
)


@pytest.mark.parametrize("terms", AMENDED)
def test_what_amend_plan_writes_is_in_order(world: World, terms: tuple[str, ...]) -> None:
    planned(world)
    before = world.staged()
    done = gitexp(world.repo, "amend-plan", "--why", "a better question", *terms)
    assert done.code == 0, done.err
    assert before == world.stored() == world.quarantined() == []
