"""R2: the plan comes before its runs, and what binds in it is not changed in silence.

Ancestry decides, as far as one commit shows it: the plan that a run names has to be in a parent.
How sure such an order is in the world's time is another question; `gitexp.ops.grade` answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.formats import witness as witness_format
from gitexp.model.ids import CommitHash
from gitexp.model.rules import Policy
from gitexp.model.witness import Way
from gitexp.ops.rules import amending
from gitexp.ops.rules.facts import Finding, Rule
from gitexp.ops.rules.recorded import Unread, new_runs, plan_at, plan_paths
from gitexp.store.layout import plan_path, witness_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Plan
    from gitexp.model.run import PlanRef
    from gitexp.ops.rules.facts import Facts
    from gitexp.ops.rules.trees import Tree


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the runs that a commit adds, and at the plans that it changes."""
    yield from _runs(facts)
    yield from amending.find(facts)


def _runs(facts: Facts) -> Iterator[Finding]:
    for file, run in new_runs(facts):
        if isinstance(run, Unread) or run.plan is None:
            continue  # R3 says what is unreadable; a run without a plan is exploratory
        if any(holds(parent, run.plan) for parent in facts.parents):
            if facts.config.witness_required and not _seen(facts, run.plan):
                yield Finding(
                    f"run {file.run[:8]} was recorded before anybody else saw its plan",
                    "gitexp witness --push, or --rfc3161, then gitexp run",
                    file.change.path,
                )
            continue
        plan = _plan(facts.tree, run.plan)
        if plan is not None and facts.branch != plan.branch:
            # Squashed into another branch: its own, or the archive tag, has the order.
            commit, protected = CommitHash(facts.commit), facts.config.protected
            if facts.outside.ordered(plan, commit, protected) is False:
                yield Finding(
                    f"run {file.run[:8]} came in one commit with its plan {plan.name}, and nothing"
                    " here shows that the plan was first",
                    f"git push {plan.branch}, or gitexp archive {plan.name} --push: their history"
                    " shows it",
                    file.change.path,
                )
            continue
        yield Finding(
            f"run {file.run[:8]} names the plan {run.plan.name} ({run.plan.digest[:8]}), which "
            + ("is in no commit before it" if plan is None else "came in the same commit"),
            "gitexp run records a run after its plan; drop this commit: git reset --soft HEAD^",
            file.change.path,
        )


def _seen(facts: Facts, ref: PlanRef) -> bool:
    """Return whether a witness's receipt was there before; `gitexp.ops.grade` says its worth.

    As `run` has it: an approval has no clock, and what cannot be read, or is of another plan, is
    none.
    """
    folder = witness_dir(ref.digest)
    return any(
        _is_receipt(parent, f"{folder}/{name}", ref)
        for parent in facts.parents
        for name in parent.folder(folder)
        if name.endswith(".json")
    )


def _is_receipt(tree: Tree, path: str, ref: PlanRef) -> bool:
    try:
        data = tree.read(path)
        receipt = None if data is None else witness_format.load(data, path)
    except GitexpError:
        return False
    return receipt is not None and receipt.plan == ref.digest and receipt.way is not Way.APPROVAL


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
