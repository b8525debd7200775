"""Runs that failed by the plan's own rule, such as ``f1<0.3``, and what is compared without them.

A candidate that collapses in one run of ten is not ten percent worse on average: it fails in one
run of ten. So these runs are counted, and the effect is that among the others. Whoever collapses
more often than the baseline has lost the bad runs that the baseline has kept: no yes then.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Final

from gitexp.comparison.eligible import Counted, counted, left_aside
from gitexp.comparison.known_metrics import recorded_runs
from gitexp.comparison.measure import means_of, samples_of
from gitexp.errors import UsageError
from gitexp.model import replace
from gitexp.model.comparison import Collapsed
from gitexp.model.run import RepeatState
from gitexp.records.terms import failure_text, parse_failure
from gitexp.report import numbers

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from gitexp.comparison.counting import Count
    from gitexp.git.repository import Repo
    from gitexp.model.config import ProjectConfig
    from gitexp.model.plan import FailureRule, Plan

MOST: Final = 0.2  # share of the baseline's repeats: what happens more often is how it is
_MEETS: Final = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def set_apart(count: Count, plan: Plan | None, *, paired: bool) -> tuple[Count, Collapsed | None]:
    """Return what is compared, and what failed by the plan's rule; None where it has none.

    A pair goes with either of its repeats. Nothing stands in for it.
    """
    if plan is None or not plan.failure or count.unjudged:
        return count, None
    rule = parse_failure(plan.failure)
    sides = [count.baseline.repeats, count.candidate.repeats]
    if paired:
        sides = [{seed: side[seed] for seed in count.pairs} for side in sides]
    lacking = {seed for side in sides for seed in side.keys() - _values(side, rule).keys()}
    if lacking:
        why = f"{rule.metric} of its rule for failures is not measured by {numbers.seeds(lacking)}"
        return replace(count, unjudged=f"not judged: {why}"), None
    left, right = (failing(side, rule) for side in sides)
    found = Collapsed(failure_text(rule), left, right, len(sides[0]), len(sides[1]))
    if len(left) > MOST * max(len(sides[0]), plan.fewest):
        return replace(count, unjudged=f"not judged: {too_many(found)}"), None
    gone = {*left, *right}
    one, two = (gone, gone) if paired else ({*left}, {*right})
    why = f"failed by {found.rule}"
    aside = (
        left_aside(why, item.found, (seed,))
        for side, seeds in ((count.baseline, left), (count.candidate, right))
        for seed, item in side.repeats.items()
        if seed in seeds
    )
    return replace(
        count,
        baseline=replace(count.baseline, repeats=_without(count.baseline.repeats, one)),
        candidate=replace(count.candidate, repeats=_without(count.candidate.repeats, two)),
        pairs=tuple(seed for seed in count.pairs if seed not in gone),
        given_up=count.given_up | gone,
        ended=count.ended | gone,
        unused=(*count.unused, *aside),
    ), found


def failing(side: Mapping[int, Counted], rule: FailureRule) -> tuple[int, ...]:
    """Return the seeds of repeats that failed by a rule; of folds the mean is meant."""
    meets = _MEETS[rule.op]
    return tuple(seed for seed, value in _values(side, rule).items() if meets(value, rule.limit))


def kept(repeats: Iterable[Counted], plan: Plan | None) -> list[Counted]:
    """Return the repeats that did not fail by a plan's rule, of which its test will be."""
    every = dict(enumerate(repeats))
    rule = parse_failure(plan.failure) if plan is not None and plan.failure else None
    gone = () if rule is None else failing(every, rule)
    return [item for number, item in every.items() if number not in gone]


def too_many(found: Collapsed) -> str:
    """Say that a rule calls a failure what the baseline does all the time."""
    said = f"{len(found.baseline)} of {found.of_baseline} repeats of the baseline"
    return f"{said} failed by {found.rule}, more than {MOST:.0%}: that is how it is, and no failure"


def refuse_usual(repo: Repo, plan: Plan, config: ProjectConfig, step: str) -> None:
    """Refuse a rule by which the baseline's records have too many failures."""
    if not plan.failure:
        return
    rule = parse_failure(plan.failure)
    every = {
        (item.run.inputs, each.seed): counted(item, each)
        for item in recorded_runs(repo, plan.baseline.commit, config)
        for each in item.run.repeats
        if each.state is RepeatState.FINISHED
    }
    sides = dict(enumerate(every.values()))
    found = Collapsed(plan.failure, failing(sides, rule), (), len(sides), 0)
    if len(found.baseline) > MOST * len(sides):
        raise UsageError(
            "the rule for failures calls too many runs of the baseline one",
            found=too_many(found),
            expected=f"a rule by which at most {MOST:.0%} of them failed",
            next_step=step,
        )


def prefix(found: Collapsed | None) -> str:
    """Return what line 1 says of runs that are left out."""
    said = _said(found)
    if found is None or not said:
        return ""
    return f"among runs that do not fail by {found.rule} (failed: {said}): "


def told(found: Collapsed | None) -> str:
    """Return what lists and `status` say of them; "" where none is left out."""
    said = _said(found)
    return f"failed by {found.rule}: {said}; means are of the others" if found and said else ""


def _said(found: Collapsed | None) -> str:
    if found is None or not (found.baseline or found.candidate):
        return ""
    candidate = f"candidate {len(found.candidate)} of {found.of_candidate}"
    return f"{candidate}, baseline {len(found.baseline)} of {found.of_baseline}"


def obstacle(found: Collapsed | None) -> str:
    """Return why a yes is left open: what fails more often is no better for its other runs."""
    if found is None:
        return ""
    left, right = len(found.baseline), len(found.candidate)
    if right * found.of_baseline <= left * found.of_candidate:
        return ""
    return (
        f"{right} of {found.of_candidate} repeats of the candidate failed by {found.rule}, {left} "
        f"of {found.of_baseline} of the baseline"
    )


def _values(side: Mapping[int, Counted], rule: FailureRule) -> dict[int, float]:
    return dict(means_of(samples_of(side, rule.metric)))


def _without(side: Mapping[int, Counted], gone: set[int]) -> dict[int, Counted]:
    return {seed: item for seed, item in side.items() if seed not in gone}
