"""Logs of evaluations that the tools themselves wrote, and what a stranger may make of one."""

from __future__ import annotations

import importlib
import importlib.util
import io
import json
import struct
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scipy import stats

from gitexp.cli.main import main
from gitexp.errors import BadFormatError, GitexpError, PreconditionError, UnsafeInputError
from gitexp.text import logs
from gitexp.text.logs import inspect_eval

if TYPE_CHECKING:
    from gitexp.text.plainfile import Table

HERE = Path(__file__).parent / "logs"
ZSTANDARD = importlib.util.find_spec("zstandard") is not None


def load(name: str) -> Table:
    return logs.read((HERE / name).read_bytes(), name)


def mean(table: Table, column: str) -> float:
    values = table.numbers(column)
    return sum(values) / len(values)


# log -> answers, examples, and the mean of some columns as the tool itself reports it
WRITTEN = {
    "inspect_a.eval": (6, 6, "match"),
    "inspect_b.eval": (6, 6, "match"),
    "inspect_epochs.eval": (6, 3, "match"),
    "inspect_one.json": (1, 1, "match"),
    "lm_eval_a.jsonl": (12, 12, "acc"),
    "lm_eval_b.jsonl": (12, 12, "acc_norm"),
    "promptfoo_a.json": (5, 5, "pass"),
    "promptfoo_b.json": (5, 5, "score"),
    "deepeval_a.json": (12, 12, "success"),
    "deepeval_b.json": (12, 12, "Exact Match"),
}


def reported(name: str, column: str) -> float:
    """Return the number that the tool wrote beside its answers, or said at the end."""
    data = (HERE / name).read_bytes()
    if name.startswith("lm_eval"):
        return {"acc": 4 / 12, "acc_norm": 6 / 12}[column]  # of its last table
    if name.endswith(".eval"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            log = json.loads(archive.read("header.json"))
    else:
        log = json.loads(data)
    if name.startswith("inspect"):
        (score,) = (each for each in log["results"]["scores"] if each["name"] == column)
        return float(score["metrics"]["accuracy"]["value"])
    if name.startswith("promptfoo"):
        found = log["results"]["prompts"][0]["metrics"]
        return float(found["testPassCount" if column == "pass" else "score"]) / 5
    if column == "success":
        return float(log["testPassed"]) / (log["testPassed"] + log["testFailed"])
    (scores,) = (each["scores"] for each in log["metricsScores"] if each["metric"] == column)
    return float(sum(scores)) / len(scores)


@pytest.mark.parametrize("name", WRITTEN)
def test_a_log_gives_the_number_that_its_tool_reports(name: str) -> None:
    answers, examples, column = WRITTEN[name]
    table = load(name)
    assert (len(table.rows), len(set(table.column("id")))) == (answers, examples)
    assert mean(table, column) == pytest.approx(reported(name, column), rel=1e-9)


def test_every_log_is_small_and_says_how_it_was_made() -> None:
    told = (HERE / "README.md").read_text("utf-8")
    for path in HERE.iterdir():
        assert path.stat().st_size < 20_000
        assert path.name == "README.md" or f"`{path.name.partition('_a')[0].split('_')[0]}" in told


# two logs -> metric, code
TESTED = {
    ("inspect_a.eval", "inspect_b.eval"): ("accuracy", 0),
    ("lm_eval_a.jsonl", "lm_eval_b.jsonl"): ("acc", 6),
    ("promptfoo_a.json", "promptfoo_b.json"): ("pass", 0),
    ("deepeval_a.json", "deepeval_b.json"): ("Exact Match", 0),
}


@pytest.mark.parametrize("pair", TESTED)
def test_two_logs_are_compared_as_they_are(
    pair: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    metric, code = TESTED[pair]
    how = ["--metric", f"{metric}:max", "--effect", ">0", "-C", str(HERE)]
    assert main(["test", *pair, *how]) == code
    out = capsys.readouterr().out
    assert "one run of each model" in out
    assert main(["test", *pair, *how, "--json"]) == code
    (found,) = json.loads(capsys.readouterr().out)["metrics"]
    one, two = (
        dict(zip(table.column("id"), table.numbers(metric), strict=True))
        for table in map(load, pair)
    )
    won, lost = (sum(sign * two[key] > sign * one[key] for key in one) for sign in (1, -1))
    expected = stats.binomtest(won, won + lost, alternative="greater").pvalue
    assert found["result"]["p_support"] == pytest.approx(expected, rel=1e-9)
    assert found["difference"] == pytest.approx((won - lost) / len(one))


def test_epochs_are_samples_of_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    how = ["--metric", "accuracy:max", "--effect", ">0", "-C", str(HERE)]
    assert main(["test", "inspect_epochs.eval", "inspect_epochs.eval", *how]) == 6
    out = capsys.readouterr().out
    assert "each of 3 questions (id) was answered 2 times: the mean of its samples is one" in out
    assert "these samples of each model's answers" in out


def test_logs_of_other_questions_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    how = ["--metric", "accuracy:max", "--effect", ">0", "-C", str(HERE)]
    assert main(["test", "inspect_a.eval", "inspect_epochs.eval", *how]) == 3
    assert "in the first only: 'q3', 'q4', 'q5'" in capsys.readouterr().err
    assert main(["test", "inspect_a.eval", "lm_eval_a.jsonl", *how]) in {2, 3}


@pytest.mark.parametrize("name", ["promptfoo_a.json", "deepeval_a.json"])
def test_a_question_is_known_by_what_was_asked_and_named_by_it(name: str) -> None:
    """The tools number questions by their place, which differs once one is left out."""
    value = json.loads((HERE / name).read_bytes())
    answers = value["testCases"] if "testCases" in value else value["results"]["results"]
    whole = logs.read(json.dumps(value).encode(), "x.json").column("id")
    assert any(text in whole[1] for text in ("question 1", "Is 1 even?"))
    first = answers.pop(0)
    for number, answer in enumerate(answers):
        answer |= {"name": f"test_case_{number}", "order": number, "testIdx": number}
    assert logs.read(json.dumps(value).encode(), "x.json").column("id") == whole[1:]
    answers += [first, first]
    twice = logs.read(json.dumps(value).encode(), "x.json").column("id")
    assert twice == (*whole[1:], whole[0], whole[0])


def test_without_a_metric_the_scores_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    for pair, names in (
        (("inspect_a.eval", "inspect_b.eval"), "match, graded, length, accuracy"),
        (("lm_eval_a.jsonl", "lm_eval_b.jsonl"), "acc, acc_norm"),
        (("promptfoo_a.json", "promptfoo_b.json"), "pass, score, latencyMs, cost"),
    ):
        assert main(["test", *pair, "-C", str(HERE)]) == 2
        assert f"expected  {names}\n" in capsys.readouterr().err


def test_what_python_cannot_unpack_is_read_or_says_what_would() -> None:
    if ZSTANDARD:
        one, two = load("inspect_a.eval"), load("inspect_zstandard.eval")
        assert one.column("match") == two.column("match")
    else:
        with pytest.raises(PreconditionError, match="pip install zstandard"):
            load("inspect_zstandard.eval")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("C", 1.0), ("P", 0.5), ("I", 0.0), ("N", 0.0), (True, 1.0), (0.25, 0.25), (3, 3.0),
        ("yes", 1.0), ("True", 1.0), ("no", 0.0), ("FALSE", 0.0), ("0.7", "0.7"),
        ("great", "great"), ([1], None), (None, None),
    ],
)  # fmt: skip
def test_grades_count_as_the_tool_counts_them(given: object, expected: object) -> None:
    assert inspect_eval.to_float(given) == expected


def log(*samples: object, status: str = "success") -> dict[str, object]:
    return {"version": 2, "eval": {}, "status": status, "samples": list(samples)}


def sample(name: object = "q", value: object = "C", **more: object) -> dict[str, object]:
    return {"id": name, "epoch": 1, "scores": {"match": {"value": value}}, **more}


def packed(header: bytes, summaries: bytes, **more: bytes) -> bytes:
    with (out := io.BytesIO()) and zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in ((("header.json"), header), ("summaries.json", summaries), *more.items()):
            archive.writestr(name, data)
    return out.getvalue()


GOOD = json.dumps({key: each for key, each in log().items() if key != "samples"}).encode()
ONE = json.dumps([sample()]).encode()


def test_a_score_of_several_parts_is_several_columns_and_metadata_may_be_clusters() -> None:
    value = log(sample(value={"a": "C", "b": 2}, metadata={"topic": "sums", "long": [1]}))
    table = logs.read(json.dumps(value).encode(), "x.json")
    assert tuple(table.header) == ("id", "epoch", "match.a", "match.b", "metadata.topic")
    assert table.rows == (("q", "1", "1.0", "2.0", "sums"),)


def lying(size: int) -> bytes:
    """Return an archive whose directory gives the summaries another size."""
    data = bytearray(packed(GOOD, ONE))
    at = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, at + 24, size)
    return bytes(data)


def deep(n: int) -> bytes:
    return b'[{"id": "q", "scores": ' + b"[" * n + b"]" * n + b"}]"


HOSTILE = {
    "a bomb": packed(GOOD, b" " * (65 << 20)),
    "a bomb in the header": packed(b" " * (65 << 20), ONE),
    "a size that is a lie": lying(3),
    "a size that is none": lying(0xFFFFFFF0),
    "levels without end": packed(GOOD, deep(200)),
    "many more levels": packed(GOOD, deep(100_000)),
    "no summaries": packed(GOOD, ONE).replace(b"summaries.json", b"summaries.jsom"),
    "no archive": b"PK\x03\x04" + b"\0" * 200,
    "nothing": b"",
    "a table": b"id,f1\n1,2\n",
    "not an object": packed(b"[]", ONE),
    "not a list": packed(GOOD, b"{}"),
    "text": packed(GOOD, b"\xff\xfe"),
    "no number": packed(GOOD, b'[{"id": "q", "scores": {"m": {"value": NaN}}}]'),
    "no id": packed(GOOD, json.dumps([{"scores": {}}]).encode()),
    "a list of numbers": packed(GOOD, b"[1, 2]"),
    "no scores": packed(GOOD, b"[]"),
    "a name without end": packed(
        GOOD, json.dumps([{"id": "q", "scores": {"m" * 300: {"value": 1}}}]).encode()
    ),
    "columns without end": packed(
        GOOD,
        json.dumps([{"id": "q", "scores": {f"m{i}": {"value": 1} for i in range(300)}}]).encode(),
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_archive_that_nobody_should_unpack_is_refused(case: str) -> None:
    with pytest.raises((BadFormatError, UnsafeInputError)):
        logs.read(HOSTILE[case], "x.eval")


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_a_log_that_is_cut_or_turned_is_an_error_of_ours_or_read(name: str) -> None:
    data = (HERE / name).read_bytes()
    for at in range(0, len(data), max(1, len(data) // 40)):
        for broken in (data[:at], data[:at] + b"\xff" + data[at + 1 :], data[:at] + data[at + 9 :]):
            try:
                logs.read(broken, name)
            except GitexpError:
                continue


def test_a_bomb_of_the_newer_compression_is_refused() -> None:
    inner, said = b"x", PreconditionError
    if ZSTANDARD:
        inner = importlib.import_module("zstandard").compress(b" " * (65 << 20))
        said = UnsafeInputError
    with (out := io.BytesIO()) and zipfile.ZipFile(out, "w") as archive:
        archive.writestr("header.json", GOOD)
        archive.writestr("summaries.json", inner)
    data = bytearray(out.getvalue())
    for sign, place in ((b"PK\x01\x02", 10), (b"PK\x03\x04", 8)):
        struct.pack_into("<H", data, data.rindex(sign) + place, 93)
    with pytest.raises(said):
        logs.read(bytes(data), "x.eval")


@pytest.mark.parametrize("status", ["started", "cancelled", "error"])
def test_an_evaluation_that_did_not_end_is_not_compared(status: str) -> None:
    with pytest.raises(BadFormatError, match="did not come to its end"):
        logs.read(json.dumps(log(sample(), status=status)).encode(), "x.json")


def test_a_failed_answer_is_no_zero() -> None:
    value = json.loads((HERE / "promptfoo_a.json").read_bytes())
    value["results"]["results"][0]["failureReason"] = 2
    table = logs.read(json.dumps(value).encode(), "x.json")
    assert table.column("pass")[0] == ""
    with pytest.raises(BadFormatError, match="pass is not a number"):
        table.numbers("pass")


def test_two_models_in_one_log_are_told_apart_by_hand() -> None:
    value = json.loads((HERE / "promptfoo_a.json").read_bytes())
    value["results"]["results"][0]["provider"]["id"] = "openai:other"
    with pytest.raises(BadFormatError, match="several models or prompts"):
        logs.read(json.dumps(value).encode(), "x.json")


def test_filters_of_one_task_are_columns() -> None:
    lines = (HERE / "lm_eval_a.jsonl").read_text("utf-8").splitlines()
    other = [line.replace('"filter": "none"', '"filter": "strict"') for line in lines]
    table = logs.read("\n".join(lines + other).encode(), "x.jsonl")
    assert {"acc,none", "acc,strict"} <= table.header.keys()
    assert len(table.rows) == 12
    with pytest.raises(BadFormatError, match="a document is there twice"):
        logs.read("\n".join(lines + lines).encode(), "x.jsonl")


@pytest.mark.parametrize(
    "text", ['{"id": [1, 2], "f1": [0.5, 0.6]}', '[{"id": 1, "f1": 0.5}, {"id": 2, "f1": 0.6}]']
)
def test_a_table_is_still_a_table(text: str) -> None:
    assert logs.read_log(text.encode(), "x.json") is None
    assert logs.read(text.encode(), "x.json").numbers("f1") == (0.5, 0.6)
