from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import PreconditionError
from gitexp.formats import points
from gitexp.staging import live

if TYPE_CHECKING:
    from pathlib import Path

ROOT = __file__.rsplit("/", 3)[0]


def run(script: Path, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, str(script)],
        cwd="/",
        env=os.environ | {"PYTHONPATH": ROOT} | env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_points_of_a_script_and_its_forks_arrive_in_the_file(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import os\n"
        "from gitexp.staging.live import log_metric\n"
        "log_metric('loss', 1, step=0)\n"
        "log_metric('loss', float('nan'), step=1)\n"
        "if os.fork() == 0:\n"
        "    log_metric('child', 2.5)\n"
        "    raise SystemExit\n"
        "os.wait()\n"
    )
    file = tmp_path / "points.jsonl"
    run(script, GITEXP_POINTS=str(file))
    found = points.decode(file.read_bytes(), "points.jsonl")
    assert sorted((p.name, p.value, p.step) for p in found if p.value is not None) == [
        ("child", 2.5, None),
        ("loss", 1.0, 0),
    ]
    assert len(found) == 3


def test_without_gitexp_nothing_is_written(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("from gitexp.staging.live import log_metric\nlog_metric('loss', 1)\n")
    run(script)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.py"]


def test_of_many_points_each_arrives_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "points.jsonl"
    monkeypatch.setenv("GITEXP_POINTS", str(file))
    for step in range(20_000):
        live.log_metric("loss", 0.123456789, step)
    live.flush()
    found = points.decode(file.read_bytes(), "points.jsonl")
    assert [point.step for point in found] == [*range(20_000)]


def test_params_are_those_of_the_repeat_else_the_nearest_above_the_script(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "params.yaml").write_text("train: {lr: 1e-3}\n")
    script = tmp_path / "src" / "train.py"
    script.parent.mkdir()
    script.write_text("from gitexp.staging.live import params\nprint(params()['train']['lr'])\n")
    assert run(script) == "0.001\n"
    job = tmp_path / "job"
    job.mkdir()
    (job / "params.yaml").write_text("train: {lr: 2}\n")
    assert run(script, GITEXP_PROJECT=str(job)) == "2\n"


def test_params_that_are_nowhere_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(PreconditionError):
        live.params(tmp_path)
