"""Opens the user's editor, as `git commit` does; what was typed outlives an error."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import BadHypothesisError, ConfirmationError, GitexpError, UsageError
from gitexp.git import command
from gitexp.git.command import translating
from gitexp.git.transaction import layout
from gitexp.model.plan import ALPHA, REPEATS
from gitexp.records import plan as plan_format
from gitexp.records.plan import TEMPLATE_HYPOTHESIS
from gitexp.records.terms import guard_text, parse_metric
from gitexp.text.yamlwrite import yaml_dumps

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.cli.context import Context
    from gitexp.model.plan import PlanDraft
    from gitexp.model.workspace import Workspace

_HEAD = """\
# The plan of {name}. Fill it in, save and leave; an unchanged hypothesis makes no experiment.
#   effect     promised gain of the metric over the baseline: ">=5%", ">0", ">=0.01", ">=-2%"
#   claim      method: the recipe, needs repeats; model: these two artefacts
#   guards     metrics that must not get worse: [latency_ms<=+5%]
"""


@contextlib.contextmanager
def kept(workspace: Workspace, name: str, again: str) -> Iterator[Path]:
    """Give a place for a text that is edited; it is removed once all went well.

    `again`: the beginning of the command that takes up the text after an error, whose path ends it.
    The result: in the Git directory, as Git keeps a commit's message.
    """
    path = layout.state(workspace.git_dir, name)
    try:
        yield path
    except GitexpError as error:
        if path.exists():
            error.next_step = f"mend it, then: {again} {shlex.quote(str(path))}"
        raise
    path.unlink(missing_ok=True)


def edit_text(path: Path, text: str, context: Context, workspace: Workspace) -> str:
    """Let the user edit a text and return it; the file goes if it comes back unchanged."""
    chosen = {"GIT_EDITOR", "VISUAL", "EDITOR"} & context.environ.keys()
    if not context.interactive and not chosen:
        raise ConfirmationError("there is no terminal to edit in", next_step="give it by options")
    program = command.run(
        workspace, ["var", "GIT_EDITOR"], env={key: context.environ[key] for key in chosen}
    ).decode()
    with translating("there is no place for the text", str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    # Git starts its editor through sh too: the setting may hold options.
    done = subprocess.run(
        ["sh", "-c", f'{program.strip()} "$@"', "sh", os.fspath(path)], check=False
    )
    try:
        edited = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            "what the editor left cannot be read", found=str(error)[:200], where=str(path)
        ) from error
    if edited == text:
        path.unlink()  # nothing was typed that could be lost
    if done.returncode:
        raise UsageError("the editor failed", found=f"exit code {done.returncode}")
    return edited


def edit_draft(
    path: Path, name: str, draft: PlanDraft, context: Context, workspace: Workspace
) -> PlanDraft:
    """Let the user fill in a plan."""
    metric = draft.metric or ""
    if draft.direction is not None:
        metric = f"{metric}:{draft.direction.value}"
    fields = {
        "objective": draft.objective or "",
        "hypothesis": draft.hypothesis or TEMPLATE_HYPOTHESIS,
        "metric": metric or "f1:max",
        "effect": draft.effect or ">0",
        "claim": draft.claim.value if draft.claim else "method",
        "alpha": draft.alpha or ALPHA,
        "repeats": draft.repeats or REPEATS,
        "guards": [guard_text(guard) for guard in draft.guards or ()],
        "baseline": draft.baseline or "HEAD",
    }
    text = _HEAD.format(name=name) + yaml_dumps(fields).decode()
    edited = edit_text(path, text, context, workspace)
    found = plan_format.load_draft(edited.encode(), path.name)
    if found.hypothesis == TEMPLATE_HYPOTHESIS:
        raise BadHypothesisError(
            "the hypothesis is still the template's",
            expected="a sentence of your own",
            next_step=f"gitexp new {shlex.quote(name)} --edit",
        )
    if found.metric and found.direction is None:
        parsed, direction = parse_metric(found.metric)
        found = replace(found, metric=parsed, direction=direction)
    return found
