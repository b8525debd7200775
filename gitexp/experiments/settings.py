"""Changes the settings that are there by the options of another `gitexp init`."""

from __future__ import annotations

import contextlib
import posixpath
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.dvc import gitignore, pipeline
from gitexp.dvc.dvcpipeline import outermost
from gitexp.errors import GitexpError, UsageError
from gitexp.execution import usage
from gitexp.execution.preflight.drift import fixed_seeds, seed_rule
from gitexp.experiments import detect, predictions
from gitexp.git import repository
from gitexp.git.discovery import project_folder
from gitexp.git.transaction import layout
from gitexp.model.config import InputsMode
from gitexp.records import config as config_format

if TYPE_CHECKING:
    from pathlib import Path

    from gitexp.model.config import ProjectConfig
    from gitexp.model.request import InitRequest
    from gitexp.model.workspace import Workspace

_OWN = ("params", "metrics", "outputs", "seed")  # what another project has others of
_SWITCHED = (
    "a plan that is there keeps the mode of its commit; the next run of the committed seed is held "
    "against that of tree mode"
)
_ACTING = (
    "these settings act on results: repeats of the settings before count for the states that had "
    "them, and no more for this one"
)


def revise(
    workspace: Workspace, top: Path, request: InitRequest, config: ProjectConfig
) -> detect.Proposal:
    """Return the settings with what was asked for; of what else is there now, it is only told."""
    if request.inputs is InputsMode.DECLARED and not config.is_declared:
        _asked(request, config)  # which refuses rules 1
        found = usage.undeclared(repository.open_repository(workspace))
        request = replace(request, add_inputs=(*request.add_inputs, *found))
    new = _asked(request, config)
    seeds = bool(request.seed_params) or request.seed_arg is not None
    if new == config and not seeds and not request.predictions:
        return detect.proposed(config, (), _unnamed(workspace, config))
    folder = project_folder(top, new.project)
    new = replace(new, params=detect.with_seeds(folder, new.params, request))
    notes: list[str] = []
    detect.check_folder(folder)
    detect.check_params(workspace, new.project, request.params)
    before = config.predictions
    if request.predictions and (before is None or before.path != request.predictions):
        spec, more = predictions.named(workspace, new, request.predictions)
        new = replace(new, predictions=spec)
        notes += more
        if new.pipeline is None and request.predictions not in new.metrics:
            new = replace(new, outputs=outermost((*new.outputs, request.predictions)))
    made = [path for path in new.outputs if path not in config.outputs]
    gitignore.refuse_tracked(workspace, new.project, made)
    if new.pipeline is None:
        gitignore.refuse_ignored_pointers(workspace, new.project, made)
    if seeds or new.project != config.project:
        there = new.pipeline is not None and not request.write_pipeline
        stages = pipeline.look([(top, new)])[0].executed if there else ()
        if seeds:
            rule = seed_rule(request, folder, new.params, stages, config.seed)
            notes += fixed_seeds(request, rule)
            new = replace(new, seed=rule)
    _refuse_another(workspace, top, request, config, new)
    changes = dict(detect.describe(new)).items() - dict(detect.describe(config)).items()
    was = dict(detect.describe(config))
    said = [f"{label} was {was.get(label, 'not set')}" for label, _ in sorted(changes)]
    if new.inputs_mode is not config.inputs_mode:
        said.append(_SWITCHED)
    if config_format.results_part(new) != config_format.results_part(config):
        said.append(_ACTING)
    return detect.proposed(new, made, (*said, *notes, *_unnamed(workspace, new)))


def _refuse_another(
    workspace: Workspace, top: Path, request: InitRequest, config: ProjectConfig, new: ProjectConfig
) -> None:
    """Refuse to turn to another project, whose outputs, parameters or seed are not these."""
    old = top / config.project / (config.pipeline or "")
    named = config.pipeline is None and (request.command is not None or not config.project)
    if new.project == config.project or named or not old.exists():  # it was moved there
        return
    with contextlib.suppress(GitexpError):
        asked = replace(request, project=new.project, command=new.command)
        there = detect.propose(workspace, top, asked).config
        if all(getattr(there, name) == getattr(new, name) for name in _OWN):
            return
    folder = shlex.quote(new.project or ".")
    raise UsageError(
        "a repository holds one gitexp project, and its settings are those of another folder",
        found=f"the project in {config.project or 'the top'}, which is there",
        where=layout.CONFIG,
        expected="the folder to which that project was moved",
        next_step=f"git rm {layout.CONFIG} && git commit -m 'another project', then gitexp init "
        f"--project {folder}, which gives that project up",
    )


def _unnamed(workspace: Workspace, config: ProjectConfig) -> list[str]:
    return [] if config.predictions else predictions.unnamed(workspace, config)


def _asked(request: InitRequest, config: ProjectConfig) -> ProjectConfig:
    """Return the settings with what needs no look at the project."""
    project = config.project
    if request.project is not None:
        project = posixpath.normpath(request.project.strip("/") or ".").removeprefix(".")
    new = replace(
        config,
        project=project,
        params=request.params or config.params,
        metrics=request.metrics or config.metrics,
        outputs=outermost(request.outputs) or config.outputs,
        python=request.python or config.python,
        inputs_mode=request.inputs or config.inputs_mode,
        inputs_include=tuple(dict.fromkeys((*config.inputs_include, *request.add_inputs))),
    )
    if (new.inputs_include or new.is_declared) and new.inputs_rules == 1:
        paths = (f"--add-inputs {shlex.quote(each)}" for each in request.add_inputs)
        raise UsageError(
            "this project leaves out what inputs.ignore names, and nothing else",
            found="--inputs declared" if new.is_declared else next(paths, ""),
            where=layout.CONFIG,
            expected="inputs: {rules: 2}, which leaves out tests, docs and notebooks, too",
            next_step="write rules: 2 there, and commit it"
            if new.is_declared
            else "take it from inputs.ignore there, and commit it",
        )
    if request.command is None:
        return new
    if request.write_pipeline:
        return replace(new, pipeline=config.pipeline or detect.PIPELINE, command=None)
    return replace(new, pipeline=None, targets=(), command=request.command)
