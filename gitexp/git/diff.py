"""Which files differ between two trees, and by how many lines; runs no foreign filter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pygit2.enums import DeltaStatus, DiffOption

from gitexp.git.absent import ABSENT, Absent
from gitexp.git.objects import bring, load_tree
from gitexp.model.ids import TreeId

if TYPE_CHECKING:
    import pygit2

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash

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
    before, after = _tree(repo, one), _tree(repo, other)
    bring(repo, TreeId(str(before.id)), TreeId(str(after.id)))
    diff = before.diff_to_tree(
        after,
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
    return load_tree(repo, str(repo.git.TreeBuilder().write()) if id_ is ABSENT else id_)
