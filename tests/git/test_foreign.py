"""S13 to S16: a repository folder and a branch of strangers start no program of theirs."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import gitexp.git
from gitexp.errors import GitFailedError
from gitexp.git import command, merging, objects, refs, writing
from gitexp.git.discovery import discover
from gitexp.git.repository import open_repository
from gitexp.git.worktree import checkouts, status
from gitexp.git.writing import Message
from gitexp.model.ids import ABSENT, CommitHash

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo


@pytest.fixture
def hostile(repo: BuiltRepo, tmp_path: Path) -> tuple[BuiltRepo, Path]:
    """Return a repository whose settings name programs wherever git may start one."""
    canary = tmp_path / "canary"
    repo.commit({"a.txt": "1\n", ".gitattributes": "* filter=x diff=x\n"})
    repo.commit({"a.txt": "2\n"}, at=2)
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {canary}\ncat\n")
    script.chmod(0o755)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("post-checkout", "reference-transaction", "post-index-change", "pre-commit"):
        (hooks / name).symlink_to(script)
    for key in (
        "core.fsmonitor", "filter.x.clean", "filter.x.smudge", "filter.x.process",
        "diff.x.textconv", "diff.x.command", "diff.external", "core.pager", "core.editor",
        "core.sshCommand", "core.askPass", "gpg.program",
    ):  # fmt: skip
        repo.git("config", key, str(script))
    repo.git("config", "core.hooksPath", str(hooks))
    repo.git("config", "alias.rev-parse", f"!{script}")
    return repo, canary


def test_reading_starts_no_program_of_the_repository(hostile: tuple[BuiltRepo, Path]) -> None:
    repo, canary = hostile
    workspace = discover(repo.path)
    opened = open_repository(workspace)
    tip = objects.resolve(opened, "main")
    before = objects.resolve(opened, "main~1")
    refs.head(opened)
    refs.branches(opened, "exp/")
    merging.changed_paths(opened, before, tip)
    list(objects.history(opened, [tip]))
    list(objects.walk_tree(opened, tip))
    checkouts.listing(workspace)
    status.untracked(workspace)
    status.is_ignored(workspace, ["a.txt", "b"])
    status.tracked(workspace, ["a.txt"])
    assert not canary.exists()


def test_writing_objects_and_refs_starts_no_program_either(
    hostile: tuple[BuiltRepo, Path],
) -> None:
    repo, canary = hostile
    opened = open_repository(discover(repo.path))
    writing.build_tree(opened, ABSENT, {"a.txt": b"x\n"})
    from tests.lab.publisher import ADA, NOW  # noqa: PLC0415 - only here

    tip = CommitHash(repo.path and objects.resolve(opened, "main"))
    moves = {"refs/heads/exp/a": (ABSENT, tip)}
    with refs.held(opened, moves, Message("m", ADA, NOW)) as set_all:
        set_all()
    assert not canary.exists()


def test_dirty_tracked_names_what_no_commit_holds(repo: BuiltRepo) -> None:
    repo.commit({"a": "1\n", "b c": "1\n", "d": "1\n", "e": "1\n", ".gitignore": "out\n"})
    assert status.dirty_tracked(repo.workspace) == ()
    repo.write({"a": "2\n", "b c": "2\n", "new": "x", "out": "x", ".gitexp/tmp/x": "x"})
    repo.git("add", "b c")
    (repo.path / "d").unlink()
    repo.git("mv", "e", "f")
    assert status.dirty_tracked(repo.workspace) == ("a", "b c", "d", "e", "f")
    assert status.untracked(repo.workspace) == (".gitexp/tmp/x", "new")
    assert status.is_ignored(repo.workspace, ["a", "out", "none", "out/x"]) == {"out", "out/x"}
    assert status.tracked(repo.workspace, ["a", "*", "none"]) == {"a"}


def test_a_path_is_never_a_pattern_and_an_error_says_what_git_said(repo: BuiltRepo) -> None:
    repo.commit({"a": "1\n"})
    assert command.run(repo.workspace, ["ls-files", "-z", "--", "*", ":(top)a"]) == b""
    with pytest.raises(GitFailedError, match="git cat-file failed") as caught:
        command.run(repo.workspace, ["cat-file", "-p", "0" * 40])
    assert "Not a valid object name" in caught.value.found


def test_gitpython_is_given_argument_vectors_only() -> None:
    """Its attribute calls (``repo.git.log(x)``) turn a user's string into an option."""
    folder = Path(gitexp.git.__file__).parent
    for file in folder.glob("*.py"):
        tree = ast.parse(file.read_text())
        imports = {
            name.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for name in node.names
        }
        if "git" not in imports:
            continue
        assert file.name == "remote.py"
        used = {
            node.attr
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in {"git", "runner"}
        }
        assert used == {"Git", "execute"}
