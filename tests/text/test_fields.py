"""Every reader of a field: what it takes, what it refuses, and where it says that lies."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.errors import BadFormatError
from gitexp.text.fields import (
    Fields,
    near,
    param_json,
    param_tree,
    shorten,
    time_text,
)
from tests.records.strategies import param_trees, times

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json

HEX = "0123456789abcdef" * 4
Read = Callable[[Fields, str], object]


class Word(enum.Enum):
    ONE = "one"
    TWO = "two"


# reader, what it takes with the value that it gives, what it refuses, what it says it expects
READERS: dict[str, tuple[Read, list[tuple[Json, object]], list[Json], str]] = {
    "text": (Fields.text, [("", ""), ("a", "a"), ("1", "1")], [1, True, [], {}], "a text"),
    "integer": (
        Fields.integer, [(0, 0), (-3, -3), (10**30, 10**30)], [True, 1.0, "1", []], "an integer",
    ),
    "number": (
        Fields.number, [(1, 1.0), (-0.5, -0.5), (1e308, 1e308)], [True, "1", [], {}], "a number",
    ),
    "a number that is finite": (
        Fields.number, [], [float("nan"), float("inf"), -float("inf"), 10**400], "a finite number",
    ),
    "flag": (Fields.flag, [(True, True), (False, False)], [0, 1, "true", []], "true or false"),
    "word": (
        lambda fields, key: fields.word(key, Word), [("one", Word.ONE), ("two", Word.TWO)],
        ["three", "ONE", 1, [], True, "one "], "one of one, two",
    ),
    "time": (
        Fields.time,
        [
            ("2025-01-31T12:00:00Z", datetime(2025, 1, 31, 12, tzinfo=UTC)),
            ("2025-01-31T12:00:00.25+02:00", datetime(2025, 1, 31, 10, 0, 0, 250_000, UTC)),
        ],
        ["", "yesterday", "2025-02-30T12:00:00Z", "9999-12-31T23:00:00-23:00"],
        "a time like 2025-01-31T12:00:00Z",
    ),
    "a time with its zone": (
        Fields.time, [], ["2025-01-31T12:00:00", "2025-01-31"],
        "a time with its zone, like 2025-01-31T12:00:00Z",
    ),
    "texts": (
        Fields.texts, [([], ()), (["a", ""], ("a", ""))], ["a", {}, [1], ["a", None]],
        "a list of texts",
    ),
    "integers": (
        Fields.integers, [([], ()), ([1, 0, -2], (1, 0, -2))], [1, [1.0], [True], ["1"], {}],
        "a list of integers",
    ),
    "a mapping": (
        lambda fields, key: dict(fields.child(key).value), [({}, {}), ({"a": 1}, {"a": 1})],
        ["a", [], 1, True], "a mapping",
    ),
    "mappings": (
        lambda fields, key: [dict(each.value) for each in fields.children(key)],
        [([], []), ([{"a": 1}, {}], [{"a": 1}, {}])], ["a", {}, 1], "a list of mappings",
    ),
    "git_id": (
        Fields.git_id, [(HEX[:40], HEX[:40]), (HEX, HEX)],
        ["", HEX[:39], HEX[:41], HEX[:40].upper(), f"{HEX[:40]}\n", f" {HEX[:39]}", "HEAD",
         "\u0661" * 40],
        "40 (or 64) lower-case hex digits",
    ),
    "sha256": (Fields.sha256, [(HEX, HEX)], [HEX[:40], HEX + "0"], "64 lower-case hex digits"),
    "md5": (
        Fields.md5, [(HEX[:32], HEX[:32]), (f"{HEX[:32]}.dir", f"{HEX[:32]}.dir")],
        [HEX[:31], f"{HEX[:32]}.DIR", f"{HEX[:32]}.dir.dir", f"{HEX[:32]}."],
        "32 lower-case hex digits, .dir after a folder's",
    ),
    "run_id": (
        Fields.run_id, [("abcdefghij234567", "abcdefghij234567")],
        ["abcdefghij23456", "abcdefghij234561", "ABCDEFGHIJ234567"], "16 characters of a-z and 2-7",
    ),
}  # fmt: skip
TAKEN = [(name, value, found) for name, row in READERS.items() for value, found in row[1]]
REFUSED = [(name, value) for name, row in READERS.items() for value in row[2]]


@pytest.mark.parametrize(("name", "value", "found"), TAKEN, ids=lambda value: repr(value)[:20])
def test_a_field_that_is_as_it_should_be_is_read(name: str, value: Json, found: object) -> None:
    got = READERS[name][0](Fields({"key": value}, "f.json"), "key")
    assert (got, type(got)) == (found, type(found))


@pytest.mark.parametrize(("name", "value"), REFUSED, ids=lambda value: repr(value)[:20])
def test_a_field_that_is_not_says_what_was_found_where_and_what_was_expected(
    name: str, value: Json
) -> None:
    read, _, _, expected = READERS[name]
    with pytest.raises(BadFormatError) as caught:
        read(Fields({"key": value}, "f.json", ("plan", "guards", "[2]")), "key")
    error = caught.value
    assert error.summary == "plan.guards[2].key cannot be read"
    assert error.where == "f.json: plan.guards[2].key"
    assert error.found == shorten(value)
    assert error.expected == expected


@pytest.mark.parametrize("name", [name for name in READERS if name != "mappings"])
@pytest.mark.parametrize("value", [{}, {"key": None}], ids=["absent", "null"])
def test_what_has_to_be_there_is_missed_by_its_name(name: str, value: Json) -> None:
    """Null says as little as nothing; the message does not call it "null"."""
    with pytest.raises(BadFormatError) as caught:
        READERS[name][0](Fields(value, "f.json"), "key")
    assert caught.value.found == "nothing"
    assert caught.value.where == "f.json: key"


@pytest.mark.parametrize("value", [{}, {"key": None}], ids=["absent", "null"])
def test_what_may_be_missing_is_none_or_empty(value: Json) -> None:
    fields = Fields(value, "f")
    assert not fields.has("key")
    for read in (fields.integer, fields.number, fields.time):
        assert fields.maybe("key", read) is None
    assert fields.maybe_text("key") is fields.maybe_child("key") is None
    assert fields.section("key").names() == ()
    assert fields.children("key", required=False) == ()
    assert fields.named("key") == {}
    assert fields.raw("key") is None


def test_a_default_stands_for_what_is_missing_and_for_nothing_else() -> None:
    for empty in ({}, {"key": None}):
        fields = Fields(empty, "f")
        assert fields.text("key", "x") == "x"
        assert fields.integer("key", 7) == 7
        assert fields.number("key", 0.5) == 0.5
        assert fields.flag("key", default=True) is True
        assert fields.flag("key", default=False) is False
        assert fields.word("key", Word, Word.TWO) is Word.TWO
        assert fields.texts("key", ("a",)) == ("a",)
    fields = Fields({"t": "", "n": 0, "f": False, "l": [], "bad": "three"}, "f")
    assert (fields.text("t", "x"), fields.integer("n", 7), fields.number("n", 7.0)) == ("", 0, 0.0)
    assert fields.flag("f", default=True) is False
    assert fields.texts("l", ("a",)) == ()
    with pytest.raises(BadFormatError):
        fields.word("bad", Word, Word.ONE)
    with pytest.raises(BadFormatError):
        fields.maybe("bad", fields.integer)


@pytest.mark.parametrize(
    ("value", "least", "most", "expected"),
    [
        (1, 1, 3, None), (3, 1, 3, None), (0, None, None, None),
        (0, 1, 3, "an integer of at least 1"), (4, 1, 3, "an integer of at most 3"),
        (-1, 0, None, "an integer of at least 0"), (10**19, None, 2**63, "an integer of at most"),
        (True, 0, None, "an integer"),
    ],
)  # fmt: skip
def test_an_integer_may_have_bounds_that_belong_to_it(
    value: Json, least: int | None, most: int | None, expected: str | None
) -> None:
    fields = Fields({"n": value}, "f")
    if expected is None:
        assert fields.integer("n", least=least, most=most) == value
        return
    with pytest.raises(BadFormatError) as caught:
        fields.integer("n", least=least, most=most)
    assert caught.value.expected.startswith(expected)
    assert caught.value.found == shorten(value)


# --- the file as a whole -------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, [], "text", 1, True], ids=repr)
def test_a_file_that_holds_no_mapping_is_called_the_file(value: Json) -> None:
    with pytest.raises(BadFormatError) as caught:
        Fields(value, "plan.yaml")
    assert caught.value.summary == "the file cannot be read"
    assert caught.value.where == "plan.yaml"
    assert caught.value.expected == "a mapping"


def test_any_mapping_will_do_and_is_not_copied() -> None:
    inner = MappingProxyType({"a": MappingProxyType({"b": 1})})
    fields = Fields(inner, "f")
    assert fields.value is inner
    assert fields.child("a").integer("b") == 1
    assert fields.names() == ("a",)


def test_a_place_deep_in_a_file_is_a_path_of_keys_and_positions() -> None:
    value = {"runs": [{"x": 1}, {"sides": {"b": {"n": "three"}}}]}
    second = Fields(value, "c.json").children("runs")[1]
    with pytest.raises(BadFormatError) as caught:
        second.named("sides")["b"].integer("n")
    assert caught.value.where == "c.json: runs[1].sides.b.n"
    assert caught.value.found == '"three"'
    with pytest.raises(BadFormatError) as item:
        Fields({"runs": [{}, 3]}, "c.json").children("runs")
    assert (item.value.where, item.value.found) == ("c.json: runs[1]", "3")


def test_a_foreign_value_is_cut_to_a_length_that_can_be_read() -> None:
    with pytest.raises(BadFormatError) as caught:
        Fields({"n": "x" * 10_000}, "f").integer("n")
    assert len(caught.value.found) == 80
    assert caught.value.found.endswith("...")


@settings(max_examples=40)
@given(st.recursive(st.none() | st.text() | st.floats(), st.lists, max_leaves=30))
def test_what_is_shown_of_a_value_is_short_and_of_ascii(value: Json) -> None:
    shown = shorten(value)
    assert len(shown) <= 80
    assert shown.isascii()
    assert shown.isprintable()  # a terminal takes no orders from it


# --- unknown keys --------------------------------------------------------------------------------


def test_a_key_that_nobody_read_is_refused_with_what_it_may_stand_for() -> None:
    fields = Fields({"$schema": "x", "metric": "f1", "margn": 1}, "plan.yaml", ("a",))
    fields.text("metric")
    fields.maybe("margin", fields.number)
    with pytest.raises(BadFormatError, match="unknown key") as caught:
        fields.only_known()
    assert caught.value.found == "a.margn"
    assert (caught.value.where, caught.value.expected) == ("plan.yaml", "margin")


def test_a_key_like_no_other_is_told_all_that_are_known() -> None:
    fields = Fields({"zzz": 1}, "f")
    fields.maybe_text("b")
    fields.raw("a")
    with pytest.raises(BadFormatError) as caught:
        fields.only_known({"c"})
    assert caught.value.expected == "one of a, b, c"


def test_asking_for_a_key_makes_it_known_whatever_the_answer() -> None:
    fields = Fields(dict.fromkeys("abcefghi"), "f")
    fields.maybe_text("a")
    fields.section("b")
    fields.named("c")
    fields.children("e", required=False)
    fields.texts("f", ())
    fields.word("g", Word, Word.ONE)
    fields.raw("h")
    fields.only_known(("i",))


# --- parameters ----------------------------------------------------------------------------------


def test_a_parameter_may_be_null_but_not_absent_nor_a_mapping() -> None:
    fields = Fields({"null": None, "list": [1, ["a", None]], "deep": [{"a": 1}], "map": {}}, "f")
    assert fields.param("null") is None
    assert fields.param("list") == (1, ("a", None))
    for key, found in (("deep", '[{"a": 1}]'), ("map", "{}")):
        with pytest.raises(BadFormatError) as caught:
            fields.param(key)
        assert (caught.value.found, caught.value.expected) == (found, "a value without mappings")
    with pytest.raises(BadFormatError) as absent:
        fields.param("none")
    assert absent.value.found == "nothing"


@given(param_trees)
def test_parameters_go_to_json_and_back(value: object) -> None:
    assert param_tree(param_json(value)) == value  # type: ignore[arg-type]


# --- time ----------------------------------------------------------------------------------------


@given(times)
def test_a_time_comes_back(moment: datetime) -> None:
    text = time_text(moment)
    assert text.endswith("Z")
    assert Fields({"t": text}, "f").time("t") == moment


@given(times, st.integers(-23 * 60, 23 * 60))
def test_a_zone_changes_what_is_written_in_nothing(moment: datetime, minutes: int) -> None:
    zone = timezone(timedelta(minutes=minutes))
    assert time_text(moment.astimezone(zone)) == time_text(moment)


@given(times, times)
def test_times_sort_as_texts_of_the_same_precision(one: datetime, other: datetime) -> None:
    one, other = (each.replace(microsecond=0) for each in (one, other))
    assert (time_text(one) < time_text(other)) == (one < other)


# --- near names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "known", "found"),
    [
        ("learning-rate", ["learning_rate", "rate"], ("learning_rate",)),
        ("Train.LR", ["train.lr"], ("train.lr",)),
        ("trian.lr", ["train.lr", "data.split"], ("train.lr",)),  # two letters swapped
        ("n_estimator", ["n_estimators", "n_jobs"], ("n_estimators",)),
        ("max_deph", ["max_depth", "max_delta", "max_iter"], ("max_depth",)),
        ("x", ["y", "z"], ("y", "z")),  # a third of a short name is one letter
        ("ab", ["cd"], ()),
        ("seed", ["lr", "epochs"], ()),
        ("lr", ["model.lr", "train.lr", "lrs"], ("lrs", "model.lr", "train.lr")),
        ("a.lr", ["b.lr"], ("b.lr",)),  # of another parent
        ("", ["ab"], ()),
        ("anything", [], ()),
        ("s", ["seed"], ()),  # one letter begins too many names
        ("se", ["seed", "other"], ("seed",)),
    ],
)
def test_a_mistyped_name_is_told_the_near_ones(
    name: str, known: list[str], found: tuple[str, ...]
) -> None:
    assert near(name, known) == found


NAMES = st.text("abcde_.", max_size=9)


@given(NAMES, st.lists(NAMES, max_size=8, unique=True))
def test_near_names_are_few_known_and_begin_with_the_name_itself(
    name: str, known: list[str]
) -> None:
    found = near(name, known)
    assert len(found) <= 3
    assert set(found) <= set(known)
    assert near(name, reversed(known)) == found  # the order of a file decides nothing
    if name.strip("._") and name in known:
        assert name in found


@given(NAMES.filter(lambda name: len(name) > 5 and "." not in name), st.data())
def test_one_letter_amiss_in_a_longer_name_is_never_missed(name: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(name) - 1))
    mistyped = data.draw(
        st.sampled_from([name[:at] + name[at + 1 :], f"{name[:at]}x{name[at:]}",
                         f"{name[:at]}x{name[at + 1:]}"])
    )  # fmt: skip
    assert name in near(mistyped, [name])


def slow_steps(a: str, b: str) -> int:
    """Return the distance by its definition (restricted: no edit of what was swapped)."""
    if not a or not b:
        return len(a) + len(b)
    steps = min(
        slow_steps(a[1:], b) + 1,
        slow_steps(a, b[1:]) + 1,
        slow_steps(a[1:], b[1:]) + (a[0] != b[0]),
    )
    if a[:2] == b[1::-1] and len(a) > 1 and len(b) > 1:
        steps = min(steps, slow_steps(a[2:], b[2:]) + 1)
    return steps


@given(st.text("abc", min_size=5, max_size=6), st.text("abc", min_size=5, max_size=6))
def test_a_name_is_near_within_a_third_of_its_length_by_the_slow_distance_too(
    name: str, other: str
) -> None:
    assert bool(near(name, [other])) == (slow_steps(name, other) <= len(name) // 3)


def test_a_hostile_name_costs_no_quadratic_time() -> None:
    name = "a" * 1_000_000
    assert near(name, [f"{name}b"] * 50)
