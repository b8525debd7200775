"""Take what others shared: branches go forward, archive tags appear, data come when asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitexp.git import refs, remote
from gitexp.git.absent import ABSENT
from gitexp.model.sharing import BranchMove, BranchOutcome, DataMoved, TogetherReport
from gitexp.sharing import histories, payload, places

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from gitexp.model.workspace import Workspace
    from gitexp.sharing.places import Shared

NOT_ASKED = DataMoved(said="not asked for; gitexp pull --data brings them")


def pull(  # noqa: PLR0913  what is taken, from where, with or without data
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    remote_name: str | None = None,
    data: bool = False,
    trust: bool = False,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> TogetherReport:
    """Fetch a remote's branches and archive tags, and let the local branches follow.

    A branch moves only forward; work trees on it follow, and what a person changed in them stays.

    Parameters
    ----------
    workspace : Workspace
    names : sequence of str
        Experiments or branches, also such as only the remote has; every local experiment by
        default. Of one that is archived the data come, and no branch.
    remote_name : str, optional
        Git's name of the remote.
    data : bool
        Whether to fetch the data of these branches and of their runs, and to put the outputs into
        the work trees. Without names also those of what is checked out, a main branch say.
    trust : bool
        Whether the branch that is checked out may say where data go, or come from.
    now : datetime, optional
    environ : Mapping
        For DVC's settings.

    Raises
    ------
    PreconditionError
        If there is no remote, or data are wanted and there is no DVC remote.
    ForeignRemoteError
        If only the branch that is checked out says where data go.
    DvcFailedError, GitFailedError
        If a remote refuses.
    """
    shared = places.opened(workspace, remote_name, now)
    known = shared.archived()
    warnings = remote.fetch(workspace, shared.remote)
    ended = places.archived(shared, names)
    rest = [name for name in names if name not in ended]
    branches = () if ended and not rest else places.either(shared, rest)
    histories.settle_data(shared)
    moved = [histories.settle(shared, branch, join=False) for branch in branches]
    moves = [each.move for each in moved]
    everywhere = [*moves, *(_checked_out(shared, branches) if data and not names else ())]
    tips = [*(move.after for move in everywhere if move.after is not None), *ended.values()]
    depot = payload.depot_of(shared, tips, environ, trust=trust or not data)
    brought = payload.bring(shared, depot, tips) if data else NOT_ASKED
    left = payload.follow(shared, depot, everywhere, fetch=data, everything=data)
    parted = [move.branch for move in moves if move.open]
    return TogetherReport(
        verb="pull",
        remote=shared.remote,
        branches=tuple(moves),
        data=brought,
        attempts=1,
        not_updated=(*(path for each in moved for path in each.left), *left),
        warnings=(*shared.cleared, *warnings),
        next_step="gitexp sync"
        if parted
        else payload.import_step(shared, depot, moves, brought) or "gitexp list",
        archived=tuple(sorted(shared.archived() - known)),
    )


def _checked_out(shared: Shared, branches: Sequence[str]) -> Iterator[BranchMove]:
    """Yield the branch of this work tree, which stays where it is: its data are wanted first."""
    head = refs.head(shared.repo)
    if head.branch and head.branch not in branches and head.commit is not ABSENT:
        yield BranchMove(head.branch, BranchOutcome.SAME, head.commit, head.commit)
