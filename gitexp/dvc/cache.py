"""DVC's cache of files by content, without DVC: put, look up, verify; manifests of folders.

Objects are read-only before they get their name, so that DVC neither doubts nor deletes them, and
a folder's own object comes after its members, so that its presence means completeness. Safe for
several processes at once: an object appears by rename, and two writers of one object write the same
bytes. A ``.dir`` manifest is content-addressed, not trusted: whoever can push a branch chooses the
names in it, so nothing is written before everything that it names was checked.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import cache_objects, dvc_config, gitignore, hashing, links
from gitexp.dvc.cache_objects import DEFAULT_TYPES, TEMPORARY, CacheConfig
from gitexp.dvc.hashing import Memo, check_md5, twin
from gitexp.errors import BadFormatError, DamagedDataError, DataMissingError, UnsafeInputError
from gitexp.model import dataclass
from gitexp.model.ids import Md5
from gitexp.model.run import FileHash
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gitexp.dvc.hashing import FileDigest


MANIFEST_LIMIT = 256 << 20  # about two million files
OURS = frozenset({".git", ".dvc", ".gitexp"})  # no output may lie in these, at any depth
CONTROL = frozenset({"Cc", "Cs"})  # control characters, and halves of a surrogate pair
INVISIBLE = dict.fromkeys(  # HFS+ ignores these: ".g<200c>it" would be .git there
    (0x200C, 0x200D, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x206A, 0x2070), 0xFEFF)
)


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """One file that a manifest names; `path` is relative to the folder, POSIX."""

    path: str
    md5: Md5


def check_path(path: str, *, where: str) -> str:
    """Return `path` if it is a plain relative POSIX path that stays in its place.

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


def parse_manifest(content: bytes, *, where: str) -> tuple[ManifestEntry, ...]:
    """Return the entries of a ``.dir`` object."""
    entries = manifest_entries(content, where=where)
    _check_together(entries, where)
    return entries


def manifest_entries(content: bytes, *, where: str) -> tuple[ManifestEntry, ...]:
    """Return the same, each checked by itself alone: two may have one place."""
    if len(content) > MANIFEST_LIMIT:
        raise UnsafeInputError(
            "a folder's manifest is too large",
            found=f"{len(content)} bytes",
            where=where,
            expected=f"at most {MANIFEST_LIMIT} bytes",
        )
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise _malformed(where, str(error)) from error
    if not isinstance(rows, list):
        raise _malformed(where, "no list")
    return tuple(_entry(row, where) for row in rows)


def _entry(row: object, where: str) -> ManifestEntry:
    if not isinstance(row, dict):
        raise _malformed(where, "an entry that is no mapping")
    fields: Mapping[str, object] = row
    path, md5 = fields.get("relpath"), fields.get("md5")
    if not isinstance(path, str) or not isinstance(md5, str):
        raise _malformed(where, "an entry without relpath and md5")
    if md5.endswith(".dir"):
        raise _malformed(where, f"a folder as member: {path[:80]!r}")
    return ManifestEntry(check_path(path, where=where), check_md5(md5, where=where))


def _check_together(entries: Sequence[ManifestEntry], where: str) -> None:
    files = {entry.path for entry in entries}
    folders = {folder for path in files for folder in with_parents(path)[1:]}
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
        if part in {"", ".", ".."} or plain(part) in OURS or part.lower().startswith("git~"):
            return f"the part {part!r}"
    return None


def plain(part: str) -> str:
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
        next_step="dvc add that folder again, where it was made",
    )


EMPTY = Md5("d41d8cd98f00b204e9800998ecf8427e")
SHOWN = 10


@dataclass(frozen=True, slots=True)
class Damage:
    """An object whose bytes do not have its name; `have` is empty for a missing one."""

    md5: Md5
    have: str
    path: str  # in the materialised folder, "" for the object itself


def open_cache(folder: Path, environ: Mapping[str, str] = os.environ) -> CacheConfig:
    """Return the cache that DVC uses in `folder`, from its four configuration files."""
    dvc_dir = dvc_config.find_dvc_dir(folder)
    dvc_config.refuse_foreign(dvc_dir, environ, cache_alone=True)
    cache = dvc_config.read_settings(dvc_dir, environ).get("cache", {})
    types = tuple(filter(None, (kind.strip() for kind in cache.get("type", "").split(","))))
    return CacheConfig(
        Path(cache.get("dir") or dvc_dir / "cache"),
        types or DEFAULT_TYPES,
        shared=cache.get("shared", "") == "group",
    )


def object_path(cache_dir: Path, md5: Md5) -> Path:
    """Return where an object lies, or would lie."""
    return Path(cache_objects.object_file(CacheConfig(cache_dir), md5))


def put(cache: CacheConfig, root: Path, path: str, *, memo: Memo | None = None) -> FileHash:
    """Store the file or folder `path` below `root`; what is there already is left as it is."""

    def store(file: str) -> FileDigest:
        with links.explained(str(cache.dir)):
            return cache_objects.store(cache, file, memo)

    found, content = hashed(root / path, path, store)
    if content is not None:  # its files are there, so what lists them may come
        with links.explained(str(cache.dir)):
            cache_objects.write(cache, found.md5, content)
    return found


def hashed(full: Path, path: str, of: Callable[[str], FileDigest]) -> tuple[FileHash, bytes | None]:
    """Return hash and size of what DVC would record as `path`, and the manifest of a folder."""
    if not full.is_dir():
        digest = of(str(full))
        return FileHash(path, digest.md5, digest.size, isexec=digest.executable), None
    names = hashing.list_files(str(full), gitignore.load_dvcignore(full))
    members = tuple(hashing.Member(name, of(f"{full}/{name}")) for name in names)
    content = hashing.manifest(members)
    size = sum(member.digest.size for member in members)
    found = FileHash(path, hashing.manifest_md5(content), size, nfiles=len(members))
    return found, content


def has(cache: CacheConfig, md5: Md5) -> bool:
    """Tell whether the object itself is there; an empty file left by a power cut does not count."""
    try:
        seen = Path(cache_objects.object_file(cache, md5)).stat()
    except OSError:
        return False
    return stat.S_ISREG(seen.st_mode) and (seen.st_size > 0 or md5 == EMPTY)


def missing(cache: CacheConfig, md5: Md5) -> tuple[Md5, ...]:
    """Return everything that is not there of a file, or of a folder and its members."""
    if not has(cache, md5):
        return (md5,)
    if not md5.endswith(".dir"):
        return ()
    members = dict.fromkeys(entry.md5 for entry in read_manifest(cache, md5))
    return tuple(member for member in members if not has(cache, member))


def read_manifest(cache: CacheConfig, md5: Md5) -> tuple[ManifestEntry, ...]:
    """Return what a folder consists of, checked."""
    file = cache_objects.object_file(cache, check_md5(md5, where="a folder's hash"))
    with (
        cache_objects.opened(cache, md5) as (descriptor, seen),
        open(descriptor, "rb", closefd=False) as stream,
    ):
        content = stream.read(min(seen.st_size, MANIFEST_LIMIT) + 1)
    have = hashing.manifest_md5(content)
    if have != md5:
        cache_objects.quarantine(cache, md5)
        raise damaged((Damage(md5, have, ""),), file)
    return parse_manifest(content, where=file)


def verify(cache: CacheConfig, md5: Md5) -> tuple[Damage, ...]:
    """Hash an object, and the members of a folder; set bad ones aside so that they are fetched.

    Neither mode nor time of an object is believed. A missing object is damage, too.
    """
    found: list[Damage] = []
    try:
        entries = read_manifest(cache, md5) if md5.endswith(".dir") else ()
    except DataMissingError:
        return (Damage(md5, "", ""),)
    except DamagedDataError as error:
        return (Damage(md5, error.found, ""),)
    wanted = [("", md5)] if not md5.endswith(".dir") else [(e.path, e.md5) for e in entries]
    for path, name in wanted:
        try:
            have = hashing.hash_file(cache_objects.object_file(cache, name)).md5
        except DataMissingError:
            found.append(Damage(name, "", path))
            continue
        if have != name:
            cache_objects.quarantine(cache, name)
            found.append(Damage(name, have, path))
    return tuple(found)


def unfinished(cache: CacheConfig, *, older_than_s: float, now: float) -> tuple[Path, ...]:
    """Return unfinished objects that nobody has written to for a while, sorted."""
    top = cache.dir / "files" / "md5"
    found: list[Path] = []
    for child in (*top.glob(f"{TEMPORARY}*"), *top.glob(f"*/{TEMPORARY}*")):
        with contextlib.suppress(FileNotFoundError):
            if now - child.lstat().st_mtime > older_than_s:
                found.append(child)
    return tuple(sorted(found))


def damaged(damage: Sequence[Damage], where: str) -> DamagedDataError:
    """Return the error that names objects with other bytes than their names say."""
    shown = [f"{one.path or one.md5}: have {one.have}, want {one.md5}" for one in damage]
    return DamagedDataError(
        "data in the cache are damaged",
        found=listed(shown),
        where=where,
        expected="bytes that have the hash of their name",
        next_step="dvc fetch (the damaged objects were set aside)",
    )


def listed(items: Sequence[str]) -> str:
    """Return the first few of many names, and how many more there are."""
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
