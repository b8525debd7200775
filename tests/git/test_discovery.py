from __future__ import annotations

import os
import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import NoRepositoryError, PreconditionError
from gitexp.git import identity, refs
from gitexp.git.discovery import discover, user_key
from gitexp.git.repository import open_repository
from gitexp.model.ids import ABSENT, CommitHash
from tests.lab.build import clone, repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def test_a_subfolder_and_a_linked_worktree_know_their_repository(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    repo.commit({"sub/a b/x": ""})
    found = discover(repo.path / "sub/a b")
    assert (found.top, found.git_dir, found.common_dir, found.start) == (
        repo.path, repo.path / ".git", repo.path / ".git", repo.path / "sub/a b",
    )  # fmt: skip
    linked = repo.worktree(tmp_path / "w", "--detach")
    found = discover(linked.path)
    assert (found.top, found.git_dir, found.common_dir) == (
        linked.path, repo.path / ".git/worktrees/w", repo.path / ".git",
    )  # fmt: skip


def test_a_hooks_variables_do_not_lead_elsewhere(
    repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = repository(tmp_path / "other")
    monkeypatch.setenv("GIT_DIR", str(other.path / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", "nowhere")
    monkeypatch.setenv("GIT_WORK_TREE", str(other.path))
    assert discover(repo.path).top == repo.path


def test_no_repository_is_said_with_the_folder(tmp_path: Path) -> None:
    with pytest.raises(NoRepositoryError, match="not a Git repository") as caught:
        discover(tmp_path)
    assert caught.value.where == str(tmp_path)
    assert caught.value.next_step == "git init"
    with pytest.raises(NoRepositoryError, match="does not exist"):
        discover(tmp_path / "none")


def test_a_bare_repository_has_no_top(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit({"a": ""})
    bare = clone(repo, tmp_path / "bare.git", "--bare")
    assert discover(bare.path).top is None
    assert discover(bare.path).git_dir == bare.path
    assert discover(repo.path / ".git").top is None


def test_an_unborn_branch_has_a_name_and_no_commit(repo: BuiltRepo) -> None:
    head = refs.head(open_repository(discover(repo.path)))
    assert head == refs.Head("main", ABSENT)


def test_a_detached_head_has_a_commit_and_no_name(repo: BuiltRepo) -> None:
    commit = repo.commit({"a": ""})
    repo.git("checkout", "--quiet", "--detach")
    head = refs.head(open_repository(discover(repo.path)))
    assert (head.branch, head.commit) == (None, commit)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a folder away")
def test_a_strangers_repository_is_refused_with_the_one_path_that_would_allow_it(
    repo: BuiltRepo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    repo.commit({"a": ""})
    for folder, folders, files in os.walk(repo.path):
        for name in (*folders, *files):
            os.lchown(os.path.join(folder, name), 12345, 12345)  # noqa: PTH118
    os.chown(repo.path, 12345, 12345)
    with pytest.raises(NoRepositoryError, match="belongs to another user") as caught:
        discover(repo.path)
    assert (
        caught.value.next_step
        == f"git config --global --add safe.directory {shlex.quote(str(repo.path))}"
    )
    # What git reads, libgit2 does not: the first one asked decides.
    config = tmp_path / "gitconfig"
    config.write_text(f"[safe]\n\tdirectory = {repo.path}\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    assert open_repository(discover(repo.path)).git.head.shorthand == "main"


def test_a_repository_of_an_unknown_format_is_named(repo: BuiltRepo) -> None:
    repo.commit({"a": ""})
    repo.git("config", "core.repositoryFormatVersion", "9")
    with pytest.raises(NoRepositoryError, match="cannot read this repository"):
        discover(repo.path)


def test_sha256_object_names_are_refused(tmp_path: Path) -> None:
    other = repository(tmp_path / "other", options=("--object-format=sha256",))
    with pytest.raises(NoRepositoryError, match="libgit2 cannot open"):
        open_repository(discover(other.path))


def test_who_is_at_work_is_whom_git_would_name(
    repo: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = open_repository(discover(repo.path))
    assert identity.author(opened).email == "ada@example.org"
    monkeypatch.setenv("GIT_AUTHOR_NAME", "B <b> C")
    assert identity.author(opened).name == "B b C"
    assert identity.committer(opened).name == "Ada Lovelace"


def test_without_a_name_the_message_says_how_to_set_one(repo: BuiltRepo) -> None:
    repo.git("config", "--unset", "user.name")
    repo.git("config", "--unset", "user.email")
    repo.git("config", "user.useConfigOnly", "true")
    with pytest.raises(PreconditionError, match="who you are") as caught:
        identity.author(discover(repo.path))
    assert "git config --global user.name" in caught.value.next_step


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("gitexp.git.discovery", ("pygit2", "git")),
        ("gitexp.git.command", ("pygit2", "git")),
        ("gitexp.git.worktree.checkouts", ("pygit2", "git")),
        ("gitexp.git.worktree.status", ("pygit2", "git")),
        ("gitexp.git.transaction.locks", ("pygit2", "git", "uuid", "logging", "asyncio")),
        ("gitexp.git.transaction.failpoints", ("pygit2", "git")),
        ("gitexp.git.transaction.transaction", ("git", "numpy", "yaml", "dvc")),
    ],
)
def test_a_module_does_not_load_what_its_readers_cannot_afford(
    module: str, forbidden: tuple[str, ...]
) -> None:
    code = f"import sys, {module}; print(*[m for m in {forbidden!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# --- the key of whoever works here ---------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with nothing in it."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    return folder


def test_a_key_is_made_once_and_is_nobody_elses(home: Path, repo: BuiltRepo) -> None:
    git_dir = repo.path / ".git"
    key = user_key(git_dir)
    assert key is not None
    assert len(key) == 32
    assert user_key(git_dir) == user_key(repo.path / "elsewhere.git") == key
    file = home / ".local/state/gitexp/index-key"
    assert file.read_bytes() == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert [each.name for each in file.parent.iterdir()] == ["index-key"]


def test_a_key_that_is_cut_short_is_made_anew(home: Path, repo: BuiltRepo) -> None:
    first = user_key(repo.path / ".git")
    file = home / ".local/state/gitexp/index-key"
    file.write_bytes(b"short")
    second = user_key(repo.path / ".git")
    assert second is not None
    assert second != first
    assert user_key(repo.path / ".git") == second


def test_where_no_key_can_lie_there_is_none(
    home: Path, repo: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    git_dir = repo.path / ".git"
    (home / ".local").touch()  # a file in place of the folder
    assert user_key(git_dir) is None
    monkeypatch.setenv("XDG_STATE_HOME", str(repo.path / "state"))  # a branch may put one there
    assert user_key(git_dir) is None
    assert not (repo.path / "state").exists()
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert user_key(git_dir) is None
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    assert user_key(git_dir) is not None
    (home / "state/gitexp/index-key").unlink()
    (home / "state/gitexp/index-key").mkdir()
    assert user_key(git_dir) is None


def test_settings_below_a_prefix_are_the_readers_own(
    repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.write_text(
        '[gpg]\n\tprogram = mine\n[gpg "ssh"]\n\tprogram = a\n\tprogram = b\n[gpgx]\n\ty = 1\n'
    )
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    repo.git("config", "gpg.program", "theirs")
    repo.git("config", "gpg.x509.program", "theirs")
    assert identity.settings(repo.workspace, "gpg.") == {
        "gpg.program": "mine", "gpg.ssh.program": "b",
    }  # fmt: skip
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "gpg.program")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "given")
    assert identity.settings(repo.workspace, "gpg.")["gpg.program"] == "given"


def test_a_signature_that_no_program_knows_costs_no_other_commit_its_answer(
    repo: BuiltRepo,
) -> None:
    """git dies of one of no known kind; the others are asked without it."""
    repo.commit({"a": ""})
    head, _, body = repo.git("cat-file", "commit", "HEAD").partition("\n\n")
    odd = repo.write_object("commit", f"{head}\ngpgsig nonsense\n\n{body}\n".encode())
    commits = [CommitHash(repo.hash()), CommitHash(odd), CommitHash(repo.hash())]
    assert identity.signers(repo.workspace, commits) == {}
    assert identity.signers(repo.workspace, []) == {}
