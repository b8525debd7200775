"""What may be executed without a question: what the user's own branches hold, or held.

A commit that came by a fetch alone, from a fork say, holds commands of somebody else. Tags and
``gitexp/data`` come by a fetch, too, so neither makes a commit the user's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import UntrustedSourceError
from gitexp.git import command, objects
from gitexp.git.transaction.layout import DATA_BRANCH

if TYPE_CHECKING:
    from gitexp.execution.place import Place
    from gitexp.model.ids import CommitHash


def check(place: Place, source: CommitHash) -> None:
    """Refuse to execute a commit that no local branch holds.

    Raises `UntrustedSourceError`: says who wrote it, and how to look at it first.
    """
    if objects.is_ancestor(place.repo, source, place.head):
        return
    asked = ["for-each-ref", "--count=2", "--format=%(refname)", "--contains", source, "refs/heads"]
    held = command.lines(command.run(place.workspace, asked))
    if {*held} - {f"refs/heads/{DATA_BRANCH}"} or _was_committed_here(place, source):
        return
    info = objects.commit_info(place.repo, source)
    raise UntrustedSourceError(
        "this would execute a commit that none of your branches holds",
        found=f"{info.subject[:120]!r} by {info.author.name} <{info.author.email}>",
        where=source,
        expected="a commit of your own, or a look at it first",
        next_step=f"gitexp diff HEAD {source[:12]}, then the same with --trust",
    )


def _was_committed_here(place: Place, source: CommitHash) -> bool:
    """Whether it was committed on this branch and amended or reset since.

    Git begins such a line with the command that moved the branch, and gitexp with its own name: a
    fetch, merge, pull, reset, rebase or cherry-pick leaves none.
    """
    asked = ["log", "--walk-reflogs", "--format=%H %gs", f"refs/heads/{place.branch}", "--"]
    lines = command.run(place.workspace, asked).splitlines()
    return any(line.startswith(f"{source} commit".encode()) for line in lines)
