"""Params files as DVC reads them, flat names and their paths, and edits of one value."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from typing import TYPE_CHECKING

import pytest
import tomlkit
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.errors import BadFormatError, GitexpError, UnknownParamError, UnsafeInputError
from gitexp.model.config import ParamKey
from gitexp.text.fields import param_json
from gitexp.text.jsontext import MAX_DEPTH
from gitexp.text.paramedit import edit, json_places, python_places
from gitexp.text.paramkeys import flatten, lookup, param_key, path_of
from gitexp.text.params import Syntax, parse, parse_assignment, syntax_of, unlike
from gitexp.text.yamlwrite import inline
from tests.records.strategies import scalars, texts, words

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.ids import ParamValue
    from gitexp.text.jsontext import Json

NAMES = words | st.sampled_from(["a.b", "a b", "ä", "1", "", "on"])
LEAVES = scalars
TREES = st.recursive(
    LEAVES,
    lambda leaf: st.lists(leaf, max_size=3) | st.dictionaries(NAMES, leaf, max_size=3),
    max_leaves=10,
)
SECTIONS = st.dictionaries(NAMES, TREES, max_size=4)


@pytest.mark.parametrize(
    ("file", "syntax"),
    [
        ("params.yaml", Syntax.YAML), ("conf/x.yml", Syntax.YAML), ("params", Syntax.YAML),
        ("a.JSON", Syntax.JSON), ("a.json.bak", Syntax.YAML), ("x.toml", Syntax.TOML),
        ("params.py", Syntax.PYTHON), ("py", Syntax.YAML), (".py", Syntax.PYTHON),
        ("", Syntax.YAML),
    ],
)  # fmt: skip
def test_the_ending_tells_the_syntax(file: str, syntax: Syntax) -> None:
    assert syntax_of(file) is syntax


# --- TOML ----------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    st.dictionaries(
        texts,
        st.recursive(
            st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts
            | st.floats(allow_nan=False, allow_infinity=False),
            lambda leaf: st.lists(leaf, max_size=3) | st.dictionaries(texts, leaf, max_size=3),
            max_leaves=8,
        ),
        max_size=4,
    )
)  # fmt: skip
def test_toml_is_read_as_it_was_written(value: dict[str, object]) -> None:
    data = tomlkit.dumps(value).encode()
    assert parse(data, "p.toml") == tomllib.loads(data.decode()) == value


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("x = 2024-01-31", "2024-01-31 (date)"), ("x = 10:00:00", "10:00:00 (time)"),
        ("x = 2024-01-31T10:00:00Z", "2024-01-31 10:00:00+00:00 (datetime)"),
        ("x = [[2024-01-31]]", "2024-01-31 (date)"), ("a = {b = {c = 1979-05-27}}", "(date)"),
    ],
)  # fmt: skip
def test_a_date_of_toml_is_to_be_put_in_quotes(text: str, found: str) -> None:
    with pytest.raises(BadFormatError, match="every tool reads alike") as caught:
        parse(text.encode(), "p.toml")
    assert found in caught.value.found
    assert (caught.value.where, caught.value.next_step) == ("p.toml", "put it in quotes")


@pytest.mark.parametrize("text", ["x = nan", "x = -inf", "x = [1, {y = +inf}]", "x = 1e999"])
def test_a_number_of_toml_is_finite(text: str) -> None:
    with pytest.raises(BadFormatError, match="not finite") as caught:
        parse(text.encode(), "p.toml")
    assert caught.value.expected == "a finite number"


DOTTED = ".".join("a" * (MAX_DEPTH + 5))


@pytest.mark.parametrize(
    "text",
    [
        f"{DOTTED} = 1", f"[{DOTTED}]", f"[[{DOTTED}]]", f"x = {{{DOTTED} = 1}}",
        " . ".join("ab" * 40) + " = 1", "\t.".join("ab" * 40) + " = 1", f"'x' = 1\n{DOTTED} = 2",
    ],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_a_key_of_more_parts_than_we_nest_is_not_even_parsed(text: str) -> None:
    with pytest.raises(UnsafeInputError, match="too deep"):
        parse(text.encode(), "p.toml")


@pytest.mark.parametrize(
    "text",
    [
        f'x = "{DOTTED}"', f"x = '{DOTTED}'", f'x = """\n{DOTTED}\n"""', f"x = '''\n{DOTTED}'''",
        f"x = 1 # {DOTTED}", f"# {DOTTED}\nx = 1", f'x = """a\\"""{DOTTED}"""',
        f"x = '''a''{DOTTED}''''",
        f'x = """"{DOTTED}"""""', f'x = "\\"{DOTTED}"', f'"{DOTTED}" = 1',
        f"x = '\\'\ny = '{DOTTED}'",
    ],
    ids=lambda text: text[:12],
)  # fmt: skip
def test_dots_in_a_text_or_a_comment_part_no_key(text: str) -> None:
    assert parse(text.encode(), "p.toml") == tomllib.loads(text)


def test_many_values_are_no_deep_key() -> None:
    text = "".join(f"a{n}.b{n} = 1.5\n" for n in range(500)) + "v = [" + "1.5, " * 500 + "]"
    assert parse(text.encode(), "p.toml") == tomllib.loads(text)


# --- Python --------------------------------------------------------------------------------------

PY = {
    "a later assignment wins": ("A = 1\nA = 2\n", {"A": 2}),
    "annotated": ("A: int = 1\nB: int\n", {"A": 1}),
    "a chain and an unpacking are none": ("A = B = 1\nC, D = 1, 2\nE += 1\n", {}),
    "what is computed is none": ("A = 1 + 1\nB = f('x')\nC = A\nD = [x for x in ()]\n", {}),
    "a sign is part of a number": ("A = -1\nB = +2.5\nC = not True\n", {"A": -1, "B": 2.5}),
    "sets in one order": ("A = {3, 1, 2}\nB = {'b'}\n", {"A": [1, 2, 3], "B": ["b"]}),
    "tuples and lists": ("A = (1, [2, ()])\n", {"A": [1, [2, []]]}),
    "keys are texts": ("A = {1: 'x', None: 'z'}\n", {"A": {"1": "x", "None": "z"}}),
    "classes nest": (
        "class M:\n  lr = 1\n  class Opt:\n    b = 2\n  def f(self):\n    self.x = 3\n",
        {"M": {"lr": 1, "Opt": {"b": 2}}},
    ),
    "__init__ alone sets fields": (
        "class M:\n  def __init__(self):\n    self.a = 1\n    b = x.c = 2\n    self.f.g = 1\n",
        {"M": {"a": 1}},
    ),
    "branches are not executed": ("if True:\n  A = 1\nfor B in (1,):\n  C = 2\n", {}),
    "joined texts": ("A = 'x' 'y'\nB = '''\n'''\n", {"A": "xy", "B": "\n"}),
    "a class takes the place of a value": ("M = 1\nclass M:\n  a = 2\n", {"M": {"a": 2}}),
    "long and underscored": ("A = 10**2\nB = 1_000\nC = 0xFF\n", {"B": 1000, "C": 255}),
    "nothing": ("import os\n", {}),
}  # fmt: skip


@pytest.mark.parametrize("case", PY)
def test_a_parameter_of_python_is_a_literal_under_its_name(case: str) -> None:
    text, value = PY[case]
    assert parse(text.encode(), "p.py") == value


@pytest.mark.parametrize("text", ["A = ...", "A = b'x'", "A = 1j", "A = [b'']"])
def test_a_literal_that_json_has_not_is_refused_with_its_line(text: str) -> None:
    with pytest.raises(BadFormatError, match="every tool reads alike") as caught:
        parse(f"\n{text}\n".encode(), "p.py")
    assert caught.value.where == "p.py, line 2"


def test_nothing_of_a_params_file_is_executed_or_quoted_on_the_terminal() -> None:
    text = "import sys\nsys.exit(3)\nA = 1\nB = '\\d'\nassert (1, 'x')\n1 is 1\n"
    assert parse(text.encode(), "p.py") == {"A": 1, "B": "\\d"}  # warnings would be errors here


# --- DVC's own reader ----------------------------------------------------------------------------

DVC = """\
import json, sys
from dvc.fs import LocalFileSystem
from dvc.utils.serialize import load_path
files = json.load(sys.stdin)
print(json.dumps({name: load_path(name, LocalFileSystem()) for name in files}))
"""


@pytest.mark.slow
def test_each_syntax_is_read_as_dvc_reads_it(tmp_path: Path) -> None:
    texts = {
        "a.yaml": "lr: 1e-3\nmode: 0777\nok: yes\nb: &b {x: 1}\nc: {<<: *b, y: 1_0}\nd: 'x'\ne:\n",
        "b.json": '{"lr": 1e-3, "l": [1, {"a": null}], "t": "\\u00e4", "b": true}',
        "c.toml": 'lr = 1e-3\n[a.b]\nc = [1, 2]\n"d e" = "x"\n[[l]]\nx = 1\n[[l]]\nx = 2\n',
        **{f"{n}.py": text for n, (text, _) in enumerate(PY.values()) if "{" not in text},
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", DVC],
        input=json.dumps([*texts]),
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert not done.returncode, done.stderr[-2000:]
    theirs = json.loads(done.stdout)
    for name, text in texts.items():
        assert parse(text.encode(), name) == theirs[name], name


# --- flat names ----------------------------------------------------------------------------------


@settings(max_examples=50)
@given(SECTIONS)
def test_each_flat_name_leads_to_its_value(value: dict[str, Json]) -> None:
    try:
        flat = flatten(value)
    except BadFormatError as error:
        assert error.summary == "two parameters have one name"  # noqa: PT017
        return
    for key, leaf in flat.items():
        if "a.b" in key:
            continue  # may be one name or two; `lookup` takes the longest
        assert repr(lookup(value, key)) == repr(leaf)


@pytest.mark.parametrize(
    ("value", "flat"),
    [
        ({}, {}), ({"a": {}}, {}), ({"a": {"b": {}}}, {}), ({"a": []}, {"a": ()}),
        ({"a": [[]]}, {"a": ((),)}), ({"a": [1, [2, None]]}, {"a": (1, (2, None))}),
        ({"a": [{}]}, {}), ({"a": [1, {}]}, {"a.0": 1}),
        ({"a": [[{"b": 1}], 2]}, {"a.0.0.b": 1, "a.1": 2}),
        ({"": 1}, {"": 1}), ({"a.b": 1, "a": {"c": 2}}, {"a.b": 1, "a.c": 2}),
        ({"b": 1, "a": 2}, {"b": 1, "a": 2}),
    ],
)  # fmt: skip
def test_nested_parameters_lie_flat_in_the_order_of_the_file(
    value: Json, flat: dict[str, ParamValue]
) -> None:
    assert flatten(value) == flat
    assert list(flatten(value)) == list(flat)


def test_two_parameters_of_one_name_are_refused_and_so_is_an_endless_name() -> None:
    with pytest.raises(BadFormatError, match="one name") as caught:
        flatten({"a": {"b": 1}, "a.b": 2})
    assert caught.value.found == "a.b"
    assert flatten({"a" * 1000: 1})
    for value in ({"a" * 1001: 1}, {"a" * 600: {"b" * 600: 1}}):
        with pytest.raises(BadFormatError, match="too long") as name:
            flatten(value)
        assert len(name.value.found) <= 80
        assert name.value.expected == "at most 1000 letters"


@pytest.mark.parametrize(
    ("value", "key", "path"),
    [
        ({"a": {"b": 1}}, "a.b", ("a", "b")), ({"a.b": 1, "a": {"b": 2}}, "a.b", ("a.b",)),
        ({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c", ("a", "b.c")),
        ({"a": [5, {"b": 1}]}, "a.1.b", ("a", 1, "b")),
        ({"a": {"0": 1}}, "a.0", ("a", "0")), ({"a.b": {"c": 1}}, "a.b.c", ("a.b", "c")),
        ({"": 1}, "", ("",)),
        ({"a": [[7]]}, "a.0.0", ("a", 0, 0)), ({"a": {"": 1}}, "a.", ("a", "")),
        ({".": 1}, ".", (".",)),
        ({"": {"a": 1}}, ".a", ("", "a")), ({"": {"": 1}}, ".", ("", "")),
    ],
)  # fmt: skip
def test_a_dotted_key_takes_the_longest_name_that_is_there(
    value: Json, key: str, path: tuple[str | int, ...]
) -> None:
    assert path_of(value, key) == path


@pytest.mark.parametrize(
    "key", ["a.1", "a.-0", "a.00", "a.+0", "a. 0", "a.\u0660", "a.1000000", "a.0.", "b", "a.0.b"]
)
def test_a_position_in_a_list_is_a_plain_number_within_it(key: str) -> None:
    with pytest.raises(UnknownParamError) as caught:
        lookup({"a": [5]}, key)
    assert caught.value.summary == f"there is no parameter {key}"
    assert caught.value.found == "1 parameters"


def test_a_key_without_end_takes_no_quadratic_time() -> None:
    key = ".".join(["a"] * 3000)
    with pytest.raises(UnknownParamError) as caught:
        lookup({"b": 1}, key)
    assert len(caught.value.summary) < 110


@given(words, words)
def test_a_key_with_its_file_comes_back(file: str, key: str) -> None:
    assert param_key(f"{file}:{key}") == ParamKey(file, key)
    assert param_key(str(ParamKey(file, key))) == ParamKey(file, key)
    assert param_key(key) == ParamKey("params.yaml", key)


# --- edits ---------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(SECTIONS, st.sampled_from([None, 0, 3]), st.data())
def test_any_json_is_edited_at_the_one_place(
    value: dict[str, Json], indent: int | None, data: st.DataObject
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=indent is None)
    places = json_places(text)
    for path, place in places.items():
        here: Json = value
        for part in path:
            here = here[part]  # type: ignore[index,call-overload]
        assert repr(json.loads(text[place.start : place.end])) == repr(here)
    try:
        keys = list(flatten(value))
    except BadFormatError:
        return
    if not keys:
        return
    key = data.draw(st.sampled_from(keys))
    new = data.draw(LEAVES)
    after = edit(text.encode(), "p.json", {key: new})
    assert repr(lookup(json.loads(after), key)) == repr(new)
    back = edit(after, "p.json", {key: lookup(value, key)})  # type: ignore[dict-item]
    assert json.loads(back) == value


LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | texts, st.lists, max_leaves=4
)


@settings(max_examples=40)
@given(
    st.dictionaries(words.map("k_{}".format).filter(str.isidentifier), LITERALS, min_size=1),
    LEAVES,
    st.data(),
)
def test_any_literal_of_python_is_edited_at_the_one_place(
    value: dict[str, Json], new: ParamValue, data: st.DataObject
) -> None:
    text = "# ä\n" + "".join(f"{key} = {item!r}  # {key}\n" for key, item in value.items())
    places = python_places(text, "p.py")
    for key, item in value.items():
        place = places[key,]
        assert text[place.start : place.end] == repr(item)
    key = data.draw(st.sampled_from([*value]))
    after = edit(text.encode(), "p.py", {key: new}).decode()
    assert parse(after.encode(), "p.py") == {**value, key: param_json(new)}
    assert after.count("  # ") == len(value)


@pytest.mark.parametrize(
    ("file", "text", "change", "after"),
    [
        ("p.py", "A = (1, 2)\n", {"A": (3,)}, "A = (3,)\n"),
        ("p.py", "A = (1,)\n", {"A": ()}, "A = ()\n"),
        ("p.py", "A = [1]\n", {"A": (1, (2,))}, "A = [1, [2]]\n"),
        ("p.py", "A = 'x'\n", {"A": None}, "A = None\n"),
        ("p.py", "A = {'b': 1}\n", {"A.b": True}, "A = {'b': True}\n"),
        ("p.py", "A = 1; B = 2\n", {"B": 3}, "A = 1; B = 3\n"),
        ("p.json", '{"a": [1, {"b": 2}]}', {"a.1.b": "ä"}, '{"a": [1, {"b": "ä"}]}'),
        ("p.json", '{"a":1,"b":[ ]}', {"b": (1,)}, '{"a":1,"b":[1]}'),
        ("p.toml", "a = 1 # x\n", {"a": 2}, "a = 2 # x\n"),
        ("p.toml", "a.b = 1\n[c]\nd = 'x'\n", {"a.b": 2, "c.d": "y"}, 'a.b = 2\n[c]\nd = "y"\n'),
        ("p.yaml", "a:\nb: 1\n", {"a": "x"}, "a: x\nb: 1\n"),
        ("p.yaml", "a:   # c\nb: 1\n", {"a": 1}, "a: 1   # c\nb: 1\n"),
        ("p.yaml", "{a: 1, b: x}\n", {"b": "y, z"}, '{a: 1, b: "y, z"}\n'),
        ("p.yaml", "a: 'x'\n", {"a": 1}, "a: 1\n"),
        ("p.yaml", "a: x\n", {"a": "1"}, 'a: "1"\n'), ("p.yaml", "- a", {}, ""),
        ("p.yaml", 'a: "x"\n', {"a": "y"}, 'a: "y"\n'),
        ("p.yaml", "a:\n- 1\n- 2\n# end\nb: 1\n", {"a": (3,)}, "a: [3]\n# end\nb: 1\n"),
        ("p.yaml", "a: 1", {"a": 2}, "a: 2"),
        ("p.yaml", "a: 1e-3\n", {"a": 1e-3}, "a: 1e-3\n"),
        ("p.yaml", "a: 1\n", {"a": 1.0}, "a: 1.0\n"),
        ("p.yaml", "a: |\n  x\n\nb: 1\n", {"a": "y\nz"}, 'a: "y\\nz"\n\nb: 1\n'),
        ("p.yaml", "a: true\n", {"a": 1}, "a: 1\n"),
    ],
    ids=lambda value: str(value)[:24],
)  # fmt: skip
def test_an_edit_is_what_a_person_would_have_typed(
    file: str, text: str, change: dict[str, ParamValue], after: str
) -> None:
    if not change:
        with pytest.raises(BadFormatError):
            edit(text.encode(), file, change)
        return
    assert edit(text.encode(), file, change).decode() == after


@pytest.mark.parametrize(
    ("file", "text", "key"),
    [
        ("p.yaml", "a: &x [1]\n", "a"), ("p.yaml", "b: &x {c: 1}\na: {<<: *x}\n", "a.c"),
        ("p.py", "A = 1\nclass A:\n  b = 1\nA = {'b': 2}\n", "A.b"),
    ],
)  # fmt: skip
def test_what_cannot_be_edited_surely_is_left_to_a_person(file: str, text: str, key: str) -> None:
    try:
        after = edit(text.encode(), file, {key: 9})
    except BadFormatError as error:
        assert error.next_step == f"change {key} in {file} by hand and commit"  # noqa: PT017
    else:
        assert lookup(parse(after, file), key) == 9


def test_toml_has_no_null() -> None:
    with pytest.raises(BadFormatError, match="TOML has no null"):
        edit(b"a = 1\n", "p.toml", {"a": None})


def test_an_edit_of_a_section_or_of_nothing_is_told_apart() -> None:
    data = b"a: {b: 1, c: {d: 2}}\n"
    with pytest.raises(UnknownParamError, match="a is a section") as caught:
        edit(data, "params.yaml", {"a": 1})
    assert (caught.value.where, caught.value.expected) == ("params.yaml", "a.b, a.c.d")
    with pytest.raises(UnknownParamError, match=r"no parameter a\.x"):
        edit(data, "params.yaml", {"a.b": 2, "a.x": 1})
    assert edit(data, "params.yaml", {}) is data


# --- assignments ---------------------------------------------------------------------------------


@given(words, scalars | st.lists(scalars.filter(lambda x: not isinstance(x, str)), max_size=3))
def test_a_value_as_yaml_has_it_is_that_value_on_the_command_line(key: str, value: Json) -> None:
    read, found = parse_assignment(f"{key}={inline(value)}")
    assert read == ParamKey("params.yaml", key)
    assert repr(param_json(found)) == repr(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=x # y", "x # y"), ("a=x: y", "x: y"), ("a=- x", "- x"), ("a='it''s'", "it's"),
        ("a=&x", "&x"),
        ("a=*x", "*x"), ("a=!!int 3", "!!int 3"), ("a=| x", "| x"), ("a= ", None), ("a=~", None),
        ("a=1:30", "1:30"),
        ("a==", "="), ("a=0o17", 15), ("a=[]", ()), ("a=[a, [b, 1]]", ("a", ("b", 1))),
        ("a=2024-01-31 10:00:00", "2024-01-31 10:00:00"),
    ],
)  # fmt: skip
def test_on_the_command_line_only_brackets_and_quotes_are_yaml(
    text: str, value: ParamValue
) -> None:
    assert parse_assignment(text)[1] == value


@pytest.mark.parametrize(
    "text", ["a=[1", "a='x", 'a="\\q"', "a=.nan", "a=[2024-01-01]", "a=[*x]", "a=1e999"]
)
def test_a_value_that_cannot_be_read_says_of_which_argument(text: str) -> None:
    with pytest.raises(GitexpError) as caught:
        parse_assignment(text)
    assert caught.value.where.startswith(f"--param {text}")


# --- what PyYAML reads otherwise -----------------------------------------------------------------


def test_only_yaml_has_two_readings() -> None:
    text = b"a: 1e-3\nb: 2\n"
    assert unlike(text, "params.yaml") == [(("a",), "1e-3")]
    assert yaml.safe_load(text)["a"] == "1e-3"
    assert unlike(b'{"a": 1e-3}', "p.json") == unlike(b"a = 1e-3", "p.toml") == []
