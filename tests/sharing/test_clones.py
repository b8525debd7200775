"""Clones of every kind: shallow, partial, sparse, bare; submodules and Git LFS in them."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import DataMissingError, DirtyTreeError
from gitexp.execution.run import run
from gitexp.git.repository import open_repository
from gitexp.git.transaction.cache import Index
from gitexp.git.worktree import status as work_tree
from gitexp.model.request import RunRequest
from gitexp.store.experiments import experiment_lines
from gitexp.store.plans import tips
from gitexp.views.status import status
from tests.lab.build import BuiltRepo, clone, repository
from tests.lab.sharing import BRANCH, Team, copy, gitexp, make

if TYPE_CHECKING:
    from pathlib import Path

LOOKING = (
    ("status",),
    ("list",),
    ("list", "--runs"),
    ("show", "idea"),
    ("compare", "idea"),
    ("diff", "origin/main", "idea"),
    ("inputs", "origin/main", "idea"),
    ("doctor",),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with other code and parameters, run on both sides and pushed."""
    folder = tmp_path_factory.mktemp("shared") / "team"
    team = make(folder)
    train = team.a.show("train.py").replace("seed / 1000", "seed / 1000 + 0.1 * (seed % 3)")
    team.a.commit({"train.py": train, "lib/more.py": "x = 1\n"}, at=3)
    team.a.commit({"params.yaml": "lr: 0.2\nseed: 7\n"}, at=4)
    for command in (("run", "--with-baseline", "--jobs", "2"), ("push",)):
        done = gitexp(team.a, *command)
        assert done.returncode == 0, done.stderr
    team.origin.git("config", "uploadpack.allowFilter", "true")
    return folder


@pytest.fixture
def team(shared: Path, tmp_path: Path) -> Team:
    return copy(shared, tmp_path / "team")


def cloned(team: Team, path: Path, *args: str) -> BuiltRepo:
    """Clone the remote; the clone knows the DVC remote."""
    repo = clone(team.origin, path, "--branch", BRANCH, *args)
    if (repo.path / ".dvc").is_dir():
        local = repo.path / ".dvc" / "config.local"
        local.write_text(f"['remote \"store\"']\n    url = {team.store}\n")
    return repo


@pytest.mark.slow
@pytest.mark.sweep(2, "shallow", "partial")
@pytest.mark.parametrize(
    "args",
    [("--filter=blob:none", "--no-checkout"), ("--filter=tree:0", "--no-checkout"),
     ("--filter=blob:none", "--sparse"), ("--depth=1", "--no-single-branch")],
    ids=["partial", "treeless", "sparse", "shallow"],
)  # fmt: skip
def test_a_clone_that_has_less_answers_as_a_whole_one(
    team: Team, tmp_path: Path, args: tuple[str, ...]
) -> None:
    answers = []
    for number, options in enumerate(((), args)):
        repo = cloned(team, tmp_path / str(number), *options)
        said = [gitexp(repo, *command, "--json") for command in LOOKING[1:-1]]
        assert [done.returncode for done in said] == [0, 0, 0, 6, 0, 0], [d.stderr for d in said]
        answers.append([json.loads(done.stdout) for done in said])
        assert gitexp(repo, "doctor").returncode == 0
        assert "2 of 2 count" in gitexp(repo, "status").stdout
    whole, less = answers
    assert [value["shallow"] for value in less[:2]] == ["--depth=1" in args] * 2
    for number, key in ((0, "experiments"), (1, "runs"), (3, "verdict"), (4, "code"), (5, "b")):
        assert whole[number][key] == less[number][key]


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("args", [("--filter=blob:none",), ("--depth=1",)])
def test_runs_made_in_a_clone_that_has_less_come_to_the_others(
    team: Team, tmp_path: Path, args: tuple[str, ...]
) -> None:
    repo = cloned(team, tmp_path / "less", *args)
    assert gitexp(repo, "run", "--seeds", "50").returncode == 0
    team.a.commit({"lib/more.py": "x = 2\n"}, at=8)
    assert gitexp(team.a, "push").returncode == 0
    done = gitexp(repo, "sync")
    assert done.returncode == 0, done.stderr
    assert "replayed" in done.stdout
    assert team.tip() == repo.hash()
    assert len(team.records(team.origin)) == 3
    assert repo.status() == []
    repo.fsck()


def test_in_a_shallow_clone_nothing_is_none_because_it_is_not_here(
    team: Team, tmp_path: Path
) -> None:
    repo = cloned(team, tmp_path / "shallow", "--depth=1")
    view = status(repo.workspace)
    assert (view.counted, view.baseline_counted, view.exploratory) == ((7, 8), (7, 8), 0)
    assert view.shallow
    here = open_repository(repo.workspace)
    lines = experiment_lines(here, Index(None), tips(here)).values()
    assert all(line.plain for line in lines)  # a list need not read the records
    (found,) = compare(repo.workspace, ["idea"])
    assert not found.baseline.source_lost
    assert not found.candidate.source_lost
    assert any("not in this shallow clone" in text for text in found.warnings)
    for command in (("list",), ("list", "--runs"), ("show", "idea"), ("status",)):
        assert "this clone is shallow" in gitexp(repo, *command).stdout
    for command in (("show", "HEAD~3"), ("compare", "HEAD~3", "idea"), ("diff", "HEAD~3", "idea")):
        done = gitexp(repo, *command)
        assert done.returncode == 3
        assert "git fetch --unshallow" in done.stderr


def test_where_no_run_of_the_baseline_is_known_the_candidates_still_count(
    team: Team, tmp_path: Path
) -> None:
    for path in team.records(team.a):
        if json.loads(team.a.show(path))["source"]["commit"] == team.a.hash("main"):
            team.a.git("rm", "--quiet", "-r", os.path.dirname(path))  # noqa: PTH120 - in Git
    team.a.commit(at=9)
    team.a.git("push", "--quiet", "origin", BRANCH)
    repo = cloned(team, tmp_path / "shallow", "--depth=1")
    view = status(repo.workspace)
    assert (view.counted, view.baseline_counted, view.exploratory) == ((7, 8), (), 0)
    assert any("shallow clone" in note for note in view.notes)


def test_a_sparse_checkout_without_dvcs_folder_is_no_project_without_data(
    team: Team, tmp_path: Path
) -> None:
    repo = cloned(team, tmp_path / "sparse", "--sparse")
    assert not (repo.path / ".dvc").exists()
    for command in (("run", "--seeds", "50"), ("push",), ("sync",), ("pull", "--data")):
        done = gitexp(repo, *command)
        assert done.returncode == 3, command
        assert "git sparse-checkout add .dvc" in done.stderr
    assert gitexp(repo, "sync", "--no-data").returncode == 0
    repo.git("sparse-checkout", "add", ".dvc")
    assert gitexp(repo, "run", "--seeds", "50").returncode == 0
    assert repo.status() == []
    assert not (repo.path / "lib").exists()


def test_a_repository_with_sha256_names_is_refused_with_what_can_be_done(tmp_path: Path) -> None:
    repo = repository(tmp_path / "other", options=("--object-format=sha256",))
    for command in (("status",), ("list",), ("init",)):
        done = gitexp(repo, *command)
        assert done.returncode == 3
        assert "sha256" in done.stderr


# --- submodules ---------------------------------------------------------------------------------


@pytest.fixture
def with_module(team: Team, tmp_path: Path) -> BuiltRepo:
    """A project whose command reads a file of a submodule."""
    inner = repository(tmp_path / "inner")
    inner.commit({"bonus.txt": "0.25\n"})
    allow = ("-c", "protocol.file.allow=always")
    team.a.git(*allow, "submodule", "add", "--quiet", inner.path.as_uri(), "vendor")
    train = team.a.show("train.py").replace("0.5 +", 'float(open("vendor/bonus.txt").read()) +')
    team.a.commit({"train.py": train}, at=5)
    return team.a


def test_a_job_has_the_submodules_that_its_commit_names(with_module: BuiltRepo) -> None:
    before = status(with_module.workspace).inputs
    report = run(with_module.workspace, RunRequest(seeds=(50,)))
    (recorded,) = report.recorded
    assert [repeat.state.value for repeat in recorded.run.repeats] == ["finished"]
    assert recorded.run.inputs == before == status(with_module.workspace).inputs
    inner = BuiltRepo(with_module.path / "vendor")
    inner.git("config", "user.name", "Ada")
    inner.git("config", "user.email", "ada@example.org")
    inner.commit({"bonus.txt": "0.5\n"}, at=6)
    with pytest.raises(DirtyTreeError, match="uncommitted") as caught:
        run(with_module.workspace, RunRequest(seeds=(51,)))
    assert caught.value.found == "vendor"
    with_module.git("add", "vendor")
    with_module.commit(at=7)
    assert status(with_module.workspace).inputs != before


def test_an_empty_submodule_that_counts_is_no_state_to_run(with_module: BuiltRepo) -> None:
    with_module.git("submodule", "deinit", "--quiet", "--force", "vendor")
    shutil.rmtree(with_module.path / ".git" / "modules")
    with pytest.raises(DataMissingError, match="submodules") as caught:
        run(with_module.workspace, RunRequest(seeds=(50,)))
    assert caught.value.found == "vendor"
    assert "git submodule update" in caught.value.next_step
    assert with_module.git("worktree", "list").count("\n") == 0


# --- Git LFS ------------------------------------------------------------------------------------


@pytest.fixture
def with_lfs(team: Team) -> Team:
    """A project whose command reads a file that LFS keeps; both know LFS, the remote has it."""
    if shutil.which("git-lfs") is None:
        pytest.skip("git-lfs is not installed")
    team.a.git("lfs", "install", "--local")
    train = team.a.show("train.py").replace("0.5 +", 'len(open("big.bin").read()) / 1e4 +')
    team.a.commit(
        {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n", "big.bin": "x" * 5000,
         "train.py": train},
        at=5,
    )  # fmt: skip
    team.a.git("lfs", "push", "--all", "origin")
    team.a.git("push", "--quiet", "--no-verify", "origin", BRANCH)
    return team


def metric(repo: BuiltRepo, *seeds: int) -> float:
    (recorded,) = run(repo.workspace, RunRequest(seeds=seeds)).recorded
    return recorded.samples[0].value


def test_a_job_has_the_files_that_lfs_keeps(with_lfs: Team) -> None:
    repo = with_lfs.a
    assert repo.show("big.bin").startswith("version https://git-lfs")
    before = status(repo.workspace).inputs
    assert metric(repo, 48) == pytest.approx(0.5 + 0.048)
    assert status(repo.workspace).inputs == before
    assert repo.status() == []
    repo.commit({"big.bin": "y" * 5000}, at=6)  # another pointer
    assert status(repo.workspace).inputs != before


def test_a_pointer_of_lfs_is_no_data(with_lfs: Team, tmp_path: Path) -> None:
    run(with_lfs.a.workspace, RunRequest())
    with_lfs.a.git("push", "--quiet", "--no-verify", "origin", BRANCH)
    repo = cloned(with_lfs, tmp_path / "without")  # this clone's Git has no filter
    assert work_tree.unfilled(repo.path) == ("big.bin",)
    (found,) = compare(repo.workspace, ["idea"])
    assert found.candidate.seeds == (7, 8)
    assert gitexp(repo, "list", "--runs").returncode == 0
    with pytest.raises(DataMissingError, match="Git LFS") as caught:
        run(repo.workspace, RunRequest(seeds=(48,)))
    assert (caught.value.found, caught.value.next_step) == ("big.bin", "git lfs pull")
    assert repo.git("worktree", "list").count("\n") == 0
    repo.git("lfs", "install", "--local")
    repo.git("lfs", "pull")
    assert metric(repo, 48) == pytest.approx(0.5 + 0.048)


def test_what_no_result_depends_on_may_stay_a_pointer(with_lfs: Team, tmp_path: Path) -> None:
    repo = cloned(with_lfs, tmp_path / "without")
    path = ".gitexp/config.yaml"
    repo.commit({path: repo.show(path).replace("ignore: [", 'ignore: ["/*.bin", ')}, at=6)
    done = run(repo.workspace, RunRequest(seeds=(48,)))  # no pointer stops it, and no job sees one
    assert any(text.startswith("big.bin was not there: inputs.ignore") for text in done.warnings)
    train = repo.show("train.py").replace('len(open("big.bin").read()) / 1e4', "0.5")
    repo.commit({"train.py": train}, at=7)
    assert metric(repo, 48) == pytest.approx(0.5 + 0.048)
