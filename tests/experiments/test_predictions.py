"""Which file of predictions belongs to the metric: another hides how a table is split."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.predictions import choose
from gitexp.git.repository import Repo
from gitexp.model.ids import CommitHash
from gitexp.model.job import Stage, StageOut
from gitexp.store import lookup
from tests.lab.build import dvc, dvc_files, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

HEADER = "id,y_true,y_pred\n"
# stage -> (what it reads, what it writes)
Written = dict[str, tuple[str, str]]
PARTS: Written = {"eu": ("d", "out/eu/p.csv"), "us": ("d", "out/us/p.csv")}
BOTH = "out/eu/p.csv out/us/p.csv"

CASES: dict[str, tuple[Written, str, str | None]] = {
    "the metric's stage": ({**PARTS, "score": (BOTH, "p.csv m.json")}, "m.json", "p.csv"),
    "in another folder": ({**PARTS, "score": (BOTH, "all/p.csv m.json")}, "m.json", "all/p.csv"),
    "two of it, one beside": ({"score": ("d", "a/p.csv p.csv m.json")}, "m.json", "p.csv"),
    "two of it, both beside": ({"score": ("d", "q.csv p.csv m.json")}, "m.json", None),
    "two of it, none beside": ({"score": ("d", "a/p.csv b/p.csv m.json")}, "m.json", None),
    "in a folder that is an output": (
        {**PARTS, "score": (BOTH, "live p.csv")},
        "live/m.json",
        "p.csv",
    ),
    "none of it": ({**PARTS, "score": (BOTH, "m.json")}, "m.json", None),
    "one in the metric's folder": (
        {**PARTS, "score": (BOTH, "out/us/m.json")},
        "out/us/m.json",
        "out/us/p.csv",
    ),
    "in its folder, of a stage apart": (
        {**PARTS, "score": ("out/eu/p.csv", "out/us/m.json")},
        "out/us/m.json",
        None,
    ),
    "no metrics file": (PARTS, "", None),
    "a command, one in the folder": ({}, "m.json", "p.csv"),
    "a command, none in the folder": ({}, "n/m.json", None),
    "one, of the metric's stage": ({"score": ("d", "a/p.csv m.json")}, "m.json", "a/p.csv"),
    "one, just upstream": (
        {"t": ("d", "a/p.csv"), "score": ("a/p.csv", "m.json")},
        "m.json",
        "a/p.csv",
    ),
    "one, far upstream": (
        {"t": ("d", "a/p.csv"), "u": ("a", "b"), "score": ("b", "m.json")},
        "m.json",
        "a/p.csv",
    ),
    "one, downstream": ({"t": ("d", "m.json w"), "u": ("w", "p.csv")}, "m.json", None),
    "one, beside": ({"t": ("d", "m.json"), "u": ("d", "p.csv")}, "m.json", None),
    "one, no metrics file": ({"t": ("d", "p.csv")}, "", "p.csv"),
    "one, a metric of no stage": ({"t": ("d", "a/p.csv")}, "m.json", "a/p.csv"),
    "each part its own": (
        {"eu": ("d", "eu/m.json eu/p.csv"), "us": ("d", "us/m.json us/p.csv")},
        "eu/m.json us/m.json",
        None,
    ),
    "one of two parts": (
        {"eu": ("d", "eu/m.json eu/p.csv"), "us": ("d", "us/m.json")},
        "eu/m.json us/m.json",
        None,
    ),
    "of the test, not the training": (
        {"t": ("d", "train/m.json w"), "score": ("w", "test/m.json p.csv")},
        "test/m.json train/m.json",
        "p.csv",
    ),
}


@pytest.mark.parametrize(("written", "metric", "taken"), CASES.values(), ids=CASES)
def test_the_predictions_of_the_metric_are_taken_or_none(
    tmp_path: Path, written: Written, metric: str, taken: str | None
) -> None:
    stages = [
        Stage(name, ("x",), deps=tuple(deps.split()), outs=tuple(map(StageOut, outs.split())))
        for name, (deps, outs) in written.items()
    ]
    outs = [out.path for stage in stages for out in stage.outs] or ["a/q.csv", "p.csv"]
    tables = [path for path in outs if path.endswith(".csv")]
    for path in tables:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(HEADER)
    for order in (outs, outs[::-1]):
        choice = choose(tmp_path, order, stages, metric.split())
        assert (choice.taken.path if choice.taken else None) == taken
        assert set(choice.paths) == set(tables)


FOREACH = """\
stages:
  train:
    foreach: [eu, us]
    do:
      cmd: echo ${item}
      outs: ["out/${item}/p.csv"]
  score:
    cmd: echo score
    deps: [out/eu/p.csv, out/us/p.csv]
    metrics: [m.json: {cache: false}]
"""
ONE = """\
stages:
  score: {cmd: echo score, metrics: [m.json: {cache: false}]}
  other: {cmd: echo other, outs: [p.csv]}
"""
SAID = {
    "several": (FOREACH, "", ("out/eu/p.csv, out/us/p.csv", "--predictions FILE")),
    "another stage's": (
        ONE,
        "",
        ("m.json does not depend on the stage", "gitexp init --predictions p.csv"),
    ),
    "the metric's": (
        FOREACH.replace("    metrics:", "    outs: [p.csv]\n    metrics:"),
        "p.csv",
        (),
    ),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize(("text", "taken", "said"), SAID.values(), ids=SAID)
def test_init_says_which_files_there_are_and_how_one_is_named(
    tmp_path: Path, text: str, taken: str, said: tuple[str, ...]
) -> None:
    repo = repository(tmp_path / "it")
    tables = dict.fromkeys(("out/eu/p.csv", "out/us/p.csv", "p.csv"), HEADER)
    ignored = {".gitignore": "/out\n/p.csv\n"}
    repo.commit({**dvc_files(), **ignored, "dvc.yaml": text})
    repo.write(tables)
    done = gitexp(repo, "init", "--json")
    assert done.code == 0, done.err
    found, notes = done.json["found"], done.json["notes"]
    assert isinstance(found, dict)
    assert isinstance(notes, list)
    assert found.get("predictions", "") == taken
    told = "\n".join(note for note in notes if "per-example" in note)
    assert bool(told) == bool(said)
    assert all(words in told for words in said), told
    again = gitexp(repo, "init").out
    assert all(words in again for words in said), again


TRIPLE = "id y_true y_pred"
# the header of a file -> what is taken of it, or the role for which nothing, or too much, is there
COLUMNS = {
    "ticket_id text label prediction": "ticket_id label prediction",
    "id user_id y_true label y_pred predicted": TRIPLE,
    "example_id user_id Target Pred": "example_id Target Pred",
    "question truth y_hat score": "question truth y_hat",
    "index label pred score_a": "index label pred",
    "ticket_id user_id label prediction": "'ticket_id' or 'user_id' for id",
    "id label target prediction": "'label' or 'target' for y_true",
    "id label pred pred": "'pred' or 'pred' for y_pred",
    "text label prediction": "none for id",
    "id text score": "none for y_true; none for y_pred",
    "": "none for id",
}
FEW = ("ticket_id text label prediction", "id label target prediction")
PLACED = [(columns, "csv") for columns in COLUMNS]
PLACED += [(columns, where) for columns in FEW for where in ("json", "cache")]


def place(repo: BuiltRepo, header: list[str], where: str) -> str:
    """Put predictions with this header somewhere, and return their path."""
    if where == "json":
        repo.write({"p.json": json.dumps([dict.fromkeys(header, 1)])})
        return "p.json"
    repo.write({"p.csv": f"{','.join(header)}\n{','.join('1' for _ in header)}\n"})
    if where == "cache":
        dvc(repo.path, "add", "--quiet", "p.csv")
        repo.git("add", "p.csv.dvc")
        repo.commit(at=3)
        (repo.path / "p.csv").unlink()
    return "p.csv"


@pytest.mark.sweep(8)
@pytest.mark.parametrize(("columns", "where"), PLACED)
def test_init_takes_the_columns_of_a_file_that_is_there_or_says_what_is_open(
    dvc_repo: BuiltRepo, columns: str, where: str
) -> None:
    wanted = COLUMNS[columns]
    path = place(dvc_repo, columns.split(), where)
    before = dvc_repo.refs()
    done = gitexp(dvc_repo, "init", "--predictions", path)
    taken = wanted.split()
    if len(taken) != 3 or " for " in wanted:
        assert (done.code, dvc_repo.refs()) == (2, before)
        assert done.says(wanted, columns.replace(" ", ", ") or "no header", "predictions: {")
        return
    assert done.code == 0, done.err
    line = f'{{"path": {path}, "id": {taken[0]}, "y_true": {taken[1]}, "y_pred": {taken[2]}'
    assert line in dvc_repo.show(".gitexp/config.yaml")
    assert all(name in TRIPLE or f": {name}" in done.out for name in taken)
    assert "not looked at" not in done.out


@pytest.mark.parametrize("first", [True, False])
def test_init_says_that_it_saw_no_column_of_a_file_that_is_not_there(
    dvc_repo: BuiltRepo, *, first: bool
) -> None:
    if not first:
        assert gitexp(dvc_repo, "init").code == 0
    done = gitexp(dvc_repo, "init", "--predictions", "p.csv")
    assert done.code == 0, done.err
    told = " ".join(done.out.split())
    assert "its columns were not looked at: a run has to call them id, y_true and y_pred" in told
    assert '"id": id, "y_true": y_true' in dvc_repo.show(".gitexp/config.yaml")
    again = gitexp(dvc_repo, "init", "--predictions", "p.csv")
    assert "nothing was changed" in again.out


def test_what_a_first_init_says_is_open_can_be_written_as_it_stands(dvc_repo: BuiltRepo) -> None:
    path = place(dvc_repo, ["ticket_id", "user_id", "label", "prediction"], "csv")
    done = gitexp(dvc_repo, "init", "--predictions", path)
    assert done.code == 2
    line = re.search(r"predictions: \{.*?\}", " ".join(done.err.split()))
    assert line is not None
    assert gitexp(dvc_repo, "init").code == 0
    config = dvc_repo.path / ".gitexp/config.yaml"
    given = line[0].replace("COLUMN", "ticket_id")
    config.write_text(config.read_text().replace("predictions: null", given))
    again = gitexp(dvc_repo, "init")
    assert (again.code, "(id: ticket_id, y_true: label" in again.out) == (0, True), again


LINES = """
import json
rows = [{"id": n, "label": n % 2, "prediction": n % 3 % 2, "score": 0.5} for n in range(9)]
open("p.jsonl", "w").writelines(json.dumps(row) + "\\n" for row in rows)
json.dump({"accuracy": sum(r["label"] == r["prediction"] for r in rows) / 9}, open("m.json", "w"))
"""


@pytest.mark.sweep(1)
@pytest.mark.parametrize("here", [True, False])
def test_predictions_of_repeats_may_be_json_lines(tmp_path: Path, *, here: bool) -> None:
    repo = repository(tmp_path / "r")
    repo.commit({"train.py": LINES, ".gitignore": "p.jsonl\n"})
    columns = ("label", "prediction") if here else ("y_true", "y_pred")
    if here:
        subprocess.run([sys.executable, "train.py"], cwd=repo.path, check=True)
    else:
        named = LINES.replace("label", columns[0]).replace("prediction", columns[1])
        repo.commit({"train.py": named})
    told = ("--command", f"{sys.executable} train.py", "--metrics", "m.json", "--dvc-init")
    done = gitexp(repo, "init", *told, "--outs", "p.jsonl", "--predictions", "p.jsonl")
    assert done.code == 0, done.err
    line = f'"y_true": {columns[0]}, "y_pred": {columns[1]}'
    assert line in (repo.path / ".gitexp/config.yaml").read_text()
    repo.git("add", "--all")
    repo.commit({"m.json": "{}"})
    assert gitexp(repo, "run").code == 0
    (found,) = lookup.runs_at(Repo(repo.workspace), CommitHash(repo.hash()))
    assert found.run.repeats[0].evaluation
