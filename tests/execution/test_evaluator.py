"""The evaluator of a plan: no candidate brings its own, and compare says who measured."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import EvaluatorError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.plan import Direction, SeedOrigin, Verdict
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from tests.lab import build
from tests.lab.build import repository
from tests.lab.rules2 import of_two
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
    "open('model.txt', 'w').write(str(get('lr') + get('seed') % 97 / 1000))\n",
    "src/evaluate.py": "import json\nfrom common import get\n"
    "acc = float(open('model.txt').read()) * get('scale')\n"
    "json.dump({'acc': acc}, open('metrics.json', 'w'))\n",
}
ASKED = NewRequest(
    name="x",
    hypothesis="a higher learning rate raises acc",
    metric="acc",
    direction=Direction.MAX,
    effect=">0",
    repeats=5,
    baseline="main",
    seeds=SeedOrigin.COMMITTED,
)


def project(path: Path, files: dict[str, str] | None = None) -> BuiltRepo:
    """A pipeline on exp/x, under a plan of the rules of two."""
    wanted = {**FILES, **(files or {})}

    def make(folder: Path) -> None:
        repo = repository(folder)
        repo.commit({**wanted, **build.dvc_files()})
        init(repo.workspace, InitRequest(metrics=("metrics.json",)))
        new(repo.workspace, ASKED)
        of_two(repo)

    return build.copied(path, make, wanted, ASKED)


@pytest.fixture
def repo(tmp_path: Path) -> BuiltRepo:
    return project(tmp_path / "p")


def edited(repo: BuiltRepo, path: str, old: str, new: str) -> None:
    text = (repo.path / path).read_text("utf-8")
    assert old in text
    repo.commit({path: text.replace(old, new)}, at=5)


@pytest.mark.slow
def test_a_candidate_with_its_own_evaluator_runs_once_it_is_restored(repo: BuiltRepo) -> None:
    edited(repo, "params.yaml", "lr: 0.1", "lr: 0.2")
    edited(repo, "src/evaluate.py", "get('scale')", "2")
    done = gitexp(repo, "run", "--with-baseline")
    assert done.says(
        "another evaluator", "src/evaluate.py", "amend-plan --unfreeze src/evaluate.py"
    )
    assert done.code == 3
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
    assert values[7] == pytest.approx(2 * (0.1 + 7 / 1000))
