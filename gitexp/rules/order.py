"""R2: the plan comes before its runs, and what binds in it is not changed in silence.

Ancestry decides, as far as one commit shows it: the plan that a run names has to be in a parent.
How sure such an order is in the world's time is another question, for `provenance`.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import plan_path, witness_dir
from gitexp.model.ids import CommitHash
from gitexp.model.rules import Policy
from gitexp.model.witness import Receipt, Way
from gitexp.records import codec
from gitexp.rules import amending
from gitexp.rules.facts import Finding, Rule
from gitexp.rules.recorded import Unread, new_runs, plan_at, plan_paths
from gitexp.rules.trees import Tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Plan
    from gitexp.model.run import PlanRef
    from gitexp.rules.facts import Facts
    from gitexp.rules.recorded import RunFile

_MOST: Final = 100  # receipts of one plan that are read: each may cost a process
_TOKEN_LIMIT: Final = 64 << 10


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the runs that a commit adds, and at the plans that it changes."""
    yield from _runs(facts)
    yield from amending.find(facts)


def _runs(facts: Facts) -> Iterator[Finding]:
    for file, run in new_runs(facts):
        if isinstance(run, Unread) or run.plan is None:
            continue  # R3 says what is unreadable; a run without a plan is exploratory
        if any(holds(parent, run.plan) for parent in facts.parents):
            if facts.config.witness_required:
                yield from _witness(facts, run.plan, file)
            continue
        plan = _plan(facts.tree, run.plan)
        if plan is not None and facts.branch != plan.branch:
            # Squashed into another branch: its own, or the archive tag, has the order.
            commit, protected = CommitHash(facts.commit), facts.config.protected
            if facts.outside.ordered(plan, commit, protected) is False:
                yield Finding(
                    f"run {file.run[:8]} came in one commit with its plan {plan.name}, and nothing"
                    " here shows that the plan was first",
                    f"git push {shlex.quote(plan.branch)}, or gitexp archive {plan.name} --push: "
                    "their history shows it",
                    file.change.path,
                )
            continue
        yield Finding(
            f"run {file.run[:8]} names the plan {run.plan.name} ({run.plan.digest[:8]}), which "
            + ("is in no commit before it" if plan is None else "came in the same commit"),
            "gitexp run records a run after its plan; drop this commit: git reset --soft HEAD^",
            file.change.path,
        )


def _witness(facts: Facts, ref: PlanRef, file: RunFile) -> Iterator[Finding]:
    """Say where nobody is known to have seen a plan before its run.

    An approval has no clock, and what cannot be read, is of another plan, or names a commit without
    it, is no receipt. One has to verify; where nobody can be asked, none does.
    """
    folder = witness_dir(ref.digest)
    worth = [
        _worth(facts, parent, f"{folder}/{name}", ref)
        for parent in facts.parents
        for name in sorted(parent.folder(folder))[:_MOST]
        if name.endswith(".json")
    ]
    if True in worth:
        return
    said = "before anybody else saw its plan"
    step = "gitexp witness --push, or --rfc3161, then gitexp run"
    if False in worth:
        said = "under a plan whose witness is unproved: no receipt of it verifies here"
        step = f"gitexp.witnessLog or gitexp.witnessCa has to name one that is believed; {step}"
    yield Finding(f"run {file.run[:8]} was recorded {said}", step, file.change.path)


def _worth(facts: Facts, tree: Tree, path: str, ref: PlanRef) -> bool | None:
    """Return whether a receipt verifies; None where there is none."""
    try:
        data = tree.read(path)
        receipt = None if data is None else codec.load(Receipt, data, path)
        if receipt is None or receipt.plan != ref.digest or receipt.way is Way.APPROVAL:
            return None
        token = tree.read(path.removesuffix(".json") + ".tsr", _TOKEN_LIMIT)
    except GitexpError:
        return None
    try:
        there = holds(Tree(facts.objects, facts.objects.commit(receipt.commit).tree), ref)
    except GitexpError:  # beyond the edge of a shallow clone, or nowhere
        there = False
    return there and bool(facts.outside.witnessed(receipt, token or b""))


def holds(tree: Tree, ref: PlanRef) -> bool:
    """Return whether a tree has the plan that a run names, also renamed, or amended since."""
    return _plan(tree, ref) is not None


def _plan(tree: Tree, ref: PlanRef) -> Plan | None:
    own = plan_path(ref.name)
    for path in (own, *(path for path in plan_paths(tree) if path != own)):
        plan = plan_at(tree, path)
        if plan is None or isinstance(plan, Unread):
            continue
        if plan.name != ref.name and ref.name not in plan.formerly:
            continue
        if plan.digest == ref.digest or any(item.digest == ref.digest for item in plan.amended):
            return plan
    return None


RULE: Final = Rule(
    "R2",
    "a plan comes before its runs, and is changed after the first only by amend-plan",
    Policy.ERROR,
    find,
)
