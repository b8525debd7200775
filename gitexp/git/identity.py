"""The author and committer that Git would record, and who signed commits.

Which program verifies signatures, and whose keys count, comes from the settings of user and system:
a repository's folder may be a stranger's, and could name a program of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from gitexp.errors import PreconditionError
from gitexp.git import command
from gitexp.model.plan import Person
from gitexp.model.witness import Signer
from gitexp.model.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash


def author(repo: Repo | Workspace) -> Person:
    """Return the author that ``git commit`` would record."""
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
        said = err.decode("utf-8", "backslashreplace").strip().split("\n")
        raise PreconditionError(
            "Git does not know who you are",
            found=said[-1].removeprefix("fatal: "),
            expected="user.name and user.email",
            next_step='git config --global user.name "You"; '
            "git config --global user.email you@example.org",
        )
    return Person(name, email)


_PARTS: Final = 5  # of a line that git is asked for
_SCOPES: Final = frozenset(("system", "global", "command"))
_OWN: Final = {
    "gpg.program": "gpg",
    "gpg.openpgp.program": "gpg",
    "gpg.x509.program": "gpgsm",
    "gpg.ssh.program": "ssh-keygen",
    "gpg.ssh.allowedsignersfile": os.devnull,
    "gpg.ssh.revocationfile": "",
    "gpg.mintrustlevel": "",
}


def signers(workspace: Workspace, commits: Sequence[CommitHash]) -> dict[CommitHash, Signer]:
    """Return who signed each commit, by a key that the reader knows and trusts (``%G?`` is G)."""
    if not commits:
        return {}
    chosen = {**_OWN, **settings(workspace, "gpg.")}
    options = [part for key, value in chosen.items() if value for part in ("-c", f"{key}={value}")]
    arguments = [*options, "log", "--no-walk=unsorted", "--no-show-signature", "--stdin",
                 "--format=%H%x00%G?%x00%GS%x00%GF%x00%GP%x01"]  # fmt: skip
    return _verified(workspace, arguments, commits)


def _verified(
    workspace: Workspace, arguments: Sequence[str], commits: Sequence[CommitHash]
) -> dict[CommitHash, Signer]:
    """Return who signed; git dies of a signature of no known kind, so that one is left out."""
    data = "".join(f"{commit}\n" for commit in commits).encode("ascii")
    code, out, _ = command.attempt(workspace, arguments, data=data)
    if code:
        middle = len(commits) // 2
        halves = (commits[:middle], commits[middle:]) if middle else ()
        each = [_verified(workspace, arguments, half) for half in halves]
        return {commit: signer for found in each for commit, signer in found.items()}
    found = {}
    known = {str(commit): commit for commit in commits}
    for record in out.decode("utf-8", "backslashreplace").split("\x01"):
        parts = record.strip("\n").split("\0")
        if len(parts) != _PARTS:
            continue
        commit, good, who, key, primary = parts
        if good == "G" and commit in known:
            found[known[commit]] = Signer(who, primary or key)
    return found


def settings(workspace: Workspace, prefix: str) -> Mapping[str, str]:
    """Return the settings below a prefix that user and system gave, not the repository's."""
    return {
        key: value
        for scope, key, value in command.settings_of(workspace)
        if scope in _SCOPES and key.startswith(prefix)
    }
