"""`push`: data before the branches that speak of them, and all branches or none."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.dvc import exchange
from gitexp.dvc.cache import open_cache, put
from gitexp.errors import (
    DamagedDataError,
    DvcFailedError,
    ForeignRemoteError,
    GitFailedError,
    PreconditionError,
    UnknownExperimentError,
    UsageError,
)
from gitexp.git import remote, repository
from gitexp.model.sharing import BranchOutcome
from gitexp.report.views import render
from gitexp.sharing.push_pull import pull, push, sync
from tests.lab.build import clone, dvc
from tests.lab.build import repository as repository_of
from tests.lab.sharing import BRANCH, Team, commit_of, copy, gitexp, make, record

if TYPE_CHECKING:
    import os
    from pathlib import Path

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.model.ids import Md5
    from tests.lab.build import BuiltRepo


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment of which one of two clones has a run that it has not shared."""
    folder = tmp_path_factory.mktemp("ran") / "team"
    team = make(folder)
    done = gitexp(team.a, "run", "--repeats", "2", "--jobs", "2")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def team(ran: Path, tmp_path: Path) -> Team:
    return copy(ran, tmp_path / "team")


def reject(repo: BuiltRepo) -> None:
    """Let a bare repository take nothing."""
    hook = repo.path / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho not today >&2\nexit 1\n")
    hook.chmod(0o755)


def out_of(repo: BuiltRepo) -> str:
    """Return the hash of the model."""
    return repo.show("model.txt.dvc").split("md5: ")[1].split()[0]


def test_data_by_products_and_branch_are_there_afterwards(team: Team) -> None:
    report = push(team.a.workspace)
    (move,) = report.branches
    assert (move.branch, move.way, move.pushed) == (BRANCH, BranchOutcome.AHEAD, True)
    assert (report.data.by, report.data.remote, report.data.objects) == ("gitexp", "store", 1)
    assert report.data.size == len((team.a.path / "model.txt").read_bytes())
    assert team.tip() == team.a.hash()
    assert team.origin.hash("gitexp/data") == team.a.hash("gitexp/data")
    assert team.objects() == {out_of(team.a)}
    (path,) = (team.store / "files" / "md5").glob("*/*")
    assert path.stat().st_mode & 0o777 == 0o444
    assert push(team.a.workspace).branches[0].way is BranchOutcome.SAME


@pytest.mark.slow
def test_what_was_pushed_is_what_dvc_would_have_pushed(team: Team) -> None:
    push(team.a.workspace)
    assert json.loads(dvc(team.a.path, "status", "--cloud", "--json")) == {}
    ours = team.objects()
    shutil.rmtree(team.store)
    dvc(team.a.path, "push", "--all-commits")
    assert team.objects() == ours
    team.b.git("pull", "--quiet")
    dvc(team.b.path, "pull")
    assert (team.b.path / "model.txt").read_bytes() == (team.a.path / "model.txt").read_bytes()


def test_where_git_refuses_the_data_are_there_before_it_was_asked(team: Team) -> None:
    reject(team.origin)
    before = team.origin.refs()
    with pytest.raises(GitFailedError, match="does not take the push") as caught:
        push(team.a.workspace)
    assert BRANCH in caught.value.found
    assert team.objects() == {out_of(team.a)}
    assert team.origin.refs() == before


def test_a_branch_that_parted_stops_all(team: Team) -> None:
    record(team.b, 1)
    assert push(team.b.workspace).branches[0].pushed
    team.a.branch("exp/other")
    before = team.origin.refs()
    report = push(team.a.workspace)
    assert {move.branch: move.way for move in report.branches} == {
        BRANCH: BranchOutcome.DIVERGED, "exp/other": BranchOutcome.NEW,
    }  # fmt: skip
    assert not any(move.pushed for move in report.branches)
    assert (team.origin.refs(), team.objects()) == (before, set())
    assert gitexp(team.a, "push").returncode == 4
    assert [m.branch for m in push(team.a.workspace, ["other"]).branches] == ["exp/other"]
    assert team.origin.hash("exp/other") == team.a.hash()


def test_by_products_of_others_are_no_hindrance(team: Team) -> None:
    team.b.branch("exp/mine")
    team.b.switch("exp/mine")
    assert gitexp(team.b, "run", "--repeats", "1").returncode == 0
    assert push(team.b.workspace, ["mine"]).branches[0].pushed
    report = push(team.a.workspace, ["idea"])
    assert (report.branches[0].pushed, report.attempts) == (True, 1)
    assert team.origin.git("rev-list", "--count", "gitexp/data") == "2"
    assert team.origin.git("rev-list", "--merges", "gitexp/data") == ""


def test_a_data_remote_that_is_in_no_commit_is_asked_about_and_warned_of(team: Team) -> None:
    file = team.a.path / ".dvc" / "config"
    (team.a.path / ".dvc" / "config.local").unlink()
    team.a.commit({".dvc/config": ""}, at=9)
    file.write_text(f"[core]\n    remote = store\n['remote \"store\"']\n    url = {team.store}\n")
    with pytest.raises(ForeignRemoteError, match="store"):
        push(team.a.workspace)
    (warning,) = push(team.a.workspace, trust=True).warnings
    assert "the DVC remote store stands in .dvc/config of this work tree" in warning
    assert team.objects() == {out_of(team.a)}
    team.a.git("commit", "--quiet", "-m", "the remote", "--", ".dvc/config")
    assert push(team.a.workspace).warnings == ()  # the same address, to which one has said yes


def test_without_a_data_remote_git_alone_is_shared_only_when_asked(team: Team) -> None:
    for name in ("config", "config.local"):
        (team.a.path / ".dvc" / name).write_text("")
    before = team.origin.refs()
    with pytest.raises(PreconditionError, match="no DVC remote") as caught:
        push(team.a.workspace)
    assert "--no-data" in caught.value.next_step
    assert "model.txt" in caught.value.found
    assert caught.value.where == str(team.a.path / ".dvc" / "config")
    assert team.origin.refs() == before
    report = push(team.a.workspace, data=False)
    assert report.branches[0].pushed
    assert report.data.said == "left out, as asked"
    assert team.objects() == set()


def test_what_is_nowhere_is_named(team: Team) -> None:
    shutil.rmtree(team.a.path / ".dvc" / "cache")
    report = push(team.a.workspace)
    assert report.data.lacking[0].endswith("model.txt")
    assert report.branches[0].pushed


def test_damaged_bytes_are_not_sent_and_no_branch_is(team: Team) -> None:
    md5 = out_of(team.a)
    path = team.a.path / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    path.chmod(0o644)
    path.write_text("spoilt")
    before = team.origin.refs()
    with pytest.raises(DamagedDataError, match="other bytes"):
        push(team.a.workspace)
    assert md5 not in team.objects()
    assert team.origin.refs() == before


def test_a_remote_that_knows_no_atomic_push_gets_the_by_products_first(team: Team) -> None:
    team.origin.git("config", "receive.advertiseAtomic", "false")
    hook = team.origin.path / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho $1 >> order\n")
    hook.chmod(0o755)
    assert push(team.a.workspace).branches[0].pushed
    order = (team.origin.path / "order").read_text().split()
    assert order == ["refs/heads/gitexp/data", f"refs/heads/{BRANCH}"]


def test_a_hook_of_the_users_is_heard(team: Team) -> None:
    hook = team.a.path / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho we do not push on Fridays >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitFailedError, match="Fridays"):
        push(team.a.workspace)
    assert team.tip() != team.a.hash()


def test_names_that_are_not_there_are_told(team: Team) -> None:
    with pytest.raises(UnknownExperimentError, match="no such branch"):
        push(team.a.workspace, ["nope"])
    with pytest.raises(UnknownExperimentError, match="no such branch"):
        push(team.a.workspace, ["--force"])
    team.a.git("tag", "exp-archive/ended")
    for name in ("ended", "exp/ended"):
        with pytest.raises(UnknownExperimentError, match="it is archived") as caught:
            push(team.a.workspace, [name])
        assert caught.value.next_step == "gitexp restore ended"
    with pytest.raises(UsageError, match="no such remote"):
        push(team.a.workspace, remote_name="--upload-pack=touch x")
    team.a.git("remote", "remove", "origin")
    with pytest.raises(PreconditionError, match="no remote"):
        push(team.a.workspace)


def test_a_remote_that_is_not_there_is_told_with_what_git_says(team: Team) -> None:
    team.a.git("remote", "set-url", "origin", "file:///nowhere")
    with pytest.raises(GitFailedError, match="git fetch failed") as caught:
        push(team.a.workspace)
    assert "nowhere" in caught.value.found


def test_a_git_dir_in_the_environment_redirects_nothing(team: Team) -> None:
    done = gitexp(team.a, "push", GIT_DIR=str(team.b.path / ".git"), GIT_WORK_TREE="/")
    assert done.returncode == 0, done.stderr
    assert team.tip() == team.a.hash()


def test_the_branch_decides_which_remote(team: Team) -> None:
    opened = repository.open_repository(team.a.workspace)
    assert remote.choose(opened, BRANCH) == "origin"
    team.a.git("remote", "add", "lab", "file:///lab")
    team.a.git("config", f"branch.{BRANCH}.remote", "lab")
    opened = repository.open_repository(team.a.workspace)
    assert remote.choose(opened, BRANCH) == "lab"
    assert remote.choose(opened, "main") == "origin"
    team.a.git("remote", "rename", "origin", "home")
    with pytest.raises(UsageError, match="which remote") as caught:
        remote.choose(repository.open_repository(team.a.workspace), "main")
    assert caught.value.found == "home, lab"


def test_a_lost_race_is_told_apart_from_a_refusal(team: Team) -> None:
    record(team.b, 1)
    push(team.b.workspace)
    moves = [(f"refs/heads/{BRANCH}", commit_of(team.a, BRANCH))]
    refused = remote.push(team.a.workspace, "origin", moves)
    assert refused[0][0] == BRANCH


@pytest.mark.slow
def test_any_other_data_remote_is_left_to_dvc(team: Team) -> None:
    config = team.a.path / ".dvc" / "config.local"
    config.write_text(f"['remote \"store\"']\n    url = {team.store}\n    verify = true\n")
    report = push(team.a.workspace)
    assert (report.data.by, report.data.objects) == ("dvc", 1)
    assert team.objects() == {out_of(team.a)}
    assert team.tip() == team.a.hash()


@pytest.mark.slow
def test_dvc_sends_data_of_commits_from_before_the_remote_was_set(team: Team) -> None:
    """Its push of a commit goes by that commit's own settings, and finds nowhere to send to."""
    bare = team.a.path / ".dvc" / "config"
    bare.write_text("")
    team.a.git("commit", "--quiet", "--all", "-m", "no remote yet")
    assert gitexp(team.a, "run", "--again", "--seeds", "7").returncode == 0
    local = team.a.path / ".dvc" / "config.local"
    local.unlink()
    named = f"['remote \"store\"']\n    url = {team.store}\n    verify = true\n"
    bare.write_text(f"[core]\n    remote = store\n{named}")
    team.a.git("commit", "--quiet", "--all", "-m", "the remote")
    report = push(team.a.workspace, trust=True)
    assert (report.data.by, out_of(team.a) in team.objects()) == ("dvc", True)


@pytest.mark.slow
def test_where_dvc_cannot_push_nothing_is(team: Team, tmp_path: Path) -> None:
    config = team.a.path / ".dvc" / "config.local"
    (tmp_path / "file").touch()
    config.write_text(f"['remote \"store\"']\n    url = {tmp_path}/file/x\n    verify = true\n")
    before = team.origin.refs()
    done = gitexp(team.a, "push")
    assert done.returncode == 3
    assert "dvc-failed" in done.stderr
    assert team.origin.refs() == before


LOCK: Final = (
    "schema: '2.0'\nstages: {s: {cmd: 'true', outs: [{path: x, hash: md5, md5: MD5, size: 1}]}}\n"
)
OWN: Final = {
    "a pointer": {"x.dvc": "outs: [{path: x, hash: md5, md5: MD5, size: 1, remote: Lab}]\n"},
    "a stage": {
        "x/dvc.yaml": "stages: {s: {cmd: 'true', outs: [x: {remote: Lab}]}}\n",
        "x/dvc.lock": LOCK,
    },
    "a template": {
        "x/dvc.yaml": "vars: [{name: x}]\nstages: {s: {cmd: 'true', outs: ['${name}': {remote: Lab}"
        "]}}\n",
        "x/dvc.lock": LOCK,
    },
}


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("way", OWN)
def test_a_remote_of_an_output_that_nothing_declares_is_no_push(team: Team, way: str) -> None:
    team.a.write({"new": "x"})
    md5 = put(open_cache(team.a.path), team.a.path, "new").md5
    (team.a.path / "new").unlink()
    files = {path: text.replace("MD5", md5) for path, text in OWN[way].items()}
    team.a.commit(files, at=9)
    before = team.origin.refs()
    done = gitexp(team.a, "push")
    if way != "a template":  # of which DVC alone finds out
        assert done.returncode == 3, done.stdout
        words = ("x, remote Lab", "dvc remote add Lab URL", "--no-data")
        assert all(word in done.stderr for word in words), done.stderr
        assert team.origin.refs() == before
    lab = team.store.parent / "lab"
    dvc(team.a.path, "remote", "add", "--quiet", "--local", "Lab", str(lab))
    done = gitexp(team.a, "push")  # others may read it, and main does not say so
    assert done.returncode == 0, done.stderr
    assert "to the DVC remote Lab, as main does not say; --trust sends it" in done.stdout
    assert not lab.exists()
    done = gitexp(team.a, "push", "--trust")  # the control
    assert done.returncode == 0, done.stderr
    assert (lab / "files/md5" / md5[:2] / md5[2:]).read_text() == "x"


@pytest.mark.slow
def test_what_dvc_passes_over_is_not_said_to_be_pushed(team: Team) -> None:
    config = team.a.path / ".dvc" / "config.local"
    config.write_text(f"['remote \"store\"']\n    url = {team.store}\n    verify = true\n")
    broken = team.a.commit({"x/dvc.yaml": "stages: {s: {cmd: '${no}'}}\n"}, at=9)
    with pytest.raises(DvcFailedError, match="cannot read all data") as caught:
        push(team.a.workspace)
    assert caught.value.where == broken[:9]
    gone = {name: f"outs: [{{path: {name}, hash: md5, md5: {number * 16}}}]\n"
            for name, number in (("gone", "ab"), ("folder", "cd"))}  # fmt: skip
    gone["folder"] = gone["folder"].replace("cd}", "cd.dir}")
    team.a.git("rm", "-q", "x/dvc.yaml")
    team.a.commit({f"{name}.dvc": text for name, text in gone.items()}, at=10)
    report = push(team.a.workspace)
    assert sorted(each[:17] for each in report.data.lacking) == [
        f"data of {broken[:9]}",
        "folder",
        "gone",
    ]
    assert "gone: its bytes are neither here nor there" in render(report, "text")


# --- objects and folders ------------------------------------------------------------------------


@pytest.fixture
def sides(tmp_path: Path, dvc_repo: BuiltRepo) -> tuple[CacheConfig, CacheConfig, Md5]:
    """A cache with a folder of three files, and an empty remote."""
    folder = tmp_path / "ds"
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name * 10)
    here = open_cache(dvc_repo.path)
    return here, exchange.folder_cache(tmp_path / "there"), put(here, tmp_path, "ds").md5


def files_of(cache: CacheConfig) -> dict[str, os.stat_result]:
    found = (cache.dir / "files" / "md5").glob("*/*")
    return {f"{path.parent.name}{path.name}": path.stat() for path in found}


def test_a_folder_comes_after_its_members(sides: tuple[CacheConfig, CacheConfig, Md5]) -> None:
    here, there, md5 = sides
    moved = exchange.send(here, there, [md5])
    assert (moved.objects, moved.lacking) == (4, ())
    seen = files_of(there)
    assert max(seen, key=lambda name: seen[name].st_mtime_ns) == md5
    assert exchange.send(here, there, [md5]).objects == 0


def test_a_folder_without_one_of_its_members_is_not_there(
    sides: tuple[CacheConfig, CacheConfig, Md5],
) -> None:
    here, there, md5 = sides
    gone = hashlib.md5(b"b" * 10, usedforsecurity=False).hexdigest()
    (here.dir / "files" / "md5" / gone[:2] / gone[2:]).unlink()
    assert exchange.send(here, there, [md5]).lacking == (md5,)
    assert md5 not in files_of(there)


def test_a_member_that_is_lacking_below_a_folder_on_the_remote_is_sent_again(
    sides: tuple[CacheConfig, CacheConfig, Md5],
) -> None:
    here, there, md5 = sides
    exchange.send(here, there, [md5])
    gone = hashlib.md5(b"b" * 10, usedforsecurity=False).hexdigest()
    (there.dir / "files" / "md5" / gone[:2] / gone[2:]).unlink()
    assert exchange.send(here, there, [md5]).objects == 1
    assert gone in files_of(there)


def test_what_is_not_sent_is_named_with_its_command(team: Team) -> None:
    """The experiment stands on commits of main that a colleague's main has not."""
    team.a.switch("main")
    team.a.commit({"notes.txt": "a"}, at=50)
    team.a.commit({"notes.txt": "b"}, at=51)
    team.a.git("tag", "-a", "exp-archive/old", "-m", "old", "main")
    team.a.switch(BRANCH)
    for verb in (push, sync):
        warnings = verb(team.a.workspace).warnings
        assert "main is 2 commits ahead of origin: git push origin main" in warnings
        assert "tag exp-archive/old is only here: gitexp archive old --push" in warnings
    team.a.git("push", "--quiet", "origin", "main", "exp-archive/old")
    assert push(team.a.workspace).warnings == ()
    team.origin.git("update-ref", "-d", "refs/heads/main")
    team.a.git("fetch", "--quiet", "--prune")
    pushed = push(team.a.workspace, trust=True)  # no main there says where data go
    assert pushed.warnings == ("origin has no main: git push origin main",)


def test_an_experiment_that_was_archived_before_it_was_ever_sent_is_sent(team: Team) -> None:
    team.a.switch("main")
    team.a.git("branch", "--no-track", "exp/new", BRANCH)
    team.a.git("tag", "-a", "exp-archive/new", "-m", "kept", BRANCH)
    (move,) = [each for each in push(team.a.workspace).branches if each.branch == "exp/new"]
    assert move.pushed
    assert team.origin.hash("exp/new") == team.a.hash(BRANCH)


def test_a_branch_that_was_sent_or_brought_follows_the_remote_s(team: Team) -> None:
    team.a.git("branch", "exp/new", BRANCH)
    assert push(team.a.workspace, ["new"]).branches[0].pushed
    assert team.a.git("rev-parse", "--abbrev-ref", "exp/new@{upstream}") == "origin/exp/new"
    team.a.git("branch", "--quiet", "--unset-upstream", "exp/new")
    pull(team.b.workspace, ["new"])
    assert team.b.git("rev-parse", "--abbrev-ref", "exp/new@{upstream}") == "origin/exp/new"
    team.a.git("config", "branch.exp/new.remote", "elsewhere")  # a person's own choice stays
    team.a.git("update-ref", "refs/heads/exp/new", team.a.hash("main"))
    push(team.a.workspace, ["new"], remote_name="origin")
    assert team.a.git("config", "branch.exp/new.remote") == "elsewhere"


def test_a_clone_whose_main_has_no_settings_is_told_who_has_them(tmp_path: Path) -> None:
    origin = repository_of(tmp_path / "origin.git", bare=True)
    a = repository_of(tmp_path / "a")
    a.commit({"train.py": "print()\n"})
    a.git("remote", "add", "origin", origin.path.as_uri())
    a.git("push", "--quiet", "origin", "main")
    b = clone(origin, tmp_path / "b")
    init = gitexp(a, "init", "--command", "python train.py", "--metrics", "m.json")
    assert init.returncode == 0, init.stderr
    new = ("new", "idea", "--metric", "acc:max", "--effect", ">0", "--hypothesis", "it is better")
    assert gitexp(a, *new).returncode == 0
    assert "main is 1 commit ahead of origin: git push origin main" in gitexp(a, "push").stdout
    b.git("fetch", "--quiet")
    status = gitexp(b, "status")
    assert "the settings are on origin/exp/idea" in status.stdout
    assert "next: git merge origin/exp/idea" in status.stdout
    for command in (new, ("run",), ("power",)):
        done = gitexp(b, *command)
        assert done.returncode == 3, done.stderr
        assert "git merge origin/exp/idea" in done.stderr, command
    again = gitexp(b, "init", "--command", "python train.py", "--metrics", "m.json")
    assert "origin/exp/idea has settings already" in again.stdout


MANY: Final = "[" + ", ".join(map(str, range(100))) + "]"
MATRIX: Final = ", ".join(f"{key}: {MANY}" for key in "abcd")
ITEMS: Final = "0, " * 10_001
UNREADABLE: Final = {
    "a matrix": f"stages: {{a: {{matrix: {{{MATRIX}}}, cmd: x}}}}\n",
    "a foreach": f"stages: {{a: {{foreach: [{ITEMS}], do: {{cmd: x}}}}}}\n",
    "a hole": "stages: {a: {cmd: '${nosuch}'}}\n",
    "a remote": "stages: {a: {cmd: x, outs: [x: {remote: nosuch}]}}\n",
}


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("kind", UNREADABLE)
def test_what_others_pushed_and_dvc_cannot_read_stops_nobodys_own(team: Team, kind: str) -> None:
    config = team.a.path / ".dvc" / "config.local"
    config.write_text(f"['remote \"store\"']\n    url = {team.store}\n    verify = true\n")
    team.a.git("switch", "-q", "-c", "exp/evil", "main")
    team.a.commit({"x/dvc.yaml": UNREADABLE[kind]}, at=9)
    team.a.git("push", "-q", "--no-verify", "origin", "exp/evil")
    team.a.switch(BRANCH)
    team.a.commit({"note": "own"}, at=10)
    done = gitexp(team.a, "sync")
    assert done.returncode == 0, done.stderr
    assert team.origin.hash(BRANCH) == team.a.hash()
