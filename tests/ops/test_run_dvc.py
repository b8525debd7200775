"""`run` among DVC's less plain features: afterwards DVC finds nothing to do."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from gitexp.data.dvclock import main_lock
from gitexp.model.request import RunRequest
from gitexp.model.run import RepeatState
from gitexp.ops.init import init
from gitexp.ops.inputs import inputs
from gitexp.ops.run import run
from tests.build import BuiltRepo, dvc, repository

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport

PIPELINE = """\
stages:
  given:
    cmd: cp raw.txt given.txt
    deps: [raw.txt]
    outs: [given.txt]
    frozen: FROZEN
  tool:
    cmd: printf '#!/bin/sh\\ncat given.txt\\n' > tool && chmod +x tool
    deps: [given.txt]
    outs: [tool]
  train:
    foreach: [a, b]
    do:
      cmd: mkdir -p out && ./tool > out/${item} && echo ${seed} >> out/${item}
      deps: [tool, given.txt]
      params: [seed]
      outs: ["out/${item}"]
  evaluate:
    wdir: src
    cmd: python evaluate.py
    deps: [evaluate.py, ../out]
    params:
    - ../params.yaml:
    metrics:
    - ../report/metrics.json: {cache: false}
"""
EVALUATE = """\
import json, os
os.makedirs("../report", exist_ok=True)
json.dump({"n": sum(len(open(f"../out/{n}").read()) for n in "ab")},
          open("../report/metrics.json", "w"))
"""


def states(report: RunReport) -> list[RepeatState]:
    return [repeat.state for each in report.recorded for repeat in each.run.repeats]


def assert_untouched(repo: BuiltRepo) -> None:
    assert json.loads(dvc(repo.path, "status", "--json")) == {}
    dvc(repo.path, "checkout")
    dvc(repo.path, "repro")
    dvc(repo.path, "commit", "--force")
    assert repo.status() == []


@pytest.mark.slow
def test_frozen_stages_templates_wdir_and_executables_compose(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    files = {"raw.txt": "x\n", "params.yaml": "seed: 7\n", "src/evaluate.py": EVALUATE}
    repo.write({**files, "dvc.yaml": PIPELINE.replace("FROZEN", "false")})
    dvc(repo.path, "repro", "--quiet", "given")
    repo.write({"dvc.yaml": PIPELINE.replace("FROZEN", "true")})
    repo.git("add", "--all")
    repo.commit(at=1)
    init(repo.workspace)
    first = run(repo.workspace, RunRequest(seeds=(7, 8)))
    assert states(first) == [RepeatState.FINISHED] * 2
    assert first.snapshot.startswith("written")
    assert not first.not_updated
    assert os.access(repo.path / "tool", os.X_OK)
    assert_untouched(repo)
    assert inputs(repo.workspace, "HEAD~1", "HEAD").reasons == ()
    again = run(repo.workspace, RunRequest(seeds=(7,)))
    assert states(again) == [RepeatState.FINISHED]
    assert "already" in again.snapshot


def test_outputs_follow_in_every_work_tree_on_the_branch_or_are_named(
    dvc_repo: BuiltRepo, tmp_path: Path
) -> None:
    init(dvc_repo.workspace)
    dvc_repo.branch("exp/x")
    other = dvc_repo.worktree(tmp_path / "other", "exp/x")
    dvc(other.path, "cache", "dir", "--local", str(dvc_repo.path / ".dvc" / "cache"))
    dvc(other.path, "checkout")
    other.commit({"params.yaml": "lr: 0.7\nseed: 1\n"}, at=2)
    report = run(dvc_repo.workspace, RunRequest(on="exp/x", at="exp/x"))
    assert (report.snapshot[:7], report.not_updated) == ("written", ())
    assert json.loads(dvc(other.path, "status", "--json")) == {}
    other.commit({"params.yaml": "lr: 0.8\nseed: 1\n"}, at=3)
    with main_lock(other.path):
        report = run(other.workspace)
    assert report.snapshot.startswith("written")
    assert sorted(text.split(":")[0] for text in report.not_updated) == [
        "model.txt",
        "prepared.csv",
    ]
