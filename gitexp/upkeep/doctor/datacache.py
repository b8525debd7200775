"""Temporary files of dead processes in the DVC cache, and beside outputs in work trees."""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc.cache import open_cache, unfinished
from gitexp.dvc.dvc_config import has_dvc
from gitexp.errors import GitexpError
from gitexp.git import refs
from gitexp.git.absent import ABSENT
from gitexp.git.discovery import project_folder
from gitexp.git.transaction import locks
from gitexp.git.worktree import status as git_status
from gitexp.store import plans
from gitexp.upkeep.doctor.place import Curable, remove

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.model.workspace import Workspace
    from gitexp.upkeep.doctor.place import CheckedRepository

NAME = "data cache"
QUIET_S = 3600.0  # a shared cache is written from other hosts, too, and they touch what they write
_TEMPORARY = re.compile(r"\.gitexp-(\d+)-[0-9a-f]{8,12}(-old)?")


def look(place: CheckedRepository) -> Iterator[Curable]:
    """Yield files that no living process here made and nobody has written to for an hour."""
    caches: set[Path] = set()
    for workspace in place.work_places:
        for path in _in_cache(place, workspace, caches):
            yield Curable(
                "an object that a killed process had begun to write",
                path,
                "remove it",
                partial(remove, path),
            )
        yield from _beside_outputs(place, workspace)


def _in_cache(place: CheckedRepository, workspace: Workspace, caches: set[Path]) -> Iterator[Path]:
    if workspace.top is None:
        return
    try:
        head = refs.head(place.repo).commit
        project = "" if head is ABSENT else plans.config_of(place.repo, head)[0].project
    except GitexpError:
        project = ""
    try:
        folder = project_folder(workspace.top, project)
        if not folder.is_dir() or not has_dvc(folder):
            return
        cache = open_cache(folder, place.environ)
    except GitexpError:  # a place of somebody else's branch: nothing there is ours to clear
        return
    if cache.dir in caches:
        return
    caches.add(cache.dir)
    for path in unfinished(cache, older_than_s=QUIET_S, now=place.now_s):
        if _dead(path.name):
            yield path


def _beside_outputs(place: CheckedRepository, workspace: Workspace) -> Iterator[Curable]:
    if workspace.top is None:
        return
    tops = {workspace.top / _upto(path) for path in git_status.untracked(workspace)
            if "/.gitexp-" in f"/{path}"}  # fmt: skip
    for path in sorted(tops):
        match = _TEMPORARY.fullmatch(path.name)
        if match is None or not _dead(path.name) or place.age_s(path) <= QUIET_S:
            continue
        if match[2]:
            yield Curable(
                "the earlier bytes of an output, set aside by a process that was killed",
                path,
                f"dvc checkout, then rm -r {shlex.quote(str(path))}",
            )
        else:
            yield Curable(
                "the copy of an output that a killed process had begun to make",
                path,
                "remove it",
                partial(remove, path),
            )


def _upto(path: str) -> str:
    """Return a path up to the first part that is a temporary name of ours."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if _TEMPORARY.fullmatch(part):
            return "/".join(parts[: number + 1])
    return path


def _dead(name: str) -> bool:
    """Whether no process of that number lives here; on other hosts its silence has to do."""
    match = _TEMPORARY.fullmatch(name)
    return match is not None and locks.has_ended(int(match[1]))
