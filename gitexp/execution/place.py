"""Where a call of `run` works and records, before anything is known of what it executes."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import (
    BareRepositoryError,
    DetachedHeadError,
    DirtyTreeError,
    GitexpError,
    UnbornBranchError,
    UnknownRevisionError,
    UsageError,
)
from gitexp.execution.jobs import lies_in
from gitexp.git import objects, refs, repository
from gitexp.git.refs import ABSENT
from gitexp.git.transaction import layout
from gitexp.git.worktree import status
from gitexp.store import plans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.request import RunRequest
    from gitexp.model.workspace import Workspace

_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Place:
    """The repository and the branch that will record, before anything is known of the source."""

    workspace: Workspace
    repo: Repo
    top: Path
    branch: str
    tip: CommitHash
    head: CommitHash


def find_place(workspace: Workspace, request: RunRequest) -> Place:
    """Find out where the call records.

    Raises `BareRepositoryError, UnbornBranchError, DetachedHeadError, UnknownRevisionError`.
    """
    if workspace.top is None:
        raise BareRepositoryError("a run needs a work tree", where=str(workspace.git_dir))
    repo = repository.open_repository(workspace)
    head = refs.head(repo)
    branch = request.on or head.branch
    if branch == layout.DATA_BRANCH:
        raise UsageError(
            "this branch holds by-products only, and no run is recorded on it", found=branch
        )
    if branch is None:
        raise DetachedHeadError("HEAD is on no branch, so there is nothing to record on")
    if head.commit is ABSENT:
        raise UnbornBranchError("this branch has no commit yet", where=branch)
    tip = refs.read_ref(repo, f"refs/heads/{branch}")
    if tip is ABSENT:
        raise UnknownRevisionError(
            f"there is no branch {branch}", next_step=f"git branch {shlex.quote(branch)}"
        )
    return Place(workspace, repo, workspace.top, branch, tip, head.commit)


def check_clean(place: Place, *, dry: bool = False) -> None:
    """Refuse tracked changes that no commit holds: a job would not see them.

    A `dry` run starts no program for it that the folder names.

    Raises `DirtyTreeError`.
    """
    dirty = status.dirty_tracked(place.workspace, looking=dry)
    if dirty:
        made = _made(place, dirty)
        mend = f"git restore -SW {shlex.join(made)}, as a run makes and commits it" if made else ""
        if made and len(made) < len(dirty):
            mend += f"; then {DirtyTreeError.hint}"
        raise DirtyTreeError(
            "there are uncommitted changes, and a run executes a commit",
            found=", ".join(dirty[:_SHOWN]) + (" ..." if len(dirty) > _SHOWN else ""),
            where=str(place.top),
            next_step=mend,
        )


def _made(place: Place, dirty: Sequence[str]) -> list[str]:
    """Return the changed paths that runs make and HEAD holds.

    Committed by hand they would be numbers of another state over those of the branch's snapshot.
    """
    try:
        config, _ = plans.config_of(place.repo, place.head)
    except GitexpError:
        return []
    made = [posixpath.join(config.project, out) for out in (*config.metrics, *config.outputs)]
    return [
        path
        for path in dirty
        if lies_in(path, made) and objects.entry_at(place.repo, place.head, path) is not ABSENT
    ]
