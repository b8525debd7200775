"""A run's own folder: no branch brings a file there, and linked data go back where they were."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.execution import slots
from gitexp.git.transaction import layout
from tests.execution.test_run import plain
from tests.execution.test_run_hostile import KILLS_ALL, linked
from tests.lab.build import BuiltRepo, clone
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

RUNS: Final = ".git/gitexp/work/runs"
EARLIER: Final = (
    f"{layout.TMP}/runs"  # where earlier versions kept them, and branches can bring one
)
VERBS: Final = (
    ("status",),
    ("logs",),
    ("doctor",),
    ("doctor", "--fix"),
    ("run", "--dry-run"),
    ("maintenance",),
)
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


def answers(repo: BuiltRepo) -> list[tuple[str, int, str, str]]:
    done = [(argv, bounded(repo, argv)) for argv in VERBS]
    return [(" ".join(argv), each.returncode, each.stdout, each.stderr) for argv, each in done]


@pytest.mark.parametrize("kind", ["files", "a link", "endless"])
def test_a_run_folder_that_a_branch_brings_is_nowhere_looked_at(
    mine: BuiltRepo, tmp_path: Path, kind: str
) -> None:
    """A whole one, checkpoint and all, which was this clone's own when it was copied."""
    outside = tmp_path / "outside"
    theirs = clone(mine, tmp_path / "theirs")
    theirs.git("switch", "-q", "-c", "topic")
    place = theirs.path / EARLIER / run_of(mine)
    shutil.copytree(mine.path / RUNS / run_of(mine), outside)
    job = json.loads((outside / "jobs/7/JOB.json").read_text())
    (outside / "jobs/8/attempt-1/checkpoint/files").mkdir(parents=True)
    (outside / "jobs/8/attempt-1/checkpoint/files/best.json").write_text("planted")
    (outside / "jobs/8/JOB.json").write_text(json.dumps(job | {"seed": 8}))
    place.parent.mkdir(parents=True)
    if kind == "files":
        shutil.copytree(outside, place)
    elif kind == "a link":
        place.symlink_to(outside)
    else:
        place.mkdir()
        (place / "state.json").symlink_to("/dev/zero")
    theirs.git("add", "-A", "-f")
    theirs.git("commit", "-q", "-m", "notes")
    before = answers(mine)
    mine.git("fetch", "-q", str(tmp_path / "theirs"), "topic:topic")
    mine.git("merge", "-q", "topic")
    for old, new in zip(before, answers(mine), strict=True):
        assert (old[1], old[3]) == (new[1], new[3]), new
        assert ("calls of an earlier version" in new[2]) == ("doctor" in new[0])
    done = gitexp(mine, "run", "--seeds", "8")
    assert done.code == 0
    assert "checkpoint" not in done.out
    assert (outside / "state.json").exists()


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
        told = json.loads(places.read_text())["places"] | {"data": str(repo.path / ".git")}
        seal = slots._seal(places.parent, told)  # noqa: SLF001  as only the user can
        places.write_text(json.dumps({"places": told, "seal": seal}))
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
