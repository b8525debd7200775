"""What a transaction holds, written down before it takes it; and how the next one clears it.

A killed process leaves locks of Git behind. Nobody may remove those of a living one, and Git's own
say nothing about their owner. So the owner file comes first: who, which branch, from which commit
to which. When its owner is dead the next transaction (or ``gitexp doctor``) finishes what is
visible already, forgets what is not, and says so.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import TYPE_CHECKING, Final

from gitexp.git import objects, refs
from gitexp.git.command import translated
from gitexp.git.discovery import plain_bytes
from gitexp.git.transaction import layout
from gitexp.git.transaction.locks import FileLock, Owner, is_dead, this_process
from gitexp.git.worktree import checkouts, restore
from gitexp.model import asdict, dataclass
from gitexp.model.ids import ABSENT, Absent, CommitHash

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gitexp.git.repository import Repo
    from gitexp.model.workspace import Workspace

_PREFIX: Final = "publish-"
_SETTLE_S: Final = 0.05  # an empty lock of a living git gets its content long before


@dataclass(frozen=True, slots=True)
class OwnerFile:
    """One transaction that is under way, or was when its process died."""

    id: str  # also the line in the locks, and the name of temporary files
    host: str
    pid: int
    started: str
    ref: str  # full name of the branch that moves
    before: str  # the old tip, "" where there was none
    after: str  # the commit that is to be the new one

    @property
    def owner(self) -> Owner:
        """The process behind it."""
        return Owner(self.host, self.pid, self.started)

    @property
    def temporary_ref(self) -> str:
        """The ref that keeps `after` from ``git gc``."""
        return f"{layout.TEMPORARY_REFS}{self.id}"


def critical(workspace: Workspace) -> FileLock:
    """Return the lock under which gitexp's processes take Git's locks, one after another."""
    return FileLock(layout.locks_dir(workspace) / "publish")


@contextlib.contextmanager
def registered(
    workspace: Workspace, ref: str, before: CommitHash | Absent, after: CommitHash
) -> Iterator[OwnerFile]:
    """Write the owner file of this process for one transaction, and remove it afterwards."""
    who = this_process()
    owned = OwnerFile(
        id=os.urandom(8).hex(),
        host=who.host,
        pid=who.pid,
        started=who.started,
        ref=ref,
        before="" if before is ABSENT else before,
        after=after,
    )
    path = path_of(workspace, owned.id)
    half = path.with_suffix(".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with half.open("xb") as file:
            file.write(json.dumps(asdict(owned), sort_keys=True).encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())  # locks outlive a power cut; so must the word whose they are
        half.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise translated(error, "cannot note who takes the locks", str(path.parent)) from error
    try:
        yield owned
    finally:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def stale(workspace: Workspace) -> tuple[OwnerFile, ...]:
    """Return the transactions whose process is dead."""
    paths = [path for path in _files(workspace) if path.suffix == ".json"]
    return tuple(owned for owned in map(_load, paths) if owned and is_dead(owned.owner))


def ids(workspace: Workspace) -> frozenset[str]:
    """Return the ids of all transactions that have an owner file: first to come, last to go."""
    names = [path.name for path in _files(workspace)]
    return frozenset(name.removeprefix(_PREFIX).partition(".")[0] for name in names)


def unreadable(workspace: Workspace) -> tuple[Path, ...]:
    """Return owner files that are half written or say nothing; a power cut may leave such."""
    paths = _files(workspace)
    return tuple(path for path in paths if path.suffix == ".tmp" or _load(path) is None)


def _files(workspace: Workspace) -> list[Path]:
    with contextlib.suppress(FileNotFoundError):
        found = sorted(layout.locks_dir(workspace).iterdir())
        return [path for path in found if path.name.startswith(_PREFIX)]
    return []


def clear_stale(repo: Repo) -> tuple[str, ...]:
    """Finish or forget every transaction whose process is dead; say each."""
    workspace = repo.workspace
    if not stale(workspace):
        return ()
    with critical(workspace):
        # Read again: another process may have cleared them while we waited.
        return tuple(_clear(repo, owned) for owned in stale(workspace))


def _clear(repo: Repo, owned: OwnerFile) -> str:
    common = repo.workspace.common_dir
    _clear_git_lock(common, common / f"{owned.ref}.lock", owned)
    tip = refs.read_ref(repo, owned.ref)
    after = CommitHash(owned.after)
    published = (
        tip is not ABSENT and objects.exists(repo, after) and objects.is_ancestor(repo, after, tip)
    )
    left: list[str] = []
    branch = owned.ref.removeprefix("refs/heads/")
    for checkout in checkouts.listing(repo.workspace):
        if checkout.missing:
            continue
        mine = checkouts.owner_of(checkout) == owned.id
        restore.sweep(checkout, owned.id)
        if published and checkout.branch == branch and mine:
            left += _finish(repo, checkout, owned)
        if mine:
            _clear_git_lock(common, checkout.git_dir / "HEAD.lock", owned)
            checkouts.path_of(checkout).unlink(missing_ok=True)
    refs.drop(repo, owned.temporary_ref)
    path_of(repo.workspace, owned.id).unlink(missing_ok=True)
    said = "its commit is on the branch" if published else "nothing of it was published"
    kept = f"; left as they are: {', '.join(sorted(left))}" if left else ""
    return f"cleared the locks of process {owned.pid}, which died at {branch}; {said}{kept}"


def _finish(repo: Repo, checkout: checkouts.Checkout, owned: OwnerFile) -> tuple[str, ...]:
    before = CommitHash(owned.before) if owned.before else ABSENT
    changes = restore.steps(repo, before, CommitHash(owned.after))
    prepared = restore.prepare(repo, checkout, changes, owned.id)
    try:
        return restore.apply(prepared)
    finally:
        restore.discard(prepared)


def _clear_git_lock(common: Path, path: Path, owned: OwnerFile) -> None:
    """Remove git's lock of a ref if it is that of the dead process: it holds `after`."""
    first = _content(path)
    if first == b"":  # HEAD's lock stays empty; so does one killed before git wrote into it
        time.sleep(_SETTLE_S)
        first = owned.after.encode() if _content(path) == b"" else b""
    inside = path.parent.resolve().is_relative_to(common.resolve())  # whatever links there are
    if inside and first is not None and first.strip() == owned.after.encode():
        path.unlink(missing_ok=True)


def _content(path: Path) -> bytes | None:
    try:
        return plain_bytes(path, 200)
    except OSError:
        return None


def path_of(workspace: Workspace, id_: str) -> Path:
    """Return where the owner file of a transaction lies."""
    return layout.locks_dir(workspace) / f"{_PREFIX}{id_}.json"


def _load(path: Path) -> OwnerFile | None:
    try:
        value = json.loads(plain_bytes(path, 10_000))
        return OwnerFile(
            id=_hex(value["id"]),
            host=str(value["host"]),
            pid=int(value["pid"]),
            started=str(value["started"]),
            ref=_ref(value["ref"]),
            before=_hex(value["before"]),
            after=_hex(value["after"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None  # half written, or not ours: never a reason to fail, nor to remove a lock


def _ref(value: object) -> str:
    if not isinstance(value, str) or not value.startswith("refs/") or not refs.is_valid(value):
        raise ValueError("not a ref")
    return value


def _hex(value: object) -> str:
    if not isinstance(value, str) or any(char not in "0123456789abcdef" for char in value):
        raise ValueError("not a hash")
    return value
