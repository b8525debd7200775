"""Params files and linked paths of a project folder.

Ignored data that jobs see through a link are in no commit, so two runs can be told to have seen the
same only by looking. Files over `WHOLE_LIMIT` are known by size, first and last block. An
environment is not a data (its digest is recorded elsewhere), and a file of secrets gets no
fingerprint: a short one could be guessed.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, PreflightError, UnknownParamError, UnsafeInputError
from gitexp.text import params as params_format
from gitexp.text.fields import param_tree
from gitexp.text.jsontext import Json, too_large
from gitexp.text.paramedit import edit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gitexp.model.config import ParamKey
    from gitexp.model.ids import ParamTree, ParamValue
    from gitexp.model.job import LinkedPath

LIMIT = 1 << 20  # bytes of one params file


def read(project: Path, files: Sequence[str]) -> Mapping[str, Json]:
    """Return the parsed params files by name; one that is not there is left out."""
    found: dict[str, Json] = {}
    for file in files:
        try:
            data = content(project, file)
        except FileNotFoundError:
            continue
        found[file] = params_format.parse(data, file)
    return found


def sections(project: Path, files: Sequence[str]) -> Mapping[str, Mapping[str, ParamTree]]:
    """Return what `read` does, as values of the model; a file without a mapping is empty."""
    found: dict[str, Mapping[str, ParamTree]] = {}
    for file, content in read(project, files).items():
        value = param_tree(content)
        found[file] = value if isinstance(value, dict) else {}
    return found


def write(project: Path, edits: Mapping[ParamKey, ParamValue]) -> None:
    """Change parameters in the files of a worktree, keeping their comments and layout.

    Raises `UnknownParamError` if a parameter is in none of the files.
    """
    by_file: dict[str, dict[str, ParamValue]] = {}
    for key, value in edits.items():
        by_file.setdefault(key.file, {})[key.key] = value
    for file, changes in by_file.items():
        try:
            data = content(project, file)
        except FileNotFoundError as error:
            raise UnknownParamError(
                f"there is no params file {file}",
                found=", ".join(changes),
                where=file,
                expected="a file of this commit that holds the parameter",
            ) from error
        put(project, file, edit(data, file, changes))


def put(project: Path, file: str, data: bytes) -> None:
    """Give a params file, which `content` has read, other content."""
    descriptor = os.open(project / file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
    with open(descriptor, "wb") as stream:  # noqa: PTH123  a descriptor, no path
        stream.write(data)


def content(project: Path, file: str) -> bytes:
    """Return what is in a params file; through no link, and from no place outside the project."""
    path = project / file
    real = os.path.realpath(path)  # `Path.resolve` raises at a link that leads to itself
    if path.is_symlink() or not Path(real).is_relative_to(os.path.realpath(project)):
        raise UnsafeInputError(
            "a params file lies outside the project",
            found=real,
            where=file,
            expected="a regular file of the project",
        )
    try:
        with path.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BadFormatError(
            "a params file cannot be read",
            found=error.strerror or str(error),
            where=file,
            expected="a regular file of the project",
        ) from error
    if len(data) > LIMIT:
        raise too_large("", file, f"at most {LIMIT} bytes")
    return data


WHOLE_LIMIT = 64 << 20  # bytes
_BLOCK = 1 << 20
_LEAST_BYTES = 64  # of a link: what is shorter can be guessed
_SECRETS = ("secret", "passw", "credential")  # within the name of a file or folder
_BEGINS = (".env", ".netrc", "_netrc", ".pgpass", ".ssh", ".aws", ".npmrc", ".pypirc", "id_rsa")
_MARKS = ("pyvenv.cfg", "conda-meta")  # of an environment

LinkState = tuple[int, int, int]  # size, mtime_ns, inode


def linked_files(links: Sequence[LinkedPath]) -> Iterator[tuple[str, str, os.stat_result]]:
    """Yield of each linked file its path in the project, where it lies, and what it is.

    Without those of an environment, which are many.
    """
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
                below = f"/{path}" if path else ""
                yield link.path + below, link.target + below, seen


def linked_states(links: Sequence[LinkedPath]) -> Mapping[str, LinkState]:
    """Return the state of each linked file by its path in the project."""
    found = linked_files(links)
    return {name: (seen.st_size, seen.st_mtime_ns, seen.st_ino) for name, _, seen in found}


def linked_fingerprint(links: Sequence[LinkedPath]) -> str:
    """Return the sha256 of the linked data, "" if nothing that counts is linked.

    It is published with the record: who guesses what is linked, as a password may be, knows by it
    that he is right. So nothing counts that is called like a secret, nor a link to few bytes.
    """
    state = hashlib.sha256()
    counted = False
    for link in sorted(links, key=lambda each: each.path):
        if _is_environment(link.target) or _is_secret(link.path):
            continue
        files = [(path, seen) for path, seen in _walk(link.target) if not _is_secret(path)]
        if sum(seen.st_size for _, seen in files) < _LEAST_BYTES:
            continue
        for path, seen in sorted(files):
            counted = True
            full = f"{link.target}/{path}" if path else link.target
            named = f"{link.path}\0{path}\0{seen.st_size}\0"
            state.update(named.encode("utf-8", "surrogateescape"))
            state.update(_content(full, seen.st_size))
    return state.hexdigest() if counted else ""


def changed_links(
    before: Mapping[str, LinkState], after: Mapping[str, LinkState]
) -> tuple[str, ...]:
    """Return the files that are no longer what they were; new ones are not change."""
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
    return any(
        name.startswith(_BEGINS)
        or name.endswith((".pem", ".key"))
        or any(word in name for word in _SECRETS)
        for name in path.lower().split("/")
    )
