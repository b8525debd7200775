"""A finished experiment of the real pipeline, built once and copied; and what a code host does."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import SeedOrigin
from gitexp.model.request import NewRequest, RunRequest
from tests.lab.build import BuiltRepo, clone, dvc_project, repository

if TYPE_CHECKING:
    from pathlib import Path

REPEATS = 5


def finished_experiment(path: Path, template: Path) -> BuiltRepo:
    """Make exp/faster with five repeats on either side; HEAD is on it."""
    repo = dvc_project(path, template)
    init(repo.workspace)
    request = NewRequest(
        name="faster",
        hypothesis="a larger learning rate raises f1",
        metric="f1",
        effect=">0.01",
        repeats=REPEATS,
        baseline="main",
        params=((ParamKey("params.yaml", "lr"), 0.7),),
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, request)
    run(repo.workspace, RunRequest(with_baseline=True, jobs=2), environ=dict(os.environ))
    return repo


def copied(template: BuiltRepo, path: Path) -> BuiltRepo:
    """Return a copy of a repository with its work tree and its cache."""
    shutil.copytree(template.path, path, symlinks=True)
    return BuiltRepo(path.resolve())


def hosted(repo: BuiltRepo, path: Path) -> BuiltRepo:
    """Make a bare repository the origin of this one and push all branches there."""
    host = repository(path, bare=True)
    repo.git("remote", "add", "origin", str(host.path))
    repo.git("push", "--quiet", "origin", "--all")
    repo.git("fetch", "--quiet", "origin")
    return host


def press(button: str, host: BuiltRepo, branch: str, folder: Path) -> None:
    """Merge a branch into main as a code host does, and delete it there."""
    there = clone(host, folder)
    there.git("switch", "--quiet", "main")
    match button:
        case "merge":
            there.git("merge", "--no-ff", "--quiet", "-m", "Merge #1", f"origin/{branch}", at=900)
        case "squash":
            there.git("merge", "--squash", "--quiet", f"origin/{branch}")
            there.git("commit", "--quiet", "-m", "Faster (#1)", at=900)
        case "rebase":
            there.git("switch", "--quiet", "--detach", f"origin/{branch}")
            there.git("rebase", "--quiet", "main", at=900)
            made = there.hash()
            there.git("switch", "--quiet", "main")
            there.git("merge", "--ff-only", "--quiet", made)
    there.git("push", "--quiet", "origin", "main", f":{branch}")


def catch_up(repo: BuiltRepo, branch: str) -> None:
    """Do what people do after a merge: switch, pull, prune, delete the branch."""
    repo.git("switch", "--quiet", "main")
    repo.git("fetch", "--quiet", "--prune", "origin")
    repo.git("merge", "--ff-only", "--quiet", "origin/main")
    repo.git("branch", "-D", branch)
