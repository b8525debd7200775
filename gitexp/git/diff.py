"""Which files differ between two trees, and by how many lines; runs no foreign filter."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from pygit2.enums import DeltaStatus, DiffOption

from gitexp.git.objects import blob_size, compared
from gitexp.model.ids import BlobId

if TYPE_CHECKING:
    import pygit2

    from gitexp.git.absent import Absent
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, TreeId

LINES_LIMIT: Final = 4 << 20  # bytes of a file whose lines are counted
Kind = Literal["added", "deleted", "modified", "type changed"]

_KINDS: dict[DeltaStatus, Kind] = {
    DeltaStatus.ADDED: "added",
    DeltaStatus.DELETED: "deleted",
    DeltaStatus.TYPECHANGE: "type changed",
}


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs. `added` and `removed` count lines; None for binary or large files."""

    path: str  # undecodable bytes as surrogates
    kind: Kind
    added: int | None
    removed: int | None


def changed_paths(
    repo: Repo, one: TreeId | CommitHash | Absent, other: TreeId | CommitHash | Absent
) -> tuple[FileChange, ...]:
    """Return what differs from the tree (or commit) `one` to `other`, sorted by path."""
    before, after = compared(repo, one, other)
    diff = before.diff_to_tree(
        after,
        flags=DiffOption.INCLUDE_TYPECHANGE,
        context_lines=0,
        interhunk_lines=0,
    )
    found = []
    for index, delta in enumerate(diff.deltas):
        path = delta.new_file.raw_path.decode("utf-8", "surrogateescape")
        kind = _KINDS.get(DeltaStatus(delta.status), "modified")
        found.append(FileChange(path, kind, *_lines(repo, diff, index, delta)))
    return tuple(sorted(found, key=lambda change: change.path))


def _lines(
    repo: Repo, diff: pygit2.Diff, index: int, delta: pygit2.DiffDelta
) -> tuple[int | None, int | None]:
    """Return how many lines came and went; a large file is not read for it."""
    sides = [side for side in (delta.old_file, delta.new_file) if stat.S_ISREG(side.mode)]
    if any(blob_size(repo, BlobId(str(side.id))) > LINES_LIMIT for side in sides):
        return None, None
    patch = diff[index]
    if patch is None or patch.delta.is_binary:
        return None, None
    _, added, removed = patch.line_stats
    return added, removed
