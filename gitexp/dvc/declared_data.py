"""Data that DVC's files declare: of a state, by path; of commits, as objects that they need.

Only Git objects are looked at. Neighbouring commits share nearly all of their folders, so `Reader`
reads each folder and each file once.
"""

from __future__ import annotations

import hashlib
import posixpath
from typing import TYPE_CHECKING

from gitexp.dvc.dvcfiles import DvcFiles, HashedPath
from gitexp.dvc.dvcpipeline import (
    LIMIT,
    Pattern,
    declared_outs,
    declares,
    load_mapping,
    named_beside,
)
from gitexp.errors import BadFormatError, UnsafeInputError
from gitexp.git.objects import MODE_BLOB, MODE_EXECUTABLE, commit_info, entry_at, list_dir
from gitexp.git.tree import MODE_TREE
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, BlobId, CommitHash, EvaluationDigest, Md5, TreeId
from gitexp.text.fields import Fields
from gitexp.text.foreign import is_url, joined
from gitexp.text.predictions import declared_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitexp.dvc.state import ProjectState
    from gitexp.git.repository import Repo


PLAIN = "md5"
BY_DVC_2 = "written by DVC 2"  # its objects lie elsewhere, in the cache and on the remote
_PIPELINE, _LOCK = "dvc.yaml", "dvc.lock"
_SKIPPED = frozenset({".dvc", ".gitexp"})
_LFS = b"version https://git-lfs"
LIMIT_EVALUATION = 64 << 20  # bytes of a file that are hashed to plan


@dataclass(frozen=True, slots=True)
class Pointed:
    """A file or folder that DVC holds."""

    path: str  # relative to the project folder
    by: str  # the .dvc file, or dvc.lock
    md5: str | None
    size: int | None
    nfiles: int | None
    cache: bool  # whether DVC keeps it; Git does otherwise


@dataclass(frozen=True, slots=True)
class PointedData:
    """All of a state, by path; files that could not be read beside it, and malformed hashes."""

    data: dict[str, Pointed]
    unreadable: tuple[str, ...]


def declared_metrics(data: bytes, where: str, folder: str = "") -> list[Pattern]:
    """Return the metrics files that a ``dvc.yaml`` declares, by its stages and beside them."""
    outs = declared_outs(data, where, folder, ("metrics",))
    names = named_beside(Fields(load_mapping(data, where), where), "metrics")
    return [
        *(pattern for each in outs.values() for pattern, _ in each),
        *(Pattern.of(joined(name, where, folder)) for name in names if not is_url(name)),
    ]


def pointed(state: ProjectState) -> PointedData:
    """Return what the pointers and locks of a state's project folder name."""
    files = state.dvc_files(lambda path: _wdirs(state, path), base=state.config.project)
    found: dict[str, Pointed] = {}
    too_large: tuple[str, ...] = ()
    odd: list[str] = []
    try:
        for path, _, out in files.outputs:
            odd += _odd(files.at(path), (out,))
            found[out.path] = Pointed(out.path, path, out.md5, out.size, out.nfiles, out.cache)
    except UnsafeInputError as error:  # all together are too much
        too_large = (f"{error.where}: {error.summary}",)
    bad = (f"{files.at(path)}: {error.summary}" for path, error in files.unreadable.items())
    return PointedData(found, (*bad, *odd, *too_large))


def _wdirs(state: ProjectState, path: str) -> dict[str, str]:
    """Return where the paths of the pipeline's own lock start; tolerant of a broken pipeline."""
    try:
        return state.wdirs if path == state.lock_path else {}
    except (BadFormatError, UnsafeInputError):
        return {}


@dataclass(frozen=True, slots=True)
class Needed:
    """One output whose bytes are in DVC's cache, not in Git."""

    path: str  # from the repository's top
    md5: Md5
    size: int
    nfiles: int | None
    isexec: bool
    declared: str  # the file that names it
    push: bool = True  # whether DVC may send it away
    imported: bool = False  # whether it came from elsewhere, where DVC finds it again
    remote: str = ""  # DVC's name of its own one, "" for the default


@dataclass(frozen=True, slots=True)
class Needs:
    """What one or several commits need."""

    outs: tuple[Needed, ...]
    # What only DVC can send, with the reason: templates that may say ``push: false``, a remote of
    # its own, imports, what DVC 2 wrote.
    delegated: tuple[str, ...]
    odd: tuple[str, ...] = ()  # what no file can be known by, with the reason in brackets


class Reader:
    """Reads what commits need; remembers folders and files."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._folders: dict[TreeId, tuple[tuple[str, str], ...]] = {}
        self._read: dict[tuple[str, str, str], Needs] = {}

    def needs(self, commits: Iterable[CommitHash]) -> Needs:
        """Return what these commits need together; each object is named once."""
        outs: dict[tuple[str, bool], Needed] = {}
        delegated: dict[str, None] = {}
        odd: dict[str, None] = {}
        for commit in commits:
            found = self.of(commit)
            for out in found.outs:
                outs.setdefault((out.md5, out.push), out)
            delegated.update(dict.fromkeys(found.delegated))
            odd.update(dict.fromkeys(found.odd))
        return Needs(tuple(outs.values()), tuple(delegated), tuple(odd))

    def of(self, commit: CommitHash) -> Needs:
        """Return what one commit needs."""
        tree = commit_info(self._repo, commit).tree
        files = dict(self.files(tree))
        outs: list[Needed] = []
        delegated: list[str] = []
        odd: list[str] = []
        for path, id_ in sorted(files.items()):
            folder, name = posixpath.split(path)
            if name == _PIPELINE:
                continue
            beside = posixpath.join(folder, _PIPELINE) if name == _LOCK else ""
            key = (path, id_, files.get(beside, ""))
            if key not in self._read:
                try:
                    self._read[key] = self._file(path, files)
                except (BadFormatError, UnsafeInputError) as error:
                    why = f"{path} ({error.summary})"
                    self._read[key] = Needs((), (f"{path}: {error.summary}",), (why,))
            found = self._read[key]
            # A metric that dvc.yaml's template gives to Git stands in the tree.
            outs += [out for out in found.outs if entry_at(self._repo, tree, out.path) is ABSENT]
            delegated += found.delegated
            odd += found.odd
        return Needs(tuple(outs), tuple(delegated), tuple(odd))

    def files(self, tree: TreeId) -> tuple[tuple[str, str], ...]:
        """Return (path, blob) of DVC's files below a folder."""
        if tree not in self._folders:
            found: list[tuple[str, str]] = []
            for entry in list_dir(self._repo, tree):
                name = entry.text
                if entry.mode == MODE_TREE and name not in _SKIPPED:
                    below = self.files(TreeId(entry.id))
                    found += [(f"{name}/{path}", id_) for path, id_ in below]
                elif entry.mode in {MODE_BLOB, MODE_EXECUTABLE} and (
                    name == _PIPELINE or declares(name)
                ):
                    found.append((name, entry.id))
            self._folders[tree] = tuple(found)
        return self._folders[tree]

    def _file(self, path: str, files: Mapping[str, str]) -> Needs:
        def read(name: str) -> bytes | None:
            if name not in files:
                return None
            return self._repo.read(BlobId(files[name]), LIMIT, where=name)

        own = DvcFiles(read)
        return _pointer(own, path) if path.endswith(".dvc") else _lock(own, path)


def _pointer(files: DvcFiles, path: str) -> Needs:
    pointer = files.pointer(path)
    if pointer is None:
        return Needs((), ())
    outs: list[Needed] = []
    delegated: list[str] = []
    if pointer.needs_dvc:
        delegated.append(f"{path}: only DVC reads it")
    for out in pointer.outs:
        if not out.cache:
            continue
        if out.own_remote:
            delegated.append(f"{path}: a remote of its own")
        plain = _plain(out, path, delegated, push=out.push)
        outs += [
            replace(each, imported=bool(pointer.deps), remote=out.own_remote) for each in plain
        ]
    return Needs(tuple(outs), tuple(delegated), _odd(path, pointer.outs))


def _lock(files: DvcFiles, path: str) -> Needs:
    where = posixpath.join(posixpath.dirname(path), _PIPELINE)
    declared = files.pipeline(where)
    if declared is None:  # DVC does not look at a lock without its pipeline
        return Needs((), ())
    delegated: list[str] = []
    if declared.needs_dvc:
        delegated.append(f"{where}: {declared.why}")
    flags = {(stage.name, out.path): out for stage in declared.stages for out in stage.outs}
    groups = declared_outs(files.data(where) or b"", where) if declared.needs_dvc else ()
    outs: list[Needed] = []
    for name, out in files.outs(path):
        flag = flags.get((name, out.path))
        if not out.cache or (flag is None and name.partition("@")[0] not in groups):
            continue  # a file that Git keeps, or a stage or output that dvc.yaml has no more
        if flag is not None and flag.remote:
            delegated.append(f"{where}: {name} has a remote of its own")
        plain = _plain(out, path, delegated, push=flag is None or flag.push)
        outs += [replace(each, remote="" if flag is None else flag.remote) for each in plain]
    return Needs(tuple(outs), tuple(delegated), _odd(path, (out for _, out in files.outs(path))))


def _odd(file: str, outs: Iterable[HashedPath]) -> tuple[str, ...]:
    return tuple(
        f"{file}: {out.written} (a hash does not have the form of an MD5)"
        for out in outs
        if out.odd and out.cache
    )


def _plain(out: HashedPath, file: str, delegated: list[str], *, push: bool) -> tuple[Needed, ...]:
    if out.md5 is None:
        return ()
    if out.hash != PLAIN:
        delegated.append(f"{file}: {BY_DVC_2}")
        return ()
    needed = Needed(out.path, out.md5, out.size or 0, out.nfiles, out.isexec, file, push)
    return (needed,)


def foreseen(state: ProjectState) -> EvaluationDigest | None:
    """Return what will identify a state's declared evaluation data; None where no file tells.

    What a stage makes may be made otherwise, and what a filter of Git writes is not what Git holds.
    """
    config, found = state.config, list[tuple[str, str]]()
    if config.predictions is not None:
        return None
    data = pointed(state).data if config.evaluation else {}
    for path in config.evaluation:
        name = path.rstrip("/")
        entry = state.entry(state.at(name))
        text = state.read(name, LIMIT_EVALUATION) if entry is not ABSENT else ABSENT
        if entry is not ABSENT and entry.mode in {MODE_BLOB, MODE_EXECUTABLE}:
            if text is ABSENT or text.startswith(_LFS) or name in state.outputs:
                return None
            found.append((path, hashlib.md5(text, usedforsecurity=False).hexdigest()))
        elif name in data and data[name].by.endswith(".dvc") and (md5 := data[name].md5):
            found.append((path, md5))
        else:
            return None
    return declared_digest(found) if found else None
