"""Tests of tables of counts: paired and independent proportions, categories, strata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.special import chdtrc, ndtri

from gitexp.errors import DesignError
from gitexp.stats.examples import mcnemar_tails, mid_p_tails
from gitexp.stats.values import Values, finite, rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Label = int | str
    Table = Sequence[Sequence[int]]

McNemarMethod = Literal["exact", "mid_p", "chi2", "chi2_continuity"]


@dataclass(frozen=True, slots=True)
class McNemarTest:
    """McNemar's test; statistic and df belong to the chi-squared methods only."""

    p_value: float
    n_discordant: int
    table: tuple[tuple[int, int], tuple[int, int]]  # rows: a right, wrong; columns: b
    statistic: float | None = None
    df: int | None = None


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


@dataclass(frozen=True, slots=True)
class MantelHaenszel:
    """The stratified test of 2 x 2 tables with the common odds ratio."""

    statistic: float
    df: int
    p_value: float
    common_odds_ratio: float
    ci_low: float | None  # no interval belongs to a ratio of 0 or infinity
    ci_high: float | None


def mcnemar_test(
    table: Table | None = None,
    *,
    truth: Sequence[Label] = (),
    predictions_a: Sequence[Label] = (),
    predictions_b: Sequence[Label] = (),
    method: McNemarMethod = "exact",
) -> McNemarTest:
    """Test whether two classifiers are right equally often on the same examples.

    Parameters
    ----------
    table : sequence of int, shape (2, 2), or None
        Rows: `a` right, wrong; columns: `b` right, wrong. None: counted from the labels.
    truth, predictions_a, predictions_b : sequence
        Labels of the examples, where there is no table.
    method : {"exact", "mid_p", "chi2", "chi2_continuity"}
        Exact: two-sided binomial. Mid-p: outcomes as far from the middle as the observed one
        count half.

    Raises
    ------
    DesignError
        If the table is not 2 x 2 of counts, or the predictions are not of the same examples, or the
        method is unknown.

    References
    ----------
    .. [1] McNemar, Q. (1947). Note on the sampling error of the difference between correlated
       proportions or percentages. Psychometrika 12, 153-157. :doi:`10.1007/BF02295996`
    .. [2] Fagerland, M. W., Lydersen, S. and Laake, P. (2013). BMC Med. Res. Methodol. 13, 91.
       :doi:`10.1186/1471-2288-13-91`

    Examples
    --------
    >>> mcnemar_test([[1, 1], [7, 12]]).p_value
    0.0703125
    """
    counts = _right_and_wrong(truth, predictions_a, predictions_b) if table is None else table
    whole = _counts(counts, "table")
    if whole.shape != (2, 2):
        raise DesignError("not a 2 x 2 table", found=str(whole.shape))
    only_a, only_b = int(whole[0, 1]), int(whole[1, 0])
    n = only_a + only_b
    shown = ((int(whole[0, 0]), only_a), (only_b, int(whole[1, 1])))
    match method:
        case "exact":
            return McNemarTest(mcnemar_tails(only_b, only_a).two_sided, n, shown)
        case "mid_p":
            return McNemarTest(mid_p_tails(only_b, only_a).two_sided, n, shown)
        case "chi2" | "chi2_continuity":
            distance = abs(only_a - only_b)
            if method == "chi2_continuity":
                distance = max(0, distance - 1)
            statistic = distance**2 / n if n else 0.0
            return McNemarTest(float(chdtrc(1, statistic)), n, shown, statistic, 1)
        case _:
            raise DesignError("unknown method of McNemar's test", found=str(method))


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


def cochran_mantel_haenszel(
    tables: Sequence[Table], *, continuity_correction: bool = True, alpha: float = 0.05
) -> MantelHaenszel:
    """Test for a common association in 2 x 2 tables of several strata.

    Parameters
    ----------
    tables : sequence of (2, 2) tables
    continuity_correction : bool
        Half a count.
    alpha : float
        The interval of the odds ratio has confidence 1 - alpha.

    Raises
    ------
    DesignError
        If the tables are not 2 x 2 of counts, no stratum varies in both directions, or alpha is no
        rate.

    References
    ----------
    .. [1] Mantel, N. and Haenszel, W. (1959). Statistical aspects of the analysis of data from
       retrospective studies of disease. J. Natl. Cancer Inst. 22, 719-748.
       :doi:`10.1093/jnci/22.4.719`
    .. [2] Robins, J., Breslow, N. and Greenland, S. (1986). Estimators of the Mantel-Haenszel
       variance consistent in both sparse data and large-strata limiting models. Biometrics 42,
       311-323. :doi:`10.2307/2531052` (the interval)
    """
    rate(alpha)
    strata = np.array([_counts(table, "stratum") for table in tables])
    if strata.ndim != 3 or strata.shape[1:] != (2, 2):  # noqa: PLR2004 - strata x 2 x 2
        raise DesignError("not a list of 2 x 2 tables", found=str(strata.shape))
    n = strata.sum(axis=(1, 2))
    strata, n = strata[n > 1], n[n > 1]  # a stratum of one example says nothing
    a, b, c, d = strata[:, 0, 0], strata[:, 0, 1], strata[:, 1, 0], strata[:, 1, 1]
    row, column = a + b, a + c
    distance = abs(float((a - row * column / n).sum()))
    spread = float((row * (n - row) * column * (n - column) / (n**2 * (n - 1))).sum())
    r, s = a * d / n, b * c / n
    if spread <= 0:
        raise DesignError("no stratum varies in both directions, so there is no odds ratio")
    if continuity_correction and distance >= 0.5:  # noqa: PLR2004 - half a count
        distance -= 0.5
    statistic = distance**2 / spread
    p_value = float(chdtrc(1, statistic))
    if r.sum() == 0 or s.sum() == 0:
        return MantelHaenszel(statistic, 1, p_value, math.inf if r.sum() else 0.0, None, None)
    ratio = float(r.sum() / s.sum())
    p, q = (a + d) / n, (b + c) / n
    variance = (
        (p * r).sum() / (2 * r.sum() ** 2)
        + (p * s + q * r).sum() / (2 * r.sum() * s.sum())
        + (q * s).sum() / (2 * s.sum() ** 2)
    )
    reach = float(ndtri(1 - alpha / 2)) * math.sqrt(float(variance))
    return MantelHaenszel(
        statistic,
        1,
        p_value,
        ratio,
        ratio * math.exp(-reach),
        ratio * math.exp(reach),
    )


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


def _right_and_wrong(
    truth: Sequence[Label], predictions_a: Sequence[Label], predictions_b: Sequence[Label]
) -> Table:
    table = [[0, 0], [0, 0]]
    a, b = _right(truth, predictions_a), _right(truth, predictions_b)
    for right_a, right_b in zip(a, b, strict=True):
        table[not right_a][not right_b] += 1
    return table
