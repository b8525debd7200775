"""Finds the file of per-example predictions that belongs to the metric of a project."""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from typing import TYPE_CHECKING

from gitexp.comparison.known_metrics import cached_files
from gitexp.dvc import pipeline
from gitexp.dvc.dvcpipeline import touches
from gitexp.errors import GitexpError, UsageError
from gitexp.git import refs, repository
from gitexp.git.discovery import bytes_inside, project_folder
from gitexp.git.transaction import layout
from gitexp.git.worktree import status
from gitexp.model import dataclass
from gitexp.model.config import Predictions
from gitexp.model.ids import ABSENT
from gitexp.text.jsontext import json_dumps_compact
from gitexp.text.predictions import columns_of, fitting, renamed, single, unclear
from gitexp.text.samples import LIMIT

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.model.config import ProjectConfig
    from gitexp.model.job import Stage
    from gitexp.model.workspace import Workspace

_HEAD_BYTES = 1 << 16
_MOST_TABLES = 100  # whose headers are read
_SHOWN = 10
_MOST_LETTERS = 300  # of a header in a message


@dataclass(frozen=True, slots=True)
class Choice:
    """The predictions of the metric, if that is clear, and all files that have some."""

    taken: Predictions | None
    paths: tuple[str, ...]
    apart: str = ""  # the metrics file that keeps one from being taken


def named(
    workspace: Workspace, config: ProjectConfig, path: str
) -> tuple[Predictions, tuple[str, ...]]:
    """Return a file that was asked for with its columns, and what is to be said of them.

    Raises
    ------
    UsageError
        If the file is here, or in DVC's cache, and no single column fits each of the three.
    """
    top = workspace.top or workspace.start
    header = _columns_of(_bytes(project_folder(top, config.project), path), path)
    if header is None:
        repo = repository.open_repository(workspace)
        commit = refs.head(repo).commit
        inside = posixpath.normpath(posixpath.join(config.project, path))
        cached = {} if commit is ABSENT else cached_files(repo, commit, [inside])
        header = _columns_of(cached.get(inside), path)
    if header is None:
        note = (
            f"{path} is not here, so its columns were not looked at: a run has to call them id, "
            f"y_true and y_pred, or predictions: in {layout.CONFIG} names them"
        )
        return Predictions(path), (note,)
    fits = fitting(header)
    found = single(Predictions(path), fits)
    if found is not None:
        return found, ()
    said = {role: names[0] if len(names) == 1 else "COLUMN" for role, names in fits.items()}
    line = json_dumps_compact({"path": path, **said}).decode()
    raise UsageError(
        f"the columns of the predictions are not clear: {unclear(fits)}",
        found=", ".join(header)[:_MOST_LETTERS] or "no header",
        where=path,
        expected="one column each: id (of the example), y_true (its label), y_pred (the model's)",
        next_step=f"the same without --predictions, then in {layout.CONFIG} predictions: {line}",
    )


def described(spec: Predictions | None) -> str:
    """Return the file, with its columns where they are called otherwise than usual."""
    if spec is None:
        return ""
    named = renamed(spec)
    return f"{spec.path} ({named})" if named else spec.path


def choose(
    folder: Path, paths: Iterable[str], stages: Sequence[Stage], metrics: Sequence[str]
) -> Choice:
    """Take the file that the first metrics file is computed from, and none where that is a guess.

    A plan freezes the choice, and `compare` sees by these rows whether repeats divide a table
    anew: those of another part of the pipeline would hide it. So none is taken either where another
    metrics file, which a plan may name as well, is of another part.
    """
    each = (_columns(path, _header(folder, path)) for path in dict.fromkeys(paths))
    found = tuple(one for one in each if one is not None)
    every = tuple(one.path for one in found)
    files = [posixpath.normpath(path) for path in metrics]
    taken = _of(found, stages, files[0] if files else "")
    if taken is None:
        return Choice(None, every, "".join(metrics[:1]))
    apart = next((path for path in files[1:] if _is_apart(stages, path, taken.path)), "")
    return Choice(None if apart else taken, every, apart)


def _is_apart(stages: Sequence[Stage], metric: str, path: str) -> bool:
    """Whether a metrics file and predictions are of parts that have nothing to do with another."""
    needs, ends = pipeline.stage_needs(stages), [_makers(stages, each) for each in (metric, path)]
    return all(ends) and not any(
        other & pipeline.downstream(needs, one) for one, other in (ends, ends[::-1])
    )


def _of(found: Sequence[Predictions], stages: Sequence[Stage], metric: str) -> Predictions | None:
    """Return the one of several that a metrics file is computed from."""
    scoring = _makers(stages, metric)
    if len(found) > 1:
        beside = [one for one in found if scoring & _makers(stages, one.path)]
        if len(beside) != 1:
            place = posixpath.dirname(metric)
            beside = [
                one
                for one in beside or found
                if metric and posixpath.dirname(posixpath.normpath(one.path)) == place
            ]
        found = beside
    if len(found) != 1:
        return None
    makers = _makers(stages, found[0].path)
    reached = pipeline.downstream(pipeline.stage_needs(stages), makers)
    return None if scoring and makers and not scoring & reached else found[0]


def _makers(stages: Sequence[Stage], path: str) -> set[str]:
    return {stage.name for stage in stages for out in stage.outs if touches(out.path, path)}


def unnamed(workspace: Workspace, config: ProjectConfig) -> list[str]:
    """Say that files which a run makes have predictions, and that the settings name none."""
    top = workspace.top or workspace.start
    folder = project_folder(top, config.project)
    paths = list(config.outputs)
    stages: tuple[Stage, ...] = ()
    if config.pipeline is None:
        there = sorted(path.name for path in folder.glob("*.csv"))[:_MOST_TABLES]
        held = status.tracked(workspace, [posixpath.join(config.project, path) for path in there])
        paths += [path for path in there if posixpath.join(config.project, path) not in held]
    else:
        with contextlib.suppress(GitexpError):  # of a pipeline that is broken `run` says it
            resolved = pipeline.look([(top, config)])[0]
            stages = (*resolved.executed, *resolved.apart)
            paths += [out.path for stage in resolved.executed for out in stage.outs]
    choice = choose(folder, paths, stages, config.metrics)
    if not choice.paths:
        return []
    path = choice.paths[0] if choice.taken is None else choice.taken.path
    step = f"gitexp init --predictions {shlex.quote(path)}"
    if choice.taken is not None:
        return [f"{path} has per-example predictions; `--claim model` takes them after {step}"]
    metric = choice.apart or "the metric"
    said = (
        f"{path} has per-example predictions, but {metric} does not depend on the stage that "
        f"writes it: if they are the predictions that {metric} scores, {step}"
    )
    if len(choice.paths) > 1:
        listed = ", ".join(choice.paths[:_SHOWN])
        more = f" and {len(choice.paths) - _SHOWN} more" if choice.paths[_SHOWN:] else ""
        said = (
            f"several files have per-example predictions, and none was taken: {listed}{more}; name "
            f"the one that {metric} is computed from: gitexp init --predictions FILE"
        )
    return [said]


def _header(folder: Path, path: str) -> tuple[str, ...]:
    return _columns_of(_bytes(folder, path), path) or () if path.lower().endswith(".csv") else ()


def _bytes(folder: Path, path: str) -> bytes | None:
    """Return the start of a table, or all of a JSON file, which has no header."""
    return bytes_inside(folder, path, LIMIT + 1 if path.lower().endswith(".json") else _HEAD_BYTES)


def _columns_of(data: bytes | None, path: str) -> tuple[str, ...] | None:
    """Return the header; None where there is no file, nothing where it cannot be read."""
    if data is None:
        return None
    if not path.lower().endswith(".json"):
        data = data[:_HEAD_BYTES].split(b"\n", 1)[0]
    with contextlib.suppress(GitexpError):
        return columns_of(data, path)
    return ()


def _columns(path: str, header: Sequence[str]) -> Predictions | None:
    return single(Predictions(path), fitting(header, lambda _: False))
