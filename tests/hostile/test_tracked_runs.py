"""A run's own folder, into which ``git switch`` or ``git pull`` write files of a branch."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from tests.execution.test_run import plain
from tests.execution.test_run_hostile import KILLS_ALL, linked
from tests.lab.build import BuiltRepo, clone
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUNS: Final = ".gitexp/tmp/runs"
# What a run's folder may have; `state.json` is told by its secret.
NAMES: Final = (
    "owner",
    "jobs/7/JOB.json",
    *(
        f"jobs/7/attempt-1/{name}"
        for name in (
            "outcome.json",
            "begun.json",
            "pid",
            "stage",
            "log",
            "points.jsonl",
            "once.json",
            "checkpoint/of",
            "checkpoint/files/best.json",
        )
    ),
    "linked/x",
    "written/x",
)
KINDS: Final = ("file", "outside", "endless")
VERBS: Final = (
    ("status",),
    ("doctor",),
    ("doctor", "--fix"),
    ("run", "--dry-run"),
    ("maintenance",),
)
SAID: Final = "Git tracks files in this run's folder"
MEMORY: Final = 4 << 30


def bounded(repo: BuiltRepo, argv: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run gitexp with little memory and time: what reads without a limit ends badly."""
    return subprocess.run(
        [sys.executable, "-m", "gitexp", *argv],
        cwd=repo.path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY)),
    )


def run_of(repo: BuiltRepo) -> str:
    (state,) = repo.path.glob(f"{RUNS}/*/state.json")
    return state.parent.name


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """Return a project with a recorded run, which whoever reads the branch knows by its name."""
    repo = plain(tmp_path_factory.mktemp("published") / "r")
    assert gitexp(repo, "run").code == 0
    return repo


@pytest.fixture
def mine(published: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    shutil.copytree(published.path, tmp_path / "r", symlinks=True)
    return BuiltRepo(tmp_path / "r")


def planting(mine: BuiltRepo, folder: Path, name: str, kind: str) -> None:
    """Push, from another clone, a branch that tracks a file in the folder of a run of `mine`."""
    theirs = clone(mine, folder / "theirs")
    theirs.git("switch", "-q", "-c", "topic")
    path = theirs.path / RUNS / run_of(mine) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == "file":
        path.write_text("planted by a branch\n")
    else:
        path.symlink_to("/dev/zero" if kind == "endless" else folder / "outside/key")
    theirs.git("add", "-A", "-f")
    theirs.git("commit", "-q", "-m", "notes")


def get(mine: BuiltRepo, folder: Path, way: str) -> None:
    theirs = str(folder / "theirs")
    if way == "pull":
        mine.git("pull", "-q", theirs, "topic")
    else:
        mine.git("fetch", "-q", theirs, "topic:topic")
        mine.git("switch", "-q", "topic")


@pytest.mark.sweep(6)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_branch_brings_into_a_runs_folder_is_not_looked_at(
    mine: BuiltRepo, tmp_path: Path, name: str, kind: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "key").write_text("secret of the user")
    planting(mine, tmp_path, name, kind)
    get(mine, tmp_path, "switch" if NAMES.index(name) % 2 else "pull")
    for argv in VERBS:
        done = bounded(mine, argv)
        said = done.stdout + done.stderr
        assert "please report" not in said, argv
        assert "planted" not in said, argv
        assert SAID in said or argv[0] == "maintenance", (argv, said)
    done = bounded(mine, ("logs", run_of(mine)))
    assert done.returncode == 3
    assert SAID in done.stderr
    assert "git rm -r -- " in done.stderr
    assert [path.name for path in outside.iterdir()] == ["key"]
    assert (outside / "key").read_text() == "secret of the user"
    mine.git("switch", "-q", "main")
    assert mine.status() == []


@pytest.mark.parametrize("way", ["switch", "pull"])
def test_a_branch_that_tracks_something_else_changes_nothing_of_that(
    mine: BuiltRepo, tmp_path: Path, way: str
) -> None:
    planting(mine, tmp_path, "../another/owner", "file")
    get(mine, tmp_path, way)
    for argv in (*VERBS, ("logs", run_of(mine))):
        done = bounded(mine, argv)
        assert SAID not in done.stdout + done.stderr
        assert done.returncode == 0, (argv, done)


def test_what_the_next_step_says_makes_the_folder_ones_own_again(
    mine: BuiltRepo, tmp_path: Path
) -> None:
    planting(mine, tmp_path, "linked/x", "file")
    get(mine, tmp_path, "pull")
    run = run_of(mine)
    mine.git("rm", "-q", "-r", "--", f"{RUNS}/{run}")
    mine.git("commit", "-q", "-m", "without it")
    assert not (mine.path / RUNS / run / "linked").exists()
    assert bounded(mine, ("logs", run)).returncode == 0


@pytest.mark.parametrize("way", ["switch", "pull", "untracked"])
def test_no_repeat_goes_on_from_a_checkpoint_that_a_branch_brought(
    mine: BuiltRepo, tmp_path: Path, way: str
) -> None:
    place = f"{RUNS}/{run_of(mine)}/jobs"
    job = json.loads((mine.path / place / "7/JOB.json").read_text())
    made = job | {"seed": 8}
    planting(mine, tmp_path, "jobs/8/attempt-1/checkpoint/files/best.json", "file")
    theirs = BuiltRepo(tmp_path / "theirs")
    theirs.write({f"{place}/8/JOB.json": json.dumps(made)})
    theirs.git("add", "-f", place)
    theirs.git("commit", "-q", "--amend", "--no-edit")
    if way == "untracked":  # the control: so it would be gone on from
        shutil.copytree(theirs.path / place / "8", mine.path / place / "8")
    else:
        get(mine, tmp_path, way)
    done = gitexp(mine, "run", "--seeds", "8")
    assert done.code == 0
    assert ("its checkpoint is of another environment" in done.out) == (way == "untracked")
    assert (SAID in done.out) == (way != "untracked")


@pytest.mark.parametrize("uses", [1, 2_400])
def test_a_makefile_expands_to_no_more_than_anybody_writes(tmp_path: Path, uses: int) -> None:
    repo = plain(tmp_path / "r")
    config = repo.path / ".gitexp/config.yaml"
    text = config.read_text().replace("command: python train.py", "command: make train")
    names = " ".join(str(each % 10) for each in range(498))
    rules = [f"k{rule} {'$(V)' * uses}: x\n" for rule in range(100)]
    makefile = f"V = {names}\n{''.join(rules)}train:\n\tpython train.py\n"
    repo.commit({".gitexp/config.yaml": text, "Makefile": makefile}, at=5)
    assert "make train" in text
    assert bounded(repo, ("run", "--dry-run")).returncode == 0


# --- linked data ----------------------------------------------------------------------------------


def killed_with_linked(tmp_path: Path) -> BuiltRepo:
    """Return a project whose call was killed when its repeat had deleted linked data."""
    repo, _ = linked(tmp_path, f"import shutil; shutil.rmtree('data/sub')\nexec({KILLS_ALL!r})")
    assert gitexp(repo, "run").code == -signal.SIGKILL
    assert not (repo.path / "data/sub").exists()
    return repo


@pytest.mark.parametrize("way", ["nothing", "a link", "the Git directory", "a link aside"])
def test_linked_data_go_back_where_they_were_and_nowhere_else(tmp_path: Path, way: str) -> None:
    repo = killed_with_linked(tmp_path)
    outside = tmp_path / "outside"
    outside.mkdir()
    if way == "a link":  # as a branch may track it
        (repo.path / "data/sub").symlink_to(outside)
    elif way == "a link aside":
        (repo.path / "data/sub/raw.csv/x").mkdir(parents=True)
        (repo.path / RUNS / run_of(repo) / "written").symlink_to(outside)
    elif way == "the Git directory":
        (places,) = repo.path.glob(".git/gitexp/linked/*/places.json")
        told = json.loads(places.read_text())
        places.write_text(json.dumps(told | {"data": str(repo.path / ".git")}))
    done = bounded(repo, ("doctor", "--fix"))
    assert "please report" not in done.stdout + done.stderr
    assert list(outside.iterdir()) == []
    assert not (repo.path / ".git/sub").exists()
    kept = list(repo.path.glob(f"{RUNS}/*/written/data/sub/raw.csv.before"))
    if way == "nothing":
        assert (repo.path / "data/sub/raw.csv").read_text() == "1,2,3\n" * 40
    elif way == "a link aside":  # what would have to go there is named by the next doctor, too
        assert list(repo.path.glob(".git/gitexp/linked/*/files/data/sub/raw.csv"))
    else:
        assert "cannot be put back" in done.stdout
        assert [path.read_text() for path in kept] == ["1,2,3\n" * 40]


def test_linked_data_of_a_run_whose_folder_is_gone_are_named_and_stay(tmp_path: Path) -> None:
    repo = killed_with_linked(tmp_path)
    assert "whose folder is gone" not in bounded(repo, ("doctor",)).stdout
    shutil.rmtree(repo.path / RUNS)
    for argv in (("doctor",), ("doctor", "--fix"), ("maintenance",)):
        said = bounded(repo, argv).stdout
        assert ("whose folder is gone" in said) == (argv[0] == "doctor")
    (kept,) = repo.path.glob(".git/gitexp/linked/*/files/data/sub/raw.csv")
    assert kept.read_text() == "1,2,3\n" * 40


@pytest.mark.parametrize("target", [".git", "outside"])
def test_what_a_runs_folder_says_of_linked_data_is_not_read(
    mine: BuiltRepo, tmp_path: Path, target: str
) -> None:
    """As an earlier version kept them, and as a branch may have brought it that is gone since."""
    (tmp_path / "outside").mkdir()
    place = mine.path / RUNS / run_of(mine)
    to = mine.path / ".git" if target == ".git" else tmp_path / "outside"
    job = json.loads((place / "jobs/7/JOB.json").read_text())
    links = [{"path": "x", "target": str(to)}]
    (place / "jobs/7/JOB.json").write_text(json.dumps(job | {"links": links}))
    (place / "linked/x/hooks").mkdir(parents=True)
    (place / "linked/x/hooks/post-checkout").write_text("#!/bin/sh\n")
    for argv in (("doctor", "--fix"), ("run", "--seeds", "9")):
        assert bounded(mine, argv).returncode == 0
    assert not list(to.glob("hooks/post-checkout"))
