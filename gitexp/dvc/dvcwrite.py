"""DVC's own files, written as DVC writes them, to the byte; ruamel.yaml is its writer, and ours.

A file that is there keeps its layout; only its values are exchanged. Imported only where files
are written, since loading ruamel takes a while. Nothing is ever added that DVC does not know.
"""

from __future__ import annotations

import io
import posixpath
from functools import partial
from typing import TYPE_CHECKING

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

from gitexp.dvc.dvcpipeline import LIMIT, plain_spelling
from gitexp.errors import BadFormatError, DvcFailedError
from gitexp.text.fields import param_json
from gitexp.text.foreign import with_parents
from gitexp.text.yamltext import yaml_loads

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.model.ids import Absent, ParamTree, RunId
    from gitexp.model.job import Stage, StageOut, StageRecord
    from gitexp.model.run import FileHash
    from gitexp.text.jsontext import Json

_DEFAULTS: Mapping[str, bool] = {"cache": True, "persist": False, "push": True, "metric": False}
_DELEGATED = frozenset(("files", "cloud", "fs_config", "etag", "checksum", "version_id"))


def update_lock(
    old: bytes | Absent | None,
    records: Sequence[StageRecord],
    folder: str = "",
    stages: Sequence[Stage] = (),
) -> bytes:
    """Write stages into dvc.lock: others and their order stay, new ones come last.

    With the paths as dvc.yaml, `stages`, spells them: ``./a.py`` there has to be ``./a.py`` here.
    """
    declared = {stage.name: stage for stage in stages}
    lock = _round_trip(old or b"", "dvc.lock")
    if not lock:
        lock["schema"] = "2.0"
    if lock.get("schema") != "2.0":  # the text: DVC refuses any other, too
        raise BadFormatError(
            "this is not a dvc.lock that gitexp can write to",
            found=f"schema: {lock.get('schema')}",
            where="dvc.lock",
            expected="schema: '2.0'",
            next_step="dvc commit, which writes it in the present form",
        )
    if not isinstance(lock.get("stages"), CommentedMap):
        lock["stages"] = CommentedMap()
    for record in records:
        stage = declared.get(record.name)
        spelled = partial(_spelled, stage, folder)
        listed = len(record.commands) > 1 or (stage is not None and stage.listed)
        lock["stages"][record.name] = _entry(record, spelled, listed=listed)
    return _dump(lock)


def dump_pointer(
    old: bytes | Absent | None,
    outs: Sequence[FileHash],
    folder: str = "",
    *,
    where: str = "the .dvc file",
) -> bytes:
    """Write a ``.dvc`` file; one that is there keeps its comments, order and other keys."""
    pointer = _round_trip(old or b"", where)
    if "deps" in pointer:
        raise _delegated(where, "deps")
    wdir = pointer.get("wdir", ".")
    base = posixpath.normpath(posixpath.join(folder, str(wdir)))
    listed = pointer.get("outs")
    if not isinstance(listed, CommentedSeq):
        listed = pointer["outs"] = CommentedSeq()
    for out in outs:
        path = plain_spelling(out.path, "" if base == "." else base)
        _patch(_out_at(listed, path), out, path, where=where)
    return _dump(pointer)


def dump_byproducts(
    run: RunId, outputs: Sequence[tuple[int, FileHash]], declared: Sequence[StageOut] = ()
) -> bytes:
    """Write ``<run-id>.dvc``: one out per seed and path, sent nowhere that dvc.yaml forbids.

    A file in a folder that is listed is not: DVC refuses outputs that overlap.
    """
    if not outputs:
        raise BadFormatError("there are no by-products", where=f"{run}.dvc")
    ordered = sorted(outputs, key=lambda item: (item[0], item[1].path))
    flags = {out.path: out for out in declared}
    pointer = CommentedMap({"outs": CommentedSeq()})
    listed = {(seed, output.path) for seed, output in ordered}
    for seed, output in ordered:
        within = with_parents(output.path)
        if any((seed, folder) in listed for folder in within[1:]):
            continue
        path = f"{run}/{seed}/{output.path}"
        entry = _out_at(pointer["outs"], path)
        _patch(entry, output, path, where=f"{run}.dvc")
        for flag in filter(None, map(flags.get, within)):
            if flag.remote:
                entry["remote"] = flag.remote
            if not flag.push:
                entry["push"] = False
    return _dump(pointer)


def _spelled(stage: Stage | None, folder: str, path: str) -> str:
    """Return a path of a stage as dvc.yaml has it."""
    if stage is None:
        return plain_spelling(path, folder)
    return stage.spelled.get(path) or plain_spelling(path, stage.wdir)


def _entry(
    record: StageRecord, spelled: Callable[[str], str], *, listed: bool
) -> Mapping[str, object]:
    entry: dict[str, object] = {"cmd": list(record.commands) if listed else record.commands[0]}
    sections = {
        "deps": _hashes(record.deps, spelled),
        "params": _params(record.params, spelled),
        "outs": _hashes(record.outs, spelled),
    }
    entry.update((name, section) for name, section in sections.items() if section)
    return entry


def _hashes(items: Sequence[FileHash], spelled: Callable[[str], str]) -> list[dict[str, Json]]:
    entries: list[dict[str, Json]] = []
    for path, item in sorted((spelled(item.path), item) for item in items):
        entry: dict[str, Json] = {"path": path, "hash": "md5", "md5": item.md5, "size": item.size}
        if item.nfiles is not None:
            entry["nfiles"] = item.nfiles
        if item.isexec:
            entry["isexec"] = True
        entries.append(entry)
    return entries


def _params(
    files: Mapping[str, Mapping[str, ParamTree]], spelled: Callable[[str], str]
) -> dict[str, dict[str, Json]]:
    named = {spelled(file): values for file, values in files.items()}
    # params.yaml first, the others in order; keys in order on the first level only.
    return {
        file: {key: param_json(named[file][key]) for key in sorted(named[file])}
        for file in sorted(named, key=lambda file: (file != "params.yaml", file))
    }


def _out_at(listed: CommentedSeq, path: str) -> CommentedMap:
    for entry in listed:
        if isinstance(entry, CommentedMap) and entry.get("path") == path:
            return entry
    entry = CommentedMap()
    listed.append(entry)
    return entry


def _patch(entry: CommentedMap, out: FileHash, path: str, *, where: str) -> None:
    """Change an entry as DVC does: values in place, new keys last, defaults dropped."""
    foreign = sorted(_DELEGATED.intersection(entry))
    if foreign:
        raise _delegated(where, foreign[0])
    wanted: dict[str, Json] = {"md5": str(out.md5), "size": out.size}
    if out.nfiles is not None:
        wanted["nfiles"] = out.nfiles
    if out.isexec:
        wanted["isexec"] = True
    wanted.update(hash="md5", path=path)
    for key, value in wanted.items():
        if entry.get(key) != value:
            entry[key] = value
    stale = {key for key in ("nfiles", "isexec") if key not in wanted}
    for key in list(entry):
        if key in stale or entry[key] is _DEFAULTS.get(key):
            del entry[key]


def _delegated(where: str, key: str) -> DvcFailedError:
    return DvcFailedError(
        "this file is written by DVC alone",
        found=key,
        where=where,
        expected="outs with md5, size and path",
        next_step="dvc commit",
    )


def _round_trip(data: bytes, where: str) -> CommentedMap:
    # Read first by the reader that trusts nobody: ruamel's round trip follows tags and aliases.
    value = yaml_loads(data, where=where, limit=LIMIT, allow_aliases=True)
    if value is None:
        return CommentedMap()
    try:
        loaded: object = YAML().load(data.decode())
    except YAMLError as error:
        raise BadFormatError("this is not YAML", found=str(error), where=where) from error
    if not isinstance(loaded, CommentedMap):
        raise BadFormatError("this is no mapping", where=where, expected="a mapping")
    return loaded


def _dump(value: CommentedMap) -> bytes:
    writer = YAML()
    writer.default_flow_style = False
    stream = io.StringIO()
    writer.dump(value, stream)
    return stream.getvalue().encode()
