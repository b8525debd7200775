"""`list`, `show`, `status`, `diff`, `inputs`, `logs`, `conclude` on an experiment that was run."""

from __future__ import annotations

import csv
import io
import json
import shutil
from typing import TYPE_CHECKING

import pytest

from gitexp.execution.run import run
from gitexp.experiments.init import init
from gitexp.experiments.new import new
from gitexp.git.transaction import layout
from gitexp.model.request import RunRequest
from tests.cli.conftest import NOW, REQUEST
from tests.cli.test_new import editor
from tests.lab.build import BuiltRepo, dvc_project
from tests.lab.shell import environment, gitexp

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, dvc_project_template: Path) -> BuiltRepo:
    """An experiment with six repeats on either side; who changes it takes a copy."""
    repo = dvc_project(tmp_path_factory.mktemp("finished") / "project", dvc_project_template)
    init(repo.workspace, now=NOW)
    new(repo.workspace, REQUEST, now=NOW)
    wanted = RunRequest(with_baseline=True, jobs=2)
    run(repo.workspace, wanted, environ=environment())
    return repo


@pytest.fixture
def copied(finished: BuiltRepo, tmp_path: Path) -> BuiltRepo:
    """A copy of the finished experiment that a test may change."""
    shutil.copytree(finished.path, tmp_path / "copy", symlinks=True)
    return BuiltRepo(tmp_path / "copy")


def rows(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def test_a_list_has_what_a_reader_decides_by(finished: BuiltRepo) -> None:
    done = gitexp(finished, "list")
    header, line, *_ = done.out.splitlines()
    titles = ("experiment", "state", "repeats", "mean", "+- sd", "baseline", "author")
    assert all(title in header for title in titles)
    assert line.split()[:4] == ["faster", "ready", "6/6", "f1"]
    assert "main" in line
    assert done.out.endswith("next: gitexp show faster\n")


def test_json_csv_and_markdown_say_the_same(finished: BuiltRepo) -> None:
    value = gitexp(finished, "list", "--json").json
    assert value["$schema"] == "gitexp/list@1"
    (item,) = json.loads(json.dumps(value["experiments"]))
    (row,) = rows(gitexp(finished, "list", "--csv").out)
    assert float(row["mean"]) == item["primary"]["mean"]
    assert (row["name"], row["finished"], row["baseline"]) == ("faster", "6", "main")
    assert gitexp(finished, "list", "--md").out.startswith("| experiment | state |")
    twice = gitexp(finished, "list", "--json", "--csv")
    assert twice.code == 2
    assert gitexp(finished, "list", "--csv", "--md").code == 2


def test_runs_are_filtered_sorted_and_grouped(finished: BuiltRepo) -> None:
    every = rows(gitexp(finished, "list", "--runs", "--csv", "--sort", "f1").out)
    assert [row["param.lr"] for row in every] == ["0.5", "0.7"]
    down = rows(gitexp(finished, "list", "--runs", "--csv", "--sort", "-f1").out)
    assert down == every[::-1]
    good = rows(gitexp(finished, "list", "--runs", "--csv", "--metric", "f1>0.6").out)
    assert [row["param.lr"] for row in good] == ["0.7"]
    for options in (
        ["--state", "failed"],
        ["--author", "nobody"],
        ["--since", "2990-01-01"],
        ["--metric", "f1>9"],
        ["nosuchbranch"],
    ):
        assert rows(gitexp(finished, "list", "--runs", "--csv", *options).out) == [], options
    kept = ("--state", "finished", "--author", "ada", "--since", "10000w", "exp/faster")
    assert len(rows(gitexp(finished, "list", "--runs", "--csv", *kept).out)) == 2
    groups = rows(gitexp(finished, "list", "--group-by", "params", "--csv", "--sort", "f1").out)
    assert [(row["lr"], row["repeats"], row["metric.f1.n"]) for row in groups] == [
        ("0.5", "6", "6"),
        ("0.7", "6", "6"),
    ]
    assert float(groups[0]["metric.f1.sd"]) > 0
    value = gitexp(finished, "list", "--group-by", "lr", "--json").json
    assert value["$schema"] == "gitexp/group-list@1"


def test_a_question_that_cannot_be_read_is_answered_with_an_example(finished: BuiltRepo) -> None:
    for options, said in (
        (["--metric", "f1"], "'f1>0.6'"),
        (["--metric", "f1>nan"], "'f1>0.6'"),
        (["--since", "yesterday"], "7d"),
        (["--sort", "nope"], "nope"),
        (["--group-by", "nope"], "nope"),
    ):
        done = gitexp(finished, "list", "--runs", *options)
        assert done.code == 2, options
        assert done.says(said)


def test_a_list_that_nothing_fits_does_not_say_that_there_is_nothing(finished: BuiltRepo) -> None:
    other = gitexp(finished.path, "list", "--metric", "other>0.5").out
    assert "no experiment fits these conditions" in other
    assert "primary metric" in other
    assert "next: gitexp list\n" in other
    asked = gitexp(finished.path, "list", "--runs", "--author", "nobody").out
    assert "no run fits these conditions" in asked
    assert "next: gitexp list --runs\n" in asked


def test_show_takes_an_experiment_a_branch_a_run_and_a_revision(finished: BuiltRepo) -> None:
    here = gitexp(finished, "show")
    assert here.out.startswith("NO CONCLUSION  faster: f1 rises by more than 0.01")
    assert here.out.endswith("next: gitexp compare faster\n")
    value = gitexp(finished, "show", "--json").json
    assert value["$schema"] == "gitexp/shown-experiment@1"
    for what in ("faster", "exp/faster"):
        assert gitexp(finished, "show", what, "--json").json["plan"] == value["plan"]
    (first, _) = gitexp(finished, "list", "--runs", "-q").out.split()
    run_shown = gitexp(finished, "show", first[:6])
    assert run_shown.out.startswith(f"run {first}: 6/6 finished, for faster")
    assert run_shown.out.endswith(f"next: gitexp logs {first[:7]}\n")
    as_json = gitexp(finished, "show", first, "--json").json
    record = json.loads(finished.show(layout.run_json(first)))
    assert as_json["run"] == record
    assert gitexp(finished, "show", finished.hash("main")).out.startswith("NO PLAN")
    assert gitexp(finished, "show", "--md").out.startswith("**NO CONCLUSION** `")


def test_status_counts_as_compare_does(finished: BuiltRepo) -> None:
    value = gitexp(finished, "status", "--json").json
    assert value["$schema"] == "gitexp/status@1"
    assert value["counted"] == value["baseline_counted"] == [1, 2, 3, 4, 5, 6]
    assert value["next"] == "gitexp compare"
    assert "6 of 6 count (seeds 1-6)" in gitexp(finished, "status").out


def test_diff_and_inputs_say_what_keeps_two_states_apart(finished: BuiltRepo) -> None:
    done = gitexp(finished, "diff", "main", "faster")
    assert done.code == 0
    assert done.out.startswith("DIFFERENT  1 parameter")
    assert "lr         0.5   0.7" in done.out
    assert gitexp(finished, "diff", "--exit-code", "main", "faster").code == 1
    assert gitexp(finished, "diff", "--exit-code", "main", "main").code == 0
    value = gitexp(finished, "diff", "main", "faster", "--json").json
    assert value["params"] == [{"name": "lr", "a": 0.5, "b": 0.7}]
    inputs = gitexp(finished, "inputs", "main", "faster", "--exit-code")
    assert inputs.code == 1
    assert inputs.out.startswith("DIFFERENT INPUTS  no sample is shared")
    before = finished.git("log", "-1", "--format=%H", "--grep=gitexp new")
    shared = gitexp(finished, "inputs", before, "HEAD", "--exit-code")
    assert shared.code == 0  # what a run records does not change what it ran
    assert shared.out.startswith("SAME INPUTS")


def test_of_two_equal_states_no_comparison_is_offered(finished: BuiltRepo) -> None:
    same = gitexp(finished.path, "diff", "main", "main")
    assert same.out.startswith("SAME")
    assert "next:" not in same.out


def test_logs_are_what_was_printed_and_a_terminal_is_spared(copied: BuiltRepo) -> None:
    done = gitexp(copied, "logs")
    assert done.out.count("==> seed") == 6
    one = gitexp(copied, "logs", "--seed", "3")
    assert "==>" not in one.out
    log = next(copied.path.glob(".git/gitexp/work/runs/*/jobs/3/attempt-1/log"))
    log.write_bytes(b"10%\r90%\rdone\n\x1b[2Jcleared \xff\n")
    run_id = log.parents[3].name
    raw = gitexp(copied, "logs", run_id, "--seed", "3")
    assert raw.out == "10%\r90%\rdone\n\x1b[2Jcleared \\xff\n"
    value = gitexp(copied, "logs", run_id, "--seed", "3", "--json")
    assert value.json["$schema"] == "gitexp/logs@1"
    assert "\x1b" not in value.out
    assert gitexp(copied, "logs", run_id, "--follow", "--seed", "3").out == raw.out
    assert gitexp(copied, "logs", "--follow", "--json").code == 2
    none = gitexp(copied, "logs", "--seed", "99")
    assert none.code == 0
    assert none.says("no log of seed 99")


def test_logs_of_a_run_whose_folder_is_gone_are_what_was_recorded(copied: BuiltRepo) -> None:
    run_id = gitexp(copied, "list", "--runs", "-q").out.split()[0]
    shutil.rmtree(copied.path / ".git/gitexp/work")
    done = gitexp(copied, "logs", run_id[:7])
    assert done.code == 0
    assert done.says("the job's folder is gone")
    none = gitexp(copied, "logs")
    assert none.code == 3
    assert none.says("error[unknown-run]")


@pytest.mark.slow
def test_a_conclusion_is_written_once_and_amended_if_asked(copied: BuiltRepo) -> None:
    verdict = gitexp(copied, "compare", "-q")
    assert verdict.out.startswith("SUPPORTED")
    dry = gitexp(copied, "conclude", "-m", "it helps", "--dry-run")
    assert dry.code == 0
    assert copied.status() == []
    done = gitexp(copied, "conclude", "-m", "it helps")
    assert done.code == 0, done.err
    assert done.out.startswith("SUPPORTED  ")
    assert "words: it helps" in copied.show(layout.conclusion_path("faster"))
    again = gitexp(copied, "conclude", "-m", "it helps a lot")
    assert again.code == 3
    assert again.says("error[exists]", "--amend -m")
    assert gitexp(copied, "conclude", "--amend").says('gitexp conclude --amend -m "')
    amended = gitexp(copied, "conclude", "faster", "-m", "it helps a lot", "--amend", "--json")
    assert amended.json["$schema"] == "gitexp/conclude-report@1"
    assert copied.status() == []
    # the lock that the project was committed with, and no run, vouches for the stage before
    shown = "SUPPORTED  conditional on prepared.csv, made outside; f1 rises by more than 0.01"
    assert gitexp(copied, "show").out.startswith(shown)
    assert gitexp(copied, "list", "--csv").out.count("concluded") == 1
    assert gitexp(copied, "status").out.startswith("SUPPORTED  exp/faster: ")


@pytest.mark.slow
def test_a_conclusion_needs_words_and_keeps_those_that_were_typed(
    copied: BuiltRepo, tmp_path: Path
) -> None:
    for argv in (["-m", ""], ["-m", " \n"], []):
        done = gitexp(copied, "conclude", *argv)
        assert done.code == 2, argv
        assert done.says("words")
    assert gitexp(copied, "conclude", "--edit", env={"GIT_EDITOR": "true"}).code == 2
    assert gitexp(copied, "conclude", "nope", "-m", "x").says("error[unknown-experiment]")
    copied.git("switch", "--quiet", "main")
    typed = editor(tmp_path, "echo 'typed for an hour' >\"$1\"")
    lost = gitexp(copied, "conclude", "--edit", env=typed)
    assert lost.code == 3
    assert lost.says("error[no-plan]", "gitexp conclude -F")
    odd = gitexp(copied, "conclude", "{0}", "--edit", env=typed)  # no name, and no pattern either
    assert odd.says("error[unknown-experiment]", "gitexp conclude '{0}' -F")
    kept = lost.err.rstrip().rpartition("-F ")[2]
    done = gitexp(copied, "conclude", "faster", "-F", kept)
    assert done.code == 0, done.err
    assert "typed for an hour" in copied.show(layout.conclusion_path("faster"), "exp/faster")


def test_the_ending_of_a_report_names_its_format(finished: BuiltRepo, tmp_path: Path) -> None:
    for name, begins in (
        ("report.HTML", "<!DOCTYPE html>"),
        ("report.md", "#"),
        ("report.json", "{"),
        ("report.csv", "baseline,"),
        ("report.txt", "SUPPORTED"),
        ("report", "SUPPORTED"),
    ):
        path = tmp_path / name
        assert gitexp(finished, "compare", "-o", str(path)).code == 0
        assert path.read_text().startswith(begins), name
    path = tmp_path / "said.html"
    assert gitexp(finished, "compare", "-o", str(path), "--format", "md").code == 0
    assert path.read_text().startswith("#")


def test_nothing_that_only_looks_writes(finished: BuiltRepo) -> None:
    before = (finished.refs(), finished.status(), finished.git("count-objects", "-v"))
    for argv in (
        ["list"],
        ["list", "--runs"],
        ["show"],
        ["status"],
        ["diff", "main", "HEAD"],
        ["inputs", "main", "HEAD"],
        ["compare"],
    ):
        assert gitexp(finished, *argv).code == 0, argv
    after = (finished.refs(), finished.status(), finished.git("count-objects", "-v"))
    assert after == before
