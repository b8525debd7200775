"""The example at the top of this repository is what it says: a project whose records are true."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from gitexp.records import config as config_format
from gitexp.text.yamltext import yaml_loads

ROOT = Path(__file__).parents[1]
CONFIG = ".gitexp/config.yaml"
IN_GIT = ("data/raw/", "examples/")


def file_hash(name: str, path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, name).hexdigest()


def test_the_lock_speaks_of_the_scripts_that_are_committed() -> None:
    lock = yaml_loads((ROOT / "dvc.lock").read_bytes(), where="dvc.lock")
    assert isinstance(lock, dict)
    recorded = {
        dep["path"]: dep["md5"] for stage in lock["stages"].values() for dep in stage["deps"]
    }
    ours = {path: recorded[path] for path in recorded if path.startswith(IN_GIT)}
    actual = {path: file_hash("md5", ROOT / path) for path in ours}
    assert len(ours) == 5
    assert ours == actual, "dvc repro, then commit dvc.lock and metrics.json"


def test_the_settings_declare_every_output_and_the_seed() -> None:
    config = config_format.load((ROOT / CONFIG).read_bytes(), CONFIG)
    pipeline = yaml_loads((ROOT / "dvc.yaml").read_bytes(), where="dvc.yaml")
    assert isinstance(pipeline, dict)
    outputs = {out for stage in pipeline["stages"].values() for out in stage.get("outs", ())}
    assert outputs == set(config.outputs)
    assert [str(key) for key in config.seed.every] == ["train.seed"]
    assert config.predictions is not None
    assert config.predictions.path in outputs


def test_the_metrics_are_those_that_the_settings_give_a_direction() -> None:
    config = config_format.load((ROOT / CONFIG).read_bytes(), CONFIG)
    metrics = json.loads((ROOT / "metrics.json").read_text())
    assert set(metrics) == {*config.directions, "f1_by_fold"}
    assert len(metrics["f1_by_fold"]) == 5


def test_the_seed_reaches_only_the_stages_that_draw() -> None:
    pipeline = yaml_loads((ROOT / "dvc.yaml").read_bytes(), where="dvc.yaml")
    assert isinstance(pipeline, dict)
    stages = pipeline["stages"].items()
    readers = [name for name, stage in stages if "train.seed" in stage.get("params", ())]
    assert readers == ["train"]
