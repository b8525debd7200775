"""Provenance: who else saw a plan and when, and how sure its order before the runs is."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from gitexp.model.ids import CommitHash, PlanDigest
    from gitexp.model.plan import Person


class Way(enum.Enum):
    """How a plan was witnessed."""

    PUSH = "push"  # a server took it; its log has the time
    RFC3161 = "rfc3161"  # a time-stamping authority signed a digest of it, with the time
    APPROVAL = "approval"  # a second person signed it


@dataclass(frozen=True, slots=True)
class Receipt:
    """A witness's word, as it is kept in the repository."""

    way: Way
    plan: PlanDigest  # what was witnessed: the plan with all that binds in it
    commit: CommitHash  # the commit of the experiment's branch that the witness saw
    by: Person  # who asked the witness; of an approval, who approves
    # Of a push: Git's name of the remote, its address without credentials, the full ref. Of a time
    # stamp `url` is the authority's.
    remote: str = ""
    url: str = ""
    ref: str = ""
    said: str = ""  # of a push, what the server said of it; of an approval, its words


def statement_of(plan: PlanDigest, commit: CommitHash) -> bytes:
    """Return the text of which a time-stamping authority signs the sha256.

    >>> statement_of("ab" * 32, "cd" * 20).decode().splitlines()[0]
    'gitexp witness 1'
    """
    return f"gitexp witness 1\nplan {plan}\ncommit {commit}\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class Stored:
    """A receipt in a tree."""

    path: str
    receipt: Receipt | None  # None where it cannot be read; `why` says why
    token: bytes = b""  # of a time stamp, the authority's answer
    why: str = ""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the reader believes, by his own settings; nothing of it comes from a branch."""

    authorities: Path | None = None  # certificates of time-stamping authorities, PEM
    # By commit: when a server took it, as the server's own log says.
    log: tuple[tuple[str, datetime], ...] = ()


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What `gitexp witness` wrote."""

    experiment: str
    receipt: Receipt
    path: str
    commit: CommitHash
    order: OrderGrade  # how sure the order of the plan is now, by the settings of who asks
    runs: int  # recorded under the plan already; for them a witness comes too late


ALONE: Final = "by ancestry alone: the author's own clock"  # what `Grade.HISTORY` rests on


class Grade(enum.Enum):
    """How sure it is that a plan was there before its results; each is worth more than the last."""

    NONE = "none"  # the plan is not before the runs, or there is none
    HISTORY = "history"  # by ancestry alone: their author's own clock
    SIGNED = "signed"  # the commits are signed: somebody stands in for them
    WITNESSED = "witnessed"  # somebody else saw the plan, and says when


@dataclass(frozen=True, slots=True)
class OrderGrade:
    """How sure it is that a plan came before its results."""

    grade: Grade
    why: str  # what it rests on, in plain words
    # When the plan was seen, by the witness's clock; never by that of a commit.
    time: datetime | None = None


@dataclass(frozen=True, slots=True)
class Signer:
    """Who made a good signature."""

    name: str  # as the reader's keyring, or list of allowed signers, has it
    key: str  # the primary key's fingerprint: the same under whatever name

    def __str__(self) -> str:
        """Return the name."""
        return self.name
