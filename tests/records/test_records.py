"""Every record comes back as it was, byte for byte, and is what its schema says."""

from __future__ import annotations

import json
from dataclasses import fields as dataclass_fields
from dataclasses import is_dataclass
from functools import cache, partial
from importlib.resources import files
from types import SimpleNamespace
from typing import TYPE_CHECKING, Protocol, cast, get_args

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from gitexp.errors import BadFormatError, NewerFormatError
from gitexp.model.comparison import Comparison, Conclusion
from gitexp.model.job import Job, Outcome
from gitexp.model.plan import Plan, PlanDraft, PlanTerms
from gitexp.model.request import RunOptions
from gitexp.model.review import Review
from gitexp.model.run import Environment, Run
from gitexp.model.sharing import Tombstone
from gitexp.model.witness import Receipt
from gitexp.records import codec, config
from gitexp.records.shapes import NEWEST, SHAPES
from gitexp.text import samples
from gitexp.text.jsontext import json_dumps, json_loads
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import yaml_dumps
from tests.records import strategies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.config import ProjectConfig
    from gitexp.model.run import Sample
    from gitexp.text.jsontext import Json


class Format(Protocol):
    def load(self, data: bytes, where: str, /) -> object: ...

    def dump(self, value: object, /) -> bytes: ...


def of(kind: type[object]) -> Format:
    return cast("Format", SimpleNamespace(load=partial(codec.load, kind), dump=codec.dump))


RECORDS: dict[str, tuple[Format, st.SearchStrategy[object]]] = {
    "comparison": (of(Comparison), strategies.comparisons),
    "conclusion": (of(Conclusion), strategies.conclusions),
    "environment": (of(Environment), strategies.environments),
    "job": (of(Job), strategies.jobs),
    "outcome": (of(Outcome), strategies.outcomes),
    "plan": (of(Plan), strategies.plans),
    "review": (of(Review), strategies.reviews),
    "run": (of(Run), strategies.runs),
    "tombstone": (of(Tombstone), strategies.tombstones),
    "witness": (of(Receipt), strategies.receipts),
}
YAML_KINDS = ("conclusion", "plan", "tombstone")


@cache
def schemas() -> dict[str, dict[str, object]]:
    folder = files("gitexp.records") / "schemas"
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in NEWEST}


@cache
def validator(kind: str) -> Draft202012Validator:
    for schema in schemas().values():
        Draft202012Validator.check_schema(schema)
    registry = Registry().with_resources(
        (f"{name}.json", Resource.from_contents(schema)) for name, schema in schemas().items()
    )
    return Draft202012Validator(
        schemas()[kind], registry=registry, format_checker=Draft202012Validator.FORMAT_CHECKER
    )


def parsed(kind: str, data: bytes) -> Json:
    return yaml_loads(data, where=kind) if kind in YAML_KINDS else json_loads(data, where=kind)


@pytest.mark.sweep(6, "environment", "review")
@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_comes_back_and_fits_its_schema(kind: str) -> None:
    form, values = RECORDS[kind]

    @settings(
        max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(values)
    def check(value: object) -> None:
        data = form.dump(value)
        again = form.load(data, kind)
        assert again == value
        assert form.dump(again) == data
        validator(kind).validate(parsed(kind, data))

    check()


@settings(max_examples=60, deadline=None)
@given(strategies.configs)
def test_a_config_comes_back_from_its_template(value: ProjectConfig) -> None:
    data = config.dump_template(value)
    assert config.load(data, "config.yaml") == value
    assert config.dump_template(config.load(data, "config.yaml")) == data
    validator("config").validate(yaml_loads(data, where="config.yaml"))


@settings(max_examples=60, deadline=None)
@given(strategies.sample_lists)
def test_samples_are_the_same_bytes_in_whatever_order_they_come(
    values: list[Sample],
) -> None:
    data = samples.dump(values)
    assert samples.dump(reversed(values)) == data
    again = samples.parse(data, "samples.csv")
    assert sorted(again, key=repr) == sorted(values, key=repr)
    assert samples.dump(again) == data


def test_every_format_has_a_schema_and_every_schema_a_format() -> None:
    folder = files("gitexp.records") / "schemas"
    kinds = {f"{kind}.json" for kind in NEWEST}
    assert {item.name for item in folder.iterdir() if item.is_file()} == kinds
    for kind in NEWEST:
        assert schemas()[kind]["title"] == f"gitexp/{kind}@{NEWEST[kind]}"


@pytest.mark.parametrize("kind", [*RECORDS, "config"])
def test_a_newer_version_is_refused_by_name(kind: str) -> None:
    form = config if kind == "config" else RECORDS[kind][0]
    with pytest.raises(NewerFormatError) as caught:
        form.load(json_dumps({"$schema": f"gitexp/{kind}@99"}), "the file")
    assert f"gitexp/{kind}@99" in caught.value.found
    assert f"gitexp/{kind}@99" in caught.value.next_step
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("kind", [*RECORDS, "config"])
@pytest.mark.parametrize(
    "value", [{}, [], None, 3, {"$schema": "gitexp/other@1"}, {"$schema": 1}], ids=repr
)
def test_something_else_is_refused(kind: str, value: Json) -> None:
    form = config if kind == "config" else RECORDS[kind][0]
    with pytest.raises(BadFormatError) as caught:
        form.load(json_dumps(value), "the file")
    assert "the file" in caught.value.where


NEVER = [[{"a": 1}]]  # is right nowhere


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the path of every value within a document."""
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        if key != "$schema":
            yield (*path, key)
            yield from places(item, (*path, key))


def refusal(form: Format, data: bytes) -> BadFormatError | None:
    """Return the error with which a file is refused, or None where it is read."""
    try:
        form.load(data, "the file")
    except BadFormatError as error:
        return error
    return None


@pytest.mark.sweep(6, "conclusion")
@pytest.mark.parametrize("kind", RECORDS)
def test_a_damaged_value_is_refused_with_its_place_or_read(kind: str) -> None:
    """No value of another kind in any field ends in anything but our own error."""
    form, values = RECORDS[kind]
    written = yaml_dumps if kind in YAML_KINDS else json_dumps
    odd = st.sampled_from([None, 7, -1, "x", [], {}, [3], {"a": None}, True, 1e300, NEVER])

    @settings(
        max_examples=40,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        database=None,
        phases=[Phase.generate],  # a smaller record says no more, and takes minutes to find
    )
    @given(values, st.data())
    def check(value: object, data: st.DataObject) -> None:
        fields = json.loads(json.dumps(parsed(kind, form.dump(value)), default=dict))
        path = data.draw(st.sampled_from(list(places(fields))))
        at = fields
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = data.draw(odd)
        error = refusal(form, written(fields))
        if error is not None:
            assert error.where.startswith("the file")
            assert error.expected
        if at[path[-1]] is NEVER and path[0] != "stages":  # whose parameters may be anything
            assert error is not None
            text = ".".join(key if isinstance(key, str) else f"[{key}]" for key in path)
            place = f"the file: {text.replace('.[', '[')}"  # or what is in it, or what it is in
            assert place.startswith(error.where) or error.where.startswith(place)

    check()


def test_a_shape_names_classes_and_fields_that_there_are() -> None:
    kinds: dict[str, set[str]] = {}
    todo: list[object] = [
        Run,
        Environment,
        Job,
        Outcome,
        Conclusion,
        Tombstone,
        Receipt,
        Review,
        RunOptions,
        PlanTerms,
        PlanDraft,
    ]
    while todo:
        kind = todo.pop()
        todo += get_args(kind)
        if isinstance(kind, type) and is_dataclass(kind) and kind.__name__ not in kinds:
            kinds[kind.__name__] = {field.name for field in dataclass_fields(kind)}
            todo += codec.hints(kind).values()
    for name, shape in SHAPES.items():
        lists = (
            shape.sparse,
            shape.lacking,
            shape.needed,
            shape.blank,
            shape.as_is,
            shape.flat,
            shape.order,
            shape.omitted,
        )
        tables = (shape.keys, shape.least, shape.reads, shape.writes)
        named = {*" ".join(lists).split(), *(key for table in tables for key in table)}
        assert named <= kinds[name], name


def test_a_bad_value_says_file_key_path_found_and_expected() -> None:
    @settings(max_examples=1, database=None, deadline=None)
    @given(strategies.runs.filter(lambda value: len(value.repeats) > 0))
    def check(value: Run) -> None:
        fields = codec.to_json(value)
        repeats = fields["repeats"]
        assert isinstance(repeats, list)
        repeats[0]["resources"]["cpu_count"] = "many"
        with pytest.raises(BadFormatError) as caught:
            codec.load(Run, json_dumps(fields), "runs/ab/abc/run.json")
        assert caught.value.where == "runs/ab/abc/run.json: repeats[0].resources.cpu_count"
        assert caught.value.found == '"many"'
        assert caught.value.expected == "an integer"

    check()


def test_a_bad_effect_in_a_recorded_comparison_is_a_bad_file_not_a_usage_error() -> None:
    @settings(max_examples=1, database=None, deadline=None)
    @given(strategies.comparisons)
    def check(value: Comparison) -> None:
        fields = codec.to_json(value)
        with pytest.raises(BadFormatError) as caught:
            codec.load(Comparison, json_dumps({**fields, "effect": "<=5%"}), "comparison.json")
        assert caught.value.where == "comparison.json: effect"

    check()


def test_a_run_with_keys_of_a_later_gitexp_is_read() -> None:
    @settings(max_examples=1, database=None, deadline=None)
    @given(strategies.runs)
    def check(value: Run) -> None:
        assert (
            codec.load(Run, json_dumps({**codec.to_json(value), "later": 1}), "run.json") == value
        )

    check()
