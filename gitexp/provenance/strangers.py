"""Which records are of others than those whose experiment is asked about, and which came first.

A record is of who committed it. What others run beside an experiment takes nothing from it: else
whoever may push could spend its seeds. See docs/decisions/0037, and 0044 on what was replayed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import objects, refs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun

    Earlier = Callable[[FoundRun, FoundRun], bool]
    Strange = Callable[[CommitHash], bool]


def strange_to(repo: Repo, plan: Plan | None, recorded: Iterable[FoundRun]) -> Strange:
    """Return what tells commits of others from those of a plan's author and of who ran it.

    Whose runs were made in this clone has made all that was, whatever name it has.

    `recorded`: runs under the plan, in the history that is asked about.
    """
    if plan is None:
        return lambda _: False
    mine = {item.commit for item in recorded}
    people = {*plan.author.marks}.union(*(_marks(repo, commit) for commit in mine))

    @cache
    def own() -> frozenset[CommitHash]:
        made = refs.committed_here(repo)
        return frozenset() if made.isdisjoint(mine) else made

    @cache
    def is_strange(commit: CommitHash) -> bool:
        marks = _marks(repo, commit)
        return bool(marks) and people.isdisjoint(marks) and commit not in own()

    return is_strange


def in_order(earlier: Earlier, strange: Strange) -> Earlier:
    """Return the order in which runs could be known: others' parallel ones come after one's own.

    Parallel is also what lies on another one and began before that ended: `sync` put it there.
    """

    def before(one: FoundRun, other: FoundRun) -> bool:
        together = bool(one.run.call) and one.run.call == other.run.call
        began = together or one.run.ended_at <= other.run.started_at
        return began and earlier(one, other)  # which may cost a walk over the history

    def is_earlier(one: FoundRun, other: FoundRun) -> bool:
        beside = strange(other.commit) and not strange(one.commit) and not before(other, one)
        return beside or before(one, other)

    return is_earlier


def _marks(repo: Repo, commit: CommitHash) -> set[str]:
    """Return what a commit's author is called; nothing where it cannot be read."""
    try:
        who = objects.commit_info(repo, commit).author
    except GitexpError:
        return set()
    return {*who.marks}
