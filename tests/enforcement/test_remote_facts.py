"""What the rules ask of the world: records behind a conclusion, archive tags, data on remotes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gitexp.enforcement.check import RemoteFacts, check
from gitexp.experiments.archive import archive
from gitexp.experiments.conclude import conclude
from gitexp.git.transaction import layout
from gitexp.model.ids import Md5, RunId
from gitexp.model.run import FileHash
from tests.lab.build import repository
from tests.lab.records import CONFIG, START, Lab, experiment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.fixture
def lab(repo: BuiltRepo) -> Lab:
    return Lab(repo)


def concluded(lab: Lab) -> str:
    """Conclude an experiment; return what main holds, which has not merged it."""
    experiment(lab, n=6, repeats=6)
    conclude(lab.repo.workspace, words="Deeper is better.", now=START)
    return lab.repo.hash("main")


def said_of_merges(lab: Lab, revisions: str) -> list[str]:
    report = check(lab.repo.workspace, revisions, outside=RemoteFacts(lab.repo.workspace))
    return [item.message for item in report.violations if item.rule == "R7"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("", "", ""),
        ("p_value: 0.", "p_value: 0.0", "p of f1"),
        ("      low: 0.0", "      low: 0.1", "lower limit of f1"),
        ("mean_candidate: 0.6", "mean_candidate: 0.9", "candidate's mean of f1"),
        ("alpha: 0.05\n        resamples", "alpha: 0.01\n        resamples", "alpha of f1"),
    ],
)
def test_a_conclusion_is_computed_again_from_its_records(
    lab: Lab, old: str, new: str, said: str
) -> None:
    before = concluded(lab)
    path = layout.conclusion_path("deep")
    text = lab.repo.show(path)
    assert old in text
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--squash", "exp/deep")
    lab.repo.commit({path: text.replace(old, new, 1) if old else text}, at=70)
    found = said_of_merges(lab, f"{before}..main")
    assert len(found) == bool(said)
    assert said in "".join(found)


def test_a_conclusion_that_was_merged_is_not_written_over(lab: Lab) -> None:
    before = concluded(lab)
    path = layout.conclusion_path("deep")
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--no-edit", "exp/deep", at=70)
    merged = lab.repo.hash()
    text = lab.repo.show(path)
    assert text.count("verdict: supported") == 2
    lab.repo.commit({path: text.replace("verdict: supported", "verdict: refuted", 1)}, at=71)
    (message,) = said_of_merges(lab, f"{merged}..main")
    assert "not that of the comparison" in message
    lab.repo.commit({path: None}, at=72)
    (message,) = said_of_merges(lab, f"{merged}..main")
    assert "without a conclusion" in message
    lab.repo.commit({path: text}, at=73)
    assert said_of_merges(lab, f"{before}..main") == []


def test_a_conclusion_whose_records_are_gone_cannot_be_computed_again(lab: Lab) -> None:
    before = concluded(lab)
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--squash", "exp/deep")
    lab.repo.git("rm", "-q", "-r", "-f", layout.run_dir(RunId("b" * 16)))
    lab.repo.commit(at=70)
    assert said_of_merges(lab, f"{before}..main") == []  # its branch has them
    lab.repo.git("branch", "-D", "exp/deep")
    (message,) = said_of_merges(lab, f"{before}..main")
    assert "not what its records give" in message


POINTER = "outs:\n- md5: 0123456789abcdef0123456789abcdef\n  size: 3\n  hash: md5\n  path: {}\n"
MADE = FileHash("predictions.csv", Md5("fedcba9876543210fedcba9876543210"), 3)


def asked_for_data(lab: Lab, revisions: str = "main~1..main") -> tuple[list[str], str]:
    """Return what is said of data that are not on the remote, and what could not be told."""
    world = RemoteFacts(lab.repo.workspace, remote=True, environ={})
    report = check(lab.repo.workspace, revisions, outside=world)
    found = [item.message for item in report.violations if item.rule == "R10"]
    return found, "; ".join(report.notes)


def dvc(lab: Lab, folder: str = "", **remote: str) -> None:
    """Make a folder DVC's, with a default remote."""
    lines = [f"    {key} = {value}\n" for key, value in remote.items()]
    text = "[core]\n    remote = r\n['remote \"r\"']\n" + "".join(lines) if remote else ""
    lab.repo.commit({f"{folder}.dvc/config": text}, at=4)


def test_data_are_looked_for_on_a_remote_that_is_a_folder(lab: Lab, tmp_path: Path) -> None:
    lab.init(replace(CONFIG, project="sub"))
    dvc(lab, "sub/", url=str(tmp_path / "remote"))
    lab.repo.commit({"sub/a.dvc": POINTER.format("a")}, at=5)
    assert asked_for_data(lab) == (["sub/a of this commit is not on the DVC remote"], "")
    held = tmp_path / "remote/files/md5/01/23456789abcdef0123456789abcdef"
    held.parent.mkdir(parents=True)
    held.write_bytes(b"abc")
    assert asked_for_data(lab) == ([], "")
    lab.repo.commit({"sub/b.dvc": f"{POINTER.format('b')}  remote: lab\n"}, at=5)
    found, said = asked_for_data(lab)  # no folder of the default remote's says anything of it
    assert found == []
    assert "sub/b.dvc: a remote of its own" in said
    lab.repo.commit({"a.py": "1\n", "sub/b.dvc": None}, at=6)
    lab.record("c", {"f1": {0: 0.6}}, outputs={0: (MADE,)})
    (message,), _ = asked_for_data(lab)
    assert "predictions.csv" in message


@pytest.mark.parametrize(
    ("remote", "why"),
    [
        ({"url": "s3://bucket/x"}, "the DVC remote r is no plain folder"),
        ({"url": "ssh://me@host/x"}, "the DVC remote r is no plain folder"),
        ({"url": "/x", "version_aware": "true"}, "the DVC remote r is no plain folder"),
        ({}, "no DVC remote is set"),
    ],
)
def test_a_remote_that_only_dvc_can_ask_is_never_passed_over_in_silence(
    lab: Lab, remote: dict[str, str], why: str
) -> None:
    lab.init()
    dvc(lab, **remote)
    lab.repo.commit({"a.dvc": POINTER.format("a")}, at=5)
    lab.repo.commit({"b.dvc": POINTER.format("b")}, at=6)
    found, said = asked_for_data(lab, "main~2..main")
    assert found == []
    assert why in said
    assert "and 1 more was not looked at" in said
    assert (
        check(lab.repo.workspace, outside=RemoteFacts(lab.repo.workspace)).notes == ()
    )  # not asked
    lab.repo.commit({"a.dvc": None, "b.dvc": None}, at=7)
    assert asked_for_data(lab) == ([], "")


def test_a_git_remote_that_does_not_answer_is_said(lab: Lab) -> None:
    before = concluded(lab)
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--no-edit", "exp/deep")
    world = RemoteFacts(lab.repo.workspace, remote=True)
    report = check(lab.repo.workspace, f"{before}..main", outside=world)
    assert "the archive tag of deep was not looked for" in "".join(report.notes)


def test_the_remote_is_asked_for_the_archive_tag_only_where_that_is_wanted(
    lab: Lab, tmp_path: Path
) -> None:
    experiment(lab, n=4, repeats=4)
    conclude(lab.repo.workspace, words="Deeper is better.", now=START)
    before = lab.repo.hash("main")
    host = repository(tmp_path / "host.git", bare=True)
    lab.repo.git("remote", "add", "origin", host.path.as_uri())
    lab.repo.switch("main")
    lab.repo.git("merge", "-q", "--no-edit", "exp/deep")
    workspace = lab.repo.workspace

    def found(*, remote: bool) -> list[str]:
        world = RemoteFacts(workspace, remote=remote)
        report = check(workspace, f"{before}..main", outside=world)
        return [item.message for item in report.violations if item.rule == "R7"]

    assert found(remote=False) == []
    (message,) = found(remote=True)
    assert "exp-archive/deep is not on origin" in message
    archive(workspace, "deep", push=True, now=START)
    assert found(remote=True) == []
