"""Lines of what others wrote end where Git, Python and editors end them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

import gitexp
from gitexp.dvc import gitignore
from gitexp.dvc.gitignore import joined
from gitexp.text.foreign import lines

if TYPE_CHECKING:
    from tests.lab.build import BuiltRepo

ODD: Final = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
# `str.splitlines`, where DVC takes it, of our own text, and of bytes.
ALLOWED: Final = {"dvc/dvc_config.py": 1, "system/environment.py": 1, "model/witness.py": 1,
                  "sharing/merge_driver.py": 1}  # fmt: skip


@pytest.mark.parametrize("text", ["", "a", "a\n", "a\r\nb\n", "a\rb", "\n", "a\n\nb", f"a{ODD}b\n"])
def test_lines_are_those_of_a_file_opened_as_text(text: str, tmp_path: Path) -> None:
    (tmp_path / "f").write_text(text, "utf-8", newline="")
    with (tmp_path / "f").open(encoding="utf-8") as file:
        assert lines(text) == [line.removesuffix("\n") for line in file]


def test_nobody_else_splits_lines() -> None:
    root = Path(gitexp.__file__).parent
    found = {
        path.relative_to(root).as_posix(): count
        for path in root.rglob("*.py")
        if (count := path.read_text("utf-8").count(".splitlines(")) > 0
    }
    assert found == ALLOWED


@pytest.mark.parametrize("odd", ODD)
def test_a_pattern_that_git_reads_as_one_line_ignores_nothing_else(
    repo: BuiltRepo, odd: str
) -> None:
    """Else an output would be taken for ignored, and be committed by the next `git add`."""
    text = f"/x{odd}/model\n".encode()
    repo.write({".gitignore": text})
    assert repo.git("check-ignore", "--", "model", check=False) == ""
    assert gitignore.ignore_lines(text, ["model"]) == text + b"/model\n"
    repo.write(gitignore.ignore_files({".gitignore": text}, ["model"]))
    assert repo.git("check-ignore", "--", "model") == "model"
    assert joined(b"", text) == text
