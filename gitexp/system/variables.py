"""What a stage command is started with: its shell, as DVC chooses it, and its variables.

The same command has to do the same under ``gitexp run`` and ``dvc repro``, so the shell is the
user's own, without its start-up files; what leads to another repository or another environment is
taken away or set right.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.git.command import JOB_VARIABLES, LOCAL_VARIABLES
from gitexp.system.imports import python_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.job import Job, Stage

_SHELL_OPTIONS = {"bash": ("--noprofile", "--norc"), "zsh": ("--no-rcs",)}
_GIT_COUNT = "GIT_CONFIG_COUNT"


def job_variables(
    job: Job, worktree: Path, own: Mapping[str, str], inherited: Mapping[str, str]
) -> dict[str, str]:
    """Return all variables of a job's commands.

    `own`: what the worker adds, such as GITEXP_POINTS.
    """
    env = {name: value for name, value in inherited.items() if name not in LOCAL_VARIABLES}
    project = worktree / job.project
    folder = os.path.dirname(job.python)  # noqa: PTH120  a lone name has no folder
    env["PATH"] = os.pathsep.join(filter(None, (folder, env.get("PATH", os.defpath))))
    environment = os.path.dirname(folder)  # noqa: PTH120
    if os.path.exists(f"{environment}/pyvenv.cfg"):  # noqa: PTH110
        env["VIRTUAL_ENV"] = environment
        env["UV_PROJECT_ENVIRONMENT"] = environment
    elif "UV_PROJECT_ENVIRONMENT" in env:  # relative to a project that is somewhere else now
        env["UV_PROJECT_ENVIRONMENT"] = os.path.normpath(
            Path(job.repository, env["UV_PROJECT_ENVIRONMENT"])
        )
    # `uv run` would install the worktree's project into the user's own environment.
    env["UV_NO_SYNC"] = "1"
    path = python_path(job.import_paths, worktree, job.repository, env.get("PYTHONPATH", ""))
    if path:
        env["PYTHONPATH"] = path
    else:
        env.pop("PYTHONPATH", None)
    _add_git(env)
    env["PYTHONHASHSEED"] = "0"
    env["DVC_ROOT"] = str(project)
    env["GITEXP_SEED"] = str(job.seed)
    env["GITEXP_RUN"] = job.run
    env["GITEXP_PROJECT"] = str(project)
    env.update(own)
    env.update(job.variables)
    return env


def shell(command: str, env: Mapping[str, str]) -> list[str]:
    """Return the argument list that runs one command.

    Examples
    --------
    >>> shell("python train.py", {"SHELL": "/usr/bin/bash"})
    ['/usr/bin/bash', '--noprofile', '--norc', '-c', 'python train.py']
    """
    program = env.get("SHELL") or "/bin/sh"
    options = _SHELL_OPTIONS.get(program.rpartition("/")[2].lower(), ())
    return [program, *options, "-c", command]


def commands(stage: Stage, job: Job) -> tuple[str, ...]:
    """Return the commands of a stage one by one, as DVC runs them; the last one gets the seed.

    A text in dvc.yaml is one command a line; the entries of a list may have several lines.
    """
    found = list(stage.commands)
    if not stage.listed:
        found = [line for text in found for line in text.splitlines()]
    found = [line for line in found if line.strip()]
    if job.seed_arg is not None and found:
        found[-1] = f"{found[-1].rstrip()} {job.seed_arg.replace('{seed}', str(job.seed))}"
    return tuple(found)


def _add_git(env: dict[str, str]) -> None:
    """Add our settings for git to those that are handed down the same way."""
    start = int(count) if (count := env.get(_GIT_COUNT, "")).isdigit() else 0
    for number in range(int(JOB_VARIABLES[_GIT_COUNT])):
        for part in ("GIT_CONFIG_KEY_", "GIT_CONFIG_VALUE_"):
            env[f"{part}{start + number}"] = JOB_VARIABLES[f"{part}{number}"]
    env[_GIT_COUNT] = str(start + int(JOB_VARIABLES[_GIT_COUNT]))
