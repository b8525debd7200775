"""Archive and restore: an annotated tag keeps an experiment, and its branch goes, or comes back."""

from __future__ import annotations

import contextlib
import shlex
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from gitexp.errors import ExistsError, GitexpError, MovedRefError, PreconditionError
from gitexp.experiments import lifecycle
from gitexp.git import objects, refs, repository, writing
from gitexp.git import remote as remote_git
from gitexp.git.remote import Lease
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.cache import open_index
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, CommitHash
from gitexp.model.sharing import EndReport, Tombstone
from gitexp.records import codec
from gitexp.report.escape import prose, visible
from gitexp.store.conclusions import conclusion_named, is_changed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.experiments.lifecycle import Standing
    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Remote:
    """A remote with what it has of an experiment now; "" for nothing."""

    name: str
    branch: str
    tag: str


def archive(  # noqa: PLR0913  what is archived, where, and how sure one is
    workspace: Workspace,
    name: str,
    *,
    abandon: bool = False,
    push: bool = False,
    remote_name: str | None = None,
    now: datetime | None = None,
) -> EndReport:
    """Keep an experiment by the tag ``exp-archive/NAME``, and remove its branch.

    The tag is made at once: it keeps the true order of plan and runs when a code host squashes,
    and the data from DVC's garbage collection. The branch goes only where another one has all its
    records, by whatever merge; else it stays, and a later call removes it.

    Parameters
    ----------
    abandon : bool
        Remove the branch although no other one has its records.
    push : bool
        Do the same on the remote. Also for an experiment that was archived here before.
    remote_name : str, optional
        Git's name of the remote.

    Raises
    ------
    UnknownExperimentError, UsageError
        If there is no such experiment, or it has no branch of its own.
    BusyBranchError
        If the branch would go and a worktree has it checked out.
    PreconditionError
        If finished repeats of it are not recorded, or nothing was run or concluded and it is not
        abandoned.
    ExistsError
        If the tag is that of another experiment, or of one that was removed.
    MovedRefError
        If the branch moved meanwhile, or the remote has commits that are not here; nothing was
        changed where that was found.
    """
    repo = repository.open_repository(workspace)
    standing = lifecycle.find(repo, name)
    lifecycle.check_published(workspace, standing.branch)
    kept = standing.archived is not ABSENT and not standing.whose
    if not (kept or abandon) and lifecycle.is_untried(repo, standing):
        quoted = shlex.quote(standing.name)
        raise PreconditionError(
            f"nothing of {standing.name} was run or concluded",
            found=f"a plan and no run of it on {standing.branch}",
            expected="a run, or a conclusion, that is worth keeping",
            next_step=f"gitexp run; or give it up with gitexp archive {quoted} --abandon; "
            f"gitexp rm {quoted} --yes frees the name",
        )
    remote = look(repo, standing, remote_name) if push else None
    base = lifecycle.base_of(repo, standing) if standing.tip is not ABSENT else ""
    goes = standing.tip is not ABSENT and (abandon or bool(base))
    if goes:
        lifecycle.check_free(workspace, standing.branch)
    check_tag(repo, standing)
    when = (now or datetime.now(UTC)).replace(microsecond=0)

    def build() -> transaction.Moves:
        tip = standing.commit
        moves: dict[str, tuple[refs.Target, refs.Target]] = {}
        written: list[str] = []
        if standing.archived != tip:
            words = _message(repo, standing, base)
            written = [lifecycle.write_tag(repo, standing.tag, tip, words, when)]
            moves[standing.tag] = writing.object_of(repo, standing.tag), written[0]
        if goes:
            moves[refs.local(standing.branch)] = tip, ABSENT
        return transaction.Moves(moves, tip, written)

    done: list[str] = []
    if standing.tip is not ABSENT and (goes or standing.archived != standing.tip):
        message = f"gitexp archive: {standing.name}"
        free = partial(lifecycle.check_free, workspace, standing.branch)
        moved = lifecycle.moved(repo, build, message, when, free if goes else lambda: None)
        done = list(_said(standing, moved.refs, moved.commit))
    sent: tuple[str, ...] = ()
    if remote is not None:
        sent = send(workspace, repo, standing, remote, remove=goes or standing.tip is ABSENT)
    notes = [standing.whose] if standing.whose else []
    if standing.tip is not ABSENT and not goes:
        where = standing.plan.baseline.name if standing.plan is not None else "any other branch"
        notes.append(f"{standing.branch} stays: its records are not all in {where} yet")
    return EndReport(
        verb="archive",
        name=standing.name,
        commit=standing.commit,
        done=tuple(done),
        sent=sent,
        notes=tuple(notes),
        next_step=_next(repo, standing, goes=goes, pushed=push),
    )


def look(repo: Repo, standing: Standing, remote_name: str | None) -> Remote:
    """Ask a remote what it has of an experiment, and refuse what would lose something there."""
    name = remote_git.choose(repo, standing.branch, remote_name)
    branch, tag = refs.local(standing.branch), standing.tag
    there = remote_git.remote_refs(repo.workspace, name, [branch, tag])
    found = Remote(name, there.get(branch, ""), there.get(tag, ""))
    if found.branch and not objects.is_ancestor(repo, CommitHash(found.branch), standing.commit):
        raise MovedRefError(
            "the remote has commits that are not here",
            found=f"{standing.branch} at {found.branch[:9]}",
            where=name,
            expected=f"{standing.commit[:9]} or older",
            next_step="gitexp sync",
        )
    mine = writing.object_of(repo, tag)
    if found.tag and found.tag != mine and not _knows(repo, found.tag, standing.commit):
        raise MovedRefError(
            "the remote has another archive of this name",
            found=found.tag[:9],
            where=f"{name}: {tag}",
            next_step=f"git fetch {shlex.quote(name)} {shlex.quote(f'+{tag}:{tag}')}",
        )
    if standing.whose and standing.tip is ABSENT and found.tag != mine:
        raise PreconditionError(
            f"{name} has not this archive, and it is not one that was made here",
            found=standing.whose,
            where=name,
            expected="a tag of this remote, or of your own",
            next_step=f"gitexp restore {shlex.quote(standing.name)}, and look at it first",
        )
    return found


def send(
    workspace: Workspace, repo: Repo, standing: Standing, remote: Remote, *, remove: bool
) -> tuple[str, ...]:
    """Put the archive tag on a remote and, if wanted, remove the branch there: both or none."""
    branch, tag = refs.local(standing.branch), standing.tag
    mine = writing.object_of(repo, tag)
    wanted = [] if mine is ABSENT else [Lease(tag, remote.tag, mine)]
    if remove:
        wanted.append(Lease(branch, remote.branch, ""))
    try:
        remote_git.push_leased(workspace, remote.name, wanted)
    except GitexpError as error:
        error.next_step = error.next_step or f"gitexp archive {shlex.quote(standing.name)} --push"
        raise
    sent = []
    if mine is not ABSENT and mine != remote.tag:
        sent.append(f"{tag.removeprefix('refs/tags/')} is on {remote.name}")
    if remove and remote.branch:
        sent.append(f"{standing.branch} removed on {remote.name}")
    return tuple(sent)


def _message(repo: Repo, standing: Standing, base: str) -> str:
    plan = standing.plan
    lines = [f"gitexp archive: {standing.name}", ""]
    if plan is not None:
        lines += [prose(plan.hypothesis), ""]
        lines.append(f"plan: {plan.digest}")
        lines.append(f"verdict: {_verdict(repo, standing, plan)}")
    lines.append(f"branch: {visible(standing.branch)}")
    lines.append(f"records in: {visible(base) or 'this tag only'}")
    return "\n".join(lines)


def _verdict(repo: Repo, standing: Standing, plan: Plan) -> str:
    try:
        found = conclusion_named(repo, standing.name, standing.commit)
    except GitexpError:
        return "the conclusion cannot be read"
    if found is ABSENT:
        return "not concluded"
    with open_index(repo.workspace) as index:
        about = found.comparison.candidate.inputs
        changed = standing.tip is not ABSENT and is_changed(repo, index, standing.tip, about)
        return found.told(plan, changed=changed)


def check_tag(repo: Repo, standing: Standing, *, over_tombstone: bool = False) -> None:
    """Refuse to put the tag of one experiment in the place of another's."""
    old, tip = standing.archived, standing.tip
    if old is ABSENT or tip is ABSENT:
        return
    removed = lifecycle.is_removed(repo, standing.name, old)
    if removed and over_tombstone and not standing.whose:
        return
    if removed or not objects.is_ancestor(repo, old, tip):
        what = "was removed" if removed else "is another one"
        short = standing.tag.removeprefix("refs/tags/")
        step = f"gitexp rename {shlex.quote(standing.name)} ANOTHER-NAME"
        asked = f"ask who pushed it, then git tag -d {shlex.quote(short)}; or "
        raise ExistsError(
            f"an experiment of this name was archived, and {what}",
            found=standing.whose or f"exp-archive/{standing.name} at {old[:9]}",
            expected=f"no tag, or one in the history of {standing.branch}",
            next_step=f"{asked if standing.whose else ''}{step}",
        )


def _knows(repo: Repo, tag: str, commit: CommitHash) -> bool:
    peeled = writing.object_of(repo, f"{tag}^{{commit}}")
    return peeled is not ABSENT and objects.is_ancestor(repo, CommitHash(peeled), commit)


def _said(
    standing: Standing, moved: Mapping[str, tuple[refs.Target, refs.Target]], commit: CommitHash
) -> list[str]:
    short = standing.tag.removeprefix("refs/tags/")
    lines = []
    if standing.tag in moved:
        lines.append(f"tag {short} at {commit[:9]}")
    if refs.local(standing.branch) in moved:
        lines.append(f"branch {standing.branch} removed; {short} keeps it")
    return lines


def _next(repo: Repo, standing: Standing, *, goes: bool, pushed: bool) -> str:
    name = shlex.quote(standing.name)
    if standing.tip is not ABSENT and not goes:
        with contextlib.suppress(GitexpError):  # who cannot be read is against nothing
            found = conclusion_named(repo, standing.name, standing.commit)
            if found is not ABSENT and found.comparison.is_against:
                return abandoning(repo, standing.name, standing.branch)
        leave = lifecycle.leaving(repo.workspace, standing.branch)
        return f"merge it, then gitexp archive {name}; or {leave}gitexp archive {name} --abandon"
    if remote_git.names(repo) and not pushed:
        return f"gitexp archive {name} --push"
    return f"gitexp show {name}"


def abandoning(repo: Repo, name: str, branch: str) -> str:
    """Return what to type where the verdict speaks against an experiment's code."""
    leave = lifecycle.leaving(repo.workspace, branch)
    tag = layout.archive_tag(name).removeprefix("refs/tags/")
    why = f"{tag} keeps records and code, and a merge brings the code into {visible(repo.main)}"
    return f"{leave}gitexp archive {shlex.quote(name)} --abandon; {why}"


def restore(workspace: Workspace, name: str, *, now: datetime | None = None) -> EndReport:
    """Make the branch of an archived experiment again; the tag stays.

    That is the branch of the tag's name, whatever the plan in it names.

    Raises
    ------
    UnknownExperimentError
        If there is no archive of this name.
    ExistsError
        If the branch is there.
    PreconditionError
        If the experiment was removed: its code is gone; or its plan is that of another branch; or a
        fetch brought the tag, and main says something else of the experiment.
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
    plan = standing.plan
    if plan is not None and plan.branch != standing.branch:
        raise PreconditionError(
            f"{standing.branch} would have no plan: that of {standing.name} is another branch's",
            found=plan.branch,
            where=f"exp-archive/{standing.name}:{layout.plan_path(standing.name)}",
            expected=standing.branch,
            next_step=f"git switch -c ANOTHER-NAME exp-archive/{shlex.quote(standing.name)}",
        )
    ref = refs.local(standing.branch)
    moves = transaction.Moves({ref: (ABSENT, commit)}, commit)
    when = (now or datetime.now(UTC)).replace(microsecond=0)
    remote_git.unfollow(repo, standing.branch)  # to be sent again, also if the next step is killed
    lifecycle.moved(repo, lambda: moves, f"gitexp restore: {standing.name}", when)
    return EndReport(
        verb="restore",
        name=standing.name,
        commit=commit,
        done=(f"branch {standing.branch} at {commit[:9]}",),
        sent=(),
        notes=(standing.whose,) if standing.whose else (),
        next_step=f"git switch {shlex.quote(standing.branch)}",
    )
