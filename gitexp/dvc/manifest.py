"""Paths and ``.dir`` manifests that come from a branch: checked whole before anything is written.

A manifest is content-addressed, not trusted: whoever can push a branch chooses the names in it.
"""

from __future__ import annotations

import json
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.dvc.hashing import twin
from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.model.ids import Md5

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT_BYTES = 256 << 20  # about two million files
HEX = frozenset("0123456789abcdef")
MD5_LENGTH = 32
OURS = frozenset({".git", ".dvc", ".gitexp"})  # no output may lie in these, at any depth
CONTROL = frozenset({"Cc", "Cs"})  # control characters, and halves of a surrogate pair
INVISIBLE = dict.fromkeys(  # HFS+ ignores these: ".g<200c>it" would be .git there
    (0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file that a manifest names; `path` is relative to the folder, POSIX."""

    path: str
    md5: Md5


def check_md5(text: str, *, where: str) -> Md5:
    """Return `text` as the hash of a file or folder.

    Raises `UnsafeInputError` if it is not 32 lower-case hex digits, with or without ``.dir``: it
    becomes a path.
    """
    digits = text.removesuffix(".dir")
    if len(digits) == MD5_LENGTH and HEX.issuperset(digits):
        return Md5(text)
    raise UnsafeInputError(
        "a hash does not have the form of an MD5",
        found=repr(text[:80]),
        where=where,
        expected="32 lower-case hex digits",
    )


def check_path(path: str, *, where: str) -> str:
    """Return `path` if it is a plain relative POSIX path that stays in its place.

    Raises `UnsafeInputError` if it is empty, absolute, has a drive, a backslash, a control
    character, an empty part, ``.`` or ``..``, or passes through ``.git``, ``.dvc`` or ``.gitexp``
    however spelt.

    Examples
    --------
    >>> check_path("data/train.csv", where="dvc.lock")
    'data/train.csv'
    """
    problem = _problem(path)
    if problem is None:
        return path
    raise UnsafeInputError(
        "a path would reach outside its place",
        found=f"{path[:200]!r}: {problem}",
        where=where,
        expected="a relative path below the project's folder",
    )


def parse(content: bytes, *, where: str) -> tuple[Entry, ...]:
    """Return the entries of a ``.dir`` object.

    Raises `BadFormatError` if the bytes are not the JSON of a manifest; `UnsafeInputError` if an
    entry's path or hash is not plain, or two entries cannot exist side by side.
    """
    if len(content) > LIMIT_BYTES:
        raise UnsafeInputError(
            "a folder's manifest is too large",
            found=f"{len(content)} bytes",
            where=where,
            expected=f"at most {LIMIT_BYTES} bytes",
        )
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _malformed(where, str(error)) from error
    if not isinstance(rows, list):
        raise _malformed(where, "no list")
    entries = tuple(_entry(row, where) for row in rows)
    _check_together(entries, where)
    return entries


def _entry(row: object, where: str) -> Entry:
    if not isinstance(row, dict):
        raise _malformed(where, "an entry that is no mapping")
    fields: Mapping[str, object] = row
    path, md5 = fields.get("relpath"), fields.get("md5")
    if not isinstance(path, str) or not isinstance(md5, str):
        raise _malformed(where, "an entry without relpath and md5")
    if md5.endswith(".dir"):
        raise _malformed(where, f"a folder as member: {path[:80]!r}")
    return Entry(check_path(path, where=where), check_md5(md5, where=where))


def _check_together(entries: Sequence[Entry], where: str) -> None:
    files = {entry.path for entry in entries}
    folders: set[str] = set()
    for path in files:
        parent, _, _ = path.rpartition("/")
        while parent and parent not in folders:
            folders.add(parent)
            parent, _, _ = parent.rpartition("/")
    clash = next(iter(files & folders), None)
    twins = twin(files, folders)
    if len(files) != len(entries):
        problem = "the same path twice"
    elif clash is not None:
        problem = f"{clash!r} as a file and as a folder"
    elif twins is not None:
        problem = f"{twins[0]!r} and {twins[1]!r}, which some file systems cannot tell apart"
    else:
        return
    raise UnsafeInputError("a folder's manifest contradicts itself", found=problem, where=where)


def _problem(path: str) -> str | None:
    if not path or path.startswith("/"):
        return "not relative"
    if "\\" in path:
        return "a backslash"
    if not path.isprintable() and any(unicodedata.category(one) in CONTROL for one in path):
        return "a control character"
    if path[1:2] == ":" and path[0].isascii() and path[0].isalpha():
        return "a drive"
    for part in path.split("/"):
        if part in {"", ".", ".."} or _plain(part) in OURS or part.lower().startswith("git~"):
            return f"the part {part!r}"
    return None


def _plain(part: str) -> str:
    """Return a name as Windows and macOS would look it up."""
    if part.isascii():
        return part.lower().rstrip(" .")
    return part.translate(INVISIBLE).casefold().rstrip(" .")


def _malformed(where: str, found: str) -> BadFormatError:
    return BadFormatError(
        "a folder's manifest cannot be read",
        found=found,
        where=where,
        expected='[{"md5": ..., "relpath": ...}, ...]',
        next_step="gitexp verify, then dvc fetch",
    )
