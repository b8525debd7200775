"""Paths and lines of what somebody else wrote.

A path that a file of a branch names is relative, POSIX and inside its place: it is checked here
before anything is written, whatever engine copies later. `str.splitlines` also ends a line at form
feeds, U+0085 and U+2028, where Git, Python and an editor go on: one line would be two.
"""

from __future__ import annotations

import posixpath
import re

from gitexp.errors import UnsafeInputError

_DRIVE = re.compile(r"[^/]:")  # whatever the letter: Windows joins nothing to what begins so
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_RESERVED = frozenset((".git", ".dvc", ".gitexp"))


def relative_path(
    path: str, *, where: str, folder: str = "", up: bool = False, whole: bool = False
) -> str:
    """Return a normal path, refusing one that leaves its place.

    `path`: as a file names it: relative to `folder`. `folder`: folder below the place that `path`
    starts from, "" for the place itself. `up`: whether leaving by leading ``..`` is allowed (a
    dependency beside the project folder). `whole`: whether the place itself (``.``) is allowed.

    >>> relative_path("../raw/a.csv", where="x.dvc", folder="data/prepared")
    'data/raw/a.csv'
    """
    if not path or path.startswith("/") or _DRIVE.match(path) or "\\" in path or "\0" in path:
        raise _unsafe(path, where)
    normal = posixpath.normpath(posixpath.join(folder, path))
    parts = normal.split("/")
    if _DRIVE.match(normal) or (normal == "." and not whole) or (not up and parts[0] == ".."):
        raise _unsafe(path, where)
    if any(part.casefold() in _RESERVED for part in parts):
        raise _unsafe(path, where)
    return normal


def folder_path(path: str, *, where: str, folder: str = "", up: bool = False) -> str:
    """Return a normal folder, "" for the place itself; otherwise as `relative_path`."""
    if path in ("", ".", "./"):
        return folder
    normal = relative_path(path, where=where, folder=folder, up=up, whole=True)
    return "" if normal == "." else normal


def with_parents(path: str) -> list[str]:
    """Return a path and the folders that lead to it, the innermost first."""
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(len(parts), 0, -1)]


def is_url(path: str) -> bool:
    """Tell whether a path is a URL (``s3://...``, ``remote://...``), which only DVC reads."""
    return _URL.match(path) is not None


def _unsafe(path: str, where: str) -> UnsafeInputError:
    return UnsafeInputError(
        "a path leaves its place",
        found=ascii(path[:120]),
        where=where,
        expected="a relative path with / inside the project, not in .git, .dvc or .gitexp",
    )


def lines(text: str) -> list[str]:
    r"""Return the lines of a text, which end at newlines, carriage returns, or both.

    >>> lines("a\x0cb\r\n\u2028c\n"), lines("")
    (['a\x0cb', '\u2028c'], [])
    """
    plain = text.replace("\r\n", "\n").replace("\r", "\n").removesuffix("\n")
    return plain.split("\n") if text else []
