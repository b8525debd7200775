"""Experiments shared through a remote: push sends, pull takes, sync brings both together.

Data go before the branches that speak of them; branches go all or none, and nothing is forced.
"""

from __future__ import annotations

import os
import random
import shlex
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from gitexp.errors import ExistsError, MovedRefError
from gitexp.git import objects, refs, remote
from gitexp.git.transaction import layout
from gitexp.git.transaction.failpoints import FailPoint, reach
from gitexp.git.worktree import checkouts
from gitexp.model.ids import ABSENT
from gitexp.model.sharing import BranchMove, BranchOutcome, DataMoved, TogetherReport
from gitexp.sharing import histories, payload, places
from gitexp.sharing.places import SharingOptions
from gitexp.store.conclusions import check_tag

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from gitexp.model.ids import Absent, CommitHash
    from gitexp.model.workspace import Workspace
    from gitexp.sharing.places import Shared

PATIENCE_S: Final = 60.0  # how long lost races are tried again
_NO_DATA: Final = DataMoved(said="left out, as asked")
_HELD: Final = DataMoved(said="not sent, as no branch was")
_NOT_ASKED: Final = DataMoved(said="not asked for; gitexp pull --data brings them")
_STILL: Final = frozenset((BranchOutcome.SAME, BranchOutcome.AHEAD))


def push(  # noqa: PLR0913  what is shared, where, with or without data
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
    names : sequence of str
        Experiments or branches; every experiment of this repository by default.
    remote_name : str, optional
        Git's name of the remote.
    data : bool
        Whether bytes go to the DVC remote.
    trust : bool
        Whether the branch that is checked out may say where data go, or come from.
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
    shared = places.opened(workspace, SharingOptions(remote_name, data, trust, now, environ))
    branches = places.mine(shared, names)
    depot = payload.depot_to_send(shared, _tips(shared, branches))
    deadline = time.monotonic() + PATIENCE_S
    attempts = 0
    while True:
        attempts += 1
        warnings = remote.fetch(workspace, shared.remote)
        branches, ended = _alive(shared, branches, asked=bool(names))
        moves = [places.compared(shared, branch) for branch in branches]
        parted = any(move.open for move in moves)
        moved = _HELD if parted else _NO_DATA
        products: CommitHash | Absent = ABSENT
        if not parted:
            products = histories.settle_data(shared)
            if shared.data:
                moved = payload.send(shared, depot, _ends(moves), products)
        if parted or _deliver(shared, moves, products):
            break
        _pause(attempts, deadline, shared)
    unlearnt = "" if parted else payload.unknown_remote(shared, depot, _ends(moves))
    if not parted:
        moves = [replace(move, pushed=move.way is not BranchOutcome.SAME) for move in moves]
        _follow(shared, moves)
    first = shlex.quote(moves[0].branch) if moves else "BRANCH"
    return TogetherReport(
        verb="push",
        remote=shared.remote,
        branches=(*moves, *ended),
        data=moved,
        attempts=attempts,
        not_updated=(),
        warnings=(*shared.cleared, *warnings, *places.left_here(shared, branches, unlearnt)),
        next_step="gitexp sync" if parted else f"the others: gitexp pull, or git switch {first}",
    )


def pull(  # noqa: PLR0913  what is shared, where, with or without data
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
    names : sequence of str
        Experiments or branches, also such as only the remote has; every local experiment by
        default. Of one that is archived the data come, and no branch.
    data : bool
        Whether to fetch the data of these branches and of their runs, and to put the outputs into
        the work trees.
    remote_name, trust, now, environ
        As for `push`.

    Raises
    ------
    PreconditionError, ForeignRemoteError, DvcFailedError, GitFailedError
        As for `push`; a DVC remote is needed where data are wanted.
    """
    shared = places.opened(workspace, SharingOptions(remote_name, data, trust, now, environ))
    known = shared.archived()
    warnings = remote.fetch(workspace, shared.remote)
    gone = places.ended(shared)
    ended = places.archived(shared, names)
    rest = [name for name in names if name not in ended]
    branches = () if ended and not rest else places.either(shared, rest)
    branches = tuple(each for each in branches if names or each not in gone)
    histories.settle_data(shared)
    moved = [_followed(shared, branch, gone.get(branch)) for branch in branches]
    moves = [each.move for each in moved]
    _follow(shared, moves)
    moves += [_archived(shared, branch, *at) for branch, at in gone.items() if not names]
    everywhere = [*moves, *(_checked_out(shared, branches) if shared.data and not names else ())]
    tips = {move.after: move.branch for move in reversed(everywhere) if move.after is not None}
    tips |= {commit: name for name, (commit, _) in ended.items() if commit not in tips}
    depot = payload.depot_of(shared, tips)
    if shared.data and depot is not None:
        warnings = (*warnings, *payload.keep_products(shared, tips))
    brought = payload.bring(shared, depot, tips) if shared.data else _NOT_ASKED
    left = payload.follow(shared, depot, everywhere, everything=shared.data)
    parted = [move.branch for move in moves if move.open]
    away = [b for b in branches if not checkouts.on_branch(shared.workspace, b)]
    look = "gitexp list"
    if names and away and shared.data and depot is not None:  # Git leaves DVC's outputs as they are
        look = f"git switch {shlex.quote(away[0])} && gitexp pull --data"
    return TogetherReport(
        verb="pull",
        remote=shared.remote,
        branches=tuple(moves),
        data=brought,
        attempts=1,
        not_updated=(*(path for each in moved for path in each.left), *left),
        warnings=(*shared.cleared, *warnings, *(said for _, said in ended.values() if said)),
        next_step="gitexp sync"
        if parted
        else brought.step or payload.import_step(shared, depot, moves, brought) or look,
        archived=tuple(sorted(shared.archived() - known)),
    )


def _alive(
    shared: Shared, branches: Sequence[str], *, asked: bool
) -> tuple[tuple[str, ...], list[BranchMove]]:
    """Return the branches that may be sent, and those that the remote has archived.

    Raises `ExistsError` where one of these was asked for.
    """
    gone = places.ended(shared)
    for branch in branches if asked else ():
        if branch in gone:
            ref, commit = gone[branch]
            name = shlex.quote(branch.removeprefix(shared.prefix))
            raise ExistsError(
                f"{shared.remote} has no {branch} any more: archived, merged or renamed there",
                found=_ended(shared, branch, ref, commit),
                next_step=f"gitexp pull {name}; to put it back all the same: "
                f"git push {shlex.quote(shared.remote)} {shlex.quote(branch)}",
            )
    there = () if asked else tuple(_archived(shared, each, *at) for each, at in gone.items())
    return tuple(each for each in branches if each not in gone), list(there)


def _archived(shared: Shared, branch: str, ref: str, commit: CommitHash) -> BranchMove:
    tip = shared.ours(branch)
    at = None if tip is ABSENT else tip
    why = _ended(shared, branch, ref, commit)
    way = BranchOutcome.RENAMED if _is_new_name(shared, ref) else BranchOutcome.ARCHIVED
    return BranchMove(branch, way, at, at, why=why)


def _ended(shared: Shared, branch: str, ref: str, commit: CommitHash) -> str:
    """Say what the remote has instead of a branch, and what brings it."""
    short = ref.split("/", 2)[2]
    if _is_new_name(shared, ref):
        tip = shared.ours(branch)
        step = f"gitexp pull {shlex.quote(short.removeprefix(shared.prefix))}"
        if tip is not ABSENT and not objects.is_ancestor(shared.repo, tip, commit):
            onto, old = shlex.quote(short), shlex.quote(branch)
            step += (
                f" && git switch {onto} && git merge {old} && git branch -d {old} && gitexp sync"
            )
        return f"{shared.remote} has {short} in its place, its new name: {step}"
    if not ref.startswith(places.TAGS):
        return f"{shared.remote} has no such branch; {short} has all of it, and its conclusion"
    more = shared.ours(branch) not in {commit, ABSENT}
    step = f"; gitexp pull {shlex.quote(branch.removeprefix(shared.prefix))} brings it"
    return f"{shared.remote} has {short} in its place{step if more else ''}"


def _is_new_name(shared: Shared, ref: str) -> bool:
    return ref.startswith(places.HEADS) and ref != refs.local(shared.repo.main)


def _followed(
    shared: Shared, branch: str, gone: tuple[str, CommitHash] | None
) -> histories.BranchUpdate:
    """Let a branch go on to the remote's, or to the archive that it has in its place.

    Raises `PreconditionError` where main says something else than that archive.
    """
    tip = shared.ours(branch)
    if gone is None or tip is ABSENT:
        return histories.settle(shared, branch, join=False)
    ref, commit = gone
    if not ref.startswith(places.TAGS):
        return histories.BranchUpdate(_archived(shared, branch, ref, commit))
    whose = check_tag(shared.repo, ref, tip)
    made = histories.settle(shared, branch, join=False, archive=commit)
    told = _ended(shared, branch, ref, commit)
    why = made.move.why or "; ".join(filter(None, (told, whose)))
    return replace(made, move=replace(made.move, why=why))


def _checked_out(shared: Shared, branches: Sequence[str]) -> Iterator[BranchMove]:
    """Yield the branch of this work tree, which stays where it is: its data are wanted first."""
    head = refs.head(shared.repo)
    if head.branch and head.branch not in branches and head.commit is not ABSENT:
        yield BranchMove(head.branch, BranchOutcome.SAME, head.commit, head.commit)


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
    lines are merged. The first recorded snapshot stays. A killed call is finished by the next one.

    Parameters
    ----------
    names : sequence of str
        Experiments or branches, also such as only the remote has; every local experiment by
        default.
    data : bool
        Whether bytes go to the DVC remote, and come from it where a snapshot of theirs replaces
        ours.
    remote_name, trust, now, environ
        As for `push`.

    Returns
    -------
    TogetherReport
        Branches that a person has to merge are named; the others are shared all the same.

    Raises
    ------
    PreconditionError, ForeignRemoteError, DvcFailedError, GitFailedError
        As for `push`.
    MovedRefError
        If others were faster for a minute; what is here is complete, and nothing was pushed.
    """
    shared = places.opened(workspace, SharingOptions(remote_name, data, trust, now, environ))
    known = shared.archived()
    deadline = time.monotonic() + PATIENCE_S
    moves: dict[str, BranchMove] = {}
    left: list[str] = []
    attempts = 0
    while True:
        attempts += 1
        warnings = remote.fetch(workspace, shared.remote)
        reach(FailPoint.FETCHED)
        branches, ended = _alive(shared, places.either(shared, names), asked=bool(names))
        depot = payload.depot_to_send(shared, _tips(shared, branches))
        for branch in branches:
            made = histories.settle(shared, branch, join=True)
            left += made.left
            left += payload.follow(shared, depot, [made.move])
            moves[branch] = _both(moves.get(branch), made.move)
        # After the branches: a run writes it before its own.
        products = histories.settle_data(shared)
        reach(FailPoint.JOINED)
        mine = [moves[branch] for branch in branches if not moves[branch].open]
        moved = payload.send(shared, depot, _ends(mine), products) if shared.data else _NO_DATA
        sent = {move.branch for move in mine if move.after != shared.theirs(move.branch)}
        if _deliver(shared, mine, products):
            break
        _pause(attempts, deadline, shared)
    reach(FailPoint.PUSHED)
    done = [
        replace(move, pushed=True) if branch in sent else move for branch, move in moves.items()
    ]
    _follow(shared, done)
    unlearnt = payload.unknown_remote(shared, depot, _ends(mine))
    open_ = [move.branch for move in done if move.open]
    return TogetherReport(
        verb="sync",
        remote=shared.remote,
        branches=(*done, *ended),
        data=moved,
        attempts=attempts,
        not_updated=tuple(dict.fromkeys(left)),
        warnings=(*shared.cleared, *warnings, *places.left_here(shared, branches, unlearnt)),
        next_step=f"look at {open_[0]}, then gitexp sync" if open_ else "gitexp status",
        archived=tuple(sorted(shared.archived() - known)),
    )


def _both(earlier: BranchMove | None, move: BranchMove) -> BranchMove:
    if earlier is None:
        return move
    if earlier.way in {*_STILL, BranchOutcome.NEW}:
        return replace(move, before=earlier.before)
    if move.way in _STILL:  # the work was done by the attempt before
        return replace(earlier, after=move.after)
    return replace(
        move,
        before=earlier.before,
        records=max(earlier.records, move.records),
        kept=move.kept or earlier.kept,
    )


def _deliver(shared: Shared, moves: Iterable[BranchMove], data: CommitHash | Absent) -> bool:
    """Push gitexp/data and the branches of `moves`; return if the remote has them now."""
    wanted: list[tuple[str, CommitHash]] = []
    if data is not ABSENT and data != shared.theirs(layout.DATA_BRANCH):
        wanted.append((refs.local(layout.DATA_BRANCH), data))
    wanted += [
        (refs.local(move.branch), move.after)
        for move in moves
        if not move.open and move.after is not None and move.after != shared.theirs(move.branch)
    ]
    return not wanted or not remote.push(shared.workspace, shared.remote, wanted)


def _follow(shared: Shared, moves: Iterable[BranchMove]) -> None:
    for move in moves:
        # Whose upstream it is counts as one's own; so does origin, and no fork unasked.
        ours = shared.remote == "origin"
        if move.pushed or (ours and move.way is BranchOutcome.NEW and move.before is None):
            remote.follow(shared.repo, shared.remote, move.branch)


def _pause(attempts: int, deadline: float, shared: Shared) -> None:
    """Wait a moment that is another one in each process, before the next attempt."""
    if time.monotonic() > deadline:
        raise MovedRefError(
            f"{shared.remote} moves faster than we can follow",
            found=f"{attempts} lost races",
            expected="nothing was pushed; what is here is complete",
            next_step="try again in a quieter moment",
        )
    time.sleep(random.uniform(0, min(0.05 * 2**attempts, 2.0)))  # noqa: S311 - jitter, no secret


def _tips(shared: Shared, branches: Iterable[str]) -> list[CommitHash]:
    found = (shared.ours(branch) for branch in branches)
    return list(dict.fromkeys(tip for tip in found if tip is not ABSENT))


def _ends(moves: Iterable[BranchMove]) -> list[CommitHash]:
    return list(dict.fromkeys(move.after for move in moves if move.after is not None))
