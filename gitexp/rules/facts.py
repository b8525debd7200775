"""What a rule sees: one commit, or one to be, with its trees; no handle of a repository.

Three providers make it - the staged content in a hook, what was pushed in a server's quarantine,
the objects of a repository - and differ only in their `Objects`: trees, differences and what a
merge merely took over are found here, once, so that all three agree.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import fsck
from gitexp.git.transaction.layout import CONFIG, PLANS
from gitexp.git.tree import FILE_MODES, MODE_TREE, READ_LIMIT, Tree, join, tree_of
from gitexp.git.upstream import USUAL, single
from gitexp.model import dataclass, field, replace
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import BlobId, CommitHash, TreeId
from gitexp.model.plan import Person, Plan
from gitexp.model.rules import NOBODY, Objects, Outside, Policy, TreeEntry, Where
from gitexp.store import plan_files

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence


@dataclass(frozen=True, slots=True)
class TreeChange:
    """One path that a commit makes otherwise than every parent of it has it."""

    path: str  # undecodable bytes as surrogates
    old: TreeEntry | None  # in the first parent
    new: TreeEntry | None

    @property
    def is_file(self) -> bool:
        """Whether a regular file is there afterwards."""
        return self.new is not None and self.new.mode in FILE_MODES


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a rule may know of one commit."""

    objects: Objects
    branch: str  # short name of the branch on which the commit is, or is to be; "" for none
    tip: bool  # whether it is what the branch holds: the commit to be, or the last of a range
    commit: str  # full hash; "" for a commit that is not made yet
    tree: Tree
    parents: tuple[Tree, ...]  # in Git's order; empty for a first commit
    before: tuple[CommitHash, ...]  # the parents' names
    # by path. What a merge merely takes from a parent is not among them
    changes: tuple[TreeChange, ...]
    taken: tuple[TreeChange, ...] = ()  # what a merge takes over from another parent than the first
    # the settings that the rules go by
    config: ProjectConfig = field(default_factory=ProjectConfig)
    # what the branch held before; None where it is new, or all of its history is looked at
    base: Tree | None = None
    outside: Outside = NOBODY
    # plan files that a merge brought, whatever branch they name as theirs
    arrived: frozenset[str] = frozenset()
    # paths that the range of commits added before, whatever they are
    brought: frozenset[str] = frozenset()
    settled: bool = False  # whether another branch brought the commit, which was judged there
    # the commit that a range is held against, and that has `base`; None for a commit by itself
    onto: CommitHash | None = None
    # of a commit to be that is refused, which command of Git's has stopped with it ("merge"; "" for
    # none): its next steps are others than of one that is made, or made all the same: None
    stopped: str | None = None
    # what it weighs that a range changes what `onto` has of the experiment it is called after
    later: Policy = Policy.OFF
    # what the last commit of the range holds; None for a commit by itself
    last: Tree | None = None
    end: CommitHash | None = None  # which one that is
    own: Collection[str] = ()  # commits of the range that the branch made itself
    # whether a branch of one's own, by its name, has this commit; None where there is none
    on: Callable[[str], bool | None] = lambda _: None
    tips: Callable[[str], Collection[CommitHash]] = lambda _: ()  # what those branches hold

    def read(self, entry: TreeEntry, limit: int = READ_LIMIT) -> bytes:
        """Return a blob; `UnsafeInputError` above `limit` bytes."""
        return self.objects.read(BlobId(entry.id), limit)

    def governed(self, config: ProjectConfig | None) -> Facts:
        """Let other settings than the tree's say what is enforced: weights, branches, limits."""
        return replace(self, config=with_rules_of(self.config, config))

    def plan_of(self, branch: str) -> Plan | None:
        """Return the plan that a branch of one's own by that name has."""
        for tip in self.tips(branch):
            plan = plan_files.plan_of(tree_of(self.objects, tip), branch)
            if isinstance(plan, Plan):
                return plan
        return None

    def is_by(self, person: Person) -> bool:
        """Return whether somebody may have made the commit: records may name nobody."""
        made = self.objects.commit(CommitHash(self.commit)).author.marks
        return not person.marks or not made.isdisjoint(person.marks)

    def forks(self, one: CommitHash, other: CommitHash) -> tuple[Tree, ...]:
        """Return what all best common ancestors of two commits hold."""
        commits = self.objects.forks(one, other)
        return tuple(tree_of(self.objects, commit) for commit in commits)

    def is_merged(self, path: str) -> bool:
        """Return whether what a range is held against has a file as the range leaves it."""
        if self.onto is None or self.last is None:
            return False
        there = tree_of(self.objects, self.onto).entry(path)
        return there is not None and there == self.last.entry(path)

    @property
    def made(self) -> bool:
        """Whether the commit is there once its finding is read."""
        return self.stopped is None

    def below(self, folder: str) -> Iterator[TreeChange]:
        """Yield the changes in a folder."""
        return (change for change in self.changes if change.path.startswith(f"{folder}/"))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says; `check` adds the rule's id, its policy, and the commit and branch."""

    message: str
    next_step: str
    path: str = ""
    # files and folders that have to be again as a parent has them. A later commit that brings them
    # back mends the finding: see `gitexp.rules.ranges`
    back: tuple[str, ...] = ()
    parent: int = 0  # which one
    at_most: Policy = Policy.ERROR  # whatever its rule weighs


def put_back(
    facts: Facts, message: str, path: str, *back: str, parent: int = 0, then: str = ""
) -> Finding:
    """Return the finding that what was recorded is otherwise; a parent has it as it was."""
    paths = back or (path,)
    step = restoring(facts.before[parent], *paths, commit=facts.made)
    return Finding(message, step + then, path, paths, parent)


def restoring(source: CommitHash, *paths: str, commit: bool = True) -> str:
    """Return what to type to have files and folders again as a commit has them."""
    named = " ".join(map(shlex.quote, paths))
    step = f"git restore --source={source[:12]} --staged --worktree -- {named}"
    return f"{step}, and commit it" if commit else step


def dropping(facts: Facts, *paths: str) -> str:
    """Return what to type for a commit to be without files or folders that it adds.

    What was recorded before stays: only one that is made is taken away again, and a pick or rebase
    that would make it is given up.
    """
    if not facts.made:
        if facts.stopped in {"", "merge"}:
            return f"git restore --staged -- {shlex.join(paths)}"
        return f"git {facts.stopped} --abort"
    if facts.tip:
        return "drop this commit: git reset --soft HEAD^"
    parent = (*facts.before, "--root")[0]
    return f"drop this commit: git rebase -i {parent[:12]}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: a pure function of what is there."""

    id: str
    title: str
    default: Policy
    find: Callable[[Facts], Iterator[Finding]]


def of_commit(
    objects: Objects,
    commit: CommitHash,
    *,
    branch: str,
    tip: bool = False,
    outside: Outside = NOBODY,
) -> Facts:
    """Return the facts of a commit; `tip`: a branch, or a range, ends with it.

    The settings are those of the commit's own tree, which a stranger may have written: see
    `Facts.governed`.
    """
    found = objects.commit(commit)
    tree = Tree(objects, found.tree)
    roots = [objects.commit(parent).tree for parent in found.parents]
    differing = differences(objects, roots[0] if roots else None, found.tree)
    made = _facts(objects, tree, roots, differing)
    return replace(
        made, branch=branch, tip=tip, commit=commit, before=found.parents, outside=outside
    )


def of_staged(
    objects: Objects,
    parents: Sequence[CommitHash],
    staged: Sequence[TreeChange],
    *,
    branch: str,
    config: ProjectConfig | None = None,
) -> Facts:
    """Return the facts of a commit that is about to be made, on `parents`, HEAD first.

    `staged`: what the index has otherwise than the first parent. For ``--amend`` the parents of
    HEAD.
    """
    over = {change.path: change.new for change in staged}
    roots = [objects.commit(parent).tree for parent in parents]
    tree = Tree(objects, roots[0] if roots else None, over)
    made = _facts(objects, tree, roots, staged).governed(config)
    return replace(made, branch=branch, tip=True, before=tuple(parents))


def _facts(
    objects: Objects, tree: Tree, roots: Sequence[TreeId], differing: Sequence[TreeChange]
) -> Facts:
    parents = tuple(Tree(objects, root) for root in roots)
    made, taken = _made_and_taken(differing, parents[1:])
    return Facts(
        objects=objects,
        branch="",
        tip=False,
        commit="",
        tree=tree,
        parents=parents,
        before=(),
        changes=made,
        taken=taken,
        config=settings(tree),
        base=parents[0] if parents else None,
        arrived=_arrived((*made, *taken)) if len(parents) > 1 else frozenset(),
    )


def differences(
    objects: Objects, one: TreeId | None, other: TreeId | None
) -> tuple[TreeChange, ...]:
    """Return the files that differ between two trees, by path; equal folders are not entered."""
    found: list[TreeChange] = []
    count = 0
    pending: list[tuple[str, TreeId | None, TreeId | None]] = [("", one, other)]
    while pending:
        folder, left, right = pending.pop()
        before = objects.entries(left) if left else {}
        after = objects.entries(right) if right else {}
        count += len(before) + len(after)
        fsck.bound(count, right or left or "", len(folder))
        for name in before.keys() | after.keys():
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            path = join(folder, name)
            left_below, right_below = _tree_id(old), _tree_id(new)
            if left_below != right_below:
                pending.append((path, left_below, right_below))
            old, new = _leaf(old), _leaf(new)
            if old != new:
                found.append(TreeChange(path, old, new))
    return tuple(sorted(found, key=lambda change: change.path))


def settings(tree: Tree) -> ProjectConfig:
    """Return the settings in a tree; the defaults where there are none that can be read."""
    return _settings(tree)[0]


def settings_in(tree: Tree) -> ProjectConfig | None:
    """Return the same; None where the tree says nothing, so that another may."""
    return None if tree.entry(CONFIG) is None else settings(tree)


def unread_settings(tree: Tree) -> str:
    """Return why the settings in a tree cannot be read; "" where they can, or are not there."""
    return _settings(tree)[1]


def _settings(tree: Tree) -> tuple[ProjectConfig, str]:
    try:
        config, why = plan_files.settings(tree) or ProjectConfig(), ""
    except GitexpError as error:
        config, why = ProjectConfig(), str(error)
    # One branch is main: whoever may push may push the other of the two usual names.
    one = single(config.protected, tree.main) if set(USUAL) <= set(config.protected) else ()
    return replace(config, protected=one) if one else config, why


def with_rules_of(own: ProjectConfig, other: ProjectConfig | None) -> ProjectConfig:
    """Return a tree's settings with what another's say of rules: nobody weakens his own gate."""
    if other is None:
        return own
    return replace(
        own,
        rules=other.rules,
        rule_branches=other.rule_branches,
        branch_prefix=other.branch_prefix,
        protected=other.protected,
        git_file_limit_bytes=other.git_file_limit_bytes,
        witness_required=other.witness_required,
    )


def place(facts: Facts, path: str = "") -> Where:
    """Return where in these facts something is."""
    return Where(commit=facts.commit, path=path, branch=facts.branch)


def _tree_id(entry: TreeEntry | None) -> TreeId | None:
    return TreeId(entry.id) if entry is not None and entry.mode == MODE_TREE else None


def _leaf(entry: TreeEntry | None) -> TreeEntry | None:
    return None if entry is None or entry.mode == MODE_TREE else entry


def _arrived(merge: Sequence[TreeChange]) -> frozenset[str]:
    return frozenset(
        change.path for change in merge if change.path.startswith(f"{PLANS}/") and not change.old
    )


def _made_and_taken(
    differing: Sequence[TreeChange], others: Sequence[Tree]
) -> tuple[tuple[TreeChange, ...], tuple[TreeChange, ...]]:
    """Part what a commit makes itself from what a merge takes as another parent has it."""
    made: list[TreeChange] = []
    taken: list[TreeChange] = []
    for change in differing:
        theirs = [_leaf(other.entry(change.path)) for other in others]
        (taken if change.new in theirs else made).append(change)
    return tuple(made), tuple(taken)
