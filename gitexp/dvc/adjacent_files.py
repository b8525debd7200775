"""What stages name outside the project's folder: files, submodules, data of the whole repository.

A project in a sub-folder may read ``../../data/raw/x.csv``, which a ``.dvc`` file or the pipeline
of another folder provides. It acts on results as what lies inside does.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.dvc import dvcfiles
from gitexp.dvc.declared_stages import Patterns
from gitexp.dvc.dvcpaths import declares
from gitexp.dvc.dvcpipeline import stage_wdirs
from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.git.absent import Absent
from gitexp.git.objects import MODE_COMMIT, MODE_LINK, entry_at, read_blob, walk_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.dvc.declared_stages import DeclaredStage
    from gitexp.dvc.dvcfiles import HashedPath
    from gitexp.dvc.state import State

LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Beside:
    """One thing; data have the hash of `out`, where DVC keeps it in a way that is known here."""

    path: bytes  # relative to the project folder
    mode: int
    id: str
    data: bool = False
    out: HashedPath | None = None


def beside(state: State, stages: tuple[DeclaredStage, ...]) -> Iterator[Beside]:
    """Yield what the dependencies of stages name outside the project folder."""
    if not state.config.project:
        return
    deps = {dep.text: dep for stage in stages for dep in stage.deps if dep.text.startswith("../")}
    if not deps:
        return
    for text in sorted(deps):
        if deps[text].literal:
            yield from _file(state, text)
    yield from _data(state, Patterns.of(deps.values()))


def _file(state: State, path: str) -> Iterator[Beside]:
    """Yield what Git has at a path; of one inside a submodule the submodule."""
    full = posixpath.normpath(state.at(path))
    if full.startswith(("../", ".gitexp/")):
        return
    parts = full.split("/")
    for depth in range(1, len(parts) + 1):
        entry = entry_at(state.repo, state.tree, "/".join(parts[:depth]))
        if isinstance(entry, Absent):
            return
        if depth == len(parts) or entry.mode in {MODE_COMMIT, MODE_LINK}:
            yield Beside(path.encode("utf-8", "surrogateescape"), entry.mode, entry.id)
            return


def _data(state: State, deps: Patterns) -> Iterator[Beside]:
    """Yield the data that a dependency touches, whatever file of the repository declares them."""
    project = f"/{state.config.project}"
    for entry in state.walked or walk_tree(state.repo, state.tree):
        path = entry.path.decode("utf-8", "surrogateescape")
        if entry.mode in {MODE_COMMIT, MODE_LINK} or not declares(path):
            continue
        if f"/{path}".startswith(f"{project}/"):
            continue
        name = posixpath.relpath(f"/{path}", project)
        try:
            outs = _outs(state, path)
        except (BadFormatError, UnsafeInputError):  # it cannot be told, so it counts
            yield Beside(name.encode("utf-8", "surrogateescape"), entry.mode, entry.id, data=True)
            continue
        for stage, out in outs:
            place = posixpath.relpath(f"/{out.path}", project)
            if deps.touch(place):
                label = f"{name}:{stage}" if stage else name
                raw = label.encode("utf-8", "surrogateescape")
                known = None if out.md5 is None else out
                yield Beside(raw, entry.mode, entry.id, data=True, out=known)


def _outs(state: State, path: str) -> list[tuple[str, HashedPath]]:
    """Return (stage, output), "" as the stage of a ``.dvc`` file; paths start at the top."""
    data = read_blob(state.repo, state.tree, path, LIMIT_BYTES)
    if isinstance(data, Absent):
        return []
    state.held.take(path, len(data))
    folder = posixpath.dirname(path)
    if path.endswith(".dvc"):
        return [("", out) for out in dvcfiles.load_pointer(data, path, folder).outs]
    pipeline = posixpath.join(folder, "dvc.yaml")
    declared = read_blob(state.repo, state.tree, pipeline, LIMIT_BYTES)
    wdirs = {} if isinstance(declared, Absent) else stage_wdirs(declared, pipeline, folder)
    lock = dvcfiles.load_lock(data, path, folder, wdirs)
    return [(name, out) for name, stage in lock.stages.items() for out in stage.outs]
