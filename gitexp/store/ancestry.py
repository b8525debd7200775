"""The runs and conclusions that a history holds, in the order in which they were added to it.

Git's parents decide, never a clock: run A comes before run B if the commit that added A is an
ancestor of the one that added B. On parallel lines the smaller run id comes first, so that every
clone of the repository counts the same way, and adding commits never reorders older ones.
"""

from __future__ import annotations

import contextlib
import heapq
from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError, RefusedTreeError, UnsafeInputError
from gitexp.git.objects import commit_info, list_dir, tree_id
from gitexp.git.refs import head
from gitexp.git.transaction.cache import Index, Kind
from gitexp.git.transaction.layout import CONCLUSIONS, RUNS
from gitexp.git.tree import MODE_TREE
from gitexp.model import dataclass
from gitexp.model.ids import ABSENT, RUN_ID, Absent, BlobId, CommitHash, RunId, TreeId
from gitexp.store.plans import trusted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo

# Read of one branch that others brought, beside what one's own have; a MiB of records takes a third
# of a second.
MOST_COMMITS: Final = 10_000
MOST_RECORDS: Final = 500
MOST_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Node:
    """A commit: its parents, and the runs and conclusions of its tree that no parent's has."""

    parents: tuple[CommitHash, ...]
    added: tuple[tuple[RunId, TreeId], ...] = ()
    concluded: tuple[BlobId, ...] = ()


@dataclass(frozen=True, slots=True)
class Addition:
    """Where in a history a run appeared."""

    run: RunId
    tree: TreeId  # of the run's folder, as it was added
    commit: CommitHash
    order: int


class Graph:
    """The commits that can be reached from some tips.

    One that cannot be read ends its history, and is in `broken`: it is one branch's, and stops no
    question about others; so is a tip that has more beside one's own than is read of others. The
    index remembers commits from one process to the next.
    """

    def __init__(self, repo: Repo, index: Index, tips: Iterable[CommitHash]) -> None:
        self.tips = tuple(dict.fromkeys(tips))
        self.broken: dict[CommitHash, GitexpError] = {}
        walk = _Walk(repo, index, self.broken)
        for tip in self.tips:
            walk.add(tip)
        self.nodes = walk.nodes
        if fresh := walk.fresh():
            index.put(Kind.GRAPH, fresh)
        self._every: tuple[Addition, ...] | None = None
        self._before: dict[CommitHash, frozenset[CommitHash]] = {}

    def additions(self, tips: Sequence[CommitHash] = ()) -> tuple[Addition, ...]:
        """Return the runs that these tips reach (default: all), in the order of ancestry.

        A run that was added on several lines is given once, where it comes first. What other tips
        have changes no order: that of a history is the same in every larger one.

        Raises `DamagedDataError` if it is about these tips, or about a single one, and their
        history cannot be read.
        """
        nodes = self.nodes if not tips else self._reached(tips)
        if tips or len(self.tips) == 1:
            for commit in self.broken.keys() & nodes.keys():
                raise self.broken[commit]
        return tuple(self.first(nodes).values())

    def first(self, commits: Collection[CommitHash]) -> dict[RunId, Addition]:
        """Return where each run that some commits added appeared among them, in that order."""
        found: dict[RunId, Addition] = {}
        for item in self.every():
            if item.commit in commits:
                found.setdefault(item.run, item)
        return found

    def every(self) -> tuple[Addition, ...]:
        """Return all that was added, in whatever version and as often as it was."""
        if self._every is None:
            added = (
                (run, tree, commit)
                for commit in _sorted(self.nodes)
                for run, tree in self.nodes[commit].added
            )
            self._every = tuple(Addition(*each, order) for order, each in enumerate(added))
        return self._every

    def conclusions(self) -> dict[BlobId, list[CommitHash]]:
        """Return every version of a conclusion that the history holds, and what added it."""
        found: defaultdict[BlobId, list[CommitHash]] = defaultdict(list)
        for commit, node in self.nodes.items():
            for blob in node.concluded:
                found[blob].append(commit)
        return dict(found)

    def led_to(self, tips: Sequence[CommitHash]) -> frozenset[CommitHash]:
        """Return these tips and all that is known of their history."""
        return frozenset(self._reached(tips))

    def is_before(self, one: CommitHash, other: CommitHash) -> bool:
        """Whether the first commit is a proper ancestor of the second."""
        if other not in self._before:
            self._before[other] = frozenset(self._reached([other]))
        return one != other and one in self._before[other]

    def is_shallow(self, repo: Repo) -> bool:
        """Return whether older history is not in this clone."""
        return not shallow_commits(repo).isdisjoint(self.nodes)

    def _reached(self, tips: Sequence[CommitHash]) -> dict[CommitHash, Node]:
        found: dict[CommitHash, Node] = {}
        waiting = [tip for tip in tips if tip in self.nodes]
        while waiting:
            commit = waiting.pop()
            if commit not in found:
                node = found[commit] = self.nodes[commit]
                waiting.extend(parent for parent in node.parents if parent in self.nodes)
        return found


def listing(repo: Repo, runs: TreeId) -> dict[RunId, TreeId]:
    """Return the runs in a ``.gitexp/runs`` tree with the tree of each one's folder.

    Folders whose name is not a run id are not ours, and neither are those that lie elsewhere than
    a run of their name does: no rule speaks of them.
    """
    found: dict[RunId, TreeId] = {}
    for name, prefix in _folders(repo, runs).items():
        found.update(_runs_below(repo, name, prefix))
    return found


def runs_in(repo: Repo, commit: CommitHash) -> dict[RunId, TreeId]:
    """Return the runs in a commit's tree with the tree of each one's folder."""
    there = tree_id(repo, commit, RUNS)
    return {} if there is ABSENT else listing(repo, there)


def listings(
    repo: Repo, index: Index, commits: Iterable[CommitHash]
) -> dict[CommitHash, Mapping[RunId, TreeId]]:
    """Return the runs in each commit's tree, with the tree of each one's folder.

    A commit that cannot be read has none: it is one branch's, and stops no question about others.
    """
    trees = {commit: _tree_of(repo, commit, RUNS) for commit in commits}
    asked = {tree for tree in trees.values() if tree is not ABSENT}
    known: dict[TreeId, Mapping[RunId, TreeId]] = {}
    for key, row in index.get(Kind.LISTING, asked).items():
        words = row.decode("ascii").split()
        known[TreeId(key)] = dict(
            zip(map(RunId, words[::2]), map(TreeId, words[1::2]), strict=True)
        )
    fresh: dict[str, bytes] = {}
    for tree in asked - known.keys():
        try:
            known[tree] = listing(repo, tree)
        except GitexpError:
            known[tree] = {}
            continue
        fresh[tree] = " ".join(word for pair in known[tree].items() for word in pair).encode()
    if fresh:
        index.put(Kind.LISTING, fresh)
    return {commit: {} if tree is ABSENT else known[tree] for commit, tree in trees.items()}


def added_by(
    repo: Repo,
    index: Index,
    commits: Iterable[CommitHash],
    known: Collection[tuple[RunId, TreeId]],
    most: int,
) -> set[tuple[RunId, TreeId]]:
    """Return the runs beside the known that some commits added, or somewhat more than the most."""
    remembered = index.all(Kind.GRAPH)
    reader = _Reader(repo)
    found: set[tuple[RunId, TreeId]] = set()
    for commit in commits:
        if len(found) > most:
            break
        with contextlib.suppress(GitexpError):  # one that cannot be read adds nothing
            row = remembered.get(commit)
            added = (reader.node(commit) if row is None else _decode(row)).added
            found.update(each for each in added if each not in known)
    return found


def _tree_of(repo: Repo, commit: CommitHash, folder: str) -> TreeId | Absent:
    try:
        return tree_id(repo, commit, folder)
    except GitexpError:  # a commit that cannot be read has nothing
        return ABSENT


class _Walk:
    """Reads the graph: what is remembered from the index, the rest from Git."""

    def __init__(self, repo: Repo, index: Index, broken: dict[CommitHash, GitexpError]) -> None:
        self.nodes: dict[CommitHash, Node] = {}
        self._repo, self._reader, self._broken = repo, _Reader(repo), broken
        self._remembered = index.all(Kind.GRAPH)
        self._read: dict[CommitHash, Node] = {}

    def add(self, tip: CommitHash) -> None:
        """Take in what a tip reaches, unless that is longer than is read of others."""
        found = self._beyond(tip, self.nodes, ())
        if found is None:
            found = self._beyond(tip, self.nodes, self._own)
        if found is None:
            found = {tip: Node(())}
            self._broken[tip] = UnsafeInputError(
                "a branch is longer than is read of others",
                found=f"more than {MOST_COMMITS} commits that no branch of yours has",
                where=tip[:9],
                expected="the commits of an experiment",
                next_step="ask whoever pushed it; all of it is read once a branch of yours has it",
            )
        self.nodes |= found

    def fresh(self) -> dict[str, bytes]:
        """Return the rows that are to be remembered."""
        # The parents of a shallow commit appear when somebody fetches them.
        known = {*self._remembered, *self._broken, *shallow_commits(self._repo)}
        return {at: _encode(node) for at, node in self.nodes.items() if at not in known}

    @cached_property
    def _own(self) -> Collection[CommitHash]:
        """The commits of own branches and archives, of main and of HEAD."""
        found: dict[CommitHash, Node] = {}
        for tip in (*trusted(self._repo), head(self._repo).commit):
            if tip is not ABSENT:
                found |= self._beyond(tip, found, None) or {}
        return found.keys()

    def _beyond(
        self, tip: CommitHash, known: Collection[CommitHash], own: Collection[CommitHash] | None
    ) -> dict[CommitHash, Node] | None:
        """Return what a tip has beside the known; None where that is too much beside own ones.

        `own`: None has no limit.
        """
        found: dict[CommitHash, Node] = {}
        waiting, left = [tip], MOST_COMMITS
        while waiting:
            commit = waiting.pop()
            if commit in found or commit in known:
                continue
            left -= own is not None and commit not in own
            if left < 0:
                return None
            node = found[commit] = self._node(commit)
            waiting.extend(node.parents)
        return found

    def _node(self, commit: CommitHash) -> Node:
        if commit not in self._read:
            row = self._remembered.get(commit)
            try:
                node = self._reader.node(commit) if row is None else _decode(row)
            except GitexpError as error:
                self._broken[commit], node = error, Node(())
            self._read[commit] = node
        return self._read[commit]


def shallow_commits(repo: Repo) -> frozenset[str]:
    """Return the commits whose parents this clone was made without."""
    try:
        text = (repo.workspace.common_dir / "shallow").read_text("ascii")
    except FileNotFoundError:
        return frozenset()
    return frozenset(text.split())


class _Reader:
    """Reads commits; remembers the trees of records that neighbours share."""

    def __init__(self, repo: Repo) -> None:
        self._repo = repo
        self._trees: dict[tuple[CommitHash, str], TreeId | Absent] = {}

    def node(self, commit: CommitHash) -> Node:
        parents = commit_info(self._repo, commit).parents
        runs = self._changed(RUNS, commit, parents)
        conclusions = self._changed(CONCLUSIONS, commit, parents)
        return Node(
            parents,
            () if runs is None else tuple(sorted(self._added(*runs).items())),
            () if conclusions is None else tuple(sorted(self._concluded(*conclusions))),
        )

    def _changed(
        self, folder: str, commit: CommitHash, parents: Sequence[CommitHash]
    ) -> tuple[TreeId, list[TreeId]] | None:
        """Return a folder's tree and that of each parent; None where nothing can be new in it."""
        mine, *theirs = (self._tree(folder, each) for each in (commit, *parents))
        if isinstance(mine, Absent) or mine in theirs:
            return None
        return mine, [tree for tree in theirs if not isinstance(tree, Absent)]

    def _tree(self, folder: str, commit: CommitHash) -> TreeId | Absent:
        if (commit, folder) not in self._trees:
            self._trees[commit, folder] = _tree_of(self._repo, commit, folder)
        return self._trees[commit, folder]

    def _concluded(self, mine: TreeId, theirs: Sequence[TreeId]) -> frozenset[BlobId]:
        known = (_conclusions(self._repo, tree) for tree in theirs)
        return _conclusions(self._repo, mine).difference(*known)

    def _added(self, mine: TreeId, theirs: Sequence[TreeId]) -> dict[RunId, TreeId]:
        """Return the runs below `mine` that are in none of `theirs`; equal subtrees are skipped."""
        others = [_folders(self._repo, tree) for tree in theirs]
        found: dict[RunId, TreeId] = {}
        for name, prefix in _folders(self._repo, mine).items():
            beside = [other[name] for other in others if name in other]
            if prefix in beside:
                continue
            runs = _runs_below(self._repo, name, prefix)
            for tree in beside:
                for run in _runs_below(self._repo, name, tree):
                    runs.pop(run, None)
            found.update(runs)
        return found


def _conclusions(repo: Repo, tree: TreeId) -> frozenset[BlobId]:
    return frozenset(
        BlobId(entry.id)
        for entry in list_dir(repo, tree)
        if entry.mode != MODE_TREE and entry.path.endswith(b".yaml")
    )


def _folders(repo: Repo, tree: TreeId) -> dict[str, TreeId]:
    try:
        entries = repo.load_tree(tree).entries
    except RefusedTreeError:
        return {}
    return {
        name.decode("utf-8", "surrogateescape"): TreeId(id_)
        for name, (mode, id_) in entries.items()
        if mode == MODE_TREE
    }


def _runs_below(repo: Repo, prefix: str, folder: TreeId) -> dict[RunId, TreeId]:
    return {
        RunId(name): tree
        for name, tree in _folders(repo, folder).items()
        if RUN_ID.fullmatch(name) and prefix == name[:2]
    }


def _sorted(nodes: Mapping[CommitHash, Node]) -> Iterator[CommitHash]:
    """Yield commits after all their parents; among those that are free, the smallest run id."""
    lacking: dict[CommitHash, int] = {}
    children: defaultdict[CommitHash, list[CommitHash]] = defaultdict(list)
    free: list[CommitHash] = []  # commits that add nothing: their turn does not matter
    ready: list[tuple[RunId, CommitHash]] = []

    def release(commit: CommitHash) -> None:
        added = nodes[commit].added
        if added:
            heapq.heappush(ready, (added[0][0], commit))
        else:
            free.append(commit)

    for commit, node in nodes.items():
        parents = [parent for parent in dict.fromkeys(node.parents) if parent in nodes]
        lacking[commit] = len(parents)
        for parent in parents:
            children[parent].append(commit)
        if not parents:
            release(commit)
    while free or ready:
        commit = free.pop() if free else heapq.heappop(ready)[1]
        yield commit
        for child in children[commit]:
            lacking[child] -= 1
            if not lacking[child]:
                release(child)


def _encode(node: Node) -> bytes:
    runs = " ".join(f"{run}:{tree}" for run, tree in node.added)
    return f"{' '.join(node.parents)}|{runs}|{' '.join(node.concluded)}".encode()


def _decode(row: bytes) -> Node:
    parents, runs, concluded = row.decode().split("|")
    return Node(
        parents=tuple(CommitHash(parent) for parent in parents.split()),
        added=tuple(
            (RunId(run), TreeId(tree))
            for run, _, tree in (item.partition(":") for item in runs.split())
        ),
        concluded=tuple(map(BlobId, concluded.split())),
    )
