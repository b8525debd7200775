"""Projects whose metrics lie where DVC puts them: in its outputs, or declared beside the stages."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.model.request import RunRequest
from tests.lab.build import dvc, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

TRAIN = """\
import os, random
params = dict(line.split(": ") for line in open("params.yaml"))
random.seed(int(params["seed"]))
os.makedirs("eval/plots", exist_ok=True)
acc = float(params["lr"]) + random.random() / 100
open("eval/metrics.json", "w").write('{"acc": {"test": %r}}' % acc)
open("eval/plots/roc.csv", "w").write(f"fpr,tpr\\n0,{acc}\\n")
open("curve.tsv", "w").write(f"step\\tloss\\n0\\t{acc}\\n")
"""
PIPELINE = """\
stages:
  train: {cmd: python train.py, deps: [train.py, sizes.csv], params: [lr, seed], outs: [eval]}
metrics: [eval/metrics.json]
plots:
- roc: {x: fpr, y: {eval/plots/roc.csv: tpr}}
- curve.tsv: {x: step, y: loss}
- sizes.csv
"""
FILES = {
    "train.py": TRAIN,
    "dvc.yaml": PIPELINE,
    "params.yaml": "lr: 0.5\nseed: 1\n",
    "sizes.csv": "n\n1\n",
}
PLAN = ("--effect", ">0", "--hypothesis", "a higher rate is better by far")


@pytest.fixture
def folder_outputs(tmp_path: Path) -> BuiltRepo:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    repo.write(FILES)
    dvc(repo.path, "repro", "--quiet")
    repo.git("add", "--all")
    repo.commit(at=1)
    return repo


def config(repo: BuiltRepo) -> dict[str, object]:
    answer = gitexp(repo, "init", "--json")
    assert answer.code == 0, answer.err
    found = answer.json["found"]
    assert isinstance(found, dict)
    return found


def test_metrics_in_an_output_are_found_named_read_and_never_committed(
    folder_outputs: BuiltRepo,
) -> None:
    repo = folder_outputs
    found = config(repo)
    assert found["metrics"] == "eval/metrics.json"
    assert found["outputs"] == "curve.tsv, eval"  # what a stage reads is none, drawn or not
    # The names are in the cache, where dvc.lock points: no file has to lie in the work tree.
    (repo.path / "eval" / "metrics.json").unlink()
    wrong = gitexp(repo, "new", "x", "--metric", "acc:max", *PLAN)
    assert wrong.code == 2
    assert wrong.says("unknown-metric", "the same with acc.test for acc")
    dvc(repo.path, "checkout")
    right = ("new", "x", "--metric", "acc.test:max", *PLAN, "--param", "lr=0.7")
    assert gitexp(repo, *right).code == 0
    report = run(repo.workspace, RunRequest(with_baseline=True, repeats=3))
    assert report.not_updated == ()
    assert [path for path in repo.files() if path.startswith("eval")] == []
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    assert "is already tracked" not in dvc(repo.path, "repro")
    assert repo.status() == []


def test_a_plot_that_git_holds_is_an_output_to_the_inputs_and_to_the_rules(
    folder_outputs: BuiltRepo,
) -> None:
    repo = folder_outputs
    config(repo)
    repo.commit({"curve.tsv": "step\tloss\n0\t0.1\n"}, at=2)
    assert "SAME INPUTS" in gitexp(repo, "inputs", "HEAD~1", "HEAD").out.upper()
    assert "R5" not in gitexp(repo, "check", "HEAD~1..HEAD").out
    repo.commit({"sizes.csv": "n\n2\n"}, at=3)
    assert "sizes.csv" in gitexp(repo, "inputs", "HEAD~1", "HEAD").out


def test_what_an_earlier_version_committed_is_said_and_then_stays_out(
    folder_outputs: BuiltRepo,
) -> None:
    repo = folder_outputs
    config(repo)
    repo.git("add", "--force", "eval/metrics.json")
    repo.git("commit", "--quiet", "-m", "as gitexp 0.1 did it")
    report = run(repo.workspace, RunRequest(seeds=(1, 2)))
    assert "git rm --cached eval/metrics.json" in " ".join(report.warnings)
    repo.git("rm", "--cached", "--quiet", "eval/metrics.json")
    repo.git("commit", "--quiet", "-m", "DVC holds it")
    report = run(repo.workspace, RunRequest(seeds=(3,)))
    assert "git rm" not in " ".join(report.warnings)
    assert "eval/metrics.json" not in repo.files()
    assert "SAME INPUTS" in gitexp(repo, "inputs", "HEAD~2", "HEAD").out.upper()


def test_what_git_ignores_is_read_and_not_committed(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    train = 'import json, os\njson.dump({"a": int(os.environ["GITEXP_SEED"])}, open("m.json", "w"))'
    repo.commit({"train.py": train, ".gitignore": "*.json\n"}, at=1)
    done = gitexp(repo, "init", "--command", "python train.py", "--metrics", "m.json")
    assert done.code == 0, done.err
    report = run(repo.workspace, RunRequest(seeds=(0, 1)))
    assert [sample.value for each in report.recorded for sample in each.samples] == [0, 1]
    assert "m.json" not in repo.files()


def test_what_an_uncached_folder_no_longer_holds_leaves_git_with_the_snapshot(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    look = 'import os\nlr = open("params.yaml").readline().split()[1]\n'
    look += 'os.makedirs("seen/a", exist_ok=True)\nopen(f"seen/a/{lr}.txt", "w").write("x")\n'
    stages = "stages:\n  train:\n    cmd: python train.py && python look.py\n"
    stages += "    params: [lr, seed]\n    outs: [eval, seen/: {cache: false}]\n"
    repo.write({**FILES, "look.py": look, "dvc.yaml": stages + "metrics: [eval/metrics.json]\n"})
    dvc(repo.path, "repro", "--quiet")
    repo.git("add", "--all")
    repo.commit(at=1)
    config(repo)
    right = ("new", "x", "--metric", "acc.test:max", *PLAN, "--param", "lr=0.7", "--repeats", "2")
    assert gitexp(repo, *right).code == 0
    run(repo.workspace)
    assert "seen/a/0.7.txt" in repo.files()
    assert "seen/a/0.5.txt" not in repo.files()
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    assert not repo.git("status", "--short")


def test_curves_that_are_no_output_get_no_pointer_and_stay_as_git_has_them(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    train = 'import json, os\nseed = int(os.environ["GITEXP_SEED"])\n'
    train += 'json.dump({"acc": seed}, open("m.json", "w"))\nos.makedirs("logs", exist_ok=True)\n'
    train += 'for name in ("old", "new"):\n    with open(f"logs/{name}.csv", "w") as file:\n'
    train += '        file.write(f"name,step,value\\n{name},1,{seed}\\n")\n'
    repo.commit({"train.py": train, "logs/old.csv": "name,step,value\nold,1,9\n"}, at=1)
    asked = ("init", "--command", "python train.py", "--metrics", "m.json", "--dvc-init")
    assert gitexp(repo, *asked).code == 0
    settings = repo.show(".gitexp/config.yaml")
    curves = "curves: [logs/old.csv, logs/new.csv]"
    repo.commit({".gitexp/config.yaml": settings.replace("curves: []", curves)}, at=2)
    report = run(repo.workspace, RunRequest(seeds=(0, 1)))
    assert report.snapshot == "written, with seed 0"
    assert len(report.recorded[0].run.repeats[0].outputs) == 2
    assert repo.status() == []
    assert [path for path in repo.files() if path.endswith(".csv.dvc")] == []
    assert json.loads(dvc(repo.path, "status", "--json")) == {}


def test_an_uncached_output_that_git_ignores_is_named_since_no_commit_holds_it(
    folder_outputs: BuiltRepo,
) -> None:
    repo = folder_outputs
    stages = "stages:\n  train:\n    cmd: python train.py\n    params: [lr, seed]\n"
    stages += "    outs: [eval]\n    plots: [curve.tsv: {cache: false}]\n"
    repo.git("rm", "--quiet", "--cached", "curve.tsv")
    ignored = repo.show(".gitignore") + "/curve.tsv\n"
    repo.commit(
        {"dvc.yaml": stages + "metrics: [eval/metrics.json]\n", ".gitignore": ignored}, at=2
    )
    config(repo)
    report = run(repo.workspace, RunRequest(seeds=(1,)))
    (said,) = report.not_updated
    assert said.startswith("curve.tsv: Git ignores it and DVC does not cache it")


LOGS = """\
import gitexp, json
params = gitexp.params()
for step in range(3):
    gitexp.log_metric("loss", (params["lr"] + params["seed"] % 7) / (step + 1), step=step)
with open("gitexp-points/m.json" if {metrics} else "m.json", "w") as file:
    json.dump(dict(acc=params["lr"] + params["seed"] % 9 / 100), file)
"""


@pytest.mark.slow
@pytest.mark.sweep(1)
@pytest.mark.parametrize(
    ("declared", "metrics", "by_hand"),
    [
        ("plots: [gitexp-points/curves: {x: step, y: value}]", "m.json", True),
        ("outs: [gitexp-points/curves]", "m.json", False),
        ("outs: [gitexp-points/curves/loss.csv]", "m.json", False),
        ("plots: [gitexp-points/curves]", "gitexp-points/m.json", True),
        ("desc: none of DVC's", "gitexp-points/m.json", True),
    ],
)
def test_curves_that_dvc_keeps_leave_a_clean_work_tree_that_can_be_switched(
    tmp_path: Path, declared: str, metrics: str, *, by_hand: bool
) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    stage = f"stages:\n  train:\n    cmd: {sys.executable} train.py\n    deps: [train.py]\n"
    stage += f"    params: [lr, seed]\n    metrics: [{metrics}: {{cache: false}}]\n    {declared}\n"
    train = LOGS.replace("{metrics}", str("/" in metrics))
    train = f"import os; os.makedirs('gitexp-points', exist_ok=True)\n{train}"
    repo.write({**FILES, "train.py": train, "dvc.yaml": stage})
    if by_hand:
        dvc(repo.path, "repro", "--quiet")
        repo.git("add", "--force", metrics)
    repo.git("add", "--all")
    repo.commit(at=1)
    config(repo)
    asked = ("new", "x", "--metric", f"{metrics}:acc:max", *PLAN, "--repeats", "3")
    assert gitexp(repo, *asked, "--param", "lr=0.7").code == 0
    for seeds in ((), (11,)):
        report = run(repo.workspace, RunRequest(with_baseline=True, seeds=seeds))
        assert report.recorded
        assert report.not_updated == ()
        assert repo.status() == []
        assert json.loads(dvc(repo.path, "status", "--json")) == {}
    for branch in ("main", "exp/x", "main"):
        repo.switch(branch)
        assert repo.status() == []
    assert gitexp(repo, "run").code == 0
    dvc(repo.path, "repro", "--quiet", "--force")
    assert repo.status() == []


TEMPLATED = """\
stages:
  train: {cmd: python train.py, deps: [train.py, sizes.csv], params: [lr, seed], outs: [eval]}
  test:
    foreach: ${sets}
    do:
      cmd: cp eval/metrics.json m_${item}.json
      deps: [eval]
      metrics: ["m_${item}.json": {cache: false}]
"""


@pytest.mark.slow
def test_an_item_that_left_is_measured_by_nobody_and_one_that_joined_is_no_input(
    tmp_path: Path,
) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    params = "lr: 0.5\nseed: 1\nsets: [a, b]\n"
    repo.write({**FILES, "dvc.yaml": TEMPLATED, "params.yaml": params})
    dvc(repo.path, "repro", "--quiet")
    repo.git("add", "--all")
    repo.commit(at=1)
    for argv in (("init",), ("new", "x", "--metric", "m_b.json:acc.test:max", *PLAN)):
        answer = gitexp(repo, *argv, *(("--repeats", "2") if argv[0] == "new" else ()))
        assert answer.code == 0, answer.err
    repo.commit({"params.yaml": params.replace("0.5", "0.9").replace("a, b", "b, c")})
    assert gitexp(repo, "run").says("another evaluator", "found     sets")
    why = ("--unfreeze", "sets", "--why", "c is measured, too")
    assert gitexp(repo, "amend-plan", *why).code == 0
    ran = gitexp(repo, "run")
    assert ran.code == 0, ran.err
    assert "m_a.json is not read: the stages did not write it" in ran.out
    rows = [line.split(",")[0] for line in samples(repo)]
    assert rows == ["m_b.json:acc.test"] * 4  # of both sides
    assert "m_c.json" in repo.files()
    again = gitexp(repo, "run", "--again")  # what the run committed stops nobody and counts
    assert again.code == 0, again.err
    assert "do not count" not in again.out
    assert gitexp(repo, "inputs", "HEAD~2", "HEAD").code == 0


def samples(repo: BuiltRepo) -> list[str]:
    files = [path for path in repo.files() if path.endswith("samples.csv")]
    return [line for path in files for line in repo.show(path).splitlines()[1:]]


# --- what is kept of every repeat lies in a folder of which one repeat's bytes are kept ---------

PREDICTING = """\
import json, os, random
params = dict(line.split(": ") for line in open(f"{os.environ.get('UP', '.')}/params.yaml"))
random.seed(int(params["seed"]))
os.makedirs("out", exist_ok=True)
acc = float(params["lr"]) + random.random() / 100
json.dump({"acc": acc}, open("out/metrics.json", "w"))
open("out/pred.csv", "w").write(f"id,y_true,y_pred,score\\n1,1,1,{acc}\\n2,0,0,0.1\\n")
open("out/curve.csv", "w").write(f"name,step,value\\nloss,0,{acc}\\nloss,1,0.1\\n")
"""
INSIDE = ("out/curve.csv", "out/pred.csv")
TRAIN_STAGE = "cmd: python train.py, deps: [train.py], params: [lr, seed]"
STAGES = {
    "folder": f"train: {{{TRAIN_STAGE}, outs: [out]}}",
    "not cached": f"train: {{{TRAIN_STAGE}, outs: [out: {{cache: false}}]}}",
    "matrix": f"train: {{matrix: {{lr: [a]}}, {TRAIN_STAGE}, outs: [out]}}",
    "wdir": "train: {wdir: sub, cmd: UP=.. python ../train.py, deps: [../train.py], "
    "params: [../params.yaml: [lr, seed]], outs: [out]}",
}
GIVEN = ("--command", "python train.py", "--outs", "out")


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    "layout",
    [pytest.param(name, marks=pytest.mark.slow) for name in (*STAGES, "command, as a pipeline")]
    + ["command"],
)
def test_what_a_folder_holds_of_each_repeat_is_kept_as_if_it_lay_beside(
    tmp_path: Path, layout: str
) -> None:
    at = "sub/" if layout == "wdir" else ""
    repo = repository(tmp_path / "repo")
    files = {"train.py": PREDICTING, "params.yaml": "lr: 0.5\nseed: 1\n", "sub/keep": ""}
    options = ["--predictions", f"{at}out/pred.csv", "--metrics", f"{at}out/metrics.json"]
    if layout in STAGES:
        dvc(repo.path, "init", "--quiet")
        files["dvc.yaml"] = f"stages:\n  {STAGES[layout]}\n"
    else:
        options += [*GIVEN, "--dvc-init"]
        options += ["--write-pipeline"] if "pipeline" in layout else []
    repo.commit(files, at=1)
    repo.git("add", "--all")
    repo.commit(at=2)
    made = gitexp(repo, "init", *options)
    assert made.code == 0, made.err
    text = (repo.path / ".gitexp/config.yaml").read_text()
    config_text = text.replace("\ncurves: []", f"\ncurves: [{at}out/curve.csv]")
    assert config_text != text
    repo.commit({".gitexp/config.yaml": config_text}, at=3)
    (recorded,) = run(repo.workspace, RunRequest(seeds=(1, 2))).recorded
    assert [repeat.reason for repeat in recorded.run.repeats] == [""] * 2
    kept = [{out.path: out.md5 for out in repeat.outputs} for repeat in recorded.run.repeats]
    wanted = {at + path for path in INSIDE}
    assert [wanted & each.keys() for each in kept] == [wanted] * 2
    assert all(kept[0][path] != kept[1][path] for path in wanted)
    assert repo.status() == []
    if layout == "folder":
        dvc(repo.path, "gc", "-A", "--force")  # what names them DVC can read
    for each in kept:
        for md5 in (each[path] for path in wanted):
            assert (repo.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).exists()


def test_outputs_that_overlap_in_the_settings_are_named_there(tmp_path: Path) -> None:
    """No pipeline has them, and no line of .gitignore is wrong."""
    repo = repository(tmp_path / "repo")
    repo.commit({"train.py": PREDICTING, "params.yaml": "lr: 0.5\nseed: 1\n"}, at=1)
    made = gitexp(repo, "init", *GIVEN, "--metrics", "out/metrics.json", "--dvc-init")
    assert made.code == 0, made.err
    config_text = (repo.path / ".gitexp/config.yaml").read_text()
    assert "\noutputs: [out]" in config_text
    other = config_text.replace("outputs: [out]", "outputs: [out, out/pred.csv]")
    repo.commit({".gitexp/config.yaml": other}, at=2)
    refused = gitexp(repo, "run")
    assert refused.says("two outputs overlap", "outputs: in .gitexp/config.yaml")
    assert "dvc.yaml" not in refused.err
