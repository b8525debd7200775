"""Branches made to look better than their records: what `review` and `check` say of them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import RemoteFacts, check
from gitexp.enforcement.review import review
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.review import FailOn
from gitexp.model.rules import Policy
from gitexp.model.witness import Grade
from gitexp.records import config as config_format
from tests.lab.records import CONFIG, START, Lab, experiment, scores

if TYPE_CHECKING:
    from gitexp.model.review import Review
    from gitexp.model.rules import Violation
    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def looked(lab: Lab, revisions: str, branch: str | None = None) -> Review:
    return review(lab.repo.workspace, revisions, branch=branch, now=START)


def said(violations: tuple[Violation, ...], rule: str, policy: Policy = Policy.ERROR) -> str:
    return "; ".join(
        item.message for item in violations if item.rule == rule and item.policy is policy
    )


def squashed(lab: Lab, name: str = "patch-1") -> None:
    """Put plan and runs of exp/deep into one commit of another branch, made on main."""
    lab.repo.switch("main")
    lab.repo.switch(name, create=True)
    lab.repo.git("merge", "--squash", "exp/deep")
    lab.repo.commit(at=lab.tick())


@pytest.mark.parametrize("branch", ["patch-1", "main", ""])
def test_a_plan_that_came_with_its_runs_breaks_a_rule_whatever_the_branch_is_called(
    lab: Lab, branch: str
) -> None:
    experiment(lab)
    squashed(lab)
    good = looked(lab, "main...patch-1", branch)  # exp/deep shows the order
    assert said(good.violations, "R2") == ""
    assert good.experiments[0].plan.order.grade is Grade.HISTORY
    lab.repo.git("branch", "-D", "exp/deep")
    found = looked(lab, "main...patch-1", branch)
    assert "nothing here shows that the plan was first" in said(found.violations, "R2")
    assert found.exit_code(FailOn.RULES) == 1
    world = RemoteFacts(lab.repo.workspace)
    checked = check(lab.repo.workspace, "main..patch-1", branch=branch, outside=world)
    assert said(checked.violations, "R2") == said(found.violations, "R2")


def test_the_order_of_other_runs_says_nothing_of_these(lab: Lab) -> None:
    plan = experiment(lab)
    squashed(lab)
    lab.record("d", {"f1": scores(0.9, range(20, 30))}, plan=plan, commit=False)
    lab.repo.git("commit", "--quiet", "--amend", "--no-edit")
    found = looked(lab, "main...patch-1")
    assert found.experiments[0].plan.order.grade is Grade.NONE
    assert "run dddddddd" in said(found.violations, "R2")


def test_a_conclusion_without_records_is_not_what_they_give(lab: Lab) -> None:
    experiment(lab)
    conclude(lab.repo.workspace, "deep", words="yes", now=START)
    text = lab.repo.show(layout.conclusion_path("deep"))
    planned = lab.repo.hash("exp/deep~4")
    lab.repo.git("reset", "--quiet", "--hard", planned)
    lab.change()
    lab.repo.commit({layout.conclusion_path("deep"): text}, at=lab.tick())
    found = looked(lab, "main...exp/deep")
    assert "not what its records give" in said(found.violations, "R7", Policy.WARN)


def test_a_branch_does_not_say_which_branches_are_protected(lab: Lab) -> None:
    experiment(lab)
    lab.repo.git("reset", "--quiet", "--soft", "main")
    config = replace(CONFIG, protected=("side",))
    lab.repo.commit({layout.CONFIG: config_format.dump_template(config)}, at=lab.tick())
    lab.repo.branch("side")  # as if somebody else had vouched for it
    lab.repo.commit({"README.md": "x"}, at=lab.tick())
    found = looked(lab, "main...exp/deep")
    assert "came in the same commit" in said(found.violations, "R2")
