"""`compare`: what names stand for, which records are found, and what became of them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gitexp.comparison.compare import CompareOptions, compare
from gitexp.errors import NoPlanError, NoSamplesError, UnknownExperimentError, UsageError
from gitexp.git.transaction import layout
from gitexp.model.comparison import Conclusion
from gitexp.model.ids import RunId
from gitexp.model.plan import Verdict
from gitexp.model.run import Origin
from gitexp.records import codec
from gitexp.report import words
from tests.lab.build import clone, copied, repository
from tests.lab.records import CONFIG, ENVIRONMENT, START, Lab, experiment, one, scores
from tests.lab.shell import gitexp

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def test_every_name_of_an_experiment_leads_to_it(lab: Lab) -> None:
    experiment(lab)
    lab.repo.git("tag", "-a", "-m", "done", "exp-archive/deep")
    commit = lab.repo.hash()
    for name in ("exp/deep", "deep", commit, commit[:10], "HEAD"):
        assert one(lab, name).verdict is Verdict.SUPPORTED, name
    lab.repo.switch("main")
    lab.repo.git("branch", "-D", "exp/deep")
    assert one(lab, "deep").verdict is Verdict.SUPPORTED


def test_one_name_without_a_plan_is_not_enough(lab: Lab) -> None:
    lab.init()
    with pytest.raises(NoPlanError):
        compare(lab.repo.workspace)
    with pytest.raises(UnknownExperimentError):
        compare(lab.repo.workspace, ["main", "nothing"])
    with pytest.raises(UnknownExperimentError):
        compare(lab.repo.workspace, ["--output=x"])
    with pytest.raises(UsageError):
        compare(lab.repo.workspace, ["main", "main"])


def test_a_record_that_was_edited_counts_as_it_was_added(lab: Lab) -> None:
    plan = experiment(lab, gain=0.0)
    _, files = lab.run_files(
        "c",
        {"f1": scores(0.9, range(10))},
        of="HEAD",
        plan=plan,
        environment=ENVIRONMENT,
        evaluation="e" * 64,
        origin=Origin.OBSERVED,
        failed=(),
        links="",
        call="",
        outputs=None,
        samples=(),
    )
    lab.repo.commit(files, at=90, message="polish")  # type: ignore[arg-type]
    result = one(lab)
    assert result.verdict is Verdict.REFUTED
    assert any("was edited after it was recorded" in text for text in result.warnings)


def test_a_deleted_record_counts_all_the_same(lab: Lab) -> None:
    experiment(lab)
    lab.repo.git("rm", "-rq", ".gitexp/runs/cc")
    lab.repo.commit(at=91, message="tidy")
    result = one(lab)
    assert result.pairs == 10
    assert any("was deleted" in text for text in result.warnings)


def test_a_concluded_experiment_is_found_by_its_inputs_when_its_branch_is_gone(lab: Lab) -> None:
    experiment(lab)
    done = one(lab)
    conclusion = Conclusion("deep", done.verdict, "It holds.", "Ada", "a@b", START, done)
    lab.repo.commit({layout.conclusion_path("deep"): codec.dump(conclusion)}, at=70)
    lab.repo.switch("main")
    lab.repo.git("merge", "--squash", "-q", "exp/deep")
    lab.repo.commit(at=80, message="squashed")
    lab.repo.git("branch", "-D", "exp/deep")
    lab.repo.git("reflog", "expire", "--expire=now", "--all")
    lab.repo.git("gc", "-q", "--prune=now")
    result = one(lab, "deep")
    assert result.verdict is Verdict.SUPPORTED
    assert result.candidate.source_lost
    assert result.candidate.commit == done.candidate.commit
    assert any("lost (squashed)" in text for text in result.warnings)


def test_a_remote_branch_is_an_experiment_too(lab: Lab, tmp_path: Path) -> None:
    experiment(lab)
    mine = clone(lab.repo, tmp_path / "clone")
    mine.git("switch", "-q", "main")
    for name in ("exp/deep", "deep", "origin/exp/deep"):
        (result,) = compare(mine.workspace, [name])
        assert result.verdict is Verdict.SUPPORTED, name


def test_samples_of_a_branch_that_nobody_merged_are_used_only_when_pooled(lab: Lab) -> None:
    lab.init()
    plan = lab.plan()
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(10))}, plan=plan)
    lab.repo.switch("main")
    lab.repo.switch("side", create=True)
    lab.record("b", {"f1": scores(0.6, range(10))}, of="main")
    lab.repo.switch("exp/deep")
    with pytest.raises(NoSamplesError) as error:
        compare(lab.repo.workspace)
    assert "found elsewhere" in error.value.found
    result = one(lab, options=CompareOptions(pool=("side",)))
    assert result.verdict is Verdict.SUPPORTED
    assert any("pooled" in text for text in result.warnings)


def test_a_record_that_was_damaged_later_counts_as_it_was_added(lab: Lab) -> None:
    experiment(lab)
    path = layout.samples_csv(RunId("c" * 16))
    lab.repo.commit({path: "metric\nbroken\n"}, at=85)
    result = one(lab)
    assert result.pairs == 10
    assert any("was edited after it was recorded" in text for text in result.warnings)


def test_a_record_that_never_could_be_read_is_said_and_the_others_count(lab: Lab) -> None:
    experiment(lab)
    lab.repo.commit({f"{layout.RUNS}/dd/{'d' * 16}/run.json": "{}"}, at=85)
    result = one(lab)
    assert result.pairs == 10
    assert any(f"run {'d' * 16} cannot be read" in text for text in result.warnings)


def test_a_hostile_branch_name_is_quoted_in_the_next_command(lab: Lab) -> None:
    lab.init()
    lab.record("b", {"f1": scores(0.6, range(3))})
    lab.repo.git("branch", "exp/$(id)")
    lab.repo.switch("exp/$(id)")
    lab.change()
    lab.record("c", {"f1": scores(0.7, range(3))})
    result = one(lab, "exp/$(id)", "main")
    assert "'exp/$(id)'" in result.next_step


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_the_whole_process_is_small_and_light(lab: Lab) -> None:
    experiment(lab)
    code = (
        "import sys; from pathlib import Path\n"
        "from gitexp.git.discovery import discover\n"
        "from gitexp.comparison.compare import compare\n"
        "from gitexp.report import render_comparisons; from gitexp.report.sheet import Style\n"
        "render_comparisons('html', compare(discover(Path(sys.argv[1]))), Style())\n"
        "heavy = [m for m in ('pandas', 'scipy.stats', 'git', 'dvc') if m in sys.modules]\n"
        # not ru_maxrss: that remembers the process that started this one
        "peak = Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0]\n"
        "print(peak, *heavy)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(lab.repo.path)], capture_output=True, check=True, text=True
    )
    memory, *heavy = done.stdout.split()
    assert heavy == []
    assert int(memory) < 250 * 1024, "KiB"


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ("shared/pre.py", "shared/pre.py, beside the project, differs between the runs; "),
        ("api/server.py", ""),
    ],
)
def test_code_beside_the_project_that_differs_between_the_runs_is_said(
    lab: Lab, changed: str, line: str
) -> None:
    lab.init(
        replace(CONFIG, project="ml"),
        {"ml/t.py": "from shared.pre import x\n", "ml/params.yaml": "depth: 2\n", changed: "1\n"},
    )
    lab.record("b", {"f1": scores(0.6, range(6))})
    lab.repo.commit({changed: "2\n"}, at=lab.tick())
    plan = lab.plan(effect=">0", repeats=6)
    lab.repo.commit({"ml/params.yaml": "depth: 3\n"}, at=lab.tick())
    lab.record("c", {"f1": scores(0.7, range(6))}, plan=plan)
    found = one(lab)
    assert found.verdict is Verdict.SUPPORTED
    assert ("beside the project" in found.headline) is bool(line)
    assert found.headline.startswith(line)
    told = [text for text in found.warnings if "beside the project" in text]
    assert len(told) == bool(line)
    assert [c.what for c in found.changes if c.kind == "code"] == ["../shared/pre.py"] * bool(line)
    assert any("same code" in text for text in words.differences(found)) is not bool(line)


BARE_TRAIN = """\
import json, random, re
text = open("params.yaml").read()
lr, seed = (float(re.search(rf"{name}: (.+)", text)[1]) for name in ("lr", "seed"))
json.dump({"f1": lr / 10 + random.Random(seed).random() / 100}, open("metrics.json", "w"))
"""
# What each verb says of an experiment whose baseline is older than `gitexp init`, with exit code 0.
OF_BARE = {
    "compare": "SUPPORTED",
    "compare main exp/y": "SUPPORTED",
    "review main...exp/y": "SUPPORTED y",
    "status": "baseline    5 of 5 count",
    "list": "5/5",
    "show y": "yes",
    "diff main exp/y": "f1",
    "inputs main exp/y": "runs            main: ",
    "power": "5 baseline repeats",
    "check main..exp/y": "nothing is broken",
    "amend-plan --failure f1<0.01 --why x --dry-run": "failure",
    "amend-plan --metric f2:max --why x --dry-run": "none of 5 recorded repeats",
    "run --dry-run --with-baseline": "nothing",
    "conclude -m learned": "SUPPORTED",
}


def _bare_baseline(path: Path, *, later: bool) -> None:
    repo = repository(path)
    files = {"params.yaml": "lr: 1\nseed: 1\n", "train.py": BARE_TRAIN, ".gitignore": "*.pyc\n"}
    repo.commit({**files, "metrics.json": "{}"})
    repo.switch("tune", create=True)
    repo.commit({"params.yaml": "lr: 2\nseed: 1\n"})
    told = ("--command", f"{sys.executable} train.py", "--metrics", "metrics.json")
    assert gitexp(repo, "init", *told, "--params", "params.yaml").code == 0
    asked = ("--baseline", "main", "--metric", "f1:max", "--effect", ">0", "--repeats", "5")
    done = gitexp(repo, "new", "y", *asked, "--hypothesis", "a larger rate raises f1 of tune")
    assert done.code == 0, done.err
    if later:
        text = repo.show(layout.CONFIG)
        assert "train.py\n" in text
        repo.commit({layout.CONFIG: text.replace("train.py\n", "./train.py\n", 1)})
    done = gitexp(repo, "run", "--with-baseline")
    assert done.code == 0, done.err


@pytest.mark.sweep
@pytest.mark.parametrize("where", ["here", "clone"])
@pytest.mark.parametrize("later", [False, True])
def test_a_baseline_without_settings_is_read_by_the_plan_s_in_every_verb(
    tmp_path: Path, where: str, *, later: bool
) -> None:
    repo = copied(tmp_path / "here", partial(_bare_baseline, later=later), BARE_TRAIN, later)
    if where == "clone":
        repo = clone(repo, tmp_path / "clone")
        repo.git("branch", "main", "origin/main")
    said = {verb: gitexp(repo, *shlex.split(verb)) for verb in OF_BARE}
    wrong = [
        f"{verb}: exit {done.code}\n{done.out}{done.err}"
        for verb, done in said.items()
        if done.code or OF_BARE[verb] not in done.out
    ]
    assert not wrong, "\n\n".join(wrong)
