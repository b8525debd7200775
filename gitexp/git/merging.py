"""Two trees compared, or two lines of history joined, in memory.

Nothing is checked out; neither a foreign filter nor a foreign merge driver runs.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from typing import TYPE_CHECKING, Final

import pygit2
from pygit2.enums import DeltaStatus, DiffOption, FileMode

from gitexp.git.command import translated
from gitexp.git.objects import Entry, bring, compared, merge_base, tree_id
from gitexp.git.worktree.restore import steps
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, TreeId
from gitexp.model.views import PathChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gitexp.git.repository import Repo


LINES_LIMIT: Final = 4 << 20  # bytes of a file whose lines are counted
_KINDS: dict[DeltaStatus, str] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.TYPECHANGE: "type changed",
}


_SUBMODULE = 0o160000


def changed_paths(
    repo: Repo, one: TreeId | CommitHash | Absent, other: TreeId | CommitHash | Absent
) -> tuple[PathChange, ...]:
    """Return what differs from the tree (or commit) `one` to `other`, sorted by path."""
    before, after = compared(repo, one, other)
    diff = before.diff_to_tree(
        after, flags=DiffOption.INCLUDE_TYPECHANGE, context_lines=0, interhunk_lines=0
    )
    found = []
    for delta in diff.deltas:
        path = delta.new_file.raw_path.decode("utf-8", "surrogateescape")
        kind = _KINDS.get(DeltaStatus(delta.status), "modified")
        found.append(PathChange(path, kind, *_lines(repo, delta)))
    return tuple(sorted(found, key=lambda change: change.path))


def _lines(repo: Repo, delta: pygit2.DiffDelta) -> tuple[int | None, int | None]:
    """Return how many lines came and went; a large file is not read for it.

    Two blobs without a path: with one, libgit2 would read the work tree's .gitattributes.
    """
    sides = (delta.old_file, delta.new_file)
    if any(stat.S_ISREG(s.mode) and repo.size(BlobId(str(s.id))) > LINES_LIMIT for s in sides):
        return None, None
    if any(s.mode == _SUBMODULE for s in sides):
        return int(sides[1].mode != 0), int(sides[0].mode != 0)
    old, new = (repo.load(str(s.id), pygit2.Blob) if s.mode else None for s in sides)
    patch = pygit2.Patch.create_from(old, new, context_lines=0, interhunk_lines=0)
    if patch.delta.is_binary:
        return None, None
    _, added, removed = patch.line_stats
    return added, removed


_LIMIT = 1 << 20
Side = Entry | Absent


@dataclass(frozen=True, slots=True)
class Conflict:
    """One path that both sides changed, each in its way."""

    path: str
    ours: Side
    theirs: Side


@dataclass(frozen=True, slots=True)
class Joined:
    """A merged tree, or the paths that a person has to settle."""

    tree: TreeId | None
    conflicts: tuple[str, ...] = ()


def join(
    repo: Repo,
    ours: CommitHash,
    theirs: CommitHash,
    settle: Callable[[Conflict], Side | bytes | None],
    written: list[str],
) -> Joined:
    """Merge two commits; `settle` gives a conflict's side or bytes, or None for a person."""
    try:
        base = merge_base(repo, ours, theirs)
        bring(repo, *(() if base is ABSENT else (base,)), ours, theirs)
        compared(repo, ours, theirs)  # libgit2 would merge what Git refuses
        index = repo.git.merge_commits(ours, theirs)
        open_: list[str] = []
        for old, our, their in list(index.conflicts or ()):
            path = next(side.path for side in (our, their, old) if side is not None)
            conflict = Conflict(str(path), _side(our), _side(their))
            answer = settle(conflict)
            if answer is None:
                open_.append(conflict.path)
                continue
            del index.conflicts[conflict.path]
            if isinstance(answer, bytes):
                id_ = repo.git.create_blob(answer)
                written.append(str(id_))
                answer = Entry(0o100644, os.fsencode(conflict.path), str(id_))
            if answer is ABSENT:
                with contextlib.suppress(OSError, KeyError):
                    index.remove(conflict.path)
            else:
                id_ = pygit2.Oid(hex=answer.id)
                index.add(pygit2.IndexEntry(conflict.path, id_, FileMode(answer.mode)))
        if open_:
            return Joined(None, tuple(sorted(open_)))
        with _promises_kept(repo):
            tree = TreeId(str(index.write_tree(repo.git)))
    except (pygit2.GitError, OSError) as error:
        raise translated(error, "cannot merge", str(repo.workspace.common_dir)) from error
    written.extend(_fresh(repo, theirs, tree))
    return Joined(tree)


def message_of(repo: Repo, commit: CommitHash) -> str:
    """Return the whole message of a commit; undecodable bytes as surrogates."""
    return repo.load(commit, pygit2.Commit).raw_message.decode("utf-8", "surrogateescape")


def small(repo: Repo, side: Side) -> bytes | None:
    """Return the bytes of one side of a conflict; b"" where it has none, None where too large."""
    if side is ABSENT:
        return b""
    found = repo.load(side.id, pygit2.Blob)
    return bytes(found.data) if int(found.size) <= _LIMIT else None


@contextlib.contextmanager
def synced_once() -> Iterator[None]:
    """Let the objects of a block reach the disk by one sync at its end; nothing names them yet."""
    if sys.platform == "win32":  # has no such sync: each by its own, then
        yield
        return
    try:
        with _without(pygit2.settings.enable_fsync_gitdir):
            yield
    finally:
        os.sync()


@contextlib.contextmanager
def _promises_kept(repo: Repo) -> Iterator[None]:
    """In a partial clone, let a tree name files that both sides have and nobody has fetched."""
    strict = _without(pygit2.settings.enable_strict_object_creation)
    with strict if repo.partial else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def _without(switch: Callable[[bool], None]) -> Iterator[None]:
    switch(False)  # noqa: FBT003 - a foreign signature
    try:
        yield
    finally:
        switch(True)  # noqa: FBT003 - a foreign signature


def _side(entry: pygit2.IndexEntry | None) -> Side:
    if entry is None:
        return ABSENT
    return Entry(int(entry.mode), os.fsencode(entry.path), str(entry.id))


def _fresh(repo: Repo, base: CommitHash, tree: TreeId) -> Iterator[str]:
    """Yield what a tree has and a commit has not: the objects that the merge may have written."""
    yield tree
    folders: set[str] = set()
    for step in steps(repo, base, tree):
        if step.new is not ABSENT:
            yield step.new[1]
        parts = step.path.split("/")[:-1]
        folders.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
    for folder in folders:
        found = tree_id(repo, tree, folder)
        if found is not ABSENT:
            yield found
