"""What scripts log by `gitexp.log_metric`, from the script to the record."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import UnknownMetricError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import SeedOrigin
from gitexp.model.report import ProgressKind
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.model.run import LoggedValue, RepeatState
from gitexp.report import views
from gitexp.report.answers import details
from gitexp.report.answers.lines import heading
from gitexp.system import curves as curves_format
from gitexp.views.list_runs import list_runs
from gitexp.views.logs import logs
from gitexp.views.status import status
from tests.lab.build import repository
from tests.records import answers

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import NewReport, ProgressEvent, RunReport
    from tests.lab.build import BuiltRepo

LOGS = """\
import os
import gitexp
seed = int(os.environ["GITEXP_SEED"])
for epoch in range(3):
    gitexp.log_metric("loss", (10 + seed) / (1 + epoch), step=epoch)
gitexp.log_metric("f1", 0.8 + seed / 100)
"""


def project(path: Path, train: str = LOGS, **request: object) -> BuiltRepo:
    repo = repository(path)
    repo.commit({"train.py": train})
    command = f"{sys.executable} train.py"
    init(repo.workspace, InitRequest(command=command, **request))  # type: ignore[arg-type]
    return repo


def plan(repo: BuiltRepo, metric: str = "f1", **fields: object) -> NewReport:
    return new(
        repo.workspace,
        NewRequest(
            name="better",
            hypothesis="another sum of the same numbers raises f1",
            metric=f"{metric}:max",
            effect=">0",
            baseline="main",
            seeds=SeedOrigin.COMMITTED,
            **{"repeats": 1, **fields},  # type: ignore[arg-type]
        ),
    )


def numbers(report: RunReport) -> dict[str, float]:
    recorded = report.recorded[0]  # the candidate's
    return {sample.metric: sample.value for sample in recorded.samples}


def reasons(report: RunReport) -> list[str]:
    return [repeat.reason for each in report.recorded for repeat in each.run.repeats]


@pytest.mark.slow
def test_a_project_whose_only_numbers_are_logged_goes_from_init_to_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITEXP_CURVES", str(tmp_path / "of a notebook"))
    repo = project(tmp_path / "project")
    assert "files: []" in repo.show(".gitexp/config.yaml")
    plan(repo, repeats=5)
    repo.commit({"train.py": LOGS.replace("0.8", "0.9")})
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert set(reasons(report)) == {""}
    assert report.warnings == ()
    assert report.next_step == "gitexp compare"
    again = run(repo.workspace, RunRequest(dry_run=True))
    assert [(each.seeds, each.for_snapshot) for each in again.planned] == [((), None)] * 2
    assert run(repo.workspace).commit is None
    (result,) = compare(repo.workspace)
    primary = result.metrics[0]
    assert (primary.metric, primary.n_candidate) == ("f1", 5)
    assert primary.difference == pytest.approx(0.1)
    listed = {metric.metric for item in list_runs(repo.workspace).runs for metric in item.metrics}
    assert listed == {"f1", "loss", "curve:loss.final", "curve:loss.area"}
    assert repo.status() == []
    assert not (tmp_path / "of a notebook").exists()


@pytest.mark.slow
def test_logged_curves_are_by_products_where_dvc_is(tmp_path: Path) -> None:
    repo = project(tmp_path, LOGS + 'open("m", "w").write("x")\n', outputs=("m",), dvc_init=True)
    report = run(repo.workspace, RunRequest(seeds=(0, 1)))
    (recorded,) = report.recorded
    kept = [{out.path: out.md5 for out in repeat.outputs} for repeat in recorded.run.repeats]
    assert [sorted(paths) for paths in kept] == [["gitexp-points.csv", "m"], ["gitexp-points.csv"]]
    md5 = kept[1]["gitexp-points.csv"]
    data = (repo.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).read_bytes()
    points = curves_format.load(data, "gitexp-points.csv")
    assert [(point.name, point.step, point.value) for point in points] == [
        ("loss", 0, 11.0), ("loss", 1, 5.5), ("loss", 2, 11 / 3),
    ]  # fmt: skip
    assert md5 in repo.show(f"{recorded.run.id}.dvc", "gitexp/data")
    assert repo.status() == []
    assert not (repo.path / "gitexp-points.csv").exists()
    again = run(repo.workspace, RunRequest(seeds=(0,), again=True))
    assert again.snapshot == "the branch has a snapshot of this state already"


@pytest.mark.slow
def test_what_a_repeat_logs_is_seen_while_it_runs(tmp_path: Path) -> None:
    wait = (
        f"gitexp.log_metric('f1', float('nan'), step=7)\nprint('working', flush=True)\n"
        f"while not os.path.exists({str(tmp_path / 'seen')!r}): time.sleep(0.01)\n"
    )
    last = 'gitexp.log_metric("f1"'
    train = "import time\n" + LOGS.replace(last, wait + last)
    repo = project(tmp_path / "project", train)
    plan(repo)
    repo.commit({"x.py": ""})
    said: list[str] = []

    def tell(event: ProgressEvent) -> None:
        if event.kind is not ProgressKind.LOGGED or "f1" not in event.value:
            return
        said.append(event.value)
        if (tmp_path / "seen").exists():
            return
        view = status(repo.workspace)
        ((seed, logged),) = (each for call in view.running for each in call.logged)
        assert (seed, logged[-1]) == (0, LoggedValue("f1", None, 7))
        assert "seed 0: f1 not finite, loss 3.333, step 7" in str(details.status(view))
        answers.check(json.loads(views.json(view)))
        log = logs(repo.workspace)
        assert heading(log.repeats[0]).startswith("==> seed 0, running; f1 not finite")
        answers.check(json.loads(views.json(log)))
        (tmp_path / "seen").touch()

    report = run(repo.workspace, tell=tell)
    assert said[0] == "f1 not finite, loss 3.333, step 7"
    assert numbers(report)["f1"] == 0.8


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("more", "reason", "found"),
    [
        ('gitexp.log_metric("loss", float("inf"), step=9)', "metric loss is not a finite", {}),
        ('json.dump({"f1": 0.8}, open("metrics.json", "w"))', "", {"f1": 0.8}),
        (
            'json.dump({"f1": 0.7}, open("metrics.json", "w"))',
            "several metrics files give f1",
            {},
        ),
        ('json.dump({"loss": 7, "x": 1}, open("metrics.json", "w"))', "", {"f1": 0.8, "x": 1}),
        ("", "", {"f1": 0.8}),  # metrics.json is what init supposed: nobody declared it
        ("import sys; sys.exit(3)", "stage command ended with exit code 3", {}),
    ],
)
def test_logged_numbers_and_a_metrics_file(
    more: str, reason: str, found: dict[str, float], tmp_path: Path
) -> None:
    repo = project(tmp_path, f"# metrics.json\nimport json\n{LOGS}{more}\n")
    assert "files: [metrics.json]" in repo.show(".gitexp/config.yaml")
    plan(repo)
    repo.commit({"x.py": ""})
    report = run(repo.workspace)
    assert reasons(report)[0].startswith(reason)
    assert bool(reasons(report)[0]) == bool(reason)
    assert found.items() <= numbers(report).items()


def test_a_declared_metrics_file_that_is_missing_fails_the_repeat_all_the_same(
    tmp_path: Path,
) -> None:
    repo = project(tmp_path, metrics=("scores.json",))
    report = run(repo.workspace)
    assert report.recorded[0].run.repeats[0].state is RepeatState.FAILED


def test_new_takes_what_scripts_log_and_refuses_other_names(tmp_path: Path) -> None:
    repo = project(tmp_path)
    for name in ("f2", "f1.test"):
        with pytest.raises(UnknownMetricError, match="f1, loss"):
            plan(repo, name, dry_run=True)
    plan(repo, "curve:loss.area", dry_run=True)
    plan(repo, "train:f1", dry_run=True)  # of the stage that logs it, where several do
    repo.commit({"note.ipynb": '["import gitexp\\n", "gitexp.log_metric(\\"f2\\", 1)"]'})
    plan(repo, "f2", dry_run=True)
    repo.commit({"other.py": "import gitexp, mlflow\nmlflow.log_metric(name, 1)\n"})
    with pytest.raises(UnknownMetricError):
        plan(repo, "f3", dry_run=True)
    repo.commit({"other.py": "import gitexp\nfor name in names: gitexp.log_metric(name, 1)\n"})
    plan(repo, "f3", dry_run=True)


@pytest.mark.parametrize(
    ("metric", "files", "taken"),
    [
        ("acc", {}, True),
        ("loss", {}, True),
        ("curve:loss.area", {}, True),
        ("acc", {"metrics.json": '{"acc": 1}'}, True),
        ("auc", {"metrics.json": '{"acc": 1}'}, False),
    ],
)
def test_what_scripts_log_makes_no_other_name_unknown_before_its_file_is_there(
    tmp_path: Path, metric: str, files: dict[str, str], *, taken: bool
) -> None:
    train = LOGS + 'open("metrics.json", "w").write(\'{"acc": 1}\')\n'
    repo = project(tmp_path, train, metrics=("metrics.json",))
    if files:
        repo.commit(files)
    if not taken:
        with pytest.raises(UnknownMetricError, match="acc, f1, loss"):
            plan(repo, metric, dry_run=True)
        return
    said = " ".join(plan(repo, metric, dry_run=True).warnings)
    assert ("taken at its word" in said) is (metric == "acc" and not files)


def test_where_nothing_is_logged_a_curve_has_to_be_declared(tmp_path: Path) -> None:
    repo = project(tmp_path, "print('x')\n")
    with pytest.raises(UnknownMetricError, match="no learning curve"):
        plan(repo, "curve:loss.area", dry_run=True)


@pytest.mark.slow
def test_curves_that_dvc_yaml_declares_are_written_in_a_run_as_by_dvc_repro(
    dvc_repo: BuiltRepo,
) -> None:
    stage = (
        f"stages: {{train: {{cmd: {sys.executable} train.py, deps: [train.py],"
        " plots: [gitexp-points/curves: {x: step, y: value}]}}\n"
    )
    train = LOGS.replace('["GITEXP_SEED"]', '.get("GITEXP_SEED", "0")')
    dvc_repo.commit({"dvc.yaml": stage, "dvc.lock": None, "train.py": train})
    init(dvc_repo.workspace)
    report = run(dvc_repo.workspace, RunRequest(seeds=(0,)))
    assert reasons(report) == [""]
    assert numbers(report)["loss"] == pytest.approx(10 / 3)


@pytest.mark.slow
def test_what_a_stage_logs_that_runs_once_is_a_metric_of_every_repeat(dvc_repo: BuiltRepo) -> None:
    stages = (
        f"stages:\n  prepare: {{cmd: {sys.executable} prepare.py, outs: [rows.txt]}}\n"
        f"  train: {{cmd: {sys.executable} train.py, deps: [rows.txt], params: [seed, lr]}}\n"
    )
    prepare = "import gitexp; gitexp.log_metric('rows', 3, step=0); open('rows.txt', 'w')\n"
    files = {"dvc.yaml": stages, "dvc.lock": None, "train.py": LOGS, "prepare.py": prepare}
    dvc_repo.commit({**files, "params.yaml": "seed: 1\nlr: 1\n"})
    init(dvc_repo.workspace)
    report = run(dvc_repo.workspace, RunRequest(seeds=(1, 2)))
    (recorded,) = report.recorded
    assert report.planned[0].once == ("prepare",)
    rows = {s.seed: s.value for s in recorded.samples if s.metric == "rows"}
    assert rows == {1: 3, 2: 3}
    # What another run says that a stage logged is nobody's word here: it is executed, and logs it.
    (later,) = run(dvc_repo.workspace, RunRequest(seeds=(3,))).recorded
    assert [made.origin.value for made in later.run.once] == ["executed"]
    assert [s.value for s in later.samples if s.metric == "rows"] == [3]
    plan(dvc_repo, params=((ParamKey("params.yaml", "lr"), 2),))
    first = run(dvc_repo.workspace, RunRequest(with_baseline=True, seeds=(4,))).recorded
    more = run(dvc_repo.workspace, RunRequest(with_baseline=True, seeds=(5,))).recorded
    origins = [made.origin.value for each in (*first, *more) for made in each.run.once]
    assert sorted(origins) == ["adopted", "adopted", "adopted", "executed"]
    rows = [s.value for each in (*first, *more) for s in each.samples if s.metric == "rows"]
    assert rows == [3] * 4
