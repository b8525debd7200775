"""Removes an experiment's code and data, and leaves a tombstone with all that it recorded."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import ConfirmationError
from gitexp.experiments import lifecycle
from gitexp.experiments.archive import check_tag, look, send
from gitexp.git import identity, objects, refs, repository, writing
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.cache import open_index
from gitexp.git.writing import Message
from gitexp.model.ids import ABSENT, CommitHash, InputsDigest
from gitexp.model.sharing import EndReport, Tombstone
from gitexp.provenance import private
from gitexp.records import codec
from gitexp.store.ancestry import listing
from gitexp.store.experiments import newest_of
from gitexp.store.records import run_lines

if TYPE_CHECKING:
    from gitexp.experiments.lifecycle import Standing
    from gitexp.git.repository import Repo
    from gitexp.model.workspace import Workspace
    from gitexp.store.list_lines import RunLine


def remove(  # noqa: PLR0913  what is removed, where, why, and how sure one is
    workspace: Workspace,
    name: str,
    *,
    words: str = "",
    yes: bool = False,
    push: bool = False,
    remote_name: str | None = None,
    now: datetime | None = None,
) -> EndReport:
    """Remove an experiment: its branch, its history, its hold on data; its records stay.

    One of which nothing was run, concluded or archived leaves nothing: its name is free again.

    The tag ``exp-archive/NAME`` leads to one commit afterwards, with the plan, the runs, the
    conclusion and the tombstone, and nothing else. So a refuted hypothesis stays on the list, and
    the seeds that were seen stay seen.

    Parameters
    ----------
    words : str
        Why; goes into the tombstone.
    yes : bool
        Also an experiment that was not archived, but for one to which nothing was done.
    push : bool
        Do the same on the remote.

    Raises
    ------
    ConfirmationError
        If it was not archived, and nobody said yes.
    UnknownExperimentError, UsageError
        If there is no such experiment, or it has no branch of its own.
    BusyBranchError
        If a worktree has the branch checked out.
    PreconditionError
        If finished repeats of it are not recorded.
    ExistsError
        If the archive tag of this name is that of another experiment.
    MovedRefError
        If the branch moved meanwhile, or the remote has commits that are not here.
    """
    repo = repository.open_repository(workspace)
    standing = lifecycle.find(repo, name)
    untried = standing.archived is ABSENT and lifecycle.is_untried(repo, standing)
    kept = lifecycle.is_kept(repo, standing)
    if not (kept or yes or (untried and lifecycle.is_bare(repo, standing))):
        quoted = shlex.quote(standing.name)
        keep = "" if untried or standing.tip is ABSENT else f"gitexp archive {quoted}; or "
        tag = "no tag" if standing.archived is ABSENT else "its tag has not all of it"
        raise ConfirmationError(
            f"{standing.name} was not archived here: its code and its data would be gone",
            found=standing.whose or f"{standing.branch} at {standing.commit[:9]}, and {tag}",
            next_step=f"{keep}gitexp rm {quoted} --yes",
        )
    lifecycle.check_published(workspace, standing.branch)
    if standing.tip is not ABSENT:
        lifecycle.check_free(workspace, standing.branch)
        check_tag(repo, standing, over_tombstone=True)
    remote = look(repo, standing, remote_name) if push else None
    done: tuple[str, ...] = ()
    commit = standing.commit
    if standing.tip is not ABSENT or not lifecycle.is_removed(repo, standing.name, commit):
        when = (now or datetime.now(UTC)).replace(microsecond=0)
        build = partial(_buried, repo, standing, words.strip(), when)
        if untried:  # nothing is written
            ref = refs.local(standing.branch)
            build = partial(transaction.Moves, {ref: (commit, ABSENT)}, commit)
        free = partial(lifecycle.check_free, workspace, standing.branch)
        message = f"gitexp rm: {standing.name}"
        commit = lifecycle.moved(repo, build, message, when, free).commit
        done = (
            *((f"branch {standing.branch} removed",) if standing.tip is not ABSENT else ()),
            f"nothing was run, so no record stays and the name {standing.name} is free"
            if untried
            else f"tag exp-archive/{standing.name} at {commit[:9]}: records and tombstone",
        )
    sent = () if remote is None else send(workspace, repo, standing, remote, remove=True)
    return EndReport(
        verb="rm",
        name=standing.name,
        commit=commit,
        done=done,
        sent=sent,
        notes=(
            *((standing.whose,) if standing.whose else ()),
            *(() if done else (f"{standing.name} was removed before",)),
        ),
        next_step="gitexp list"
        if untried
        else "dvc gc -A frees its data; by-products that gitexp/data names stay",
    )


def _buried(repo: Repo, standing: Standing, words: str, when: datetime) -> transaction.Moves:
    written: list[str] = []
    there = objects.tree_id(repo, standing.commit, layout.FOLDER)
    bare = {} if there is ABSENT else {layout.FOLDER: writing.Subtree(there)}
    base = writing.build_tree(repo, ABSENT, bare, written=written)
    stone = codec.dump(_tombstone(repo, standing, words, when))
    path = layout.tombstone_path(standing.name)
    tree = writing.build_tree(repo, base, {path: stone}, written=written)
    who = identity.committer(repo)
    message = f"gitexp rm: {standing.name}\n\n{words}"
    old = standing.archived
    before = (
        old is not ABSENT and not standing.whose and lifecycle.is_removed(repo, standing.name, old)
    )
    older = [old] if before and old is not ABSENT else []  # an older tombstone is kept
    commit = writing.write_commit(repo, tree, older, Message(message, who, when))
    tag = lifecycle.write_tag(repo, standing.tag, commit, message, when)
    moves: dict[str, tuple[refs.Target, refs.Target]] = {
        standing.tag: (writing.object_of(repo, standing.tag), tag)
    }
    if standing.tip is not ABSENT:
        moves[refs.local(standing.branch)] = standing.tip, ABSENT
    return transaction.Moves(moves, commit, [*written, commit, tag])


def _tombstone(repo: Repo, standing: Standing, words: str, when: datetime) -> Tombstone:
    newest = _newest(repo, standing)
    return Tombstone(
        experiment=standing.name,
        branch=standing.branch,
        words=words,
        tip=standing.commit,
        tree=objects.commit_info(repo, standing.commit).tree,
        inputs=None if newest is None else InputsDigest(newest.inputs),
        source=None if newest is None else CommitHash(newest.commit),
        author=private.author(repo, standing.commit),
        removed_at=when,
    )


def _newest(repo: Repo, standing: Standing) -> RunLine | None:
    runs = objects.tree_id(repo, standing.commit, layout.RUNS)
    plan = standing.plan
    if runs is ABSENT or plan is None:
        return None
    with open_index(repo.workspace) as index:
        trees = {tree: run for run, tree in listing(repo, runs).items()}
        return newest_of(plan, run_lines(repo, index, trees).values())
