"""Branches named as experiments without a plan; commits of gitexp/data without a run."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.objects import history, walk_tree
from gitexp.git.refs import local
from gitexp.git.transaction import layout
from gitexp.model.ids import ABSENT, RunId
from gitexp.model.report import Level
from gitexp.store.ancestry import shallow_commits
from gitexp.store.plans import branch_prefix, plan_of_branch
from gitexp.upkeep.doctor.place import Curable, tip_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import CommitHash
    from gitexp.upkeep.doctor.place import CheckedRepository


def unplanned(place: CheckedRepository) -> Iterator[Curable]:
    """Yield local branches that look like experiments and are none."""
    prefix = branch_prefix(place.repo)
    for tip in place.tips:
        if not tip.local or not tip.branch.startswith(prefix):
            continue
        try:
            plan = plan_of_branch(place.repo, tip.branch, tip.commit)
        except GitexpError as error:
            yield Curable(
                f"the plan of this branch cannot be read: {error.brief}",
                tip.branch,
                error.next_step or f"git log {shlex.quote(tip.branch)} -- .gitexp/experiments",
            )
            continue
        if plan is ABSENT:
            branch = shlex.quote(tip.branch)
            yield Curable(
                "a branch named as an experiment without a plan; dvc exp branch makes such",
                tip.branch,
                f"git switch {branch}, then gitexp new NAME --here; or git branch -m {branch} "
                "ANOTHER-NAME",
                level=Level.NOTE,
            )


_POINTER = re.compile(rb"(?:.*/)?([a-z2-7]{16})\.dvc")


def lone_byproducts(place: CheckedRepository) -> Iterator[Curable]:
    """Yield lone commits. One that a remote has, too, may belong to a branch that is not here."""
    tip = tip_of(place, local(layout.DATA_BRANCH))
    if tip is ABSENT or shallow_commits(place.repo):
        return
    theirs = [
        each.commit
        for each in place.tips
        if not each.local and each.branch == layout.DATA_BRANCH
    ]  # fmt: skip
    mine = [
        (info.hash, _runs(place, info.hash)) for info in history(place.repo, [tip], hide=theirs)
    ]
    under_way = {
        path.name for _, workdir in place.workdirs() for path in workdir.runs.glob("*")
    }  # asked after the commits were seen: a run has its folder long before
    for commit, runs in mine:
        for run in runs:
            if run not in place.recorded and run not in under_way:
                yield Curable(
                    f"by-products of run {run[:8]}, which no branch records",
                    f"{layout.DATA_BRANCH} at {commit[:12]}",
                    "nothing has to be done: it keeps some bytes from dvc gc",
                    level=Level.NOTE,
                )


def _runs(place: CheckedRepository, commit: CommitHash) -> list[RunId]:
    return [
        RunId(match[1].decode("ascii"))
        for entry in walk_tree(place.repo, commit)
        if (match := _POINTER.fullmatch(entry.path))
    ]
