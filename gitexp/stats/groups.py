"""Tests of several treatments and of their pairs: independent groups, or the same blocks.

Blocks are data sets, seeds or subjects. Their tables have one row a block and one column a
treatment, of shape (n_blocks, n_treatments); rank 1 is the best of a block.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, fdtrc, ndtr

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.contingency import ChiSquared
from gitexp.stats.distributions import many_to_one_sf, range_isf, range_sf
from gitexp.stats.effects import Estimate, noncentral_f_interval
from gitexp.stats.hypotheses import family
from gitexp.stats.permutation import chunks
from gitexp.stats.ranks import midranks, tie_sum
from gitexp.stats.tests import MAX_ASSIGNMENTS
from gitexp.stats.ttests import FTest, welch_difference
from gitexp.stats.values import Values, finite, rate, resolution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Groups = Mapping[str, Sequence[float]]
    Table = Sequence[Sequence[float]]

LABEL_DRAWS = 9_999


@dataclass(frozen=True, slots=True)
class Anova:
    """One-way analysis of variance; eta squared is the share of the sum of squares."""

    statistic: float
    df_between: int
    df_within: int
    ss_between: float
    ss_within: float
    eta_squared: float
    p_value: float


def one_way_anova(groups: Groups) -> Anova:
    """Test whether all groups have the same mean, assuming equal variances (Fisher 1925).

    >>> one_way_anova({"a": [1.0, 2.0], "b": [3.0, 4.0]}).statistic
    8.0
    """
    values = checked(groups)
    # Large constants with small variation: differences from one value are exact, so centre first.
    origin = values[0][0]
    centred = [group - origin for group in values]
    n, k = sum(len(group) for group in centred), len(centred)
    grand = np.concatenate(centred).mean()
    between = math.fsum(len(group) * (group.mean() - grand) ** 2 for group in centred)
    within = math.fsum(((group - group.mean()) ** 2).sum() for group in centred)
    if within <= 0:
        raise DesignError("no group varies, so there is no error to measure by")
    statistic = (between / (k - 1)) / (within / (n - k))
    p_value = float(fdtrc(k - 1, n - k, statistic))
    return Anova(statistic, k - 1, n - k, between, within, between / (between + within), p_value)


def welch_anova(groups: Groups) -> FTest:
    """Test whether all groups have the same mean, whatever their variances (Welch 1951)."""
    values = checked(groups, least=2)
    k = len(values)
    n = np.array([len(group) for group in values], dtype=np.float64)
    origin = values[0][0]
    means = np.array([(group - origin).mean() for group in values])
    variances = np.array([(group - origin).var(ddof=1) for group in values])
    if (variances <= 0).any():
        raise DesignError("a group does not vary, so its mean has no error to weigh it by")
    weights = n / variances
    centre = (weights * means).sum() / weights.sum()
    spread = ((1 - weights / weights.sum()) ** 2 / (n - 1)).sum()
    top = (weights * (means - centre) ** 2).sum() / (k - 1)
    statistic = float(top / (1 + 2 * (k - 2) / (k * k - 1) * spread))
    df2 = float((k * k - 1) / (3 * spread))
    return FTest(statistic, k - 1, df2, float(fdtrc(k - 1, df2, statistic)))


def kruskal_wallis(groups: Groups) -> ChiSquared:
    """Test whether values of all groups tend to be equally large (Kruskal and Wallis 1952)."""
    values = checked(groups)
    pooled = np.concatenate(values)
    n = len(pooled)
    ranks = midranks(pooled)
    parts = np.split(ranks, np.cumsum([len(group) for group in values])[:-1])
    spread = math.fsum(len(part) * (part.mean() - (n + 1) / 2) ** 2 for part in parts)
    correction = 1 - tie_sum(pooled) / (n**3 - n)
    if correction <= 0:
        return ChiSquared(0.0, len(values) - 1, 1.0)  # all values are equal
    statistic = float(12 / (n * (n + 1)) * spread / correction)
    df = len(values) - 1
    return ChiSquared(statistic, df, float(chdtrc(df, statistic)))


def eta_squared(groups: Groups, *, alpha: float = 0.05) -> Estimate:
    """Return the share of the variation that lies between groups, with its interval.

    Of confidence 1 - alpha: noncentral-F limits lambda / (lambda + N) (Steiger 2004).
    """
    anova = one_way_anova(groups)
    n = anova.df_between + anova.df_within + 1
    limits = noncentral_f_interval(anova.statistic, anova.df_between, anova.df_within, alpha)
    low, high = (ncp / (ncp + n) for ncp in limits)
    return Estimate(anova.eta_squared, low, high)


def omega_squared(groups: Groups) -> float:
    """Return the share between groups with less bias than `eta_squared` (Hays 1963)."""
    anova = one_way_anova(groups)
    error = anova.ss_within / anova.df_within
    total = anova.ss_between + anova.ss_within
    return (anova.ss_between - anova.df_between * error) / (total + error)


def checked(groups: Groups, *, least: int = 1) -> list[Values]:
    """Return the groups as arrays; there must be two, and more values than groups."""
    values = [finite(group, f"values of {name}", least=least) for name, group in groups.items()]
    if len(values) < 2 or sum(map(len, values)) <= len(values):  # noqa: PLR2004 - nothing to compare
        raise DesignError(
            "too few groups or values",
            found=f"{len(values)} groups, {sum(map(len, values))} values",
            expected="at least 2 groups and more values than groups",
        )
    return values


@dataclass(frozen=True, slots=True)
class PermutationF:
    """The F statistic with the share of relabellings that reach it."""

    statistic: float
    p_value: float
    relabellings: int
    exact: bool


def permutation_f_test(groups: Groups) -> PermutationF:
    """Test whether the groups have one distribution, by F over relabellings (Pitman 1938).

    The sum of squares between the groups orders relabellings as F does. The observed labels are
    one of them, so p is never 0. An infinite F, of groups that do not vary within, is reported as
    the largest float.

    >>> permutation_f_test({"a": [1.0, 2.0], "b": [7.0, 9.0], "c": [4.0, 4.5]}).p_value
    0.06666666666666667
    """
    values = checked(groups)
    sizes = [len(group) for group in values]
    pooled = np.concatenate(values)
    # distances from the mean, so that rounding noise stays small beside them
    centred = pooled - pooled.mean()
    total = float((centred**2).sum())
    if float(np.abs(centred).max()) <= resolution(pooled):
        return PermutationF(0.0, 1.0, 1, exact=True)
    observed = float(_between(centred[None, :], sizes)[0])
    bound = observed - 1e-9 * total
    ways = _assignments(sizes)
    if ways <= MAX_ASSIGNMENTS:
        orders = np.array(list(_labelled(tuple(range(len(pooled))), sizes)))
        reached, number, exact = int((_between(centred[orders], sizes) >= bound).sum()), ways, True
    else:
        reached, number, exact = 1, LABEL_DRAWS + 1, False
        for dealt in _drawn(centred):
            reached += int((_between(dealt, sizes) >= bound).sum())
    within = max(total - observed, 0.0)
    k, n = len(sizes), len(pooled)
    statistic = math.inf if within <= 1e-12 * total else (observed / (k - 1)) / (within / (n - k))
    return PermutationF(min(statistic, np.finfo(float).max), reached / number, number, exact)


def dunn_test(groups: Groups) -> dict[tuple[str, str], tuple[float, float]]:
    """Compare the mean ranks of all pairs of groups, with the ranks of all groups together.

    First less second, and the p-value, adjusted by Holm (Dunn 1964).

    >>> dunn_test({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})[("a", "b")][0]
    -3.0
    """
    values = checked(groups)
    pooled = np.concatenate(values)
    n = len(pooled)
    parts = np.split(midranks(pooled), np.cumsum([len(group) for group in values])[:-1])
    variance = n * (n + 1) / 12 - tie_sum(pooled) / (12 * (n - 1))
    differences, p_values = {}, []
    for (name_a, a), (name_b, b) in itertools.combinations(zip(groups, parts, strict=True), 2):
        difference = float(a.mean() - b.mean())
        error = math.sqrt(variance * (1 / len(a) + 1 / len(b)))
        differences[name_a, name_b] = difference
        p_values.append(min(1.0, float(2 * ndtr(-abs(difference / error)))) if error else 1.0)
    pairs = zip(differences.items(), family(p_values, "holm"), strict=True)
    return {names: (difference, p) for (names, difference), p in pairs}


def _between(rows: Values, sizes: Sequence[int]) -> Values:
    """Return the sum of squares between groups of each row, whose mean is 0."""
    squares = np.zeros(len(rows))
    start = 0
    for size in sizes:
        squares += rows[:, start : start + size].sum(axis=1) ** 2 / size
        start += size
    return squares


def _assignments(sizes: Sequence[int]) -> int:
    left, ways = sum(sizes), 1
    for size in sizes:
        ways *= math.comb(left, size)
        left -= size
    return ways


def _labelled(left: tuple[int, ...], sizes: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """Return every way to deal the indices into groups of these sizes."""
    if len(sizes) == 1:
        yield left
        return
    for chosen in itertools.combinations(left, sizes[0]):
        rest = tuple(index for index in left if index not in chosen)
        for others in _labelled(rest, sizes[1:]):
            yield (*chosen, *others)


def _drawn(values: Values) -> Iterator[Values]:
    rng = np.random.default_rng(0)
    for rows in chunks(LABEL_DRAWS, len(values)):
        yield rng.permuted(np.broadcast_to(values, (rows, len(values))), axis=1)


@dataclass(frozen=True, slots=True)
class WelchPair:
    """A difference of two groups with the pair's own degrees of freedom, p for all pairs."""

    difference: float
    df: float
    ci_low: float
    ci_high: float
    p_value: float


@dataclass(frozen=True, slots=True)
class AgainstControl:
    """A treatment minus the control, p-value for the family of all treatments."""

    difference: float
    statistic: float
    p_value: float


def games_howell(groups: Groups, *, alpha: float = 0.05) -> dict[tuple[str, str], WelchPair]:
    """Compare all pairs of groups, whatever their variances: first less second.

    All intervals together have confidence 1 - alpha, approximately (Games and Howell 1976).
    """
    rate(alpha)
    values = dict(zip(groups, checked(groups, least=2), strict=True))
    k = len(values)
    comparisons = {}
    for (name_a, a), (name_b, b) in itertools.combinations(values.items(), 2):
        mean = welch_difference(a, b)
        reach = range_isf(alpha, k, mean.df) / math.sqrt(2) * mean.error
        comparisons[name_a, name_b] = WelchPair(
            mean.estimate,
            mean.df,
            mean.estimate - reach,
            mean.estimate + reach,
            range_sf(abs(mean.estimate) / mean.error * math.sqrt(2), k, mean.df),
        )
    return comparisons


def dunnett_test(control: Sequence[float], groups: Groups) -> dict[str, AgainstControl]:
    """Compare each treatment with one control, assuming equal variances (Dunnett 1955)."""
    # the control's name must not collide with that of a treatment
    everything = {"": control, **{f"group {name}": group for name, group in groups.items()}}
    base, *treatments = checked(everything)
    anova = one_way_anova(everything)
    df = anova.df_within
    shares = [len(group) / (len(group) + len(base)) for group in treatments]
    comparisons = {}
    for name, group in zip(groups, treatments, strict=True):
        difference = float(group.mean() - base.mean())
        error = math.sqrt(anova.ss_within / df * (1 / len(group) + 1 / len(base)))
        statistic = difference / error
        p_value = many_to_one_sf(abs(statistic), shares, df)
        comparisons[name] = AgainstControl(difference, statistic, p_value)
    return comparisons


@dataclass(frozen=True, slots=True)
class Friedman:
    """The tie-corrected Friedman test."""

    statistic: float
    df: int
    p_value: float
    mean_ranks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RepeatedMeasures:
    """Repeated-measures analysis of variance, plain and corrected for lacking sphericity."""

    statistic: float
    df1: int
    df2: int
    p_value: float
    epsilon_gg: float
    p_value_gg: float


def friedman_test(
    table: Table, treatments: Sequence[str], *, higher_is_better: bool = True
) -> Friedman:
    """Test whether all treatments rank alike within blocks (Friedman 1937).

    >>> friedman_test([[1.0, 2.0], [3.0, 4.0]], ["a", "b"]).mean_ranks
    (2.0, 1.0)
    """
    values = _table(table, treatments)
    ranks = np.array([midranks(-row if higher_is_better else row) for row in values])
    n, k = ranks.shape
    centre, df = (k + 1) / 2, k - 1
    spread = float(((ranks.sum(axis=0) - n * centre) ** 2).sum())
    variation = float(((ranks - centre) ** 2).sum())
    statistic = float(df * spread / variation) if variation else 0.0
    means = tuple(float(mean) for mean in ranks.mean(axis=0))
    return Friedman(statistic, df, float(chdtrc(df, statistic)), means)


def davenport(chi_squared: float, n: int, k: int) -> FTest:
    """Return the F of n blocks and k treatments with such a chi-squared.

    See Iman and Davenport (1980); where all blocks rank the treatments alike it is infinite.
    """
    room = n * (k - 1) - chi_squared
    if room <= 0 or n < 2:  # noqa: PLR2004 - one block has no error
        raise DesignError(
            "all blocks rank the treatments alike, so F is infinite",
            expected="more blocks, or the Friedman test",
        )
    statistic = (n - 1) * chi_squared / room
    df1, df2 = k - 1, (k - 1) * (n - 1)
    return FTest(statistic, df1, df2, float(fdtrc(df1, df2, statistic)))


def nemenyi_critical_difference(n_treatments: int, n_blocks: int, *, alpha: float = 0.05) -> float:
    """Return the difference of mean ranks that is significant among all pairs (Demsar 2006).

    >>> round(nemenyi_critical_difference(4, 14), 4)
    1.2536
    """
    rate(alpha)
    error = _rank_error(n_treatments, n_blocks)
    return range_isf(alpha, n_treatments, math.inf) / math.sqrt(2) * error


def nemenyi_test(mean_ranks: Sequence[float], n_blocks: int) -> list[float]:
    """Return the p-values of all pairs of mean ranks, see `nemenyi_critical_difference`."""
    k = len(mean_ranks)
    apart = [abs(one - two) for one, two in itertools.combinations(mean_ranks, 2)]
    error = _rank_error(k, n_blocks)
    return [range_sf(each / error * math.sqrt(2), k, math.inf) for each in apart]


def z_against_control(mean_ranks: Sequence[float], n_blocks: int) -> list[float]:
    """Return how far each mean rank lies from the first, the control's; positive: it is better.

    See Demsar (2006), section 3.2.2.
    """
    control, *others = mean_ranks
    return [(control - mean) / _rank_error(len(mean_ranks), n_blocks) for mean in others]


def repeated_measures_anova(table: Table, treatments: Sequence[str]) -> RepeatedMeasures:
    """Test whether all treatments have the same mean within blocks.

    The treatments must not differ alike in all blocks, of which there are two at least. The
    corrected p-value multiplies both degrees of freedom by epsilon (Greenhouse and Geisser 1959).
    """
    values = _table(table, treatments)
    n, k = values.shape
    if n < 2:  # noqa: PLR2004 - one block has no error
        raise DesignError("too few blocks", found=str(n), expected="at least 2")
    values = values - values[0, 0]
    grand = values.mean()
    between = n * ((values.mean(axis=0) - grand) ** 2).sum()
    residual = values - values.mean(axis=0) - values.mean(axis=1, keepdims=True) + grand
    error = (residual**2).sum()
    if error <= 0:
        raise DesignError("treatments differ alike in all blocks: there is no error to measure by")
    df1, df2 = k - 1, (k - 1) * (n - 1)
    statistic = float((between / df1) / (error / df2))
    covariance = residual.T @ residual / (n - 1)  # of the columns, centred in both directions
    epsilon = float(np.trace(covariance) ** 2 / (df1 * (covariance**2).sum()))
    return RepeatedMeasures(
        statistic,
        df1,
        df2,
        float(fdtrc(df1, df2, statistic)),
        epsilon,
        float(fdtrc(df1 * epsilon, df2 * epsilon, statistic)),
    )


def _table(table: Table, treatments: Sequence[str]) -> Values:
    values = finite(np.asarray(table, dtype=np.float64), "table")
    if values.ndim != 2 or values.shape[1] != len(treatments) or len(treatments) < 2:  # noqa: PLR2004
        raise DesignError(
            "the table does not have one column a treatment",
            found=f"shape {values.shape}, {len(treatments)} treatments",
            expected="at least 2 treatments",
        )
    return values


def _rank_error(k: int, n: int) -> float:
    if k < 2 or n < 1:  # noqa: PLR2004 - nothing to compare
        raise DesignError("too few treatments or blocks", found=f"{k} and {n}")
    return math.sqrt(k * (k + 1) / (6 * n))
