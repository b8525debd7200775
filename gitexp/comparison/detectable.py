"""The smallest true effect that a comparison's design finds, and the repeats that its plan needs.

Numbers and spread go in, never the measured effect: "observed power" would only say p again.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from gitexp.model.comparison import Detectable
from gitexp.model.design import Unit
from gitexp.model.metrics import is_rounding
from gitexp.model.metrics import spread as spread_of
from gitexp.model.plan import Claim, Direction, HypothesisKind
from gitexp.stats.planned import detectable as rules
from gitexp.stats.planned import foreseen
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from gitexp.model.comparison import MetricComparison
    from gitexp.model.plan import Plan
    from gitexp.model.result import VarianceShare

POWER: Final = 0.8


def detectable(metric: MetricComparison, plan: Plan, *, paired: bool) -> Detectable | None:
    """Return what the design of the primary metric finds; None where nothing varies, or too little.

    `paired`: whether repeats are joined by seed.

    Notes
    -----
    Repeats: simulated or exact power of the planned test under the plan's rule, see
    `stats.foreseen`. Everything else (examples, folds, data sets, repeats crossed with examples)
    by the standard error that the interval was made from.
    """
    result = metric.result
    if result is None:
        return None
    alpha = one_sided(plan)
    band = plan.effect.kind is HypothesisKind.EQUIVALENCE
    promised = _promised(metric, plan)
    units = min(metric.n_baseline, metric.n_candidate)
    part = named(result.plan.test).part
    if metric.variance is not None:
        return _crossed(metric, metric.variance, plan, promised)
    of_repeats = (
        plan.claim is Claim.METHOD
        and not part
        and len(metric.candidate_values) == metric.n_candidate
    )
    if of_repeats:
        sd = _spread(metric, plan, paired=paired)
        if sd is None or sd <= 0:
            return None
        rule = (plan.stopping, plan.repeats)
        size = foreseen.smallest(*rule, units, POWER, alpha=alpha, paired=paired, band=band)
        if size is None:
            return None
        distance, enough = size * sd, None
        if promised is not None:
            enough = foreseen.needed(
                *rule, promised / sd, POWER, alpha=alpha, paired=paired, band=band
            )
    else:
        error = _error(metric, units)
        if error is None:
            return None
        power = (1 + POWER) / 2 if band else POWER
        df = units - 1 if part else math.inf
        distance = rules.distance_found(error, power, alpha=alpha, df=df)
        sd = error * math.sqrt(units)
        enough = None
        if named(result.plan.test).unit is Unit.FOLD:
            promised = None  # more folds of the same data share what they were trained on
        if promised is not None and promised > distance * math.sqrt(units / rules.MOST):
            enough = math.ceil(units * (distance / promised) ** 2)
    return Detectable(
        distance=distance,
        relative=distance / metric.mean_baseline if metric.mean_baseline > 0 else None,
        power=POWER,
        units=units,
        unit=("pairs" if paired else "repeats a side") if of_repeats else f"{part or 'example'}s",
        spread=sd,
        promised=promised,
        needed=enough,
    )


def _crossed(
    metric: MetricComparison, noise: VarianceShare, plan: Plan, promised: float | None
) -> Detectable | None:
    """Return what repeats find on one evaluation set, whose noise more of them do not lessen."""
    interval = metric.interval
    if interval is None or interval.low is None or interval.high is None:
        return None
    alpha = one_sided(plan)
    power = (1 + POWER) / 2 if plan.effect.kind is HypothesisKind.EQUIVALENCE else POWER
    reach = (interval.high - interval.low) / 2
    df = rules.degrees_behind(reach, noise.standard_error, confidence=interval.confidence)
    distance = rules.distance_found(noise.standard_error, power, alpha=alpha, df=df)
    enough = None
    if promised is not None:
        enough = rules.crossed_repeats_needed(noise, promised, power, alpha=alpha, df=df)
    return Detectable(
        distance=distance,
        relative=distance / metric.mean_baseline if metric.mean_baseline > 0 else None,
        power=POWER,
        units=noise.repeats,
        unit=f"pairs on the same {noise.examples} examples",
        spread=noise.standard_error * math.sqrt(noise.repeats),
        promised=promised,
        needed=enough,
    )


def one_sided(plan: Plan) -> float:
    """Return the level of each one-sided test: half of alpha for a two-sided hypothesis."""
    return plan.alpha / 2 if plan.effect.kind is HypothesisKind.TWO_SIDED else plan.alpha


def _promised(metric: MetricComparison, plan: Plan) -> float | None:
    margin = abs(plan.effect.margin)
    if plan.effect.relative:
        margin *= abs(metric.mean_baseline)
    return margin if margin > 0 and math.isfinite(margin) else None


def _spread(metric: MetricComparison, plan: Plan, *, paired: bool) -> float | None:
    """Return the standard deviation of one unit of the planned test."""
    if not paired:
        both = [sd for sd in (metric.sd_baseline, metric.sd_candidate) if sd is not None]
        return math.sqrt(sum(sd**2 for sd in both) / len(both)) if both else None
    sign = -1.0 if plan.direction is Direction.MIN else 1.0
    share = 1 + sign * plan.effect.margin if plan.effect.relative else 1.0
    pairs = zip(metric.baseline_values, metric.candidate_values, strict=True)
    found = spread_of([new - share * old for (_, old), (_, new) in pairs])
    values = [value for _, value in (*metric.baseline_values, *metric.candidate_values)]
    return 0.0 if found is not None and is_rounding(found, values) else found


def _error(metric: MetricComparison, units: int) -> float | None:
    """Return the standard error behind the interval of the difference."""
    interval = metric.interval
    if interval is None or interval.low is None or interval.high is None or units < 2:  # noqa: PLR2004  no spread in one value
        return None
    error = rules.error_behind(
        interval.low, interval.high, confidence=interval.confidence, units=units
    )
    return error if error > 0 else None
