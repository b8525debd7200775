"""Find every run that could matter to a comparison, and where in history each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.model.metricname import recorded, several
from gitexp.ops.contradicted import Sources
from gitexp.ops.counting import Found
from gitexp.ops.eligible import is_under
from gitexp.store import lookup
from gitexp.store.ancestry import Graph
from gitexp.store.layout import archive_tag
from gitexp.store.lookup import FoundRun
from gitexp.store.records import read_run
from gitexp.store.tips import tips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.git.repository import Repo
    from gitexp.model.ids import CommitHash, InputsDigest, RunId
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
    unreadable: tuple[lookup.Unreadable, ...] = ()
    shallow: bool = False  # older history is not in this clone


class World:
    """What all branches, remotes and archives hold, read once for all questions of a call.

    Parameters
    ----------
    repo : Repo
    index : Index
    more : iterable of CommitHash
        Commits that no branch or tag need lead to.
    """

    def __init__(self, repo: Repo, index: Index, more: Iterable[CommitHash] = ()) -> None:
        self.repo, self.index = repo, index
        self.tips = tips(repo)
        self.tops = frozenset(tip.commit for tip in self.tips)
        self.own = frozenset(tip.name for tip in self.tips if tip.local)
        self.graph = Graph(repo, index, [*sorted(self.tops), *more])
        self._within = (self.tips, self.graph) if {*self.graph.tips} == self.tops else None
        self.order = {item.run: item for item in self.graph.additions()}
        self.sources = Sources(repo, index)
        self._reach: dict[CommitHash, frozenset[RunId]] = {}
        self._before: dict[tuple[RunId, RunId], bool] = {}
        self._read: tuple[frozenset[str], lookup.Lookup] | None = None
        self._of: dict[str, list[FoundRun]] = {}  # by inputs, and by plan

    def at(self, *commits: CommitHash) -> World:
        """Return a world in which these commits can be asked for."""
        known = all(commit in self.graph.nodes for commit in commits)
        return self if known else World(self.repo, self.index, commits)

    def leads_to(self, commit: CommitHash) -> bool:
        """Return whether branches and tags are known to lead to a commit."""
        return commit in (self.tops if self._within is None else self.graph.nodes)

    def reach(self, commit: CommitHash) -> frozenset[RunId]:
        """Return the runs that a commit reaches."""
        if commit not in self._reach:
            self._reach[commit] = frozenset(i.run for i in self.graph.additions([commit]))
        return self._reach[commit]

    def earlier(self, one: FoundRun, other: FoundRun) -> bool:
        """Return whether a run was recorded before another one, by ancestry."""
        key = one.run.id, other.run.id
        if key not in self._before:
            first, then = (self.order[run].commit for run in key)
            self._before[key] = self.graph.is_before(first, then)
        return self._before[key]

    def read(self, inputs: Iterable[InputsDigest], plans: Iterable[Plan]) -> lookup.Lookup:
        """Return the runs of inputs or plans, wherever they are; at least those."""
        digests, under = tuple(inputs), tuple(plans)
        asked = frozenset((*digests, *(mark for plan in under for mark in _marks(plan))))
        if self._read is None or not asked <= self._read[0]:
            found = lookup.runs_by_inputs(
                self.repo, *digests, plans=under, index=self.index, within=self._within
            )
            self._read, self._of = (asked, found), {}
            for item in found:
                self._of.setdefault(item.run.inputs, []).append(item)
                if item.run.plan is not None:
                    mark = f"{item.run.plan.digest}:{item.run.plan.name}"
                    self._of.setdefault(mark, []).append(item)
        return self._read[1]

    def of(self, inputs: Iterable[InputsDigest], plan: Plan | None) -> dict[RunId, FoundRun]:
        """Return those of inputs, or under a plan, among what was `read`, in its order."""
        marks = (*inputs, *(() if plan is None else _marks(plan)))
        every = [item for mark in marks for item in self._of.get(mark, ())]
        mine = (item for item in every if item.run.inputs in inputs or is_under(item, plan))
        return {item.run.id: item for item in sorted(mine, key=lambda item: item.order)}


def gather(
    world: World,
    baseline: Source,
    candidate: Source,
    plan: Plan | None,
    pool: tuple[str, ...] = (),
) -> Gathered:
    """Look for the runs of two sides in all branches, remotes and archives.

    Parameters
    ----------
    world : World
    baseline, candidate : Source
    plan : Plan or None
        Also its runs of other inputs: they are looks.
    pool : tuple of str
        Revisions whose runs are to be taken in.

    Raises
    ------
    UnknownRevisionError
        If a revision of `pool` names no commit.
    """
    repo = world.repo
    pools = [objects.resolve(repo, name) for name in pool]
    world = world.at(baseline.records, candidate.records, *pools)
    order = world.order
    inputs = (baseline.inputs, candidate.inputs)
    anywhere = world.read(inputs, () if plan is None else (plan,))
    known = world.of(inputs, plan)
    unreadable = {item.id: item for item in anywhere.unreadable}
    for commit in (baseline.records, candidate.records, *pools):
        if not world.leads_to(commit):  # a detached commit may hold runs that no tip reaches
            own = lookup.runs_at(repo, commit, world.index)
            known = {item.run.id: item for item in own if item.run.inputs in inputs} | known
            unreadable |= {item.id: item for item in own.unreadable}
    mine, theirs = (world.reach(side.records) for side in (candidate, baseline))
    taken = {run for commit in pools for run in world.reach(commit)}
    for run, item in tuple(unreadable.items()):  # what a stranger pushed is for `list` to name
        if not item.own and run not in mine | theirs | taken:
            del unreadable[run]
    named = tuple(unreadable.values())
    for run in tuple(unreadable):  # whoever damages a record must not get rid of it
        first = _first_version(repo, order[run])
        if first is not None:
            del unreadable[run]
            if first.run.inputs in inputs or is_under(first, plan):
                known[run] = first
    warnings = [
        f"run {run} cannot be read and counts nowhere: {item.why}"
        for run, item in sorted(unreadable.items())
    ]
    if anywhere.shallow:
        warnings.append("this clone is shallow: older runs may be unknown here")
    warnings += _edited(known.values())
    asked = () if plan is None else (plan.metric, *(guard.metric for guard in plan.guards))
    files = {side.inputs: side.config.metrics for side in (candidate, baseline)}
    added = tuple(_as_added(repo, order, known.values()))
    warnings += dict.fromkeys(_unclear(added, files, asked))
    every = sorted(_named(added, files, asked), key=lambda item: item.order)
    right = tuple(item for item in every if item.run.id in mine)
    rest = [item for item in every if item.run.id not in mine]
    left = tuple(item for item in rest if item.run.id in theirs)
    elsewhere = tuple(item for item in rest if item.run.id not in theirs)
    pooled = tuple(item for item in elsewhere if item.run.id in taken and item.run.inputs in inputs)
    wrong = {
        item.run.id: why
        for item in (*right, *left, *pooled)
        if item.run.inputs in inputs
        and (why := world.sources.contradiction(item.run, item.samples, item.commit, plan))
    }
    warnings += [f"run {run} is not used: {why}" for run, why in sorted(wrong.items())]
    lines = _lines(world, candidate, plan, elsewhere)
    scores = (item for item in elsewhere if item.run.inputs == baseline.inputs)
    seen = tuple(item for item in scores if not world.own.isdisjoint(item.refs))
    return Gathered(
        Found(right, left, elsewhere, pooled, lines, seen, wrong),
        world.earlier,
        tuple(warnings),
        named,
        anywhere.shallow,
    )


def _marks(plan: Plan) -> tuple[str, ...]:
    return tuple(f"{plan.digest}:{name}" for name in (plan.name, *plan.formerly))


def _lines(
    world: World,
    candidate: Source,
    plan: Plan | None,
    elsewhere: Iterable[FoundRun],
) -> tuple[tuple[str, tuple[FoundRun, ...]], ...]:
    """Return where the user's own branches, and the archive, have more runs of this very question.

    What other people's branches hold is their word.
    """
    mine = [
        item for item in elsewhere if item.run.inputs == candidate.inputs and is_under(item, plan)
    ]
    if plan is None or not mine:
        return ()
    tags = {archive_tag(name) for name in (plan.name, *plan.formerly)}
    archived = any(tip.ref in tags and tip.commit == candidate.records for tip in world.tips)
    own = [
        tip
        for tip in world.tips
        if tip.ref in tags or (tip.local and not (archived and tip.branch == plan.branch))
    ]
    held = ((tip.name, world.reach(tip.commit)) for tip in sorted(own, key=lambda tip: tip.local))
    return tuple(
        (name, runs)
        for name, there in held
        if (runs := tuple(item for item in mine if item.run.id in there))
    )


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
