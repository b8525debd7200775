"""JSON and YAML: canonical when written, suspicious when read."""

from __future__ import annotations

import contextlib
import io
import json
import math

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.text.jsontext import Json, json_dumps, json_dumps_compact, json_loads
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import yaml_dumps
from tests.records.strategies import scalars, texts

values = st.recursive(
    scalars,
    lambda leaf: st.lists(leaf, max_size=4) | st.dictionaries(texts, leaf, max_size=4),
    max_leaves=15,
)


@given(values)
def test_json_comes_back_and_is_canonical(value: Json) -> None:
    data = json_dumps(value)
    assert json_loads(data, where="") == value
    assert json_dumps(json_loads(data, where="")) == data
    assert json.loads(json_dumps_compact(value)) == value
    assert data.endswith(b"\n")
    assert b"\r" not in data


@given(values)
def test_yaml_comes_back_through_our_reader_and_two_others(value: Json) -> None:
    data = yaml_dumps(value)
    assert yaml_loads(data, where="") == value
    assert yaml_dumps(yaml_loads(data, where="")) == data
    assert yaml.safe_load(data) == value
    assert YAML(typ="safe", pure=True).load(io.BytesIO(data)) == value


def test_json_sorts_keys_keeps_umlauts_and_ends_in_a_newline() -> None:
    assert json_dumps({"b": [1, 0.1], "a": "ä"}) == (
        '{\n  "a": "ä",\n  "b": [\n    1,\n    0.1\n  ]\n}\n'.encode()
    )


def test_a_byte_that_is_not_utf8_in_a_path_survives_json() -> None:
    name = b"\xff.csv".decode("utf-8", "surrogateescape")
    assert json_loads(json_dumps({"path": name}), where="") == {"path": name}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")], ids=str)
def test_what_is_not_finite_is_never_written(value: float) -> None:
    for dump in (json_dumps, json_dumps_compact, yaml_dumps):
        with pytest.raises(BadFormatError, match="finite"):
            dump({"x": [value]})


@pytest.mark.parametrize(
    ("data", "error", "place"),
    [
        (b'{"a": NaN}', BadFormatError, "f"),
        (b'{"a": -Infinity}', BadFormatError, "f"),
        (b'{"a": 1e999}', BadFormatError, "f"),
        (b'{"a": 1, "a": 2}', BadFormatError, "f"),
        (b'{"a": 1,\n "b" 2}', BadFormatError, "f, line 2, column 6"),
        (b"", BadFormatError, "f, line 1"),
        (b'{"a": "\xff"}', BadFormatError, "f, line 1"),
        (b"[" * 60 + b"]" * 60, UnsafeInputError, "f"),
        (b"[" * 200_000, UnsafeInputError, "f"),
        (b"1" * 10_000, BadFormatError, "f"),
        (b" " * (1 << 20) + b"1", UnsafeInputError, "f"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bad_json_is_refused_with_its_place(
    data: bytes, error: type[GitexpError], place: str
) -> None:
    with pytest.raises(error) as caught:
        json_loads(data, where="f")
    assert place in caught.value.where


BOMB = b"a: &a [x, x, x, x, x, x, x, x, x]\n" + b"".join(
    f"{name}: &{name} [{', '.join([f'*{chr(ord(name) - 1)}'] * 9)}]\n".encode()
    for name in "bcdefghi"
)
DEEP_ALIASES = b"a: &a0 [1]\n" + b"".join(
    f"k{n}: &a{n} [[[[[[[[[[*a{n - 1}]]]]]]]]]]\n".encode() for n in range(1, 400)
)


@pytest.mark.parametrize(
    ("data", "error", "place", "word"),
    [
        (b"a: [1,\n", BadFormatError, "f, line 2", ""),
        (b"a: 1\nb: 2\na: 3\n", BadFormatError, "f, line 3, column 1", "a"),
        (b"x: {a: 1, a: 2}\n", BadFormatError, "f, line 1, column 11", "a"),
        (b"day: 2024-01-31\n", BadFormatError, "f, line 1, column 6", "2024-01-31"),
        (b"t: 2024-01-31 10:00:00\n", BadFormatError, "f, line 1, column 4", "2024"),
        (b"x: .nan\n", BadFormatError, "f, line 1, column 4", ".nan"),
        (b"x: -.inf\n", BadFormatError, "f, line 1, column 4", ".inf"),
        (b"x: 1e999\n", BadFormatError, "f, line 1, column 4", "1e999"),
        (b"x: !!python/object:os.system {}\n", BadFormatError, "f, line 1", "python"),
        (b"x: !!binary aGk=\n", BadFormatError, "f, line 1", "binary"),
        (b"x: !mine 1\n", BadFormatError, "f, line 1", "mine"),
        (b"? [1, 2]\n: 3\n", BadFormatError, "f, line 1", "key"),
        (b"a:\n\t- 1\n", BadFormatError, "f, line 2", ""),
        (b"a: 1\n---\nb: 2\n", BadFormatError, "f, line 2", "document"),
        (b"a: \x01\n", BadFormatError, "f, line 1", "U+0001"),
        (b"a: \xff\n", BadFormatError, "f, line 1", "0xff"),
        (b"a: *b\n", BadFormatError, "f, line 1", "*b"),
        (b"a: &a [*a]\n", BadFormatError, "f, line 1", "*a"),
        (BOMB, UnsafeInputError, "f, line", ""),
        (DEEP_ALIASES, UnsafeInputError, "f, line", ""),
        (b"[" * 100_000, UnsafeInputError, "f, line 1, column ", ""),
        (b"- " * 5_000, UnsafeInputError, "f, line 1", ""),
        (b"- 1\n" * 100_001, UnsafeInputError, "f, line", "more values"),
        (b"x" * (1 << 20) + b"x", UnsafeInputError, "f", "bytes"),
        (b"a: " + b"9" * 6000, BadFormatError, "f, line 1", "9999"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_bad_yaml_is_refused_with_its_place(
    data: bytes, error: type[GitexpError], place: str, word: str
) -> None:
    with pytest.raises(error) as caught:
        yaml_loads(data, where="f", allow_aliases=True)
    assert place in caught.value.where
    assert word in caught.value.found


def test_our_own_files_have_no_aliases() -> None:
    data = b"a: &x [1]\nb: *x\n"
    assert yaml_loads(data, where="", allow_aliases=True) == {"a": [1], "b": [1]}
    with pytest.raises(BadFormatError):
        yaml_loads(data, where="")


def test_a_bare_date_says_to_quote_it() -> None:
    with pytest.raises(BadFormatError) as caught:
        yaml_loads(b"since: 2024-01-31\n", where="params.yaml")
    assert '"2024-01-31"' in caught.value.next_step
    assert yaml_loads(b'since: "2024-01-31"\n', where="") == {"since": "2024-01-31"}


def test_byte_order_mark_crlf_anchors_and_merge_keys_are_read() -> None:
    data = "\ufeffbase: &b {x: 1, y: 2}\r\nz:\r\n  <<: *b\r\n  y: 3\r\n".encode()
    assert yaml_loads(data, where="", allow_aliases=True) == {
        "base": {"x": 1, "y": 2},
        "z": {"x": 1, "y": 3},
    }


RUAMEL = YAML(typ="safe", pure=True)
SCALARS = """1 -1 +1 0 007 0777 0o17 0x1F 0b101 1_000 1__0 1e5 1e-3 1E5 1.5 .5 -.5 1. 1.e3 1.5e+3
.5e3 +.5 1:30 1:30:15 on off yes no y n On true True TRUE tRUE false null Null NULL ~ nUll .inf_ nan
inf 1.2.3 1,000 0o8 0x 0b - -- + . .. e5 1e 1e+ 1_e5 _1 1_ 0_7 -0 -0.0 0.0 12e03 3fa9c1e 123e456x
2024-1-31 20240131 2024-01 a:b a#b /x/y ../x C:\\x % @x"""


@pytest.mark.parametrize("text", sorted(set(SCALARS.split()) - {"-", "--", "%", "@x"}))
def test_a_plain_scalar_is_what_dvc_sees(text: str) -> None:
    """DVC reads with ruamel.yaml (YAML 1.2); the type counts as well as the value."""
    ours = yaml_loads(f"x: {text}\n".encode(), where="")
    theirs = RUAMEL.load(f"x: {text}\n")
    assert repr(ours) == repr(theirs)


@settings(max_examples=300)
@given(st.text("0123456789_.+-eExob:", min_size=1, max_size=7))
def test_any_number_like_scalar_is_what_dvc_sees(text: str) -> None:
    try:
        theirs = RUAMEL.load(f"x: {text}\n")
    except Exception:  # noqa: BLE001 - ruamel fails in many ways on what it resolves and cannot build
        return
    if isinstance(theirs["x"], float) and not math.isfinite(theirs["x"]):
        return
    assert repr(yaml_loads(f"x: {text}\n".encode(), where="")) == repr(theirs)


@settings(max_examples=300)
@given(
    st.binary(max_size=60) | st.text("ab:- \n{}[],&*!|>'\"#?%@\t1.", max_size=40).map(str.encode)
)
def test_any_bytes_are_read_or_refused_by_an_error_of_ours(data: bytes) -> None:
    for load in (json_loads, yaml_loads):
        with contextlib.suppress(BadFormatError, UnsafeInputError):
            load(data, where="f")
