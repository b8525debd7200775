"""Run the planned test of cross-validation scores, and what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model.comparison import Interval, SignificanceResult
from gitexp.stats import cv, hypotheses
from gitexp.stats.intervals import relative_interval
from gitexp.stats.permutation import Tails
from gitexp.stats.ttests import limits, p_of_t
from gitexp.stats.values import finite_pairs, resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import PlannedTest
    from gitexp.stats.cv import CorrelatedT
    from gitexp.stats.design import Design, Splits
    from gitexp.stats.values import Floats, Values

    Test = Callable[[Values, Values], Tails]


def run_on_folds(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult:
    """Run the corrected resampled t test or the combined 5 x 2 cv F test.

    Parameters
    ----------
    plan : PlannedTest
        From `design.plan_test` of the same design.
    design : Design
        With its splits.
    baseline, candidate : sequence of float, length n_baseline
        One finite score a split, repetition by repetition, in the same order.

    Returns
    -------
    SignificanceResult
        `statistic` is t or F against no difference, of candidate minus baseline.

    Raises
    ------
    DesignError
        If scores are missing or do not vary, a relative effect meets a baseline that is not
        positive, or the plan is not for folds.

    Notes
    -----
    Margins are those of `planned.run_on_repeats`, split by split. F has no side: half of its
    p-value is given to the side of the mean difference, which under the null is either with
    probability 1/2 whatever F is.

    Examples
    --------
    >>> from gitexp.stats.design import Design, Splits, Unit, plan_test
    >>> design = Design(Unit.FOLD, True, 3, 3, 0.05, splits=Splits(1, 3, 20.0, 10.0))
    >>> scores = [0.8, 0.8, 0.5], [0.9, 0.8, 0.7]
    >>> round(run_on_folds(plan_test(design), design, *scores).p_value, 4)
    0.3876
    """
    old, new, splits = _checked(plan, design, baseline, candidate)
    test: Test
    if plan.test == "combined-5x2cv-f":
        test = _combined_f
    elif plan.test == "corrected-resampled-t":
        test = _corrected_t(splits.ratio)
    else:
        raise DesignError("the plan is not for folds", found=plan.test)
    found = hypotheses.p_values(design.effect, _at_margins(design, old, new, test))
    return found.of(plan, _statistic(plan, splits, old, new))


def beside_folds(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[SignificanceResult, ...]:
    """Return Dietterich's t beside the combined F; nothing beside the corrected t.

    The naive paired t test is no companion: it takes the folds for independent.
    """
    if plan.test != "combined-5x2cv-f":
        return ()
    old, new, _ = _checked(plan, design, baseline, candidate)
    try:
        found = hypotheses.p_values(design.effect, _at_margins(design, old, new, _first_t))
        t = cv.five_by_two_cv_t_test(_grid(new), _grid(old)).statistic
    except DesignError:
        return ()
    beside = replace(plan, test="5x2cv-t", title="5 x 2 cv t (Dietterich)", why="beside: F")
    return (found.of(beside, t),)


def fold_intervals(
    splits: Splits, baseline: Floats, candidate: Floats, *, confidence: float = 0.95
) -> tuple[Interval | None, Interval | None]:
    """Return the intervals of the mean difference and of the ratio of means less 1.

    Both use the variance of the corrected resampled t, also beside the combined F, which has no
    interval of its own.
    """
    try:
        mean = cv.corrected_difference(candidate, baseline, splits.ratio)
    except DesignError:
        return None, None
    low, high = limits(mean, "two-sided", 1 - confidence)
    relative = relative_interval(
        baseline,
        candidate,
        paired=True,
        confidence=confidence,
        inflation=1 + len(baseline) * splits.ratio,
    )
    if relative is not None:
        relative = replace(relative, method="Fieller, corrected for overlap")
    return Interval(low, high, confidence, "corrected resampled t"), relative


def fold_posterior(
    splits: Splits, baseline: Floats, candidate: Floats, *, rope: float
) -> CorrelatedT | None:
    """Return the correlated Bayesian t of candidate minus baseline; None if nothing varies."""
    try:
        mean = cv.corrected_difference(candidate, baseline, splits.ratio)
    except DesignError:
        return None
    return cv.correlated_posterior(mean, rope)


def _checked(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[Values, Values, Splits]:
    old, new = finite_pairs(baseline, candidate)
    if len(old) != plan.n_baseline or design.splits is None:
        raise DesignError(
            "the scores do not fit the plan",
            found=f"{len(old)} scores",
            expected=f"{plan.n_baseline} scores of known splits",
        )
    hypotheses.check_share(old, design.effect)
    return old, new, design.splits


def _at_margins(design: Design, old: Values, new: Values, test: Test) -> Callable[[float], Tails]:
    shifted = hypotheses.with_margin(old, new, design.effect, design.direction)

    def tails_at(margin: float) -> Tails:
        below, above = shifted(margin)
        if float(np.abs(above - below).max()) <= resolution(above, below):
            return Tails(1.0, 1.0, 1.0)  # the same scores everywhere are evidence of nothing
        return test(below, above)

    return tails_at


def _corrected_t(ratio: float) -> Test:
    def tails(below: Values, above: Values) -> Tails:
        mean = cv.corrected_difference(above, below, ratio)
        return _t_tails(mean.estimate / mean.error, mean.df)

    return tails


def _first_t(below: Values, above: Values) -> Tails:
    found = cv.five_by_two_cv_t_test(_grid(above), _grid(below))
    return _t_tails(found.statistic, found.df)


def _combined_f(below: Values, above: Values) -> Tails:
    p = cv.five_by_two_cv_f_test(_grid(above), _grid(below)).p_value
    mean = float((above - below).mean())
    if mean == 0:
        return Tails(0.5, 0.5, p)
    same, other = p / 2, 1 - p / 2
    return Tails(same, other, p) if mean > 0 else Tails(other, same, p)


def _t_tails(t: float, df: float) -> Tails:
    return Tails(p_of_t(t, df, "greater"), p_of_t(t, df, "less"), p_of_t(t, df, "two-sided"))


def _statistic(plan: PlannedTest, splits: Splits, old: Values, new: Values) -> float | None:
    try:
        if plan.test == "combined-5x2cv-f":
            return cv.five_by_two_cv_f_test(_grid(new), _grid(old)).statistic
        mean = cv.corrected_difference(new, old, splits.ratio)
    except DesignError:
        return None  # the same scores on both sides
    return mean.estimate / mean.error


def _grid(scores: Values) -> list[list[float]]:
    rows: list[list[float]] = scores.reshape(5, 2).tolist()
    return rows
