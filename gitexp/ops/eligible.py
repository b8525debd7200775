"""Which runs may count for a plan, which seeds are spent, how often somebody could have looked.

Pure, and blind to the values. `ops.counting` puts the rules together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.comparison import Unused
from gitexp.model.run import Origin, RepeatState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from gitexp.model.ids import InputsDigest
    from gitexp.model.plan import Plan
    from gitexp.store.lookup import FoundRun

    Earlier = Callable[[FoundRun, FoundRun], bool]

EXPLORATORY = "exploratory: not under this plan"
REPORTED = "reported from outside"
SPENT = "spent seed: seen before it was run under the plan"


def is_under(item: FoundRun, plan: Plan) -> bool:
    """Return whether gitexp ran it under this plan.

    What it was called before it was renamed is the same plan; a twin of another name is not.
    """
    run = item.run
    if run.origin is not Origin.OBSERVED or run.plan is None:
        return False
    return plan.covers(run.plan.name, run.plan.digest)


def under_plan(runs: Sequence[FoundRun], plan: Plan | None, unused: list[Unused]) -> list[FoundRun]:
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


def spent_by_run(  # noqa: PLR0913, PLR0917  six plain values of one rule, used in one place
    everywhere: Sequence[FoundRun],
    planned: Sequence[FoundRun],
    plan: Plan | None,
    candidate: InputsDigest,
    earlier: Earlier,
    unused: list[Unused],
) -> Mapping[str, frozenset[int]]:
    """Return, for each planned run, the seeds that others had seen before it."""
    if plan is None:
        return {}
    others = [
        item
        for item in unique(everywhere)
        if item.run.inputs == candidate and not is_under(item, plan)
    ]
    spent: dict[str, frozenset[int]] = {}
    for item in planned:
        seen = {
            seed
            for other in others
            if not earlier(item, other)  # on parallel lines only clocks would tell
            for seed in finished_seeds(other)
        }
        hit = frozenset(finished_seeds(item)) & seen
        if hit:
            spent[item.run.id] = hit
            unused.append(left_aside(SPENT, item, tuple(sorted(hit))))
    return spent


def count_looks(
    runs: Iterable[FoundRun], plan: Plan | None, baseline: InputsDigest
) -> tuple[int, int]:
    """Count how often somebody could have looked and gone on.

    Looks are the run calls that add candidate samples under the plan, of whatever inputs, after
    the first one that reached the planned repeats or changed the inputs. `order` of all runs has
    to come from one listing, so that ancestors come first.

    Returns
    -------
    looks, variants : int
        `variants` is the number of different candidate inputs run under the plan.
    """
    if plan is None:
        return 0, 0
    under = [
        item
        for item in unique(runs)
        if is_under(item, plan) and item.run.inputs != baseline and finished_seeds(item)
    ]
    calls: dict[str, list[FoundRun]] = {}
    for item in sorted(under, key=lambda item: item.order):
        calls.setdefault(item.run.call or item.run.id, []).append(item)
    seen: dict[InputsDigest, set[int]] = {}
    looks, open_for_more = 0, True
    for members in calls.values():
        looks += not open_for_more
        for item in members:
            if seen and item.run.inputs not in seen:
                open_for_more = False
            have = seen.setdefault(item.run.inputs, set())
            have.update(finished_seeds(item))
            if len(have) >= plan.repeats:
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
