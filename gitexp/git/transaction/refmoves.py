"""Move several refs at once - a tag appears, a branch goes - all of them or none.

`move.py` puts a commit on one branch and lets worktrees follow. The end of an experiment touches
no worktree, but more than one ref; the steps and their names are the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitFailedError, LockedError
from gitexp.git import refs, writing
from gitexp.git.faults import translated
from gitexp.git.transaction import owners
from gitexp.git.transaction.failpoints import Point, reach

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gitexp.git.refs import Target
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Person

TRIES: Final = 5  # of a `git gc --prune=now` beside us that takes the new objects


@dataclass(frozen=True, slots=True)
class Moves:
    """What is to be moved.

    Attributes
    ----------
    refs : mapping of str to (old, new)
        As `git.refs.held` takes them.
    commit : CommitHash
        What the first of them will lead to, for whoever has to clear up after us.
    written : sequence of str
        Ids of new objects, the last of which leads to all others; empty where there are none.
    """

    refs: Mapping[str, tuple[Target, Target]]
    commit: CommitHash
    written: Sequence[str] = ()


Build = Callable[[], Moves]
Guard = Callable[[], None]


def carry_out(  # noqa: PLR0913 - what is written and moved, by whom, and who may object
    repo: Repo,
    build: Build,
    *,
    guard: Guard,
    message: str,
    who: Person,
    when: datetime,
) -> Moves:
    """Write what `build` writes, and move the refs.

    `build`: writes the objects; called again where a ``git gc`` removed them before a ref held
    them. `guard`: called when the refs are locked; raises where they must not move after all. The
    result: as they were carried out.

    Raises `MovedRefError` if a ref is not where `build` saw it; nothing was moved; `LockedError,
    NoSpaceError, ReadOnlyError, GitFailedError`: nothing was moved, and no lock is left.
    """
    owners.clear_stale(repo)
    with contextlib.ExitStack() as stack:
        lock = owners.critical(repo.workspace)
        lock.acquire()
        stack.callback(lock.release)
        for _ in range(TRIES):
            moves = build()
            try:
                if _attempt(repo, moves, guard, message, who, when):
                    return moves
            except OSError as error:
                where = str(repo.workspace.common_dir)
                raise translated(error, "cannot move refs", where) from error
    raise LockedError("git gc removes objects faster than a ref can hold them")


def _attempt(  # noqa: PLR0913, PLR0917  as above, of which it is one try
    repo: Repo,
    moves: Moves,
    guard: Guard,
    message: str,
    who: Person,
    when: datetime,
) -> bool:
    """Move the refs; False where the new objects have vanished before."""
    first = next(iter(moves.refs))
    reach(Point.BLOBS)
    with owners.registered(repo.workspace, first, refs.ABSENT, moves.commit) as owned:
        try:
            if not _kept(repo, moves.written, owned.temporary_ref):
                return False
            reach(Point.TEMPREF)
            with refs.held(repo, moves.refs, message=message, who=who, when=when) as held:
                reach(Point.LOCKED)
                guard()
                reach(Point.COMPARED)
                held.move()
            with contextlib.suppress(OSError):
                reach(Point.SET)
        finally:
            refs.drop(repo, owned.temporary_ref)
    return True


def _kept(repo: Repo, written: Sequence[str], ref: str) -> bool:
    if not written:
        return True
    try:
        refs.keep(repo, ref, written[-1])
    except GitFailedError:
        if writing.exist(repo, written):
            raise
        return False
    return writing.exist(repo, written)
