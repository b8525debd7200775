"""Two lines of one branch made one: what is ours, and our records put on top of theirs.

A commit is *ours* if it only adds records, or is a run's with its snapshot. Such commits are
replayed: the same files, message and author on the moved tip. Records are path-disjoint, so there
is nothing to settle but the snapshot, where the first recorded one wins. Anything else (a person's
commit, a record that both sides have in two versions) is for a merge, which keeps both lines.

Planning is pure; `replayed` writes objects that nobody sees.
"""

from __future__ import annotations

import contextlib
import enum
import posixpath
import re
import shlex
from typing import TYPE_CHECKING, Final

from gitexp.dvc import gitignore, placement
from gitexp.dvc.cache import open_cache
from gitexp.dvc.state import ProjectState
from gitexp.errors import GitexpError
from gitexp.git import merging, objects, refs, writing
from gitexp.git.transaction import layout
from gitexp.git.worktree import restore, status
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent, CommitHash, RunId, TreeId
from gitexp.model.run import Run, Source
from gitexp.records import codec
from gitexp.store import plans
from gitexp.text.foreign import with_parents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from gitexp.git.repository import Repo
    from gitexp.git.worktree.restore import Step
    from gitexp.git.writing import Content
    from gitexp.model.plan import Person

RECORD_LIMIT: Final = 64 << 20  # bytes of one file
_RECORDS: Final = tuple(
    f"{folder}/" for folder in (layout.RUNS, layout.ENVIRONMENTS, layout.CONCLUSIONS, layout.PLANS)
)
_RUN_JSON: Final = re.compile(r"\.gitexp/runs/[a-z2-7]{2}/([a-z2-7]{16})/run\.json")


class Relation(enum.Enum):
    """How a local branch lies to a remote one."""

    SAME = "same"
    AHEAD = "ahead"
    BEHIND = "behind"
    REPLAY = "replay"  # both moved; all of ours are records
    MERGE = "merge"  # both moved


@dataclass(frozen=True, slots=True)
class OwnRecords:
    """A commit that gitexp made."""

    commit: CommitHash
    records: tuple[Step, ...]  # files below ``.gitexp/``
    # dvc.lock, pointers, metrics and ignore lines that the run wrote with it.
    snapshot: tuple[Step, ...]
    runs: Mapping[str, Run]  # the runs that it added, by the path of their run.json


@dataclass(frozen=True, slots=True)
class Route:
    """What to do with a branch."""

    relation: Relation
    own: tuple[OwnRecords, ...] = ()  # REPLAY: in the order in which they were made
    base: CommitHash | Absent = ABSENT  # REPLAY: the commit before the first


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it."""

    commit: CommitHash
    written: tuple[str, ...]  # ids of the new objects
    passed_over: int = 0  # snapshots of ours that gave way to the tip's


def route(repo: Repo, ours: CommitHash, theirs: CommitHash) -> Route:
    """Plan how the local tip `ours` and the remote's `theirs` are brought together."""
    if ours == theirs:
        return Route(Relation.SAME)
    if objects.is_ancestor(repo, ours, theirs):
        return Route(Relation.BEHIND)
    if objects.is_ancestor(repo, theirs, ours):
        return Route(Relation.AHEAD)
    own: list[OwnRecords] = []
    base: CommitHash | Absent = ABSENT
    for info in reversed(list(objects.history(repo, [ours], hide=[theirs]))):
        if len(info.parents) != 1 or (own and info.parents[0] != own[-1].commit):
            return Route(Relation.MERGE)
        if not own:
            base = info.parents[0]
        found = _own(repo, info.parents[0], info.hash)
        if found is None or _collides(repo, found, theirs, base):
            return Route(Relation.MERGE)
        own.append(found)
    return Route(Relation.REPLAY, tuple(own), base)


def replayed(
    repo: Repo,
    plan: Route,
    onto: CommitHash,
    committer: Person,
    takes: Callable[[CommitHash, OwnRecords], bool],
) -> Replayed:
    """Write our commits anew on top of `onto`; the caller moves the branch.

    `takes`: whether a commit's snapshot goes onto that tip: its inputs are the tip's, and the tip
    has no recorded one.

    A run that was executed at one of the replayed commits would name a source that no clone can
    find any more. It gets the commit before the first of them, which has the same inputs: what
    lies between are records.
    """
    tip, written = onto, list[str]()
    lost = {own.commit for own in plan.own}
    passed_over = 0
    with merging.synced_once():
        for own in plan.own:
            changes = _records(repo, own, tip)
            mine = _matters(repo, own, tip)
            if mine and takes(tip, own):
                changes.update(_snapshot(repo, own, tip))
            elif mine:
                passed_over += 1
            for path, run in own.runs.items():
                gave_way = mine and not any(step.path in changes for step in own.snapshot)
                changed = _without_snapshot(run) if gave_way else run
                if changed.source.commit in lost and plan.base is not ABSENT:
                    changed = replace(changed, source=_source(repo, changed, plan.base))
                if changed != run and path in changes:
                    changes[path] = codec.dump(changed)
            tree = writing.build_tree(repo, tip, changes, written=written)
            if tree == objects.commit_info(repo, tip).tree:
                continue  # everything is there: an earlier call was killed before it moved the ref
            tip = writing.write_commit(repo, tree, [tip], _message(repo, own.commit, committer))
            written.append(tip)
    return Replayed(tip, tuple(written), passed_over)


def data_replayed(
    repo: Repo, ours: CommitHash, theirs: CommitHash, committer: Person, written: list[str]
) -> CommitHash:
    """Put our commits of the branch gitexp/data on top of theirs; each is a tree of its own."""
    there = {info.tree for info in objects.history(repo, [theirs], hide=[ours])}
    tip = theirs
    with merging.synced_once():
        for info in reversed(list(objects.history(repo, [ours], hide=[theirs]))):
            if info.tree in there or len(info.parents) > 1:
                continue
            there.add(info.tree)
            message = _message(repo, info.hash, committer)
            tip = writing.write_commit(repo, info.tree, [tip], message)
            written.append(tip)
    return tip


def _set_aside(repo: Repo, commit: CommitHash | Absent) -> Iterator[str]:
    """Yield what to type before ``dvc checkout``, which refuses to replace what no cache holds."""
    top = repo.workspace.top
    if commit is ABSENT or top is None:
        return
    paths = snapshot_paths(repo, commit)
    known = status.tracked(repo.workspace, paths)
    for path in sorted(paths.difference(*map(with_parents, known))):
        with contextlib.suppress(GitexpError):
            config, _ = plans.config_of(repo, commit)
            cache = open_cache(top / config.project)
            led = config.pipeline is not None or f"{path}.dvc" in known
            if led and placement.is_unsaved(top, path, cache):
                yield placement.moved(path, top)


def snapshot_paths(repo: Repo, commit: CommitHash) -> frozenset[str]:
    """Return the files that a run's snapshot may write, from the repository's top.

    Ignore files are not among them: every line of theirs stands for itself.
    """
    try:
        config, _ = plans.config_of(repo, commit)
        tree = objects.commit_info(repo, commit).tree
        made = ProjectState(repo, tree, config).outputs
    except GitexpError:
        return frozenset()
    names = [config.lock] if config.pipeline is not None else [f"{path}.dvc" for path in made]
    paths = (posixpath.normpath(posixpath.join(config.project, name)) for name in (*names, *made))
    return frozenset(path for path in paths if not path.startswith(f"{layout.FOLDER}/"))


# --- what is ours -------------------------------------------------------------------------------


def _own(repo: Repo, parent: CommitHash, commit: CommitHash) -> OwnRecords | None:
    """Return what a commit adds, or None where it is none of ours."""
    records: list[Step] = []
    others: list[Step] = []
    runs: dict[str, Run] = {}
    for step in restore.steps(repo, parent, commit):
        if step.new is ABSENT or step.new[0] not in {objects.MODE_BLOB, objects.MODE_EXECUTABLE}:
            return None  # gitexp deletes nothing, and makes no links
        if not step.path.startswith(_RECORDS):
            others.append(step)
            continue
        records.append(step)
        if _RUN_JSON.fullmatch(step.path) and step.old is ABSENT:
            run = _run(repo, commit, step.path)
            if run is None:
                return None
            runs[step.path] = run
    if others:
        wrote = any(repeat.snapshot for run in runs.values() for repeat in run.repeats)
        allowed = snapshot_paths(repo, commit) if wrote else frozenset()
        if not all(_is_snapshot(step.path, allowed) for step in others):
            return None
    return OwnRecords(commit, tuple(records), tuple(others), runs)


def _is_snapshot(path: str, allowed: frozenset[str]) -> bool:
    if posixpath.basename(path) == ".gitignore":
        return bool(allowed)
    return not allowed.isdisjoint(with_parents(path))


def _run(repo: Repo, commit: CommitHash, path: str) -> Run | None:
    match = _RUN_JSON.fullmatch(path)
    try:
        data = objects.read_blob(repo, commit, path, RECORD_LIMIT)
        run = None if data is ABSENT else codec.load(Run, data, f"{commit[:9]}:{path}")
    except GitexpError:
        return None
    return run if run is not None and match and run.id == RunId(match[1]) else None


def _collides(repo: Repo, own: OwnRecords, theirs: CommitHash, base: CommitHash | Absent) -> bool:
    """Whether the other side has another version of a record."""
    for step in own.records:
        there = objects.entry_at(repo, theirs, step.path)
        before = ABSENT if step.old is ABSENT else step.old[1]
        if there is ABSENT:
            if before is not ABSENT:
                return True
        elif step.new is not ABSENT and there.id not in {before, step.new[1]}:
            run = own.runs.get(step.path)  # which an earlier call may have put there
            if run is None or base is ABSENT:
                return True
            moved = replace(run, source=_source(repo, run, base))
            ways = (run, moved, _without_snapshot(run), _without_snapshot(moved))
            held = objects.read_blob(repo, theirs, step.path, RECORD_LIMIT)
            if held not in {codec.dump(way) for way in ways}:
                return True
    return False


# --- what is written ----------------------------------------------------------------------------


def _records(repo: Repo, own: OwnRecords, tip: CommitHash) -> dict[str, Content]:
    changes: dict[str, Content] = {}
    for step in own.records:
        there = objects.entry_at(repo, tip, step.path)
        if _RUN_JSON.fullmatch(step.path) and there is not ABSENT and step.old is ABSENT:
            continue  # it got there by another way, and a record is never written twice
        if step.new is not ABSENT and (there is ABSENT or there.id != step.new[1]):
            changes[step.path] = _content(repo, own.commit, step)
    return changes


def _matters(repo: Repo, own: OwnRecords, tip: CommitHash) -> bool:
    """Whether a commit has a snapshot that the tip does not have already."""
    return any(
        posixpath.basename(step.path) != ".gitignore" and not _is_there(repo, tip, step)
        for step in own.snapshot
    )


def _is_there(repo: Repo, tip: CommitHash, step: Step) -> bool:
    there = objects.entry_at(repo, tip, step.path)
    return there is not ABSENT and step.new is not ABSENT and there.id == step.new[1]


def _snapshot(repo: Repo, own: OwnRecords, tip: CommitHash) -> dict[str, Content]:
    changes: dict[str, Content] = {}
    for step in own.snapshot:
        data, executable = _content(repo, own.commit, step)
        old = objects.read_blob(repo, tip, step.path)
        if posixpath.basename(step.path) == ".gitignore" and old is not ABSENT:
            data = gitignore.joined(old, data)
        changes[step.path] = (data, executable)
    return changes


def _message(repo: Repo, commit: CommitHash, committer: Person) -> writing.Message:
    info = objects.commit_info(repo, commit)
    return writing.Message(merging.message_of(repo, commit), info.author, info.time, committer)


def _content(repo: Repo, commit: CommitHash, step: Step) -> tuple[bytes, bool]:
    data = objects.read_blob(repo, commit, step.path, RECORD_LIMIT)
    assert data is not ABSENT  # noqa: S101 - the commit's own diff names it
    return data, step.new is not ABSENT and step.new[0] == objects.MODE_EXECUTABLE


def _without_snapshot(run: Run) -> Run:
    return replace(run, repeats=tuple(replace(repeat, snapshot=False) for repeat in run.repeats))


def _source(repo: Repo, run: Run, base: CommitHash) -> Source:
    tree: TreeId = objects.commit_info(repo, base).tree
    return replace(run.source, commit=base, tree=tree)


_SQUASH: Final = "SQUASH_MSG"
_MERGES: Final = frozenset(("merge", _SQUASH))


def way_out(repo: Repo, *, experiment: bool) -> str:
    """Return what finishes a merge, a rebase or a pick that stopped; "" where none did.

    dvc.lock and what else a run's snapshot writes are taken whole from one side: an `experiment`'s
    own, which the next run replaces, else those of what is merged, or moved by a rebase. The rest
    is a person's.
    """
    found = status.unmerged(repo.workspace)
    git_dir = repo.workspace.git_dir
    stopped = status.stopped(git_dir)
    if (
        found and not stopped and (git_dir / _SQUASH).exists()
    ):  # which `git restore` leaves for good
        stopped = _SQUASH
    if not stopped:
        if refs.head(repo).branch is None and (git_dir / "BISECT_LOG").exists():
            return "git bisect reset"
        return "git status, which says how to go on with what has conflicts" if found else ""
    head = refs.head(repo).commit
    made = frozenset[str]() if head is ABSENT else snapshot_paths(repo, head)
    side, stage, then = ("theirs", "3", "dvc checkout")
    if experiment and stopped not in {"rebase", "am"}:
        side, stage, then = ("ours", "2", "gitexp run --with-baseline")
    taken = [
        path
        for path, stages in found.items()
        if stage in stages and not made.isdisjoint(with_parents(path))
    ]
    rest = [path for path in found if path not in taken]
    steps = ["git commit --no-edit" if stopped in _MERGES else f"git {stopped} --continue"]
    if taken:
        paths = shlex.join(f":/{path}" for path in taken)
        steps = [f"git checkout --{side} -- {paths}", f"git add -- {paths}", *steps]
        steps += [*(_set_aside(repo, head) if side == "theirs" else ()), then]
    mine = [f":/{path}" for path in rest if path.startswith(f"{layout.PLANS}/")]
    whole = f" (git checkout --ours -- {shlex.join(mine)}, or --theirs, keeps a plan whole)"
    named = ", ".join(map(shlex.quote, rest)) + (whole if mine else "")
    first = f"settle {named} and git add them, then " if rest else ""
    return first + " && ".join(steps)
