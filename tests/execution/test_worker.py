from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc.cache import object_path, put
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.model.config import ParamKey, Predictions
from gitexp.model.ids import Md5, RunId
from gitexp.model.job import Given, LinkedPath, OutKind, StageOut, StageParams
from gitexp.model.run import RepeatState
from gitexp.text import predictions as predictions_format
from tests.lab.build import git_environment
from tests.lab.jobs import METRICS, Bench, bench, stage
from tests.lab.waiting import until

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

FILES = {
    "params.yaml": "# how we train\nlr: 0.5  # rate\nseed: 1\n",
    ".gitignore": "/model.txt\n/data\n/.env\n",
    "raw.csv": "1\n2\n",
}
GOOD = 'echo \'{"f1": 0.5, "folds": [0.4, 0.6]}\' > metrics.json'


@pytest.fixture
def place(repo: BuiltRepo, tmp_path: Path) -> Bench:
    repo.commit(FILES)
    return bench(repo, tmp_path)


def test_a_repeat_leaves_samples_outputs_and_the_stage_record(place: Bench) -> None:
    made = stage(
        "cp raw.csv model.txt; " + GOOD,
        deps=("raw.csv",),
        params=(StageParams("params.yaml", ("lr", "seed")),),
        outs=(StageOut("model.txt"), METRICS),
    )
    job = place.job(
        made, edits={ParamKey("params.yaml", "seed"): 7, ParamKey("params.yaml", "lr"): 0.1}
    )
    outcome = place.run(job)
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    assert [(s.metric, s.fold, s.value, s.seed) for s in outcome.samples] == [
        ("f1", None, 0.5, 7),
        ("folds", 0, 0.4, 7),
        ("folds", 1, 0.6, 7),
    ]
    (record,) = outcome.stages
    assert record.params == {"params.yaml": {"lr": 0.1, "seed": 7}}
    assert [dep.path for dep in record.deps] == ["raw.csv"]
    (model,) = outcome.outputs
    assert (model.path, model.size) == ("model.txt", 4)
    assert object_path(place.out() / "cache", model.md5).read_text() == "1\n2\n"
    assert not (place.root / "cache").exists()  # DVC's is only read
    assert (place.out() / outcome.kept[0].file).read_text().startswith('{"f1"')
    assert outcome.environment is not None
    assert outcome.environment.implementation == "cpython"
    assert outcome.resources.wall_s is not None
    assert outcome.resources.peak_memory_bytes
    assert (place.slot / "params.yaml").read_text() == "# how we train\nlr: 0.1  # rate\nseed: 7\n"
    assert place.repo.status() == []


def test_a_command_gets_the_seed_and_nothing_that_leads_elsewhere(place: Bench) -> None:
    show = (
        "env > env.txt; "
        'printf \'{"seed": %s, "hash": %s}\' $GITEXP_SEED $PYTHONHASHSEED > metrics.json'
    )
    job = place.job(stage(show), keep=("env.txt",), variables={"EXTRA": "x"})
    outcome = place.run(
        job, env={"GIT_DIR": "/elsewhere", "GIT_INDEX_FILE": "/x", "GIT_SSH_COMMAND": "ssh -v"}
    )
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    assert {s.metric: s.value for s in outcome.samples} == {"seed": 7, "hash": 0}
    lines = (place.out() / "files/env.txt").read_text().splitlines()
    env = dict(line.split("=", 1) for line in lines if "=" in line)
    assert not {"GIT_DIR", "GIT_INDEX_FILE"} & env.keys()
    assert env["GIT_SSH_COMMAND"] == "ssh -v"
    assert env["GITEXP_PROJECT"] == str(place.slot)
    assert env["DVC_STAGE"] == "train"
    assert env["EXTRA"] == "x"
    assert env["UV_NO_SYNC"] == "1"
    assert env["PATH"].split(":")[0] == str(Path(place.job().python).parent)
    assert "hooksPath" in env["GIT_CONFIG_KEY_0"]


def test_a_seed_argument_is_appended_to_the_command(place: Bench) -> None:
    command = 'f() { echo "{\\"f1\\": ${1#seed=}}" > metrics.json; }; f'
    outcome = place.run(place.job(stage(command), seed_arg="seed={seed}"))
    assert [s.value for s in outcome.samples] == [7]


def test_the_commands_of_a_list_run_in_order_and_a_failure_stops_them(place: Bench) -> None:
    several = stage("", outs=(), wdir="sub", listed=True)
    several = several.__class__(
        **{
            **{name: getattr(several, name) for name in several.__slots__},
            "commands": ("echo one > ../a", "exit 5", "echo two > ../b"),
        }
    )
    (place.slot / "sub").mkdir()
    outcome = place.run(place.job(several, metrics=()))
    assert outcome.state is RepeatState.FAILED
    assert (outcome.exit_code, outcome.stage) == (5, "train")
    assert outcome.reason == "stage train ended with exit code 5"
    assert (place.slot / "a").exists()
    assert not (place.slot / "b").exists()
    assert "> exit 5" in outcome.log_tail


def test_outs_are_deleted_before_the_stage_unless_they_persist(place: Bench) -> None:
    place.repo.git("-C", str(place.slot), "status")
    for name in ("model.txt", "state.txt"):
        (place.slot / name).write_text("old")
    check = "test ! -e model.txt && test -e state.txt && touch model.txt && " + GOOD
    outs = (StageOut("model.txt"), StageOut("state.txt", persist=True), METRICS)
    outcome = place.run(place.job(stage(check, outs=outs)))
    assert outcome.state is RepeatState.FINISHED, outcome.reason


def test_what_no_stage_of_this_repeat_wrote_is_no_measurement(place: Bench, tmp_path: Path) -> None:
    names = ("old", "kept", "same", "given", "once")
    for name in names:
        (place.slot / f"{name}.json").write_text(f'{{"{name}": 1}}')
    cache = CacheConfig(tmp_path / "cache", ("copy",))
    given, once = (put(cache, place.slot, f"{name}.json") for name in names[3:])
    for name in names[3:]:
        (place.slot / f"{name}.json").unlink()
    (tmp_path / "linked").mkdir()
    (tmp_path / "linked/m.json").write_text('{"linked": 1}')
    (place.slot / "curve.csv").write_text("name,step,value\nloss,1,1\n")
    (place.slot / "predictions.csv").write_text("id,y_true,y_pred\na,1,1\n")
    outs = (StageOut("kept.json", OutKind.METRIC, cache=False, persist=True), METRICS)
    job = place.job(
        stage(f"cp same.json x; cat x > same.json; {GOOD}", outs=outs),
        metrics=(*(f"{name}.json" for name in names), "gone.json", "linked/m.json", "metrics.json"),
        given=(
            Given("given.json", given.md5, "given.json.dvc"),
            Given("once.json", once.md5, "prepare"),
        ),
        links=(LinkedPath("linked", str(tmp_path / "linked")),),
        curves=("curve.csv",),
        predictions=Predictions("predictions.csv"),
    )
    outcome = place.run(job)
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    assert {sample.metric for sample in outcome.samples} == {"same", "once", "f1", "folds"}
    unread = [line.split()[0] for line in outcome.warnings if "the stages did not write it" in line]
    assert unread == [
        *("curve.csv", "given.json", "gone.json", "kept.json", "linked/m.json", "old.json"),
        "predictions.csv",
    ]
    assert (outcome.evaluation_basis, outcome.outputs) == ("undeclared", ())


def test_an_output_that_was_not_made_fails_the_repeat(place: Bench) -> None:
    outcome = place.run(place.job(stage(GOOD, outs=(StageOut("model.txt"), METRICS))))
    assert outcome.state is RepeatState.FAILED
    assert "model.txt" in outcome.reason
    assert outcome.samples == ()


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"f1": NaN}', "NaN"),
        ('{"f1": 1e999}', "1e999"),
        ('{"f1": "high"}', "text, 'high'"),
        ('{"f2": 0.5}', "f2"),
        ('{"f1": 0.5', "not JSON"),
        ('{"f1": 0.5, "f1": 0.6}', "twice"),
    ],
)
def test_a_metric_that_is_no_finite_number_fails_the_repeat(
    place: Bench, text: str, word: str
) -> None:
    write = f"cat > metrics.json <<'X'\n{text}\nX"
    outcome = place.run(place.job(stage(write, listed=True), expect_metrics=("f1",)))
    assert outcome.state is RepeatState.FAILED
    assert word in outcome.reason
    assert outcome.samples == ()
    assert len(outcome.stages) == 1  # what was executed stays known


def test_a_used_worktree_is_cleaned_before_the_next_repeat(place: Bench) -> None:
    dirty = stage("echo x >> raw.csv; touch left.txt; mkdir data; touch data/x; " + GOOD)
    assert place.run(place.job(dirty)).state is RepeatState.FINISHED
    clean = stage("test ! -e left.txt && test ! -e data && test $(wc -l < raw.csv) = 2 && " + GOOD)
    outcome = place.run(place.job(clean), "attempt-2")
    assert outcome.state is RepeatState.FINISHED, outcome.log_tail


def test_given_data_come_from_the_cache_and_missing_ones_are_named(place: Bench) -> None:
    first = place.run(
        place.job(stage("mkdir data; echo hi > data/a; " + GOOD, outs=(StageOut("data"), METRICS)))
    )
    (data,) = first.outputs
    assert data.md5.endswith(".dir")
    job = place.job(
        stage("test $(cat data/a) = hi && " + GOOD),
        given=(Given("data", data.md5),),
        made=(str(place.out() / "cache"),),
    )
    outcome = place.run(job, "attempt-2")
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    lacking = place.job(given=(Given("data", Md5("0" * 32)),))
    outcome = place.run(lacking, "attempt-3")
    assert outcome.state is RepeatState.FAILED
    assert "not in the cache" in outcome.reason


def test_dvc_in_a_command_uses_the_cache_of_the_run(dvc_repo: BuiltRepo, tmp_path: Path) -> None:
    place = bench(dvc_repo, tmp_path)
    ask = f'test $(dvc cache dir) = {place.root}/cache && test -z "$(git status --short .dvc)"'
    for attempt in ("attempt-1", "attempt-2"):
        outcome = place.run(place.job(stage(f"{ask} && {GOOD}")), attempt)
        assert outcome.state is RepeatState.FINISHED, outcome.log_tail


def test_data_that_were_changed_through_a_hard_link_fail_the_repeat(place: Bench) -> None:
    made = stage("echo hi > model.txt; " + GOOD, outs=(StageOut("model.txt"), METRICS))
    (model,) = place.run(place.job(made)).outputs
    spoil = stage("chmod u+w model.txt; echo ho > model.txt; " + GOOD)
    job = place.job(
        spoil,
        given=(Given("model.txt", model.md5),),
        cache_types=("hardlink",),
        made=(str(place.out() / "cache"),),
    )
    outcome = place.run(job, "attempt-2")
    assert outcome.state is RepeatState.FAILED
    assert "through a link" in outcome.reason


def test_linked_data_are_seen_fingerprinted_and_guarded(place: Bench, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "a.csv").write_text("1\n")
    (shared / "b.csv").write_text("2\n" * 64)  # of fewer bytes no hash is recorded
    links = (LinkedPath("data", str(shared)),)
    read = stage("test $(cat data/a.csv) = 1 && " + GOOD)
    first = place.run(place.job(read, links=links))
    assert first.state is RepeatState.FINISHED, first.reason
    again = place.run(place.job(read, links=links), "attempt-2")
    assert first.links == again.links != ""
    assert (shared / "a.csv").exists()  # cleaning removed the link, not what it leads to
    spoil = stage("echo 22 > data/a.csv; " + GOOD)
    outcome = place.run(place.job(spoil, links=links), "attempt-3")
    assert outcome.state is RepeatState.FAILED
    assert "data/a.csv" in outcome.reason
    changed = place.run(place.job(stage("true; " + GOOD), links=links), "attempt-4")
    assert changed.links != first.links
    (shared / "b.csv").unlink()
    few = place.run(place.job(stage("echo 333 > data/a.csv; " + GOOD), links=links), "attempt-5")
    assert (few.state, few.links) == (RepeatState.FAILED, "")  # guarded all the same


def test_evaluation_is_the_predictions_else_the_declared_paths_else_the_data(place: Bench) -> None:
    spec = Predictions("pred.csv")
    write = "printf 'id,y_true,y_pred\\nb,1,0\\na,0,0\\n' > pred.csv; " + GOOD
    outcome = place.run(place.job(stage(write), predictions=spec))
    table = predictions_format.load(b"id,y_true,y_pred\na,0,1\nb,1,1\n", spec, "x")
    assert outcome.evaluation == predictions_format.evaluation_digest(table)
    assert outcome.evaluation_basis == "predictions"
    assert [output.path for output in outcome.outputs] == ["pred.csv"]
    declared = place.run(place.job(evaluation=("raw.csv",)), "attempt-2")
    assert declared.evaluation_basis == "evaluation"
    pointed = place.run(place.job(data_pointers=("data:1",)), "attempt-3")
    assert pointed.evaluation_basis == "data"
    nothing = place.run(place.job(), "attempt-4")
    assert (nothing.evaluation, nothing.evaluation_basis) == (None, "undeclared")


def test_a_timeout_ends_everything_and_says_so(place: Bench) -> None:
    outcome = place.run(place.job(stage("sleep 60 & sleep 60"), timeout_s=2.0))
    assert outcome.state is RepeatState.CANCELLED
    assert outcome.reason == "timeout: longer than 2 s"
    assert outcome.stage == "train"


def test_term_ends_the_commands_even_those_in_another_session(place: Bench) -> None:
    pid = place.root / "pid"
    command = f"setsid sh -c 'echo $$ > {pid}.x; mv {pid}.x {pid}; exec sleep 60' & sleep 60"
    worker = place.start(place.job(stage(command)))
    until(pid.exists)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait() == 143
    outcome = place.outcome()
    assert (outcome.state, outcome.reason) == (RepeatState.CANCELLED, "cancelled")
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_what_a_stage_leaves_running_is_ended_with_it(place: Bench) -> None:
    pid = place.root / "pid"
    command = f"setsid sleep 60 & echo $! > {pid}; " + GOOD
    outcome = place.run(place.job(stage(command)))
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_output_that_is_no_text_and_secrets_do_not_reach_the_record(place: Bench) -> None:
    command = (
        "printf 'caf\\351 \\033]52;c;aGk=\\007\\n'; echo --token hunter2hunter2;"
        " echo $WANDB_API_KEY; exit 1"
    )
    outcome = place.run(place.job(stage(command)), env={"WANDB_API_KEY": "0123456789abcdef"})
    assert "\\xe9" in outcome.log_tail
    assert "\x1b" not in outcome.log_tail
    assert "hunter2" not in outcome.log_tail
    assert "0123456789abcdef" not in outcome.log_tail
    assert any("WANDB_API_KEY" in warning for warning in outcome.warnings)
    record = (place.out() / "outcome.json").read_text()
    assert "0123456789abcdef" not in record


def test_no_variable_that_gitexp_sets_for_a_job_is_a_secret(place: Bench) -> None:
    inherited = git_environment() | {"GITEXP_RUN": "q7xk2mzt4rw5hd3c"}  # of a job that starts this
    (place.root / "inherited").write_text("".join(f"{n}={v}\n" for n, v in inherited.items()))
    show = f"env | grep -vxFf {place.root}/inherited; echo $THING; exit 1"
    given = {"THING": "Zk3v9QpLx02Rt"}
    job = place.job(stage(show), run=RunId("b5nv3xq2wkz7c4ta"), variables=given)
    outcome = place.run(job, env=inherited)
    set_by_us = [line for line in outcome.log_tail.splitlines() if re.match(r"[A-Z]\w+=", line)]
    assert f"GITEXP_RUN={job.run}" in set_by_us
    assert [line for line in set_by_us if "***" in line] == ["THING=***"]
    assert outcome.warnings == ("the log's end held a secret (THING): masked",)


@pytest.mark.slow
def test_200_megabytes_of_output_cost_a_file_and_nothing_else(place: Bench) -> None:
    outcome = place.run(place.job(stage("head -c 200000000 /dev/zero; exit 1")))
    assert outcome.state is RepeatState.FAILED
    assert len(outcome.log_tail) <= 4000
    assert (place.out() / "log").stat().st_size > 200_000_000


def test_an_attempt_that_was_begun_is_refused(place: Bench) -> None:
    assert place.run(place.job()).state is RepeatState.FINISHED
    before = (place.out() / "outcome.json").read_bytes()
    assert place.start(place.job()).wait() != 0
    assert (place.out() / "outcome.json").read_bytes() == before


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    "point", ["worktree", "checkout", "pipeline", "read", "snapshot", "outcome"]
)
def test_a_kill_at_any_step_leaves_no_outcome_and_a_worktree_that_can_be_used(
    place: Bench, point: str
) -> None:
    env = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": f"run.{point}:kill"}
    assert place.start(place.job(), env=env).wait() == -signal.SIGKILL
    assert not (place.out() / "outcome.json").exists()
    assert place.run(place.job(), "attempt-2").state is RepeatState.FINISHED


def test_a_full_disk_is_a_failed_repeat(place: Bench) -> None:
    env = {"GITEXP_TESTING": "1", "GITEXP_FAILPOINT": "run.read:raise=ENOSPC"}
    outcome = place.run(place.job(), env=env)
    assert outcome.state is RepeatState.FAILED
    assert "No space left" in outcome.reason


def test_a_project_in_a_subfolder_is_run_there(repo: BuiltRepo, tmp_path: Path) -> None:
    repo.commit({f"sub/{name}": text for name, text in FILES.items()})
    place = bench(repo, tmp_path)
    made = stage("cp raw.csv model.txt; " + GOOD, outs=(StageOut("model.txt"), METRICS))
    outcome = place.run(place.job(made, project="sub"))
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    assert (place.slot / "sub/model.txt").exists()


def test_curves_are_measured_beside_the_metrics(place: Bench) -> None:
    lines = "name,step,value\\nval,1,0.5\\nval,2,0.7\\ntest,1,0.4\\ntest,2,0.6\\n"
    made = stage(f"{GOOD}; printf '{lines}' > curves.csv")
    asked = "curve:test.at-max:val"
    outcome = place.run(
        place.job(made, curves=("curves.csv",), expect_metrics=("f1", "curve:val.area", asked))
    )
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    values = {s.metric: s.value for s in outcome.samples if s.fold is None}
    assert values["f1"] == 0.5
    assert values["curve:val.final"] == 0.7
    assert values["curve:val.area"] == pytest.approx(0.6)
    assert values[asked] == 0.6
    assert [item.path for item in outcome.outputs] == ["curves.csv"]


def test_a_curve_that_the_plan_is_about_and_nobody_wrote_fails_the_repeat(place: Bench) -> None:
    made = stage(f"{GOOD}; printf 'name,step,value\\nval,1,0.5\\n' > curves.csv")
    job = place.job(made, curves=("curves.csv",), expect_metrics=("curve:loss.final",))
    outcome = place.run(job)
    assert outcome.state is RepeatState.FAILED
    assert "curve:loss.final was not measured" in outcome.reason
