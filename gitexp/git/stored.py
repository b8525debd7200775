"""Reads the objects of a repository for rules, with pygit2: `check` and `review` use it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pygit2

from gitexp.git.catfile import parsed_commit
from gitexp.git.objects import blob, blob_size, entries, load
from gitexp.model.rules import TreeEntry

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import BlobId, CommitHash, TreeId
    from gitexp.model.rules import CommitObject


class StoredObjects:
    """The objects of an open repository; see `gitexp.model.rules.Objects`."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._folders: dict[TreeId, dict[str, TreeEntry]] = {}

    def commit(self, id_: CommitHash) -> CommitObject:
        """Return a commit."""
        # As it is stored: libgit2 hides the parents that a shallow clone lacks, and a commit whose
        # parents are unknown is not one that has none.
        return parsed_commit(load(self._repo, id_, pygit2.Commit).read_raw(), id_)

    def entries(self, tree: TreeId) -> dict[str, TreeEntry]:
        """Return the entries of one folder by name, undecodable bytes as surrogates."""
        if tree not in self._folders:
            self._folders[tree] = {
                entry.path.decode("utf-8", "surrogateescape"): TreeEntry(entry.mode, entry.id)
                for entry in entries(self._repo, tree)
            }
        return self._folders[tree]

    def size(self, blob: BlobId) -> int:
        """Return the size of a blob in bytes, without its content."""
        return blob_size(self._repo, blob)

    def read(self, blob_: BlobId, limit: int) -> bytes:
        """Return a blob; `UnsafeInputError` above `limit` bytes, without reading it."""
        return blob(self._repo, blob_, limit)
