"""Archive tags that a fetch brought: whose they are, and what they say otherwise than main.

`git fetch` follows any tag of a remote. What is written here goes by one only where it says what
main, and the branch of that name, say of the experiment; and it is said whose it is.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, PreconditionError
from gitexp.git.absent import ABSENT
from gitexp.git.objects import blob_id, commit_info, is_ancestor
from gitexp.git.transaction import layout
from gitexp.git.upstream import USUAL, own
from gitexp.store.ended import true_places
from gitexp.store.plans import plan_named, tips

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.git.absent import Absent
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.store.plans import Tip


def contradiction(
    repo: Repo, tag: Tip, places: Iterable[CommitHash]
) -> tuple[CommitHash, str] | None:
    """Return the first commit that has an experiment otherwise than its tag, and the file."""
    name = tag.ref.removeprefix(layout.ARCHIVE_TAGS)
    paths = layout.plan_path(name), layout.conclusion_path(name), layout.tombstone_path(name)
    for commit in places:
        if is_ancestor(repo, tag.commit, commit):  # an older state of it
            continue
        for path in paths:
            if blob_id(repo, commit, path) != blob_id(repo, tag.commit, path):
                return commit, path
    return None


def whose(repo: Repo, ref: str) -> str:
    """Return whose an archive tag is that a fetch brought; "" for one's own."""
    tag = _tip(tips(repo), ref)
    return "" if tag.own else _told(repo, tag, _plan(repo, tag))


def check(repo: Repo, ref: str, behind: CommitHash | None = None) -> str:
    """Return the same, where the tag says what is known here of the experiment.

    `behind`: the tip of its branch, where that is to go on to it.

    Raises `PreconditionError` if it says something else, or its plan is that of another branch.
    """
    every = tips(repo)
    tag = _tip(every, ref)
    if tag.own:
        return ""
    path = layout.plan_path(ref.removeprefix(layout.ARCHIVE_TAGS))
    mains = [each.commit for each in own(repo.workspace, USUAL)]
    branches = [each.commit for each in own(repo.workspace, [tag.branch])]
    places = [*(each for each in mains if blob_id(repo, each, path) is not ABSENT), *branches]
    places = [each for each in (*true_places(repo, every)(tag), *places) if each != behind]
    found = contradiction(repo, tag, places)
    plan = _plan(repo, tag)
    if found is not None:
        commit, path = found
        what = f"says something else than {commit[:9]}"
    elif plan is not ABSENT and plan.branch != tag.branch:
        what = f"has the plan of another branch: {plan.branch}"
    elif plan is ABSENT and places:  # an older state of them, before the plan
        what = "has no plan of it"
    else:
        return _told(repo, tag, plan)
    raise PreconditionError(
        f"{tag.name}, which a fetch brought, {what}",
        found=_told(repo, tag, plan),
        where=path,
        expected=f"what main, or {tag.branch}, has of the experiment",
        next_step=f"ask who pushed it; to be rid of it here: git tag -d {shlex.quote(tag.name)}",
    )


def _tip(every: Iterable[Tip], ref: str) -> Tip:
    return next(tip for tip in every if tip.ref == ref)


def _plan(repo: Repo, tag: Tip) -> Plan | Absent:
    try:
        return plan_named(repo, tag.ref.removeprefix(layout.ARCHIVE_TAGS), tag.commit)
    except GitexpError:
        return ABSENT


def _told(repo: Repo, tag: Tip, plan: Plan | Absent) -> str:
    last = commit_info(repo, tag.commit).author
    said = f"{tag.name} came by a fetch: its last commit is by {last.name} <{last.email}>"
    if plan is ABSENT:
        return said
    return f"{said}, its plan by {plan.author.name} <{plan.author.email}>"
