"""The evaluator of a plan: no candidate brings its own, and compare says who measured."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison import frozen
from gitexp.comparison.compare import compare
from gitexp.dvc import evaluator
from gitexp.errors import EvaluatorError, NoSamplesError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git import objects
from gitexp.git.repository import open_repository as repository_of
from gitexp.git.transaction import layout
from gitexp.model import replace
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction, SeedOrigin, Verdict
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.store import plans
from gitexp.views.status import status
from tests.execution.test_run import plain
from tests.lab import build
from tests.lab.build import repository
from tests.lab.first_rules import of_one
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

PIPELINE = """\
vars:
- script: src/evaluate.py
stages:
  train:
    cmd: python src/train.py
    deps: [src/common.py, src/train.py, raw.csv]
    params: [lr, seed]
    outs: [model.txt]
  evaluate:
    cmd: python ${script}
    deps: [src/common.py, src/evaluate.py, model.txt]
    params: [eval]
    metrics:
    - metrics.json: {cache: false}
"""
FILES = {
    "dvc.yaml": PIPELINE,
    "params.yaml": "lr: 0.1\nseed: 7\neval: {scale: 1}\n",
    "raw.csv": "1\n",
    "src/common.py": "text = open('params.yaml').read()\n"
    "def get(key): return float(text.split(key + ':')[1].split()[0].strip('}'))\n",
    "src/train.py": "from common import get\n"
    "open('model.txt', 'w').write(str(get('lr') + get('seed') % 9973 / 100000))\n",
    "src/evaluate.py": "from common import get\n"
    "acc = float(open('model.txt').read()) * get('scale')\n"
    "open('metrics.json', 'w').write('{\"acc\": %r}' % acc)\n",
}
ASKED = NewRequest(
    name="x",
    hypothesis="a higher learning rate raises acc",
    metric="acc",
    direction=Direction.MAX,
    effect=">0",
    repeats=3,
    alpha=0.2,
    baseline="main",
    seeds=SeedOrigin.COMMITTED,
)


def project(path: Path, files: dict[str, str] | None = None) -> BuiltRepo:
    """A pipeline on exp/x, under a plan."""
    wanted = {**FILES, **(files or {})}

    def make(folder: Path) -> None:
        repo = repository(folder)
        repo.commit({**wanted, **build.dvc_files()})
        init(repo.workspace, InitRequest(metrics=("metrics.json",)))
        new(repo.workspace, ASKED)

    return build.copied(path, make, wanted, ASKED)


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    return project(tmp_path / "p")


def edited(repo: BuiltRepo, path: str, old: str, new: str) -> None:
    text = (repo.path / path).read_text("utf-8")
    assert old in text
    repo.commit({path: text.replace(old, new)}, at=5)


def test_status_leads_past_an_evaluator_that_run_stops_at(repo: BuiltRepo) -> None:
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    found = status(repo.workspace)
    assert found.next_step.startswith("restore it: git restore -SW --source=")
    assert "; or run both sides with it: gitexp amend-plan --unfreeze" in found.next_step
    assert any("another evaluator" in text for text in found.notes)


def test_a_candidate_of_which_the_evaluator_alone_changed_is_told_that_either_way_more_has_to(
    repo: BuiltRepo,
) -> None:
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    said = "nothing else differs from the baseline"
    assert said in status(repo.workspace).next_step
    for verb in ("run", "compare"):
        assert gitexp(repo, verb).says("amend-plan --unfreeze src/evaluate.py", said)
    argv = ("amend-plan", "--unfreeze", "src/evaluate.py", "--why", "it was wrong")
    assert gitexp(repo, *argv).code == 0
    assert gitexp(repo, "run").says("baseline, which has the candidate's src/evaluate.py")
    assert "as the baseline has the candidate's evaluator" in gitexp(repo, "compare").out


@pytest.mark.slow
def test_a_candidate_with_its_own_evaluator_runs_once_it_is_restored(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    done = gitexp(repo, "run", "--with-baseline")
    assert done.says(
        "another evaluator", "src/evaluate.py", "amend-plan --unfreeze src/evaluate.py"
    )
    assert (done.code, "nothing else differs" in done.err) == (3, False)
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(with_baseline=True))
    restore = caught.value.next_step.partition("\n")[0].removeprefix("restore it: ")
    subprocess.run(["sh", "-c", restore], cwd=repo.path, check=True)
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert len(report.recorded) == 2
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED


@pytest.mark.slow
def test_a_record_that_was_made_with_another_evaluator_is_not_comparable(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    run(repo.workspace, RunRequest(with_baseline=True))
    edited(repo, "src/evaluate.py", "get('scale')", "1 * get('scale')")
    done = gitexp(repo, "compare")
    assert done.says("evaluator differs: src/evaluate.py")
    said = gitexp(repo, "review", "main...exp/x").out
    assert "'the evaluator as planned'; or run both sides with it: gitexp amend-plan" in said


@pytest.mark.slow
def test_both_sides_run_with_the_candidates_evaluator_where_the_plan_says_so(
    repo: BuiltRepo,
) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    run(repo.workspace, RunRequest(with_baseline=True))
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    said = "--unfreeze", "src/evaluate.py", "--why", "the metric was wrong by a factor"
    assert gitexp(repo, "amend-plan", *said).code == 0
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert len(report.recorded) == 2
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED
    assert found.headline.startswith("both sides with the candidate's evaluator (src/evaluate.py)")
    values = dict(found.metrics[0].baseline_values)
    assert values[7] == pytest.approx(2 * (0.1 + 7 / 100000))


PARAMS = "t = open('params.yaml').read().replace('scale: 1', 'scale: 9')\n"


@pytest.mark.slow
@pytest.mark.sweep(2)
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("open('src/evaluate.py', 'a').write('#')", "src/evaluate.py, by train"),
        (f"{PARAMS}open('params.yaml', 'w').write(t)", "params.yaml by train, before evaluate"),
        ("open('src/json.py', 'w').write('')", "src/json.py, by train"),
    ],
)
def test_a_stage_that_rewrites_the_evaluator_in_its_folder_fails(
    tmp_path: Path, code: str, said: str
) -> None:
    repo = project(tmp_path / "p")
    repo.commit({"src/train.py": FILES["src/train.py"] + code + "\n"}, at=5)
    report = run(repo.workspace, RunRequest(with_baseline=True))
    reasons = {r.reason for each in report.recorded for r in each.run.repeats if r.reason}
    assert any(said in reason and "--frozen none --why" in reason for reason in reasons)
    with pytest.raises(NoSamplesError):
        compare(repo.workspace)


@pytest.mark.slow
def test_a_stage_that_rewrites_the_metrics_afterwards_fails(repo: BuiltRepo) -> None:
    late = (
        "  late:\n    cmd: sed s/0/9/g metrics.json > copy.json && cp copy.json metrics.json\n"
        "    deps: [metrics.json]\n    outs: [copy.json]\n"
    )
    repo.commit({"dvc.yaml": PIPELINE + late}, at=5)
    report = run(repo.workspace, RunRequest(with_baseline=True))
    reasons = {r.reason for each in report.recorded for r in each.run.repeats if r.reason}
    assert any("metrics.json by late, after evaluate" in reason for reason in reasons)


def test_what_differs_alone_is_restored_as_a_file_and_else_in_parts(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "scale: 1", "scale: 2")
    edited(repo, "dvc.yaml", "python ${script}", "python -O ${script}")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(dry_run=True))
    first = caught.value.next_step.partition("\n")[0]
    assert " -- :/dvc.yaml :/params.yaml && git commit -m" in first
    assert "git restore -SW " in first
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(dry_run=True))
    first = caught.value.next_step.partition("\n")[0]
    assert re.search(r"git restore -SW --source=\w+ -- :/dvc.yaml && git restore -p", first)
    assert "-- :/params.yaml && git commit -am" in first


def test_an_override_of_what_evaluation_alone_reads_is_refused(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(params=((ParamKey("params.yaml", "eval.scale"), 2),)))
    assert "without --param eval.scale" in caught.value.next_step


@pytest.mark.slow
def test_mains_evaluator_merged_into_the_branch_goes_on_against_main(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    repo.switch("main")
    edited(repo, "src/evaluate.py", "get('scale')", "2 * get('scale')")
    repo.switch("exp/x")
    repo.git("merge", "-q", "--no-edit", "main")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(with_baseline=True))
    assert "gitexp amend-plan --baseline main --why TEXT" in caught.value.next_step
    said = "amend-plan", "--baseline", "main", "--why", "the evaluator of main"
    assert gitexp(repo, *said).code == 0
    run(repo.workspace, RunRequest(with_baseline=True))
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED
    assert found.evaluator is None


@pytest.mark.slow
def test_one_command_that_trains_and_evaluates_is_said_once(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", "import json\n" + SCRIPT)
    new(repo.workspace, replace(ASKED, params=((ParamKey("params.yaml", "lr"), 0.2),)))
    run(repo.workspace, RunRequest(with_baseline=True))
    shown = gitexp(repo, "compare").out
    assert shown.count("evaluation not frozen: one command trains and evaluates") == 1
    assert shown.startswith("SUPPORTED")


SCRIPT = """\
text = open("params.yaml").read()
lr, seed = (text.split(f"{key}:")[1].split()[0] for key in ("lr", "seed"))
acc = float(lr) + int(seed) % 9973 / 100000
json.dump({"acc": acc}, open("metrics.json", "w"))
open("model.txt", "w").write(text)
"""


@pytest.mark.slow
def test_a_review_names_an_edited_evaluator_in_one_line(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    run(repo.workspace, RunRequest(with_baseline=True))
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    found = gitexp(repo, "review", "main...exp/x").out
    (line,) = [line for line in found.splitlines() if "the evaluator differs" in line]
    assert "src/evaluate.py" in line
    said = "amend-plan", "--unfreeze", "src/evaluate.py", "--why", "it was wrong"
    assert gitexp(repo, *said).code == 0
    run(repo.workspace, RunRequest(with_baseline=True))
    found = gitexp(repo, "review", "main...exp/x").out
    assert "BOTH SIDES WITH THE CANDIDATE'S EVALUATOR (src/evaluate.py)" in found
    # What is merged as one commit is judged by what the records keep of it.
    repo.switch("main")
    repo.git("merge", "-q", "--squash", "exp/x")
    repo.git("commit", "-qm", "squashed")
    repo.git("branch", "-qD", "exp/x")
    (kept,) = compare(repo.workspace, ["x"])
    assert kept.verdict is Verdict.SUPPORTED
    assert kept.evaluator is not None
    assert kept.evaluator.lent == ("src/evaluate.py",)


@pytest.mark.slow
def test_an_unfrozen_evaluator_that_is_edited_again_runs_the_baseline_again(
    repo: BuiltRepo,
) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    said = "amend-plan", "--unfreeze", "src/evaluate.py", "--why", "it will change"
    assert gitexp(repo, *said).code == 0
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    first = run(repo.workspace, RunRequest(with_baseline=True))
    edited(repo, "src/evaluate.py", ") * 2", ") * 3")
    second = run(repo.workspace, RunRequest(with_baseline=True))
    inputs = [{each.run.inputs for each in report.recorded} for report in (first, second)]
    assert len(inputs[0] | inputs[1]) == 4
    (found,) = compare(repo.workspace)
    assert dict(found.metrics[0].baseline_values)[7] == pytest.approx(3 * (0.1 + 7 / 100000))
    # Two candidates were run under the plan, and not three.
    assert "2 different candidates" in " ".join(found.warnings)


GROUP = """\
stages:
  train:
    foreach: [a, b]
    do:
      cmd: python src/train.py ${item}
      deps: [src/common.py, src/train.py]
      params: [lr, seed]
      metrics:
      - out/${item}.json: {cache: false}
  summary:
    cmd: python src/evaluate.py
    deps: [src/common.py, src/evaluate.py, out/a.json, out/b.json]
    params: [eval]
    metrics:
    - metrics.json: {cache: false}
"""
SUMMED = {
    "dvc.yaml": GROUP,
    "out/a.json": "1\n",
    "out/b.json": "1\n",
    "src/train.py": "import os, sys\nfrom common import get\nos.makedirs('out', exist_ok=True)\n"
    "text = str(get('lr') + get('seed') % 9973 / 100000)\n"
    "open(f'out/{sys.argv[1]}.json', 'w').write(text)\n",
    "src/evaluate.py": "import json\nfrom common import get\n"
    "acc = sum(float(open(f'out/{n}.json').read()) for n in 'ab') * get('scale')\n"
    "json.dump({'acc': acc}, open('metrics.json', 'w'))\n",
}


@pytest.mark.slow
def test_what_a_group_of_stages_makes_in_git_stops_no_repeat(tmp_path: Path) -> None:
    """Nor do records of versions that took it for a part of the evaluator stand apart."""
    repo = project(tmp_path / "p", SUMMED)
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert not [r.reason for each in report.recorded for r in each.run.repeats if r.reason]
    assert [each.verdict for each in compare(repo.workspace)] == [Verdict.SUPPORTED]
    here = repository_of(repo.workspace)
    commit = objects.resolve(here, "HEAD")
    (plan,) = plans.plans(here, commit)
    known = frozen.look(here, plan, commit)
    assert known is not None
    before = [*known.older()][-1].digest(known.state)
    for path in (p for p in repo.files() if p.endswith("run.json")):
        text = repo.show(path)
        now = json.loads(text)["evaluator"]
        assert now != before
        (repo.path / path).write_text(text.replace(now, before), "utf-8")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-qa", "--amend", "--no-edit")
    assert [each.verdict for each in compare(repo.workspace)] == [Verdict.SUPPORTED]


SCORED = {
    **FILES,
    "dvc.yaml": """\
stages:
  train:
    foreach: [a, b]
    do:
      cmd: python src/train.py ${item}
      deps: [src/common.py, src/train.py]
      params: [lr, seed]
      outs: ["${item}.model"]
  score:
    foreach: [a, b]
    do:
      cmd: python src/score.py ${item}
      deps: [src/common.py, src/score.py, "${item}.model"]
      params: [eval]
      metrics:
      - out/${item}.json: {cache: false}
  summary:
    cmd: python src/evaluate.py
    deps: [src/evaluate.py, out/a.json, out/b.json]
    metrics:
    - metrics.json: {cache: false}
""",
    "src/train.py": "import sys\nfrom common import get\n"
    "open(sys.argv[1] + '.model', 'w').write(str(get('lr') + get('seed') % 9973 / 100000))\n",
    "src/score.py": "import os, sys\nfrom common import get\nos.makedirs('out', exist_ok=True)\n"
    "acc = float(open(sys.argv[1] + '.model').read()) * get('scale')\n"
    "open(f'out/{sys.argv[1]}.json', 'w').write(str(acc))\n",
    "src/evaluate.py": "import json\nacc = [float(open(f'out/{n}.json').read()) for n in 'ab']\n"
    "json.dump({'acc': sum(acc) / 2}, open('metrics.json', 'w'))\n",
}


@pytest.mark.slow
def test_the_scorer_below_a_summary_is_no_candidates_own(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", SCORED)
    here = repository_of(repo.workspace)
    (plan,) = plans.plans(here, objects.resolve(here, "HEAD"))
    told = frozen.summary(here, plan, objects.resolve(here, "HEAD"))
    names = "dvc.yaml:score, dvc.yaml:summary, eval.scale, src/evaluate.py, src/score.py"
    assert told == f"frozen: {names}"
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    edited(repo, "src/score.py", "get('scale')", "1.1")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(with_baseline=True))
    assert caught.value.found == "src/score.py"
    assert gitexp(repo, "compare").says("the evaluator differs: src/score.py")
    restore = caught.value.next_step.partition("\n")[0].removeprefix("restore it: ")
    subprocess.run(["sh", "-c", restore], cwd=repo.path, check=True)
    report = run(repo.workspace, RunRequest(with_baseline=True))
    assert not [r.reason for each in report.recorded for r in each.run.repeats if r.reason]
    (found,) = compare(repo.workspace)
    assert (found.verdict, found.evaluator) == (Verdict.SUPPORTED, None)
    assert gitexp(repo, "check").code == 0
    edited(repo, "src/score.py", "get('scale')", "1.1")
    said = gitexp(repo, "review", "main...exp/x").out
    assert "the evaluator differs: src/score.py" in said


@pytest.mark.slow
def test_what_an_older_version_ran_is_judged_by_what_that_froze(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ended at the stage that makes the metrics file; a new repeat is one of today's rule."""
    repo = project(tmp_path / "p", SCORED)
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    edited(repo, "src/score.py", "get('scale')", "1.1 * get('scale')")
    with monkeypatch.context() as older:
        older.setitem(evaluator.evaluator.__kwdefaults__, "rule", 2)
        run(repo.workspace, RunRequest(with_baseline=True))
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED
    assert found.evaluator is not None
    assert found.evaluator.lacking == "the version that ran it left src/score.py free"
    assert not any("another evaluator" in text for text in status(repo.workspace).notes)
    with pytest.raises(EvaluatorError):
        run(repo.workspace, RunRequest(with_baseline=True, repeats=5))


@pytest.mark.slow
def test_where_training_makes_the_scores_of_a_summary_that_is_said(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", SUMMED)
    edited(repo, "src/train.py", "get('lr')", "2 * get('lr')")
    run(repo.workspace, RunRequest(with_baseline=True))
    shown = gitexp(repo, "compare").out
    assert shown.startswith("SUPPORTED")
    assert shown.count("evaluation not frozen: train trains and evaluates") == 1


@pytest.mark.slow
def test_a_record_that_keeps_another_evaluator_than_its_side_is_not_comparable(
    repo: BuiltRepo,
) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    run(repo.workspace, RunRequest(with_baseline=True))
    # Written by hand before anybody saw it: it is the first version of the record.
    for path in (p for p in repo.files() if p.endswith("run.json")):
        text = repo.show(path)
        kept = json.loads(text)["evaluator"]
        if json.loads(text)["source"]["commit"] != repo.hash("main"):
            (repo.path / path).write_text(text.replace(kept, "0" * 64), "utf-8")
    repo.git("-c", "core.hooksPath=/dev/null", "commit", "-qa", "--amend", "--no-edit")
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.NOT_COMPARABLE
    assert "the evaluator differs" in found.headline


@pytest.mark.slow
def test_what_only_seems_to_evaluate_is_given_up_in_the_open(tmp_path: Path) -> None:
    split = (
        "stages:\n  split:\n    cmd: cp params.yaml split.txt\n    params: [seed]\n"
        "    outs: [split.txt]\n  main:\n    cmd: python src/main.py\n"
        "    deps: [src/main.py, split.txt]\n    params: [seed]\n    metrics: [metrics.json]\n"
    )
    train = (
        "import json\nseed = int(open('split.txt').read().split('seed:')[1].split()[0])\n"
        "json.dump({'acc': 0.1 + seed % 9973 / 100000}, open('metrics.json', 'w'))\n"
    )
    repo = project(tmp_path / "p", {"dvc.yaml": split, "src/main.py": train})
    edited(repo, "src/main.py", "0.1", "0.2")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(with_baseline=True))
    way = "or, where that stage trains: gitexp amend-plan --frozen none --why TEXT"
    assert way in (caught.value.next_step or "")
    said = "amend-plan", "--frozen", "none", "--why", "this stage trains"
    assert gitexp(repo, *said).code == 0
    run(repo.workspace, RunRequest(with_baseline=True))
    shown = gitexp(repo, "compare").out
    assert shown.startswith("SUPPORTED")
    assert "evaluation not frozen: as its plan says" in shown


def test_new_says_what_else_is_frozen_and_a_plan_of_the_first_rules_freezes_nothing(
    repo: BuiltRepo,
) -> None:
    repo.git("switch", "-q", "main")
    why = ("--metric", "acc:max", "--effect", ">0", "--hypothesis", "a higher rate raises acc")
    assert gitexp(repo, "new", "f", *why, "--frozen", "src/evaluate.py").code == 0
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    assert gitexp(repo, "run", "--dry-run").says("another evaluator", "src/evaluate.py")
    repo.git("switch", "-q", "main")
    assert gitexp(repo, "new", "g", *why).code == 0
    assert "rules: 2" in repo.show(layout.plan_path("g"))
    of_one(repo, "g")
    told = gitexp(repo, "amend-plan", "--frozen", "src/evaluate.py", "--why", "so")
    assert told.code == 2
    assert told.says("the plan freezes nothing", "rules: 1")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--unfreeze", "src/nothing.py"), "src/nothing.py"),
        (("--frozen", "src/nothing.py"), "cannot be frozen"),
        (("--frozen", "metrics.json"), "metrics.json, which a stage makes"),
        (("--unfreeze", "metrics.json"), "the plan does not freeze this"),
    ],
)
def test_what_is_not_there_is_neither_frozen_nor_unfrozen(
    repo: BuiltRepo, arguments: tuple[str, str], said: str
) -> None:
    done = gitexp(repo, "amend-plan", *arguments, "--why", "so")
    assert done.code == 2
    assert done.says(said)


def test_a_new_plan_is_told_what_it_freezes(repo: BuiltRepo) -> None:
    here = repository_of(repo.workspace)
    commit = objects.resolve(here, "HEAD")
    (plan,) = plans.plans(here, commit)
    names = "dvc.yaml:evaluate, dvc.yaml:vars.script, eval.scale, src/evaluate.py"
    assert frozen.summary(here, plan, commit) == f"frozen: {names}"
    given_up = replace(plan, frozen=("none",))
    assert frozen.summary(here, given_up, commit) == "evaluation not frozen: as its plan says"


def test_a_metric_that_training_logs_is_not_that_of_the_metrics_file(tmp_path: Path) -> None:
    logs = FILES["src/train.py"] + "from gitexp import log_metric\nlog_metric('loss', 1.0)\n"
    repo = project(tmp_path / "p", {"src/train.py": logs, "metrics.json": '{"acc": 0.1}'})
    here = repository_of(repo.workspace)
    commit = objects.resolve(here, "HEAD")
    (plan,) = plans.plans(here, commit)
    assert frozen.summary(here, plan, commit).startswith("frozen: dvc.yaml:evaluate")
    logged = frozen.summary(here, replace(plan, metric="loss"), commit)
    assert logged == "evaluation not frozen: no metrics file gives its metric"


def test_a_start_with_another_evaluator_than_the_baseline_is_told(repo: BuiltRepo) -> None:
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    here = repository_of(repo.workspace)
    commit = objects.resolve(here, "HEAD")
    (plan,) = plans.plans(here, commit)
    said = "the start has other ones than the baseline: src/evaluate.py"
    assert frozen.summary(here, plan, commit).endswith(said)


def test_a_plan_freezes_more_and_freezes_again(repo: BuiltRepo) -> None:
    why = "--why", "so"
    assert gitexp(repo, "amend-plan", "--frozen", "raw.csv", *why).code == 0
    edited(repo, "raw.csv", "1", "2")
    with pytest.raises(EvaluatorError) as caught:
        run(repo.workspace, RunRequest(with_baseline=True, dry_run=True))
    assert caught.value.found == "raw.csv"
    assert gitexp(repo, "amend-plan", "--unfreeze", "raw.csv", *why).code == 0
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    assert run(repo.workspace, RunRequest(with_baseline=True, dry_run=True))
    assert gitexp(repo, "amend-plan", "--frozen", "raw.csv", *why).code == 0
    with pytest.raises(EvaluatorError):
        run(repo.workspace, RunRequest(with_baseline=True, dry_run=True))


IN_DVC = {
    **FILES,
    "src/train.py": "import json, os\nfrom common import get\n"
    "acc = get('lr') + get('seed') % 9973 / 100000\n"
    "os.makedirs('results/train', exist_ok=True)\nopen('model.txt', 'w').write(str(acc))\n"
    "json.dump({'loss': 1 - acc, 'f1': acc}, open('results/train/metrics.json', 'w'))\n",
    "src/evaluate.py": "import json, os\nfrom common import get\n"
    "os.makedirs('results/test', exist_ok=True)\n"
    "acc = float(open('model.txt').read()) * get('scale')\n"
    "json.dump({'acc': acc, 'f1': acc}, open('results/test/metrics.json', 'w'))\n",
}
DVC_HOLDS = {
    "folders": "metrics: [results/train/metrics.json, results/test/metrics.json]\n"
    + PIPELINE.replace("[model.txt]\n", "[model.txt, results/train]\n").replace(
        "metrics:\n    - metrics.json: {cache: false}", "outs: [results/test]"
    ),
    "metrics": PIPELINE.replace(
        "[model.txt]\n", "[model.txt]\n    metrics: [results/train/metrics.json]\n"
    ).replace("metrics.json: {cache: false}", "results/test/metrics.json"),
}


def held_by_dvc(path: Path, kind: str, metric: str = "acc") -> BuiltRepo:
    files = {**IN_DVC, "dvc.yaml": DVC_HOLDS[kind]}

    def make(folder: Path) -> None:
        repo = repository(folder)
        repo.write({**files, **build.dvc_files()})
        build.dvc(repo.path, "repro", "--quiet")
        repo.git("add", "--all")
        repo.commit(at=1)
        init(repo.workspace)
        better = Direction.MIN if metric == "loss" else Direction.MAX
        new(repo.workspace, replace(ASKED, metric=metric, direction=better))

    return build.copied(path, make, files, ASKED, metric)


@pytest.mark.slow
@pytest.mark.parametrize("kind", DVC_HOLDS)
def test_a_metric_that_dvc_holds_is_of_the_stage_that_makes_its_file(
    tmp_path: Path, kind: str
) -> None:
    repo = held_by_dvc(tmp_path / "p", kind)
    here = repository_of(repo.workspace)
    commit = objects.resolve(here, "HEAD")
    (plan,) = plans.plans(here, commit)

    def told(metric: str) -> str:
        return frozen.summary(here, replace(plan, metric=metric), commit)

    names = "frozen: dvc.yaml:evaluate, dvc.yaml:vars.script, eval.scale, src/evaluate.py"
    trains = "evaluation not frozen: train trains and evaluates"
    assert (told("acc"), told("loss")) == (names, trains)
    assert told("results/test/metrics.json:f1") == names
    assert told("results/train/metrics.json:f1") == trains
    shutil.rmtree(repo.path / ".dvc/cache")
    unknown = "train trains, and whether its results/train/metrics.json has the metric is not known"
    assert {told("acc"), told("loss")} == {f"{names}; evaluation not frozen: {unknown}"}
    assert told("results/test/metrics.json:f1") == names


@pytest.mark.slow
def test_its_scorer_is_no_candidates_own_and_older_records_are_judged_as_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = held_by_dvc(tmp_path / "p", "folders")
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    edited(repo, "src/evaluate.py", "get('scale')", "1.1")
    with pytest.raises(EvaluatorError):
        run(repo.workspace, RunRequest(with_baseline=True))
    with monkeypatch.context() as older:
        older.setitem(evaluator.evaluator.__kwdefaults__, "rule", 3)
        older.setitem(frozen._givers.__kwdefaults__, "cached", value=False)  # noqa: SLF001
        run(repo.workspace, RunRequest(with_baseline=True))
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED
    assert found.evaluator is not None
    assert found.evaluator.lacking == "the version that ran it left src/evaluate.py free"
    assert not any("another evaluator" in text for text in status(repo.workspace).notes)


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize("metric", ["acc", "loss"])
def test_what_was_run_with_the_cache_is_judged_the_same_without_it(
    tmp_path: Path, metric: str
) -> None:
    repo = held_by_dvc(tmp_path / "p", "folders", metric)
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    if metric == "loss":  # of which evaluate.py tells nothing
        edited(repo, "src/evaluate.py", "get('scale')", "1.1")
    run(repo.workspace, RunRequest(with_baseline=True))
    shutil.rmtree(repo.path / ".dvc/cache")
    (found,) = compare(repo.workspace)
    assert found.verdict is Verdict.SUPPORTED
    assert found.evaluator is not None
    assert not found.evaluator.differing
    assert "whether its results/train/metrics.json has the metric" in found.evaluator.lacking
