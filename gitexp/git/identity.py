"""Who is at work, as Git would record it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import PreconditionError
from gitexp.git import command
from gitexp.model.plan import Person
from gitexp.model.workspace import Workspace

if TYPE_CHECKING:
    from gitexp.git.repository import Repo


def author(repo: Repo | Workspace) -> Person:
    """Return the author that ``git commit`` would record.

    Raises `PreconditionError` if Git knows no name or address.
    """
    return _identity(repo, "GIT_AUTHOR_IDENT")


def committer(repo: Repo | Workspace) -> Person:
    """Return the committer that ``git commit`` would record; raises as `author` does."""
    return _identity(repo, "GIT_COMMITTER_IDENT")


def _identity(repo: Repo | Workspace, variable: str) -> Person:
    workspace = repo if isinstance(repo, Workspace) else repo.workspace
    code, out, err = command.attempt(workspace, ["var", variable])
    text = out.decode("utf-8", "backslashreplace")
    name, opened, rest = text.partition(" <")
    email, closed, _ = rest.rpartition("> ")
    if code or not opened or not closed or not name:
        said = err.decode("utf-8", "backslashreplace").strip().splitlines()
        raise PreconditionError(
            "Git does not know who you are",
            found=said[-1].removeprefix("fatal: ") if said else "",
            expected="user.name and user.email",
            next_step='git config --global user.name "You"; '
            "git config --global user.email you@example.org",
        )
    return Person(name, email)
