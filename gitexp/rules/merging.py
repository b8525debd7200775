"""R7: what is merged into a protected branch was concluded, and its history is kept by a tag.

It is asked once, of what the branch holds in the end against what it held before: a fast-forward
makes no commit that could be asked. An experiment that lives on the branch itself is not merged
into it; one that only says so, and came by a merge, is.
"""

from __future__ import annotations

import posixpath
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import conclusion_path
from gitexp.git.tree import Tree, tree_of
from gitexp.model.rules import Policy
from gitexp.records import codec
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import Facts, Finding, Rule
from gitexp.rules.recorded import keeps
from gitexp.store.plan_files import UnreadablePlan, plan_at, plan_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Conclusion
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan


_AGAIN: Final = ", then merge again"


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the experiments that a protected branch gained, and at conclusions that changed."""
    if not (facts.tip and is_protected(facts.config, facts.branch)):
        return
    for path in plan_paths(facts.tree):
        base, end = facts.base, conclusion_path(posixpath.basename(path).removesuffix(".yaml"))
        if base is not None and base.entry(path) and base.entry(end) == facts.tree.entry(end):
            continue  # plan and conclusion were there before
        plan = plan_at(facts.tree, path)
        if isinstance(plan, UnreadablePlan):
            yield Finding(f"a merged plan cannot be read: {plan.why}", f"mend {path}", path)
        elif plan is not None and (plan.branch != facts.branch or path in facts.arrived):
            yield from _merged(facts, plan)


def _merged(facts: Facts, plan: Plan) -> Iterator[Finding]:
    """Say what the conclusion of an experiment lacks to be merged."""
    path = conclusion_path(plan.name)

    def conclude(how: str, then: str = "") -> str:
        branch = facts.outside.present(plan).branch
        step = f"git switch {shlex.quote(branch)} && gitexp conclude " + how
        # Git switches to no branch in the midst of a merge.
        return step + then if facts.made else "git merge --abort && " + step + _AGAIN

    try:
        found = _conclusion(facts.tree, path)
    except GitexpError as error:
        what = f"the conclusion of {plan.name} cannot be read: {error}"
        step = f"gitexp conclude {shlex.quote(plan.name)} --amend -m TEXT"
        yield Finding(what, step if facts.made else conclude("--amend -m TEXT"), path)
        return
    if found is None:
        what = f"{plan.name} is merged into {facts.branch} without a conclusion"
        yield Finding(what, conclude("-m TEXT", _AGAIN), path)
        return
    if what := _contradicted(facts, plan, found):
        yield Finding(what, conclude("--amend -m TEXT"), path)

    def kept(tag: CommitHash) -> bool:
        tree = tree_of(facts.objects, tag)
        return keeps(tree, plan, facts.tree, found.comparison.candidate.runs)

    if missing := facts.outside.archived(plan, kept):
        step = f"gitexp archive {shlex.quote(plan.name)} --push"
        yield Finding(f"{plan.name} is merged, and {missing}", step)


def runs(tree: Tree, plan: Plan) -> tuple[str, ...]:
    """Return the runs by which an experiment was concluded."""
    try:
        found = _conclusion(tree, conclusion_path(plan.name))
    except GitexpError:  # R7 says it
        found = None
    return () if found is None else found.comparison.candidate.runs


def _conclusion(tree: Tree, path: str) -> Conclusion | None:
    # It embeds a comparison: to load its classes takes a sixth of a hook's time.
    from gitexp.model.comparison import Conclusion  # noqa: PLC0415

    data = tree.read(path, codec.limit(Conclusion))
    return None if data is None else codec.load(Conclusion, data, path)


def _contradicted(facts: Facts, plan: Plan, found: Conclusion) -> str:
    if not found.stands(plan):
        return f"the conclusion of {plan.name} is about another plan than the one merged"
    if found.verdict != found.comparison.verdict:
        return f"the verdict on {plan.name} is not that of the comparison it rests on"
    differs = facts.outside.recomputed(found)
    what = f"the conclusion of {plan.name} is not what its records give: {differs}"
    return what if differs else ""


RULE: Final = Rule(
    "R7",
    "an experiment is merged with a conclusion that its records give, and a pushed archive tag",
    Policy.WARN,
    find,
)
