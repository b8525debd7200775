"""Whose snapshot a branch keeps when two clones made one: the first valid one."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitexp.dvc import dvcfiles, inputs
from gitexp.dvc.dvcpipeline import stage_wdirs
from gitexp.errors import GitexpError
from gitexp.execution import snapshot
from gitexp.git import objects
from gitexp.git.absent import ABSENT
from gitexp.model.job import Stage
from gitexp.store import lookup, plans

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.git.absent import Absent
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash, InputsDigest
    from gitexp.store.replay import Own

LIMIT_BYTES = 16 << 20


def takes(repo: Repo, tip: CommitHash, own: Own) -> bool:
    """Whether the snapshot of our commit goes onto a tip.

    It does where the tip's inputs are those of the run and the tip has no valid snapshot, by the
    same rule as when a run writes one.
    """
    made = [(run, each) for run in own.runs.values() for each in run.repeats if each.snapshot]
    if not made:
        return False
    run, repeat = made[0]
    try:
        config, _ = plans.config_of(repo, tip)
        if inputs.compute(repo, objects.commit_info(repo, tip).tree, config) != run.inputs:
            return False
        if _untouched(repo, tip, own):
            return True
        if config.pipeline is None:
            runs = [found.run for found in lookup.runs_at(repo, tip).runs]
            return not snapshot.is_written(_reader(repo, tip), config, runs, run.inputs, repeat.key)
        return not _is_valid(repo, tip, own.commit, config)
    except GitexpError:
        return False  # what cannot be read is left as it is


def inputs_of(repo: Repo, commit: CommitHash) -> InputsDigest | None:
    """Return a commit's inputs; None where they cannot be told."""
    try:
        config, _ = plans.config_of(repo, commit)
        return inputs.compute(repo, objects.commit_info(repo, commit).tree, config)
    except GitexpError:
        return None


def _untouched(repo: Repo, tip: CommitHash, own: Own) -> bool:
    """Whether nobody wrote a snapshot there: each file is as our run found it."""
    for step in own.snapshot:
        if posixpath.basename(step.path) == ".gitignore":
            continue
        there = objects.entry_at(repo, tip, step.path)
        if (ABSENT if there is ABSENT else there.id) != (
            ABSENT if step.old is ABSENT else step.old[1]
        ):
            return False
    return True


def _reader(repo: Repo, tip: CommitHash) -> Callable[[str], bytes | Absent]:
    return lambda path: objects.read_blob(repo, tip, path, LIMIT_BYTES)


def _is_valid(repo: Repo, tip: CommitHash, ours: CommitHash, config: ProjectConfig) -> bool:
    read = _reader(repo, tip)
    path = snapshot.lock_path(config)
    folder = posixpath.dirname(config.pipeline or "")
    where = posixpath.join(config.project, config.pipeline or "")
    pipeline = read(where)
    mine = objects.read_blob(repo, ours, path, LIMIT_BYTES)
    if pipeline is ABSENT or mine is ABSENT:
        return True
    wdirs = stage_wdirs(pipeline, where, folder)
    lock = dvcfiles.load_lock(mine, path, folder, wdirs)
    records = [stage.record() for stage in lock.stages.values()]
    known = [record for record in records if record is not None]
    if len(known) < len(records):
        return True
    stages = [Stage(name, (), wdir=wdir) for name, wdir in wdirs.items()]
    return snapshot.is_valid(read, config, known, stages)
