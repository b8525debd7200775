"""Uncommitted files: the user's own, committed first, and what a repeat leaves in its worktree."""

from __future__ import annotations

import posixpath
import shlex
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc.dvcpipeline import touches
from gitexp.errors import UsageError
from gitexp.execution.jobs import lies_in
from gitexp.execution.place import find_place
from gitexp.execution.run_sources import assigned, undeclared
from gitexp.git.absent import ABSENT
from gitexp.git.worktree import status
from gitexp.store import plans

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gitexp.execution.jobs import JobTemplate
    from gitexp.execution.place import RunPlace
    from gitexp.git.absent import Absent
    from gitexp.model.request import RunRequest


_SHOWN = 5
_NOISE = ("__pycache__", ".gitignore", ".pytest_cache", ".ipynb_checkpoints", ".mypy_cache")


def warnings(template: JobTemplate) -> tuple[str, ...]:
    """Return warnings that name up to five such files each and what to type; none where none is.

    `template`: its first repeat has ended, and no other has begun.
    """
    job, config = template.job, template.cell.config
    known = {
        *(out.path for stage in job.stages for out in stage.outs),
        *(each.path for each in job.given),
        *(each.path for each in job.links),
        *config.outputs,
        *config.metrics,
        *config.curves,
    }
    if config.predictions is not None:
        known.add(config.predictions.path)
    said = _held(template)
    slots = [slot for slot in map(Path, job.slots) if Path(f"{slot}.used").exists()]
    edited = {key.file for key in (*job.edits, *config.seed.every)}
    edited |= {posixpath.relpath(path, config.project or ".") for path in job.left_out}
    changed = [path for slot in slots for path in _rewritten(slot, config.project, known | edited)]
    if changed:
        lost = "the change is in no record, and goes with the worktree"
        said += (f"the command rewrote {_shown(changed)}, which Git holds: {lost}",)
    paths = list(dict.fromkeys(p for slot in slots for p in _left(slot, config.project, known)))
    if not paths:
        return said
    shown = _shown(paths)
    how = "name them under outs: of their stage in dvc.yaml"
    if config.pipeline is None:
        names = [*config.outputs, *(path.rstrip("/") for path in paths[:_SHOWN])]
        how = f"write `outputs: [{', '.join(names)}]` into .gitexp/config.yaml and commit it"
    lost = f"the command left {shown} in its worktree, which is thrown away; to keep them {how}"
    return (*said, lost)


def _held(template: JobTemplate) -> tuple[str, ...]:
    """Return a warning on what Git holds of DVC's outputs: earlier versions committed metrics."""
    project = template.cell.config.project
    outs = [out.path for stage in template.job.stages for out in stage.outs if out.cache]
    full = [posixpath.normpath(posixpath.join(project, path)) for path in outs]
    paths = [entry.path.decode("utf-8", "surrogateescape") for entry in template.cell.entries]
    held = [path for path in paths if lies_in(path, full)]
    if not held:
        return ()
    names = " ".join(shlex.quote(path) for path in held[:_SHOWN])
    why = f"{', '.join(held[:_SHOWN])}: in Git, and in an output of DVC, so that `dvc repro` fails"
    return (f"{why}; git rm --cached {names}, then commit: repeats go on counting",)


def _shown(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def _rewritten(slot: Path, project: str, known: Collection[str]) -> list[str]:
    """Return what a repeat changed of the commit, beside what it was to change."""
    paths = status.rewritten_in(slot)
    own = [posixpath.relpath(path, project) if project else path for path in paths]
    return [p for p in own if not (_is_noise(p) or any(touches(p, other) for other in known))]


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


_NAMED = 5


def commit(place: RunPlace, request: RunRequest) -> tuple[RunPlace, RunRequest]:
    """Write the overrides into the params files and commit all tracked changes.

    The commit is the user's: their hooks run, their identity signs.

    The result: without the overrides, which are in the commit now.
    """
    if request.at is not None:
        raise UsageError(
            "--commit commits the work tree, and --at names another state",
            next_step="the same without --at, or without --commit -m",
        )
    message = request.commit_message or ""
    if not message.strip():
        raise UsageError("the commit message is empty", next_step='gitexp run --commit -m "why"')
    config, _ = plans.config_of(place.repo, place.head)
    project = place.top / config.project

    def read(file: str) -> bytes | Absent:
        path = project / file
        return path.read_bytes() if path.is_file() else ABSENT

    step = partial(undeclared, place.repo, place.head, config)
    for file, data in assigned(request.params, config.params, read, "the work tree", step).items():
        (project / file).write_bytes(data)
    new = status.untracked(place.workspace)
    if status.dirty_tracked(place.workspace):
        status.commit_tracked(place.workspace, message)
    elif new:
        raise UsageError(
            "there is nothing to commit but files that Git does not track",
            found=", ".join(new[:_NAMED]),
            expected="changes of tracked files, or of files that were added",
            next_step=f"git add -- {shlex.quote(new[0])}, then the same; or without --commit",
        )
    emptied = replace(request, params=(), commit_message=None)
    return find_place(place.workspace, emptied), emptied


def announced(place: RunPlace) -> str:
    """Return what a dry run says of the commit that it does not make; "" where there is none."""
    dirty = status.dirty_tracked(place.workspace, looking=True)
    if not dirty:
        return ""
    names = ", ".join(dirty[:_NAMED]) + (" ..." if len(dirty) > _NAMED else "")
    return (
        f"{names} would be committed first; what is said here is of the commit before, and a "
        "new state starts with none of the repeats that count"
    )
