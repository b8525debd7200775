"""What somebody sees who has just begun: which Python ran, what was lost, what to type next."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.errors import GitexpError, PreflightError, UnknownParamError
from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.model.config import ParamKey
from gitexp.model.plan import Direction, SeedOrigin
from gitexp.model.request import InitRequest, NewRequest, RunRequest
from gitexp.report import views
from tests.execution.test_run import PLAIN_TRAIN, plain
from tests.lab.build import dvc
from tests.lab.build import repository as build_repository

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.report import ProgressEvent, RunReport
    from tests.lab.build import BuiltRepo

LEAVES = f"""{PLAIN_TRAIN}
os.makedirs("checkpoints", exist_ok=True)
for n in range(3):
    open(f"checkpoints/{{n}}.bin", "w").write("x")
open("vocabulary.txt", "w").write("x")
os.makedirs("__pycache__", exist_ok=True)
open("__pycache__/a.pyc", "w").write("x")
open("trace.log", "w").write("x")
"""


def src_layout(path: Path, train: str = "import pkg.missing\n") -> BuiltRepo:
    repo = build_repository(path)
    repo.commit({"src/pkg/__init__.py": "", "src/pkg/train.py": train, ".gitignore": "*.log\n"})
    init(repo.workspace, InitRequest(command="python -m pkg.train"))
    return repo


def test_a_failed_repeat_shows_the_last_line_the_interpreter_and_the_log_to_look_at(
    tmp_path: Path,
) -> None:
    repo = plain(tmp_path / "r", "print('begun')\nimport a_module_of_nowhere\n")
    events: list[ProgressEvent] = []
    report = run(repo.workspace, RunRequest(repeats=3), tell=events.append)
    last = "ModuleNotFoundError: No module named 'a_module_of_nowhere'"
    assert any(event.message.endswith(last) for event in events)
    text = views.render(report, "text")
    assert f"  {last}\n" in text
    assert re.search(rf"^python +{re.escape(report.python)}$", text, re.MULTILINE)
    assert report.python.startswith("/")
    assert report.next_step == f"gitexp logs {report.recorded[0].run.id[:8]}"
    assert f"a_module_of_nowhere is not installed for {report.python}" in text
    assert "exploratory: seeds 8, 9 not begun" in text
    assert "--keep-going" in text


def test_a_module_below_src_is_told_to_be_installed(tmp_path: Path) -> None:
    report = run(src_layout(tmp_path / "r").workspace)
    (said,) = (text for text in report.warnings if "pip install -e ." in text)
    assert said.startswith("pkg is the project's own, below src/")


def test_a_command_that_fails_after_it_said_much_shows_no_line_of_its_own_failure(
    tmp_path: Path,
) -> None:
    """A metric that is not there is no failure of the command: its last line says nothing."""
    repo = plain(tmp_path / "r", "print('all is well')\n", outputs=(), dvc_init=False)
    told = views.render(run(repo.workspace), "text")
    assert "all is well" not in told
    assert "a metrics file was not written; metrics.json" in told


def test_a_module_that_lies_in_the_project_is_no_fault_of_the_baseline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = build_repository(tmp_path / "r")
    train = "import lib.rates, json\njson.dump({'acc': 0.5}, open('metrics.json', 'w'))\n"
    repo.commit({"scripts/train.py": train, "lib/rates.py": "", "params.yaml": "lr: 0.1\n"})
    init(repo.workspace, InitRequest(command="python scripts/train.py", metrics=("metrics.json",)))
    wanted = NewRequest(
        name="rates", hypothesis="it does more", metric="acc", direction=Direction.MAX,
        effect=">0", baseline="main", repeats=1, params=lr(0.5), checkout=True,
        seeds=SeedOrigin.COMMITTED,
    )  # fmt: skip
    new(repo.workspace, wanted)
    asked = RunRequest(with_baseline=True, keep_going=True)
    step = run(repo.workspace, asked).next_step
    first, _, rest = step.partition("; or, where that fails, too, ")
    assert first == "PYTHONPATH=. gitexp run --with-baseline"
    assert rest.startswith("gitexp logs")
    monkeypatch.setenv("PYTHONPATH", ".")
    assert run(repo.workspace, asked).next_step == "gitexp compare"


def test_a_plan_with_a_metric_that_is_not_reported_is_told_and_a_finished_one_promises_nothing(
    tmp_path: Path,
) -> None:
    repo = plain(tmp_path / "r", outputs=(), dvc_init=False)
    wanted = NewRequest(
        name="wrong", hypothesis="it does more", metric="nonsense", direction=Direction.MAX,
        effect=">0", baseline="main", repeats=1, params=lr(0.5), checkout=True,
        seeds=SeedOrigin.COMMITTED,
    )  # fmt: skip
    new(repo.workspace, wanted)
    assert "gitexp amend-plan --metric" in run(repo.workspace).next_step
    repo.switch("main")
    new(repo.workspace, replace(wanted, name="right", metric="acc"))
    asked = RunRequest(with_baseline=True)
    would = run(repo.workspace, replace(asked, dry_run=True))
    assert would.next_step == "gitexp amend-plan --repeats 6 --why TEXT", "one pair decides nothing"
    run(repo.workspace, asked)
    again = run(repo.workspace, replace(asked, dry_run=True))
    assert again.next_step == "gitexp compare"


@pytest.mark.parametrize("read", [False, True])
def test_a_change_that_reaches_no_number_is_told_by_the_run_itself(
    tmp_path: Path, *, read: bool
) -> None:
    rate = 'float(text.split("lr:")[1].split()[0])' if read else "0.1"
    train = PLAIN_TRAIN.replace("seed / 1000", f"seed / 1000 + {rate}")
    repo = plain(tmp_path / "r", train, outputs=(), dvc_init=False)
    wanted = NewRequest(
        name="x", hypothesis="it does more", metric="acc", direction=Direction.MAX, effect=">0",
        baseline="main", repeats=5, params=lr(0.5), checkout=True,
    )  # fmt: skip
    new(repo.workspace, wanted)
    said = [it for it in run(repo.workspace).warnings if "does not reach the numbers" in it]
    assert bool(said) is not read


def left(report: RunReport) -> list[str]:
    return [text for text in report.warnings if "thrown away" in text]


def test_what_a_command_leaves_undeclared_is_named_once_with_what_to_type(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", LEAVES + "open('table.csv', 'w').write('new')\n")
    repo.commit({".gitignore": "*.log\n", "table.csv": "old", "README.md": "what it is"}, at=3)
    report = run(repo.workspace, RunRequest(repeats=2, jobs=2))
    (said,) = left(report)
    assert [w for w in report.warnings if "the command rewrote table.csv, which Git holds" in w]
    assert "left checkpoints/, vocabulary.txt in its worktree" in said
    assert "`outputs: [model.txt, checkpoints, vocabulary.txt]`" in said
    typed = said.partition("`")[2].partition("`")[0]
    config = repo.show(".gitexp/config.yaml")
    lines = config.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("outputs:"))
    end = next(i for i in range(start + 1, len(lines)) if not lines[i].startswith(("-", " ")))
    repo.commit({".gitexp/config.yaml": "\n".join([*lines[:start], typed, *lines[end:], ""])}, at=4)
    again = run(repo.workspace)
    assert left(again) == []
    assert {out.path for out in again.recorded[0].run.repeats[0].outputs} == {
        "model.txt", "checkpoints", "vocabulary.txt"
    }  # fmt: skip


@pytest.mark.parametrize("held", ["{}", '{"acc": "high"}', '{"acc": null}'])
def test_a_metrics_file_without_a_number_is_said(tmp_path: Path, held: str) -> None:
    train = f"open('metrics.json', 'w').write('{held}')\nopen('model.txt', 'w').write('x')\n"
    repo = plain(tmp_path / "r", train)
    assert "no number was found in metrics.json" in run(repo.workspace).warnings


def test_what_lies_beside_a_metrics_file_is_named_alone(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    train = PLAIN_TRAIN.replace('"metrics.json"', '"out/m.json"').replace("model.txt", "out/m.bin")
    repo.commit({"train.py": f"import os; os.makedirs('out')\n{train}",
                 "params.yaml": "seed: 1\n"})  # fmt: skip
    init(repo.workspace, InitRequest(command="python train.py", metrics=("out/m.json",)))
    (said,) = left(run(repo.workspace))
    assert "left out/m.bin in" in said


def test_what_git_is_told_to_ignore_beside_an_output_is_not_named(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    train = PLAIN_TRAIN.replace("model.txt", "out/model.txt")
    train = f"import os; os.makedirs('out'); open('out/.gitignore', 'w').write('/x')\n{train}"
    repo.commit({"train.py": train, "params.yaml": "seed: 1\n"})
    asked = InitRequest(
        command="python train.py", metrics=("metrics.json",), outputs=("out/model.txt",),
        dvc_init=True,
    )  # fmt: skip
    init(repo.workspace, asked)
    assert left(run(repo.workspace)) == []


def test_an_output_that_is_declared_after_its_runs_comes_with_the_next_one(tmp_path: Path) -> None:
    repo = plain(tmp_path / "r", outputs=(), dvc_init=True)
    new(
        repo.workspace,
        NewRequest(
            name="x", hypothesis="a higher lr", metric="acc", direction=Direction.MAX, effect=">0",
            repeats=2, baseline="main", params=lr(0.2), seeds=SeedOrigin.DRAWN,
        ),
    )  # fmt: skip
    (told,) = left(run(repo.workspace))
    assert "outputs: [model.txt]" in told
    init(repo.workspace, InitRequest(outputs=("model.txt",)))
    report = run(repo.workspace)
    assert [each.run.seeds for each in report.recorded] == [(7,)]
    assert left(report) == []
    assert "model.txt.dvc" in repo.files()
    assert run(repo.workspace).recorded == ()


def test_init_says_that_undeclared_files_go_with_the_worktree(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": PLAIN_TRAIN, "params.yaml": "lr: 1\nseed: 1\n"})
    asked = InitRequest(command="python train.py")
    report = init(repo.workspace, asked)
    assert any("a run keeps metrics.json alone" in note for note in report.notes)
    again = init(repo.workspace, asked)
    assert again.notes == ()  # they say what is there
    assert init(repo.workspace).notes == ()
    kept = build_repository(tmp_path / "k")
    kept.commit({"train.py": PLAIN_TRAIN, "params.yaml": "lr: 1\nseed: 1\n"})
    request = InitRequest(command="python train.py", outputs=("model.txt",), dvc_init=True)
    assert not any("thrown away" in note for note in init(kept.workspace, request).notes)


def lr(value: str | float, name: str = "lr") -> tuple[tuple[ParamKey, str | float], ...]:
    return ((ParamKey("params.yaml", name), value),)


@pytest.mark.parametrize(
    ("request_", "typed"),
    [
        (RunRequest(engine="slurm"), "the same with --engine local"),
        (RunRequest(repeats=3, seeds=(1,)), "the same with one of the two"),
        (RunRequest(trust=True), "the same without it"),
        (RunRequest(at="HEAD", commit_message="x"), "the same without --at"),
        (RunRequest(commit_message=" "), "gitexp run --commit -m"),
        (RunRequest(commit_message="new"), "git add -- src/new.py"),
        (RunRequest(params=lr(0.2, "lrr")), "the same with --param lr=0.2"),
        (RunRequest(params=lr("abc")), "the same with --param lr=0.1"),
        (RunRequest(params=lr(0.2, "lrr"), commit_message="x"), "the same with --param lr=0.2"),
        (RunRequest(with_baseline=True), "gitexp new NAME"),
        (RunRequest(on="nowhere"), "git branch nowhere"),
        (RunRequest(at="nowhere"), "git log"),
        (RunRequest(resume=True), "gitexp run"),
    ],
)
def test_each_wrong_call_of_run_says_what_to_type(
    tmp_path: Path, request_: RunRequest, typed: str
) -> None:
    repo = plain(tmp_path / "r", outputs=(), dvc_init=False)
    repo.write({"src/new.py": "x = 1\n"})
    before = repo.hash()
    with pytest.raises(GitexpError) as refused:
        run(repo.workspace, request_)
    assert refused.value.next_step.startswith(typed)
    assert repo.hash() == before


def test_a_params_file_of_an_odd_name_is_found_where_none_was_said(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": PLAIN_TRAIN, "params.json.in": '{"lr": 0.1}'})
    init(repo.workspace, InitRequest(command="python train.py"))
    with pytest.raises(GitexpError) as refused:
        run(repo.workspace, RunRequest(params=lr(0.2), commit_message="larger"))
    assert refused.value.summary == "there is no parameter lr"
    assert refused.value.next_step.startswith("gitexp init --params params.json.in, then")


def test_a_parameter_without_a_file_is_of_the_only_one_that_has_it(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    train = PLAIN_TRAIN.replace("params.yaml", "conf.yaml")
    files = {"conf.yaml": "lr: 0.1\nboth: 1\nseed: 1\n", "more.json": '{"both": 1, "deep": 1}'}
    repo.commit({"train.py": train, **files})
    named = ("conf.yaml", "more.json")
    init(repo.workspace, InitRequest(command="python train.py", params=named))
    wanted = NewRequest(
        name="faster", hypothesis="a larger step raises accuracy", metric="acc", effect=">0",
        direction=Direction.MAX,
    )  # fmt: skip
    with pytest.raises(UnknownParamError, match="several params files have both") as refused:
        new(repo.workspace, replace(wanted, params=lr(2, "both")))
    assert refused.value.expected == "conf.yaml:both or more.json:both"
    assert refused.value.next_step == "the same with --param conf.yaml:both=2"
    with pytest.raises(UnknownParamError, match="several"):
        run(repo.workspace, RunRequest(params=lr(2, "both")))
    new(repo.workspace, replace(wanted, params=(*lr(0.2), *lr(3, "deep"))))
    assert "lr: 0.2" in repo.show("conf.yaml")
    assert '"deep": 3' in repo.show("more.json")
    (made,) = run(repo.workspace, RunRequest(params=lr(0.5), seeds=(5,))).recorded
    assert dict(made.run.source.overrides) == {"conf.yaml:lr": 0.5}
    run(repo.workspace, RunRequest(params=lr(0.7), seeds=(6,), commit_message="larger"))
    assert "lr: 0.7" in repo.show("conf.yaml")


def test_a_parameter_of_another_file_is_refused_with_its_whole_name(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    text = "[train]\nlr = 0.1\nseed = 1\n"
    repo.commit({"train.py": PLAIN_TRAIN, "conf.toml": text, "conf.old/a.toml": text})
    init(repo.workspace, InitRequest(command="python train.py", params=("conf.toml",)))
    before = repo.hash()
    said = "the same with --param conf.toml:train.lr=0.2"
    wanted = NewRequest(
        name="faster", hypothesis="a larger step raises accuracy", metric="acc", effect=">0",
        direction=Direction.MAX,
        seeds=SeedOrigin.COMMITTED,
    )  # fmt: skip
    with pytest.raises(GitexpError) as refused:
        new(repo.workspace, replace(wanted, params=lr(0.2)))
    assert refused.value.next_step == said
    assert refused.value.summary == "there is no parameter lr"
    for message in (None, "larger"):
        with pytest.raises(GitexpError) as refused:
            run(repo.workspace, RunRequest(params=lr(0.2), commit_message=message))
        assert refused.value.next_step == said
    good = (ParamKey("conf.toml", "train.lr"), 0.2)
    with pytest.raises(GitexpError):
        run(repo.workspace, RunRequest(params=(good, *lr(0.2)), commit_message="larger"))
    assert repo.hash() == before
    assert repo.git("status", "--porcelain") == ""


@pytest.mark.parametrize(
    ("request_", "typed"),
    [
        (InitRequest(command=" "), "gitexp init --command"),
        (InitRequest(command="x", project="nowhere"), "the same without --project"),
        (InitRequest(command="x", metrics=("../m.json",)), "the same with paths below"),
        (InitRequest(command="x", metrics=("/m.json",)), "the same with paths below"),
        (InitRequest(command="x", params=("conf.yaml",)), "the same without --params"),
        (InitRequest(command="x", python="/nowhere/python"), "the same with --python"),
        (InitRequest(command="x", seed_arg="--seed"), 'the same with --seed-arg "--seed {seed}"'),
        (
            InitRequest(command="x", seed_params=(ParamKey("params.yaml", "sed"),)),
            "the same with --seed-param seed",
        ),
        (InitRequest(command="x", outputs=("train.py",)), "git rm --cached train.py, "),
        (
            InitRequest(command="x", outputs=("train.py", "params.yaml")),
            "git rm --cached params.yaml train.py, ",
        ),
        (InitRequest(command="x", outputs=("m",)), "the same with --dvc-init"),
        (InitRequest(write_pipeline=True), "gitexp init --write-pipeline --command"),
        (InitRequest(), "gitexp init --command"),
    ],
)
def test_each_wrong_call_of_init_says_what_to_type(
    tmp_path: Path, request_: InitRequest, typed: str
) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": PLAIN_TRAIN, "params.yaml": "lr: 0.1\nseed: 1\n"})
    with pytest.raises(GitexpError) as refused:
        init(repo.workspace, request_)
    assert refused.value.next_step.startswith(typed)
    assert repo.status() == []


def test_a_file_that_the_command_names_and_nobody_wrote_is_a_note(tmp_path: Path) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": PLAIN_TRAIN})
    report = init(repo.workspace, InitRequest(command="python trian.py", dry_run=True))
    assert "the command names trian.py, which is not there" in report.notes


@pytest.mark.parametrize("line", ["import pkg.new", "from pkg import new"])
def test_a_module_that_was_never_committed_is_named(tmp_path: Path, line: str) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"pkg/__init__.py": "", "train.py": f"{line}\n"})
    init(repo.workspace, InitRequest(command="python train.py"))
    repo.write({"pkg/new.py": ""})
    report = run(repo.workspace)
    said = "pkg/new.py is in no commit, so the run did not see it: git add pkg/new.py"
    assert said in report.warnings


def test_data_that_git_ignores_are_named_with_the_ways_to_give_them_to_a_run(
    tmp_path: Path,
) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({".gitignore": "data/\n", "train.py": 'open("data/x.csv")\n'})
    (repo.path / "data").mkdir()
    (repo.path / "data" / "x.csv").write_text("1\n")
    init(repo.workspace, InitRequest(command="python train.py", metrics=("metrics.json",)))
    report = run(repo.workspace, RunRequest(repeats=1))
    (text,) = (each for each in report.warnings if "in no commit" in each)
    assert text.startswith("data/x.csv is in no commit, since Git ignores it")
    assert "link: [data/] below run:" in text
    assert "dvc add data" in text


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("settings.py", 'HERE = "{top}/params.yaml"\n'),
        ("conf/paths.yaml", "data: {top}/data\n"),
        ("nb.ipynb", '{{"cells": [{{"cell_type": "code", "source": ["open(\'{top}/a\')"]}}]}}'),
        ("settings.py", 'HOME = "{top}"\n'),
    ],
)
def test_code_that_leads_into_the_work_tree_by_its_absolute_path_is_not_run(
    tmp_path: Path, file: str, text: str
) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"train.py": PLAIN_TRAIN, "params.yaml": "lr: 0.1\nseed: 7\n"})
    repo.commit({file: text.format(top=repo.path)})
    asked = InitRequest(command="python train.py", metrics=("metrics.json",))
    made = init(repo.workspace, replace(asked, add_inputs=(file,)))
    (note,) = (n for n in made.notes if "absolute path" in n)
    assert note.startswith(f"{file}, ")
    with pytest.raises(PreflightError) as caught:
        run(repo.workspace, RunRequest())
    assert caught.value.found.startswith(f"{file}, ")
    assert str(repo.path) in caught.value.found


@pytest.mark.sweep(3)
@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("README.md", "cd {top}\n"),
        ("settings.py", "# once {top}/params.yaml\n"),
        ("settings.py", 'OTHER = "{top}2/params.yaml"\n'),
        ("nb.ipynb", '{{"cells": [{{"cell_type": "code", "source": [], "outputs": "{top}/a"}}]}}'),
        ("reports/notes.py", 'HERE = "{top}/params.yaml"\n'),
        pytest.param("nb.ipynb", "[" * 100_000 + '"{top}/a"', id="no notebook, and very deep"),
    ],
)
def test_a_mention_that_no_job_follows_stops_no_run(tmp_path: Path, file: str, text: str) -> None:
    repo = plain(tmp_path / "r")
    settings = repo.show(".gitexp/config.yaml")
    ignored = settings.replace("ignore: [", "ignore: [/reports/, ")
    ignored = ignored.replace("include: []", "include: [/nb.ipynb, /README.md]")
    assert ignored != settings
    repo.commit({file: text.format(top=repo.path), ".gitexp/config.yaml": ignored})
    assert run(repo.workspace, RunRequest()).recorded


READS = f'open("data/raw/data.csv").read()\n{PLAIN_TRAIN}'


@pytest.mark.slow
@pytest.mark.parametrize("named", [False, True])
def test_data_that_dvc_tracks_and_no_stage_depends_on_are_told_to_be_listed(
    tmp_path: Path, *, named: bool
) -> None:
    repo = build_repository(tmp_path / "r")
    dvc(repo.path, "init", "--quiet")
    repo.write({"train.py": READS, "data/raw/data.csv": "1\n"})
    repo.write({"params.yaml": "lr: 0.1\nseed: 7\n"})
    dvc(repo.path, "add", "--quiet", "data/raw/data.csv")
    argument = " data/raw/data.csv" if named else ""
    pipeline = f"""stages:
  train:
    cmd: python train.py{argument}
    deps: [train.py]
    params: [lr, seed]
    outs: [model.txt]
    metrics: [metrics.json: {{cache: false}}]
"""
    repo.write({"dvc.yaml": pipeline})
    repo.git("add", "--all")
    repo.commit()
    init(repo.workspace, InitRequest())
    step = "list data/raw/data.csv under deps: of stage train in dvc.yaml"
    if named:
        with pytest.raises(PreflightError) as refused:
            run(repo.workspace, RunRequest(repeats=1))
        assert refused.value.next_step.startswith(step)
    else:
        said = " ".join(run(repo.workspace, RunRequest(repeats=1)).warnings)
        assert step in said
        assert "git add" not in said
        assert "link:" not in said
    repo.commit({"dvc.yaml": pipeline.replace("[train.py]", "[train.py, data/raw/data.csv]")})
    (mended,) = run(repo.workspace, RunRequest(repeats=1)).recorded
    assert [repeat.state.value for repeat in mended.run.repeats] == ["finished"]


def test_a_change_beside_the_project_alone_is_named_where_the_inputs_are_equal(
    tmp_path: Path,
) -> None:
    repo = build_repository(tmp_path / "r")
    repo.commit({"ml/t.py": "from shared import pre\n", "shared/pre.py": "", "api/a.py": ""})
    init(repo.workspace, InitRequest(command="python t.py", project="ml", metrics=("m.json",)))
    asked = NewRequest(
        name="e",
        hypothesis="pre raises a at all",
        metric="a",
        effect=">0",
        direction=Direction.MAX,
        seeds=SeedOrigin.COMMITTED,
    )
    new(repo.workspace, asked)
    repo.commit({"shared/pre.py": "x = 1\n", "api/a.py": "y = 1\n"})
    with pytest.raises(PreflightError, match="same inputs") as refused:
        run(repo.workspace, RunRequest(with_baseline=True))
    assert refused.value.found.endswith(
        "; shared/pre.py, beside the project, differs, and is no input"
    )
    assert refused.value.next_step.startswith("move shared/pre.py into ml/")


OUTSIDE = {
    "tracked": ("rows.csv", "failed"),
    "of DVC": ("data.csv", "failed"),
    "what it makes itself": ("model.txt", "failed"),
    "a new file": ("new.csv", "failed"),
    "ignored": ("mlruns/meta.yaml", "said"),
    "linked": ("linked.csv", "finished"),
}


@pytest.mark.sweep(3)
@pytest.mark.parametrize(("name", "ends"), OUTSIDE.values(), ids=OUTSIDE)
def test_what_is_read_of_the_work_tree_fails_unless_git_ignores_it(
    name: str, ends: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one for both sides: a baseline would be measured on the candidate's data."""
    train = f"import os\nopen(os.environ['WHERE'] + '/{name}').close()\n{PLAIN_TRAIN}"
    repo = plain(tmp_path / "r", train)
    monkeypatch.setenv("WHERE", str(repo.path))
    made = ("data.csv", "mlruns/meta.yaml", "linked.csv", "model.txt")
    repo.write(dict.fromkeys(made, "1\n"))
    dvc(repo.path, "add", "data.csv")
    ignored = "/data.csv\n/mlruns\n/linked.csv\n/model.txt\n"
    settings = (
        (repo.path / ".gitexp/config.yaml").read_text().replace("link: []", "link: [linked.csv]")
    )
    repo.write({"rows.csv": "1\n", ".gitignore": ignored, ".gitexp/config.yaml": settings})
    repo.git("add", "--all")
    repo.git("commit", "-qm", "data")
    if name == "new.csv":
        repo.write({name: "1\n"})
    if ends == "failed":
        (recorded,) = run(repo.workspace, RunRequest()).recorded
        (repeat,) = recorded.run.repeats
        assert repeat.state.value == "failed"
        assert f"{name}, by stage" in repeat.reason
        assert "run.link" in repeat.reason
        return
    report = run(repo.workspace, RunRequest())
    assert report.recorded[0].run.repeats[0].state.value == "finished"
    said = [text for text in report.warnings if name in text]
    assert bool(said) == (ends == "said")
