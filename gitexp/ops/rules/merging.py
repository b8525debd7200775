"""R7: what is merged into a protected branch was concluded, and its history is kept by a tag.

It is asked once, of what the branch holds in the end against what it held before: a fast-forward
makes no commit that could be asked.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.formats import conclusion as conclusion_format
from gitexp.model.rules import Policy
from gitexp.ops.rules.branches import is_protected
from gitexp.ops.rules.facts import Finding, Rule
from gitexp.ops.rules.recorded import Unread, plan_at, plan_paths
from gitexp.store.layout import conclusion_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.comparison import Conclusion
    from gitexp.model.plan import Plan
    from gitexp.ops.rules.facts import Facts, Tree


def find(facts: Facts) -> Iterator[Finding]:
    """Look at the experiments that a protected branch gained, and at conclusions that changed."""
    if not (facts.tip and is_protected(facts.config, facts.branch)):
        return
    for path in plan_paths(facts.tree):
        if facts.base is not None and not _is_news(path, facts.base, facts.tree):
            continue
        plan = plan_at(facts.tree, path)
        if isinstance(plan, Unread):
            yield Finding(f"a merged plan cannot be read: {plan.why}", f"mend {path}", path)
        elif plan is not None and plan.branch != facts.branch:
            yield from _merged(facts, plan)


def _is_news(path: str, before: Tree, after: Tree) -> bool:
    """Return whether a plan, or the conclusion that goes with it, was not there before."""
    end = conclusion_path(posixpath.basename(path).removesuffix(".yaml"))
    return before.entry(path) is None or before.entry(end) != after.entry(end)


def _merged(facts: Facts, plan: Plan) -> Iterator[Finding]:
    path = conclusion_path(plan.name)
    try:
        data = facts.tree.read(path, conclusion_format.LIMIT_BYTES)
        found = None if data is None else conclusion_format.load(data, path)
    except GitexpError as error:
        again = f"gitexp conclude {plan.name} --amend -m TEXT"
        yield Finding(f"the conclusion of {plan.name} cannot be read: {error}", again, path)
        return
    if found is None:
        yield Finding(
            f"{plan.name} is merged into {facts.branch} without a conclusion",
            f"git switch {plan.branch} && gitexp conclude -m TEXT, then merge again",
            path,
        )
        return
    yield from _concluded(facts, plan, found, path)
    missing = facts.outside.archived(plan.name) if facts.outside is not None else None
    if missing:
        yield Finding(
            f"{plan.name} is merged, and {missing}",
            f"gitexp archive {plan.name} --push",
        )


def _concluded(facts: Facts, plan: Plan, found: Conclusion, path: str) -> Iterator[Finding]:
    again = f"git switch {plan.branch} && gitexp conclude --amend -m TEXT"
    judged = found.comparison.plan
    if judged is None or judged.digest != plan.digest:
        yield Finding(
            f"the conclusion of {plan.name} is about another plan than the one merged", again, path
        )
        return
    if found.verdict != found.comparison.verdict:
        yield Finding(
            f"the verdict on {plan.name} is not that of the comparison it rests on", again, path
        )
        return
    differs = facts.outside.recomputed(found) if facts.outside is not None else None
    if differs:
        yield Finding(
            f"the conclusion of {plan.name} is not what its records give: {differs}", again, path
        )


RULE: Final = Rule(
    "R7",
    "an experiment is merged with a conclusion that its records give, and a pushed archive tag",
    Policy.WARN,
    find,
)
