"""The schemas of what commands print with ``--json``, ready to hold a value against."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import cast

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

import gitexp.records

SCHEMAS = Path(gitexp.records.__file__).parent / "schemas"
ANSWERS = SCHEMAS / "answers"
Schema = dict[str, object]


@cache
def schemas() -> dict[str, Schema]:
    """Return the schema of every answer, by the name in its ``$schema``."""
    return {
        path.stem: cast("Schema", json.loads(path.read_text("utf-8")))
        for path in sorted(ANSWERS.glob("*.json"))
        if path.stem != "common"
    }


@cache
def validator(place: str) -> Draft202012Validator:
    """Return what checks values by a schema, named by its path below ``schemas/``."""
    every = {
        path.relative_to(SCHEMAS.parent).as_posix(): Resource.from_contents(
            json.loads(path.read_text("utf-8"))
        )
        for path in SCHEMAS.rglob("*.json")
    }
    return Draft202012Validator(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": f"{SCHEMAS.name}/{place}",
        },
        registry=Registry().with_resources(every.items()),
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )


def check(value: object) -> None:
    """Hold what a command printed against the schema that it names."""
    for item in value if isinstance(value, list) else [value]:
        assert isinstance(item, dict)
        kind, _, version = item["$schema"].removeprefix("gitexp/").partition("@")
        assert version == "1"
        validator(f"answers/{kind}.json" if kind in schemas() else f"{kind}.json").validate(item)
