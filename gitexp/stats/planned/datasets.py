"""Run the planned test of many data sets, one value each, and what stands beside it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from gitexp.errors import DesignError
from gitexp.model.comparison import Interval, SignificanceResult
from gitexp.model.design import Unit
from gitexp.stats import hypotheses, permutation, ranks, tests
from gitexp.stats.ranks import differences, signed_rank_sums, signed_rank_tails, subset_sums
from gitexp.stats.tests import FLIP_DRAWS, MAX_RANKED, MAX_SIGN_FLIPS
from gitexp.stats.values import Floats, Values, finite_pairs

if TYPE_CHECKING:
    from gitexp.model.comparison import PlannedTest
    from gitexp.stats.design import Design
    from gitexp.stats.permutation import Tails
    from gitexp.stats.ranks import Regions

POSTERIOR_DRAWS = 20_000
SAME = 1e-12  # relative: tail probabilities are sums of powers of 2, alpha / 2 is not


@dataclass(frozen=True, slots=True)
class Shift:
    """The Hodges-Lehmann estimates of a difference with the intervals of the signed-rank test.

    Attributes
    ----------
    difference : float
        Median of the means of all pairs of differences.
    interval, relative : Interval or None
        Of the difference, and as a share of the baseline; None where no interval of so few data
        sets has that confidence, or a baseline is not positive.
    """

    difference: float
    interval: Interval | None
    relative: Interval | None


def run_on_datasets(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult:
    """Run Wilcoxon's signed-rank test over data sets.

    Parameters
    ----------
    plan : PlannedTest
        From `design.plan_test` of the same design.
    baseline, candidate : sequence of float, length n_baseline
        One finite value a data set, in the same order.

    Returns
    -------
    SignificanceResult
        `statistic` is the rank sum of the positive differences, candidate minus baseline.

    Raises
    ------
    DesignError
        If values are missing, a relative effect meets a baseline that is not positive, or the
        plan is not for data sets.

    Notes
    -----
    Margins are those of `planned.run_on_repeats`, data set by data set. Differences of zero are
    dropped, ties share their mean rank; the exact p-value is that of the ranks at hand [1]_ [2]_.

    References
    ----------
    .. [1] Wilcoxon, F. (1945). Individual comparisons by ranking methods. Biometrics Bulletin 1,
       80-83. :doi:`10.2307/3001968`
    .. [2] Demsar, J. (2006). Statistical comparisons of classifiers over multiple data sets. J.
       Mach. Learn. Res. 7, 1-30.

    Examples
    --------
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

    Parameters
    ----------
    baseline, candidate : sequence of float, shape (n_datasets,)

    Notes
    -----
    The interval holds the shifts that the two-sided signed-rank test does not reject: order
    statistics of the means of all pairs of differences [1]_, and of (c_i + c_j) / (b_i + b_j) for
    shares of a positive baseline, because the rank sum at a ratio r counts those above r.

    References
    ----------
    .. [1] Hodges, J. L. and Lehmann, E. L. (1963). Estimates of location based on rank tests. Ann.
       Math. Stat. 34, 598-611. :doi:`10.1214/aoms/1177704172`

    Examples
    --------
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


def dataset_posterior(
    baseline: Floats, candidate: Floats, *, rope: float, seed: int = 0
) -> Regions:
    """Return the Bayesian signed-rank test of candidate minus baseline."""
    old, new = finite_pairs(baseline, candidate)
    return ranks.bayesian_signed_rank_test(
        new.tolist(), old.tolist(), rope=rope, n_samples=POSTERIOR_DRAWS, seed=seed
    )


def _checked(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[Values, Values]:
    old, new = finite_pairs(baseline, candidate)
    if len(old) != plan.n_baseline:
        raise DesignError(
            "the values do not fit the plan",
            found=f"{len(old)} data sets",
            expected=str(plan.n_baseline),
        )
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
