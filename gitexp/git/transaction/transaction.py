"""Publish a commit on a branch: everything becomes visible at once, or nothing does.

An edit is a function from a tip to changed files. `move.py` writes its commit and moves the branch
under lock; a lost race applies the same edit to the new tip.
"""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING

from gitexp.errors import MovedRefError
from gitexp.git import identity, objects, refs, writing
from gitexp.git.repository import Repo, open_repository
from gitexp.git.transaction import layout, move, owners
from gitexp.git.tree import READ_LIMIT
from gitexp.git.upstream import followed
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent, CommitHash, TreeId

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.git.writing import Content, Message
    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TipView:
    """What an edit is applied to."""

    commit: CommitHash  # the tip, or the commit that a new branch starts from
    tree: TreeId  # of `commit`
    repo: Repo

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | Absent:
        """Return a file's bytes; `UnsafeInputError` above `limit`."""
        return objects.read_blob(self.repo, self.tree, path, limit)


@dataclass(frozen=True, slots=True)
class NewBranch:
    """That the branch must not exist yet, and where it starts."""

    start: CommitHash


def publish(
    workspace: Workspace,
    branch: str,
    edit: Callable[[TipView], Mapping[str, Content]],
    message: Message,
    expected: CommitHash | NewBranch | None = None,
) -> move.Published:
    """Add one commit to a local branch; where it raises, nothing was published.

    `edit`: gives the files to write or delete for a tip; called again on a lost race. `expected`:
    where the branch has to be; by default wherever it is.
    """
    repo = open_repository(workspace)

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        base = _base(branch, tip, expected)
        tree = objects.commit_info(repo, base).tree
        made = writing.build_tree(repo, tree, edit(TipView(base, tree, repo)), written=written)
        if made == tree and tip is not ABSENT:
            return base
        return writing.write_commit(repo, made, [base], said)

    cleared = owners.clear_stale(repo)
    said = replace(message, committer=identity.committer(repo))
    made = move.carry_out(repo, move.Task(refs.local(branch), draft, said))
    return replace(made, cleared=cleared)


def publish_data(
    workspace: Workspace, path: str, pointer: bytes, source: CommitHash, message: Message
) -> CommitHash:
    """Append the by-products of a run to gitexp/data, so that DVC's gc keeps them.

    Each commit's tree holds only this run's pointer and the DVC settings of `source` beside it: a
    growing tree would make ``dvc gc -A`` quadratic.
    """
    repo = open_repository(workspace)
    settings = posixpath.join(posixpath.dirname(path), ".dvc")

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        changes: dict[str, Content] = {path: pointer}
        there = objects.tree_id(repo, source, settings)
        if there is not ABSENT:
            changes[settings] = writing.Subtree(there)
        tree = writing.build_tree(repo, ABSENT, changes, written=written)
        if tip is not ABSENT and objects.commit_info(repo, tip).tree == tree:
            return tip  # a resumed run whose data commit is there already
        parent = _remote_data(repo) if tip is ABSENT else tip
        return writing.write_commit(repo, tree, [] if parent is ABSENT else [parent], said)

    owners.clear_stale(repo)
    said = replace(message, committer=identity.committer(repo))
    return move.carry_out(repo, move.Task(refs.local(layout.DATA_BRANCH), draft, said)).commit


# --- where a commit starts ----------------------------------------------------------------------


def _base(
    branch: str, tip: CommitHash | Absent, expected: CommitHash | NewBranch | None
) -> CommitHash:
    """Return the commit to build on, or say that the branch is not where it should be."""
    if isinstance(expected, NewBranch):
        if tip is ABSENT:
            return expected.start
        raise MovedRefError(f"{branch} appeared meanwhile", found=tip, expected="no such branch")
    if tip is ABSENT and expected is None:
        raise MovedRefError(
            f"{branch} does not exist", found="no such branch", expected="a local branch"
        )
    if tip is ABSENT:
        raise MovedRefError(
            f"{branch} was deleted meanwhile",
            found="no such branch",
            expected=str(expected),
            next_step=f"git branch {shlex.quote(branch)} {expected}, then run the command again",
        )
    if expected is not None and tip != expected:
        raise MovedRefError(f"{branch} moved meanwhile", found=tip, expected=expected)
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
