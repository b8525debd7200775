"""Tests of tables of counts: right or wrong on the same examples, categories."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from gitexp.errors import DesignError
from gitexp.model import dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.values import Values

    Table = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class ChiSquared:
    """A statistic of counts with its p-value, by chi-squared or by random relabelling."""

    statistic: float
    df: int | None  # None: relabelled at random
    p_value: float
    cramers_v: float | None = None  # of a test of independence


def cochran_q(right: Values) -> ChiSquared:
    """Test whether classifiers are right equally often on the same examples (Cochran 1950).

    `right`: shape (classifiers, examples), 1 where right.
    """
    k = len(right)
    columns, rows = right.sum(axis=1), right.sum(axis=0)
    spread = k * rows.sum() - (rows**2).sum()
    top = (k - 1) * (k * (columns**2).sum() - columns.sum() ** 2)
    statistic = float(top / spread) if spread else 0.0
    return ChiSquared(statistic, k - 1, float(chdtrc(k - 1, statistic)))


def chi_square_independence(table: Table) -> ChiSquared:
    """Test whether rows and columns of a table of counts are independent.

    See Agresti (2013), section 3.2. An empty or a single row or column is an error.
    """
    counts = np.asarray(table, dtype=np.float64)
    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / max(1, total)
    if (expected == 0).any() or min(counts.shape) < 2:  # noqa: PLR2004 - nothing to depend on
        raise DesignError(
            "the table has an empty or a single row or column", found=str(counts.tolist())
        )
    statistic = float(((counts - expected) ** 2 / expected).sum())
    r, c = counts.shape
    df = (r - 1) * (c - 1)
    v = math.sqrt(statistic / (float(total) * (min(r, c) - 1)))
    return ChiSquared(statistic, df, float(chdtrc(df, statistic)), v)


SMALL = 5.0  # expected count below which chi-squared's own distribution is not trusted
TIE = 1e-9


def swapped_categories(
    joint: Sequence[Sequence[int]] | Values, *, draws: int, seed: int
) -> ChiSquared:
    """Test two sides' categories of the same examples by swapping them at random.

    `joint`: shape (k, k), examples by the baseline's category (row) and the candidate's (column).
    The statistic is that of `stuart_maxwell`; its distribution is that of swapping the two
    categories of each example with probability 1/2, so that no count is too small (Edgington and
    Onghena 2007, chapter 6). Swaps leave the statistic's covariance as it is.

    >>> swapped_categories([[5, 0], [0, 5]], draws=99, seed=0).p_value
    1.0
    """
    table = np.asarray(joint, dtype=np.float64)
    rows, columns = np.nonzero(table * (1 - np.eye(len(table))))
    if not len(rows):
        return ChiSquared(0.0, None, 1.0)
    difference, inverse, _ = _homogeneity(table)
    observed = float(difference @ inverse @ difference)
    number = table[rows, columns].astype(np.int64)
    rng = np.random.default_rng(seed)
    step = np.eye(len(table))[columns] - np.eye(len(table))[rows]
    moved = rng.binomial(number, 0.5, size=(draws, len(number))).astype(np.float64) @ step
    drawn = difference + 2 * moved
    hits = int((((drawn @ inverse) * drawn).sum(axis=1) >= observed * (1 - TIE) - TIE).sum())
    return ChiSquared(observed, None, (hits + 1) / (draws + 1))


def stuart_maxwell(joint: Sequence[Sequence[int]] | Values) -> ChiSquared:
    """Test marginal homogeneity of categories of the same examples (Stuart 1955, Maxwell 1970).

    >>> round(stuart_maxwell([[10, 7], [1, 10]]).statistic, 3)  # (7 - 1)**2 / 8
    4.5
    """
    difference, inverse, df = _homogeneity(np.asarray(joint, dtype=np.float64))
    if df == 0:  # nobody changed
        return ChiSquared(0.0, 0, 1.0)
    statistic = float(difference @ inverse @ difference)
    return ChiSquared(statistic, df, float(chdtrc(df, statistic)))


def dealt_categories(
    first: Sequence[int], second: Sequence[int], *, draws: int, seed: int
) -> ChiSquared:
    """Test two sides' counts of different examples given both margins, by dealing them anew.

    The Monte-Carlo form of the exact conditional test, with Pearson's statistic (Hope 1968).
    """
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    whole = (one + two).astype(np.int64)
    rng = np.random.default_rng(seed)
    dealt = rng.multivariate_hypergeometric(whole, int(one.sum()), size=draws, method="marginals")
    observed = float(_chi_squared(one[None], two[None])[0])
    drawn = _chi_squared(dealt.astype(np.float64), (whole - dealt).astype(np.float64))
    hits = int((drawn >= observed - TIE).sum())
    return ChiSquared(observed, None, (hits + 1) / (draws + 1))


def smallest_expected(first: Sequence[int], second: Sequence[int]) -> float:
    """Return the smallest expected count of a 2 x k table; it follows from the margins alone."""
    one, two = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    total = one.sum() + two.sum()
    return float(((one + two) * min(one.sum(), two.sum()) / total).min())


def mantel_haenszel_categories(tables: Sequence[Sequence[Sequence[int]]]) -> ChiSquared:
    """Test two sides' categories over strata: the generalised Cochran-Mantel-Haenszel statistic.

    `tables`: one of shape (2, k) a stratum, with the same categories (Landis, Heyman and Koch
    1978).
    """
    strata = np.asarray(tables, dtype=np.float64)
    k = strata.shape[2]
    difference, spread = np.zeros(k), np.zeros((k, k))
    for table in strata:
        n, columns, row = table.sum(), table.sum(axis=0), table[0].sum()
        if n < 2:  # noqa: PLR2004 - a stratum of one says nothing
            continue
        difference += table[0] - row * columns / n
        factor = row * (n - row) / (n * n * (n - 1))
        spread += factor * (n * np.diag(columns) - np.outer(columns, columns))
    df = int(np.linalg.matrix_rank(spread))
    if df == 0:
        return ChiSquared(0.0, 0, 1.0)
    statistic = float(difference @ np.linalg.pinv(spread, hermitian=True) @ difference)
    return ChiSquared(statistic, df, float(chdtrc(df, statistic)))


def _homogeneity(table: Values) -> tuple[Values, Values, int]:
    """Return the differences of the margins, their inverse covariance, and its rank."""
    difference = table.sum(axis=1) - table.sum(axis=0)
    spread = -(table + table.T)
    np.fill_diagonal(spread, table.sum(axis=1) + table.sum(axis=0) - 2 * np.diag(table))
    inverse = np.asarray(np.linalg.pinv(spread, hermitian=True), dtype=np.float64)
    return difference, inverse, int(np.linalg.matrix_rank(spread, hermitian=True))


def _chi_squared(first: Values, second: Values) -> Values:
    """Return Pearson's statistic of 2 x k tables, rows of them; empty categories add nothing."""
    both = first + second
    one, two = first.sum(axis=-1, keepdims=True), second.sum(axis=-1, keepdims=True)
    expected = both * one / (one + two)
    gap = (first - expected) ** 2
    parts = np.divide(gap, expected, out=np.zeros_like(gap), where=expected > 0)
    other = both - expected
    parts += np.divide(gap, other, out=np.zeros_like(gap), where=other > 0)
    statistics: Values = parts.sum(axis=-1)
    return statistics
