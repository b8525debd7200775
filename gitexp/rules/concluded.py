"""What R7 asks of the conclusion of a merged experiment.

Loaded where an experiment is merged, and at no other commit: see `gitexp.rules.merging`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import conclusion_path
from gitexp.git.tree import Tree, tree_of
from gitexp.model.comparison import Conclusion
from gitexp.records import codec
from gitexp.rules.facts import Finding
from gitexp.rules.recorded import keeps

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.rules.facts import Facts


def merged(facts: Facts, plan: Plan) -> Iterator[Finding]:
    """Say what the conclusion of an experiment lacks to be merged."""
    path = conclusion_path(plan.name)
    try:
        found = _conclusion(facts.tree, path)
    except GitexpError as error:
        again = f"gitexp conclude {shlex.quote(plan.name)} --amend -m TEXT"
        yield Finding(f"the conclusion of {plan.name} cannot be read: {error}", again, path)
        return
    if found is None:
        yield Finding(
            f"{plan.name} is merged into {facts.branch} without a conclusion",
            f"git switch {shlex.quote(plan.branch)} && gitexp conclude -m TEXT, then merge again",
            path,
        )
        return
    yield from _concluded(facts, plan, found, path)

    def kept(tag: CommitHash) -> bool:
        tree = tree_of(facts.objects, tag)
        return keeps(tree, plan, facts.tree, found.comparison.candidate.runs)

    missing = facts.outside.archived(plan, kept)
    if missing:
        yield Finding(
            f"{plan.name} is merged, and {missing}",
            f"gitexp archive {shlex.quote(plan.name)} --push",
        )


def runs(tree: Tree, plan: Plan) -> tuple[str, ...]:
    """Return the runs by which an experiment was concluded."""
    try:
        found = _conclusion(tree, conclusion_path(plan.name))
    except GitexpError:  # R7 says it
        found = None
    return () if found is None else found.comparison.candidate.runs


def _conclusion(tree: Tree, path: str) -> Conclusion | None:
    data = tree.read(path, codec.limit(Conclusion))
    return None if data is None else codec.load(Conclusion, data, path)


def _concluded(facts: Facts, plan: Plan, found: Conclusion, path: str) -> Iterator[Finding]:
    again = f"git switch {shlex.quote(plan.branch)} && gitexp conclude --amend -m TEXT"
    if not found.stands(plan):
        yield Finding(
            f"the conclusion of {plan.name} is about another plan than the one merged", again, path
        )
        return
    if found.verdict != found.comparison.verdict:
        yield Finding(
            f"the verdict on {plan.name} is not that of the comparison it rests on", again, path
        )
        return
    differs = facts.outside.recomputed(found)
    if differs:
        yield Finding(
            f"the conclusion of {plan.name} is not what its records give: {differs}", again, path
        )
