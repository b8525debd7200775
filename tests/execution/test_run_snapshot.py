"""The snapshot that a branch lacks although all its seeds count already."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import SeedOrigin
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.views.status import status
from tests.lab.build import BuiltRepo, dvc
from tests.lab.build import repository as build_repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

TRAIN = """\
lines = (line.partition(":") for line in open("params.yaml"))
params = {key: value.split()[0] for key, _, value in lines if value.strip()}
score = float(params["lr"]) + int(params["seed"]) / 1000
open("metrics.json", "w").write(str({"f1": score}).replace("'", '"'))
open("model.txt", "w").write(f"{score}\\n")
"""


def begin(repo: BuiltRepo, repeats: int = 2) -> None:
    new(
        repo.workspace,
        NewRequest(
            name="faster",
            hypothesis="a higher learning rate raises f1 by at least 1%",
            metric="f1",
            effect=">=1%",
            repeats=repeats,
            baseline="main",
            params=((ParamKey("params.yaml", "lr"), 0.7),),
            seeds=SeedOrigin.COMMITTED,
        ),
    )


@pytest.fixture
def pipeline(dvc_repo: BuiltRepo) -> BuiltRepo:
    init(dvc_repo.workspace)
    begin(dvc_repo)
    return dvc_repo


@pytest.fixture
def script(tmp_path: Path) -> BuiltRepo:
    repo = build_repository(tmp_path / "script")
    repo.commit({"train.py": TRAIN, "params.yaml": "lr: 0.5\nseed: 1\n"})
    init(
        repo.workspace,
        InitRequest(
            command="python train.py",
            metrics=("metrics.json",),
            outputs=("model.txt",),
            dvc_init=True,
        ),
    )
    begin(repo)
    return repo


def drop_snapshot(repo: BuiltRepo, *paths: str) -> None:
    """Bring the files of a snapshot back to what the baseline has, as a merge may."""
    there = set(repo.files("main"))
    repo.commit({path: repo.show(path, "main") if path in there else None for path in paths}, at=9)


def test_a_lock_that_a_merge_lost_is_made_again_by_the_committed_seed_alone(
    pipeline: BuiltRepo,
) -> None:
    run(pipeline.workspace)
    assert run(pipeline.workspace).recorded == ()
    drop_snapshot(pipeline, "dvc.lock", "metrics.json")
    report = run(pipeline.workspace)
    assert [each.run.seeds for each in report.recorded] == [(1,)]
    assert report.planned[0].counting == (1, 2)
    assert report.snapshot == "written, with the committed seed 1"
    assert dvc(pipeline.path, "status", "--json").strip() == "{}"
    assert run(pipeline.workspace).recorded == ()


def test_pointers_that_a_merge_lost_are_made_again(script: BuiltRepo) -> None:
    run(script.workspace)
    assert run(script.workspace).recorded == ()
    drop_snapshot(script, "model.txt.dvc", "metrics.json")
    report = run(script.workspace)
    assert [each.run.seeds for each in report.recorded] == [(1,)]
    assert script.show("metrics.json").startswith('{"f1": 0.701')
    assert run(script.workspace).recorded == ()


def test_a_lost_lock_that_dvc_makes_again_is_the_recorded_one_and_nothing_is_run(
    pipeline: BuiltRepo,
) -> None:
    run(pipeline.workspace)
    drop_snapshot(pipeline, "dvc.lock", "metrics.json")
    dvc(pipeline.path, "repro", "--force")
    pipeline.git("commit", "--quiet", "--all", "-m", "dvc repro")
    report = run(pipeline.workspace)
    assert report.recorded == ()
    assert report.planned[0].seeds == ()
    assert len(pipeline.git("worktree", "list").splitlines()) == 1


# What is edited before `dvc commit -f`: a script whose cached output changes, and one that changes
# the metrics alone, which Git holds.
EDITS = {
    "model": ("train.py", 'write(f"{', 'write(f"edited {'),
    "metrics": ("train.py", '"f1": score', '"f1": score + 0.1'),
}


def take_over(repo: BuiltRepo, file: str, old: str, new: str) -> None:
    """Edit a file and let DVC take the outputs that lie here for those of what is there now."""
    text = (repo.path / file).read_text()
    assert old in text
    repo.write({file: text.replace(old, new)})
    dvc(repo.path, "commit", "--force", "--quiet")
    repo.git("commit", "--quiet", "--all", "-m", "not executed")


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_outputs_that_dvc_commit_took_over_are_those_of_no_execution(
    pipeline: BuiltRepo, edit: tuple[str, str, str]
) -> None:
    take_over(pipeline, *edit)
    report = run(pipeline.workspace)
    assert report.snapshot == "written, with the committed seed 1"
    assert [each.side for each in report.recorded] == ["candidate", "baseline"]
    one, samples = report.recorded[0].run, report.recorded[0].samples
    made = {sample.metric: sample.value for sample in samples if sample.seed == 1}
    assert json.loads(pipeline.show("metrics.json"))["f1"] == made["f1"]
    lock = pipeline.show("dvc.lock")
    assert {out.md5 for out in one.repeats[0].outputs if out.md5 not in lock} == set()
    assert run(pipeline.workspace).recorded == ()


def test_where_its_samples_count_the_committed_seed_is_run_once_for_a_lock_of_no_execution(
    pipeline: BuiltRepo,
) -> None:
    run(pipeline.workspace)
    recorded = pipeline.show("dvc.lock")
    take_over(pipeline, "metrics.json", '"f1": ', '"f1": 9')
    assert pipeline.show("dvc.lock") != recorded
    report = run(pipeline.workspace)
    assert [each.run.seeds for each in report.recorded] == [(1,)]
    assert pipeline.show("dvc.lock") == recorded
    assert run(pipeline.workspace).recorded == ()


def test_the_seed_for_the_snapshot_adds_no_sample_and_is_no_look(script: BuiltRepo) -> None:
    override = ((ParamKey("params.yaml", "lr"), 0.9),)
    run(script.workspace, RunRequest(params=override, with_baseline=True))
    report = run(script.workspace, RunRequest(params=override, commit_message="lr 0.9"))
    assert [each.run.seeds for each in report.recorded] == [(1,)]
    assert script.show("metrics.json").startswith('{"f1": 0.901')
    assert compare(script.workspace)[0].looks == 0


def test_seeds_that_were_asked_for_are_run_and_no_others(script: BuiltRepo) -> None:
    report = run(script.workspace, RunRequest(seeds=(5, 6)))
    assert [each.run.seeds for each in report.recorded] == [(5, 6)]
    # The committed seed is a fresh one: it would be a third sample.
    report = run(script.workspace)
    assert [(each.side, each.run.seeds) for each in report.recorded] == [("baseline", (5, 6))]
    assert run(script.workspace).recorded == ()


def test_a_dry_run_says_that_a_seed_is_run_for_the_snapshot_only(script: BuiltRepo) -> None:
    run(script.workspace)
    drop_snapshot(script, "model.txt.dvc", "metrics.json")
    report = run(script.workspace, RunRequest(dry_run=True))
    assert report.planned[0].seeds == (1,)
    assert report.planned[0].for_snapshot == 1
    # Its environment is the one that the last call found here, as nothing was installed since.
    assert not any("was not started" in text for text in report.warnings)


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("onto", ["exp/faster", "main"])
@pytest.mark.parametrize("how", ["merge", "merge --squash", "cherry-pick", "rebase"])
def test_what_status_names_finishes_a_merge_that_stopped_at_the_lock(
    pipeline: BuiltRepo, how: str, onto: str
) -> None:
    run(pipeline.workspace)
    lock = pipeline.show("dvc.lock")
    pipeline.git("config", "core.editor", "true")
    pipeline.switch("main")
    text = (pipeline.path / "train.py").read_text()
    pipeline.write({"train.py": text.replace("0.001", "0.002")})
    dvc(pipeline.path, "repro", "--quiet")
    pipeline.git("commit", "--quiet", "--all", "-m", "main went on")
    other = ({"exp/faster", "main"} - {onto}).pop()
    pipeline.switch(onto if how != "rebase" else other)
    before = pipeline.hash()
    pipeline.git(*how.split(), onto if how == "rebase" else other, check=False)
    assert any(line.startswith("UU") for line in pipeline.status())
    # What `commit -a` would do of the marks.
    refused = gitexp(pipeline, "run", "--commit", "-m", "merged")
    step = gitexp(pipeline, "status").out.rstrip().rpartition("next: ")[2]
    assert refused.says(f"  next      {step}")
    if onto == "exp/faster" and how != "rebase":  # the baseline has no repeat yet
        assert step.endswith(" && gitexp run --with-baseline")
    for program, *argv in map(shlex.split, step.split(" && ")):
        if program == "gitexp":
            assert gitexp(pipeline, *argv).code == 0
        else:
            (pipeline.git if program == "git" else partial(dvc, pipeline.path))(*argv)
    assert pipeline.status() == []
    assert not pipeline.git("status").count("in progress")
    assert pipeline.hash() != before
    assert len(pipeline.git("rev-list", "--merges", "HEAD").split()) == (how == "merge")
    if how == "rebase":  # what is moved keeps its own
        assert pipeline.show("dvc.lock") == pipeline.show("dvc.lock", before)
    elif onto == "main":
        assert pipeline.show("dvc.lock") == lock
    else:
        assert dvc(pipeline.path, "status", "--json").strip() == "{}"


@pytest.mark.sweep(4)
@pytest.mark.parametrize(
    ("how", "settled", "step"),
    [
        ("rebase", False, "settle m.txt and git add them, then git rebase --continue"),
        ("rebase", True, "git rebase --continue"),
        ("rebase --apply", False, "settle m.txt and git add them, then git rebase --continue"),
        ("cherry-pick", False, "settle m.txt and git add them, then git cherry-pick --continue"),
        ("revert", False, "settle m.txt and git add them, then git revert --continue"),
        ("merge", False, "settle m.txt and git add them, then git commit --no-edit"),
        ("bisect start exp/x", True, "git bisect reset"),
        ("switch --detach", True, "git switch BRANCH"),
    ],
)
def test_every_verb_names_what_ends_what_stopped(
    tmp_path: Path, how: str, step: str, *, settled: bool
) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"m.txt": "a", "train.py": "pass"})
    init(repo.workspace, InitRequest(command="python train.py", metrics=("m.json",)))
    repo.switch("exp/x", create=True)
    repo.commit({"m.txt": "b"})
    repo.commit({"m.txt": "c"})
    repo.switch("main")
    repo.commit({"m.txt": "d"})
    repo.switch("exp/x")
    onto = "exp/x~1" if how == "revert" else "main"
    repo.git(*how.split(), onto, check=False)
    if settled:
        repo.write({"m.txt": "e"})
        repo.git("add", "m.txt")
    on_branch = how.partition(" ")[0] in {"cherry-pick", "revert", "merge"}
    calls = ["run --commit -m x", "run", "status"]
    begin_here = "new y --here --metric f1 --effect '>0' --hypothesis 'the change raises f1'"
    calls += [] if on_branch else ["init --metrics n.json", begin_here]
    for call in calls:
        told = gitexp(repo, *shlex.split(call))
        assert step in told.out + told.err, (call, told.out + told.err)


def test_an_output_that_only_the_work_tree_has_is_kept_by_the_step_that_is_named(
    script: BuiltRepo,
) -> None:
    (script.path / "model.txt").write_text("of a day before gitexp\n")
    report = run(script.workspace, RunRequest())
    (said,) = report.not_updated
    assert said.startswith("model.txt: it has changes that the cache does not hold; ")
    step = said.rpartition("; ")[2].replace("dvc ", f"{shlex.quote(sys.executable)} -m dvc ")
    done = subprocess.run(["sh", "-c", step], cwd=script.path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (script.path / "model.txt.mine").read_text() == "of a day before gitexp\n"
    assert json.loads(dvc(script.path, "status", "--json")) == {}
    (script.path / "model.txt").unlink()
    assert any(note.endswith("dvc checkout brings it") for note in status(script.workspace).notes)
    dvc(script.path, "checkout")
    assert not any("dvc checkout" in note for note in status(script.workspace).notes)
