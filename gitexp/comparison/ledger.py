"""How often the evaluation data of a comparison have decided something before.

Every decision on the same data tells a little about these data; after many of them the best
candidate is the one that fits the evaluation set by luck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.comparison import Ledger
from gitexp.store.conclusions import uses

if TYPE_CHECKING:
    from gitexp.comparison.counting import Count
    from gitexp.comparison.sides import Source
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.plan import Plan


def ledger(
    repo: Repo, index: Index, candidate: Source, count: Count, plan: Plan | None
) -> Ledger | None:
    """Return the other decisions on these data; None without a plan, or where no data are known."""
    if plan is None:
        return None
    mine = {
        item.repeat.evaluation
        for side in (count.baseline, count.candidate)
        for item in side.repeats.values()
        if item.repeat.evaluation is not None
    }
    if not mine:
        return None
    names = {plan.name, *plan.formerly}
    others = dict.fromkeys(
        use.experiment
        for use in uses(repo, index, candidate.records)
        if use.experiment not in names and use.evaluation & mine
    )
    return Ledger(tuple(sorted(mine)), tuple(others), candidate.config.evaluation_budget)


def warnings(found: Ledger | None) -> tuple[str, ...]:
    """Say where a decision now would be one more than the settings allow."""
    if found is None or found.budget is None or not found.overdrawn:
        return ()
    spent = f"{len(found.experiments)} of {found.budget} decisions were made on the same data"
    return (f"the evaluation budget is spent: {spent} before; fresh data are needed to tell more",)
