"""YAML read with its places, held against PyYAML and ruamel.yaml, and what these read otherwise."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from yaml.resolver import Resolver

from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.text.jsontext import MAX_DEPTH, MIB
from gitexp.text.yamltext import TextSpan, is_alike, is_date, scalar, scan, unlike, yaml_loads
from gitexp.text.yamlwrite import yaml_dumps
from tests.records.strategies import scalars, texts

if TYPE_CHECKING:
    from gitexp.text.jsontext import Json
    from gitexp.text.paramkeys import Path

VALUES = st.recursive(
    scalars,
    lambda leaf: st.lists(leaf, max_size=4) | st.dictionaries(texts, leaf, max_size=4),
    max_leaves=12,
)


def read(text: str) -> Json:
    return yaml_loads(text.encode(), where="f", allow_aliases=True)


# --- values --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("# only a comment\n", None), ("---\n", None), ("---\na: 1\n...\n", {"a": 1}),
        ("%YAML 1.1\n---\non: yes\n", {"on": "yes"}), ("a", "a"),
        ("- 1\n- [2, {a: 3}]\n", [1, [2, {"a": 3}]]),
        ("a:\nb: ~\nc: ''\n", {"a": None, "b": None, "c": ""}),
        ("1: x\ntrue: y\nnull: z\n1.0: w\n", {"1": "x", "true": "y", "null": "z", "1.0": "w"}),
        ('"a": 1\n\'b\': 2\n', {"a": 1, "b": 2}), ("{a: , b}", {"a": None, "b": None}),
        ("a: |\n  x\n   y\n\n", {"a": "x\n y\n"}), ("a: >-\n  x\n  y\n", {"a": "x y"}),
        ("a: >+\n  x\n\n", {"a": "x\n\n"}), ('a: "\\u00e4\\x41\\n"', {"a": "äA\n"}),
        ("a: 'it''s'", {"a": "it's"}), ('"\\ud83d\\ude00": 1', None),
        ("a: x # c\nb: x#c\n", {"a": "x", "b": "x#c"}), ("a: -1\nb: - 1\n", None),
        ("? a\n: 1\n? b\n", {"a": 1, "b": None}), ("<<: 1", None),
        ("a: !!str 010\nb: !!str\nc: ! 12\n", {"a": "010", "b": "", "c": "12"}),
        ("a: !!float 1\nb: !!int 0x10\nc: !!bool true\nd: !!null ~\n",
         {"a": 1.0, "b": 16, "c": True, "d": None}),
        ("a: !!map {b: 1}\nc: !!seq [1]\n", {"a": {"b": 1}, "c": [1]}),
        ("a: &x 1\nb: *x\na2: &x 2\nb2: *x\n", {"a": 1, "b": 1, "a2": 2, "b2": 2}),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_document_is_read_or_refused(text: str, value: Json) -> None:
    if value is None and text.strip("-. \n") and not text.startswith("#"):
        with pytest.raises(BadFormatError):
            read(text)
        return
    found = read(text)
    assert repr(found) == repr(value)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a: !!int x", "tag tag:yaml.org,2002:int"), ("a: !!int 1.0", "tag tag:yaml.org,2002:int"),
        ("a: !!bool yes", "tag tag:yaml.org,2002:bool"), ("a: !!float x", "float"),
        ("a: !!set {x}", "tag tag:yaml.org,2002:set"), ("a: !!omap [x: 1]", "omap"),
        ("a: !<tag:example.org,2024:x> 1", "tag tag:example.org,2024:x"), ("a: !!null x", "null"),
        ("a: !local [1]", "tag !local"), ("a: !!timestamp 2024-01-01", "bare date"),
    ],
)  # fmt: skip
def test_a_tag_makes_nothing_but_plain_data(text: str, found: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        read(text)
    assert found in f"{caught.value.found} {caught.value.summary}"
    assert caught.value.where.startswith("f, line 1, column 4")


MERGED = {
    "own keys win, wherever they stand": (
        "b: &b {x: 1, y: 2}\nz: {y: 3, <<: *b}\n", {"y": 3, "x": 1},
    ),
    "of a list the first wins": (
        "p: &p {x: 1}\nq: &q {x: 2, y: 2}\nz: {<<: [*p, *q]}\n", {"x": 1, "y": 2},
    ),
    "what was merged is merged on": (
        "p: &p {x: 1}\nq: &q {<<: *p, y: 2}\nz: {<<: *q, w: 0}\n", {"w": 0, "y": 2, "x": 1},
    ),
    "a mapping that stands right there": ("z: {<<: {x: 1}, y: 2}\n", {"y": 2, "x": 1}),
    "an empty one": ("z: {<<: {}, y: 2}\n", {"y": 2}),
    "an empty list": ("z: {<<: [], y: 2}\n", {"y": 2}),
    "in quotes it is a key": ('z: {"<<": {x: 1}}\n', {"<<": {"x": 1}}),
}  # fmt: skip


@pytest.mark.parametrize("case", MERGED)
def test_a_merge_key_is_what_pyyaml_and_ruamel_make_of_it(case: str) -> None:
    text, value = MERGED[case]
    found = read(text)
    assert isinstance(found, dict)
    assert list(found["z"].items()) == list(value.items())  # own keys come first
    assert YAML(typ="safe", pure=True).load(text)["z"] == value
    if "<<:" in text:  # PyYAML takes the key in quotes for a merge, too
        assert yaml.safe_load(text)["z"] == value


def test_a_merge_changes_nothing_but_the_mapping_that_asks_for_it() -> None:
    found = read("a: &a {l: [1]}\nb: {<<: *a, k: 1}\nc: *a\n")
    assert found == {"a": {"l": [1]}, "b": {"k": 1, "l": [1]}, "c": {"l": [1]}}


@pytest.mark.parametrize("text", ["z: {<<: 1}", "z: {<<: [1]}", "z: {<<: [[{a: 1}]]}", "z: {<<: }"])
def test_a_merge_of_what_is_no_mapping_is_refused(text: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        read(text)
    assert caught.value.found == "a merge key << without a mapping"


def test_a_merge_key_is_a_key_where_there_are_no_aliases() -> None:
    assert yaml_loads(b"<<: 1\n", where="f") == {"<<": 1}


# --- limits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("opened", ["[", "{a: "])
def test_as_deep_as_json_is_as_deep_as_it_gets(opened: str) -> None:
    closed = {"[": "]", "{a: ": "}"}[opened]
    assert read(opened * MAX_DEPTH + closed * MAX_DEPTH) is not None
    with pytest.raises(UnsafeInputError, match="too deep") as caught:
        read(opened * (MAX_DEPTH + 1) + closed * (MAX_DEPTH + 1))
    assert caught.value.where.startswith("f, line 1, column")
    assert caught.value.expected == f"at most {MAX_DEPTH} levels"


def test_an_alias_is_as_deep_as_what_it_stands_for() -> None:
    half = MAX_DEPTH // 2
    inner = "[" * half + "]" * half
    for outer, allowed in ((MAX_DEPTH - half - 1, True), (MAX_DEPTH - half, False)):
        text = f"a: &a {inner}\nb: {'[' * outer}*a{']' * outer}\n"
        if allowed:
            assert read(text)
        else:
            with pytest.raises(UnsafeInputError, match="too deep") as caught:
                read(text)
            assert caught.value.where.startswith("f, line 2")


def test_aliases_count_as_if_written_out() -> None:
    row = "[" + ", ".join("x" * 1000) + "]"
    assert read(f"a: &a {row}\nb: [{', '.join(['*a'] * 90)}]\n")
    with pytest.raises(UnsafeInputError, match="too large") as caught:
        read(f"a: &a {row}\nb: [{', '.join(['*a'] * 110)}]\n")
    assert caught.value.expected == "at most 100000 values"


@pytest.mark.parametrize(
    ("anchor", "alias"),
    [
        ("a: &a x", "*a"),
        ("a: &a {? x : 1}", "*a"),
        ("a: &a {? x : 1}", "{<<: *a}"),
        ("a: &a {k: x}", "{<<: [*a, *a]}"),
        ("a: &a [[x], [x]]", "{k: [*a]}"),
        ("b: &b x\na: &a [*b, *b]", "*a"),
        ("b: &b {? x : 1}\na: &a {<<: *b, y: 1}", "*a"),
    ],
)
def test_letters_of_aliases_count_as_if_written_out(anchor: str, alias: str) -> None:
    def text(letters: int, times: int) -> str:
        """Return keys and texts of so many letters, and so many aliases of them."""
        return f"{anchor.replace('x', 'x' * letters)}\nz: [{', '.join([alias] * times)}]\n"

    assert read(text(1_000, 100))
    assert read(text(1, 10_000))
    with pytest.raises(UnsafeInputError, match="too large") as caught:
        read(text(MIB // 4, 40))
    assert caught.value.expected == f"at most {2 * MIB} letters where aliases are written out"


# --- places --------------------------------------------------------------------------------------


def every(value: Json, path: Path = ()) -> dict[Path, Json]:
    """Return each value of a document by its path."""
    found = {path: value}
    if not isinstance(value, (dict, list)):
        return found
    items = value.items() if isinstance(value, dict) else enumerate(value)  # type: ignore[arg-type]
    for key, item in items:
        found |= every(item, (*path, key))
    return found


@settings(max_examples=40)
@given(st.dictionaries(texts, VALUES, max_size=4))
def test_each_value_has_its_place_and_reads_the_same_there(value: Json) -> None:
    data = yaml_dumps(value)
    scanned = scan(data, where="f")
    text = data.decode()
    assert scanned.value == value
    assert scanned.places.keys() == every(value).keys()
    for path, item in every(value).items():
        place = scanned.places[path]
        if isinstance(item, (dict, list)) or place.style == "|":
            continue
        assert repr(read(text[place.start : place.end])) == repr(item)


HAND = """\
# top
a:   1e-3      # after
b: 'it''s'
"c d": "x\\ty"
e: [8, {f: 4}]   # flow
g:
  - 1
  - h: |
      one
      two

    i:
j: &m 5
k: *m
l: !!str 7
"""
PLACES = {
    ("a",): ("1e-3", None), ("b",): ("'it''s'", "'"), ("c d",): ('"x\\ty"', '"'),
    ("e",): ("[8, {f: 4}]", None), ("e", 0): ("8", None), ("e", 1): ("{f: 4}", None),
    ("e", 1, "f"): ("4", None), ("g", 0): ("1", None), ("g", 1, "i"): ("", None),
    ("j",): ("&m 5", None), ("k",): ("*m", None), ("l",): ("!!str 7", None),
}  # fmt: skip


def test_a_place_holds_the_value_without_its_comment_or_its_key() -> None:
    places = scan(HAND.encode(), where="f").places
    for path, (shown, style) in PLACES.items():
        place = places[path]
        assert (HAND[place.start : place.end], place.style) == (shown, style), path
    block = places["g", 1, "h"]
    assert HAND[block.start : block.end].split() == ["|", "one", "two"]
    assert block.style == "|"
    assert places["g",].style == "-"


def test_what_is_shared_or_tagged_is_marked_not_to_be_edited() -> None:
    places = scan(HAND.encode(), where="f").places
    assert {path for path, place in places.items() if place.marked} == {("j",), ("k",), ("l",)}


def test_places_count_letters_and_not_bytes() -> None:
    text = "ä: ß😀\nb: 2\n"
    places = scan(text.encode(), where="f").places
    assert places["b",] == TextSpan(text.index("2"), text.index("2") + 1)
    assert text[places["ä",].start : places["ä",].end] == "ß😀"


# --- scalars -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("-0", 0), ("-0.0", -0.0), ("0.1", 0.1), ("1e5", 1e5), ("+1", 1), ("007", 7),
        ("0o17", 15),
        ("0b11", 3), ("-0x1F", -31), ("1_000.5", 1000.5),
        ("123456789012345678901", 123456789012345678901),
        (".5", 0.5), ("5.", 5.0), ("1e-400", 0.0),
        ("1.7976931348623157e308", 1.7976931348623157e308),
        ("~", None), ("NULL", None), ("nULL", "nULL"), ("True", True), ("tRUE", "tRUE"),
        ("yes", "yes"),
        ("1:30", "1:30"), ("0x", "0x"), ("_", "_"), ("0b2", "0b2"), ("-", "-"), ("1.2.3", "1.2.3"),
        ("0xfg", "0xfg"), ("\u0661", "\u0661"), ("1\u0660", "1\u0660"), ("e5", "e5"), (".", "."),
        ("nan", "nan"),
    ],
)  # fmt: skip
def test_a_scalar_is_read_by_yaml_1_2(text: str, value: object) -> None:
    found = scalar(text, where="")
    assert (repr(found), type(found)) == (repr(value), type(value))


@pytest.mark.parametrize(
    ("text", "summary", "next_step"),
    [
        (".nan", "a number is not finite", ""), ("-.INF", "a number is not finite", ""),
        ("1e400", "a number is not finite", ""), ("-9" + "9" * 400 + ".0", "not finite", ""),
        ("9" * 4400, "a number is too long", ""), ("0x" + "f" * 4000, "a number is too long", ""),
        ("2024-01-31", "a bare date", 'put it in quotes: "2024-01-31"'),
    ],
    ids=lambda text: str(text)[:12],
)  # fmt: skip
def test_a_scalar_that_no_record_could_hold_is_refused(
    text: str, summary: str, next_step: str
) -> None:
    with pytest.raises(BadFormatError, match=summary) as caught:
        scalar(text, where="params.yaml, line 3")
    assert caught.value.where == "params.yaml, line 3"
    assert len(caught.value.found) <= 40 or "finite" not in summary
    assert next_step in caught.value.next_step


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(10**40), 10**40))
def test_a_number_as_python_writes_it_is_that_number(value: float) -> None:
    assert repr(scalar(repr(value), where="")) == repr(value)


@given(st.text("0123456789-:TtZ +.", min_size=1, max_size=22))
def test_a_date_is_what_yaml_1_1_resolves_to_one(text: str) -> None:
    resolved = Resolver().resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    assert is_date(text) == resolved.endswith("timestamp")


@pytest.mark.parametrize(
    "text",
    ["2024-01-31", "2024-1-1 1:02:03", "2024-01-31T10:00:00Z", "2024-01-31 10:00:00.5 -5:30"],
)
def test_dates_of_every_form_are_dates(text: str) -> None:
    assert is_date(text)
    assert not is_date(f"{text}x")


# --- what YAML 1.1 reads otherwise --------------------------------------------------------------

ONES = """8 -3 0.1 -0.0 1.5e+3 1e5 1e-3 010 08 0o17 0x1F 0b11 1_000 1:30 190:20:30 yes no on off y n
Yes NO On true True false null ~ abc 1.2.3 .5 5. +1 1e+3 1.e+3 1.0e3 0777 0_7 685230.15 _1 0b"""


def pyyaml(text: str) -> object:
    try:
        return yaml.safe_load(f"x: {text}\n")["x"]
    except (yaml.YAMLError, ValueError, LookupError):
        return ValueError


@pytest.mark.parametrize("text", ONES.split())
def test_what_pyyaml_reads_otherwise_is_named(text: str) -> None:
    ours, theirs = scalar(text, where=""), pyyaml(text)
    same = type(ours) is type(theirs) and ours == theirs
    assert is_alike(text, ours, None) is same
    assert unlike(f"x: {text}\n".encode(), where="f") == ([] if same else [(("x",), text)])
    assert unlike(f'x: "{text}"\n'.encode(), where="f") == []  # a quoted text is one for all


@settings(max_examples=100)
@given(st.text("0123456789_.+-eExob:", min_size=1, max_size=6))
def test_any_number_like_scalar_is_alike_just_where_pyyaml_agrees(text: str) -> None:
    try:
        ours = yaml_loads(f"x: {text}\n".encode(), where="")
    except BadFormatError:
        return
    assert isinstance(ours, dict)
    theirs = pyyaml(text)
    if "x" not in ours or isinstance(ours["x"], (dict, list)):
        return
    same = type(ours["x"]) is type(theirs) and ours["x"] == theirs
    assert (unlike(f"x: {text}\n".encode(), where="f") == []) is same
    assert not (isinstance(theirs, float) and math.isnan(theirs))


def test_keys_tags_and_directives_are_looked_at_too() -> None:
    data = b"on: 1\na: {010: !!float 1}\nb: [&x no, *x]\n"
    assert unlike(data, where="f") == [((), "on"), (("a",), "010"), (("b", 0), "no")]
    assert unlike(b"%YAML 1.1\n---\na: 1\n", where="f")[0][0] == ()
    assert unlike(b'a: "no"\nb: !!str no\nc: |\n  yes\n', where="f") == []
