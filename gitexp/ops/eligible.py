"""Which runs may count for a plan, which seeds are spent, how often somebody could have looked.

Pure, and blind to the values. `ops.counting` puts the rules together.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitexp.model.comparison import Unused
from gitexp.model.plan import StoppingRule
from gitexp.model.run import Origin, RepeatState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from gitexp.model.ids import EnvironmentDigest, InputsDigest
    from gitexp.model.plan import Plan
    from gitexp.model.run import Repeat
    from gitexp.store.lookup import FoundRun

    Earlier = Callable[[FoundRun, FoundRun], bool]

EXPLORATORY = "exploratory: not under this plan"
REPORTED = "reported from outside"
SPENT = "spent seed: seen before it was run under the plan"


@dataclass(frozen=True, slots=True)
class Eligible:
    """The runs of one side that may count, and what of them may not.

    The one rule that `run` and `compare` share: what `run` takes for done is what `compare` will
    count, once one environment and one set of linked data are chosen.
    """

    runs: tuple[FoundRun, ...]
    spent: Mapping[str, frozenset[int]] = field(default_factory=dict)  # run id -> its spent seeds

    def repeats(self) -> Iterator[tuple[FoundRun, Repeat]]:
        """Yield the repeats that may count: finished, and of no spent seed."""
        for item in self.runs:
            out = self.spent.get(item.run.id, frozenset())
            for repeat in item.run.repeats:
                if repeat.state is RepeatState.FINISHED and repeat.seed not in out:
                    yield item, repeat

    def seeds(self, environment: EnvironmentDigest | None, links: str = "") -> frozenset[int]:
        """Return the seeds that count in one environment, with one set of linked data."""
        return frozenset(
            repeat.seed
            for _, repeat in self.repeats()
            if repeat.environment == environment and repeat.links == links
        )


def is_under(item: FoundRun, plan: Plan) -> bool:
    """Return whether gitexp ran it under this plan.

    What it was called before it was renamed is the same plan; a twin of another name is not.
    """
    run = item.run
    if run.origin is not Origin.OBSERVED or run.plan is None:
        return False
    return plan.covers(run.plan.name, run.plan.digest)


def under_plan(runs: Iterable[FoundRun], plan: Plan | None, unused: list[Unused]) -> list[FoundRun]:
    """Keep the candidate's runs under the plan; note the others as unused."""
    if plan is None:
        return list(runs)
    kept = []
    for item in runs:
        if is_under(item, plan):
            kept.append(item)
        else:
            why = REPORTED if item.run.origin is Origin.REPORTED else EXPLORATORY
            unused.append(left_aside(why, item, finished_seeds(item)))
    return kept


def usable_baseline(item: FoundRun, plan: Plan | None, unused: list[Unused]) -> bool:
    """Return whether a run may serve as baseline; it may be older than the plan."""
    if plan is not None and item.run.origin is Origin.REPORTED:
        unused.append(left_aside(REPORTED, item, finished_seeds(item)))
        return False
    return True


def of_candidate(  # noqa: PLR0913, PLR0917  six plain values of one rule
    reachable: Iterable[FoundRun],
    everywhere: Iterable[FoundRun],
    plan: Plan | None,
    inputs: InputsDigest,
    earlier: Earlier,
    unused: list[Unused],
) -> Eligible:
    """Return what may count for the candidate.

    Parameters
    ----------
    reachable : iterable of FoundRun
        Reached from the compared commit, or pooled.
    everywhere : iterable of FoundRun
        All runs that anybody could have looked at.
    plan : Plan or None
        None: every reachable run may count, and nothing is decided from it.
    inputs : InputsDigest
    earlier : callable
        Whether the first run's recording commit is a proper ancestor of the second's.
    unused : list of Unused
        Takes what does not count, and why.
    """
    mine = [item for item in unique(reachable) if item.run.inputs == inputs]
    planned = under_plan(mine, plan, unused)
    spent = spent_by_run(everywhere, planned, plan, earlier)
    unused.extend(
        left_aside(SPENT, item, tuple(sorted(spent[item.run.id])))
        for item in planned
        if item.run.id in spent
    )
    return Eligible(tuple(planned), spent)


def of_baseline(
    reachable: Iterable[FoundRun], plan: Plan | None, inputs: InputsDigest, unused: list[Unused]
) -> Eligible:
    """Return what may count for the baseline: runs of any plan or none, but no reported one."""
    return Eligible(
        tuple(
            item
            for item in unique(reachable)
            if item.run.inputs == inputs and usable_baseline(item, plan, unused)
        )
    )


def seen_outside(
    runs: Iterable[FoundRun], plan: Plan | None, inputs: InputsDigest
) -> frozenset[int]:
    """Return the seeds that a run still to be made would find spent.

    Parameters
    ----------
    runs : iterable of FoundRun
        From every branch, archive tag and remote-tracking branch.
    plan : Plan or None
        None: there is no plan, so nothing can be spent.
    inputs : InputsDigest
    """
    if plan is None:
        return frozenset()
    return frozenset(
        seed
        for item in runs
        if item.run.inputs == inputs and not is_under(item, plan)
        for seed in finished_seeds(item)
    )


def spent_by_run(
    everywhere: Iterable[FoundRun],
    planned: Iterable[FoundRun],
    plan: Plan | None,
    earlier: Earlier,
) -> Mapping[str, frozenset[int]]:
    """Return, for each planned run, the seeds that others had seen before it.

    Others are runs of the same inputs, in whatever environment, that are not under the plan. Of
    parallel lines only clocks could tell which was first, so there the seed is spent.
    """
    if plan is None:
        return {}
    return _hits(everywhere, planned, plan, lambda item, other: not earlier(item, other))


def _hits(
    everywhere: Iterable[FoundRun],
    planned: Iterable[FoundRun],
    plan: Plan,
    hits: Earlier,
) -> Mapping[str, frozenset[int]]:
    """Return, for each planned run, its seeds in runs outside the plan that hit it."""
    others: dict[InputsDigest, list[FoundRun]] = {}
    for other in unique(everywhere):
        if not is_under(other, plan):
            others.setdefault(other.run.inputs, []).append(other)
    found: dict[str, frozenset[int]] = {}
    for item in planned:
        mine = frozenset(finished_seeds(item))
        hit = frozenset(
            seed
            for other in others.get(item.run.inputs, ())
            # Who came first is asked last: it may cost a walk over the history.
            if (common := mine.intersection(finished_seeds(other))) and hits(item, other)
            for seed in common
        )
        if hit:
            found[item.run.id] = hit
    return found


def count_looks(
    runs: Iterable[FoundRun], plan: Plan | None, baseline: InputsDigest, earlier: Earlier
) -> tuple[int, int]:
    """Count how often somebody could have looked and gone on.

    Looks are the run calls that add candidate samples under the plan, of whatever inputs, after
    the first one that reached the planned repeats or changed the inputs. A sample that is there
    already, and one of a seed that was spent when it was run, is not added. (What was seen outside
    the plan afterwards takes no look back.) `order` of all runs has to come from one listing, so
    that ancestors come first.

    Returns
    -------
    looks, variants : int
        `variants` is the number of different candidate inputs run under the plan.
    """
    if plan is None:
        return 0, 0
    every = unique(runs)
    under = [item for item in every if is_under(item, plan) and item.run.inputs != baseline]
    spent = _hits(every, under, plan, lambda item, other: earlier(other, item))
    calls: dict[str, list[FoundRun]] = {}
    for item in sorted(under, key=lambda item: item.order):
        calls.setdefault(item.run.call or item.run.id, []).append(item)
    seen: dict[InputsDigest, set[tuple[EnvironmentDigest | None, str, int]]] = {}
    rule = None if plan.stopping is None else plan.stopping.rule
    always = rule is StoppingRule.ALWAYS_VALID  # whose p-values are looked at without a price
    looks, open_for_more = 0, True
    for members in calls.values():
        items = [item for item in members if finished_seeds(item)]
        adds = {
            item.run.id: {_key(each) for each in Eligible((item,), spent).repeats()}
            for item in items
        }
        looks += not open_for_more and any(
            not adds[item.run.id] <= seen.get(item.run.inputs, set()) for item in items
        )
        for item in items:
            if seen and item.run.inputs not in seen:
                open_for_more = False
            have = seen.setdefault(item.run.inputs, set())
            have |= adds[item.run.id]
            if len({seed for *_, seed in have}) >= plan.repeats and not always:
                open_for_more = False
    return looks, len(seen)


def left_aside(why: str, item: FoundRun, seeds: tuple[int, ...]) -> Unused:
    """Say that samples of a run do not count, and why."""
    where = ", ".join(item.refs) or item.commit[:7]
    return Unused(why, item.run.id, where, seeds)


def finished_seeds(item: FoundRun) -> tuple[int, ...]:
    """Return the seeds of the repeats that finished, in the order in which they ran."""
    return tuple(repeat.seed for repeat in item.run.repeats if repeat.state is RepeatState.FINISHED)


def unique(runs: Iterable[FoundRun]) -> tuple[FoundRun, ...]:
    """Drop runs that were found twice."""
    return tuple({item.run.id: item for item in runs}.values())


def _key(eligible: tuple[FoundRun, Repeat]) -> tuple[EnvironmentDigest | None, str, int]:
    """Return what makes a candidate sample of the same inputs another one."""
    repeat = eligible[1]
    return repeat.environment, repeat.links, repeat.seed
