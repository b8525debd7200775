"""How sure it is that a plan was there before its runs.

Ancestry says what came first in one history, by its author's own clock: who writes the commits can
write them in any order. Signatures name somebody who stands in for them; a witness has a clock of
its own. `docs/enforcement.md` says in plain words what each proves and what it does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import refs
from gitexp.git.absent import ABSENT
from gitexp.model.rules import Grade, OrderGrade
from gitexp.store import layout, plans
from gitexp.store.ancestry import Graph
from gitexp.store.summaries import lines_naming

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.store.index import Index


@dataclass(frozen=True, slots=True)
class Order:
    """Where a plan and its runs stand in a history.

    Attributes
    ----------
    plan : CommitHash
        The commit that added the plan as it binds now.
    runs : tuple of CommitHash
        Those that added runs under it, in the order of ancestry.
    early : tuple of str
        Runs under it that do not descend from `plan`.
    """

    plan: CommitHash
    runs: tuple[CommitHash, ...]
    early: tuple[str, ...]


def grade(repo: Repo, index: Index, plan: Plan, tip: CommitHash) -> tuple[OrderGrade, int]:
    """Return how sure the order of a plan and its runs is, and how many runs it has.

    Parameters
    ----------
    repo : Repo
    index : Index
    plan : Plan
    tip : CommitHash
        A commit that holds plan and runs. Where it does not show their order, as after a squash,
        the experiment's archive tag is asked.
    """
    order = _best(repo, index, plan, tip)
    if order is None:
        return OrderGrade(Grade.NONE, "no commit here shows when the plan was added"), 0
    if order.early:
        few = ", ".join(run[:8] for run in order.early[:3])
        return (
            OrderGrade(Grade.NONE, f"the plan is not in a commit before run {few}"),
            len(order.runs) + len(order.early),
        )
    said = "by ancestry alone: the author's own clock"
    return OrderGrade(Grade.HISTORY, said), len(order.runs)


def _best(repo: Repo, index: Index, plan: Plan, tip: CommitHash) -> Order | None:
    """Return the order that a history shows; that of the archive tag where the tip's is lost."""
    archived = refs.read_ref(repo, layout.archive_tag(plan.name))
    asked = [tip, *(() if archived is ABSENT or archived == tip else (archived,))]
    found = [order for commit in asked if (order := order_at(repo, index, plan, commit))]
    good = [order for order in found if not order.early]
    return good[0] if good else found[0] if found else None


def order_at(repo: Repo, index: Index, plan: Plan, tip: CommitHash) -> Order | None:
    """Return where a plan and its runs stand in the history of a commit; None without the plan."""
    try:
        added = plans.plan_commit(repo, plan, tip)
    except GitexpError:
        return None
    graph = Graph(repo, index, [tip])
    additions = graph.additions()
    trees = {item.tree: item.run for item in additions}
    lines = lines_naming(repo, index, trees, {plan.digest})
    mine = [
        item
        for item in additions
        if (line := lines.get(item.tree)) is not None
        and plan.covers(line.plan_name, line.plan_digest)
    ]
    early = [item.run for item in mine if not graph.is_before(added, item.commit)]
    return Order(
        plan=added,
        runs=tuple(item.commit for item in mine if item.run not in early),
        early=tuple(early),
    )
