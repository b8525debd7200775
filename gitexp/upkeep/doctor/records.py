"""Records that are damaged or edited; branches without a plan, and by-products without a run."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, NewerFormatError
from gitexp.git.objects import history, list_dir, look_at, walk_tree
from gitexp.git.refs import branches, local
from gitexp.git.transaction import layout
from gitexp.git.upstream import by_name
from gitexp.model.ids import ABSENT, EnvironmentDigest, RunId
from gitexp.model.report import Level
from gitexp.store import lookup
from gitexp.store.ancestry import shallow_commits
from gitexp.store.conclusions import contradiction
from gitexp.store.plans import branch_prefix, plan_of_branch, renamed, renaming
from gitexp.store.records import read_run
from gitexp.upkeep.doctor.place import Curable, tip_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import CommitHash, TreeId
    from gitexp.store.plans import Tip
    from gitexp.upkeep.doctor.place import CheckedRepository


def look(place: CheckedRepository) -> Iterator[Curable]:
    """Yield damaged commits, runs and environments of all branches and archive tags, each once."""
    for ref, why in place.passed_over.items():
        what = f"passed over, with all that it holds: {why}"
        step = "to judge one branch: gitexp show NAME; to be rid of it: git branch -d -r NAME"
        yield Curable(what, ref.split("/", 2)[2], step, level=Level.NOTE)
    for commit, error in sorted(place.graph.broken.items()):
        what = f"commit {commit[:9]} cannot be read, nor any record before it: {error.brief}"
        above = [tip for tip in place.tips if commit in place.graph.led_to([tip.commit])]
        where = ", ".join(tip.name for tip in above[:3])
        yield Curable(what, where, error.next_step, level=_level(*above))
    versions: dict[tuple[RunId, TreeId], Tip] = {}
    for tip in place.tips:
        for run, tree in place.listed[tip.commit].items():
            versions.setdefault((run, tree), tip)  # one's own are the first
    seen: set[str] = set()
    for (run, tree), tip in sorted(versions.items(), key=lambda item: item[0]):
        yield from _run(place, run, tree, tip)
    for tip in place.tips:
        try:
            look_at(place.repo, tip.commit, (*layout.FOLDERS, layout.ENVIRONMENTS))
        except GitexpError as error:
            if tip.commit in place.graph.broken:  # said above
                continue
            what = f"its records cannot be looked at: {error.brief}"
            yield Curable(what, tip.name, error.next_step, level=_level(tip))
        else:
            yield from _environments(place, tip, seen)
            yield from _archive(place, tip)


def _archive(place: CheckedRepository, tag: Tip) -> Iterator[Curable]:
    """Name an archive tag that a fetch brought, and that says otherwise what is here."""
    if not tag.archived or tag.own:
        return
    found = contradiction(place.repo, tag, place.true_places(tag))
    if found is not None:
        commit, path = found
        name = tag.ref.removeprefix(layout.ARCHIVE_TAGS)
        what = f"it is not what {commit[:9]} has of {name}, which counts: {path} differs"
        step = f"ask who pushed it; to be rid of it here: git tag -d {shlex.quote(tag.name)}"
        yield Curable(what, tag.name, step, level=Level.NOTE)


def _level(*tips: Tip) -> Level:
    """Return how bad it is what these hold: what others brought is theirs to mend."""
    return Level.PROBLEM if any(tip.own for tip in tips) else Level.NOTE


def _run(place: CheckedRepository, run: RunId, tree: TreeId, tip: Tip) -> Iterator[Curable]:
    added = place.recorded.get(run)
    if added is None:  # only a commit that cannot be read leads to it
        return
    where = f"{tip.name}:{layout.run_dir(run)}"
    try:
        read_run(place.repo, tree, run)
    except NewerFormatError as error:
        yield Curable(f"run {run[:8]}: {error.brief}", where, error.next_step, level=Level.NOTE)
        return
    except GitexpError as error:
        what = f"the record of run {run[:8]} is damaged: {error.brief}"
    else:
        if tree == added.tree:
            return
        what = f"the record of run {run[:8]} was edited after it was recorded"
    yield Curable(what, where, _restore(place, run, tree), level=_level(tip))


def _restore(place: CheckedRepository, run: RunId, tree: TreeId) -> str:
    """Return where the record is whole, if it is anywhere in the history."""
    added = place.recorded[run]
    if added.tree != tree:
        with suppress(GitexpError):
            read_run(place.repo, added.tree, run)
            return f"git checkout {added.commit[:12]} -- {layout.run_dir(run)}, and commit it"
    return "it counts for nothing; run it again, or fetch it from a clone where it is whole"


def _environments(place: CheckedRepository, tip: Tip, seen: set[str]) -> Iterator[Curable]:
    for entry in list_dir(place.repo, tip.commit, layout.ENVIRONMENTS):
        name = entry.path.decode("utf-8", "backslashreplace")
        if (key := f"{name}:{entry.id}") in seen:
            continue
        seen.add(key)
        try:
            lookup.environment(place.repo, tip.commit, EnvironmentDigest(name))
        except NewerFormatError:
            continue
        except GitexpError as error:
            path = f"{layout.ENVIRONMENTS}/{name}"
            what = f"a recorded environment is damaged: {error.brief}"
            step = f"git log --oneline -- {shlex.quote(path)}, and check the first version out"
            yield Curable(what, f"{tip.name}:{path}", step, level=_level(tip))


def unplanned(place: CheckedRepository) -> Iterator[Curable]:
    """Yield local branches that look like experiments and are none."""
    prefix = branch_prefix(place.repo)
    refs = cache(lambda: by_name(branches(place.repo)))
    for tip in place.tips:
        if not tip.local or not tip.branch.startswith(prefix):
            continue
        try:
            plan = plan_of_branch(place.repo, tip.branch, tip.commit)
        except GitexpError as error:
            step = error.next_step or f"git log {shlex.quote(tip.branch)} -- .gitexp/experiments"
            what = f"the plan of this branch cannot be read: {error.brief}"
            yield Curable(what, tip.branch, step)
            continue
        if plan is ABSENT:
            branch = shlex.quote(tip.branch)
            what = "a branch named as an experiment without a plan; dvc exp branch makes such"
            other = f"git branch -m {branch} ANOTHER-NAME"
            step = f"git switch {branch}, then gitexp new NAME --here; or {other}"
            old = renamed(place.repo, tip.branch, tip.commit, refs)
            if old is not ABSENT:
                what, step = f"Git renamed {old.branch} to this", renaming(old, tip.branch)
            yield Curable(what, tip.branch, step, level=Level.NOTE)


_POINTER = re.compile(rb"(?:.*/)?([a-z2-7]{16})\.dvc")


def lone_byproducts(place: CheckedRepository) -> Iterator[Curable]:
    """Yield lone commits. One that a remote has, too, may belong to a branch that is not here."""
    tip = tip_of(place, local(layout.DATA_BRANCH))
    if tip is ABSENT or shallow_commits(place.repo):
        return
    others = (each for each in place.tips if not each.local)
    theirs = [each.commit for each in others if each.branch == layout.DATA_BRANCH]
    lone = (info.hash for info in history(place.repo, [tip], hide=theirs))
    mine = [(commit, _runs(place, commit)) for commit in lone]
    # Asked after the commits were seen: a run has its folder long before.
    under_way = {path.name for _, workdir in place.workdirs() for path in workdir.runs.glob("*")}
    for commit, runs in mine:
        for run in runs:
            if run not in place.recorded and run not in under_way:
                what = f"by-products of run {run[:8]}, which no branch records"
                step = "nothing has to be done: it keeps some bytes from dvc gc"
                where = f"{layout.DATA_BRANCH} at {commit[:12]}"
                yield Curable(what, where, step, level=Level.NOTE)


def _runs(place: CheckedRepository, commit: CommitHash) -> list[RunId]:
    return [
        RunId(match[1].decode("ascii"))
        for entry in walk_tree(place.repo, commit)
        if (match := _POINTER.fullmatch(entry.path))
    ]
