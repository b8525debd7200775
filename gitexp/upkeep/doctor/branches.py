"""Branches named as experiments without a plan, and plans that cannot be read."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git.absent import ABSENT
from gitexp.model.report import Level
from gitexp.store.plans import branch_prefix, plan_of_branch
from gitexp.upkeep.doctor.place import Curable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.upkeep.doctor.place import CheckedRepository

NAME = "branches"


def look(place: CheckedRepository) -> Iterator[Curable]:
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
