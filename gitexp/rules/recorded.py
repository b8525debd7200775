"""Runs that a commit adds or has, read for rules, and what a record contradicts by itself."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

from gitexp.errors import GitexpError
from gitexp.git.transaction.layout import RUNS, conclusion_path, plan_path, run_dir, tombstone_path
from gitexp.git.tree import MODE_TREE, Tree
from gitexp.model import dataclass
from gitexp.model.ids import RUN_ID, CommitHash, RunId
from gitexp.model.plan import Plan
from gitexp.model.run import Origin, Run
from gitexp.records import codec
from gitexp.store.plan_files import UnreadablePlan, plan_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gitexp.rules.facts import Facts, TreeChange


RUN_LIMIT: Final = 8 << 20  # bytes of a run.json
_USUAL_BYTES: Final = 1 << 16  # of one; larger ones of a stranger would fill the memory
_RUN = re.compile(rf"{re.escape(RUNS)}/([a-z2-7]{{2}})/({RUN_ID.pattern})/(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RunFile:
    """A changed file in the folder of a run."""

    run: RunId
    name: str  # within the folder
    change: TreeChange


def run_files(changes: Iterable[TreeChange]) -> Iterator[RunFile]:
    """Yield those of some changes that are files in folders of runs."""
    for change in changes:
        found = _RUN.fullmatch(change.path)
        if found is not None and found[2].startswith(found[1]):
            yield RunFile(RunId(found[2]), found[3], change)


def new_runs(facts: Facts) -> Iterator[tuple[RunFile, Run | UnreadablePlan]]:
    """Yield the runs that a commit adds: each run.json, and what it says."""
    for file in run_files(facts.changes):
        change = file.change
        if file.name == "run.json" and change.new is not None and change.old is None:
            yield file, _run(facts, change)


def readable_runs(facts: Facts) -> Iterator[tuple[RunFile, Run]]:
    """Yield those of them that can be read; R3 says which cannot."""
    for file, run in new_runs(facts):
        if not isinstance(run, UnreadablePlan):
            yield file, run


def runs_in(tree: Tree, unlike: Tree | None = None) -> set[RunId]:
    """Return the runs in a tree, without folders that another tree has just so."""
    others = {} if unlike is None else unlike.folder(RUNS)
    return {
        RunId(name)
        for prefix, folder in tree.folder(RUNS).items()
        if folder.mode == MODE_TREE and others.get(prefix) != folder
        for name, entry in tree.folder(f"{RUNS}/{prefix}").items()
        if entry.mode == MODE_TREE and RUN_ID.fullmatch(name) and name.startswith(prefix)
    }


def _run(facts: Facts, change: TreeChange) -> Run | UnreadablePlan:
    if change.new is None or not change.is_file:
        return UnreadablePlan(change.path, "it is no regular file")
    try:
        data = facts.read(change.new, RUN_LIMIT)
        return (_remembered if len(data) <= _USUAL_BYTES else _load)(data, change.path)
    except GitexpError as error:
        return UnreadablePlan(change.path, str(error))


_load = partial(codec.load, Run)
# A record is parsed once for all rules: they look at the runs of a commit one after the other.
_remembered = lru_cache(maxsize=128)(_load)


def keeps(tag: Tree, plan: Plan, tree: Tree, runs: Iterable[str]) -> bool:
    """Return whether an archive tag has an experiment's plan, conclusion and runs as a tree has."""
    end, stone = conclusion_path(plan.name), tombstone_path(plan.name)
    there = plan_at(tag, plan_path(plan.name))
    return (
        isinstance(there, Plan)
        and (there.author, there.created_at) == (plan.author, plan.created_at)
        and tree.entry(stone) == tag.entry(stone)
        and all(
            tree.entry(path) in {None, tag.entry(path)}
            for path in (end, *map(run_dir, map(RunId, runs)))
        )
    )


CLOCKS: Final = timedelta(hours=1)  # by which those of honest machines differ


def by_itself(run: Run, plan: Plan | None, holds: Callable[[CommitHash, str], bool]) -> str:
    """Return what a record contradicts by itself; `holds`: whether a commit has its plan."""
    times = [(run.started_at, run.ended_at), *((r.started_at, r.ended_at) for r in run.repeats)]
    if any(begun and ended and ended < begun for begun, ended in times):
        return "it ended before it began"
    mine = plan if plan and run.plan and plan.covers(run.plan.name, run.plan.digest) else None
    if why := _of_its_seeds(run, mine):
        return why
    if mine is None or run.plan is None:
        return ""
    made = mine.amended[-1].at if mine.amended else mine.created_at
    if run.started_at < made:
        # Two machines have two clocks, and the graph has none: what began from a commit with the
        # plan began after it. So did the baseline's, as far as anybody can tell.
        source = run.source.commit
        late = made - run.started_at <= CLOCKS
        if late and (source == mine.baseline.commit or holds(source, run.plan.name)):
            return ""
        return f"it began {run.started_at:%Y-%m-%d %H:%M:%S}, before its plan was there"
    return ""


def _of_its_seeds(run: Run, plan: Plan | None) -> str:
    """Return what a record says of its seeds that cannot be. `plan`: its own, where it is known."""
    if not {item.seed for item in run.repeats} <= set(run.seeds):
        return "it has repeats of seeds that nobody asked for"
    if run.snapshot_only not in {None, run.committed_seed}:
        return "its repeat for the snapshot alone is not of the committed seed"
    unplanned = run.plan is None or (plan is not None and plan.drawn is None)
    if run.drawn and unplanned:
        return "it says that a plan drew its seeds, and none did"
    if plan is not None and plan.drawn and run.origin is Origin.OBSERVED and not run.drawn:
        return "it does not say that its plan drew its seeds"
    return ""
