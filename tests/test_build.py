from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import inprocess, warm
from tests.lab.build import DVC_FILES, EPOCH, dvc, git_environment, repository
from tests.lab.shell import environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.build import BuiltRepo


def test_a_built_commit_has_the_same_hash_everywhere(repo: BuiltRepo) -> None:
    commit = repo.commit({"params.yaml": "lr: 0.1"}, at=1)
    assert commit == "93e581af97f1c98b3ee211f0b77d83ece170fd5e"


def test_the_copied_dvc_project_is_clean_for_git_and_dvc(dvc_repo: BuiltRepo) -> None:
    assert dvc_repo.status() == []
    assert dvc(dvc_repo.path, "status", "--json").strip() == "{}"


def test_no_folder_of_a_plugin_makes_programs_start_anew() -> None:
    assert "PYTHONPATH" not in os.environ


@pytest.mark.parametrize("text", [DVC_FILES["dvc.yaml"], "stages: {a: {cmd: 'x ${no}'}}", "["])
def test_what_the_program_starts_answers_forked_as_started_anew(tmp_path: Path, text: str) -> None:
    (tmp_path / "dvc.yaml").write_text(text)
    question = json.dumps([{"file": str(tmp_path / "dvc.yaml"), "parsing": {}}]).encode()
    command, env = [sys.executable, "-I", str(warm.RESOLVER)], git_environment()
    forked = warm.forked("dvc", command, Path("/"), env, question)
    anew = warm.fresh(command, cwd=Path("/"), env=env, input=question, capture_output=True)
    assert forked is not None
    assert (forked.returncode, forked.stdout) == (anew.returncode, anew.stdout)
    assert forked.returncode == 0


@pytest.mark.parametrize(
    "argv", [("list", "--color", "always"), ("status",), ("show", "nope"), ("list", "--x")]
)
def test_a_forked_command_does_what_a_fresh_one_does(
    repo: BuiltRepo, argv: tuple[str, ...]
) -> None:
    repo.commit({"a": "1"})
    forked = warm.run("gitexp", *argv, cwd=repo.path, env=environment())
    fresh = warm.run("gitexp", *argv, cwd=repo.path, env=environment({"UNKNOWN": "1"}))
    assert vars(forked) == vars(fresh)


def test_a_commit_in_process_leaves_what_git_leaves(tmp_path: Path) -> None:
    steps: tuple[tuple[dict[str, str | bytes | None], str], ...] = (
        ({"a": "1", "b c/ü": b"\0", "d/e": "2", ".gitignore": "x*\n"}, "one"),
        ({"a": "2", "d/e": None, "x1": "ignored"}, "two\n\n  words\n- and more"),
        ({}, "nothing"),
        ({"b c/ü": "3"}, "on no branch"),
    )
    left = []
    for kind in ("git", "process"):
        repo = repository(tmp_path / kind)
        for at, (files, message) in enumerate(steps, 1):
            repo.write(files)
            if message == "on no branch":
                repo.git("checkout", "--quiet", "--detach", at=at)
            if kind == "process":
                who = inprocess.Who(*repo.by, EPOCH + 60 * at)
                assert inprocess.commit(repo.path, files, message, who) == repo.hash()
                assert inprocess.begin(repo.path, f"exp/b{at}", replace(who, seconds=EPOCH))
                assert not inprocess.begin(repo.path, "exp", who)
                continue
            if files:
                repo.git("add", "--force", "--all", "--", *files)
            repo.git("commit", "--quiet", "--allow-empty", "-m", message, at=at)
            repo.git("switch", "--quiet", "--create", f"exp/b{at}")
        repo.fsck()
        inside = {
            str(path.relative_to(repo.path)): path.read_bytes()
            if "objects" not in path.parts
            else b""
            for path in repo.path.rglob("*")
            if path.is_file() and path.name != "index"
        }
        left.append((inside, repo.git("ls-files", "--stage"), repo.status()))
    assert left[0] == left[1]


@pytest.mark.parametrize(
    "make",
    [
        lambda repo: repo.write({".git/hooks/pre-commit": "#!/bin/sh\nexit 1\n"}),
        lambda repo: repo.write({".gitattributes": "* text\n"}),
        lambda repo: repo.write({".git/info/attributes": "* text\n"}),
        lambda repo: repo.git("config", "core.autocrlf", "true"),
        lambda repo: repo.git("config", "core.hooksPath", "/nowhere"),
        lambda repo: repo.git("config", "commit.gpgsign", "true"),
        lambda repo: repo.git("symbolic-ref", "refs/heads/main", "refs/heads/other"),
        lambda repo: repo.git("merge", "--quiet", "--no-commit", "--no-ff", "side"),
    ],
)
def test_what_git_could_do_otherwise_is_left_to_git(
    repo: BuiltRepo, make: Callable[[BuiltRepo], object]
) -> None:
    repo.commit({"a": "1"})
    repo.git("branch", "side", repo.git("commit-tree", "-p", "HEAD", "-m", "x", "HEAD^{tree}"))
    make(repo)
    repo.write({"a": "2"})
    assert inprocess.commit(repo.path, {"a": "2"}, "x", inprocess.Who(*repo.by, EPOCH)) is None
