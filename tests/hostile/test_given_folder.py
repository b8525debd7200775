"""A folder that somebody gave away: looking at it starts nothing that its own settings name.

The control is git itself, which starts each of these programs, and so shows that they are set.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli import answers
from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import dispatch
from gitexp.errors import ForeignProgramError
from gitexp.git import command
from gitexp.git.catfile import CatFile
from gitexp.git.worktree import status
from gitexp.model.ids import BlobId
from tests.hostile.test_reading import attacked
from tests.lab.build import BuiltRepo, clone, git_environment
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["attacked"]  # a fixture

# Every command: how it looks, or why it does more than that.
VERBS: Final[dict[str, tuple[tuple[str, ...], ...] | str]] = {
    "status": (("status",), ("status", "--json")),
    "list": (("list",), ("list", "--runs")),
    "show": (("show", "exp/a"), ("show",)),
    "diff": (("diff", "main", "exp/a"),),
    "inputs": (("inputs", "main", "exp/a"),),
    "logs": (("logs",),),
    "compare": (("compare", "exp/a"),),
    "power": (("power", "a"),),
    "check": (("check", "exp/a"), ("check", "main..exp/a")),
    "review": (("review", "main...exp/a"),),
    "doctor": (("doctor",),),
    "maintenance": (("maintenance", "--dry-run"),),
    "conclude": (("conclude", "a", "-m", "x", "--dry-run"),),
    "run": (("run", "--dry-run"), ("run", "--at", "exp/a", "--on", "exp/a", "--dry-run")),
    "completion": (("completion", "bash"),),
    "test": "reads two plain files, no repository",
    "init": "writes, and lets DVC do so",
    "new": "switches branches, as git does",
    "amend-plan": "writes",
    "archive": "writes",
    "restore": "writes",
    "rename": "writes",
    "rm": "writes",
    "push": "talks to the remote, as git does",
    "pull": "talks to the remote, as git does",
    "sync": "talks to the remote, as git does",
    "witness": "writes, and talks to others",
    "hooks": "writes",
    "merge-driver": "is started by git",
    "hook": "is started by git",
    "comment": "talks to a code host",
    "worker": "executes, by design",
}
LOOKS: Final = tuple(argv for ways in VERBS.values() if not isinstance(ways, str) for argv in ways)


def test_every_verb_is_in_the_table() -> None:
    assert VERBS.keys() == {command.name for command in COMMANDS}


def asked(repo: BuiltRepo, *argv: str) -> int:
    return dispatch(["-C", str(repo.path), *argv])


def started(repo: BuiltRepo) -> list[str]:
    """Return what was started since the last time."""
    names = sorted(path.name for path in (repo.path.parent / "started").iterdir())
    for name in names:
        (repo.path.parent / "started" / name).unlink()
    return names


def program(repo: BuiltRepo, key: str, then: str) -> str:
    """Return a command that leaves a note, and goes on as one that is no attack."""
    return f": > '{repo.path.parent}/started/{key}'; {then}"


def armed(repo: BuiltRepo) -> None:
    """Let the folder's own settings name a program wherever git takes one."""
    (repo.path.parent / "started").mkdir()
    settings = {
        "filter.x.clean": "cat",
        "filter.x.smudge": "cat",
        "filter.lfs.clean": "cat",
        "lfs.extension.x.clean": "cat",
        "diff.x.textconv": "cat",
        "diff.external": "true",
        "merge.x.driver": "true",
        "core.fsmonitor": "false",
        "core.pager": "cat",
        "core.editor": "true",
        "sequence.editor": "true",
        "core.askpass": "true",
        "core.sshcommand": "ssh",
        "core.gitproxy": "true",
        "core.alternaterefscommand": "true",
        "credential.helper": "!true",
        "gpg.program": "gpg",
        "gpg.ssh.program": "ssh-keygen",
        "interactive.difffilter": "cat",
        "remote.origin.uploadpack": "git-upload-pack",
        "uploadpack.packobjectshook": "cat",
        "submodule.x.update": "!true",
        "trailer.x.command": "true",
        "alias.status": "!status",
    }
    for key, then in settings.items():
        repo.git("config", key, program(repo, key, then).removeprefix("!"))
    repo.git("config", "log.showSignature", "true")
    repo.git("config", "core.hooksPath", "")
    hooks = repo.path / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "post-checkout", "reference-transaction", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\n: > '{repo.path.parent}/started/{name}'\n")
        (hooks / name).chmod(0o755)
    repo.git("config", "--unset", "core.hooksPath")
    started(repo)


def touched(repo: BuiltRepo, *, changed: bool = False) -> None:
    """Let git look into the files again."""
    for name in ("params.yaml", "train.py"):
        path = repo.path / name
        if changed:
            path.write_text(path.read_text() + "# more\n")
        os.utime(path, (1, 1))


@pytest.fixture
def given(attacked: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    shutil.copytree(attacked.path, tmp_path / "given", symlinks=True)
    repo = BuiltRepo(tmp_path / "given")
    for key in ("filter.evil", "diff.evil", "diff", "core.fsmonitor"):
        repo.git("config", "--remove-section", key, check=False)
    repo.git("config", "--unset", "core.fsmonitor", check=False)
    repo.switch("exp/a")
    armed(repo)
    (repo.path / ".git" / "info" / "attributes").write_text("* filter=x diff=x merge=x\n")
    return repo


@pytest.mark.parametrize("changed", [False, True])
def test_looking_starts_nothing_that_the_folder_names(
    given: BuiltRepo, capsys: pytest.CaptureFixture[str], *, changed: bool
) -> None:
    for argv in LOOKS:
        touched(given, changed=changed)
        code = asked(given, *argv)
        said = capsys.readouterr()
        assert started(given) == [], argv
        if changed and argv[0] == "status":  # its answer would need the filter
            assert code == 3
            assert "foreign-program" in said.out + said.err
        else:
            assert code in range(7), said.err
    touched(given)
    given.git("status")
    assert "filter.x.clean" in started(given)  # the control


def test_the_users_own_filter_is_used(
    given: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.git("config", "--remove-section", "filter.x")
    mine = f": > '{tmp_path}/mine-ran'; cat"
    given.git("config", "--file", str(tmp_path / "mine"), "filter.x.clean", mine)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "mine"))
    touched(given)
    assert status.dirty_tracked(given.workspace, looking=True) == ()
    assert (tmp_path / "mine-ran").exists()


@pytest.mark.parametrize("driver", ["x", "lfs"])
@pytest.mark.parametrize("argv", [("status",), ("run", "--dry-run")], ids=" ".join)
def test_the_printed_step_leads_out(
    given: BuiltRepo,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    argv: tuple[str, ...],
    driver: str,
) -> None:
    mine = str(given.path.parent / "mine")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", mine)
    (given.path / ".git" / "info" / "attributes").write_text(f"* filter={driver}\n")
    touched(given, changed=True)
    assert asked(given, *argv, "--json") == 3
    said = capsys.readouterr().out
    assert "foreign-program" in said
    assert started(given) == []
    typed = git_environment() | {"GIT_CONFIG_GLOBAL": mine}
    subprocess.run(["sh", "-c", json.loads(said)["next"]], cwd=given.path, env=typed, check=True)
    asked(given, *argv, "--json")
    after = capsys.readouterr().out
    assert "foreign-program" not in after
    assert "params.yaml" in after  # which is changed
    assert f"filter.{driver}.clean" in started(given)


def test_a_submodules_settings_start_nothing_either(given: BuiltRepo) -> None:
    inner = clone(given, given.path / "inner")
    given.git("-c", "core.hooksPath=/dev/null", "add", "-f", "inner")
    for name in ("clean", "process"):
        inner.git("config", f"filter.y.{name}", program(given, f"inner.{name}", "cat"))
    inner.git("config", "core.fsmonitor", program(given, "inner.fsmonitor", "false"))
    (inner.path / ".git" / "info").mkdir(exist_ok=True)
    (inner.path / ".git" / "info" / "attributes").write_text("* filter=y\n")
    os.utime(inner.path / "params.yaml", (1, 1))
    given.git("config", "--remove-section", "filter.x")
    started(given)
    status.dirty_tracked(given.workspace, looking=True)
    assert started(given) == []
    given.git("status")
    assert any(name.startswith("inner.") for name in started(given))  # the control


# --- partial clones -----------------------------------------------------------------------------


def by_upload_pack(repo: BuiltRepo) -> None:
    repo.git("config", "remote.origin.uploadpack", program(repo, "x", "git-upload-pack"))


def by_ssh(repo: BuiltRepo) -> None:
    repo.git("config", "remote.origin.url", "ssh://nobody.invalid/x")
    repo.git("config", "core.sshCommand", program(repo, "x", "false"))


def by_ext(repo: BuiltRepo) -> None:
    (repo.path.parent / "run").write_text(f"#!/bin/sh\n{program(repo, 'x', 'true')}\n")
    (repo.path.parent / "run").chmod(0o755)
    repo.git("config", "remote.origin.url", f"ext::{repo.path.parent}/run")
    repo.git("config", "protocol.ext.allow", "always")


def by_instead_of(repo: BuiltRepo) -> None:
    by_ext(repo)
    ext = repo.git("config", "remote.origin.url")
    repo.git("config", "remote.origin.url", "https://nobody.invalid/x")
    repo.git("config", f"url.{ext}.insteadOf", "https://nobody.invalid/x")


def by_worktree_settings(repo: BuiltRepo) -> None:
    repo.git("config", "extensions.worktreeConfig", "true")
    key = "remote.origin.uploadpack"
    repo.git("config", "--worktree", key, program(repo, "x", "git-upload-pack"))


def by_include(repo: BuiltRepo) -> None:
    by_upload_pack(repo)
    value = repo.git("config", "remote.origin.uploadpack")
    repo.git("config", "--unset", "remote.origin.uploadpack")
    repo.git("config", "--file", ".git/more", "remote.origin.uploadpack", value)
    repo.git("config", "include.path", "more")


def by_auto_gc(repo: BuiltRepo) -> None:
    for key, value in (("auto", "1"), ("autoPackLimit", "1"), ("autoDetach", "false")):
        repo.git("config", f"gc.{key}", value)
    repo.git("config", "gc.pruneExpire", "2.weeks.ago")
    repo.git("config", "gc.recentObjectsHook", program(repo, "x", "true") + " #")
    for number in range(300):  # old enough to be asked about, and enough for a gc
        data = f"{number}".encode()
        blob = subprocess.run(
            ["git", "hash-object", "-w", "--stdin"],
            cwd=repo.path, input=data, env=git_environment(), check=True, capture_output=True,
        ).stdout.decode()  # fmt: skip
        os.utime(repo.path / ".git" / "objects" / blob[:2] / blob[2:].strip(), (1, 1))


WAYS: Final[dict[str, Callable[[BuiltRepo], None]]] = {
    "uploadpack": by_upload_pack,
    "ssh": by_ssh,
    "ext": by_ext,
    "insteadOf": by_instead_of,
    "worktree": by_worktree_settings,
    "include": by_include,
    "gc": by_auto_gc,
}
# Of what `git help --config` names: by these a fetch in a folder of somebody else may go.
READ_BY_NO_FETCH: Final = (
    "branch user color commit pull push rebase merge diff filter lfs log status advice"
)
CARRIED: Final = """
core.abbrev core.autocrlf core.bare core.commitgraph core.editor core.eol core.excludesfile
core.filemode core.fsmonitor core.hookspath core.ignorecase core.logallrefupdates
core.multipackindex core.pager core.precomposeunicode core.protecthfs core.protectntfs
core.quotepath core.repositoryformatversion core.safecrlf core.sharedrepository
core.sparsecheckout core.sparsecheckoutcone core.symlinks core.untrackedcache
extensions.objectformat extensions.partialclone extensions.refstorage
extensions.relativeworktrees extensions.worktreeconfig fetch.prune gc.auto http.extraheader
include.path includeif.x.path index.sparse maintenance.auto maintenance.strategy remote.x.fetch
remote.x.partialclonefilter remote.x.promisor remote.x.prune remote.x.prunetags remote.x.push
remote.x.pushurl remote.x.tagopt remote.x.url remote.pushdefault submodule.x.active submodule.x.url
"""


def test_a_fetch_goes_by_no_other_setting_of_a_folder(repo: BuiltRepo) -> None:
    """Every setting that this Git knows; one that is new to us is refused."""
    known = [re.sub("<.*?>", "x", key) for key in repo.git("help", "--config").lower().split("\n")]
    assert len(known) > 300
    taken = {key for key in known if not command.FETCHING.fullmatch(key)}
    sections = READ_BY_NO_FETCH.split()
    assert {key for key in taken if key.partition(".")[0] not in sections} <= set(CARRIED.split())
    assert {"remote.x.url", "core.bare", "branch.x.merge"} <= taken  # the control


def by_cookie_file(repo: BuiltRepo) -> None:
    repo.git("config", "http.cookieFile", str(repo.path.parent / "bashrc"))
    repo.git("config", "http.saveCookies", "true")


def test_a_fetch_of_what_lacks_writes_no_file_that_the_folder_names(
    attacked: BuiltRepo, tmp_path: Path
) -> None:
    repo = partial(attacked, tmp_path)
    by_cookie_file(repo)
    done = gitexp(repo, "show", "a")  # this process has read the same plan where it came from
    assert done.code == 3
    assert "http.cookiefile" in done.err


def partial(attacked: BuiltRepo, folder: Path) -> BuiltRepo:
    attacked.git("config", "uploadpack.allowFilter", "true")
    repo = clone(attacked, folder / "given", "--no-checkout", "--filter=blob:none")
    for name in ("exp/a", "main"):
        repo.git("update-ref", f"refs/heads/{name}", f"origin/{name}")
    repo.git("symbolic-ref", "HEAD", "refs/heads/exp/a")
    (folder / "started").mkdir()
    return repo


@pytest.mark.sweep(2)
@pytest.mark.parametrize("way", WAYS)
def test_a_partial_clone_fetches_by_no_program_that_it_names(
    attacked: BuiltRepo, tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = partial(attacked, tmp_path)
    WAYS[way](repo)
    for argv in LOOKS:
        code = asked(repo, *argv)
        assert started(repo) == [], argv
        assert code in range(7)
    said = capsys.readouterr()
    if way in {"uploadpack", "worktree", "include", "ssh", "gc"}:
        assert "foreign-program" in said.err  # where an answer needs it, they say so
    blob = attacked.hash("exp/a:params.yaml")
    subprocess.run(
        ["git", "cat-file", "-e", blob], cwd=repo.path, env=git_environment(), check=False,
        capture_output=True,
    )  # fmt: skip
    assert started(repo) == ["x"]  # the control


def test_a_partial_clone_that_names_no_program_answers(
    attacked: BuiltRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = partial(attacked, tmp_path)
    assert asked(repo, "list", "--json") == 0
    whole, here = capsys.readouterr().out, asked(repo, "show", "a")
    assert here == 0, capsys.readouterr().err
    assert '"a"' in whole


def test_objects_of_a_hook_are_fetched_by_no_program_either(
    attacked: BuiltRepo, tmp_path: Path
) -> None:
    repo = partial(attacked, tmp_path)
    blobs = [BlobId(attacked.hash(f"exp/a:{name}")) for name in ("params.yaml", "train.py")]
    with CatFile(repo.path, {}) as objects:  # the control
        assert b"lr" in objects.read(blobs[0], 1000)
    by_upload_pack(repo)
    with CatFile(repo.path, {}) as objects, pytest.raises(ForeignProgramError):
        objects.read(blobs[1], 1 << 20)
    assert started(repo) == []


def test_an_answer_that_was_kept_is_that_of_the_same_user(
    given: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given.git("config", "--remove-section", "filter.x")
    planted = []
    for name in ("mallory", "victim"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv("HOME", str(tmp_path / name))
        question = answers.ask(["-C", str(given.path), "status"])
        assert question is not None
        planted.append(question.recall())
        question.remember("all is well\n")
        assert question.recall() == "all is well\n"  # the control
    assert planted == [None, None]


def test_the_command_line_itself_starts_nothing_either(given: BuiltRepo) -> None:
    for argv in (("status",), ("show",)):  # whose answers are remembered
        touched(given)
        gitexp(given, *argv)
        assert started(given) == [], argv


def test_a_graft_shows_no_other_history(
    attacked: BuiltRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By one line of a folder's own file main is ahead of what takes a plan away."""
    shutil.copytree(attacked.path, tmp_path / "given", symlinks=True)
    repo = BuiltRepo(tmp_path / "given")
    assert asked(repo, "check", "main..exp/a") == 0  # the control
    grafts = repo.path / ".git" / "info" / "grafts"
    grafts.touch()
    assert asked(repo, "check", "main..exp/a") == 0
    grafts.write_text(f"{repo.hash('main')} {repo.hash('exp/a')}\n")
    capsys.readouterr()
    for argv in LOOKS:
        if argv[0] in {"completion", "logs"}:  # which read no history
            continue
        assert asked(repo, *argv) == 3, argv
        said = capsys.readouterr()
        assert "grafts" in said.out + said.err, argv
