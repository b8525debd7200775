"""Proposes the settings of a project from what lies in its folder."""

from __future__ import annotations

import contextlib
import posixpath
import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING

from gitexp.comparison.known_metrics import logs_metrics
from gitexp.comparison.randomness import seeding
from gitexp.dvc import dvcpipeline, pipeline
from gitexp.dvc.dvcpipeline import Pipeline, outermost, touches
from gitexp.dvc.gitignore import refuse_ignored_pointers, refuse_tracked
from gitexp.dvc.state import live_folders
from gitexp.errors import (
    BadFormatError,
    NoPipelineError,
    UnsafeInputError,
    UsageError,
)
from gitexp.execution import prepare
from gitexp.execution.preflight.drift import fixed_seeds, has_seed, seed_rule
from gitexp.execution.preflight.mentions import own_paths
from gitexp.experiments import predictions
from gitexp.git.discovery import bytes_inside, project_folder
from gitexp.git.upstream import USUAL
from gitexp.git.worktree import status
from gitexp.model import dataclass, replace
from gitexp.model.config import DEFAULT_METRICS, ProjectConfig
from gitexp.model.ids import ABSENT
from gitexp.model.job import OutKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from gitexp.git import refs
    from gitexp.git.repository import Repo
    from gitexp.model.job import Stage
    from gitexp.model.request import InitRequest
    from gitexp.model.workspace import Workspace


PIPELINE = "dvc.yaml"
_NO_STAGES = "dvc.yaml has no stages, as a logger writes it, and no command was given"
PARAMS = "params.yaml"
_LOGGED = "metrics are what the scripts log by gitexp.log_metric; no file is named"
# Of a command: files of settings; other words are taken whole.
_WORDS = re.compile(r"([\w.][\w./-]*\.(?:ya?ml|json|toml)\b)|[\w.][\w./-]*")
_SHOWN = 10
_PLAIN = re.compile(r"[A-Za-z0-9._/-]{1,200}")  # a name that is a pattern of itself


@dataclass(frozen=True, slots=True)
class Proposal:
    """Settings, what they rest on, and what stays open."""

    config: ProjectConfig
    found: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    # what DVC will keep, from the repository's top: Git has to ignore it on every branch
    ignored: tuple[str, ...] = ()


def placed(workspace: Workspace, top: Path, request: InitRequest, *, settled: bool) -> InitRequest:
    """Return the request with its project from the top: as typed it is below where somebody stands.

    Without one it is that folder where the files that are named lie there alone, or its pipeline.

    `settled`: whether settings name it already.
    """
    here = standing(workspace, top)
    if request.project is not None:
        paths = [posixpath.normpath(posixpath.join(base, request.project)) for base in (here, "")]
        inside = [p for p in paths if not p.startswith(("/", "..")) and (top / p).is_dir()]
        return replace(request, project=inside[0].removeprefix(".")) if inside else request
    if not here or settled:
        return request
    if request.command is None:
        path = f"{here}/{PIPELINE}"
        piped = (top / path).exists() and _is_pipeline(top, path)
        return replace(request, project=here) if piped else request
    words = {*request.command.split(), *request.params, *request.metrics, *request.outputs}
    there, above = ({word for word in words if (at / word).is_file()} for at in (top / here, top))
    return replace(request, project=here) if there > above else request


def standing(workspace: Workspace, top: Path) -> str:
    """Return the folder in which somebody stands, from the top, "" for the top itself."""
    start, top = workspace.start.resolve(), top.resolve()
    return start.relative_to(top).as_posix().removeprefix(".") if start.is_relative_to(top) else ""


def propose(workspace: Workspace, top: Path, request: InitRequest) -> Proposal:
    """Find pipeline, outputs, metrics, params files, seed parameter and predictions."""
    if request.command is not None:
        project = (request.project or "").strip("/")
        return _with_command(workspace, top, project, request)
    project = _find_project(workspace, top, request.project)
    start = ProjectConfig(project=project, pipeline=PIPELINE)
    resolved = pipeline.look([(top, start)])[0]
    stages = (*resolved.executed, *resolved.apart)
    folder = project_folder(top, project)
    outs = [out for stage in stages for out in stage.outs]
    declared = [out.path for out in outs if out.kind is OutKind.METRIC]
    every = [resolved.top, *_logged(workspace, top, project)]
    metrics = request.metrics or tuple(
        dict.fromkeys((*declared, *(path for one in every for path in one.metrics)))
    )
    made = {out.path for out in outs if out.path not in metrics or out.cache}
    drawn = _drawn(folder, stages, [path for one in every for path in (*one.plots, *one.artifacts)])
    outputs = request.outputs or tuple(sorted(made | (drawn - set(metrics))))
    cached = [out.path for out in outs if out.cache]
    refuse_tracked(workspace, project, cached)
    params = request.params or _params_files(folder, stages, _own_params(resolved.top))
    params = with_seeds(folder, params, request)
    config = replace(start, params=params, metrics=metrics, outputs=outputs)
    config, notes = _completed(workspace, config, request, resolved)
    if not metrics:
        no_file = "dvc.yaml declares no metrics file; name one under metrics: files:"
        notes.append(_LOGGED if logs_metrics(folder) else no_file)
    bare = [posixpath.join(project, out.path) for out in outs if not out.cache]
    notes += [
        f"{path}: Git ignores it and DVC does not cache it, so no commit will hold it: take it out "
        f"of {file}, or let DVC cache it"
        for path, (_, file) in status.ignoring(workspace, bare).items()
    ]
    found = dict(describe(config))
    found["pipeline"] += f", {len(resolved.executed)} stages"
    return replace(proposed(config, cached, notes), found=tuple(found.items()))


def proposed(config: ProjectConfig, kept: Iterable[str], notes: Sequence[str]) -> Proposal:
    """Return settings with what they say; of what is `kept` Git has to ignore all."""
    ignored = tuple(posixpath.normpath(posixpath.join(config.project, path)) for path in kept)
    return Proposal(config, tuple(describe(config)), tuple(notes), ignored)


def _with_command(workspace: Workspace, top: Path, project: str, request: InitRequest) -> Proposal:
    folder = project_folder(top, project)
    check_folder(folder)
    usual = (PARAMS,) if (folder / PARAMS).exists() else ()
    seeds = [
        path for path in _WORDS.findall(request.command or "") if path and has_seed(folder, path)
    ]
    named = (*usual, *map(posixpath.normpath, seeds))
    params = with_seeds(folder, request.params or tuple(dict.fromkeys(named)), request)
    check_params(workspace, project, params)
    logged = [path for one in _logged(workspace, top, project) for path in one.metrics]
    metrics = request.metrics or tuple(dict.fromkeys(logged)) or _supposed_metrics(folder)
    refuse_tracked(workspace, project, request.outputs)
    named = (*request.outputs, *filter(None, (request.predictions,)))
    if not request.write_pipeline:
        refuse_ignored_pointers(workspace, project, named)
    notes: list[str] = []
    if not metrics:
        notes.append(_LOGGED)
    elif not (request.metrics or logged or (folder / DEFAULT_METRICS).exists()):
        notes.append(
            f"no metrics file was named: the command has to write {DEFAULT_METRICS}, or to call "
            "gitexp.log_metric; --metrics FILE names another"
        )
    if not named:
        notes.append(
            f"a run keeps {', '.join(metrics) or 'numbers'} alone; whatever else the command "
            "writes, a model say, is thrown away with the run's worktree, unless outputs: in the "
            "settings names it"
        )
    absent = [
        word
        for word in (request.command or "").split()
        if word.endswith((".py", ".sh")) and not (folder / word).exists()
    ]
    if absent and " cd " not in f" {request.command}":
        other = f"; it is with {way}" if (way := _with(workspace, absent[0])) else ""
        notes.append(f"the command names {', '.join(absent)}, which is not there{other}")
    if project != (here := standing(workspace, top)) and request.project is None:
        notes.append(f"the project is the repository's top; --project {here} takes this folder")
    config = ProjectConfig(
        project=project,
        pipeline=PIPELINE if request.write_pipeline else None,
        command=None if request.write_pipeline else request.command,
        params=params,
        metrics=metrics,
        outputs=outermost(request.outputs),
    )
    config, more = _completed(workspace, config, request, None)
    spec = config.predictions
    if spec is not None and spec.path not in metrics:
        config = replace(config, outputs=outermost((*config.outputs, spec.path)))
    kept = [path for path in config.outputs if path not in metrics]
    return proposed(config, kept, (*notes, *more))


def _completed(
    workspace: Workspace,
    config: ProjectConfig,
    request: InitRequest,
    resolved: pipeline.Resolved | None,
) -> tuple[ProjectConfig, list[str]]:
    """Add seed, predictions and interpreter, and return what stays open about them."""
    folder = project_folder(workspace.top or workspace.start, config.project)
    stages = () if resolved is None else (*resolved.executed, *resolved.apart)
    executed = () if resolved is None else resolved.executed
    seed = seed_rule(request, folder, config.params, executed)
    notes = fixed_seeds(request, seed)
    outs = [out.path for stage in stages for out in stage.outs] or request.outputs
    if request.predictions is None:
        found = predictions.choose(folder, outs, stages, config.metrics).taken
    else:
        found, more = predictions.named(workspace, config, request.predictions)
        notes += more
    if found is None:
        none = (
            "no per-example predictions were found (columns id, y_true, y_pred); "
            "`--claim model` needs them"
        )
        notes += predictions.unnamed(workspace, config) or [none]
    return replace(config, seed=seed, predictions=found, python=request.python), notes


def _supposed_metrics(folder: Path) -> tuple[str, ...]:
    """Return the usual metrics file, but for where metrics are logged and nothing speaks of it."""
    usual = (folder / DEFAULT_METRICS).exists() or status.files(folder, DEFAULT_METRICS)
    return () if logs_metrics(folder) and not usual else (DEFAULT_METRICS,)


def _find_project(workspace: Workspace, top: Path, asked: str | None) -> str:
    if asked is not None:
        project = "" if asked in {".", "./"} else asked.strip("/")
        check_folder(top / project)
        if not (top / project / PIPELINE).exists():
            raise NoPipelineError(
                f"there is no {PIPELINE} in that folder", where=str(top / project)
            )
        if not _is_pipeline(top, posixpath.join(project, PIPELINE)):
            raise NoPipelineError(_NO_STAGES, where=str(top / project / PIPELINE))
        return project
    if (top / PIPELINE).exists() and _is_pipeline(top, PIPELINE):
        return ""
    everywhere = status.listed(workspace, PIPELINE)
    folders = sorted({posixpath.dirname(path) for path in everywhere if _is_pipeline(top, path)})
    if not folders:
        what = _NO_STAGES if everywhere else "there is no dvc.yaml here, and no command was given"
        here = standing(workspace, top)
        step = NoPipelineError.hint.replace("init", f"init --project {shlex.quote(here)}", 1)
        raise NoPipelineError(what, where=str(top), next_step=step if here else "")
    if len(folders) > 1:
        raise UsageError(
            "there are several pipelines",
            found=", ".join(folders[:10]),
            next_step=f"gitexp init --project {shlex.quote(folders[0])}",
        )
    return folders[0]


def check_folder(folder: Path) -> None:
    """Refuse a project's folder that is not there."""
    if not folder.is_dir():
        raise UsageError(
            "the project's folder is not there",
            where=str(folder),
            expected="a folder below the repository's top",
            next_step="the same without --project, for the top itself",
        )


def check_params(workspace: Workspace, project: str, params: Iterable[str]) -> None:
    """Refuse a params file that is not there."""
    folder = (workspace.top or workspace.start) / project
    for file in params:
        if not (folder / file).exists():
            other = _with(workspace, file)
            step = f"with {other}" if other else "without --params, if the project has none"
            what = f"the params file {file} is not there"
            raise UsageError(what, where=str(folder), next_step=f"the same {step}")


def _with(workspace: Workspace, file: str) -> str:
    known = status.listed(workspace, posixpath.basename(file))
    tops = [path.removesuffix(f"/{file}") for path in known if path.endswith(f"/{file}")]
    return f"--project {shlex.quote(tops[0])}" if tops else ""


def with_seeds(folder: Path, params: Sequence[str], request: InitRequest) -> tuple[str, ...]:
    """Return the params files with those that ``--seed-param FILE:KEY`` names, where they exist."""
    named = (key.file for key in request.seed_params if key.file != PARAMS)
    return tuple(dict.fromkeys((*params, *(file for file in named if (folder / file).is_file()))))


def _params_files(folder: Path, stages: Sequence[Stage], more: Sequence[str]) -> tuple[str, ...]:
    named = [each.file for stage in stages for each in stage.params]
    first = [PARAMS] if (folder / PARAMS).exists() else []
    made = [out.path for stage in stages for out in stage.outs]  # a logger's copy, say
    shown = [file for file in more if not any(touches(file, path) for path in made)]
    return tuple(dict.fromkeys([*first, *named, *shown]))


def _own_params(shown: Pipeline) -> list[str]:
    """Return the params files that dvc.yaml shows without copies that DVCLive makes of them."""
    logs = {*live_folders((*shown.metrics, *shown.plots, *shown.params))}
    return [path for path in shown.params if posixpath.dirname(path) not in logs]


def _logged(workspace: Workspace, top: Path, project: str) -> list[Pipeline]:
    """Return what a logger such as DVCLive declared beside its files: dvc.yaml without stages."""
    found = []
    for path in status.listed(workspace, PIPELINE):
        inside = path.removeprefix(f"{project}/") if project else path
        if not project or inside != path:
            found.append(_without_stages(top, path, posixpath.dirname(inside)))
    return [each for each in found if each is not None]


def _is_pipeline(top: Path, path: str) -> bool:
    """Tell whether a dvc.yaml is more than what a logger writes; one that cannot be read is."""
    return _without_stages(top, path, "") is None


def _without_stages(top: Path, path: str, folder: str) -> Pipeline | None:
    """Return what a dvc.yaml without stages declares; None for a pipeline, or another project's."""
    data = bytes_inside(top, path, pipeline.LIMIT_BYTES + 1)
    if data is None:
        return None
    with contextlib.suppress(BadFormatError, UnsafeInputError):
        read = dvcpipeline.load_pipeline(data, path, folder)
        if not (read.stages or read.needs_dvc):
            return read
    return None


def _drawn(folder: Path, stages: Sequence[Stage], paths: Iterable[str]) -> set[str]:
    """Return those plots and artifacts that a run makes and that lie in no output of a stage.

    A file that a stage reads, or that a ``.dvc`` file stands for, may be drawn, too: it is no
    output, and the inputs have to count it.
    """
    known = [path for stage in stages for path in (*stage.deps, *(out.path for out in stage.outs))]
    return {
        path
        for path in paths
        if not path.startswith("../")
        and not any(touches(path, other) for other in known)
        and not any((folder / f"{one}.dvc").exists() for one in (path, *PurePath(path).parents))
    }


def describe(config: ProjectConfig) -> list[tuple[str, str]]:
    """Return what the settings say, as (what, where) for people."""
    seed = ", ".join(map(str, config.seed.params)) or config.seed.arg or "GITEXP_SEED only"
    if config.seed.fixed:
        seed += f"; fixed: {', '.join(map(str, config.seed.fixed))}"
    lies = "" if config.pipeline is None else posixpath.join(config.project, config.pipeline)
    rows = [
        ("project", config.project),
        ("command", config.command or ""),
        ("pipeline", lies),
        ("params", ", ".join(config.params)),
        ("metrics", ", ".join(config.metrics)),
        ("outputs", ", ".join(config.outputs)),
        ("seed", seed),
        ("predictions", predictions.described(config.predictions)),
        ("python", config.python or ""),
        ("inputs", "declared" if config.is_declared else ""),
        ("included", ", ".join(config.inputs_include)),
    ]
    return [(label, text) for label, text in rows if text]


def with_protected(repo: Repo, head: refs.Head, proposal: Proposal) -> Proposal:
    """Protect the main branch also where it has another name: rules count as it has them."""
    name = repo.main or head.branch or ""
    if not _PLAIN.fullmatch(name):
        return proposal
    note = f"{name} is taken for the branch to merge into: rules.protected in the settings"
    return replace(
        proposal,
        config=replace(proposal.config, protected=(name,)),
        notes=proposal.notes if name in USUAL else (*proposal.notes, note),
    )


def with_advice(repo: Repo, head: refs.Head, proposal: Proposal) -> Proposal:
    """Say where the code takes up no seed, and what runs would lack, before two sides are run."""
    if head.commit is ABSENT:
        return proposal
    advice = seeding.read(repo, head.commit, proposal.config).advice()
    top = repo.workspace.top
    away = {} if top is None else own_paths(repo, top, head.commit, proposal.config)
    lacking = "" if top is None else prepare.unseen(repo, top, head.commit, proposal.config)
    said = [
        f"{file}, {place}: an absolute path into this work tree, which a run has to do without:"
        " make it relative to the project folder"
        for file, place in away.items()
    ]
    return replace(
        proposal, notes=(*proposal.notes, *filter(None, [advice, lacking]), *said[:_SHOWN])
    )
