"""Look for what crashes, clean-ups and accidents leave behind; clear what is proved redundant.

A check is a function, and one line in `CHECKS`. What it yields is either named with the command
that mends it, or comes with a function that clears it. The latter only where nothing can be lost:
an owner is known to be dead, or the same bytes are elsewhere.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from gitexp.model.report import Diagnosis
from gitexp.upkeep.doctor import clone, jobs, records
from gitexp.upkeep.doctor.place import CheckedRepository

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gitexp.model.workspace import Workspace
    from gitexp.upkeep.doctor.place import Curable


# In this order: what stands in the way first, since clearing it makes the rest readable.
CHECKS: dict[str, Callable[[CheckedRepository], Iterator[Curable]]] = {
    "locks": clone.locks_in_the_way,
    "leftovers": clone.leftovers,
    "worktrees": jobs.dead_worktrees,
    "repeats": jobs.unrecorded,
    "records": records.look,
    "by-products": records.lone_byproducts,
    "branches": records.unplanned,
    "index": clone.index,
    "data cache": clone.data_cache,
    "hooks": clone.hooks,
}


def doctor(
    workspace: Workspace,
    *,
    fix: bool = False,
    environ: Mapping[str, str] = os.environ,
    now_s: Callable[[], float] = time.time,
) -> Diagnosis:
    """Examine a repository with all its work trees.

    Parameters
    ----------
    fix : bool
        Record what had finished, and clear what is known to be redundant; everything else is only
        named.
    environ : mapping of str to str
        Where DVC's settings outside the repository are named.
    now_s : callable
        The clock, in seconds since the epoch, for the ages of files.
    """
    place = CheckedRepository(workspace, environ, now_s())
    findings = [
        found.treated(name, fix=fix)
        for name, look in CHECKS.items()
        for found in tuple(look(place))
    ]
    return Diagnosis(tuple(CHECKS), tuple(findings))
