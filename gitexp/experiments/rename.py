"""Gives an experiment another name: branch, plan, conclusion and archive tag, all or none."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from gitexp.errors import (
    BusyBranchError,
    ExistsError,
    GitexpError,
    GitFailedError,
    NoPlanError,
    PreconditionError,
    UsageError,
)
from gitexp.experiments import lifecycle
from gitexp.experiments.archive import Remote
from gitexp.experiments.lifecycle import check_branch, check_name
from gitexp.git import command, identity, objects, refs, repository, upstream, writing
from gitexp.git import remote as remote_git
from gitexp.git.transaction import layout, transaction
from gitexp.git.worktree import checkouts
from gitexp.git.writing import DELETE, Message
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT
from gitexp.model.sharing import EndReport
from gitexp.records import codec
from gitexp.store import plans
from gitexp.store.conclusions import conclusion_named
from gitexp.text.foreign import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitexp.experiments.lifecycle import Standing
    from gitexp.git.refs import Target
    from gitexp.git.repository import Repo
    from gitexp.git.worktree.checkouts import Checkout
    from gitexp.git.writing import Content
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace


def rename(workspace: Workspace, old: str, new: str, *, now: datetime | None = None) -> EndReport:
    """Rename an experiment; its runs go on counting, since the plan remembers its old name.

    One commit moves plan and conclusion; a branch that Git renamed needs no more. Where no worktree
    is on the branch, all refs move at once. Else the new branch appears first, the worktrees switch
    to it, and the old one goes: what a crash leaves is two whole experiments, and the same command
    again finishes.

    Raises
    ------
    UnknownExperimentError, UsageError, BadNameError
        If there is no such experiment, or the new name is none.
    NoPlanError
        If the branch has no plan: then it is Git's to rename.
    ExistsError
        If something has the new name.
    BusyBranchError
        If a rebase of the branch has not ended.
    PreconditionError
        If a run of it has not ended or is not recorded, or it was removed.
    GitFailedError
        If a worktree could not switch, say because the plan was edited there; nothing is changed.
    MovedRefError
        If the branch moved meanwhile.
    """
    check_name(new)
    repo = repository.open_repository(workspace)
    standing = lifecycle.renamed(repo, old) or lifecycle.find(repo, old)
    if standing.plan is None:
        raise NoPlanError(
            f"{standing.branch} has no plan, so there is only a branch to rename",
            next_step=f"git branch -m {shlex.quote(standing.branch)} ANOTHER-NAME",
        )
    branch = f"{plans.branch_prefix(repo)}{new}"
    if new == standing.name:
        back = f"git branch -m {shlex.quote(standing.branch)} {shlex.quote(branch)}"
        step = "" if standing.branch == branch else back
        raise UsageError("this is its name", found=new, next_step=step)
    if lifecycle.is_removed(repo, standing.name, standing.commit):
        raise PreconditionError(f"{standing.name} was removed; its tombstone keeps its name")
    lifecycle.check_published(workspace, standing.branch)
    lifecycle.check_no_rebase(workspace, standing.branch)
    when = (now or datetime.now(UTC)).replace(microsecond=0)
    old_tag = writing.object_of(repo, standing.tag) if _is_its(repo, standing) else ABSENT
    task = _Task(repo, standing, standing.plan, new, branch, old_tag, when)
    if branch == standing.branch:  # Git moved it before
        on_it: tuple[Checkout, ...] = ()
        commit = _followed(task)
    else:
        on_it = _worktrees(workspace, standing)
        commit = _moved_to(task, on_it)
    return EndReport(
        verb="rename",
        name=new,
        commit=commit,
        done=tuple(_said(task, on_it)),
        sent=(),
        notes=(standing.whose,) if standing.whose else (),
        next_step=_next(task, commit),
    )


def _followed(task: _Task) -> CommitHash:
    """Have plan and conclusion follow a branch that has the name."""
    _check_unplanned(task)
    files, message = _changes(task), Message(_words(task), identity.author(task.repo), task.when)
    publish, where = transaction.publish, (task.repo.workspace, task.branch)
    return publish(*where, lambda _: files, message, expected=task.standing.commit).commit


def _moved_to(task: _Task, on_it: Sequence[Checkout]) -> CommitHash:
    left = _begun(task, on_it)
    if left is None:
        _check_absent(task)
    begun = left or _carry_out(task, together=not on_it)
    if on_it:
        _switch(task, begun, on_it)
    if on_it or left:
        _drop(task)
    return begun


def _is_its(repo: Repo, standing: Standing) -> bool:
    """Return whether the tag is the experiment's: not that of another which had its name first."""
    tag, tip = standing.archived, standing.tip
    return tag is not ABSENT and (tip is ABSENT or objects.is_ancestor(repo, tag, tip))


@dataclass(frozen=True, slots=True)
class _Task:
    repo: Repo
    standing: Standing
    plan: Plan
    new: str
    branch: str
    old_tag: Target  # the tag's own id; ABSENT where it is another experiment's
    when: datetime

    @property
    def tag(self) -> str:
        return layout.archive_tag(self.new)


def _check_absent(task: _Task) -> None:
    check_branch(task.repo, task.branch, instead_of=task.standing.branch)
    for ref in (refs.local(task.branch), task.tag):
        there = refs.read_ref(task.repo, ref)
        if there is not ABSENT:
            found = f"{ref} at {there[:9]}"
            raise ExistsError("this name is taken", found=found, next_step="choose another name")
    _check_unplanned(task)


def _check_unplanned(task: _Task) -> None:
    path = layout.plan_path(task.new)
    if objects.blob_id(task.repo, task.standing.commit, path) is not ABSENT:
        raise ExistsError(
            "there is a plan of this name in the experiment's history",
            where=f"{path} at {task.standing.commit[:9]}",
            next_step="choose another name",
        )


def _begun(task: _Task, on_it: Sequence[Checkout]) -> CommitHash | None:
    """Return the renamed tip that a call left which died before the old branch went.

    Where all worktrees have switched, there may be commits on it.
    """
    tip = refs.read_ref(task.repo, refs.local(task.branch))
    if tip is ABSENT or task.standing.tip is ABSENT:
        return None
    plan = plans.plan_named(task.repo, task.new, tip)
    same = plan is not ABSENT and task.standing.name in plan.formerly
    if on_it:
        whole = objects.commit_info(task.repo, tip).parents == (task.standing.tip,)
    else:
        whole = objects.is_ancestor(task.repo, task.standing.tip, tip)
    return tip if same and whole else None


def _carry_out(task: _Task, *, together: bool) -> CommitHash:
    """Write the commit, and make the new refs; where `together`, the old ones go with it."""

    def build() -> transaction.Moves:
        commit, written = _commit(task)
        moves: dict[str, tuple[Target, Target]] = {}
        if task.standing.tip is not ABSENT:
            moves[refs.local(task.branch)] = ABSENT, commit
            if together:
                moves[refs.local(task.standing.branch)] = task.standing.tip, ABSENT
        if task.old_tag is not ABSENT:
            tag = lifecycle.write_tag(task.repo, task.tag, commit, _words(task), task.when)
            written.append(tag)
            moves[task.tag] = ABSENT, tag
            moves[task.standing.tag] = task.old_tag, ABSENT
        return transaction.Moves(moves, commit, written)

    def guard() -> None:
        if together:
            lifecycle.check_free(task.repo.workspace, task.standing.branch)

    return _moved(task, build, guard)


def _moved(
    task: _Task, build: Callable[[], transaction.Moves], guard: Callable[[], None] = lambda: None
) -> CommitHash:
    return lifecycle.moved(task.repo, build, _words(task), task.when, guard).commit


def _words(task: _Task) -> str:
    return f"gitexp rename: {task.plan.name} to {task.new}"


def _changes(task: _Task) -> dict[str, Content]:
    repo, standing, plan = task.repo, task.standing, task.plan
    names = dict.fromkeys((*plan.formerly, plan.name))
    renamed = replace(
        plan,
        name=task.new,
        branch=task.branch,
        formerly=tuple(name for name in names if name != task.new),
    )
    changes: dict[str, Content] = {
        layout.plan_path(plan.name): DELETE,
        layout.plan_path(task.new): codec.dump(renamed),
    }
    concluded = conclusion_named(repo, plan.name, standing.commit)
    if concluded is not ABSENT:
        named = replace(concluded, experiment=task.new)
        changes[layout.conclusion_path(plan.name)] = DELETE
        changes[layout.conclusion_path(task.new)] = codec.dump(named)
    return changes


def _commit(task: _Task) -> tuple[CommitHash, list[str]]:
    repo, standing = task.repo, task.standing
    written: list[str] = []
    tree = writing.build_tree(repo, standing.commit, _changes(task), written=written)
    who = identity.author(repo)
    message = Message(_words(task), who, task.when, identity.committer(repo))
    commit = writing.write_commit(repo, tree, [standing.commit], message)
    return commit, [*written, commit]


def _worktrees(workspace: Workspace, standing: Standing) -> tuple[Checkout, ...]:
    """Return the worktrees on the branch; one whose folder is gone could not follow."""
    if standing.tip is ABSENT:
        return ()
    every = checkouts.listing(workspace)
    found = tuple(place for place in every if place.branch == standing.branch)
    gone = [place for place in found if place.missing]
    if gone:
        raise BusyBranchError(
            f"{standing.branch} is checked out in a worktree whose folder is gone",
            where=str(gone[0].top),
            next_step="git worktree prune",
        )
    return found


def _switch(task: _Task, commit: CommitHash, on_it: Sequence[Checkout]) -> None:
    """Let worktrees follow; if one cannot, all go back, and the new names are gone."""
    done: list[Checkout] = []
    for place in on_it:
        code, said = _switch_one(place, task.branch)
        if code == 0:
            done.append(place)
            continue
        for other in done:
            _switch_one(other, task.standing.branch)
        _undo(task, commit)
        raise GitFailedError(
            "a worktree cannot switch to the new name; nothing was renamed",
            found=Lines(said[:2000]),
            where=str(place.top),
            next_step=f"commit or stash {layout.plan_path(task.plan.name)} there, then again",
        )


def _switch_one(place: Checkout, branch: str) -> tuple[int, str]:
    arguments = ["switch", "--quiet", "--no-guess", "--ignore-other-worktrees", branch]
    code, _, said = command.attempt(place.top, arguments)
    return code, said.decode("utf-8", "backslashreplace").strip()


def _undo(task: _Task, commit: CommitHash) -> None:
    moves: dict[str, tuple[Target, Target]] = {refs.local(task.branch): (commit, ABSENT)}
    if task.old_tag is not ABSENT:
        moves[task.tag] = writing.object_of(task.repo, task.tag), ABSENT
        moves[task.standing.tag] = ABSENT, task.old_tag
    _moved(task, lambda: transaction.Moves(moves, commit))


def _drop(task: _Task) -> None:
    tip = task.standing.commit
    moves: dict[str, tuple[Target, Target]] = {refs.local(task.standing.branch): (tip, ABSENT)}
    _moved(
        task,
        lambda: transaction.Moves(moves, tip),
        lambda: lifecycle.check_free(task.repo.workspace, task.standing.branch),
    )


def _said(task: _Task, on_it: Sequence[Checkout]) -> list[str]:
    standing = task.standing
    lines = [f"plan {layout.plan_path(task.new)}; runs of {standing.name} go on counting"]
    if standing.tip is not ABSENT:
        lines.append(f"branch {task.plan.branch} is {task.branch}")
    if task.old_tag is not ABSENT:
        lines.append(f"tag exp-archive/{standing.name} is exp-archive/{task.new}")
    return [*lines, *(f"{place.top} is on {task.branch}" for place in on_it)]


def _next(task: _Task, commit: CommitHash) -> str:
    there = _there(task)
    old, new, remote = task.plan.branch, task.branch, there.name
    parts: list[str] = []
    if there.branch:
        local = task.standing.tip is not ABSENT
        parts += [new if local else f"{commit}:{refs.local(new)}", f":{old}"]
    if there.tag:
        parts += [tag.removeprefix("refs/tags/") for tag in (task.tag, task.standing.tag)]
        parts[-1] = f":{parts[-1]}"
    if not parts:
        return f"gitexp show {shlex.quote(task.new)}"
    return " ".join(("git push --atomic", *map(shlex.quote, (remote, *parts))))


def _there(task: _Task) -> Remote:
    """Return what a remote has under the old name; what is known here, if it is silent."""
    repo, old, tag = task.repo, task.plan.branch, task.standing.tag
    known = [ref for ref, _ in refs.branches(repo, old) if upstream.followed(ref) == old]
    archived = refs.read_ref(repo, task.tag) is not ABSENT
    name = known[0].split("/")[2] if known else ""
    if not known and not archived:
        return Remote("", "", "")
    try:
        name = name or remote_git.choose(repo, None)
        there = remote_git.remote_refs(repo.workspace, name, [refs.local(old), tag])
    except GitexpError:
        return Remote(name, "".join(known[:1]), "")
    return Remote(name, there.get(refs.local(old), ""), there.get(tag, "") if archived else "")
