"""Lets the files of a snapshot take the place of those that no commit held, and keeps these.

Metrics of an execution before the first record lie in the work tree, untracked. Left there they
would be a change that stops the next run, and that a person commits over the snapshot's numbers.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.execution.jobs import lies_in
from gitexp.git import command, objects
from gitexp.git.refs import ABSENT
from gitexp.git.transaction import layout
from gitexp.git.worktree import checkouts
from gitexp.git.worktree.conversion import Conversion, conversions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.transaction import Published
    from gitexp.model.ids import RunId


def put_aside(
    repo: Repo, branch: str, published: Published, made: Sequence[str], run: RunId
) -> dict[str, str]:
    """Put such files of the branch's work trees into the Git directory, and the new ones there.

    Everything is published: from here on nothing is an error.

    `made`: what the run makes and Git holds, from the repository's top. The result: by path, as
    `Published.not_updated` has it, what to say.
    """
    said: dict[str, str] = {}
    for place in checkouts.on_branch(repo.workspace, branch) if published.not_updated else ():
        for shown in published.not_updated:
            file = (repo.workspace.top or place.top) / shown
            if not file.is_relative_to(place.top):
                continue  # of another work tree
            path = file.relative_to(place.top).as_posix()
            with contextlib.suppress(OSError, GitexpError):
                kept = layout.state(repo.workspace.common_dir, "replaced", run, path)
                if lies_in(path, made) and _is_new(repo, published, place.top, path):
                    kept.parent.mkdir(parents=True, exist_ok=True)
                    if kept.exists():
                        continue
                    file.rename(kept)
                    command.attempt(place.top, ["checkout-index", "-u", "--", path])
                    said[shown] = (
                        f"{shown} was in no commit: the run's is there now, the former {kept}"
                    )
    return said


def _is_new(repo: Repo, published: Published, top: Path, path: str) -> bool:
    """Tell whether a plain file came into Git just now, and is written without a program."""
    before = published.tip_before
    return (
        before is not ABSENT
        and objects.entry_at(repo, before, path) is ABSENT
        and objects.entry_at(repo, published.commit, path) is not ABSENT
        and (top / path).is_file()
        and (top / path).resolve() == top.resolve() / path
        and conversions(repo, top, [path])[path] is not Conversion.FOREIGN
    )
