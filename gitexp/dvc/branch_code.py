"""Outputs of a branch that would be taken for code from where they lie, with nobody naming them.

Git ignores outputs, so they stay where they are after a switch: main's own program would import, or
load, what a branch has put beside it. Names decide, as they do for Python, node and the tools; data
are told from code by nothing else. What the protected branch of the user's upstream has as an
output, too, is the project's own.
"""

from __future__ import annotations

import posixpath
from typing import TYPE_CHECKING, Final

from gitexp.dvc import cache as objects
from gitexp.dvc.declared_data import Reader
from gitexp.dvc.dvc_config import is_shared, protected
from gitexp.errors import GitexpError
from gitexp.git.objects import tree_id
from gitexp.model.ids import ABSENT, CommitHash, Md5

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.git.repository import Repo

_FOLDERS: Final = frozenset(
    {"__pycache__", "__pypackages__", "site-packages", "dist-packages", "node_modules"}
)
_MODULES: Final = (".py", ".pyc", ".pyo", ".so", ".pyd")  # where the name before is an identifier
# Of tools, which start programs by them.
_SETTINGS: Final = frozenset(
    {"gnumakefile", "makefile", "package.json", "pyproject.toml", "pytest.ini", "setup.cfg",
     "tox.ini"}
)  # fmt: skip


def refused(
    repo: Repo, top: Path, outs: Iterable[tuple[str, Md5]], cache: CacheConfig | None
) -> dict[str, str]:
    """Return by path why outputs of a branch are not brought into a work tree.

    `outs`: paths from its top, with hashes, "" where none is known. Where nothing came from
    anybody else nothing is.
    """
    found = {path: [*_entries(md5, cache)] for path, md5 in outs}
    if not any(inside or _is_code(path) for path, inside in found.items()):
        return {}
    commits = [CommitHash(commit) for commit in protected(top)]
    if not (commits or is_shared(top)):
        return {}
    reader = Reader(repo)
    own = {out.path for commit in commits for out in reader.of(commit).outs}
    why = {}
    for path, inside in found.items():
        beside = any(tree_id(repo, commit, path) is not ABSENT for commit in commits)
        code = path if _is_code(path) else next((x for x in inside if _is_taken(x, beside)), "")
        if code and path not in own:
            name = "it" if code == path else posixpath.join(path, code)
            why[path] = f"{name} would run as code from there, and main has no such output"
    return why


def _entries(md5: Md5, cache: CacheConfig | None) -> Iterator[str]:
    if cache is not None and md5.endswith(".dir"):
        try:
            yield from (entry.path for entry in objects.read_manifest(cache, md5))
        except GitexpError:  # it is not here, or damaged, and is not brought
            return


def _is_code(path: str) -> bool:
    """Whether a file, or what a folder of this name holds, is taken from its place."""
    *_, name = parts = path.casefold().split("/")
    return (
        not _FOLDERS.isdisjoint(parts)
        or any(part.startswith(".") for part in parts)
        or _is_module(name)
        or name.endswith((".js", ".node"))
        or name in _SETTINGS
    )


def _is_taken(entry: str, beside: bool) -> bool:  # noqa: FBT001
    """Whether a file of an output folder is. `beside`: whether main has files of Git's there.

    Else a folder is one of data: only as a package by its own name, and by pytest, is it taken.
    """
    name = posixpath.basename(entry).casefold()
    stem = name.partition(".")[0]
    tested = stem == "conftest" or stem.startswith("test_") or stem.endswith("_test")
    package = stem == "__init__" and "/" not in entry
    return (_is_module(name) and (tested or package)) or (beside and _is_code(entry))


def _is_module(name: str) -> bool:
    return name.partition(".")[0].isidentifier() and name.endswith(_MODULES)
