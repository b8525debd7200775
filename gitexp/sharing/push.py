"""Send experiments to the remote: first their data, then the branches, all or none."""

from __future__ import annotations

import os
import random
import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.errors import MovedRefError
from gitexp.git import objects, refs, remote
from gitexp.git.absent import ABSENT
from gitexp.git.transaction import layout
from gitexp.model.sharing import BranchMove, BranchOutcome, DataMoved, TogetherReport
from gitexp.sharing import histories, payload, places

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from gitexp.git.absent import Absent
    from gitexp.model.ids import CommitHash
    from gitexp.model.workspace import Workspace
    from gitexp.sharing.places import Shared

PATIENCE_S: Final = 60.0  # how long lost races are tried again
NO_DATA: Final = DataMoved(said="left out, as asked")
_ARCHIVE: Final = layout.ARCHIVE_TAGS.removeprefix(places.TAGS)
_NAMED: Final = 3  # archived experiments of a message
_HELD: Final = DataMoved(said="not sent, as no branch was")


def push(  # noqa: PLR0913  what is sent, where, with or without data
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    remote_name: str | None = None,
    data: bool = True,
    trust: bool = False,
    now: datetime | None = None,
    environ: Mapping[str, str] = os.environ,
) -> TogetherReport:
    """Send experiments to a remote.

    Data objects go first, those of a folder before the folder itself; then ``gitexp/data`` and
    the branches in one atomic push. Nothing is forced, and no branch here is changed.

    Parameters
    ----------
    workspace : Workspace
    names : sequence of str
        Experiments or branches; every experiment of this repository by default.
    remote_name : str, optional
        Git's name of the remote.
    data : bool
        Whether bytes go to the DVC remote.
    trust : bool
        Whether the branch that is checked out may say where data go, or come from.
    now : datetime, optional
    environ : Mapping
        For DVC's settings.

    Returns
    -------
    TogetherReport
        Branches that have parted from the remote's are named, and nothing is pushed then.

    Raises
    ------
    PreconditionError
        If there is no remote, or data and no DVC remote for them.
    ForeignRemoteError
        If only the branch that is checked out says where data go.
    DvcFailedError, GitFailedError
        If a remote refuses.
    MovedRefError
        If others were faster for a minute.
    """
    shared = places.opened(workspace, remote_name, now)
    branches = places.mine(shared, names)
    depot = payload.depot_of(shared, tips_of(shared, branches), environ, trust=trust or not data)
    if data:
        payload.check_depot(shared, depot, tips_of(shared, branches))
    deadline = time.monotonic() + PATIENCE_S
    attempts = 0
    while True:
        attempts += 1
        warnings = remote.fetch(workspace, shared.remote)
        moves = [_compared(shared, branch) for branch in branches]
        parted = any(move.open for move in moves)
        moved = _HELD if parted else NO_DATA
        products: CommitHash | Absent = ABSENT
        if not parted:
            products = histories.settle_data(shared)
            if data:
                moved = payload.send(shared, depot, ends_of(moves), products)
        if parted or deliver(shared, moves, products):
            break
        pause(attempts, deadline, shared)
    unlearnt = payload.unknown_remote(shared, depot, ends_of(moves)) if data and not parted else ""
    if not parted:
        moves = [_sent(move) for move in moves]
        follow(shared, moves)
    return TogetherReport(
        verb="push",
        remote=shared.remote,
        branches=tuple(moves),
        data=moved,
        attempts=attempts,
        not_updated=(),
        warnings=(
            *shared.cleared,
            *warnings,
            *filter(None, (unlearnt,)),
            *unshared(shared, branches),
        ),
        next_step="gitexp sync"
        if parted
        else f"the others: gitexp pull, or git switch {_any(moves)}",
    )


def deliver(shared: Shared, moves: Iterable[BranchMove], data: CommitHash | Absent) -> bool:
    """Push gitexp/data and the branches that the remote has not; return whether it has them now.

    False: somebody else was faster. What goes is what the moves say, not what a run that ends
    meanwhile adds: its data were not sent.
    """
    wanted: list[tuple[str, CommitHash]] = []
    if data is not ABSENT and data != shared.theirs(layout.DATA_BRANCH):
        wanted.append((refs.local(layout.DATA_BRANCH), data))
    wanted += [
        (refs.local(move.branch), move.after)
        for move in moves
        if not move.open and move.after is not None and move.after != shared.theirs(move.branch)
    ]
    return not wanted or remote.push(shared.workspace, shared.remote, wanted).done


def follow(shared: Shared, moves: Iterable[BranchMove]) -> None:
    """Let the branches that were sent follow those of the remote."""
    for move in moves:
        if move.pushed:
            remote.follow(shared.repo, shared.remote, move.branch)


def unshared(shared: Shared, sent: Sequence[str]) -> tuple[str, ...]:
    """Name what others may look for and this command does not send, with what sends it."""
    found = []
    for branch in shared.protected():
        ours, theirs = shared.ours(branch), shared.theirs(branch)
        if ours is ABSENT or branch in sent:
            continue
        step = f"git push {shlex.quote(shared.remote)} {shlex.quote(branch)}"
        if theirs is ABSENT:
            found.append(f"{shared.remote} has no {branch}: {step}")
        elif ours != theirs and (more := remote.ahead(shared.workspace, theirs, ours)):
            number = "1 commit" if more == 1 else f"{more} commits"
            found.append(f"{branch} is {number} ahead of {shared.remote}: {step}")
    tags = sorted(name for name in shared.archived() if name.startswith(_ARCHIVE))
    there = (
        remote.remote_refs(shared.workspace, shared.remote, [places.TAGS + t for t in tags])
        if tags
        else {}
    )
    lacking = [tag for tag in tags if places.TAGS + tag not in there]
    if lacking:
        names = ", ".join(lacking[:_NAMED]) + (" ..." if len(lacking) > _NAMED else "")
        told = f"tag {names} is" if len(lacking) == 1 else f"tags {names} are"
        step = f"gitexp archive {shlex.quote(lacking[0].removeprefix(_ARCHIVE))} --push"
        found.append(f"{told} only here: {step}")
    return tuple(found)


def pause(attempts: int, deadline: float, shared: Shared) -> None:
    """Wait a moment that is another one in each process, before the next attempt."""
    if time.monotonic() > deadline:
        raise MovedRefError(
            f"{shared.remote} moves faster than we can follow",
            found=f"{attempts} lost races",
            expected="nothing was pushed; what is here is complete",
            next_step="try again in a quieter moment",
        )
    time.sleep(random.uniform(0, min(0.05 * 2**attempts, 2.0)))  # noqa: S311 - jitter, no secret


def tips_of(shared: Shared, branches: Iterable[str]) -> list[CommitHash]:
    """Return where these branches are here."""
    found = (shared.ours(branch) for branch in branches)
    return list(dict.fromkeys(tip for tip in found if tip is not ABSENT))


def ends_of(moves: Iterable[BranchMove]) -> list[CommitHash]:
    """Return where these branches go to."""
    return list(dict.fromkeys(move.after for move in moves if move.after is not None))


def _compared(shared: Shared, branch: str) -> BranchMove:
    ours, theirs = shared.ours(branch), shared.theirs(branch)
    if ours is ABSENT:
        return BranchMove(branch, BranchOutcome.FAILED, why="it was deleted meanwhile")
    if theirs is ABSENT:
        return BranchMove(branch, BranchOutcome.NEW, ours, ours)
    if ours == theirs:
        return BranchMove(branch, BranchOutcome.SAME, ours, ours)
    if objects.is_ancestor(shared.repo, theirs, ours):
        return BranchMove(branch, BranchOutcome.AHEAD, ours, ours)
    why = f"{shared.remote} has commits that are not here; gitexp sync brings both together"
    return BranchMove(branch, BranchOutcome.DIVERGED, ours, ours, why=why)


def _sent(move: BranchMove) -> BranchMove:
    return replace(move, pushed=move.way is not BranchOutcome.SAME)


def _any(moves: Sequence[BranchMove]) -> str:
    return shlex.quote(moves[0].branch) if moves else "BRANCH"
