"""A run killed at each named point: nothing or everything is visible, and `--resume` succeeds."""

from __future__ import annotations

import json
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import MovedRefError, PreconditionError
from gitexp.execution.publish import publish
from gitexp.execution.resume import dead_call
from gitexp.execution.run import run
from gitexp.execution.state import unpublished
from gitexp.execution.workdir import WorkDir
from gitexp.git.repository import open_repository
from gitexp.git.transaction.failpoints import PUBLISH_POINTS, FailPoint
from gitexp.model.request import RunRequest
from tests.execution.test_run import dvc, plain
from tests.lab import warm
from tests.lab.shell import environment

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def gitexp(repo: BuiltRepo, *args: str, failpoint: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run the command line here, armed with a failpoint."""
    armed = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": failpoint} if failpoint else {}
    return warm.run("gitexp", *args, cwd=repo.path, env=environment(armed))


def recorded(repo: BuiltRepo) -> list[dict[str, object]]:
    """Return the repeats of all records at the tip, as JSON."""
    paths = [path for path in repo.files() if path.endswith("/run.json")]
    runs = [json.loads(repo.show(path)) for path in paths]
    return [repeat for each in runs for repeat in each["repeats"]]


@pytest.mark.slow
@pytest.mark.sweep(3)
@pytest.mark.parametrize("point", list(FailPoint), ids=lambda point: point.value)
def test_killed_at_any_point_nothing_or_everything_is_visible(
    tmp_path: Path, point: FailPoint
) -> None:
    repo = plain(tmp_path / "r")
    tip = repo.hash()
    killed = gitexp(repo, "run", "--repeats", "2", failpoint=f"{point.value}:kill")
    repo.fsck()
    after = repo.hash()
    finished = [repeat for repeat in recorded(repo) if repeat["state"] == "finished"]
    if after == tip:
        assert recorded(repo) == []
    else:
        assert len(recorded(repo)) >= 1
    worker_died = point.value.startswith("run.")
    assert (killed.returncode == 5) is worker_died, killed.stderr.decode()

    done = gitexp(repo, "run", "--repeats", "2", "--resume")
    assert done.returncode == 0, done.stderr.decode()
    seeds = {repeat["seed"] for repeat in recorded(repo) if repeat["state"] == "finished"}
    assert seeds == {7, 8}
    assert len(finished) <= len(recorded(repo))
    assert repo.status() == []
    assert repo.locks() == []
    assert repo.git("worktree", "list").count("\n") == 0
    assert not [ref for ref in repo.refs() if ref.startswith("refs/gitexp/")]
    assert dvc(repo, "status", "--json").strip() == "{}"
    repo.fsck()


@pytest.mark.slow
@pytest.mark.sweep(3)
@pytest.mark.parametrize("point", PUBLISH_POINTS, ids=lambda point: point.value)
def test_killed_while_the_branch_moves_the_record_is_whole_or_not_there(
    tmp_path: Path, point: FailPoint
) -> None:
    # Without outputs there are no by-products, whose own transaction would be the one that dies.
    repo = plain(tmp_path / "r", outputs=(), dvc_init=False)
    killed = gitexp(repo, "run", "--repeats", "2", failpoint=f"{point.value}:kill")
    assert killed.returncode == -signal.SIGKILL
    repo.fsck()
    visible = PUBLISH_POINTS.index(point) >= PUBLISH_POINTS.index(FailPoint.SET)
    states = [repeat["state"] for repeat in recorded(repo)]
    assert states == (["finished", "finished"] if visible else [])
    assert gitexp(repo, "run", "--seeds", "9", "--resume").returncode == 0
    assert sorted(str(repeat["seed"]) for repeat in recorded(repo)) == ["7", "8", "9"]
    assert gitexp(repo, "doctor").stdout.startswith(b"no problems; ")
    assert repo.status() == []
    assert repo.locks() == []


def test_a_rewritten_branch_with_another_plan_takes_no_record(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    made = gitexp(
        repo, "new", "x", "--seeds", "committed", "--param", "lr=0.2",
        "--metric", "acc:max", "--effect", ">0", "--repeats", "1",
        "--hypothesis", "a plan that somebody rewrites meanwhile",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr.decode()
    path = ".gitexp/experiments/x.yaml"

    def rewrite(_: object) -> None:
        if "alpha: 0.01" not in repo.show(path):
            text = repo.show(path).replace("alpha: 0.05", "alpha: 0.01")
            params = repo.show("params.yaml")
            repo.git("reset", "--quiet", "--hard", "HEAD~1")
            repo.commit({path: text, "params.yaml": params}, at=7)

    before = repo.files()
    with pytest.raises(Exception, match="another plan") as caught:
        run(repo.workspace, RunRequest(), tell=rewrite)
    assert getattr(caught.value, "exit_code", None) == 4
    assert repo.files() == before


def test_two_calls_that_resume_at_once_record_a_run_once(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    gitexp(repo, "run", "--repeats", "1", failpoint="publish.blobs:kill")
    opened, workdir = open_repository(repo.workspace), WorkDir.of(repo.workspace)
    (state,) = unpublished(workdir)
    sides = dead_call(opened, workdir, "main", state.draft.call)  # as a second call sees it
    run(repo.workspace, RunRequest(resume=True, repeats=1))
    before = repo.hash()
    publish(repo.workspace, opened, workdir, sides, datetime(2030, 1, 1, tzinfo=UTC))
    assert repo.hash() == before
    assert repo.status() == []


def test_a_full_disk_is_said_and_the_repeats_are_kept(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    tip = repo.hash()
    failed = gitexp(repo, "run", "--repeats", "1", failpoint="publish.blobs:raise=ENOSPC")
    assert failed.returncode == 3
    assert b"no-space" in failed.stderr
    assert repo.hash() == tip
    done = gitexp(repo, "run", "--resume", "--json")
    assert done.returncode == 0, done.stderr.decode()
    assert [repeat["state"] for repeat in recorded(repo)] == ["finished"]


def test_a_call_of_a_rewritten_branch_waits_and_stops_no_other(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    begun = gitexp(
        repo, "new", "x", "--seeds", "committed", "--param", "lr=0.2",
        "--metric", "acc:max", "--effect", ">0", "--repeats", "1",
        "--hypothesis", "a plan that somebody rewrites later",
    )  # fmt: skip
    assert begun.returncode == 0, begun.stderr.decode()
    gitexp(repo, "run", failpoint="publish.blobs:kill")
    path = ".gitexp/experiments/x.yaml"
    text = repo.show(path).replace("alpha: 0.05", "alpha: 0.01")
    params = repo.show("params.yaml")
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    repo.commit({path: text, "params.yaml": params}, at=7)
    report = run(repo.workspace, RunRequest(resume=True))
    assert [repeat.state.value for repeat in report.recorded[0].run.repeats] == ["finished"]
    assert any("is not recorded" in text for text in report.warnings)


def begun(path: Path) -> BuiltRepo:
    """Return a project on the branch of an experiment of one repeat."""
    repo = plain(path)
    made = gitexp(
        repo, "new", "x", "--seeds", "committed", "--param", "lr=0.2",
        "--metric", "acc:max", "--effect", ">0", "--repeats", "1",
        "--hypothesis", "a plan whose branch somebody takes away",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr.decode()
    return repo


def test_a_branch_that_is_deleted_meanwhile_is_made_again_by_what_is_said(tmp_path: Path) -> None:
    repo = begun(tmp_path / "r")
    tip = repo.hash()

    def delete(_: object) -> None:
        repo.switch("main")
        repo.git("update-ref", "-d", "refs/heads/exp/x")

    with pytest.raises(MovedRefError, match="was deleted while the run went on") as lost:
        run(repo.workspace, RunRequest(), tell=delete)
    assert lost.value.next_step == f"git branch exp/x {tip} && gitexp run --resume --on exp/x"


def test_resume_names_the_dead_call_of_a_branch_that_is_gone(tmp_path: Path) -> None:
    repo = begun(tmp_path / "r")
    tip = repo.hash()
    gitexp(repo, "run", failpoint="publish.blobs:kill")
    repo.switch("main")
    repo.git("branch", "--quiet", "-D", "exp/x")
    with pytest.raises(PreconditionError, match="nothing to resume") as refused:
        run(repo.workspace, RunRequest(resume=True))
    assert "belongs on exp/x" in refused.value.found
    assert refused.value.next_step == f"git branch exp/x {tip} && gitexp run --resume --on exp/x"
    repo.git("branch", "exp/x", tip)
    report = run(repo.workspace, RunRequest(resume=True, on="exp/x"))
    assert [repeat.state.value for repeat in report.recorded[0].run.repeats] == ["finished"]


def test_resume_says_why_the_repeats_of_a_branch_without_its_plan_wait(tmp_path: Path) -> None:
    repo = begun(tmp_path / "r")
    gitexp(repo, "run", failpoint="publish.blobs:kill")
    repo.git("reset", "--quiet", "--hard", "HEAD~1")
    with pytest.raises(PreconditionError, match="nothing to resume") as refused:
        run(repo.workspace, RunRequest(resume=True))
    assert "has another plan now" in refused.value.found
