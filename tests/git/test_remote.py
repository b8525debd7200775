"""Fetch and push against a real bare repository: what is done, refused, lost, or in the way."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import (
    GitFailedError,
    MovedRefError,
    NoSpaceError,
    PreconditionError,
    ReadOnlyError,
    UsageError,
)
from gitexp.git import remote
from gitexp.git.repository import open_repository
from gitexp.model.ids import CommitHash
from tests.lab.build import BuiltRepo, clone, repository

if TYPE_CHECKING:
    from pathlib import Path

ARCHIVE = "refs/tags/exp-archive/"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a bare repository with one commit on main, and of a clone beside it."""
    folder = tmp_path_factory.mktemp("pair")
    bare = repository(folder / "server.git", bare=True)
    tree = bare.git("hash-object", "-t", "tree", "-w", "--stdin", data=b"")
    bare.git("update-ref", "refs/heads/main", bare.git("commit-tree", tree, "-m", "first"))
    clone(bare, folder / "ours").git("remote", "set-url", "origin", "../server.git")
    return folder


@pytest.fixture
def server(pair: Path, tmp_path: Path) -> BuiltRepo:
    shutil.copytree(pair, tmp_path, dirs_exist_ok=True)
    return BuiltRepo(tmp_path / "server.git")


@pytest.fixture
def ours(server: BuiltRepo) -> BuiltRepo:
    return BuiltRepo(server.path.with_name("ours"))


def commit(repo: BuiltRepo, text: str, parent: str = "main") -> CommitHash:
    """Make a commit that no branch has."""
    return CommitHash(repo.git("commit-tree", f"{parent}^{{tree}}", "-p", parent, "-m", text))


def lead(repo: BuiltRepo, *lines: str) -> None:
    repo.git_bytes("update-ref", "--stdin", data="".join(f"{x}\n" for x in lines).encode())


# --- which remote --------------------------------------------------------------------------------


def chosen(repo: BuiltRepo, branch: str | None = None, wanted: str | None = None) -> str:
    return remote.choose(open_repository(repo.workspace), branch, wanted)


def test_the_branchs_remote_goes_before_the_pushdefault_before_origin(repo: BuiltRepo) -> None:
    for name in ("team", "origin", "fork"):
        repo.git("remote", "add", name, "nowhere")
    assert chosen(repo) == chosen(repo, "exp/a") == "origin"
    repo.git("config", "remote.pushDefault", "fork")
    assert chosen(repo) == chosen(repo, "exp/a") == "fork"
    repo.git("config", "branch.exp/A.remote", "team")
    assert chosen(repo, "exp/A") == "team"
    assert chosen(repo, "exp/a") == "fork"  # branches differ by case
    assert chosen(repo, "exp/A", "origin") == "origin"  # whoever names one gets it
    repo.git("config", "branch.exp/A.remote", ".")  # what `git branch --track` of a local one says
    assert chosen(repo, "exp/A") == "fork"
    repo.git("config", "remote.pushDefault", "gone")
    assert chosen(repo, "exp/a") == "origin"


def test_an_only_remote_needs_no_name_and_of_several_none_is_guessed(repo: BuiltRepo) -> None:
    repo.git("remote", "add", "it's", "nowhere")
    assert chosen(repo) == "it's"
    repo.git("remote", "add", "b", "nowhere")
    with pytest.raises(UsageError, match="which remote") as caught:
        chosen(repo)
    assert set(caught.value.found.split(", ")) == {"b", "it's"}
    assert caught.value.next_step == "give --remote b"


def test_what_is_not_a_remote_of_this_repository_is_never_passed_to_git(repo: BuiltRepo) -> None:
    with pytest.raises(PreconditionError, match="no remote to share with") as caught:
        chosen(repo)
    assert caught.value.next_step == "git remote add origin URL"
    with pytest.raises(UsageError, match="no such remote") as none:
        chosen(repo, wanted="origin")
    assert none.value.expected == "git remote add"
    repo.git("remote", "add", "team", "nowhere")
    repo.git("config", "remote.--upload-pack=x.url", "nowhere")
    for wanted in ("https://example.org/x.git", "../server", "--upload-pack=x", "", "Team", "-"):
        with pytest.raises(UsageError, match="no such remote") as unknown:
            chosen(repo, wanted=wanted)
        assert (unknown.value.found, unknown.value.expected) == (wanted, "team")
    assert chosen(repo) == "team"  # an option is not the second remote either


def test_a_tracking_ref_is_where_git_itself_keeps_it(ours: BuiltRepo) -> None:
    assert remote.tracking("origin", "main") in ours.refs()


# --- fetch ---------------------------------------------------------------------------------------


def test_a_fetch_brings_all_branches_and_archive_tags_and_no_other_tag(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    new = commit(server, "new")
    lead(
        server, f"create refs/heads/exp/a {new}", f"update refs/heads/main {new}",
        f"create {ARCHIVE}z {new}", f"create refs/tags/v1 {commit(server, 'elsewhere')}",
    )  # fmt: skip
    ours.git("config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    assert remote.fetch(ours.workspace, "origin") == ()
    found = ours.refs()
    assert found["refs/remotes/origin/main"] == found["refs/remotes/origin/exp/a"] == new
    assert found[f"{ARCHIVE}z"] == new
    assert "refs/tags/v1" not in found
    assert found["refs/heads/main"] != new  # ours is moved by nobody


def test_a_branch_that_was_rewritten_there_is_followed_and_a_deleted_one_stays(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    one, other = commit(server, "one"), commit(server, "other")
    lead(server, f"create refs/heads/exp/a {one}", f"create refs/heads/exp/b {one}")
    remote.fetch(ours.workspace, "origin")
    lead(server, f"update refs/heads/exp/a {other}", "delete refs/heads/exp/b")
    assert remote.fetch(ours.workspace, "origin") == ()
    assert ours.refs()["refs/remotes/origin/exp/a"] == other
    assert ours.refs()["refs/remotes/origin/exp/b"] == one


def test_an_archive_tag_that_we_have_otherwise_stays_ours_and_is_named(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    lead(server, f"create {ARCHIVE}a {commit(server, 'theirs')}", "create refs/heads/b main")
    mine = commit(ours, "mine")
    lead(ours, f"create {ARCHIVE}a {mine}")
    assert remote.fetch(ours.workspace, "origin") == (
        "the remote has another archive tag exp-archive/a; ours stays",
    )
    assert ours.refs()[f"{ARCHIVE}a"] == mine
    assert "refs/remotes/origin/b" in ours.refs()  # the rest is there all the same


def test_a_branch_without_a_place_is_named_with_what_makes_room_for_it(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    lead(server, "create refs/heads/exp main", "create refs/heads/other main")
    remote.fetch(ours.workspace, "origin")
    lead(server, "delete refs/heads/exp")
    lead(server, "create refs/heads/exp/a main")
    (warning,) = remote.fetch(ours.workspace, "origin")
    assert warning == (
        "refs/remotes/origin/exp/a is not brought: refs/remotes/origin/exp is in its place"
        "; git remote prune origin, if the remote has it no more"
    )
    ours.git("remote", "prune", "origin")
    assert remote.fetch(ours.workspace, "origin") == ()
    assert "refs/remotes/origin/exp/a" in ours.refs()


def test_an_archive_tag_without_a_place_is_not_pruned_away(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    lead(server, f"create {ARCHIVE}a/b main")
    lead(ours, f"create {ARCHIVE}a HEAD")
    (warning,) = remote.fetch(ours.workspace, "origin")
    assert warning == f"{ARCHIVE}a/b is not brought: {ARCHIVE}a is in its place"


def test_a_remote_that_is_not_there_is_an_error_that_says_what_git_said(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    server.path.rename(server.path.with_name("moved.git"))
    with pytest.raises(GitFailedError, match="git fetch failed") as caught:
        remote.fetch(ours.workspace, "origin")
    assert "does not appear to be a git repository" in caught.value.found
    assert caught.value.next_step == "git fetch, which shows what is wrong"


# --- push ----------------------------------------------------------------------------------------


def test_a_push_sends_all_or_none(server: BuiltRepo, ours: BuiltRepo) -> None:
    mine, base = commit(ours, "mine"), CommitHash(ours.hash("main"))
    both = [("refs/heads/exp/a", mine), ("refs/heads/exp/b", base)]
    assert remote.push(ours.workspace, "origin", both) == ()
    assert server.refs()["refs/heads/exp/a"] == mine
    assert remote.push(ours.workspace, "origin", both) == ()  # twice is as good as once
    before = server.refs()
    parted = [("refs/heads/exp/b", mine), ("refs/heads/exp/a", commit(ours, "parted"))]
    said = remote.push(ours.workspace, "origin", parted)
    assert dict(said).keys() == {"exp/a", "exp/b"}
    assert "atomic push failed" in dict(said)["exp/b"]
    assert server.refs() == before


def test_a_branch_that_moved_there_meanwhile_is_a_lost_race(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    theirs = commit(server, "theirs")
    lead(server, f"update refs/heads/main {theirs}")
    said = remote.push(ours.workspace, "origin", [("refs/heads/main", commit(ours, "ours"))])
    assert said == (("main", "[rejected] (fetch first)"),)
    assert server.hash("main") == theirs  # nothing is forced


def test_a_tag_that_is_there_otherwise_is_a_lost_race_too(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    lead(server, f"create {ARCHIVE}a {commit(server, 'theirs')}")
    said = remote.push(ours.workspace, "origin", [(f"{ARCHIVE}a", commit(ours, "ours"))])
    assert said == ((f"{ARCHIVE}a", "[rejected] (already exists)"),)


def hook(git_dir: Path, name: str, body: str) -> None:
    file = git_dir / "hooks" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)


def test_a_server_that_says_no_is_heard_and_not_asked_again(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    hook(server.path, "pre-receive", "echo 'only on Mondays' >&2; exit 1")
    with pytest.raises(GitFailedError, match="does not take the push") as caught:
        remote.push(ours.workspace, "origin", [("refs/heads/exp/a", commit(ours, "x"))])
    assert caught.value.found == (
        "exp/a: [remote rejected] (pre-receive hook declined); only on Mondays"
    )
    assert caught.value.where == "origin"
    assert caught.value.next_step.startswith("git push")


def test_a_remote_without_atomic_pushes_gets_them_in_their_order_until_one_is_refused(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    server.git("config", "receive.advertiseAtomic", "false")
    mine = commit(ours, "mine")
    assert remote.push(ours.workspace, "origin", [("refs/heads/a", mine)]) == ()
    moves = [
        ("refs/heads/b", mine), ("refs/heads/a", commit(ours, "parted")), ("refs/heads/c", mine),
    ]  # fmt: skip
    said = remote.push(ours.workspace, "origin", moves)
    assert [ref for ref, _ in said] == ["a"]
    assert sorted(server.refs()) == ["refs/heads/a", "refs/heads/b", "refs/heads/main"]


def test_the_users_own_hook_may_stop_a_push(server: BuiltRepo, ours: BuiltRepo) -> None:
    hook(ours.path / ".git", "pre-push", "echo 'not today' >&2; exit 1")
    with pytest.raises(GitFailedError, match="git push failed") as caught:
        remote.push(ours.workspace, "origin", [("refs/heads/exp/a", commit(ours, "x"))])
    assert "not today" in caught.value.found
    assert sorted(server.refs()) == ["refs/heads/main"]


def test_a_push_brings_no_tag_along_and_leads_no_submodule(
    server: BuiltRepo, ours: BuiltRepo
) -> None:
    ours.git("config", "push.followTags", "true")
    mine = commit(ours, "mine")
    ours.git("tag", "-a", "-m", "v1", "v1", mine)
    assert remote.push(ours.workspace, "origin", [("refs/heads/main", mine)]) == ()
    assert sorted(server.refs()) == ["refs/heads/main"]


def test_how_far_ours_is_ahead_is_counted_only_where_nothing_parted(ours: BuiltRepo) -> None:
    base = ours.hash("main")
    one = commit(ours, "one")
    two = commit(ours, "two", one)
    other = commit(ours, "other")
    for theirs, mine, count in (
        (base, base, 0), (base, one, 1), (base, two, 2), (two, base, 0), (other, two, 0),
    ):  # fmt: skip
        assert remote.ahead(ours.workspace, theirs, mine) == count


def test_a_branch_follows_the_remotes_unless_it_follows_one_already(ours: BuiltRepo) -> None:
    ours.branch("exp/a")
    remote.follow(open_repository(ours.workspace), "origin", "exp/a")
    ours.git("update-ref", "refs/remotes/origin/exp/a", "main")
    assert ours.git("rev-parse", "--symbolic-full-name", "exp/a@{u}") == "refs/remotes/origin/exp/a"
    before = (ours.path / ".git/config").read_bytes()
    ours.git("remote", "add", "team", "nowhere")
    remote.follow(open_repository(ours.workspace), "team", "exp/a")
    remote.follow(open_repository(ours.workspace), "team", "main")
    assert ours.git("config", "branch.exp/a.remote") == ours.git("config", "branch.main.remote")
    assert before in (ours.path / ".git/config").read_bytes()


def test_a_locked_configuration_costs_the_convenience_alone(ours: BuiltRepo) -> None:
    (ours.path / ".git/config.lock").touch()
    remote.follow(open_repository(ours.workspace), "origin", "exp/a")
    assert ours.git("config", "branch.exp/a.remote", check=False) == ""


# --- what a remote has, and changes that hold only as long as it has that -----------------------


def test_a_remote_is_asked_for_exactly_these_refs(server: BuiltRepo, ours: BuiltRepo) -> None:
    new = commit(server, "new")
    lead(server, f"create refs/heads/x/refs/heads/main {new}", f"create {ARCHIVE}a {new}")
    asked = ["refs/heads/main", f"{ARCHIVE}a", "refs/heads/none"]
    assert remote.remote_refs(ours.workspace, "origin", asked) == {
        "refs/heads/main": server.hash("main"), f"{ARCHIVE}a": new,
    }  # fmt: skip
    server.path.rename(server.path.with_name("moved.git"))
    with pytest.raises(GitFailedError, match="git ls-remote failed"):
        remote.remote_refs(ours.workspace, "origin", asked)


def test_leases_move_make_and_delete_refs_all_or_none(server: BuiltRepo, ours: BuiltRepo) -> None:
    base, mine = ours.hash("main"), commit(ours, "mine")
    a, b, c = "refs/heads/a", "refs/heads/b", f"{ARCHIVE}c"
    lead(server, f"create {a} main", f"create {b} main")
    leases = [remote.Lease(a, base, mine), remote.Lease(b, base, ""), remote.Lease(c, "", mine)]
    remote.push_leased(ours.workspace, "origin", leases)
    now = {a: mine, c: mine, "refs/heads/main": base}
    assert server.refs() == now
    for late in (
        remote.Lease(a, base, ""),  # was moved since it was seen
        remote.Lease(b, base, mine),  # is gone
        remote.Lease(c, "", base),  # is there
    ):
        with pytest.raises(MovedRefError, match="changed meanwhile") as caught:
            remote.push_leased(
                ours.workspace, "origin", [remote.Lease("refs/heads/n", "", mine), late]
            )
        assert caught.value.where == "origin"
        assert caught.value.next_step.startswith("gitexp pull")
        assert server.refs() == now


def test_a_lease_may_go_back_which_a_push_may_not(server: BuiltRepo, ours: BuiltRepo) -> None:
    base, mine = CommitHash(ours.hash("main")), commit(ours, "mine")
    assert remote.push(ours.workspace, "origin", [("refs/heads/main", mine)]) == ()
    assert remote.push(ours.workspace, "origin", [("refs/heads/main", base)])
    remote.push_leased(ours.workspace, "origin", [remote.Lease("refs/heads/main", mine, base)])
    assert server.hash("main") == base


def test_where_nothing_changes_nobody_is_asked(server: BuiltRepo, ours: BuiltRepo) -> None:
    server.path.rename(server.path.with_name("moved.git"))
    same = remote.Lease("refs/heads/main", "a" * 40, "a" * 40)
    remote.push_leased(ours.workspace, "origin", [same])
    remote.push_leased(ours.workspace, "origin", [])
    with pytest.raises(GitFailedError, match="git push failed"):
        remote.push_leased(ours.workspace, "origin", [remote.Lease("refs/heads/a", "", "a" * 40)])


def test_a_lease_that_a_hook_refuses_is_no_race(server: BuiltRepo, ours: BuiltRepo) -> None:
    hook(server.path, "update", 'echo "$1 is protected" >&2; exit 1')
    with pytest.raises(GitFailedError, match="does not take the push") as caught:
        remote.push_leased(
            ours.workspace, "origin", [remote.Lease("refs/heads/a", "", commit(ours, "x"))]
        )
    assert "refs/heads/a is protected" in caught.value.found


def test_a_git_directory_in_the_environment_leads_nowhere_else(
    server: BuiltRepo, ours: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(server.path))
    assert remote.fetch(ours.workspace, "origin") == ()


# --- what git said -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("git@host: Permission denied (publickey).\nfatal: Could not read", GitFailedError),
        ("fatal: unable to write: No space left on device", NoSpaceError),
        ("remote: error: insufficient permission for adding an object", ReadOnlyError),
        ("fatal: unable to access: Could not resolve host: example.org", GitFailedError),
        ("", GitFailedError),
    ],
)
def test_whose_disk_or_permission_it_is_follows_from_what_was_said(
    said: str, kind: type[Exception]
) -> None:
    error = remote.failed(["push", "--porcelain"], 128, said)
    assert type(error) is kind
    if kind is GitFailedError:
        assert error.next_step == "git push, which shows what is wrong"
        assert error.found == (said or "exit code 128")
