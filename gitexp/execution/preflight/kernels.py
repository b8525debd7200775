"""Which interpreter executes the notebooks of a run; the rest of the preflight beside."""

from __future__ import annotations

import posixpath
import re
import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, PreflightError
from gitexp.execution.preflight.mentions import words
from gitexp.git import objects
from gitexp.git.absent import ABSENT
from gitexp.system import kernels

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.execution.run_sources import RunSource
    from gitexp.model.job import Stage
    from gitexp.model.run import Environment

_EXECUTES = re.compile(r"\bpapermill\b|--execute\b|\bjupyter[ -](?:execute|run)\b|--Execute\w+\.")
_OPTION = re.compile(r"(?<!\S)-(?:k|-[\w.-]*kernel(?:[._-]name)?)[ =]\s*[\"']?([\w.-]+)")


def of_run(
    source: RunSource,
    stages: Sequence[Stage],
    python: str,
    installed: Environment | None,
    env: Mapping[str, str],
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the kernels that shall be the run's interpreter, and what is to be said of others.

    Each Python kernel that is installed is one, since a script may start it, too; so is what
    notebooks and commands name and nobody has here.
    """
    languages = kernels.installed(python, env)
    languages.setdefault(kernels.DEFAULT, kernels.PYTHON)
    users: dict[str, str] = {}
    for stage, text in ((each, text) for each in stages for text in each.commands):
        named = [name.lower() for name in _OPTION.findall(text)]
        for book, read in (pair for part in words(text, stage) for pair in part):
            if read is not None and book.endswith(".ipynb"):
                kernel, language = _asked(source, posixpath.normpath(book))
                for name in named or [kernel]:
                    languages.setdefault(name, language if name == kernel else kernels.PYTHON)
                    if _EXECUTES.search(text):
                        users.setdefault(name, book)
    said = []
    for name, book in users.items():
        if languages[name].lower() != kernels.PYTHON:
            how = f"the kernel {name} ({languages[name]}), whose environment is not recorded"
            said.append(f"{book} is executed by {how}")
        elif installed and "ipykernel" not in {d.name for d in installed.distributions}:
            raise PreflightError(
                "the run's interpreter cannot execute a notebook",
                found=f"no ipykernel there; {book} asks for the kernel {name}",
                where=python,
                expected="that interpreter as the notebook's kernel: its environment is recorded",
                next_step=f"{shlex.quote(python)} -m pip install ipykernel; or let `python:` "
                "in .gitexp/config.yaml name the interpreter that has what the notebook needs",
            )
    ours = sorted(
        name for name, language in languages.items() if language.lower() == kernels.PYTHON
    )
    return tuple(ours), tuple(said)


def _asked(source: RunSource, book: str) -> tuple[str, str]:
    """Return kernel and language of a notebook; the default's where it cannot be read."""
    path = posixpath.normpath(posixpath.join(source.config.project, book))
    try:
        data = objects.read_blob(source.repo, source.tree, path)
    except GitexpError:
        data = ABSENT
    return kernels.asked(b"" if data is ABSENT else data, path)
