"""Plain files of numbers become samples, and nothing in them is dropped in silence."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.text import plainfile, samples


def load(text: str, name: str = "a.csv") -> tuple[tuple[object, ...], ...]:
    found = plainfile.load(text.encode(), name)
    return tuple((s.metric, s.seed, s.rep, s.fold, s.dataset, s.value) for s in found)


def test_each_row_is_a_repeat_with_its_seed() -> None:
    assert load("seed,f1,loss\n7,0.5,1e-3\n8,0.6,2\n") == (
        ("f1", 7, None, None, "", 0.5),
        ("loss", 7, None, None, "", 0.001),
        ("f1", 8, None, None, "", 0.6),
        ("loss", 8, None, None, "", 2.0),
    )


def test_without_a_seed_rows_are_counted() -> None:
    assert [row[1] for row in load("f1\n0.5\n0.6\n")] == [0, 1]


def test_a_bare_column_of_numbers_needs_no_header() -> None:
    assert load("0.5\n0.6\n") == (
        ("value", 0, None, None, "", 0.5),
        ("value", 1, None, None, "", 0.6),
    )


def test_folds_of_one_repeat_share_its_seed() -> None:
    text = "fold,n_train,n_test,f1\n0,80,20,0.5\n1,80,20,0.6\n"
    found = plainfile.load(text.encode(), "a.csv")
    assert [(s.seed, s.fold, s.n_train, s.n_test) for s in found] == [
        (0, 0, 80, 20),
        (0, 1, 80, 20),
    ]


def test_data_sets_are_rows_of_one_repeat() -> None:
    assert load("dataset,f1\niris,0.5\nwine,0.6\n") == (
        ("f1", 0, None, None, "iris", 0.5),
        ("f1", 0, None, None, "wine", 0.6),
    )


def test_the_long_form_names_metrics_in_a_column() -> None:
    assert load("metric,seed,rep,fold,dataset,n_train,n_test,value\nf1,3,,,,,,0.5\n") == (
        ("f1", 3, None, None, "", 0.5),
    )


def test_text_columns_are_passed_over() -> None:
    assert load("seed,model,f1\n1,tree,0.5\n") == (("f1", 1, None, None, "", 0.5),)


@pytest.mark.parametrize(
    "text",
    ['[{"seed": 1, "f1": 0.5}, {"seed": 2, "f1": 0.6}]', '{"seed": [1, 2], "f1": [0.5, 0.6]}'],
)
def test_json_is_a_list_of_objects_or_an_object_of_lists(text: str) -> None:
    assert [(row[0], row[1], row[5]) for row in load(text, "a.json")] == [
        ("f1", 1, 0.5),
        ("f1", 2, 0.6),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no numbers"),
        ("seed,f1\n", "no numbers"),
        ("seed,model\n1,tree\n", "no numbers"),
        ("seed,f1\n1,nan\n", "not finite"),
        ("seed,f1\n1,1e999\n", "not finite"),
        ("seed,f1\n1,0.5\n2,\n", "not a number"),
        ("seed,f1\n1,0.5\n2,tree\n", "not a number"),
        ("seed,f1\n1,0.5,7\n", "too long"),
        ("seed,f1\n1\n", "cut short"),
        ("seed,f1\n1,0.5\n1,0.6\n", "twice"),
        ("seed,f1\n-1,0.5\n", "seed"),
        ("seed,f1\n1.5,0.5\n", "seed"),
        ("f1,f1\n1,0.5\n", "twice"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(BadFormatError, match=message):
        load(text)


@pytest.mark.parametrize("name", ["a.jsonl", "a.NDJSON"])
def test_json_lines_are_one_object_a_line(name: str) -> None:
    text = '\ufeff{"seed": 1, "f1": 0.5}\r\n\n{"f1": 0.6, "seed": 2, "why": "a\u2028b"}\n'
    assert [(row[0], row[1], row[5]) for row in load(text, name)] == [
        ("f1", 1, 0.5),
        ("f1", 2, 0.6),
    ]


@pytest.mark.parametrize(
    ("line", "message", "where"),
    [
        ('{"f1": 0.5', "not JSON", "line 3, column 11"),
        ("[1]", "not an object", "line 3"),
        ("0.5", "not an object", "line 3"),
        ('{"f1": 1, "f1": 2}', "a key occurs twice", "line 3"),
        ('{"f1": NaN}', "not finite", "line 3, f1"),
        ('{"f1": 1} {"f1": 2}', "not JSON", "line 3, column 11"),
        ("f1", "not JSON", "line 3, column 1"),
        ('{"f1": [1]}', "a cell is a list", "row 3"),
        ('{"acc": 1}', "not a number", "row 3"),
    ],
)
def test_a_line_that_is_no_object_is_named(line: str, message: str, where: str) -> None:
    with pytest.raises(BadFormatError, match=message) as caught:
        load(f'{{"f1": 1}}\n{{"f1": 2}}\n{line}\n', "a.jsonl")
    assert caught.value.where == f"a.jsonl, {where}"


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.csv"])
def test_a_column_of_booleans_alone_is_one_of_numbers(name: str) -> None:
    rows = ['{"ok": true, "mixed": true, "kept": null}', '{"ok": false, "mixed": "", "kept": true}']
    text = "\n".join(rows) if name.endswith("l") else f"[{','.join(rows)}]"
    if name == "a.csv":  # as pandas writes them
        text = "ok,mixed,kept\nTrue,True,\nFalse,,True\n"
    assert [(row[0], row[5]) for row in load(text, name)] == [("ok", 1.0), ("ok", 0.0)]


def test_json_lines_under_another_name_are_said_to_be_some() -> None:
    with pytest.raises(BadFormatError, match="not JSON") as caught:
        load('{"f1": 1}\n{"f1": 2}\n', "a.json")
    assert caught.value.next_step == "name it a.jsonl, if a line is an object"
    with pytest.raises(BadFormatError, match="not JSON") as caught:
        load('{"f1": 1,}\n', "a.json")
    assert "jsonl" not in caught.value.next_step


def test_lines_without_end_are_refused() -> None:
    with pytest.raises(UnsafeInputError, match="lines"):
        plainfile.load(b"\n" * 2_000_001, "a.jsonl")


@pytest.mark.parametrize("text", ["3", '{"f1": 3}', '[{"f1": [1]}]', '{"a": [1], "b": [1, 2]}'])
def test_json_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(BadFormatError):
        load(text, "a.json")


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(UnsafeInputError):
        plainfile.load(b"f1\n" + b"0.5\n" * (samples.LIMIT // 4), "a.csv")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("f1\n" + "0.5\n" * 250_001, "more than 250000 rows"),
        (",".join(f"m{i}" for i in range(20_000)) + ("\n" + "1," * 19_999 + "1") * 13, "13 rows"),
    ],
)
def test_more_numbers_than_can_be_tested_are_refused(text: str, found: str) -> None:
    with pytest.raises(BadFormatError, match="too many numbers") as caught:
        load(text)
    assert found in caught.value.found
    assert "250000" in caught.value.expected


CELLS, JSON = plainfile.MOST_CELLS, ("a.json", BadFormatError)


@pytest.mark.sweep(2, "text0-a.csv-BadFormatError", "text3-a.json-BadFormatError")
@pytest.mark.parametrize(
    ("text", "name", "error"),
    [
        ("a" + ",b" * 200 + "\n" + ("x" + ",y" * 200 + "\n") * 10_000, "a.csv", BadFormatError),
        ("ab" + ",cd" * (CELLS + 1), "a.csv", UnsafeInputError),  # one row
        ("ab" + f'{",cd" * 9_999},"\n"' * (CELLS // 9_000), "a.csv", UnsafeInputError),  # in lines
        (f"[{','.join(['{}'] * CELLS)}]", "a.json", BadFormatError),
        ('{"a":1}\n' * (CELLS - 1) + '{"a":[1,1]}\n' * 2, "a.jsonl", BadFormatError),
        (f'{{"a":[1{",1" * CELLS}]}}', "a.json", BadFormatError),
    ],
)
def test_more_cells_than_memory_is_for_are_refused_before_they_are_kept(
    text: str, name: str, error: type[Exception]
) -> None:
    tracemalloc.start()
    with pytest.raises(error):
        load(text, name)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 300 << 20


def test_commas_in_texts_are_no_cells() -> None:
    said = "," * 100_000
    rows = f'"{said}",1\n' * (CELLS // 90_000)
    assert len(load(f"a,f1\n{rows}")) == CELLS // 90_000
    assert len(load(json.dumps([{"a": f'"{said}\\', "f1": 1}] * 22), "a.json")) == 22


@pytest.mark.parametrize("end", ["", "\\"])
def test_a_text_without_an_end_is_looked_at_once(end: str) -> None:
    with pytest.raises(BadFormatError, match="not JSON"):
        load("[" * 9 + ",{" * (CELLS // 3) + '"' + '\\"' * (CELLS // 3) + end + "," * 9, "a.json")
    with pytest.raises(BadFormatError, match="not JSON"):
        load('"' + '\\",' * CELLS + end, "a.json")


def test_a_file_of_many_columns_is_read_to_its_end() -> None:
    """All were looked at for each of them: of 50,000 columns nobody saw the end."""
    number = 100_000
    header = ",".join(f"c{n}_id" for n in range(number))
    data = f"{header}\n{','.join(['1'] * number)}\n{','.join(['2'] * number)}\n".encode()
    one, two = plainfile.read(data, "a.csv"), plainfile.read(data, "b.csv")
    assert plainfile.join(one, two, "c0_id", paired=True).by == "c1_id"
    assert len(plainfile.samples(one, plainfile.RowKey())) == 2 * number
