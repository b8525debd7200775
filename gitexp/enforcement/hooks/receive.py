"""pre-receive: the gate of a server, which no client can go past; what any push changes.

What was pushed lies in a quarantine that only git commands see. The settings that count are those
of the server's own HEAD: what a push says of itself cannot loosen them.
"""

from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING, Final

from gitexp.git.catfile import CatFile
from gitexp.git.discovery import discover
from gitexp.git.transaction.layout import (
    ARCHIVE_TAGS,
    DATA_BRANCH,
    archive_tag,
    conclusion_path,
    plan_path,
    tombstone_path,
)
from gitexp.git.tree import Tree, tree_of
from gitexp.git.upstream import by_name, followed, known
from gitexp.git.worktree import staged
from gitexp.model import dataclass
from gitexp.model.config import ProjectConfig
from gitexp.model.plan import Plan
from gitexp.model.rules import HookAnswer, Policy, Violation, Where
from gitexp.provenance import trust_settings
from gitexp.rules import merging
from gitexp.rules.branches import is_experiment, is_protected
from gitexp.rules.facts import settings
from gitexp.rules.order import is_ordered
from gitexp.rules.ranges import Gained, check_range
from gitexp.rules.recorded import keeps
from gitexp.store import plan_files
from gitexp.store.plan_files import plan_at

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from gitexp.git.worktree.staged import HookPlace
    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import HookCall


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


class Gate(trust_settings.Believing):
    """What the hooks of a push know, by git commands only, and what they say of an update."""

    def __init__(self, place: HookPlace, objects: CatFile, *, here: bool = False) -> None:
        super().__init__(partial(discover, place.folder), here=here)
        self.place = place
        self.objects = objects
        self._known = known(place.folder, place.env)

    def refs(self) -> Mapping[str, CommitHash]:
        """Return every ref that is known here."""
        return staged.refs(self.place, "refs/")

    def ordered(self, plan: Plan, commit: CommitHash, protected: Collection[str]) -> bool:
        """Return whether the plan's branch or archive tag has its runs of a commit after it."""
        del protected
        own = {f"{HEADS}{plan.branch}", archive_tag(plan.name)}
        refs = self.refs().items()
        tips = [tip for ref, tip in refs if ref in own or followed(ref) == plan.branch]
        added = partial(staged.added, self.place.folder, self.place.env)
        return is_ordered(self.objects, added, tips, plan, commit)

    def renamed(self, branch: str, commit: CommitHash) -> Plan | None:
        """Return the plan that a commit has of an experiment whose branch Git renamed to this."""
        return plan_files.renamed(self.objects, branch, commit, by_name(self.refs().items()))

    def known(self, branch: str) -> Collection[CommitHash]:
        """Return what the user's own branches of a name hold."""
        return self._known(branch)

    def judged(
        self, update: Update, before: Mapping[str, CommitHash], config: ProjectConfig | None
    ) -> tuple[tuple[Violation, ...], tuple[str, ...]]:
        """Hold what an update adds against the rules, but for what is in branches `before`."""
        tip = staged.commit_of(self.place, update.new)
        if tip is None or not update.branch:
            return (), ()
        rules = config or settings(tree_of(self.objects, tip))
        if not _judges(rules, update.branch):
            return (), ()
        base = staged.commit_of(self.place, update.old)
        hidden = [
            seen
            for ref, seen in before.items()
            if ref.startswith(HEADS) and _judges(rules, ref.removeprefix(HEADS))
        ]
        hidden += [] if base is None else [base]
        # What holds no new commit is a branch of its own all the same.
        commits = staged.commits(self.place, tip, hidden) or (tip,)
        gained = Gained(
            commits, commits[-1], update.branch, base, config=config,
            tips=lambda name: (*([tip] if name == update.branch else ()), *self.known(name)),
        )  # fmt: skip
        return check_range(self.objects, gained, self)


def _judges(config: ProjectConfig, branch: str) -> bool:
    return is_experiment(config, branch) or is_protected(config, branch)


Refusal = tuple[str, str]  # what is wrong, and what to type next

RULE: Final = "refs"  # what may become of branches and tags, whatever their commits hold


def answer(call: HookCall) -> HookAnswer:
    """Judge a push; Git takes all of it or nothing."""
    place = staged.place(call.folder, call.environ)
    pushed = updates(call.given)
    here = staged.refs(place, "refs/heads/") | staged.refs(place, ARCHIVE_TAGS)
    found: list[Violation] = []
    unseen: list[str] = []
    moves: list[Update] = []
    with CatFile(place.folder, place.env) as objects:
        objects.main = place.branch
        config = ProjectConfig() if place.head is None else settings(tree_of(objects, place.head))
        after = here | {
            update.ref: tip
            for update in pushed
            if (tip := staged.commit_of(place, update.new)) is not None
        }
        for update in pushed:
            if update.deletes:
                after.pop(update.ref, None)
        gate = _Own(place, objects, here, after)
        for update in pushed:
            found += _refused(update, _refs(place, update))
            told = [*_archive(gate, config, update, here)]
            found += (each for each in told if isinstance(each, Violation))
            moves += (update, *(each for each in told if isinstance(each, Update)))
        for update in moves:
            if _judges(config, update.branch):
                found += _refused(update, _history(gate, config, update))
            broken, notes = gate.judged(update, here, config)
            found += broken
            unseen += notes
    # What the gate cannot look at does not go through it.
    return HookAnswer(tuple(found), tuple(f"gitexp: {note}" for note in unseen), bool(unseen))


class _Own(Gate):
    """What a server knows of itself, with what is pushed; data go to another remote."""

    def __init__(
        self,
        place: HookPlace,
        objects: CatFile,
        before: Mapping[str, CommitHash],
        after: Mapping[str, CommitHash],
    ) -> None:
        super().__init__(place, objects)
        self._before, self._after = before, after

    def refs(self) -> Mapping[str, CommitHash]:
        """Return the refs as the push would leave them."""
        return self._after

    def known(self, branch: str) -> Collection[CommitHash]:
        """Return what a branch holds, else its archive: it came through this gate, too.

        Else what it held: whoever deletes a branch takes over no experiment by the same push.
        """
        name = branch.partition("/")[2]
        asked = (f"{HEADS}{branch}", archive_tag(name))
        every = (refs[ref] for refs in (self._after, self._before) for ref in asked if ref in refs)
        return [*every][:1]

    def archived(self, plan: Plan, keeps: Callable[[CommitHash], bool]) -> str:
        """Return why its archive tag is not here; "" where it is, or comes with this push."""
        tag = archive_tag(plan.name)
        short = tag.removeprefix("refs/tags/")
        if tag not in self._after:
            return f"its archive tag {short} is not here"
        why = f"{short} has another plan or conclusion, or not its runs"
        return "" if keeps(self._after[tag]) else why


def _refs(place: HookPlace, update: Update) -> Refusal | None:
    """Refuse refs by which a server's own answers go, and whatever takes from gitexp/data."""
    if update.branch == DATA_BRANCH:
        if not update.creates and not staged.is_ancestor(place, update.old, update.new):
            what = f"{DATA_BRANCH} would lose commits: they keep the data of everybody's runs"
            return what, "gitexp push, which forces nothing"
    elif not update.deletes and update.ref.startswith(("refs/replace/", "refs/remotes/")):
        # Git itself believes the former; the latter would be taken for an upstream's word.
        what = f"{update.ref} says on the server whose history or whose main there is"
        return what, "push it as a branch, or to another repository"
    return None


def _archive(
    gate: Gate, config: ProjectConfig, update: Update, here: Mapping[str, CommitHash]
) -> Iterator[Violation | Update]:
    """Refuse an archive tag that moves, or is not of the experiment whose name it takes.

    Beside a branch that stays it has the conclusion. One that has none goes on.
    """
    if not update.ref.startswith(ARCHIVE_TAGS):
        return
    place, objects = gate.place, gate.objects
    short = update.ref.removeprefix("refs/tags/")
    name = update.ref.removeprefix(ARCHIVE_TAGS)
    tip, old = (staged.commit_of(place, each) for each in (update.new, update.old))
    if update.creates or (
        tip is not None
        and old is not None
        and not _ends(tree_of(objects, old), name)
        and staged.is_ancestor(place, old, tip)
    ):
        tree = Tree(objects, None) if tip is None else tree_of(objects, tip)
        main = Tree(objects, None) if place.head is None else tree_of(objects, place.head)
        plan, known = (plan_at(each, plan_path(name)) for each in (tree, main))
        step = f"gitexp sync, then gitexp archive {shlex.quote(name)} --push"
        if not isinstance(plan, Plan):
            yield from _refused(update, (f"{short} leads to no plan of {name}", step))
            return
        branches = [f"{config.branch_prefix}{name}"]
        if isinstance(known, Plan):
            branches.append(known.branch)
            whole = keeps(tree, known, main, merging.runs(main, known))
            # What is shown of it from now on is the tag's: it says nothing else than main does.
            said, stone = (plan_path(name), conclusion_path(name)), tombstone_path(name)
            changed = [path for path in said if main.entry(path) not in {None, tree.entry(path)}]
            changed += [stone] if main.entry(stone) != tree.entry(stone) else []
            if changed or not whole:
                what = changed[0] if changed else "plan or runs"
                why = f"{short} has not what {place.branch} has of {name}: {what}"
                yield from _refused(update, (why, f"merge it, then {step}" if changed else step))
        there = [branch for branch in branches if f"{HEADS}{branch}" in here]
        removed = tree.entry(tombstone_path(name)) is not None
        stay = [branch for branch in branches if f"{HEADS}{branch}" in gate.refs()]
        if stay and not _ends(tree, name):
            quoted = shlex.quote(name)
            first = f"gitexp conclude {quoted} -m TEXT first"
            away = f"gitexp archive {quoted} --abandon --push, which takes the branch away"
            what = f"{short} has no conclusion of {name}, and {stay[0]} goes on"
            yield from _refused(update, (what, f"{first}; or {away}"))
        for branch in dict.fromkeys(there or (() if removed else (plan.branch,))):
            if is_experiment(config, branch):
                ref = f"{HEADS}{branch}"
                yield Update(ref, here.get(ref, ""), update.new)
    elif update.old != update.new:
        what = f"{short} keeps the order of a plan and its runs: it is neither moved nor deleted"
        step = "archive under another name: gitexp rename OLD NEW, then gitexp archive NEW"
        yield from _refused(update, (what, step))


def _ends(tree: Tree, name: str) -> bool:
    return any(tree.entry(path(name)) is not None for path in (conclusion_path, tombstone_path))


def _history(gate: Gate, config: ProjectConfig, update: Update) -> Refusal | None:
    place, after = gate.place, gate.refs()
    name = update.branch.partition("/")[2] or update.branch
    if update.creates:
        tag = after.get(f"{ARCHIVE_TAGS}{name}")
        if tag is not None and not staged.is_ancestor(place, tag, update.new):
            what = f"an experiment {name} was archived, and {update.branch} does not go on from it"
            return what, "gitexp rename it, or gitexp restore what was archived"
        return None
    if update.deletes and is_protected(config, update.branch):
        what = f"{update.branch} is protected: what was merged into it stays"
        return what, "who runs the server deletes it there"
    if update.deletes:
        kept = any(
            staged.is_ancestor(place, update.old, tip) and _is_of(gate.objects, ref, tip, name)
            for ref, tip in after.items()
            if ref.startswith(ARCHIVE_TAGS)
        )
        push = f"git push REMOTE {shlex.quote(ARCHIVE_TAGS + name)}"
        step = f"gitexp archive {shlex.quote(name)}, {push}, then delete it"
        what = f"{update.branch} holds records that no archive tag contains"
        return None if kept else (what, step)
    if not staged.is_ancestor(place, update.old, update.new):
        what = f"{update.branch} would lose commits: the history of an experiment is its evidence"
        return what, "git pull --rebase=false or gitexp sync, then push without force"
    return None


def _is_of(objects: CatFile, tag: str, tip: CommitHash, name: str) -> bool:
    """Whether an archive tag is an experiment's, by this or a later name of it."""
    own = tag.removeprefix(ARCHIVE_TAGS)
    plan = None if own == name else plan_at(tree_of(objects, tip), plan_path(own))
    return own == name or (isinstance(plan, Plan) and name in plan.formerly)


def _refused(update: Update, why: Refusal | None) -> Iterator[Violation]:
    if why is not None:
        where = Where(branch=update.branch or update.ref)
        yield Violation(RULE, Policy.ERROR, why[0], where, why[1])
