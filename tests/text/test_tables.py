"""Tables of anybody's, held against Python's csv and json: cells, rows, and what they are not."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitexp.errors import BadFormatError, GitexpError, UnsafeInputError
from gitexp.model.config import Predictions
from gitexp.system import curves
from gitexp.text import jsontext, plainfile, points, predictions, samples
from tests.records.strategies import floats, sample_lists

if TYPE_CHECKING:
    from gitexp.model.run import Sample

SPEC = Predictions("p.csv")
HEAD = "metric,seed,rep,fold,dataset,n_train,n_test,value\n"
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)


def written(rows: list[list[str]], lineterminator: str = "\n") -> bytes:
    stream = io.StringIO(newline="")
    # All in quotes: else a lone carriage return stands bare, and a reader sees a new row.
    csv.writer(stream, lineterminator=lineterminator, quoting=csv.QUOTE_ALL).writerows(rows)
    return stream.getvalue().encode()


# --- samples -------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(sample_lists)
def test_samples_come_back_in_one_order_whatever_the_order_they_came_in(
    some: list[Sample],
) -> None:
    data = samples.dump(some)
    assert samples.dump(reversed(some)) == data
    back = samples.parse(data, "s.csv")
    assert set(map(repr, back)) == {repr(replace(each, value=float(each.value))) for each in some}
    assert samples.dump(back) == data
    rows = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert rows[0] == list(samples.COLUMNS)
    assert [row[0] for row in rows[1:]] == sorted(each.metric for each in some)


@pytest.mark.parametrize(
    ("row", "summary", "found"),
    [
        ("f1,,,,,,,1", "seed cannot be read", ""), ("f1,1 ,,,,,,1", "seed cannot be read", "1 "),
        ("f1,+1,,,,,,1", "seed cannot be read", "+1"),
        ("f1,\u0661,,,,,,1", "seed cannot be read", "\u0661"),
        ("f1," + "9" * 20 + ",,,,,,1", "seed cannot be read", "9" * 20),
        ("f1,1,a,,,,,1", "rep cannot be read", "a"),
        ("f1,1,,0.0,,,,1", "fold cannot be read", "0.0"),
        ("f1,1,,,,x,,1", "n_train cannot be read", "x"),
        ("f1,1,,,,,1e3,1", "n_test cannot be read", "1e3"),
        ("f1,1,,,,,, 1", "a value is no finite number", " 1"),
        ("f1,1,,,,,,0x1", "a value is no finite number", "0x1"),
        ("f1,1,,,,,,-inf", "a value is no finite number", "-inf"),
        ("f1,1,,,,,,1,2", "a row is too long", "9 cells"), ("", "a row is cut short", "0 cells"),
        ('f1,1,,,"a"b,,,1', "this is not CSV", "',' expected after '\"'"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_a_row_that_is_no_sample_is_told_with_its_line(row: str, summary: str, found: str) -> None:
    with pytest.raises(BadFormatError, match=summary) as caught:
        samples.parse(f"{HEAD}f1,0,,,,,,1\n{row}\n".encode(), "s.csv")
    assert caught.value.found == found
    assert caught.value.where == "s.csv, line 3"


def test_samples_of_another_header_are_shown_what_is_expected() -> None:
    for head in ("", "metric,seed\n", HEAD.replace("rep", "Rep"), " " + HEAD, HEAD[:-1] + ",x\n"):
        with pytest.raises(BadFormatError, match="these are not samples") as caught:
            samples.parse(head.encode(), "s.csv")
        assert caught.value.where == "s.csv, line 1"
        assert caught.value.expected + "\n" == HEAD


def test_line_ends_and_a_byte_order_mark_of_windows_are_read() -> None:
    data = ("\ufeff" + HEAD + 'f1,-3,0,,"a\nb",,,-0.0\n').replace("\n", "\r\n").encode()
    (sample,) = samples.parse(data, "s.csv")
    assert (sample.seed, sample.rep, sample.fold) == (-3, 0, None)
    assert math.copysign(1, sample.value) == -1
    assert sample.dataset == "a\r\nb"


def test_more_rows_than_are_read_are_refused_before_they_are_split() -> None:
    with pytest.raises(UnsafeInputError, match="more samples than can be read") as caught:
        samples.parse(HEAD.encode() + b"\n" * (samples.MOST_ROWS + 1), "s.csv")
    assert caught.value.where == "s.csv"


# --- plain files ---------------------------------------------------------------------------------


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 10**6), floats, floats), min_size=1, max_size=5,
             unique_by=lambda row: row[0]),
    st.sampled_from(["\n", "\r\n"]),
)  # fmt: skip
def test_csv_and_both_forms_of_json_say_the_same(
    rows: list[tuple[int, float, float]], end: str
) -> None:
    names = ["seed", "f1", "a,b"]
    table = written([names, *([str(seed), repr(x), repr(y)] for seed, x, y in rows)], end)
    records = json.dumps([dict(zip(names, row, strict=True)) for row in rows]).encode()
    columns = dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    found = plainfile.load(table, "a.csv")
    assert found == plainfile.load(records, "a.json")
    assert found == plainfile.load(json.dumps(columns).encode(), "A.JSON")
    assert [(each.metric, each.seed, each.value) for each in found] == [
        item for seed, x, y in rows for item in (("f1", seed, x), ("a,b", seed, y))
    ]


PLAIN_ERRORS: dict[str, tuple[str, str, str, str]] = {
    "a list in a cell": (
        "a.json", '[{"f1": [1]}]', "a cell is a list or an object", "a.json, row 1",
    ),
    "a null among numbers": (
        "a.json", '[{"f1": 1}, {"f1": null}]', "f1 is not a number", "a.json, row 2",
    ),
    "a number among nulls": (
        "a.json", '[{"f1": null}, {"f1": 1}]', "f1 is not a number", "a.json, row 1",
    ),
    "true among numbers": (
        "a.json", '[{"f1": 1}, {"f1": true}]', "f1 is not a number", "a.json, row 2",
    ),
    "true beside a text": (
        "a.json", '[{"f1": true}, {"f1": "no"}]', "there are no numbers", "a.json",
    ),
    "a column that is a scalar": (
        "a.json", '{"f1": [1], "x": 2}', "these are not measurements", "a.json",
    ),
    "columns of unlike length": (
        "a.json", '{"a": [1], "b": [1, 2]}', "these are not measurements", "a.json",
    ),
    "a list of numbers": ("a.json", "[1, 2]", "these are not measurements", "a.json"),
    "no row": ("a.json", "[]", "these are not measurements", "a.json"),
    "a grouped number": ("a.csv", "f1\n1_000\n", "there are no numbers", "a.csv"),
    "infinity": ("a.csv", "f1\n1\ninf\n", "f1 is not finite", "a.csv, row 2"),
    "a quote that never ends": ("a.csv", 'f1\n"1\n', "this is not CSV", "a.csv, line 2"),
    "a seed below zero": ("a.csv", "seed,f1\n-1,1\n", "seed is no whole number", "a.csv, row 1"),
    "a seed beyond what is recorded": (
        "a.csv", f"seed,f1\n{2**63},1\n", "seed is no whole number", "a.csv, row 1",
    ),
    "a fold of a half": ("a.csv", "fold,f1\n0.5,1\n", "fold is no whole number", "a.csv, row 1"),
    "rows of one fold twice": (
        "a.csv", "fold,f1\n0,1\n0,2\n", "a measurement is there twice", "a.csv, row 2",
    ),
    "a metric without a name": (
        "a.csv", "metric,value\nf1,x\n", "f1 is not a number", "a.csv, row 1",
    ),
    "two columns of one name": ("a.csv", " f1,f1 \n1,2\n", "a column is there twice", "a.csv"),
    "bytes that are no text": ("a.csv", "f1\n\udcff\n", "this is not UTF-8 text", "a.csv, line 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN_ERRORS)
def test_a_plain_file_that_is_none_says_where(case: str) -> None:
    name, text, summary, where = PLAIN_ERRORS[case]
    with pytest.raises(BadFormatError) as caught:
        plainfile.load(text.encode("utf-8", "surrogateescape"), name)
    assert (caught.value.summary, caught.value.where) == (summary, where)


# metric, seed, rep, fold and value of each sample; - for none
PLAIN = {
    "cells with blanks around": ("seed, f1\n 3 , 0.5 \n", "f1 3 - - 0.5"),
    "an unnamed column of an index": (",f1\n0,0.5\n1,0.6\n", "f1 0 - - 0.5, f1 1 - - 0.6"),
    "remarks are passed over": ("f1,note\n0.5,x\n0.6,\n", "f1 0 - - 0.5, f1 1 - - 0.6"),
    "repetitions of folds": (
        "rep,fold,f1\n0,0,1\n0,1,2\n1,0,3\n", "f1 0 0 0 1.0, f1 0 0 1 2.0, f1 0 1 0 3.0",
    ),
    "an empty seed is the first": ("seed,fold,f1\n,0,1\n", "f1 0 - 0 1.0"),
    "blank lines": ("\nf1\n\n0.5\n\n", "f1 0 - - 0.5"),
    "metrics in a column": ("metric,value\nf1,1\nauc,2\n", "f1 0 - - 1.0, auc 0 - - 2.0"),
    "numbers of every form": (
        "f1\n1e-3\n.5\n-0\n+7\n", "f1 0 - - 0.001, f1 1 - - 0.5, f1 2 - - -0.0, f1 3 - - 7.0",
    ),
    "a bare column, negative first": ("-1\n2\n", "value 0 - - -1.0, value 1 - - 2.0"),
}  # fmt: skip


@pytest.mark.parametrize("case", PLAIN)
def test_a_plain_file_is_read_as_a_person_means_it(case: str) -> None:
    text, rows = PLAIN[case]
    found = plainfile.load(text.encode(), "a.csv")
    shown = [(each.metric, each.seed, each.rep, each.fold, each.value) for each in found]
    assert ", ".join(" ".join("-" if x is None else str(x) for x in row) for row in shown) == rows


# --- predictions ---------------------------------------------------------------------------------

IDS = st.lists(CELLS.filter(bool), min_size=1, max_size=5, unique=True)


@settings(max_examples=50)
@given(IDS, st.data())
def test_predictions_are_what_csv_and_json_readers_see(ids: list[str], data: st.DataObject) -> None:
    rows = [
        {"id": id_, **{key: data.draw(CELLS) for key in ("y_true", "y_pred", "group")},
         "score": data.draw(floats)}
        for id_ in ids
    ]  # fmt: skip
    names = data.draw(st.permutations(list(rows[0])))
    table = written([names, *([str(row[name]) for name in names] for row in rows)])
    found = predictions.load(table, SPEC, "p.csv", ("group", "none"))
    assert found.ids == tuple(ids)
    assert found.y_true == tuple(row["y_true"] for row in rows)
    assert found.scores == {"score": tuple(row["score"] for row in rows)}
    assert found.columns == {"group": tuple(row["group"] for row in rows)}
    other = predictions.load(
        json.dumps(rows).encode(), replace(SPEC, path="p.json"), "p.json", ("group", "none")
    )
    assert other == found
    assert predictions.evaluation_digest(other) == predictions.evaluation_digest(found)


def test_the_evaluation_is_the_same_in_whatever_order_and_with_whatever_predictions() -> None:
    def digest(*rows: tuple[str, str, str]) -> str:
        table = written([["id", "y_true", "y_pred"], *map(list, rows)])
        return predictions.evaluation_digest(predictions.load(table, SPEC, "p.csv"))

    one = digest(("1", "a", "x"), ("2", "b", "y"))
    assert digest(("2", "b", "z"), ("1", "a", "z")) == one
    assert digest(("1", "b", "x"), ("2", "a", "y")) != one
    assert digest(("1", "a", "x")) != one
    assert digest(("1a", "", "x")) != digest(("1", "a", "x"))  # no cell runs into the next


def test_a_label_of_json_is_written_as_json_writes_it() -> None:
    rows = [{"id": 1, "y_true": True, "y_pred": 0.5}, {"id": 2.0, "y_true": "true", "y_pred": 7}]
    found = predictions.load(json.dumps(rows).encode(), replace(SPEC, path="x.json"), "x.json")
    assert (found.ids, found.y_true, found.y_pred) == (("1", "2.0"), ("true", "true"), ("0.5", "7"))


PREDICTION_ERRORS: dict[str, tuple[str, str, str]] = {
    "a missing column": ("id,y_true\n1,0\n", "predictions need one column y_pred", "p.csv, line 1"),
    "no header": ("", "predictions need one column id", "p.csv, line 1"),
    "a row too long": ("id,y_true,y_pred\n1,0,0\n2,0,0,0\n", "a row is too long", "p.csv, line 3"),
    "an id twice": ("id,y_true,y_pred\n1,0,0\n2,0,0\n1,0,0\n", "an id is there twice", "p.csv"),
    "no id": ("id,y_true,y_pred\n1,0,0\n,0,0\n", "an example has no id", "p.csv, row 2"),
    "a score in words": (
        "id,y_true,y_pred,score_a\n1,0,0,high\n", "score_a is no finite number", "p.csv, row 1",
    ),
    "a score beyond numbers": (
        "id,y_true,y_pred,score\n1,0,0,1e999\n", "score is no finite number", "p.csv, row 1",
    ),
    "a field without end": (
        f"id,y_true,y_pred\n1,0,{'x' * 200_000}\n", "this is not CSV", "p.csv, line 2",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PREDICTION_ERRORS)
def test_predictions_that_are_none_say_where_and_what_to_do(case: str) -> None:
    text, summary, where = PREDICTION_ERRORS[case]
    with pytest.raises(BadFormatError) as caught:
        predictions.load(text.encode(), SPEC, "p.csv")
    assert (caught.value.summary, caught.value.where) == (summary, where)
    if "column" in summary:
        assert caught.value.expected == "id, y_true, y_pred"
        assert caught.value.next_step == "name the columns in .gitexp/config.yaml under predictions"


def test_a_name_that_only_begins_like_a_score_is_a_column_of_the_projects() -> None:
    table = predictions.load(b"id,y_true,y_pred,scores,score_,Score\n1,0,0,x,1,y\n", SPEC, "p.csv")
    assert table.scores == {"score_": (1.0,)}


def test_a_column_twice_is_not_read_where_it_is_the_projects_own() -> None:
    data = b"id,group,group,y_true,y_pred\n1,a,b,0,0\n"
    assert predictions.load(data, SPEC, "p.csv", ("group",)).columns == {}
    assert predictions.load(data, SPEC, "p.csv").header.count("group") == 2


# --- curves and points ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "summary", "found"),
    [
        ("loss,1.5,1", "a step cannot be read", "1.5"), ("loss,,1", "a step cannot be read", ""),
        ("loss,nan,1", "a step cannot be read", "nan"),
        ("loss,inf,1", "a step cannot be read", "inf"),
        ("loss", "a step cannot be read", "None"), ("loss,1,one", "a value cannot be read", "one"),
        ("loss,x" + "y" * 99 + ",1", "a step cannot be read", "x" + "y" * 59),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_a_row_that_is_no_point_of_a_curve_is_told_with_its_line(
    row: str, summary: str, found: str
) -> None:
    with pytest.raises(BadFormatError, match=summary) as caught:
        curves.load(f"name,step,value\nloss,0,1\n{row}\n".encode(), "c.csv")
    assert (caught.value.found, caught.value.where) == (found, "c.csv, line 3")


def test_a_curve_may_have_columns_of_its_own_in_any_order() -> None:
    data = b"\xef\xbb\xbfvalue,t,step,name\r\n0.5,12:00,1e3,a\r\n,,-2,\r\n-inf,,0,b\r\n"
    assert curves.load(data, "c.csv") == (
        curves.CurvePoint("a", 1000, 0.5), curves.CurvePoint("", -2, None),
        curves.CurvePoint("b", 0, None),
    )  # fmt: skip


def test_a_diverged_value_is_written_as_nothing() -> None:
    some = [curves.CurvePoint("loss", n, x) for n, x in enumerate((math.nan, math.inf, None, 0.0))]
    assert (
        curves.dump(some)
        == b'name,step,value\n"loss",0,""\n"loss",1,""\n"loss",2,""\n"loss",3,0.0\n'
    )


@pytest.mark.parametrize(
    "line",
    [
        b"", b"\n", b"null", b"[]", b'"x"', b"{}", b'{"name":"a","value":1,"step":0}', b"{" * 9999,
        b'{"name":"","value":1,"step":0,"t":1}', b'{"name":"a\\n","value":1,"step":0,"t":1}',
        b'{"name":1,"value":1,"step":0,"t":1}', b'{"name":"a","value":"1","step":0,"t":1}',
        b'{"name":"a","value":true,"step":0,"t":1}', b'{"name":"a","value":1,"step":0.5,"t":1}',
        b'{"name":"a","value":1,"step":true,"t":1}', b'{"name":"a","value":1,"step":0,"t":"x"}',
        b'{"name":"a","value":1,"step":9223372036854775808,"t":1}',
        b'{"name":"a","value":[],"step":0,"t":1}',
        b'{"name":"a","value":1,"step":0,"t":1,"stage":"x\\u0007"}',
        b'{"name":"a","value":1,"step":0,"t":1,"stage":1}',
        b'{"name":"' + b"a" * 191 + b'","value":1,"step":0,"t":1}',
        b'{"name":"a","value":1e400,"step":0,"t":\xff}',
        b'{"name":"a","value":1' + b"0" * 400 + b',"step":0,"t":1}', b" " * 4096 + b"{}",
    ],
    ids=lambda line: line[:44].decode("latin-1"),
)  # fmt: skip
def test_a_line_that_is_no_point_is_none_and_never_an_error(line: bytes) -> None:
    assert points.decode(line) is None


def test_a_point_may_have_more_than_is_known_and_no_step() -> None:
    line = b'{"name":"a","value":-1e999,"step":null,"t":"1.5","stage":"train","new":[1]}'
    assert points.decode(line) == points.Point("a", None, None, 1.5, "train")
    assert points.decode(
        b'{"name":"a","value":2,"step":-9223372036854775807,"t":1}'
    ) == points.Point("a", 2.0, -(2**63) + 1, 1.0)


@settings(max_examples=100)
@given(st.binary(max_size=80) | st.text('{}[]":,.0eE-+ntrufalsmvp', max_size=60).map(str.encode))
def test_any_bytes_are_a_table_or_one_of_our_errors(data: bytes) -> None:
    readers = (
        lambda: samples.parse(data, "f"), lambda: plainfile.load(data, "f.csv"),
        lambda: plainfile.load(data, "f.json"), lambda: predictions.load(data, SPEC, "f"),
        lambda: curves.load(data, "f"), lambda: jsontext.json_loads(data, where="f"),
    )  # fmt: skip
    points.decode(data)
    for read in readers:
        try:
            read()
        except GitexpError as error:
            assert error.where.startswith("f")  # noqa: PT017


# --- JSON ----------------------------------------------------------------------------------------


def test_an_integer_is_read_as_long_as_it_can_be_written_again() -> None:
    most = (1 << jsontext.MAX_BITS) - 1
    assert jsontext.check_integer(most, "f") == most
    assert jsontext.json_loads(jsontext.json_dumps(most), where="f") == most
    for value in (most + 1, -most - 1):
        with pytest.raises(BadFormatError, match="too long") as caught:
            jsontext.check_integer(value, "f")
        assert len(caught.value.found) <= 40


def test_json_is_as_deep_as_yaml() -> None:
    for depth, allowed in ((jsontext.MAX_DEPTH, True), (jsontext.MAX_DEPTH + 1, False)):
        data = b'{"a":' * (depth - 1) + b"[]" + b"}" * (depth - 1)
        if allowed:
            jsontext.json_loads(data, where="f")
        else:
            with pytest.raises(UnsafeInputError, match="too deep"):
                jsontext.json_loads(data, where="f")


@pytest.mark.parametrize(
    ("data", "where", "found"),
    [
        (b'{"a": 1,}', "f, line 1, column", "property name"), (b"[1\n,]", "f, line 2, column", ""),
        (b"\xef\xbb\xbf{} x", "f, line 1, column 4", "Extra data"),
        (b"{'a': 1}", "f, line 1, column 2", "double quotes"),
        (b'{"a": {"b": 1, "b": 2}}', "f", "b"), (b"-Infinity", "f", "-Infinity"),
        (b"1e999", "f", "1e999"),
        (b"\n\n\xff", "f, line 3", "byte 0xff"),
        (b'"\t"', "f, line 1, column 2", "control character"),
    ],
)  # fmt: skip
def test_json_that_is_none_says_where_and_what_was_found(
    data: bytes, where: str, found: str
) -> None:
    with pytest.raises(BadFormatError) as caught:
        jsontext.json_loads(data, where="f")
    assert caught.value.where.startswith(where)
    assert found in caught.value.found
