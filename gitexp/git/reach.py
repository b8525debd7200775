"""Which commits the refs of this clone still lead to, and when each branch was last touched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from gitexp.git import command, objects

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash

_BATCH: Final = 1_000  # hashes on one command line


def unreachable(repo: Repo, commits: Iterable[CommitHash]) -> frozenset[CommitHash]:
    """Return those commits that no branch, tag or HEAD leads to.

    Whether `git gc` has removed them yet makes no difference: two clones of one repository answer
    alike. In a shallow clone a commit that is not there may well be reachable elsewhere; it is
    unknown, not gone, and no part of the answer.
    """
    asked = list(dict.fromkeys(commits))
    absent = {commit for commit in asked if not objects.exists(repo, commit)}
    here = [commit for commit in asked if commit not in absent]
    look = ["rev-parse", "--verify", "--quiet", "HEAD"]
    head = bool(here) and command.attempt(repo.workspace, look)[0] == 0
    lone: set[str] = set()
    for start in range(0, len(here), _BATCH):
        # No reflog and no stash: what only these hold is gone for everybody else.
        out = command.run(
            repo.workspace,
            ["rev-list", "--ignore-missing", *here[start : start + _BATCH], "--not",
             *(["HEAD"] if head else []), "--branches", "--tags", "--remotes", "--"],
        )  # fmt: skip
        lone.update(out.decode("ascii").split())
    gone = frozenset(commit for commit in here if commit in lone)
    return gone if repo.git.is_shallow else gone | absent


def merged(repo: Repo, commit: CommitHash) -> frozenset[str]:
    """Return the full names of all branches and tags whose whole history a commit has."""
    out = command.run(
        repo.workspace,
        ["for-each-ref", f"--merged={commit}", "--format=%(refname)", "refs/heads",
         "refs/remotes", "refs/tags"],
    )  # fmt: skip
    return frozenset(out.decode("utf-8", "surrogateescape").splitlines())


def touched(repo: Repo) -> dict[str, datetime]:
    """Return the committer's date of the tip of every branch here and on remotes, by full ref."""
    out = command.run(
        repo.workspace,
        ["for-each-ref", "--format=%(refname)%00%(committerdate:unix)", "refs/heads",
         "refs/remotes"],
    )  # fmt: skip
    found = {}
    for line in command.lines(out):
        ref, _, seconds = line.partition("\0")
        if seconds.isdecimal():
            found[ref] = datetime.fromtimestamp(min(int(seconds), 1 << 35), UTC)
    return found
