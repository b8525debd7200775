"""Branches of given names, here and as remotes have them, the newest first; by git alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git import command
from gitexp.git.refnames import short
from gitexp.model.ids import CommitHash

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace


def newest(
    where: Workspace | Path, patterns: Iterable[str], env: Mapping[str, str] | None = None
) -> list[tuple[str, CommitHash]]:
    """Return short names and tips of branches that patterns may mean, by date of their commits.

    hooks/pre-commit asks for main and master in the same words. A pattern with ``*`` is widened to
    what git can look up: the caller picks.
    """
    asked: list[str] = []
    for pattern in patterns:
        literal, star, _ = pattern.partition("*")
        folder = literal.rpartition("/")[0]
        below = f"/{folder}" if folder else ""
        asked += (
            (f"refs/heads{below}", "refs/remotes")
            if star
            else (f"refs/heads/{literal}", f"refs/remotes/*/{literal}")
        )
    if not asked:
        return []
    shape = "--format=%(refname) %(objectname)"
    arguments = ["for-each-ref", "--sort=-committerdate", shape, "--", *asked]
    code, out, err = command.attempt(where, arguments, env=env)
    if code:
        raise command.failure(arguments, code, err)
    found = []
    for line in out.decode("utf-8", "surrogateescape").splitlines():
        ref, _, commit = line.rpartition(" ")
        found.append((short(ref), CommitHash(commit)))
    return found
