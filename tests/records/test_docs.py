"""The pages in docs/formats show what the program reads and writes."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import pytest

from gitexp.model.config import Predictions
from gitexp.model.run import Environment, Run
from gitexp.records import codec, config
from gitexp.records.shapes import NEWEST
from gitexp.store.lookup import environment_digest
from gitexp.system import curves
from gitexp.text import points, predictions, samples
from gitexp.text.jsontext import json_loads
from gitexp.text.yamltext import yaml_loads
from tests.records.test_records import RECORDS, schemas, validator

FOLDER = Path(__file__).parents[2] / "docs" / "formats"


def page(kind: str) -> str:
    return (FOLDER / f"{kind}.md").read_text(encoding="utf-8")


def example(kind: str) -> bytes:
    (block,) = re.findall(r"^```(?:json|yaml|csv)\n(.*?)^```", page(kind), re.MULTILINE | re.DOTALL)
    return str(block).encode()


def test_every_format_has_a_page_and_every_page_a_format() -> None:
    assert {path.stem for path in FOLDER.glob("*.md")} == {*NEWEST, "README", "answers"}
    listed = re.findall(r"\]\((\w+)\.md\)", (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert sorted(listed) == sorted([*NEWEST, "answers"])


@pytest.mark.sweep(5)
@pytest.mark.parametrize("kind", RECORDS)
def test_the_example_of_a_record_is_what_the_program_writes(kind: str) -> None:
    data = example(kind)
    form, _ = RECORDS[kind]
    assert form.dump(form.load(data, kind)) == data
    loads = yaml_loads if kind in {"plan", "conclusion", "tombstone"} else json_loads
    validator(kind).validate(loads(data, where=kind))


@pytest.mark.parametrize("kind", NEWEST)
def test_the_keys_of_a_schema_are_explained(kind: str) -> None:
    text = page(kind)
    properties = schemas()[kind]["properties"]
    assert isinstance(properties, dict)
    for key in properties:
        words = re.findall(r"[\w.$]+", text.split("## Keys")[1])
        assert key == "$schema" or any(word.split(".")[0] == key for word in words), key


def test_the_example_of_the_settings_is_the_template() -> None:
    data = example("config")
    assert config.dump_template(config.load(data, "config.yaml")) == data
    validator("config").validate(yaml_loads(data, where="config.yaml"))


def test_the_run_vouches_for_the_samples_beside_it() -> None:
    recorded = codec.load(Run, example("run"), "run.json")
    data = example("samples")
    sha256 = hashlib.sha256(data).hexdigest()
    found = samples.load(data, "samples.csv", rows=recorded.sample_rows, sha256=sha256)
    assert recorded.samples_sha256 == sha256
    assert samples.dump(found) == data
    for row in csv.DictReader(data.decode().splitlines()):
        typed = {
            key: cell if key in {"metric", "dataset"} else json_loads(cell.encode(), where="")
            for key, cell in row.items()
            if cell or key == "dataset"
        }
        validator("samples").validate({**dict.fromkeys(row), **typed})


def test_the_environment_of_the_run_is_the_example() -> None:
    recorded = codec.load(Run, example("run"), "run.json")
    found = codec.load(Environment, example("environment"), "environment.json")
    assert recorded.repeats[0].environment == environment_digest(found)


def test_the_examples_of_the_projects_own_files_are_read() -> None:
    table = predictions.load(example("predictions"), Predictions("p.csv"), "p.csv")
    assert len(table.ids) == 2
    assert len(curves.load(example("curves"), "c.csv")) == 2
    found = [points.decode(line) for line in example("points").splitlines()]
    assert [point and point.value for point in found] == [0.25, None]
    for line in example("points").splitlines():
        validator("points").validate(json_loads(line, where=""))
    validator("curves").validate({"name": "loss/train", "step": 1, "value": 0.693, "mine": 1})
    validator("predictions").validate({"id": "a", "y_true": 1, "y_pred": 0, "score": 0.5, "g": "x"})
