"""A job's place: a free worktree, as the commit has it, with data, links and parameters put in.

Which worktrees there are is the coordinator's business; here one is taken by a file lock that
goes with the process, and is cleaned if another repeat has used it.
"""

from __future__ import annotations

import contextlib
import filecmp
import hashlib
import itertools
import os
import posixpath
import shlex
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from gitexp.dvc import dvc_config, gitignore
from gitexp.dvc import links as data_links
from gitexp.dvc.placement import LINKS, materialise
from gitexp.errors import GitexpError, GitFailedError, LockedError, UnsafeInputError
from gitexp.git.command import clean_slot
from gitexp.git.discovery import plain_bytes, project_folder
from gitexp.git.transaction import layout
from gitexp.git.transaction.locks import FileLock
from gitexp.git.worktree import checkouts, status
from gitexp.model.job import LINKED, WRITTEN
from gitexp.store import calls
from gitexp.system import params
from gitexp.text.foreign import with_parents
from gitexp.text.jsontext import json_dumps, json_loads

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.dvc.cache_objects import CacheConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.job import Given, Job, LinkedPath, StageOut
    from gitexp.text.jsontext import Json

_BUILDS_ASK = frozenset(("README.md", "README.rst", "README", "LICENSE", "LICENSE.txt"))
_BYTECODE = "__pycache__"
_IMPORTED = (".py", ".pyc", ".pyd", ".so", ".pth")
_NO_CODE = frozenset((_BYTECODE, ".git", ".dvc", ".gitexp", ".venv", "node_modules"))
COPIED = 1 << 30  # bytes of linked files that a run copies, where no reflink is to be had
_FILES, _PLACES = "files", "places.json"  # of what is kept of linked files
_PLACES_BYTES = 16 << 20
_LEAST = 1 << 16  # bytes that each file counts for: many small ones take time, too
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


def linked(common_dir: Path, run: str) -> Path:
    """Return where the linked files of a run are kept, and where each belongs.

    It is in the Git directory that all work trees share.
    """
    return layout.state(common_dir, LINKED) / run


def keep_linked(folder: Path, links: Sequence[LinkedPath]) -> None:
    """Keep what a run's repeats will see through links; see `put_back`.

    What is too much to be copied gets a second name: that survives all but a write in place.
    """
    room, made = COPIED, folder / "made.tmp"
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700)
    places: dict[str, Json] = {link.path: os.path.realpath(link.target) for link in links}
    value: dict[str, Json] = {"places": places, "seal": _seal(folder, places)}
    (folder / _PLACES).write_bytes(json_dumps(value))
    for name, file, seen in params.linked_files(links):
        kept = folder / _FILES / name
        kept.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(OSError, GitexpError):  # no room, or not ours to read
            made.unlink(missing_ok=True)
            copied = data_links.clone_or_copy(file, str(made), limit=room) if room > 0 else None
            if copied is None:
                os.link(file, kept)
                continue
            room -= max(copied, _LEAST)
            made.chmod(stat.S_IMODE(seen.st_mode))
            os.utime(made, ns=(seen.st_atime_ns, seen.st_mtime_ns))
            made.rename(kept)  # never half of it


def put_back(
    folder: Path, run: Path, seen: Mapping[str, params.LinkState] | None = None
) -> list[str]:
    """Put linked files back that are no longer as `keep_linked` found them, and say which.

    What stands in their place may be the user's own work: it stays, in the folder of the run.
    `folder`: see `linked`. `seen`: as a repeat found them, which has not changed what still is so.
    """
    said, run = [], Path(os.path.realpath(run))
    for path, target in _places(folder):
        top = folder / _FILES / path
        for kept in [top] if top.is_file() else sorted(top.rglob("*")) if top.is_dir() else ():
            below = kept.relative_to(top)
            name = (path / below).as_posix()
            if kept.is_dir():
                continue
            try:
                _refuse_led(target / below)
                if _is_kept(kept, target / below, (seen or {}).get(name)):
                    continue
                aside = _exchange(kept, target / below, run, name)
                told = "is again as before the run"
                told += "" if aside is None else f"; what stood there: {_shown(aside, run)}"
            except (OSError, GitexpError) as error:
                before = _free(run, f"{name}.before")
                shutil.move(kept, before)
                told = f"cannot be put back ({error}): {_shown(before, run)} is it"
            said.append(f"{name} was changed, and {told}")
    return said


def _places(folder: Path) -> list[tuple[Path, Path]]:
    """Return of each link its path in the project, and the real place of what it led to."""
    try:
        told = plain_bytes(folder / _PLACES, _PLACES_BYTES + 1)
    except FileNotFoundError:  # nothing was kept yet, or another side's put it back
        return []
    value = json_loads(told, where=str(folder / _PLACES), limit=_PLACES_BYTES)
    places, seal = map(value.get, ("places", "seal")) if isinstance(value, dict) else ((), "")
    if not isinstance(places, dict) or seal != _seal(folder, places):
        raise UnsafeInputError(
            "who wrote where linked files belong is not known: none is put back",
            where=str(folder / _PLACES),
            next_step=f"copy what you need of it, then rm -r {shlex.quote(str(folder))}",
        )
    return [(Path(path), Path(str(place))) for path, place in places.items()]


def _seal(folder: Path, places: Mapping[str, Json]) -> str:
    """Return what proves that this user wrote them: a given folder may name any place."""
    text = json_dumps({"run": folder.name, "places": dict(places)}).decode("utf-8")
    return calls.sealed(folder.parents[2], f"linked {text}")


def _refuse_led(file: Path) -> None:
    """Refuse a place that a link leads to by now, as a branch may have one there, and Git's own."""
    above = os.path.realpath(file.parent)
    if above != str(file.parent) or ".git" in map(str.casefold, file.parts):
        raise UnsafeInputError("a link leads elsewhere", found=ascii(above), where=str(file.parent))


def _is_kept(kept: Path, file: Path, seen: params.LinkState | None) -> bool:
    """Tell whether a file has the bytes that were kept of it; then it gets their time, too."""
    before, now = kept.stat(), _lstat(file)
    if now is not None and seen == (now.st_size, now.st_mtime_ns, now.st_ino):
        return True
    if now is None or not stat.S_ISREG(now.st_mode) or now.st_size != before.st_size:
        return False
    if now.st_mtime_ns != before.st_mtime_ns:
        if not filecmp.cmp(kept, file, shallow=False):
            return False
        with contextlib.suppress(PermissionError):  # another user's
            os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    return True


def _exchange(kept: Path, file: Path, run: Path, name: str) -> Path | None:
    """Put what was kept in the place of a file; return where that is now, None if it is gone."""
    now, whole, aside = _lstat(file), sys.maxsize, None
    named = now is not None and now.st_nlink > 1  # its other names are to have the bytes, too
    if now is not None:
        aside = _free(run, name)
        if stat.S_ISREG(now.st_mode):
            data_links.clone_or_copy(str(file), str(aside), limit=whole)
        else:
            shutil.move(file, aside)
            named = False
    file.parent.mkdir(parents=True, exist_ok=True)
    if named or not os.access(file.parent, os.W_OK):
        shutil.copyfile(kept, file)
    else:
        made = file.with_name(f".gitexp-{os.getpid()}.tmp")
        made.unlink(missing_ok=True)
        if kept.stat().st_nlink > 1 or kept.stat().st_size > COPIED:
            os.link(kept, made)
        else:
            data_links.clone_or_copy(str(kept), str(made), limit=whole)
            shutil.copystat(kept, made)
        made.replace(file)
    return aside


def _shown(path: Path, run: Path) -> str:
    # From the Git directory on: a record says nothing of where the repository lies.
    return path.relative_to(run.parents[3].parent).as_posix()


def _free(run: Path, name: str) -> Path:
    """Return a path where nothing is, in a folder of the run that is there, behind no link."""
    path = run / WRITTEN / name
    os.close(data_links.open_folder(str(run), str(path.parent.relative_to(run)), create=True))
    named = (path.with_name(f"{path.name}{number or ''}") for number in itertools.count())
    return next(each for each in named if not os.path.lexists(each))


def _lstat(file: Path) -> os.stat_result | None:
    try:
        return file.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def drop_linked(folder: Path) -> None:
    """Remove what `keep_linked` has kept."""
    if folder.is_symlink():
        folder.unlink()
    shutil.rmtree(folder, ignore_errors=True)


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


def trees(job: Job, slot: Path) -> list[str]:
    """Return the user's work tree, and the one in whose ``.git`` the job's folder lies.

    Of a linked work tree it is the main one, of a submodule the one around it. Others above are
    nobody's business: a home folder may be under Git as well.
    """
    top = os.path.realpath(job.repository)
    above = (str(folder.parent) for folder in slot.parents if folder.name == ".git")
    return [job.repository, *(each for each in above if os.path.realpath(each) != top)]


def readable(job: Job, cache: Path, trees_: Iterable[str]) -> list[str]:
    """Return what of the user's work trees a job may read."""
    dvc = project_folder(Path(job.repository), job.project) / ".dvc"
    python = Path(job.python).parents[1] if os.sep in job.python else cache
    ours = (Path(tree, name) for tree in trees_ for name in (".git", ".gitexp", ".dvc"))
    return [*map(str, (*ours, dvc, cache, python)), *(link.target for link in job.links)]


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
        if path.startswith("../"):  # of another work tree, whose own rules say what is ignored
            found += [] if _ignored((top / path).parent, [(top / path).name]) else [path]
            continue
        above = with_parents(path)
        asked[path] = next((each for each in above[::-1] if (top / each).is_symlink()), path)
        if any(each in data or (top / f"{each}.dvc").is_file() for each in above):
            found.append(path)
    ignored = _ignored(top, asked.values())
    found += [path for path in asked if asked[path] not in ignored]
    return [*dict.fromkeys(found)]


def _ignored(top: Path, paths: Collection[str]) -> frozenset[str]:
    try:
        return status.is_ignored(top, paths)
    except GitFailedError:  # one lies in a submodule, and may hide the answer about the others
        if len(paths) == 1:
            return frozenset()
    return frozenset().union(*(_ignored(top, [path]) for path in paths))
