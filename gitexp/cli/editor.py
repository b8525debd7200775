"""Opens the user's editor, as `git commit` does."""

from __future__ import annotations

import os
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import BadHypothesisError, ConfirmationError, UsageError
from gitexp.formats import plan as plan_format
from gitexp.formats.effects import guard_text
from gitexp.formats.yamlwrite import yaml_dumps
from gitexp.git import command
from gitexp.ops.new import TEMPLATE_HYPOTHESIS

if TYPE_CHECKING:
    from gitexp.cli.context import Context
    from gitexp.formats.plan import Draft
    from gitexp.model.workspace import Workspace

_HEAD = """\
# The plan of {name}. Fill it in, save and leave; an unchanged hypothesis makes no experiment.
#   effect     promised gain of the metric over the baseline: ">=5%", ">0", ">=0.01", ">=-2%"
#   claim      method: the recipe, needs repeats; model: these two artefacts
#   guards     metrics that must not get worse: [latency_ms<=+5%]
"""


def edit_text(text: str, name: str, context: Context, workspace: Workspace) -> str:
    """Let the user edit a text and return it.

    Parameters
    ----------
    text : str
    name : str
        File name, for the editor's sake.
    context : Context
    workspace : Workspace

    Raises
    ------
    ConfirmationError
        If there is no terminal and no editor was chosen.
    UsageError
        If the editor fails.
    """
    chosen = {"GIT_EDITOR", "VISUAL", "EDITOR"} & context.environ.keys()
    if not context.interactive and not chosen:
        raise ConfirmationError("there is no terminal to edit in", next_step="give it by options")
    program = command.run(
        workspace,
        ["var", "GIT_EDITOR"],
        env={key: context.environ[key] for key in chosen},
    ).decode()
    with tempfile.TemporaryDirectory(prefix="gitexp-") as folder:
        path = Path(folder, name)
        path.write_text(text, encoding="utf-8")
        # Git starts its editor through sh too: the setting may hold options.
        done = subprocess.run(
            ["sh", "-c", f'{program.strip()} "$@"', "sh", os.fspath(path)], check=False
        )
        if done.returncode:
            raise UsageError("the editor failed", found=f"exit code {done.returncode}")
        return path.read_text(encoding="utf-8")


def edit_draft(name: str, draft: Draft, context: Context, workspace: Workspace) -> Draft:
    """Let the user fill in a plan.

    Raises
    ------
    BadHypothesisError
        If the template's hypothesis was left.
    """
    metric = draft.metric or ""
    if draft.direction is not None:
        metric = f"{metric}:{draft.direction.value}"
    fields = {
        "objective": draft.objective or "",
        "hypothesis": draft.hypothesis or TEMPLATE_HYPOTHESIS,
        "metric": metric or "f1:max",
        "effect": draft.effect or ">0",
        "claim": draft.claim.value if draft.claim else "method",
        "alpha": draft.alpha or 0.05,
        "repeats": draft.repeats or 10,
        "guards": [guard_text(guard) for guard in draft.guards],
        "baseline": draft.baseline or "HEAD",
    }
    text = _HEAD.format(name=name) + yaml_dumps(fields).decode()
    edited = edit_text(text, f"{name}.yaml", context, workspace)
    found = plan_format.load_draft(edited.encode(), f"{name}.yaml")
    if found.hypothesis == TEMPLATE_HYPOTHESIS:
        raise BadHypothesisError(
            "the hypothesis is still the template's", expected="a sentence of your own"
        )
    if found.metric and found.direction is None:
        parsed, direction = plan_format.parse_metric(found.metric)
        found = replace(found, metric=parsed, direction=direction)
    return found
