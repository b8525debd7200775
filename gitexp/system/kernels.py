"""Jupyter's kernels: which are installed, which one a notebook asks for, and those of a job.

A kernel's name stands for whatever interpreter its owner registered last, in a folder that no
commit and no environment names. So a job finds, in the place where Jupyter looks first, each name
of a Python kernel as the run's own interpreter.

References
----------
.. [1] https://docs.jupyter.org/en/latest/use/jupyter-directories.html: the order of places.
.. [2] https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs: kernel.json.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.text.jsontext import Json, json_dumps_compact, json_loads

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PATH = "JUPYTER_PATH"
PYTHON = "python"
DEFAULT = "python3"  # of a notebook that names none
_NAME = re.compile(r"(?!\.*$)[A-Za-z0-9._-]{1,100}")


def asked(notebook: bytes, where: str) -> tuple[str, str]:
    """Return the kernel that a notebook names, in lower case, and its language.

    >>> asked(b'{"metadata": {"kernelspec": {"name": "ir", "language": "R"}}}', "t.ipynb")
    ('ir', 'R')
    """
    try:
        value = json_loads(notebook, where=where, limit=len(notebook))
    except GitexpError:
        return DEFAULT, PYTHON
    language = _text(value, "metadata", "kernelspec", "language")
    language = language or _text(value, "metadata", "language_info", "name") or PYTHON
    return (_text(value, "metadata", "kernelspec", "name") or DEFAULT).lower(), language


def installed(python: str, env: Mapping[str, str]) -> dict[str, str]:
    """Return the languages of the kernels that Jupyter may find, by name in lower case."""
    home = env.get("HOME", "")
    data = env.get("XDG_DATA_HOME") or f"{home}/.local/share"
    places = [*env.get(PATH, "").split(os.pathsep), env.get("JUPYTER_DATA_DIR", "")]
    places += [f"{data}/jupyter", f"{home}/Library/Jupyter", f"{home}/.ipython"]
    programs = [python, *(f"{folder}/jupyter" for folder in env.get("PATH", "").split(os.pathsep))]
    places += [f"{Path(program).parent.parent}/share/jupyter" for program in programs]
    found: dict[str, str] = {}
    for place in filter(None, places):
        for spec in Path(place, "kernels").glob("*/kernel.json"):
            try:
                language = _text(json_loads(spec.read_bytes(), where=str(spec)), "language")
            except (OSError, GitexpError):
                continue
            found.setdefault(spec.parent.name.lower(), language or PYTHON)
    return found


def lead(names: Iterable[str], python: str, folder: Path, env: Mapping[str, str]) -> dict[str, str]:
    """Write kernels of these names that are one interpreter; return the variable that finds them.

    `env`: its own places of kernels come after that `folder`.
    """
    for name in names:
        if not _NAME.fullmatch(name):  # nor does Jupyter take it
            continue
        spec: Json = {
            "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            "display_name": name,
            "language": PYTHON,
        }
        made = folder / "kernels" / name.lower()
        made.mkdir(parents=True, exist_ok=True)
        (made / "kernel.json").write_bytes(json_dumps_compact(spec))
    return {PATH: os.pathsep.join(filter(None, (str(folder), env.get(PATH, ""))))}


def _text(value: Json, *keys: str) -> str:
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""
