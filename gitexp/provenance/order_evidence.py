"""How sure it is that a plan was there before its runs.

Ancestry says what came first in one history, by its author's own clock: who writes the commits can
write them in any order. Signatures name somebody who stands in for them; a witness has a clock of
its own. `docs/enforcement.md` says in plain words what each proves and what it does not.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from fnmatch import fnmatchcase
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git import identity, objects, refs
from gitexp.git.transaction import layout
from gitexp.git.upstream import own
from gitexp.git.worktree import staged
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT
from gitexp.model.witness import ALONE, Grade, OrderGrade, Way
from gitexp.provenance import trust_settings
from gitexp.rules import order as order_rule
from gitexp.rules.branches import matches
from gitexp.store import plans
from gitexp.store.ancestry import Graph
from gitexp.store.conclusions import adding_commit, receipts, was_before
from gitexp.store.records import lines_naming

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import datetime

    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, RunId, TreeId
    from gitexp.model.plan import Person, Plan
    from gitexp.model.witness import Receipt, Signer, Stored, Trust

_A_DAY: Final = timedelta(days=1)
_SAID: Final = 3  # receipts that prove nothing, of an answer
_MOST: Final = 500  # commits whose signatures are verified at once


@dataclass(frozen=True, slots=True)
class Order:
    """Where a plan and its runs stand in a history."""

    tip: CommitHash  # whose history it is
    # the commit that added the plan as it binds now; the first, if it was put back later
    plan: CommitHash
    runs: tuple[CommitHash, ...]  # those that added runs under it, in the order of ancestry
    early: tuple[str, ...]  # runs under it that do not descend from `plan`, nor are copies of such
    records: frozenset[TreeId]  # all of them, as they were added


def grade(repo: Repo, index: Index, plan: Plan, tip: CommitHash) -> tuple[OrderGrade, int]:
    """Return how sure the order of a plan and its runs in `tip` is, and how many runs it has."""
    order = _best(repo, index, plan, tip)
    if order is None:
        return OrderGrade(Grade.NONE, "no commit here shows when the plan was added"), 0
    count = len(order.runs) + len(order.early)
    dated = _dated(repo, plan, order.plan)
    if order.early:
        few = ", ".join(run[:8] for run in order.early[:3])
        return OrderGrade(Grade.NONE, f"the plan is not in a commit before run {few}"), count
    said: list[str] = []
    stored = receipts(repo, order.tip, plan.digest)
    when = _witnessed(repo, plan, order, stored, said)
    if when is not None:
        return OrderGrade(Grade.WITNESSED, "; ".join([*said, *dated]), when), count
    signers = _signers(repo, plan, order, stored, said)
    said += dated
    if signers:
        return OrderGrade(Grade.SIGNED, "; ".join([f"signed by {signers}", *said])), count
    return OrderGrade(Grade.HISTORY, "; ".join([ALONE, *said])), count


def _dated(repo: Repo, plan: Plan, added: CommitHash) -> list[str]:
    """Say where a plan is older than its commit, or another's, by its own file."""
    made = objects.commit_info(repo, added)
    said = []
    if made.time - plan.created_at > _A_DAY:
        said.append(f"the plan says {plan.created_at:%Y-%m-%d}, its commit {made.time:%Y-%m-%d}")
    if "@" in plan.author.email and plan.author.email != made.author.email:
        said.append(f"the plan says {plan.author.name}, its commit {made.author.name}")
    return said


def is_ordered(
    repo: Repo, plan: Plan, commit: CommitHash, protected: Collection[str]
) -> bool | None:
    """Return whether a plan is before all runs of it that a commit adds; None: unknown.

    Where its own history does not show it, that of the experiment's branch or archive tag may. What
    a protected branch has was let in while they could be asked.
    """
    for name, tip, _ in own(repo, protected):
        guarded = any(matches(pattern, name) for pattern in protected)
        if guarded and objects.is_ancestor(repo, commit, tip):
            return None
    if repo.git.is_shallow:
        return None
    added = partial(staged.added, repo.workspace, {})
    return order_rule.is_ordered(repo, added, _elsewhere(repo, plan, commit), plan, commit)


def _best(repo: Repo, index: Index, plan: Plan, tip: CommitHash) -> Order | None:
    mine = order_at(repo, index, plan, tip)
    if mine is not None and not mine.early:
        return mine
    for commit in _elsewhere(repo, plan, tip):
        found = order_at(repo, index, plan, commit)
        if found is None or found.early:
            continue
        if mine is None or mine.records <= found.records:
            return found
    return mine


def _elsewhere(repo: Repo, plan: Plan, asked: CommitHash) -> tuple[CommitHash, ...]:
    """Return where an experiment's own history is: the archive tag, its branch here or shared.

    A tag that a fetch brought is another's, but for the very plan that the commit asked about has.
    """
    ref, path = layout.archive_tag(plan.name), layout.plan_path(plan.name)
    tag = refs.read_ref(repo, ref)
    found = [each.commit for each in own(repo, [plan.branch])]
    if tag is not ABSENT and (
        objects.blob_id(repo, tag, path) == objects.blob_id(repo, asked, path)
        or any(tip.ref == ref for tip in plans.own_tips(repo))
    ):
        found.insert(0, tag)
    return tuple(dict.fromkeys(found))


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
    copies: defaultdict[TreeId, list[CommitHash]] = defaultdict(list)
    for item in graph.every():
        copies[item.tree].append(item.commit)
    runs: list[CommitHash] = []
    early: list[RunId] = []
    for item in mine:
        # A squash merge adds again, on a line beside it, what came after the plan on its own.
        beside = (each for each in copies[item.tree] if each != item.commit)
        beside = (each for each in beside if not graph.is_before(item.commit, each))
        for commit in (item.commit, *beside):
            # What was taken away since and put back, by the same digest, is as old as it was.
            before = graph.is_before(added, commit)
            older = added if before else _added(repo, plan, graph.nodes[commit].parents)
            if older is not None:
                added = older
                runs.append(commit)
                break
        else:
            early.append(item.run)
    return Order(
        tip=tip,
        plan=added,
        runs=tuple(runs),
        early=tuple(early),
        records=frozenset(item.tree for item in mine),
    )


def _added(repo: Repo, plan: Plan, parents: Sequence[CommitHash]) -> CommitHash | None:
    """Return what added the plan that a run's parents hold; None where none of them holds it."""
    for parent in parents:
        with suppress(GitexpError):
            return plans.plan_commit(repo, plan, parent)
    return None


def _witnessed(
    repo: Repo, plan: Plan, order: Order, stored: Sequence[Stored], said: list[str]
) -> datetime | None:
    """Return the earliest time that a witness in every run's history vouches for."""
    if not any(item.receipt is None or item.receipt.way is not Way.APPROVAL for item in stored):
        return None
    trust = trust_settings.trust(repo.workspace)
    good: list[tuple[datetime, str]] = []
    for item in stored:
        receipt = item.receipt
        if receipt is None:
            said.append(f"a receipt cannot be read: {item.why}")
        elif receipt.way is not Way.APPROVAL:
            when, why = _judged(repo, plan, item, receipt, trust)
            late = when is not None and not all(
                was_before(repo, item.path, run) for run in order.runs
            )
            if when is None or late:
                said.append(f"{why}, but a run was recorded before that" if late else why)
            else:
                good.append((when, why))
    if not good:
        if more := len(said) - _SAID:
            said[_SAID:] = [f"and {more} more receipts"] * (more > 0)
        return None
    when, why = min(good)
    said[:] = [why]
    return when


def _judged(
    repo: Repo, plan: Plan, item: Stored, receipt: Receipt, trust: Trust
) -> tuple[datetime | None, str]:
    """Return the time that a receipt proves, and in words what it is worth."""
    when, why = trust_settings.vouched(receipt, item.token, trust)
    if when is not None and receipt.way is Way.PUSH and not plans.holds(repo, plan, receipt.commit):
        return None, f"a receipt names {receipt.commit[:9]}, which does not hold this plan"
    return when, why


def _signers(
    repo: Repo, plan: Plan, order: Order, stored: Sequence[Stored], said: list[str]
) -> str:
    """Return who signed the plan and all its runs, "" where one is not signed; say who approves."""
    approvals = [
        commit
        for item in stored
        if item.receipt is not None
        and item.receipt.way is Way.APPROVAL
        and (commit := adding_commit(repo, item.path, order.tip)) is not None
    ]
    asked = tuple(dict.fromkeys((order.plan, *order.runs, *approvals)))
    carrying = [commit for commit in asked if objects.is_signed(repo, commit)]
    found = identity.signers(repo.workspace, carrying[:_MOST])
    authors = (plan.author, objects.commit_info(repo, order.plan).author)
    said += _approved(authors, found.get(order.plan), [found.get(each) for each in approvals])
    if not all(commit in found for commit in (order.plan, *order.runs)):
        return ""
    names = dict.fromkeys(found[commit].name for commit in (order.plan, *order.runs))
    return ", ".join(names)


def _approved(
    authors: Sequence[Person], first: Signer | None, found: Sequence[Signer | None]
) -> Iterator[str]:
    """Say what approvals are worth: only those of a second person, by name and by key."""
    seen = {first.key} if first is not None else set()
    for who in found:
        if who is None:
            yield "an approval is not signed by a key that is known here"
        elif (first is not None and who.key == first.key) or _is_any(who, authors):
            yield f"an approval is signed by {who}, who may be the plan's author"
        elif who.key not in seen:
            seen.add(who.key)
            yield f"approved by {who}, signed"


def _is_any(who: Signer, people: Sequence[Person]) -> bool:
    """Return whether a key may be a person's; a pattern of allowed signers may be anybody."""
    known = who.name.casefold()
    address = known.rpartition("<")[2].rstrip(">")
    return any(
        fnmatchcase(person.email.casefold(), address) or known == person.name.casefold()
        for person in people
    )
