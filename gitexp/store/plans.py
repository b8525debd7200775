"""Plans and settings as a commit holds them."""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, NoPlanError, NotInitialisedError, UnknownExperimentError
from gitexp.git import refs
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.objects import blob_id, commit_info, exists, list_dir, read_blob
from gitexp.git.transaction.layout import CONFIG, PLANS, archive_tag, plan_path
from gitexp.model.config import ProjectConfig
from gitexp.records import config as config_format
from gitexp.store.fast_plan import lean_plan

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import BlobId, CommitHash
    from gitexp.model.plan import Plan

_SUFFIX = ".yaml"
_MOST_TIPS = 200  # looked at for settings


@dataclass(frozen=True, slots=True)
class UnreadablePlan:
    """A plan file that cannot be read, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class Plans:
    """The plan files of a commit."""

    plans: tuple[Plan, ...]  # by name
    unreadable: tuple[UnreadablePlan, ...]


def config_of(
    repo: Repo, commit: CommitHash, fallback_plan_commit: CommitHash | None = None
) -> tuple[ProjectConfig, BlobId | None]:
    """Return the settings by which a commit is run and digested.

    `fallback_plan_commit`: where to look if the commit is older than `gitexp init`: a baseline
    takes the settings of the commit that added the plan. The result: with the blob's id if, and
    only if, the settings are the fallback's.

    Raises `NotInitialisedError` if neither has ``.gitexp/config.yaml``; `BadFormatError,
    NewerFormatError, UnsafeInputError` if it cannot be read.
    """
    data = read_blob(repo, commit, CONFIG)
    if data is not ABSENT:
        return settings(data, f"{commit[:9]}:{CONFIG}"), None
    if fallback_plan_commit is not None:
        blob = blob_id(repo, fallback_plan_commit, CONFIG)
        data = read_blob(repo, fallback_plan_commit, CONFIG)
        if blob is not ABSENT and data is not ABSENT:
            return settings(data, f"{fallback_plan_commit[:9]}:{CONFIG}"), blob
    # A second `init` beside settings on another branch would part the two for good.
    branch = "" if refs.head(repo).commit != commit else settled_on(repo)
    raise NotInitialisedError(
        "this commit is not a gitexp project",
        found=f"the settings are on {branch}" if branch else "",
        where=commit[:9],
        expected=CONFIG if fallback_plan_commit is None else f"{CONFIG}, there or with the plan",
        next_step=settings_step(branch),
    )


def settings(data: bytes, where: str) -> ProjectConfig:
    """Return the settings in a file, parsed once: commits after commits have the same."""
    try:
        return _parsed(data)
    except GitexpError:
        return config_format.load(data, where)  # the same error, with its place


def settled_on(repo: Repo) -> str:
    """Return a branch, here or of a remote, that holds settings; "" where none does."""
    for ref, tip in refs.branches(repo)[:_MOST_TIPS]:
        with contextlib.suppress(GitexpError):
            if not ref.startswith("refs/tags/") and blob_id(repo, tip, CONFIG) is not ABSENT:
                return ref.split("/", 2)[2]
    return ""


def settings_step(branch: str) -> str:
    """Return what to type where the settings are on another branch; "" for none."""
    return f"git merge {shlex.quote(branch)}, or git switch to it" if branch else ""


def branch_prefix(repo: Repo) -> str:
    """Return what the names of experiments' branches begin with, by the settings at HEAD.

    Without settings that can be read it is the default: whoever needs more of them says what is
    wrong.
    """
    head = refs.head(repo)
    if head.commit is not ABSENT:
        with contextlib.suppress(GitexpError):
            return config_of(repo, head.commit)[0].branch_prefix
    return ProjectConfig().branch_prefix


def no_branch(repo: Repo, name: str, expected: str) -> UnknownExperimentError:
    """Return the error that an experiment has no branch: an archived one can be brought back."""
    bare = name.removeprefix(branch_prefix(repo))
    tag = archive_tag(bare)
    archived = refs.is_valid(tag) and refs.read_ref(repo, tag) is not ABSENT
    return UnknownExperimentError(
        "it is archived, and there is no such branch" if archived else "there is no such branch",
        found=ascii(name)[1:-1],
        expected=expected,
        next_step=f"gitexp restore {shlex.quote(bare)}" if archived else "",
    )


def holds(repo: Repo, plan: Plan, commit: CommitHash) -> bool:
    """Return whether a commit, if it is here, has a plan as it binds now."""
    return exists(repo, commit) and any(
        plan.covers(each.name, each.digest) for each in plans(repo, commit).plans
    )


def plans(repo: Repo, commit: CommitHash) -> Plans:
    """Return all plans in a commit's tree, whatever branch they belong to."""
    found: list[Plan] = []
    bad: list[UnreadablePlan] = []
    for path in _paths(repo, commit):
        try:
            plan = _read(repo, commit, path)
        except GitexpError as error:
            bad.append(UnreadablePlan(path, error.summary))
            continue
        if plan is not ABSENT:
            found.append(plan)
    return Plans(tuple(sorted(found, key=lambda plan: plan.name)), tuple(bad))


def plan_of_branch(repo: Repo, branch: str, commit: CommitHash) -> Plan | Absent:
    """Return the plan that lives on a branch; after a merge the base does not acquire it.

    `branch`: short name: ``exp/focal-loss``, or ``main`` for a plan made with ``--here``. The
    result: the newest, where several plans name the branch.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if no plan is found and the file
    that ought to be the branch's cannot be read.
    """
    name = branch.partition("/")[2]
    own = plan_path(name)
    if name and "/" not in name:  # the usual case costs one file
        plan = _read(repo, commit, own)
        if plan is not ABSENT and plan.branch == branch:
            return plan
    mine = [plan for plan in plans(repo, commit).plans if plan.branch == branch]
    return max(mine, key=lambda plan: (plan.created_at, plan.name)) if mine else ABSENT


def plan_named(repo: Repo, name: str, commit: CommitHash) -> Plan | Absent:
    """Return the plan of an experiment in a commit's tree.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if its file cannot be read.
    """
    return _read(repo, commit, plan_path(name))


def plan_commit(repo: Repo, plan: Plan, tip: CommitHash) -> CommitHash:
    """Return the commit in a tip's history that added a plan, as what binds in it reads now.

    A plan whose binding part was changed later is another plan, added by the commit that changed
    it. One that was renamed is the same plan, under the names that it had.

    Raises `NoPlanError` if the tip does not hold the plan.
    """
    paths = [plan_path(name) for name in (plan.name, *plan.formerly)]
    verdicts: dict[str, bool] = {}  # blob id -> holds this plan

    def holds(commit: CommitHash) -> bool:
        return any(is_at(commit, path) for path in paths)

    def is_at(commit: CommitHash, path: str) -> bool:
        blob = blob_id(repo, commit, path)
        if blob is ABSENT:
            return False
        if blob not in verdicts:
            try:
                found = _read(repo, commit, path)
            except GitexpError:
                found = ABSENT
            verdicts[blob] = found is not ABSENT and found.digest == plan.digest
        return verdicts[blob]

    if not holds(tip):
        raise NoPlanError("the plan is not in this commit", found=plan.name, where=tip[:9])
    seen = {tip}
    waiting = [tip]
    added: list[CommitHash] = []
    while waiting:
        commit = waiting.pop()
        older = [parent for parent in commit_info(repo, commit).parents if holds(parent)]
        if not older:
            added.append(commit)
        fresh = [parent for parent in older if parent not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    # Several only where the same plan was added on parallel lines; any order will do if it is one.
    return min(added)


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> ProjectConfig:
    return config_format.load(data, CONFIG)


def _paths(repo: Repo, commit: CommitHash) -> list[str]:
    names = (
        entry.path.decode("utf-8", "surrogateescape") for entry in list_dir(repo, commit, PLANS)
    )
    return [posixpath.join(PLANS, name) for name in names if name.endswith(_SUFFIX)]


def _read(repo: Repo, commit: CommitHash, path: str) -> Plan | Absent:
    data = read_blob(repo, commit, path)
    if data is ABSENT:
        return ABSENT
    return lean_plan(data, f"{commit[:9]}:{path}")
