"""R2: the plan comes before its runs, and what binds in it is not changed in silence.

Ancestry decides, as far as one commit shows it: the plan that a run names has to be in a parent.
How sure such an order is in the world's time is another question; `gitexp.ops.grade` answers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.model.ids import CommitHash
from gitexp.model.rules import Policy
from gitexp.ops.rules.facts import Finding, Rule
from gitexp.ops.rules.recorded import RUN_LIMIT, Unread, new_runs, plan_at, plan_paths, runs_in
from gitexp.store.layout import PLANS, plan_path, run_json, witness_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Plan
    from gitexp.model.run import PlanRef
    from gitexp.ops.rules.facts import Facts, Tree


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the runs that a commit adds, and at the plans that it changes."""
    yield from _runs(facts)
    yield from _plans(facts)


def _runs(facts: Facts) -> Iterator[Finding]:
    for file, run in new_runs(facts):
        if isinstance(run, Unread) or run.plan is None:
            continue  # R3 says what is unreadable; a run without a plan is exploratory
        if any(_holds(parent, run.plan) for parent in facts.parents):
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
            if _shown(facts, plan) is False:
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


def _shown(facts: Facts, plan: Plan) -> bool | None:
    if facts.outside is None:
        return None
    return facts.outside.ordered(plan, CommitHash(facts.commit), facts.config.protected)


def _plans(facts: Facts) -> Iterator[Finding]:
    for path in _plan_paths(facts):
        after = plan_at(facts.tree, path)
        if after is None or isinstance(after, Unread):
            continue  # R1 says it of the branch's own
        for parent in facts.parents:
            if parent.entry(path) == facts.tree.entry(path):
                continue
            before = plan_at(parent, path)
            if before is not None and not isinstance(before, Unread):
                yield from _change(facts, parent, before, after)


def _plan_paths(facts: Facts) -> list[str]:
    """Return the plans that a commit changes; a merge may drop what either of its sides says."""
    if len(facts.parents) > 1:
        return plan_paths(facts.tree)
    return [change.path for change in facts.below(PLANS)]


def _change(facts: Facts, parent: Tree, before: Plan, after: Plan) -> Iterator[Finding]:
    path = plan_path(after.name)
    kept = after.amended[: len(before.amended)]
    if kept != before.amended:
        yield Finding(
            f"the history of the plan {after.name} was rewritten",
            f"git checkout HEAD -- {path}, then gitexp amend-plan --why TEXT",
            path,
        )
        return
    if before.digest == after.digest:
        return
    told = {item.digest for item in after.amended[len(before.amended) :]}
    if before.digest in told or not _was_run(facts, parent, before):
        return
    yield Finding(
        f"what binds in the plan {after.name} changed after its first run",
        f"git checkout HEAD -- {path}, then gitexp amend-plan --why TEXT",
        path,
    )


def _was_run(facts: Facts, tree: Tree, plan: Plan) -> bool:
    """Return whether a run of this plan is in a tree; one that cannot be read might be one."""
    digest = plan.digest.encode()
    for run in runs_in(tree):
        entry = tree.entry(run_json(run))
        if entry is None:
            continue
        try:
            if digest in facts.read(entry, RUN_LIMIT):
                return True
        except GitexpError:
            return True
    return False


def _seen(facts: Facts, ref: PlanRef) -> bool:
    """Return whether a receipt of a witness was there before; `gitexp.ops.grade` judges it."""
    return any(
        name.endswith(".json")
        for parent in facts.parents
        for name in parent.folder(witness_dir(ref.digest))
    )


def _holds(tree: Tree, ref: PlanRef) -> bool:
    return _plan(tree, ref) is not None


def _plan(tree: Tree, ref: PlanRef) -> Plan | None:
    """Return the plan that a run names, as a tree has it: also renamed, or amended since."""
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
