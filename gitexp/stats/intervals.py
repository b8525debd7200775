"""Confidence intervals of a difference, absolute and relative to the baseline.

They are printed beside a verdict and decide nothing. A limit or an interval that does not exist
is None, never infinite.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from gitexp.errors import DesignError
from gitexp.model.comparison import Interval
from gitexp.stats import examples
from gitexp.stats.permutation import drawn_flips, flip_sums, halls_t, t_noise
from gitexp.stats.sums import pseudo_of_labels
from gitexp.stats.tests import (
    BOOTSTRAP_DRAWS,
    MAX_FLIPS_OF_T,
    MAX_SIGN_FLIPS,
    MIN_BOOTSTRAP_EXAMPLES,
)
from gitexp.stats.ttests import limits, paired_difference, welch_difference
from gitexp.stats.values import Floats, Values, finite, finite_pairs, rate

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.result import PlannedTest
    from gitexp.stats.examples import Cells
    from gitexp.stats.metrics import Definition

# Of the largest difference: how far from its mean a change is looked for, and how closely.
_FIRST_STEP, _FARTHEST, _CLOSE = 2.0**-4, 2.0**20, 1e-9
MIN_JACKKNIFE = 20  # units: with 20 to 150 of them it covered 92 % or more of a promised 95 %


def difference_interval(
    baseline: Floats, candidate: Floats, *, paired: bool, confidence: float = 0.95
) -> Interval | None:
    """Return the interval of mean(candidate) - mean(baseline) by Student's or Welch's t.

    In the unit of the metric; values in the same order if paired. None with fewer than two a side,
    or where nothing varies: such a difference has no error to be seen, which is not to say that it
    has none.

    >>> difference_interval([1.0, 2.0, 4.0], [2.0, 4.0, 5.0], paired=True).method
    't on paired differences'
    """
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    try:
        mean = paired_difference(new, old) if paired else welch_difference(new, old)
    except DesignError:
        return None
    low, high = limits(mean, 1 - confidence)
    return Interval(low, high, confidence, "t on paired differences" if paired else "Welch's t")


def relative_interval(
    baseline: Floats,
    candidate: Floats,
    *,
    paired: bool,
    confidence: float = 0.95,
    inflation: float = 1.0,
) -> Interval | None:
    """Return Fieller's interval of mean(candidate) / mean(baseline) - 1.

    All ratios r for which mean(c) - r mean(b) is not rejected by a t test: on pairs, or by
    Welch's with the degrees of freedom at the estimated ratio (Tamhane and Logan 2004). None where
    the baseline's mean is not positive, or not so at this confidence (then no finite interval
    exists; Fieller 1954), with fewer than two values a side, or where nothing varies.

    `inflation`: by which the variance of a mean exceeds that of independent values, 1 + n n_test /
    n_train for the folds of a cross-validation.

    >>> interval = relative_interval([10.0, 11.0, 12.0], [11.0, 12.0, 13.2], paired=True)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.083, 0.11)
    """
    rate(confidence, "confidence")
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    x, y = float(new.mean()), float(old.mean())
    if min(len(old), len(new)) < 2 or y <= 0:  # noqa: PLR2004 - a spread needs two values
        return None
    n, m = len(new), len(old)
    var_x, var_y = float(new.var(ddof=1)) / n, float(old.var(ddof=1)) / m
    if paired:
        new, old = finite_pairs(new, old)
        cov = float(((new - x) * (old - y)).sum()) / (n - 1) / n
        df = float(n - 1)
    else:
        cov = 0.0
        scaled = (x / y) ** 2 * var_y
        if not 0 < var_x + scaled < math.inf:
            return None
        share = var_x / (var_x + scaled)
        df = 1 / (share**2 / (n - 1) + (1 - share) ** 2 / (m - 1))
    square = inflation * float(stdtrit(df, (1 + confidence) / 2)) ** 2
    a, b, c = y * y - square * var_y, x * y - square * cov, x * x - square * var_x
    method = "Fieller, paired" if paired else "Fieller, Welch's df"
    ratios = shares_kept(a, b, c)
    return None if ratios is None else Interval(*ratios, confidence, method)


def shares_kept(a: float, b: float, c: float) -> tuple[float, float] | None:
    """Return the r - 1 between which ``a r^2 - 2 b r + c`` is negative; None where not finite."""
    root = b * b - a * c
    if a <= 0 or root <= 0:
        return None
    return (b - math.sqrt(root)) / a - 1, (b + math.sqrt(root)) / a - 1


def jackknife_intervals(
    baseline: Values, candidate: Values, what: str, confidence: float
) -> tuple[Interval | None, Interval | None]:
    """Return the intervals of a metric's difference and relative difference over units.

    `baseline`, `candidate`: jackknife pseudo-values of shape (n_units,), whose means are the metric
    of either side. Student's t on them (Miller 1974), and Fieller's; None below `MIN_JACKKNIFE`
    units.

    >>> right = np.arange(24.0) % 3 > 0
    >>> interval, _ = jackknife_intervals(right * 1.0, right * 2.0, "examples", 0.95)
    >>> interval.method
    'jackknife, t over 24 examples'
    """
    if len(baseline) < MIN_JACKKNIFE:
        return None, None
    method = f"jackknife, t over {len(baseline)} {what}"
    both = (
        how(baseline, candidate, paired=True, confidence=confidence)
        for how in (difference_interval, relative_interval)
    )
    difference, relative = (None if one is None else replace(one, method=method) for one in both)
    return difference, relative


def permutation_interval(
    baseline: Floats,
    candidate: Floats,
    planned: PlannedTest | None = None,
    *,
    confidence: float = 0.95,
    relative: bool = False,
) -> Interval | None:
    """Return the changes that sign flips do not reject, at half of 1 - confidence on either side.

    At most 20 pairs, unless signs are drawn as those of the test that was `planned`;
    `relative`: changes are shares of the baseline, all of whose values have to be positive. A
    change m is rejected from below if few subsets of pairs have, by their sums, a change of m or
    less: the limits are order statistics of the changes of all subsets (Hartigan 1969). None if
    even the widest interval has less confidence (fewer than 6 pairs at 0.95).

    >>> interval = permutation_interval([0.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    >>> interval.low, interval.high
    (1.0, 6.0)
    """
    rate(confidence, "confidence")
    flipped = _flipped(baseline, candidate, planned, MAX_SIGN_FLIPS, relative=relative)
    if flipped is None:
        return None
    differences, unit, draws, seed = flipped
    ways = 2 ** len(unit) if draws is None else draws + 1
    gained, of = (_subset_sums(values, draws, seed) for values in (differences, unit))
    some = of > unit.min() / 2
    changes = gained[some] / of[some]
    # ranks above `outside` from either end are kept: each end rejects at most half of alpha
    outside = math.floor((1 - confidence) / 2 * ways * (1 + 1e-12)) - (ways - 1 - len(changes))
    if not 1 <= outside <= len(changes) / 2:
        return None
    last = len(changes) - outside
    placed = np.partition(changes, (outside - 1, last))
    how = "exact sign flips, inverted" if draws is None else "drawn sign flips, inverted"
    return Interval(float(placed[outside - 1]), float(placed[last]), confidence, how)


def flips_of_t_interval(
    baseline: Floats,
    candidate: Floats,
    planned: PlannedTest | None = None,
    *,
    confidence: float = 0.95,
    relative: bool = False,
) -> Interval | None:
    """Return the changes that flips of Hall's t do not reject, at half of 1 - confidence each side.

    As `permutation_interval`, for the other test: its p-value is computed at each change, with the
    same signs, until the change at which it is half of 1 - confidence lies between two numbers.
    """
    rate(confidence, "confidence")
    flipped = _flipped(baseline, candidate, planned, MAX_FLIPS_OF_T, relative=relative)
    if flipped is None:
        return None
    differences, of, draws, seed = flipped
    scale = float(np.abs(differences).max()) or 1.0
    unit, gained = of / of.max(), differences / scale
    powers = (gained, unit, gained**3, gained**2 * unit, gained * unit**2, unit**3)
    sums = flip_sums(powers, draws, seed)
    seen = [np.array([each.sum()]) for each in powers]

    def rejected(change: float, sign: float) -> bool:
        """Whether the test from one side has no more than its half of what is rejected."""
        square = float(((gained - change * unit) ** 2).sum())
        t, (observed,) = (
            halls_t(
                g - change * u,
                ggg - 3 * change * ggu + 3 * change**2 * guu - change**3 * uuu,
                square,
                len(unit),
            )
            for g, u, ggg, ggu, guu, uuu in (sums, seen)
        )
        reached = int((sign * t >= sign * observed - t_noise(float(observed))).sum())
        extra = 0 if draws is None else 1
        return (reached + extra) / (len(t) + extra) <= (1 - confidence) / 2 * (1 + 1e-12)

    ends = [_crossing(rejected, float(gained.sum() / unit.sum()), sign) for sign in (1.0, -1.0)]
    if None in ends:
        return None
    to_units = scale / float(of.max())
    low, high = (float(end or 0.0) * to_units for end in ends)
    how = "exact" if draws is None else "drawn"
    return Interval(low, high, confidence, f"{how} sign flips of Hall's t, inverted")


def _flipped(
    baseline: Floats, candidate: Floats, planned: PlannedTest | None, most: int, *, relative: bool
) -> tuple[Values, Values, int | None, int] | None:
    """Return differences, what a change of 1 is of each, and the signs' draws (None: all) and seed.

    None for more than `most` patterns, and where a share is of what is not positive.
    """
    old, new = finite_pairs(baseline, candidate)
    unit = old if relative else np.ones(len(old))
    draws = None if planned is None or planned.exact else planned.resamples
    if (draws is None and 2 ** len(old) > most) or unit.min() <= 0:
        return None
    return new - old, unit, draws, 0 if planned is None else planned.seed


def _crossing(rejected: Callable[[float, float], bool], centre: float, sign: float) -> float | None:
    """Return the last change, away from the centre, that is not rejected; None where all stay."""
    near, far = 0.0, _FIRST_STEP
    while not rejected(centre - sign * far, sign):
        near, far = far, 2 * far
        if far > _FARTHEST:
            return None
    close = _CLOSE * far
    while far - near > close:
        middle = (near + far) / 2
        near, far = (near, middle) if rejected(centre - sign * middle, sign) else (middle, far)
    return centre - sign * near


def _subset_sums(values: Values, draws: int | None, seed: int) -> Values:
    """Return the sums over all subsets of pairs, the empty one first; or over those drawn."""
    if draws is not None:  # of the pairs whose sign was flipped
        flipped = np.concatenate(list(drawn_flips(values, draws, seed)))
        return np.asarray((values.sum() - flipped) / 2)
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums, sums + value])
    return sums


def predictions_interval(
    cells: Cells, definition: Definition, *, confidence: float = 0.95, seed: int = 0
) -> tuple[Interval | None, Interval | None]:
    """Return the intervals of a metric's difference, and relative difference, on these examples.

    Accuracy's (or the error rate's) by Newcombe's paired score method (1998, method 10); all else
    is the percentile interval of examples resampled jointly within their true class, below
    `tests.MIN_BOOTSTRAP_EXAMPLES` that of `jackknife_intervals`; the relative one is None where a
    resampled baseline is 0.
    """
    rate(confidence, "confidence")
    score = None
    if definition.kind in {"accuracy", "error_rate"}:
        score = newcombe_paired(cells, confidence)
    if score is not None and definition.kind == "error_rate":
        score = replace(score, low=_negated(score.high), high=_negated(score.low))
    n = int(cells.number.sum())
    if n < MIN_JACKKNIFE:
        return score, None
    if n < MIN_BOOTSTRAP_EXAMPLES:
        columns = (cells.truth, cells.baseline, cells.candidate)
        truth, *guesses = (
            [cells.labels[place] for place in np.repeat(column, cells.number)] for column in columns
        )
        one, two = (pseudo_of_labels(definition, truth, side, cells.labels) for side in guesses)
        between, relative = jackknife_intervals(one, two, "examples", confidence)
        return score or between, relative
    # the classes' shares are those of the evaluation set, as they are in the metric
    old, new = examples.resampled_scores(
        cells, definition, draws=BOOTSTRAP_DRAWS, seed=seed, stratified=score is None
    )
    shares = [(1 - confidence) / 2, (1 + confidence) / 2]
    within = "" if score is not None else ", stratified by class"
    method = f"bootstrap percentile over {n} examples{within}"
    low, high = np.quantile(new - old, shares)
    difference = score or Interval(float(low), float(high), confidence, method)
    if not (old > 0).all():
        return difference, None
    low, high = np.quantile(new / old - 1, shares)
    return difference, Interval(float(low), float(high), confidence, method)


def _negated(limit: float | None) -> float | None:
    return None if limit is None else -limit


def newcombe_paired(cells: Cells, confidence: float) -> Interval:
    """Return the paired score interval of the difference in accuracy (Newcombe 1998)."""
    only_old, only_new = examples.discordant(cells)
    n = int(cells.number.sum())
    right = int(cells.number[(cells.baseline == cells.truth)].sum()) - only_old
    wrong = n - right - only_old - only_new
    p_new, p_old = (right + only_new) / n, (right + only_old) / n
    low_new, high_new = wilson_limits(right + only_new, n, 1 - confidence)
    low_old, high_old = wilson_limits(right + only_old, n, 1 - confidence)
    margins = math.sqrt(p_new * (1 - p_new) * p_old * (1 - p_old)) * n * n
    raw = right * wrong - only_old * only_new
    joint = max(raw - n / 2, 0.0) if raw > 0 else float(raw)
    phi = joint / margins if margins else 0.0

    def reach(first: float, second: float) -> float:
        return math.sqrt(max(0.0, first**2 - 2 * phi * first * second + second**2))

    gain = p_new - p_old
    low = gain - reach(p_new - low_new, high_old - p_old)
    high = gain + reach(high_new - p_new, p_old - low_old)
    return Interval(low, high, confidence, "Newcombe's paired score")


def wilson_limits(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Return Wilson's score interval (1927) of a proportion, exactly 0 or 1 at 0 or n successes.

    >>> round(wilson_limits(0, 20, 0.05)[1], 6)
    0.161125
    """
    z = float(ndtri(1 - alpha / 2))
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    reach = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    low = 0.0 if successes == 0 else centre - reach
    high = 1.0 if successes == n else centre + reach
    return low, high


def bca_limits(
    resampled: Values, estimate: float, influence: Values, alpha: float
) -> tuple[float, float]:
    """Return the bias-corrected and accelerated limits (Efron 1987).

    `influence`: what each unit adds to the estimate, on any scale: the mean of the jackknife less
    the estimate without the unit.
    """
    below = float((resampled < estimate).mean() + (resampled == estimate).mean() / 2)
    if not 0 < below < 1:
        raise DesignError("the bootstrap distribution lies on one side of the estimate")
    bias = float(ndtri(below))
    spread = float((influence**2).sum()) ** 1.5
    acceleration = float((influence**3).sum()) / (6 * spread) if spread else 0.0
    z = bias + ndtri(np.array([alpha / 2, 1 - alpha / 2]))
    low, high = np.quantile(resampled, ndtr(bias + z / (1 - acceleration * z)))
    return float(low), float(high)
