"""Find every run that could matter to a comparison, and where in history each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.model.metricname import recorded, several
from gitexp.ops.counting import Found
from gitexp.store import lookup
from gitexp.store.ancestry import Graph
from gitexp.store.lookup import FoundRun
from gitexp.store.records import read_run
from gitexp.store.tips import tips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.ids import InputsDigest, RunId
    from gitexp.model.plan import Plan
    from gitexp.ops.eligible import Earlier
    from gitexp.ops.sides import Source
    from gitexp.store.ancestry import Addition
    from gitexp.store.index import Index


@dataclass(frozen=True, slots=True)
class Gathered:
    """The runs of both sides, with the order in which history has them."""

    found: Found
    earlier: Earlier
    warnings: tuple[str, ...]


def gather(  # noqa: PLR0913, PLR0917  where to look, for what
    repo: Repo,
    index: Index,
    baseline: Source,
    candidate: Source,
    plan: Plan | None,
    pool: tuple[str, ...],
) -> Gathered:
    """Look for the runs of two sides in all branches, remotes and archives.

    Parameters
    ----------
    plan : Plan or None
        Also its runs of other inputs: they are looks.
    pool : tuple of str
        Revisions whose runs are to be taken in.

    Raises
    ------
    UnknownRevisionError
        If a revision of `pool` names no commit.
    """
    tops = [tip.commit for tip in tips(repo)]
    pools = [objects.resolve(repo, name) for name in pool]
    graph = Graph(repo, index, [*tops, baseline.records, candidate.records, *pools])
    order = {item.run: item for item in graph.additions()}
    inputs = (baseline.inputs, candidate.inputs)
    anywhere = lookup.runs_by_inputs(repo, *inputs, plan=plan, index=index)
    known = {item.run.id: item for item in anywhere}
    unreadable = {item.id: item.why for item in anywhere.unreadable}
    reach = {
        commit: {item.run for item in graph.additions([commit])}
        for commit in (baseline.records, candidate.records, *pools)
    }
    for commit in reach:
        if commit not in tops:  # a detached commit may hold runs that no tip reaches
            own = lookup.runs_at(repo, commit, index)
            known = {item.run.id: item for item in own if item.run.inputs in inputs} | known
            unreadable |= {item.id: item.why for item in own.unreadable}
    for run in tuple(unreadable):  # whoever damages a record must not get rid of it
        first = _first_version(repo, order[run])
        if first is not None:
            del unreadable[run]
            if first.run.inputs in inputs or _is_of(first, plan):
                known[run] = first
    warnings = [
        f"run {run} cannot be read and counts nowhere: {why}"
        for run, why in sorted(unreadable.items())
    ]
    if anywhere.shallow:
        warnings.append("this clone is shallow: older runs may be unknown here")
    warnings += _edited(known.values())
    asked = () if plan is None else (plan.metric, *(guard.metric for guard in plan.guards))
    files = {side.inputs: side.config.metrics for side in (candidate, baseline)}
    added = tuple(_as_added(repo, order, known.values()))
    warnings += dict.fromkeys(_unclear(added, files, asked))
    every = sorted(_named(added, files, asked), key=lambda item: item.order)
    right = tuple(item for item in every if item.run.id in reach[candidate.records])
    rest = [item for item in every if item.run.id not in reach[candidate.records]]
    left = tuple(item for item in rest if item.run.id in reach[baseline.records])
    elsewhere = tuple(item for item in rest if item.run.id not in reach[baseline.records])
    taken = {run for commit in pools for run in reach[commit]}

    @cache
    def before(one: RunId, other: RunId) -> bool:
        return graph.is_before(order[one].commit, order[other].commit)

    def earlier(one: FoundRun, other: FoundRun) -> bool:
        return before(one.run.id, other.run.id)

    pooled = tuple(item for item in elsewhere if item.run.id in taken and item.run.inputs in inputs)
    return Gathered(Found(right, left, elsewhere, pooled), earlier, tuple(warnings))


def _named(
    runs: Iterable[FoundRun], files: Mapping[InputsDigest, Sequence[str]], asked: Sequence[str]
) -> Iterator[FoundRun]:
    """Give samples the names that the plan asks for; see `model.metricname`."""
    for item in runs:
        names = {sample.metric for sample in item.samples}
        mine = files.get(item.run.inputs, ())
        renamed = {recorded(name, names, mine): name for name in asked}
        if all(old in {None, new} for old, new in renamed.items()):
            yield item
            continue
        samples = (replace(s, metric=renamed.get(s.metric, s.metric)) for s in item.samples)
        yield replace(item, samples=tuple(samples))


def _unclear(
    runs: Iterable[FoundRun], files: Mapping[InputsDigest, Sequence[str]], asked: Sequence[str]
) -> Iterator[str]:
    """Yield what a plan asks for by a name that several files gave."""
    for item in runs:
        names = {sample.metric for sample in item.samples}
        for name in asked:
            called = several(name, names, files.get(item.run.inputs, ()))
            if called and name in names:
                yield (
                    f"several metrics files give {name}, and an earlier version recorded the first "
                    f"of them by the plain name, which counts: {', '.join(called)}"
                )
            elif called:
                yield f"several metrics files give {name}, so none counts: {', '.join(called)}"


def _is_of(item: FoundRun, plan: Plan | None) -> bool:
    under = item.run.plan
    return plan is not None and under is not None and plan.covers(under.name, under.digest)


def _first_version(repo: Repo, place: Addition) -> FoundRun | None:
    """Read a record as it was added; None where that cannot be read either."""
    try:
        run, samples = read_run(repo, place.tree, place.run)
    except GitexpError:
        return None
    return FoundRun(run, samples, place.commit, place.order, altered=True)


def _edited(runs: Iterable[FoundRun]) -> Iterator[str]:
    for item in runs:
        if item.altered:
            yield f"run {item.run.id} was edited after it was recorded; the first version counts"
        if item.deleted:
            yield f"run {item.run.id} was deleted after it was recorded; it counts all the same"


def _as_added(
    repo: Repo, order: Mapping[RunId, Addition], runs: Iterable[FoundRun]
) -> Iterator[FoundRun]:
    """Give the runs numbers of one order, and undo what somebody edited later."""
    for item in runs:
        place = order[item.run.id]
        if not item.altered:
            yield replace(item, commit=place.commit, order=place.order)
            continue
        first = _first_version(repo, place)
        if first is not None:  # else the edited version alone is left, and that proves nothing
            yield replace(first, refs=item.refs)
