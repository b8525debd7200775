"""Run the planned test of many data sets, one value each, and what stands beside it."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from gitexp.errors import DesignError
from gitexp.model import dataclass, replace
from gitexp.model.comparison import Interval, PlannedTest, SignificanceResult
from gitexp.model.design import Unit
from gitexp.stats import hypotheses, permutation, ranks, tests, ttests
from gitexp.stats.intervals import relative_interval
from gitexp.stats.permutation import Tails
from gitexp.stats.ranks import differences, signed_rank_sums, signed_rank_tails, subset_sums
from gitexp.stats.tests import FLIP_DRAWS, MAX_RANKED, MAX_SIGN_FLIPS
from gitexp.stats.ttests import Regions, limits
from gitexp.stats.values import Floats, Values, finite_pairs, resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.stats.design import Design, Splits

    Test = Callable[[Values, Values], Tails]

POSTERIOR_DRAWS = 20_000
SAME = 1e-12  # relative: tail probabilities are sums of powers of 2, alpha / 2 is not


@dataclass(frozen=True, slots=True)
class Shift:
    """The Hodges-Lehmann estimates of a difference with the intervals of the signed-rank test."""

    difference: float  # median of the means of all pairs of differences
    interval: Interval | None  # None where none of so few data sets has that confidence
    relative: Interval | None  # as a share of the baseline; None also where one is not positive


def run_on_datasets(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult:
    """Run Wilcoxon's signed-rank test over data sets: one finite value each, in the same order.

    `statistic` is the rank sum of the positive differences, candidate minus baseline. Margins are
    those of `one_dataset.run_on_repeats`, data set by data set. Differences of zero are dropped,
    ties share their mean rank; the exact p-value is that of the ranks at hand (Wilcoxon 1945,
    Demsar 2006).

    >>> from gitexp.stats.design import Design, Unit, plan_test
    >>> design = Design(Unit.DATASET, True, 3, 3, 0.05)
    >>> run_on_datasets(plan_test(design), design, [1.0, 1.0, 1.0], [2.0, 3.0, 5.0]).p_value
    0.25
    """
    tests.expect(plan, Unit.DATASET)
    old, new = _checked(plan, design, baseline, candidate)

    def signed(below: Values, above: Values) -> Tails:
        return signed_rank_tails(differences(above, below), exact=plan.exact)

    plus, _ = signed_rank_sums(differences(new, old))
    return hypotheses.at_margins(plan, design, (old, new), signed, plus)


def beside_datasets(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[SignificanceResult, ...]:
    """Return the sign-flip permutation of the mean, which does not rank."""
    old, new = _checked(plan, design, baseline, candidate)
    draws = None if 2**plan.n_baseline <= MAX_SIGN_FLIPS else FLIP_DRAWS
    flips = partial(permutation.sign_flip_tails, draws=draws, seed=plan.seed)
    beside = replace(
        plan,
        test=tests.PAIRED_PERMUTATION.name,
        title=tests.PAIRED_PERMUTATION.subject,
        why="beside: signed ranks",
        resamples=draws or 2**plan.n_baseline,
        exact=draws is None,
    )
    statistic = float(new.mean() - old.mean())
    return (hypotheses.at_margins(beside, design, (old, new), flips, statistic),)


def zeros_and_ties(design: Design, baseline: Floats, candidate: Floats) -> tuple[int, int]:
    """Return how many differences, less the margin tested, are zero and how many share a rank."""
    old, new = finite_pairs(baseline, candidate)
    margin = 0.0 if design.effect is None else design.effect.margin
    below, above = hypotheses.with_margin(old, new, design.effect, design.direction)(margin)
    d = differences(above, below)
    counts = np.unique(np.abs(d[d != 0]), return_counts=True)[1]
    return int((d == 0).sum()), int(counts[counts > 1].sum())


def shift(baseline: Floats, candidate: Floats, *, confidence: float = 0.95) -> Shift:
    """Return the pseudo-median of the differences with the interval that the test leaves.

    The interval holds the shifts that the two-sided signed-rank test does not reject: order
    statistics of the means of all pairs of differences (Hodges and Lehmann 1963), and of
    (c_i + c_j) / (b_i + b_j) for shares of a positive baseline, because the rank sum at a ratio r
    counts those above r.

    >>> found = shift([0.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> found.difference, found.interval.low, found.interval.high
    (3.5, 1.0, 6.0)
    """
    old, new = finite_pairs(baseline, candidate)
    first, second = np.triu_indices(len(old))
    walsh = np.sort((new - old)[first] + (new - old)[second]) / 2
    reach = _reach(len(old), 1 - confidence)
    method = "Hodges-Lehmann, signed-rank"
    between = relative = None
    if reach is not None:
        between = Interval(float(walsh[reach]), float(walsh[-1 - reach]), confidence, method)
        if (old > 0).all():
            ratios = np.sort((new[first] + new[second]) / (old[first] + old[second])) - 1
            relative = Interval(float(ratios[reach]), float(ratios[-1 - reach]), confidence, method)
    return Shift(float(np.median(walsh)), between, relative)


def dataset_posterior(baseline: Floats, candidate: Floats, *, rope: float) -> Regions:
    """Return the Bayesian signed-rank test of candidate minus baseline."""
    old, new = finite_pairs(baseline, candidate)
    return ranks.bayesian_signed_rank_test(
        new.tolist(), old.tolist(), rope=rope, n_samples=POSTERIOR_DRAWS
    )


def _checked(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[Values, Values]:
    old, new = finite_pairs(baseline, candidate)
    hypotheses.check_fit(plan, len(old), len(new))
    hypotheses.check_share(old, design.effect)
    return old, new


def _reach(n: int, alpha: float) -> int | None:
    """Return how many of the smallest pair means lie outside the interval; None: it is infinite."""
    if n <= MAX_RANKED:
        at_most = np.cumsum(subset_sums(np.arange(1.0, n + 1), None)[::2])
        rejected = int((at_most <= alpha / 2 * (1 + SAME)).sum())
        return rejected - 1 if rejected else None
    centre, spread = n * (n + 1) / 4, math.sqrt(n * (n + 1) * (2 * n + 1) / 24)
    return math.floor(centre + float(ndtri(alpha / 2)) * spread - 0.5)


def run_on_folds(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult:
    """Run the corrected resampled t test or the combined 5 x 2 cv F test.

    `baseline`, `candidate`: one finite score a split, repetition by repetition, in the same order.
    `statistic` is t or F against no difference, of candidate minus baseline. Margins are those of
    `one_dataset.run_on_repeats`, split by split. F has no side: half of its p-value is given to the
    side of the mean difference, which under the null is either with probability 1/2 whatever F is.

    >>> from gitexp.stats.design import Design, Splits, Unit, plan_test
    >>> design = Design(Unit.FOLD, True, 3, 3, 0.05, splits=Splits(1, 3, 20.0, 10.0))
    >>> scores = [0.8, 0.8, 0.5], [0.9, 0.8, 0.7]
    >>> round(run_on_folds(plan_test(design), design, *scores).p_value, 4)
    0.3876
    """
    old, new, splits = _checked_folds(plan, design, baseline, candidate)
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
    old, new, splits = _checked_folds(plan, design, baseline, candidate)
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
    low, high = limits(mean, 1 - confidence)
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
) -> Regions | None:
    """Return the correlated Bayesian t of candidate minus baseline; None if nothing varies."""
    try:
        mean = ttests.corrected_difference(candidate, baseline, splits.ratio)
    except DesignError:
        return None
    return ttests.correlated_posterior(mean, rope)


def _checked_folds(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[Values, Values, Splits]:
    if design.splits is None:
        raise DesignError("the splits are not known")
    return *_checked(plan, design, baseline, candidate), design.splits


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
    return ttests.five_by_two_cv_t_test(_grid(above), _grid(below))


def _grid(scores: Values) -> list[list[float]]:
    rows: list[list[float]] = scores.reshape(5, 2).tolist()
    return rows
