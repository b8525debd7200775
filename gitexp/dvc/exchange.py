"""Objects on their way to DVC's remote, and from it.

A remote that is a plain folder is served by our own code: members before the manifest that lists
them, so that a manifest there means completeness; every byte hashed on its way. Any other remote
(S3, SSH, versioned, ...) is left to DVC itself, in one process.
"""

from __future__ import annotations

import json
import os
import posixpath
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gitexp.dvc import cache, dvc_config, hashing, links
from gitexp.dvc import cache_objects as objects
from gitexp.dvc.cache_objects import CacheConfig
from gitexp.dvc.pipeline import by_script
from gitexp.errors import (
    BadFormatError,
    DamagedDataError,
    DataMissingError,
    DvcFailedError,
    UnsafeInputError,
)
from gitexp.model import dataclass, field

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from gitexp.model.ids import Md5

SCRIPT = Path(__file__).parent / "scripts" / "dvctransfer.py"
_ALLOWED = frozenset({"url", "jobs"})  # settings that a plain folder may have


@dataclass(frozen=True, slots=True)
class DataRemote:
    """DVC's default remote."""

    name: str
    folder: Path | None  # where it is a plain folder; None: DVC alone can serve it


@dataclass(frozen=True, slots=True)
class CopiedObjects:
    """What was copied."""

    objects: int  # their number, and their bytes
    size: int
    lacking: tuple[Md5, ...] = ()  # files and folders that are on neither side, or not whole
    odd: tuple[str, ...] = ()  # those of `lacking` whose manifest is none, with the reason
    # Those of `lacking` of which something has other bytes than its name says, or is a link.
    damaged: Mapping[Md5, DamagedDataError] = field(default_factory=dict)


def remote_of(
    folder: Path, environ: Mapping[str, str] = os.environ, *, trust: bool = False
) -> DataRemote | None:
    """Return DVC's default remote as seen from a folder; by the branch's word with `trust` only."""
    dvc_dir = dvc_config.find_dvc_dir(folder)
    if not trust:
        dvc_config.refuse_foreign(dvc_dir, environ)
    found = dvc_config.read_settings(dvc_dir, environ)
    name = found.get("core", {}).get("remote", "").lower()
    values = found.get(f'remote "{name}"', {})
    url = values.get("url", "")
    if not name or not url:
        return None
    plain = "://" not in url and _ALLOWED.issuperset(values) and os.path.isabs(url)  # noqa: PTH117 - plain text
    return DataRemote(name, Path(url) if plain else None)


def bring(
    project: Path, cache: CacheConfig, wanted: Sequence[Md5], environ: Mapping[str, str]
) -> None:
    """Bring objects from DVC's default remote; by no branch's word alone.

    Raises `ForeignRemoteError` if only the branch that is checked out says where they are.
    """
    remote = remote_of(project, environ)
    if remote is None:
        return
    if remote.folder is not None:
        send(folder_cache(remote.folder), cache, wanted)
    else:
        by_dvc(project, (), objects=wanted)


def send(
    here: CacheConfig, there: CacheConfig, wanted: Iterable[Md5], *, strict: bool = True
) -> CopiedObjects:
    """Copy what is lacking `there`, or the other way round: a folder's members first.

    What is damaged stops nothing else, and is an error at the end if `strict`.
    """
    sizes: list[int] = []
    lacking: dict[Md5, None] = {}
    odd: list[str] = []
    damaged: dict[Md5, DamagedDataError] = {}
    with links.explained(str(there.dir)):
        for md5 in dict.fromkeys(wanted):
            hashing.check_md5(md5, where="an output's hash")
            try:
                if _copy_whole(here, there, md5, sizes):
                    continue
            except (BadFormatError, UnsafeInputError) as error:  # of somebody: all others go on
                odd.append(f"object {md5} ({error.brief})")
            except DamagedDataError as error:
                damaged[md5] = error
            lacking[md5] = None
    if sizes:
        objects.flush()
    if strict and damaged:
        raise next(iter(damaged.values()))
    return CopiedObjects(len(sizes), sum(sizes), tuple(lacking), tuple(odd), damaged)


def _copy_whole(here: CacheConfig, there: CacheConfig, md5: Md5, sizes: list[int]) -> bool:
    """Copy an object, what a folder has before it; tell if all is there, and add the sizes.

    Raises `DamagedDataError` once all that is sound was copied.
    """
    members = _members(here, there, md5)
    found: list[int | None] = [None] if members is None else []
    damage: DamagedDataError | None = None
    for member in members or ():
        try:
            found.append(_copy(here, there, member))
        except DamagedDataError as error:
            damage = error
    if damage is None and md5.endswith(".dir") and None not in found:
        found.append(_copy(here, there, md5))
    sizes += [size for size in found if size is not None and size >= 0]
    if damage is not None:
        raise damage
    return None not in found


def take(here: CacheConfig, there: CacheConfig, md5: Md5) -> bool:
    """Move objects, members first and unflushed, into a cache that stays; tell if all are sound."""
    with links.explained(str(there.dir)):
        try:
            members = _members(here, there, md5)
        except DamagedDataError:
            return False
        if members is None:
            return False
        names = (*members, md5) if md5.endswith(".dir") else members
        return all(
            objects.adopt(there, objects.object_file(here, name), name)
            if cache.has(here, name)
            else cache.has(there, name)
            for name in names
        )


class MovedByDvc(NamedTuple):
    """What DVC did, and what it passed over with no more than a warning."""

    objects: int  # how many were moved
    imports: tuple[str, ...]  # `.dvc` files
    left: Mapping[str, str]  # commits that it cannot read, and why
    missing: tuple[str, ...]  # objects that are on neither side
    odd: tuple[str, ...]  # hashes and lists of files that are none, of which DVC is told nothing


def sent_by_dvc(
    project: Path,
    revs: Sequence[str],
    elsewhere: Collection[tuple[str, Md5]] | None,
    *,
    trust: bool = False,
) -> MovedByDvc:
    """Let DVC push what commits need.

    `elsewhere`: what may go to a remote that an output names, by its name and hash; None for
    whatever commits say.
    """
    own = None if elsewhere is None else sorted(elsewhere)
    return _by_dvc("push", project, {"revs": [*revs], "objects": [], "elsewhere": own}, trust=trust)


def by_dvc(
    project: Path, revs: Sequence[str], *, objects: Sequence[Md5] = (), trust: bool = False
) -> MovedByDvc:
    """Let DVC fetch what commits need, or `objects`."""
    wanted = [hashing.check_md5(md5, where="an output's hash") for md5 in objects]
    asked = {"revs": [*revs], "objects": wanted, "elsewhere": None}
    return _by_dvc("fetch", project, asked, trust=trust)


def _by_dvc(verb: str, project: Path, asked: Mapping[str, object], *, trust: bool) -> MovedByDvc:
    dvc_dir = dvc_config.find_dvc_dir(project)
    if not trust:
        dvc_config.refuse_foreign(dvc_dir, os.environ)
    root = dvc_dir.parent
    places = {"verb": verb, "root": str(root), "top": str(dvc_config.top_of(root))}
    question = {"places": places, **asked}

    def refused(said: str) -> DvcFailedError:
        more = "; --no-data leaves data out" if verb == "push" else ""
        return DvcFailedError(
            f"DVC could not {verb} the data",
            found=said,
            where=str(root),
            next_step=f"dvc {verb}, which shows all that the remote says{more}",
        )

    said = by_script(SCRIPT, question, refused, root)
    answer = json.loads(said.rpartition(b"\n")[2] or said)
    if "error" in answer:
        raise refused(str(answer["error"])[:2000])
    imports, missing, odd = (tuple(map(str, answer[key])) for key in ("imports", "missing", "odd"))
    return MovedByDvc(int(answer["count"]), imports, dict(answer["left"]), missing, odd)


def _members(here: CacheConfig, there: CacheConfig, md5: Md5) -> tuple[Md5, ...] | None:
    """Return the files of an object; None where nobody has the manifest."""
    if not md5.endswith(".dir"):
        return (md5,)
    for side in (here, there):
        try:
            entries = cache.read_manifest(side, md5)
        except DataMissingError:
            continue
        return tuple(dict.fromkeys(entry.md5 for entry in entries))
    return None


def _copy(here: CacheConfig, there: CacheConfig, md5: Md5) -> int | None:
    """Return the bytes that were copied, -1 where it was there, None where it is nowhere."""
    if cache.has(there, md5):
        return -1
    if not cache.has(here, md5):
        return None
    copied = objects.copy(here, there, md5)
    if copied is None:
        raise objects.damaged_object(here, md5, "has other bytes than its name says")
    return copied


def folder_cache(folder: Path) -> CacheConfig:
    """Return a plain folder's remote as a place of objects: it is laid out as a cache is."""
    return CacheConfig(Path(posixpath.normpath(folder.as_posix())), shared_remote=True)
