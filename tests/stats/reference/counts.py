"""Named tests of counts and proportions: the product's tails and limits, scipy, and formulae."""

from __future__ import annotations

import itertools
import math
from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats
from scipy.special import betaincinv, gammaln

from gitexp.errors import DesignError
from gitexp.stats import contingency
from gitexp.stats.examples import mcnemar_tails, mid_p_tails
from gitexp.stats.intervals import wilson_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Numbers = dict[str, object]
Table = list[list[int]]
SAME = 1e-7  # relative: probabilities that differ by less are equal, as in R


def mcnemar_test(
    table: Table | None = None,
    *,
    truth: Sequence[object] = (),
    predictions_a: Sequence[object] = (),
    predictions_b: Sequence[object] = (),
    method: str = "exact",
) -> Numbers:
    """Rows of the table: `a` right, wrong; columns: `b`."""
    if table is None:
        table = [[0, 0], [0, 0]]
        for label, a, b in zip(truth, predictions_a, predictions_b, strict=True):
            table[a != label][b != label] += 1
    only_a, only_b = table[0][1], table[1][0]
    n = only_a + only_b
    shown = {"n_discordant": n, "table": table}
    if method in {"exact", "mid_p"}:
        tails = (mcnemar_tails if method == "exact" else mid_p_tails)(only_b, only_a)
        return {"p_value": tails.two_sided, **shown}
    if method not in {"chi2", "chi2_continuity"}:
        raise DesignError("unknown method of McNemar's test", found=method)
    distance = max(0, abs(only_a - only_b) - (method == "chi2_continuity"))
    statistic = distance**2 / n if n else 0.0
    return {"p_value": stats.chi2.sf(statistic, 1), "statistic": statistic, "df": 1, **shown}


def cochran_q(truth: list[object], predictions: dict[str, list[object]]) -> Numbers:
    answers = predictions.values()
    right = [[label == one for label, one in zip(truth, side, strict=True)] for side in answers]
    return asdict(contingency.cochran_q(np.array(right, dtype=float)))


def cochran_mantel_haenszel(
    tables: Sequence[Table], *, continuity_correction: bool = True, alpha: float = 0.05
) -> Numbers:
    """Mantel and Haenszel (1959); the interval is that of Robins, Breslow and Greenland (1986)."""
    strata = np.array(tables, dtype=float)
    n = strata.sum(axis=(1, 2))
    strata, n = strata[n > 1], n[n > 1]  # a stratum of one example says nothing
    a, b, c, d = strata[:, 0, 0], strata[:, 0, 1], strata[:, 1, 0], strata[:, 1, 1]
    row, column = a + b, a + c
    distance = abs((a - row * column / n).sum())
    spread = (row * (n - row) * column * (n - column) / (n**2 * (n - 1))).sum()
    if continuity_correction and distance >= 0.5:
        distance -= 0.5
    statistic = distance**2 / spread
    found = {"statistic": statistic, "df": 1, "p_value": stats.chi2.sf(statistic, 1)}
    r, s = a * d / n, b * c / n
    if r.sum() == 0 or s.sum() == 0:  # no interval belongs to a ratio of 0 or infinity
        return {**found, "common_odds_ratio": math.inf if r.sum() else 0.0}
    ratio = r.sum() / s.sum()
    p, q = (a + d) / n, (b + c) / n
    variance = (
        (p * r).sum() / (2 * r.sum() ** 2)
        + (p * s + q * r).sum() / (2 * r.sum() * s.sum())
        + (q * s).sum() / (2 * s.sum() ** 2)
    )
    reach = math.exp(stats.norm.isf(alpha / 2) * math.sqrt(variance))
    return {**found, "common_odds_ratio": ratio, "ci_low": ratio / reach, "ci_high": ratio * reach}


def clopper_pearson_limits(successes: int, n: int, alpha: float) -> tuple[float, float]:
    """Return the exact binomial interval of a proportion (Clopper and Pearson 1934).

    >>> round(clopper_pearson_limits(0, 20, 0.05)[1], 6)
    0.168433
    """
    misses = n - successes
    low = 0.0 if successes == 0 else float(betaincinv(successes, misses + 1, alpha / 2))
    high = 1.0 if misses == 0 else float(betaincinv(successes + 1, misses, 1 - alpha / 2))
    return low, high


def proportion_interval(
    successes: int,
    n: int,
    alpha: float = 0.05,
    *,
    limits: Callable[[int, int, float], tuple[float, float]],
) -> Numbers:
    low, high = limits(successes, n, alpha)
    return {"estimate": successes / n, "ci_low": low, "ci_high": high}


def chi_square_independence(table: Table, *, continuity_correction: bool = False) -> Numbers:
    """The product's; Yates's correction, of a 2 x 2 table, is scipy's."""
    found = asdict(contingency.chi_square_independence(table))
    if continuity_correction and np.shape(table) == (2, 2):
        corrected = stats.chi2_contingency(table)
        found |= {"statistic": corrected.statistic, "p_value": corrected.pvalue}
    return found


def newcombe_difference_interval(
    successes_a: int, n_a: int, successes_b: int, n_b: int, alpha: float = 0.05
) -> Numbers:
    """Newcombe (1998), Stat. Med. 17:873, method 10."""
    a, b = successes_a / n_a, successes_b / n_b
    low_a, high_a = wilson_limits(successes_a, n_a, alpha)
    low_b, high_b = wilson_limits(successes_b, n_b, alpha)
    return {
        "difference": a - b,
        "ci_low": a - b - math.hypot(a - low_a, high_b - b),
        "ci_high": a - b + math.hypot(high_a - a, b - low_b),
    }


def fisher_exact(table: Table, *, alternative: str = "two-sided") -> Numbers:
    """Scipy's for 2 x 2 tables; larger ones, which it only samples, are enumerated."""
    counts = np.array(table)
    if counts.shape == (2, 2):
        ratio = stats.contingency.odds_ratio(counts, kind="conditional").statistic
        p_value = stats.fisher_exact(counts, alternative=alternative).pvalue
        # an empty row or column leaves scipy no ratio; R says 0
        return {"p_value": p_value, "conditional_odds_ratio": 0.0 if math.isnan(ratio) else ratio}
    if alternative != "two-sided":
        raise DesignError("only a 2 x 2 table has sides", found=str(counts.shape))
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    return {"p_value": _enumerated(counts if len(counts) <= len(counts[0]) else counts.T)}


def _enumerated(counts: np.ndarray) -> float:
    """Sum the tables not more probable (Freeman and Halton 1951), the columns in two halves."""
    rows, columns = counts.sum(axis=1), counts.sum(axis=0).tolist()
    half = len(columns) // 2
    # a row-sum vector as one number, so that a half and its complement add up to `everything`
    radix = np.cumprod(np.concatenate([[1], rows[:-1] + 1]))
    everything = int(rows @ radix)
    left, right = _fill(rows, columns[:half], radix), _fill(rows, columns[half:], radix)
    bound = -gammaln(counts + 1).sum() + math.log1p(SAME)
    tops = [max(logs.max() for logs in side.values()) for side in (left, right)]
    inside = total = 0.0
    for used, first in left.items():
        logs = right.get(everything - used, np.zeros(0))
        cumulated = np.concatenate([[0.0], np.cumsum(np.exp(logs - tops[1]))])
        scaled = np.exp(first - tops[0])
        inside += (scaled * cumulated[np.searchsorted(logs, bound - first, "right")]).sum()
        total += scaled.sum() * cumulated[-1]
    return float(inside / total)


def _fill(rows: np.ndarray, columns: list[int], radix: np.ndarray) -> dict[int, np.ndarray]:
    """Return, by row sums used up, minus the log factorials of every filling, sorted."""
    used, logs = np.zeros((1, len(rows)), dtype=int), np.zeros(1)
    for total in columns:
        column = np.array(list(_compositions(total, tuple(rows.tolist()))))
        weights = -gammaln(column + 1).sum(axis=1)
        parts = []
        for some, log in zip(np.array_split(used, len(used) // 256 + 1),
                             np.array_split(logs, len(used) // 256 + 1), strict=True):  # fmt: skip
            after = some[:, None, :] + column[None, :, :]
            fits = (after <= rows).all(axis=2)
            parts.append((after[fits], (log[:, None] + weights[None, :])[fits]))
        used = np.concatenate([after for after, _ in parts])
        logs = np.concatenate([log for _, log in parts])
    keys = used @ radix
    order = np.lexsort((logs, keys))
    found, starts = np.unique(keys[order], return_index=True)
    return dict(zip(found.tolist(), np.split(logs[order], starts[1:]), strict=True))


def _compositions(total: int, room: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield all ways to deal `total` to places with limited room."""
    for parts in itertools.product(*(range(min(total, most) + 1) for most in room[:-1])):
        if 0 <= total - sum(parts) <= room[-1]:
            yield (*parts, total - sum(parts))
