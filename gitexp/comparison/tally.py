"""One count for all verbs: what of an experiment's records counts, as `compare` counts it.

`status`, `list`, `show` and `compare` ask here, so that no two of them can disagree. It reads
records; which experiments need that, and which can be told from a list's line, says `tallies`.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from gitexp.comparison import collapse, selection, sides
from gitexp.comparison.counting import UNPAIRED, Count, Evaluation, count, evaluation_of
from gitexp.comparison.gather import Gathered, RunPool, gather
from gitexp.errors import GitexpError
from gitexp.git.transaction.cache import Index, Kind
from gitexp.model import dataclass, replace
from gitexp.model.ids import CommitHash, InputsDigest
from gitexp.model.metrics import SCORED, MetricSummary, in_folds, recorded, summarise
from gitexp.model.run import Sample
from gitexp.provenance import trust_settings
from gitexp.stats.design import pairs_needed
from gitexp.store import plans
from gitexp.store.lookup import FoundRun
from gitexp.store.records import is_lasting

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from gitexp.comparison.eligible import Counted
    from gitexp.comparison.sides import Named, ResolvedSide
    from gitexp.git.repository import Repo
    from gitexp.model.comparison import Collapsed
    from gitexp.model.plan import Plan
    from gitexp.model.workspace import Workspace
    from gitexp.store.plans import Tip

_NOWHERE = InputsDigest("")  # of a baseline that nobody knows: no run has them


@dataclass(frozen=True, slots=True)
class Settled:
    """What counts in the end."""

    sides: tuple[ResolvedSide, ResolvedSide]
    plan: Plan | None
    gathered: Gathered
    count: Count  # without what came after a look
    everything: Count  # with it
    judged: Count  # of `count`, without what failed by the plan's rule: what `compare` tests
    collapsed: Collapsed | None  # that
    evaluation: Evaluation

    @property
    def paired(self) -> bool:
        """Whether repeats can be joined by seed."""
        return bool(self.count.pairs) and self.evaluation.same

    @property
    def full(self) -> bool:
        """Whether no further repeat would count."""
        there = self.count.pairs if self.paired else self.count.candidate.repeats
        if self.plan is None or not selection.has_fixed_number(self.plan):
            return False
        return len(there) >= self.count.left_of(self.plan.repeats)

    @property
    def late(self) -> frozenset[int]:
        """The candidate's seeds that came after a look."""
        return frozenset(self.everything.candidate.repeats.keys() - self.count.candidate.repeats)

    @property
    def chances(self) -> int:
        """What p is multiplied by, once this candidate has repeats."""
        if self.count.place:
            return self.count.chances()
        return self.count.variants + (not self.everything.candidate.repeats)

    @property
    def fewest(self) -> int:
        """How many pairs the test of their predictions, or parts, needs; 0: signs are flipped."""
        if self.plan is None:
            return 0
        if self.plan.stopping is None and self._has_parts(self.plan.metric):
            return 1
        if not all(each.config.predictions for each in self.sides):
            return 0
        from gitexp.comparison.designs import fewest_of_predictions  # noqa: PLC0415  loads numerics

        both = (self.everything.baseline.repeats, self.everything.candidate.repeats)
        recorded = [item.repeat for side in both for item in side.values()]
        return fewest_of_predictions(self.plan, recorded)

    def _has_parts(self, metric: str) -> bool:
        """Whether records have a metric by data sets, or by folds whose sizes are known."""
        inputs = {side.inputs for side in self.sides}
        runs = [item for item in self.gathered.found if item.run.inputs in inputs]
        samples = [one for item in runs for one in item.samples]
        name = recorded(metric, {one.metric for one in samples}, self.sides[1].config.metrics)
        mine = [one for one in samples if one.metric == name]
        return len({one.dataset for one in mine}) > 1 or in_folds(mine).get(name or "", False)

    def deciding(self, plan: Plan, chances: int) -> int:
        """Return how many pairs can decide where p is multiplied by so much."""
        by_signs = pairs_needed(plan.alpha / chances, one_sided=plan.effect.one_sided)
        return self.fewest or by_signs

    def amended(self, *, ran: bool = False) -> int:
        """Return what p is multiplied by once the plan was amended; `ran`: the candidate, since."""
        new = ran and not self.everything.candidate.repeats
        return replace(self.count, variants=self.count.variants + new).chances(amended=True)

    @property
    def candidate(self) -> tuple[int, ...]:
        """The candidate's seeds that count."""
        return tuple(sorted(self.judged.candidate.repeats))

    @property
    def baseline(self) -> tuple[int, ...]:
        """The baseline's: once there are as many pairs as planned, those with a partner."""
        return baseline_seeds(self.judged, self.plan)

    @property
    def by_run(self) -> dict[str, tuple[int, ...]]:
        """The seeds that count of each run that has any, or that only lacks partners."""
        found: dict[str, set[int]] = {u.run: set() for u in self.count.unused if u.why == UNPAIRED}
        sides = ((self.candidate, self.judged.candidate), (self.baseline, self.judged.baseline))
        for seeds, side in sides:
            for seed in seeds:
                found.setdefault(side.repeats[seed].found.run.id, set()).add(seed)
        return {run: tuple(sorted(seeds)) for run, seeds in found.items()}

    def summary(self, metric: str, *, baseline: bool = False) -> MetricSummary | None:
        """Return what `compare` shows of a side: over its pairs, where there are any."""
        repeats = (self.judged.baseline if baseline else self.judged.candidate).repeats
        used = self.judged.pairs if self.paired else tuple(repeats)
        samples = [s for seed in used for s in repeats[seed].samples.values() if s.metric == metric]
        return next((each for each in summarise(samples) if each.metric == metric), None)


@dataclass(frozen=True, slots=True)
class Tally:
    """What a list says of an experiment's records."""

    seeds: tuple[int, ...]
    primary: MetricSummary | None
    by_run: Mapping[str, Sequence[int]]
    collapsed: str = ""  # see `collapse.told`
    partners: int = 0  # the baseline's seeds


NOTHING = Tally((), None, {})


def baseline_seeds(judged: Count, plan: Plan | None) -> tuple[int, ...]:
    """Return the baseline's seeds that count; see `Settled.baseline`."""
    planned = 1 if plan is None else judged.left_of(plan.repeats)
    return judged.pairs if len(judged.pairs) >= planned else tuple(sorted(judged.baseline.repeats))


def settle(
    world: RunPool,
    baseline: ResolvedSide,
    candidate: ResolvedSide,
    plan: Plan | None,
    pool: tuple[str, ...] = (),
) -> Settled:
    """Gather and count, and leave out what was added after a look at the planned repeats."""
    gathered = gather(world, baseline, candidate, plan, pool)
    found, earlier = gathered.found, gathered.earlier
    everything = count(found, plan, baseline.inputs, candidate.inputs, earlier)
    evaluation = evaluation_of(everything)
    paired = bool(everything.pairs) and evaluation.same
    late = selection.late_seeds(everything, plan, paired=paired)
    counted = selection.without(everything, late)
    if why := selection.unjudged(found, counted, plan, candidate.inputs, earlier):
        counted = replace(counted, unjudged=why)
    elif plan is not None and (twice := selection.drawn_twice(found, counted, plan, earlier)):
        counted = replace(counted, warnings=(*counted.warnings, twice))
    both = bool(counted.pairs) and evaluation.same
    judged, gone = collapse.set_apart(counted, plan, paired=both)
    sides = (baseline, candidate)
    return Settled(sides, plan, gathered, counted, everything, judged, gone, evaluation)


def with_scores(workspace: Workspace, settled: Settled) -> Count:
    """Give repeats that are judged what a hidden holdout scored of their outputs, to be shown.

    By what was scored, whoever says so: a repeat that has other bytes gets nothing, and what a
    project itself calls so is not one. A metric of which two records disagree is not shown. Who
    has set the command is shown what it sealed, and nothing else. None decides: no plan names one.
    """
    counted, runs = settled.judged, settled.gathered.holdouts
    sides = (counted.baseline, counted.candidate)
    named = {name for s in sides for it in s.repeats.values() for name, *_ in it.samples}
    if not runs and not any(name.startswith(SCORED) for name in named):
        return counted
    command = trust_settings.holdout(workspace) if runs else ""
    used = [run for run in runs if not command or is_sealed(command, run)]
    found = [{s: _scores(it, used) for s, it in side.repeats.items()} for side in sides]
    every = [scores for side in found for scores in side.values()]
    open_ = {name for scores in every for name, values in scores.items() if len(values) > 1}
    names = {name for scores in every for name in scores} - open_
    said = [
        f"run {run.run.id} is not used: gitexp.holdout, as it is set, did not score that"
        for run in runs
        if run not in used
    ]
    said += [f"{name} is not shown: records of it disagree" for name in sorted(open_)]
    if names and not command:
        said.append(f"{', '.join(sorted(names))} is as recorded: who has its command can check it")
    mine, theirs = (
        replace(side, repeats={s: _scored(it, scores[s], names) for s, it in side.repeats.items()})
        for side, scores in zip(sides, found, strict=True)
    )
    return replace(counted, baseline=mine, candidate=theirs, warnings=(*counted.warnings, *said))


def is_sealed(command: str, found: FoundRun) -> bool:
    """Return whether a record says what a command scored; only who has it can write that."""
    return found.run.holdout == trust_settings.sealed(command, found.run, found.samples)


def has_scored(run: FoundRun, item: Counted) -> bool:
    """Return whether what a holdout scored are outputs of a repeat."""
    kept = {(out.path, out.md5) for out in item.repeat.outputs}
    return run.run.inputs == item.found.run.inputs and any(
        each.key == item.repeat.key
        and kept >= {(out.path, out.md5) for out in each.outputs} != set()
        for each in run.run.repeats
    )


def _scores(item: Counted, runs: Sequence[FoundRun]) -> dict[str, set[float]]:
    """Return what records say of a repeat's outputs, by metric."""
    found: dict[str, set[float]] = {}
    for run in runs:
        for row in run.samples if has_scored(run, item) else ():
            if row.seed == item.repeat.seed and row.metric.startswith(SCORED):
                found.setdefault(row.metric, set()).add(row.value)
    return found


def _scored(item: Counted, scores: Mapping[str, set[float]], names: Collection[str]) -> Counted:
    own = {key: row for key, row in item.samples.items() if not key[0].startswith(SCORED)}
    for name in scores.keys() & names:
        own[name, None, None, ""] = Sample(name, item.repeat.seed, min(scores[name]))
    return replace(item, samples=own)


def sources(
    repo: Repo, index: Index, plan: Plan, named: Named, fallback: CommitHash | None = None
) -> tuple[ResolvedSide, ResolvedSide, str]:
    """Return baseline and candidate of a plan, and why the baseline is not known."""
    at = fallback or sides.settled(repo, replace(named, plan=plan))
    candidate = sides.source(repo, named, at, index)
    try:
        base = sides.planned_baseline(repo, plan, named, index)
        return sides.source(repo, base, at, index), candidate, ""
    except GitexpError as error:
        unknown = replace(candidate, inputs=_NOWHERE)
        return unknown, candidate, f"baseline {plan.baseline.name}: {error.located}"


def of_plan(repo: Repo, index: Index, plan: Plan, named: Named) -> Settled:
    """Return what counts of an experiment."""
    added = plans.plan_commit(repo, plan, named.commit)
    baseline, candidate, _ = sources(repo, index, plan, named, added)
    return settle(RunPool(repo, index), baseline, candidate, plan)


def tallies(
    repo: Repo, index: Index, there: Sequence[Tip], asked: Mapping[str, Callable[[], Named]]
) -> dict[str, Tally]:
    """Count the records of experiments; what cannot be counted has nothing that counts.

    Remembered until an own branch or archive moves: what was run there may spend a seed.
    """
    own = "\n".join(sorted(f"{tip.ref} {tip.commit}" for tip in there if tip.own))
    where = hashlib.sha256(own.encode("utf-8", "surrogateescape"))
    keys = {f"{where.hexdigest()}:{key}": key for key in asked}
    rows = index.get(Kind.TALLY, keys)
    found = {key: _decoded(row) for key, row in rows.items()}
    lacking = {
        key: it
        for key, name in keys.items()
        if key not in found and (it := _sources(repo, index, asked[name])) is not None
    }
    if lacking:
        pairs = [pair for _, *pair in lacking.values()]
        world = RunPool(repo, index, {side.records for pair in pairs for side in pair})
        both = {side.inputs for pair in pairs for side in pair}
        # Most that moved on have no runs of what they are now: those before need not be read.
        known = {
            item.run.inputs for item in world.read(both, ()).values() if isinstance(item, FoundRun)
        }
        for key, (_, *pair) in lacking.items():
            if known.isdisjoint(side.inputs for side in pair):
                found[key] = NOTHING
        left = {key: it for key, it in lacking.items() if key not in found}
        world.read(both, [plan for plan, _, _ in left.values()])
        for key, (plan, baseline, candidate) in left.items():
            try:
                settled = settle(world, baseline, candidate, plan)
            except GitexpError as error:  # a history that cannot be read, or is too long
                if is_lasting(error):
                    found[key] = NOTHING
                continue
            primary, gone = settled.summary(plan.metric), collapse.told(settled.collapsed)
            partners = len(settled.baseline)
            found[key] = Tally(settled.candidate, primary, settled.by_run, gone, partners)
        index.put(Kind.TALLY, {key: _encoded(found[key]) for key in lacking.keys() & found.keys()})
    return {name: found.get(key, NOTHING) for key, name in keys.items()}


def _sources(
    repo: Repo, index: Index, look: Callable[[], Named]
) -> tuple[Plan, ResolvedSide, ResolvedSide] | None:
    try:
        named = look()
        if named.plan is None:
            return None
        baseline, candidate, _ = sources(repo, index, named.plan, named)
    except GitexpError:  # `show` and `compare` say what is wrong with it
        return None
    return named.plan, baseline, candidate


def _encoded(tally: Tally) -> bytes:
    one = tally.primary
    primary = None if one is None else [one.metric, one.n, one.mean, one.sd]
    rest = tally.by_run, tally.collapsed, tally.partners
    return json.dumps([tally.seeds, primary, *rest]).encode("ascii")


def _decoded(row: bytes) -> Tally:
    seeds, primary, *rest = json.loads(row)
    return Tally(tuple(seeds), None if primary is None else MetricSummary(*primary), *rest)
