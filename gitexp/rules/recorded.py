"""Plans and runs in a tree, read for rules: what cannot be read is said, never passed over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import PLANS, RUNS, plan_path
from gitexp.model.ids import RunId
from gitexp.model.run import Run
from gitexp.records import codec
from gitexp.rules.trees import MODE_TREE
from gitexp.store.fast_plan import lean_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.model.plan import Plan
    from gitexp.rules.facts import Change, Facts
    from gitexp.rules.trees import Tree

RUN_LIMIT: Final = 8 << 20  # bytes of a run.json
_USUAL_BYTES: Final = 1 << 16  # of one; larger ones of a stranger would fill the memory
_SUFFIX = ".yaml"
_ID = re.compile(r"[a-z2-7]{16}")
_RUN = re.compile(rf"{re.escape(RUNS)}/([a-z2-7]{{2}})/([a-z2-7]{{16}})/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that cannot be read, and why."""

    path: str
    why: str


@dataclass(frozen=True, slots=True)
class RunFile:
    """A changed file in the folder of a run."""

    run: RunId
    name: str  # within the folder
    change: Change


def plan_at(tree: Tree, path: str) -> Plan | Unread | None:
    """Return the plan in a file; None where there is no such file."""
    try:
        data = tree.read(path)
        return None if data is None else lean_plan(data, path)
    except GitexpError as error:
        return Unread(path, str(error))


def plan_paths(tree: Tree) -> list[str]:
    """Return the plan files in a tree, sorted."""
    return sorted(f"{PLANS}/{name}" for name in tree.folder(PLANS) if name.endswith(_SUFFIX))


def plan_of(tree: Tree, branch: str) -> Plan | Unread | None:
    """Return the plan that lives on a branch: the newest, where several name it.

    A file that has the branch's name and cannot be read is the answer where no other is found.
    """
    own = plan_path(branch.partition("/")[2] or branch)
    first = plan_at(tree, own)
    if first is not None and not isinstance(first, Unread) and first.branch == branch:
        return first
    found = [plan_at(tree, path) for path in plan_paths(tree) if path != own]
    mine = [
        plan
        for plan in found
        if plan is not None and not isinstance(plan, Unread) and plan.branch == branch
    ]
    if mine:
        return max(mine, key=lambda plan: (plan.created_at, plan.name))
    return first if isinstance(first, Unread) else None


def run_files(changes: Iterable[Change]) -> Iterator[RunFile]:
    """Yield those of some changes that are files in folders of runs."""
    for change in changes:
        found = _RUN.fullmatch(change.path)
        if found is not None and found[2].startswith(found[1]):
            yield RunFile(RunId(found[2]), found[3], change)


def new_runs(facts: Facts) -> Iterator[tuple[RunFile, Run | Unread]]:
    """Yield the runs that a commit adds: each run.json, and what it says."""
    for file in run_files(facts.changes):
        change = file.change
        if file.name == "run.json" and change.new is not None and change.old is None:
            yield file, _run(facts, change)


def runs_in(tree: Tree, unlike: Tree | None = None) -> set[RunId]:
    """Return the runs in a tree, without folders that another tree has just so."""
    others = {} if unlike is None else unlike.folder(RUNS)
    return {
        RunId(name)
        for prefix, folder in tree.folder(RUNS).items()
        if folder.mode == MODE_TREE and others.get(prefix) != folder
        for name, entry in tree.folder(f"{RUNS}/{prefix}").items()
        if entry.mode == MODE_TREE and _ID.fullmatch(name) and name.startswith(prefix)
    }


def _run(facts: Facts, change: Change) -> Run | Unread:
    if change.new is None or not change.is_file:
        return Unread(change.path, "it is no regular file")
    try:
        data = facts.read(change.new, RUN_LIMIT)
        return (_remembered if len(data) <= _USUAL_BYTES else _load)(data, change.path)
    except GitexpError as error:
        return Unread(change.path, str(error))


_load = partial(codec.load, Run)
# A record is parsed once for all rules: they look at the runs of a commit one after the other.
_remembered = lru_cache(maxsize=128)(_load)
