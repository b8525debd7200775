"""Experiments whose branch is gone and whose records are on another one: merged, squashed, rebased.

A code host has three merge buttons, and each may delete the branch. After a merge the commits are
still there; after a squash or a rebase they are not, but the records say what ran: the plan by its
name and digest, the tree, the inputs. Nothing here asks whether `git gc` has run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.dvc import inputs as inputs_rules
from gitexp.errors import GitexpError
from gitexp.git import objects, refs
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, CommitHash, InputsDigest
from gitexp.store import plans
from gitexp.store.ancestry import Addition, Graph
from gitexp.store.conclusions import conclusion_named
from gitexp.store.lookup import lines_by_addition
from gitexp.store.plans import is_experiments, own_tips, places

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.comparison import Side
    from gitexp.model.plan import Plan
    from gitexp.store.list_lines import RunLine


@dataclass(frozen=True, slots=True)
class Merged:
    """What is known of an experiment without a branch of its own."""

    plan: Plan
    where: str  # short name of the branch (or HEAD) that has its records
    records: CommitHash  # its tip
    # Of the candidate: the concluded one, else the newest that was run; None: nothing was run.
    inputs: InputsDigest | None
    source: CommitHash | None  # the commit that was concluded, else the one that ran
    lost: bool  # no ref leads to `source` any more
    state: CommitHash  # the commit whose tree shows the candidate best
    exact: bool  # whether that tree has just these inputs


def find(repo: Repo, index: Index, name: str, own: str | None = None) -> Merged | None:
    """Look for the plan of an experiment where HEAD is, then on all branches; None: nowhere.

    `own`: what the names of experiments' branches begin with, to look at own branches that are
    none.
    """
    for where, commit in places(repo, None if own is None else own_tips(repo)):
        if own is not None and is_experiments(where, own):
            continue
        try:
            plan = plans.plan_named(repo, name, commit)
        except GitexpError:  # somewhere else it may be readable
            continue
        if plan is not ABSENT:
            return held(repo, index, plan, where, commit)
    return None


def held(repo: Repo, index: Index, plan: Plan, where: str, commit: CommitHash) -> Merged:
    """Return what the records of a commit say of an experiment."""
    concluded = _concluded(repo, plan, commit)
    asked = None if concluded is None else concluded.inputs
    lines = lines_by_addition(repo, Graph(repo, index, [commit]), index)
    found = candidate(plan, lines, asked)
    if found is None:
        return Merged(plan, where, commit, None, None, lost=False, state=commit, exact=True)
    addition, line = found
    source, wanted = CommitHash(line.commit), InputsDigest(line.inputs)
    if concluded is not None and wanted == asked:
        source = concluded.commit
    lost = bool(refs.unreachable(repo, [source]))
    for state in (addition.commit, *(() if lost else (source,))):
        if _inputs(repo, index, state, commit) == wanted:
            return Merged(plan, where, commit, wanted, source, lost, state, exact=True)
    return Merged(plan, where, commit, wanted, source, lost, addition.commit, exact=False)


def candidate(
    plan: Plan, found: list[tuple[Addition, RunLine]], concluded: InputsDigest | None
) -> tuple[Addition, RunLine] | None:
    """Return the run of the candidate: the newest by ancestry, of what was concluded."""
    mine = [
        pair
        for pair in found
        if plan.covers(pair[1].plan_name, pair[1].plan_digest)
        and not pair[1].reported
        and pair[1].seeds
        and pair[1].commit != plan.baseline.commit
    ]
    of_it = [pair for pair in mine if pair[1].inputs == concluded]
    chosen = of_it or mine
    return chosen[-1] if chosen else None


def _concluded(repo: Repo, plan: Plan, commit: CommitHash) -> Side | None:
    try:
        found = conclusion_named(repo, plan.name, commit)
    except GitexpError:  # `show` says what is wrong with it
        return None
    return None if found is ABSENT else found.comparison.candidate


def _inputs(
    repo: Repo, index: Index, commit: CommitHash, fallback: CommitHash
) -> InputsDigest | None:
    try:
        config, _ = plans.config_of(repo, commit, fallback)
        tree = objects.commit_info(repo, commit).tree
        return inputs_rules.compute(repo, tree, config, index=index)
    except GitexpError:  # then it is not a state that could stand for the candidate
        return None
