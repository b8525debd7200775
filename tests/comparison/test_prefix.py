"""The settings say what experiments' branches are called; nothing else is taken for one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.archive import archive
from gitexp.sharing.push_pull import push
from gitexp.upkeep.doctor import doctor
from gitexp.views.list_runs import list_experiments
from tests.lab.build import repository
from tests.lab.records import CONFIG, Lab, scores

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    lab = Lab(repo)
    lab.init(replace(CONFIG, branch_prefix="trial/"))
    plan = lab.plan(prefix="trial/")
    lab.record("c", {"f1": scores(0.6, [1, 2])}, plan=plan)
    repo.switch("main")
    return lab


def test_an_archived_experiment_is_listed_once_under_its_name(lab: Lab) -> None:
    archive(lab.repo.workspace, "deep")
    (found,) = list_experiments(lab.repo.workspace).experiments
    assert (found.name, found.branch) == ("deep", "trial/deep")  # its records are there alone
    lab.repo.git("branch", "-D", "trial/deep")
    (found,) = list_experiments(lab.repo.workspace).experiments
    assert (found.name, found.state) == ("deep", "archived")


def test_doctor_looks_at_branches_of_that_name_only(lab: Lab) -> None:
    lab.repo.git("branch", "exp/mine")
    lab.repo.git("branch", "trial/empty")
    found = doctor(lab.repo.workspace).findings
    assert [item.where for item in found if item.check == "branches"] == ["trial/empty"]


def test_push_without_a_name_sends_branches_of_that_name(lab: Lab, tmp_path: Path) -> None:
    origin = repository(tmp_path / "origin")
    lab.repo.git("remote", "add", "origin", str(origin.path))
    lab.repo.git("branch", "exp/mine")
    report = push(lab.repo.workspace)
    assert [move.branch for move in report.branches] == ["trial/deep"]
