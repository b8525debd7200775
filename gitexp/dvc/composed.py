"""A state with another one's evaluator: what is laid over its tree, by name.

Nothing is written: whoever runs it writes the tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.dvc import dvcpipeline
from gitexp.dvc.acting import paths
from gitexp.dvc.state import ProjectState, listed, mapping
from gitexp.errors import BadFormatError, UnknownParamError, UnsafeInputError
from gitexp.git.objects import MODE_EXECUTABLE
from gitexp.git.tree import FILE_MODES
from gitexp.model.ids import ABSENT, BlobId
from gitexp.text import params
from gitexp.text.paramedit import edit
from gitexp.text.paramkeys import param_key
from gitexp.text.yamlwrite import yaml_dumps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gitexp.text.jsontext import Json

    _Edit = Callable[[bytes, bytes, str, str], bytes]

_VARS: Final = "vars."


def laid_over(
    state: ProjectState, other: ProjectState, names: Iterable[str]
) -> dict[str, tuple[bytes, bool]]:
    """Return what a state takes of another one at some names, by full path.

    Raises `UnsafeInputError` where the other has nothing that could be taken.
    """
    files: dict[str, tuple[bytes, bool]] = {}
    pipeline = state.config.pipeline or ""
    for name in names:
        taken = dict.fromkeys((*paths(state, name), *paths(other, name)))
        for path in taken:
            entry = other.entry(other.at(path))
            if entry is ABSENT or entry.mode not in FILE_MODES:
                raise _unfit(path)
            data = state.repo.read(BlobId(entry.id), dvcpipeline.LIMIT)
            files[state.at(path)] = data, entry.mode == MODE_EXECUTABLE
        if taken:
            continue
        own_file, key = pipeline, name.removeprefix(f"{pipeline}:")
        edit: _Edit = _with_entry
        their_file = other.config.pipeline or ""
        if key == name:
            edit, key, own_file = _with_value, param_key(name).key, param_key(name).file
            their_file = own_file
        entry, theirs = state.entry(state.at(own_file)), other.read(their_file)
        own = files[state.at(own_file)][0] if state.at(own_file) in files else state.read(own_file)
        if own is ABSENT or theirs is ABSENT or entry is ABSENT:
            raise _unfit(name)
        try:
            edited = edit(own, theirs, own_file, key)
        except (KeyError, StopIteration, UnknownParamError, BadFormatError) as error:
            raise _unfit(name) from error
        files[state.at(own_file)] = edited, entry.mode == MODE_EXECUTABLE
    return files


def _with_entry(own: bytes, theirs: bytes, where: str, name: str) -> bytes:
    """Return a dvc.yaml with another one's entry of a stage, or value in its ``vars``."""
    mine, other = _document(own, where), _document(theirs, where)
    if name.startswith(_VARS) and name not in mapping(mine["stages"]):
        key, *_ = name.removeprefix(_VARS).split(".")
        place = next(v for v in listed(mine["vars"]) if isinstance(v, dict) and key in v)
        place[key] = next(v for v in listed(other["vars"]) if isinstance(v, dict) and key in v)[key]
    else:
        mine["stages"] = {**mapping(mine["stages"]), name: mapping(other["stages"])[name]}
    made = theirs if mine == other else yaml_dumps(mine)
    if _document(made, where) != mine:
        raise BadFormatError("this dvc.yaml cannot be written", where=where)
    return made


def _document(data: bytes, where: str) -> dict[str, Json]:
    return {"stages": {}, "vars": [], **mapping(dvcpipeline.load_mapping(data, where))}


def differing_entries(one: bytes, other: bytes, where: str) -> set[str]:
    """Return the stages, and what else at the top, of which two pipelines say another thing."""
    tops = _document(one, where), _document(other, where)
    left, right = ({**mapping(top.pop("stages")), **top} for top in tops)
    return {name for name in left.keys() | right.keys() if left.get(name) != right.get(name)}


def _with_value(own: bytes, theirs: bytes, file: str, key: str) -> bytes:
    value = params.flat(theirs, file)[key]
    return edit(own, file, {key: value})


def _unfit(name: str) -> UnsafeInputError:
    return UnsafeInputError(
        "the baseline cannot be given this part of the candidate's evaluator",
        found=name,
        expected="a file, a parameter or a stage that both sides have, by this name",
    )
