"""Faults F20 and F21: merges meet in no file, and a rebase or squash loses no sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash, InputsDigest
from gitexp.store import lookup
from tests.lab.recorded import a_run, run_files, run_id

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

INPUTS = InputsDigest("1" * 64)


@pytest.fixture
def forked(repo: BuiltRepo) -> BuiltRepo:
    """A repository whose branch exp/a recorded two runs while main went on."""
    repo.commit({"train.py": "1"})
    repo.switch("exp/a", create=True)
    for number in (1, 2):
        repo.commit(run_files(*a_run(number)), at=number + 1)
    repo.switch("main")
    repo.commit({"README.md": "more"}, at=9)
    return repo


def runs(repo: BuiltRepo, revision: str) -> list[str]:
    opened = open_repository(repo.workspace)
    return [item.run.id for item in lookup.runs_at(opened, CommitHash(repo.hash(revision)))]


def test_runs_that_two_people_recorded_merge_without_a_conflict(forked: BuiltRepo) -> None:
    forked.switch("exp/a")
    forked.switch("theirs", create=True)
    forked.git("reset", "--quiet", "--hard", "exp/a~1")
    forked.commit(run_files(*a_run(3)), at=5)
    forked.git("merge", "--quiet", "--no-edit", "exp/a")
    assert forked.status() == []
    assert set(runs(forked, "theirs")) == {run_id(1), run_id(2), run_id(3)}


def test_after_a_rebase_every_run_is_there_once(forked: BuiltRepo) -> None:
    forked.switch("exp/a")
    before = forked.hash()
    forked.git("rebase", "--quiet", "main")
    assert forked.hash() != before
    assert runs(forked, "exp/a") == [run_id(1), run_id(2)]
    forked.git("branch", "before", before)  # both lines: a run is one run
    found = lookup.runs_by_inputs(open_repository(forked.workspace), INPUTS)
    assert [item.run.id for item in found] == [run_id(1), run_id(2)]


def test_after_a_squash_with_the_branch_deleted_the_runs_are_found(forked: BuiltRepo) -> None:
    forked.git("merge", "--quiet", "--squash", "exp/a")
    forked.git("commit", "--quiet", "-m", "squashed")
    forked.git("branch", "--quiet", "-D", "exp/a")
    forked.git("reflog", "expire", "--expire=now", "--all")
    forked.git("gc", "--quiet", "--prune=now")
    found = lookup.runs_by_inputs(open_repository(forked.workspace), INPUTS)
    assert {item.run.id for item in found} == {run_id(1), run_id(2)}
