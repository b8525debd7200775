"""Revisions, commits and their history; folders and files of a commit, by path.

A revision that a person typed is turned into a hash by git before it goes anywhere.
"""

from __future__ import annotations

import contextlib
import itertools
import re
from bisect import bisect_left
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

import pygit2
from pygit2.enums import SortMode

from gitexp.errors import GitexpError, RefusedTreeError, UnknownRevisionError
from gitexp.git import command, fsck, repository
from gitexp.git.tree import FILE_MODES, MODE_TREE, READ_LIMIT
from gitexp.git.upstream import USUAL
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, Absent, BlobId, CommitHash, TreeId
from gitexp.model.plan import Person
from gitexp.text.fields import near

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from gitexp.git.fsck import SoundTree
    from gitexp.git.repository import Repo

MODE_BLOB: Final = 0o100644
MODE_EXECUTABLE: Final = 0o100755
MODE_LINK: Final = 0o120000
MODE_COMMIT: Final = 0o160000  # a submodule

_NEAR: Final = 100  # commits that are read in less time than git starts
_HASH = re.compile(r"[0-9a-f]{40}\Z")
_SHORT = re.compile(r"[0-9a-f]{4,39}\Z")
_OPERATOR = re.compile(r"[~^:]|@\{")


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

    @property
    def text(self) -> str:
        """The path, bytes that are no UTF-8 escaped."""
        return self.path.decode("utf-8", "surrogateescape")


# --- revisions ----------------------------------------------------------------------------------


def resolve(repo: Repo, text: str) -> CommitHash:
    """Return the commit that a revision names, as a person may type it.

    A branch comes before a tag of its name, and a commit before a tag like its hash: a fetch brings
    tags by any name.
    """
    if _HASH.match(text) and exists(repo, text):
        return CommitHash(text)
    # ":/text" would search messages, ":path" the index; a control character is nobody's revision.
    if text and not text.startswith((":", "-")) and text.isprintable():
        named = _meant(repo, text)
        if named.startswith("refs/") and not (repo.reftable or _OPERATOR.search(named)):
            with contextlib.suppress(pygit2.GitError, ValueError, KeyError):
                return CommitHash(str(repo.git.lookup_reference(named).peel(pygit2.Commit).id))
        asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{named}^{{commit}}"]
        code, out, _ = command.attempt(repo.workspace, asked)
        found = out.decode("ascii", "replace").split("\n")
        if code == 0 and len(found) > 1 and _HASH.match(found[-2]):
            return CommitHash(found[-2])
    shallow = " in this shallow clone" if repo.git.is_shallow else ""
    near_ones = near_names(repo, text)
    raise UnknownRevisionError(
        f"no such revision{shallow}",
        found=ascii(text)[1:-1],
        expected=" or ".join(near_ones) or "a branch, tag, or commit",
        next_step=repo.whole if shallow or not near_ones else "",
    )


def near_names(repo: Repo, text: str) -> tuple[str, ...]:
    """Return branches and tags for which a mistyped name may stand, or the last part of it."""
    asked = ["for-each-ref", "--format=%(refname:lstrip=2)", "refs/heads", "refs/remotes",
             "refs/tags"]  # fmt: skip
    known = {name: name for name in command.lines(command.attempt(repo.workspace, asked)[1])}
    for name in (*known,):
        known.setdefault(name.rpartition("/")[2], name)
    close = near(text, known) or near(text.rpartition("/")[2], known)
    return tuple(dict.fromkeys(ascii(known[each])[1:-1] for each in close))


def commit_info(repo: Repo, commit: CommitHash) -> CommitInfo:
    """Return what a commit says about itself."""
    return _info(repo.load(commit, pygit2.Commit))


def is_ancestor(repo: Repo, ancestor: CommitHash, commit: CommitHash) -> bool:
    """Return whether `ancestor` is `commit` or in its history (as far as a shallow clone goes)."""
    if ancestor == commit:
        return True
    try:
        return bool(repo.git.descendant_of(commit, ancestor))
    # Not here, beyond the edge of a shallow clone, or a commit that libgit2 does not read.
    except (KeyError, pygit2.GitError, ValueError):
        return False


def brought_by(repo: Repo, commit: CommitHash, tip: CommitHash) -> CommitHash | Absent:
    """Return the commit of a branch's own line that brought a commit of its history; or ABSENT.

    That is the commit itself where the branch stood on it, else a merge. The line goes by first
    parents.
    """
    if not is_ancestor(repo, commit, tip):
        return ABSENT
    if any(each == commit for each in itertools.islice(_own_line(repo, tip), _NEAR)):
        return commit
    asked = ["rev-list", "--first-parent", "--parents", tip, f"^{commit}", "--"]
    after = [
        [*map(CommitHash, line.split(" "))]
        for line in command.lines(command.run(repo.workspace, asked))
    ]
    if not after or after[-1][1:2] == [commit]:
        return commit
    # Those that have it stand before those that were there when it was made.
    number = bisect_left(after, x=True, key=lambda line: not is_ancestor(repo, commit, line[0]))
    return CommitHash(after[number - 1][0])


def _own_line(repo: Repo, tip: CommitHash) -> Iterator[CommitHash]:
    """Yield a commit and its first parents, as far as they are here."""
    found: tuple[CommitHash, ...] = (tip,)
    while found and exists(repo, found[0]):
        yield found[0]
        found = commit_info(repo, found[0]).parents[:1]


def is_signed(repo: Repo, commit: CommitHash) -> bool:
    """Return whether a commit carries a signature; who made it, and whether it is good, is open."""
    signature, _ = repo.load(commit, pygit2.Commit).gpg_signature
    return signature is not None


def exists(repo: Repo, commit: str) -> bool:
    """Return whether there is such a commit here (a full hash)."""
    try:
        return isinstance(repo.git.get(commit), pygit2.Commit)
    except (pygit2.GitError, ValueError):
        return False


def merge_base(repo: Repo, one: CommitHash, other: CommitHash) -> CommitHash | Absent:
    """Return a best common ancestor of two commits."""
    try:
        found: pygit2.Oid | None = repo.git.merge_base(one, other)
    except (pygit2.GitError, ValueError) as error:
        raise repository.unreadable(error, f"{one[:9]} and {other[:9]}") from error
    return ABSENT if found is None else CommitHash(str(found))


def history(
    repo: Repo, tips: Iterable[CommitHash], *, hide: Iterable[CommitHash] = ()
) -> Iterator[CommitInfo]:
    """Yield the commits reachable from `tips` and not from `hide`, children before parents."""
    walker = repo.git.walk(None, SortMode.TOPOLOGICAL | SortMode.TIME)
    hidden = tuple(hide)
    try:
        for tip in tips:
            walker.push(tip)
        for tip in hidden:
            walker.hide(tip)
        found = map(_info, walker)
        yield from _not_reached(repo, list(found), hidden) if hidden else found
    except (pygit2.GitError, KeyError, ValueError) as error:
        raise repository.unreadable(error, "a history") from error


def _not_reached(
    repo: Repo, found: list[CommitInfo], hidden: tuple[CommitHash, ...]
) -> list[CommitInfo]:
    """Return what no hidden tip reaches: a walk ends where only hidden commits of old dates are.

    Where it ended too early, one of the eldest that it found is reached.
    """
    known = {info.hash for info in found}
    eldest = (info.hash for info in found if known.isdisjoint(info.parents))
    if not any(is_ancestor(repo, each, tip) for each in eldest for tip in hidden):
        return found
    walker = repo.git.walk(None)
    for tip in hidden:
        walker.push(tip)
    reached = {str(commit.id) for commit in walker}
    return [info for info in found if info.hash not in reached]


def origins(repo: Repo, tip: CommitHash, holds: Callable[[CommitHash], bool]) -> list[CommitHash]:
    """Return where what a tip holds came into its history: on parallel lines, several times."""
    seen = {tip}
    waiting = [tip]
    found: list[CommitHash] = []
    while waiting:
        commit = waiting.pop()
        older = [parent for parent in commit_info(repo, commit).parents if holds(parent)]
        if not older:
            found.append(commit)
        waiting.extend(parent for parent in dict.fromkeys(older) if parent not in seen)
        seen.update(older)
    return found


# --- trees and blobs ----------------------------------------------------------------------------


def tree_id(repo: Repo, commit: CommitHash | TreeId, path: str = "") -> TreeId | Absent:
    """Return the tree of a commit (or tree), or that of a folder in it."""
    found = _at(repo, commit, path)
    return ABSENT if found is ABSENT else found.id


def blob_id(repo: Repo, commit: CommitHash | TreeId, path: str) -> BlobId | Absent:
    """Return the id of a regular file's blob; a link or a folder is absent."""
    entry = repo.tree(commit).entry(_plain(path))
    return ABSENT if entry is None or entry.mode not in FILE_MODES else BlobId(entry.id)


def entry_at(repo: Repo, commit: CommitHash | TreeId, path: str) -> Entry | Absent:
    """Return mode and id of what lies at `path`, whatever it is."""
    found = repo.tree(commit).entry(_plain(path))
    return ABSENT if found is None else Entry(found.mode, _encoded(path), found.id)


def blob_hash(data: bytes) -> BlobId:
    """Return the id that a blob of these bytes would have; nothing is written."""
    return BlobId(str(pygit2.hash(data)))


def read_blob(
    repo: Repo, commit: CommitHash | TreeId, path: str, limit: int = READ_LIMIT
) -> bytes | Absent:
    """Return a regular file's bytes as `Tree.read` does; links are never followed."""
    data = repo.tree(commit).read(_plain(path), limit)
    return ABSENT if data is None else data


def walk_tree(repo: Repo, tree: TreeId | CommitHash) -> Iterator[Entry]:
    """Yield every file, link and submodule below a tree, in Git's order; folders are entered."""
    pending: list[tuple[bytes, SoundTree]] = [(b"", repo.load_tree(tree))]
    count = 0
    while pending:
        prefix, folder = pending.pop()
        count += len(folder.entries)
        fsck.bound(count, tree, len(prefix))
        below = []
        for name, (mode, id_) in folder.entries.items():
            if mode == MODE_TREE:
                below.append((prefix + name + b"/", repo.read_tree(id_)))
            else:
                yield Entry(mode, prefix + name, id_)
        pending.extend(reversed(below))


def weight(
    repo: Repo, id_: str, seen: dict[str, tuple[int, int]], without: Collection[str], depth: int = 3
) -> tuple[int, int]:
    """Return how many files lie below a tree, and their bytes; each as often as it lies there.

    Headers are read, no contents. `seen`: takes what each folder and file has. `without`: folders
    and files that do not count.
    """
    files = size = 0
    entries: Mapping[bytes, tuple[int, str]] = {}
    with contextlib.suppress(GitexpError):  # nothing in it is read
        entries = repo.load_tree(TreeId(id_)).entries
    for mode, inner in entries.values():
        if inner in without or (mode == MODE_TREE and not depth):
            continue
        if inner not in seen and mode == MODE_TREE:
            weight(repo, inner, seen, without, depth - 1)
        elif inner not in seen:
            seen[inner] = 0, 0
            with contextlib.suppress(GitexpError):
                seen[inner] = 1, repo.size(BlobId(inner), fetch=False)
        files, size = files + seen[inner][0], size + seen[inner][1]
    seen[id_] = files, size
    return files, size


def list_dir(repo: Repo, tree: TreeId | CommitHash, path: str = "") -> tuple[Entry, ...]:
    """Return the entries of one folder, names only; empty where there is no such folder."""
    found = _at(repo, tree, path)
    entries = {} if found is ABSENT else found.entries
    return tuple([Entry(mode, name, id_) for name, (mode, id_) in entries.items()])


def changed_names(repo: Repo, one: CommitHash, other: CommitHash) -> frozenset[bytes]:
    """Return the names at the top of two commits that differ, in whatever lies below them."""
    left, right = (repo.load_tree(commit).entries.items() for commit in (one, other))
    return frozenset([name for name, _ in left ^ right])


def bring(repo: Repo, *trees: CommitHash | TreeId) -> None:
    """In a partial clone, fetch all that differs between neighbours: libgit2 would not."""
    for one, other in itertools.pairwise(trees) if repo.partial else ():
        command.attempt(
            repo.workspace,
            ["diff-tree", "-r", "--no-renames", "--numstat", "--no-ext-diff", "--no-textconv",
             one, other, "--"],
        )  # fmt: skip


def compared(
    repo: Repo, old: CommitHash | TreeId | Absent, new: CommitHash | TreeId | Absent
) -> tuple[pygit2.Tree, pygit2.Tree]:
    """Return two trees for libgit2 to compare, an empty one for what is absent."""
    before, after = (
        repo.load_tree(str(repo.git.TreeBuilder().write()) if id_ is ABSENT else id_)
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
                        known = repo.load_folder(was[1]).entries
                pending.append((known, repo.load_folder(id_).entries))
    return repo.load(before.id, pygit2.Tree), repo.load(after.id, pygit2.Tree)


def look_at(repo: Repo, commit: CommitHash, paths: Iterable[str]) -> None:
    """Raise why a commit, or one of these folders in it, cannot be looked at, if that is so."""
    kind, size = repo.look_up(commit, repo.git.odb.read_header)
    if kind != repository.COMMIT:
        raise repository.another(commit, repository.KINDS[kind], "commit")
    fsck.refuse_more(size, fsck.COMMIT_LIMIT, "bytes of a commit", commit)
    for path in ("", *paths):
        tree = _walked(repo, commit, path)
        if path and tree is not ABSENT:
            where = f"{commit[:9]}:{path}"
            fsck.refuse_more(len(tree.entries), fsck.MOST_RECORDS, "records in a folder", where)


def _meant(repo: Repo, text: str) -> str:
    """Write a revision so that Git takes no tag for the branch or the commit in it."""
    end = _OPERATOR.search(text)
    name, rest = (text[: end.start()], text[end.start() :]) if end else (text, "")
    with contextlib.suppress(pygit2.GitError, ValueError, KeyError):  # none of this name
        asked = (f"refs/heads/{name}", f"refs/remotes/{name}", f"refs/remotes/origin/{name}")
        for ref in asked if name != "HEAD" else ():
            if ref in repo.git.references and (ref != asked[2] or _is_tag(repo, name)):
                return ref + rest
        if name in USUAL and _is_tag(repo, name):  # never what somebody tagged
            return asked[0] + rest
        if _SHORT.match(name):
            return str(repo.git[name].id) + rest
    return text


def _is_tag(repo: Repo, name: str) -> bool:
    return f"refs/tags/{name}" in repo.git.references


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


def _at(repo: Repo, id_: str, path: str) -> SoundTree | Absent:
    # A folder that Git refuses leads nowhere: none of its readers would agree on what is there.
    try:
        return _walked(repo, id_, path)
    except RefusedTreeError:
        return ABSENT


def _walked(repo: Repo, id_: str, path: str) -> SoundTree | Absent:
    tree = repo.load_tree(id_)
    for name in _parts(path):
        mode, below = tree.entries.get(name, (0, ""))
        if mode != MODE_TREE:
            return ABSENT
        tree = repo.load_folder(below)
    return tree


@lru_cache(maxsize=256)  # a list asks thousands of commits for the same few
def _parts(path: str) -> tuple[bytes, ...]:
    return tuple(map(_encoded, PurePosixPath(path).parts))


def _encoded(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def _plain(path: str) -> str:
    """Return a path as a tree has it: joined paths may have a dot or two slashes in them."""
    if "./" not in path and "//" not in path:
        return path
    folder, _, name = path.rpartition("/")
    return "/".join((*PurePosixPath(folder).parts, name))
