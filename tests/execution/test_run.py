"""`run` on real repositories: what is recorded, what is refused, what survives."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.dvc import inputs as inputs_rules
from gitexp.errors import (
    BareRepositoryError,
    DataMissingError,
    DetachedHeadError,
    DirtyTreeError,
    GitexpError,
    MovedRefError,
    NotInitialisedError,
    PreflightError,
    UnbornBranchError,
    UnknownParamError,
    UnknownRevisionError,
    UntrustedSourceError,
)
from gitexp.execution.run import run
from gitexp.experiments.amend_plan import amend_plan
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git import objects, repository
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction, OnFailed, SeedOrigin, Terms, Verdict
from gitexp.model.report import ProgressKind
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.records.terms import parse_guard
from gitexp.store import lookup, plans
from gitexp.views.status import status
from tests.lab import build
from tests.lab.build import BuiltRepo, clone
from tests.lab.build import repository as build_repository
from tests.lab.waiting import until

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.ids import CommitHash, InputsDigest
    from gitexp.model.report import ProgressEvent, RunReport

PLAIN_TRAIN = """\
import os, sys
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
open("metrics.json", "w").write('{"acc": %r}' % (0.5 + seed / 1000))
open("model.txt", "w").write(text)
"""


@pytest.fixture
def project(tmp_path: Path, dvc_project_template: Path) -> BuiltRepo:
    """The DVC project, initialised."""

    def make(folder: Path) -> None:
        init(build.dvc_project(folder, dvc_project_template).workspace)

    return build.copied(tmp_path / "project", make, "DVC, initialised")


@pytest.fixture
def experiment(tmp_path: Path, project: BuiltRepo) -> BuiltRepo:
    """The same on exp/faster, which doubles the learning rate."""
    request = NewRequest(
        name="faster",
        hypothesis="a higher learning rate raises accuracy by at least 1%",
        metric=metric_of(project),
        effect=">=1%",
        repeats=3,
        baseline="main",
        params=((ParamKey("params.yaml", "lr"), 0.2),),
        seeds=SeedOrigin.COMMITTED,
    )

    def make(folder: Path) -> None:
        new(build.dvc_project(folder, project.path).workspace, request)

    return build.copied(tmp_path / "experiment", make, "DVC, initialised", request)


def metric_of(repo: BuiltRepo) -> str:
    return next(iter(json.loads(repo.show("metrics.json"))))


def plain(path: Path, train: str = PLAIN_TRAIN, **request: object) -> BuiltRepo:
    """A project without a pipeline: a script, a params file, a metrics file."""
    asked: dict[str, object] = {"outputs": ("model.txt",), "dvc_init": True} | request
    wanted = InitRequest(command="python train.py", metrics=("metrics.json",), **asked)  # type: ignore[arg-type]

    def make(folder: Path) -> None:
        repo = build_repository(folder)
        made = build.dvc_files() if wanted.dvc_init else {}
        repo.commit({"train.py": train, "params.yaml": "lr: 0.1\nseed: 7\n", **made})
        init(repo.workspace, wanted)

    return build.copied(path, make, train, wanted)


def digest(repo: BuiltRepo, revision: str = "HEAD") -> InputsDigest:
    opened = repository.open_repository(repo.workspace)
    commit = objects.resolve(opened, revision)
    config, _ = plans.config_of(opened, commit)
    tree = objects.tree_id(opened, commit)
    assert isinstance(tree, str)
    return inputs_rules.compute(opened, tree, config)


def dvc(repo: BuiltRepo, *args: str) -> str:
    return build.dvc(repo.path, *args)


def states(report: RunReport) -> list[RepeatState]:
    return [repeat.state for each in report.recorded for repeat in each.run.repeats]


def test_a_run_leaves_a_clean_project_that_dvc_agrees_with(experiment: BuiltRepo) -> None:
    before = digest(experiment)
    report = run(experiment.workspace, RunRequest(jobs=2, with_baseline=True))
    assert states(report) == [RepeatState.FINISHED] * 6
    assert digest(experiment) == before == report.recorded[0].run.inputs
    assert experiment.status() == []
    assert dvc(experiment, "status", "--json").strip() == "{}"
    assert report.snapshot.startswith("written")
    lines = experiment.git("worktree", "list").splitlines()
    assert len(lines) == 1
    experiment.fsck()


def test_run_makes_what_the_plan_lacks_and_then_nothing(experiment: BuiltRepo) -> None:
    first = run(experiment.workspace, RunRequest(repeats=2))
    assert [each.run.seeds for each in first.recorded] == [(1, 2), (1, 2)]
    second = run(experiment.workspace, RunRequest(jobs=2))
    assert {each.side: each.run.seeds for each in second.recorded} == {
        "candidate": (3,),
        "baseline": (3,),
    }
    third = run(experiment.workspace, RunRequest(with_baseline=True))
    assert third.recorded == ()
    assert third.commit is None
    again = run(experiment.workspace, RunRequest(repeats=1, again=True))
    assert [each.run.seeds for each in again.recorded] == [(1,), (1,)]


def test_time_and_memory_are_judged_and_no_metrics_file_has_to_have_them(tmp_path: Path) -> None:
    repo = plain(tmp_path)
    limits = ("wall_s<=+900%", "resource:peak_memory_bytes<=+900%")
    new(
        repo.workspace,
        NewRequest(
            name="faster",
            hypothesis="a higher learning rate raises accuracy",
            metric="acc",
            direction=Direction.MAX,
            effect=">0",
            guards=tuple(parse_guard(text) for text in limits),
            repeats=5,
            baseline="main",
            params=((ParamKey("params.yaml", "lr"), 0.2),),
            seeds=SeedOrigin.COMMITTED,
        ),
    )
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert states(report) == [RepeatState.FINISHED] * 10
    (result,) = compare(repo.workspace)
    assert [metric.n_candidate for metric in result.metrics[1:3]] == [5, 5]
    assert [metric.broken for metric in result.metrics[1:3]] == [False, False]


def test_a_seed_seen_before_the_plan_is_spent(project: BuiltRepo) -> None:
    project.switch("idea", create=True)
    project.commit({"params.yaml": project.show("params.yaml").replace("lr: 0.5", "lr: 0.3")})
    seen = run(project.workspace, RunRequest(seeds=(1, 2)))
    assert seen.exploratory
    new(
        project.workspace,
        NewRequest(
            name="seen",
            hypothesis="this learning rate is better, I have seen it",
            metric=metric_of(project),
            effect=">0",
            repeats=2,
            baseline="main",
            seeds=SeedOrigin.COMMITTED,
        ),
    )
    report = run(project.workspace)
    assert report.recorded[0].run.seeds == (3, 4)
    assert report.planned[0].spent == (1, 2)


def test_a_seed_that_others_had_seen_is_run_anew_and_one_seen_later_is_not(
    experiment: BuiltRepo,
) -> None:
    experiment.branch("elsewhere", "HEAD")
    run(experiment.workspace, RunRequest())  # seeds 1, 2, 3 under the plan
    experiment.switch("elsewhere")
    experiment.commit({".gitexp/experiments/faster.yaml": None}, at=5)
    run(experiment.workspace, RunRequest(seeds=(2,)))  # the same inputs, on a parallel line
    experiment.switch("exp/faster")
    report = run(experiment.workspace)
    assert [each.run.seeds for each in report.recorded] == [(4,), (4,)]
    experiment.switch("later", create=True)
    experiment.commit({".gitexp/experiments/faster.yaml": None}, at=6)
    run(experiment.workspace, RunRequest(seeds=(1,)))
    experiment.switch("exp/faster")
    assert run(experiment.workspace).recorded == ()


def test_two_sides_with_the_same_inputs_are_refused_before_anything_is_run(
    project: BuiltRepo,
) -> None:
    asked = NewRequest(
        name="unchanged",
        hypothesis="nothing raises accuracy by at least 1%",
        metric=metric_of(project),
        effect=">=1%",
        baseline="main",
        seeds=SeedOrigin.COMMITTED,
    )
    new(project.workspace, asked)
    assert status(project.workspace).next_step.startswith("change code or parameters")
    before = project.hash()
    with pytest.raises(PreflightError, match="same inputs") as refused:
        run(project.workspace, RunRequest(with_baseline=True))
    assert "gitexp run --commit" in refused.value.next_step
    assert project.hash() == before


def test_after_an_override_the_next_step_takes_it_into_the_branch(experiment: BuiltRepo) -> None:
    override = ((ParamKey("params.yaml", "lr"), 0.7),)
    report = run(experiment.workspace, RunRequest(repeats=1, params=override))
    assert report.next_step.startswith("the same with --commit -m MESSAGE")
    again = RunRequest(repeats=1, params=override, commit_message="lr 0.7")
    taken = run(experiment.workspace, again)
    assert taken.planned[0].counting == (1,), "the samples are those of the state"
    assert taken.snapshot == "written, with the committed seed 1"
    assert dvc(experiment, "status", "--json").strip() == "{}"
    assert run(experiment.workspace, RunRequest(repeats=1)).recorded == ()


def test_a_committed_seed_that_failed_is_not_said_to_be_unused(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", f"{PLAIN_TRAIN}sys.exit(1)\n")
    report = run(repo.workspace, RunRequest())
    assert states(report) == [RepeatState.FAILED]
    assert report.snapshot == (
        "the repeat with the committed seed 7 did not finish, "
        "so outputs and metrics files stay as they are"
    )
    other = run(repo.workspace, RunRequest(seeds=(8,)))
    assert other.snapshot.startswith("no repeat used the committed seed 7, so outputs")


def test_an_override_belongs_to_the_source_and_writes_no_snapshot(experiment: BuiltRepo) -> None:
    lock = experiment.show("dvc.lock")
    report = run(
        experiment.workspace,
        RunRequest(repeats=1, params=((ParamKey("params.yaml", "lr"), 0.7),)),
    )
    made = report.recorded[0].run
    assert made.source.overrides == {"lr": 0.7}
    assert made.params["lr"] == 0.7
    assert made.inputs != digest(experiment)
    assert experiment.show("dvc.lock") == lock
    assert made.repeats[0].outputs, "outputs of another state are by-products"


def test_commit_first_makes_the_override_a_commit(experiment: BuiltRepo) -> None:
    report = run(
        experiment.workspace,
        RunRequest(
            repeats=1,
            params=((ParamKey("params.yaml", "lr"), 0.7),),
            commit_message="try a higher rate",
        ),
    )
    assert report.recorded[0].run.source.overrides == {}
    assert "lr: 0.7" in experiment.show("params.yaml")
    assert experiment.git("log", "-1", "--format=%s", "HEAD~1") == "try a higher rate"


def test_a_dry_run_that_would_commit_first_says_so_and_asks_for_nothing(
    experiment: BuiltRepo,
) -> None:
    experiment.commit({"params.yaml": experiment.git("show", "main:params.yaml") + "\n"}, at=9)
    wanted = RunRequest(repeats=1, commit_message="m", with_baseline=True, dry_run=True)
    with pytest.raises(PreflightError):
        run(experiment.workspace, wanted)  # as without --dry-run: both sides are the same
    experiment.write({"params.yaml": experiment.show("params.yaml") + "more: 1\n"})
    before = experiment.hash()
    report = run(experiment.workspace, wanted)
    assert any("params.yaml would be committed first" in text for text in report.warnings)
    assert report.next_step == "gitexp amend-plan --repeats 5 --why TEXT", "which alone can decide"
    assert experiment.hash() == before


def test_repeats_after_the_planned_number_are_neither_counted_nor_run(
    experiment: BuiltRepo,
) -> None:
    planned = status(experiment.workspace).planned
    first = run(experiment.workspace, RunRequest(repeats=planned + 1, dry_run=True))
    assert not any("will not count" in text for text in first.warnings), "nobody has looked"
    run(experiment.workspace, RunRequest(jobs=2))
    report = run(experiment.workspace, RunRequest(repeats=planned + 2, dry_run=True))
    assert not report.planned[0].seeds
    assert any(text.startswith("2 more would not count: ") for text in report.warnings)
    chosen = run(experiment.workspace, RunRequest(seeds=(8,), dry_run=True))
    assert any(text.startswith("1 of these repeats will not count") for text in chosen.warnings)


def test_the_baseline_can_be_run_by_its_revision(experiment: BuiltRepo) -> None:
    report = run(experiment.workspace, RunRequest(at="main", repeats=2))
    assert [each.side for each in report.recorded] == ["baseline"]
    assert report.recorded[0].run.inputs == digest(experiment, "main")
    assert experiment.git("rev-parse", "HEAD") == report.commit


def test_uncommitted_changes_are_named_and_nothing_is_run(experiment: BuiltRepo) -> None:
    experiment.write({"params.yaml": "lr: 9\nseed: 1\n"})
    with pytest.raises(DirtyTreeError) as caught:
        run(experiment.workspace)
    assert "params.yaml" in caught.value.found
    assert experiment.path.joinpath("params.yaml").read_text() == "lr: 9\nseed: 1\n"


def test_a_changed_file_that_runs_make_is_put_away_and_not_lost(experiment: BuiltRepo) -> None:
    held = experiment.path.joinpath("metrics.json").read_text()
    experiment.write({"metrics.json": "{}"})
    experiment.git("add", "metrics.json")
    with pytest.raises(DirtyTreeError) as caught:
        run(experiment.workspace)
    step, _, then = caught.value.next_step.partition(" && ")
    assert then == "gitexp run"
    experiment.git(*shlex.split(step)[1:])
    assert experiment.status() == []
    assert experiment.path.joinpath("metrics.json").read_text() == held
    assert experiment.show("metrics.json", "stash@{0}") == "{}"
    experiment.write({"metrics.json": "{}", "params.yaml": "lr: 9\nseed: 1\n"})
    with pytest.raises(DirtyTreeError) as caught:
        run(experiment.workspace)
    assert "metrics.json" in caught.value.next_step
    assert "params.yaml" not in caught.value.next_step
    assert caught.value.next_step.endswith(' && gitexp run --commit -m "what changed"')


def test_numbers_of_before_the_first_run_give_way_and_are_kept(tmp_path: Path) -> None:
    """Left in the work tree, they would be committed over the snapshot's."""
    repo = plain(tmp_path / "r", outputs=(), dvc_init=False)
    repo.write({"metrics.json": '{"acc": 0.1}'})
    report = run(repo.workspace)
    assert report.not_updated == ()
    assert repo.status() == []
    assert repo.path.joinpath("metrics.json").read_text() == '{"acc": 0.507}'
    (said,) = (text for text in report.warnings if text.startswith("metrics.json was in no commit"))
    assert (tmp_path / said.rpartition(" former ")[2]).read_text() == '{"acc": 0.1}'
    assert states(run(repo.workspace, RunRequest(seeds=(70,)))) == [RepeatState.FINISHED]


def test_an_edit_made_while_a_run_goes_on_survives(experiment: BuiltRepo) -> None:
    def tell(event: ProgressEvent) -> None:
        if event.kind is ProgressKind.FINISHED:
            experiment.write({"metrics.json": '{"mine": 1}'})

    report = run(experiment.workspace, RunRequest(repeats=1), tell=tell)
    assert experiment.path.joinpath("metrics.json").read_text() == '{"mine": 1}'
    assert "metrics.json" in " ".join(report.not_updated)
    assert "mine" not in experiment.show("metrics.json")


def test_a_failed_command_is_recorded_with_its_log_and_the_rest_is_not_started(
    tmp_path: Path,
) -> None:
    repo = plain(tmp_path / "r", "print('so far so good'); raise SystemExit('no luck')\n")
    report = run(repo.workspace, RunRequest(repeats=3))
    made = report.recorded[0].run
    assert [repeat.state for repeat in made.repeats] == [RepeatState.FAILED]
    assert made.repeats[0].exit_code == 1
    assert "no luck" in made.repeats[0].log_tail
    assert report.recorded[0].samples == ()
    assert "model.txt.dvc" not in repo.files()
    kept = run(repo.workspace, RunRequest(repeats=3, keep_going=True))
    assert len(kept.recorded[0].run.repeats) == 3


@pytest.mark.slow
def test_a_baseline_that_fails_spends_no_seed_and_is_mended_by_another_commit(
    tmp_path: Path,
) -> None:
    script = "import json, os\nLR = 0\nacc = int(os.environ['GITEXP_SEED']) / 7 + 1 % LR\n"
    script += "json.dump({'acc': acc}, open('metrics.json', 'w'))\n"
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": script})
    init(repo.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    asked = NewRequest(
        name="up",
        hypothesis="it raises acc",
        metric="acc",
        effect=">0",
        repeats=2,
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, replace(asked, direction=Direction.MAX))
    repo.commit({"train.py": script.replace("LR = 0", "LR = 2")})
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert [each.side for each in report.recorded] == ["baseline"]
    amend = (
        'git merge main && gitexp amend-plan --baseline main --why "it failed" '
        "and gitexp run --with-baseline"
    )
    assert report.next_step.endswith(f"; mend it on main, then {amend}")
    assert status(repo.workspace).next_step == report.next_step
    repo.switch("main")
    repo.commit({"train.py": script.replace("LR = 0", "LR = 1")})
    repo.switch("exp/up")
    amend_plan(repo.workspace, None, Terms(baseline="main"), why="it failed")
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert {each.side: each.run.seeds for each in report.recorded} == {
        "candidate": (0, 1),
        "baseline": (0, 1),
    }


@pytest.mark.slow
def test_a_plan_that_goes_on_without_failed_seeds_comes_to_a_verdict(tmp_path: Path) -> None:
    """By its own next steps: further seeds stand in for those that diverge on either side."""
    script = "import json, os, random\nseed = int(os.environ['GITEXP_SEED'])\nLR = 1\n"
    script += "if seed == {1: 3, 2: 1}[LR]: raise FloatingPointError('diverged')\n"
    script += "acc = random.Random(seed).random() + LR\n"
    script += "json.dump({'acc': acc}, open('metrics.json', 'w'))\n"
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": script})
    init(repo.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    asked = NewRequest(
        name="up",
        hypothesis="it raises acc",
        metric="acc",
        effect=">0",
        repeats=5,
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, replace(asked, direction=Direction.MAX, on_failed=OnFailed.DROP))
    repo.commit({"train.py": script.replace("LR = 1", "LR = 2")})
    request = RunRequest(with_baseline=True, keep_going=True)
    report = run(repo.workspace, request)
    (open_,) = compare(repo.workspace)
    assert open_.pairs == 3
    steps = [report.next_step, status(repo.workspace).next_step, open_.next_step]
    assert steps == ["gitexp run --with-baseline"] * 3
    report = run(repo.workspace, request)
    assert {each.run.seeds for each in report.recorded} == {(5, 6)}
    assert [report.next_step, status(repo.workspace).next_step] == ["gitexp compare"] * 2
    (decided,) = compare(repo.workspace)
    assert (decided.verdict, decided.pairs) == (Verdict.SUPPORTED, 5)


@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("float('nan')", "metrics.json"),
        ("float('inf')", "metrics.json"),
        ("'0.5'", "not reported"),
        ("None", "not reported"),
    ],
)
def test_a_metric_that_is_no_finite_number_fails_the_repeat(
    tmp_path: Path, value: str, said: str
) -> None:
    repo = plain(tmp_path / "r")
    new(
        repo.workspace,
        NewRequest(
            name="bad",
            hypothesis="the metric stays a number",
            metric="acc",
            effect=">0",
            seeds=SeedOrigin.COMMITTED,
        ),
    )
    train = f'import json\njson.dump({{"acc": {value}}}, open("metrics.json", "w"))\n'
    repo.commit({"train.py": f"{train}open('model.txt', 'w').write('')\n"}, at=2)
    report = run(repo.workspace, RunRequest(repeats=1))
    repeat = report.recorded[0].run.repeats[0]
    assert repeat.state is RepeatState.FAILED
    assert said in repeat.reason + repeat.log_tail
    assert report.recorded[0].samples == ()


def test_a_project_without_a_pipeline_gets_pointers_beside_its_outputs(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    before = digest(repo)
    report = run(repo.workspace, RunRequest(repeats=2, jobs=2))
    assert digest(repo) == before
    assert "model.txt.dvc" in repo.files()
    assert "/model.txt" in repo.show(".gitignore")
    assert repo.status() == []
    assert dvc(repo, "status", "--json").strip() == "{}"
    assert [sample.value for sample in report.recorded[0].samples] == [0.507, 0.508]
    assert repo.path.joinpath("model.txt").read_text() == repo.show("params.yaml")


def test_a_state_that_came_back_gets_a_snapshot_again(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    run(repo.workspace)
    first = repo.show("model.txt.dvc")
    repo.commit({"params.yaml": "lr: 0.2\nseed: 7\n"})
    run(repo.workspace)
    assert repo.show("model.txt.dvc") != first
    repo.commit({"params.yaml": "lr: 0.1\nseed: 7\n"})
    assert run(repo.workspace).snapshot.startswith("written")
    assert repo.show("model.txt.dvc") == first
    assert "already" in run(repo.workspace).snapshot


def test_without_a_seed_parameter_the_seed_is_in_the_environment(tmp_path: Path) -> None:
    train = (
        "import json, os\n"
        "json.dump({'acc': int(os.environ['GITEXP_SEED'])}, open('metrics.json', 'w'))\n"
    )
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": train})
    init(repo.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    report = run(repo.workspace, RunRequest(repeats=3))
    assert [sample.value for sample in report.recorded[0].samples] == [0.0, 1.0, 2.0]


def test_a_seed_argument_is_appended_to_the_command(tmp_path: Path) -> None:
    train = "import json, sys\njson.dump({'acc': int(sys.argv[2])}, open('metrics.json', 'w'))\n"
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": train})
    init(
        repo.workspace,
        InitRequest(command="python train.py", metrics=("metrics.json",), seed_arg="--seed {seed}"),
    )
    report = run(repo.workspace, RunRequest(seeds=(3, 5)))
    assert [sample.value for sample in report.recorded[0].samples] == [3.0, 5.0]


def test_a_template_that_writes_the_seed_into_the_command_gets_each_seed(
    dvc_repo: BuiltRepo,
) -> None:
    dvc_repo.commit(
        {
            "dvc.yaml": "stages:\n  train:\n    cmd: python seeded.py ${seed}\n"
            "    deps: [seeded.py]\n    metrics:\n    - metrics.json:\n        cache: false\n",
            "seeded.py": "import json, sys\n"
            "json.dump({'acc': int(sys.argv[1])}, open('metrics.json', 'w'))\n",
            "dvc.lock": None,
        },
        at=3,
    )
    init(dvc_repo.workspace)
    report = run(dvc_repo.workspace, RunRequest(repeats=3, jobs=2))
    assert sorted(sample.value for sample in report.recorded[0].samples) == [1.0, 2.0, 3.0]
    assert dvc(dvc_repo, "status", "--json").strip() == "{}"


def test_a_pipeline_in_a_subfolder_is_run_and_recorded_there(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit(
        {
            "ml/dvc.yaml": "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n"
            "    params: [seed]\n    outs: [model.txt]\n"
            "    metrics:\n    - metrics.json:\n        cache: false\n",
            "ml/train.py": PLAIN_TRAIN,
            "ml/params.yaml": "lr: 0.1\nseed: 7\n",
        }
    )
    init(repo.workspace, InitRequest(dvc_init=True))
    report = run(repo.workspace, RunRequest(repeats=2, jobs=2))
    assert states(report) == [RepeatState.FINISHED] * 2
    assert {"ml/dvc.lock", "ml/metrics.json", "ml/.gitignore"} <= set(repo.files())
    assert repo.status() == []
    assert dvc(repo, "status", "--json").strip() == "{}"


def test_stages_without_a_path_to_the_seed_run_once(experiment: BuiltRepo) -> None:
    report = run(experiment.workspace, RunRequest(repeats=3, dry_run=False))
    assert report.planned[0].once == ("prepare",)
    assert report.planned[0].repeated == ("train",)
    top = experiment.path / ".git/gitexp/work/runs" / report.recorded[0].run.id / "jobs"
    stages = {
        path.name: [
            stage["name"] for stage in json.loads((path / "JOB.json").read_text())["stages"]
        ]
        for path in sorted(top.iterdir())
    }
    assert stages == {"1": ["prepare", "train"], "2": ["train"], "3": ["train"]}


def test_a_file_that_no_commit_holds_is_found_before_the_run(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    repo.commit({"params.yaml": "lr: 0.1\nseed: 7\nextra: data/extra.csv\n"}, at=2)
    repo.write({"data/extra.csv": "1\n"})
    with pytest.raises(PreflightError) as caught:
        run(repo.workspace)
    assert "data/extra.csv" in caught.value.found
    first = "where the run makes it, mv data/extra.csv data/extra.csv.old and the same again; "
    read = "where it reads it, "
    assert caught.value.next_step.startswith(f"{first}{read}git add data/extra.csv, dvc add")
    repo.commit({".gitignore": "data/\n"}, at=3)
    with pytest.raises(PreflightError) as caught:
        run(repo.workspace)  # git add and dvc add would refuse it
    assert caught.value.next_step.startswith(
        f"{first}{read}add data/extra.csv to run.link in .gitexp/config.yaml, "
        "or git add -f data/extra.csv, and commit it"
    )


def test_places_that_a_run_writes_to_are_no_missing_files(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    (repo.path / "lnk").symlink_to("real")
    repo.git("add", "lnk")
    params = "seed: 7\nlog_dir: ./logs/\nurl: https://x.org/data/x.csv\nsave: best.pt\nv: 1.2.3\n"
    script = f"{PLAIN_TRAIN}open(sys.argv[1]).read()\n"
    ignored = "/logs\n/mlruns\n/data\n/*.pt\n/*.log\n/out\n"
    repo.commit({"train.py": script, "params.yaml": params, "real/c": "", ".gitignore": ignored})
    command = "mkdir -p out/ && python train.py lnk/c --tracking mlruns/ -o data/x.bin 2>> t.log"
    asked = InitRequest(command=command, metrics=("metrics.json",), outputs=("model.txt",))
    init(repo.workspace, replace(asked, dvc_init=True))
    written = ("logs/a.log", "mlruns/a", "data/x.bin", "best.pt", "t.log", "out/x")
    repo.write(dict.fromkeys(written, "1\n"))
    assert states(run(repo.workspace)) == [RepeatState.FINISHED]


@pytest.mark.sweep(8)
@pytest.mark.parametrize(
    ("command", "read"),
    [
        ("papermill t.ipynb x.ipynb -p lr 0.1", ""),
        ("python -m papermill -k lab t.ipynb sub/x.ipynb && cat sub/x.ipynb", ""),
        ("papermill t.ipynb x.ipynb; jupyter nbconvert --to html x.ipynb; cat x.html", ""),
        ("jupyter nbconvert --execute t.ipynb --to notebook --output=x.ipynb", ""),
        ("jupytext --to notebook t.py && papermill t.ipynb - | tee x.ipynb", ""),
        ("cp t.py x.ipynb && python x.ipynb", ""),
        ("python t.py > a.csv && python t.py a.csv 2>&1 | tee b.csv; >x.html", ""),
        ("rm -f a.csv b.csv; touch x.html b.csv\npython t.py --data b.csv", ""),
        ("papermill x.ipynb t.ipynb", "x.ipynb"),
        ("papermill t.ipynb x.ipynb -p data a.csv", "a.csv"),
        ("papermill t.ipynb x.ipynb -f a.csv", "a.csv"),
        ("cp a.csv b.csv", "a.csv"),
        ("python t.py --data a.csv > a.csv", "a.csv"),
        ("python t.py a.csv && python t.py > a.csv", "a.csv"),
        ("python t.py -o b.csv --load b.csv", "b.csv"),
    ],
)
def test_what_a_command_writes_is_no_file_that_its_jobs_would_miss(
    tmp_path: Path, command: str, read: str
) -> None:
    repo = build_repository(tmp_path / "r")
    ignored = ("x.ipynb", "sub/x.ipynb", "x.html", "a.csv", "b.csv")
    repo.commit({"t.py": "", "t.ipynb": "{}", ".gitignore": "\n".join(ignored)})
    init(repo.workspace, InitRequest(command=command, metrics=("metrics.json",)))
    repo.write(dict.fromkeys(ignored, "1\n"))  # it was executed by hand
    if not read:
        assert run(repo.workspace, RunRequest(dry_run=True)).planned
        return
    with pytest.raises(PreflightError) as refused:
        run(repo.workspace, RunRequest(dry_run=True))
    assert refused.value.found == read


@pytest.mark.parametrize(
    ("command", "params"),
    [
        ("python train.py --data results/x.csv", ""),
        ("python train.py --data=results/x.csv", ""),
        ("python train.py < results/x.csv", ""),
        ("python train.py", "data:\n  input_file: results/x.csv\n"),
    ],
)
def test_what_is_surely_read_is_missed_also_in_a_folder_named_like_an_output(
    tmp_path: Path, command: str, params: str
) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": PLAIN_TRAIN, "params.yaml": f"lr: 1\n{params}seed: 7\n"})
    init(repo.workspace, InitRequest(command=command, metrics=("metrics.json",)))
    repo.write({"results/x.csv": "1\n"})
    for dry in (True, False):
        with pytest.raises(PreflightError) as refused:
            run(repo.workspace, RunRequest(dry_run=dry))
        assert refused.value.found == "results/x.csv"


def test_what_may_be_read_or_written_is_told_of_when_the_run_has_failed(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    reads = f"{PLAIN_TRAIN}open(sys.argv[1]).read()\n"
    repo.commit({"train.py": reads, "params.yaml": "lr: 1\nseed: 7\n", ".gitignore": "/results\n"})
    asked = InitRequest(command="python train.py results/x.csv", metrics=("metrics.json",))
    init(repo.workspace, asked)
    repo.write({"results/x.csv": "1\n"})
    report = run(repo.workspace)
    assert states(report) == [RepeatState.FAILED]
    (said,) = (text for text in report.warnings if "results/x.csv" in text)
    assert "is in no commit" in said
    assert "git add -f results/x.csv" in said


@pytest.mark.sweep(5)
@pytest.mark.parametrize(
    "rule",
    [
        "data/x.csv: raw.txt\n\tcp $< $@\n",
        "D = data\n$(D)/x.csv: raw.txt\n\tcp $< $@\n",
        "data/%.csv: raw.txt\n\tcp $< $@\n",
        "./data/y.csv \\\n data/x.csv &: raw.txt\n\tcp $< data/x.csv\n",
        "data/x.csv:\n\tcp raw.txt $@\n",
        "data/x.csv: ;cp raw.txt $@\n",
        "",
        "data/y.csv: data/x.csv\n\tcp $< $@\n",
        "OUT := data/x.csv\n",
        "# data/x.csv: raw.txt\n",
    ],
)
def test_what_a_makefile_makes_is_no_file_that_its_jobs_would_miss(
    tmp_path: Path, rule: str
) -> None:
    """The copy that was made by hand is not seen: `make` would take it for up to date."""
    repo = build_repository(tmp_path / "r")
    makefile = f"{rule}\nall:{' data/x.csv' if rule else ''}\n\tpython train.py\n"
    train = f"{PLAIN_TRAIN}open('data/x.csv').read()\n" if rule else PLAIN_TRAIN
    files = {"train.py": train, "Makefile": makefile, "raw.txt": "new\n", "data/.gitignore": "*\n"}
    repo.commit({**files, "params.yaml": "lr: 1\nseed: 7\ninput: data/x.csv\n"})
    repo.git("add", "-f", "data/.gitignore")
    init(repo.workspace, InitRequest(command="make -s all", metrics=("metrics.json",)))
    repo.write({"data/x.csv": "old\n"})
    if rule.startswith(("#", "OUT", "data/y")) or not rule:
        with pytest.raises(PreflightError):
            run(repo.workspace)
        return
    report = run(repo.workspace)
    assert states(report) == [RepeatState.FINISHED], report
    assert (repo.path / "data/x.csv").read_text() == "old\n"


def test_a_script_that_writes_into_linked_data_is_told_where_to_write(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    writes = f"{PLAIN_TRAIN}open('data/raw.csv', 'a').write('more')\n"
    repo.commit({"train.py": writes, "params.yaml": "lr: 1\nseed: 7\n", ".gitignore": "/data\n"})
    repo.write({"data/raw.csv": "1\n"})
    init(repo.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    settings = (
        (repo.path / ".gitexp" / "config.yaml").read_text().replace("link: []", "link: [data]")
    )
    repo.commit({".gitexp/config.yaml": settings}, at=3)
    report = run(repo.workspace)
    assert states(report) == [RepeatState.FAILED]
    assert report.next_step.startswith("write elsewhere, or take that path out of run.link")


def test_data_that_are_not_in_the_cache_are_all_named(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r")
    repo.write({"raw.csv": "1\n2\n"})
    dvc(repo, "add", "-q", "raw.csv")
    repo.git("add", "raw.csv.dvc", ".gitignore")
    repo.commit(at=3)
    for path in (repo.path / ".dvc" / "cache").rglob("*"):
        if path.is_file():
            path.chmod(0o644)
            path.unlink()
    with pytest.raises(DataMissingError) as caught:
        run(repo.workspace)
    assert "raw.csv" in caught.value.found


def test_a_tracked_output_that_the_settings_miss_stops_the_run(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit(
        {
            "dvc.yaml": "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n"
            "    outs: ['${folder}/model.txt']\n"
            "    metrics:\n    - metrics.json:\n        cache: false\n",
            "params.yaml": "folder: out\nseed: 1\n",
            "train.py": PLAIN_TRAIN,
        }
    )
    init(repo.workspace, InitRequest(dvc_init=True, outputs=("elsewhere.txt",)))
    repo.commit({"out/model.txt": "kept by mistake"}, at=2)
    with pytest.raises(GitexpError) as caught:
        run(repo.workspace)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (RunRequest(at="nowhere"), UnknownRevisionError),
        (RunRequest(at="--output=f"), UnknownRevisionError),
        (RunRequest(on="no-such-branch"), UnknownRevisionError),
        (RunRequest(params=((ParamKey("params.yaml", "lrr"), 1),)), UnknownParamError),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(
    experiment: BuiltRepo, request_: RunRequest, error: type[GitexpError]
) -> None:
    tip = experiment.hash()
    with pytest.raises(error):
        run(experiment.workspace, request_)
    assert experiment.hash() == tip
    assert not (experiment.path / "f").exists()


def test_a_commit_that_only_a_fetch_brought_is_not_executed_unasked(
    tmp_path: Path, experiment: BuiltRepo
) -> None:
    theirs = clone(experiment, tmp_path / "fork")
    canary = tmp_path / "canary"
    theirs.commit({"train.py": f"open({str(canary)!r}, 'w')\n" + theirs.show("train.py")}, at=8)
    experiment.git("fetch", "--quiet", theirs.path.as_uri(), "HEAD:refs/remotes/fork/x")
    with pytest.raises(UntrustedSourceError) as caught:
        run(experiment.workspace, RunRequest(at="fork/x", repeats=1))
    assert "Ada" in caught.value.found
    assert not canary.exists()
    run(experiment.workspace, RunRequest(at="fork/x", repeats=1, trust=True))
    assert canary.exists()
    experiment.git("branch", "mine", "fork/x")
    assert run(experiment.workspace, RunRequest(at="mine", repeats=1, again=True)).recorded


def test_detached_unborn_bare_and_uninitialised_are_refused(
    tmp_path: Path, experiment: BuiltRepo
) -> None:
    unborn = build_repository(tmp_path / "unborn")
    with pytest.raises(UnbornBranchError):
        run(unborn.workspace)
    unborn.commit({"a.txt": "a"})
    with pytest.raises(NotInitialisedError):
        run(unborn.workspace)
    bare = clone(experiment, tmp_path / "bare.git", "--bare")
    with pytest.raises(BareRepositoryError):
        run(bare.workspace)
    experiment.git("switch", "--detach", "--quiet")
    with pytest.raises(DetachedHeadError):
        run(experiment.workspace)
    report = run(experiment.workspace, RunRequest(on="exp/faster", repeats=1))
    assert experiment.hash("exp/faster") == report.commit


def test_a_branch_deleted_during_the_run_loses_nothing(experiment: BuiltRepo) -> None:
    tip = experiment.hash()

    def tell(event: ProgressEvent) -> None:
        if event.kind is ProgressKind.FINISHED:
            experiment.git("switch", "--quiet", "--detach")
            experiment.git("branch", "--quiet", "-D", "exp/faster", check=False)

    with pytest.raises(MovedRefError):
        run(experiment.workspace, RunRequest(repeats=1), tell=tell)
    experiment.git("branch", "exp/faster", tip)
    experiment.switch("exp/faster")


def test_commits_made_meanwhile_are_kept_and_stop_the_snapshot(experiment: BuiltRepo) -> None:
    lock = experiment.show("dvc.lock")

    def tell(event: ProgressEvent) -> None:
        if event.kind is ProgressKind.FINISHED:
            experiment.commit({"train.py": experiment.show("train.py") + "# changed\n"}, at=9)

    report = run(experiment.workspace, RunRequest(repeats=1), tell=tell)
    assert experiment.show("train.py").endswith("# changed\n")
    assert experiment.show("dvc.lock") == lock
    assert "another state" in report.snapshot
    assert experiment.status() == []


SLOW = PLAIN_TRAIN.replace(
    "import os, sys\n",
    "import os, sys, time\n"
    "seed_text = open('params.yaml').read().split('seed:')[1].split()[0]\n"
    "marker = os.environ.get('SLOW_MARKER')\n"
    "if marker and seed_text == '8':\n"
    "    open(marker, 'w').close()\n"
    "    time.sleep(60)\n",
)


def test_a_killed_coordinator_leaves_repeats_that_resume_publishes(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", SLOW)
    marker = tmp_path / "reached"
    process = subprocess.Popen(
        [sys.executable, "-m", "gitexp", "run", "--repeats", "2"],
        cwd=repo.path,
        env={**os.environ, "SLOW_MARKER": str(marker)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until(marker.exists)
    process.kill()
    process.wait()
    tip = repo.hash()
    report = run(repo.workspace, RunRequest(resume=True))
    first = report.recorded[0].run
    assert first.repeats[0].state is RepeatState.FINISHED
    # The worker is told of the death and may still say so; after a KILL it says nothing.
    assert first.repeats[1].state in {RepeatState.CANCELLED, RepeatState.LOST}
    assert [each.run.seeds for each in report.recorded] == [(7, 8), (8,)]
    assert repo.git("merge-base", "--is-ancestor", tip, "HEAD") == ""
    assert repo.git("worktree", "list").count("\n") == 0
    assert repo.status() == []


def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", SLOW)
    marker = tmp_path / "reached"
    process = subprocess.Popen(
        [sys.executable, "-m", "gitexp", "run", "--repeats", "2", "--json"],
        cwd=repo.path,
        env={**os.environ, "SLOW_MARKER": str(marker)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    until(marker.exists)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate()
    assert process.returncode == 130
    found = [repeat["state"] for repeat in json.loads(out)["runs"][0]["run"]["repeats"]]
    assert found == ["finished", "cancelled"]
    assert repo.git("log", "-1", "--format=%s").startswith("gitexp run")


def test_a_data_pointer_that_cannot_be_read_is_a_warning_of_the_run(experiment: BuiltRepo) -> None:
    experiment.commit({"raw.csv.dvc": "outs: ["}, at=5)
    report = run(experiment.workspace, RunRequest(seeds=(1,)))
    (said,) = [text for text in report.warnings if "raw.csv.dvc" in text]
    assert said in report.recorded[0].run.warnings


def test_two_runs_at_once_on_one_branch_are_both_recorded(experiment: BuiltRepo) -> None:
    results: list[RunReport] = []

    def one(seeds: tuple[int, ...]) -> None:
        results.append(run(experiment.workspace, RunRequest(seeds=seeds)))

    threads = [threading.Thread(target=one, args=(seeds,)) for seeds in ((50, 51), (60, 61))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    opened = repository.open_repository(experiment.workspace)
    tip: CommitHash = objects.resolve(opened, "HEAD")
    seeds = sorted(seed for found in lookup.runs_at(opened, tip) for seed in found.run.seeds)
    assert seeds == [50, 51, 60, 61]
    assert experiment.status() == []


def test_200_mb_of_output_and_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    noisy = (
        PLAIN_TRAIN + "for _ in range(200):\n    sys.stdout.buffer.write(b'\\xff\\xfe' * 524288)\n"
    )
    repo = plain(tmp_path / "r", noisy)
    report = run(repo.workspace, RunRequest(repeats=1))
    assert states(report) == [RepeatState.FINISHED]
    size = sum(len(repo.git_bytes("show", f"HEAD:{path}")) for path in repo.files())
    assert size < 1_000_000


def test_compare_after_a_run_speaks_of_all_pairs(experiment: BuiltRepo) -> None:
    run(experiment.workspace, RunRequest(jobs=2, with_baseline=True))
    comparison = compare(experiment.workspace)[0]
    assert comparison.pairs == 3
    assert comparison.planned_repeats == 3
    assert [change.what for change in comparison.changes if change.kind == "params"] == ["lr"]
