"""What commands print with ``--json`` has a schema; `Done.json` holds every such answer to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator, ValidationError

from gitexp.cli.commands import COMMANDS
from gitexp.records.answers import ANSWERS as SHAPES_OF_ANSWERS
from gitexp.text.jsontext import json_loads
from tests.records.answers import ANSWERS, check, schemas

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[2] / "docs" / "formats" / "answers.md").read_text("utf-8")
PACKAGE = Path(__file__).parents[2] / "gitexp"


def objects(schema: object) -> Iterator[dict[str, object]]:
    """Yield every schema of an object within a schema."""
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from objects(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from objects(part)


@pytest.mark.parametrize("kind", schemas())
def test_an_example_on_the_page_fits_the_schema_and_nothing_beside_it_does(kind: str) -> None:
    schema = schemas()[kind]
    Draft202012Validator.check_schema(schema)
    assert schema["title"] == f"gitexp/{kind}@1"
    section = PAGE.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    (example,) = re.findall(r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    value = json_loads(example.encode(), where=kind)
    check(value)
    assert isinstance(value, dict)
    with pytest.raises(ValidationError):
        check({**value, "unheard_of": 1})


@pytest.mark.parametrize("kind", schemas())
def test_an_object_of_an_answer_says_what_it_may_hold(kind: str) -> None:
    for found in objects(schemas()[kind]):
        assert "additionalProperties" in found


def test_every_answer_that_the_program_names_has_a_schema_and_every_schema_an_answer() -> None:
    files = [path for room in ("report", "cli") for path in (PACKAGE / room).rglob("*.py")]
    source = "\n".join(path.read_text("utf-8") for path in files)
    named = set(re.findall(r"gitexp/([a-z-]+)@1", source))
    assert {path.stem for path in ANSWERS.glob("*.json")} == {*schemas(), "common"}
    named |= {shape.kind for shape in SHAPES_OF_ANSWERS.values() if shape.kind}
    assert named == set(schemas())


def test_the_page_tells_of_every_command_that_prints_json() -> None:
    told = set(re.findall(r"[a-z-]+", " ".join(re.findall(r"`gitexp ([^`]+)`", PAGE))))
    silent = {"completion", "help", "merge-driver", "worker"}
    visible = {command.name for command in COMMANDS if not command.hidden}
    assert visible - silent - told == set()
