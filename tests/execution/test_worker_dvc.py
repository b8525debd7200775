"""The worker against DVC itself: same stages, same bytes, same record."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc import dvcfiles, pipeline
from gitexp.model.config import ParamKey, ProjectConfig, SeedRule
from gitexp.model.run import RepeatState
from tests.lab.build import dvc
from tests.lab.jobs import bench

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.job import StageRecord
    from tests.lab.build import BuiltRepo

SHELLS = """\
stages:
  several:
    cmd:
    - X=1; echo $X > sub/a.txt
    - |
      for i in 1 2; do
        echo $i >> sub/a.txt
      done
    outs:
    - sub/a.txt
  lines:
    wdir: sub
    cmd: |
      Y=2; echo "$Y" > b.txt
      echo "[$Y]$DVC_STAGE" >> b.txt
    deps:
    - a.txt
    params:
    - ../params.yaml:
      - lr
    outs:
    - b.txt:
        cache: false
"""


def sorted_records(records: tuple[StageRecord, ...]) -> dict[str, StageRecord]:
    """By name, paths in the order of dvc.lock."""
    return {
        each.name: replace(
            each,
            deps=tuple(sorted(each.deps, key=lambda file: file.path)),
            outs=tuple(sorted(each.outs, key=lambda file: file.path)),
        )
        for each in records
    }


def locked_records(lock: dict[str, dvcfiles.LockedStage]) -> dict[str, StageRecord]:
    records = [locked.record() for locked in lock.values()]
    return sorted_records(tuple(record for record in records if record is not None))


def test_a_repeat_with_the_committed_seed_records_what_dvc_recorded(
    dvc_repo: BuiltRepo, tmp_path: Path
) -> None:
    place = bench(dvc_repo, tmp_path)
    key = ParamKey("params.yaml", "seed")
    config = ProjectConfig(pipeline="dvc.yaml", metrics=("metrics.json",), seed=SeedRule((key,)))
    stages = pipeline.look([(place.slot, config)])[0].executed
    outcome = place.run(place.job(*stages, edits={key: 1}))
    assert outcome.state is RepeatState.FINISHED, outcome.reason
    lock = dvcfiles.load_lock((dvc_repo.path / "dvc.lock").read_bytes(), "dvc.lock")
    assert sorted_records(outcome.stages) == locked_records(lock)
    other = place.run(place.job(*stages, edits={key: 2}), "attempt-2")
    assert other.samples != outcome.samples
    assert dvc_repo.status() == []


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_commands_mean_what_they_mean_to_dvc(
    dvc_repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shell: str
) -> None:
    if not os.access(shell, os.X_OK):
        pytest.skip(f"no {shell}")
    monkeypatch.setenv("SHELL", shell)
    dvc_repo.git("rm", "-q", "dvc.lock")
    dvc_repo.commit({"dvc.yaml": SHELLS, "sub/.gitignore": "/a.txt\n"}, at=2)
    place = bench(dvc_repo, tmp_path)
    config = ProjectConfig(pipeline="dvc.yaml")
    stages = pipeline.look([(place.slot, config)])[0].executed
    outcome = place.run(place.job(*stages, metrics=(), keep=()), env={"SHELL": shell})
    assert outcome.state is RepeatState.FINISHED, f"{outcome.reason}\n{outcome.log_tail}"
    dvc(dvc_repo.path, "repro", "--quiet")
    for name in ("sub/a.txt", "sub/b.txt"):
        assert (place.slot / name).read_bytes() == (dvc_repo.path / name).read_bytes()
    lock = dvcfiles.load_lock(
        (dvc_repo.path / "dvc.lock").read_bytes(), "dvc.lock", wdirs={"lines": "sub"}
    )
    assert sorted_records(outcome.stages) == locked_records(lock)
