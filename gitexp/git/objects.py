"""Read Git objects, walk history, write blobs, trees and commits that nobody sees yet.

Nothing here moves a ref. What a branch holds is foreign: sizes are looked up before bytes are
read, and a revision that a person typed is turned into a hash by git before it goes anywhere.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

import pygit2
from pygit2.enums import SortMode

from gitexp.errors import (
    DamagedDataError,
    GitexpError,
    MissingObjectError,
    RefusedTreeError,
    UnknownRevisionError,
    UnsafeInputError,
)
from gitexp.git import command, fsck
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.catfile import EMPTY_TREE
from gitexp.model.ids import BlobId, CommitHash, TreeId
from gitexp.model.plan import Person

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitexp.git.fsck import Tree
    from gitexp.git.repository import Repo

MODE_BLOB: Final = 0o100644
MODE_EXECUTABLE: Final = 0o100755
MODE_LINK: Final = 0o120000
MODE_TREE: Final = 0o040000
MODE_COMMIT: Final = 0o160000  # a submodule

DEFAULT_LIMIT: Final = 1 << 20  # bytes; what a YAML or JSON file of ours may have

_TREES_KEPT: Final = 1 << 15  # of an open repository; an id names its content for ever
_ENTRIES_KEPT: Final = 1 << 18  # of all of them, as long as they are of a size
_COMMIT, _TREE, _BLOB = 1, 2, 3  # libgit2's numbers of the kinds
_KINDS: Final = ("", "commit", "tree", "blob", "tag")
_T = TypeVar("_T")
_HASH = re.compile(r"[0-9a-f]{40}\Z")
_Object = TypeVar("_Object", pygit2.Blob, pygit2.Commit, pygit2.Tree)


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """What a commit says about itself."""

    hash: CommitHash
    tree: TreeId
    parents: tuple[CommitHash, ...]
    author: Person
    time: datetime  # the author's, with the author's offset
    subject: str  # first line, undecodable bytes escaped


class Entry(NamedTuple):
    """One entry of a tree; a tuple, since a list of thousands makes tens of thousands of them."""

    mode: int
    path: bytes  # of the whole path from the tree that was asked for
    id: str


# --- revisions ----------------------------------------------------------------------------------


def resolve(repo: Repo, text: str) -> CommitHash:
    """Return the commit that a revision names, as a person may type it.

    Raises `UnknownRevisionError` if it names no commit, or could be read as anything but a
    revision.
    """
    if _HASH.match(text) and _is_commit(repo, text):
        return CommitHash(text)
    # ":/text" would search messages, ":path" the index; a control character is nobody's revision.
    if text and not text.startswith((":", "-")) and text.isprintable():
        code, out, _ = command.attempt(
            repo.workspace,
            ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{text}^{{commit}}"],
        )
        found = out.decode("ascii", "replace").split("\n")
        if code == 0 and len(found) > 1 and _HASH.match(found[-2]):
            return CommitHash(found[-2])
    shallow = " in this shallow clone" if repo.git.is_shallow else ""
    raise UnknownRevisionError(
        f"no such revision{shallow}",
        found=ascii(text)[1:-1],
        expected="a branch, tag, or commit",
        next_step="git fetch --unshallow" if shallow else "",
    )


def commit_info(repo: Repo, commit: CommitHash) -> CommitInfo:
    """Return what a commit says about itself."""
    return _info(load(repo, commit, pygit2.Commit))


def is_ancestor(repo: Repo, ancestor: CommitHash, commit: CommitHash) -> bool:
    """Return whether `ancestor` is `commit` or in its history (as far as a shallow clone goes)."""
    if ancestor == commit:
        return True
    try:
        return bool(repo.git.descendant_of(commit, ancestor))
    # Not here, beyond the edge of a shallow clone, or a commit that libgit2 does not read.
    except (KeyError, pygit2.GitError, ValueError):
        return False


def is_signed(repo: Repo, commit: CommitHash) -> bool:
    """Return whether a commit carries a signature; who made it, and whether it is good, is open."""
    signature, _ = load(repo, commit, pygit2.Commit).gpg_signature
    return signature is not None


def exists(repo: Repo, commit: str) -> bool:
    """Return whether there is such a commit here (a full hash)."""
    return _is_commit(repo, commit)


def merge_base(repo: Repo, one: CommitHash, other: CommitHash) -> CommitHash | Absent:
    """Return a best common ancestor of two commits."""
    try:
        found: pygit2.Oid | None = repo.git.merge_base(one, other)
    except (pygit2.GitError, ValueError) as error:
        raise _unreadable(error, f"{one[:9]} and {other[:9]}") from error
    return ABSENT if found is None else CommitHash(str(found))


def history(
    repo: Repo, tips: Iterable[CommitHash], *, hide: Iterable[CommitHash] = ()
) -> Iterator[CommitInfo]:
    """Yield the commits reachable from `tips` and not from `hide`, children before parents."""
    walker = repo.git.walk(None, SortMode.TOPOLOGICAL | SortMode.TIME)
    try:
        for tip in tips:
            walker.push(tip)
        for hidden in hide:
            walker.hide(hidden)
        for commit in walker:
            yield _info(commit)
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise _unreadable(error, "a history") from error


# --- trees and blobs ----------------------------------------------------------------------------


def tree_id(repo: Repo, commit: CommitHash | TreeId, path: str = "") -> TreeId | Absent:
    """Return the tree of a commit (or tree), or that of a folder in it."""
    found = _at(repo, commit, path)
    return ABSENT if found is ABSENT else found.id


def blob_id(repo: Repo, commit: CommitHash | TreeId, path: str) -> BlobId | Absent:
    """Return the id of a regular file's blob; a link or a folder is absent."""
    entry = entry_at(repo, commit, path)
    if entry is ABSENT or entry.mode not in {MODE_BLOB, MODE_EXECUTABLE}:
        return ABSENT
    return BlobId(entry.id)


def entry_at(repo: Repo, commit: CommitHash | TreeId, path: str) -> Entry | Absent:
    """Return mode and id of what lies at `path`, whatever it is."""
    folder, _, name = path.rpartition("/")
    tree = _at(repo, commit, folder)
    found = None if tree is ABSENT else tree.entries.get(_encoded(name))
    return ABSENT if found is None else Entry(found[0], _encoded(path), found[1])


def read_blob(
    repo: Repo, commit: CommitHash | TreeId, path: str, limit: int = DEFAULT_LIMIT
) -> bytes | Absent:
    """Return the bytes of a regular file in a commit or tree.

    A symbolic link, a folder or a submodule at `path` is absent: links are never followed.

    Raises `UnsafeInputError` if the file is larger than `limit` bytes; it is not read.
    """
    found = blob_id(repo, commit, path)
    return ABSENT if found is ABSENT else blob(repo, found, limit, where=path)


def blob(repo: Repo, id_: BlobId, limit: int = DEFAULT_LIMIT, *, where: str = "") -> bytes:
    """Return a blob's bytes; `UnsafeInputError` above `limit` bytes, from the header alone."""
    # A Blob object of libgit2 loads its content; the header of the object database does not.
    odb = repo.git.odb
    try:
        kind, size = odb.read_header(id_)
        data = odb.read(id_)[1] if kind == _BLOB and size <= limit else None
    except KeyError:  # in a partial clone git brings it
        size, data = int(load(repo, id_, pygit2.Blob).size), None
    if size > limit:
        raise UnsafeInputError(
            "a file is too large to be read",
            found=f"{size} bytes",
            where=where or id_,
            expected=f"at most {limit} bytes",
        )
    return bytes(load(repo, id_, pygit2.Blob).data) if data is None else bytes(data)


def blob_size(repo: Repo, id_: BlobId, *, fetch: bool = True) -> int:
    """Return a blob's size in bytes without reading its content.

    Of what a partial clone does not hold it is 0, unless git may `fetch` it, one by one.
    """
    # A Blob object of libgit2 loads its content; the header of the object database does not.
    try:
        _, size = repo.git.odb.read_header(id_)
    except KeyError:
        return int(load(repo, id_, pygit2.Blob).size) if fetch or not repo.partial else 0
    return int(size)


def walk_tree(repo: Repo, tree: TreeId | CommitHash) -> Iterator[Entry]:
    """Yield every file, link and submodule below a tree, in Git's order; folders are entered.

    Raises `UnsafeInputError` if it is too large or too deep: ten folders that hold each other ten
    times make 10^10 files.
    """
    pending: list[tuple[bytes, Tree]] = [(b"", load_tree(repo, tree))]
    count = 0
    while pending:
        prefix, folder = pending.pop()
        count += len(folder.entries)
        fsck.bound(count, tree, len(prefix))
        below = []
        for name, (mode, id_) in folder.entries.items():
            if mode == MODE_TREE:
                below.append((prefix + name + b"/", _read_tree(repo, id_)))
            else:
                yield Entry(mode, prefix + name, id_)
        pending.extend(reversed(below))


def list_dir(repo: Repo, tree: TreeId | CommitHash, path: str = "") -> tuple[Entry, ...]:
    """Return the entries of one folder, names only; empty where there is no such folder."""
    found = _at(repo, tree, path)
    return () if found is ABSENT else _listed(found)


def entries(repo: Repo, tree: TreeId) -> tuple[Entry, ...]:
    """Return the entries of a tree; `UnsafeInputError` for one that Git refuses."""
    return _listed(load_tree(repo, tree))


def _listed(found: Tree) -> tuple[Entry, ...]:
    return tuple([Entry(mode, name, id_) for name, (mode, id_) in found.entries.items()])


def changed_names(repo: Repo, one: CommitHash, other: CommitHash) -> frozenset[bytes]:
    """Return the names at the top of two commits that differ, in whatever lies below them."""
    left, right = (load_tree(repo, commit).entries.items() for commit in (one, other))
    return frozenset([name for name, _ in left ^ right])


def bring(repo: Repo, *trees: CommitHash | TreeId) -> None:
    """In a partial clone, let git fetch at once what differs between each and the next.

    libgit2 compares and merges whole trees, and knows nothing of promises.
    """
    for one, other in itertools.pairwise(trees) if repo.partial else ():
        command.attempt(
            repo.workspace,
            ["diff-tree", "-r", "--no-renames", "--numstat", "--no-ext-diff", "--no-textconv",
             one, other, "--"],
        )  # fmt: skip


def compared(
    repo: Repo, old: CommitHash | TreeId | Absent, new: CommitHash | TreeId | Absent
) -> tuple[pygit2.Tree, pygit2.Tree]:
    """Return two trees for libgit2 to compare, an empty one for what is absent.

    Raises `UnsafeInputError` if a folder that the second has otherwise than the first is one that
    Git refuses.
    """
    before, after = (
        load_tree(repo, str(repo.git.TreeBuilder().write()) if id_ is ABSENT else id_)
        for id_ in (old, new)
    )
    bring(repo, before.id, after.id)
    pending = [(before.entries, after.entries)]
    count = 0
    while pending:
        had, has = pending.pop()
        count += len(has)
        fsck.bound(count, after.id)
        for name, (mode, id_) in has.items():
            was = had.get(name, (0, ""))
            if mode == MODE_TREE and was != (mode, id_):
                known = {}
                if was[0] == MODE_TREE:
                    with contextlib.suppress(RefusedTreeError):
                        known = _below(repo, was[1]).entries
                pending.append((known, _below(repo, id_).entries))
    return load(repo, before.id, pygit2.Tree), load(repo, after.id, pygit2.Tree)


def load(repo: Repo, id_: str, kind: type[_Object]) -> _Object:
    """Return an object of pygit2; `DamagedDataError` where it is missing or of another kind.

    Of a tree it is not asked whether Git would refuse it: `load_tree` does.
    """
    found = _got(repo, id_, repo.git.__getitem__)
    if not isinstance(found, kind):
        names = type(found).__name__.lower(), kind.__name__.lower()
        raise _another(id_, *names, DamagedDataError)
    return found


def load_tree(repo: Repo, id_: str) -> Tree:
    """Return the tree of a commit or a tree; `RefusedTreeError` if Git itself would refuse it."""
    return _kept(repo, id_, top=True)


def look_at(repo: Repo, commit: CommitHash, paths: Iterable[str]) -> None:
    """Raise why a commit, or one of these folders in it, cannot be looked at, if that is so.

    What asks for one file takes a folder that Git refuses for none at all; a ref may lead anywhere.
    """
    kind, _ = _got(repo, commit, repo.git.odb.read_header)
    if kind != _COMMIT:
        raise _another(commit, _KINDS[kind], "commit")
    for path in ("", *paths):
        _walked(repo, commit, path)


# --- inside -------------------------------------------------------------------------------------


def _kept(repo: Repo, id_: str, *, top: bool = False) -> Tree:
    tree = repo.trees.get(id_)
    if tree is None:
        tree = _read_tree(repo, id_, top=top)
        kept = len(repo.trees)
        if kept >= _TREES_KEPT or kept * len(tree.entries) > _ENTRIES_KEPT:
            repo.trees.clear()
        repo.trees[id_] = tree
    return tree


def _below(repo: Repo, id_: str) -> Tree:
    tree = _kept(repo, id_)
    if tree.id != id_:  # kept by the name of a commit
        raise _another(id_, "commit", "tree")
    return tree


def _read_tree(repo: Repo, id_: str, *, top: bool = False) -> Tree:
    # By its bytes: they are wanted for the check anyhow, and libgit2's entries come one by one.
    if id_ == EMPTY_TREE:  # known to Git, though no object may hold it
        return fsck.read(TreeId(id_), b"")
    kind, data = _got(repo, id_, repo.git.odb.read)
    if kind == _COMMIT and top:
        return _below(repo, data[len("tree ") :][: len(id_)].decode("latin-1"))
    if kind != _TREE:
        raise _another(id_, _KINDS[kind], "tree")
    return fsck.read(TreeId(id_), data)


def _got(repo: Repo, id_: str, get: Callable[[str], _T]) -> _T:
    try:
        return get(id_)
    except KeyError as error:
        # In a partial clone git fetches the object; libgit2 knows nothing of promises.
        if repo.partial and command.attempt(repo.workspace, ["cat-file", "-e", id_])[0] == 0:
            repo.git.get(id_)  # a miss makes libgit2 look for new packs
            with contextlib.suppress(KeyError):
                return get(id_)
        shallow = repo.git.is_shallow
        raise MissingObjectError(
            "an object of the repository is missing",
            where=id_,
            expected="a complete clone",
            next_step="git fetch --unshallow" if shallow else "git fetch, then git fsck",
        ) from error
    except (pygit2.GitError, ValueError) as error:
        raise _unreadable(error, id_) from error


def _unreadable(error: Exception, where: str) -> GitexpError:
    # libgit2 looks at the hash first: what it cannot parse was made so, and is no damage here.
    if isinstance(error, pygit2.InvalidError) or "failed to parse" in str(error):
        return RefusedTreeError(
            "a commit is not as Git writes them",
            found=str(error).removeprefix(f"{where}: "),
            where=where,
            next_step=f"ask whoever made it; git cat-file -p {where} shows it",
        )
    return DamagedDataError(
        "an object of the repository cannot be read",
        found=str(error),
        where=where,
        next_step="git fsck",
    )


def _another(
    id_: str, found: str, expected: str, error: type[GitexpError] = RefusedTreeError
) -> GitexpError:
    # Its name is the hash of what it is: whatever leads to it was made so, and is no damage here.
    return error(
        "an object of the repository is not what it should be",
        found=f"a {found}",
        where=id_,
        expected=f"a {expected}",
        next_step="ask whoever made what leads to it, or delete the branch or tag",
    )


def _is_commit(repo: Repo, text: str) -> bool:
    try:
        return isinstance(repo.git.get(text), pygit2.Commit)
    except (pygit2.GitError, ValueError):
        return False


def _info(commit: pygit2.Commit) -> CommitInfo:
    subject = commit.raw_message.lstrip().partition(b"\n")[0].decode("utf-8", "backslashreplace")
    return CommitInfo(
        hash=CommitHash(str(commit.id)),
        tree=TreeId(str(commit.tree_id)),
        parents=tuple(CommitHash(str(parent)) for parent in commit.parent_ids),
        author=Person(
            commit.author.raw_name.decode("utf-8", "backslashreplace"),
            commit.author.raw_email.decode("utf-8", "backslashreplace"),
        ),
        time=_when(commit.author.time, commit.author.offset),
        subject=subject.strip(),
    )


def _when(seconds: int, offset_minutes: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, timezone(timedelta(minutes=offset_minutes)))
    except (ValueError, OverflowError, OSError):  # a forged date; order comes from ancestry
        return datetime.fromtimestamp(0, UTC)


def _at(repo: Repo, id_: str, path: str) -> Tree | Absent:
    # A folder that Git refuses leads nowhere: none of its readers would agree on what is there.
    try:
        return _walked(repo, id_, path)
    except RefusedTreeError:
        return ABSENT


def _walked(repo: Repo, id_: str, path: str) -> Tree | Absent:
    tree = load_tree(repo, id_)
    for name in _parts(path):
        mode, below = tree.entries.get(name, (0, ""))
        if mode != MODE_TREE:
            return ABSENT
        tree = _below(repo, below)
    return tree


@lru_cache(maxsize=256)  # a list asks thousands of commits for the same few
def _parts(path: str) -> tuple[bytes, ...]:
    return tuple(map(_encoded, PurePosixPath(path).parts))


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")
