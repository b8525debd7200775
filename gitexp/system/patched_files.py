"""Finds installed files that are no longer what the installer wrote.

RECORD says what was installed; an edit in site-packages leaves it as it is. (With uv's hard links
such an edit even reaches its cache, and from there other environments.) Each pass compares sizes.
A file whose state last changed when it was installed is believed then: no program can set the time
of that change (``ctime``) back. Any other file is hashed, and a small index remembers its state, so
that a copied environment is hashed once.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.system.distributions import parse_row
from gitexp.text.jsontext import json_loads

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gitexp.system.distributions import Installed, Row

INSTALLING_NS = 60_000_000_000  # an installer writes RECORD last, this long after the first file
_INDEX_LIMIT = 256 << 20
_SHA256 = "sha256="
_BLOCK = 1 << 20
_MOST = 50  # named in a record

State = tuple[int, int, int, int]  # size, mtime_ns, ctime_ns, inode


def find(installed: Iterable[Installed], index_file: Path | None) -> tuple[str, ...]:
    """Return the installed files that differ from their RECORD, as ``name: file``.

    `index_file`: remembers the state of files that were hashed and found unchanged; may be
    deleted. The result: sorted; at most `_MOST`, then a count of the others.
    """
    known = _read(index_file)
    sound: dict[str, State] = {}
    changed: list[str] = []
    for each in installed:
        if each.source:  # installed from a folder: the builder wrote it, RECORD may hash a path
            continue
        record = _state(f"{each.info}/RECORD")
        settled = record[2] + INSTALLING_NS if record else 0
        for line in each.rows():
            row = parse_row(line, each.folder)
            if row is None or not row.digest.startswith(_SHA256) or row.path.endswith(".pyc"):
                continue
            state = _state(row.path)
            if state is None and os.path.relpath(row.path, each.folder).startswith(".."):
                continue  # a script, which nothing imports; `pip install --target` may leave it out
            if state is None:
                changed.append(f"{each.name}: {os.path.relpath(row.path, each.folder)} is missing")
            elif row.size == state[0] and state[2] <= settled:
                continue
            elif known.get(row.path) == state or _is_sound(row, state):
                sound[row.path] = state
            else:
                changed.append(f"{each.name}: {os.path.relpath(row.path, each.folder)}")
    if sound != known:
        _write(index_file, sound)
    changed.sort()
    rest = len(changed) - _MOST
    return tuple(changed[:_MOST]) + ((f"and {rest} more",) if rest > 0 else ())


def _is_sound(row: Row, state: State) -> bool:
    if row.size is not None and row.size != state[0]:
        return False
    digest = hashlib.sha256()
    try:
        with open(row.path, "rb") as file:  # noqa: PTH123  10,000 of them a pass
            while block := file.read(_BLOCK):
                digest.update(block)
    except OSError:
        return False
    text = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
    return text == row.digest[len(_SHA256) :]


def _state(path: str) -> State | None:
    try:
        seen = os.stat(path)  # noqa: PTH116  10,000 of them a pass
    except OSError:
        return None
    return seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns, seen.st_ino


def _read(index_file: Path | None) -> dict[str, State]:
    if index_file is None:
        return {}
    try:
        value = json_loads(index_file.read_bytes(), where=str(index_file), limit=_INDEX_LIMIT)
    except (OSError, GitexpError):  # a cache that cannot be read is an empty one
        return {}
    if not isinstance(value, dict):
        return {}
    found: dict[str, State] = {}
    for path, state in value.items():
        match state:
            case [int(size), int(mtime), int(ctime), int(inode)]:
                found[path] = (size, mtime, ctime, inode)
            case _:
                return {}
    return found


def _write(index_file: Path | None, sound: dict[str, State]) -> None:
    if index_file is None:
        return
    temporary = index_file.with_name(f"{index_file.name}.{os.getpid()}")
    try:
        temporary.write_text(json.dumps(sound, separators=(",", ":")), encoding="ascii")
        temporary.replace(index_file)
    except OSError:  # no room for a cache: the next pass is slower
        temporary.unlink(missing_ok=True)
