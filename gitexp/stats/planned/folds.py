"""Run the planned test of cross-validation scores, and what stands beside it."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model.comparison import Interval, SignificanceResult
from gitexp.model.design import Unit
from gitexp.stats import hypotheses, tests, ttests
from gitexp.stats.intervals import relative_interval
from gitexp.stats.permutation import Tails
from gitexp.stats.ttests import limits
from gitexp.stats.values import finite_pairs, resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import PlannedTest
    from gitexp.stats.design import Design, Splits
    from gitexp.stats.ttests import CorrelatedT
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
    test = partial(tests.function_of(plan, Unit.FOLD), ratio=splits.ratio)
    found = hypotheses.at_margins(plan, design, (old, new), partial(_unless_same, test), None)
    try:
        return replace(found, statistic=test(old, new).statistic)
    except DesignError:  # the same scores on both sides
        return found


def beside_folds(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[SignificanceResult, ...]:
    """Return Dietterich's t beside the combined F; nothing beside the corrected t.

    The naive paired t test is not a companion: it takes the folds for independent.
    """
    old, new, splits = _checked(plan, design, baseline, candidate)
    if not splits.five_by_two:
        return ()
    first = tests.FIVE_BY_TWO_T
    beside = replace(plan, test=first.name, title=first.title, why="beside: F")
    try:
        t = _first_t(old, new).statistic
        test = partial(_unless_same, _first_t)
        return (hypotheses.at_margins(beside, design, (old, new), test, t),)
    except DesignError:
        return ()


def fold_intervals(
    splits: Splits, baseline: Floats, candidate: Floats, *, confidence: float = 0.95
) -> tuple[Interval | None, Interval | None]:
    """Return the intervals of the mean difference and of the ratio of means less 1.

    Both use the variance of the corrected resampled t, also beside the combined F, which has no
    interval of its own.
    """
    try:
        mean = ttests.corrected_difference(candidate, baseline, splits.ratio)
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
        mean = ttests.corrected_difference(candidate, baseline, splits.ratio)
    except DesignError:
        return None
    return ttests.correlated_posterior(mean, rope)


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


def _unless_same(test: Test, below: Values, above: Values) -> Tails:
    if float(np.abs(above - below).max()) <= resolution(above, below):
        return Tails(1.0, 1.0, 1.0)  # the same scores everywhere are evidence of nothing
    return test(below, above)


def corrected_t(below: Values, above: Values, *, ratio: float) -> Tails:
    """Return the tails of the corrected resampled t, see `ttests.corrected_difference`."""
    return ttests.corrected_difference(above, below, ratio).tails


def combined_f(below: Values, above: Values, *, ratio: float) -> Tails:  # noqa: ARG001 - as above
    """Return the tails of the combined F, which takes the side of the mean difference."""
    found = ttests.five_by_two_cv_f_test(_grid(above), _grid(below))
    p, mean = found.p_value, float((above - below).mean())
    if mean == 0:
        return Tails(0.5, 0.5, p, found.statistic)
    same, other = p / 2, 1 - p / 2
    return Tails(*((same, other) if mean > 0 else (other, same)), p, found.statistic)


def _first_t(below: Values, above: Values) -> Tails:
    found = ttests.five_by_two_cv_t_test(_grid(above), _grid(below))
    return ttests.t_tails(found.statistic, found.df)


def _grid(scores: Values) -> list[list[float]]:
    rows: list[list[float]] = scores.reshape(5, 2).tolist()
    return rows
