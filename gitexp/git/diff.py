"""Which files differ between two trees, and by how many lines; runs no foreign filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import pygit2
from pygit2.enums import DeltaStatus, DiffOption

from gitexp.errors import DamagedDataError
from gitexp.git.absent import ABSENT, Absent

if TYPE_CHECKING:
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, TreeId

Kind = Literal["added", "deleted", "modified", "type changed"]

_KINDS: dict[DeltaStatus, Kind] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.TYPECHANGE: "type changed",
}


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs. `added` and `removed` count lines; None for binary files."""

    path: str  # undecodable bytes as surrogates
    kind: Kind
    added: int | None
    removed: int | None


def changed_paths(
    repo: Repo, one: TreeId | CommitHash | Absent, other: TreeId | CommitHash | Absent
) -> tuple[FileChange, ...]:
    """Return what differs from the tree (or commit) `one` to `other`, sorted by path."""
    diff = _tree(repo, one).diff_to_tree(
        _tree(repo, other),
        flags=DiffOption.INCLUDE_TYPECHANGE,
        context_lines=0,
        interhunk_lines=0,
    )
    found = []
    for patch in diff:
        if patch is None:  # pragma: no cover - libgit2 gives none for an unchanged delta
            continue
        delta = patch.delta
        _, added, removed = patch.line_stats
        path = delta.new_file.raw_path.decode("utf-8", "surrogateescape")
        kind = _KINDS.get(DeltaStatus(delta.status), "modified")
        binary = delta.is_binary
        found.append(FileChange(path, kind, None if binary else added, None if binary else removed))
    return tuple(sorted(found, key=lambda change: change.path))


def _tree(repo: Repo, id_: str | Absent) -> pygit2.Tree:
    if id_ is ABSENT:
        id_ = str(repo.git.TreeBuilder().write())
    try:
        return repo.git[id_].peel(pygit2.Tree)
    except (KeyError, pygit2.GitError) as error:
        raise DamagedDataError("a tree cannot be read", found=str(error), where=id_) from error
