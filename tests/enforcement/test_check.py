"""`gitexp check` over ranges: what a branch gained, and how sure the order of its plan is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.enforcement.check import check
from gitexp.enforcement.review import review
from gitexp.errors import BadFormatError, UnknownRevisionError, UsageError
from gitexp.experiments.archive import archive
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.rules import Policy
from gitexp.model.witness import Grade
from gitexp.records import codec
from gitexp.records import config as config_format
from gitexp.report.comparisons import text as render
from gitexp.report.sheet import Style
from tests.lab.build import clone
from tests.lab.records import CONFIG, START, Lab, experiment
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def rules(found: Lab | BuiltRepo, revisions: str | None = None, **more: str) -> list[str]:
    repo = found.repo if isinstance(found, Lab) else found
    found_ = check(repo.workspace, revisions, **more).violations
    return [item.rule for item in found_ if item.rule != "R4"]  # records here name no parameters


def test_an_experiment_that_kept_to_the_rules_has_its_order_by_history(lab: Lab) -> None:
    experiment(lab)
    report = check(lab.repo.workspace)
    assert report.branch == "exp/deep"
    assert report.base == lab.repo.hash("main")
    assert report.commits == 4
    assert [item for item in report.violations if item.policy is Policy.ERROR] == []
    (plan,) = report.plans
    assert (plan.name, plan.runs, plan.order.grade) == ("deep", 2, Grade.HISTORY)
    assert plan.order.time is None


def test_a_plan_that_was_written_after_its_run_has_no_order(lab: Lab) -> None:
    """A rebase that puts the run before the plan, with hooks switched off."""
    plan = experiment(lab)
    tree = lab.repo.tree()
    lab.repo.git("switch", "-q", "--detach", "main")
    lab.record("c", {"f1": {0: 0.6}}, plan=plan)
    lab.repo.git("read-tree", "-u", "--reset", tree)
    lab.repo.commit(at=90)
    lab.repo.git("update-ref", "refs/heads/exp/deep", "HEAD")
    lab.repo.switch("exp/deep")
    assert "R2" in rules(lab)
    (found,) = check(lab.repo.workspace).plans
    assert found.order.grade is Grade.NONE
    assert "cccccccc" in found.order.why


def test_a_squash_that_is_merged_back_takes_no_order_away(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--squash", "exp/deep")
    lab.repo.commit(at=90, message="squashed")
    lab.repo.switch("exp/deep")
    lab.repo.git("merge", "-q", "--no-edit", "-s", "ours", "main")
    (found,) = check(lab.repo.workspace).plans
    assert found.order.grade is Grade.HISTORY


def test_a_range_says_what_one_end_has_and_the_other_has_not(lab: Lab) -> None:
    experiment(lab)
    assert check(lab.repo.workspace, "main..exp/deep").commits == 4
    assert check(lab.repo.workspace, "HEAD~1..HEAD").commits == 1
    assert check(lab.repo.workspace, "deep").commits == 4
    assert check(lab.repo.workspace, "HEAD~1..HEAD").branch == "exp/deep"
    with pytest.raises(UsageError):
        check(lab.repo.workspace, "main...HEAD")
    with pytest.raises(UnknownRevisionError):
        check(lab.repo.workspace, "nowhere..HEAD")


def test_a_plan_that_cannot_be_read_is_a_broken_rule_and_hides_no_other(lab: Lab) -> None:
    experiment(lab)
    lab.repo.commit({layout.plan_path("deep"): "no: plan\n", "data.csv": "1" * (6 << 20)}, at=90)
    for revisions in (None, "deep", "main..exp/deep", "HEAD"):
        assert rules(lab, revisions) == ["R1", "R5"]
    found = review(lab.repo.workspace, "main...exp/deep").violations
    assert {"R1", "R5"} <= {item.rule for item in found}
    with pytest.raises(BadFormatError):
        compare(lab.repo.workspace)


def test_the_branch_of_a_bare_commit_can_be_said(lab: Lab) -> None:
    lab.init()
    lab.repo.git("switch", "-q", "--detach")
    lab.repo.commit({"a.py": "1\n"}, at=5)
    assert rules(lab, "main..HEAD") == []
    assert "R1 and R7, was not looked at" in check(lab.repo.workspace, "main..HEAD").notes[0]
    assert rules(lab, "main..HEAD", branch="exp/wild") == ["R1"]
    assert check(lab.repo.workspace, "main..HEAD", branch="exp/wild").notes == ()


def test_a_branch_does_not_weaken_the_rules_by_its_own_settings(lab: Lab) -> None:
    lab.init()
    lab.repo.switch("exp/wild", create=True)
    weak = replace(CONFIG, rules={"R1": Policy.OFF}, rule_branches="none/*", git_file_limit_bytes=9)
    lab.repo.commit({layout.CONFIG: config_format.dump_template(weak)}, at=5)
    lab.repo.commit({"a.py": "1\n"}, at=6)
    assert "R1" in rules(lab)


def test_commits_of_main_that_were_merged_in_are_mains(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("main")
    lab.repo.commit({"metrics.json": '{"f1": 1}\n'}, at=60)
    lab.repo.switch("exp/deep")
    before = lab.repo.hash()
    lab.repo.git("merge", "-q", "--no-edit", "main", at=61)
    assert check(lab.repo.workspace, f"{before}..HEAD").violations == ()


def test_commits_before_a_plan_that_was_put_on_them_are_what_it_began_with(lab: Lab) -> None:
    lab.init()
    lab.repo.switch("exp/deep", create=True)
    lab.repo.commit({"a.py": "1\n"}, at=5)
    assert rules(lab) == ["R1"]
    lab.repo.git("branch", "-m", "early")
    lab.plan()
    assert rules(lab) == []


def test_a_fast_forward_of_main_is_held_against_what_main_had(lab: Lab) -> None:
    experiment(lab, n=4, repeats=4)
    before = lab.repo.hash("main")
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--ff-only", "exp/deep")
    assert rules(lab, f"{before}..main") == ["R7"]
    lab.repo.switch("exp/deep")
    conclude(lab.repo.workspace, words="Deeper is better.", now=START)
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--ff-only", "exp/deep")
    assert rules(lab, f"{before}..main") == []


def test_a_merge_that_others_follow_is_asked_for_a_plan_that_says_it_is_of_main(lab: Lab) -> None:
    plan = experiment(lab, n=4, repeats=4)
    path = layout.plan_path("deep")
    lab.repo.commit({path: codec.dump(replace(plan, branch="main"))}, at=70)
    before = lab.repo.hash("main")
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/deep", at=71)
    lab.repo.commit({"more.py": "1\n"}, at=72)
    assert "R7" in rules(lab, f"{before}..main")


def test_after_a_squash_the_archive_tag_still_shows_the_order(lab: Lab) -> None:
    experiment(lab, n=4, repeats=4)
    conclude(lab.repo.workspace, words="Deeper is better.", now=START)
    before = lab.repo.hash("main")
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--squash", "exp/deep")
    lab.repo.commit(at=70)
    lab.repo.git("branch", "-m", "exp/deep", "gone")
    (plan,) = check(lab.repo.workspace, f"{before}..main").plans
    assert plan.order.grade is Grade.NONE
    lab.repo.git("branch", "-m", "gone", "exp/deep")
    archive(lab.repo.workspace, "deep", now=START)
    (plan,) = check(lab.repo.workspace, f"{before}..main").plans
    assert plan.order.grade is Grade.HISTORY
    assert rules(lab, f"{before}..main") == []


def test_a_merged_experiment_that_was_renamed_is_concluded_on_its_present_branch(lab: Lab) -> None:
    experiment(lab)
    lab.repo.switch("main")
    base = lab.repo.hash()
    lab.repo.git("merge", "-q", "--no-ff", "--no-edit", "exp/deep")
    assert gitexp(lab.repo, "rename", "deep", "wide").code == 0
    assert (
        "git switch exp/wide && gitexp conclude" in gitexp(lab.repo, "check", f"{base}..main").out
    )


def test_a_shallow_clone_says_what_it_could_not_look_at(lab: Lab, tmp_path: Path) -> None:
    experiment(lab)
    shallow = clone(lab.repo, tmp_path / "shallow", "--depth", "1", "--branch", "exp/deep")
    report = check(shallow.workspace)
    assert report.commits == 1
    assert [item.rule for item in report.violations] == ["R0"]
    assert "cannot be looked at" in report.violations[0].message
    whole = "git fetch --unshallow origin '+refs/heads/*:refs/remotes/origin/*'"
    assert report.violations[0].next_step == whole


def test_a_comparison_states_how_sure_the_order_is(lab: Lab) -> None:
    experiment(lab, n=4, repeats=4)
    (found,) = compare(lab.repo.workspace)
    assert found.order is not None
    assert found.order.grade is Grade.HISTORY
    assert "order" in render((found,), Style(verbose=True))


def test_a_conclusion_states_how_sure_the_order_is_where_it_is_made_and_shown(lab: Lab) -> None:
    experiment(lab, n=6, repeats=6)
    said = "order       history: by ancestry alone"
    assert said in gitexp(lab.repo, "conclude", "-m", "Deeper is better.").out
    assert said in gitexp(lab.repo, "show", "deep").out
