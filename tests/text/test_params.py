"""Parameters: four syntaxes, dotted keys, and edits that touch nothing but the value."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.errors import BadFormatError, GitexpError, UnknownParamError, UsageError
from gitexp.model.config import ParamKey
from gitexp.text import paramedit, paramkeys, params

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue

YAML = b"""\
# how we train
train:   # all of it
    lr:   1e-3      # tuned by hand
    sizes: [8, 4]   # two layers
    names:
    - a # first
    - b

    # after
    nothing:
    text: |
      one
      two

    folded: >-
      one
      two
    q: 'it''s'   # single
    d: "x\\ty"
flow: {a: 1, b: x, c: [1, {d: 2}]}
layers:
  - units: 3
    act: relu
  - {units: 5}
"on": yes
seed: 42
"""
JSON = b'{\n  "train" : {"lr":1e-3, "sizes": [ 8,4 ]},\n\t"text":"a\\u00e4\\"}",  "seed": 42\n}\n'
TOML = b"""\
# top
seed = 42 # the seed
a."b c".d = "x"
[train]
lr = 1e-3
sizes = [8, # eight
  4]
long = \"\"\"
one "two\" \"\"\"
lit = 'c:\\x'
net = {act = "relu", n = 3}
[[layers]]
units = 3
[[layers]]
units = 5
[layers.sub]
k = true
"""
PYTHON = b"""\
import os
SEED = 42  # the seed
LR: float = 1e-3
SIZES = (8, 4)
NAMES = ['\xc3\xa4', "b"]; OTHER = {"a": {"b": 1}, 'c': None}
HOME = os.environ["HOME"]
class Train:
    lr = -0.5
    def __init__(self):
        self.depth = 3
"""
FILES = {"params.yaml": YAML, "p.json": JSON, "p.toml": TOML, "p.py": PYTHON}


def test_the_four_syntaxes_are_read() -> None:
    assert paramkeys.flatten(params.parse(YAML, "params.yaml"))["train.text"] == "one\ntwo\n"
    assert paramkeys.flatten(params.parse(JSON, "p.json")) == {
        "train.lr": 0.001,
        "train.sizes": (8, 4),
        "text": 'a\u00e4"}',
        "seed": 42,
    }
    toml = paramkeys.flatten(params.parse(TOML, "p.toml"))
    assert toml["a.b c.d"] == "x"
    assert toml["layers.1.sub.k"] is True
    assert paramkeys.flatten(params.parse(PYTHON, "p.py")) == {
        "SEED": 42,
        "LR": 0.001,
        "SIZES": (8, 4),
        "NAMES": ("\u00e4", "b"),
        "OTHER.a.b": 1,
        "OTHER.c": None,
        "Train.lr": -0.5,
        "Train.depth": 3,
    }
    for file in FILES:
        assert params.parse(b"", file) == {}


@pytest.mark.parametrize(
    ("data", "file"),
    [
        (b"- 1\n", "params.yaml"),
        (b"day: 2024-01-01\n", "params.yaml"),
        (b"[1]", "p.json"),
        (b"day = 2024-01-01\n", "p.toml"),
        (b"x = nan\n", "p.toml"),
        (b"x = = 1\n", "p.toml"),
        (b"x = [" * 3000, "p.toml"),
        (b"x = (\n", "p.py"),
        (b"x = 1e999\n", "p.py"),
        (b"x = b'1'\n", "p.py"),
        (b"x = " + b"(" * 500, "p.py"),
        (b"x = " + b"-" * 50_000 + b"1", "p.py"),
        (b"x = '\0'", "p.py"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bad_params_are_refused_with_their_file(data: bytes, file: str) -> None:
    with pytest.raises(GitexpError) as caught:
        params.parse(data, file)
    assert caught.value.where.startswith(file)
    assert caught.value.exit_code == 3


def test_a_dotted_key_names_a_value_or_a_section() -> None:
    value = params.parse(b"a: {b: {c: 1}, b.c: 2}\nl: [{k: 3}, 4]\n", "params.yaml")
    assert paramkeys.lookup(value, "a.b") == {"c": 1}
    assert paramkeys.lookup(value, "a.b.c") == 2
    assert paramkeys.lookup(value, "l.0.k") == 3
    for key in ("a.x", "", "l.2", "l.-1", "a.b.c.d", ".", "l.0.k.z"):
        with pytest.raises(UnknownParamError):
            paramkeys.lookup(value, key)
    with pytest.raises(BadFormatError, match="one name"):
        paramkeys.flatten(value)


def test_an_unknown_parameter_names_near_ones() -> None:
    with pytest.raises(UnknownParamError) as caught:
        paramedit.edit(YAML, "params.yaml", {"train.lrr": 1})
    assert caught.value.expected == "train.lr"
    with pytest.raises(UnknownParamError) as caught:
        paramkeys.lookup(params.parse(YAML, "params.yaml"), "lr")
    assert "train.lr" in caught.value.expected
    with pytest.raises(UnknownParamError, match="section") as caught:
        paramedit.edit(YAML, "params.yaml", {"flow": 1})
    assert "flow.a" in caught.value.expected


NEW = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
    st.sampled_from(["yes", "1e5", "2024-01-01", "a: b", "# x", "it's", '"', "x, y", "{a}", "-"]),
    st.lists(st.integers(0, 9) | st.sampled_from(["a", "x, y", "on"]), max_size=3).map(tuple),
)


@pytest.mark.parametrize("file", FILES)
def test_an_edit_changes_the_value_and_no_other_byte(file: str) -> None:
    data = FILES[file]
    flat = paramkeys.flatten(params.parse(data, file))

    @settings(max_examples=150, deadline=None, database=None)
    @given(st.sampled_from(list(flat)), NEW)
    def check(key: str, new: ParamValue) -> None:
        if new is None and file == "p.toml":
            return
        after = paramedit.edit(data, file, {key: new})
        assert repr(paramkeys.flatten(params.parse(after, file))) == repr({**flat, key: new})
        before = 0
        while data[before : before + 1] == after[before : before + 1] and before < len(data):
            before += 1
        behind = 0
        while behind < len(data) - before and data[-1 - behind] == after[-1 - behind]:
            behind += 1
        # What was exchanged is at most the old value's own text: no comment, no other key.
        assert b"#" not in re.sub(rb"#[^\n]*first|# eight", b"", data[before : len(data) - behind])
        assert paramedit.edit(after, file, {key: new}) == after

    check()


@pytest.mark.parametrize(
    ("key", "new", "old", "text"),
    [
        ("train.lr", 0.01, "lr:   1e-3      #", "lr:   0.01      #"),
        ("train.sizes", (1,), "[8, 4]   # two", "[1]   # two"),
        ("train.names", ("q",), "names:\n    - a # first\n    - b\n\n", "names: [q]\n\n"),
        ("train.names.1", "c", "- b\n\n", "- c\n\n"),
        ("train.nothing", 5, "nothing:\n", "nothing: 5\n"),
        ("train.text", "x", "text: |\n      one\n      two\n\n", "text: x\n\n"),
        ("train.q", "a'b", "'it''s'   #", "'a''b'   #"),
        ("train.d", "y", '"x\\ty"', '"y"'),
        ("flow.b", "x, y", "b: x,", 'b: "x, y",'),
        ("flow.c.1.d", 3, "{d: 2}", "{d: 3}"),
        ("layers.1.units", 6, "{units: 5}", "{units: 6}"),
        ("on", "no", '"on": yes', '"on": "no"'),
        ("seed", 43, "seed: 42", "seed: 43"),
    ],
)
def test_yaml_is_edited_in_place(key: str, new: ParamValue, old: str, text: str) -> None:
    before = YAML.decode()
    assert before.count(old) == 1
    assert paramedit.edit(YAML, "params.yaml", {key: new}).decode() == before.replace(old, text)


def test_several_edits_at_once_and_one_that_changes_nothing() -> None:
    after = paramedit.edit(YAML, "params.yaml", {"train.lr": 0.001, "seed": 7, "flow.a": 2})
    assert after == YAML.replace(b"seed: 42", b"seed: 7").replace(b"a: 1", b"a: 2")
    assert paramedit.edit(YAML, "params.yaml", {"train.lr": 1e-3}) is YAML


def test_byte_order_mark_and_line_ends_stay() -> None:
    data = b"\xef\xbb\xbfa: \xc3\xa4 # \xf0\x9f\x98\x80\r\nb: 2\r\n"
    assert paramedit.edit(data, "params.yaml", {"b": 3}) == data.replace(b"2", b"3")
    for file in ("p.json", "p.toml", "p.py"):
        text = FILES[file].replace(b"\n", b"\r\n")
        key = "SEED" if file == "p.py" else "seed"
        assert paramedit.edit(text, file, {key: 7}) == text.replace(b"42", b"7")


@pytest.mark.parametrize(
    ("data", "key"),
    [
        (b"a: &x 1\nb: *x\n", "a"),
        (b"a: &x 1\nb: *x\n", "b"),
        (b"a: &x {k: 1}\nb: {<<: *x}\n", "b.k"),
        (b"a: &x {k: 1}\nb: *x\n", "b.k"),
        (b"a: &x {k: 1}\nb: *x\n", "a.k"),
        (b"a: !!str 1\n", "a"),
    ],
)
def test_what_is_shared_or_tagged_is_not_edited(data: bytes, key: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        paramedit.edit(data, "params.yaml", {key: 2})
    assert key in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "file", "key", "value"),
    [
        ("train.lr=0.1", "params.yaml", "train.lr", 0.1),
        ("other.yaml:train.lr=3", "other.yaml", "train.lr", 3),
        ("a=b=c:d", "params.yaml", "a", "b=c:d"),
        ("a=yes", "params.yaml", "a", "yes"),
        ("a=true", "params.yaml", "a", True),
        ("a=", "params.yaml", "a", None),
        ('a="1"', "params.yaml", "a", "1"),
        ("a=[1, x, [2]]", "params.yaml", "a", (1, "x", (2,))),
        ("a=2024-01-01", "params.yaml", "a", "2024-01-01"),
        ("a = 1", "params.yaml", "a", 1),
    ],
)
def test_an_assignment_is_read(text: str, file: str, key: str, value: ParamValue) -> None:
    assert params.parse_assignment(text) == (ParamKey(file, key), value)


@pytest.mark.parametrize("text", ["a", "=1", "a:=1", "", "a={b: 1}", "a=[{b: 1}]"])
def test_what_is_no_assignment_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError):
        params.parse_assignment(text)
