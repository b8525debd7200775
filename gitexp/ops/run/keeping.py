"""Where the bytes of outputs go, and the worktrees when they are no longer needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.data.cache import open_cache
from gitexp.data.objects import CacheConfig
from gitexp.data.settings import has_dvc
from gitexp.git import worktrees

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitexp.model.config import ProjectConfig
    from gitexp.model.workspace import Workspace


def cache_of(top: Path, config: ProjectConfig) -> CacheConfig:
    """Return the DVC cache of a project, or a place of our own where nothing needs one.

    A project that keeps no outputs works without DVC; its metrics lie in Git.

    Raises
    ------
    PreconditionError
        If outputs have to be kept and DVC is not set up.
    """
    keeps = config.outputs or config.predictions or config.curves
    if not keeps and not has_dvc(top / config.project):
        return CacheConfig(top / ".gitexp" / "tmp" / "cache", ("copy",))
    return open_cache(top / config.project)


def remove_slots(workspace: Workspace, paths: Iterable[Path]) -> None:
    """Remove worktrees with the marks that lie beside them."""
    for path in paths:
        worktrees.remove(workspace, path)
        for mark in (".lock", ".used"):
            path.with_name(path.name + mark).unlink(missing_ok=True)
