"""Rules 2 of inputs, through runs: what keeps samples, what a plan fixes, what a job lacks."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import compare
from gitexp.errors import PreflightError, UsageError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.config import DEFAULT_INPUTS_IGNORE, ParamKey
from gitexp.model.plan import Direction
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.model.run import RepeatState
from gitexp.records import config as config_format
from gitexp.views.diff import inputs
from gitexp.views.status import status
from tests.execution.test_run import digest, plain, states
from tests.lab.build import DVC_FILES, repository

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo

TRAIN = """\
import json, os, random, re
text = open("params.yaml").read()
seed, lr = int(re.search(r"seed: (\\d+)", text)[1]), float(re.search(r"lr: ([\\d.]+)", text)[1])
json.dump({"acc": lr + random.Random(seed).random()}, open("metrics.json", "w"))
"""
PACKAGE = '[project]\nname = "p"\nversion = "1"\nreadme = "README.md"\n'
ASKED = NewRequest(
    name="up",
    hypothesis="a higher rate raises acc by at least 1%",
    metric="acc",
    effect=">= +1%",
    direction=Direction.MAX,
    repeats=2,
)
RULES = ("  ignore: [", "  rules: 2\n  ignore: [")


def settings(repo: BuiltRepo, *changes: tuple[str, str]) -> dict[str, str]:
    text = repo.show(layout.CONFIG)
    for old, new_ in changes:
        assert old in text
        text = text.replace(old, new_, 1)
    return {layout.CONFIG: text}


def bare(path: Path, train: str) -> BuiltRepo:
    """A project of an earlier release, by rules 1."""
    repo = plain(path, train, outputs=(), dvc_init=False)
    config = config_format.load(repo.show(layout.CONFIG).encode(), "config")
    older = replace(config, inputs_rules=1, inputs_ignore=DEFAULT_INPUTS_IGNORE)
    repo.commit({layout.CONFIG: config_format.dump_template(older)})
    return repo


def test_init_writes_rules_2_for_a_new_project_alone(tmp_path: Path) -> None:
    repo = plain(tmp_path / "p", outputs=(), dvc_init=False)
    assert "  rules: 2\n  include: []\n" in repo.show(layout.CONFIG)
    older = bare(tmp_path / "older", TRAIN)
    before = older.show(layout.CONFIG)
    init(older.workspace, InitRequest(metrics=("m.json",)))
    assert older.show(layout.CONFIG) == before.replace("metrics.json", "m.json")
    with pytest.raises(UsageError, match="and nothing else"):
        init(older.workspace, InitRequest(add_inputs=("tests/a.py",)))


def project(path: Path, train: str = TRAIN) -> BuiltRepo:
    repo = bare(path, train)
    files = {"README.md": "a\n", "tests/test_a.py": "x = 1\n", "pyproject.toml": PACKAGE}
    repo.commit({**files, **settings(repo, RULES)})
    return repo


def test_what_nothing_declares_keeps_all_samples_and_what_counts_none(tmp_path: Path) -> None:
    repo = project(tmp_path / "p")
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    first = run(repo.workspace, RunRequest())
    assert set(states(first)) == {RepeatState.FINISHED}
    linted = f'# why\n{PACKAGE}\n[tool.ruff]\nselect = ["ALL"]\n[dependency-groups]\ndev = ["x"]\n'
    repo.commit(
        {"tests/test_b.py": "x", "look.ipynb": "{}", "todo.md": "x", "pyproject.toml": linted}
    )
    assert run(repo.workspace, RunRequest()).recorded == ()
    assert len(status(repo.workspace).counted) == 2
    (found,) = compare(repo.workspace)
    assert found.pairs == 2
    assert found.changes is not None
    assert [item.what for item in found.changes] == ["lr"]
    for path in ("README.md", "train.py", "pyproject.toml"):
        repo.commit({path: f"{repo.show(path)}\n" + ("x = 1\n" if path != "train.py" else "#\n")})
        assert status(repo.workspace).counted == (), path
        repo.git("reset", "-q", "--hard", "HEAD~1")


def test_a_plan_fixes_the_rules_for_a_baseline_without_them(tmp_path: Path) -> None:
    repo = bare(tmp_path / "p", TRAIN)
    repo.commit({"tests/test_a.py": "x = 1\n"})
    repo.git("switch", "-q", "-c", "work")
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n", **settings(repo, RULES)})
    new(repo.workspace, replace(ASKED, here=True, baseline="main"))
    done = run(repo.workspace, RunRequest())
    assert set(states(done)) == {RepeatState.FINISHED}
    theirs = {each.side: each.run.inputs for each in done.recorded}
    assert theirs["candidate"] == digest(repo)
    assert theirs["baseline"] != digest(repo, "main"), "by its own settings its tests count"
    repo.git("switch", "-q", "main")
    repo.commit({"tests/test_a.py": None})
    assert theirs["baseline"] == digest(repo), "the folder without them is the one that ran"
    repo.git("switch", "-q", "work")
    assert run(repo.workspace, RunRequest()).recorded == ()
    (found,) = compare(repo.workspace)
    assert (found.pairs, [item.what for item in found.changes or ()]) == (2, ["lr"])
    assert not any("other inputs" in text for text in found.warnings)


def test_a_switch_takes_effect_with_the_next_plan(tmp_path: Path) -> None:
    repo = bare(tmp_path / "p", TRAIN)
    repo.commit({"tests/test_a.py": "x = 1\n"})
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    done = run(repo.workspace, RunRequest())
    repo.commit(settings(repo, RULES))
    assert run(repo.workspace, RunRequest()).recorded == ()
    assert compare(repo.workspace)[0].pairs == 2
    assert len(status(repo.workspace).counted) == 2
    repo.commit({"tests/test_a.py": "x = 2\n"})
    assert status(repo.workspace).counted == (), "by the plan's rules a test counts"
    assert done.recorded[0].run.inputs != digest(repo)


MISSES = {
    "a file": ("open('prompts/judge.md').read()\n", "prompts/judge.md", "Markdown"),
    "a module": ("import tests.helpers\n", "tests", "a test"),
    "a name": ("from src import test_data\n", "src/test_data.py", "a test"),
    "a notebook": ("open('a.ipynb').read()\n", "a.ipynb", "a notebook"),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("what", MISSES)
def test_a_repeat_that_lacks_a_file_says_which_why_and_what_to_type(
    tmp_path: Path, what: str
) -> None:
    line, path, why = MISSES[what]
    repo = project(tmp_path / "p", line + TRAIN)
    files = ("prompts/judge.md", "tests/helpers.py", "src/test_data.py", "src/a.py", "a.ipynb")
    repo.commit(dict.fromkeys(files, "x = 1\n"))
    done = run(repo.workspace, RunRequest(repeats=1))
    assert set(states(done)) == {RepeatState.FAILED}
    (said,) = [text for text in done.warnings if "was not there" in text]
    assert said.startswith(f"{path} was not there: it is {why}, and no stage names it")
    assert f"gitexp init --add-inputs {path}" in said
    before = repo.show(layout.CONFIG)
    init(repo.workspace, InitRequest(add_inputs=(path,)))
    assert f"include: [{path}]" in repo.show(layout.CONFIG)
    assert len(repo.show(layout.CONFIG)) - len(before) < 80, "comments stay"
    again = run(repo.workspace, RunRequest(repeats=1))
    assert set(states(again)) == {RepeatState.FINISHED}, again.recorded[0].run.repeats[0].log_tail


@pytest.mark.sweep(2)
@pytest.mark.parametrize("rules", [1, 2])
@pytest.mark.parametrize(
    ("line", "file", "whole"),
    [
        ("import test_helper\n", "test_helper.py", "test_helper.py"),
        ("import tests.helper\n", "tests/helper.py", "tests"),
    ],
)
def test_the_next_step_is_about_the_settings_that_leave_a_module_out(
    tmp_path: Path, line: str, file: str, whole: str, rules: int
) -> None:
    repo = bare(tmp_path / "p", line + TRAIN)
    changes = [RULES] if rules == 2 else [("  ignore: [", f'  ignore: ["{whole}", ')]
    repo.commit({file: "x = 1\n", **settings(repo, *changes)})
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    run(repo.workspace, RunRequest(keep_going=True))
    step = status(repo.workspace).next_step
    assert "PYTHONPATH" not in step
    way = f"take {whole} out of inputs.ignore in .gitexp/config.yaml"
    assert (f"gitexp init --add-inputs {whole}" if rules == 2 else way) in step


def test_status_names_each_variant_that_ran_and_is_not_committed(tmp_path: Path) -> None:
    repo = bare(tmp_path / "p", TRAIN)
    new(repo.workspace, replace(ASKED, repeats=1))
    repo.commit({"params.yaml": "lr: 0.15\nseed: 7\n"})
    for rate in (0.2, 0.3, 0.4, 0.5):
        asked = RunRequest(params=((ParamKey("params.yaml", "lr"), rate),))
        assert set(states(run(repo.workspace, asked))) == {RepeatState.FINISHED}
    assert status(repo.workspace).not_counted == (
        *(f"1 repeat ran with lr = {rate}, which is not committed" for rate in (0.5, 0.4, 0.3)),
        "and 1 more; gitexp list --runs shows all",
    )


def test_the_answer_on_inputs_tells_both_rules(tmp_path: Path) -> None:
    repo = bare(tmp_path / "p", TRAIN)
    repo.commit({"tests/test_a.py": "x = 1\n"})
    view = inputs(repo.workspace, "HEAD~1", "HEAD")
    assert [item.what for item in view.reasons] == ["tests/test_a.py"]
    assert [note for note in view.notes if "{rules: 2}" in note] == [
        "with inputs: {rules: 2} in .gitexp/config.yaml they would share samples"
    ]
    repo.commit(settings(repo, RULES))
    view = inputs(repo.workspace, "HEAD~2", "HEAD")
    assert view.shared
    assert [note for note in view.notes if "{rules: 2}" in note] == [
        "without inputs: {rules: 2} in .gitexp/config.yaml they would differ: tests/test_a.py"
    ]


# Layouts that no rule may lock out: files, and what the script does with them.
SRC = {"pyproject.toml": PACKAGE, "README.md": "a\n", "src/p/__init__.py": "LR = 1\n"}
LAYOUTS: dict[str, tuple[dict[str, str], str]] = {
    "src layout": (SRC, "import sys; sys.path.insert(0, 'src'); import p\n"),
    "a folder of settings": (
        {"conf/config.yaml": "a: 1\n", "conf/model/tests.yaml": "a: 1\n"},
        "import os; assert sorted(os.listdir('conf/model')) == ['tests.yaml']\n",
    ),
    "a root that is looked for": (
        {"pyproject.toml": "[tool.ruff]\nline-length = 100\n"},
        (
            "import pathlib\n"
            "up = [d for d in (pathlib.Path.cwd(), *pathlib.Path.cwd().parents) "
            "if (d / 'pyproject.toml').exists()]\n"
            "assert up[0] == pathlib.Path.cwd(), up\n"
        ),
    ),
    "a version that is read": (
        {"pyproject.toml": PACKAGE},
        (
            "import tomllib\n"
            "assert tomllib.load(open('pyproject.toml', 'rb'))['project']['version'] == '1'\n"
        ),
    ),
}


@pytest.mark.sweep(2)
@pytest.mark.parametrize("layout_", LAYOUTS)
def test_no_layout_is_locked_out(tmp_path: Path, layout_: str) -> None:
    files, line = LAYOUTS[layout_]
    repo = bare(tmp_path / "p", line + TRAIN)
    repo.commit({**files, **settings(repo, RULES)})
    (tmp_path / "p/.venv/lib").mkdir(parents=True)  # in the tree, and none of Git's
    repo.commit({".gitignore": "/.venv/\n"})
    done = run(repo.workspace, RunRequest(repeats=2))
    assert set(states(done)) == {RepeatState.FINISHED}, json.dumps(done.warnings)
    assert done.recorded[0].run.inputs == digest(repo)
    assert repo.status() == []


def test_a_change_that_no_job_sees_is_named_where_both_sides_are_equal(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", f"import glob\n{TRAIN}", outputs=(), dvc_init=False)
    repo.commit({"kb/a.md": "a\n"}, at=2)
    new(repo.workspace, ASKED)
    repo.commit({"kb/b.md": "b\n"}, at=3)
    with pytest.raises(PreflightError, match="same inputs") as refused:
        run(repo.workspace)
    assert "kb/b.md of one side alone is in no job" in refused.value.found
    assert refused.value.next_step.startswith("gitexp init --add-inputs kb/b.md, where a job reads")
    init(repo.workspace, InitRequest(add_inputs=("kb/b.md",)))


NO_CHANGE = "; nothing was changed that acts on a result"


@pytest.mark.sweep
@pytest.mark.parametrize("project", ["", "sub/"])
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("model.pkl.dvc", f"outs:\n- md5: {'0' * 32}\n  path: model.pkl\n"),
        ("metrics.json", '{"acc": 1}\n'),
        ("docs/curve.png", "a\n"),
        (
            "docs/curve.png.dvc",
            f"outs:\n- md5: {'0' * 32}\n  path: curve.png\n",
        ),
        ("docs/.gitignore", "/curve.png\n"),
        (".gitignore", "/model.pkl\n"),
    ],
)
def test_an_output_is_never_proposed_as_an_input(
    tmp_path: Path, path: str, content: str, project: str
) -> None:
    repo = repository(tmp_path / "r")
    repo.commit({f"{project}train.py": TRAIN, "README.md": "a\n"})
    outs = ("model.pkl", "docs/curve.png")
    asked = InitRequest(
        command="python train.py",
        metrics=("metrics.json",),
        outputs=outs,
        project=project.rstrip("/") or None,
        dvc_init=True,
    )
    init(repo.workspace, asked)
    new(repo.workspace, ASKED)
    repo.commit({f"{project}{path}": content}, at=3)
    with pytest.raises(PreflightError, match="same inputs") as refused:
        run(repo.workspace)
    assert refused.value.found.endswith(NO_CHANGE), refused.value
    assert "add-inputs" not in (refused.value.next_step or "")
    assert "change it" in (refused.value.next_step or "")


LIVE = """\
import json, os, pathlib, random, re
text = open("params.yaml").read()
seed, lr = int(re.search(r"seed: (\\d+)", text)[1]), float(re.search(r"lr: ([\\d.]+)", text)[1])
acc, old = lr + random.Random(seed).random(), pathlib.Path("logs/live/metrics.json")
os.makedirs("logs/live/plots/metrics", exist_ok=True)
seen = json.load(open(old))["acc"] if old.exists() else 0
json.dump({"acc": acc, "seen": seen}, open(old, "w"))
open("logs/live/params.yaml", "w").write(text)
open("logs/live/plots/metrics/acc.tsv", "w").write(f"step\\tacc\\n0\\t{acc}\\n")
"""
DECLARED = """\
params:
- logs/live/params.yaml
metrics:
- logs/live/metrics.json
plots:
- logs/live/plots/metrics:
    x: step
"""
STAGE = (
    "stages:\n  train:\n    cmd: python train.py\n    deps: [train.py]\n    params: [lr, seed]\n"
)


def trained(path: Path, *, stages: bool, train: str = LIVE) -> BuiltRepo:
    """A project whose training was called by hand, with all that DVCLive writes committed."""
    repo = repository(path)
    repo.commit({**DVC_FILES, "train.py": train, "params.yaml": "lr: 0.25\nseed: 7\n"})
    by_hand(repo)
    repo.commit({"dvc.yaml": DECLARED + STAGE * stages})
    repo.git("add", "-A")
    repo.git("commit", "-qm", "trained")
    made = init(
        repo.workspace, InitRequest(command=None if stages else "python train.py", dvc_init=True)
    )
    assert not [note for note in made.notes if "holds its seed" in note], made.notes
    assert "params: [params.yaml]\n" in repo.show(layout.CONFIG)
    return repo


def by_hand(repo: BuiltRepo) -> None:
    subprocess.run([sys.executable, "train.py"], cwd=repo.path, check=True)


@pytest.mark.sweep(1)
@pytest.mark.parametrize("stages", [False, True])
def test_what_dvclive_writes_is_of_a_training_and_stops_none(
    tmp_path: Path, *, stages: bool
) -> None:
    repo = trained(tmp_path / "p", stages=stages)
    new(repo.workspace, ASKED)
    repo.commit({"params.yaml": "lr: 0.5\nseed: 7\n"})
    by_hand(repo)
    written = repo.status()
    assert len(written) == 3
    assert "--commit" not in status(repo.workspace).next_step
    first = run(repo.workspace, RunRequest())
    assert set(states(first)) == {RepeatState.FINISHED}
    seen = {row.value for each in first.recorded for row in each.samples if row.metric == "seen"}
    assert seen == {0}, "no repeat saw a score that was committed, or left there"
    assert [
        x for each in first.recorded for repeat in each.run.repeats for x in repeat.warnings
    ] == []
    assert repo.status() == written, "and what lay in the work tree is there"
    repo.git("commit", "-qam", "trained by hand")
    assert run(repo.workspace, RunRequest()).recorded == (), "its commit has the same inputs"
    (found,) = compare(repo.workspace)
    assert found.pairs == 2
    assert [item.what for item in found.changes or ()] == ["lr"]


@pytest.mark.parametrize("stages", [False, True])
def test_a_score_that_dvclive_left_before_is_not_read(tmp_path: Path, *, stages: bool) -> None:
    repo = trained(tmp_path / "p", stages=stages)
    repo.commit({"train.py": "print('no metrics')\n"})
    ran = run(repo.workspace, RunRequest())
    assert not [row for each in ran.recorded for row in each.samples]
