"""Absolute paths into the user's work tree, which lead a run's code out of its own folder."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from gitexp.comparison.randomness.seeding import code_cells
from gitexp.errors import GitexpError, UnsafeInputError
from gitexp.git import objects
from gitexp.git.refs import ABSENT
from gitexp.git.worktree import status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash

# Code and settings; a text or a picture may name any path, and nothing follows from it.
_CODE = tuple(
    f"*.{kind}"
    for kind in ("py", "ipynb", "sh", "R", "jl", "yaml", "yml", "json", "toml", "cfg", "ini")
)


def own_paths(repo: Repo, top: Path, commit: CommitHash) -> dict[str, str]:
    """Find where code or settings name the user's work tree by its absolute path.

    A job has a folder of its own, and such a path leads out of it: both sides would read the
    files that happen to be checked out, and write beside them. Comments are passed over, what a
    notebook shows of its last execution, and the interpreter of a virtual environment.

    The result: by file, from the repository's top, where it stands first and what is named.
    """
    tops = dict.fromkeys((str(top), os.path.realpath(top)))
    named = re.compile(f"(?:{'|'.join(map(re.escape, tops))})(?:/([^\"'\\s]*)|(?=[\"'\\s]|$))")
    found: dict[str, str] = {}
    for file in sorted(
        {f for text in tops for f in status.files(top, text, names=_CODE, at=commit)}
    ):
        try:
            data = objects.read_blob(repo, commit, file)
        except UnsafeInputError:
            continue  # no code is as large as that
        text = "" if data is ABSENT else data.decode("utf-8", "replace")
        for place, line in _code_lines(text, file):
            for hit in named.finditer(line):
                first = (hit[1] or "").partition("/")[0]
                if not (first and (top / first / "pyvenv.cfg").exists()):
                    found.setdefault(file, f"{place}: {hit[0]}")
    return found


def _code_lines(text: str, file: str) -> Iterator[tuple[str, str]]:
    """Yield where a line stands and the line; of a notebook those of its cells of code."""
    what, parts = "line", text.splitlines()
    if file.endswith(".ipynb"):
        try:
            what, parts = "code cell", code_cells(text, file)
        except GitexpError:
            return
    for number, part in enumerate(parts, start=1):
        for line in part.splitlines():
            if not line.lstrip().startswith("#"):
                yield f"{what} {number}", line
