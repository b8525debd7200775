"""After a kill `run`, `run --resume`, or `doctor --fix` and `run`: every repeat is there once."""

from __future__ import annotations

import json
import os
import signal
import sys
import venv
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import KilledCallError, LockedError
from gitexp.execution.run import run
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction, SeedOrigin, Stopping, StoppingRule
from gitexp.model.request import NewRequest, RunRequest
from gitexp.upkeep.doctor import doctor
from tests.execution.test_run import plain
from tests.lab.build import clone
from tests.lab.first_rules import of_one
from tests.lab.jobs import ABOVE
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from gitexp.model.report import RunReport
    from tests.lab.build import BuiltRepo

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds its coordinator in /proc")

REPEATS = 3
# Says what it executes in a file outside, and kills once, where it is told to.
TRAIN = """\
import os
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
with open(r"OUT/log", "a") as log:
    log.write(f"{lr} {seed}\\n")
where, who = open(r"OUT/kill").read().split() if os.path.exists(r"OUT/kill") else ("", "")
if where == f"{lr}:{seed}":
    import signal
    os.unlink(r"OUT/kill")
    exec(ABOVE)
    for pid in reversed(above if who == "all" else [coordinator]):
        os.kill(pid, signal.SIGKILL)
    if who == "coordinator":
        signal.pause()  # the worker is told to end, and must not have finished before it hears it
open("metrics.json", "w").write('{"acc": %r}' % (lr + seed / 1000))
open("model.txt", "w").write(f"{lr} {seed}" * 1000)
"""
CALLS = {
    "candidate": ("0.2", ()),
    "both": ("0.2", ("--with-baseline",)),
    "baseline left": ("0.1", ("--with-baseline",)),
    "baseline at": ("0.1", ("--at", "main")),
    "param": ("0.4", ("--param", "lr=0.4")),
    "jobs": ("0.2", ("--with-baseline", "--jobs", "2")),
    "until": ("0.2", ("--until-decided",)),
    "exploratory": ("0.1", ("--seeds", "7-9")),
}

ALONE = {"candidate", "baseline left", "param"}  # as older plans of committed seeds run a side


def project(path: Path, call: str) -> BuiltRepo:
    """Return a project in which a call of this kind can be made."""
    (path / "out").mkdir(parents=True)
    repo = plain(path / "p", TRAIN.replace("OUT", str(path / "out")).replace("ABOVE", repr(ABOVE)))
    if call == "exploratory":
        return repo
    new(
        repo.workspace,
        NewRequest(
            name="x",
            hypothesis="a higher learning rate raises acc",
            metric="acc",
            direction=Direction.MAX,
            effect=">0",
            repeats=12 if call == "until" else REPEATS,
            baseline="main",
            params=((ParamKey("params.yaml", "lr"), 0.2),),
            stopping=Stopping(StoppingRule.POCOCK, 4) if call == "until" else None,
            seeds=SeedOrigin.COMMITTED,
        ),
    )
    if call in ALONE:
        of_one(repo)
    if call == "baseline left":
        run(repo.workspace)
    return repo


def log(repo: BuiltRepo) -> list[str]:
    path = repo.path.parent / "out/log"
    return path.read_text().splitlines() if path.exists() else []


def done(repo: BuiltRepo) -> set[str]:
    """Return what finished and is in a folder only, as the log names it."""
    found = set()
    for path in (repo.path / ".git/gitexp/work/runs").glob("*/jobs/*/attempt-1/outcome.json"):
        outcome = json.loads(path.read_text())
        if outcome["state"] == "finished":
            lr = round(outcome["samples"][0]["value"] - outcome["seed"] / 1000, 6)
            found.add(f"{lr} {outcome['seed']}")
    return found


def recorded(repo: BuiltRepo) -> list[str]:
    """Return the finished repeats of all records at the tip, as the log names them."""
    found = []
    for path in repo.files():
        if path.endswith("/run.json"):
            value = json.loads(repo.show(path))
            found += [
                f"{value['params']['lr']} {each['seed']}"
                for each in value["repeats"]
                if each["state"] == "finished"
            ]
    return sorted(found)


def planned(call: str) -> list[str]:
    """Return what a call and what went before it make together."""
    lrs = {
        "candidate": ["0.2"],
        "baseline at": ["0.1"],
        "param": ["0.4"],
        "exploratory": ["0.1"],
    }.get(call, ["0.1", "0.2"])
    # The committed seed is run for the branch's own snapshot only where that is asked for.
    return sorted(f"{lr} {seed}" for lr in lrs for seed in range(7, 7 + REPEATS))


def go_on(repo: BuiltRepo, how: str, args: tuple[str, ...]) -> str:
    """Go on as a person would, and return what is answered."""
    if how == "doctor":
        fixed = gitexp(repo, "doctor", "--fix")
        assert fixed.code == 0, fixed.err
    if how == "status":
        _, _, step = gitexp(repo, "status").out.rstrip().rpartition("next: gitexp ")
        verb, *typed = step.split()
        assert verb == "run"
        assert "--resume" in typed or set(args) & {"--with-baseline", "--until-decided"} <= {*typed}
        went = gitexp(repo, "run", *typed)
        assert went.code == 0, (went.out, went.err)
        return went.out
    typed = ("--resume",) if how == "resume" else args if how == "same" else ()
    if "--until-decided" in args and how != "same":
        typed = (*typed, "--until-decided")
    if "--param" in args or "--at" in args or "--seeds" in args:
        typed = typed if how == "resume" else args
    went = gitexp(repo, "run", *typed)
    assert went.code == 0, (went.out, went.err)
    return went.out


def killed_and_finished(path: Path, call: str, seed: int, who: str, how: str) -> None:
    """Play one case of the table."""
    lr, args = CALLS[call]
    repo = project(path, call)
    (repo.path.parent / "out/kill").write_text(f"{lr}:{seed} {who}")
    cache = listing(repo)
    killed = gitexp(repo, "run", *args)
    assert killed.code == -signal.SIGKILL, (killed.out, killed.err)
    finished, ran = done(repo), len(log(repo))
    was = recorded(repo)
    said = go_on(repo, how, args)
    if how != "doctor" and any(each.endswith(" 7") for each in {*recorded(repo)} - {*was}):
        assert "no repeat used the committed seed" not in said
    assert not finished & set(log(repo)[ran:]), "finished work was done again"
    if call == "until":  # how many it takes is the rule's business
        assert len(recorded(repo)) == len(set(recorded(repo)))
    else:
        assert recorded(repo) == planned(call)
    left = gitexp(repo, "doctor", "--json").json
    assert left["findings"] == []
    assert repo.status() == []
    assert cache.items() <= listing(repo).items()
    repo.fsck()


def listing(repo: BuiltRepo) -> dict[str, tuple[int, int]]:
    """Return size and mode of everything in DVC's cache."""
    top = repo.path / ".dvc/cache"
    return {
        str(path.relative_to(top)): (path.stat().st_size, path.stat().st_mode)
        for path in top.rglob("*")
        if path.is_file()
    }


def test_a_killed_call_goes_on_with_what_is_lacking(tmp_path: Path) -> None:
    killed_and_finished(tmp_path, "both", 8, "coordinator", "status")


@pytest.mark.slow
@pytest.mark.sweep(3)
@pytest.mark.parametrize("how", ["plain", "same", "resume", "doctor", "status"])
@pytest.mark.parametrize("who", ["coordinator", "all"])
@pytest.mark.parametrize("call", CALLS)
def test_whatever_was_killed_every_repeat_is_there_once(
    tmp_path: Path, call: str, who: str, how: str
) -> None:
    killed_and_finished(tmp_path, call, 7 if how == "same" else 8, who, how)


def test_another_state_is_asked_about_and_nothing_is_recorded_or_run(tmp_path: Path) -> None:
    repo = project(tmp_path, "candidate")
    (tmp_path / "out/kill").write_text("0.2:8 coordinator")
    gitexp(repo, "run")
    repo.commit({"params.yaml": "lr: 0.3\nseed: 7\n"}, at=7)
    tip, ran = repo.hash(), log(repo)
    stopped = gitexp(repo, "run", "--with-baseline", "--json")
    assert stopped.code == 3
    error = stopped.json
    assert error["id"] == "killed-call"
    assert "gitexp run --resume," in str(error["next"])
    assert "gitexp run --again --with-baseline," in str(error["next"])
    assert (repo.hash(), log(repo)) == (tip, ran)
    for verb in (("amend-plan", "--alpha", "0.04", "--why", "w"), ("conclude", "-m", "it helps")):
        refused = gitexp(repo, *verb)
        assert refused.code == 3
        assert refused.says("not recorded yet", "gitexp run --resume --on exp/x")

    report = run(repo.workspace, RunRequest(again=True, repeats=1))
    assert [each.run.params["lr"] for each in report.recorded] == [0.2, 0.3]
    again = run(repo.workspace, RunRequest(repeats=2))  # it was answered: nobody asks again
    assert [each.run.seeds for each in again.recorded] == [(8,)]
    report = run(repo.workspace, RunRequest(resume=True))
    assert recorded(repo).count("0.2 7") == 1
    assert {each.run.params["lr"] for each in report.recorded} == {0.2}


def test_a_call_that_was_killed_before_a_repeat_had_finished_is_told_until_another_is_made(
    tmp_path: Path,
) -> None:
    repo = project(tmp_path, "candidate")
    (tmp_path / "out/kill").write_text("0.2:7 all")
    gitexp(repo, "run")
    said = gitexp(repo, "status").out
    assert "0 of 3 finished, 1 interrupted, its coordinator is gone" in said
    assert said.endswith("next: gitexp run --with-baseline\n")
    repo.commit({"params.yaml": "lr: 0.3\nseed: 7\n"}, at=7)
    assert gitexp(repo, "run", "--repeats", "1").code == 0
    assert gitexp(repo, "status", "--json").json["unpublished"] == []
    assert recorded(repo) == ["0.3 7"]


@pytest.mark.slow
def test_a_choice_of_which_nothing_had_finished_is_named_to_go_on_with(tmp_path: Path) -> None:
    repo = project(tmp_path, "both")
    (tmp_path / "out/kill").write_text("0.4:7 all")
    gitexp(repo, "run", "--param", "lr=0.4", "--seeds", "7")
    assert gitexp(repo, "status").out.endswith("next: gitexp run --resume\n")
    assert gitexp(repo, "run", "--resume").code == 0
    assert recorded(repo) == ["0.4 7"]
    assert gitexp(repo, "status").out.endswith("next: gitexp run --with-baseline\n")


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize("changed", ["seeds", "plan", "commit"])
def test_what_else_differs_is_asked_about_too(tmp_path: Path, changed: str) -> None:
    repo = project(tmp_path, "both")
    (tmp_path / "out/kill").write_text("0.2:8 coordinator")
    gitexp(repo, "run", "--with-baseline")
    request = RunRequest()
    if changed == "seeds":
        request = RunRequest(seeds=(7, 8))
    elif changed == "plan":
        path = ".gitexp/experiments/x.yaml"
        text = repo.show(path).replace("alpha: 0.05", "alpha: 0.01")
        repo.git("reset", "--quiet", "--hard", "HEAD~1")
        repo.commit({path: text, "params.yaml": "lr: 0.2\nseed: 7\n"}, at=7)
    else:
        repo.write({"params.yaml": "lr: 0.3\nseed: 7\n"})
        request = RunRequest(commit_message="another")
    tip = repo.hash()
    with pytest.raises(KilledCallError, match="was killed") as caught:
        run(repo.workspace, request)
    assert repo.hash() == tip
    base = next(line for line in caught.value.found.splitlines() if "(baseline, " in line)
    assert f" of {repo.hash('main')[:9]}" in base, "its own state, not the candidate's"


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("forgotten", [False, True])
def test_a_call_whose_commit_was_amended_since_is_finished(
    tmp_path: Path, *, forgotten: bool
) -> None:
    repo = project(tmp_path, "candidate")
    repo.commit({"params.yaml": "lr: 0.3\nseed: 7\n"}, at=7)
    (tmp_path / "out/kill").write_text("0.3:8 coordinator")
    gitexp(repo, "run")
    repo.write({"params.yaml": "lr: 0.4\nseed: 7\n"})
    repo.git("commit", "--quiet", "--all", "--amend", "--no-edit")
    if forgotten:
        repo.git("reflog", "expire", "--expire=now", "--all")
        refused = gitexp(repo, "run", "--resume")
        assert refused.code == 2
        assert refused.says("the same with --trust")
        assert recorded(repo) == ["0.3 7"]  # what had finished is safe by then
    went = gitexp(repo, "run", "--resume", *(["--trust"] if forgotten else []))
    assert went.code == 0, (went.out, went.err)
    assert recorded(repo) == ["0.3 7", "0.3 8", "0.3 9"]
    assert gitexp(repo, "run", "--repeats", "1").code == 0
    assert "0.4 7" in recorded(repo)
    assert gitexp(repo, "doctor", "--json").json["findings"] == []


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("how", ["resume", "again"])
def test_a_call_whose_commit_is_gone_bars_no_way(tmp_path: Path, how: str) -> None:
    repo = project(tmp_path, "candidate")
    tip = repo.hash()
    repo.commit({"params.yaml": "lr: 0.3\nseed: 7\n"}, at=7)
    (tmp_path / "out/kill").write_text("0.3:8 coordinator")
    gitexp(repo, "run")
    repo.git("reset", "--quiet", "--hard", tip)
    for slot in (repo.path / ".git/gitexp/work/worktrees").glob("*-0"):
        repo.git("worktree", "remove", "--force", str(slot))
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "--quiet", "--prune=now")
    went = gitexp(repo, "run", f"--{how}")
    assert went.code == 0, (went.out, went.err)
    assert recorded(repo) == ["0.2 7", "0.2 8", "0.2 9"]


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("how", ["resume", "doctor"])
def test_what_ran_under_the_plan_as_it_was_is_recorded_as_that(tmp_path: Path, how: str) -> None:
    repo = project(tmp_path, "candidate")
    (tmp_path / "out/kill").write_text("0.2:8 coordinator")
    gitexp(repo, "run")
    other = clone(repo, tmp_path / "other", "--branch", "exp/x")  # which knows of no call
    assert gitexp(other, "amend-plan", "--repeats", "2", "--why", "two will do").code == 0
    repo.git("pull", "--quiet", "--ff-only", str(other.path), "exp/x")
    assert gitexp(repo, "run", "--json").json["id"] == "killed-call"
    went = gitexp(repo, *(["run", "--resume"] if how == "resume" else ["doctor", "--fix"]))
    assert went.code == 0, (went.out, went.err)
    assert "0.2 7" in recorded(repo)
    went = gitexp(repo, "run")
    assert went.code == 0, (went.out, went.err)
    assert gitexp(repo, "doctor", "--json").json["findings"] == []
    checked = gitexp(repo, "check", "--json").json
    assert checked["violations"] == [], checked


@pytest.mark.slow
def test_from_another_branch_each_step_that_is_named_can_be_taken(tmp_path: Path) -> None:
    repo = project(tmp_path, "candidate")
    (tmp_path / "out/kill").write_text("0.2:8 coordinator")
    gitexp(repo, "run")
    repo.git("switch", "--quiet", "main")
    error = gitexp(repo, "run", "--on", "exp/x", "--json").json
    assert error["id"] == "killed-call"
    assert "gitexp run --resume --on exp/x," in str(error["next"])
    assert "gitexp run --again --on exp/x," in str(error["next"])
    step = "gitexp run --resume --on exp/x"
    assert gitexp(repo, "status", "--json").json["next"] == step
    went = gitexp(repo, *step.split()[1:])
    assert went.code == 0, (went.out, went.err)
    repo.git("switch", "--quiet", "exp/x")
    assert recorded(repo) == ["0.2 7", "0.2 8", "0.2 9"]


@pytest.mark.slow
def test_what_goes_on_is_announced_by_dry_run_and_said_in_the_report(tmp_path: Path) -> None:
    repo = project(tmp_path, "both")
    (tmp_path / "out/kill").write_text("0.2:9 coordinator")
    gitexp(repo, "run", "--with-baseline")
    tip = repo.hash()
    there = len(done(repo))
    dry = run(repo.workspace, RunRequest(dry_run=True))
    repeats = "1 finished repeat" if there == 1 else f"{there} finished repeats"
    first = f"{repeats} of a killed call would be recorded first"
    assert first in dry.warnings
    assert repo.hash() == tip
    assert gitexp(repo, "status").out.endswith("\nnext: gitexp run --with-baseline\n")
    assert gitexp(repo, "doctor").out.endswith("\nnext: gitexp run --with-baseline\n")
    report: RunReport = run(repo.workspace)
    seeds = [(each.seeds, each.counting) for each in report.planned]
    assert seeds == [(each.seeds, each.counting) for each in dry.planned]
    assert [len(new) for new, _ in seeds] == [1, 5 - there]
    assert f"{there} repeats of a killed call recorded, {6 - there} to go" in report.warnings
    assert report.next_step == gitexp(repo, "status", "--json").json["next"] == "gitexp compare"
    nothing = run(repo.workspace)
    assert (nothing.recorded, nothing.next_step) == ((), "gitexp compare")


@pytest.mark.slow
def test_what_was_installed_since_the_kill_is_named_before_anything_is_run_again(
    tmp_path: Path,
) -> None:
    repo = project(tmp_path, "candidate")
    venv.create(tmp_path / "venv", with_pip=False, symlinks=True)
    active = {"VIRTUAL_ENV": str(tmp_path / "venv")}
    (tmp_path / "out/kill").write_text("0.2:8 coordinator")
    gitexp(repo, "run", env=active)
    (packages,) = (tmp_path / "venv").glob("lib/*/site-packages")
    (packages / "foo-1.2.dist-info").mkdir()
    (packages / "foo-1.2.dist-info/METADATA").write_text("Name: foo\nVersion: 1.2\n")
    told = "1 repeat of the candidate, recorded in another environment, to be run again: foo 1.2"
    went = gitexp(repo, "run", env=active)
    assert told in went.err.partition("candidate seed")[0]
    assert told.replace("to be run", "run") in went.out


@pytest.mark.slow
def test_of_a_dirty_work_tree_what_is_finished_is_recorded_alone(tmp_path: Path) -> None:
    repo = project(tmp_path, "candidate")
    (tmp_path / "out/kill").write_text("0.2:8 coordinator")
    gitexp(repo, "run")
    repo.write({"params.yaml": "lr: 0.3\nseed: 7\n"})
    step = str(gitexp(repo, "status", "--json").json["next"])
    assert gitexp(repo, *step.split()[1:]).code == 0
    assert recorded(repo) == ["0.2 7"]
    assert 'gitexp run --commit -m "what changed"' in gitexp(repo, "status").out


@pytest.mark.slow
def test_a_call_that_lives_is_left_alone_and_its_repeats_are_not_run_twice(tmp_path: Path) -> None:
    repo = project(tmp_path, "exploratory")
    (tmp_path / "out/kill").write_text("0.1:8 coordinator")
    gitexp(repo, "run", "--seeds", "7-9")
    (notes,) = (repo.path / ".git/gitexp/work/runs").glob("*/state.json")
    value = json.loads(notes.read_text())
    parent = os.getppid()  # as good as a coordinator
    stat = Path(f"/proc/{parent}/stat").read_text()
    boot = value["owner"]["started"].rpartition("-")[0]
    started = f"{boot}-{stat.rpartition(')')[2].split()[19]}"
    value["owner"] |= {"pid": parent, "started": started}
    notes.write_text(json.dumps(value))
    ran = log(repo)
    for request in (RunRequest(seeds=(8,)), RunRequest(), RunRequest(dry_run=True)):
        with pytest.raises(LockedError, match=f"run {value['draft']['id'][:8]} of"):
            run(repo.workspace, request)
    repo.git("worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"))
    there = replace(repo, path=tmp_path / "linked").workspace
    with pytest.raises(LockedError, match=f"run {value['draft']['id'][:8]} of"):
        run(there, RunRequest(seeds=(8,), on="main"))
    assert log(repo) == ran
    report = run(repo.workspace, RunRequest(seeds=(10,)))
    assert [each.run.seeds for each in report.recorded] == [(10,)]
    assert len(doctor(repo.workspace, fix=True).findings) == 0
