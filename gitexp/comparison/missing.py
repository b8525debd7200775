"""Repeats that failed: what the plan says of them, and the most that they could do.

A repeat that fails has no value, and often fails for a reason that has to do with the value that
it would have had. So nobody goes on without it unless the plan said so beforehand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.comparison.designs import repeats
from gitexp.comparison.measure import Question, Values
from gitexp.model.comparison import Missing, Role
from gitexp.model.plan import Claim, Direction, OnFailed
from gitexp.model.result import Verdict
from gitexp.stats.decide import Evidence, decide
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from gitexp.comparison.counting import Count
    from gitexp.model.comparison import MetricComparison, SignificanceResult
    from gitexp.model.plan import Plan


def missing(
    count: Count, metric: MetricComparison | None, plan: Plan | None, *, paired: bool
) -> Missing | None:
    """Return what failed, with the best and the worst case; None where nothing did.

    Of the candidate every seed that was tried under the plan and never finished; of the baseline
    those that the candidate was run with.

    Notes
    -----
    In the worst case each missing value of the candidate is the worst value that either side
    ever had, and each of the baseline's the best; in the best case the other way round. A metric
    has no bounds on record that would do better. There are such cases for the tests that are
    imputable alone: folds, predictions and looks of a value that never was cannot be made up.
    """
    if plan is None or plan.claim is Claim.MODEL:
        return None
    right = tuple(seed for seed, _ in count.candidate.failed)
    tried = {*count.candidate.repeats, *right}
    left = tuple(seed for seed, _ in count.baseline.failed if seed in tried)
    if not left and not right:
        return None
    stopped = set(left) <= {*count.baseline.interrupted} and set(right) <= {
        *count.candidate.interrupted
    }
    plain = Missing(plan.on_failed, left, right, interrupted=stopped)
    if metric is None or metric.result is None or not named(metric.result.plan.test).imputable:
        return plain
    # also those without a partner: where the candidate fails is where the baseline may be bad
    values = [value for side in _known(count, metric.metric) for value in side.values()]
    low, high = min(values), max(values)
    if plan.direction is Direction.MIN:
        low, high = high, low
    best = _imputed(count, metric, plan, plain, paired=paired, stand_in=(low, high))
    worst = _imputed(count, metric, plan, plain, paired=paired, stand_in=(high, low))
    return replace(
        plain,
        best=_verdict(best, plan, metric, plain),
        worst=_verdict(worst, plan, metric, plain),
        best_p=None if best is None else best.p_support,
        worst_p=None if worst is None else worst.p_support,
    )


def obstacle(found: Missing | None) -> str:
    """Return why a yes is left open, "" where failed repeats do not keep it from being said."""
    if found is None or found.policy is OnFailed.DROP:
        return ""
    number = len({*found.baseline, *found.candidate})
    if found.interrupted:
        return (
            f"{number} {'seed has' if number == 1 else 'seeds have'} a repeat that did not finish"
        )
    word = "seed has a repeat" if number == 1 else "seeds have a repeat"
    return (
        f"{number} {word} that failed, and the plan does not say that the comparison goes on "
        "without (on_failed: drop)"
    )


def fragile(found: Missing | None, verdict: Verdict | None, metric: str) -> tuple[str, ...]:
    """Warn of a yes that the failed repeats could turn."""
    yes = verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT}
    if found is None or not yes or not found.worst or Verdict(found.worst) is verdict:
        return ()
    start = f"the verdict holds only if the failures have nothing to do with {metric}"
    return (f"{start}: were the missing as bad as the worst seen, it would be {found.worst}",)


def _imputed(  # noqa: PLR0913  both sides, what is missing, and what stands in for it
    count: Count,
    metric: MetricComparison,
    plan: Plan,
    lost: Missing,
    *,
    paired: bool,
    stand_in: tuple[float, float],
) -> SignificanceResult | None:
    """Test again with a value for each missing one of the baseline, and of the candidate."""
    left, right = dict(metric.baseline_values), dict(metric.candidate_values)
    known_left, known_right = _known(count, metric.metric)
    seeds = {*lost.baseline, *lost.candidate} if paired else set(lost.baseline)
    left |= {seed: known_left.get(seed, stand_in[0]) for seed in seeds}
    seeds = {*lost.baseline, *lost.candidate} if paired else set(lost.candidate)
    right |= {seed: known_right.get(seed, stand_in[1]) for seed in seeds}
    question = Question(plan.metric, Role.PRIMARY, plan.direction, plan.effect, plan.alpha)
    sides = Values(tuple(sorted(left.items())), tuple(sorted(right.items())), paired)
    answer = repeats.compare(question, sides, paired=paired)
    return None if answer.comparison is None else answer.comparison.result


def _known(count: Count, metric: str) -> tuple[dict[int, float], dict[int, float]]:
    """Return what is known of both sides, also of seeds whose partner failed."""
    whole = (metric, None, None, "")
    left, right = (
        {
            seed: item.samples[whole].value
            for seed, item in side.repeats.items()
            if whole in item.samples
        }
        for side in (count.baseline, count.candidate)
    )
    return left, right


def _verdict(
    result: SignificanceResult | None, plan: Plan, metric: MetricComparison, found: Missing
) -> str:
    units = min(metric.n_baseline, metric.n_candidate) + len({*found.baseline, *found.candidate})
    return decide(
        Evidence(kind=plan.effect.kind, result=result, planned=plan.fewest, repeats=units)
    ).value
