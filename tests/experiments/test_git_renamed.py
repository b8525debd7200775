"""An experiment whose branch Git alone renamed: it is that experiment, and there is one way on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import RemoteFacts, check
from gitexp.enforcement.hooks.install import install
from gitexp.enforcement.review import review
from gitexp.errors import GitexpError
from gitexp.execution.run import run
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.archive import archive
from gitexp.experiments.conclude import conclude
from gitexp.experiments.remove import remove
from gitexp.experiments.rename import rename
from gitexp.model.plan import Terms, Verdict
from gitexp.model.request import RunRequest
from gitexp.model.rules import Policy
from gitexp.model.views import ShownExperiment
from gitexp.upkeep.doctor import doctor
from gitexp.views.list_runs import list_experiments, list_runs
from gitexp.views.show import show
from gitexp.views.status import status
from tests.enforcement.hooks.world import call
from tests.lab.finished import hosted
from tests.lab.records import Lab, experiment, one

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from gitexp.model.rules import Violation
    from gitexp.model.workspace import Workspace
    from tests.lab.build import BuiltRepo

STEP = "gitexp rename deep gain"
N = 10


@pytest.fixture
def repo(repo: BuiltRepo) -> BuiltRepo:
    """A finished experiment, called exp/gain by ``git branch -m``; HEAD is on it."""
    experiment(Lab(repo))
    repo.git("branch", "-m", "exp/deep", "exp/gain")
    return repo


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(GitexpError) as error:
        call()
    return error.value.next_step


def first(found: tuple[Violation, ...]) -> str:
    return next(each.next_step for each in found if each.policy is Policy.ERROR)


WAYS: dict[str, Callable[[Workspace], str]] = {
    "status": lambda here: status(here).next_step,
    "run": lambda here: refused(lambda: run(here, RunRequest(dry_run=True), environ={})),
    "conclude": lambda here: refused(lambda: conclude(here, words="it helps")),
    "conclude deep": lambda here: refused(lambda: conclude(here, "deep", words="it helps")),
    "conclude gain": lambda here: refused(lambda: conclude(here, "gain", words="it helps")),
    "amend-plan": lambda here: refused(lambda: amend_plan(here, None, Terms(alpha=0.1), why="why")),
    "archive deep": lambda here: refused(lambda: archive(here, "deep")),
    "archive gain": lambda here: refused(lambda: archive(here, "gain")),
    "rm gain": lambda here: refused(lambda: remove(here, "gain", yes=True)),
    "check": lambda here: first(check(here, outside=RemoteFacts(here)).violations),
    "review": lambda here: first(review(here, "main...exp/gain").violations),
    "doctor": lambda here: next(
        each.remedy for each in doctor(here).findings if each.where == "exp/gain"
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_place_names_one_way(repo: BuiltRepo, way: str) -> None:
    assert WAYS[way](repo.workspace) == STEP


def test_a_commit_that_is_refused_names_it_too(repo: BuiltRepo) -> None:
    install(repo.workspace)
    repo.write({"train.py": "print(2)\n"})
    assert f"  next      {STEP}\n" in call(repo, "commit", "-qam", "more").err


@pytest.mark.parametrize("branch", ["main", "exp/gain"])
def test_its_results_stay_where_they_are_asked_for(repo: BuiltRepo, branch: str) -> None:
    repo.switch(branch)
    (line,) = list_experiments(repo.workspace).experiments
    assert (line.name, line.state, line.finished) == ("deep", "run", N)
    assert all(len(each.counts) == N for each in list_runs(repo.workspace).runs)
    for name in ("deep", "gain", "exp/gain"):
        shown = show(repo.workspace, name)
        assert isinstance(shown, ShownExperiment)
        assert shown.plan is not None
        assert one(Lab(repo), name).verdict is Verdict.SUPPORTED


def test_rename_has_plan_and_conclusion_follow(repo: BuiltRepo) -> None:
    repo.git("branch", "-m", "exp/gain", "exp/deep")
    conclude(repo.workspace, words="it helps")
    repo.git("branch", "-m", "exp/deep", "exp/gain")
    tip = repo.hash()
    report = rename(repo.workspace, "deep", "gain")
    assert repo.git("branch", "--show-current") == "exp/gain"
    assert (repo.hash(), repo.hash("HEAD^")) == (report.commit, tip)
    assert repo.status() == []
    found = status(repo.workspace)
    assert found.plan is not None
    assert (found.plan.name, found.plan.formerly, found.verdict) == ("gain", ("deep",), "supported")
    assert len(found.counted) == N
    broken = check(repo.workspace, outside=RemoteFacts(repo.workspace)).violations
    assert [each for each in broken if each.policy is Policy.ERROR] == []


@pytest.mark.parametrize("old", ["deep", "gain"])
def test_rename_gives_it_any_other_name(repo: BuiltRepo, old: str) -> None:
    rename(repo.workspace, old, "wide")
    assert repo.git("branch", "--show-current") == "exp/wide"
    assert {ref for ref in repo.refs() if "/exp/" in ref} == {"refs/heads/exp/wide"}
    assert one(Lab(repo), "wide").verdict is Verdict.SUPPORTED


def test_rename_to_the_old_name_says_what_does_it(repo: BuiltRepo) -> None:
    step = refused(lambda: rename(repo.workspace, "gain", "deep"))
    assert step == "git branch -m exp/gain exp/deep"
    repo.git(*step.split()[1:])
    assert status(repo.workspace).next_step == "gitexp compare"


def pushed(repo: BuiltRepo, folder: Path) -> None:
    repo.git("branch", "-m", "exp/gain", "exp/deep")
    hosted(repo, folder)
    repo.git("branch", "-m", "exp/deep", "exp/gain")


def test_a_remote_has_the_old_name_still(repo: BuiltRepo, tmp_path: Path) -> None:
    pushed(repo, tmp_path / "host.git")
    assert status(repo.workspace).next_step == STEP
    step = rename(repo.workspace, "deep", "gain").next_step
    assert step == "git push --atomic origin exp/gain :exp/deep"


# What holds the plan and is not that experiment: each is begun anew, or has ended.
def merged(repo: BuiltRepo, _: Path) -> None:
    repo.git("branch", "-f", "main", "exp/gain")


def alive(repo: BuiltRepo, _: Path) -> None:
    repo.git("branch", "exp/deep")


def archived(repo: BuiltRepo, _: Path) -> None:
    repo.git("branch", "-m", "exp/gain", "exp/deep")
    archive(repo.workspace, "deep")
    repo.git("branch", "-m", "exp/deep", "exp/gain")


def begun_from_a_colleagues(repo: BuiltRepo, folder: Path) -> None:
    pushed(repo, folder / "host.git")
    repo.git("switch", "-qc", "exp/next", "--track", "origin/exp/deep")
    repo.git("branch", "-qD", "exp/gain")


def held_by_two(repo: BuiltRepo, _: Path) -> None:
    repo.git("switch", "-qc", "exp/next")
    repo.git("switch", "-qc", "exp/more")
    repo.git("branch", "-qD", "exp/gain")


@pytest.mark.parametrize(
    "other",
    [merged, alive, archived, begun_from_a_colleagues, held_by_two],
    ids=lambda f: f.__name__,
)
def test_a_branch_that_only_holds_the_plan_is_not_that_experiment(
    repo: BuiltRepo, other: Callable[[BuiltRepo, Path], None], tmp_path: Path
) -> None:
    other(repo, tmp_path)
    assert status(repo.workspace).next_step == "gitexp new NAME"
    assert status(repo.workspace).plan is None
