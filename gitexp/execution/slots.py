"""A job's place: a free worktree, as the commit has it, with data, links and parameters put in.

Which worktrees there are is the coordinator's business; here one is taken by a file lock that
goes with the process, and is cleaned if another repeat has used it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import dvc_config, gitignore
from gitexp.dvc import links as data_links
from gitexp.dvc.placement import LINKS, materialise
from gitexp.errors import GitFailedError, LockedError, UnsafeInputError
from gitexp.git.command import clean_slot
from gitexp.git.discovery import project_folder
from gitexp.git.transaction.locks import FileLock
from gitexp.git.worktree import checkouts, status
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.job import Given, Job, LinkedPath, StageOut

_BUILDS_ASK = frozenset(("README.md", "README.rst", "README", "LICENSE", "LICENSE.txt"))
_BYTECODE = "__pycache__"
_IMPORTED = (".py", ".pyc", ".pyd", ".so", ".pth")
_NO_CODE = frozenset((_BYTECODE, ".git", ".dvc", ".gitexp", ".venv", "node_modules"))
READ = "{} of the work tree was read, which Git ignores: another clone has none, or another"
_WAIT_S = 60.0  # a cancelled worker may hold its slot while it ends its children
_PAUSE_S = 0.01


@contextlib.contextmanager
def take(slots: Sequence[str], commit: CommitHash) -> Iterator[Path]:
    """Hold a free worktree that is exactly as the commit has it."""
    lock, slot = _lock(slots)
    try:
        used = Path(f"{slot}.used")
        if used.exists():
            clean_slot(slot, commit)
            checkouts.refill(slot, commit)
        else:
            used.touch()
        yield slot
    finally:
        lock.release()


def fill(
    slot: Path,
    project: str,
    given: Sequence[Given],
    cache: CacheConfig,
    *,
    kept: Collection[str] = (),
) -> tuple[Given, ...]:
    """Put data into a worktree, never beside it; return those whose bytes the cache shares."""
    shared = []
    for each in given:
        path = os.path.normpath(os.path.join(project, each.path))  # noqa: PTH118  text, not a place
        if LINKS & materialise(cache, each, slot, path, over=lambda _: True):
            shared.append(each)
    # DVC hashes a .gitignore that lies in a dependency's folder: it has to be there as it will be.
    gitignore.protect(slot / project, [each.path for each in given if each.path not in kept])
    return tuple(shared)


def share_cache(slot: Path, project: str, cache: Path) -> None:
    """Let DVC find the user's cache, should a command call it: a new worktree's own is empty."""
    here = project_folder(slot, project)
    if not dvc_config.has_dvc(here):
        return
    dvc_dir = dvc_config.find_dvc_dir(here).relative_to(slot).as_posix()
    folder, name = _open_parent(slot, f"{dvc_dir}/config.local", create=False)
    try:
        descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=folder)
    except FileExistsError:  # the commit's own
        return
    finally:
        os.close(folder)
    quote = "'" if '"' in str(cache) else '"'
    with open(descriptor, "w", encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
        file.write(f"[cache]\n    dir = {quote}{cache}{quote}\n")


def make_links(project: Path, links: Sequence[LinkedPath]) -> tuple[str, ...]:
    """Let a worktree see ignored paths of the user's; return those that the commit itself holds."""
    own = []
    for link in links:
        folder, name = _open_parent(project, link.path, create=True)
        try:
            os.symlink(link.target, name, dir_fd=folder)
        except FileExistsError:
            own.append(link.path)
        finally:
            os.close(folder)
    return tuple(own)


def remove_outs(project: Path, outs: Sequence[StageOut]) -> None:
    """Delete what a stage is about to make, as DVC does, but for what it says persists."""
    _remove(project, [out.path for out in outs if not out.persist])


def leave_out(slot: Path, paths: Collection[str]) -> None:
    """Delete what a job must not see; an empty file stands for a text that builds ask for."""
    _remove(slot, paths)
    for name in _BUILDS_ASK.intersection(paths):
        (slot / name).touch()


def write(slot: Path, files: Mapping[str, str]) -> None:
    """Put files in place of the commit's, which keep their mode."""
    for path, text in files.items():
        folder, name = _open_parent(slot, path, create=False)
        try:
            flags = os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW
            descriptor = os.open(name, flags, dir_fd=folder)
        finally:
            os.close(folder)
        with open(descriptor, "wb") as file:  # noqa: PTH123  a descriptor
            file.write(text.encode())


def code(slot: Path, apart: Collection[str]) -> dict[str, str]:
    """Return what Python may import of a worktree, by path, with what tells its content.

    Without what lies in the paths `apart`. Bytecode beside sources is deleted: Python writes it
    anew, and nobody can tell who wrote it.
    """
    found: dict[str, str] = {}
    for top, folders, names in os.walk(slot):
        above = Path(top).relative_to(slot)
        here = {name: (above / name).as_posix() for name in (*folders, *names)}
        here = {name: path for name, path in here.items() if path not in apart}
        folders[:] = [name for name in folders if name in here and name not in _NO_CODE]
        for name, path in here.items():
            file = Path(top, name)
            if name == _BYTECODE:
                _remove(slot, [path])
            elif name.endswith(_IMPORTED) and file.is_file():
                found[path] = hashlib.sha256(file.read_bytes()).hexdigest()
            elif file.is_symlink() and file.is_dir():
                inits = file.glob("__init__.*")
                found |= {f"{path}/{each.name}": str(each.resolve()) for each in inits}
    return found


def planted(
    before: Mapping[str, str], now: Mapping[str, str], folders: Collection[str]
) -> Iterator[str]:
    """Yield code that is another one, or is new in one of the folders, or beside other code."""
    known = {*folders, *(path.rpartition("/")[0] for path in before)}
    for path in sorted({*before, *now}):
        above, _, name = path.rpartition("/")
        beside = above.rpartition("/")[0] if name.startswith("__init__.") else above
        if before.get(path) != now.get(path) and (path in before or {above, beside} & known):
            yield path


def _remove(top: Path, paths: Iterable[str]) -> None:
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            folder, name = _open_parent(top, path, create=False)
            try:
                data_links.remove(name, folder)
            finally:
                os.close(folder)


def _open_parent(project: Path, path: str, *, create: bool) -> tuple[int, str]:
    parent, _, name = path.rstrip("/").rpartition("/")
    if name in {"", ".", ".."}:
        raise UnsafeInputError("a path names no file or folder", found=ascii(path))
    return data_links.open_folder(str(project), parent, create=create), name


def _lock(slots: Sequence[str]) -> tuple[FileLock, Path]:
    deadline = time.monotonic() + _WAIT_S
    while True:
        for slot in slots:
            lock = FileLock(Path(f"{slot}.lock"))
            if lock.try_acquire():
                return lock, Path(slot)
        if time.monotonic() >= deadline:
            raise LockedError(
                "every worktree of this run is taken",
                found=f"{len(slots)} worktrees",
                where=", ".join(slots),
                expected=f"a free one within {_WAIT_S:g} s",
            )
        time.sleep(_PAUSE_S)


def readable(job: Job, cache: Path) -> list[str]:
    """Return what of the user's work tree a job may read."""
    top = Path(job.repository)
    dvc = project_folder(top, job.project) / ".dvc"
    python = Path(job.python).parents[1] if os.sep in job.python else cache
    ours = (top / ".git", top / ".gitexp", top / ".dvc", dvc, cache, python)
    return [*map(str, ours), *(link.target for link in job.links)]


def acting(job: Job, paths: Iterable[str]) -> list[str]:
    """Return those of the user's files that act on a result: all that commits or DVC know of.

    What Git ignores besides, a cache or a log, is nobody's state: no commit could bring it.
    """
    top, found = Path(job.repository), []
    outs = (out.path for stage in job.stages for out in stage.outs)
    given = (each.path for each in job.given)
    data = {posixpath.join(job.project, each) for each in (*outs, *given)}
    asked: dict[str, str] = {}  # Git answers for no path behind a link
    for path in paths:
        above = with_parents(path)
        asked[path] = next((each for each in above[::-1] if (top / each).is_symlink()), path)
        if any(each in data or (top / f"{each}.dvc").is_file() for each in above):
            found.append(path)
    ignored = _ignored(top, asked.values())
    return [path for path in asked if path in found or asked[path] not in ignored]


def _ignored(top: Path, paths: Collection[str]) -> frozenset[str]:
    try:
        return status.is_ignored(top, paths)
    except GitFailedError:  # one lies in a submodule, and may hide the answer about the others
        if len(paths) == 1:
            return frozenset()
    return frozenset().union(*(_ignored(top, [path]) for path in paths))
