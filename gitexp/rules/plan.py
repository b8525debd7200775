"""R1: what is on an experiment's branch stands on a plan with a real hypothesis."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import PLANS, plan_path
from gitexp.model.ids import CommitHash
from gitexp.model.rules import Policy
from gitexp.records.plan import check_hypothesis
from gitexp.rules.branches import is_experiment, is_protected
from gitexp.rules.facts import Facts, Finding, Rule, dropping, put_back
from gitexp.store.plan_files import (
    UnreadablePlan,
    is_beside,
    plan_at,
    plan_of,
    plan_paths,
    plans_in,
    plans_on,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.plan import Plan

_MOST_NAMED: Final = 3  # plans that live on one branch


def find(facts: Facts) -> Iterator[Finding]:
    """Look for the branch's plan, in what it holds and in what it held.

    A commit that has none breaks the rule where the branch ends with it, or where a parent had
    one: commits before the plan are what it was made on, and those of a line that was merged in
    belong to that line.
    """
    branch = facts.branch
    own = is_experiment(facts.config, branch)
    plan = plan_of(facts.tree, branch) if own else None
    if facts.tip and not (facts.onto is None and is_protected(facts.config, branch)):
        yield from _new(facts, plan)
    if not own:
        return
    name = branch.partition("/")[2] or branch
    touched = facts.tip or any(facts.below(PLANS))
    if isinstance(plan, UnreadablePlan) and touched:
        what = f"the plan of {branch} cannot be read: {plan.why}"
        had = [n for n, tree in enumerate(facts.parents) if tree.entry(plan.path) is not None]
        if had:
            yield put_back(facts, what, plan.path, parent=had[0])
        else:
            yield Finding(what, f"mend {plan.path}", plan.path)
    elif plan is not None:
        yield from _real(plan) if touched and not isinstance(plan, UnreadablePlan) else ()
    elif lost := [
        (n, was) for n, tree in enumerate(facts.parents) if (was := plan_of(tree, branch))
    ]:
        number, was = lost[0]
        what, then = (
            f"the plan of {branch} is taken away",
            "; an experiment ends by gitexp conclude",
        )
        path = was.path if isinstance(was, UnreadablePlan) else plan_path(was.name)
        yield put_back(facts, what, path, parent=number, then=then)
    elif facts.tip:
        step = (
            f"gitexp new {shlex.quote(name)} --here --metric NAME:max --effect '>=5%' "
            "--hypothesis '...'"
        )
        if old := _renamed(facts, branch):
            step = f"gitexp rename {shlex.quote(old.name)} {shlex.quote(name)}"
        if facts.stopped in {"rebase", "am"}:  # HEAD is on no branch, or the plan comes later
            step = f"git {facts.stopped} --continue"
        yield Finding(f"{branch} has no plan: no hypothesis, no run", step)


def _renamed(facts: Facts, branch: str) -> Plan | None:
    """Return the plan of an experiment whose branch Git renamed to this one."""
    at = next((each for each in (facts.commit, *facts.before) if each), "")
    if not at or not any(is_beside(plan, branch) for plan in plans_in(facts.tree)):
        return None  # a hook would open the repository for the answer
    return facts.outside.renamed(branch, CommitHash(at))


def _new(facts: Facts, own: Plan | UnreadablePlan | None) -> Iterator[Finding]:
    """Look at the other plans that a range brings, whatever branch it is, or they are of."""
    base = facts.base
    added = facts.brought.union(each.path for each in facts.below(PLANS) if each.old is None)
    for path in plan_paths(facts.tree):
        if facts.onto is None and path not in added:
            continue
        if base is not None and base.entry(path) == facts.tree.entry(path):
            continue
        plan = plan_at(facts.tree, path)
        if isinstance(plan, UnreadablePlan):
            if isinstance(own, UnreadablePlan) and own.path == path:  # said below
                continue
            yield Finding(f"the plan {path} cannot be read: {plan.why}", f"mend {path}", path)
        elif plan is not None:
            yield from _real(plan)
            yield from _second(facts, plan, path)
            yield from _copied(facts, plan, path)


def _copied(facts: Facts, plan: Plan, path: str) -> Iterator[Finding]:
    """Find a plan that has the root of another one: nobody draws 128 bits twice."""
    there = (*plans_in(facts.tree), *(() if facts.base is None else plans_in(facts.base)))
    names = {
        each.name
        for each in there
        if plan.drawn and each.drawn == plan.drawn
        if not {each.name, *each.formerly} & {plan.name, *plan.formerly}
    }
    if names:
        named = ", ".join(sorted(names)[:_MOST_NAMED])
        what = f"the plan {plan.name} has the root of {named}: each spends the other's seeds"
        step = "plan the later of them anew: gitexp new draws seeds of its own"
        yield Finding(what, step, path, at_most=Policy.WARN)


def _second(facts: Facts, plan: Plan, path: str) -> Iterator[Finding]:
    """Find a new plan that lives where another one does, or has its name: it would pass for it."""
    if facts.base is not None and facts.base.entry(path):
        return
    usual = f"{facts.config.branch_prefix}{plan.name}"
    alive = None if usual == plan.branch else facts.plan_of(usual)
    if alive is not None and alive.name == plan.name:
        what = f"the plan {plan.name} names {plan.branch}, and {usual} is alive with its own"
        step = f"give it another name: gitexp rename {shlex.quote(plan.name)} NAME"
        yield Finding(what, step, path)
    if plan.branch == facts.branch:
        return
    there = facts.plan_of(plan.branch)
    others = plans_on(facts.tree, plan.branch)[:_MOST_NAMED]
    others += () if there is None else (there,)
    names = ", ".join({each.name: 0 for each in others if each.name != plan.name})
    if names:
        what = f"the plan {plan.name} names {plan.branch}, which is the branch of {names}"
        step = f"drop the commit that adds {path}, or commit it on {plan.branch}"
        yield Finding(what, step if facts.made else dropping(facts, path), path)


def _real(plan: Plan) -> Iterator[Finding]:
    path = plan_path(plan.name)
    try:
        check_hypothesis(plan.hypothesis)
    except GitexpError as error:
        step = f"write into {path} a sentence that a result can contradict"
        yield Finding(f"{error.summary}: {error.found}", step, path)
    if not plan.metric.strip():
        yield Finding("the plan names no primary metric", f"name it in {path}", path)


RULE: Final = Rule(
    "R1", "an experiment's branch stands on a plan with a real hypothesis", Policy.ERROR, find
)
