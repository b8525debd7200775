"""The merge driver, called by a real `git merge` in a clone that asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.sharing.merge_driver import join_lock
from tests.lab.shell import environment, gitexp

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

PLAN = ".gitexp/experiments/faster.yaml"
ATTRIBUTES = ".git/info/attributes"


@pytest.fixture
def driven(experiment: BuiltRepo, monkeypatch: pytest.MonkeyPatch) -> BuiltRepo:
    """The experiment's clone with the driver; git finds this source tree."""
    done = gitexp(experiment, "init", "--merge-driver")
    assert done.code == 0, done.err
    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    return experiment


def merged(repo: BuiltRepo, ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """Change both sides, merge, and return the unmerged paths."""
    repo.switch("side", create=True)
    repo.commit(theirs, at=50)
    repo.switch("exp/faster")
    repo.commit(ours, at=60)
    repo.git("merge", "-q", "side", check=False, at=70)
    return repo.git("diff", "--name-only", "--diff-filter=U").splitlines()


def test_it_is_set_up_once_for_this_clone_and_nothing_is_committed(driven: BuiltRepo) -> None:
    before = driven.refs()
    text = (driven.path / ATTRIBUTES).read_text()
    assert text.count("merge=gitexp\n") == 5
    assert gitexp(driven, "init", "--merge-driver").code == 0
    assert (driven.path / ATTRIBUTES).read_text() == text
    assert (driven.refs(), driven.status()) == (before, [])
    assert "merge-driver" in driven.git("config", "merge.gitexp.driver")


def test_stages_that_each_side_executed_come_together_whole(driven: BuiltRepo) -> None:
    lock = driven.show("dvc.lock")
    mine = lock.replace("cmd: python train.py", "cmd: python train.py --quick")
    extra = lock + "  report:\n    cmd: python report.py\n    deps:\n    - path: model.txt\n"
    extra += "      hash: md5\n      md5: " + lock.rsplit("md5: ", 1)[1]
    assert merged(driven, {"dvc.lock": mine}, {"dvc.lock": extra}) == []
    assert driven.show("dvc.lock") == mine + extra.removeprefix(lock)


def test_a_stage_that_both_executed_is_a_conflict_and_ours_stays_whole(driven: BuiltRepo) -> None:
    lock = driven.show("dvc.lock")
    mine, other = (lock.replace("lr: 0.5", f"lr: {rate}") for rate in ("0.6", "0.8"))
    assert merged(driven, {"dvc.lock": mine}, {"dvc.lock": other}) == ["dvc.lock"]
    assert (driven.path / "dvc.lock").read_text() == mine


def test_a_lock_that_no_run_ever_had_is_a_conflict(driven: BuiltRepo) -> None:
    lock = driven.show("dvc.lock")
    made = lock.split("- path: prepared.csv")[1].split(" md5: ")[1].split()[0]
    head, tail = lock.split("  train:\n")
    assert made in head
    assert made in tail
    mine = head.replace(made, "0" * 32) + "  train:\n" + tail
    other = lock.replace("cmd: python train.py", "cmd: python train.py --quick")
    assert merged(driven, {"dvc.lock": mine}, {"dvc.lock": other}) == ["dvc.lock"]


def test_prose_of_a_plan_is_joined_and_what_binds_is_not(driven: BuiltRepo) -> None:
    plan = driven.show(PLAN)
    mine = plan.replace("a larger learning rate raises f1", "larger learning rates raise f1")
    other = plan.replace("repeats: 6", "repeats: 8")
    assert merged(driven, {PLAN: mine}, {PLAN: other}) == []
    assert driven.show(PLAN) == mine.replace("repeats: 6", "repeats: 8")
    both = driven.show(PLAN)
    driven.git("branch", "-D", "side")
    third = {PLAN: both.replace("alpha: 0.05", "alpha: 0.01")}
    fourth = {PLAN: both.replace("repeats: 8", "repeats: 9")}
    assert merged(driven, third, fourth) == [PLAN]
    assert (driven.path / PLAN).read_text() == third[PLAN]


def test_what_is_not_as_dvc_writes_it_is_a_conflict() -> None:
    lock = b"schema: '2.0'\nstages:\n  a:\n    cmd: x\n"
    for odd in (
        b"# mine\n" + lock,
        lock + b"other: 1\n",
        lock + b"  a:\n    cmd: y\n",
        b"",
        b"\xff",
    ):
        assert (
            join_lock(lock, lock + b"  b:\n    cmd: y\n", odd)
            == "a side is not laid out as DVC writes it"
        )
    assert join_lock(b"", lock, lock.replace(b"  a:", b"  b:")) == lock + b"  b:\n    cmd: x\n"
