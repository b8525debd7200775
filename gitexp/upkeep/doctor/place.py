"""What all checks look at, worked out once, and what they give back."""

from __future__ import annotations

import contextlib
import shutil
from functools import cached_property, partial
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.execution import state as states
from gitexp.execution.workdir import WorkDir
from gitexp.git.objects import commit_info, weight
from gitexp.git.repository import open_repository
from gitexp.git.transaction import layout
from gitexp.git.transaction.cache import Index
from gitexp.git.tree import MODE_TREE
from gitexp.git.worktree import checkouts
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, Absent, BlobId
from gitexp.model.report import Level, Trouble
from gitexp.store.ancestry import (
    MOST_BYTES,
    MOST_COMMITS,
    MOST_RECORDS,
    Graph,
    added_by,
    listings,
)
from gitexp.store.conclusions import true_places
from gitexp.store.plans import tips

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from gitexp.execution.state import State
    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, RunId, TreeId
    from gitexp.model.rules import TreeEntry
    from gitexp.model.workspace import Workspace
    from gitexp.store.ancestry import Addition
    from gitexp.store.plans import Tip

_TIMES = 5  # as much of all branches that others brought as of one
_SLOTS = "/gitexp/work/worktrees/"


@dataclass(frozen=True, slots=True)
class Curable:
    """A finding, and how to clear it where nothing can be lost by that; see `Trouble`."""

    what: str
    where: str | Path
    remedy: str
    clear: Callable[[], str | None] | None = None
    level: Level = Level.PROBLEM
    step: str = ""
    done: str = "removed it"

    def treated(self, check: str, *, fix: bool) -> Trouble:
        """Return it as the finding of a check, cleared where that is wanted and can be."""
        found = Trouble(
            check, self.what, str(self.where), self.remedy,
            fixable=self.clear is not None, level=self.level, step=self.step,
        )  # fmt: skip
        if not fix or self.clear is None:
            return found
        try:
            return replace(found, cleared=True, said=self.clear() or self.done)
        except (GitexpError, OSError) as error:
            return replace(found, said=f"could not be cleared: {error}")


class CheckedRepository:
    """A repository as the checks see it. Facts come from Git, never from the index cache."""

    def __init__(self, workspace: Workspace, environ: Mapping[str, str], now_s: float) -> None:
        self.workspace = workspace
        self.environ = environ
        self.now_s = now_s
        self.repo: Repo = open_repository(workspace)
        self.memory = Index(None)
        self._weights: dict[str, tuple[int, int]] = {}

    @cached_property
    def tips(self) -> tuple[Tip, ...]:
        """All branches, remote-tracking branches and archive tags that are not passed over."""
        return tuple(tip for tip in tips(self.repo) if tip.ref not in self.passed_over)

    @cached_property
    def true_places(self) -> Callable[[Tip], list[CommitHash]]:
        """Where the user has an experiment whose archive tag is another's."""
        return true_places(self.repo, tips(self.repo))

    @cached_property
    def passed_over(self) -> Mapping[str, str]:
        """Others' branches that hold more than we read of one, or of all, and what that is."""
        every = tips(self.repo)
        own = [tip.commit for tip in every if tip.own]
        history = Graph(self.repo, self.memory, own)
        lines = set(history.nodes)
        known = {(item.run, item.tree) for item in history.every()}
        for runs in listings(self.repo, self.memory, own).values():
            known |= runs.items()
        files = {file for commit in own for file in self._files(commit)}
        found: dict[str, str] = {}
        left = [_TIMES * most for most in (MOST_COMMITS, MOST_RECORDS, MOST_BYTES)]
        for tip in every:
            most, most_runs, most_bytes = map(min, (MOST_COMMITS, MOST_RECORDS, MOST_BYTES), left)
            ahead = self._ahead(tip.commit, lines, most)
            left[0] -= len(ahead)
            if len(ahead) > most:
                found[tip.ref] = f"more than {most} commits that no other branch has"
                continue
            (listed,) = listings(self.repo, self.memory, [tip.commit]).values()
            fresh = listed.items() - known
            fresh |= added_by(self.repo, self.memory, ahead, known, most_runs)
            added = self._files(tip.commit) - files
            for many, what in ((len(fresh), "runs"), (len(added), "plans and environments")):
                if many > most_runs:
                    found[tip.ref] = f"{many} {what} that no other branch has"
            if tip.ref in found:
                continue
            size = self._size(fresh, added)
            if size > most_bytes:
                found[tip.ref] = f"{size} bytes of records that no other branch has"
                continue
            left[1] -= len(fresh) + len(added)
            left[2] -= size
            lines |= ahead
            known |= fresh
            files |= added
        return found

    def _size(
        self, runs: Iterable[tuple[RunId, TreeId]], files: Iterable[tuple[str, TreeEntry]]
    ) -> int:
        """Return how many bytes some records have; what lies in many is read as often."""
        size = sum(weight(self.repo, tree, self._weights, (), 0)[1] for _, tree in runs)
        for _, entry in files:
            with contextlib.suppress(GitexpError):  # another check says why
                if entry.mode != MODE_TREE:
                    size += self.repo.size(BlobId(entry.id), fetch=False)
        return size

    def _files(self, commit: CommitHash) -> set[tuple[str, TreeEntry]]:
        found: set[tuple[str, TreeEntry]] = set()
        for folder in (layout.PLANS, layout.ENVIRONMENTS):
            with contextlib.suppress(GitexpError):  # another check says why
                found |= self.repo.tree(commit).folder(folder).items()
        return found

    def _ahead(self, tip: CommitHash, lines: set[CommitHash], most: int) -> set[CommitHash]:
        """Return what a tip has beside these lines, no more than one above the most."""
        seen = {tip} - lines
        waiting = list(seen)
        while waiting and len(seen) <= most:
            with contextlib.suppress(GitexpError):  # the graph says what cannot be read
                for parent in commit_info(self.repo, waiting.pop()).parents:
                    if parent not in lines and parent not in seen:
                        seen.add(parent)
                        waiting.append(parent)
        return seen

    @cached_property
    def graph(self) -> Graph:
        """The commits that they reach."""
        return Graph(self.repo, self.memory, [tip.commit for tip in self.tips])

    @cached_property
    def recorded(self) -> Mapping[RunId, Addition]:
        """Every run that any of them reaches, where it was added."""
        return {item.run: item for item in self.graph.additions()}

    @cached_property
    def listed(self) -> Mapping[CommitHash, Mapping[RunId, TreeId]]:
        """The runs in the tree of each tip."""
        return listings(self.repo, self.memory, [tip.commit for tip in self.tips])

    def forget(self) -> None:
        """Look again at what a check has changed: branches have moved."""
        for fact in ("tips", "passed_over", "graph", "recorded", "listed"):
            self.__dict__.pop(fact, None)

    @cached_property
    def work_places(self) -> tuple[Workspace, ...]:
        """The work trees that people use, whether this one or others of the repository."""
        return tuple(
            replace(self.workspace, git_dir=each.git_dir, top=each.top, start=each.top)
            for each in checkouts.listing(self.workspace)
            if not each.missing and _SLOTS not in each.top.as_posix()
        )

    def workdirs(self) -> tuple[tuple[Workspace, WorkDir], ...]:
        """Return the job folders of all work trees that have some."""
        found = ((each, WorkDir.seen(each)) for each in self.work_places)
        return tuple((each, workdir) for each, workdir in found if workdir is not None)

    def waiting(self) -> tuple[tuple[Workspace, WorkDir, State], ...]:
        """Return the runs whose coordinator died before it noted that they were recorded."""
        return tuple(
            (each, workdir, state)
            for each, workdir in self.workdirs()
            for state in states.unpublished(workdir)
        )

    def age_s(self, path: Path) -> float:
        """Return how long nobody has written to a file; 0 where it is gone."""
        try:
            return self.now_s - path.lstat().st_mtime
        except OSError:
            return 0.0


def tip_of(place: CheckedRepository, ref: str) -> CommitHash | Absent:
    """Return the commit of one of the tips."""
    return next((tip.commit for tip in place.tips if tip.ref == ref), ABSENT)


def removable(what: str, path: Path) -> Curable:
    """Return a finding that is cleared by removing a file, a link or a folder."""
    return Curable(what, path, "remove it", partial(_remove, path))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
