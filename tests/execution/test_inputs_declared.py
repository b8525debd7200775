"""Declared mode of inputs through runs: what keeps samples, what a plan fixes, what a job lacks."""

from __future__ import annotations

import json
import sys
import venv
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import PreflightError, UsageError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.config import InputsMode
from gitexp.model.request import InitRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.views.diff import inputs
from gitexp.views.status import status
from tests.execution.test_inputs_rules import ASKED, TRAIN, bare, settings
from tests.execution.test_run import digest, plain, states
from tests.lab.build import repository

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import RunReport
    from tests.lab.build import BuiltRepo

MODE = ("  rules: 2\n", "  rules: 2\n  mode: declared\n")
LAST = "json.dump("
READS = f"import os\nextra = os.path.exists('extra.txt')\n{TRAIN}".replace("lr + ", "lr + extra + ")


def project(path: Path, train: str = TRAIN, *, declared: bool = True) -> BuiltRepo:
    repo = plain(path, train, outputs=(), dvc_init=False)
    if declared:
        repo.commit(settings(repo, MODE))
    return repo


def ran(repo: BuiltRepo, state: RepeatState = RepeatState.FINISHED) -> RunReport:
    done = run(repo.workspace, RunRequest(repeats=1))
    assert set(states(done)) == {state}, done.recorded[0].run.repeats[0].log_tail
    return done


def test_a_file_that_nothing_declares_keeps_all_samples_and_a_declared_byte_none(
    tmp_path: Path,
) -> None:
    repo = project(tmp_path / "p")
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    assert set(states(run(repo.workspace, RunRequest()))) == {RepeatState.FINISHED}
    repo.commit({"plot.py": "x = 1\n", "src/a.py": "x = 1\n", "conf/a.yaml": "a: 1\n"})
    assert run(repo.workspace, RunRequest()).recorded == ()
    assert len(status(repo.workspace).counted) == 2
    (found,) = compare(repo.workspace)
    assert (found.pairs, [item.what for item in found.changes or ()]) == (2, ["lr"])
    for path, more in (("train.py", "#\n"), ("params.yaml", "x: 1\n"), (".env", "x\n")):
        repo.commit({path: repo.show(path) + more if path != ".env" else more})
        assert status(repo.workspace).counted == (), path
        repo.git("reset", "-q", "--hard", "HEAD~1")


HIDDEN = {
    "a path": "from importlib import util\nspec = util.spec_from_file_location('h', 'lib/h.py')\n"
    "spec.loader.exec_module(util.module_from_spec(spec))\n",
    "a module": "import importlib, sys\nsys.path.insert(0, 'lib')\nimportlib.import_module('h')\n",
    "text": "exec(open('lib/h.py').read())\n",
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("how", HIDDEN)
def test_an_undeclared_helper_makes_no_result_and_is_named(tmp_path: Path, how: str) -> None:
    repo = project(tmp_path / "p", HIDDEN[how] + TRAIN)
    repo.commit({"lib/h.py": "x = 1\n"})
    done = ran(repo, RepeatState.FAILED)
    (said,) = [text for text in done.warnings if "was not there" in text]
    assert "was not there: nothing declares it, so no repeat sees it; gitexp init" in said
    path = said.partition(" ")[0]
    assert "lib/h.py".startswith(path)
    init(repo.workspace, InitRequest(add_inputs=(path,)))
    ran(repo)


@pytest.mark.parametrize("module", [True, False])
def test_a_package_below_src_that_is_installed_as_editable(tmp_path: Path, *, module: bool) -> None:
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv/bin/python"
    site = tmp_path / f"venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    (site / "p.pth").write_text(f"{tmp_path / 'p/src'}\n")
    repo = repository(tmp_path / "p")
    files = {"train": f"from p import model\n{TRAIN}", "model": "x = 1\n", "plot": "x = 1\n"}
    repo.commit({f"src/p/{name}.py": text for name, text in files.items()})
    script = {"train.py": "import p.train\n", "src/p/__init__.py": ""}
    repo.commit({**script, "params.yaml": "lr: 0.1\nseed: 7\n"})
    command = "python -m p.train" if module else "python train.py"
    asked = InitRequest(command=command, metrics=("metrics.json",), python=str(python))
    init(repo.workspace, asked)
    repo.commit(settings(repo, MODE))
    wanted = "src/p/model.py" if module else "src"
    done = ran(repo, RepeatState.FAILED)
    (said,) = [text for text in done.warnings if "was not there" in text]
    assert said.startswith(f"{wanted} was not there: nothing declares it")
    init(repo.workspace, InitRequest(add_inputs=(wanted,)))
    ran(repo)
    before = digest(repo)
    repo.commit({"src/p/plot.py": "x = 2\n"})
    assert (digest(repo) == before) is module


def test_a_project_in_a_larger_repository(tmp_path: Path) -> None:
    repo = repository(tmp_path / "r")
    stage = "stages:\n  a:\n    cmd: python src/train.py\n    deps: [src, ../shared/x.csv]\n"
    stage += "    params: [lr, seed]\n    metrics: [metrics.json: {cache: false}]\n"
    repo.commit({
        "sub/dvc.yaml": stage,
        "sub/src/train.py": f"open('../shared/x.csv').read()\n{TRAIN}", "shared/x.csv": "1\n",
        "sub/params.yaml": "lr: 0.1\nseed: 7\n", "sub/.gitignore": "/metrics.json\n",
    })  # fmt: skip
    init(repo.workspace, InitRequest(project="sub", dvc_init=True))
    repo.commit(settings(repo, MODE))
    ran(repo)
    before = digest(repo)
    repo.commit({"sub/plot.py": "x\n", "sub/lib/a.py": "x\n", "plot.py": "x\n", "shared/y": "x\n"})
    assert digest(repo) == before
    for path in ("sub/src/new.py", "shared/x.csv", "sub/dvc.yaml"):
        repo.commit({path: "stages: {}\n"})
        assert digest(repo) != before, path
        repo.git("reset", "-q", "--hard", "HEAD~1")


def test_groups_of_stages_run_on_what_their_templates_name(tmp_path: Path) -> None:
    repo = repository(tmp_path / "r")
    stages = """\
vars: [{dir: in}]
stages:
  each:
    foreach: [a, b]
    do:
      cmd: python ${item}.py
      deps: ['${dir}/${item}.csv']
      outs: ['${item}.txt': {cache: false}]
  grid:
    matrix: {m: [c]}
    cmd: python code/${item.m}.py
    deps: [a.txt, b.txt]
    params: [lr, seed]
    metrics: [metrics.json: {cache: false}]
"""
    files = {f"{x}.py": f"open('{x}.txt', 'w').write(open('in/{x}.csv').read())\n" for x in "ab"}
    repo.commit({
        **files, "in/a.csv": "1\n", "in/b.csv": "1\n", "code/c.py": TRAIN, "dvc.yaml": stages,
        "params.yaml": "lr: 0.1\nseed: 7\n", ".gitignore": "/metrics.json\n/?.txt\n",
    })  # fmt: skip
    init(repo.workspace, InitRequest(dvc_init=True))
    repo.commit(settings(repo, MODE))
    ran(repo)
    before = digest(repo)
    repo.commit({"README.txt": "x\n", "more/plot.R": "x\n", "conf/a.yaml": "x: 1\n"})
    assert digest(repo) == before
    for path in ("a.py", "in/b.csv", "code/c.py"):
        repo.commit({path: "x\n"})
        assert digest(repo) != before, path


PAPERMILL = """\
import json, sys
book = json.load(open(sys.argv[1]))
for cell in book["cells"]:
    exec("".join(cell["source"]), {"__name__": "__main__"})
json.dump(book, open(sys.argv[2], "w"))
"""


def test_a_notebook_that_a_command_executes(tmp_path: Path) -> None:
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "source": f"import helper\n{TRAIN}"}
    book = json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    repo = repository(tmp_path / "r")
    files = {"tools/mill.py": PAPERMILL, "train.ipynb": book, "look.ipynb": book}
    repo.commit({**files, "lib/helper.py": "", "params.yaml": "lr: 0.1\nseed: 7\n"})
    command = "PYTHONPATH=lib python tools/mill.py train.ipynb out.ipynb"
    init(repo.workspace, InitRequest(command=command, metrics=("metrics.json",)))
    repo.commit(settings(repo, MODE))
    ran(repo)
    before = digest(repo)
    repo.commit({"look.ipynb": "{}", "plot.py": "x\n"})
    assert digest(repo) == before
    repo.commit({"lib/helper.py": "x = 1\n"})
    assert digest(repo) != before


def test_a_plan_takes_no_file_from_a_baseline_whose_settings_count_it(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", READS, declared=False)
    repo.commit({"extra.txt": "1\n", "plot.py": "x = 1\n"})
    run(repo.workspace, RunRequest(repeats=2))
    repo.git("switch", "-q", "-c", "work")
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n", **settings(repo, MODE)})
    new(repo.workspace, replace(ASKED, here=True, baseline="main"))
    done = run(repo.workspace, RunRequest())
    theirs = {each.side: each.run.inputs for each in done.recorded}
    assert theirs == {"candidate": digest(repo), "baseline": digest(repo, "main")}
    assert run(repo.workspace, RunRequest()).recorded == ()
    (found,) = compare(repo.workspace)
    changes = {item.what for item in found.changes or ()}
    assert (found.pairs, changes) == (2, {"lr", "extra.txt", "plot.py"})
    assert [text for text in found.warnings if "in jobs of the baseline alone" in text]
    told = inputs(repo.workspace, "main", "work")
    assert {item.what for item in told.reasons} == changes
    assert (len(told.runs_a), len(told.runs_b)) == (2, 1)


def test_what_later_settings_include_changes_nothing(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", f"open('lib/h.py').read()\n{TRAIN}", declared=False)
    repo.commit({"lib/h.py": "x = 1\n", "lib/i.py": "x = 1\n"})
    repo.git("switch", "-q", "-c", "work")
    repo.commit(settings(repo, MODE, ("include: []", "include: [lib/h.py]")))
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    new(repo.workspace, replace(ASKED, here=True, baseline="main"))
    assert set(states(run(repo.workspace, RunRequest()))) == {RepeatState.FINISHED}
    repo.commit(settings(repo, ("include: [lib/h.py]", "include: [lib/h.py, lib/j.py]")))
    assert run(repo.workspace, RunRequest()).recorded == ()
    assert compare(repo.workspace)[0].pairs == 2


def test_a_switch_takes_effect_with_the_next_plan(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", declared=False)
    repo.commit({"plot.py": "x = 1\n"})
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    run(repo.workspace, RunRequest())
    repo.commit(settings(repo, MODE))
    assert run(repo.workspace, RunRequest()).recorded == ()
    assert compare(repo.workspace)[0].pairs == 2
    assert not [text for text in compare(repo.workspace)[0].warnings if "declared mode" in text]
    repo.commit({"plot.py": "x = 2\n"})
    assert status(repo.workspace).counted == (), "by the plan's mode it counts"
    assert layout.CONFIG in repo.files()


USES = """\
import csv, glob, os
import helper
open("conf/a.yaml").read()
rows = [open(os.path.join("parts", name)).read() for name in sorted(os.listdir("parts"))]
"""
THERE = {
    "helper.py": "import deep.inner\n", "deep/__init__.py": "", "deep/inner.py": "",
    "conf/a.yaml": "a: 1\n", "conf/b.yaml": "a: 1\n", "parts/1.csv": "1\n", "parts/2 *.csv": "1\n",
    "plot.py": "import helper\n", "tests/test_a.py": "x = 1\n", "lazy.py": "",
}  # fmt: skip
IN_USE = ["/conf/a.yaml", "/deep/__init__.py", "/deep/inner.py", "/helper.py", "/lazy.py"]


def test_init_proposes_what_the_last_run_used(tmp_path: Path) -> None:
    lazy = "def never():\n    import lazy\n"
    repo = project(tmp_path / "p", USES + lazy + TRAIN, declared=False)
    repo.commit(THERE)
    asked = InitRequest(inputs=InputsMode.DECLARED)
    with pytest.raises(PreflightError, match="none of inputs") as refused:
        init(repo.workspace, asked)
    assert refused.value.next_step == "gitexp run"
    before = ran(repo)
    repo.commit({"notes.txt": "x\n"})
    with pytest.raises(PreflightError, match="none of inputs"):
        init(repo.workspace, asked)
    repo.git("reset", "-q", "--hard", "HEAD~1")
    report = init(repo.workspace, asked)
    assert sorted(report.config.inputs_include) == [
        *IN_USE, "/parts/1.csv", "/parts/2\\ \\*.csv"
    ]  # fmt: skip
    assert "  mode: declared\n" in repo.show(layout.CONFIG)
    after = ran(repo)
    assert after.recorded[0].samples[0].value == before.recorded[0].samples[0].value
    assert not [text for text in after.warnings if "--inputs tree" in text]
    kept = digest(repo)
    repo.commit({"plot.py": "x\n", "more.py": "x\n", "conf/b.yaml": "b: 2\n"})
    assert digest(repo) == kept
    for path in THERE.keys() - {"plot.py", "conf/b.yaml", "tests/test_a.py"}:
        repo.commit({path: "# other\n"})
        assert digest(repo) != kept, path
        repo.git("reset", "-q", "--hard", "HEAD~1")
    assert init(repo.workspace, InitRequest(inputs=InputsMode.TREE)).config.inputs_include
    assert "  mode: tree\n" in repo.show(layout.CONFIG)


def test_a_number_that_is_another_one_in_declared_mode_is_a_warning(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", READS, declared=False)
    repo.commit({"extra.txt": "1\n"})
    before = ran(repo).recorded[0].samples[0].value
    report = init(repo.workspace, InitRequest(inputs=InputsMode.DECLARED))
    assert report.config.inputs_include == (), "nobody hears that a script asks whether it exists"
    done = ran(repo)
    after = done.recorded[0].samples[0].value
    (said,) = [text for text in done.warnings if "--inputs tree" in text]
    assert said.startswith(f"acc of seed 7 is {after!r}, and was {before!r} before")


def test_what_was_not_observed_proposes_nothing(tmp_path: Path) -> None:
    repo = repository(tmp_path / "p")
    files = {"run.sh": "python train.py\n", "train.py": TRAIN}
    repo.commit({**files, "params.yaml": "lr: 0.1\nseed: 7\n"})
    init(repo.workspace, InitRequest(command="sh run.sh", metrics=("metrics.json",)))
    ran(repo)
    with pytest.raises(PreflightError, match="a script of sh") as refused:
        init(repo.workspace, InitRequest(inputs=InputsMode.DECLARED))
    assert "by hand" in (refused.value.next_step or "")
    older = bare(tmp_path / "older", TRAIN)
    with pytest.raises(UsageError, match="and nothing else"):
        init(older.workspace, InitRequest(inputs=InputsMode.DECLARED))
    fresh = repository(tmp_path / "new")
    fresh.commit(files)
    with pytest.raises(PreflightError, match="no settings yet"):
        init(fresh.workspace, InitRequest(command="sh x", inputs=InputsMode.DECLARED))


def test_many_files_of_a_folder_are_noted_as_all_of_it(tmp_path: Path) -> None:
    line = "for n in range(25):\n    open(f'in/{n}.txt').read()\n"
    repo = project(tmp_path / "p", line + TRAIN, declared=False)
    repo.commit({f"in/{n}.txt": "x\n" for n in range(30)})
    ran(repo)
    report = init(repo.workspace, InitRequest(inputs=InputsMode.DECLARED))
    assert len(report.config.inputs_include) == 30


def test_status_and_inputs_say_which_mode_would_leave_a_new_file_out(tmp_path: Path) -> None:
    repo = project(tmp_path / "p", declared=False)
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    run(repo.workspace, RunRequest())
    repo.commit({"plot.py": "x\n"})
    way = "gitexp init --inputs declared would leave it out"
    assert any(f"plot.py is new; {way}" in text for text in status(repo.workspace).not_counted)
    assert f"plot.py: {way}" in inputs(repo.workspace, "HEAD~1", "HEAD").notes
    repo.commit({"train.py": f"{TRAIN}#\n"})
    assert not any(way in text for text in status(repo.workspace).not_counted)
    assert not any(way in text for text in inputs(repo.workspace, "HEAD~1", "HEAD").notes)
