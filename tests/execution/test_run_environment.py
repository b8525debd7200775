"""Repeats in environments that differ: what acts on a repeat is what it asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.model.request import RunRequest
from tests.execution.test_run import plain
from tests.system.test_environment import install

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

TRAIN = """\
import json, used
try:
    import speedup
    fast = 1
except ImportError:
    fast = 0
text = open("params.yaml").read()
seed = int(text.split("seed:")[1].split()[0])
lr = float(text.split("lr:")[1].split()[0])
json.dump({"acc": lr + used.X + fast + seed % 97 / 1000}, open("metrics.json", "w"))
open("model.txt", "w").write(f"{lr} {seed}")
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of installed packages, first of the environment."""
    found = tmp_path / "env" / "lib" / "site-packages"
    install(found, "used", "X = 1\n")
    monkeypatch.setenv("PYTHONPATH", str(found))
    return found


@pytest.fixture
def repo(tmp_path: Path, site: Path) -> BuiltRepo:
    assert site.is_dir()
    return plain(tmp_path / "p", TRAIN)


def record(repo: BuiltRepo, run_id: str) -> dict:
    return json.loads(repo.show(f".gitexp/runs/{run_id[:2]}/{run_id}/run.json"))


def test_a_run_records_once_what_its_repeats_asked_for(repo: BuiltRepo) -> None:
    (done,) = run(repo.workspace, RunRequest(repeats=3)).recorded
    found = record(repo, done.run.id)
    (seen,) = found["observed"]
    assert [each["observed"] for each in found["repeats"]] == [0, 0, 0]
    assert "used" in seen["distributions"]
    assert "speedup" in seen["asked"]
    assert "numpy" not in {*seen["distributions"], *seen["asked"]}
    assert "why" not in seen
