"""pre-receive: the gate of a server, which no client can go past; what any push changes.

What was pushed lies in a quarantine that only git commands see. The settings that count are those
of the server's own HEAD: what a push says of itself cannot loosen them.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.git.catfile import CatFile
from gitexp.git.discovery import discover
from gitexp.git.transaction.layout import ARCHIVE_TAGS, archive_tag
from gitexp.git.tree import Tree
from gitexp.git.upstream import followed
from gitexp.git.worktree import staged
from gitexp.model.config import ProjectConfig
from gitexp.model.rules import NOBODY, HookAnswer, Policy, Violation, Where
from gitexp.provenance import trust_settings
from gitexp.rules.branches import is_experiment, is_protected
from gitexp.rules.facts import settings
from gitexp.rules.order import is_ordered
from gitexp.rules.ranges import check_range

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.ids import CommitHash
    from gitexp.model.plan import Plan
    from gitexp.model.rules import HookCall, Outside


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
        """Its short name; "" for what is not a branch."""
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


def order_shown(
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


RULE: Final = "refs"  # what may become of branches and tags, whatever their commits hold


def answer(call: HookCall) -> HookAnswer:
    """Judge a push; Git takes all of it or nothing."""
    place = staged.place(call.folder, call.environ)
    pushed = updates(call.given)
    here = staged.refs(place, "refs/heads/") | staged.refs(place, ARCHIVE_TAGS)
    found: list[Violation] = []
    unseen: list[str] = []
    with CatFile(place.folder, place.env) as objects:
        objects.main = place.branch
        config = (
            ProjectConfig()
            if place.head is None
            else settings(Tree(objects, objects.commit(place.head).tree))
        )
        after = here | {
            update.ref: tip
            for update in pushed
            if (tip := staged.commit_of(place, update.new)) is not None
        }
        for update in pushed:
            if update.ref.startswith(ARCHIVE_TAGS):
                found += _archive(update)
            elif is_experiment(config, update.branch):
                found += _history(place, update, after)
            broken, notes = judged(
                place,
                objects,
                update,
                lambda rules: gated(rules, here),
                config=config,
                outside=_Own(place, objects, after),
            )
            found += broken
            unseen += notes
    # What the gate cannot look at does not go through it.
    return HookAnswer(tuple(found), tuple(f"gitexp: {note}" for note in unseen), bool(unseen))


class _Own(trust_settings.Believing):
    """What a server knows of itself by git commands only; data go to another remote."""

    def __init__(self, place: HookPlace, objects: CatFile, refs: Mapping[str, CommitHash]) -> None:
        super().__init__(partial(discover, place.folder))
        self._place = place
        self._objects = objects
        self._refs = refs

    def ordered(self, plan: Plan, commit: CommitHash, protected: Collection[str]) -> bool:
        """Return whether the plan's branch or archive tag here, or pushed with it, shows it."""
        del protected
        return order_shown(self._place, self._objects, self._refs, plan, commit)

    def archived(self, experiment: str) -> str:
        """Return why its archive tag is not here; "" where it is, or comes with this push."""
        tag = archive_tag(experiment)
        short = tag.removeprefix("refs/tags/")
        return "" if tag in self._refs else f"its archive tag {short} is not here"


def _archive(update: Update) -> Iterator[Violation]:
    if not update.creates and update.old != update.new:
        yield _refused(
            update,
            f"{update.ref.removeprefix('refs/tags/')} keeps the order of a plan and its runs: it "
            "is neither moved nor deleted",
            "archive under another name: gitexp rename OLD NEW, then gitexp archive NEW",
        )


def _history(
    place: HookPlace, update: Update, after: Mapping[str, CommitHash]
) -> Iterator[Violation]:
    if update.creates:
        return
    if update.deletes:
        kept = any(
            staged.is_ancestor(place, update.old, tip)
            for ref, tip in after.items()
            if ref.startswith(ARCHIVE_TAGS)
        )
        if not kept:
            name = update.branch.partition("/")[2] or update.branch
            yield _refused(
                update,
                f"{update.branch} holds records that no archive tag contains",
                f"gitexp archive {shlex.quote(name)}, git push REMOTE "
                f"{shlex.quote(ARCHIVE_TAGS + name)}, then delete it",
            )
    elif not staged.is_ancestor(place, update.old, update.new):
        yield _refused(
            update,
            f"{update.branch} would lose commits: the history of an experiment is its evidence",
            "git pull --rebase=false or gitexp sync, then push without force",
        )


def _refused(update: Update, message: str, next_step: str) -> Violation:
    where = Where(branch=update.branch or update.ref)
    return Violation(RULE, Policy.ERROR, message, where, next_step)
