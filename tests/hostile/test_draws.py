"""Drawing again until it pleases: each trick beside its honest twin, which is judged."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.draft import CompareOptions
from gitexp.enforcement.review import review
from gitexp.model.plan import Verdict
from gitexp.model.run import Distribution
from gitexp.model.witness import Grade
from gitexp.report import github
from tests.lab.records import ENVIRONMENT, START, Lab, experiment, one, scores

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.plan import Plan
    from tests.lab.build import BuiltRepo

PACKAGE = replace(ENVIRONMENT, distributions=(Distribution("x", "1", "a" * 64),))


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def bad(lab: Lab) -> Plan:
    """Record a hypothesis that its planned repeats refute."""
    return experiment(lab, gain=-0.05)


def good(lab: Lab, plan: Plan, seeds: range, letters: str = "de", **more: object) -> None:
    """Record other repeats, which would support it."""
    low = scores(0.6, seeds)
    high = {seed: low[seed] + 0.05 + 0.001 * (seed % 3) for seed in seeds}
    lab.record(letters[0], {"f1": low}, of="main", plan=plan, **more)  # type: ignore[arg-type]
    lab.record(letters[1], {"f1": high}, plan=plan, **more)  # type: ignore[arg-type]


def test_another_package_draws_nothing_again(lab: Lab) -> None:
    plan = bad(lab)
    before = one(lab)
    assert before.verdict is Verdict.REFUTED
    good(lab, plan, range(40, 52), environment=PACKAGE)
    after = one(lab)
    assert after.headline == before.headline
    good(lab, plan, range(60, 73), "fg", links="b" * 64)
    assert one(lab).headline == before.headline


def test_a_set_that_was_begun_elsewhere_and_not_finished_gives_way(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    good(lab, plan, range(3), "bc", environment=PACKAGE)
    good(lab, plan, range(10))
    assert one(lab).verdict is Verdict.SUPPORTED


def archived(lab: Lab) -> None:
    lab.repo.git("tag", "exp-archive/deep", "exp/deep")


def renamed(lab: Lab) -> None:
    lab.repo.git("branch", "old", "exp/deep")


def emptied(lab: Lab) -> None:
    """Keep a branch on which a later commit takes the runs away."""
    lab.repo.git("switch", "-q", "-c", "old")
    lab.repo.git("rm", "-rq", ".gitexp/runs")
    lab.repo.commit(at=lab.tick())
    lab.repo.switch("exp/deep")


@pytest.mark.parametrize("keep", [archived, renamed, emptied])
def test_what_is_begun_anew_from_the_same_plan_is_not_judged(
    lab: Lab, keep: Callable[[Lab], None]
) -> None:
    plan = bad(lab)
    keep(lab)
    lab.repo.git("reset", "-q", "--hard", "exp/deep~2")
    good(lab, plan, range(40, 50))
    found = one(lab)
    assert found.verdict is Verdict.UNDECIDABLE
    assert found.headline.startswith("not judged: ")
    assert found.next_step.startswith("gitexp new NAME")
    assert all(metric.result is None for metric in found.metrics)
    pooled = CompareOptions(pool=("exp-archive/deep" if keep is archived else "old",))
    assert one(lab, options=pooled).headline.startswith("not judged: ")
    comment = github.markdown(review(lab.repo.workspace, "main...exp/deep", now=START))
    assert "not judged" in "\n".join(comment.splitlines()[:3])


def test_a_set_that_another_branch_has_may_be_taken_in_where_it_is_the_only_one(lab: Lab) -> None:
    plan = bad(lab)
    before = one(lab)
    renamed(lab)
    lab.repo.git("reset", "-q", "--hard", "exp/deep~2")
    del plan
    assert one(lab, options=CompareOptions(pool=("old",))).headline == before.headline


def test_what_was_archived_is_judged_as_it_was(lab: Lab) -> None:
    plan = bad(lab)
    before = one(lab)
    archived(lab)
    assert one(lab).headline == before.headline, "the branch that is still there is the same line"
    lab.repo.git("reset", "-q", "--hard", "exp/deep~2")
    good(lab, plan, range(40, 50))
    lab.repo.git("branch", "-m", "exp/deep", "kept")
    assert "not judged: kept" in one(lab, "exp-archive/deep").headline
    lab.repo.git("switch", "-q", "main")
    lab.repo.git("branch", "-D", "kept")
    assert one(lab, "deep").headline == before.headline


def test_another_persons_branch_takes_no_verdict_away(lab: Lab) -> None:
    plan = bad(lab)
    before = one(lab)
    lab.repo.git("switch", "-q", "-c", "theirs", "exp/deep~2")
    good(lab, plan, range(40, 50))
    lab.repo.git("update-ref", "refs/remotes/mallory/exp/deep", "theirs")
    lab.repo.switch("exp/deep")
    lab.repo.git("branch", "-D", "theirs")
    assert one(lab).headline == before.headline


def test_seeds_that_were_chosen_by_known_scores_are_not_judged(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(20))})
    plan = lab.plan()
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(0, 20, 2))}, plan=plan)
    found = one(lab)
    assert found.verdict is Verdict.UNDECIDABLE
    why = "not judged: the baseline's scores were known, and 9 seeds of it (1, 3, 5, 7, 9, ...)"
    assert found.headline.startswith(why)


def test_nor_are_such_as_were_scored_on_another_branch(lab: Lab) -> None:
    lab.init()
    lab.repo.git("switch", "-q", "-c", "scan")
    lab.record("a", {"f1": scores(0.6, range(20))})
    lab.repo.switch("main")
    plan = lab.plan()
    lab.change()
    good(lab, plan, range(0, 20, 2), call="x" * 16)
    assert "9 seeds of it (1, 3, 5, 7, 9, ...) passed over" in one(lab).headline
    lab.repo.git("branch", "-D", "scan")
    assert one(lab).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("first", ["baseline", "candidate"])
def test_seeds_that_nobody_could_choose_are_judged(lab: Lab, first: str) -> None:
    """Fresh ones, whatever the baseline had; or such as the candidate had first."""
    lab.init()
    if first == "baseline":
        lab.record("b", {"f1": scores(0.6, range(10))})
    plan = lab.plan()
    lab.change()
    seeds = range(50, 60) if first == "baseline" else range(0, 20, 2)
    lab.record("c", {"f1": {s: v + 0.1 for s, v in scores(0.6, seeds).items()}}, plan=plan)
    theirs = seeds if first == "baseline" else range(20)
    lab.record("d", {"f1": scores(0.6, theirs)}, of="main", plan=plan)
    assert one(lab).verdict is Verdict.SUPPORTED


@pytest.mark.parametrize("branch", ["main", "exp/deep"])
def test_a_fork_whose_branch_is_called_as_the_protected_one_is_asked_the_same(
    lab: Lab, branch: str
) -> None:
    experiment(lab)
    found = review(lab.repo.workspace, "main...exp/deep", branch=branch, into="main", now=START)
    assert [item.message for item in found.violations if item.rule == "R7"] == [
        "deep is merged into main without a conclusion"
    ]
    assert found.experiments[0].plan.order.grade is Grade.HISTORY
