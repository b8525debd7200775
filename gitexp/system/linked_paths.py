"""Looks at paths that jobs see through a link: which data they were, and whether they stayed so.

Ignored data are in no commit, so two runs can be told to have seen the same only by looking. Files
over `WHOLE_LIMIT` are known by size, first and last block. An environment is no data (its digest
is recorded elsewhere), and a file of secrets gets no fingerprint: a short one could be guessed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from typing import TYPE_CHECKING

from gitexp.errors import PreflightError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.model.job import LinkedPath

WHOLE_LIMIT = 64 << 20  # bytes
_BLOCK = 1 << 20
_MARKS = ("pyvenv.cfg", "conda-meta")  # of an environment

State = tuple[int, int, int]  # size, mtime_ns, inode


def states(links: Sequence[LinkedPath]) -> Mapping[str, State]:
    """Return the state of each linked file by its path in the project.

    Raises `PreflightError` if the target of a link is not there.
    """
    found: dict[str, State] = {}
    for link in links:
        if not os.path.exists(link.target):  # noqa: PTH110
            raise PreflightError(
                "a linked path is not there",
                found="nothing",
                where=link.target,
                expected=f"what the jobs see as {link.path} (run.link in .gitexp/config.yaml)",
            )
        if not _is_environment(link.target):
            for path, seen in _walk(link.target):
                name = f"{link.path}/{path}" if path else link.path
                found[name] = (seen.st_size, seen.st_mtime_ns, seen.st_ino)
    return found


def fingerprint(links: Sequence[LinkedPath]) -> str:
    """Return the sha256 of the linked data, "" if nothing that counts is linked."""
    state = hashlib.sha256()
    counted = False
    for link in sorted(links, key=lambda each: each.path):
        if _is_environment(link.target) or _is_secret(link.path):
            continue
        for path, seen in sorted(_walk(link.target)):
            if _is_secret(path):
                continue
            counted = True
            full = f"{link.target}/{path}" if path else link.target
            named = f"{link.path}\0{path}\0{seen.st_size}\0"
            state.update(named.encode("utf-8", "surrogateescape"))
            state.update(_content(full, seen.st_size))
    return state.hexdigest() if counted else ""


def changed(before: Mapping[str, State], after: Mapping[str, State]) -> tuple[str, ...]:
    """Return the files that are no longer what they were; new ones are no change."""
    return tuple(sorted(path for path, state in before.items() if after.get(path) != state))


def _content(file: str, size: int) -> bytes:
    digest = hashlib.sha256()
    with open(file, "rb") as stream:  # noqa: PTH123
        if size <= WHOLE_LIMIT:
            while block := stream.read(_BLOCK):
                digest.update(block)
        else:
            digest.update(stream.read(_BLOCK))
            stream.seek(-_BLOCK, os.SEEK_END)
            digest.update(stream.read(_BLOCK))
    return digest.digest()


def _walk(target: str) -> list[tuple[str, os.stat_result]]:
    """Return the regular files of a target with their POSIX paths; links below are not followed."""
    top = os.stat(target)  # noqa: PTH116
    if not stat.S_ISDIR(top.st_mode):
        return [("", top)] if stat.S_ISREG(top.st_mode) else []
    found: list[tuple[str, os.stat_result]] = []
    pending = [""]
    while pending:
        prefix = pending.pop()
        with os.scandir(f"{target}/{prefix}") as entries:
            for entry in entries:
                path = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if entry.name != "__pycache__":
                        pending.append(path + "/")
                elif entry.is_file(follow_symlinks=False):
                    found.append((path, entry.stat(follow_symlinks=False)))
    return found


def _is_environment(target: str) -> bool:
    return any(os.path.exists(f"{target}/{mark}") for mark in _MARKS)  # noqa: PTH110


def _is_secret(path: str) -> bool:
    name = path.rpartition("/")[2].lower()
    return name.startswith(".env") or name.endswith((".pem", ".key")) or "secret" in name
