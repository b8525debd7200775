"""Finds the file of per-example predictions that belongs to the metric of a project."""

from __future__ import annotations

import contextlib
import csv
import io
import posixpath
import shlex
from typing import TYPE_CHECKING

from gitexp.dvc import pipeline
from gitexp.dvc.dvcpipeline import touches
from gitexp.errors import GitexpError
from gitexp.git.discovery import project_folder
from gitexp.git.worktree import status
from gitexp.model import dataclass
from gitexp.model.config import Predictions

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.model.config import ProjectConfig
    from gitexp.model.job import Stage
    from gitexp.model.workspace import Workspace

_ID_NAMES = ("id", "example_id", "row_id", "index", "idx", "key")
_HEAD_BYTES = 1 << 16
_MOST_TABLES = 100  # whose headers are read
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Choice:
    """The predictions of the metric, if that is clear, and all files that have some."""

    taken: Predictions | None
    paths: tuple[str, ...]
    apart: str = ""  # the metrics file that keeps one from being taken


def named(folder: Path, path: str) -> Predictions:
    """Return a file that was asked for; its header is read where it is there."""
    return _columns(path, _header(folder / path)) or Predictions(path)


def choose(
    folder: Path, paths: Iterable[str], stages: Sequence[Stage], metrics: Sequence[str]
) -> Choice:
    """Take the file that the first metrics file is computed from, and none where that is a guess.

    A plan freezes the choice, and `compare` sees by these rows whether repeats divide a table
    anew: those of another part of the pipeline would hide it. So none is taken either where another
    metrics file, which a plan may name as well, is of another part.
    """
    each = (_columns(path, _header(folder / path)) for path in dict.fromkeys(paths))
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


def _header(path: Path) -> list[str]:
    if path.suffix.lower() != ".csv" or not path.is_file():
        return []
    with path.open("rb") as stream:
        line = stream.read(_HEAD_BYTES).split(b"\n", 1)[0]
    try:
        return next(csv.reader(io.StringIO(line.decode("utf-8-sig"))), [])
    except (UnicodeDecodeError, csv.Error):
        return []


def _columns(path: str, header: Sequence[str]) -> Predictions | None:
    names = {name.strip().lower(): name for name in header}
    true = next((names[n] for n in ("y_true", "label", "target") if n in names), None)
    pred = next((names[n] for n in ("y_pred", "prediction", "predicted") if n in names), None)
    key = next((names[n] for n in _ID_NAMES if n in names), None)
    if true is None or pred is None or key is None:
        return None
    return Predictions(path, id=key, y_true=true, y_pred=pred)
