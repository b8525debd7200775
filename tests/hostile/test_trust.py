"""What `run` executes unasked: what the user's own branches hold, nothing that a fetch brought."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.dispatch import dispatch
from gitexp.errors import UntrustedSourceError
from gitexp.execution.place import check_trust, find_place
from gitexp.git import objects
from gitexp.model.request import RunRequest
from tests.execution.test_run import plain
from tests.lab.build import BuiltRepo, clone

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def asked(repo: BuiltRepo, *argv: str) -> int:
    return dispatch(["-C", str(repo.path), *argv])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A clone with a branch of a stranger's at the hub, which no fetch has brought yet."""
    folder = tmp_path_factory.mktemp("trust")
    hub = clone(plain(folder / "origin"), folder / "hub.git", "--bare")
    mine = clone(hub, folder / "mine")
    mine.git("branch", "exp/own", "main")
    mine.git("push", "-q", "origin", "main:gitexp/data")
    mine.git("branch", "gitexp/data", "origin/gitexp/data")
    theirs = clone(hub, folder / "theirs")
    theirs.switch("exp/evil", create=True)
    theirs.commit(
        {"train.py": theirs.show("train.py") + f"open({str(folder / 'canary')!r}, 'w')\n"}
    )
    theirs.git("tag", "-a", "exp-archive/old", "-m", "x")
    theirs.git("tag", "v1")
    theirs.git("push", "-q", "origin", "exp/evil", "exp/evil:gitexp/data", "--tags")
    return mine


@pytest.fixture
def mine(made: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    """The same, to be changed."""
    for name in ("hub.git", "mine"):
        shutil.copytree(made.path.parent / name, tmp_path / name)
    repo = BuiltRepo(tmp_path / "mine")
    repo.git("remote", "set-url", "origin", str(tmp_path / "hub.git"))
    return repo


def pulled(repo: BuiltRepo) -> None:
    assert asked(repo, "pull") == 0
    assert repo.hash("gitexp/data") == repo.hash("origin/exp/evil")


def moved(repo: BuiltRepo, *argv: str) -> None:
    """Let exp/own go to the stranger's commit and come back."""
    repo.git("fetch", "-q")
    repo.switch("exp/own")
    repo.git(*argv)
    assert repo.hash("exp/own") == repo.hash("origin/exp/evil")
    repo.git("reset", "-q", "--hard", "main")
    repo.switch("main")


# How a commit of somebody else's gets here without having been made on a branch here.
CAME: Final[dict[str, Callable[[BuiltRepo], object]]] = {
    "fetch": lambda repo: repo.git("fetch", "-q"),
    "fetch --tags": lambda repo: repo.git("fetch", "-q", "--tags"),
    "gitexp pull": pulled,
    "merge": lambda repo: moved(repo, "merge", "-q", "origin/exp/evil"),
    "pull": lambda repo: moved(repo, "pull", "-q", "origin", "exp/evil"),
    "reset": lambda repo: moved(repo, "reset", "-q", "--hard", "origin/exp/evil"),
    "rebase": lambda repo: moved(repo, "rebase", "-q", "origin/exp/evil"),
    "cherry-pick": lambda repo: moved(repo, "cherry-pick", "--ff", "origin/exp/evil"),
    "checkout -B": lambda repo: moved(repo, "checkout", "-q", "-B", "exp/own", "origin/exp/evil"),
    "fetch into": lambda repo: moved(repo, "fetch", "-q", "-u", "origin", "exp/evil:exp/own"),
}


@pytest.mark.sweep(5, "gitexp pull", "pull")
@pytest.mark.parametrize("way", CAME)
def test_what_came_by_a_fetch_is_not_executed_whatever_names_it(mine: BuiltRepo, way: str) -> None:
    CAME[way](mine)
    stranger = mine.hash("origin/exp/evil")
    for on in ("main", "exp/own"):
        place = find_place(mine.workspace, RunRequest(on=on))
        with pytest.raises(UntrustedSourceError):
            check_trust(place, objects.resolve(place.repo, stranger))
    assert asked(mine, "run", "--at", stranger, "--on", "main", "--repeats", "1") == 2
    assert not (mine.path.parent / "canary").exists()


def test_what_ones_own_branch_holds_or_held_is_executed(mine: BuiltRepo) -> None:
    # The control: the same question, where the answer is yes.
    mine.git("fetch", "-q")
    mine.git("branch", "looked-at", "origin/exp/evil")
    place = find_place(mine.workspace, RunRequest())
    check_trust(place, objects.resolve(place.repo, "looked-at"))
    mine.git("branch", "-D", "looked-at")
    own = mine.commit({"train.py": mine.show("train.py") + "\n"})
    mine.git("commit", "-q", "--amend", "-m", "again")
    place = find_place(mine.workspace, RunRequest())
    check_trust(place, objects.resolve(place.repo, own))


@pytest.mark.parametrize("dry", [True, False])
def test_a_dry_run_starts_nothing_that_the_branch_names(mine: BuiltRepo, *, dry: bool) -> None:
    canary = mine.path.parent / "canary"
    python = mine.path.parent / "py"
    python.write_text(f'#!/bin/sh\n: > {canary}\nexec python3 "$@"\n')
    python.chmod(0o755)
    config = mine.show(".gitexp/config.yaml")
    named = config.replace("python: null", f"python: {python}")
    assert named != config
    mine.commit({".gitexp/config.yaml": named})
    assert asked(mine, "run", "--repeats", "1", *(["--dry-run"] if dry else [])) == 0
    assert canary.exists() is not dry  # the control: a run starts it
