"""R2, its second half: the ways around `amend-plan` are no ways."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.git.transaction import layout
from gitexp.model.plan import MOST_AMENDMENTS, Amendment, BaselineRef, Claim, Direction
from gitexp.records import codec
from gitexp.records.terms import digest as plan_digest
from tests.lab.records import ADA, CONFIG, START, Lab
from tests.lab.shell import gitexp
from tests.rules.world import World

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

PLAN = layout.plan_path("deep")
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


@pytest.mark.sweep(4)
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


@pytest.mark.sweep
@pytest.mark.parametrize("run", [True, False])
@pytest.mark.parametrize("way", ["silent", "amended", "renamed", "second"])
def test_no_plan_goes_back_to_older_rules(world: World, way: str, *, run: bool) -> None:
    plan = world.lab.plan(rules=2)
    if run:
        world.lab.record("c", SCORES, plan=plan)
    older = other(plan, rules=1, amended=was(plan, {"rules": 2}) if way == "amended" else ())
    if way in {"renamed", "second"}:
        older = replace(older, name="wide", formerly=("deep",) if way == "renamed" else ())
    (message,) = judged(world, older, gone="" if older.name == "deep" else "deep")
    assert message == f"the plan {older.name} goes back to older rules (rules: 2 before)"
    assert gitexp(world.repo, "check").code == 1
    files = {PLAN: codec.dump(plan), layout.plan_path("wide"): None}
    world.repo.commit({k: v for k, v in files.items() if v or way in {"renamed", "second"}})
    assert gitexp(world.repo, "check").code == 0


def test_before_the_first_run_everything_but_the_rules_may_change(world: World) -> None:
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


@pytest.mark.parametrize("many", [MOST_AMENDMENTS, MOST_AMENDMENTS + 1])
def test_a_plan_of_more_amendments_than_anybody_makes_is_not_read(world: World, many: int) -> None:
    plan = planned(world, run=False)
    (item,) = was(plan, {"alpha": 0.1})
    often = other(plan, amended=tuple(replace(item, why=str(one)) for one in range(many)))
    world.repo.write({PLAN: codec.dump(often)})
    world.repo.git("add", "--all")
    world.repo.git("commit", "-qm", "amended", at=world.lab.tick())
    refused = gitexp(world.repo, "amend-plan", "--why", "once more", "--alpha", "0.01")
    if many > MOST_AMENDMENTS:
        assert "expected  at most 200" in refused.err
        assert any("read; found: 201 amendments" in said for _, _, said in world.stored())
    else:
        assert "amended as often as one may be" in refused.err


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


@pytest.mark.sweep(4)
@pytest.mark.parametrize("terms", AMENDED)
def test_what_amend_plan_writes_is_in_order(world: World, terms: tuple[str, ...]) -> None:
    planned(world)
    before = world.staged()
    done = gitexp(world.repo, "amend-plan", "--why", "a better question", *terms)
    assert done.code == 0, done.err
    assert before == world.stored() == world.quarantined() == []


# --- two people amend one plan, and a merge keeps the one's ---------------------------------------


def parted(world: World, *, run: bool = True) -> tuple[Plan, Plan, Plan]:
    """Return a plan as it was, as it was amended here, and on the branch `theirs`."""
    plan = planned(world, run=run)
    ours = other(plan, alpha=0.1, amended=was(plan, {"alpha": 0.05}))
    theirs = other(plan, repeats=7, amended=was(plan, {"repeats": 10}))
    theirs = other(theirs, amended=(replace(theirs.amended[0], why="too many"),))
    world.repo.branch("theirs")
    assert judged(world, ours) == []
    world.repo.switch("theirs")
    world.repo.commit({PLAN: codec.dump(theirs), "theirs.md": ""}, at=world.lab.tick())
    world.repo.switch(plan.branch)
    return plan, ours, theirs


def merged(world: World, plan: Plan, *options: str) -> list[str]:
    """Merge `theirs` with this plan as the result; return what R2 says of it."""
    world.repo.git("merge", "-q", "--no-commit", "--no-ff", *options, "theirs", check=False)
    return [found for found in judged(world, plan) if "squashed" not in found]


def test_a_merge_that_keeps_the_plan_of_either_side_rewrites_nothing(world: World) -> None:
    _, ours, theirs = parted(world)
    start = world.repo.hash()
    for plan in (ours, theirs):
        world.repo.git("reset", "-q", "--hard", start)
        assert merged(world, plan) == []
        assert gitexp(world.repo, "check").code == 0
        *told, last = json.loads(gitexp(world.repo, "show", "--json").out)["plan"]["amended"]
        assert last == codec.to_json(plan.amended[-1])
        assert {ours.digest, theirs.digest} - {plan.digest} == {told[-1]["digest"]}


@pytest.mark.parametrize("run", [True, False])
def test_a_plan_that_was_mixed_by_hand_is_told_first_and_healed_by_an_amendment(
    world: World, *, run: bool
) -> None:
    _, ours, theirs = parted(world)
    mixed = other(ours, repeats=7)
    assert any("history of the plan deep was rewritten" in said for said in merged(world, mixed))
    status = gitexp(world.repo, "status").out
    assert "was rewritten" in status
    assert status.rstrip().endswith("next: gitexp amend-plan deep --why TEXT, also after a run")
    if run:
        world.lab.record("d", SCORES, plan=mixed)
    assert gitexp(world.repo, "check").code == 1
    done = gitexp(world.repo, "amend-plan", "deep", "--why", "both wanted it")
    assert done.code == 0, done.err
    assert gitexp(world.repo, "check").code == 0
    assert "was rewritten" not in gitexp(world.repo, "status").out
    shown = json.loads(gitexp(world.repo, "show", "--json").out)["plan"]
    assert shown["digest"] == mixed.digest
    assert {ours.digest, theirs.digest} <= {item["digest"] for item in shown["amended"]}
    again = gitexp(world.repo, "amend-plan", "deep", "--why", "both wanted it")
    assert "nothing that binds would change" in again.err


def test_a_merge_hides_no_amendment_and_no_plan_that_was_changed_in_silence(world: World) -> None:
    plan, *_ = parted(world, run=False)
    start = world.repo.hash()
    assert any("rewritten" in said for said in merged(world, plan))  # as it was before both
    world.repo.git("reset", "-q", "--hard", start)
    easier = other(plan, alpha=0.2)
    world.repo.switch("theirs")
    world.repo.git("reset", "-q", "--hard", "HEAD~1")
    amended = other(easier, repeats=7, amended=was(easier, {"repeats": 10}))
    world.repo.commit({PLAN: codec.dump(amended), "theirs.md": ""}, at=world.lab.tick())
    world.repo.switch(plan.branch)
    assert any("rewritten" in said for said in merged(world, amended))
    world.repo.git("reset", "-q", "--hard", start)
    world.repo.switch("theirs")
    world.repo.git("reset", "-q", "--hard", "HEAD~1")
    world.repo.commit({"theirs.md": ""}, at=world.lab.tick())
    world.repo.switch(plan.branch)
    assert any("rewritten" in said for said in merged(world, plan))  # the only one is dropped


def test_another_than_the_author_who_chooses_between_amendments_is_named(world: World) -> None:
    _, _, theirs = parted(world)
    world.repo.git("merge", "-q", "--no-commit", "theirs", check=False)
    world.repo.write({PLAN: codec.dump(theirs)})
    world.repo.git("add", "--all")
    world.repo.git("commit", "-qm", "merged", "--author", "Eve <eve@example.org>")
    (said,) = [message for _, _, message in world.stored() if "chose" in message]
    assert "Ada Lovelace, who does not commit this" in said
