"""Share both ways: fetch, put our records on top of theirs, push; again while others are faster."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.git import remote
from gitexp.git.transaction.failpoints import FailPoint, reach
from gitexp.model.sharing import BranchMove, BranchOutcome, TogetherReport
from gitexp.sharing import histories, payload, places, push

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from gitexp.model.workspace import Workspace


def sync(  # noqa: PLR0913  what is shared, where, with or without data
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    remote_name: str | None = None,
    data: bool = True,
    trust: bool = False,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> TogetherReport:
    """Bring experiments here and on the remote together, and share the result.

    Records of ours are replayed on top of theirs; where a person's commits are among ours, both
    lines are merged. The first valid snapshot stays. A killed call is finished by the next one.

    Parameters
    ----------
    workspace : Workspace
    names : sequence of str
        Experiments or branches, also such as only the remote has; every local experiment by
        default.
    remote_name : str, optional
        Git's name of the remote.
    data : bool
        Whether bytes go to the DVC remote, and come from it where a snapshot of theirs replaces
        ours.
    trust : bool
        Whether the branch that is checked out may say where data go, or come from.
    now : datetime, optional
    environ : Mapping
        For DVC's settings.

    Returns
    -------
    TogetherReport
        Branches that a person has to merge are named; the others are shared all the same.

    Raises
    ------
    PreconditionError
        If there is no remote, or data and no DVC remote for them.
    ForeignRemoteError
        If only the branch that is checked out says where data go.
    DvcFailedError, GitFailedError
        If a remote refuses.
    MovedRefError
        If others were faster for a minute; what is here is complete, and nothing was pushed.
    """
    shared = places.opened(workspace, remote_name, now)
    known = shared.archived()
    deadline = time.monotonic() + push.PATIENCE_S
    moves: dict[str, BranchMove] = {}
    left: list[str] = []
    attempts = 0
    while True:
        attempts += 1
        warnings = remote.fetch(workspace, shared.remote)
        reach(FailPoint.FETCHED)
        branches = places.either(shared, names)
        depot = payload.depot_of(
            shared, push.tips_of(shared, branches), environ, trust=trust or not data
        )
        if data:
            payload.check_depot(shared, depot, push.tips_of(shared, branches))
        for branch in branches:
            made = histories.settle(shared, branch, join=True)
            left += made.left
            left += payload.follow(shared, depot, [made.move], fetch=data)
            moves[branch] = _both(moves.get(branch), made.move)
        products = histories.settle_data(
            shared
        )  # after the branches: a run writes it before its own
        reach(FailPoint.JOINED)
        mine = [moves[branch] for branch in branches if not moves[branch].open]
        moved = push.NO_DATA
        if data:
            moved = payload.send(shared, depot, push.ends_of(mine), products)
        sent = {move.branch for move in mine if move.after != shared.theirs(move.branch)}
        if push.deliver(shared, mine, products):
            break
        push.pause(attempts, deadline, shared)
    reach(FailPoint.PUSHED)
    done = [
        replace(move, pushed=True) if branch in sent else move for branch, move in moves.items()
    ]
    push.follow(shared, done)
    unlearnt = payload.unknown_remote(shared, depot, push.ends_of(mine)) if data else ""
    open_ = [move.branch for move in done if move.open]
    return TogetherReport(
        verb="sync",
        remote=shared.remote,
        branches=tuple(done),
        data=moved,
        attempts=attempts,
        not_updated=tuple(dict.fromkeys(left)),
        warnings=(
            *shared.cleared,
            *warnings,
            *filter(None, (unlearnt,)),
            *push.unshared(shared, branches),
        ),
        next_step=f"look at {open_[0]}, then gitexp sync" if open_ else "gitexp status",
        archived=tuple(sorted(shared.archived() - known)),
    )


def _both(earlier: BranchMove | None, move: BranchMove) -> BranchMove:
    """Join what two attempts did to a branch."""
    if earlier is None or earlier.way in {
        BranchOutcome.SAME,
        BranchOutcome.AHEAD,
        BranchOutcome.NEW,
    }:
        return move if earlier is None else replace(move, before=earlier.before)
    if move.way in {
        BranchOutcome.SAME,
        BranchOutcome.AHEAD,
    }:  # the work was done by the attempt before
        return replace(earlier, after=move.after)
    return replace(
        move,
        before=earlier.before,
        records=max(earlier.records, move.records),
        kept=move.kept or earlier.kept,
    )
