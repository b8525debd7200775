"""A tree with the settings by which it is read: its files, its stages, what they make."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitexp.dvc import declared_stages, dvcfiles, dvcpaths
from gitexp.git.absent import Absent
from gitexp.git.objects import Entry, read_blob, tree_id, walk_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gitexp.dvc.declared_stages import DeclaredStage
    from gitexp.dvc.dvcfiles import HashedPath
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import TreeId

TEXT_LIMIT_BYTES = 1 << 20
LOCK_LIMIT_BYTES = 16 << 20


@dataclass(slots=True)
class Held:
    """How much of DVC's files was read of a state; one that is read again counts once."""

    total: int = 0
    seen: set[str] = field(default_factory=set)

    def take(self, path: str, size: int) -> None:
        """Count a file; `UnsafeInputError` where all are too much to be read."""
        if path not in self.seen:
            self.seen.add(path)
            self.total += size
        dvcpaths.bound(self.total, path)


@dataclass(frozen=True, slots=True)
class State:
    """A tree, and the settings by which it is read."""

    repo: Repo
    tree: TreeId  # of a commit
    config: ProjectConfig
    walked: Sequence[Entry] | None = None  # the whole tree, where the caller has walked it
    held: Held = field(default_factory=Held, compare=False)

    def files(self) -> Iterator[Entry]:
        """Yield all files of the project folder, their paths relative to it."""
        project = self.config.project
        if self.walked is None:
            folder = tree_id(self.repo, self.tree, project)
            if not isinstance(folder, Absent):
                yield from walk_tree(self.repo, folder)
            return
        below = f"{project}/".encode("utf-8", "surrogateescape") if project else b""
        for entry in self.walked:
            if not below:
                yield entry
            elif entry.path.startswith(below):
                yield Entry(entry.mode, entry.path.removeprefix(below), entry.id)

    def at(self, path: str) -> str:
        """Turn a path relative to the project folder into one relative to the tree's top."""
        return declared_stages.join(self.config.project, path) if self.config.project else path

    def read(self, path: str, limit: int = TEXT_LIMIT_BYTES) -> bytes | Absent:
        """Return a file of the project folder.

        Raises `UnsafeInputError` if it, or all of DVC's files together, are too large.
        """
        full = posixpath.normpath(self.at(path))
        if full.startswith(("../", "/")):
            return Absent.ABSENT
        data = read_blob(self.repo, self.tree, full, limit)
        if not isinstance(data, Absent) and dvcpaths.declares(full):
            self.held.take(full, len(data))
        return data

    def stages(self) -> tuple[DeclaredStage, ...]:
        """Return the stages that the pipeline file declares; none where there is no such file."""
        path = self.config.pipeline
        data = Absent.ABSENT if path is None else self.read(path)
        if path is None or isinstance(data, Absent):
            return ()
        return declared_stages.stages(data, self.at(path), posixpath.dirname(path))

    def lock_path(self) -> str | None:
        """Return where DVC locks the pipeline; None without a pipeline."""
        if self.config.pipeline is None:
            return None
        return posixpath.join(posixpath.dirname(self.config.pipeline), "dvc.lock")


def outputs_of(state: State, stages: tuple[DeclaredStage, ...]) -> frozenset[str]:
    """Return the declared outputs, relative to the project folder.

    They are those of the configuration (outputs, metrics, predictions, curves) and those that
    ``dvc.yaml`` spells out. Only where the configuration names no outputs and ``dvc.yaml`` has
    templates does ``dvc.lock`` decide: it changes with a run, the other two do not.
    """
    config = state.config
    found = {*config.outputs, *config.metrics, *config.curves}
    if config.predictions is not None:
        found.add(config.predictions.path)
    found.update(out.text for stage in stages for out in stage.outs if out.literal)
    templates = any(not out.literal for stage in stages for out in stage.outs)
    lock = state.lock_path()
    if templates and not config.outputs and lock is not None:
        found.update(_locked_outputs(state, stages, lock))
    return frozenset(found)


def made_by(state: State, stages: tuple[DeclaredStage, ...]) -> frozenset[str]:
    """Return what the pipeline seems to make, whatever the configuration says."""
    lock = state.lock_path()
    found = set[str]() if lock is None else _locked_outputs(state, stages, lock)
    patterns = [
        out for stage in stages for out in stage.outs if not out.literal and out.says_something
    ]
    if patterns:
        for entry in state.files():
            path = entry.path.decode("utf-8", "surrogateescape")
            if any(pattern.matches(path) for pattern in patterns):
                found.add(path)
    return frozenset(found)


def _locked_outputs(state: State, stages: tuple[DeclaredStage, ...], lock: str) -> set[str]:
    known = {stage.name for stage in stages if "${" not in stage.wdir}
    return {
        out.path
        for name, out in locked(state, lock, stages)
        if declared_stages.base_name(name) in known
    }


def locked(
    state: State, path: str, stages: tuple[DeclaredStage, ...]
) -> Iterator[tuple[str, HashedPath]]:
    """Yield (stage, output) of a dvc.lock; paths in it start at the stage's wdir."""
    data = state.read(path, LOCK_LIMIT_BYTES)
    if isinstance(data, Absent):
        return
    where, folder = state.at(path), posixpath.dirname(path)
    wdirs = {stage.name: stage.wdir for stage in stages if "${" not in stage.wdir}
    lock = dvcfiles.load_lock(data, where, folder, wdirs if stages else None)
    for name, stage in lock.stages.items():
        for out in stage.outs:
            yield name, out
