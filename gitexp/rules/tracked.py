"""Which paths DVC tracks, as a tree's own files say; only folders above a path are looked at."""

from __future__ import annotations

import contextlib
import posixpath
from typing import TYPE_CHECKING

from gitexp.dvc import dvcpipeline
from gitexp.dvc.dvcfiles import DvcFiles
from gitexp.dvc.dvcpipeline import bound, declared_outs
from gitexp.errors import GitexpError
from gitexp.git.tree import FILE_MODES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.rules.facts import Facts

CONFIG = "outputs: in .gitexp/config.yaml"
LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"


class Tracked:
    """Answers for the paths of one commit; each of DVC's files is read once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._outputs: dict[str, str] = {
            posixpath.join(facts.config.project, output): CONFIG for output in facts.config.outputs
        }
        self._read_folders: set[str] = set()
        self._held = 0  # bytes
        self._files = DvcFiles(self._read, starts=lambda _: None)

    def by(self, path: str) -> str | None:
        """Return which file says that DVC tracks a path, or a folder above it; None if none."""
        above = [path]
        while above[-1]:
            above.append(above[-1].rpartition("/")[0])
        for folder in above[1:]:
            self._declare(folder)
        return next((self._outputs[part] for part in above if part in self._outputs), None)

    def declared(self, folders: Iterable[str]) -> frozenset[str]:
        """Return every path that the settings, or the files in these folders, declare."""
        for folder in folders:
            self._declare(folder)
        return frozenset(self._outputs)

    def _declare(self, folder: str) -> None:
        if folder in self._read_folders:
            return
        self._read_folders.add(folder)
        names = self._facts.tree.folder(folder)
        for name, entry in names.items():
            if name.endswith(".dvc") and name != ".dvc" and entry.mode in FILE_MODES:
                file = posixpath.join(folder, name)
                with contextlib.suppress(GitexpError):  # R6 says what cannot be read
                    outs = self._files.outs(file)
                    self._outputs.update(dict.fromkeys((out.path for _, out in outs), file))
        if PIPELINE in names or LOCK in names:
            self._outputs.update(self._pipeline(folder))

    def _pipeline(self, folder: str) -> dict[str, str]:
        """Return what a pipeline declares; of a templated one what its lock recorded."""
        file = posixpath.join(folder, PIPELINE)
        not_cached = {
            posixpath.join(self._facts.config.project, name)
            for name in (*self._facts.config.metrics, *self._facts.config.curves)
        }
        try:
            pipeline = self._files.pipeline(file)
            if pipeline is None:
                return {}
            top = {*pipeline.metrics, *pipeline.plots, *pipeline.artifacts}
            for path in top & self._outputs.keys():
                if self._outputs[path] == CONFIG:  # made by a run, and Git's unless a stage says so
                    del self._outputs[path]
            not_cached.update(top)
            if not pipeline.needs_dvc:
                outs = [out for stage in pipeline.stages for out in stage.outs if out.cache]
                return dict.fromkeys((out.path for out in outs), file)
            lock = posixpath.join(folder, LOCK)
            data = self._files.data(file) or b""
            declared = declared_outs(data, file, folder)
            paths = {
                out.path
                for name, out in self._files.outs(lock)
                if (mine := declared.get(name.partition("@")[0])) is not None
                and not any(not cached and each.may_be(out.path) for each, cached in mine)
            }
        except GitexpError:
            return {}  # R6 says what cannot be read
        return dict.fromkeys(paths - not_cached, lock)

    def _read(self, path: str) -> bytes | None:
        data = self._facts.tree.read(path, dvcpipeline.LIMIT)
        self._held += len(data or b"")
        bound(self._held, path)
        return data
