"""The index, where it disagrees with Git; unfinished files in DVC's cache and beside outputs."""

from __future__ import annotations

import re
import shlex
from functools import partial
from typing import TYPE_CHECKING

from gitexp.dvc import inputs
from gitexp.dvc.cache import open_cache, unfinished
from gitexp.dvc.dvc_config import has_dvc
from gitexp.errors import GitexpError
from gitexp.git import refs
from gitexp.git.discovery import project_folder
from gitexp.git.objects import commit_info
from gitexp.git.transaction import locks
from gitexp.git.transaction.cache import Index, Kind, forget, open_index
from gitexp.git.transaction.layout import index_file
from gitexp.git.worktree import status as git_status
from gitexp.model.ids import ABSENT
from gitexp.store import plans
from gitexp.store.experiments import experiment_lines
from gitexp.store.merged_experiments import merged_lines
from gitexp.store.records import run_lines
from gitexp.upkeep.doctor.place import Curable, removable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.model.workspace import Workspace
    from gitexp.upkeep.doctor.place import CheckedRepository


def index(place: CheckedRepository) -> Iterator[Curable]:
    """Work everything out anew, without the cache, and compare what it remembers."""
    if not index_file(place.workspace).exists():
        return
    fresh = _fresh(place)
    wrong = 0
    with open_index(place.workspace) as remembered:
        for kind in Kind:
            rows = fresh.all(kind)
            kept = remembered.get(kind, rows)
            wrong += sum(1 for key, value in kept.items() if value != rows[key])
    if wrong:
        yield Curable(
            f"the index cache disagrees with Git in {wrong} rows",
            index_file(place.workspace),
            "remove the cache; it is filled again when it is needed",
            partial(forget, place.workspace),
            done="removed the cache",
        )


def _fresh(place: CheckedRepository) -> Index:
    """Return an index in memory with the rows that a list of everything would use."""
    graph, listed = place.graph, place.listed
    trees = {tree: run for runs in listed.values() for run, tree in runs.items()}
    trees |= {item.tree: item.run for item in graph.additions()}
    run_lines(place.repo, place.memory, trees)
    experiment_lines(place.repo, place.memory, place.tips)
    merged_lines(place.repo, place.memory, place.tips, {}, plans.branch_prefix(place.repo))
    for tip in place.tips:
        try:
            config, _ = plans.config_of(place.repo, tip.commit)
            tree = commit_info(place.repo, tip.commit).tree
            inputs.compute(place.repo, tree, config, index=place.memory)
        except GitexpError:  # no project of ours, or one that cannot be digested
            continue
    return place.memory


QUIET_S = 3600.0  # a shared cache is written from other hosts, too, and they touch what they write
_TEMPORARY = re.compile(r"\.gitexp-(\d+)-[0-9a-f]{8,12}(-old)?")


def data_cache(place: CheckedRepository) -> Iterator[Curable]:
    """Yield files that no living process here made and nobody has written to for an hour."""
    caches: set[Path] = set()
    for workspace in place.work_places:
        for path in _in_cache(place, workspace, caches):
            yield removable("an object that a killed process had begun to write", path)
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
            yield removable("the copy of an output that a killed process had begun to make", path)


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
