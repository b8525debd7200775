"""Find every run that could matter to a comparison, and where in history each of them stands."""

from __future__ import annotations

import contextlib
from collections import ChainMap
from typing import TYPE_CHECKING

from gitexp.comparison.counting import FoundRuns
from gitexp.comparison.eligible import finished_seeds, is_under, was_under
from gitexp.comparison.environments import Environments
from gitexp.errors import GitexpError
from gitexp.git import objects
from gitexp.git.transaction.layout import archive_tag, environment_dir, run_dir
from gitexp.model import dataclass, replace
from gitexp.model.ids import ABSENT, CommitHash, InputsDigest, RunId, TreeId
from gitexp.model.metrics import recorded, several
from gitexp.model.run import Origin
from gitexp.provenance.contradicted import Sources, in_order, strange_to
from gitexp.rules.facts import restoring
from gitexp.store import lookup
from gitexp.store.ancestry import Addition, Graph, listings
from gitexp.store.lookup import FoundRun
from gitexp.store.plans import own_tips, plan_named, tips

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Earlier
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.git.transaction.cache import Index
    from gitexp.model.plan import Plan


@dataclass(frozen=True, slots=True)
class Gathered:
    """The runs of both sides, with the order in which history has them."""

    found: FoundRuns
    earlier: Earlier
    warnings: tuple[str, ...]
    unreadable: tuple[lookup.Unreadable, ...] = ()
    shallow: bool = False  # older history is not in this clone
    holdouts: tuple[FoundRun, ...] = ()  # what scored repeats of the sides, in their own history


class RunPool:
    """What is the user's own, read once for all questions of a call, and what is asked about.

    Own are branches here and what was archived here, with their whole history. What a fetch
    brought is other people's word: it counts where it is asked about, and nowhere else. `more` is
    asked about, too, where no branch or archive of the user's may lead to it.
    """

    def __init__(self, repo: Repo, index: Index, more: Iterable[CommitHash] = ()) -> None:
        self.repo, self.index = repo, index
        self.every = tips(repo)
        self.tips = tuple(tip for tip in self.every if tip.own)
        tops = {tip.commit for tip in self.tips}
        self.graph = Graph(repo, index, [*sorted(tops), *more])
        self.own = self.graph.first(self.graph.led_to(sorted(tops)))
        self.sources = Sources(repo, index)
        self._names = {tip.commit: tip.name for tip in reversed(self.every)}
        self._reach: dict[CommitHash, dict[RunId, Addition]] = {}
        self._before: dict[tuple[CommitHash, CommitHash], bool] = {}
        self._read: tuple[frozenset[str], _Versions] = (frozenset(), {})
        self._of: dict[str, list[_Version]] = {}  # by inputs, and by plan
        self._seen = frozenset[int]()  # seeds of all that was read
        self._held: dict[RunId, dict[str, TreeId]] = {}

    def at(self, *commits: CommitHash) -> RunPool:
        """Return a world in which these commits can be asked for."""
        known = all(commit in self.graph.nodes for commit in commits)
        return self if known else RunPool(self.repo, self.index, commits)

    def reach(self, commit: CommitHash) -> dict[RunId, Addition]:
        """Return the runs that a commit reaches, as its own history has them."""
        if commit not in self._reach:
            self._reach[commit] = {item.run: item for item in self.graph.additions([commit])}
        return self._reach[commit]

    def earlier(self, one: FoundRun, other: FoundRun) -> bool:
        """Return whether a run was recorded before another one, by ancestry."""
        key = one.commit, other.commit
        if key not in self._before:
            self._before[key] = self.graph.is_before(*key)
        return self._before[key]

    def read(self, inputs: Iterable[InputsDigest], plans: Iterable[Plan]) -> _Versions:
        """Return every version of the runs of inputs or plans; at least those."""
        digests, under = tuple(inputs), tuple(plans)
        asked = frozenset((*digests, *(mark for plan in under for mark in _marks(plan))))
        if not asked <= self._read[0]:
            found = lookup.versions(self.repo, self.index, self.graph, digests, under)
            self._read, self._of = (asked, found), {}
            self._seen = lookup.seeds_of(found.values())
            drawn = frozenset[int]().union(*(plan.likely_seeds(self._seen) for plan in under))
            for key, item in found.items():
                marks = ["" if isinstance(item, lookup.Unreadable) else item.run.inputs]
                if isinstance(item, FoundRun) and item.run.plan is not None:
                    marks.append(f"{item.run.plan.digest}:{item.run.plan.name}")
                if isinstance(item, FoundRun):
                    marks += [f"seed {seed}" for seed in drawn.intersection(item.run.seeds)]
                for mark in marks:
                    self._of.setdefault(mark, []).append((key, item))
            runs = {run for run, _ in found}
            self._held = lookup.holders(self.repo, self.index, self.tips, runs)
        return self._read[1]

    def of(
        self, inputs: Sequence[InputsDigest], plan: Plan | None, asked: Sequence[CommitHash]
    ) -> tuple[dict[RunId, FoundRun], dict[RunId, lookup.Unreadable]]:
        """Return the runs of inputs or a plan; of those asked about, by their own history."""
        places = ChainMap(*map(self.reach, asked), self.own)
        listed = listings(self.repo, self.index, asked)
        mine = frozenset[int]() if plan is None else plan.likely_seeds(self._seen)
        marks = ("", *inputs, *(() if plan is None else _marks(plan)))
        marks += tuple(f"seed {seed}" for seed in sorted(mine))
        found: dict[RunId, FoundRun] = {}
        bad: dict[RunId, lookup.Unreadable] = {}
        for (run, tree), item in (each for mark in marks for each in self._of.get(mark, ())):
            place = places.get(run)
            if place is None or place.tree != tree:
                continue
            if isinstance(item, lookup.Unreadable):
                bad[run] = item
            elif (
                item.run.inputs in inputs
                or was_under(item, plan)
                or not mine.isdisjoint(item.run.seeds)
            ):
                here = {at: held[run] for at, held in listed.items() if run in held}
                own = tuple(self._held.get(run, ()))
                found[run] = replace(
                    item,
                    commit=place.commit,
                    order=place.order,
                    refs=own or tuple(self._names[at] for at in here if at in self._names),
                    deleted=not (own or here),
                    altered=any(held != tree for held in here.values()),
                )
        return dict(sorted(found.items(), key=lambda each: each[1].order)), bad


_Version = tuple[tuple["RunId", "TreeId"], "FoundRun | lookup.Unreadable"]
_Versions = dict[tuple["RunId", "TreeId"], "FoundRun | lookup.Unreadable"]


def gather(
    world: RunPool,
    baseline: ResolvedSide,
    candidate: ResolvedSide,
    plan: Plan | None,
    pool: tuple[str, ...] = (),
) -> Gathered:
    """Look for the runs of two sides in what they reach, and in what is the user's own.

    Others' runs count where they are asked about. Of a plan also those of other inputs: they are
    looks. `pool`: revisions to be taken in.
    """
    pools = [objects.resolve(world.repo, name) for name in pool]
    asked_of = (candidate.records, baseline.records, *pools)
    world = world.at(*asked_of)
    inputs = (baseline.inputs, candidate.inputs)
    world.read(inputs, () if plan is None else (plan,))
    known, unreadable = world.of(inputs, plan, asked_of)
    mine, theirs = (world.reach(side.records) for side in (candidate, baseline))
    taken = {run for commit in pools for run in world.reach(commit)}
    under = (item for run, item in known.items() if run in mine and is_under(item, plan))
    strange = strange_to(world.repo, plan, under)
    asked_for = mine.keys() | theirs.keys() | taken
    for found in (known, unreadable):
        for run in [r for r in found if r not in asked_for and strange(found[r].commit)]:
            del found[run]
    # These add no repeat, and take none.
    holdouts = {run: known.pop(run) for run, item in list(known.items()) if item.run.is_holdout}
    past = {
        run: known.pop(run)
        for run, item in list(known.items())
        if item.run.inputs not in inputs and not is_under(item, plan)
    }
    names = () if plan is None else (plan.name, *plan.formerly)
    twins = frozenset(
        run
        for run, item in past.items()
        if item.run.plan and item.run.plan.name not in names and strange(item.commit)
    )
    warnings = [
        f"run {run} cannot be read and counts nowhere: {item.why}"
        for run, item in sorted(unreadable.items())
    ]
    shallow = world.graph.is_shallow(world.repo)
    if shallow:
        warnings.append("this clone is shallow: older runs may be unknown here")
    warnings += edited(known.values())
    asked = () if plan is None else (plan.metric, *(guard.metric for guard in plan.guards))
    files = {side.inputs: side.config.metrics for side in (candidate, baseline)}
    warnings += dict.fromkeys(_unclear(known.values(), files, asked))
    every = tuple(_named(known.values(), files, asked))
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
    lines = _lines(world, candidate, plan, [it for it in elsewhere if it.run.inputs in inputs])
    scores = (item for item in elsewhere if item.run.inputs == baseline.inputs)
    seen = tuple(item for item in scores if item.run.id in world.own)
    return Gathered(
        FoundRuns(
            right,
            left,
            elsewhere,
            pooled,
            lines,
            seen,
            tuple(past.values()),
            tuple(_attempts(world, known.values(), plan, inputs)),
            twins,
            contradicted=wrong,
            alike=Environments(world.repo).alike,
            ancestry=world.earlier,
        ),
        in_order(world.earlier, strange),
        tuple(warnings),
        tuple(unreadable.values()),
        shallow,
        tuple(item for run, item in holdouts.items() if run in asked_for),
    )


class RecordedBefore:
    """Whether one run was recorded before another; the history is walked when that is asked."""

    def __init__(self, repo: Repo, index: Index) -> None:
        self._repo, self._index = repo, index
        self._graph: Graph | None = None
        self._added: dict[RunId, CommitHash] = {}

    def __call__(self, one: FoundRun, other: FoundRun) -> bool:
        """Tell it of two runs that own branches and archives reach."""
        if self._graph is None:
            self._graph = Graph(self._repo, self._index, [t.commit for t in own_tips(self._repo)])
            self._added = {item.run: item.commit for item in self._graph.additions()}
        if not {one.run.id, other.run.id} <= self._added.keys():
            return one.run.id in self._added  # what is pending comes last
        return self._graph.is_before(self._added[one.run.id], self._added[other.run.id])


def _marks(plan: Plan) -> tuple[str, ...]:
    digests = plan.digest, *(each.digest for each in plan.amended)
    return tuple(f"{each}:{name}" for each in digests for name in (plan.name, *plan.formerly))


def _lines(
    world: RunPool, candidate: ResolvedSide, plan: Plan | None, elsewhere: Iterable[FoundRun]
) -> tuple[tuple[str, tuple[FoundRun, ...]], ...]:
    """Return where the user's own branches, and the archive, have more runs of this question."""
    mine = [item for item in elsewhere if is_under(item, plan)]
    if plan is None or not mine:
        return ()
    tags = {archive_tag(name) for name in (plan.name, *plan.formerly)}
    archived = any(tip.ref in tags and tip.commit == candidate.records for tip in world.tips)
    own = [
        tip
        for tip in world.tips
        if plan.drawn
        or tip.ref in tags
        or (tip.local and not (archived and tip.branch == plan.branch))
    ]
    held = ((tip.name, world.reach(tip.commit)) for tip in sorted(own, key=lambda tip: tip.local))
    return tuple(
        (name, runs)
        for name, there in held
        if (runs := tuple(item for item in mine if item.run.id in there))
    )


def _attempts(
    world: RunPool,
    runs: Iterable[FoundRun],
    plan: Plan | None,
    inputs: tuple[InputsDigest, InputsDigest],
) -> Iterator[FoundRun]:
    """Yield what was tried of a candidate under other plans; not where it was their baseline.

    There a score was seen: a repeat finished, or it is recorded of one that did not.

    `inputs`: of the baseline and the candidate.
    """
    if plan is None or plan.drawn is None or inputs[0] == inputs[1]:
        return
    for item in runs:
        run, ref = item.run, item.run.plan
        if ref is None or run.inputs != inputs[1] or was_under(item, plan):
            continue
        tried = finished_seeds(item) or any(each.seen for each in run.own_repeats)
        if run.origin is not Origin.OBSERVED or run.source.swaps or not tried:
            continue
        was_base = False
        with contextlib.suppress(GitexpError):  # under a plan that nobody can read it was tried
            other = plan_named(world.repo, ref.name, item.commit)
            was_base = other is not ABSENT and other.was_baseline(run.source.commit, ref.digest)
        if run.source.overrides or not was_base:
            yield item


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


def edited(runs: Iterable[FoundRun]) -> Iterator[str]:
    """Yield which records are otherwise than they were recorded, and what puts them back."""
    for item in runs:
        used = {repeat.environment for repeat in item.run.repeats if repeat.environment}
        folders = run_dir(item.run.id), *map(environment_dir, sorted(used))
        back = restoring(item.commit, *folders)
        if item.altered:
            yield (
                f"run {item.run.id} was edited after it was recorded; the first version counts, "
                f"and gitexp check refuses the branch until it is back: {back}"
            )
        if item.deleted:
            yield (
                f"run {item.run.id} was deleted after it was recorded; it counts all the same, "
                f"and gitexp check refuses the branch until it is back: {back}"
            )
