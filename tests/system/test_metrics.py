from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitexp.errors import (
    AmbiguousMetricError,
    BadFormatError,
    BadMetricError,
    GitexpError,
    UnsafeInputError,
)
from gitexp.system import metrics

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.run import Sample


def read(
    folder: Path, text: str, name: str = "metrics.json", **expect: tuple[str, ...]
) -> tuple[Sample, ...]:
    (folder / name).write_text(text, encoding="utf-8")
    return metrics.read(folder, [name], seed=3, **expect)


def rows(samples: tuple[Sample, ...]) -> list[tuple[str, float, int | None, str]]:
    return [(s.metric, s.value, s.fold, s.dataset) for s in samples]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"f1": 0.5, "train": {"loss": 1, "ok": true, "name": "x"}, "none": null}'),
        ("m.yaml", "f1: 0.5\ntrain:\n  loss: 1\n  ok: true\n  name: x\nnone:\n"),
        ("m.toml", 'f1 = 0.5\n[train]\nloss = 1\nok = true\nname = "x"\n'),
        ("metrics", "f1: 0.5\ntrain: {loss: 1, ok: true}\n"),  # YAML where the name says nothing
    ],
)
def test_nested_numbers_are_samples_with_dotted_names(tmp_path: Path, name: str, text: str) -> None:
    samples = read(tmp_path, text, name)
    assert rows(samples) == [("f1", 0.5, None, ""), ("train.loss", 1.0, None, "")]
    assert {s.seed for s in samples} == {3}


def test_a_list_of_numbers_is_one_sample_a_fold(tmp_path: Path) -> None:
    samples = read(tmp_path, '{"cv": {"f1": [0.5, 1]}, "classes": ["a", "b"]}')
    assert rows(samples) == [("cv.f1", 0.5, 0, ""), ("cv.f1", 1.0, 1, "")]


def test_sizes_beside_a_list_are_those_of_its_folds_and_no_metrics(tmp_path: Path) -> None:
    cv = {"fold": [0.5, 1], "n_train": 240, "n_test": 60, "mean": 0.75}
    found = read(tmp_path, json.dumps({"cv": cv, "n_train": 300, "n_test": True}))
    assert [(s.metric, s.fold, s.n_train, s.n_test) for s in found] == [
        ("cv.fold", 0, 240, 60),
        ("cv.fold", 1, 240, 60),
        ("cv.mean", None, None, None),
        ("n_train", None, None, None),  # no list is beside it
    ]


@pytest.mark.parametrize("folder", ["cv", ""])
@pytest.mark.parametrize("kind", ["json", "yaml"])
@pytest.mark.parametrize("mixed", [False, True])
def test_sizes_in_lists_are_those_of_each_fold(
    tmp_path: Path,
    folder: str,
    kind: str,
    mixed: bool,  # noqa: FBT001 - a parameter
) -> None:
    cv = {"f1": [0.5, 1], "n_train": 240 if mixed else [240, 241], "n_test": [60, 59]}
    text = json.dumps({folder: cv} if folder else cv)  # which is YAML, too
    found = read(tmp_path, text, f"m.{kind}")
    assert [(s.metric, s.fold, s.n_train, s.n_test) for s in found] == [
        (f"{folder}.f1" if folder else "f1", 0, 240, 60),
        (f"{folder}.f1" if folder else "f1", 1, 240 if mixed else 241, 59),
    ]


@pytest.mark.parametrize(
    ("n_train", "other"),
    [([240], [0.1, 0.2]), ([240, 0], [0.1]), ([240, 241.5], [0.1]), ([240, 240], None)],
)
def test_what_is_no_size_of_each_fold_is_a_metric(
    tmp_path: Path, n_train: list[float], other: list[float] | None
) -> None:
    found = read(tmp_path, json.dumps({"n_train": n_train, **({"f1": other} if other else {})}))
    assert [s.value for s in found if s.metric == "n_train"] == n_train
    assert all(s.n_train is None for s in found)


def test_rows_say_to_which_measurement_they_belong(tmp_path: Path) -> None:
    text = json.dumps(
        [
            {"fold": 0, "dataset": "a", "rep": 1, "n_train": 90, "n_test": 10, "f1": 0.5},
            {"fold": 1, "dataset": "a", "rep": 1, "n_train": 90, "n_test": 10, "f1": 0.6},
        ]
    )
    first, second = read(tmp_path, text)
    assert (first.fold, first.dataset, first.rep, first.n_train, first.n_test) == (
        0,
        "a",
        1,
        90,
        10,
    )
    assert (second.metric, second.value, second.fold) == ("f1", 0.6, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f1,auc\n0.5,0.7\n", [("f1", 0.5, None, ""), ("auc", 0.7, None, "")]),
        ("f1\n0.5\n0.6\n", [("f1", 0.5, 0, ""), ("f1", 0.6, 1, "")]),
        ("metric,value\nf1,0.5\nauc,1e-1\n", [("f1", 0.5, None, ""), ("auc", 0.1, None, "")]),
        ("metric,value,fold\nf1,0.5,0\nf1,0.6,1\n", [("f1", 0.5, 0, ""), ("f1", 0.6, 1, "")]),
        ("dataset,f1\na,0.5\nb,0.6\n", [("f1", 0.5, None, "a"), ("f1", 0.6, None, "b")]),
    ],
)
def test_csv_is_read_as_rows(
    tmp_path: Path, text: str, expected: list[tuple[str, float, int | None, str]]
) -> None:
    assert rows(read(tmp_path, text, "m.csv")) == expected


@pytest.mark.parametrize(
    ("name", "text", "word"),
    [
        ("m.json", '{"f1": NaN}', "NaN"),
        ("m.json", '{"f1": -Infinity}', "Infinity"),
        ("m.json", '{"f1": "nan"}', "nan"),
        ("m.json", '{"f1": [0.5, null]}', "None"),
        ("m.json", '{"f1": ' + "9" * 400 + "}", "999"),
        ("m.yaml", "f1: .nan\n", ".nan"),
        ("m.yaml", "f1: -.inf\n", ".inf"),
        ("m.toml", "f1 = inf\n", "inf"),
        ("m.csv", "f1\nnan\n", "nan"),
        ("m.csv", "f1\n1e999\n", "1e999"),
        ("m.json", '{"a\\nb": 1}', "name"),
        ("m.csv", "metric,value\nf1,0.5\nf1,0.6\n", "twice"),
        ("m.csv", "fold,f1\nx,0.5\n", "fold"),
    ],
)
def test_what_is_no_finite_number_is_an_error_with_the_file(
    tmp_path: Path, name: str, text: str, word: str
) -> None:
    with pytest.raises((BadMetricError, BadFormatError)) as caught:
        read(tmp_path, text, name)
    assert word in f"{caught.value.summary} {caught.value.found}"
    assert name in caught.value.where


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999", "9" * 5000, "9" * 400, '"nan"'])
@pytest.mark.parametrize("kind", ["json", "yaml", "toml"])
def test_a_refused_number_is_named_by_its_keys_or_its_line(
    tmp_path: Path, number: str, kind: str
) -> None:
    if kind == "json":
        text = f'{{"f1": 0.5, "per_class": {{"c6": [0.5], "c7": {{"recall": {number}}}}}}}'
    else:
        spelled = {"NaN": "nan", "-Infinity": "-inf", "1e999": "1.0e999"}.get(number, number)
        if kind == "yaml" and spelled in {"nan", "-inf"}:
            spelled = spelled.replace("nan", ".nan").replace("-inf", "-.inf")
        equals = ":" if kind == "yaml" else "="
        parts = [f"f1{equals} 0.5", f"recall{equals} {spelled}", ""]
        text = "\n".join(parts)
    with pytest.raises((BadMetricError, BadFormatError)) as caught:
        read(tmp_path, text, f"m.{kind}")
    said = f"{caught.value.summary}; {caught.value.where}"
    named = "per_class.c7.recall" if kind == "json" else "recall"
    if (kind, len(number)) != ("toml", 5000):  # which Python's reader does not place
        assert named in said or "line 2" in said


def test_the_place_of_a_number_in_a_list_of_objects_is_its_row(tmp_path: Path) -> None:
    with pytest.raises(BadFormatError) as caught:
        read(tmp_path, '[{"f1": 0.5}, {"f1": NaN}]', "m.json")
    assert caught.value.where == "m.json, [1].f1"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", "{"),
        ("m.yaml", "a: [\n"),
        ("m.toml", "a = \n"),
        ("m.csv", "a,b\n1\n"),
        ("m.json", "[" * 100 + "]" * 100),
        ("m.toml", f"[{'.'.join('a' * 260_000)}]\n" + "".join(f"k{n}=1\n" for n in range(50_000))),
        ("m.json", '{"a": 1, "a": 2}'),
    ],
)
def test_a_broken_file_is_named(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises((BadFormatError, UnsafeInputError)) as caught:
        read(tmp_path, text, name)
    assert name in caught.value.where


def test_a_missing_file_and_a_missing_metric_say_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(BadMetricError, match="missing"):
        metrics.read(tmp_path, ["none.json"], seed=1)
    with pytest.raises(BadMetricError) as caught:
        read(tmp_path, '{"auc": 0.5, "f1_macro": 0.4}', expect=("f1",))
    assert caught.value.found == "auc, f1_macro"


def test_one_name_in_two_files_is_told_apart_by_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"f1": 1}')
    (tmp_path / "b.json").write_text('{"f1": 2}')
    samples = metrics.read(tmp_path, ["a.json", "b.json"], seed=1)
    assert [(s.metric, s.value) for s in samples] == [("a.json:f1", 1.0), ("b.json:f1", 2.0)]


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "metrics.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(UnsafeInputError):
        metrics.read(tmp_path, ["metrics.json"], seed=1)


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_any_json_gives_finite_samples_or_one_of_our_errors(
    tmp_path_factory: pytest.TempPathFactory, value: object
) -> None:
    folder = tmp_path_factory.mktemp("m")
    try:
        samples = read(folder, json.dumps(value))
    except GitexpError:
        return
    assert all(-1e400 < sample.value < 1e400 for sample in samples)


def test_what_several_stages_log_or_a_file_gives_too_is_asked_for_by_its_source(
    tmp_path: Path,
) -> None:
    (tmp_path / "m.json").write_text('{"f1": 0.7, "same": 1}')
    logged = {"f1": 0.8, "same": 1.0, "a:acc": 0.5, "b:acc": 0.6}
    found = metrics.read(tmp_path, ["m.json"], seed=1, expect=["a:acc", "same"], logged=logged)
    assert {sample.metric: sample.value for sample in found} == {
        "m.json:f1": 0.7, "log_metric:f1": 0.8, "same": 1, "a:acc": 0.5, "b:acc": 0.6,
    }  # fmt: skip
    for name, either in (("f1", "log_metric:f1, m.json:f1"), ("acc", "a:acc, b:acc")):
        with pytest.raises(AmbiguousMetricError) as caught:
            metrics.read(tmp_path, ["m.json"], seed=1, expect=[name], logged=logged)
        assert caught.value.found == either
