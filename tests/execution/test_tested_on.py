"""Test data of a candidate that are seen to be others than the baseline's: nothing is run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import EvaluatorError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.request import InitRequest, RunRequest
from tests.execution.test_evaluator import ASKED, FILES
from tests.lab import build
from tests.lab.build import dvc, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

PIPELINE = FILES["dvc.yaml"].replace("[src/common.py", "[held, src/common.py")
HELD = {"held/a.csv": "1\n", "held/b.csv": "2\n"}
FASTER = {"params.yaml": FILES["params.yaml"].replace("lr: 0.1", "lr: 0.2")}
DATA = "evaluation: []"
DECLARED = "evaluation: [held]"


def project(path: Path, evaluation: str, *, pointers: bool) -> BuiltRepo:
    """Return a pipeline of which both stages read `held`, on exp/x; nothing has run."""

    def make(folder: Path) -> None:
        repo = repository(folder)
        repo.commit({**FILES, "dvc.yaml": PIPELINE, **HELD, **build.dvc_files()})
        if pointers:
            repo.git("rm", "-rq", "--cached", "held", "raw.csv")
            dvc(folder, "add", "-q", "held", "raw.csv")
            repo.git("add", "-A")
            repo.git("commit", "-qm", "data")
        init(repo.workspace, InitRequest(metrics=("metrics.json",)))
        settings = repo.show(".gitexp/config.yaml")
        assert DATA in settings
        repo.commit({".gitexp/config.yaml": settings.replace(DATA, evaluation)})
        new(repo.workspace, ASKED)

    return build.copied(path, make, PIPELINE, evaluation, pointers, ASKED)


def changed(repo: BuiltRepo, path: str) -> None:
    """Commit other bytes at a path, by its pointer where it has one, and another learning rate."""
    (repo.path / path).unlink()  # it may be a link into the cache
    (repo.path / path).write_text("9\n", "utf-8")
    top = path.partition("/")[0]
    if (repo.path / f"{top}.dvc").exists():
        dvc(repo.path, "add", "-q", top)
    repo.write(FASTER)
    repo.git("commit", "-qam", "other data", at=5)


def restored(repo: BuiltRepo, error: EvaluatorError) -> None:
    """Type the first of the choices."""
    restore = error.next_step.partition("\n")[0].removeprefix("restore them: ")
    subprocess.run(["sh", "-c", restore], cwd=repo.path, check=True)


REFUSED = [
    pytest.param(DECLARED, False, "held/a.csv", id="a file of a declared folder"),
    pytest.param(DECLARED, True, "held/a.csv", id="a declared folder's pointer"),
    pytest.param("evaluation: [raw.csv]", False, "raw.csv", id="a declared file"),
    pytest.param("evaluation: [raw.csv]", True, "raw.csv", id="a declared file's pointer"),
]


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("evaluation", "pointers", "path"), REFUSED)
def test_a_candidate_with_other_test_data_stops_before_its_first_repeat(
    tmp_path: Path, evaluation: str, path: str, *, pointers: bool
) -> None:
    repo = project(tmp_path / "p", evaluation, pointers=pointers)
    changed(repo, path)
    for request in (RunRequest(), RunRequest(dry_run=True)):
        with pytest.raises(EvaluatorError, match="other test data") as caught:
            run(repo.workspace, request)
    assert path.partition("/")[0] in caught.value.found
    restored(repo, caught.value)
    assert run(repo.workspace, RunRequest(dry_run=True)).planned


@pytest.mark.slow
def test_what_would_not_compare_is_run_where_somebody_insists(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", DECLARED, pointers=False)
    changed(repo, "held/a.csv")
    assert gitexp(repo, "run").says("other test data", "held/a.csv", "--keep-going")
    assert gitexp(repo, "run", "--keep-going").code == 0
    assert "the evaluation data differ" in gitexp(repo, "compare").out
    allowed = gitexp(repo, "compare", "--allow-different-evaluation").out
    assert "on different evaluation data, as you allowed" in allowed


@pytest.mark.parametrize("pointers", [False, True])
def test_other_training_data_are_a_change_like_any_other(tmp_path: Path, *, pointers: bool) -> None:
    repo = project(tmp_path / "p", DECLARED, pointers=pointers)
    changed(repo, "raw.csv")
    assert run(repo.workspace, RunRequest(dry_run=True)).planned


@pytest.mark.parametrize("evaluation", [DATA, DECLARED])
def test_other_raw_data_are_warned_of_where_nothing_says_which_are_tested_on(
    tmp_path: Path, evaluation: str
) -> None:
    repo = project(tmp_path / "p", evaluation, pointers=True)
    changed(repo, "raw.csv")
    told = " ".join(run(repo.workspace, RunRequest(dry_run=True)).warnings)
    assert ("other raw data (raw.csv)" in told) is (evaluation == DATA)
    assert ("name the test examples under evaluation:" in told) is (evaluation == DATA)


def test_a_file_more_in_a_declared_folder_is_seen(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", DECLARED, pointers=False)
    repo.commit({"held/c.csv": "3\n", "held/.gitignore": "/d\n", **FASTER}, at=5)
    with pytest.raises(EvaluatorError, match="other test data") as caught:
        run(repo.workspace, RunRequest())
    assert caught.value.found == "held/c.csv"
    restored(repo, caught.value)
    assert run(repo.workspace, RunRequest(dry_run=True)).planned


@pytest.mark.parametrize("path", ["held", "raw.csv"])
def test_the_same_bytes_held_by_dvc_are_no_other_data(tmp_path: Path, path: str) -> None:
    repo = project(tmp_path / "p", f"evaluation: [{path}]", pointers=False)
    repo.git("rm", "-rq", "--cached", path)
    dvc(repo.path, "add", "-q", path)
    repo.write(FASTER)
    repo.git("add", "-A")
    repo.git("commit", "-qm", "into the cache", at=5)
    assert run(repo.workspace, RunRequest(dry_run=True)).planned


def test_a_mode_is_no_part_of_test_data(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", "evaluation: [raw.csv]", pointers=False)
    (repo.path / "raw.csv").chmod(0o755)
    repo.write(FASTER)
    repo.git("commit", "-qam", "a mode", at=5)
    assert run(repo.workspace, RunRequest(dry_run=True)).planned
