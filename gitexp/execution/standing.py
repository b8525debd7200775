"""What to type next on a branch whose runs are recorded, as `status` says it.

`status` counts as `compare` does, which loads much; a run has the rules of `eligible` at hand.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.comparison import eligible, exclusions
from gitexp.dvc.inputs import compute
from gitexp.execution.situation import Earlier
from gitexp.git import objects, refs
from gitexp.git.transaction.cache import open_index
from gitexp.store import lookup, plans

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.ids import CommitHash, InputsDigest
    from gitexp.model.plan import Plan


def step(repo: Repo, branch: str, plan: Plan) -> str:
    """Return what runs the repeats that the plan of a branch lacks, or judges them."""
    tip, base = objects.resolve(repo, refs.local(branch)), plan.baseline.commit
    with open_index(repo.workspace) as index:
        mine = _inputs(repo, index, plan, tip, tip)
        # The baseline may lie beyond the edge of a shallow clone.
        there = objects.exists(repo, base)
        theirs = _inputs(repo, index, plan, base, tip) if there else mine
        both = {mine, theirs}
        runs = [*lookup.runs_at(repo, tip, index, inputs=both)]
        runs += lookup.runs_at(repo, base, index, inputs=both) if there else ()
        everywhere = lookup.runs_by_inputs(repo, mine, index=index, also=[tip]).runs
        earlier = Earlier(repo, index)
        candidate = eligible.of_candidate(runs, everywhere, plan, mine, earlier, [])
    baseline = eligible.of_baseline(runs if there else (), plan, theirs, [])
    without = eligible.given_up(plan, candidate, baseline)
    found, beside = (
        {repeat.key for _, repeat in side.repeats() if repeat.seed not in without}
        for side in (candidate, baseline)
    )
    unchanged = there and mine == theirs
    said = exclusions.lacking(plan, len(found), len(beside), unchanged=unchanged)
    if refs.head(repo).branch == branch:
        return said
    return f"git switch {shlex.quote(branch)} && {said}"


def _inputs(
    repo: Repo, index: Index, plan: Plan, commit: CommitHash, tip: CommitHash
) -> InputsDigest:
    config, _ = plans.config_of(repo, commit, plans.plan_commit(repo, plan, tip))
    return compute(repo, objects.commit_info(repo, commit).tree, config, index=index)
