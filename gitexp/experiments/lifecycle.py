"""Names of experiments, and what their ends ask before they move a ref."""

from __future__ import annotations

import re
import shlex
import unicodedata
from typing import TYPE_CHECKING

from gitexp.errors import (
    BadNameError,
    BusyBranchError,
    ExistsError,
    PreconditionError,
    UnknownExperimentError,
    UsageError,
)
from gitexp.execution.state import live_runs
from gitexp.git import identity, objects, refs, repository, upstream, writing
from gitexp.git.transaction import layout, transaction
from gitexp.git.transaction.cache import open_index
from gitexp.git.upstream import own
from gitexp.git.worktree import checkouts
from gitexp.git.writing import Message
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent
from gitexp.report import numbers
from gitexp.store import conclusions, plans
from gitexp.store.ancestry import runs_in
from gitexp.store.conclusions import conclusion_named, has_records
from gitexp.store.plans import is_experiments, tips
from gitexp.store.records import run_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.views import LiveRun
    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Standing:
    """What there is of an experiment in this repository."""

    name: str  # of the plan; without one, of the branch below the prefix
    branch: str  # short name, whether it is there or not
    tip: CommitHash | Absent  # of the local branch
    archived: CommitHash | Absent  # what the archive tag leads to
    plan: Plan | None
    whose: str = ""  # in words, where a fetch brought the archive tag

    @property
    def tag(self) -> str:
        """The full ref of its archive tag."""
        return layout.archive_tag(self.name)

    @property
    def commit(self) -> CommitHash:
        """Its newest state."""
        if self.tip is not ABSENT:
            return self.tip
        assert self.archived is not ABSENT  # noqa: S101 - `find` returns nothing without either
        return self.archived


def find(repo: Repo, name: str) -> Standing:
    """Return an experiment that has a local branch, an archive tag, or both.

    Raises `PreconditionError` if there is but a tag that a fetch brought, and main or its branch
    says something else; or if Git renamed the branch.
    """
    check_renamed(repo, name)
    prefix = plans.branch_prefix(repo)
    bare = name.removeprefix("exp-archive/").removeprefix(prefix)
    for branch in dict.fromkeys((f"{prefix}{bare}", name)):
        tip = refs.read_ref(repo, refs.local(branch))
        if tip is ABSENT:
            continue
        if not branch.startswith(prefix):
            raise UsageError(
                "this branch is not an experiment's own",
                found=branch,
                expected=f"a branch named {prefix}NAME",
                next_step="git branch -d, which asks what Git asks",
            )
        plan = plans.plan_of_branch(repo, branch, tip)
        known = None if plan is ABSENT else plan
        called = bare if known is None else known.name
        tag = layout.archive_tag(called)
        archived = refs.read_ref(repo, tag)
        whose = "" if archived is ABSENT else conclusions.whose(repo, tag)
        return Standing(called, branch, tip, archived, known, whose)
    tag = layout.archive_tag(bare)
    archived = refs.read_ref(repo, tag)
    if archived is ABSENT:
        raise _unknown(repo, bare, f"{prefix}{bare}")
    whose = conclusions.check_tag(repo, tag)
    plan = plans.plan_named(repo, bare, archived)
    known = None if plan is ABSENT else plan
    return Standing(bare, f"{prefix}{bare}", ABSENT, archived, known, whose)


def renamed(repo: Repo, name: str) -> Standing | None:
    """Return an experiment whose branch Git renamed, by its name or the branch's."""
    prefix = plans.branch_prefix(repo)
    bare = name.removeprefix(prefix)
    branch = f"{prefix}{bare}"
    tip = refs.read_ref(repo, refs.local(branch))
    if tip is ABSENT:
        moved = plans.renamed_tip(repo, bare)
        if moved is None:
            return None
        branch, tip = moved.branch, moved.commit
    plan = plans.renamed(repo, branch, tip)
    return None if plan is ABSENT else Standing(plan.name, branch, tip, ABSENT, plan)


def check_renamed(repo: Repo, name: str) -> None:
    """Refuse to end an experiment, or to write to it, where Git renamed its branch alone."""
    found = renamed(repo, name)
    if found is not None and found.plan is not None:
        raise PreconditionError(
            f"Git renamed {found.plan.branch} to {found.branch}, and its plan is to follow",
            next_step=plans.renaming(found.plan, found.branch),
        )


def is_kept(repo: Repo, standing: Standing) -> bool:
    """Return whether an archive tag of one's own has all of an experiment."""
    tag, tip = standing.archived, standing.tip
    if tag is ABSENT or standing.whose:
        return False
    return tip is ABSENT or objects.is_ancestor(repo, tip, tag)


def is_removed(repo: Repo, name: str, commit: CommitHash) -> bool:
    """Return whether a commit is the tombstone of an experiment."""
    return objects.blob_id(repo, commit, layout.tombstone_path(name)) is not ABSENT


def is_untried(repo: Repo, standing: Standing) -> bool:
    """Return whether there is a plan and nothing was run or concluded on its branch."""
    plan = standing.plan
    if plan is None or conclusion_named(repo, plan.name, standing.commit) is not ABSENT:
        return False
    mine = runs_in(repo, standing.commit)
    if not mine:
        return True
    with open_index(repo.workspace) as index:
        lines = run_lines(repo, index, {tree: run for run, tree in mine.items()})
    if any(plan.covers(line.plan_name, line.plan_digest) for line in lines.values()):
        return False
    return any(mine.keys() <= runs_in(repo, commit).keys() for _, commit in _bases(repo, standing))


def is_bare(repo: Repo, standing: Standing) -> bool:
    """Return whether its branch holds its plan and nothing else."""
    plan = standing.plan
    return plan is not None and plans.plan_commit(repo, plan, standing.commit) == standing.commit


def write_tag(repo: Repo, ref: str, commit: CommitHash, message: str, when: datetime) -> str:
    """Write an annotated archive tag, which no ref names yet, and return its id."""
    said = Message(message, identity.committer(repo), when)
    return writing.write_tag(repo, commit, ref.removeprefix("refs/tags/"), said)


def moved(
    repo: Repo,
    build: Callable[[], transaction.Moves],
    message: str,
    when: datetime,
    guard: Callable[[], None] = lambda: None,
) -> transaction.Moves:
    """Move the refs of an experiment, all or none, in the name of who is at work."""
    return transaction.move_refs(
        repo, build, guard, Message(message, identity.committer(repo), when)
    )


def check_published(workspace: Workspace, branch: str) -> None:
    """Refuse to end an experiment while repeats of it run, or wait to be recorded."""
    for where, run, alive in _unrecorded(workspace, branch):
        if alive:
            raise PreconditionError(
                f"a run on {branch} has not ended",
                found=f"run {run.id[:8]}",
                where=where,
                next_step=f"gitexp logs {run.id[:8]} --follow",
            )
        done, begun = len(run.finished), len(run.ended)
        what = numbers.amount(done or begun, "finished repeat" if done else "interrupted repeat")
        call = f"run --resume --on {shlex.quote(branch)}" if done else "doctor --fix"
        raise PreconditionError(
            f"{what} on {branch} not recorded yet",
            found=f"run {run.id[:8]}, whose coordinator died",
            where=where,
            next_step=f"cd {shlex.quote(where)} && gitexp {call}",
        )


def check_free(workspace: Workspace, branch: str) -> None:
    """Refuse to remove a branch that a worktree has checked out, or that is being rebased."""
    for place in checkouts.listing(workspace):
        if place.branch == branch:
            raise BusyBranchError(
                f"{branch} is checked out",
                found="the folder of this worktree is gone" if place.missing else "",
                where=str(place.top),
                expected="a branch that no worktree is on",
                next_step=leaving(workspace, branch).removesuffix(" && "),
            )
    check_no_rebase(workspace, branch)


def leaving(workspace: Workspace, branch: str) -> str:
    """Return what to type before that which removes a branch; "" where no worktree is on it."""
    repo, places = repository.open_repository(workspace), checkouts.listing(workspace)
    others = {place.branch for place in places}
    free = repo.main not in others and refs.read_ref(repo, refs.local(repo.main)) is not ABSENT
    steps = ""
    for place in (each for each in places if each.branch == branch):
        here = place.missing or (workspace.top and place.top.samefile(workspace.top))
        at = "" if here else f" -C {shlex.quote(str(place.top))}"
        to = f"switch {shlex.quote(repo.main) if free else '--detach'}"
        free = False
        steps += f"git{at} {'worktree prune' if place.missing else to} && "
    return steps


def check_no_rebase(workspace: Workspace, branch: str) -> None:
    """Refuse to touch a branch in the middle of a rebase."""
    busy = checkouts.rebasing(workspace, branch)
    if busy is not None:
        step = "git rebase --continue, or --abort"
        raise BusyBranchError(f"{branch} is being rebased", where=str(busy), next_step=step)


def base_of(repo: Repo, standing: Standing) -> str:
    """Return the base that has every record of an experiment, whatever merged them; "" for none.

    The base is the branch of the plan's baseline, here or upstream; else main, master, or the
    branch of HEAD.
    """
    for where, commit in _bases(repo, standing):
        if has_records(repo, commit, standing.commit, standing.plan.name if standing.plan else ""):
            return where
    return ""


def _bases(repo: Repo, standing: Standing) -> Iterator[tuple[str, CommitHash]]:
    mine = {each.ref for each in own(repo, ["*"])}
    every = [tip for tip in tips(repo) if tip.ref in mine and tip.branch != standing.branch]
    named = [] if standing.plan is None else [standing.plan.baseline.name]
    head = refs.head(repo).branch
    usual = [repo.main, *([] if head is None else [head])]
    prefix = plans.branch_prefix(repo)
    for name in (*named, *(name for name in usual if not is_experiments(name, prefix))):
        found = [(tip.name, tip.commit) for tip in every if name in {tip.branch, tip.name}]
        yield from found
        if found and name in named:
            return


def _unrecorded(workspace: Workspace, branch: str) -> Iterator[tuple[str, LiveRun, bool]]:
    for place in checkouts.listing(workspace):
        if place.missing:
            continue
        there = replace(workspace, git_dir=place.git_dir, top=place.top, start=place.top)
        found = live_runs(there)
        every = [
            *((run, True) for run in found.running),
            *(
                (run, False)
                for run in (*found.unpublished, *found.begun)
                if run.finished or run.ended
            ),
        ]
        yield from ((str(place.top), run, alive) for run, alive in every if run.branch == branch)


def _unknown(repo: Repo, bare: str, branch: str) -> UnknownExperimentError:
    mine = [each.ref for each in own(repo, [branch])]  # a stranger's is named last
    for ref in (*mine, *(ref for ref, _ in refs.branches(repo, branch))):
        if upstream.followed(ref) == branch:
            remote = ref.removeprefix("refs/remotes/")
            return UnknownExperimentError(
                "only a remote has this experiment",
                found=remote,
                expected="a local branch or an archive tag",
                next_step=f"git branch {shlex.quote(branch)} {shlex.quote(remote)}",
            )
    return UnknownExperimentError(
        "no local branch and no archive tag has this name",
        found=ascii(bare[:100])[1:-1],
        expected=" or ".join(plans.near_experiments(repo, bare))
        or f"{branch}, or exp-archive/{bare}"[:200],
        next_step="gitexp list",
    )


_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}")


def check_name(name: str) -> None:
    """Refuse a name that could not be a branch on every system."""
    good = _NAME.fullmatch(name) and ".." not in name and not name.endswith((".lock", "."))
    if not good:
        near = suggest_name(name)
        raise BadNameError(
            "an experiment cannot have this name",
            found=repr(name),
            expected="a-z, 0-9, dot, underscore, hyphen; a letter or digit first; at most 100",
            next_step=f"gitexp new {near}" if near else "choose another name",
        )


def suggest_name(name: str) -> str:
    """Return the nearest allowed name, "" where nothing is left of it.

    Examples
    --------
    >>> suggest_name("Focal Loss (v2)")
    'focal-loss-v2'
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    joined = re.sub(r"[^a-z0-9._]+", "-", plain)
    joined = re.sub(r"\.{2,}", ".", joined).strip("-._")[:100]
    return joined.removesuffix(".lock").strip("-._")


def check_branch(repo: Repo, branch: str, *, instead_of: str = "") -> None:
    """Refuse the name of a new branch that is another's, on whatever file system."""
    for name, _ in refs.branches(repo):
        short = name.removeprefix("refs/heads/")
        if short in {name, instead_of}:
            continue
        if short == branch:
            raise ExistsError(
                f"the branch {branch} exists",
                next_step=f"git switch {shlex.quote(branch)}, or choose another name",
            )
        if short.casefold() == branch.casefold():
            raise ExistsError(
                f"the branch {short} differs from {branch} in letter case only",
                expected="names that stay different on every file system",
                next_step="choose another name",
            )
        if short.startswith(f"{branch}/") or branch.startswith(f"{short}/"):
            raise ExistsError(
                f"the branch {short} stands where {branch} would", next_step="choose another name"
            )
