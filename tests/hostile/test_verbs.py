"""Hostile names, metrics, plans and prose through every verb, hook and format: nothing acts.

A verb that is added and not in the table fails the first test.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.commands import COMMANDS
from gitexp.cli.dispatch import dispatch
from tests.build import clone
from tests.ops.records import Lab

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.build import BuiltRepo

ACTS: Final = "\x1b]52;c;aGFjaw==\x07\x1b[31m\x9b31m\u202e\u200b\r|<img src=x>`id`"
LINES: Final = "\n\nSigned-off-by: Eve <e@x>\nReviewed-by: Eve <e@x>\nGitexp-Run: aaaaaaaaaaaaaaaa"
METRIC: Final = f"f1{ACTS}{LINES}"
SEEDS: Final = range(6)
LOOK: Final[tuple[tuple[str, ...], ...]] = (
    *(("list",), ("list", "--runs"), ("list", "--md"), ("list", "--csv"), ("status",), ("show",)),
    *(("show", "deep"), ("show", "c"), ("diff", "main", "HEAD"), ("inputs", "main", "HEAD")),
    *(("logs",), ("power",), ("power", "deep"), ("compare",), ("compare", "main", "HEAD")),
    *(("compare", "--format", each) for each in ("md", "html", "latex", "csv")),
    *(("check",), ("check", "main..HEAD"), ("review", "main...HEAD"), ("doctor",)),
    *(("maintenance", "--dry-run"), ("run", "--dry-run"), ("run", "--at", "HEAD", "--dry-run")),
    *(("conclude", "-m", "x", "--dry-run"), ("archive", "--dry-run"), ("rm", "deep", "--dry-run")),
    *(("rename", "deep", "other", "--dry-run"), ("witness", "deep"), ("hooks", "status")),
    ("amend-plan", "--why", "x", "--effect", ">=6%", "--dry-run"),
)
DO: Final[tuple[tuple[str, ...], ...]] = (
    *(("conclude", "-m", "x"), ("conclude", "--amend", "-m", "y")),
    *(("amend-plan", "--why", "x", "--effect", ">=6%"), ("push",), ("pull",), ("sync",)),
    *(
        ("rename", "deep", "other"),
        ("archive", "other", "--abandon", "--yes"),
        ("restore", "other"),
    ),
    *(("rm", "other", "--yes"), ("doctor", "--fix"), ("maintenance",), ("hooks", "install")),
)
ELSEWHERE: Final = {  # verbs that no stranger's string reaches, or whose test is another one
    "init": "reads the work tree of its user",
    "new": "takes what its user types",
    "test": "reads two plain files of its user",
    "completion": "prints a script of its own",
    "comment": "tests/ops/test_comment.py, tests/report/test_foreign_reviews.py",
    "merge-driver": "writes a file, tests/cli/test_merge_driver.py",
    "worker": "writes into a job's folder, tests/ops/test_run_hostile.py",
    "hook": "below, by Git itself",
}


def test_the_table_has_every_verb() -> None:
    driven = {argv[0] for argv in (*LOOK, *DO)}
    assert driven | ELSEWHERE.keys() == {command.name for command in COMMANDS}
    assert not driven & ELSEWHERE.keys()


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> BuiltRepo:
    """A finished experiment, checked out, each of whose free texts is hostile."""
    from tests.build import BuiltRepo  # noqa: PLC0415  a name of the type checker's above

    folder = tmp_path_factory.mktemp("evil")
    repo = BuiltRepo(folder / "p")
    repo.path.mkdir()
    repo.git("init", "--quiet", "--initial-branch=main")
    for key, value in (("user.name", "Victim"), ("user.email", "victim@example.org")):
        repo.git("config", key, value)
    lab = Lab(repo)
    lab.init()
    plan = lab.plan(metric=METRIC, hypothesis=f"A deeper model is better.{ACTS}{LINES}", repeats=6)
    lab.change()
    for letter, of, base in (("b", "main", 0.6), ("c", "HEAD", 0.8)):
        values = {METRIC: {seed: base + seed / 100 for seed in SEEDS}}
        lab.record(letter, values, of=of, plan=plan)
    clone(repo, folder / "hub.git", "--bare")
    repo.git("remote", "add", "origin", str(folder / "hub.git"))
    repo.git("fetch", "-q", "origin")
    return repo


def driven(
    repo: BuiltRepo, verbs: Sequence[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> int:
    """Drive verbs, as text and as JSON; return how many came to an answer."""
    answered = 0
    for argv in verbs:
        for more in ((), ("--json",)):
            code = dispatch(["-C", str(repo.path), *argv, *more])
            said = capsys.readouterr()
            assert code in range(7), (argv, more, code, said.err)
            for text in (said.out, said.err):
                assert all(c.isprintable() or c in "\n\t" for c in text), (argv, more)
                lines = [line for line in text.splitlines() if line.startswith("Signed-off-by")]
                assert lines == [], (argv, more)
            if more and code in {0, 1, 5, 6}:
                json.loads(said.out)
            answered += code in {0, 1, 5, 6}
    return answered


def test_no_answer_acts_on_a_terminal(evil: BuiltRepo, capsys: pytest.CaptureFixture[str]) -> None:
    # The control: most of them have something to say.
    assert driven(evil, LOOK, capsys) > len(LOOK)


def test_git_hooks_put_no_line_of_a_branch_into_a_message(evil: BuiltRepo, tmp_path: Path) -> None:
    mine = clone(evil, tmp_path / "mine", "--branch", "exp/deep")
    assert dispatch(["-C", str(mine.path), "hooks", "install"]) == 0
    mine.write({"note.txt": "x"})
    mine.git("add", "note.txt")
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\n{ echo subject; cat "$1"; } > "$1.new" && mv "$1.new" "$1"\n')
    editor.chmod(0o755)
    mine.git("-c", f"core.editor={editor}", "commit", "-q")
    message = mine.git("log", "-1", "--format=%B")
    assert "Experiment: deep" in message  # the control
    assert "Hypothesis: A deeper model is better." in message
    trailers = mine.git("log", "-1", "--format=%(trailers:keyonly)").split()
    assert set(trailers) == {"Experiment", "Hypothesis", "Metric"}
    assert all(c.isprintable() or c == "\n" for c in message)


def test_no_commit_carries_lines_of_a_branch(
    evil: BuiltRepo, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = clone(evil, tmp_path / "mine", "--branch", "exp/deep")
    before = set(mine.git("rev-list", "--all").split())
    driven(mine, DO, capsys)
    made = set(mine.git("rev-list", "--all").split()) - before
    assert len(made) >= 3  # the control: verbs did something
    for commit in made:
        message = mine.git("log", "-1", "--format=%B", commit)
        assert all(c.isprintable() or c == "\n" for c in message), message
        assert "Eve" not in mine.git("log", "-1", "--format=%(trailers)", commit)
    assert not os.path.lexists(mine.path / "id")
