"""Several treatments measured in the same blocks: data sets, seeds or subjects.

Tables have one row a block and one column a treatment. Rank 1 is the best of a block.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc, fdtrc

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.distributions import range_isf, range_sf
from gitexp.stats.ranks import midranks
from gitexp.stats.values import Values, finite, rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    Table = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Friedman:
    """The tie-corrected Friedman test."""

    statistic: float
    df: int
    p_value: float
    mean_ranks: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class ImanDavenport:
    """The F test made from Friedman's chi-squared."""

    chi_squared: float
    statistic: float
    df1: int
    df2: int
    p_value: float


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

    `table`: shape (n_blocks, n_treatments).

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


def davenport(chi_squared: float, n: int, k: int) -> ImanDavenport:
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
    return ImanDavenport(chi_squared, statistic, df1, df2, float(fdtrc(df1, df2, statistic)))


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

    `table`: shape (n_blocks, n_treatments), at least two blocks, in which the treatments do not
    all differ alike. The corrected p-value multiplies both degrees of freedom by epsilon
    (Greenhouse and Geisser 1959).
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
