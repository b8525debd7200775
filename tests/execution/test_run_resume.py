"""`run --resume`: what died goes on as it was asked for, and nothing else is begun."""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import PreconditionError, UsageError
from gitexp.execution.run import run
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction, SeedOrigin
from gitexp.model.request import NewRequest, RunRequest
from tests.execution.test_run import PLAIN_TRAIN, plain
from tests.execution.test_run_hostile import KILLS_ITS_COORDINATOR
from tests.lab import warm
from tests.lab.shell import environment, gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


def killed(repo: BuiltRepo, *args: str, point: str = "publish.blobs") -> None:
    """Run the command line and let it die when all repeats have finished."""
    armed = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": f"{point}:kill"}
    done = warm.run("gitexp", "run", *args, cwd=repo.path, env=environment(armed))
    assert done.returncode < 0, done.stderr.decode()


@pytest.fixture
def script(tmp_path: Path) -> BuiltRepo:
    return plain(tmp_path / "r")


def begin(repo: BuiltRepo, repeats: int = 2) -> None:
    new(
        repo.workspace,
        NewRequest(
            name="x",
            hypothesis="a higher learning rate raises acc",
            metric="acc",
            direction=Direction.MAX,
            effect=">0",
            repeats=repeats,
            baseline="main",
            params=((ParamKey("params.yaml", "lr"), 0.2),),
            seeds=SeedOrigin.COMMITTED,
        ),
    )


def test_without_a_plan_and_a_dead_call_nothing_is_begun(script: BuiltRepo) -> None:
    before = script.hash()
    with pytest.raises(PreconditionError, match="nothing to resume") as refused:
        run(script.workspace, RunRequest(resume=True))
    assert refused.value.exit_code == 3
    assert refused.value.next_step == "gitexp run"
    assert script.hash() == before
    assert not list((script.path / ".git/gitexp/work").glob("runs/*"))


def test_after_an_interrupt_the_seeds_that_are_left_are_named(script: BuiltRepo) -> None:
    done: list[int] = []
    report = run(
        script.workspace,
        RunRequest(seeds=(7, 8, 9)),
        tell=lambda event: done.append(event.done),
        interrupts=lambda: int(1 in done),
    )
    assert report.interrupted
    with pytest.raises(PreconditionError) as refused:
        run(script.workspace, RunRequest(resume=True))
    assert refused.value.next_step == report.next_step == "gitexp run --seeds 8-9"


def test_what_was_recorded_before_the_call_died_is_not_run_again(tmp_path: Path) -> None:
    script = plain(tmp_path / "r", outputs=(), dvc_init=False)  # no by-products are published
    killed(script, "--repeats", "1", point="publish.set")
    after = script.hash()
    with pytest.raises(PreconditionError) as refused:
        run(script.workspace, RunRequest(resume=True))
    assert "recorded already" in refused.value.found
    assert script.hash() == after


def test_under_a_plan_it_makes_what_the_plan_lacks_and_says_so(script: BuiltRepo) -> None:
    begin(script)
    report = run(script.workspace, RunRequest(resume=True))
    assert [each.run.seeds for each in report.recorded] == [(7, 8)] * 2
    assert any("the plan lacks" in text for text in report.warnings)


@pytest.mark.skipif(sys.platform != "linux", reason="finds its coordinator in /proc")
def test_it_goes_on_with_the_commit_and_the_override_that_the_dead_call_ran(
    tmp_path: Path,
) -> None:
    kills = KILLS_ITS_COORDINATOR.replace("MARK", str(tmp_path / "killed"))
    repo = plain(tmp_path / "p", PLAIN_TRAIN + kills)
    was = repo.hash()
    done = gitexp(repo, "run", "--repeats", "3", "--param", "lr=0.9", env={"FRESH": "1"})
    assert done.code == -signal.SIGKILL
    repo.commit({"train.py": f"{PLAIN_TRAIN}{kills}# another state\n"}, at=5)
    report = run(repo.workspace, RunRequest(resume=True))
    assert {each.run.source.commit for each in report.recorded} == {was}
    assert {each.run.params["lr"] for each in report.recorded} == {0.9}
    good = {r.seed for e in report.recorded for r in e.run.repeats if r.state.value == "finished"}
    assert good == {7, 8, 9}


def test_seeds_that_are_run_once_more_go_on_where_they_were(script: BuiltRepo) -> None:
    begin(script)
    run(script.workspace)
    killed(script, "--again")
    report = run(script.workspace, RunRequest(resume=True))
    assert [each.run.seeds for each in report.recorded] == [(7, 8)] * 2


def test_a_call_and_what_resumes_it_are_one_look(tmp_path: Path) -> None:
    train = (
        "import json, os\n"
        'seed = int(open("params.yaml").read().split("seed:")[1])\n'
        'mark = os.environ["MARK"] + str(seed)\n'
        "if seed == 10 and not os.path.exists(mark):\n"
        "    open(mark, 'w').close()\n"
        "    raise SystemExit(1)\n"
        'json.dump({"acc": seed / 100}, open("metrics.json", "w"))\n'
        'open("model.txt", "w").write("x")\n'
    )
    repo = plain(tmp_path / "r", train)
    begin(repo)
    os.environ["MARK"] = str(tmp_path / "mark")
    try:
        run(repo.workspace, RunRequest(with_baseline=True))
        killed(repo, "--seeds", "9,10", "--keep-going")  # 9 finishes, 10 fails
        report = run(repo.workspace, RunRequest(resume=True))
    finally:
        del os.environ["MARK"]
    calls = {each.run.call for each in report.recorded}
    assert [each.run.seeds for each in report.recorded] == [(9, 10), (10,)]
    assert len(calls) == 1
    assert compare(repo.workspace)[0].looks == 1


@pytest.mark.parametrize("request_", [{"dry_run": True}, {"commit_message": "x"}])
def test_what_contradicts_it_is_refused(script: BuiltRepo, request_: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        run(script.workspace, RunRequest(resume=True, **request_))  # type: ignore[arg-type]
    assert refused.value.next_step.startswith("gitexp ")


def test_notes_of_a_call_are_read_by_whoever_resumes_it(script: BuiltRepo) -> None:
    killed(script, "--repeats", "1", "--timeout", "50")
    (notes,) = (script.path / ".git/gitexp/work/runs").glob("*/state.json")
    value = json.loads(notes.read_text())
    assert value["asked"]["timeout_s"] == 50
    del value["asked"]["timeout_s"], value["asked"]["again"]  # of an older version
    notes.write_text(json.dumps(value))
    assert len(run(script.workspace, RunRequest(resume=True)).recorded) == 1
