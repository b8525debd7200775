"""Pack a repository by Git's own means, and forget the job folders of runs that are recorded.

Nothing that only Git's reflog or nobody refers to is deleted: that is ``git gc``'s business.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from gitexp.errors import UsageError
from gitexp.execution import state as states
from gitexp.execution.workdir import WorkDir
from gitexp.git import command
from gitexp.git.repository import open_repository
from gitexp.git.transaction.cache import open_index
from gitexp.model.job import CHECKPOINT, WRITTEN
from gitexp.model.report import KEEP, MaintenanceReport, RepositorySize
from gitexp.store import calls
from gitexp.store.ancestry import Graph
from gitexp.store.plans import tips

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.workspace import Workspace

_KIB = 1024
_USAGE = 129  # what git ends with for an option that it does not know


def maintenance(
    workspace: Workspace, *, keep: int = KEEP, dry_run: bool = False
) -> MaintenanceReport:
    """Pack refs and objects, write the commit-graph, remove old job folders.

    Parameters
    ----------
    keep : int
        So many of the newest recorded runs of each work tree keep their job folders, for
        ``gitexp logs``.
    dry_run : bool
        Only measure.

    Raises
    ------
    UsageError
        If `keep` is negative.
    NoSpaceError, ReadOnlyError, GitFailedError
        If git cannot pack; nothing is lost by that.
    """
    if keep < 0:
        raise UsageError("so few job folders cannot be kept", found=str(keep), expected="0 or more")
    repo = open_repository(workspace)
    before = _size(workspace)
    old = tuple(_old_folders(repo, keep))
    done: tuple[str, ...] = ()
    if not dry_run:
        done = tuple(_pack(workspace))
        for folder in old:
            shutil.rmtree(folder, ignore_errors=True)
            calls.ended(calls.proofs(workspace), folder.name)
    return MaintenanceReport(
        before, _size(workspace), done, tuple(folder.name for folder in old), dry_run
    )


def _pack(workspace: Workspace) -> Iterator[str]:
    command.run(workspace, ["pack-refs", "--all"])
    yield "packed refs"
    # Loose objects and small packs become one pack; what is unreachable stays as it is.
    quiet = ["repack", "-d", "-l", "-q"]
    code, _, err = command.attempt(workspace, [*quiet, "--geometric=2"])
    if code == _USAGE:  # before Git 2.32
        command.run(workspace, quiet)
    elif code:
        raise command.failure(quiet, code, err)
    yield "packed objects"
    command.run(workspace, ["commit-graph", "write", "--reachable"])
    yield "wrote the commit-graph"


def _size(workspace: Workspace) -> RepositorySize:
    out = command.run(workspace, ["count-objects", "-v"]).decode("ascii", "replace")
    counts = dict(line.split(": ", 1) for line in out.split("\n") if ": " in line)
    refs = workspace.common_dir / "refs"
    every = WorkDir.everywhere(workspace)
    folders = [path for workdir in every for path in calls.within(workdir.runs)]
    return RepositorySize(
        loose_objects=int(counts["count"]),
        loose_bytes=int(counts["size"]) * _KIB,
        packs=int(counts["packs"]),
        pack_bytes=int(counts["size-pack"]) * _KIB,
        loose_refs=sum(1 for path in refs.rglob("*") if path.is_file()),
        job_folders=len(folders),
        job_bytes=sum(_bytes(path) for path in folders),
    )


def _old_folders(repo: Repo, keep: int) -> Iterator[Path]:
    """Yield the folders of recorded runs that hold nothing but logs, but the newest.

    A run is recorded if a branch or tag reaches it. Its own note alone does not do: where the
    branch was deleted since, the folder is all there is. What nobody has gone on with stays: that a
    repeat was begun is to be recorded, and it goes on from its checkpoint.
    """
    with open_index(repo.workspace) as index:
        graph = Graph(repo, index, [tip.commit for tip in tips(repo)])
        recorded = frozenset(item.run for item in graph.additions())
    for workdir in WorkDir.everywhere(repo.workspace):
        done = states.published(workdir) & recorded
        for state in states.unpublished(workdir, opened=True):
            run, seeds = state.draft.id, state.draft.seeds
            if run in done:
                if not state.left and any(workdir.run(run).glob(f"jobs/*/*/{CHECKPOINT}/files/*")):
                    done -= {run}
            elif not any(workdir.holds_outcome(run, seed) for seed in seeds) and (
                state.left or not any(workdir.began(run, seed) for seed in seeds)
            ):
                done |= {run}
        mine = [path for path in calls.within(workdir.runs) if path.name in done]
        # Of linked files there may be the only copy.
        mine = [
            path
            for path in mine
            if not any(map(os.path.lexists, (path / WRITTEN, workdir.linked(path.name))))
        ]
        mine.sort(key=lambda path: path.stat().st_mtime, reverse=True)
        yield from mine[keep:]


def _bytes(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_size  # noqa: PTH118  as os.walk has it
            except FileNotFoundError:
                continue
    return total
