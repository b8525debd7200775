"""Records of executed stages, from which dvc.lock is made: what was read and written, by hash.

Dependencies are hashed, cached outputs are put into DVC's cache, and their lines into .gitignore
as DVC does it after each stage; nothing else is written. The
params come as values, since the worktree's files may hold a seed that is not the committed one.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from typing import TYPE_CHECKING

from gitexp.dvc import gitignore, hashing, links
from gitexp.dvc.cache import hashed, put
from gitexp.errors import CommandFailedError, DataMissingError, UnsafeInputError
from gitexp.model.job import OutKind, Stage, StageOut, StageRecord
from gitexp.text.fields import param_json
from gitexp.text.jsontext import Json, json_dumps_compact

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.dvc.hashing import Memo
    from gitexp.model.ids import ParamTree
    from gitexp.model.run import FileHash

UNCACHED_LIMIT_BYTES = 16 << 20


def record(  # noqa: PLR0913  what was executed, and where its bytes go
    project: Path,
    stage: Stage,
    params: Mapping[str, Mapping[str, ParamTree]],
    cache: CacheConfig,
    *,
    memo: Memo | None = None,
    kept: Collection[str] | None = None,
) -> StageRecord:
    """Return what dvc.lock says of a stage that has just been executed in `project`.

    The cache takes its outputs, or those `kept`; also a small file that is declared ``cache:
    false``: a later repeat that does not execute this stage again needs it from somewhere.
    """
    deps = tuple(hash_path(project, path, memo=memo) for path in stage.deps)
    outs = tuple(
        _output(
            project, stage, out, None if kept is not None and out.path not in kept else cache, memo
        )
        for out in stage.outs
    )
    gitignore.protect(project, [out.path for out in stage.outs if out.cache])
    return StageRecord(stage.name, stage.commands, deps, params, outs)


def recipe(
    stage: Stage,
    deps: Sequence[FileHash],
    params: Mapping[str, Mapping[str, ParamTree]],
    beside: str = "",
) -> str:
    """Return the digest of what a stage is made by: its command, deps, params; its name is none.

    `beside`: digest of code that it uses and does not declare.
    """
    covered: dict[str, Json] = {
        "beside": beside,
        "cmd": list(stage.commands),
        "deps": {dep.path: dep.md5 for dep in deps},
        "outs": sorted(out.path for out in stage.outs),
        "params": {
            file: {key: param_json(value) for key, value in values.items()}
            for file, values in params.items()
        },
        "wdir": posixpath.normpath(stage.wdir or "."),
    }
    return hashlib.sha256(json_dumps_compact(covered)).hexdigest()


def hash_path(project: Path, path: str, *, memo: Memo | None = None) -> FileHash:
    """Return hash and size of a file or folder in the project, as DVC would record them."""
    return hashed(project / path, path, lambda file: hashing.hash_file(file, memo))[0]


def hash_inside(project: Path, path: str) -> FileHash:
    """Return an output's hash; no tracked link leads out but to an object of a cache."""
    above, _, name = path.rpartition("/")
    folder = links.open_folder(str(project), above, create=False)
    try:
        linked = stat.S_ISLNK(os.lstat(name, dir_fd=folder).st_mode)
        target = os.readlink(name, dir_fd=folder) if linked else ""
    finally:
        os.close(folder)
    if linked and not hashing.OBJECT.search(target):
        raise UnsafeInputError("an output is a symbolic link", found=target, where=path)
    return hash_path(project, path)


def declared_params(
    stage: Stage, parsed: Mapping[str, Mapping[str, ParamTree]]
) -> dict[str, dict[str, ParamTree]]:
    """Pick what a stage declares, file -> key -> value, out of whole params files."""
    found: dict[str, dict[str, ParamTree]] = {}
    for declared in stage.params:
        if declared.file not in parsed:
            raise _no_param(stage, declared.file)
        content = parsed[declared.file]
        keys = declared.keys or tuple(content)
        picked = found.setdefault(declared.file, {})
        for key in keys:
            picked[key] = _lookup(content, key, stage, declared.file)
    return found


def _output(
    project: Path, stage: Stage, out: StageOut, cache: CacheConfig | None, memo: Memo | None
) -> FileHash:
    try:
        if cache is not None and (out.cache or _is_small(project / out.path)):
            return put(cache, project, out.path, memo=memo)
        return hash_path(project, out.path, memo=memo)
    except DataMissingError as error:
        what = "a metrics file" if out.kind is OutKind.METRIC else "an output"
        raise CommandFailedError(
            f"{what} was not written", where=out.path, expected=f"stage {stage.name} writes it"
        ) from error


def _is_small(file: Path) -> bool:
    try:
        seen = file.stat()
    except OSError:
        return False
    return stat.S_ISREG(seen.st_mode) and seen.st_size <= UNCACHED_LIMIT_BYTES


def _lookup(content: Mapping[str, ParamTree], key: str, stage: Stage, file: str) -> ParamTree:
    if key in content:
        return content[key]
    value: ParamTree = dict(content)
    for part in key.split("."):
        name, *indexes = part.split("[")
        if not isinstance(value, dict) or name not in value:
            raise _no_param(stage, f"{file}:{key}")
        value = value[name]
        for index in indexes:
            number = index.removesuffix("]")
            if not isinstance(value, tuple) or not number.isdecimal() or int(number) >= len(value):
                raise _no_param(stage, f"{file}:{key}")
            value = value[int(number)]
    return value


def _no_param(stage: Stage, what: str) -> DataMissingError:
    return DataMissingError(
        "a parameter that a stage depends on is not there",
        found=f"no {what}",
        where=f"params of stage {stage.name}",
        next_step="add it, or take it out of dvc.yaml",
    )
