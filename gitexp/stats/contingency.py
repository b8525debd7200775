"""Tests of tables of counts: classifiers right or wrong on the same examples, categories."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtrc

from gitexp.errors import DesignError
from gitexp.stats.values import Values, finite

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Label = int | str
    Table = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class ChiSquared:
    """A statistic with its chi-squared p-value."""

    statistic: float
    df: int
    p_value: float


@dataclass(frozen=True, slots=True)
class Independence:
    """The chi-squared test of independence with Cramer's V of the uncorrected statistic."""

    statistic: float
    df: int
    p_value: float
    cramers_v: float


def cochran_q(truth: Sequence[Label], predictions: Mapping[str, Sequence[Label]]) -> ChiSquared:
    """Test whether several classifiers are right equally often on the same examples.

    Parameters
    ----------
    truth : sequence, length n_examples
    predictions : mapping of name to sequence
        Two classifiers at least.

    Raises
    ------
    DesignError
        If there are fewer than two classifiers, or their predictions are not of the same examples.

    References
    ----------
    .. [1] Cochran, W. G. (1950). The comparison of percentages in matched samples. Biometrika
       37, 256-266. :doi:`10.1093/biomet/37.3-4.256`
    """
    right = np.array([_right(truth, guesses) for guesses in predictions.values()], dtype=np.float64)
    k = len(right)
    if k < 2:  # noqa: PLR2004 - one classifier is no comparison
        raise DesignError("a comparison needs two classifiers", found=str(k))
    columns, rows = right.sum(axis=1), right.sum(axis=0)
    spread = k * rows.sum() - (rows**2).sum()
    top = (k - 1) * (k * (columns**2).sum() - columns.sum() ** 2)
    statistic = float(top / spread) if spread else 0.0
    return ChiSquared(statistic, k - 1, float(chdtrc(k - 1, statistic)))


def chi_square_independence(table: Table, *, continuity_correction: bool = False) -> Independence:
    """Test whether rows and columns of a table of counts are independent.

    Parameters
    ----------
    table : sequence of int, shape (r, c)
        Empty rows and columns are an error.
    continuity_correction : bool
        Yates's, for 2 x 2 tables only.

    Raises
    ------
    DesignError
        If the table holds anything but counts, or has an empty or a single row or column.

    References
    ----------
    .. [1] Agresti, A. (2013). Categorical Data Analysis, 3rd edition. Wiley, section 3.2.
    """
    counts = _counts(table, "table")
    total = counts.sum()
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0, keepdims=True) / max(1, total)
    if (expected == 0).any() or min(counts.shape) < 2:  # noqa: PLR2004 - nothing to depend on
        raise DesignError(
            "the table has an empty or a single row or column", found=str(counts.tolist())
        )
    distance = np.abs(counts - expected)
    plain = float((distance**2 / expected).sum())
    statistic = plain
    if continuity_correction and counts.shape == (2, 2):
        distance -= np.minimum(0.5, distance)
        statistic = float((distance**2 / expected).sum())
    r, c = counts.shape
    df = (r - 1) * (c - 1)
    v = math.sqrt(plain / (float(total) * (min(r, c) - 1)))
    return Independence(statistic, df, float(chdtrc(df, statistic)), v)


def _counts(table: Table, what: str) -> Values:
    counts = finite(np.asarray(table, dtype=np.float64), what)
    if counts.ndim != 2 or (counts < 0).any() or (counts != np.rint(counts)).any():  # noqa: PLR2004
        raise DesignError(f"the {what} does not hold counts", expected="whole numbers, 0 or more")
    return counts


def _right(truth: Sequence[Label], predictions: Sequence[Label]) -> list[bool]:
    if len(truth) != len(predictions) or not truth:
        raise DesignError(
            "predictions of the same examples are needed",
            found=f"{len(truth)} labels, {len(predictions)} predictions",
        )
    return [label == guess for label, guess in zip(truth, predictions, strict=True)]
