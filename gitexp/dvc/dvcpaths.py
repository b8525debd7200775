"""What DVC's files have in common: how paths, flags and commands stand in them."""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING

from gitexp.errors import UnsafeInputError
from gitexp.text.jsontext import MIB, Json
from gitexp.text.safepath import is_url, relative_path
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from gitexp.text.fields import Fields

LIMIT = 16 * MIB  # a dvc.lock of some thousand stages
MOST = 8 * MIB  # of all pointers and locks of a tree: seconds to read; a pointer has 100 bytes


def load_mapping(data: bytes, where: str) -> Json:
    """Read the YAML of DVC, where anchors and merge keys are allowed; nothing is {}."""
    value = yaml_loads(data, where=where, limit=LIMIT, allow_aliases=True)
    return {} if value is None else value


def declares(path: str) -> bool:
    """Tell whether a file is a pointer or a lock; what lies in DVC's own folder is none."""
    *above, name = path.split("/")
    ours = name == "dvc.lock" or (name.endswith(".dvc") and name != ".dvc")
    return ours and ".dvc" not in above


def bound(size: int, where: str) -> None:
    """Refuse more bytes of pointers and locks in one tree than any project has.

    Raises `UnsafeInputError`.
    """
    if size > MOST:
        raise UnsafeInputError(
            "DVC's files are larger than those of any project",
            found=f"{size} bytes of .dvc files and dvc.lock, or more",
            where=where,
            expected=f"at most {MOST} bytes in one state",
        )


def dependency_path(path: str, where: str, wdir: str) -> str:
    """Return a dependency's path relative to the project; it may lie outside."""
    if is_url(path) or path.startswith("/"):
        return path
    return relative_path(path, where=where, folder=wdir, up=True, whole=True)


def output_path(path: str, where: str, wdir: str) -> str:
    """Return an output's path relative to the project, refusing one outside."""
    if is_url(path):
        return path
    return relative_path(path, where=where, folder=wdir)


def plain_spelling(path: str, wdir: str) -> str:
    """Return a path as dvc.lock has it where dvc.yaml spells it plainly: relative to `wdir`.

    Examples
    --------
    >>> plain_spelling("params.yaml", "src/train"), plain_spelling("src/a.py", "src")
    ('../../params.yaml', 'a.py')
    """
    if not wdir or is_url(path) or path.startswith("/"):
        return path
    return posixpath.relpath(f"/{path}", f"/{wdir}") if ".." not in wdir else path


def read_commands(fields: Fields) -> tuple[tuple[str, ...], bool]:
    """Return the commands of a stage, and whether they are given as a list."""
    raw = fields.raw("cmd")
    if raw is None:
        return (), False
    if isinstance(raw, list):
        return fields.texts("cmd"), True
    return (fields.text("cmd"),), False


def read_flag(fields: Fields, key: str, *, default: bool = False) -> bool:
    """Return a flag; what is none counts as absent."""
    raw = fields.raw(key)
    return raw if isinstance(raw, bool) else default


def touches(path: str, other: str) -> bool:
    """Tell whether two paths are equal or one contains the other.

    Examples
    --------
    >>> touches("data/a.csv", "data"), touches("data", "data/a.csv"), touches("data", "database")
    (True, True, False)
    """
    return path == other or path.startswith(f"{other}/") or other.startswith(f"{path}/")
