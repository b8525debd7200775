"""The project's interpreter, asked what it is and where it would import from.

gitexp may live in an environment of its own, so it never looks at itself to learn about the
project: `asked` is run by the interpreter that runs the jobs, with the jobs' own variables.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import PreflightError
from gitexp.text.jsontext import Json, json_loads

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_QUESTION = Path(__file__).with_name("interpreter_script.py")
_TIMEOUT_S = 60
_ANSWER_LIMIT = 8 << 20


@dataclass(frozen=True, slots=True)
class InterpreterFacts:
    """What an interpreter said of itself."""

    implementation: str
    python: str
    abi: str
    platform: str
    libc: str
    prefix: str  # real path of the environment
    path: tuple[str, ...]  # sys.path of a script, without the script's own folder
    modules: Mapping[str, str]  # asked name -> file it would be imported from, "" for none


def ask(python: str, env: Mapping[str, str], names: Sequence[str] = ()) -> InterpreterFacts:
    """Start an interpreter and return what it says.

    `env`: variables it gets; those of the job. `names`: modules to be located; top-level modules
    are not imported by that.

    Raises `PreflightError` if it cannot be started, or is no Python that we know how to ask.
    """
    try:
        done = subprocess.run(
            [python, "-c", _QUESTION.read_text("utf-8")],
            input=json.dumps(list(names)).encode(),
            capture_output=True,
            env=dict(env),
            cwd="/",
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unusable(python, str(error)) from error
    if done.returncode:
        raise _unusable(python, done.stderr.decode("utf-8", "backslashreplace")[-300:].strip())
    answer = json_loads(
        done.stdout.rpartition(b"\n")[2], where=f"answer of {python}", limit=_ANSWER_LIMIT
    )
    return from_json(answer, python)


def from_json(value: Json, where: str) -> InterpreterFacts:
    """Read the answer; raises `PreflightError` if it is not the expected one."""
    if not isinstance(value, dict):
        raise _unusable(where, "an answer that is no JSON object")
    texts = {name: value.get(name) for name in _TEXTS}
    path, modules = value.get("path"), value.get("modules")
    if not isinstance(path, list) or not isinstance(modules, dict):
        raise _unusable(where, "an answer without path and modules")
    return InterpreterFacts(
        **{name: str(text) for name, text in texts.items()},
        path=tuple(map(str, path)),
        modules={str(name): str(origin) for name, origin in modules.items()},
    )


_TEXTS = ("implementation", "python", "abi", "platform", "libc", "prefix")


def _unusable(python: str, found: str) -> PreflightError:
    return PreflightError(
        "the project's interpreter cannot be used",
        found=found,
        where=python,
        expected="Python 3.8 or later",
        next_step="set `python:` in .gitexp/config.yaml, or activate the environment",
    )
