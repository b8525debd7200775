"""What the digest of inputs leaves out, no repeat sees: no helper hides in it and makes a result.

The control is in each list: what counts is there, as are the few files that DVC and Git read.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.dvc import inputs
from gitexp.dvc.input_parts import left_out
from gitexp.dvc.state import ProjectState
from gitexp.enforcement.review import review
from gitexp.execution.run import run
from gitexp.experiments.new import new
from gitexp.git import objects, repository
from gitexp.git.transaction import layout
from gitexp.model.request import RunRequest
from gitexp.model.run import RepeatState
from gitexp.records import config as config_format
from gitexp.store import plans
from tests.execution.test_inputs_declared import MODE, READS
from tests.execution.test_inputs_rules import ASKED, settings
from tests.execution.test_run import plain, states

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

# Everything that lies in the job's folder and is no empty file.
LISTS: Final = """\
import json, os, random, re
seed = int(re.search(r"seed: (\\d+)", open("params.yaml").read())[1])
there = [
    os.path.relpath(os.path.join(folder, name))
    for folder, _, names in os.walk(".") for name in names
    if os.path.getsize(os.path.join(folder, name))
]
os.makedirs("made", exist_ok=True)
open("made/new.txt", "w").write(str(seed))
open("curve.csv", "w").write(f"name,step,value\\nloss,1,{seed}\\n")
open("plots/curve.csv", "w").write(f"name,step,value\\nauc,1,{seed}\\n")
open("model.txt", "w").write(json.dumps(sorted(there)))
json.dump({"acc": random.Random(seed).random()}, open("metrics.json", "w"))
"""
READ_BY_OTHERS: Final = {
    ".git", ".gitignore", ".dvc/config", ".dvc/config.local", ".dvc/.gitignore", ".dvcignore",
    "made.dvc", "model.txt.dvc",  # pointers to what the last run made
}  # fmt: skip
HIDDEN: Final = {
    "helper.py": "x = 1\n",  # by inputs.ignore
    "lib/a/deep.py": "x = 1\n",  # all of a folder, by inputs.ignore
    "docs/helper.py": "x = 1\n",  # by the settings' own default
    "README.md": "0.9\n",
    "README.0.9": "0.9\n",
    ".gitexp/helper.py": "x = 1\n",
    ".gitexp/environments/helper.py": "x = 1\n",
    ".dvc/helper.py": "x = 1\n",
    "lib/.dvc/config.py": "x = 1\n",
    "curve.csv": "name,step,value\nloss,1,0.9\n",  # outputs by name
    "plots/curve.csv": "name,step,value\nauc,1,0.9\n",
    "predictions.csv": "id,y_true,y_pred\na,1,1\n",
    "made/old.txt": "0.9\n",
}
COUNTED: Final = {"train.py", "params.yaml", "lib/used.py"}


@pytest.fixture
def project(tmp_path: Path) -> BuiltRepo:
    repo = plain(tmp_path / "p", LISTS)
    config = config_format.load(repo.show(layout.CONFIG).encode(), "config")
    widened = replace(
        config,
        inputs_ignore=(*config.inputs_ignore, "/helper.py", "/lib/a/"),
        curves=("curve.csv", "plots/curve.csv"),
        outputs=(*config.outputs, "made"),
    )
    files = {layout.CONFIG: config_format.dump_template(widened), **HIDDEN}
    repo.commit({**files, "lib/used.py": "x = 1\n"})
    return repo


def test_what_a_job_leaves_out_is_all_that_no_input_covers(project: BuiltRepo) -> None:
    repo = repository.open_repository(project.workspace)
    commit = objects.resolve(repo, "HEAD")
    config, _ = plans.config_of(repo, commit)
    tree = objects.commit_info(repo, commit).tree
    gone = left_out(ProjectState(repo, tree, config), ())
    hidden = {path for path in HIDDEN if any(f"{path}/".startswith(f"{each}/") for each in gone)}
    assert set(HIDDEN) - hidden == {
        "predictions.csv",  # no setting names it
        ".gitexp/helper.py",  # gitexp's own folder is in no worktree of a job
        ".gitexp/environments/helper.py",
    }
    assert "plots/curve.csv" in gone, "the folder stays: a script writes into it, as in a clone"
    counted = inputs.counted_files(repo, tree, config)
    assert not any(f"{path}/".startswith(f"{each}/") for path in counted for each in gone)


def test_no_repeat_sees_what_no_input_covers(project: BuiltRepo) -> None:
    for _ in range(2):  # a worktree that was used before, too
        done = run(project.workspace, RunRequest(repeats=2, jobs=1))
        assert set(states(done)) == {RepeatState.FINISHED}
    out = done.recorded[0].run.repeats[0].outputs
    (model,) = [item for item in out if item.path == "model.txt"]
    cached = project.path / ".dvc/cache/files/md5" / model.md5[:2] / model.md5[2:]
    there = set(json.loads(cached.read_text()))
    assert there - READ_BY_OTHERS == COUNTED | {"predictions.csv"}


def test_by_rules_2_a_repeat_sees_what_the_digest_covers(tmp_path: Path) -> None:
    """A helper among tests, in notes or in a linter's table makes no result."""
    helpers = ("tests/helper.py", "src/tests/helper.py", "conftest.py", "notes/a.md", "ruff.toml")
    table = '\n[tool.ruff]\nhelper = "0.9"\n'
    script = LISTS.replace(
        "json.dumps(sorted(there))", "json.dumps(sorted(there)) + open(P).read()"
    )
    script = script.replace('"plots/', '"made/')
    repo = plain(tmp_path / "p", f"P = 'pyproject.toml'\n{script}")
    package = '# why\n[project]\nname = "p"\n'
    repo.commit({**dict.fromkeys(helpers, "x = 1\n"), "pyproject.toml": package})
    repo.commit({"docs/pyproject.toml": package}, at=2)  # which is left out, not written
    first = run(repo.workspace, RunRequest(repeats=1))
    repo.commit({**dict.fromkeys(helpers, "x = 2\n"), "pyproject.toml": package + table})
    second = run(repo.workspace, RunRequest(repeats=1, again=True))
    assert first.recorded[0].run.inputs == second.recorded[0].run.inputs
    for done in (first, second):
        assert set(states(done)) == {RepeatState.FINISHED}
        assert not any("rewrote" in text for text in done.warnings)
        (model,) = [o for o in done.recorded[0].run.repeats[0].outputs if o.path == "model.txt"]
        text = (repo.path / ".dvc/cache/files/md5" / model.md5[:2] / model.md5[2:]).read_text()
        there, _, read = text.partition("]")
        seen = set(json.loads(f"{there}]")) - READ_BY_OTHERS
        assert seen == {"train.py", "params.yaml", "pyproject.toml"}
        assert read == '[project]\nname = "p"\n'
    assert repo.status() == []


def test_a_repeat_that_misses_such_a_file_is_told_why(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", "import helper\n")
    config = repo.show(layout.CONFIG).replace("ignore: [", "ignore: [/helper.py, ")
    repo.commit({"helper.py": "BASE = 1\n", layout.CONFIG: config})
    done = run(repo.workspace, RunRequest(repeats=1))
    assert set(states(done)) == {RepeatState.FAILED}
    (said,) = [text for text in done.warnings if "inputs.ignore" in text]
    assert said.startswith("helper.py was not there")


@pytest.mark.parametrize("on_main", [False, True], ids=["a-plans-alone", "mains-too"])
def test_a_plan_takes_an_optional_file_only_from_a_baseline_in_declared_mode(
    tmp_path: Path, *, on_main: bool
) -> None:
    """Else the file that a candidate declares would be its gain, and main had it all along."""
    repo = plain(tmp_path / "p", READS, outputs=(), dvc_init=False)
    repo.commit({"extra.txt": "1\n", **(settings(repo, MODE) if on_main else {})})
    repo.git("switch", "-q", "-c", "work")
    include = "  include: [extra.txt]\n"
    mode = () if on_main else (MODE,)
    repo.commit(settings(repo, *mode, ("  include: []\n", include)))
    new(repo.workspace, replace(ASKED, here=True, baseline="main"))
    repo.commit({"plot.py": "x = 1\n", "params.yaml": "lr: 0.2\nseed: 7\n"})
    run(repo.workspace, RunRequest())
    (item,) = review(repo.workspace, "main...work").experiments
    assert item.comparison is not None
    assert item.comparison.pairs == 2
    assert item.comparison.metrics[0].difference == pytest.approx(1.1 if on_main else 0.1)
    changes = {each.what for each in item.comparison.changes or ()}
    assert changes == {"lr", *(["extra.txt"] if on_main else [])}
    warned = [text for text in item.comparison.warnings if "jobs of the baseline alone" in text]
    assert bool(warned) is not on_main
