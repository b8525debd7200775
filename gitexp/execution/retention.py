"""Where the bytes of outputs go, and the worktrees when they are no longer needed.

Each repeat has its outputs in a cache of its own. What the records name is brought into DVC's cache
before any ref speaks of it, and the rest vanishes with the run; DVC's cache loses nothing by us.
"""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.dvc.cache import has, open_cache
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.dvc_config import has_dvc
from gitexp.dvc.exchange import take
from gitexp.git.worktree import checkouts, worktrees

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.execution.record import Record
    from gitexp.execution.workdir import WorkDir
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import Md5
    from gitexp.model.workspace import Workspace


def cache_of(top: Path, config: ProjectConfig) -> CacheConfig:
    """Return the DVC cache of a project, or a place of our own where nothing needs one.

    A project that keeps no outputs works without DVC; its metrics lie in Git.

    Raises `PreconditionError` if outputs have to be kept and DVC is not set up.
    """
    keeps = config.outputs or config.predictions or config.curves
    if not keeps and not has_dvc(top / config.project):
        return CacheConfig(top / ".gitexp" / "tmp" / "cache", ("copy",))
    return open_cache(top / config.project)


def keep(cache: CacheConfig, workdir: WorkDir, made: Record, first: int) -> Record:
    """Bring what a record names into DVC's cache.

    `first`: seed of the repeat that executed what ran once. The result: without the outputs whose
    bytes are gone, each with a warning: samples are worth more.

    Raises `NoSpaceError, ReadOnlyError` if the cache takes nothing.
    """
    run = made.run
    repeats = []
    for repeat in run.repeats:
        own = CacheConfig(workdir.cache(run.id, repeat.seed), under=(workdir.cache(run.id, first),))
        gone = [out for out in repeat.outputs if not take(own, cache, out.md5)]
        said = [f"{out.path} is not recorded: its bytes are gone, or damaged" for out in gone]
        outputs = tuple(out for out in repeat.outputs if out not in gone)
        repeats.append(replace(repeat, outputs=outputs, warnings=(*repeat.warnings, *said)))
    return replace(made, run=replace(run, repeats=tuple(repeats)))


def cache_beside(
    workspace: Workspace, config: ProjectConfig, objects: Sequence[Md5]
) -> Path | None:
    """Return the cache of another worktree of this repository that holds all these objects.

    DVC gives each worktree a cache of its own unless it is told to share one, so a linked worktree
    begins without data.
    """
    own = None if workspace.top is None else cache_of(workspace.top, config).dir
    for place in checkouts.listing(workspace):
        project = place.top / config.project
        if place.missing or not has_dvc(project):
            continue
        cache = open_cache(project)
        if cache.dir != own and all(has(cache, each) for each in objects):
            return cache.dir
    return None


def share(cache: Path) -> str:
    """Return what to type in a worktree to let it use another one's cache."""
    return f"dvc cache dir --local {shlex.quote(str(cache))}, then dvc checkout"


def remove_slots(workspace: Workspace, paths: Iterable[Path]) -> None:
    """Remove worktrees with the marks that lie beside them."""
    for path in paths:
        worktrees.remove(workspace, path)
        for mark in (".lock", ".used"):
            path.with_name(path.name + mark).unlink(missing_ok=True)
