"""Publish a commit on a branch: everything becomes visible at once, or nothing does.

An edit is a function from a tip to changed files; a lost race applies it to the new tip.

1. The commit's objects are written; nobody can see them. The owner file is written.
2. A temporary ref keeps them from ``git gc``; it is seen that all are still there.
3. ``index.lock`` of every worktree on the branch is taken, until 6 is done: otherwise a
   ``git commit -a`` between 5 and 6 would take the new files back.
4. The branch is locked and compared; what the worktrees will get is prepared.
5. The branch moves. From here on the commit is published, and nothing is an error any more.
6. Index and files of the worktrees follow by renames; the locks go.

The end of an experiment moves several refs at once - a tag appears, a branch goes - and touches no
worktree: all of them or none, by the same steps.

`failpoints.Point` names each step. Killed at any of them, `owners.clear_stale` does the rest.
"""

from __future__ import annotations

import contextlib
import posixpath
import random
import shlex
import signal
import threading
import time
from typing import TYPE_CHECKING, Final

from gitexp.errors import BusyBranchError, GitexpError, GitFailedError, LockedError, MovedRefError
from gitexp.git import identity, objects, refs, writing
from gitexp.git.command import translated
from gitexp.git.repository import Repo, open_repository
from gitexp.git.transaction import layout, owners
from gitexp.git.transaction.failpoints import FailPoint, reach
from gitexp.git.tree import READ_LIMIT
from gitexp.git.upstream import followed
from gitexp.git.worktree import checkouts, restore
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent, CommitHash, TreeId

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from gitexp.git.refs import Target
    from gitexp.git.transaction.locks import FileLock
    from gitexp.git.writing import Content, Message
    from gitexp.model.workspace import Workspace


@dataclass(frozen=True, slots=True)
class TipView:
    """What an edit is applied to."""

    commit: CommitHash  # the tip, or the commit that a new branch starts from
    tree: TreeId  # of `commit`
    repo: Repo

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | Absent:
        """Return a file's bytes; `UnsafeInputError` above `limit`."""
        return objects.read_blob(self.repo, self.tree, path, limit)


@dataclass(frozen=True, slots=True)
class NewBranch:
    """That the branch must not exist yet, and where it starts."""

    start: CommitHash


def publish(
    workspace: Workspace,
    branch: str,
    edit: Callable[[TipView], Mapping[str, Content]],
    message: Message,
    expected: CommitHash | NewBranch | None = None,
) -> Published:
    """Add one commit to a local branch; where it raises, nothing was published.

    `edit`: gives the files to write or delete for a tip; called again on a lost race. `expected`:
    where the branch has to be; by default wherever it is.
    """
    repo = open_repository(workspace)

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        base = _base(branch, tip, expected)
        tree = objects.commit_info(repo, base).tree
        made = writing.build_tree(repo, tree, edit(TipView(base, tree, repo)), written=written)
        if made == tree and tip is not ABSENT:
            return base
        return writing.write_commit(repo, made, [base], said)

    cleared = owners.clear_stale(repo)
    said = replace(message, committer=identity.committer(repo))
    made = carry_out(repo, Task(refs.local(branch), draft, said))
    return replace(made, cleared=cleared)


def publish_data(
    workspace: Workspace, path: str, pointer: bytes, source: CommitHash, message: Message
) -> CommitHash:
    """Append the by-products of a run to gitexp/data, so that DVC's gc keeps them.

    Each commit's tree holds only this run's pointer and the DVC settings of `source` beside it: a
    growing tree would make ``dvc gc -A`` quadratic.
    """
    repo = open_repository(workspace)
    settings = posixpath.join(posixpath.dirname(path), ".dvc")

    def draft(tip: CommitHash | Absent, written: list[str]) -> CommitHash:
        changes: dict[str, Content] = {path: pointer}
        there = objects.tree_id(repo, source, settings)
        if there is not ABSENT:
            changes[settings] = writing.Subtree(there)
        tree = writing.build_tree(repo, ABSENT, changes, written=written)
        if tip is not ABSENT and objects.commit_info(repo, tip).tree == tree:
            return tip  # a resumed run whose data commit is there already
        parent = _remote_data(repo) if tip is ABSENT else tip
        return writing.write_commit(repo, tree, [] if parent is ABSENT else [parent], said)

    owners.clear_stale(repo)
    said = replace(message, committer=identity.committer(repo))
    return carry_out(repo, Task(refs.local(layout.DATA_BRANCH), draft, said)).commit


# --- where a commit starts ----------------------------------------------------------------------


def _base(
    branch: str, tip: CommitHash | Absent, expected: CommitHash | NewBranch | None
) -> CommitHash:
    """Return the commit to build on, or say that the branch is not where it should be."""
    if isinstance(expected, NewBranch):
        if tip is ABSENT:
            return expected.start
        raise MovedRefError(f"{branch} appeared meanwhile", found=tip, expected="no such branch")
    if tip is ABSENT and expected is None:
        raise MovedRefError(
            f"{branch} does not exist", found="no such branch", expected="a local branch"
        )
    if tip is ABSENT:
        raise MovedRefError(
            f"{branch} was deleted meanwhile",
            found="no such branch",
            expected=str(expected),
            next_step=f"git branch {shlex.quote(branch)} {expected}, then run the command again",
        )
    if expected is not None and tip != expected:
        raise MovedRefError(f"{branch} moved meanwhile", found=tip, expected=expected)
    return tip


def _remote_data(repo: Repo) -> CommitHash | Absent:
    """Return where a remote has gitexp/data, origin's first."""
    found = {
        ref: commit
        for ref, commit in refs.branches(repo, layout.DATA_BRANCH)
        if followed(ref) == layout.DATA_BRANCH
    }
    first = f"refs/remotes/origin/{layout.DATA_BRANCH}"
    return found.get(first) or next(iter(found.values()), ABSENT)


PATIENCE_S: Final = 30.0  # how long lost races and foreign locks are tried again
_TRIES: Final = 5  # of a `git gc --prune=now` beside us that takes the new objects


@dataclass(frozen=True, slots=True)
class Task:
    """A commit to be made on a branch."""

    ref: str  # full name of the branch
    # Writes the commit for a tip and returns it (the tip itself: nothing to do); appends the ids of
    # all other objects that it wrote to the list.
    draft: Callable[[CommitHash | Absent, list[str]], CommitHash]
    message: Message  # for the reflog


@dataclass(frozen=True, slots=True)
class Moves:
    """Refs that are to be moved."""

    refs: Mapping[str, tuple[Target, Target]]  # as `git.refs.held` takes them
    commit: CommitHash  # what the first of them will lead to, for whoever has to clear up after us
    # Ids of new objects, the last of which leads to all others; empty where there are none.
    written: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Published:
    """What was made visible."""

    commit: CommitHash  # the new tip; the old one where the edit changed nothing
    tip_before: CommitHash | Absent
    # Paths that a person had changed in a work tree on the branch, so that they stay; relative in
    # the caller's work tree, absolute in others. ``git checkout BRANCH -- PATH`` takes the new
    # version over.
    not_updated: tuple[str, ...] = ()
    # Sentences about what a dead process had left and this call cleared first.
    cleared: tuple[str, ...] = ()


class _LostRaceError(Exception):
    """The tip is no longer the one that the commit was built on."""


class _VanishedError(Exception):
    """A ``git gc`` beside us removed objects before a ref held them."""


def carry_out(repo: Repo, task: Task) -> Published:
    """Make the commit and move the branch to it, trying again while others are faster.

    Where it raises, nothing was published and no lock is left.
    """
    lock = owners.critical(repo.workspace)
    try:
        return _until_done(repo, task, lock)
    finally:
        lock.release()


def _until_done(repo: Repo, task: Task, lock: FileLock) -> Published:
    deadline = time.monotonic() + PATIENCE_S
    pause = 0.002
    while True:
        try:
            return _attempt(repo, task, lock)
        except (_LostRaceError, _VanishedError) as error:
            # The next attempt reads the tip again and says what is wrong with it, if anything.
            if time.monotonic() > deadline:
                raise LockedError(
                    "the branch moves faster than we can follow", where=task.ref
                ) from error
            # Another gitexp that lost to us does the same: from now on one after the other.
            lock.acquire()
        except LockedError:
            lock.release()
            if time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0, pause))  # noqa: S311 - jitter, no secret
            pause = min(2 * pause, 0.2)
            owners.clear_stale(repo)
        except OSError as error:
            raise translated(error, "cannot publish", str(repo.workspace.common_dir)) from error


def _attempt(repo: Repo, task: Task, lock: FileLock) -> Published:
    tip = refs.read_ref(repo, task.ref)
    written: list[str] = []
    commit = task.draft(tip, written)
    if commit == tip:
        return Published(commit, tip)
    objects.compared(repo, tip, commit)  # what Git itself refuses comes onto no branch
    with _kept(repo, (task.ref, tip, commit), (*written, commit)) as owner:
        left = _move(repo, task, (tip, commit), owner, lock)
        with contextlib.suppress(OSError):
            reach(FailPoint.CLEANUP)
    return Published(commit, tip, left)


def move_refs(
    repo: Repo, build: Callable[[], Moves], guard: Callable[[], None], message: Message
) -> Moves:
    """Write what `build` writes, and move the refs; where it raises, none was moved.

    `build` is called again where a ``git gc`` removed objects before a ref held them. `guard`:
    called when the refs are locked; raises where they must not move after all.
    """
    owners.clear_stale(repo)
    with owners.critical(repo.workspace):
        for _ in range(_TRIES):
            moves = build()
            first = next(iter(moves.refs))
            try:
                with _kept(repo, (first, ABSENT, moves.commit), moves.written):
                    with refs.held(repo, moves.refs, message) as set_all:
                        reach(FailPoint.LOCKED)
                        guard()
                        reach(FailPoint.COMPARED)
                        set_all()
                    with contextlib.suppress(OSError):
                        reach(FailPoint.SET)
            except _VanishedError:
                continue
            except OSError as error:
                where = str(repo.workspace.common_dir)
                raise translated(error, "cannot move refs", where) from error
            return moves
    raise LockedError("git gc removes objects faster than a ref can hold them")


@contextlib.contextmanager
def _kept(
    repo: Repo, move: tuple[str, CommitHash | Absent, CommitHash], written: Sequence[str]
) -> Iterator[str]:
    """Hold new objects by a temporary ref whose owner is known; before, a ``git gc`` may win."""
    reach(FailPoint.BLOBS)
    with owners.registered(repo.workspace, *move) as owned:
        try:
            if written:
                _keep(repo, written, owned.temporary_ref)
            reach(FailPoint.TEMPREF)
            yield owned.id
        finally:
            refs.drop(repo, owned.temporary_ref)


def _keep(repo: Repo, written: Sequence[str], ref: str) -> None:
    try:
        refs.keep(repo, ref, written[-1])
    except GitFailedError as error:
        if writing.exist(repo, written):
            raise
        raise _VanishedError from error
    if not writing.exist(repo, written):
        raise _VanishedError


def _move(
    repo: Repo, task: Task, ends: tuple[CommitHash | Absent, CommitHash], owner: str, lock: FileLock
) -> tuple[str, ...]:
    """Lock, compare, prepare, set, restore, unlock; return the paths left in work trees."""
    workspace = repo.workspace
    branch = task.ref.removeprefix("refs/heads/")
    with contextlib.ExitStack() as stack:
        stack.enter_context(lock)
        stack.enter_context(_uninterrupted())
        places = _lock_indexes(repo, branch, owner, stack)
        changes = restore.steps(repo, *ends) if places else ()
        prepared: list[restore.PreparedRestore] = []
        said = task.message.text
        line = said if said.startswith("gitexp") else f"gitexp: {said}"
        message = replace(task.message, text=line)
        try:
            with refs.held(repo, {task.ref: ends}, message) as set_all:
                reach(FailPoint.LOCKED)
                for place in places:
                    prepared.append(restore.prepare(repo, place, changes, owner))
                    stack.callback(restore.discard, prepared[-1])
                reach(FailPoint.COMPARED)
                _set(repo, set_all, task.ref, ends[1])
        except MovedRefError as error:
            raise _LostRaceError from error
        left = _restore(workspace, prepared)
    # index.lock is free again; git itself may note the times of the new files.
    for done in prepared:
        restore.refresh(done)
    return left


def _set(repo: Repo, set_all: Callable[[], None], ref: str, commit: CommitHash) -> None:
    try:
        set_all()
    except GitexpError:
        if refs.read_ref(repo, ref) != commit:  # git may have died after it had moved the ref
            raise


def _restore(workspace: Workspace, prepared: list[restore.PreparedRestore]) -> tuple[str, ...]:
    """Let worktrees follow. The commit is published: from here on nothing is an error."""
    left: list[str] = []
    with contextlib.suppress(OSError):
        reach(FailPoint.SET)
    for place in prepared:
        top = place.checkout.top
        try:
            stayed = restore.apply(place)
        except OSError:
            stayed = tuple(item.path for item in place.files) + tuple(place.left)
        left += stayed if top == workspace.top else [str(top / path) for path in stayed]
    with contextlib.suppress(OSError):
        reach(FailPoint.RESTORED)
    return tuple(sorted(set(left)))


def _lock_indexes(
    repo: Repo, branch: str, owner: str, stack: contextlib.ExitStack
) -> tuple[checkouts.Checkout, ...]:
    """Take ``index.lock`` in every worktree on the branch."""
    busy = checkouts.rebasing(repo.workspace, branch)
    if busy is not None:
        raise BusyBranchError(
            "the branch is being rebased",
            found=f"a rebase of {branch} that has not ended",
            where=str(busy),
            next_step="git rebase --continue, or --abort",
        )
    before = checkouts.heads(repo.workspace)
    places = checkouts.on_branch(repo.workspace, branch)
    for place in places:
        stack.callback(checkouts.take(place, owner).unlink, missing_ok=True)
    if checkouts.heads(repo.workspace) != before:  # somebody switched meanwhile
        raise LockedError("a worktree changes its branch", where=branch)
    return places


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Keep Ctrl-C waiting while locks are held: half of a restored work tree helps nobody."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    waiting: list[int] = []

    def note(number: int, _: FrameType | None) -> None:
        waiting.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)
        if waiting:
            signal.raise_signal(signal.SIGINT)
