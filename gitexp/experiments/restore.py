"""Brings an archived experiment back: its branch, where the archive tag says it was."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.errors import ExistsError, PreconditionError
from gitexp.experiments import lifecycle
from gitexp.git import identity, objects, refs, repository
from gitexp.git.absent import ABSENT
from gitexp.git.transaction import layout, move
from gitexp.model.sharing import EndReport, Tombstone
from gitexp.records import codec

if TYPE_CHECKING:
    from gitexp.model.workspace import Workspace


def restore(workspace: Workspace, name: str, *, now: datetime | None = None) -> EndReport:
    """Make the branch of an archived experiment again; the tag stays.

    Parameters
    ----------
    workspace : Workspace
    name : str
    now : datetime, optional

    Raises
    ------
    UnknownExperimentError
        If there is no archive of this name.
    ExistsError
        If the branch is there.
    PreconditionError
        If the experiment was removed: its code is gone.
    MovedRefError
        If somebody else made the branch meanwhile.
    """
    repo = repository.open_repository(workspace)
    standing = lifecycle.find(repo, name)
    if standing.tip is not ABSENT:
        raise ExistsError(
            f"{standing.branch} is there",
            found=standing.tip[:9],
            expected="an archived experiment without a branch",
            next_step=f"git switch {shlex.quote(standing.branch)}",
        )
    commit = standing.commit
    path = layout.tombstone_path(standing.name)
    data = objects.read_blob(repo, commit, path)
    if data is not ABSENT:
        removed = codec.load(Tombstone, data, path)
        raise PreconditionError(
            f"{standing.name} was removed, and only its records are left",
            found=removed.words,
            where=f"by {removed.author.name}, {removed.removed_at:%Y-%m-%d}",
            next_step=f"gitexp show {shlex.quote(standing.name)}",
        )
    ref = refs.local(standing.branch)
    move.move_refs(
        repo,
        lambda: move.Moves({ref: (ABSENT, commit)}, commit),
        guard=lambda: None,
        message=f"gitexp restore: {standing.name}",
        who=identity.committer(repo),
        when=(now or datetime.now(UTC)).replace(microsecond=0),
    )
    return EndReport(
        verb="restore",
        name=standing.name,
        commit=commit,
        done=(f"branch {standing.branch} at {commit[:9]}",),
        sent=(),
        notes=(),
        next_step=f"git switch {shlex.quote(standing.branch)}",
    )
