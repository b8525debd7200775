"""Repositories with our hooks in place, and an experiment whose plan somebody would take away."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.enforcement.hooks.commit import FILE
from gitexp.enforcement.hooks.install import install
from gitexp.git.transaction import layout
from tests.lab import build
from tests.lab.build import BuiltRepo, git_environment, repository
from tests.lab.records import Lab

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PLAN = layout.plan_path("deep")


@dataclass(frozen=True)
class Said:
    """How a git command ended."""

    code: int
    err: str


def call(
    repo: BuiltRepo,
    *args: str,
    env: Mapping[str, str] | None = None,
    at: int = 9,
    given: bytes = b"",
) -> Said:
    """Run git as a person does, whatever it says."""
    done = subprocess.run(
        ["git", *args],
        cwd=repo.path,
        input=given,
        capture_output=True,
        env=git_environment(at) | dict(env or {}),
        check=False,
    )
    return Said(done.returncode, done.stderr.decode("utf-8", "replace"))


def template(folder: Path) -> BuiltRepo:
    """Make ``main``, ``exp/deep`` with a plan, and ``side``, which takes the plan away.

    ``exp/deep`` is checked out. ``clash`` does so too and changes train.py as ``exp/deep`` does
    not; nobody's hook saw either.
    """
    return build.copied(folder, _make, "exp/deep, side and clash")


def _make(folder: Path) -> None:
    repo = repository(folder)
    lab = Lab(repo)
    lab.init()
    lab.plan()
    repo.commit({"train.py": "print(2)\n"}, at=lab.tick(), message="deeper")
    repo.branch("side", "HEAD^")
    repo.branch("clash", "HEAD^")
    repo.switch("side")
    repo.commit({PLAN: None}, at=lab.tick(), message="bad")
    repo.switch("clash")
    repo.commit({PLAN: None, "train.py": "print(3)\n"}, at=lab.tick(), message="bad")
    repo.switch("exp/deep")
    install(repo.workspace)
    call(repo, "commit", "-q", "--amend", "--no-edit")
    assert (repo.path / ".git" / FILE).exists()  # pre-commit would let pass what nobody speaks of


def copied(source: BuiltRepo, folder: Path) -> BuiltRepo:
    """Copy a repository with its hooks."""
    shutil.copytree(source.path, folder, symlinks=True)
    return BuiltRepo(folder.resolve())
