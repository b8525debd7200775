"""Records that cannot be read, were edited, or are not what their digest says."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError, NewerFormatError
from gitexp.git.objects import list_dir, look_at
from gitexp.git.transaction import layout
from gitexp.model.ids import EnvironmentDigest
from gitexp.model.report import Level
from gitexp.store import lookup
from gitexp.store.conclusions import contradiction
from gitexp.store.records import read_run
from gitexp.upkeep.doctor.place import Curable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gitexp.model.ids import RunId, TreeId
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
        try:
            read_run(place.repo, added.tree, run)
        except GitexpError:
            pass
        else:
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
            yield Curable(
                f"a recorded environment is damaged: {error.brief}",
                f"{tip.name}:{layout.ENVIRONMENTS}/{name}",
                f"git log --oneline -- {shlex.quote(f'{layout.ENVIRONMENTS}/{name}')}, "
                "and check the first version out",
                level=_level(tip),
            )
