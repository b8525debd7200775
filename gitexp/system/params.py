"""Reads the params files of a project folder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, UnknownParamError, UnsafeInputError
from gitexp.text import params as params_format
from gitexp.text.fields import param_tree

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from gitexp.model.config import ParamKey
    from gitexp.model.ids import ParamTree, ParamValue
    from gitexp.text.jsontext import Json

LIMIT = 1 << 20  # bytes of one params file


def read(project: Path, files: Sequence[str]) -> Mapping[str, Json]:
    """Return the parsed params files by name; one that is not there is left out.

    Raises `BadFormatError, UnsafeInputError` if a file cannot be read.
    """
    found: dict[str, Json] = {}
    for file in files:
        try:
            data = _bytes(project, file)
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

    Raises `UnknownParamError` if a parameter is in none of the files; `BadFormatError,
    UnsafeInputError` if a file cannot be read.
    """
    by_file: dict[str, dict[str, ParamValue]] = {}
    for key, value in edits.items():
        by_file.setdefault(key.file, {})[key.key] = value
    for file, changes in by_file.items():
        try:
            data = _bytes(project, file)
        except FileNotFoundError as error:
            raise UnknownParamError(
                f"there is no params file {file}",
                found=", ".join(changes),
                where=file,
                expected="a file of this commit that holds the parameter",
            ) from error
        edited = params_format.edit(data, file, changes)
        descriptor = os.open(project / file, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)
        with open(descriptor, "wb") as stream:  # noqa: PTH123  a descriptor, no path
            stream.write(edited)


def _bytes(project: Path, file: str) -> bytes:
    path = project / file
    if path.is_symlink() or not path.resolve().is_relative_to(project.resolve()):
        raise UnsafeInputError(
            "a params file lies outside the project",
            found=os.path.realpath(path),
            where=file,
            expected="a regular file of the project",
        )
    try:
        with path.open("rb") as stream:
            data = stream.read(LIMIT + 1)
    except (IsADirectoryError, NotADirectoryError) as error:
        raise BadFormatError("a params file is a folder", where=file) from error
    if len(data) > LIMIT:
        raise UnsafeInputError(
            "this file is too large to be read", where=file, expected=f"at most {LIMIT} bytes"
        )
    return data
