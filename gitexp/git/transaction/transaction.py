"""Publish a commit on a branch: everything becomes visible at once, or nothing does.

An edit is a function from a tip to changed files. `move.py` writes its commit and moves the branch
under lock; a lost race applies the same edit to the new tip.
"""

from __future__ import annotations

import enum
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from gitexp.errors import MovedRefError
from gitexp.git import identity, objects, refs, writing
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout, move, owners
from gitexp.git.tree import READ_LIMIT
from gitexp.git.upstream import followed
from gitexp.git.writing import DELETE, Content, Delete

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, RunId, TreeId
    from gitexp.model.plan import Person
    from gitexp.model.workspace import Workspace

__all__ = ["ANY", "DELETE", "Content", "Delete", "Published", "TipView", "publish"]


class Any_(enum.Enum):  # noqa: N801 - `Any` is typing's
    """The type with the single value `ANY`: whatever the branch is at."""

    ANY = "any"


ANY: Final = Any_.ANY


@dataclass(frozen=True, slots=True)
class TipView:
    """What an edit is applied to."""

    commit: CommitHash  # the tip, or the commit that a new branch starts from
    tree: TreeId  # of `commit`
    exists: bool  # whether the branch is there yet
    # Whether the tip is, or comes after, the one that the caller expected; False on a branch that
    # was rewritten meanwhile. An edit that cannot be right there raises `MovedRefError`.
    descends: bool
    repo: Repo

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | Absent:
        """Return a file's bytes; `UnsafeInputError` above `limit`."""
        return objects.read_blob(self.repo, self.tree, path, limit)


@dataclass(frozen=True, slots=True)
class Published:
    """What was made visible."""

    commit: CommitHash  # the new tip; the old one where the edit changed nothing
    tip_before: CommitHash | Absent
    # Paths that a person had changed in a work tree on the branch, so that they stay; relative in
    # the caller's work tree, absolute in others. ``git checkout BRANCH -- PATH`` takes the new
    # version over.
    not_updated: tuple[str, ...] = ()
    # Sentences about what a dead process had left and this call cleared first.
    cleared: tuple[str, ...] = ()


def publish(  # noqa: PLR0913 - a commit has this many parts
    workspace: Workspace,
    branch: str,
    edit: Callable[[TipView], Mapping[str, Content]],
    *,
    message: str,
    author: Person,
    now: datetime,
    expected: CommitHash | Absent | Any_ = ANY,
    parent_if_absent: CommitHash | Absent = ABSENT,
    retry: bool = True,
) -> Published:
    """Add one commit to a local branch.

    `edit`: gives the files to write or delete for a tip; called again on a lost race. `message`:
    of the commit; its first line also goes into the reflog. `author`: the committer comes from
    Git's settings. `expected`: where the caller saw the branch. ABSENT: it must not exist yet.
    `parent_if_absent`: start of a branch that does not exist. `retry`: whether a tip that has
    moved on since `expected` is taken as the new base.

    Raises `MovedRefError` if the branch was deleted, appeared, or moved where `retry` is off;
    nothing was written; `LockedError` if a lock was not free for 30 s; `NoSpaceError,
    ReadOnlyError, GitFailedError`: nothing was published and no lock is left.
    """
    repo = open_repository(workspace)
    rules = _Rules(expected, parent_if_absent, retry)

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        base = _base(branch, tip, rules)
        tree = objects.commit_info(repo, base).tree
        descends = (
            expected is ABSENT or expected is ANY or objects.is_ancestor(repo, expected, base)
        )
        view = TipView(base, tree, tip is not ABSENT, descends, repo)
        made = writing.build_tree(repo, tree, edit(view), written=written)
        if made == tree and tip is not ABSENT:
            return base
        return writing.write_commit(
            repo, made, [base], message, author=author, committer=committer, time=now
        )

    cleared = owners.clear_stale(repo)
    committer = identity.committer(repo)
    made = move.carry_out(repo, move.Task(refs.local(branch), draft, message, committer, now))
    return Published(made.commit, made.tip_before, made.left, cleared)


def publish_data(  # noqa: PLR0913 - a commit has this many parts
    workspace: Workspace,
    run: RunId,
    pointer: bytes,
    *,
    source: CommitHash,
    author: Person,
    now: datetime,
    folder: str = "",
) -> CommitHash:
    """Append the by-products of a run to the branch gitexp/data, so that DVC's gc keeps them.

    Each commit's tree holds only this run's pointer and the DVC settings of `source`: a growing
    tree would make ``dvc gc -A`` quadratic.

    `folder`: where ``.dvc/`` lies below the repository's top; "" for the top.

    Raises `As `publish` does.`.
    """
    repo = open_repository(workspace)
    settings = f"{folder}/.dvc" if folder else ".dvc"
    message = f"gitexp data: by-products of run {run}"

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        changes: dict[str, Content] = {layout.data_pointer(run, folder): pointer}
        there = objects.tree_id(repo, source, settings)
        if there is not ABSENT:
            changes[settings] = writing.Subtree(there)
        tree = writing.build_tree(repo, ABSENT, changes, written=written)
        if tip is not ABSENT and objects.commit_info(repo, tip).tree == tree:
            return tip  # a resumed run whose data commit is there already
        parent = _remote_data(repo) if tip is ABSENT else tip
        return writing.write_commit(
            repo,
            tree,
            [] if parent is ABSENT else [parent],
            message,
            author=author,
            committer=committer,
            time=now,
        )

    owners.clear_stale(repo)
    committer = identity.committer(repo)
    task = move.Task(refs.local(layout.DATA_BRANCH), draft, message, committer, now)
    return move.carry_out(repo, task).commit


# --- where a commit starts ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Rules:
    expected: CommitHash | Absent | Any_
    parent_if_absent: CommitHash | Absent
    retry: bool


def _base(
    branch: str,
    tip: CommitHash | Absent,
    rules: _Rules,
) -> CommitHash:
    """Return the commit to build on, or say that the branch is not where it should be."""
    if tip is ABSENT:
        if rules.expected is not ABSENT and rules.expected is not ANY:
            raise MovedRefError(
                f"{branch} was deleted meanwhile",
                found="no such branch",
                expected=rules.expected,
                next_step=f"git branch {shlex.quote(branch)} {rules.expected}, then run the "
                "command again",
            )
        if rules.parent_if_absent is ABSENT:
            raise MovedRefError(
                f"{branch} does not exist", found="no such branch", expected="a local branch"
            )
        return rules.parent_if_absent
    if rules.expected is ABSENT:
        raise MovedRefError(f"{branch} appeared meanwhile", found=tip, expected="no such branch")
    if rules.expected is not ANY and tip != rules.expected and not rules.retry:
        raise MovedRefError(f"{branch} moved meanwhile", found=tip, expected=rules.expected)
    return tip


def _remote_data(repo: Repo) -> CommitHash | Absent:
    """Return where a remote has gitexp/data, origin's first."""
    found = {
        ref: commit
        for ref, commit in refs.branches(repo, layout.DATA_BRANCH)
        if followed(ref) == layout.DATA_BRANCH
    }
    first = f"refs/remotes/origin/{layout.DATA_BRANCH}"
    return found.get(first) or next(iter(found.values()), ABSENT)
