"""What a push knows of the order of a plan and its runs where one commit brings both."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git.transaction.layout import archive_tag
from gitexp.git.tree import Tree
from gitexp.git.upstream import followed
from gitexp.git.worktree import staged
from gitexp.rules.facts import of_commit
from gitexp.rules.order import holds
from gitexp.rules.recorded import Unread, new_runs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.git.catfile import CatFile
    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.run import PlanRef

Recorded = tuple[str, str, "PlanRef"]  # path of a run.json, its blob, what it names


def ordered(
    place: HookPlace,
    objects: CatFile,
    refs: Mapping[str, CommitHash],
    plan: Plan,
    commit: CommitHash,
) -> bool:
    """Return whether the plan's branch or archive tag has its runs of a commit, each after it."""
    runs = [
        (file.change.path, file.change.new.id, run.plan)
        for file, run in new_runs(of_commit(objects, commit, branch=""))
        if not isinstance(run, Unread) and run.plan is not None and file.change.new is not None
        if plan.covers(run.plan.name, run.plan.digest)
    ]
    own = {f"refs/heads/{plan.branch}", archive_tag(plan.name)}
    for ref, tip in refs.items():
        mine = ref in own or followed(ref) == plan.branch
        if mine and all(_after(place, objects, tip, run) for run in runs):
            return True
    return False


def _after(place: HookPlace, objects: CatFile, tip: CommitHash, run: Recorded) -> bool:
    path, blob, plan = run
    entry = Tree(objects, objects.commit(tip).tree).entry(path)
    if entry is None or entry.id != blob:
        return False
    commit = staged.added(place, path, tip)
    parents = () if commit is None else objects.commit(commit).parents
    return any(holds(Tree(objects, objects.commit(parent).tree), plan) for parent in parents)
