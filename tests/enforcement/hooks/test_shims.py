"""The hooks in sh: they start Python where it is needed, and only there; they work by hand."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.cli.hook import PLACES
from gitexp.enforcement.hooks.commit import FILE
from gitexp.enforcement.hooks.install import install
from gitexp.git.transaction import layout
from gitexp.model.rules import CLIENT_HOOKS, SERVER_HOOKS
from gitexp.records import config as config_format
from tests.enforcement.hooks.world import PLAN, call, copied, template
from tests.lab.build import git_environment, repository
from tests.lab.records import CONFIG

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

HOOKS = Path(__file__).parents[3] / "hooks"
ALL = (*CLIENT_HOOKS, *SERVER_HOOKS)
BLOCK = re.compile(r"^# --- (?P<title>.*)\n(?P<text>(?:(?!# --- [a-zA-Z]).*\n)*)", re.MULTILINE)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    return template(tmp_path_factory.mktemp("hooks") / "repo")


@pytest.fixture
def repo(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    return copied(made, tmp_path / "repo")


class Canary:
    """A Python that notes each of its starts."""

    def __init__(self, repo: BuiltRepo, folder: Path) -> None:
        self.file = folder / "starts"
        python = folder / "a python"  # with a space
        python.write_text(f'#!/bin/sh\necho x >>"{self.file}"\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
        install(repo.workspace, python=str(python))
        self.take()

    def take(self) -> int:
        """Return how often it was started since the last time."""
        if not self.file.exists():
            return 0
        n = len(self.file.read_text().splitlines())
        self.file.unlink()
        return n


@pytest.fixture
def canary(repo: BuiltRepo, tmp_path: Path) -> Canary:
    return Canary(repo, tmp_path)


def hook(repo: BuiltRepo, name: str, *args: str, path: str | None = None) -> int:
    """Run a hook as Git would, with another PATH; return its exit code."""
    env = git_environment() | ({} if path is None else {"PATH": path})
    script = repo.path / ".git" / "hooks" / name
    done = subprocess.run([script, *args], cwd=repo.path, env=env, check=False, input=b"")
    return done.returncode


# --- the files ----------------------------------------------------------------------------------


def test_every_hook_has_a_file_and_an_answer() -> None:
    assert {path.name for path in HOOKS.iterdir()} == set(ALL) == set(PLACES)


@pytest.mark.parametrize("name", ALL)
def test_a_hook_is_plain_sh_that_git_can_start(name: str) -> None:
    data = (HOOKS / name).read_bytes()
    assert data.startswith(f"#!/bin/sh\n# gitexp-hook {name} v1\n".encode())
    assert b"\r" not in data
    assert data.isascii()
    assert os.access(HOOKS / name, os.X_OK)
    for shell in ("dash", "bash", "busybox"):
        if shutil.which(shell):
            argv = [shell, *(["sh"] if shell == "busybox" else []), "-n", str(HOOKS / name)]
            subprocess.run(argv, check=True)


def test_parts_that_several_hooks_have_are_the_same_in_all() -> None:
    seen: dict[str, str] = {}
    for name in ALL:
        text = (HOOKS / name).read_text(encoding="utf-8").replace(name, "NAME")
        for block in BLOCK.finditer(text):
            part = block["text"].replace("said | ", "").partition("\n    code=$?\nfi\n[")[0]
            part = part.removesuffix("exit 0\n").partition('if [ "$code" = 97 ] &&')[0].rstrip()
            if block["title"].startswith(("the branch", "experiments' branches", "Python:")):
                assert seen.setdefault(block["title"], part) == part, name
    assert len(seen) == 3


# --- when Python is started -----------------------------------------------------------------------


def test_off_experiments_no_python_starts(repo: BuiltRepo, canary: Canary) -> None:
    repo.switch("main")
    for args in (
        ("commit", "-q", "--allow-empty", "-m", "a"),
        ("switch", "-q", "--create", "topic"),
        ("switch", "-q", "--detach"),
        ("commit", "-q", "--allow-empty", "-m", "b"),
    ):
        assert call(repo, *args).code == 0
    assert canary.take() == 0


def test_on_an_experiment_python_starts_once_and_then_for_what_rules_speak_of(
    repo: BuiltRepo, canary: Canary
) -> None:
    def commit(*options: str) -> int:
        said = call(repo, "commit", "-q", "-m", "a", *options)
        assert said.code == 0, said.err
        return canary.take()

    (repo.path / ".git" / FILE).unlink()
    assert commit("--allow-empty") == 1
    for text in ("print(3)\n", "print(4)\n"):
        repo.write({"train.py": text})
        assert commit("-a") == 0
    repo.write({"params.yaml": "depth: nine\n"})
    assert commit("-a") == 1
    repo.write({"new.py": "print(4)\n"})
    repo.git("add", "new.py")
    assert commit() == 1
    assert commit("--amend") == 0
    repo.write({"train.py": "#" * (6 << 20)})
    assert commit("-a") == 1  # R5 warns
    assert commit("--allow-empty") == 1
    repo.write({"params.yaml": "depth: 8\n"})
    call(repo, "commit", "-qa", "--no-verify", "-m", "x")
    repo.write({"train.py": "print(5)\n"})
    assert commit("-a") == 1
    assert commit("--amend", "--no-verify") == 0
    repo.switch("exp/deeper", create=True)
    said = call(repo, "commit", "-q", "--allow-empty", "-m", "a")
    assert "error[R1]" in said.err


@pytest.mark.parametrize(
    ("before", "after", "starts"),
    [
        ("a: 1\nb: x\n", "a: 2.5e-3 # why\nb: x\n", False),
        ("a:\n  b: -1\n", "a:\n  b: true\n\n# more\n  c: null\n", False),
        ("a: 1\nb: 2\n", "b: 2\n", False),
        ("a: 1\n", "a: one\n", True),
        ("a: one\n", "a: 1\n", True),  # what was nested below may have another name now
        ("a: 1\n", "a: 1#2\n", True),
        ("a: 1\n", 'a: "1"\n', True),
        ("a: 1\n", "a: 1\r\n", True),
        ("a: 1\n", "a: 1\n++ b/params.yaml\n", True),
        ("a: 1\n", "a:\n- 1\n", True),
        ("a: 1\n", "a: 2", False),
        ("a: 1", "a: 1\n@@ -1 +1 @@\n", True),
        ("a: 1\n", "a: 1 # less of it, see paper\n#\n", False),
        ("a: 1.0  # of the L2 penalty\n", "a: 0.5  # of the L2 penalty\n", False),
        ("a: |\n  b\n", "a: |\n  b\n  # AKIAIOSFODNN7EXAMPLE\n", True),  # no remark but a text
        ("a: |\n  b\n", "a: |\n  b\n  # password: correcthorse\n", True),
        ("a: |\n  b\n", "a: |\n  b\n  # --token correcthorse\n", True),
    ],
)
@pytest.mark.sweep(9)
@pytest.mark.parametrize("attributes", ["", "params.yaml -diff\n", "params.yaml diff=x\n"])
def test_of_parameters_numbers_alone_are_passed_in_sh(  # noqa: PLR0913  cases
    repo: BuiltRepo, canary: Canary, before: str, after: str, attributes: str, *, starts: bool
) -> None:
    repo.commit({"params.yaml": before, ".gitattributes": attributes})
    repo.git("config", "diff.x.textconv", "true")
    assert call(repo, "commit", "-q", "--allow-empty", "-m", "a").code == 0
    canary.take()
    repo.write({"params.yaml": after})
    assert call(repo, "commit", "-qam", "a").code == 0
    assert bool(canary.take()) is starts


def test_a_program_that_takes_patterns_literally_changes_nothing(
    repo: BuiltRepo, canary: Canary
) -> None:
    repo.commit({"sub/dvc.lock": "schema: '2.0'\nstages: {}\n"})
    repo.write({"sub/dvc.lock": "schema: '2.0'\nstages: {}\n\n"})
    env = {"GIT_LITERAL_PATHSPECS": "1"}  # as git --literal-pathspecs sets it
    assert call(repo, "commit", "-q", "--allow-empty", "-m", "a", env=env).code == 0
    canary.take()
    assert call(repo, "commit", "-qam", "a", env=env).code == 0
    assert canary.take() == 1


def test_what_is_spoken_of_is_judged_on_top_of_what_was_in_order(repo: BuiltRepo) -> None:
    repo.write({"train.py": "print(3)\n"})
    assert call(repo, "commit", "-qam", "a").code == 0
    repo.git("rm", "-q", PLAN)
    assert "error[R1]" in call(repo, "commit", "-qm", "a").err


@pytest.mark.parametrize("change", [{"far/a": "#" * (6 << 20)}, {"far/a": None}])
def test_a_sparse_index_hides_nothing_from_sh(
    repo: BuiltRepo, canary: Canary, change: dict[str, str | None]
) -> None:
    repo.commit({"far/a": "1\n", "far/b": "1\n", "near/c": "1\n"})
    staged = repo.commit(change)
    repo.git("reset", "-q", "--hard", "HEAD^")
    repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "near")
    for _ in range(2):
        canary.take()
        assert call(repo, "commit", "-q", "--allow-empty", "-m", "a").code == 0
    assert canary.take() == 0
    before = repo.hash()
    repo.git("reset", "-q", "--hard", staged)
    repo.git("reset", "-q", "--soft", before)
    assert "far/" in repo.git("ls-files", "--sparse").splitlines()
    assert call(repo, "commit", "-q", "-m", "a").code == 0
    assert canary.take() == 1


@pytest.mark.parametrize(
    ("text", "branch", "starts"),
    [
        ("rules:\n  branches: try/*\n", "try/a", True),
        ("rules:\n  branches: try/*\n", "exp/a", False),
        ("rules:\n  branches: '*/try-*'  # ours\n", "ada/try-1", True),
        ('rules:\n  branches: "try/*"\n', "try/a/b", True),
        ("branches:\n  prefix: e/\n", "e/a", True),
        ("branches:\n  prefix: e/\n", "exp/a", False),
        ("rules: {branches: try/*}\n", "topic", True),  # only a reader of YAML can tell
        ("branches: {prefix: e/}\n", "e/a", True),
        ("rules:\n    branches: try/*\n", "try/a", True),
        ("rules:\n  branches: null\n", "topic", False),
        ("# branches and prefix: as always\n", "topic", True),
        ("", "topic", False),
        ("", "exp", False),
        ("", "exp/ä", True),
    ],
)
@pytest.mark.sweep(7)
@pytest.mark.parametrize("told", ["main", "a remote", "HEAD", "index"])
def test_the_branches_are_those_that_main_says_else_head_else_the_index(  # noqa: PLR0913  cases
    repo: BuiltRepo, canary: Canary, told: str, text: str, branch: str, *, starts: bool
) -> None:
    settings = {layout.CONFIG: f"$schema: gitexp/config@1\ncommand: python train.py\n{text}"}
    repo.switch("main")
    if told in {"main", "a remote"}:
        repo.commit(settings, at=50)
    if told == "a remote":
        repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
        repo.git("reset", "-q", "--hard", "HEAD^")  # an older one is here
    if told in {"HEAD", "index"}:
        repo.git("switch", "-q", "--orphan", "start")
        repo.git("branch", "-q", "-D", "main", "exp/deep")
        repo.commit(settings if told == "HEAD" else {"a": "1\n"})
    repo.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")
    if told != "index":
        if told == "HEAD":
            repo.git("update-ref", "HEAD", "start")
        settings = {layout.CONFIG: "rules:\n  branches: none/*\nbranches:\n  prefix: none/\n"}
    repo.write(settings)
    repo.git("add", layout.CONFIG)
    (repo.path / layout.CONFIG).unlink()  # the work tree is nobody's business
    hook(repo, "pre-commit")
    assert bool(canary.take()) is starts


def test_the_settings_that_init_writes_are_read_in_sh(repo: BuiltRepo, canary: Canary) -> None:
    repo.switch("topic", create=True)
    repo.commit({layout.CONFIG: config_format.dump_template(CONFIG)})
    assert hook(repo, "pre-commit") == 0
    assert canary.take() == 0


def test_what_lies_at_the_top_of_a_branch_is_not_imported(repo: BuiltRepo) -> None:
    evil = {"argparse.py": "raise SystemExit(0)\n", "gitexp/__init__.py": "raise SystemExit(0)\n"}
    repo.write(evil)
    repo.git("add", "--force", *evil)
    repo.git("rm", "-q", PLAN)
    assert "error[R1]" in call(repo, "commit", "-qm", "a", env={"PYTHONPATH": "."}).err


@pytest.mark.sweep(6)
@pytest.mark.parametrize(
    "name",
    ["$(touch${IFS}canary)", "`touch${IFS}canary`", "a;touch${IFS}canary", "a|b", "'q'", '"q"',
     "&b", "<b>", "%s%n", "\u202e", "\udcff"],
)  # fmt: skip
def test_a_branch_of_whatever_name_is_judged_and_obeyed_nowhere(
    repo: BuiltRepo, tmp_path: Path, name: str
) -> None:
    call(repo, "update-ref", f"refs/heads/exp/{name}", "HEAD")
    call(repo, "symbolic-ref", "HEAD", f"refs/heads/exp/{name}")
    said = call(repo, "commit", "-q", "--allow-empty", "-m", "a")
    assert said.code == 1
    assert "error[R1]" in said.err
    server = repository(tmp_path / "server.git", bare=True)
    assert (
        "error[R1]" in call(repo, "push", "-q", str(server.path), f"HEAD:refs/heads/exp/{name}").err
    )
    assert not list(tmp_path.rglob("canary"))


# --- without Python, by hand ----------------------------------------------------------------------


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH as programs with windows have it: git and the tools of sh."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("git", "sh", "cat", "grep", "cut", "mv"):
        (folder / name).symlink_to(shutil.which(name) or name)
    return str(folder)


def test_without_python_an_experiment_is_refused_and_the_rest_passes(
    repo: BuiltRepo, bare_path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    for name in CLIENT_HOOKS:
        shutil.copy(HOOKS / name, repo.path / ".git" / "hooks" / name)
    repo.git("rm", "-q", "--cached", PLAN)
    assert hook(repo, "pre-commit", path=bare_path) == 1
    repo.git("reset", "-q")
    err = capfd.readouterr().err
    assert "no Python has gitexp" in err
    assert "gitexp hooks install" in err
    assert hook(repo, "prepare-commit-msg", "README", path=bare_path) == 0
    assert hook(repo, "post-checkout", "0" * 40, "1" * 40, "1", path=bare_path) == 0
    repo.switch("main")
    for name in CLIENT_HOOKS:
        (repo.path / "message").write_text("a message\n")
        assert hook(repo, name, "message", path=bare_path) == 0, name
    assert capfd.readouterr().err == ""


def test_a_short_path_is_enough_where_the_hooks_are_installed(
    repo: BuiltRepo, bare_path: str
) -> None:
    repo.git("rm", "-q", "--cached", PLAN)
    assert hook(repo, "pre-commit", path=bare_path) == 1
    repo.git("reset", "-q")
    assert hook(repo, "pre-commit", path=bare_path) == 0


def test_a_copy_by_hand_finds_the_command_on_the_path(repo: BuiltRepo) -> None:
    shutil.copy(HOOKS / "pre-commit", repo.path / ".git" / "hooks" / "pre-commit")
    repo.git("rm", "-q", PLAN)
    assert "error[R1]" in call(repo, "commit", "-qm", "a").err


def test_an_interpreter_that_lost_gitexp_is_passed_over(repo: BuiltRepo, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    install(repo.workspace, python=str(venv / "bin" / "python"))
    repo.git("rm", "-q", PLAN)
    assert "error[R1]" in call(repo, "commit", "-qm", "a").err  # by the command on PATH
