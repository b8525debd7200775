"""What binds in a plan is not changed in silence: the second half of R2.

After the first run a plan changes only by an amendment that keeps what bound before. The values
that it keeps are held against the plan as it was, and neither a renamed file nor a second plan for
the same branch is a way around it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import PLANS, plan_path, run_json
from gitexp.records import amendments
from gitexp.rules.facts import put_back
from gitexp.rules.recorded import RUN_LIMIT, Unread, plan_at, plan_of, plan_paths, runs_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Plan
    from gitexp.rules.facts import Facts, Finding
    from gitexp.rules.trees import Tree


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the plans that a commit changes."""
    for path in _plan_paths(facts):
        after = plan_at(facts.tree, path)
        if after is None or isinstance(after, Unread):
            continue  # R1 says it of the branch's own
        for number, parent in enumerate(facts.parents):
            if parent.entry(path) == facts.tree.entry(path):
                continue
            before = _before(facts, parent, path, after)
            if before is not None:
                yield from _change(facts, number, before, after)


def _plan_paths(facts: Facts) -> list[str]:
    """Return the plans that a commit changes; a merge may drop what either of its sides says."""
    if len(facts.parents) > 1:
        return plan_paths(facts.tree)
    return [change.path for change in facts.below(PLANS)]


def _before(facts: Facts, parent: Tree, path: str, after: Plan) -> Plan | None:
    """Return what a plan was in a parent, under whatever name; or whose place it takes."""
    named = (path, *(plan_path(name) for name in reversed(after.formerly)))
    found = next((plan for each in named if (plan := plan_at(parent, each)) is not None), None)
    if found is None and after.branch == facts.branch:
        found = plan_of(parent, after.branch)
    return None if isinstance(found, Unread) else found


def _change(facts: Facts, number: int, before: Plan, after: Plan) -> Iterator[Finding]:
    what = _what(facts, facts.parents[number], before, after)
    if what:
        path = plan_path(after.name)
        both = dict.fromkeys((plan_path(before.name), path))
        then = ", then gitexp amend-plan --why TEXT"
        yield put_back(facts, what, path, *both, parent=number, then=then)


def _what(facts: Facts, parent: Tree, before: Plan, after: Plan) -> str:
    """Return what a change hides of what bound; "" where nothing."""
    if after.amended[: len(before.amended)] != before.amended:
        return f"the history of the plan {after.name} was rewritten"
    if before.digest == after.digest:
        return ""
    added = after.amended[len(before.amended) :]
    steps = [item.digest for item in added]
    if before.digest in steps:
        was = dict(amendments.binding(after))
        for item in reversed(added[steps.index(before.digest) :]):
            was.update(item.old)
        wrong = [key for key, value in amendments.binding(before).items() if was[key] != value]
        if wrong:
            return f"an amendment of the plan {after.name} does not say what {wrong[0]} was before"
    elif _was_run(facts, parent, before):
        what = "changed" if before.name in {after.name, *after.formerly} else "gave way to another"
        return f"what binds in the plan {before.name} {what} after its first run"
    return ""


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
