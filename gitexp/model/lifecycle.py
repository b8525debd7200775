"""How an experiment ends: archived, restored, removed, renamed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.ids import CommitHash, InputsDigest, TreeId
    from gitexp.model.plan import Person


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
