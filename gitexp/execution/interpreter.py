"""Which Python runs the project's commands, and what environment that is now."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import PreflightError
from gitexp.system import environment as environment_staging
from gitexp.system import imports

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.model.run import Environment

# A program installed by these lives in an environment of its own, which is not the project's.
_TOOL_FOLDERS = (f"{os.sep}pipx{os.sep}", f"{os.sep}uv{os.sep}tools{os.sep}")


def choose(configured: str | None, environ: Mapping[str, str], top: Path) -> str:
    """Return the interpreter of jobs.

    `configured`: ``python:`` of the settings, relative to the repository's top where it has a
    slash. `environ`: ``VIRTUAL_ENV`` and ``PATH`` are looked at. The result: the configured one,
    else that of the active virtual environment, else that of ``.venv`` in the repository, else
    ours, unless we were installed as a tool of our own.

    Raises `PreflightError` if it does not exist.
    """
    if configured is not None:
        found = _existing(top / configured) if os.sep in configured else None
        found = found or shutil.which(configured, path=environ.get("PATH"))
        if found is None:
            raise PreflightError(
                "the project's interpreter is not there",
                found=configured,
                where="python: in .gitexp/config.yaml",
                expected="the path of a Python interpreter",
            )
        return found
    active = environ.get("VIRTUAL_ENV") or environ.get("CONDA_PREFIX")
    for folder in filter(None, (active, str(top / ".venv"))):
        found = _existing(Path(folder, "bin", "python")) or _existing(
            Path(folder, "Scripts", "python.exe")
        )
        if found is not None:
            return found
    if not any(part in sys.prefix for part in _TOOL_FOLDERS):
        return sys.executable
    found = shutil.which("python3", path=environ.get("PATH"))
    if found is None:
        raise PreflightError(
            "no Python is on PATH to run the project with",
            expected="an active virtual environment, or python: in .gitexp/config.yaml",
        )
    return found


def installed(python: str, top: Path, cache: Path, environ: Mapping[str, str]) -> Environment:
    """Return the environment as it is now, seen from the user's work tree."""
    plan = imports.plan_imports(python, top, environ)
    place = environment_staging.Place(
        python=python,
        repository=top,
        worktree=top,
        import_paths=plan.paths,
        token="coordinator",  # noqa: S106  a word, no secret
        cache=cache,
    )
    return environment_staging.capture(place, environ)[0]


def _existing(path: Path) -> str | None:
    return str(path) if path.exists() else None
