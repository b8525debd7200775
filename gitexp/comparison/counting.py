r"""Decide which recorded samples count in a comparison; pure, and blind to whether a value is good.

A sample's key is (inputs, environment, seeds, rep, fold, dataset, metric). With several seed
parameters, the same number beside another fixed seed is another sample; sides pair on equal seeds
only.

* Candidate samples count from runs under *this* plan that the compared commit reaches. All else
  of the candidate's inputs is exploratory; its seeds are *spent*: whoever saw them before the plan
  could choose the variant that was lucky with just these seeds.
* Later measurements cannot bias an earlier one. A run spends a seed unless the sample that counts
  comes before it in ancestry; on parallel lines, where only clocks could tell, the seed is spent,
  unless others ran it there (`provenance.contradicted`).
  (Were it always spent, running an unwelcome seed once more without a plan would remove it.)
* The same key never adds to n: the first in ancestry counts, on parallel lines the smallest id.
* By the first rules each side uses one environment, one set of links and one of fixed seeds: the
  first in which the candidate had its planned repeats, whatever came later (else whoever installs
  a package draws again until the answer pleases); before that the largest that both share.
* By the second rules the unit is the pair. The first finished repeat of a seed under the plan
  counts, in whatever environment; its partner is the baseline's first in one that is `Alike`. A
  pair without one is failed, and no other seed replaces it: else an installation takes out what
  did not please. Where repeats do not pair, one environment counts, that of the first of them.
"""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

from gitexp.comparison.drawn import Tries, drawn_seeds, in_time
from gitexp.comparison.eligible import (
    Counted,
    count_looks,
    given_up,
    left_aside,
    of_baseline,
    of_candidate,
    seeding,
)
from gitexp.comparison.pairs import OTHER_ENVIRONMENT, UNLIKE, JoinedSides, first, join
from gitexp.model import dataclass, field, replace
from gitexp.model.comparison import Unused, price_of_try
from gitexp.model.run import Key, Repeat, RepeatState, Sample, other_seeds
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from gitexp.comparison.eligible import Alike, Earlier, Eligible
    from gitexp.comparison.pairs import Group, Name, Several
    from gitexp.model.ids import EnvironmentDigest, InputsDigest, RunId
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun

CONTRADICTED = "contradicts itself"
ELSEWHERE = "found elsewhere"
REPEATED = "the same sample again"
OTHER_DATA = "other linked data"
OTHER_SEEDS = "other fixed seeds"
UNPAIRED = "unpaired seed"


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """All runs that could matter, sorted by where they were found."""

    candidate: tuple[FoundRun, ...]  # reachable from the compared commit
    baseline: tuple[FoundRun, ...] = ()  # reachable from the baseline and not from the candidate
    elsewhere: tuple[FoundRun, ...] = ()  # reachable from neither
    pooled: tuple[FoundRun, ...] = ()  # those of `elsewhere` that ``--pool`` takes in
    # what own branches, and the archive, have of `elsewhere` under this plan, of both sides
    lines: tuple[tuple[str, tuple[FoundRun, ...]], ...] = ()
    scores: tuple[FoundRun, ...] = ()  # of `elsewhere`, what own branches have of the baseline
    past: tuple[FoundRun, ...] = ()  # under the plan before it was amended, of other inputs
    attempts: tuple[FoundRun, ...] = ()  # of this candidate, under plans that drew other seeds
    twins: frozenset[RunId] = frozenset()  # of `past`, under plans of others with the same seeds
    # what a plan of the second rules asks of a pair
    alike: Alike = lambda _, first, __, second: first.place == second.place
    # which of two runs lies on the other, whatever their clocks say
    ancestry: Earlier = lambda *_: False
    # runs that are not what they say, and why; they never count
    contradicted: Mapping[RunId, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[FoundRun]:
        """Go over all of them, each once."""
        yield from (*self.candidate, *self.baseline, *self.elsewhere)


@dataclass(frozen=True, slots=True)
class SideCount:
    """What counts on one side."""

    repeats: Mapping[int, Counted]  # by seed
    environment: EnvironmentDigest | None
    links: str
    failed: tuple[tuple[int, str], ...]  # (seed, why) of repeats that never finished
    seeding: tuple[str, ...] = ()  # as `eligible.seeding` says it
    interrupted: tuple[int, ...] = ()  # those of `failed` that were stopped or killed


@dataclass(frozen=True, slots=True)
class Count:
    """What counts on both sides, and what was left aside."""

    baseline: SideCount
    candidate: SideCount
    pairs: tuple[int, ...]  # seeds present on both sides
    confounded: str  # "", "environment", "data" or "seeds"
    unused: tuple[Unused, ...]
    warnings: tuple[str, ...]
    looks: int
    # different inputs run under this plan, the baseline's left out; where it drew its seeds, tries
    variants: int
    unjudged: str = ""  # why nothing is decided from it, whatever the values
    given_up: frozenset[int] = frozenset()  # seeds that failed, and are dropped
    ended: frozenset[int] = frozenset()  # of these what no other seed stands in for
    spent: frozenset[int] = frozenset()  # of those drawn with the plan, that others replace
    doubtful: tuple[int, ...] = ()  # see `drawn.DrawnSeeds`
    in_pairs: bool = False  # environments are equal within each pair, and need not be over all
    environments: int = 0  # of `variants`: further ones, where repeats do not pair
    place: int = 0  # of the candidate among tries; 0: p pays for all variants alike
    after: tuple[str, ...] = ()  # other plans under which this candidate was tried before

    def chances(self, *, amended: bool = False) -> int:
        """Return what p is multiplied by, or would be once the plan was amended."""
        if not self.place:
            return max(1, self.variants)
        if amended:
            return price_of_try(self.variants - self.environments + 1)
        return price_of_try(self.place) * (1 + self.environments)

    def left_of(self, planned: int) -> int:
        """Return how many of the planned repeats are left without those that ended."""
        return max(1, planned - len(self.ended))

    @property
    def failed(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Seeds of either side that never finished; the baseline's, where the candidate has one."""
        right = tuple(seed for seed, _ in self.candidate.failed)
        tried = {*self.candidate.repeats, *right}
        return tuple(seed for seed, _ in self.baseline.failed if seed in tried), right


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Whether both sides were measured on the same evaluation data."""

    differing: tuple[int, ...]  # seeds (paired) whose identities differ
    undeclared: bool  # nothing says what the evaluation data are, on either side
    bases: tuple[str, ...]  # "predictions", "evaluation", "data", "undeclared"

    @property
    def same(self) -> bool:
        """No difference was found."""
        return not self.differing


def count(
    found: FoundRuns,
    plan: Plan | None,
    baseline: InputsDigest,
    candidate: InputsDigest,
    earlier: Earlier,
) -> Count:
    """Sort all samples into those that count and those that are only shown.

    Without a plan every reachable run counts, and nothing is decided. `earlier`: of recording
    commits.
    """
    warnings: list[str] = []
    everywhere, wrong = tuple(found), found.contradicted
    unused = [left_aside(CONTRADICTED, item) for item in everywhere if item.run.id in wrong]
    mine, beside = (
        tuple(item for item in runs if item.run.id not in wrong)
        for runs in ((*found.candidate, *found.pooled), found.baseline)
    )
    ours = of_candidate(mine, everywhere, plan, candidate, earlier)
    past = (*everywhere, *found.past)
    theirs = of_baseline((*mine, *beside), plan, baseline, past)
    in_pairs = plan is not None and plan.rules > 1

    def partners(judged: Collection[int] | None = None) -> JoinedSides:
        """Return the repeats of both sides that may count, by the plan's rules."""
        one, two = (_measured(side, in_pairs=in_pairs) for side in (theirs, ours))
        sides = JoinedSides(one, two)
        if plan is None or not in_pairs:
            return sides
        return join(sides, earlier, found.alike, drawn=plan.drawn is not None, judged=judged)

    if plan is not None and plan.drawn and in_pairs:  # without a partner no seed is done
        every = partners(frozenset(islice(plan.drawn.sequence(), plan.fewest)))
        theirs = replace(theirs, unlike=frozenset(key[0] for _, key in every.unlike))
    drawn = drawn_seeds(past, plan, baseline, (theirs, ours), earlier)
    if drawn is not None:
        theirs, ours = drawn.only(theirs), drawn.only(ours)
    unused += (*ours.unused, *theirs.unused)
    pooled = {item.run.id for item in found.pooled}
    unused.extend(
        left_aside(ELSEWHERE, item)
        for item in found.elsewhere
        if item.run.inputs in {baseline, candidate} and item.run.id not in pooled
    )
    joined = partners()
    unused += joined.unused

    def chosen(several: Sequence[Counted]) -> Counted:
        return several[0] if in_pairs else first(several, earlier)

    left = _collect(joined.baseline, chosen, warnings, unused, "baseline")
    right = _collect(joined.candidate, chosen, warnings, unused, "candidate")
    (left_key, right_key), confounded = _choose(left, first_complete(right, plan))
    _others(left, left_key, unused)
    _others(right, right_key, unused)
    shared: set[Key] = set()
    if left_key is not None and right_key is not None:
        shared = left[left_key].keys() & right[right_key].keys()
    one = _side(left, left_key, theirs, shared, unused)
    if joined.unlike:
        whys = {key[0]: UNLIKE for _, key in joined.unlike} | dict(one.failed)
        one = replace(one, failed=tuple(sorted(whys.items())))
    two = _side(right, right_key, ours, shared, unused)
    pairs = tuple(sorted({seed for seed, _ in shared}))
    warnings += _committed_seeds(one, two)
    if found.pooled:
        none = "; where a plan drew its seeds, none but its own count" if drawn else ""
        warnings.append(
            f"{numbers.amount(len(found.pooled), 'run')} from outside the history pooled because "
            f"you asked{none}"
        )
    tries = (
        Tries(0)
        if drawn is None
        else drawn.tries(
            [item for item in past if item.run.id not in found.twins],
            baseline,
            [item.found for item in two.repeats.values()] or ours.runs,
            found.attempts,
            in_time(earlier, found.ancestry),
        )
    )
    shown = (item for item in everywhere if item.run.id not in tries.told)
    looks, variants = count_looks(shown, plan, baseline, earlier, ours.judged)
    result = Count(
        baseline=one,
        candidate=two,
        pairs=pairs,
        confounded=confounded,
        unused=(),
        warnings=tuple(warnings),
        looks=looks,
        variants=(variants if drawn is None else tries.number) + joined.environments,
        in_pairs=in_pairs,
        environments=joined.environments,
        place=tries.place,
        after=tries.after,
        given_up=given_up(plan, theirs, ours),
        ended=frozenset() if drawn is None else drawn.ended,
        spent=frozenset() if drawn is None else drawn.spent,
        doubtful=() if drawn is None else drawn.doubtful,
    )
    if pairs and evaluation_of(result).same:  # else every repeat counts, in one of two groups
        unused.extend(
            left_aside(UNPAIRED, item.found, (seed,))
            for side in (one, two)
            for seed, item in side.repeats.items()
            if seed not in pairs
        )
    return replace(result, unused=_joined(unused))


def evaluation_of(counted: Count) -> Evaluation:
    """Compare the evaluation identities of both sides: by seed if paired, else as sets."""
    sides = (counted.baseline.repeats, counted.candidate.repeats)
    repeats = [item.repeat for side in sides for item in side.values()]
    bases = tuple(sorted({item.evaluation_basis or "undeclared" for item in repeats}))
    undeclared = bool(repeats) and all(item.evaluation is None for item in repeats)
    if counted.pairs:
        differing = tuple(
            seed
            for seed in counted.pairs
            if sides[0][seed].repeat.measured_on != sides[1][seed].repeat.measured_on
        )
    else:
        left, right = ({item.repeat.measured_on for item in side.values()} for side in sides)
        differing = tuple(sorted(sides[1])) if left and right and left != right else ()
    return Evaluation(differing, undeclared, bases)


def _collect(
    measured: Several,
    chosen: Callable[[Sequence[Counted]], Counted],
    warnings: list[str],
    unused: list[Unused],
    side: str,
) -> dict[Group, dict[Key, Counted]]:
    """Return the repeats that count, by what sets them apart as a whole, then by their key."""
    groups: dict[Group, dict[Key, Counted]] = {}
    unstable: dict[str, set[int]] = {}
    for (group, name), several in measured.items():
        first, seed = chosen(several), name[0]
        groups.setdefault(group, {})[name] = first
        for other in several:
            if other is first:
                continue
            unused.append(left_aside(REPEATED, other.found, (seed,)))
            for key in other.samples.keys() & first.samples.keys():
                if other.samples[key].value != first.samples[key].value:
                    unstable.setdefault(key[0], set()).add(seed)
    for metric, seeds in sorted(unstable.items()):
        warnings.append(
            f"not deterministic: {metric} of the {side} differs between runs of the same "
            f"inputs, environment and {numbers.seeds(seeds)}; the first run counts"
        )
    return groups


def _measured(eligible: Eligible, *, in_pairs: bool) -> dict[Name, list[Counted]]:
    """Join the repeats of all runs to their samples, by environment, links and seeds.

    `in_pairs`: environment and links are no matter of a whole side.
    """
    rows: dict[tuple[str, int], list[Sample]] = {}
    for item in eligible.runs:
        for sample in item.samples:
            rows.setdefault((item.run.id, sample.seed), []).append(sample)
    measured: dict[Name, list[Counted]] = {}
    for item, repeat in eligible.repeats():
        samples = {
            (row.metric, row.rep, row.fold, row.dataset): row
            for row in rows.get((item.run.id, repeat.seed), ())
        }
        where = (None, "") if in_pairs else repeat.place
        key = ((*where, seeding(item, repeat)), repeat.key)
        measured.setdefault(key, []).append(Counted(item, repeat, samples))
    return measured


def _choose(
    left: Mapping[Group, Mapping[Key, Counted]], right: Mapping[Group, Mapping[Key, Counted]]
) -> tuple[tuple[Group | None, Group | None], str]:
    """Return the group of each side and what confounds them ("" where nothing does)."""

    def size(pair: tuple[Group, Group]) -> tuple[int, int, int]:
        one, two = left[pair[0]], right[pair[1]]
        return len(one.keys() & two.keys()), min(len(one), len(two)), len(one) + len(two)

    def largest(pairs: Iterable[tuple[Group, Group]]) -> tuple[Group, Group]:
        by_name = sorted(pairs, key=lambda pair: tuple(_order(group) for group in pair))
        return max(by_name, key=size)

    if not left or not right:
        only = left or right
        group = max(sorted(only, key=_order), key=lambda group: len(only[group]), default=None)
        return (group if left else None, group if right else None), ""
    every = list(product(left, right))
    for confounded, parts in (("", (0, 1, 2)), ("seeds", (0, 1)), ("data", (0, 2)), ("data", (0,))):
        same = [pair for pair in every if all(pair[0][n] == pair[1][n] for n in parts)]
        if same:
            return largest(same), confounded
    return largest(every), "environment"


def first_complete(
    groups: Mapping[Group, Mapping[Key, Counted]], plan: Plan | None
) -> Mapping[Group, Mapping[Key, Counted]]:
    """Return the group that was the first to have what the plan judges; all while none has."""
    if plan is None:
        return groups
    reached = {
        sorted(item.found.order for item in repeats.values())[plan.fewest - 1]: group
        for group, repeats in sorted(groups.items(), key=lambda each: _order(each[0]), reverse=True)
        if len(repeats) >= plan.fewest
    }
    return {reached[min(reached)]: groups[reached[min(reached)]]} if reached else groups


def _order(group: Group) -> tuple[str, str, tuple[str, ...]]:
    return group[0] or "", *group[1:]


def _side(
    groups: Mapping[Group, dict[Key, Counted]],
    key: Group | None,
    side: Eligible,
    shared: Collection[Key],
    unused: list[Unused],
) -> SideCount:
    repeats: dict[int, Counted] = {}
    # Two keys of one number: the first repeat of states whose varied seeds were other ones.
    mine = {} if key is None else groups[key]
    for name in sorted(mine, key=lambda each: (each not in shared, each)):
        repeats.setdefault(name[0], mine[name])
    unused.extend(
        left_aside(UNPAIRED, item.found, (seed,))
        for (seed, _), item in mine.items()
        if item is not repeats[seed]
    )
    finished = {seed for group in groups.values() for seed, _ in group}
    failed: dict[int, Repeat] = {}
    for item in side.runs:
        for repeat in item.run.own_repeats:
            judged = side.judged is None or repeat.seed in side.judged
            if judged and not (repeat.state is RepeatState.FINISHED or repeat.seed in finished):
                failed[repeat.seed] = repeat
    environment, links, seeding_ = (None, "", ()) if key is None else key
    every = {item.repeat.environment for item in repeats.values()}
    environment = every.pop() if len(every) == 1 else environment
    return SideCount(
        dict(sorted(repeats.items())),
        environment,
        links,
        tuple((seed, each.reason or each.state.value) for seed, each in sorted(failed.items())),
        seeding=seeding_,
        interrupted=tuple(sorted(seed for seed, each in failed.items() if each.interrupted)),
    )


def _committed_seeds(*sides: SideCount) -> Iterator[str]:
    """Say which number stands for several seeds that are not all that number."""
    said = {
        (seed, own): None
        for side in sides
        for seed, item in side.repeats.items()
        if (own := other_seeds(seed, item.repeat.seeds, item.found.run.fixed_seeds))
    }
    for seed, own in said:
        yield f"seed {seed} is the repeat of the committed seeds: {own}"


def _others(
    groups: Mapping[Group, Mapping[Key, Counted]], key: Group | None, unused: list[Unused]
) -> None:
    for group, repeats in groups.items():
        if group == key or key is None:
            continue
        whys = (OTHER_ENVIRONMENT, OTHER_DATA, OTHER_SEEDS)
        why = next(why for why, one, two in zip(whys, group, key, strict=True) if one != two)
        unused.extend(left_aside(why, item.found, (seed,)) for (seed, _), item in repeats.items())


def _joined(unused: Iterable[Unused]) -> tuple[Unused, ...]:
    """Join the seeds of one run that are left aside for the same reason."""
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for item in unused:
        seeds.setdefault((item.why, item.run, item.where), set()).update(item.seeds)
    return tuple(Unused(*of, tuple(sorted(each))) for of, each in seeds.items() if each)
