"""Records of others besides runs - plans, conclusions, receipts - stay as they are: part of R3.

A branch may add any, and change its own. What it did not bring itself is another's, but for the
plan that names it and that plan's conclusion; a receipt is changed by nobody, and neither is who
made a plan, and when.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.git.transaction.layout import CONCLUSIONS, PLANS, WITNESSES, plan_path
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import put_back
from gitexp.store.plan_files import Unreadable, plan_at, plan_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.git.tree import Tree
    from gitexp.model.plan import Plan
    from gitexp.rules.facts import Change, Facts, Finding

RECORDS: Final = (PLANS, CONCLUSIONS, WITNESSES)


def find(facts: Facts) -> Iterator[Finding]:
    """Look at what a commit changes of what others recorded; a protected branch may."""
    if facts.settled or is_protected(facts.config, facts.branch):
        return
    for folder in RECORDS:
        for change in facts.below(folder):
            had = [n for n, p in enumerate(facts.parents) if p.entry(change.path) is not None]
            if not had or change.path in facts.brought:
                continue
            what = _what(facts, facts.parents[had[0]], folder, change)
            if what:
                yield put_back(facts, what, change.path, parent=had[0])


def _what(facts: Facts, parent: Tree, folder: str, change: Change) -> str:
    how = "is taken away" if change.new is None else "was changed"
    name = posixpath.basename(change.path).removesuffix(".yaml")
    if folder == WITNESSES:
        return f"what a witness said of a plan {how}: {posixpath.basename(change.path)}"
    before = plan_at(parent, plan_path(name))
    if before is None or isinstance(before, Unreadable):
        return ""
    whose = f"of another experiment, {name} on {before.branch},"
    mine = before.branch == facts.branch or _renamed(facts, before)
    if folder == CONCLUSIONS:
        return "" if mine else f"the conclusion {whose} {how}"
    after = plan_at(facts.tree, change.path)
    if isinstance(after, Unreadable) or after is None:
        return "" if mine else f"the plan {whose} {how}"
    for what in ("author", "created_at"):
        if getattr(before, what) != getattr(after, what):
            return f"the plan {name} was given another {what}"
    return "" if mine else f"the plan {whose} {how}"


def _renamed(facts: Facts, before: Plan) -> bool:
    """Return whether an experiment goes on under another name here."""
    plans = (plan_at(facts.tree, path) for path in plan_paths(facts.tree))
    return any(
        plan is not None
        and not isinstance(plan, Unreadable)
        and before.name in plan.formerly
        and plan.branch == facts.branch
        for plan in plans
    )
