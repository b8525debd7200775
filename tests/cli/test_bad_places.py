"""Where gitexp cannot work: it says so, says what to type, and changes nothing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.lab.build import clone, repository
from tests.lab.shell import PLAN, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def test_outside_a_repository_every_command_says_so(tmp_path: Path) -> None:
    for argv in (["status"], ["list"], ["init"], ["run"], ["new", "x", *PLAN], ["compare"]):
        done = gitexp(tmp_path, *argv, env={"GIT_CEILING_DIRECTORIES": str(tmp_path.parent)})
        assert done.code == 3
        assert done.says("error[no-repository]", "not a Git repository", "next      git init")
    assert list(tmp_path.iterdir()) == []


def test_a_bare_repository_can_be_read_and_not_run_in(project: BuiltRepo, tmp_path: Path) -> None:
    bare = clone(project, tmp_path / "bare.git", "--bare")
    for argv in (["list"], ["status"], ["show"], ["list", "--runs"], ["inputs", "main", "main~1"]):
        assert gitexp(bare, *argv).code == 0, argv
    for argv in (["init"], ["run"], ["new", "x", "--here", *PLAN]):
        done = gitexp(bare, *argv)
        assert done.code == 3, argv
        assert done.says("error[bare-repository]", "next      git clone it")
    made = gitexp(bare, "new", "x", *PLAN)
    assert made.code == 0, made.err
    assert "refs/heads/exp/x" in bare.refs()
    assert "next: git fetch in a clone" in made.out


def test_an_unborn_branch_has_nothing_to_begin_from(repo: BuiltRepo) -> None:
    for argv in (["init"], ["new", "x", *PLAN], ["run"], ["show"]):
        done = gitexp(repo, *argv)
        assert done.code == 3, argv
        assert done.says("error[unborn-branch]", "git add . && git commit")
    for argv in (["status"], ["list"]):
        assert gitexp(repo, *argv).code == 0
    assert "no commit yet" in gitexp(repo, "status").out


def test_an_unborn_branch_is_left_for_the_history_that_is_here(
    project: BuiltRepo, repo: BuiltRepo
) -> None:
    """A commit there would begin another one, which nothing could merge."""
    for branch in ("master", "main"):
        project.git("branch", "-m", branch)
        repo.git("fetch", "-q", "--prune", str(project.path), "refs/heads/*:refs/remotes/origin/*")
        for argv in (["init"], ["new", "x", *PLAN], ["run"], ["show"], ["status"]):
            done = gitexp(repo, *argv)
            assert f"git switch {branch}" in done.out + done.err, argv
            assert "git add" not in done.out + done.err
    repo.git("remote", "add", "origin", str(project.path))
    repo.git("switch", "-q", "main")  # the control: the step is one
    assert repo.hash() == project.hash()


def test_on_a_detached_head_nothing_is_recorded(project: BuiltRepo) -> None:
    project.git("switch", "--quiet", "--detach")
    before = project.refs()
    for argv in (["run"], ["new", "x", "--here", *PLAN], ["conclude", "-m", "done"]):
        done = gitexp(project, *argv)
        assert done.code == 3, argv
        assert done.says("error[detached-head]", "next")
    assert project.refs() == before
    assert "HEAD is on no branch" in gitexp(project, "status").out


def test_a_dirty_tree_is_not_run_and_keeps_its_changes(experiment: BuiltRepo) -> None:
    experiment.write({"train.py": "print('edited')\n"})
    done = gitexp(experiment, "run")
    assert done.code == 3
    assert done.says("error[dirty-tree]", "train.py", "gitexp run --commit -m", "--commit")
    assert (experiment.path / "train.py").read_text() == "print('edited')\n"
    shown = gitexp(experiment, "status")
    assert "uncommitted  train.py" in shown.out
    assert shown.out.endswith('next: gitexp run --commit -m "what changed"\n')


def test_a_source_without_settings_is_not_begun_with(dvc_repo: BuiltRepo) -> None:
    for argv in (["new", "x", *PLAN], ["run"]):
        done = gitexp(dvc_repo, *argv)
        assert done.code == 3, argv
        assert done.says("error[not-initialised]", "next      gitexp init")
    assert gitexp(dvc_repo, "status").out.startswith("main: not a gitexp project")


def test_minus_c_works_as_if_started_there(project: BuiltRepo, tmp_path: Path) -> None:
    (project.path / "sub").mkdir()
    for argv in (
        ["-C", str(project.path / "sub"), "status"],
        ["status", "-C", str(project.path)],
    ):
        assert gitexp(tmp_path, *argv).out.startswith("main: no plan")
    missing = gitexp(tmp_path, "-C", "nowhere", "status")
    assert missing.code == 3
    assert missing.says("the folder does not exist")


def test_a_folder_that_is_not_there_is_no_reason_to_make_a_repository_here(tmp_path: Path) -> None:
    done = gitexp(tmp_path, "-C", "nowhere", "status")
    assert done.code == 3
    assert done.says("the folder does not exist", "nowhere")
    assert "git init" not in done.err


def test_a_working_directory_that_was_deleted_is_named(project: BuiltRepo, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    line = 'mkdir "$0"; cd "$0"; rmdir "$0"; gitexp "$@"'
    for argv in (["list"], ["status"], ["run"], ["help"], ["-C", str(project.path), "status"]):
        done = subprocess.run(
            ["sh", "-c", line, str(gone), *argv], capture_output=True, text=True, check=False
        )
        if argv in (["list"], ["status"], ["run"]):
            assert done.returncode == 3, done.stderr
            assert "the folder does not exist" in done.stderr
            assert str(gone) in done.stderr
        else:
            assert done.returncode == 0, done.stderr
            assert done.stdout


def test_a_linked_worktree_and_a_sub_folder_are_the_same_project(
    project: BuiltRepo, tmp_path: Path
) -> None:
    linked = project.worktree(tmp_path / "linked", "-b", "exp/other")
    assert gitexp(linked, "status").out.startswith("exp/other: no plan")
    assert "other" in gitexp(linked, "list").out
    assert gitexp(linked, "new", "third", "--here", *PLAN).code == 0
    assert linked.status() == []


def test_names_that_stand_for_nothing_are_refused(project: BuiltRepo) -> None:
    for argv in (
        ["show", "nope"],
        ["diff", "main", "nope"],
        ["inputs", "nope", "main"],
        ["compare", "main", "nope"],
        ["run", "--at", "nope"],
        ["new", "x", "--baseline", "nope", *PLAN],
        ["new", "x", "--start", "nope", *PLAN],
    ):
        done = gitexp(project, *argv)
        assert done.code == 3, (argv, done.err)
        assert done.says("error[unknown-", "nope", "next")
    logs = gitexp(project, "logs", "zzzz")
    assert logs.code == 3
    assert logs.says("error[unknown-run]")


def test_a_revision_that_begins_with_a_hyphen_is_never_an_option(project: BuiltRepo) -> None:
    evil = f"--output={project.path / 'pwned'}"
    for argv in (
        ["show", "--", evil],
        ["diff", "--", evil, "main"],
        ["inputs", "--", "main", evil],
        ["compare", "--", "main", evil],
        ["new", "x", f"--baseline={evil}", *PLAN],
        ["new", "x", f"--start={evil}", *PLAN],
        ["run", f"--at={evil}"],
        ["run", f"--on={evil}"],
    ):
        done = gitexp(project, *argv)
        assert done.code in {2, 3}, (argv, done.out, done.err)
        assert done.says("error[")
    assert not (project.path / "pwned").exists()
    assert gitexp(project, "show", evil).code == 2


def test_two_repositories_side_by_side_do_not_see_each_other(tmp_path: Path) -> None:
    one, two = repository(tmp_path / "one"), repository(tmp_path / "two")
    for each in (one, two):
        each.commit({"a": each.path.name})
    env = {"GIT_DIR": str(one.path / ".git")}  # as a hook of the first one would export it
    assert gitexp(two, "status", env=env).code == 0
