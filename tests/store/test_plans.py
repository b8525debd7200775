"""Plans and settings as commits hold them: where a plan came from, and what is said without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import GitexpError, NoPlanError, NotInitialisedError
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.records import codec, terms
from gitexp.store import plan_files, plans
from gitexp.store.plan_files import UnreadablePlan
from gitexp.store.plans import Tip
from tests.lab.recorded import CONFIG, a_plan, config_file, plan_file

if TYPE_CHECKING:
    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

BASE = "1" * 40


def commit(repo: BuiltRepo, *found: Plan, at: int = 1) -> CommitHash:
    files = {name: data for plan in found for name, data in plan_file(plan).items()}
    return CommitHash(repo.commit(files, at=at))


# --- settings -------------------------------------------------------------------------------------


def test_a_commit_has_its_own_settings_else_those_of_the_plan(repo: BuiltRepo) -> None:
    before = CommitHash(repo.commit({"a": "1"}))
    after = CommitHash(repo.commit(config_file()))
    opened = open_repository(repo.workspace)
    assert plans.config_of(opened, after) == (CONFIG, None)
    assert plans.config_of(opened, after, before) == (CONFIG, None)
    blob = repo.hash(f"{after}:{layout.CONFIG}")
    assert plans.config_of(opened, before, after) == (CONFIG, blob)
    with pytest.raises(NotInitialisedError) as caught:
        plans.config_of(opened, before)
    assert (caught.value.where, caught.value.expected) == (before[:9], layout.CONFIG)
    with pytest.raises(NotInitialisedError, match="not a gitexp project") as caught:
        plans.config_of(opened, before, before)
    assert caught.value.expected.endswith("there or with the plan")


def test_where_another_branch_has_the_settings_the_error_names_it(repo: BuiltRepo) -> None:
    repo.commit({"a": "1"})
    repo.switch("it's", create=True)
    repo.commit(config_file())
    repo.switch("main")
    opened = open_repository(repo.workspace)
    assert plans.settled_on(opened) == "it's"
    with pytest.raises(NotInitialisedError) as caught:
        plans.config_of(opened, CommitHash(repo.hash()))
    assert caught.value.found == "the settings are on it's"
    assert caught.value.next_step.startswith("git merge 'it'\"'\"'s'")
    assert plans.settings_step("") == ""


@pytest.mark.parametrize(
    ("ref", "named"),
    [
        ("refs/remotes/origin/settings", "origin/settings"),
        ("refs/remotes/fork/main", "fork/main"),  # the upstream of main here
        ("refs/remotes/eve/main", ""),
        ("refs/remotes/eve/help", ""),
        ("refs/tags/exp-archive/x", ""),
    ],
)
def test_nobody_is_led_to_settings_of_a_stranger(repo: BuiltRepo, ref: str, named: str) -> None:
    start = repo.commit({"a": "1"})
    repo.git("update-ref", ref, repo.commit(config_file()))
    repo.git("reset", "--quiet", "--hard", start)
    repo.git("config", "remote.fork.url", "x")
    repo.git("config", "remote.fork.fetch", "+refs/heads/*:refs/remotes/fork/*")
    repo.git("config", "branch.main.remote", "fork")
    repo.git("config", "branch.main.merge", "refs/heads/main")
    assert plans.settled_on(open_repository(repo.workspace)) == named


def test_the_prefix_of_branches_is_that_of_the_settings_at_head(repo: BuiltRepo) -> None:
    opened = open_repository(repo.workspace)
    assert plans.branch_prefix(opened) == ProjectConfig().branch_prefix  # no commit yet
    repo.commit(config_file(replace(CONFIG, branch_prefix="try/")))
    assert plans.branch_prefix(open_repository(repo.workspace)) == "try/"
    repo.commit({layout.CONFIG: "not: [yaml"}, at=2)
    assert plans.branch_prefix(open_repository(repo.workspace)) == ProjectConfig().branch_prefix


# --- plans of a tree ------------------------------------------------------------------------------


def test_plans_of_a_tree_are_those_that_can_be_read_sorted(repo: BuiltRepo) -> None:
    two, one = a_plan("two", BASE), a_plan("one", BASE)
    tip = commit(repo, two, one)
    bad = CommitHash(
        repo.commit({layout.plan_path("bad"): "hypothesis: [", "x.yaml": "a: 1"}, at=2)
    )
    opened = open_repository(repo.workspace)
    assert plans.plans(opened, tip) == [one, two]
    assert plans.plans(opened, bad) == [one, two]
    assert plans.plan_named(opened, "one", bad) == one
    assert plans.plan_named(opened, "none", bad) is ABSENT
    with pytest.raises(GitexpError) as caught:
        plans.plan_named(opened, "bad", bad)
    assert layout.plan_path("bad") in caught.value.where
    found = plan_files.plan_at(opened.tree(bad), layout.plan_path("bad"))
    assert isinstance(found, UnreadablePlan)
    assert found.error is not None
    assert plan_files.plan_paths(opened.tree(bad)) == [
        layout.plan_path(name) for name in ("bad", "one", "two")
    ]


def test_a_plan_behind_a_link_is_no_plan(repo: BuiltRepo) -> None:
    plan = a_plan("one", BASE)
    commit(repo, plan)
    (repo.path / layout.plan_path("two")).symlink_to("one.yaml")
    tip = CommitHash(repo.commit({}, at=2))
    repo.git("add", "--all")
    tip = CommitHash(repo.commit(at=3))
    opened = open_repository(repo.workspace)
    assert plans.plans(opened, tip) == [plan]


def test_the_plan_of_a_branch_is_the_newest_that_names_it(repo: BuiltRepo) -> None:
    old = a_plan("old", BASE, branch="main")
    new = replace(a_plan("aaa", BASE, branch="main"), created_at=old.created_at + timedelta(days=1))
    other = a_plan("other", BASE)
    tip = commit(repo, old, new, other)
    opened = open_repository(repo.workspace)
    assert plans.plan_of_branch(opened, "main", tip) == new
    assert plans.plan_of_branch(opened, "exp/other", tip) == other
    assert plans.plan_of_branch(opened, "exp/old", tip) is ABSENT  # the file's branch is main
    assert plans.plan_of_branch(opened, "exp/none", tip) is ABSENT
    assert plans.plan_of_branch(opened, "none", tip) is ABSENT


def test_of_a_branch_whose_file_cannot_be_read_that_is_the_answer(repo: BuiltRepo) -> None:
    tip = CommitHash(repo.commit({layout.plan_path("a"): "x: ["}))
    opened = open_repository(repo.workspace)
    with pytest.raises(GitexpError):
        plans.plan_of_branch(opened, "exp/a", tip)
    assert plans.plan_of_branch(opened, "exp/b", tip) is ABSENT  # not in the way of others
    named = a_plan("b", BASE, branch="exp/a")
    assert plans.plan_of_branch(opened, "exp/a", commit(repo, named, at=2)) == named


def test_a_commit_holds_a_plan_as_it_binds_now(repo: BuiltRepo) -> None:
    plan = a_plan("one", BASE)
    tip = commit(repo, plan)
    opened = open_repository(repo.workspace)
    assert plans.holds(opened, plan, tip)
    changed = terms.sealed(replace(plan, repeats=plan.repeats + 1))
    assert changed.digest != plan.digest
    assert not plans.holds(opened, changed, tip)
    assert not plans.holds(opened, plan, CommitHash("2" * 40))  # not here


# --- where a plan came from -----------------------------------------------------------------------


def test_a_plan_was_added_by_the_commit_from_which_on_it_reads_so(repo: BuiltRepo) -> None:
    repo.commit({"a": "1"})
    plan = a_plan("one", BASE)
    commit(repo, plan, at=2)
    binding = terms.sealed(replace(plan, repeats=9))
    second = commit(repo, binding, at=3)
    spoken = replace(binding, objective="said in other words")  # binds nothing
    third = CommitHash(repo.commit({layout.plan_path("one"): codec.dump(spoken)}, at=4))
    tip = CommitHash(repo.commit({"a": "2"}, at=5))
    opened = open_repository(repo.workspace)
    assert spoken.digest == binding.digest
    assert plans.plan_commit(opened, binding, tip) == second
    assert plans.plan_commit(opened, binding, third) == second
    assert plans.plan_commit(opened, plan, CommitHash(repo.hash(f"{second}~"))) == repo.hash(
        f"{second}~"
    )
    with pytest.raises(NoPlanError, match="not in this commit") as caught:
        plans.plan_commit(opened, plan, tip)
    assert (caught.value.found, caught.value.where) == ("one", tip[:9])


def test_a_plan_that_was_taken_out_and_put_back_came_with_the_latter(repo: BuiltRepo) -> None:
    plan = a_plan("one", BASE)
    commit(repo, plan)
    repo.commit({layout.plan_path("one"): None}, at=2)
    again = commit(repo, plan, at=3)
    opened = open_repository(repo.workspace)
    assert plans.plan_commit(opened, plan, again) == again


def test_a_plan_on_parallel_lines_has_one_origin_whichever_side_asks(repo: BuiltRepo) -> None:
    repo.commit({"a": "1"})
    plan = a_plan("one", BASE)
    repo.branch("side")
    one = commit(repo, plan, at=2)
    repo.switch("side")
    two = commit(repo, plan, at=3)
    repo.git("merge", "--quiet", "--no-edit", "main", at=4)
    opened = open_repository(repo.workspace)
    assert one != two
    assert plans.plan_commit(opened, plan, CommitHash(repo.hash())) == min(one, two)


# --- tips and places ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ref", "name", "branch", "archived", "local"),
    [
        ("refs/heads/exp/a", "exp/a", "exp/a", False, True),
        ("refs/heads/main", "main", "main", False, True),
        ("refs/remotes/origin/exp/a", "origin/exp/a", "exp/a", False, False),
        ("refs/tags/exp-archive/a", "exp-archive/a", "exp/a", True, False),
    ],
)
def test_a_tip_has_a_name_for_people_and_the_branch_that_it_is_of(
    ref: str,
    name: str,
    branch: str,
    archived: bool,  # noqa: FBT001
    local: bool,  # noqa: FBT001
) -> None:
    tip = Tip(ref, CommitHash(BASE), prefix="exp/")
    assert (tip.name, tip.branch, tip.archived, tip.local) == (name, branch, archived, local)
    assert tip.own == local
    assert replace(tip, made=True).own


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("exp/a", True),
        ("origin/exp/a", True),
        ("main", False),
        ("origin/main", False),
        ("expert", False),
        ("exp", False),
    ],
)
def test_a_branch_is_an_experiment_s_by_its_name(where: str, expected: bool) -> None:  # noqa: FBT001
    assert plans.is_experiments(where, "exp/") is expected


def test_places_begin_with_head_and_name_each_commit_once(repo: BuiltRepo) -> None:
    first = repo.commit({"a": "1"})
    repo.branch("same")
    repo.branch("zzz")
    repo.switch("zzz")
    second = repo.commit({"a": "2"}, at=2)
    opened = open_repository(repo.workspace)
    assert list(plans.places(opened)) == [("zzz", second), ("main", first)]
    repo.git("switch", "--quiet", "--detach", first)
    assert list(plans.places(open_repository(repo.workspace))) == [
        ("HEAD", first),
        ("zzz", second),
    ]
    repo.git("tag", "exp-archive/gone", second)
    names = [name for name, _ in plans.places(open_repository(repo.workspace))]
    assert "exp-archive/gone" not in names


def test_an_experiment_without_a_branch_is_said_to_be_archived_where_it_is(repo: BuiltRepo) -> None:
    repo.commit(config_file())
    repo.git("tag", "exp-archive/gone")
    repo.branch("exp/focal-loss")
    opened = open_repository(repo.workspace)
    archived = plans.no_branch(opened, "exp/gone", "a branch")
    assert archived.next_step == "gitexp restore gone"
    mistyped = plans.no_branch(opened, "focal-los", "a branch")
    assert mistyped.expected == "focal-loss"
    assert mistyped.next_step == "gitexp list"
    assert plans.no_branch(opened, "qqqqqqqq", "a branch").expected == "a branch"
    assert "\x1b" not in plans.no_branch(opened, "a\x1b[31m", "a branch").found
