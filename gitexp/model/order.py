"""How sure it is that a plan came before its results."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

ALONE: Final = "by ancestry alone: the author's own clock"  # what `Grade.HISTORY` rests on


class Grade(enum.Enum):
    """How sure it is that a plan was there before its results; each is worth more than the last."""

    NONE = "none"  # the plan is not before the runs, or there is none
    HISTORY = "history"  # by ancestry alone: their author's own clock
    SIGNED = "signed"  # the commits are signed: somebody stands in for them
    WITNESSED = "witnessed"  # somebody else saw the plan, and says when


@dataclass(frozen=True, slots=True)
class OrderGrade:
    """How sure it is that a plan came before its results.

    Attributes
    ----------
    grade : Grade
    why : str
        What it rests on, in plain words.
    time : datetime or None
        When the plan was seen, by the witness's clock; never by that of a commit.
    """

    grade: Grade
    why: str
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Who made a good signature."""

    name: str  # as the reader's keyring, or list of allowed signers, has it
    key: str  # the primary key's fingerprint: the same under whatever name

    def __str__(self) -> str:
        """Return the name."""
        return self.name
