"""A repeat that is interrupted goes on from its own last checkpoint, and counts once."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.model.request import RunRequest
from gitexp.model.run import RepeatState
from gitexp.upkeep.doctor import doctor
from gitexp.upkeep.maintenance import maintenance
from tests.execution.test_run import plain
from tests.lab.jobs import ABOVE
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its coordinator in /proc")

# Four epochs; what OUT/stop names ("SEED EPOCH SIGNAL WHO") ends that way, once.
TRAIN = """\
import os
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
held, stop = os.environ["GITEXP_CHECKPOINT"] + "/epoch", r"OUT/stop"
begun = int(open(held).read()) if os.path.exists(held) else 0
for epoch in range(begun, 4):
    with open(r"OUT/log", "a") as log:
        log.write(f"{seed} {epoch}\\n")
    open(held, "w").write(str(epoch + 1))
    told = open(stop).read() if os.path.exists(stop) else ""
    if told.startswith(f"{seed} {epoch} "):
        import time
        signal, who = map(int, told.split()[2:])
        os.unlink(stop)
        exec(ABOVE)
        if signal:
            os.kill(coordinator if who else worker, signal)
            time.sleep(60)
        raise SystemExit(3)
open("metrics.json", "w").write('{"acc": %r}' % (seed / 1000))
open("model.txt", "w").write(str(seed))
"""


@pytest.fixture
def project(tmp_path: Path) -> BuiltRepo:
    return plain(tmp_path / "p", TRAIN.replace("OUT", str(tmp_path)).replace("ABOVE", repr(ABOVE)))


def epochs(repo: BuiltRepo, seed: int) -> list[int]:
    """Return the epochs that were trained with a seed, in their order."""
    rows = (line.split() for line in (repo.path.parent / "log").read_text().splitlines())
    return [int(epoch) for mine, epoch in rows if int(mine) == seed]


def finished(repo: BuiltRepo) -> dict[int, list[int]]:
    """Return how often each finished repeat of a seed says that it went on, over all records."""
    found: dict[int, list[int]] = {}
    for path in (path for path in repo.files() if path.endswith("/run.json")):
        for each in json.loads(repo.show(path))["repeats"]:
            if each["state"] == "finished":
                found.setdefault(each["seed"], []).append(each.get("resumed", 0))
    return found


def stop(repo: BuiltRepo, *, seed: int, epoch: int, by: int, coordinator: bool) -> None:
    (repo.path.parent / "stop").write_text(f"{seed} {epoch} {by} {int(coordinator)}")
    gitexp(repo, "run", "--seeds", "7-9", env={"HOME": os.environ["HOME"]})


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("by", "coordinator", "call"),
    [
        (9, True, ("--seeds", "7-9")),
        (9, True, ("--resume",)),
        (9, False, ("--seeds", "8-9")),
        (2, True, ("--seeds", "8-9")),
    ],
    ids=["killed", "killed, resumed", "lost", "ctrl-c"],
)
def test_an_interrupted_repeat_goes_on_where_it_was(
    project: BuiltRepo,
    by: int,
    coordinator: bool,  # noqa: FBT001
    call: tuple[str, ...],
) -> None:
    stop(project, seed=8, epoch=1, by=by, coordinator=coordinator)
    done = gitexp(project, "run", *call)
    assert done.code == 0, done.err
    assert epochs(project, 8) == [0, 1, 2, 3]
    assert finished(project) == {7: [0], 8: [1], 9: [0]}


def test_what_ended_by_itself_or_of_another_state_begins_anew(project: BuiltRepo) -> None:
    stop(project, seed=8, epoch=1, by=0, coordinator=False)  # it failed
    run(project.workspace, RunRequest(seeds=(8,)))
    assert epochs(project, 8) == [0, 1, 0, 1, 2, 3]
    stop(project, seed=9, epoch=2, by=9, coordinator=False)
    project.commit({"params.yaml": project.show("params.yaml").replace("0.1", "0.3")})
    run(project.workspace, RunRequest(seeds=(9,)))
    assert epochs(project, 9)[-4:] == [0, 1, 2, 3]
    assert all(times == 0 for seed in finished(project).values() for times in seed)


def test_a_checkpoint_of_another_environment_is_none(project: BuiltRepo) -> None:
    stop(project, seed=8, epoch=1, by=9, coordinator=True)
    (held,) = (project.path / ".git/gitexp/work/runs").glob("*/jobs/8/attempt-1/checkpoint")
    (held / "of").write_text("0" * 64)
    report = run(project.workspace, RunRequest(resume=True))
    assert epochs(project, 8) == [0, 1, 0, 1, 2, 3]
    assert finished(project)[8] == [0]
    every = [each for one in report.recorded for each in one.run.repeats]
    (mine,) = (each for each in every if each.seed == 8 and each.state is RepeatState.FINISHED)
    assert mine.warnings == ("begun anew: its checkpoint is of another environment, or data",)


def test_again_is_anew(project: BuiltRepo) -> None:
    stop(project, seed=8, epoch=1, by=9, coordinator=False)
    run(project.workspace, RunRequest(seeds=(8,), again=True))
    assert epochs(project, 8) == [0, 1, 0, 1, 2, 3]


@pytest.mark.sweep(1)
@pytest.mark.parametrize("recorded", [False, True])
def test_maintenance_keeps_what_a_killed_call_goes_on_from(
    project: BuiltRepo, *, recorded: bool
) -> None:
    stop(project, seed=8 if recorded else 7, epoch=1, by=9, coordinator=True)
    if recorded:
        doctor(project.workspace, fix=True)
    maintenance(project.workspace, keep=0)
    assert gitexp(project, "run", "--resume").code == 0
    assert epochs(project, 8) == epochs(project, 7) == [0, 1, 2, 3]
    maintenance(project.workspace, keep=0)
    assert not list((project.path / ".git/gitexp/work/runs").iterdir())
