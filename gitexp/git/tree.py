"""The tree of a commit or of the index, read by path: for hooks, rules and every other verb.

A hook's objects come from ``git cat-file``, all others' from an open repository (`Repo.tree`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.errors import RefusedTreeError, UnsafeInputError
from gitexp.model.ids import BlobId, CommitHash, TreeId
from gitexp.model.rules import Objects, TreeEntry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


MODE_TREE: Final = 0o040000
FILE_MODES: Final = frozenset((0o100644, 0o100755, 0o100664))
READ_LIMIT: Final = 1 << 20  # bytes; what a YAML or JSON file of ours may have


class Tree:
    """A tree, read folder by folder; what is staged lies `over` it, None where a file is gone.

    Without a `root` it is empty. `name`: what messages call it. `lenient`: whether a folder that
    Git refuses is none at all, instead of an error.
    """

    __slots__ = ("_lenient", "_name", "_objects", "_over", "_thinned", "_trees")

    def __init__(
        self,
        objects: Objects,
        root: TreeId | None,
        over: Mapping[str, TreeEntry | None] | None = None,
        *,
        name: str = "",
        lenient: bool = False,
    ) -> None:
        self._objects = objects
        self._name = name
        self._lenient = lenient
        self._over = _nested(over) if over else {}
        self._thinned = _thinned(over) if over else frozenset()
        self._trees: dict[str, TreeId | None] = {"": root}

    @property
    def main(self) -> str:
        """Which branch of the repository counts as main; "" for none."""
        return self._objects.main

    def entry(self, path: str) -> TreeEntry | None:
        """Return mode and id of what lies at a path; a folder's id is "" where it is staged."""
        folder, _, name = path.rpartition("/")
        if self._over:
            return self.folder(folder).get(name)
        try:  # one of a list of thousands: no folder is copied for it
            tree = self._tree_of(folder)
            return None if tree is None else self._objects.entry(tree, name)
        except RefusedTreeError:
            if self._lenient:
                return None
            raise

    def where(self, path: str) -> str:
        """Return what messages call a file in it."""
        return f"{self._name}:{path}" if self._name else path

    def folder(self, path: str = "") -> dict[str, TreeEntry]:
        """Return the entries of one folder by name; empty where there is none."""
        found = self._merged(path)
        if path not in self._thinned:
            return found
        return {
            name: entry
            for name, entry in found.items()
            if entry.mode != MODE_TREE or self._has_files(join(path, name))
        }

    def _has_files(self, path: str) -> bool:
        """Return whether a folder is there: with its last file it goes from Git's index."""
        return path not in self._thinned or next(self.files(path), None) is not None

    def _merged(self, path: str) -> dict[str, TreeEntry]:
        """Return the entries of a folder, those of folders that were emptied among them."""
        merged = dict(self._stored(path))
        for name, entry in self._over.get(path, {}).items():
            if entry is None:
                merged.pop(name, None)
            elif entry.id or name not in merged or merged[name].mode != MODE_TREE:
                merged[name] = entry  # a staged file, or a folder that leads to one
        return merged

    def files(self, path: str = "") -> Iterator[tuple[str, TreeEntry]]:
        """Yield every file, link and submodule below a folder with its whole path."""
        pending = [path]
        while pending:
            folder = pending.pop()
            for name, entry in sorted(self._merged(folder).items()):
                below = join(folder, name)
                if entry.mode == MODE_TREE:
                    pending.append(below)
                else:
                    yield below, entry

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """Return the bytes of a regular file; None where there is none, or a link."""
        entry = self.entry(path)
        if entry is None or entry.mode not in FILE_MODES:
            return None
        return self._objects.read(BlobId(entry.id), limit, where=path)

    def folder_id(self, path: str) -> str:
        """Return the id of a folder; "" where there is none, or files in it are staged."""
        entry = None if path in self._over else self.entry(path)
        return "" if entry is None else entry.id

    def size(self, blob: str) -> int:
        """Return the size of a file by its id, unread."""
        return self._objects.size(BlobId(blob))

    def _stored(self, path: str) -> Mapping[str, TreeEntry]:
        """Return a folder as `root` has it; a file that is staged hides a folder of its name."""
        try:
            tree = self._tree_of(path)
            return {} if tree is None else self._objects.entries(tree)
        except RefusedTreeError:
            if self._lenient:
                return {}
            raise

    def _tree_of(self, path: str) -> TreeId | None:
        """Return the tree of a stored folder; what leads to it is remembered, for deep paths."""
        missing = []
        folder = path
        while folder not in self._trees:
            folder, _, name = folder.rpartition("/")
            missing.append(name)
        tree = self._trees[folder]
        for name in reversed(missing):
            tree = self._below(tree, folder, name)
            folder = join(folder, name)
            self._trees[folder] = tree
        return tree

    def _below(self, tree: TreeId | None, folder: str, name: str) -> TreeId | None:
        staged = self._over.get(folder, {}).get(name)
        entry = None if tree is None else self._objects.entry(tree, name)
        if entry is None or entry.mode != MODE_TREE:
            return None
        return None if staged is not None and staged.mode != MODE_TREE else TreeId(entry.id)


def tree_of(objects: Objects, commit: CommitHash) -> Tree:
    """Return what a commit holds."""
    return Tree(objects, objects.commit(commit).tree)


def _nested(over: Mapping[str, TreeEntry | None]) -> dict[str, dict[str, TreeEntry | None]]:
    """Return folder -> name -> entry, with every folder that leads to a staged file."""
    found: dict[str, dict[str, TreeEntry | None]] = {}
    # What is gone first: a file may have made room for a folder of its name.
    for path, entry in sorted(over.items(), key=lambda item: item[1] is not None):
        folder, _, name = path.rpartition("/")
        found.setdefault(folder, {})[name] = entry
        while folder and entry is not None:
            folder, _, name = folder.rpartition("/")
            above = found.setdefault(folder, {})
            if above.get(name) is None:
                above[name] = TreeEntry(MODE_TREE, "")
    return found


def _thinned(over: Mapping[str, TreeEntry | None]) -> frozenset[str]:
    """Return the folders that lead to a file that is gone: they may be empty."""
    found: set[str] = set()
    for path, entry in over.items():
        folder = path
        while folder and entry is None:
            folder = folder.rpartition("/")[0]
            if folder in found:
                break
            found.add(folder)
    return frozenset(found)


def check_size(size: int, limit: int, where: str) -> None:
    """Refuse a file above `limit` bytes."""
    if size > limit:
        raise UnsafeInputError(
            "a file is too large to be read",
            found=f"{size} bytes",
            where=where,
            expected=f"at most {limit} bytes",
        )


def join(folder: str, name: str) -> str:
    """Return the path of a name in a folder; "" is the top."""
    return f"{folder}/{name}" if folder else name
