"""The three merge buttons: the branch is deleted, and main still answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.execution.run import run
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.conclude import conclude
from gitexp.model.plan import Terms, Verdict
from gitexp.model.request import RunRequest
from gitexp.model.views import ShownExperiment
from gitexp.report.answers import details, listing
from gitexp.report.sheet import text
from gitexp.views.diff import diff
from gitexp.views.list_runs import list_experiments
from gitexp.views.show import show
from tests.lab.build import clone
from tests.lab.finished import catch_up, copied, finished_experiment, hosted, press

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

BUTTONS = ("merge", "squash", "rebase")
MARK = "source lost (squashed)"


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, dvc_project_template: Path) -> BuiltRepo:
    return finished_experiment(tmp_path_factory.mktemp("finished") / "mine", dvc_project_template)


@pytest.fixture
def mine(template: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    return copied(template, tmp_path / "mine")


def pressed(button: str, mine: BuiltRepo, tmp_path: Path, change: dict[str, str]) -> BuiltRepo:
    """Push, let main move, merge on the host, catch up; return a fresh clone."""
    mine.git("switch", "-q", "main")
    mine.commit(change, at=800)
    mine.git("switch", "-q", "exp/faster")
    host = hosted(mine, tmp_path / "host.git")
    press(button, host, "exp/faster", tmp_path / "web")
    catch_up(mine, "exp/faster")
    return clone(host, tmp_path / "fresh")


@pytest.mark.sweep
@pytest.mark.parametrize("button", BUTTONS)
@pytest.mark.parametrize("concluded", [True, False])
def test_main_answers_after_each_button_here_and_in_a_fresh_clone(
    button: str, mine: BuiltRepo, tmp_path: Path, *, concluded: bool
) -> None:
    (before,) = compare(mine.workspace)
    runs = len(shown_(mine, "faster").runs)
    if concluded:
        conclude(mine.workspace, words="It is faster.")
    fresh = pressed(button, mine, tmp_path, {"README.md": "# another\n"})
    lost = button != "merge"
    for repo in (mine, fresh):
        for name in ("faster", "exp/faster"):
            (after,) = compare(repo.workspace, [name])
            assert after.verdict is before.verdict is Verdict.SUPPORTED
            assert after.pairs == before.pairs
            assert after.metrics == before.metrics
            assert after.candidate.inputs == before.candidate.inputs
            assert after.candidate.source_lost is lost
            assert after.changes == before.changes
        view = shown_(repo, "faster")
        assert view.source_lost is lost
        assert (MARK in text(details.experiment(view))) is lost
        assert len(view.runs) == runs
        assert view.inputs == before.candidate.inputs
        assert (view.conclusion is not None) is concluded
        (listed,) = list_experiments(repo.workspace).experiments
        assert (listed.name, listed.state, listed.branch) == ("faster", "merged", "main")
        assert (listed.finished, listed.source_lost) == (5, lost)
        assert (listed.verdict is Verdict.SUPPORTED) is concluded
        assert (MARK in text(listing.experiments(list_experiments(repo.workspace)))) is lost
        seen = diff(repo.workspace, before.baseline.commit, "faster")
        assert [(item.name, item.a, item.b) for item in seen.params] == [("lr", 0.5, 0.7)]
        assert {item.metric for item in seen.metrics if item.difference} == {"f1", "loss"}
        assert any(MARK in note for note in seen.notes) is lost


@pytest.mark.parametrize("button", ["squash", "rebase"])
def test_code_that_moved_on_main_meanwhile_is_not_taken_for_what_ran(
    button: str, mine: BuiltRepo, tmp_path: Path
) -> None:
    (before,) = compare(mine.workspace)
    moved = (mine.path / "prepare.py").read_text() + "# tidied\n"
    fresh = pressed(button, mine, tmp_path, {"prepare.py": moved})
    for repo in (mine, fresh):
        (after,) = compare(repo.workspace, ["faster"])
        assert after.verdict is Verdict.SUPPORTED
        assert after.candidate.inputs == before.candidate.inputs
        assert after.candidate.source_lost
        assert any("code is not compared" in text for text in after.warnings)
        assert shown_(repo, "faster").inputs == before.candidate.inputs
        seen = diff(repo.workspace, before.baseline.commit, "faster")
        assert any("what ran differed" in note for note in seen.notes)


@pytest.mark.parametrize("button", BUTTONS)
def test_ones_own_archive_tag_answers_first(button: str, mine: BuiltRepo, tmp_path: Path) -> None:
    made = ("--create-reflog", "-m", "gitexp archive: faster")
    mine.git("update-ref", *made, "refs/tags/exp-archive/faster", "exp/faster")
    fresh = pressed(button, mine, tmp_path, {"README.md": "# another\n"})
    fresh.git("fetch", "-q", str(mine.path), "refs/tags/*:refs/tags/*")
    for repo in (mine, fresh):
        (after,) = compare(repo.workspace, ["faster"])
        assert (after.verdict, after.candidate.source_lost) == (Verdict.SUPPORTED, False)
        view = shown_(repo, "faster")
        gone = () if repo is mine else ("exp/faster is gone; its records are on main",)
        assert (len(view.runs), view.source_lost, view.notes) == (2, False, gone)
        seen = diff(repo.workspace, after.baseline.commit, "faster")
        assert not any(MARK in note for note in seen.notes)
        (listed,) = list_experiments(repo.workspace).experiments
        # What a fetch brought says nothing of what main has, but where the source is.
        assert listed.state == ("archived" if repo is mine else "merged")
        assert not listed.source_lost


@pytest.mark.sweep
@pytest.mark.parametrize("seen", ["planned", "run", "concluded"])
@pytest.mark.parametrize("button", ["squash", "rebase"])
def test_a_stale_branch_of_what_main_has_makes_no_second_row(
    button: str, seen: str, mine: BuiltRepo, tmp_path: Path
) -> None:
    plan = mine.git("log", "--format=%H", "--", ".gitexp/experiments/faster.yaml").split()[-1]
    if seen == "planned":  # and amended later
        amend_plan(mine.workspace, None, Terms(effect=">0.02"), why="0.01 is too little")
        run(mine.workspace, RunRequest(with_baseline=True), environ=dict(os.environ))
    states = {"planned": plan, "run": mine.hash()}
    conclude(mine.workspace, words="It is faster.")
    mine.git("switch", "-q", "main")
    mine.commit({"README.md": "# another\n"}, at=800)
    mine.branch("exp/ended", "exp/faster")
    mine.git("branch", "-f", "exp/faster", states.get(seen, "exp/ended"))
    host = hosted(mine, tmp_path / "host.git")
    bob = clone(host, tmp_path / "bob")
    host.git("branch", "-f", "exp/faster", "exp/ended")
    bob.git("update-ref", "-d", "refs/remotes/origin/exp/ended")
    host.git("branch", "-D", "exp/ended")
    press(button, host, "exp/faster", tmp_path / "web")
    bob.git("pull", "-q")
    assert "refs/remotes/origin/exp/faster" in bob.refs()
    (listed,) = list_experiments(bob.workspace).experiments
    assert (listed.branch, listed.state, listed.finished) == ("main", "merged", 5)
    assert shown_(bob, "faster").conclusion is not None
    # What the branch alone has is not hidden: a run, or a word of its own.
    bob.git("switch", "-q", "-c", "more", "origin/exp/faster")
    path = ".gitexp/experiments/faster.yaml"
    ways = {
        "plan": {path: bob.show(path).replace("name: Ada", "name: Eve")},
        "conclusion": {".gitexp/conclusions/faster.yaml": "$schema: gitexp/conclusion@1\n"},
        "run": {".gitexp/runs/aa/aaaaaaaaaaaaaaaa/run.json": "{}"},
    }
    for files in ways.values():
        bob.git("update-ref", "refs/remotes/origin/exp/faster", bob.commit(files, at=960))
        bob.git("reset", "-q", "--hard", "HEAD~")
        bob.git("switch", "-q", "main")
        view = list_experiments(bob.workspace)
        rows = [item.branch for item in view.experiments] + [bad.where for bad in view.unreadable]
        assert any("origin/exp/faster" in row for row in rows)
        bob.git("switch", "-q", "more")


def test_what_a_shallow_clone_does_not_have_is_not_called_lost(
    mine: BuiltRepo, tmp_path: Path
) -> None:
    mine.git("switch", "-q", "main")
    mine.git("merge", "-q", "--no-ff", "-m", "merge", "exp/faster")
    mine.git("branch", "-D", "exp/faster")
    shallow = clone(mine, tmp_path / "shallow", "--depth", "1")
    (listed,) = list_experiments(shallow.workspace).experiments
    assert (listed.state, listed.source_lost) == ("merged", False)
    assert not shown_(shallow, "faster").source_lost


def test_a_list_remembers_merged_experiments_until_their_records_change(
    mine: BuiltRepo, tmp_path: Path
) -> None:
    fresh = pressed("squash", mine, tmp_path, {"README.md": "# another\n"})
    first = list_experiments(fresh.workspace)
    assert list_experiments(fresh.workspace) == first
    path = ".gitexp/experiments/faster.yaml"
    fresh.commit({path: fresh.show(path).replace("raises f1", "lifts f1")}, at=950)
    (again,) = list_experiments(fresh.workspace).experiments
    assert again.hypothesis == "a larger learning rate lifts f1"
    fresh.commit({path: "$schema: gitexp/plan@1\n"}, at=951)
    view = list_experiments(fresh.workspace)
    assert (view.experiments, [item.what for item in view.unreadable]) == ((), ["faster"])


def shown_(repo: BuiltRepo, name: str) -> ShownExperiment:
    view = show(repo.workspace, name)
    assert isinstance(view, ShownExperiment)
    return view
