"""Sharing and lifecycle: what `push`, `pull`, `sync`, `archive` and `rm` answer; tombstones."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
    FAILED = "failed"  # `why` says what stands in the way


@dataclass(frozen=True, slots=True)
class BranchMove:
    """One branch, with what was done to it.

    Attributes
    ----------
    branch : str
        Short name.
    way : Way
        What was done to it here.
    before, after : CommitHash or None
        The local tip; None where there was no such branch.
    records : int
        Commits of ours that were replayed or merged.
    pushed : bool
        Whether the remote has `after` now.
    kept : str
        What was decided about the snapshot where both sides had one, in words; "" otherwise.
    why : str
        For a failure: what was found and what to type.
    """

    branch: str
    way: BranchOutcome
    before: CommitHash | None = None
    after: CommitHash | None = None
    records: int = 0
    pushed: bool = False
    kept: str = ""
    why: str = ""

    @property
    def open(self) -> bool:
        """Whether something is left for a person to do."""
        return self.way in {BranchOutcome.DIVERGED, BranchOutcome.FAILED}


@dataclass(frozen=True, slots=True)
class DataMoved:
    """Bytes that went to the DVC remote, or came from it.

    Attributes
    ----------
    by : str
        "gitexp" (a plain folder), "dvc" (any other remote), "" where nothing was to be done.
    remote : str
        DVC's name of it.
    objects, size : int
        How many were copied, and their bytes; DVC tells no bytes.
    lacking : tuple of str
        Outputs of which objects are neither here nor there.
    said : str
        Why no data were moved, where that is so.
    imported : tuple of str
        Those of `lacking` that DVC brings from where they came from.
    """

    by: str = ""
    remote: str = ""
    objects: int = 0
    size: int = 0
    lacking: tuple[str, ...] = ()
    said: str = ""
    imported: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TogetherReport:
    """The answer of `gitexp push`, `pull` or `sync`.

    Attributes
    ----------
    verb : str
        "push", "pull" or "sync".
    remote : str
        Git's name of it.
    branches : tuple of BranchMove
    data : DataMoved
    attempts : int
        How often somebody else was faster, and one.
    not_updated : tuple of str
        Files and outputs of work trees that stay as a person has them.
    warnings : tuple of str
    next_step : str
    """

    verb: str
    remote: str
    branches: tuple[BranchMove, ...]
    data: DataMoved
    attempts: int
    not_updated: tuple[str, ...]
    warnings: tuple[str, ...]
    next_step: str
    archived: tuple[str, ...] = ()  # archive tags that were not here before

    @property
    def open(self) -> tuple[BranchMove, ...]:
        """The branches that a person has to look at."""
        return tuple(move for move in self.branches if move.open)


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left to say of an experiment whose code and data were removed.

    Attributes
    ----------
    experiment : str
    branch : str
        Short name.
    words : str
        Why it was removed; may be empty.
    tip, tree : CommitHash, TreeId
        What its branch, or its archive, led to.
    inputs : InputsDigest or None
        Of its candidate; None where nothing was run.
    source : CommitHash or None
        The commit that ran.
    author : Person
    removed_at : datetime
        UTC.
    """

    experiment: str
    branch: str
    words: str
    author: Person
    removed_at: datetime
    tip: CommitHash
    tree: TreeId
    inputs: InputsDigest | None
    source: CommitHash | None


@dataclass(frozen=True, slots=True)
class EndReport:
    """What `archive`, `restore`, `rm` and `rename` did.

    Attributes
    ----------
    verb : str
        "archive", "restore", "rm" or "rename".
    name : str
        Of the experiment, as it is called now.
    commit : CommitHash
        What its branch or its tag leads to now.
    done : tuple of str
        One line for each thing that was changed here; empty: all was so already.
    sent : tuple of str
        One line for each thing that was changed on the remote.
    notes : tuple of str
        What was left alone, and why.
    """

    verb: str
    name: str
    commit: CommitHash
    done: tuple[str, ...]
    sent: tuple[str, ...]
    notes: tuple[str, ...]
    next_step: str
