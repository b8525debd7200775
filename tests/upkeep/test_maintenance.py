"""`maintenance` packs, deletes nothing that anybody could miss, and says what it came to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.errors import UsageError
from gitexp.execution.run import run
from gitexp.model.request import RunRequest
from gitexp.upkeep.maintenance import maintenance
from gitexp.views.list_runs import list_runs
from tests.execution.test_run import plain
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def project(tmp_path: Path) -> BuiltRepo:
    """A project with two recorded runs."""
    repo = plain(tmp_path / "r")
    for seed in (1, 2):
        run(repo.workspace, RunRequest(seeds=(seed,)))
    return repo


def folders(repo: BuiltRepo) -> int:
    return len(list((repo.path / ".git/gitexp/work/runs").iterdir()))


def test_refs_and_objects_are_packed_and_the_unreachable_stay(project: BuiltRepo) -> None:
    lost = project.git("hash-object", "-w", "--stdin", data=b"nobody refers to this")
    refs, runs = project.refs(), list_runs(project.workspace)
    done = gitexp(project, "maintenance", "--json")
    assert done.code == 0, done.err
    before, after = done.json["before"], done.json["after"]
    assert isinstance(before, dict)
    assert isinstance(after, dict)
    assert before["loose_objects"] > 10
    assert after["loose_objects"] <= 1  # older versions of git leave what is unreachable
    assert (after["packs"], after["loose_refs"]) == (1, 0)
    assert project.git("cat-file", "-p", lost) == "nobody refers to this"
    assert (project.refs(), list_runs(project.workspace)) == (refs, runs)
    assert folders(project) == 2
    project.fsck()
    assert project.status() == []


def test_only_job_folders_of_recorded_runs_go_and_the_newest_stay(project: BuiltRepo) -> None:
    assert gitexp(project, "maintenance", "--dry-run", "--keep", "1").code == 0
    assert folders(project) == 2
    project.write({".git/gitexp/work/runs/aaaa/state.json": "{"})  # nobody can tell
    assert len(maintenance(project.workspace, keep=1).removed) == 1
    assert folders(project) == 2
    project.switch("other", create=True)
    project.git("reset", "--quiet", "--hard", "HEAD~2")
    project.git("branch", "--quiet", "-D", "main")
    assert maintenance(project.workspace, keep=0).removed == ()  # the last copy of that run
    assert folders(project) == 2


def test_fewer_than_no_folders_cannot_be_kept(project: BuiltRepo) -> None:
    with pytest.raises(UsageError):
        maintenance(project.workspace, keep=-1)
