"""The two lines of a branch, brought together: forward, by replaying our records, or by a merge.

Of two snapshots of one branch the first that a run recorded is kept.
"""

from __future__ import annotations

import posixpath
import shlex
from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc import gitignore
from gitexp.errors import BusyBranchError, GitexpError, LockedError, MovedRefError, UnsafeInputError
from gitexp.execution import snapshot
from gitexp.git import merging, objects, refs, writing
from gitexp.git.transaction import layout, transaction
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT
from gitexp.model.sharing import BranchMove, BranchOutcome
from gitexp.report.escape import visible
from gitexp.rules.unchanged import unlike
from gitexp.store import lookup, plans, replay
from gitexp.store.conclusions import adding_commit
from gitexp.store.replay import Relation

if TYPE_CHECKING:
    from gitexp.git.merging import Conflict, Side
    from gitexp.git.repository import Repo
    from gitexp.git.writing import Content
    from gitexp.model.ids import Absent, CommitHash
    from gitexp.sharing.places import Shared
    from gitexp.store.replay import OwnRecords, Route


def takes(repo: Repo, tip: CommitHash, own: OwnRecords) -> bool:
    """Whether the snapshot of our commit goes onto a tip.

    It does where the tip's inputs are those of the run and the tip has no recorded one, by the
    same rule as when a run writes one.
    """
    made = [(run, each) for run in own.runs.values() for each in run.repeats if each.snapshot]
    if not made:
        return False
    run, repeat = made[0]
    try:
        if plans.inputs_of(repo, tip) != run.inputs:
            return False
        config, _ = plans.config_of(repo, tip)
        read = partial(objects.read_blob, repo, tip)
        state = (run.inputs, repeat.key)
        return not snapshot.is_written(repo, read, config, lookup.runs_at(repo, tip), state)
    except GitexpError:
        return False  # what cannot be read is left as it is


_LIMIT = 64 << 20
_SHOWN = 5  # records that were changed


@dataclass(frozen=True, slots=True)
class BranchUpdate:
    """What was done to a branch, and the paths of work trees that stay as they are."""

    move: BranchMove
    left: tuple[str, ...] = ()


def settle(
    shared: Shared, branch: str, *, join: bool, archive: CommitHash | None = None
) -> BranchUpdate:
    """Bring a local branch to what the remote was last seen to have, or say why not.

    `archive`: what it has instead of the branch.
    """
    noted = BranchMove(branch, BranchOutcome.SAME)

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        nonlocal noted
        theirs = archive or shared.theirs(branch)
        if tip is ABSENT:
            if theirs is ABSENT:
                raise MovedRefError(f"{branch} was deleted meanwhile", found="no such branch")
            noted = BranchMove(branch, BranchOutcome.NEW, None, theirs)
            return theirs
        before = BranchMove(branch, BranchOutcome.SAME, tip, tip)
        commit, noted = _joined(shared, before, theirs, written, join=join)
        return commit

    text = f"gitexp: {visible(branch)} and {shared.remote}'s come together"
    task = transaction.Task(refs.local(branch), draft, shared.message(text))
    try:
        made = transaction.carry_out(shared.repo, task)
    except (MovedRefError, BusyBranchError, LockedError, UnsafeInputError) as error:
        tip = shared.ours(branch)
        at = None if tip is ABSENT else tip
        return BranchUpdate(BranchMove(branch, BranchOutcome.FAILED, at, at, why=str(error)))
    if noted.before is not None and not noted.why:
        noted = replace(noted, why=_rewritten(shared, noted.before, made.commit))
    return BranchUpdate(replace(noted, after=made.commit), made.not_updated)


def _rewritten(shared: Shared, tip: CommitHash, now: CommitHash) -> str:
    """Say which records that were here are otherwise now, and who committed that."""
    said: list[str] = []
    for path in unlike(shared.repo.tree(tip), shared.repo.tree(now), layout.FOLDERS):
        by = adding_commit(shared.repo, path, now) if len(said) < _SHOWN else None
        who = "" if by is None else f" by {objects.commit_info(shared.repo, by).author.name}"
        said.append(f"{path}{who}")
    more = f" and {len(said) - _SHOWN} more" if len(said) > _SHOWN else ""
    return f"changed what was recorded here: {', '.join(said[:_SHOWN])}{more}" if said else ""


def settle_data(shared: Shared) -> CommitHash | Absent:
    """Bring gitexp/data up to the remote's, ours on top; return its tip, if here."""
    if shared.ours(layout.DATA_BRANCH) is ABSENT:
        return ABSENT

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        theirs = shared.theirs(layout.DATA_BRANCH)
        if tip is ABSENT or theirs is ABSENT:
            found = theirs if tip is ABSENT else tip
            if found is ABSENT:
                raise MovedRefError(f"{layout.DATA_BRANCH} was deleted meanwhile")
            return found
        if objects.is_ancestor(shared.repo, theirs, tip):
            return tip
        if objects.is_ancestor(shared.repo, tip, theirs):
            return theirs
        return replay.data_replayed(shared.repo, tip, theirs, shared.committer, written)

    message = shared.message("gitexp: by-products come together")
    task = transaction.Task(refs.local(layout.DATA_BRANCH), draft, message)
    return transaction.carry_out(shared.repo, task).commit


def _joined(
    shared: Shared,
    before: BranchMove,
    theirs: CommitHash | Absent,
    written: list[str],
    *,
    join: bool,
) -> tuple[CommitHash, BranchMove]:
    """Return the commit that the branch goes to, with what is to be said about it."""
    branch, tip = before.branch, before.after
    assert tip is not None  # noqa: S101 - set by the caller
    if theirs is ABSENT:
        return tip, replace(before, way=BranchOutcome.NEW)
    plan = replay.route(shared.repo, tip, theirs)
    if plan.relation is Relation.BEHIND:
        return theirs, replace(before, way=BranchOutcome.FORWARD)
    if plan.relation in {Relation.SAME, Relation.AHEAD}:
        way = BranchOutcome.SAME if plan.relation is Relation.SAME else BranchOutcome.AHEAD
        return tip, replace(before, way=way)
    if not join:
        why = f"both sides have new commits; gitexp sync {shlex.quote(branch)} brings them together"
        return tip, replace(before, way=BranchOutcome.DIVERGED, why=why)
    if plan.relation is Relation.REPLAY:
        return _replayed(shared, before, theirs, plan, written)
    return _merged(shared, before, theirs, written)


def _replayed(
    shared: Shared, before: BranchMove, theirs: CommitHash, plan: Route, written: list[str]
) -> tuple[CommitHash, BranchMove]:
    made = replay.replayed(shared.repo, plan, theirs, shared.committer, partial(takes, shared.repo))
    written += made.written
    kept = ""
    if made.passed_over:
        kept = f"{shared.remote}'s snapshot was first; dvc.lock and metrics are its"
    move = replace(before, way=BranchOutcome.REPLAYED, records=len(plan.own), kept=kept)
    return made.commit, move


def _merged(
    shared: Shared, before: BranchMove, theirs: CommitHash, written: list[str]
) -> tuple[CommitHash, BranchMove]:
    """Merge, where a person's commits are among ours; both lines stay in the history."""
    repo, branch, ours = shared.repo, before.branch, before.after
    assert ours is not None  # noqa: S101 - set by the caller
    base = objects.merge_base(repo, ours, theirs)
    if base is ABSENT and repo.git.is_shallow:
        raise MovedRefError(
            f"where {branch} and {shared.remote}'s parted is not in this shallow clone",
            next_step=f"{repo.whole}, then gitexp sync",
        )
    # What but one side calls an output is another's code, or record.
    paths = replay.snapshot_paths(repo, ours) & replay.snapshot_paths(repo, theirs)

    def answer(conflict: Conflict) -> Side | bytes | None:
        if posixpath.basename(conflict.path) == ".gitignore":
            mine, other = (merging.small(repo, side) for side in (conflict.ours, conflict.theirs))
            return None if mine is None or other is None else gitignore.joined(other, mine)
        if conflict.path in paths:
            return conflict.ours if conflict.theirs is ABSENT else conflict.theirs
        return None

    joined = merging.join(repo, ours, theirs, answer, written)
    if joined.tree is None:
        raise MovedRefError(
            f"{branch} and {shared.remote}'s changed the same lines",
            found=", ".join(joined.conflicts[:10]),
            expected="changes that Git can merge by itself",
            next_step=f"git switch {shlex.quote(branch)} && git merge "
            f"{shlex.quote(f'{shared.remote}/{branch}')}, "
            "settle them, then gitexp sync",
        )
    tree, kept = joined.tree, ""
    if any(_both_changed(shared, path, base, ours, theirs) for path in paths):
        # A lock that is half theirs and half ours would describe no execution at all.
        message = shared.message(f"gitexp sync: {visible(branch)} and {shared.remote}'s")
        probe = writing.write_commit(repo, tree, [theirs, ours], message)
        now = plans.inputs_of(repo, probe)
        own = now == plans.inputs_of(repo, ours) != plans.inputs_of(repo, theirs)
        side, whose = (ours, "ours") if own else (theirs, f"{shared.remote}'s")
        kept = f"dvc.lock and metrics are {whose}"
        tree = writing.build_tree(repo, tree, _entries(shared, side, paths), written=written)
    message = shared.message(f"gitexp sync: merge {visible(branch)} with {shared.remote}'s")
    commit = writing.write_commit(repo, tree, [theirs, ours], message)
    count = len(list(objects.history(repo, [ours], hide=[theirs])))
    return commit, replace(before, way=BranchOutcome.MERGED, records=count, kept=kept)


def _both_changed(
    shared: Shared, path: str, base: CommitHash | Absent, ours: CommitHash, theirs: CommitHash
) -> bool:
    def id_at(commit: CommitHash) -> str:
        found = objects.entry_at(shared.repo, commit, path)
        return "" if found is ABSENT else found.id

    old = "" if base is ABSENT else id_at(base)
    mine, other = id_at(ours), id_at(theirs)
    return mine not in {old, other} and other != old


def _entries(shared: Shared, side: CommitHash, paths: frozenset[str]) -> dict[str, Content]:
    changes: dict[str, Content] = {}
    for path in paths:
        data = objects.read_blob(shared.repo, side, path, _LIMIT)
        entry = objects.entry_at(shared.repo, side, path)
        if data is not ABSENT and entry is not ABSENT:
            changes[path] = (data, entry.mode == objects.MODE_EXECUTABLE)
        elif entry is ABSENT:
            changes[path] = writing.DELETE
    return changes
