"""R7: what is merged into a protected branch was concluded, and its history is kept by a tag.

It is asked once, of what the branch holds in the end against what it held before: a fast-forward
makes no commit that could be asked. An experiment that lives on the branch itself is not merged
into it; one that only says so, and came by a merge, is.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.git.transaction.layout import conclusion_path
from gitexp.model.rules import Policy
from gitexp.rules.branches import is_protected
from gitexp.rules.facts import Finding, Rule
from gitexp.store.plan_files import UnreadablePlan, plan_at, plan_paths

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.rules.facts import Facts


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
            # A conclusion embeds a comparison: to load its classes takes a sixth of a hook's time.
            from gitexp.rules.concluded import merged  # noqa: PLC0415

            yield from merged(facts, plan)


RULE: Final = Rule(
    "R7",
    "an experiment is merged with a conclusion that its records give, and a pushed archive tag",
    Policy.WARN,
    find,
)
