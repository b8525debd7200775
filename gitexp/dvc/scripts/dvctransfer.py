"""DVC's own push and fetch, of given commits, in a process of its own.

Started as a file (``python -I dvctransfer.py``); of gitexp it needs what checks hashes and paths.
DVC's talk goes to stderr.

DVC joins a hash into a path, of the cache or the remote, and reads, writes or deletes what lies
there. So each has the form of one before DVC is told of it: in pointers and locks of any commit, in
what DVC remembers, and in the manifests of folders, which are read once, as they are, and held to
their own name, too. What is otherwise is passed over by name. As the last door, DVC's own join
takes nothing else.

A commit names places, too: where an import came from, with settings that may be a program. None of
them is asked: what DVC would bring from there is left out, and named.

Stdin: ``{"places": {"verb": "push"|"fetch", "root": PATH, "top": PATH}, "revs": [HASH, ...],
"objects": [MD5, ...], "elsewhere": [[REMOTE, MD5], ...]|null}``, both paths absolute, `top` that of
the Git work tree; objects are fetched instead of what revs need; nothing but what `elsewhere` has
goes to a remote that an output names. Stdout, last line: ``{"count": NUMBER, "imports": [PATH,
...], "left": {HASH: TEXT}, "missing": [MD5, ...], "odd": [TEXT, ...]}``, paths of ``.dvc`` files
from the top of the Git repository; commits that DVC passes over with a warning, and why; objects
that it finds nowhere; malformed hashes and manifests, and what may not go where its output says,
with the reason in brackets. Or ``{"error": TEXT}``.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dvc import output, parsing
from dvc.config import Config
from dvc.exceptions import DvcException
from dvc.fs import LocalFileSystem
from dvc.repo import Repo
from dvc.repo import fetch as collecting
from dvc.scm import SCM
from dvc.stage import loader
from dvc_data.hashfile import transfer as transferring
from dvc_data.hashfile.db.local import LocalHashFileDB
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from dvc_data.index import fetch as fetching
from dvc_data.index import push as pushing
from dvc_objects.db import ObjectDB
from dvc_objects.errors import ObjectFormatError

from gitexp.dvc.cache import check_path, manifest_entries
from gitexp.dvc.hashing import check_md5, manifest_md5
from gitexp.errors import DamagedDataError, GitexpError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from dvc.dvcfile import SingleStageFile
    from dvc.stage import Stage
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.status import CompareStatusResult
    from dvc_data.index import DataIndexEntry

    from gitexp.dvc.cache import ManifestEntry

    _Items = Mapping[str, list[object]] | list[object]

_ASKED = frozenset({"repo", "db", "files", "version_id"})  # of a dependency: DVC goes there itself
_imports: dict[str, None] = {}
_left: dict[str, str] = {}
_missing: dict[str, None] = {}
_odd: dict[str, None] = {}
_sound: set[tuple[str, str]] = set()  # the place of objects, and a manifest that was read there
_far: dict[tuple[str, str], tuple[ManifestEntry, ...]] = {}  # what a server said the first time
_MOST_ITEMS = 10_000
_PART = re.compile(r"[0-9a-f]{2,32}(?:\.dir)?")  # of a hash: DVC lists by what names begin with


def transfer(
    places: dict[str, str],
    revs: list[str],
    objects: list[str],
    elsewhere: list[tuple[str, str]] | None,
) -> dict[str, object]:
    """Move what the commits need, nothing of the work tree, to or from its remote of today.

    DVC would go by the settings that each commit holds: one from before the remote was set has
    nowhere to send to, and one of somebody else has an address of his. So those of the work tree
    stand in for them. Nor does DVC look for Git's repository on its way up from `root`: it would
    take a folder for one that merely has some of its names.
    """
    Config._load_config = _of_work_tree  # noqa: SLF001  there is no other way in
    output.get_cloud_fs = lambda _config, url, **_: (LocalFileSystem, {}, url)
    loader.fill_stage_dependencies = lambda _stage, **_: None
    loader.SingleStageLoader.load_stage = staticmethod(_pointer)
    collecting._collect_indexes = _collect  # noqa: SLF001  there is no other way in
    for module in (pushing, fetching):
        module._log_missing = _note_missing  # type: ignore[attr-defined]  # noqa: SLF001
    verb, root, top = (places[key] for key in ("verb", "root", "top"))
    allowed = None if elsewhere is None else {(remote, md5) for remote, md5 in elsewhere}
    _hold_hashes(verb, allowed)
    _hold_groups()
    try:
        git = SCM(top, search_parent_directories=False)
        with Repo(root, scm=git) as here:
            today = {
                "core": {"remote": here.config["core"].get("remote")},
                "remote": dict(here.config["remote"]),
                "cache": dict(here.config["cache"]),
            }
        with Repo(root, config=today, scm=git) as repo:
            if objects:
                wanted = [HashInfo("md5", md5) for md5 in objects]
                done = repo.cloud.pull(wanted)
                count = len(done.transferred)
            else:
                move = repo.push if verb == "push" else repo.fetch
                count = int(move(revs=revs, workspace=False))
            named = {"imports": [*_imports], "missing": [*_missing], "odd": [*_odd]}
            return {"count": count, "left": _left, **named}
    except (DvcException, OSError) as error:
        return {"error": _told(error)}


def _told(error: BaseException | None) -> str:
    causes: list[str] = []
    while error is not None:
        causes.append(str(error))
        error = error.__cause__
    return " ".join(": ".join(filter(None, causes)).split())


_collect_indexes = collecting._collect_indexes  # noqa: SLF001


def _collect(*args: object, **options: object) -> object:
    def keep(rev: str, entry: DataIndexEntry | None, error: Exception) -> None:
        if entry is None:
            _left[rev] = _told(error)
        elif entry.hash_info is not None:  # a folder of which nobody has the list
            _missing[str(entry.hash_info.value)] = None

    return _collect_indexes(*args, **{**options, "onerror": keep})


def _note_missing(status: CompareStatusResult) -> None:
    _missing.update(dict.fromkeys(str(each.value) for each in status.missing))


_load = Config._load_config  # noqa: SLF001


def _of_work_tree(config: Config, level: str) -> dict[str, object]:
    """Read one file of settings, but none from a commit."""
    if level == "repo" and not isinstance(config.fs, LocalFileSystem):
        return {}
    found: dict[str, object] = _load(config, level)
    return found


def _hold_groups() -> None:
    """Let DVC fill in no group of stages that is larger than any project's."""
    for kind, name in (
        (parsing.MatrixDefinition, "_resolve_matrix_data"),
        (parsing.ForeachDefinition, "_resolve_foreach_data"),
    ):
        setattr(kind, name, _few(getattr(kind, name)))


def _few(resolve: Callable[[parsing.ForeachDefinition], _Items]) -> object:
    def held(self: parsing.ForeachDefinition) -> _Items:
        found = resolve(self)
        count = len(found)
        if isinstance(self, parsing.MatrixDefinition) and isinstance(found, Mapping):
            count = math.prod(map(len, found.values()))
        if count > _MOST_ITEMS:
            raise DvcException(f"'{self.name}' stands for more than {_MOST_ITEMS:,} stages")
        return found

    return held


_load_pointer = loader.SingleStageLoader.load_stage


def _pointer(file: SingleStageFile, found: dict[str, list[dict[str, object]]], text: str) -> Stage:
    """Load a ``.dvc`` file without its source; a hash is looked for as any is."""
    deps = found.pop("deps", None) or []
    outs = found.get("outs") or []
    if deps and not (all("md5" in out for out in outs) and all(map(_ASKED.isdisjoint, deps))):
        _imports[file.path.lstrip("/")] = None
        found["outs"] = []
    return _load_pointer(file, found, text)


def _hold_hashes(verb: str, elsewhere: set[tuple[str, str]] | None) -> None:
    """Let DVC know no hash that is none, nor a place that main does not name for one."""

    def hashes_of(out: output.Output) -> None:
        _hashes_of(out)
        one = out.remote, str(out.hash_info.value or "")
        if verb == "push" and elsewhere is not None and out.remote and one not in elsewhere:
            why = f"to the DVC remote {out.remote}, as main does not say; --trust sends it"
            _odd[f"{_where(out)} ({why})"] = None
            _forget(out)

    def move(
        src: HashFileDB, dest: HashFileDB, ids: Iterable[HashInfo], **options: object
    ) -> transferring.TransferResult:
        near, far = (src, dest) if verb == "push" else (dest, src)
        done = _move(src, dest, [one for one in ids if _is_sound(one, near, far)], **options)
        if verb == "push":
            return done
        # DVC has asked once more for what it writes, and need not have got the same.
        lists = {one for one in done.transferred if one.isdir}
        false = {one for one in lists if not _is_manifest(dest, str(one.value))}
        for one in false:
            dest.delete(str(one.value))
        return done._replace(transferred=done.transferred - false)

    for owner, name, ours in (
        (output.Output, "_compute_meta_hash_info_from_files", hashes_of),
        (ObjectDB, "_oid_parts", lambda _db, oid: _parts(oid)),
        (LocalHashFileDB, "oid_to_path", lambda db, oid: "/".join((db.path, *_parts(oid)))),
        (ObjectDB, "list_oids_exists", _exist),
        (Tree, "load", _load_manifest),
        *((module, "transfer", move) for module in (transferring, pushing, fetching)),
    ):
        setattr(owner, name, ours)


_move: Callable[..., transferring.TransferResult] = transferring.transfer
_list = ObjectDB.list_oids_exists
_compute_hashes = output.Output._compute_meta_hash_info_from_files  # noqa: SLF001


class _NoHashError(FileNotFoundError, ValueError):
    """What DVC takes for "is nowhere", and for "has no place among objects"."""


class _NoManifestError(ObjectFormatError, FileNotFoundError):
    """What DVC takes for a damaged manifest, or for one that is nowhere."""


def _parts(oid: str) -> tuple[str, str]:
    if not _PART.fullmatch(oid):
        raise _NoHashError(f"{oid[:80]!r} is not a hash")
    return oid[:2], oid[2:]


def _exist(db: ObjectDB, oids: Iterable[str], jobs: int | None = None) -> Iterator[str]:
    """Yield those that are there; what DVC remembers of a remote may be older than this check."""
    yield from _list(db, [*filter(_PART.fullmatch, oids)], jobs)


def _hashes_of(out: output.Output) -> None:
    """Find the hash of an output, as its pointer or lock has it; forget one that is none."""
    where = _where(out)
    name = "md5" if out.hash_name == "md5-dos2unix" else out.hash_name
    try:
        for file in out.files or ():
            check_path(file[Tree.PARAM_RELPATH], where=where)
            check_md5(str(file.get(name) or "0" * 32), where=where)
        _compute_hashes(out)
        check_md5(str(out.hash_info.value or "0" * 32), where=where)
    except GitexpError as error:
        _note(where, error)
        _forget(out)


def _where(out: output.Output) -> str:
    return f"{out.stage.path.lstrip('/').replace('dvc.yaml', 'dvc.lock')}: {out.def_path}"


def _forget(out: output.Output) -> None:
    out.clear()
    out.use_cache = False  # nor has it a place of its own on a remote with versions


def _note(what: str, error: GitexpError) -> None:
    _odd[f"{what} ({error.brief})"] = None


def _is_sound(one: HashInfo, near: HashFileDB, far: HashFileDB) -> bool:
    """Tell whether DVC may be told of an object: of a folder, somebody has the manifest."""
    value = str(one.value)
    try:
        check_md5(value, where="")
    except GitexpError as error:
        _note("an object", error)
        return False
    if not one.isdir or any(
        (db.path, value) in _sound or _is_manifest(db, value) for db in (near, far)
    ):
        return True
    _missing[value] = None
    return False


def _is_manifest(db: HashFileDB, value: str) -> bool:
    with contextlib.suppress(FileNotFoundError):
        _read_manifest(db, value)
        return True
    return False


def _read_manifest(db: HashFileDB, value: str) -> tuple[ManifestEntry, ...]:
    """Read what a folder consists of, once: a remote may answer otherwise the next time."""
    if known := _far.get((db.path, value)):
        return known
    stored = db.get(value)
    with stored.fs.open(stored.path, "rb") as stream:
        content = stream.read()
    try:
        entries = manifest_entries(content, where=value)
        if (have := manifest_md5(content)).partition(".")[0] != value.partition(".")[0]:
            raise DamagedDataError("its bytes do not have the hash of its name", found=have)
    except GitexpError as error:
        _note(f"object {value}", error)
        raise _NoManifestError(error.brief) from error
    _sound.add((db.path, value))
    if not isinstance(db, LocalHashFileDB):
        _far[db.path, value] = entries
    return entries


def _load_manifest(db: HashFileDB, one: HashInfo, hash_name: str | None = None) -> Tree:
    """Load a manifest as DVC does, but no more of an entry than its path and hash."""
    rows = [{"md5": each.md5, "relpath": each.path} for each in _read_manifest(db, str(one.value))]
    if hash_name is None and db.hash_name == "md5-dos2unix":
        hash_name = db.hash_name
    tree: Tree = Tree.from_list(rows, hash_name=hash_name)
    stored = db.get(str(one.value))
    tree.path, tree.fs, tree.hash_info, tree.oid = stored.path, stored.fs, one, str(one.value)
    return tree


def main() -> int:
    """Answer one question."""
    asked = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        answer = transfer(**asked)
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    sys.exit(main())
