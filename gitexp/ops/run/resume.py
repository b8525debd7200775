"""Finds finished repeats of calls that died, and gives them to `publish`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats import config as config_format
from gitexp.formats import job as job_format
from gitexp.git import objects, refs
from gitexp.git.refs import ABSENT
from gitexp.model.run import RepeatState
from gitexp.ops.run import state as states
from gitexp.ops.run.publish import Ended
from gitexp.store import layout, plans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.job import Outcome
    from gitexp.ops.run.state import State
    from gitexp.ops.run.workdir import WorkDir


def dead_calls(repo: Repo, workdir: WorkDir, branch: str) -> Iterator[list[Ended]]:
    """Yield the sides of each dead call that was to record on `branch` and finished something.

    A repeat that was running when its coordinator died is `lost`; one that never started is left
    out, since nothing happened to it.
    """
    calls: dict[str, list[State]] = {}
    for each in states.unpublished(workdir):
        if each.branch == branch:
            calls.setdefault(each.draft.call, []).append(each)
    for members in calls.values():
        sides = [ended for each in members if (ended := _ended(repo, workdir, each)) is not None]
        if sides:
            yield sides


def is_recorded(repo: Repo, state: State) -> bool:
    """Whether the branch holds the record of this run already."""
    tip = refs.read_ref(repo, refs.local(state.branch))
    if tip is ABSENT:
        return False
    return objects.blob_id(repo, tip, layout.run_json(state.draft.id)) is not ABSENT


def _ended(repo: Repo, workdir: WorkDir, state: State) -> Ended | None:
    outcomes: dict[int, Outcome | None] = {}
    first = None
    for seed in state.draft.seeds:
        path = workdir.job_file(state.draft.id, seed)
        if not path.exists():
            continue
        job = job_format.load(path.read_bytes(), str(path))
        if first is None or len(job.stages) > len(first.stages):
            first = job
        if workdir.began(state.draft.id, seed):
            outcomes[seed] = workdir.outcome(state.draft.id, seed)
    if first is None or not any(
        outcome is not None and outcome.state is RepeatState.FINISHED
        for outcome in outcomes.values()
    ):
        return None
    source = state.draft.source
    data = None if source.config is None else objects.blob(repo, source.config)
    if data is None:
        config, _ = plans.config_of(repo, source.commit)
    else:
        config = config_format.load(data, layout.CONFIG)
    return Ended(state, config, first, outcomes)


def dead_slots(workdir: WorkDir) -> list[Path]:
    """Return the worktrees that no living coordinator uses."""
    living = states.living(workdir)
    return [path for path in workdir.slots() if path.name.rpartition("-")[0] not in living]
