"""What the names on a comparison's command line stand for: commits, settings, inputs, plans.

A name is a branch (with or without the experiments' prefix), else an archive tag, else the
conclusion of that name, whose comparison still says which inputs were compared; else any
revision that git understands. Only hashes go on from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import (
    NoPlanError,
    UnbornBranchError,
    UnknownExperimentError,
    UnknownRevisionError,
)
from gitexp.git import objects, refs
from gitexp.git.absent import ABSENT
from gitexp.store import inputs, layout, lookup, plans
from gitexp.store.conclusions import conclusion_named

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, InputsDigest
    from gitexp.model.plan import Plan
    from gitexp.store.index import Index


@dataclass(frozen=True, slots=True)
class Named:
    """What a name stands for."""

    name: str  # as typed
    commit: CommitHash
    branch: str = ""  # short name, where the name is that of a branch or its archive
    plan: Plan | None = None
    inputs: InputsDigest | None = None  # given where the source commit is gone
    recorded: CommitHash | None = None  # the commit that is gone


@dataclass(frozen=True, slots=True)
class Source:
    """One side before anything is known of its samples.

    Attributes
    ----------
    commit : CommitHash
        Whose history is searched; of a lost source the commit that still has its records.
    recorded : CommitHash
        The side's own commit, also where it is gone.
    """

    name: str
    commit: CommitHash
    recorded: CommitHash
    branch: str
    config: ProjectConfig
    inputs: InputsDigest
    lost: bool = False  # the source commit is gone, the inputs come from a record


def current(repo: Repo) -> Named:
    """Return the experiment of the branch that is checked out.

    Raises
    ------
    UnbornBranchError
    """
    head = refs.head(repo)
    if head.commit is ABSENT:
        raise UnbornBranchError("this branch has no commit yet", where=head.branch or "HEAD")
    plan = _plan_of(repo, head.branch or "", head.commit)
    branch = head.branch or ("" if plan is None else plan.branch)
    return Named(head.branch or "HEAD", head.commit, branch, plan)


def exists(repo: Repo, commit: CommitHash) -> bool:
    """Whether a commit is still in the repository."""
    try:
        objects.resolve(repo, commit)
    except UnknownRevisionError:
        return False
    return True


def no_plan(named: Named) -> NoPlanError:
    """Return the error that says that one name alone is not enough."""
    return NoPlanError(
        "there is no hypothesis to judge here",
        found=f"no plan of {named.name}",
        where=named.commit[:9],
        expected="an experiment's branch, or two revisions",
        next_step="gitexp compare REV REV, or gitexp new NAME",
    )


def find(repo: Repo, name: str) -> Named:
    """Return what a name stands for: branch, archive tag, conclusion, any revision.

    Raises
    ------
    UnknownExperimentError
        If it is none of these.
    """
    prefix = plans.branch_prefix(repo)
    wanted = (name, f"{prefix}{name}")
    for branch in wanted:
        commit = refs.read_ref(repo, refs.local(branch))
        if commit is not ABSENT:
            return Named(name, commit, branch, _plan_of(repo, branch, commit))
    every = refs.branches(repo)
    for ref, commit in every:
        short = _of_remote(ref)
        if short and (short in wanted or ref == f"refs/remotes/{name}"):
            return Named(name, commit, short, _plan_of(repo, short, commit))
    bare = name.removeprefix(prefix)
    for ref, commit in every:
        if ref == f"{layout.ARCHIVE_TAGS}{bare}":
            plan = plans.plan_named(repo, bare, commit)
            if plan is ABSENT:
                return Named(name, commit)
            return Named(name, commit, plan.branch, plan)
    concluded = _concluded(repo, name, bare)
    if concluded is not None:
        return concluded
    return _revision(repo, name)


def source(repo: Repo, named: Named, fallback: CommitHash, index: Index) -> Source:
    """Read the settings of a side and digest its inputs.

    Parameters
    ----------
    repo : Repo
    named : Named
    fallback : CommitHash
        Whose settings serve a commit that is older than ``gitexp init``.
    index : Index

    Raises
    ------
    NotInitialisedError, BadFormatError, UnsafeInputError
    """
    config, _ = plans.config_of(repo, named.commit, fallback)
    if named.inputs is not None:
        recorded = named.recorded or named.commit
        return Source(
            named.name, named.commit, recorded, named.branch, config, named.inputs, lost=True
        )
    tree = objects.commit_info(repo, named.commit).tree
    digest = inputs.compute(repo, tree, config, index=index)
    return Source(named.name, named.commit, named.commit, named.branch, config, digest)


def planned_baseline(repo: Repo, plan: Plan, candidate: CommitHash, index: Index) -> Named:
    """Return the baseline that a plan names, also when its commit is gone.

    Raises
    ------
    UnknownRevisionError
        If the commit is gone and no run of it is recorded.
    """
    ref = plan.baseline
    try:
        return Named(ref.name, objects.resolve(repo, ref.commit))
    except UnknownRevisionError:
        for found in lookup.runs_at(repo, candidate, index):
            if found.run.source.commit == ref.commit and not found.run.source.overrides:
                return Named(ref.name, candidate, inputs=found.run.inputs, recorded=ref.commit)
        raise


def _plan_of(repo: Repo, branch: str, commit: CommitHash) -> Plan | None:
    if not branch:
        return _plan_around(repo, commit)
    plan = plans.plan_of_branch(repo, branch, commit)
    return None if plan is ABSENT else plan


def _plan_around(repo: Repo, commit: CommitHash) -> Plan | None:
    """Return the newest plan in a commit's tree on whose branch the commit lies."""
    mine = []
    every = refs.branches(repo)
    for plan in plans.plans(repo, commit).plans:
        names = {refs.local(plan.branch), f"{layout.ARCHIVE_TAGS}{plan.name}"}
        tips = [tip for ref, tip in every if ref in names or _of_remote(ref) == plan.branch]
        if any(objects.is_ancestor(repo, commit, tip) for tip in tips):
            mine.append(plan)
    return max(mine, key=lambda plan: (plan.created_at, plan.name), default=None)


def _of_remote(ref: str) -> str:
    """Return the branch that a remote-tracking ref follows, "" for any other ref."""
    if not ref.startswith("refs/remotes/"):
        return ""
    return ref.removeprefix("refs/remotes/").partition("/")[2]


def _concluded(repo: Repo, name: str, bare: str) -> Named | None:
    head = refs.head(repo)
    if head.commit is ABSENT or "/" in bare or bare.startswith("."):
        return None
    found = conclusion_named(repo, bare, head.commit)
    if found is ABSENT:
        return None
    comparison = found.comparison
    side, plan = comparison.candidate, comparison.plan
    branch = plan.branch if plan is not None else ""
    try:
        return Named(name, objects.resolve(repo, side.commit), branch, plan)
    except UnknownRevisionError:
        return Named(name, head.commit, branch, plan, side.inputs, side.commit)


def _revision(repo: Repo, name: str) -> Named:
    try:
        commit = objects.resolve(repo, name)
    except UnknownRevisionError as error:
        raise UnknownExperimentError(
            "this names no branch, archive, conclusion or revision",
            found=ascii(name[:100])[1:-1],
            where=error.where,
        ) from error
    head = refs.head(repo)
    branch = head.branch if head.branch is not None and head.commit == commit else ""
    return Named(name, commit, branch, _plan_of(repo, branch, commit))
