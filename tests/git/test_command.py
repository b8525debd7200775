"""How git is started, what reaches it, and what its failures are called."""

from __future__ import annotations

import errno
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import (
    ForeignProgramError,
    GitFailedError,
    NoRepositoryError,
    NoSpaceError,
    ReadOnlyError,
)
from gitexp.git import command
from gitexp.model.ids import ABSENT
from tests.lab.build import clone, repository

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


# --- the environment -----------------------------------------------------------------------------


def test_what_a_hook_exports_is_what_git_calls_local_but_for_settings(repo: BuiltRepo) -> None:
    local = set(repo.git("rev-parse", "--local-env-vars").split())
    family = {"GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT"}
    assert local - family <= command.LOCAL_VARIABLES
    assert not family & command.LOCAL_VARIABLES  # people set those on purpose


def test_every_local_variable_is_left_out_and_settings_of_the_person_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in command.LOCAL_VARIABLES:
        monkeypatch.setenv(name, "elsewhere")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_SSH_COMMAND", "ssh -i key")
    env = command.environment({"X": "y"})
    fixed = {"GIT_LITERAL_PATHSPECS": "1", "GIT_NO_REPLACE_OBJECTS": "1", "GIT_OPTIONAL_LOCKS": "0"}
    assert {name: env[name] for name in command.LOCAL_VARIABLES if name in env} == {
        name: value for name, value in fixed.items() if name in command.LOCAL_VARIABLES
    }
    assert fixed.items() <= env.items()
    assert (env["LC_ALL"], env["X"], env["GIT_CONFIG_COUNT"]) == ("C", "y", "1")
    assert env["GIT_SSH_COMMAND"] == "ssh -i key"
    assert command.environment({"GIT_LITERAL_PATHSPECS": "0"})["GIT_LITERAL_PATHSPECS"] == "0"


def test_git_speaks_english_whatever_the_person_speaks(
    repo: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGUAGE", "de")
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    _, _, said = command.attempt(repo.path, ["rev-parse", "nothing"])
    assert b"unknown revision" in said


def test_git_reads_what_it_is_given_and_else_nothing(repo: BuiltRepo) -> None:
    hash_object = ["hash-object", "--stdin"]
    assert command.run(repo.path, hash_object, data=b"") == command.run(repo.path, hash_object)
    assert command.run(repo.path, hash_object, data=b"x") != command.run(repo.path, hash_object)


def test_a_failure_says_the_verb_and_what_git_said(repo: BuiltRepo) -> None:
    with pytest.raises(GitFailedError, match="git cat-file failed") as caught:
        command.run(repo.path, ["cat-file", "-p", "0" * 40])
    assert caught.value.found == f"fatal: Not a valid object name {'0' * 40}"
    assert caught.value.expected == "exit code 0"
    with pytest.raises(GitFailedError) as silent:
        command.run(repo.path, ["config", "none.such"])
    assert silent.value.found == "exit code 1"


def test_without_git_on_the_path_it_says_what_to_install(
    repo: BuiltRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repo.path))
    with pytest.raises(GitFailedError, match="cannot start git") as caught:
        command.attempt(repo.path, ["status"])
    assert caught.value.where == str(repo.path)
    assert "install Git" in caught.value.next_step


def test_git_runs_in_the_work_tree_and_without_one_in_the_git_directory(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    bare = repository(tmp_path / "bare.git", bare=True)
    assert command.folder(repo.workspace) == repo.path
    assert command.folder(bare.workspace) == bare.workspace.git_dir
    assert command.folder(tmp_path) == tmp_path
    assert command.run(bare.workspace, ["rev-parse", "--is-bare-repository"]) == b"true\n"


@pytest.mark.parametrize(
    ("out", "lines"),
    [
        (b"", []), (b"\n", []), (b"a\n", ["a"]), (b"a", ["a"]), (b"a\n\nb\n", ["a", "", "b"]),
        ("a\x85b\u2028c\x0cd\r\n".encode(), ["a\x85b\u2028c\x0cd\r"]), (b"\xff\n", ["\udcff"]),
    ],
)  # fmt: skip
def test_only_a_newline_ends_a_line_of_git(out: bytes, lines: list[str]) -> None:
    assert command.lines(out) == lines


# --- settings ------------------------------------------------------------------------------------


def test_settings_come_with_their_scope_and_a_key_alone_is_true(
    repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, extra = tmp_path / "mine", tmp_path / "extra"
    mine.write_text(f"[a]\n\tb = 1\n[include]\n\tpath = {extra}\n")
    extra.write_text("[A]\n\tLONG = two\\nlines\n\tflag\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "a.b")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "3")
    repo.git("config", "a.Sub.B", "2")
    found = [each for each in command.settings_of(repo.path) if each[1].startswith("a.")]
    assert found == [
        ("global", "a.b", "1"), ("global", "a.long", "two\nlines"), ("global", "a.flag", "true"),
        ("local", "a.Sub.b", "2"), ("command", "a.b", "3"),
    ]  # fmt: skip


def test_only_what_the_folder_itself_gives_is_the_folders(
    repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.write_text('[filter "x"]\n\tclean = mine\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(mine))
    keys = re.compile(r"filter\..*")
    assert command.named_by_folder(repo.path, keys) == {}
    extra = tmp_path / "extra"
    extra.write_text('[filter "y"]\n\tclean = included\n')
    repo.git("config", "include.path", str(extra))
    repo.git("config", "filter.x.smudge", "theirs")
    assert command.named_by_folder(repo.path, keys) == {
        "filter.x.smudge": "theirs", "filter.y.clean": "included",
    }  # fmt: skip
    (repo.path / ".git/config").write_text("[")
    with pytest.raises(GitFailedError, match="git config failed"):
        command.named_by_folder(repo.path, keys)


HARMLESS = [
    "core.bare",
    "core.filemode",
    "core.ignorecase",
    "core.hookspath",
    "core.fsmonitor",
    "core.editor",
    "extensions.partialclone",
    "remote.origin.url",
    "remote.a.b.fetch",
    "remote.origin.promisor",
    "remote.origin.partialclonefilter",
    "remote.pushdefault",
    "branch.main.remote",
    "branch.exp/a.merge",
    "user.name",
    "user.signingkey",
    "commit.gpgsign",
    "filter.lfs.process",
    "diff.x.command",
    "submodule.a.url",
    "submodule.a.active",
    "http.extraheader",
    "http.https://github.com/.extraheader",
    "include.path",
    "includeif.gitdir:x.path",
    "gc.auto",
    "maintenance.auto",
    "fetch.prune",
    "index.sparse",
    "lfs.url",
]
HARMFUL = """core.sshcommand core.gitproxy core.alternaterefscommand core.askpass core.barex
xcore.bare remote.origin.uploadpack remote.origin.receivepack remote.origin.vcs remote.origin.proxy
url.ext::sh.insteadof http.cookiefile http.proxy http.sslcert credential.helper
credential.https://h.helper gc.recentobjectshook protocol.ext.allow protocol.allow
fetch.fsckobjects fetch.bundleuri transfer.bundleuri uploadpack.packobjectshook submodule.a.update
submodule.recurse alias.fetch trace2.eventtarget"""


@pytest.mark.parametrize("key", HARMLESS)
def test_a_setting_that_every_clone_has_hinders_no_fetch(key: str) -> None:
    assert command.FETCHING.fullmatch(key) is None


@pytest.mark.parametrize("key", [*HARMFUL.split(), "core.bare\n", "remote.a\nb.uploadpack"])
def test_a_setting_by_which_a_fetch_could_start_a_program_does(key: str) -> None:
    assert command.FETCHING.fullmatch(key) is not None


def test_what_a_partial_clone_lacks_is_fetched_unless_the_folder_says_how(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    repo.commit({"a": "1\n"})
    repo.git("config", "uploadpack.allowFilter", "true")
    blob = repo.hash("HEAD:a")
    canary, program = tmp_path / "canary", tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {canary}\nexec git-upload-pack "$@"\n')
    program.chmod(0o755)
    partial = clone(repo, tmp_path / "partial", "--filter=blob:none", "--no-checkout")
    partial.git("config", "remote.origin.uploadpack", str(program))
    for _ in range(2):
        with pytest.raises(ForeignProgramError, match="folder's own settings say how") as caught:
            command.run(partial.path, ["cat-file", "-p", blob])
        assert caught.value.found == f"remote.origin.uploadpack = {program}"
        assert caught.value.where == str(partial.path)
    assert not canary.exists()
    partial.git("config", "--unset", "remote.origin.uploadpack")
    env = {**command.NO_FETCH}
    assert command.attempt(partial.path, ["cat-file", "-p", blob], env=env)[1] == b"1\n"


# --- failures ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (128, b"fatal: write error: No space left on device", NoSpaceError),
        (128, b"error: file write error: Disk quota exceeded\nfatal: x", NoSpaceError),
        (128, b"fatal: File too large", NoSpaceError), (-25, b"", NoSpaceError),  # SIGXFSZ
        (128, b"fatal: Unable to create '.git/index.lock': Permission denied", ReadOnlyError),
        (1, b"error: could not lock config file: Read-only file system", ReadOnlyError),
        (128, b"error: insufficient permission for adding an object", ReadOnlyError),
        (1, b"error: pathspec 'x' did not match", GitFailedError), (1, b"\xff", GitFailedError),
        (-9, b"", GitFailedError),
    ],
)  # fmt: skip
def test_a_failure_of_git_is_named_after_what_it_said(
    code: int, said: bytes, kind: type[Exception]
) -> None:
    error = command.failure(["update-index", "-z"], code, said)
    assert type(error) is kind
    if kind is GitFailedError:
        assert error.summary == "git update-index failed"
        assert error.found == (said.decode("utf-8", "backslashreplace") or f"exit code {code}")


def test_of_much_that_git_says_the_end_is_kept() -> None:
    error = command.failure(["x"], 1, b"a" * 5000 + b"\nfatal: the reason\n")
    assert len(error.found) == 2000
    assert error.found.endswith("fatal: the reason")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "full"), NoSpaceError), (OSError(errno.EDQUOT, "q"), NoSpaceError),
        (OSError(errno.EFBIG, "big"), NoSpaceError), (OSError(errno.EROFS, "ro"), ReadOnlyError),
        (OSError(errno.EACCES, "no"), ReadOnlyError),
        (PermissionError("Permission denied"), ReadOnlyError),
        (ValueError("failed to write: No space left on device"), NoSpaceError),
        (ValueError("Operation not permitted"), ReadOnlyError),
        (OSError(errno.EIO, "io"), GitFailedError),
        (ValueError(), GitFailedError),
    ],
    ids=repr,
)  # fmt: skip
def test_an_error_of_the_system_or_of_libgit2_becomes_one_of_ours(
    error: Exception, kind: type[Exception]
) -> None:
    found = command.translated(error, "cannot write objects", "/r/objects")
    assert type(found) is kind
    assert found.summary.startswith("cannot write objects")
    assert found.where == "/r/objects"
    assert found.found == (str(error) or "ValueError")
    with pytest.raises(kind), command.translating("cannot write objects"):  # noqa: PT012
        if isinstance(error, OSError):
            raise error
        raise found


def test_an_error_that_is_no_systems_goes_through_a_block_as_it_is() -> None:
    with pytest.raises(KeyError), command.translating("cannot read"):
        raise KeyError


# --- slots ---------------------------------------------------------------------------------------


def test_only_a_linked_worktree_has_a_common_directory_two_above(
    repo: BuiltRepo, tmp_path: Path
) -> None:
    repo.commit({"a": "1"})
    slot = repo.worktree(tmp_path / "slot", "--detach")
    assert command.common_dir_of(slot.path) == repo.path / ".git"
    for path in (repo.path, tmp_path / "none"):
        with pytest.raises(NoRepositoryError, match="worktree is not there") as caught:
            command.common_dir_of(path)
        assert caught.value.where == str(path)


def test_a_job_that_commits_runs_none_of_the_users_hooks(repo: BuiltRepo, tmp_path: Path) -> None:
    hook = repo.path / ".git/hooks/pre-commit"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/canary\n")
    hook.chmod(0o755)
    env = {**os.environ, **command.JOB_VARIABLES, "GIT_CONFIG_GLOBAL": os.devnull}
    commit = ["git", "commit", "-q", "--allow-empty", "-m", "x"]
    subprocess.run(commit, cwd=repo.path, env=env, check=True)
    assert not (tmp_path / "canary").exists()
    repo.git("commit", "-q", "--allow-empty", "-m", "x")
    assert (tmp_path / "canary").exists()


def test_absent_is_one_value_that_counts_as_nothing() -> None:
    assert not ABSENT
    assert (ABSENT or "default") == "default"
    assert type(ABSENT)("absent") is ABSENT
    assert Path("x") != ABSENT
