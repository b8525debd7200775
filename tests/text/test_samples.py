"""samples.csv, predictions, curves, live points: tables that come from anywhere."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.errors import BadFormatError, DamagedDataError, UnsafeInputError
from gitexp.model.config import Predictions
from gitexp.model.run import Sample
from gitexp.system import curves
from gitexp.text import points, predictions, samples
from tests.records.strategies import floats, integers, texts

SAMPLES = (
    Sample("f1", 1, 0.5),
    Sample("f1", 2, 0.25, rep=0, fold=3, dataset='=cmd, "x"\r', n_train=10, n_test=2),
)


def test_samples_have_the_columns_of_the_format() -> None:
    assert samples.dump(SAMPLES) == (
        b"metric,seed,rep,fold,dataset,n_train,n_test,value\n"
        b"f1,1,,,,,,0.5\n"
        b'f1,2,0,3,"=cmd, ""x""\r",10,2,0.25\n'
    )


def test_a_file_cut_at_any_byte_is_damaged() -> None:
    data = samples.dump(SAMPLES)
    sha256 = hashlib.sha256(data).hexdigest()
    assert samples.load(data, "s.csv", rows=2, sha256=sha256) == SAMPLES
    for cut in range(len(data)):
        with pytest.raises(DamagedDataError):
            samples.load(data[:cut], "s.csv", rows=2, sha256=sha256)
    with pytest.raises(DamagedDataError):
        samples.load(data, "s.csv", rows=3, sha256=sha256)


HEAD = b"metric,seed,rep,fold,dataset,n_train,n_test,value\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"metric,value\n",
        HEAD + b"f1,1,,,,,,nan\n",
        HEAD + b"f1,1,,,,,,inf\n",
        HEAD + b"f1,1,,,,,,1e999\n",
        HEAD + b"f1,1,,,,,,\n",
        HEAD + b"f1,1,,,,,,1_0\n",
        HEAD + b"f1,x,,,,,,1\n",
        HEAD + b"f1,1.5,,,,,,1\n",
        HEAD + b"f1,1,,,,,\n",
        HEAD + b",1,,,,,,1\n",
        HEAD + b"f1,1,,,,,,1\nf1,1,,,,,,2\n",
        HEAD + b'f1,1,,,"x,,,1\n',
        HEAD + b"f1,1,,,\xff,,,1\n",
        HEAD + b"f1,1,,," + b"x" * 200_000 + b",,,1\n",
    ],
    ids=lambda data: str(data[len(HEAD) :])[:30],
)
def test_bad_samples_are_refused_with_their_line(data: bytes) -> None:
    with pytest.raises(BadFormatError) as caught:
        samples.parse(data, "s.csv")
    assert caught.value.where.startswith("s.csv")


@pytest.mark.parametrize("value", [float("nan"), float("inf")], ids=str)
def test_a_sample_that_is_not_finite_is_not_written(value: float) -> None:
    with pytest.raises(BadFormatError):
        samples.dump([Sample("f1", 1, value)])
    with pytest.raises(BadFormatError, match="twice"):
        samples.dump([Sample("f1", 1, 0.5), Sample("f1", 1, 0.75)])


SPEC = Predictions("p.csv", y_true="y")
CSV = b"id,group,y,y_pred,score,score_a\n2,x,1,0,0.25,1\n1,x,0,0,0.5,2\n"
JSON = b"""[{"id": 2, "y": 1, "y_pred": 0, "score": 0.25, "score_a": 1},
{"id": "1", "y": "0", "y_pred": 0, "score": 0.5, "score_a": 2, "group": null}]"""


def test_predictions_are_the_same_from_csv_and_json() -> None:
    table = predictions.load(CSV, SPEC, "p.csv")
    assert table.header == ("id", "group", "y", "y_pred", "score", "score_a")
    same = replace(table, header=())
    assert same == predictions.PredictionTable(
        ("2", "1"), ("1", "0"), ("0", "0"), {"score": (0.25, 0.5), "score_a": (1.0, 2.0)}
    )
    other = predictions.load(JSON, Predictions("p.json", y_true="y"), "p.json")
    assert other.header == ("id", "y", "y_pred", "score", "score_a")
    assert replace(other, header=()) == same


def test_the_evaluation_digest_knows_ids_and_truth_and_no_order() -> None:
    def digest(data: bytes) -> str:
        return predictions.evaluation_digest(predictions.load(data, SPEC, "p.csv"))

    assert digest(CSV) == digest(b"id,y,y_pred\n1,0,1\n2,1,1\n")
    assert digest(CSV) != digest(b"id,y,y_pred\n1,1,1\n2,1,1\n")
    assert digest(CSV) != digest(b"id,y,y_pred\n1,0,1\n3,1,1\n")


@pytest.mark.parametrize(
    ("data", "path"),
    [
        (b"", "p.csv"),
        (b"id,y,y_pred\n", "p.csv"),
        (b"id,y\n1,0\n", "p.csv"),
        (b"id,id,y,y_pred\n1,1,0,0\n", "p.csv"),
        (b"id,y,y_pred\n1,0\n", "p.csv"),
        (b"id,y,y_pred\n,0,0\n", "p.csv"),
        (b"id,y,y_pred\n1,0,0\n1,0,0\n", "p.csv"),
        (b"id,y,y_pred,score\n1,0,0,nan\n", "p.csv"),
        (b"id,y,y_pred,score\n1,0,0,\n", "p.csv"),
        (b"id,y,y_pred,score,score\n1,0,0,0.5,0.6\n", "p.csv"),
        (b"{}", "p.json"),
        (b"[]", "p.json"),
        (b"[1]", "p.json"),
        (b'[{"id": 1, "y": 0}]', "p.json"),
        (b'[{"id": 1, "y": [0], "y_pred": 1}]', "p.json"),
        (b'[{"id": 1, "y": 0, "y_pred": 1, "score": true}]', "p.json"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_bad_predictions_are_refused(data: bytes, path: str) -> None:
    with pytest.raises(BadFormatError) as caught:
        predictions.load(data, Predictions(path, y_true="y"), path)
    assert caught.value.where.startswith(path)


def test_many_columns_are_looked_up_once() -> None:
    n = 4_000
    names = ",".join(f"score_{index}" for index in range(n))
    data = f"id,y,y_pred,{names}\n1,0,0{',0.5' * n}\n".encode()
    table = predictions.load(data, SPEC, "p.csv", ("y_pred", "score_7", "none"))
    assert len(table.scores) == n
    assert table.columns == {"y_pred": ("0",), "score_7": ("0.5",)}


@pytest.mark.slow
def test_a_run_has_no_more_samples_than_can_be_read() -> None:
    many = [Sample("f1", seed, 0.5) for seed in range(samples.MOST_ROWS + 1)]
    with pytest.raises(UnsafeInputError, match="more samples than can be read"):
        samples.dump(many)
    whole = samples.dump(many[1:])
    with pytest.raises(UnsafeInputError, match="more samples than can be read") as caught:
        samples.parse(whole + whole.splitlines(keepends=True)[-1], "samples.csv")
    assert "at most 250000 rows" in caught.value.expected


def test_too_large_a_table_is_refused_unread() -> None:
    with pytest.raises(UnsafeInputError):
        predictions.load(bytes(samples.LIMIT + 1), SPEC, "p.csv")


@given(
    st.lists(
        st.builds(
            curves.CurvePoint, name=texts, step=st.integers(0, 2**53), value=st.none() | floats
        )
    )
)
def test_curves_come_back(values: list[curves.CurvePoint]) -> None:
    data = curves.dump(values)
    assert curves.load(data, "c.csv") == tuple(values)
    assert curves.dump(curves.load(data, "c.csv")) == data


def test_a_diverged_curve_has_no_value_and_a_bad_one_a_line() -> None:
    found = curves.load(b"x,name,step,value\n1,loss,1.0,nan\n1,loss,2,\n", "c.csv")
    assert [point.value for point in found] == [None, None]
    for data in (b"", b"name,step\n", b"name,step,value\na,x,1\n", b"name,step,value\na,1,x\n"):
        with pytest.raises(BadFormatError):
            curves.load(data, "c.csv")


@given(texts.filter(points.is_name), floats, st.none() | integers, st.floats(0, 1e12), texts)
def test_a_point_comes_back_and_one_that_is_being_written_is_none(
    name: str, value: float, step: int | None, t: float, stage: str
) -> None:
    stage = stage if points.is_name(stage) else ""
    line = points.encode(name, value, step, t, stage)
    assert points.decode(line) == points.Point(name, value, step, t, stage)
    assert all(points.decode(line[:end]) is None for end in range(len(line) - 1))


def test_a_point_that_is_not_finite_is_null() -> None:
    line = points.encode("loss", float("nan"), 1, 0.0)
    assert points.decode(line) == points.Point("loss", None, 1, 0.0)
    assert points.decode(b'{"value": 1}\n') is None
