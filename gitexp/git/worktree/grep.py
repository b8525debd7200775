"""Where words stand in the files of a project, by `git grep`: what is ignored is not looked at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git import command

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace

_GLOBS = {"GIT_LITERAL_PATHSPECS": "0"}  # the patterns are ours


def files(
    where: Workspace | Path, *words: str, names: tuple[str, ...] = (), at: CommitHash | None = None
) -> tuple[str, ...]:
    """Return the text files that have every one of some words, each in some line.

    `where`: the folder in and below which is looked; paths are relative to it. `names`: patterns
    of the files' names; without any all are looked at. `at`: by default the work tree with what is
    not tracked yet.
    """
    asked = [part for word in words for part in ("-e", word)]
    scope = "--untracked" if at is None else at
    options = ["grep", "-lzIF", "--all-match", *asked, scope, "--", *names]
    out = command.attempt(where, options, env=_GLOBS)[1]
    prefix = "" if at is None else f"{at}:"
    text = out.decode("utf-8", "surrogateescape")
    return tuple(item.removeprefix(prefix) for item in text.split("\0") if item)


def matches(
    where: Workspace | Path, pattern: str, paths: tuple[str, ...], at: CommitHash
) -> tuple[str, ...]:
    """Return what an extended regular expression matches in some files of a commit."""
    options = ["grep", "-hIoE", "-e", pattern, at, "--", *paths]
    out = command.attempt(where, options)[1]
    return tuple(out.decode("utf-8", "replace").splitlines())
