"""Sharing and lifecycle: what `push`, `pull`, `sync`, `archive` and `rm` answer; tombstones."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from gitexp.model import dataclass

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.ids import CommitHash, InputsDigest, TreeId
    from gitexp.model.plan import Person


class BranchOutcome(enum.Enum):
    """What became of one branch."""

    SAME = "up to date"  # here and there alike
    NEW = "new"  # only one side had it
    AHEAD = "ahead"  # only we had new commits
    FORWARD = "fast-forwarded"  # only they had
    REPLAYED = "replayed"  # both had; our records were put on top of theirs
    MERGED = "merged"  # both had, and ours were not records alone
    DIVERGED = "diverged"  # both had, and this command does not join them
    ARCHIVED = "archived"  # the remote has no such branch any more; `why` says what has it
    RENAMED = "renamed"  # the remote has it under another name; `why` says which
    FAILED = "failed"  # `why` says what stands in the way


@dataclass(frozen=True, slots=True)
class BranchMove:
    """One branch, with what was done to it."""

    branch: str  # short name
    way: BranchOutcome  # what was done to it here
    before: CommitHash | None = None  # the local tip; None where there was no such branch
    after: CommitHash | None = None
    records: int = 0  # commits of ours that were replayed or merged
    pushed: bool = False  # whether the remote has `after` now
    # What was decided about the snapshot where both sides had one, in words; "" otherwise.
    kept: str = ""
    why: str = ""  # for a failure: what was found and what to type

    @property
    def open(self) -> bool:
        """Whether something is left for a person to do."""
        return self.way in {BranchOutcome.DIVERGED, BranchOutcome.FAILED}


@dataclass(frozen=True, slots=True)
class DataMoved:
    """Bytes that went to the DVC remote, or came from it."""

    # "gitexp" (a plain folder), "dvc" (any other remote), "" where nothing was to be done.
    by: str = ""
    remote: str = ""  # DVC's name of it
    objects: int = 0  # how many were copied, and their bytes; DVC tells no bytes
    size: int = 0
    lacking: tuple[
        str, ...
    ] = ()  # outputs of which objects are neither here nor there, or DVC reads none
    said: str = ""  # why no data were moved, where that is so
    imported: tuple[str, ...] = ()  # those of `lacking` that DVC brings from where they came from
    # Outputs whose objects on the remote are not what their names say, with branch and place.
    damaged: tuple[str, ...] = ()
    step: str = ""  # what mends the first of them


@dataclass(frozen=True, slots=True)
class TogetherReport:
    """The answer of `gitexp push`, `pull` or `sync`."""

    verb: str  # "push", "pull" or "sync"
    remote: str  # Git's name of it
    branches: tuple[BranchMove, ...]
    data: DataMoved
    attempts: int  # how often somebody else was faster, and one
    not_updated: tuple[str, ...]  # files and outputs of work trees that stay as a person has them
    warnings: tuple[str, ...]
    next_step: str
    archived: tuple[str, ...] = ()  # archive tags that were not here before

    @property
    def open(self) -> tuple[BranchMove, ...]:
        """The branches that a person has to look at."""
        return tuple(move for move in self.branches if move.open)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left to say of an experiment whose code and data were removed."""

    experiment: str
    branch: str  # short name
    words: str  # why it was removed; may be empty
    author: Person
    removed_at: datetime  # UTC
    tip: CommitHash  # what its branch, or its archive, led to
    tree: TreeId
    inputs: InputsDigest | None  # of its candidate; None where nothing was run
    source: CommitHash | None  # the commit that ran


@dataclass(frozen=True, slots=True)
class EndReport:
    """What `archive`, `restore`, `rm` and `rename` did."""

    verb: str  # "archive", "restore", "rm" or "rename"
    name: str  # of the experiment, as it is called now
    commit: CommitHash  # what its branch or its tag leads to now
    # One line for each thing that was changed here; empty: all was so already.
    done: tuple[str, ...]
    sent: tuple[str, ...]  # one line for each thing that was changed on the remote
    notes: tuple[str, ...]  # what was left alone, and why
    next_step: str
