"""Holds commits against the rules after the fact: what a hook let pass, or never saw.

A hook can be switched off, and a rebase, a cherry-pick or a fast-forward runs hardly any. This
looks at the commits themselves, and executes nothing of what is in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.comparison import sides
from gitexp.errors import UsageError
from gitexp.git import objects, repository
from gitexp.git.absent import ABSENT
from gitexp.git.transaction.cache import open_index
from gitexp.git.tree import Tree
from gitexp.git.upstream import own
from gitexp.model.config import ProjectConfig
from gitexp.model.review import CheckedPlan, CheckReport
from gitexp.model.rules import NOBODY
from gitexp.provenance import order_evidence
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import settings_in
from gitexp.rules.governing import governing
from gitexp.rules.ranges import check_range
from gitexp.store import plans

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import Outside
    from gitexp.model.workspace import Workspace

_NO_BRANCH: Final = (
    "these commits are on no branch that is known here, so what holds for branches, R1 and R7, was"
    " not looked at; gitexp check --branch NAME"
)


@dataclass(frozen=True, slots=True)
class Range:
    """Commits that a branch gained.

    Attributes
    ----------
    branch : str
        Short name; "" where none is known.
    base : CommitHash or None
        What it had before; None for all of its history.
    commits : tuple of CommitHash
        Parents before children.
    others : frozenset of CommitHash
        Those that came from a protected branch.
    config : ProjectConfig or None
        The settings to go by; None for those of `base`, where it has any.
    """

    branch: str
    base: CommitHash | None
    tip: CommitHash
    commits: tuple[CommitHash, ...]
    others: frozenset[CommitHash]
    config: ProjectConfig | None


def check(
    workspace: Workspace,
    revisions: str | None = None,
    *,
    branch: str | None = None,
    outside: Outside = NOBODY,
) -> CheckReport:
    """Return what is broken in a range of commits, and how sure the order of its plans is.

    Parameters
    ----------
    workspace : Workspace
    revisions : str, optional
        ``BASE..TIP``; or a branch, experiment or revision, which is held against the protected
        branches. That of HEAD by default.
    branch : str, optional
        On which branch the commits are, where their name does not tell.
    outside : Outside, optional
        Answers what the commits do not say; without it nothing is asked.

    Raises
    ------
    UnknownRevisionError, UnknownExperimentError, UnbornBranchError
        If a revision names no commit.
    """
    repo = repository.open_repository(workspace)
    with open_index(workspace) as index:
        found = find(repo, index, revisions, branch)
        violations, notes = check_range(
            repo,
            found.commits,
            branch=found.branch,
            base=found.base,
            others=found.others,
            config=found.config,
            outside=outside,
        )
        return CheckReport(
            branch=found.branch,
            base=found.base,
            tip=found.tip,
            commits=len(found.commits),
            violations=violations,
            plans=tuple(_plans(repo, index, found)),
            notes=notes if found.branch or branch is not None else (*notes, _NO_BRANCH),
        )


def find(
    repo: Repo, index: Index, revisions: str | None = None, branch: str | None = None
) -> Range:
    """Return the commits that a person means.

    Raises `UnknownRevisionError, UnknownExperimentError, UnbornBranchError, UsageError`.
    """
    text = revisions or ""
    left, dots, right = text.partition("..")
    if dots and right.startswith("."):
        raise UsageError(
            "a range has two dots here: what the second has and the first has not",
            found=text,
            next_step=f"gitexp check {left}..{right[1:]}",
        )
    name = right if dots else text
    named = sides.tip(repo, index, name) if name else sides.checked_out(repo)
    tip = named.holder
    where = branch if branch is not None else named.branch
    start = objects.resolve(repo, left or "HEAD") if dots else None
    config = _settings(repo, where, start, tip)
    upstream = tuple(_protected(repo, config, where, tip))
    base = start if dots else _base(repo, tip, upstream)
    hidden = (base,) if dots and base is not None else upstream
    commits = [item.hash for item in objects.history(repo, [tip], hide=hidden)]
    gained = {item.hash for item in objects.history(repo, [tip], hide=(*hidden, *upstream))}
    others = frozenset(commits) - gained if tip in gained else frozenset()
    by_base = bool(dots) or (base is not None and is_protected(config, where))
    governs = None if by_base else config
    return Range(where, base, tip, tuple(reversed(commits)), others, governs)


def _settings(repo: Repo, branch: str, base: CommitHash | None, tip: CommitHash) -> ProjectConfig:
    """Return the settings that count: those of the base, where it has any, else as for a hook."""
    stored = repo
    if base is not None:
        there = settings_in(Tree(stored, objects.commit_info(repo, base).tree))
        if there is not None:
            return there
    found = governing(stored, partial(own, repo.workspace), branch, tip)
    return found.config or ProjectConfig()


def _protected(repo: Repo, config: ProjectConfig, branch: str, tip: CommitHash) -> list[CommitHash]:
    """Return the tips of protected branches other than the branch itself.

    Of a protected branch what its upstream has is none of its gains.
    """
    found = [
        commit
        for name, commit, ref in own(repo.workspace, config.protected)
        if is_protected(config, name) and ref != f"refs/heads/{branch}"
    ]
    return [] if tip in found and not is_protected(config, branch) else found


def _base(repo: Repo, tip: CommitHash, upstream: tuple[CommitHash, ...]) -> CommitHash | None:
    """Return the newest commit that a protected branch and the tip have in common."""
    best: CommitHash | None = None
    for commit in upstream:
        common = objects.merge_base(repo, commit, tip)
        if common is ABSENT:
            continue
        if best is None or objects.is_ancestor(repo, best, common):
            best = common
    return best


def _plans(repo: Repo, index: Index, found: Range) -> list[CheckedPlan]:
    """Return the plans that these commits brought or changed, and that of the branch."""
    before = {plan.digest for plan in plans.plans(repo, found.base)} if found.base else set()
    checked = []
    for plan in plans.plans(repo, found.tip):
        if plan.digest in before and plan.branch != found.branch:
            continue
        order, runs = order_evidence.grade(repo, index, plan, found.tip)
        checked.append(CheckedPlan(plan.name, plan.digest, len(plan.amended), runs, order))
    return checked
