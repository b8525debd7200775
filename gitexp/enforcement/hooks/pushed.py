"""What a push changes, told in lines, and the rules over each commit of it; by git alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from gitexp.git.transaction.layout import archive_tag
from gitexp.git.tree import Tree
from gitexp.git.upstream import followed, own
from gitexp.git.worktree import staged
from gitexp.model.rules import NOBODY
from gitexp.rules.branches import is_experiment, is_protected
from gitexp.rules.facts import settings
from gitexp.rules.governing import governing
from gitexp.rules.order import is_ordered
from gitexp.rules.ranges import check_range

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gitexp.git.catfile import CatFile
    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.config import ProjectConfig
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.rules import Outside, Violation
    from gitexp.rules.governing import Governing

HEADS = "refs/heads/"
_FIELDS_RECEIVED = 3  # old, new, ref
_FIELDS_PUSHED = 4  # local ref, local hash, remote ref, remote hash


@dataclass(frozen=True, slots=True)
class Update:
    """One ref that a push moves; zeros, or "", for what is not there."""

    ref: str
    old: str
    new: str

    @property
    def branch(self) -> str:
        """Its short name; "" for what is no branch."""
        return self.ref.removeprefix(HEADS) if self.ref.startswith(HEADS) else ""

    @property
    def creates(self) -> bool:
        """Whether the ref was not there."""
        return not self.old.strip("0")

    @property
    def deletes(self) -> bool:
        """Whether the ref goes."""
        return not self.new.strip("0")


def updates(given: bytes) -> tuple[Update, ...]:
    r"""Read what Git writes to pre-push, or to pre-receive.

    Examples
    --------
    >>> updates(b"refs/heads/a 11 refs/heads/b 22\n") == updates(b"22 11 refs/heads/b\n")
    True
    """
    found = []
    for line in given.decode("utf-8", "surrogateescape").split("\n"):
        words = line.split(" ")
        if len(words) == _FIELDS_PUSHED:
            found.append(Update(words[2], old=words[3], new=words[1]))
        elif len(words) == _FIELDS_RECEIVED:
            found.append(Update(words[2], old=words[0], new=words[1]))
    return tuple(found)


def governed(
    place: HookPlace, objects: CatFile, branch: str, before: CommitHash | None
) -> Governing:
    """Return whose settings count for a branch in a clone, where it held `before`."""
    return governing(objects, partial(own, place.folder, env=place.env), branch, before)


def gated(config: ProjectConfig, refs: Mapping[str, CommitHash]) -> tuple[CommitHash, ...]:
    """Return the tips of branches that were judged when they came: what they hold is not new."""
    return tuple(
        tip
        for ref, tip in refs.items()
        if ref.startswith(HEADS) and _judges(config, ref.removeprefix(HEADS))
    )


def judged(  # noqa: PLR0913  what is pushed, by whom, and who may be asked
    place: HookPlace,
    objects: CatFile,
    update: Update,
    known: Callable[[ProjectConfig], tuple[CommitHash, ...]],
    *,
    config: ProjectConfig | None = None,
    outside: Outside = NOBODY,
) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
    """Hold what an update adds to an experiment or a protected branch against the rules.

    `known`: returns, for the settings, the commits that were judged before. `config`: the settings
    to go by; else those of the tip. The result: what could not be looked at.
    """
    tip = staged.commit_of(place, update.new)
    if tip is None or not update.branch:
        return (), ()
    rules = config or settings(Tree(objects, objects.commit(tip).tree))
    if not _judges(rules, update.branch):
        return (), ()
    base = staged.commit_of(place, update.old)
    hidden = known(rules) if base is None else (*known(rules), base)
    return check_range(
        objects,
        # What holds no new commit is a branch of its own all the same.
        staged.commits(place, tip, hidden) or (tip,),
        branch=update.branch,
        base=base,
        config=config,
        outside=outside,
    )


def ordered(
    place: HookPlace,
    objects: CatFile,
    refs: Mapping[str, CommitHash],
    plan: Plan,
    commit: CommitHash,
) -> bool:
    """Return whether the plan's branch or archive tag has its runs of a commit, each after it."""
    own = {f"{HEADS}{plan.branch}", archive_tag(plan.name)}
    tips = [tip for ref, tip in refs.items() if ref in own or followed(ref) == plan.branch]
    return is_ordered(objects, partial(staged.added, place.folder, place.env), tips, plan, commit)


def _judges(config: ProjectConfig, branch: str) -> bool:
    return is_experiment(config, branch) or is_protected(config, branch)
