"""Which file of predictions belongs to the metric: another hides how a table is split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from gitexp.experiments.predictions import choose
from gitexp.model.job import Stage, StageOut
from tests.lab.build import dvc_files, repository
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

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
