"""What a rule sees: one commit, or one to be, with its trees; no handle of a repository.

Three providers make it - the staged content in a hook, what was pushed in a server's quarantine,
the objects of a repository - and differ only in their `Objects`: trees, differences and what a
merge merely took over are found here, once, so that all three agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.formats import config as config_format
from gitexp.model.config import ProjectConfig
from gitexp.model.ids import BlobId, TreeId
from gitexp.model.rules import TreeEntry, Where
from gitexp.store.layout import CONFIG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gitexp.model.ids import CommitHash
    from gitexp.model.rules import Objects, Outside, Policy

MODE_TREE: Final = 0o040000
MODE_LINK: Final = 0o120000
FILE_MODES: Final = frozenset((0o100644, 0o100755, 0o100664))
READ_LIMIT: Final = 1 << 20  # bytes; what a YAML or JSON file of ours may have


class Tree:
    """A tree, read folder by folder; what is staged lies over it.

    Parameters
    ----------
    objects : Objects
    root : TreeId or None
        None for an empty tree.
    over : mapping of str to TreeEntry or None, optional
        Paths that are otherwise than in `root`; None where the file is gone.
    """

    __slots__ = ("_objects", "_over", "_root", "_thinned", "_trees")

    def __init__(
        self,
        objects: Objects,
        root: TreeId | None,
        over: Mapping[str, TreeEntry | None] | None = None,
    ) -> None:
        self._objects = objects
        self._root = root
        self._over = _nested(over or {})
        self._thinned = _thinned(over or {})
        self._trees: dict[str, TreeId | None] = {}

    def entry(self, path: str) -> TreeEntry | None:
        """Return mode and id of what lies at a path; a folder's id is "" where it is staged."""
        folder, _, name = path.rpartition("/")
        return self.folder(folder).get(name)

    def folder(self, path: str = "") -> dict[str, TreeEntry]:
        """Return the entries of one folder by name; empty where there is none."""
        found = self._merged(path)
        if path not in self._thinned:
            return found
        return {
            name: entry
            for name, entry in found.items()
            if entry.mode != MODE_TREE or self._has_files(_join(path, name))
        }

    def _has_files(self, path: str) -> bool:
        """Return whether a folder is there: with its last file it goes from Git's index."""
        return path not in self._thinned or next(self.files(path), None) is not None

    def _merged(self, path: str) -> dict[str, TreeEntry]:
        """Return the entries of a folder, those of folders that were emptied among them."""
        merged = dict(self._stored(path))
        for name, entry in self._over.get(path, {}).items():
            if entry is None:
                merged.pop(name, None)
            elif entry.id or name not in merged or merged[name].mode != MODE_TREE:
                merged[name] = entry  # a staged file, or a folder that leads to one
        return merged

    def files(self, path: str = "") -> Iterator[tuple[str, TreeEntry]]:
        """Yield every file, link and submodule below a folder with its whole path."""
        pending = [path]
        while pending:
            folder = pending.pop()
            for name, entry in sorted(self._merged(folder).items()):
                below = _join(folder, name)
                if entry.mode == MODE_TREE:
                    pending.append(below)
                else:
                    yield below, entry

    def read(self, path: str, limit: int = READ_LIMIT) -> bytes | None:
        """Return the bytes of a regular file; None where there is none, or a link.

        Raises
        ------
        UnsafeInputError
            If it is larger than `limit` bytes.
        """
        entry = self.entry(path)
        if entry is None or entry.mode not in FILE_MODES:
            return None
        return self._objects.read(BlobId(entry.id), limit)

    def _stored(self, path: str) -> dict[str, TreeEntry]:
        """Return a folder as `root` has it; a file that is staged hides a folder of its name."""
        tree = self._tree_of(path)
        return {} if tree is None else self._objects.entries(tree)

    def _tree_of(self, path: str) -> TreeId | None:
        """Return the tree of a stored folder; what leads to it is remembered, for deep paths."""
        names = path.split("/") if path else []
        known = len(names)
        while known and "/".join(names[:known]) not in self._trees:
            known -= 1
        folder = "/".join(names[:known])
        tree = self._trees.get(folder, self._root) if known else self._root
        for name in names[known:]:
            tree = self._below(tree, folder, name)
            folder = _join(folder, name)
            self._trees[folder] = tree
        return tree

    def _below(self, tree: TreeId | None, folder: str, name: str) -> TreeId | None:
        staged = self._over.get(folder, {}).get(name)
        entry = None if tree is None else self._objects.entries(tree).get(name)
        if entry is None or entry.mode != MODE_TREE:
            return None
        return None if staged is not None and staged.mode != MODE_TREE else TreeId(entry.id)


def _nested(over: Mapping[str, TreeEntry | None]) -> dict[str, dict[str, TreeEntry | None]]:
    """Return folder -> name -> entry, with every folder that leads to a staged file."""
    found: dict[str, dict[str, TreeEntry | None]] = {}
    # What is gone first: a file may have made room for a folder of its name.
    for path, entry in sorted(over.items(), key=lambda item: item[1] is not None):
        folder, _, name = path.rpartition("/")
        found.setdefault(folder, {})[name] = entry
        while folder and entry is not None:
            folder, _, name = folder.rpartition("/")
            above = found.setdefault(folder, {})
            if above.get(name) is None:
                above[name] = TreeEntry(MODE_TREE, "")
    return found


def _thinned(over: Mapping[str, TreeEntry | None]) -> frozenset[str]:
    """Return the folders that lead to a file that is gone: they may be empty."""
    found: set[str] = set()
    for path, entry in over.items():
        folder = path
        while folder and entry is None:
            folder = folder.rpartition("/")[0]
            if folder in found:
                break
            found.add(folder)
    return frozenset(found)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


@dataclass(frozen=True, slots=True)
class Change:
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
    """All that a rule may know of one commit.

    Attributes
    ----------
    objects : Objects
    branch : str
        Short name of the branch on which the commit is, or is to be; "" for none.
    tip : bool
        Whether it is what the branch holds: the commit to be, or the last of a range.
    commit : str
        Full hash; "" for a commit that is not made yet.
    message : str or None
        None where it is not written yet.
    tree : Tree
    root : TreeId or None
        Of `tree`; None while it is only staged.
    parents : tuple of Tree
        In Git's order; empty for a first commit.
    changes : tuple of Change
        By path. What a merge merely takes from a parent is not among them.
    taken : tuple of Change
        What a merge takes over from another parent than the first.
    config : ProjectConfig
        The settings that the rules go by.
    base : Tree or None
        What the branch held before; None where it is new, or all of its history is looked at.
    outside : Outside or None
    """

    objects: Objects
    branch: str
    tip: bool
    commit: str
    message: str | None
    tree: Tree
    root: TreeId | None
    parents: tuple[Tree, ...]
    changes: tuple[Change, ...]
    taken: tuple[Change, ...] = ()
    config: ProjectConfig = field(default_factory=ProjectConfig)
    base: Tree | None = None
    outside: Outside | None = None

    def read(self, entry: TreeEntry, limit: int = READ_LIMIT) -> bytes:
        """Return a blob; `UnsafeInputError` above `limit` bytes."""
        return self.objects.read(BlobId(entry.id), limit)

    def below(self, folder: str) -> Iterator[Change]:
        """Yield the changes in a folder."""
        return (change for change in self.changes if change.path.startswith(f"{folder}/"))


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule says; `check` adds the rule's id, its policy, and the commit and branch."""

    message: str
    next_step: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule: a pure function of what is there."""

    id: str
    title: str
    default: Policy
    find: Callable[[Facts], Iterator[Finding]]


# --- making facts -------------------------------------------------------------------------------


def of_commit(  # noqa: PLR0913  where the commit is, and who may be asked
    objects: Objects,
    commit: CommitHash,
    *,
    branch: str,
    tip: bool = False,
    config: ProjectConfig | None = None,
    outside: Outside | None = None,
) -> Facts:
    """Return the facts of a commit.

    Parameters
    ----------
    objects : Objects
    commit : CommitHash
    branch : str
        Short name of the branch that it is on.
    tip : bool
        Whether the branch holds it, or a range ends with it.
    config : ProjectConfig, optional
        Says what is enforced: weights, branches, limits. Without it the commit's own tree says it,
        which a stranger may have written; all other settings are the tree's in any case.
    outside : Outside, optional

    Raises
    ------
    DamagedDataError
        If an object is missing: a parent of it in a shallow clone, for one.
    """
    found = objects.commit(commit)
    roots = [objects.commit(parent).tree for parent in found.parents]
    parents = tuple(Tree(objects, root) for root in roots)
    tree = Tree(objects, found.tree)
    differing = differences(objects, roots[0] if roots else None, found.tree)
    made, taken = _made_and_taken(differing, parents[1:])
    return Facts(
        objects=objects,
        branch=branch,
        tip=tip,
        commit=commit,
        message=found.message,
        tree=tree,
        root=found.tree,
        parents=parents,
        changes=made,
        taken=taken,
        config=_governed(settings(tree), config),
        base=parents[0] if parents else None,
        outside=outside,
    )


def of_staged(  # noqa: PLR0913  what is staged, on what, and who may be asked
    objects: Objects,
    parents: Sequence[CommitHash],
    staged: Sequence[Change],
    *,
    branch: str,
    message: str | None = None,
    config: ProjectConfig | None = None,
    outside: Outside | None = None,
) -> Facts:
    """Return the facts of a commit that is about to be made.

    Parameters
    ----------
    objects : Objects
    parents : sequence of CommitHash
        HEAD first, then those of MERGE_HEAD; empty for a first commit. For ``--amend`` the parents
        of HEAD.
    staged : sequence of Change
        What the index has otherwise than the first parent, as ``git diff --cached --raw`` says.
    branch : str
        Short name of the branch on which it will be; during a rebase that of the rebased one.
    message : str, optional
    config : ProjectConfig, optional
    outside : Outside, optional
    """
    roots = [objects.commit(parent).tree for parent in parents]
    trees = tuple(Tree(objects, root) for root in roots)
    over = {change.path: change.new for change in staged}
    tree = Tree(objects, roots[0] if roots else None, over)
    made, taken = _made_and_taken(staged, trees[1:])
    return Facts(
        objects=objects,
        branch=branch,
        tip=True,
        commit="",
        message=message,
        tree=tree,
        root=None,
        parents=trees,
        changes=made,
        taken=taken,
        config=_governed(settings(tree), config),
        base=trees[0] if trees else None,
        outside=outside,
    )


def differences(objects: Objects, one: TreeId | None, other: TreeId | None) -> tuple[Change, ...]:
    """Return the files that differ between two trees, by path; equal folders are not entered."""
    found: list[Change] = []
    pending: list[tuple[str, TreeId | None, TreeId | None]] = [("", one, other)]
    while pending:
        folder, left, right = pending.pop()
        before = objects.entries(left) if left else {}
        after = objects.entries(right) if right else {}
        for name in before.keys() | after.keys():
            old, new = before.get(name), after.get(name)
            if old == new:
                continue
            path = _join(folder, name)
            left_below, right_below = _tree_id(old), _tree_id(new)
            if left_below != right_below:
                pending.append((path, left_below, right_below))
            old, new = _leaf(old), _leaf(new)
            if old != new:
                found.append(Change(path, old, new))
    return tuple(sorted(found, key=lambda change: change.path))


def settings(tree: Tree) -> ProjectConfig:
    """Return the settings in a tree; the defaults where there are none that can be read."""
    try:
        data = tree.read(CONFIG)
        return ProjectConfig() if data is None else config_format.load(data, CONFIG)
    except GitexpError:
        return ProjectConfig()


def _governed(own: ProjectConfig, other: ProjectConfig | None) -> ProjectConfig:
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


def _made_and_taken(
    differing: Sequence[Change], others: Sequence[Tree]
) -> tuple[tuple[Change, ...], tuple[Change, ...]]:
    """Part what a commit makes itself from what a merge takes as another parent has it."""
    made: list[Change] = []
    taken: list[Change] = []
    for change in differing:
        theirs = [_leaf(other.entry(change.path)) for other in others]
        (taken if change.new in theirs else made).append(change)
    return tuple(made), tuple(taken)
