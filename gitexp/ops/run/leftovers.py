"""Files that a first repeat left in its worktree and that go with it: nobody declared them.

A run keeps declared outputs, metrics and by-products. Whoever did not know that looks for the
model after hours of work and finds nothing, so it is said once, after the first repeat.
"""

from __future__ import annotations

import posixpath
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.formats.dvcpaths import touches
from gitexp.git import status
from gitexp.ops.run.jobs import lies_in

if TYPE_CHECKING:
    from collections.abc import Collection

    from gitexp.ops.run.jobs import Setting

_SHOWN = 5
_NOISE = ("__pycache__", ".gitignore", ".pytest_cache", ".ipynb_checkpoints", ".mypy_cache")


def warnings(setting: Setting) -> tuple[str, ...]:
    """Return one warning that names up to five such files and what to type; none where none is.

    Parameters
    ----------
    setting : Setting
        Its first repeat has ended, and no other has begun.
    """
    config = setting.cell.config
    known = {
        *(out.path for stage in setting.stages for out in stage.outs),
        *(each.path for each in setting.given),
        *(each.path for each in setting.links),
        *config.outputs,
        *config.metrics,
        *config.curves,
    }
    if config.predictions is not None:
        known.add(config.predictions.path)
    said = _held(setting)
    left: dict[str, None] = {}
    for slot in map(Path, setting.slots):
        if Path(f"{slot}.used").exists():
            left.update(dict.fromkeys(_left(slot, config.project, known)))
    paths = list(left)
    if not paths:
        return said
    shown = ", ".join(paths[:_SHOWN])
    if len(paths) > _SHOWN:
        shown += f" and {len(paths) - _SHOWN} more"
    how = "name them under outs: of their stage in dvc.yaml"
    if config.pipeline is None:
        names = [*config.outputs, *(path.rstrip("/") for path in paths[:_SHOWN])]
        how = f"write `outputs: [{', '.join(names)}]` into .gitexp/config.yaml and commit it"
    lost = f"the command left {shown} in its worktree, which is thrown away; to keep them {how}"
    return (*said, lost)


def _held(setting: Setting) -> tuple[str, ...]:
    """Return a warning on what Git holds of DVC's outputs: earlier versions committed metrics."""
    project = setting.cell.config.project
    outs = [out.path for stage in setting.stages for out in stage.outs if out.cache]
    full = [posixpath.normpath(posixpath.join(project, path)) for path in outs]
    paths = [entry.path.decode("utf-8", "surrogateescape") for entry in setting.cell.entries]
    held = [path for path in paths if lies_in(path, full)]
    if not held:
        return ()
    names = " ".join(shlex.quote(path) for path in held[:_SHOWN])
    why = f"{', '.join(held[:_SHOWN])}: in Git, and in an output of DVC, so that `dvc repro` fails"
    return (f"{why}; git rm --cached {names}, then commit: repeats go on counting",)


def _left(slot: Path, project: str, known: Collection[str]) -> list[str]:
    prefix = f"{project}/" if project else ""
    paths = [path for path in status.left_in(slot) if path.startswith(prefix)]
    found: list[str] = []
    for path in (path.removeprefix(prefix) for path in paths):
        if _is_noise(path):
            continue
        if not any(touches(path.rstrip("/"), other) for other in known):
            found.append(path)
        elif path.endswith("/"):  # a folder in which something is known
            inside = (each.removeprefix(prefix) for each in status.left_in(slot, f"{prefix}{path}"))
            found += [
                each
                for each in inside
                if not _is_noise(each) and not any(touches(each, other) for other in known)
            ]
    return found


def _is_noise(path: str) -> bool:
    return any(part in _NOISE for part in path.split("/"))
