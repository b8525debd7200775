"""What is written beside a file before it replaces it: under no name that others may have taken."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from gitexp.cli import answers
from gitexp.cli.dispatch import dispatch
from gitexp.dvc.input_parts import InputPart
from gitexp.errors import UnsafeInputError
from gitexp.git.transaction import layout
from tests.lab.recorded import config_file

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.build import BuiltRepo


@pytest.mark.parametrize("name", ["config.tmp", "config.yaml.tmp", "nothing"])
def test_init_writes_through_no_link_that_a_branch_tracks(
    repo: BuiltRepo, tmp_path: Path, name: str
) -> None:
    repo.commit(config_file())
    outside = tmp_path / "bashrc"
    outside.write_text("# Ada's\n")
    (repo.path / ".gitexp" / name).symlink_to(outside)
    repo.git("add", "-f", ".gitexp")
    repo.git("commit", "-qm", "x")
    before = (repo.path / layout.CONFIG).read_text()
    argv = ["-C", str(repo.path), "init", "--no-commit", "--metrics", "m2.json"]
    assert dispatch(argv) == 0
    assert (repo.path / layout.CONFIG).read_text() != before  # the control
    assert outside.read_text() == "# Ada's\n"
    assert not [*(repo.path / ".gitexp").glob("config-*")]


def test_an_answer_is_kept_through_no_link_of_a_given_folder(
    repo: BuiltRepo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    repo.commit(config_file())
    outside = tmp_path / "bashrc"
    outside.write_text("# Ada's\n")
    folder = repo.path / ".git/gitexp/answers"
    folder.mkdir(parents=True)
    (folder / f"{os.getpid()}.tmp").symlink_to(outside)
    question = answers.ask(["-C", str(repo.path), "status"])
    assert question is not None
    question.remember("all is well\n")
    assert question.recall() == "all is well\n"  # the control
    assert outside.read_text() == "# Ada's\n"


def test_what_is_put_replaces_a_file_and_whatever_has_the_other_name(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_bytes(b"1")
    half, file = tmp_path / "half", tmp_path / "file"
    for make in (half.symlink_to, half.hardlink_to):
        make(outside)
        layout.put(file, b"2", "half")
        assert (file.read_bytes(), outside.read_bytes(), half.exists()) == (b"2", b"1", False)


def test_no_two_inputs_have_one_line_by_a_nul() -> None:
    one = InputPart(b"a", "data", 0, "x")
    assert one.line() == b"data\x000\x00a\x00x\x00"
    for part in (
        InputPart(b"a\0x\0data\x000\0b", "data", 0, "x"),
        InputPart(b"a", "data", 0, "\0"),
    ):
        with pytest.raises(UnsafeInputError):
            part.line()
