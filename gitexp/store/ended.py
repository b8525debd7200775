"""What main says of experiments whose branch is still here, and what a fetched tag has to say.

A colleague concludes, merges and archives; the branch here stays where it was. Main, merged by the
user, goes on from it, so its conclusion is the experiment's.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, PreconditionError
from gitexp.git import refs
from gitexp.git.objects import blob_id, commit_info, is_ancestor, list_dir
from gitexp.git.transaction import layout
from gitexp.git.upstream import USUAL, followed, own
from gitexp.model.ids import ABSENT, Absent, CommitHash
from gitexp.store import plans
from gitexp.store.ancestry import runs_in
from gitexp.store.conclusions import adding_commit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitexp.git.repository import Repo
    from gitexp.model.plan import Plan
    from gitexp.store.plans import Tip


def ended_on(repo: Repo, branch: str, tip: CommitHash) -> CommitHash | None:
    """Return main's commit, where it has all of a branch here and a conclusion that it lacks.

    The conclusion is of the plan's author, or the branch is gone from where others have it, or has
    it there, too: while it is alive, who merges into main ends no experiment of others.
    """
    main = refs.read_ref(repo, refs.local(repo.main)) if repo.main not in {"", branch} else ABSENT
    if main is ABSENT or main == tip:
        return None
    try:
        plan = plans.plan_of_branch(repo, branch, tip)
        if plan is ABSENT or not _goes_on(repo, plan, tip, main):
            return None
        there = plans.plan_named(repo, plan.name, main)
    except GitexpError:  # the branch's own answer says what is wrong
        return None
    ended = there is not ABSENT and there.branch == branch and _is_theirs(repo, plan, main)
    return main if ended else None


def _goes_on(repo: Repo, plan: Plan, tip: CommitHash, main: CommitHash) -> bool:
    path = layout.conclusion_path(plan.name)
    said = blob_id(repo, main, path)
    if said is ABSENT or said == blob_id(repo, tip, path):
        return False
    return is_ancestor(repo, tip, main) or has_records(repo, main, tip, plan)


def _is_theirs(repo: Repo, plan: Plan, main: CommitHash) -> bool:
    """Return whether nobody else concluded an experiment while others have its branch."""
    path = layout.conclusion_path(plan.name)
    said = blob_id(repo, main, path)
    alive = [each for each in own(repo.workspace, [plan.branch]) if followed(each.ref)]
    if all(blob_id(repo, each.commit, path) == said for each in alive):
        return True
    added = adding_commit(repo, path, main)
    by = None if added is None else commit_info(repo, added).author
    return by is not None and bool(by.marks & plan.author.marks)


def has_records(repo: Repo, base: CommitHash, tip: CommitHash, plan: Plan | None) -> bool:
    """Return whether a base has all records of a tip, whatever merged them."""
    if plan is not None:
        for path in (layout.plan_path(plan.name), layout.conclusion_path(plan.name)):
            mine = blob_id(repo, tip, path)
            if mine is not ABSENT and mine != blob_id(repo, base, path):
                return False
    runs = runs_in(repo, tip)
    return not runs or (
        runs.items() <= runs_in(repo, base).items() and _names(repo, tip) <= _names(repo, base)
    )


def true_places(repo: Repo, every: Iterable[Tip]) -> Callable[[Tip], list[CommitHash]]:
    """Return what tells where an experiment is to which a fetched archive tag has to be true.

    That is on its branch, here or of a remote, but where main goes on from it; and where HEAD, or a
    branch here of no experiment, has its plan.
    """
    every = tuple(every)
    branches = {tip.branch: tip for tip in reversed(every) if not tip.archived}
    prefix = plans.branch_prefix(repo)
    own_places = enumerate(plans.places(repo, (tip for tip in every if tip.own)))
    shared = [
        commit
        for number, (where, commit) in own_places
        if not (number and plans.is_experiments(where, prefix))
    ]
    folders = [(commit, repo.tree(commit).folder(layout.PLANS)) for commit in shared]

    def held(tag: Tip) -> list[CommitHash]:
        file = f"{tag.ref.removeprefix(layout.ARCHIVE_TAGS)}.yaml"
        tip = branches.get(tag.branch)
        found = [commit for commit, names in folders if file in names]
        if tip is None:
            return found
        if tip.local and ended_on(repo, tip.branch, tip.commit):
            return [commit for commit in found if commit != tip.commit]  # HEAD may be on it
        return [tip.commit, *found]

    return held


def _names(repo: Repo, commit: CommitHash) -> set[bytes]:
    return {entry.path for entry in list_dir(repo, commit, layout.ENVIRONMENTS)}


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
    tag = _tip(plans.tips(repo), ref)
    return "" if tag.own else _told(repo, tag, _plan(repo, tag))


def check_tag(repo: Repo, ref: str, behind: CommitHash | None = None) -> str:
    """Return the same, where the tag says what is known here of the experiment.

    `behind`: the tip of its branch, where that is to go on to it.

    Raises `PreconditionError` if it says something else, or its plan is that of another branch.
    """
    every = plans.tips(repo)
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
        return plans.plan_named(repo, tag.ref.removeprefix(layout.ARCHIVE_TAGS), tag.commit)
    except GitexpError:
        return ABSENT


def _told(repo: Repo, tag: Tip, plan: Plan | Absent) -> str:
    last = commit_info(repo, tag.commit).author
    said = f"{tag.name} came by a fetch: its last commit is by {last.name} <{last.email}>"
    if plan is ABSENT:
        return said
    return f"{said}, its plan by {plan.author.name} <{plan.author.email}>"
