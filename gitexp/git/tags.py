"""Annotated tags: written as objects that nobody sees until a ref is moved to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.git import command
from gitexp.git.absent import ABSENT, Absent
from gitexp.git.writing import plain_name

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Person


def write_tag(  # noqa: PLR0913 - a tag has this many parts
    repo: Repo,
    commit: CommitHash,
    name: str,
    message: str,
    *,
    tagger: Person,
    time: datetime,
) -> str:
    """Write an annotated tag of a commit and return its id; it is never signed.

    Raises `GitFailedError, NoSpaceError, ReadOnlyError` if it cannot be written.
    """
    offset = time.strftime("%z") or "+0000"
    who = f"{plain_name(tagger.name) or 'unknown'} <{plain_name(tagger.email) or 'unknown'}>"
    text = (
        f"object {commit}\ntype commit\ntag {name}\n"
        f"tagger {who} {int(time.timestamp())} {offset[:5]}\n\n{message.rstrip()}\n"
    )
    out = command.run(repo.workspace, ["mktag"], data=text.encode("utf-8", "surrogateescape"))
    return out.decode("ascii").strip()


def object_of(repo: Repo, ref: str) -> str | Absent:
    """Return the object that a tag's ref names: the tag's own id, or the commit of a light one."""
    code, out, _ = command.attempt(
        repo.workspace, ["rev-parse", "--verify", "--quiet", "--end-of-options", ref]
    )
    return out.decode("ascii").strip() if code == 0 else ABSENT
