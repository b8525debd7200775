"""Worktrees and what each has checked out; Git's own lock on their index; who holds what."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import GitFailedError, LockedError, UnsafeInputError
from gitexp.git import refs
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout, owners
from gitexp.git.transaction.locks import this_process
from gitexp.git.worktree import checkouts
from gitexp.model.ids import ABSENT, CommitHash, EnvironmentDigest, PlanDigest, RunId
from tests.lab.build import clone, repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def project(repo: BuiltRepo) -> BuiltRepo:
    repo.commit({"a": "1\n"})
    return repo


# --- worktrees -----------------------------------------------------------------------------------


def test_each_worktree_is_told_with_what_it_has_checked_out(
    project: BuiltRepo, tmp_path: Path
) -> None:
    tip = project.hash()
    linked = project.worktree(tmp_path / "a b", "-b", "exp/x")
    project.worktree(tmp_path / "detached", "--detach")
    main, *others = checkouts.listing(project.workspace)
    common = project.path / ".git"
    assert main == checkouts.Checkout(project.path, common, "main", CommitHash(tip), missing=False)
    assert {(each.top.name, each.branch, each.head) for each in others} == {
        ("a b", "exp/x", tip), ("detached", None, tip),
    }  # fmt: skip
    assert all(each.git_dir.parent == common / "worktrees" for each in others)
    assert all(each.index == each.git_dir / "index" and each.index.exists() for each in others)
    assert checkouts.listing(linked.workspace) == checkouts.listing(project.workspace)
    assert [each.top for each in checkouts.on_branch(project.workspace, "exp/x")] == [linked.path]
    assert checkouts.on_branch(project.workspace, "none") == ()


def test_an_unborn_branch_has_no_head_and_a_bare_repository_no_checkout(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    (only,) = checkouts.listing(repo.workspace)
    assert (only.branch, only.head) == ("main", ABSENT)
    repo.commit({"a": "1"})
    bare = clone(repo, tmp_path / "bare.git", "--bare")
    assert checkouts.listing(bare.workspace) == ()
    bare.git("worktree", "add", "-q", str(tmp_path / "w"), "main")
    (linked,) = checkouts.listing(bare.workspace)
    assert (linked.top, linked.missing) == (tmp_path / "w", False)


def test_a_worktree_whose_folder_is_gone_or_leads_elsewhere_is_missing(
    project: BuiltRepo, tmp_path: Path
) -> None:
    gone, moved, foreign, link = (
        project.worktree(tmp_path / name, "-b", name)
        for name in ("gone", "moved", "foreign", "link")
    )  # fmt: skip
    gone.path.rename(tmp_path / "elsewhere")
    (moved.path / ".git").unlink()
    other = repository(tmp_path / "other")
    (foreign.path / ".git").write_text(f"gitdir: {other.path / '.git'}\n")
    (link.path / ".git").rename(tmp_path / "dot-git")
    (link.path / ".git").symlink_to(tmp_path / "dot-git")
    found = {each.top.name: each.missing for each in checkouts.listing(project.workspace)}
    assert found == {"repo": False, "gone": True, "moved": True, "foreign": True, "link": True}
    for name in ("gone", "foreign"):
        assert checkouts.on_branch(project.workspace, name) == ()


def test_a_worktree_that_knows_its_repository_by_a_relative_path_is_there(
    project: BuiltRepo, tmp_path: Path
) -> None:
    project.git("config", "worktree.useRelativePaths", "true")
    project.worktree(tmp_path / "near", "-b", "near")
    text = next((project.path / ".git/worktrees").glob("*/gitdir")).read_text()
    if text.startswith("/"):
        pytest.skip("this Git writes absolute paths alone")
    found = {each.branch: each.missing for each in checkouts.listing(project.workspace)}
    assert found == {"main": False, "near": False}


def test_a_switch_of_any_worktree_shows_in_the_heads(project: BuiltRepo, tmp_path: Path) -> None:
    linked = project.worktree(tmp_path / "w", "-b", "exp/x")
    before = checkouts.heads(project.workspace)
    assert before == (b"ref: refs/heads/main\n", b"ref: refs/heads/exp/x\n")
    linked.switch("other", create=True)
    assert checkouts.heads(linked.workspace) != before
    (project.path / ".git/worktrees/w/HEAD").unlink()
    assert checkouts.heads(project.workspace)[1] == b""


def test_a_rebase_is_found_in_whatever_worktree_it_stands(
    project: BuiltRepo, tmp_path: Path
) -> None:
    linked = project.worktree(tmp_path / "w", "-b", "exp/x")
    linked.commit({"a": "2\n"}, at=2)
    project.commit({"a": "3\n"}, at=3)
    assert checkouts.rebasing(project.workspace, "exp/x") is None
    linked.git("rebase", "main", check=False)
    for workspace in (project.workspace, linked.workspace):
        assert checkouts.rebasing(workspace, "exp/x") == project.path / ".git/worktrees/w"
        assert checkouts.rebasing(workspace, "exp") is None
        assert checkouts.rebasing(workspace, "main") is None
    linked.git("rebase", "--abort")
    assert checkouts.rebasing(project.workspace, "exp/x") is None


# --- locks of an index ---------------------------------------------------------------------------


def test_the_lock_of_an_index_is_gits_and_says_whose_it_is(project: BuiltRepo) -> None:
    (checkout,) = checkouts.listing(project.workspace)
    assert checkouts.owner_of(checkout) == ""
    path = checkouts.take(checkout, "abc123")
    assert path == checkouts.path_of(checkout) == project.path / ".git/index.lock"
    assert checkouts.owner_of(checkout) == "abc123"
    with pytest.raises(AssertionError, match=r"index\.lock': File exists"):
        project.git("add", "--all")
    with pytest.raises(LockedError, match="locked by another process") as caught:
        checkouts.take(checkout, "def456")
    assert caught.value.where == str(path)
    assert caught.value.next_step.endswith(f"rm {path}")
    assert checkouts.owner_of(checkout) == "abc123"
    path.unlink()


def test_a_lock_that_git_took_has_no_owner_of_ours(project: BuiltRepo) -> None:
    (checkout,) = checkouts.listing(project.workspace)
    for data in (b"", b"DIRC\x00\x00\x00\x02" + b"\xff" * 300):
        checkouts.path_of(checkout).write_bytes(data)
        assert checkouts.owner_of(checkout) == ""


def test_where_no_lock_can_be_made_it_says_so(project: BuiltRepo) -> None:
    (checkout,) = checkouts.listing(project.workspace)
    nowhere = replace(checkout, git_dir=project.path / "a")
    with pytest.raises(GitFailedError, match="cannot lock the index") as caught:
        checkouts.take(nowhere, "x")
    assert caught.value.where == str(nowhere.git_dir / "index.lock")


# --- who holds what ------------------------------------------------------------------------------


def test_a_transaction_is_known_while_it_lasts_and_forgotten_after(project: BuiltRepo) -> None:
    workspace, tip = project.workspace, CommitHash(project.hash())
    assert owners.ids(workspace) == frozenset()
    with owners.registered(workspace, "refs/heads/exp/a", ABSENT, tip) as owned:
        assert owners.ids(workspace) == {owned.id}
        assert (owned.before, owned.after, owned.owner) == ("", tip, this_process())
        assert owned.temporary_ref == f"refs/gitexp/tmp/{owned.id}"
        record = json.loads(owners.path_of(workspace, owned.id).read_bytes())
        assert record["ref"] == "refs/heads/exp/a"
        assert owners.stale(workspace) == ()  # we live
    assert owners.ids(workspace) == frozenset()
    with pytest.raises(KeyError), owners.registered(workspace, "refs/heads/a", tip, tip):
        raise KeyError
    assert list(layout.locks_dir(workspace).iterdir()) == []


def planted(project: BuiltRepo, **changed: object) -> Path:
    """Write an owner file of a process that ended."""
    me = this_process()
    tip = project.hash()
    value = {
        "id": "aa", "host": me.host, "pid": me.pid, "started": "boot-0", "ref": "refs/heads/main",
        "before": "", "after": tip, **changed,
    }  # fmt: skip
    path = owners.path_of(project.workspace, "aa")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))
    return path


def test_a_dead_process_is_stale_and_one_of_another_host_is_not(project: BuiltRepo) -> None:
    path = planted(project)
    (owned,) = owners.stale(project.workspace)
    assert owned.id == "aa"
    planted(project, host="elsewhere")
    assert owners.stale(project.workspace) == ()
    planted(project, started=this_process().started)
    assert owners.stale(project.workspace) == ()
    assert path.exists()


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "../x"}, {"id": 1}, {"ref": "HEAD"}, {"ref": "refs/heads/../x"}, {"ref": None},
        {"ref": "refs/heads/a b"}, {"before": "x"}, {"after": "HEAD"}, {"pid": "x"}, {"pid": []},
        {"after": None},
    ],
    ids=str,
)  # fmt: skip
def test_an_owner_file_that_says_nonsense_frees_nothing(
    project: BuiltRepo, changed: dict[str, object]
) -> None:
    path = planted(project, **changed)
    lock = project.path / ".git/index.lock"
    lock.write_text("aa\n")
    repo = open_repository(project.workspace)
    assert owners.stale(project.workspace) == ()
    assert owners.unreadable(project.workspace) == (path,)
    assert owners.clear_stale(repo) == ()
    assert lock.exists()
    half = path.with_suffix(".tmp")
    half.touch()
    assert owners.unreadable(project.workspace) == (path, half)
    assert owners.ids(project.workspace) == {"aa"}


def test_what_a_dead_process_held_is_let_go_and_nothing_else(project: BuiltRepo) -> None:
    """It died before its commit was on the branch."""
    tip = CommitHash(project.hash())
    after = project.git("commit-tree", project.tree(), "-p", tip, "-m", "never seen")
    planted(project, before=tip, after=after)
    repo = open_repository(project.workspace)
    refs.keep(repo, "refs/gitexp/tmp/aa", after)
    refs.keep(repo, "refs/gitexp/tmp/bb", after)
    git = project.path / ".git"
    (git / "index.lock").write_text("aa\n")
    (git / "refs/heads/main.lock").write_text(f"{after}\n")
    (git / "index.gitexp-aa").touch()
    (said,) = owners.clear_stale(repo)
    assert said == (
        f"cleared the locks of process {os.getpid()}, which died at main; "
        "nothing of it was published"
    )
    assert project.locks() == []
    assert not (git / "index.gitexp-aa").exists()
    assert refs.temporary(repo, "refs/gitexp/tmp/") == {"refs/gitexp/tmp/bb"}
    assert project.hash() == tip
    assert owners.ids(project.workspace) == frozenset()


def test_locks_of_somebody_else_stay(project: BuiltRepo) -> None:
    tip = CommitHash(project.hash())
    after = project.git("commit-tree", project.tree(), "-p", tip, "-m", "x")
    planted(project, before=tip, after=after)
    git = project.path / ".git"
    (git / "index.lock").write_text("bb\n")
    (git / "refs/heads/main.lock").write_text(f"{tip}\n")
    owners.clear_stale(open_repository(project.workspace))
    assert project.locks() == ["index.lock", "refs/heads/main.lock"]


def test_a_dead_process_whose_commit_is_on_the_branch_has_it_checked_out(
    project: BuiltRepo,
) -> None:
    tip = CommitHash(project.hash())
    blob = project.git("hash-object", "-w", "--stdin", data=b"2\n")
    tree = project.git("mktree", data=f"100644 blob {blob}\ta\n".encode())
    after = project.git("commit-tree", tree, "-p", tip, "-m", "published")
    project.git("update-ref", "refs/heads/main", after)
    planted(project, before=tip, after=after)
    (project.path / ".git/index.lock").write_text("aa\n")
    (said,) = owners.clear_stale(open_repository(project.workspace))
    assert said.endswith("its commit is on the branch")
    assert (project.path / "a").read_text() == "2\n"
    assert project.status() == []


def test_a_folder_that_cannot_be_written_takes_no_lock(project: BuiltRepo) -> None:
    folder = layout.locks_dir(project.workspace)
    folder.parent.mkdir(parents=True)
    folder.touch()  # a file in its place
    tip = CommitHash(project.hash())
    taken = owners.registered(project.workspace, "refs/heads/a", ABSENT, tip)
    with pytest.raises(GitFailedError, match="cannot note who takes the locks"), taken:
        pytest.fail("nothing may be done without the file")


# --- where things lie ----------------------------------------------------------------------------


def test_where_things_lie_is_part_of_the_format() -> None:
    run, digest = RunId("abcdefghij234567"), "0" * 64
    assert (layout.plan_path("a"), layout.conclusion_path("a"), layout.tombstone_path("a")) == (
        ".gitexp/experiments/a.yaml", ".gitexp/conclusions/a.yaml", ".gitexp/tombstones/a.yaml",
    )  # fmt: skip
    assert layout.archive_tag("a") == "refs/tags/exp-archive/a"
    assert layout.run_json(run) == ".gitexp/runs/ab/abcdefghij234567/run.json"
    assert layout.samples_csv(run) == ".gitexp/runs/ab/abcdefghij234567/samples.csv"
    assert layout.environment_dir(EnvironmentDigest(digest)) == f".gitexp/environments/{digest}"
    assert layout.witness_dir(PlanDigest(digest)) == f".gitexp/witness/{digest}"
    assert layout.data_pointer(run) == f"{run}.dvc"
    assert layout.data_pointer(run, "sub") == f"sub/{run}.dvc"


def test_what_is_kept_in_the_git_directory_is_behind_no_link(
    project: BuiltRepo, tmp_path: Path
) -> None:
    git = project.path / ".git"
    linked = project.worktree(tmp_path / "w", "--detach")
    assert layout.locks_dir(linked.workspace) == git / "gitexp/locks"
    assert layout.index_file(project.workspace) == git / "gitexp/index.sqlite"
    outside = tmp_path / "outside"
    (outside / "locks").mkdir(parents=True)
    (git / "gitexp").mkdir()
    (git / "gitexp/locks").symlink_to(outside / "locks")
    with pytest.raises(UnsafeInputError, match="a link stands in place") as caught:
        layout.locks_dir(project.workspace)
    assert caught.value.where == str(git / "gitexp/locks")
    assert caught.value.next_step == f"rm {git / 'gitexp/locks'}"
    layout.index_file(project.workspace)
    (git / "gitexp/locks").unlink()
    (git / "gitexp").rmdir()
    (git / "gitexp").symlink_to(outside)
    with pytest.raises(UnsafeInputError) as whole:
        layout.index_file(project.workspace)
    assert whole.value.where == str(git / "gitexp")
