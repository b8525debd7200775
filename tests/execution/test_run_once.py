"""Stages that no seed reaches run once: over calls, sides, kills and clones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.model.run import RepeatState, StageOrigin
from gitexp.upkeep.doctor import doctor
from tests.execution.test_run_drawn import runs
from tests.lab.build import BuiltRepo, clone, copied, dvc, dvc_files, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

PREPARE = """\
import os
open(os.environ["ONCE_LOG"], "a").write(f"prepare {os.environ.get('GITEXP_SEED')}\\n")
open("prep.csv", "w").write("rows\\n")
open("prep.json", "w").write("{}")
"""
TRAIN = """\
import os
open(os.environ["ONCE_LOG"], "a").write("train\\n")
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
open("prep.csv").read()
open("metrics.json", "w").write('{"acc": %r}' % (lr + seed % 9973 / 100000))
"""
PIPELINE = """\
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py, raw.txt]
    outs: [prep.csv]
    metrics: [prep.json: {cache: false}]
  train:
    cmd: python train.py
    deps: [train.py, prep.csv]
    params: [seed, lr]
    metrics: [metrics.json: {cache: false}]
"""


@pytest.fixture(autouse=True)
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What ran; a job inherits where that is."""
    monkeypatch.setenv("ONCE_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


@pytest.fixture
def project(tmp_path: Path) -> BuiltRepo:
    return built(tmp_path / "p")


def built(path: Path, **more: str) -> BuiltRepo:
    files = {
        "dvc.yaml": PIPELINE,
        "prepare.py": PREPARE,
        "train.py": TRAIN,
        "params.yaml": "seed: 7\nlr: 0.1\n",
        "raw.txt": "raw\n",
    } | more

    def make(folder: Path) -> None:
        repo = repository(folder)
        repo.commit({**dvc_files(), **files})
        init(repo.workspace, InitRequest())

    return copied(path, make, "once", files)


def planned(repo: BuiltRepo, repeats: int = 3) -> None:
    asked = NewRequest(
        name="x",
        hypothesis="a higher learning rate raises acc",
        metric="acc",
        direction=Direction.MAX,
        effect=">0",
        repeats=repeats,
        baseline="main",
        params=((ParamKey("params.yaml", "lr"), 0.2),),
    )
    new(repo.workspace, asked)


def prepared(log: Path) -> int:
    return log.read_text().count("prepare") if log.exists() else 0


def test_a_later_call_takes_what_an_earlier_one_made(project: BuiltRepo, log: Path) -> None:
    first = run(project.workspace).recorded[0].run
    assert [(made.stage, made.origin) for made in first.once] == [("prepare", StageOrigin.EXECUTED)]
    assert log.read_text() == "prepare None\ntrain\n"
    second = run(project.workspace, RunRequest(seeds=(7, 8))).recorded[0].run
    assert prepared(log) == 1
    assert [made.origin for made in second.once] == [StageOrigin.ADOPTED]
    assert project.status() == []


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("jobs", [1, 3])
def test_under_a_plan_both_sides_and_all_calls_share_one_output(
    project: BuiltRepo, log: Path, jobs: int
) -> None:
    planned(project)
    report = run(project.workspace, RunRequest(jobs=jobs, repeats=2))
    states = [repeat.state for each in report.recorded for repeat in each.run.repeats]
    assert states == [RepeatState.FINISHED] * 5
    assert prepared(log) == 1
    assert {each.run.once[0].origin for each in report.recorded} == {
        StageOrigin.EXECUTED,
        StageOrigin.ADOPTED,
    }
    assert run(project.workspace).recorded
    assert prepared(log) == 1


def test_a_stage_that_wants_the_seed_variable_does_not_get_it(tmp_path: Path) -> None:
    greedy = PREPARE + "os.environ['GITEXP_SEED']\n"
    repo = built(tmp_path / "g", **{"prepare.py": greedy})
    report = run(repo.workspace)
    repeat = report.recorded[0].run.repeats[0]
    assert any("runs once, without GITEXP_SEED" in text for text in report.warnings)
    assert (repeat.stage, repeat.last_line) == ("prepare", "KeyError: 'GITEXP_SEED'")


@pytest.mark.slow
def test_a_stage_that_reads_a_seed_unsaid_reads_the_committed_one(tmp_path: Path) -> None:
    sly = PREPARE + "open('prep.csv', 'a').write(open('params.yaml').read())\n"
    repo = built(tmp_path / "s", **{"prepare.py": sly})
    made = [
        run(repo.workspace, RunRequest(seeds=(seed,))).recorded[0].run.once[0].hashes
        for seed in (8, 7)
    ]
    assert made[0] == made[1]


@pytest.mark.slow
def test_what_a_failed_run_made_is_not_made_again(project: BuiltRepo, log: Path) -> None:
    planned(project)
    train = (project.path / "train.py").read_text()
    failing = {"train.py": f"{train}raise SystemExit(1)\n", "raw.txt": "other\n"}
    project.commit(failing, at=3)
    assert all(each.run.once for each in run(project.workspace).recorded)
    assert prepared(log) == 2  # of either side
    project.commit({"train.py": train}, at=4)
    run(project.workspace)
    assert prepared(log) == 2


@pytest.mark.slow
def test_code_that_a_stage_uses_and_does_not_declare_is_part_of_it(
    tmp_path: Path, log: Path
) -> None:
    own = PREPARE + "import helper\n"
    files = {"prepare.py": own, "helper.py": "a = 1\n", "other.py": "b = 1\n"}
    repo = built(tmp_path / "h", **files)
    run(repo.workspace)
    repo.commit({"other.py": "b = 2\n"}, at=3)
    run(repo.workspace)
    assert prepared(log) == 1
    repo.commit({"helper.py": "a = 2\n"}, at=4)
    run(repo.workspace)
    assert prepared(log) == 2


@pytest.mark.slow
def test_a_changed_output_in_the_cache_is_not_taken_over(project: BuiltRepo, log: Path) -> None:
    made = run(project.workspace).recorded[0].run.once[0].hashes["prep.csv"]
    file = project.path / ".dvc/cache/files/md5" / made[:2] / made[2:]
    file.chmod(0o644)
    file.write_text("evil\n")
    again = run(project.workspace, RunRequest(seeds=(9,))).recorded[0].run
    assert prepared(log) == 2
    assert again.once[0].hashes["prep.csv"] == made
    assert file.read_text() == "rows\n"


KILL = """\
import glob, json, os, pathlib, time
flag = pathlib.Path(r"FLAG")
if flag.exists():
    states = glob.glob(flag.read_text() + "/.git/gitexp/work/runs/*/state.json")
    flag.unlink()
    os.kill(json.load(open(max(states, key=os.path.getmtime)))["owner"]["pid"], 9)
    time.sleep(60)
"""


@pytest.mark.slow
def test_killed_after_it_the_call_goes_on_behind_it(tmp_path: Path, log: Path) -> None:
    kill = KILL.replace("FLAG", str(tmp_path / "flag"))
    repo = built(tmp_path / "k", **{"train.py": kill + TRAIN})
    for number, step in enumerate((("run", "--resume"), ("run", "--seeds", "8,9"))):
        (tmp_path / "flag").write_text(str(repo.path))
        assert gitexp(repo, "run", *(("--seeds", "8,9") if number else ())).code == -9
        assert gitexp(repo, *step).code == 0
        assert prepared(log) == 1 + number
        origins = [each.once[0].origin for each in runs(repo)[-2:]]
        assert origins == [StageOrigin.EXECUTED, StageOrigin.ADOPTED]
        repo.commit({"raw.txt": "other\n"}, at=5)


@pytest.mark.slow
def test_what_doctor_has_recorded_of_a_killed_call_binds_those_after_it(
    tmp_path: Path, log: Path
) -> None:
    kill = KILL.replace("FLAG", str(tmp_path / "flag"))
    repo = built(tmp_path / "k", **{"train.py": kill + TRAIN})
    (tmp_path / "flag").write_text(str(repo.path))
    assert gitexp(repo, "run").code == -9
    doctor(repo.workspace, fix=True)
    assert gitexp(repo, "run").code == 0
    assert prepared(log) == 1
    origins = [each.once[0].origin for each in runs(repo)]
    assert origins == [StageOrigin.EXECUTED, StageOrigin.ADOPTED]


# A shell may stand between the worker and the stage.
DIE = """\
import os
os.kill(int(open(os.environ["GITEXP_ATTEMPT"] + "/pid").read().split()[0]), 9)
"""


@pytest.mark.slow
def test_a_worker_that_dies_after_it_leaves_it_to_the_next_call(
    project: BuiltRepo, log: Path
) -> None:
    planned(project)
    text = (project.path / "train.py").read_text()
    project.commit({"train.py": DIE + text, "raw.txt": "other\n"}, at=3)
    states = [each.run.repeats[0].state for each in run(project.workspace).recorded]
    assert RepeatState.LOST in states
    project.commit({"train.py": text}, at=4)
    run(project.workspace)
    assert prepared(log) == 2


ROWS = "fb66bb90028a8fe8179acd70a7ad3593"
EVIL = "78b9861f74e15d7d0f077ba22421b8e4"


@pytest.fixture
def reproduced(project: BuiltRepo) -> BuiltRepo:
    """A project whose dvc.lock is of `dvc repro`."""
    dvc(project.path, "repro", "-q")
    project.git("add", "--all")
    project.commit(at=3)
    return project


def plant(repo: BuiltRepo) -> None:
    """Let dvc.lock say that prepare makes other bytes, which are there."""
    lock = (repo.path / "dvc.lock").read_text()
    place = repo.path / ".dvc/cache/files/md5" / EVIL[:2] / EVIL[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("evil\n")
    assert ROWS in lock
    repo.commit({"dvc.lock": lock.replace(ROWS, EVIL)}, at=4)


@pytest.mark.slow
def test_an_entry_of_outside_is_said_until_a_run_has_made_the_same(
    reproduced: BuiltRepo, log: Path
) -> None:
    planted = reproduced
    planned(planted)
    assert prepared(log) == 1  # by dvc repro
    report = run(planted.workspace)
    assert prepared(log) == 1
    assert {each.run.once[0].origin for each in report.recorded} == {StageOrigin.OUTSIDE}
    found = compare(planted.workspace)[0]
    assert "conditional on prep.csv, prep.json, made outside; " in found.headline
    (told,) = [text for text in found.warnings if "executed by no run" in text]
    command = told.split("gitexp ")[1].split(" executes")[0]
    assert gitexp(planted, *command.split()).code == 0
    assert prepared(log) == 2
    assert "made outside" not in compare(planted.workspace)[0].headline
    assert dvc(planted.path, "status").strip() == "Data and pipelines are up to date."


NOTEBOOK = f"""{PREPARE}
import time
open("prep.ipynb", "w").write(str(time.time_ns()))
"""


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("read", [False, True])
def test_a_report_of_an_execution_need_not_be_made_again(tmp_path: Path, *, read: bool) -> None:
    """An executed notebook holds the time; what another stage reads is held to its bytes."""
    pipeline = PIPELINE.replace("outs: [prep.csv]", "outs: [prep.csv, prep.ipynb]")
    if read:
        pipeline = pipeline.replace("deps: [train.py, prep.csv]", "deps: [train.py, prep.ipynb]")
    repo = built(tmp_path / "p", **{"dvc.yaml": pipeline, "prepare.py": NOTEBOOK})
    dvc(repo.path, "repro", "-q")
    repo.git("add", "--all")
    repo.commit(at=3)
    planned(repo)
    run(repo.workspace)
    found = compare(repo.workspace)[0]
    assert "conditional on prep.csv, prep.ipynb, prep.json, made outside; " in found.headline
    (told,) = [text for text in found.warnings if "executed by no run" in text]
    command = told.split("gitexp ")[1].split(" executes")[0]
    assert (gitexp(repo, *command.split()).code == 0) is not read
    found = compare(repo.workspace)[0]
    assert ("made outside" in found.headline) is read
    assert not any("made other outputs" in text for text in found.warnings)


@pytest.mark.slow
def test_where_the_baseline_alone_was_made_outside_the_printed_call_executes_it(
    reproduced: BuiltRepo,
) -> None:
    planned(reproduced)
    reproduced.commit({"prepare.py": PREPARE.replace("rows", "more rows")}, at=5)
    run(reproduced.workspace)
    found = compare(reproduced.workspace)[0]
    assert "made outside" in found.headline
    (told,) = [text for text in found.warnings if "executed by no run" in text]
    assert "of the baseline" in told
    command = told.split("gitexp ")[1].split(" executes")[0]
    assert gitexp(reproduced, *command.split()).code == 0
    assert "made outside" not in compare(reproduced.workspace)[0].headline


@pytest.mark.slow
def test_a_planted_entry_is_taken_with_its_qualifier_and_does_not_stand_an_execution(
    reproduced: BuiltRepo, log: Path
) -> None:
    planted = reproduced
    plant(planted)
    planned(planted)
    run(planted.workspace)
    assert "made outside" in compare(planted.workspace)[0].headline
    seed = compare(planted.workspace)[0].candidate.seeds[0]
    again = run(planted.workspace, RunRequest(again=True, seeds=(seed,))).recorded[0].run
    (repeat,) = again.repeats
    assert repeat.state is RepeatState.FAILED
    for part in ("stage prepare", EVIL, ROWS, "amend-plan"):
        assert part in repeat.reason
    assert "train" not in log.read_text().splitlines()[-1]
    assert "made outside" in compare(planted.workspace)[0].headline
    for branch in ("main", "exp/x"):  # the way out that the message names
        planted.switch(branch)
        planted.commit({"dvc.lock": None}, at=6)
    planted.git("merge", "-q", "-m", "no lock", "main")
    amend = ("amend-plan", "--baseline", "main", "--why", "its lock was planted")
    assert gitexp(planted, *amend).code == 0
    run(planted.workspace)
    assert runs(planted)[-1].once[0].hashes["prep.csv"] == ROWS
    assert "made outside" not in compare(planted.workspace)[0].headline


@pytest.mark.slow
def test_a_planted_entry_does_not_replace_what_a_run_has_made(
    project: BuiltRepo, log: Path
) -> None:
    planned(project)
    first = run(project.workspace, RunRequest(repeats=2))
    plant(project)
    more = run(project.workspace)
    assert more.recorded
    made = {each.run.once[0].hashes["prep.csv"] for r in (first, more) for each in r.recorded}
    assert made == {ROWS}
    assert prepared(log) == 1


@pytest.mark.slow
def test_an_entry_that_one_side_alone_has_is_not_what_this_side_stands_on(
    reproduced: BuiltRepo,
) -> None:
    planned(reproduced)
    plant(reproduced)
    report = run(reproduced.workspace)
    assert [each.run.once[0].hashes["prep.csv"] for each in report.recorded] == [ROWS, ROWS]


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("by_dvc", [True, False])
def test_another_clone_takes_it_from_the_remote_or_stops_before_its_first_seeded_stage(
    tmp_path: Path, log: Path, *, by_dvc: bool
) -> None:
    salt = tmp_path / "salt"
    salt.write_text("a")
    more = f"open('prep.csv', 'a').write(open({str(salt)!r}).read())\n"
    a = built(tmp_path / "a", **{"prepare.py": PREPARE + more})
    store, origin = tmp_path / "store", repository(tmp_path / "origin.git", bare=True)
    dvc(a.path, "remote", "add", "-q", "-d", "near", str(store))
    if by_dvc:  # which a plain folder has no use for
        dvc(a.path, "remote", "modify", "-q", "near", "verify", "true")
    a.git("commit", "-q", "-am", "a remote")
    a.git("remote", "add", "origin", origin.path.as_uri())
    a.git("push", "-q", "origin", "main")
    planned(a)
    run(a.workspace, RunRequest(repeats=2))
    made = runs(a)[-1].once[0].hashes
    assert gitexp(a, "push").code == 0
    b = clone(origin, tmp_path / "b")
    b.switch("exp/x")
    store.rename(tmp_path / "away")
    salt.write_text("b")
    stopped = gitexp(b, "run")
    assert stopped.code == 5, stopped.err
    stopped.says("stage prepare made another prep.csv", made["prep.csv"], "gitexp pull --data")
    assert log.read_text().splitlines()[-1].startswith("prepare")
    (tmp_path / "away").rename(store)
    done = gitexp(b, "run")
    assert done.code == 0, done.err
    assert prepared(log) == 2
    assert runs(b)[-1].once[0].hashes == made


@pytest.mark.slow
def test_where_only_the_variable_seeds_the_settings_name_what_runs_once(
    tmp_path: Path, log: Path
) -> None:
    varied = "seed = int(os.environ['GITEXP_SEED']) #"
    own = TRAIN.replace("seed = int", varied)
    files = {
        "train.py": f"import os\n{own}",
        "dvc.yaml": PIPELINE.replace("params: [seed, lr]", "params: [lr]"),
        "params.yaml": "lr: 0.1\n",
    }
    repo = built(tmp_path / "v", **files)
    config = repo.path / ".gitexp/config.yaml"
    assert run(repo.workspace).recorded[0].run.once == ()
    assert log.read_text().startswith("prepare 0")
    config.write_text(config.read_text().replace("once: []", "once: [prepare]"))
    repo.git("commit", "-qam", "once")
    for seed in (1, 2):
        (made,) = run(repo.workspace, RunRequest(seeds=(seed,))).recorded[0].run.once
    assert made.origin is StageOrigin.ADOPTED
    assert log.read_text().count("prepare None") == 1


@pytest.mark.slow
def test_a_sweep_executes_what_it_varies(project: BuiltRepo, log: Path) -> None:
    run(project.workspace)  # which brings dvc.lock up to date
    for lr in (0.2, 0.3):
        run(project.workspace, RunRequest(params=((ParamKey("params.yaml", "lr"), lr),)))
    assert prepared(log) == 1


@pytest.mark.slow
def test_another_worktree_takes_it_from_the_first_ones_cache(
    project: BuiltRepo, log: Path, tmp_path: Path
) -> None:
    run(project.workspace)
    other = project.worktree(tmp_path / "w", "-b", "side")
    report = run(other.workspace, RunRequest(params=((ParamKey("params.yaml", "lr"), 0.3),)))
    assert report.recorded[0].run.once[0].origin is StageOrigin.ADOPTED
    assert prepared(log) == 1
