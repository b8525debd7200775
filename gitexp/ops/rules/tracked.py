"""Which paths DVC tracks, as a tree's own files say; only folders above a path are looked at."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.formats import dvcfiles
from gitexp.ops.rules.facts import FILE_MODES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.ops.rules.facts import Facts

LOCK = "dvc.lock"
PIPELINE = "dvc.yaml"


class Tracked:
    """Answers for the paths of one commit; each of DVC's files is read once."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._folders: dict[str, dict[str, str]] = {}

    def by(self, path: str) -> str | None:
        """Return which file says that DVC tracks a path, or a folder above it; None if none."""
        config = self._facts.config
        for output in config.outputs:
            if _within(path, posixpath.join(config.project, output)):
                return "outputs: in .gitexp/config.yaml"
        folder = path
        while folder:
            folder = folder.rpartition("/")[0]
            for output, file in self.declared(folder).items():
                if _within(path, output):
                    return file
        return None

    def declared(self, folder: str) -> Mapping[str, str]:
        """Return the outputs that a folder's files declare, with the file."""
        if folder not in self._folders:
            found: dict[str, str] = {}
            names = self._facts.tree.folder(folder)
            for name, entry in names.items():
                file = posixpath.join(folder, name)
                pointer = name.endswith(".dvc") and name != ".dvc"
                if entry.mode not in FILE_MODES or not (pointer or name in {LOCK, PIPELINE}):
                    continue
                data = self._read(file)
                outs = _pointer(data, file) if pointer else ()
                found.update(dict.fromkeys(outs, file))
            found.update(self._pipeline(folder) if PIPELINE in names or LOCK in names else {})
            self._folders[folder] = found
        return self._folders[folder]

    def _pipeline(self, folder: str) -> dict[str, str]:
        """Return what a pipeline declares; of a templated one what its lock recorded."""
        file = posixpath.join(folder, PIPELINE)
        not_cached = {
            posixpath.join(self._facts.config.project, name)
            for name in (*self._facts.config.metrics, *self._facts.config.curves)
        }
        try:
            pipeline = dvcfiles.load_pipeline(self._read(file), file, folder)
            not_cached.update((*pipeline.metrics, *pipeline.plots))
            if not pipeline.needs_dvc:
                outs = [out for stage in pipeline.stages for out in stage.outs if out.cache]
                return dict.fromkeys((out.path for out in outs), file)
            lock = posixpath.join(folder, LOCK)
            stages = dvcfiles.load_lock(self._read(lock), lock, folder).stages.values()
        except GitexpError:
            return {}  # R6 says what cannot be read
        paths = {out.path for stage in stages for out in stage.outs}
        return dict.fromkeys(paths - not_cached, lock)

    def _read(self, path: str) -> bytes:
        try:
            return self._facts.tree.read(path, dvcfiles.LIMIT) or b""
        except GitexpError:
            return b""


def _pointer(data: bytes, file: str) -> tuple[str, ...]:
    try:
        pointer = dvcfiles.load_pointer(data, file, posixpath.dirname(file))
    except GitexpError:
        return ()
    return tuple(out.path for out in pointer.outs)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
