"""A repeat that was killed while its score was bad, and drawn again: tricks with their controls."""

from __future__ import annotations

import shutil
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.model.request import RunRequest
from gitexp.upkeep.doctor import doctor
from gitexp.upkeep.maintenance import maintenance
from tests.execution.test_run_went_on import project
from tests.lab.shell import gitexp
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.build import BuiltRepo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its coordinator in /proc")

SAID = "failed or stopped at first, and ran again"


def killed(repo: BuiltRepo, who: str = "all", seed: int = 8) -> None:
    """Kill a call of one repeat when that has a score."""
    (repo.path.parent / "out/kill").write_text(f"0.2:{seed} {who}")
    assert gitexp(repo, "run", "--seeds", str(seed)).code == -signal.SIGKILL


def same(repo: BuiltRepo) -> None:
    assert gitexp(repo, "run", "--seeds", "8").code == 0


def anew(repo: BuiltRepo) -> None:
    """Ask for other seeds first: then nobody goes on with the call that was killed."""
    assert gitexp(repo, "run", "--seeds", "9").code == 0
    same(repo)


def resumed(repo: BuiltRepo) -> None:
    assert gitexp(repo, "run", "--resume").code == 0


def cleared(repo: BuiltRepo) -> None:
    doctor(repo.workspace, fix=True)
    maintenance(repo.workspace, keep=0)
    same(repo)


def finish(repo: BuiltRepo, name: str = "x") -> str:
    """Run what is lacking, and return what a reader of the verdict is told."""
    assert gitexp(repo, "run", "--with-baseline").code == 0
    judged = gitexp(repo, "compare").out
    reviewed = gitexp(repo, "review", f"main...exp/{name}", "--format", "md").out
    assert (SAID in judged) == (SAID in reviewed), reviewed
    return judged


@pytest.mark.sweep(2)
@pytest.mark.parametrize("then", [same, pytest.param(anew, marks=pytest.mark.slow), resumed])
@pytest.mark.parametrize("who", ["all", pytest.param("coordinator", marks=pytest.mark.slow)])
def test_what_was_killed_before_anything_had_finished_is_said(
    tmp_path: Path, who: str, then: Callable[[BuiltRepo], None]
) -> None:
    repo = project(tmp_path, "both")
    killed(repo, who)
    then(repo)
    assert f"seed 8 of the candidate {SAID}" in finish(repo)


def test_what_clears_up_keeps_that_it_began(tmp_path: Path) -> None:
    repo = project(tmp_path, "both")
    killed(repo)
    cleared(repo)
    assert f"seed 8 of the candidate {SAID}" in finish(repo)


def test_what_a_killed_call_had_begun_is_recorded_before_anything_rests_on_it(
    tmp_path: Path,
) -> None:
    """Attack: kill it, rename the experiment, and draw it again where nothing knows of it."""
    repo = project(tmp_path, "both")
    killed(repo)
    refused = gitexp(repo, "rename", "x", "y")
    assert refused.says("1 interrupted repeat on exp/x not recorded yet", "gitexp doctor --fix")
    found = doctor(repo.workspace, fix=True)
    assert any(each.what.startswith("1 interrupted repeat of run ") for each in found.findings)
    assert gitexp(repo, "doctor").code == 0
    assert gitexp(repo, "rename", "x", "y").code == 0
    same(repo)
    assert f"seed 8 of the candidate {SAID}" in finish(repo, "y")


def test_a_branch_that_git_renamed_after_a_kill_is_made_again_by_what_doctor_says(
    tmp_path: Path,
) -> None:
    repo = project(tmp_path, "both")
    killed(repo)
    repo.git("branch", "-m", "exp/x", "exp/y")
    found = until(  # its worker may end later than the coordinator
        lambda: [each for each in doctor(repo.workspace).findings if "interrupted" in each.what]
    )
    (trouble,) = found
    anew, resumed = (step.split() for step in trouble.step.split(" && "))
    repo.git(*anew[1:])
    assert gitexp(repo, *resumed[1:]).code == 0
    repo.switch("exp/x")
    assert f"seed 8 of the candidate {SAID}" in finish(repo)


def test_what_no_worker_had_taken_on_is_not_said(tmp_path: Path) -> None:
    repo = project(tmp_path, "both")
    killed(repo)
    (attempt,) = (repo.path / ".git/gitexp/work/runs").glob("*/jobs/8/attempt-1")
    shutil.rmtree(attempt)  # as where it died in between
    same(repo)
    assert len(run(repo.workspace, RunRequest(seeds=(7,))).recorded) == 1
    assert SAID not in finish(repo)
