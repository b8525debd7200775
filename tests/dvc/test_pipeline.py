"""Stages: order, targets, the way to the seed; and our reading against DVC's own resolver."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from gitexp.dvc import dvcpipeline, pipeline
from gitexp.errors import (
    BadFormatError,
    DvcFailedError,
    NoPipelineError,
    UnsafeInputError,
    UsageError,
)
from gitexp.model.config import ParamKey, ProjectConfig
from gitexp.model.job import OutKind, Stage, StageOut, StageParams
from gitexp.text.paramkeys import param_key
from tests.lab.build import dvc, repository

if TYPE_CHECKING:
    from pathlib import Path

FIVE_AXES = (
    f"stages: {{a: {{matrix: {{{', '.join(f'{x}: {[*range(40)]}' for x in 'bcdef')}}}, cmd: x}}}}\n"
)
OVERLAP = """\
stages:
  a: {cmd: x, outs: [o]}
  b: {cmd: x, outs: [o/1]}
"""
CIRCLE = """\
stages:
  a: {cmd: x, deps: [b], outs: [a]}
  b: {cmd: x, deps: [a], outs: [b]}
"""

PLAIN = {
    "order": """\
stages:
  report:
    cmd: cat scores.json
    deps: [scores.json, model/]
    outs: [{report.md: {cache: false}}]
  train:
    cmd:
    - mkdir model
    - python train.py > model/m
    deps: [data/prepared, ./train.py]
    params: [train.lr, seed, {more.yaml: null}, {other.json: [a.b, c]}]
    outs: [model]
    metrics: [{scores.json: {cache: false, persist: true}}]
    plots: [{roc.csv: {x: fpr, y: tpr}}, curve.csv]
  prepare:
    cmd: python prepare.py && echo "${HOME:-x}" # not a template: quoted below
    wdir: src
    deps: [prepare.py, ../raw.csv]
    outs: [../data/prepared]
    desc: a text
    meta: {any: thing}
metrics: [scores.json]
plots: [roc.csv, {id: {y: {curve.csv: y}}}]
""".replace('echo "${HOME:-x}" # not a template: quoted below', "true"),
    "single": "stages:\n  only:\n    cmd: echo hi\n    frozen: true\n    always_changed: true\n",
    "anchors": """\
stages:
  a: &base
    cmd: echo a > a
    outs: [a]
  b:
    <<: *base
    cmd: echo b > b
    outs: [b]
""",
    "crlf": "stages:\r\n  a:\r\n    cmd: >-\r\n      echo one\r\n      two\r\n    outs: [a]\r\n",
    "words": """\
stages:
  a:
    cmd: echo on yes 0777 1:30
    params: [on, yes, a-b]
    deps: ['1e3', 'ü b']
""",
}


def written(root: Path, text: str, **more: str) -> tuple[Path, ProjectConfig]:
    root.mkdir(parents=True, exist_ok=True)
    (root / "dvc.yaml").write_bytes(text.encode())
    for name, content in more.items():
        (root / f"{name}.yaml").write_text(content)
    return root, ProjectConfig(pipeline="dvc.yaml")


def names(stages: tuple[Stage, ...]) -> list[str]:
    return [stage.name for stage in stages]


def test_our_reading_of_plain_pipelines_is_that_of_dvcs_resolver(tmp_path: Path) -> None:
    files = [written(tmp_path / name, text)[0] / "dvc.yaml" for name, text in PLAIN.items()]
    question = json.dumps([{"file": str(file), "parsing": {}} for file in files])
    answered = subprocess.run(
        [sys.executable, "-I", str(pipeline.RESOLVER)],
        input=question.encode(),
        capture_output=True,
        check=True,
        cwd="/",
    )
    for file, answer in zip(files, json.loads(answered.stdout), strict=True):
        ours = dvcpipeline.load_pipeline(file.read_bytes(), "dvc.yaml")
        theirs = dvcpipeline.load_pipeline(json.dumps(answer).encode(), "dvc.yaml", resolved=True)
        assert not ours.needs_dvc
        assert ours.stages == theirs.stages
        assert ours.stages
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {"dvc.yaml"}


def test_stages_come_after_what_they_need_and_else_in_the_files_order(tmp_path: Path) -> None:
    stages = pipeline.look([written(tmp_path, PLAIN["order"])])[0].executed
    assert names(stages) == ["prepare", "train", "report"]
    prepare, train, report = stages
    assert (prepare.wdir, prepare.deps) == ("src", ("src/prepare.py", "raw.csv"))
    assert prepare.outs == (StageOut("data/prepared"),)
    assert train.commands == ("mkdir model", "python train.py > model/m")
    assert set(train.outs) == {
        StageOut("model"),
        StageOut("scores.json", OutKind.METRIC, cache=False, persist=True),
        StageOut("roc.csv", OutKind.PLOT),
        StageOut("curve.csv", OutKind.PLOT),
    }
    assert train.params == (
        StageParams("params.yaml", ("train.lr", "seed")),
        StageParams("more.yaml", ()),
        StageParams("other.json", ("a.b", "c")),
    )
    assert report.deps == ("scores.json", "model")


def test_templates_of_all_worktrees_are_resolved_by_dvc_in_one_go_and_nothing_is_written(
    tmp_path: Path,
) -> None:
    text = """\
vars:
- extra.yaml
stages:
  each:
    foreach: ${items}
    do:
      cmd: echo ${item} \\${HOME} ${opts} > ${item}.out
      outs: ["${item}.out"]
  mat:
    matrix: {x: [1, 2], y: [a]}
    cmd: echo ${item.x} ${key} ${word} 😀
    deps: [p.out]
    params: [lr]
  last:
    cmd: echo ${lr} > ../end
    wdir: sub
    vars: [{unused: 1}]
    deps: [../p.out, "../${word}"]
    outs: [../end]
"""
    roots = []
    for name, rate in (("one", "0.1"), ("two", "1e-3")):
        params = f"lr: {rate}\nitems: [p, q]\nopts: {{a: 1, b: true}}\n"
        roots.append(written(tmp_path / name, text, params=params, extra="word: w\n"))
    plain = written(tmp_path / "plain", PLAIN["single"])
    before = sorted(tmp_path.rglob("*"))

    one, middle, two = pipeline.look([roots[0], plain, roots[1]])

    assert sorted(tmp_path.rglob("*")) == before
    assert names(one.executed) == ["each@p", "each@q", "mat@1-a", "mat@2-a", "last"]
    assert one.executed[0].commands == ("echo p ${HOME} --a 1 --b > p.out",)
    assert one.executed[2].commands == ("echo 1 1-a w 😀",)
    assert [found.executed[-1].commands for found in (one, two)] == [
        ("echo 0.1 > ../end",),
        ("echo 0.001 > ../end",),
    ]
    assert one.executed[-1].deps == ("p.out", "w")
    assert middle.executed == ()
    assert names(middle.apart) == ["only"]


def test_dvcs_setting_of_how_a_mapping_is_spelt_in_a_command_is_obeyed(tmp_path: Path) -> None:
    repo = repository(tmp_path / "repo")
    dvc(repo.path, "init", "--quiet")
    dvc(repo.path, "config", "parsing.bool", "boolean_optional")
    root = written(
        repo.path, "stages:\n  a:\n    cmd: x ${opts}\n", params="opts: {b: false, c: true}\n"
    )
    assert pipeline.look([root])[0].executed[0].commands == ("x --no-b --c",)


@pytest.mark.parametrize(
    ("text", "error", "match"),
    [
        ("stages:\n  a:\n    cmd: echo ${nowhere}\n", BadFormatError, "nowhere"),
        ("stages:\n  a:\n    foreach: [1]\n", BadFormatError, "do"),
        ("stages:\n  a:\n    cmd: x\n    surprise: 1\n", BadFormatError, "surprise"),
        ("stages:\n  a:\n    cmd: x\n    deps: ['https://example.org/x']\n", DvcFailedError, "URL"),
        ("stages:\n  a:\n    cmd: x\n    outs: [../x]\n", UnsafeInputError, "../x"),
        ("stages:\n  a:\n    cmd: echo ${x}\n    outs: ['${o}']\n", UnsafeInputError, "../x"),
        ("stages: {a: {foreach: '${none}', do: {cmd: x}}}\n", BadFormatError, "a.foreach: ${none}"),
        ("stages: {a: {matrix: {b: '${none}'}, cmd: x}}\n", BadFormatError, "is empty"),
        ("stages: {a: {matrix: {b: '${x}'}, cmd: x}}\n", BadFormatError, "is no list and no"),
        ("stages: {a: {matrix: {}, cmd: x}}\n", BadFormatError, "a.matrix: {} is"),
        (FIVE_AXES, BadFormatError, "more than 10000"),
        (OVERLAP, BadFormatError, "o, of a and b"),
        (CIRCLE, BadFormatError, "a, b"),
        ("stages: {a: {cmd: x}, a: {cmd: y}}\n", BadFormatError, ""),
        ("stages:\n\ta: x\n", BadFormatError, ""),
    ],
)
def test_a_pipeline_that_cannot_be_executed_is_refused_with_the_reason(
    tmp_path: Path, text: str, error: type[Exception], match: str
) -> None:
    root = written(tmp_path, text, params="x: 1\no: ../x\nnone: []\n")
    with pytest.raises(error) as caught:
        pipeline.look([root])
    told = f"{caught.value} {getattr(caught.value, 'found', '')}"
    assert match in told
    assert str(tmp_path) not in told, "of a worktree that is gone by then"


def test_a_project_without_the_pipelines_file_says_so_and_one_with_a_command_has_no_stages(
    tmp_path: Path,
) -> None:
    with pytest.raises(NoPipelineError, match="not there") as caught:
        pipeline.look([(tmp_path, ProjectConfig(pipeline="ml/dvc.yaml"))])
    assert "gitexp init" not in caught.value.next_step, "settings are there, and init changes none"
    assert pipeline.look([(tmp_path, ProjectConfig(command="python train.py"))])[0].executed == ()


def test_a_pipeline_in_a_subfolder_of_a_subproject_has_paths_from_the_project(
    tmp_path: Path,
) -> None:
    written(
        tmp_path / "ml/pipe",
        "stages:\n  a:\n    cmd: x\n    deps: [in, ../../raw]\n    outs: [o]\n",
    )
    config = ProjectConfig(project="ml", pipeline="pipe/dvc.yaml")
    (stage,) = pipeline.look([(tmp_path, config)])[0].executed
    assert (stage.wdir, stage.deps, stage.outs) == (
        "pipe",
        ("pipe/in", "../raw"),
        (StageOut("pipe/o"),),
    )


CHAIN = """\
stages:
  z:
    cmd: z
    deps: [y.out]
    outs: [z.out]
  y:
    cmd: y
    frozen: true
    deps: [x.out]
    outs: [y.out]
  x:
    cmd: x
    outs: [x.out]
  each@a:
    cmd: a
    deps: [x.out]
  each@b:
    cmd: b
"""


@pytest.mark.parametrize(
    ("targets", "executed"),
    [
        ((), ["z", "x", "each@a", "each@b"]),
        (("z",), ["z"]),
        (("each",), ["x", "each@a", "each@b"]),
        (("each@a",), ["x", "each@a"]),
        (("x.out", "dvc.yaml:each@b"), ["x", "each@b"]),
    ],
)
def test_targets_take_what_they_need_along_and_frozen_stages_are_set_apart(
    tmp_path: Path, targets: tuple[str, ...], executed: list[str]
) -> None:
    root, _ = written(tmp_path, CHAIN)
    (found,) = pipeline.look([(root, ProjectConfig(pipeline="dvc.yaml", targets=targets))])
    assert names(found.executed) == executed
    assert set(names(found.executed)) | set(names(found.apart)) == {
        "x",
        "y",
        "z",
        "each@a",
        "each@b",
    }


def test_an_unknown_target_is_named(tmp_path: Path) -> None:
    root, _ = written(tmp_path, CHAIN)
    with pytest.raises(UsageError) as caught:
        pipeline.look([(root, ProjectConfig(pipeline="dvc.yaml", targets=("w",)))])
    assert caught.value.found == "w"


def stage(name: str, deps: str = "", outs: str = "", *params: StageParams) -> Stage:
    return Stage(
        name,
        (name,),
        deps=tuple(deps.split()),
        outs=tuple(StageOut(path) for path in outs.split()),
        params=params,
    )


STAGES = (
    stage("prepare", "raw.csv", "data"),
    stage("split", "data/clean.csv", "train.csv test.csv", StageParams("params.yaml", ("split",))),
    stage("train", "train.csv", "model", StageParams("params.yaml", ("train.seed",))),
    stage("evaluate", "model/weights test.csv", "scores.json"),
    stage("describe", "data", "summary.md", StageParams("params.yaml", ("seeds", "train.lr"))),
    stage("each@a", "", "a", StageParams("other.yaml", ())),
)


@pytest.mark.parametrize(
    ("key", "once", "named", "expected"),
    [
        ("train.seed", (), (), "train evaluate"),
        ("train", (), (), "train evaluate describe"),
        ("split.seed", (), (), "split train evaluate"),
        ("other.yaml:seed", (), (), "each@a"),
        ("train.seed other.yaml:seed", (), (), "train evaluate each@a"),
        ("train.seed", ("evaluate",), (), "train"),
        ("nobody.seed", (), (), ""),
        ("nobody.seed", (), ("prepare",), "prepare split train evaluate describe"),
        ("", (), (), "prepare split train evaluate describe each@a"),
        ("", ("each", "prepare"), (), "split train evaluate describe"),
    ],
)
def test_a_stage_is_seeded_if_a_declared_path_leads_to_the_seed(
    key: str, once: tuple[str, ...], named: tuple[str, ...], expected: str
) -> None:
    seeds = [param_key(each) for each in key.split()]
    assert pipeline.seeded(STAGES, seeds, once, named=named) == frozenset(expected.split())


def test_a_stage_that_depends_on_the_params_file_as_a_file_is_seeded() -> None:
    stages = (stage("a", "conf/params.yaml", "x"), stage("b", "conf", "y"), stage("c", "z", "w"))
    assert pipeline.seeded(stages, [ParamKey("conf/params.yaml", "seed")], ()) == {"a", "b"}


TOP_LEVEL = """\
stages:
  train:
    cmd: echo WORD
    outs: [eval]
metrics: [eval/metrics.json, ../beside.json, "WORD.json"]
plots:
- eval/roc.csv
- loss.csv: {x: step, y: loss}
- sizes.csv:
- both: {x: fpr, y: {eval/roc.csv: tpr, "WORD.csv": [a, b]}}
- axes: {x: {x.csv: step}, y: {y.csv: loss}}
params: [more.yaml]
artifacts:
  net: {path: "models/WORD.pt", type: model}
"""


@pytest.mark.parametrize("word", ["plain", "${word}"])
def test_what_stands_beside_the_stages_is_read_from_the_files_folder(
    word: str, tmp_path: Path
) -> None:
    place = tmp_path / "inner"
    place.mkdir()
    (place / "params.yaml").write_text("word: plain\n")
    for stages in (TOP_LEVEL, TOP_LEVEL.replace("echo WORD", "echo")):
        (place / "dvc.yaml").write_text(stages.replace("WORD", word))
        found = pipeline.look([(tmp_path, ProjectConfig(pipeline="inner/dvc.yaml"))])[0]
        assert found.top.metrics == ("inner/eval/metrics.json", "beside.json", "inner/plain.json")
        names = ("eval/roc.csv", "loss.csv", "sizes.csv", "plain.csv", "x.csv", "y.csv")
        assert found.top.plots == tuple(f"inner/{name}" for name in names)
        assert found.top.params == ("inner/more.yaml",)
        assert found.top.artifacts == ("inner/models/plain.pt",)
