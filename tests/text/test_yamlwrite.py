"""YAML that any reader reads alike: where quotes are needed, and what a person sees."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitexp.errors import BadFormatError
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import inline, is_plain, number, quoted, text, yaml_dumps
from tests.records.strategies import floats, scalars

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.text.jsontext import Json

RUAMEL = YAML(typ="safe", pure=True)
READERS: tuple[Callable[[str], object], ...] = (
    yaml.safe_load,
    lambda text: RUAMEL.load(io.StringIO(text)),
    lambda text: yaml_loads(text.encode(), where=""),
)
TRICKY = st.text(
    "ab:# -?{}[],&*!|>'\"%@`~=<\n\t\r.0123456789eEx_+\x85\u2028\ufeff\xa0ä", max_size=8
)
TEXTS = TRICKY | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=80)
@given(TEXTS)
@example("y")
@example("=")
@example("<<")
@example("---")
@example("a: b")
@example("a #b")
@example("\x7f")
@example("a\x85b")
@example("ends with colon:")
def test_a_text_is_that_text_for_every_reader_wherever_it_stands(value: str) -> None:
    shown = text(value)
    assert "\n" not in shown
    places: tuple[tuple[str, object], ...] = (
        (shown, value), (f"- {shown}", [value]), (f"k: {shown}", {"k": value}),
        (f"{shown}: 1", {value: 1}), (f"k: {shown} # comment", {"k": value}),
        (inline([value, {value: value}]), [value, {value: value}]),
    )  # fmt: skip
    for document, wanted in places:
        for read in READERS:
            assert read(document) == wanted


BARE = "a train.lr exp/a $HOME a-b a,b C:x a#b it's f1>=0.5 x=1 yes! nulls onward /abs b\u00e4r _x"


@pytest.mark.parametrize("value", [*BARE.split(), "two words", "f1 rises by 5%"])
def test_a_text_that_nobody_mistakes_stands_bare(value: str) -> None:
    assert is_plain(value)
    assert text(value) == value


@pytest.mark.parametrize(
    "value",
    [
        "", "yes", "No", "NULL", "on", "y", "1e5", "010", "1:30", "2024-01-01", "- a", "-", "? a",
        "a: b", "a:", "a #b", "#a", " a", "a ", "*a", "&a", "!a", "%a", "@a", "`a", "{a", "[a", "|",
        ">", "'a'", '"a"', "a\nb", "a\tb", "~", ".inf", "=", "<<", "\u200b", "\ufeff", "a\u2028b",
        "(no)", "\u00e4",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_text_that_somebody_might_mistake_stands_in_quotes(value: str) -> None:
    assert not is_plain(value)
    assert text(value) == quoted(value)
    assert text(value).startswith('"')


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("ä€😀", '"ä€😀"'), ("\x00\x1f\x7f", '"\\x00\\x1f\\x7f"'),
        ("\u200b\u2028", '"\\u200b\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'), ('a"\\\n\t\r', '"a\\"\\\\\\n\\t\\r"'), ("\xa0", '"\\xa0"'),
    ],
)  # fmt: skip
def test_what_does_not_print_is_escaped_and_what_does_is_not(value: str, shown: str) -> None:
    assert quoted(value) == shown


def test_a_byte_that_is_no_text_is_refused_with_its_number() -> None:
    for dump in (quoted, text, yaml_dumps, inline):
        with pytest.raises(BadFormatError, match="not Unicode") as caught:
            dump("a\udcff")
        assert caught.value.found == "U+DCFF"


@given(floats | st.integers(-(10**40), 10**40) | st.booleans() | st.none())
def test_a_number_has_its_type_for_every_reader(value: float | None) -> None:
    for read in READERS:
        for document, wanted in ((f"k: {inline(value)}", {"k": value}), (inline([value]), [value])):
            assert repr(read(document)) == repr(wanted)


def test_numbers_are_as_short_as_they_can_be() -> None:
    values = (0, -0.0, 1.0, 0.1, 1e16, 1.5e-7, 1e-7, 123456789.0, 5e-324, 10**20)
    assert [number(value) for value in values] == [
        "0", "-0.0", "1.0", "0.1", "1.0e+16", "1.5e-07", "1.0e-07", "123456789.0", "5.0e-324",
        "100000000000000000000",
    ]  # fmt: skip


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_a_number_that_is_not_finite_is_refused(value: float) -> None:
    with pytest.raises(BadFormatError, match="finite") as caught:
        number(value)
    assert caught.value.found == str(value)


# --- what a person sees --------------------------------------------------------------------------

SHAPES: dict[str, tuple[Json, str]] = {
    "a mapping in the order given": ({"b": 1, "a": {"c": None}}, "b: 1\na:\n  c: null\n"),
    "a list stands below its key": ({"a": ["x", 1]}, "a:\n- x\n- 1\n"),
    "a list of mappings": (
        {"a": [{"b": 1, "c": 2}, {"d": [1]}]}, "a:\n- b: 1\n  c: 2\n- d:\n  - 1\n",
    ),
    "a list in a list": ({"a": [[1, 2], []]}, "a:\n-\n    - 1\n    - 2\n- []\n"),
    "nothing in it": ({"a": {}, "b": [], "c": ""}, 'a: {}\nb: []\nc: ""\n'),
    "prose is a block": ({"why": "one\n\ntwo\n", "x": 1}, "why: |\n  one\n\n  two\nx: 1\n"),
    "prose without its last line's end": ({"why": "one\ntwo"}, "why: |-\n  one\n  two\n"),
    "prose in a list": (["one\ntwo\n", 2], "- |\n    one\n    two\n- 2\n"),
    "prose in a mapping in a list": ({"a": [{"b": "x\ny\n"}]}, "a:\n- b: |\n    x\n    y\n"),
    "more than one end of a line": ({"a": "x\n\n"}, 'a: "x\\n\\n"\n'),
    "a line that begins with a blank": ({"a": "x\n y\n"}, 'a: "x\\n y\\n"\n'),
    "a line with a tab in it": ({"a": "x\ny\tz\n"}, 'a: "x\\ny\\tz\\n"\n'),
    "one line and its end": ({"a": "x\n"}, 'a: "x\\n"\n'),
    "a lone scalar": ("yes", '"yes"\n'),
    "a lone null": (None, "null\n"),
    "a tuple is a list": ({"a": (1, ("b",))}, "a:\n- 1\n-\n    - b\n"),
    "a key in quotes": ({"on": 1, "1": 2, "": 3}, '"on": 1\n"1": 2\n"": 3\n'),
}  # fmt: skip


@pytest.mark.parametrize("case", SHAPES)
def test_a_record_looks_as_a_person_would_write_it(case: str) -> None:
    value, shown = SHAPES[case]
    assert yaml_dumps(value).decode() == shown
    assert all(read(shown) == yaml.safe_load(shown) for read in READERS)


def test_flow_style_stands_on_one_line() -> None:
    value: Json = {"a": [1, "x, y", {"b c": "on"}], "d": None, "*e": "*.csv"}
    assert inline(value) == ('{"a": [1, "x, y", {"b c": "on"}], "d": null, "*e": "*.csv"}')
    assert inline(["exp/a", "f1>=2", "a:b"]) == '[exp/a, "f1>=2", "a:b"]'


@settings(max_examples=40)
@given(
    st.recursive(
        scalars | TRICKY,
        lambda leaf: st.lists(leaf, max_size=3) | st.dictionaries(TRICKY, leaf, max_size=3),
        max_leaves=8,
    )
)
def test_any_value_comes_back_from_flow_and_block_for_every_reader(value: Json) -> None:
    for document in (yaml_dumps(value).decode(), inline(value)):
        for read in READERS:
            assert read(document) == value
