"""Branches and archive tags, and the commits at their tips; nothing of what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.git import refs
from gitexp.git.absent import ABSENT
from gitexp.git.transaction.layout import ARCHIVE_TAGS, DATA_BRANCH
from gitexp.git.upstream import short
from gitexp.store.plans import branch_prefix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash


@dataclass(frozen=True, slots=True)
class Tip:
    """A branch or archive tag with what it points to."""

    ref: str  # "refs/heads/exp/a"
    commit: CommitHash
    prefix: str = ""  # of experiments' branches; an archive tag does not tell it
    made: bool = False  # of an archive tag: gitexp made it here, or nobody else's branch is here

    @property
    def name(self) -> str:
        """Return the name that people use: ``exp/a``, ``origin/exp/a``, ``exp-archive/a``."""
        return self.ref.split("/", 2)[2]

    @property
    def branch(self) -> str:
        """Return the branch's name without the remote's, or that of the archived branch."""
        if self.archived:
            return self.prefix + self.ref.removeprefix(ARCHIVE_TAGS)
        return short(self.ref)

    @property
    def archived(self) -> bool:
        """Whether it is the tag that `archive` made."""
        return self.ref.startswith(ARCHIVE_TAGS)

    @property
    def local(self) -> bool:
        """Whether it is a branch of this repository."""
        return self.ref.startswith("refs/heads/")

    @property
    def own(self) -> bool:
        """Whether it is the user's word: a branch here, or what was archived here.

        What a fetch brought is that of others, whichever remote it came from.
        """
        return self.local or self.made


def tips(repo: Repo) -> tuple[Tip, ...]:
    """Return all local branches, remote-tracking branches and archive tags."""
    found = refs.branches(repo)
    archived = found and found[-1][0].startswith(ARCHIVE_TAGS)  # the last, where there are any
    prefix = branch_prefix(repo) if archived else ""
    alone = not any(ref.startswith("refs/remotes/") for ref, _ in found)
    return tuple(
        Tip(
            ref,
            commit,
            prefix,
            ref.startswith(ARCHIVE_TAGS) and (alone or refs.made_here(repo, ref)),
        )
        for ref, commit in found
    )


def own_tips(repo: Repo) -> tuple[Tip, ...]:
    """Return the tips whose records are the user's own."""
    return tuple(tip for tip in tips(repo) if tip.own)


def places(repo: Repo, every: Iterable[Tip] | None = None) -> Iterator[tuple[str, CommitHash]]:
    """Yield where records may have been merged to: HEAD first, each commit once.

    `every`: what `tips` gave, where the caller has asked already.
    """
    head = refs.head(repo)
    seen: set[CommitHash] = set()
    if head.commit is not ABSENT:
        seen.add(head.commit)
        yield head.branch or "HEAD", head.commit
    for tip in tips(repo) if every is None else every:
        if tip.commit not in seen and not tip.archived and tip.branch != DATA_BRANCH:
            seen.add(tip.commit)
            yield tip.name, tip.commit


def is_experiments(where: str, prefix: str) -> bool:
    """Return whether a branch, here or of a remote, is an experiment's by its name."""
    return where.startswith(prefix) or where.partition("/")[2].startswith(prefix)
