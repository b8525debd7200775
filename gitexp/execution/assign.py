"""What params files hold once ``--param KEY=VALUE`` is in them; whoever asks writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import UnknownParamError
from gitexp.git.absent import ABSENT
from gitexp.model.config import ParamKey
from gitexp.text import params as params_format
from gitexp.text.fields import near

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gitexp.git.absent import Absent
    from gitexp.model.ids import ParamValue


def assigned(
    params: Iterable[tuple[ParamKey, ParamValue]],
    declared: Sequence[str],
    read: Callable[[str], bytes | Absent],
    where: str,
) -> Mapping[str, bytes]:
    """Return the new content of each params file that is named, with its comments and layout.

    `declared`: the project's params files: where a parameter is looked for that is not where it
    was said. `read`: takes a file's path below the project folder.

    Raises `UnknownParamError` if there is no such file, or no such parameter in it; with what to
    type where another declared file has it; `BadFormatError` if a file cannot be read.
    """
    files: dict[str, bytes] = {}
    for key, value in params:
        try:
            data = files[key.file] if key.file in files else _content(key.file, declared, read)
            files[key.file] = params_format.edit(data, key.file, {key.key: value})
        except UnknownParamError as error:
            likely = near(str(key), _names(declared, read))
            raise UnknownParamError(
                error.summary,
                found=error.found,
                where=error.where or f"{key.file} of {where}",
                expected=" or ".join(likely) or error.expected,
                next_step=f"the same with --param {likely[0]}={value}" if likely else "",
            ) from error
    return files


def _content(file: str, declared: Sequence[str], read: Callable[[str], bytes | Absent]) -> bytes:
    data = read(file)
    if data is ABSENT:
        raise UnknownParamError(f"there is no params file {file}", expected=", ".join(declared))
    return data


def _names(declared: Sequence[str], read: Callable[[str], bytes | Absent]) -> Iterator[str]:
    for file in declared:
        data = read(file)
        if data is not ABSENT:
            for key in params_format.flatten(params_format.parse(data, file)):
                yield str(ParamKey(file, key))
