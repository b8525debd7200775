"""Looks for what would make a run fail, or mean something else, before hour 0.

Everything here is cheap next to one repeat. What only an execution can show (does the metric
exist, did the first repeat read what it should) is checked once more after the first repeat.
"""

from __future__ import annotations

import os
import shlex
import shutil
from typing import TYPE_CHECKING

from gitexp.dvc import inputs as inputs_rules
from gitexp.dvc.dvc_config import has_dvc
from gitexp.dvc.exchange import remote_of
from gitexp.dvc.pointers import listed
from gitexp.errors import (
    BadMetricError,
    DataMissingError,
    NoSpaceError,
    PreflightError,
    ReadOnlyError,
)
from gitexp.git import objects, refs
from gitexp.git.refs import ABSENT
from gitexp.git.worktree import conversion
from gitexp.model.ids import BlobId
from gitexp.model.job import LinkedPath
from gitexp.model.metrics import recorded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from pathlib import Path

    from gitexp.dvc.pointers import MissingData, PointerState
    from gitexp.execution.run_sources import Cell
    from gitexp.git.objects import Entry
    from gitexp.git.repository import Repo
    from gitexp.model.job import Outcome, Stage

SPACE_RESERVE_BYTES = 64 * 1024 * 1024
_SHOWN = 10


def check_outputs(repo: Repo, cell: Cell, stages: Sequence[Stage]) -> None:
    """Stop at an output of the pipeline that the settings do not name and Git holds.

    Such a file would count as an input and be changed by every run.
    """
    made = [out.path for stage in stages for out in stage.outs]
    missed = inputs_rules.undeclared_tracked_outputs(repo, cell.tree, cell.config, made)
    if missed:
        raise PreflightError(
            "outputs of the pipeline are committed to Git, and the settings do not name them",
            found=", ".join(missed[:_SHOWN]),
            where=f"{cell.side} at {cell.commit[:9]}",
            expected="every output under `outputs:` or `metrics:` in .gitexp/config.yaml",
            next_step="add them there, or `git rm --cached` them, and commit",
        )


def check_filled(repo: Repo, top: Path, cell: Cell, modules: Sequence[str]) -> None:
    """Refuse a worktree that lacks files which count: empty submodules, pointers of Git LFS.

    The run would be recorded as one of the whole state.
    """
    large = conversion.unfilled(top)
    if not (modules or large):
        return
    counted = inputs_rules.counted_files(repo, cell.tree, cell.config)
    for missing, what, remedy in (
        (large, "files of Git LFS are not here, only pointers to them", "git lfs pull"),
        (modules, "submodules are not here", "git submodule update --init --recursive"),
    ):
        if names := [name for name in missing if name in counted]:
            raise DataMissingError(
                what,
                found=", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else ""),
                where=f"{cell.side} at {cell.commit[:9]}",
                expected="all that the inputs count; `inputs.ignore` in .gitexp/config.yaml leaves"
                " out what no result depends on",
                next_step=remedy,
            )


def links(top: Path, cell: Cell) -> tuple[LinkedPath, ...]:
    """Return the links that jobs get, after a look that their targets are there."""
    found = []
    for path in cell.config.link:
        target = top / cell.config.project / path
        if not target.exists():
            raise PreflightError(
                f"{path} is to be linked into every job, and is not there",
                where=str(target),
                expected="a file or folder, as run.link in .gitexp/config.yaml says",
            )
        found.append(LinkedPath(path.rstrip("/"), str(target)))
    return tuple(found)


def check_data(repo: Repo, top: Path, cell: Cell, data: PointerState, *, bring: str = "") -> None:
    """Stop where bytes of tracked data are not in the cache.

    `bring`: what to type, where a cache nearby has them.
    """
    where = f"{cell.side} at {cell.commit[:9]}"
    if data.delegated:
        shown = [f"{one.path} ({one.declared}): {one.why}" for one in data.delegated[:_SHOWN]]
        raise DataMissingError(
            "data that only DVC can bring",
            found="\n".join(shown),
            where=where,
            next_step="dvc pull, then dvc commit",
        )
    if data.missing:
        lines = listed(data.missing)
        more = f"\nand {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
        raise DataMissingError(
            "data that the run needs are not here",
            found="\n".join(lines[:_SHOWN]) + more,
            where=where,
            next_step=bring or _way_to(repo, top, cell, data.missing),
        )


def _way_to(repo: Repo, top: Path, cell: Cell, missing: Sequence[MissingData]) -> str:
    """Say how missing data come into the cache, whichever commit they are of.

    DVC fetches what the work tree names. Another commit's pointers are put there for the moment:
    ``dvc fetch -A`` goes by the settings of each commit, which may be older than the remote.
    """
    project = top / cell.config.project
    remote = has_dvc(project) and remote_of(project, trust=True) is not None
    begin = "" if remote else "no remote is set: dvc remote add -d NAME URL, then "
    head = refs.head(repo).commit
    if head != cell.commit:
        files = sorted({one.declared.partition(": ")[0] for one in missing})
        if (
            head is ABSENT
            or len(files) > _SHOWN
            or not all(objects.entry_at(repo, head, file) is not ABSENT for file in files)
        ):
            return f"{begin}dvc fetch -A"
        paths = shlex.join(f":/{file}" for file in files)
        source = cell.commit[:9]
        return (
            f"{begin}git restore --source={source} -- {paths} && dvc fetch; git restore -- {paths}"
        )
    few = missing if len(missing) <= _SHOWN else ()
    # Named, as DVC fails over the outputs that no dvc.lock has yet.
    pull = shlex.join(["dvc", "pull", *(one.path for one in few)])
    # What lies there in another version `dvc pull` would only replace by force.
    here = [one.path for one in missing if (project / one.path).exists()]
    if not here:
        return begin + pull
    return (
        f"{begin}dvc fetch; or, to take what lies here for it, dvc commit -f "
        f"{shlex.join(here[:_SHOWN])}, then git commit -a"
    )


def check_space(folder: Path, cache: Path, *, tree_bytes: int, data_bytes: int, slots: int) -> None:
    """Stop where the disk will not hold the worktrees and their data.

    `cache`: the DVC cache, which gets what the records will name; all other outputs lie in
    `folder`. `tree_bytes`, `data_bytes`: size of one worktree's files, and of the data put into
    it.
    """
    worktrees = slots * (tree_bytes + data_bytes)
    for place, used, whose in (
        (folder, worktrees, f"{slots} worktrees with their data"),
        (cache, 0, "what is kept of the outputs"),
    ):
        free, needed = shutil.disk_usage(existing(place)).free, used + SPACE_RESERVE_BYTES
        if free < needed:
            raise NoSpaceError(
                "there is not enough space for this run",
                found=f"{free / 1e6:.0f} MB free",
                where=str(place),
                expected=f"{needed / 1e6:.0f} MB for {whose}",
                next_step="free some space, or lower --jobs" if used else "free some space",
            )


def check_cache(cache: Path, cell: Cell, stages: Sequence[Stage]) -> None:
    """Stop where DVC's cache would not take, in the end, what the records name."""
    made = any(out.cache for stage in stages if not stage.frozen for out in stage.outs)
    place = existing(cache / "files" / "md5")
    if (made or cell.config.predictions or cell.config.curves) and not os.access(place, os.W_OK):
        raise ReadOnlyError(
            "outputs cannot be kept: DVC's cache cannot be written to",
            where=str(place),
            next_step="make it writable; or dvc cache dir --local DIR, then dvc fetch",
        )


def tree_bytes(repo: Repo, entries: Iterable[Entry]) -> int:
    """Return the size of all files of a tree, in bytes.

    Submodules are not counted, nor what a partial clone has still to fetch.
    """
    return sum(
        repo.size(BlobId(entry.id), fetch=False)
        for entry in entries
        if entry.mode != objects.MODE_COMMIT and not entry.path.startswith(b".gitexp/")
    )


def existing(path: Path) -> Path:
    """Return the nearest folder above that exists."""
    while not path.exists():
        path = path.parent
    return path


def check_first(outcome: Outcome, expected: Collection[str], files: Sequence[str]) -> None:
    """Look at a first repeat before the others start."""
    names = {sample.metric for sample in outcome.samples}
    lacking = sorted(name for name in expected if recorded(name, names, files) is None)
    if lacking:
        raise BadMetricError(
            f"the first repeat did not report {', '.join(lacking)}",
            found=", ".join(sorted(names)) or "no metric at all",
            expected=", ".join(sorted(expected)),
            next_step="gitexp logs",
        )
