"""Which runs may count for a plan, which seeds are spent, how often somebody could have looked.

Pure, and blind to the values. `comparison.counting` puts the rules together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass, field
from gitexp.model.comparison import Unused
from gitexp.model.plan import OnFailed, Plan, StoppingRule
from gitexp.model.run import Key, Origin, Repeat, RepeatState, Sample, lone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gitexp.model.ids import EnvironmentDigest, InputsDigest
    from gitexp.store.lookup import FoundRun

    Earlier = Callable[[FoundRun, FoundRun], bool]
    # Of two finished repeats, each with the run that has it: whether their environments are equal.
    Alike = Callable[[FoundRun, Repeat, FoundRun, Repeat], bool]


# How it ends that ids of predictions do not tell which examples two repeats share.
ROW_IDS: Final = (
    "so nobody knows what the repeats share: give each row of the table an id of its own"
)
_FEWEST_SETS: Final = 2


def predicted_others(repeats: Iterable[Repeat]) -> bool:
    """Whether repeats predicted more than one set of examples, by the records alone."""
    sets = {item.measured_on for item in repeats}
    return len(sets) >= _FEWEST_SETS and {basis for _, basis in sets} == {"predictions"}


@dataclass(frozen=True, slots=True)
class Counted:
    """One repeat that counts, with its samples by (metric, rep, fold, dataset)."""

    found: FoundRun
    repeat: Repeat
    samples: Mapping[tuple[str, int | None, int | None, str], Sample]


def counted(found: FoundRun, repeat: Repeat) -> Counted:
    """Return a repeat of a run with its samples."""
    rows = (row for row in found.samples if row.seed == repeat.seed)
    samples = {(row.metric, row.rep, row.fold, row.dataset): row for row in rows}
    return Counted(found, repeat, samples)


EXPLORATORY = "exploratory: not under this plan"
REPORTED = "reported from outside"
SPENT = "spent seed: seen before it was run under the plan"
NOT_DRAWN = "not of the plan's own seeds"
LATER = "of the plan's seeds none of the first, which alone count"
ENDED = "of a seed that had failed, which the plan drops"
SEEN = "seen beside a candidate before the plan was amended"


@dataclass(frozen=True, slots=True)
class Eligible:
    """The runs of one side that may count, and what of them may not.

    The one rule that `run` and `compare` share: what `run` takes for done is what `compare` will
    count, once one environment and one set of linked data are chosen.
    """

    runs: tuple[FoundRun, ...]
    spent: Mapping[str, frozenset[Key]] = field(default_factory=dict)  # run id -> its spent keys
    unused: tuple[Unused, ...] = ()  # what does not count, and why
    unlike: frozenset[int] = frozenset()  # seeds of a baseline that pair with no candidate's
    judged: frozenset[int] | None = None  # the only seeds that count, where a plan drew them

    def repeats(self) -> Iterator[tuple[FoundRun, Repeat]]:
        """Yield the repeats that may count: finished, and of no spent seed."""
        for item in self.runs:
            out = self.spent.get(item.run.id, frozenset())
            for repeat in item.run.own_repeats:
                if repeat.state is RepeatState.FINISHED and repeat.key not in out:
                    yield item, repeat

    def is_whole(self, plan: Plan) -> bool:
        """Return whether there are the repeats that a plan judges.

        By the first rules they ran in one environment, on one set of linked data.
        """
        sets: dict[tuple[object, ...], set[Key]] = {}
        for item, repeat in self.repeats():
            where = repeat.place if plan.rules == 1 else ()
            sets.setdefault((*where, seeding(item, repeat)), set()).add(repeat.key)
        return any(len(keys) >= plan.fewest for keys in sets.values())

    def keys(
        self, where: tuple[EnvironmentDigest | None, str] | None, fixed: tuple[str, ...] = ()
    ) -> Mapping[int, frozenset[Key]]:
        """Return what counts in one environment, with one set of linked data, by seed.

        None: in whatever environment, as by the second rules.
        """
        found: dict[int, set[Key]] = {}
        for item, repeat in self.repeats():
            if where in {None, repeat.place} and seeding(item, repeat) == fixed:
                found.setdefault(repeat.seed, set()).add(repeat.key)
        return {seed: frozenset(keys) for seed, keys in found.items()}


def is_under(item: FoundRun, plan: Plan | None) -> bool:
    """Return whether gitexp ran it under this plan, or under what it was called before."""
    run = item.run
    if plan is None or run.origin is not Origin.OBSERVED or run.plan is None:
        return False
    return plan.covers(run.plan.name, run.plan.digest)


def is_tried(item: FoundRun, baseline: InputsDigest) -> bool:
    """Return whether it is of a candidate: not of the baseline, with whatever evaluator."""
    return item.run.inputs != baseline and not item.run.source.swaps


def was_under(item: FoundRun, plan: Plan | None) -> bool:
    """Return whether it was recorded for this plan as it is, or was before an amendment."""
    ref = item.run.plan
    return plan is not None and ref is not None and plan.covered(ref.name, ref.digest)


def of_candidate(
    reachable: Iterable[FoundRun],
    everywhere: Iterable[FoundRun],
    plan: Plan | None,
    inputs: InputsDigest,
    earlier: Earlier,
) -> Eligible:
    """Return what may count for the candidate: of a plan's runs; without one of all reachable.

    `everywhere`: all runs that anybody could have looked at. `earlier`: of recording commits.
    """
    mine = [item for item in unique(reachable) if item.run.inputs == inputs]
    planned = [item for item in mine if plan is None or is_under(item, plan)]
    drawn = plan is not None and plan.drawn  # of these `drawn_seeds` knows which are spent
    spent: Mapping[str, frozenset[Key]] = {}
    if plan is not None and not drawn:  # on parallel lines only clocks could tell who was first
        spent = _hits(everywhere, planned, plan, lambda one, two: not earlier(one, two), earlier)
    unused = [
        left_aside(REPORTED if item.run.origin is Origin.REPORTED else EXPLORATORY, item)
        for item in mine
        if plan is not None and not is_under(item, plan)
    ]
    unused += [
        left_aside(SPENT, item, tuple(sorted(seed for seed, _ in spent[item.run.id])))
        for item in planned
        if item.run.id in spent
    ]
    return Eligible(tuple(planned), spent, tuple(unused))


def of_baseline(
    reachable: Iterable[FoundRun],
    plan: Plan | None,
    inputs: InputsDigest,
    everywhere: Iterable[FoundRun] = (),
) -> Eligible:
    """Return what may count for the baseline: runs of any plan or none, but no reported one.

    Nor, once a plan was amended after any candidate had finished, whatever became of it, what ran
    under another plan than that: who amends because it nearly worked keeps a baseline that was low
    by luck (five repeats a side and no effect, amended where the first p was 0.05 to 0.4: 9.3 % are
    supported at 5 %, with a fresh baseline 4.9 %). Of a plan that drew its seeds only what ran
    under it counts, and for no other plan.

    `everywhere`: what else was run under the plan, as it is or was, of whatever inputs.
    """
    every = unique(reachable)
    drawn = plan is not None and plan.drawn is not None
    amended = plan is not None and any(
        _is_before_amendment(item, plan) and is_tried(item, inputs) and finished_seeds(item)
        for item in (*every, *everywhere)
    )
    kept: list[FoundRun] = []
    unused: list[Unused] = []
    for item in every:
        reported = plan is not None and item.run.origin is Origin.REPORTED
        outside = plan is not None and (drawn or item.run.drawn) and not is_under(item, plan)
        why = REPORTED if reported else SEEN if amended and not is_under(item, plan) else ""
        why = why or (NOT_DRAWN if outside else "")
        if item.run.inputs == inputs and why:
            unused.append(left_aside(why, item))
        elif item.run.inputs == inputs:
            kept.append(item)
    return Eligible(tuple(kept), unused=tuple(unused))


def _is_before_amendment(item: FoundRun, plan: Plan) -> bool:
    ref = item.run.plan
    older = {each.digest for each in plan.amended if plan.amended[-1].fresh}
    return ref is not None and ref.digest in older and ref.name in {plan.name, *plan.formerly}


def seen_outside(
    runs: Iterable[FoundRun],
    plan: Plan | None,
    inputs: InputsDigest,
    key: Callable[[int], Key] = lone,
) -> frozenset[int]:
    """Return the seeds that a run still to be made would find spent; none without a plan."""
    if plan is None:
        return frozenset()
    return frozenset(
        found[0]
        for item in runs
        if item.run.inputs == inputs and not is_under(item, plan)
        for found in finished_keys(item)
        if found == key(found[0])
    )


def _hits(
    everywhere: Iterable[FoundRun],
    planned: Iterable[FoundRun],
    plan: Plan,
    hits: Earlier,
    earlier: Earlier,
) -> Mapping[str, frozenset[Key]]:
    """Return, for each planned run, its keys in runs outside the plan that hit it.

    They are of the same inputs, in whatever environment. A repeat for the snapshot alone, which
    gitexp adds unasked, hits what surely came after it.
    """
    others: dict[InputsDigest, list[FoundRun]] = {}
    for other in unique(everywhere):
        if not is_under(other, plan):
            others.setdefault(other.run.inputs, []).append(other)
    found: dict[str, frozenset[Key]] = {}
    for item in planned:
        mine = frozenset(finished_keys(item))
        hit = frozenset(
            key
            for other in others.get(item.run.inputs, ())
            # Who came first is asked last: it may cost a walk over the history.
            if (common := mine.intersection(finished_keys(other))) and hits(item, other)
            for key in common
            if key[0] != other.run.snapshot_only or earlier(other, item)
        )
        if hit:
            found[item.run.id] = hit
    return found


def given_up(plan: Plan | None, *sides: Eligible) -> frozenset[int]:
    """Return the seeds that ``on_failed: drop`` drops; none of a side that is broken.

    Of seeds that the second rules end, also one that finished after it had failed: else whoever
    knows the verdict without it decides whether it counts.
    """
    if plan is None or plan.on_failed is not OnFailed.DROP:
        return frozenset()
    found: set[int] = set()
    for side in sides:
        good, bad = set[int](), set[int]()
        for item in sorted(side.runs, key=lambda item: item.order):
            own = [repeat for repeat in item.run.own_repeats if not repeat.interrupted]
            fine = {repeat.seed for repeat in own if repeat.state is RepeatState.FINISHED}
            good |= fine - bad if plan.ends_seeds else fine
            if good or not plan.ends_seeds:
                bad |= {repeat.seed for repeat in own} - good
        found |= bad - good if good else set()
    return frozenset(found)


def count_looks(
    runs: Iterable[FoundRun],
    plan: Plan | None,
    baseline: InputsDigest,
    earlier: Earlier,
    counting: frozenset[int] | None = None,
) -> tuple[int, int]:
    """Count how often somebody could have looked and gone on, and the different candidates run.

    Looks are the run calls that add candidate samples under the plan, of whatever inputs, after the
    first one that reached the planned repeats or changed the inputs. A sample that is there
    already, and one of a spent seed, is not added. All runs come from one listing: ancestors first.
    """
    if plan is None:
        return 0, 0
    every = unique(runs)
    under = [item for item in every if is_under(item, plan) and is_tried(item, baseline)]
    spent = _hits(every, under, plan, lambda item, other: earlier(other, item), earlier)
    calls: dict[str, list[FoundRun]] = {}
    for item in sorted(under, key=lambda item: item.order):
        calls.setdefault(item.run.call or item.run.id, []).append(item)
    seen: dict[object, set[tuple[object, Key]]] = {}
    rule = None if plan.stopping is None else plan.stopping.rule
    always = rule is StoppingRule.ALWAYS_VALID  # whose p-values are looked at without a price
    looks, open_for_more = 0, True
    for members in calls.values():
        items = [item for item in members if finished_seeds(item)]
        adds = {
            item.run.id: {
                # by the second rules the first of a seed counts for ever, in whatever environment
                ((None, "") if plan.rules > 1 else each.place, each.key)
                for _, each in Eligible((item,), spent).repeats()
                if counting is None or each.seed in counting
            }
            for item in items
        }
        looks += not open_for_more and any(
            not adds[item.run.id] <= seen.get((item.run.inputs, item.run.fixed), set())
            for item in items
        )
        for item in items:
            variant = item.run.inputs, item.run.fixed
            if seen and variant not in seen:
                open_for_more = False
            have = seen.setdefault(variant, set())
            have |= adds[item.run.id]
            if len({key for _, key in have}) >= plan.repeats and not always:
                open_for_more = False
    return looks, len(seen)


def left_aside(why: str, item: FoundRun, seeds: tuple[int, ...] | None = None) -> Unused:
    """Say that samples of a run, by default of all its repeats, do not count, and why."""
    where = ", ".join(item.refs) or item.commit[:7]
    return Unused(why, item.run.id, where, finished_seeds(item) if seeds is None else seeds)


def finished_seeds(item: FoundRun) -> tuple[int, ...]:
    """Return the seeds of the repeats that finished, in the order in which they ran.

    One for the snapshot alone is none of them.
    """
    own = item.run.own_repeats
    return tuple(repeat.seed for repeat in own if repeat.state is RepeatState.FINISHED)


def seeding(item: FoundRun, repeat: Repeat) -> tuple[str, ...]:
    """Say which of several seed parameters vary, and what the others keep: ``a=1``, ``b``."""
    named = {name: name for name in repeat.seeds}
    named |= {name: f"{name}={value}" for name, value in item.run.fixed_seeds.items()}
    return tuple(named[name] for name in sorted(repeat.seeds))


def unique(runs: Iterable[FoundRun]) -> tuple[FoundRun, ...]:
    """Drop runs that were found twice."""
    return tuple({item.run.id: item for item in runs}.values())


def is_of_call(one: FoundRun, other: FoundRun) -> bool:
    """Return whether two runs are of one call."""
    return bool(one.run.call) and one.run.call == other.run.call


def finished_keys(item: FoundRun) -> tuple[Key, ...]:
    """Return what tells the finished repeats apart, one for the snapshot alone among them."""
    return tuple(repeat.key for repeat in item.run.repeats if repeat.state is RepeatState.FINISHED)
