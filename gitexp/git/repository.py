"""An open repository and its objects; the only place that opens pygit2.

What a branch holds is foreign: sizes are looked up before bytes are read, and every tree is asked
whether Git would take it.
"""

from __future__ import annotations

import contextlib
import re
import shlex
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, Final, TypeVar

import pygit2

from gitexp.errors import (
    DamagedDataError,
    GitexpError,
    MissingObjectError,
    NoRepositoryError,
    RefusedTreeError,
    UnsafeInputError,
)
from gitexp.git import command, fsck
from gitexp.git.catfile import EMPTY_TREE, forks, parsed_commit
from gitexp.git.discovery import plain_bytes
from gitexp.git.tree import READ_LIMIT, Tree, check_size
from gitexp.git.upstream import main_of
from gitexp.model.ids import BlobId, CommitHash, TreeId
from gitexp.model.rules import CommitObject, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from gitexp.model.workspace import Workspace


# Formats that change nothing about how objects are read; libgit2 refuses what it does not know.
# With reftable, refs go through git itself (see refs.py).
_EXTENSIONS = ["partialclone", "relativeworktrees", "refstorage"]

_NO_ID: Final = "0" * 40
_ANY_REMOTE: Final = "refs/remotes/*/"
_GLOB: Final = re.compile(r"[*?\[\\]")
_GRAFTS_BYTES: Final = 1 << 16  # enough to see that there is one
_TREES_KEPT: Final = 1 << 15  # of an open repository; an id names its content for ever
_ENTRIES_KEPT: Final = 1 << 18  # of all of them, as long as they are of a size
COMMIT, _TREE, _BLOB = 1, 2, 3  # libgit2's numbers of the kinds
KINDS: Final = ("", "commit", "tree", "blob", "tag")
_T = TypeVar("_T")
_Object = TypeVar("_Object", pygit2.Blob, pygit2.Commit, pygit2.Tree)


class Repo:
    """An open repository: a workspace and its pygit2 handle. Cheap to make, not thread-safe."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.git = _open(workspace)
        self._trees: dict[str, fsck.SoundTree] = {}  # by id of tree or commit
        # Of two commits all best common ancestors; a merge asks for each of its files.
        self.forks = cache(partial(_forks, self.git, workspace))
        self._folders: dict[TreeId, dict[str, TreeEntry]] = {}
        self._opened: dict[str, Tree] = {}
        self.tables: dict[tuple[str, ...], object] = {}  # of samples, by id; see `store.records`

    @cached_property
    def settings(self) -> Mapping[str, str]:
        """Git's settings as git itself reads them (libgit2 ignores GIT_CONFIG_* variables)."""
        return {key: value for _, key, value in command.settings_of(self.workspace)}

    def setting_is_true(self, key: str) -> bool:
        """Return whether a boolean setting is on; what git would not read as true is off."""
        return self.settings.get(key, "").lower() in {"true", "yes", "on", "1"}

    @cached_property
    def reftable(self) -> bool:
        """Whether refs are stored in a way that pygit2 cannot read."""
        return (self.workspace.common_dir / "reftable").is_dir()

    @cached_property
    def main(self) -> str:
        """Which branch of the repository counts as main; "" for none."""
        return main_of(self)

    def listed(self, names: Iterable[str]) -> list[list[str]] | None:
        """Return object, name, upstream and what it stands for of each ref of these names.

        ``refs/remotes/*/NAME``: of each remote that is set up, and of origin. None: git has to be
        asked, which takes ten times as long.
        """
        asked: set[str] = set()
        for name in names:
            branch = name.removeprefix(_ANY_REMOTE)
            remotes = ("origin", *filter(None, self.git.remotes.names())) if branch != name else ()
            asked |= {f"refs/remotes/{each}/{branch}" for each in remotes} or {name}
        if self.reftable or any(each.count("/") < 2 or _GLOB.search(each) for each in asked):  # noqa: PLR2004  refs/KIND/NAME
            return None
        found = []
        for name in sorted(asked):
            with contextlib.suppress(KeyError, ValueError, pygit2.GitError):  # none, or broken
                ref = self.git.lookup_reference(name)
                target = ref.raw_target
                stands_for = target.decode() if isinstance(target, bytes) else ""
                commit = str(ref.resolve().target)
                if commit != _NO_ID:
                    found.append([commit, name, self._upstream(name), stands_for])
        return found

    def _upstream(self, ref: str) -> str:
        branch = ref.removeprefix("refs/heads/")
        if branch != ref:
            with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
                return self.git.lookup_branch(branch).upstream_name
        return ""

    @cached_property
    def partial(self) -> bool:
        """Whether objects may be missing here that a remote has promised."""
        return any(key.endswith(".promisor") for key in self.settings)

    @property
    def whole(self) -> str:
        """What brings the history and the branches that a clone was made without; "" for neither.

        `git clone --depth` sets up a single branch, so that a deeper fetch brings no other one.
        """
        shallow = ["--unshallow"] if self.git.is_shallow else []
        remotes = [*filter(None, self.git.remotes.names())]
        name = "origin" if "origin" in remotes else next(iter(remotes), "")
        own = set[str]()
        with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
            own = {each.removeprefix("+").partition(":")[0]
                   for each in self.git.remotes[name].fetch_refspecs}  # fmt: skip
        single = own and own.isdisjoint({"refs/heads/*", "refs/*"})
        branches = [name, f"+refs/heads/*:refs/remotes/{name}/*"] if single else []
        return shlex.join(["git", "fetch", *shallow, *branches]) if shallow or single else ""

    # --- objects; as rules read them, see `gitexp.model.rules.Objects` ---------------------------

    def tree(self, id_: CommitHash | TreeId) -> Tree:
        """Return what a commit, or a tree, holds; a folder that Git refuses leads nowhere."""
        found = self._opened.get(id_)
        if found is None:
            try:
                root = self.load_tree(id_).id
            except RefusedTreeError:
                root = None
            found = self._opened[id_] = Tree(self, root, name=id_[:9], lenient=True)
        return found

    def load(self, id_: str, kind: type[_Object]) -> _Object:
        """Return an object of pygit2, sound or not: see `load_tree`."""
        if kind is pygit2.Commit:
            _, size = self.look_up(id_, self.git.odb.read_header)
            fsck.refuse_more(size, fsck.COMMIT_LIMIT, "bytes of a commit", id_)
        found = self.look_up(id_, self.git.__getitem__)
        if not isinstance(found, kind):
            names = type(found).__name__.lower(), kind.__name__.lower()
            raise another(id_, *names, DamagedDataError)
        return found

    def load_tree(self, id_: str) -> fsck.SoundTree:
        """Return the tree of a commit or a tree; `RefusedTreeError` if Git would refuse it."""
        return self._remembered(id_, top=True)

    def load_folder(self, id_: str) -> fsck.SoundTree:
        """Return a tree, as `load_tree` does; what leads to it may not lead to a commit."""
        tree = self._remembered(id_)
        if tree.id != id_:  # remembered by the name of a commit
            raise another(id_, "commit", "tree")
        return tree

    def commit(self, id_: CommitHash) -> CommitObject:
        """Return a commit."""
        # As it is stored: libgit2 hides the parents that a shallow clone lacks, and a commit whose
        # parents are unknown is not one that has none.
        return parsed_commit(self.load(id_, pygit2.Commit).read_raw(), id_)

    def entries(self, tree: TreeId) -> dict[str, TreeEntry]:
        """Return the entries of one folder by name, undecodable bytes as surrogates."""
        found = self._folders.get(tree)
        if found is None:
            found = self._folders[tree] = {
                name.decode("utf-8", "surrogateescape"): TreeEntry(mode, id_)
                for name, (mode, id_) in self.load_folder(tree).entries.items()
            }
        return found

    def entry(self, tree: TreeId, name: str) -> TreeEntry | None:
        """Return one entry of a folder."""
        found = self.load_folder(tree).entries.get(name.encode("utf-8", "surrogateescape"))
        return None if found is None else TreeEntry(*found)

    def size(self, blob: BlobId, *, fetch: bool = True) -> int:
        """Return a blob's size, unread; 0 for one that is promised, unless git may `fetch`."""
        # A Blob object of libgit2 loads its content; the header of the object database does not.
        try:
            _, size = self.git.odb.read_header(blob)
        except KeyError:
            return int(self.load(blob, pygit2.Blob).size) if fetch or not self.partial else 0
        return int(size)

    def read(self, blob: BlobId, limit: int = READ_LIMIT, *, where: str = "") -> bytes:
        """Return a blob's bytes; `UnsafeInputError` above `limit` bytes, from the header alone."""
        # A Blob object of libgit2 loads its content; the header of the object database does not.
        odb = self.git.odb
        try:
            kind, size = odb.read_header(blob)
            data = odb.read(blob)[1] if kind == _BLOB and size <= limit else None
        except KeyError:  # in a partial clone git brings it
            size, data = int(self.load(blob, pygit2.Blob).size), None
        check_size(size, limit, where or blob)
        return bytes(self.load(blob, pygit2.Blob).data) if data is None else bytes(data)

    def _remembered(self, id_: str, *, top: bool = False) -> fsck.SoundTree:
        tree = self._trees.get(id_)
        if tree is None:
            tree = self.read_tree(id_, top=top)
            kept = len(self._trees)
            if kept >= _TREES_KEPT or kept * len(tree.entries) > _ENTRIES_KEPT:
                self._trees.clear()
                self._folders.clear()
                self._opened.clear()
            self._trees[id_] = tree
        return tree

    def read_tree(self, id_: str, *, top: bool = False) -> fsck.SoundTree:
        """Return a tree without remembering it; that of a commit only where it is the `top`."""
        # By its bytes: they are wanted for the check anyhow, and libgit2's entries come one by one.
        if id_ == EMPTY_TREE:  # known to Git, though no object may hold it
            return fsck.read(TreeId(id_), b"")
        kind, size = self.look_up(id_, self.git.odb.read_header)
        if kind != _TREE and not (kind == COMMIT and top):
            raise another(id_, KINDS[kind], "tree")
        fsck.refuse_more(size, fsck.TREE_LIMIT, f"bytes of a {KINDS[kind]}", id_)
        data = self.look_up(id_, self.git.odb.read)[1]
        if kind == COMMIT:
            return self.load_folder(data[len("tree ") :][: len(id_)].decode("latin-1"))
        return fsck.read(TreeId(id_), data)

    def look_up(self, id_: str, get: Callable[[str], _T]) -> _T:
        """Return what `get` finds of an object; raise in our words why it finds nothing."""
        try:
            return get(id_)
        except KeyError as error:
            # In a partial clone git fetches the object; libgit2 knows nothing of promises.
            if self.partial and command.attempt(self.workspace, ["cat-file", "-e", id_])[0] == 0:
                self.git.get(id_)  # a miss makes libgit2 look for new packs
                with contextlib.suppress(KeyError):
                    return get(id_)
            shallow = self.git.is_shallow
            raise MissingObjectError(
                "an object of the repository is missing",
                where=id_,
                expected="a complete clone",
                next_step=self.whole if shallow else "git fetch, then git fsck",
            ) from error
        except (pygit2.GitError, ValueError) as error:
            raise unreadable(error, id_) from error


def _forks(
    git: pygit2.Repository, where: Workspace, one: CommitHash, other: CommitHash
) -> tuple[CommitHash, ...]:
    """Return what `catfile.forks` does; without a process where either has the other."""
    for older, newer in ((one, other), (other, one)):
        with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
            if older == newer or git.descendant_of(newer, older):
                return (older,)
    return forks(where, {}, one, other)


def open_repository(workspace: Workspace) -> Repo:
    """Open the repository of a workspace that `discover` returned."""
    return Repo(workspace)


def _open(workspace: Workspace) -> pygit2.Repository:
    _refuse_grafts(workspace.common_dir / "info" / "grafts")
    pygit2.settings.set_extensions(_EXTENSIONS)
    # Objects and refs reach the disk before we say so: power loss must not leave an empty ref.
    pygit2.settings.enable_fsync_gitdir(True)  # noqa: FBT003 - a foreign signature
    # Git was asked by `discover` whether this repository may be used. libgit2 reads safe.directory
    # from fewer places (no GIT_CONFIG_GLOBAL, no command scope) and would refuse what Git allows.
    checked = pygit2.settings.owner_validation
    pygit2.settings.owner_validation = False
    try:
        opened = pygit2.Repository(str(workspace.git_dir))
        # Of a Git directory that lies apart libgit2 takes the folder above for the work tree.
        if workspace.top is not None and opened.workdir != f"{workspace.top}/":
            opened.workdir = str(workspace.top)
    except (pygit2.GitError, KeyError) as error:
        raise NoRepositoryError(
            "libgit2 cannot open this repository",
            found=str(error),
            where=str(workspace.git_dir),
            expected="a repository with SHA-1 object names",
        ) from error
    else:
        return opened
    finally:
        pygit2.settings.owner_validation = checked


def _refuse_grafts(file: Path) -> None:
    """Refuse to show a history that no commit has: a folder that somebody gives may hold any."""
    try:
        written = plain_bytes(file, _GRAFTS_BYTES)
    except FileNotFoundError:
        return
    except OSError as error:  # a link, or nothing that can be read: Git would follow it
        written = str(error).encode()
    if written:  # libgit2 takes an empty line, too, for one
        raise UnsafeInputError(
            "the repository has grafts, by which its history is another than its commits say",
            found=ascii(written.decode("utf-8", "replace").strip()[:80])[1:-1],
            where=str(file),
            expected="commits with the parents that they name",
            next_step="git replace --convert-graft-file, which Git alone reads; or remove the file",
        )


def unreadable(error: Exception, where: str) -> GitexpError:
    """Return the error for what libgit2 cannot read."""
    # libgit2 looks at the hash first: what it cannot parse was made so, and nothing is damaged.
    if isinstance(error, pygit2.InvalidError) or "failed to parse" in str(error):
        return RefusedTreeError(
            "a commit is not as Git writes them",
            found=str(error).removeprefix(f"{where}: "),
            where=where,
            next_step=f"ask whoever made it; git cat-file -p {shlex.quote(where)} shows it",
        )
    return DamagedDataError(
        "an object of the repository cannot be read",
        found=str(error),
        where=where,
        next_step="git fsck",
    )


def another(
    id_: str, found: str, expected: str, error: type[GitexpError] = RefusedTreeError
) -> GitexpError:
    """Return the error for an object of another kind than what leads to it says."""
    # Its name is the hash of what it is: whatever leads to it was made so: no damage here.
    return error(
        "an object of the repository is not what it should be",
        found=f"a {found}",
        where=id_,
        expected=f"a {expected}",
        next_step="ask whoever made what leads to it, or delete the branch or tag",
    )
