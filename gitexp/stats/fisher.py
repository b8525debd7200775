"""Fisher's exact test of tables of any shape, by meeting in the middle of the columns."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln

from gitexp.errors import DesignError
from gitexp.stats.roots import crossing
from gitexp.stats.values import Values, finite

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Places = NDArray[np.int64]

MAX_HALF_TABLES = 3_000_000  # ways to fill one half of the columns
MAX_COLUMNS = 200_000  # ways to fill one column
MAX_PRODUCT = 200_000_000  # combinations tried for them
CHUNK_ROWS = 256
SAME = 1e-7  # relative: probabilities that differ by less are equal, as in R


@dataclass(frozen=True, slots=True)
class FisherTest:
    """P-value and, for 2 x 2 tables, the conditional maximum-likelihood odds ratio."""

    p_value: float
    conditional_odds_ratio: float | None = None


def fisher_exact(
    table: Sequence[Sequence[int]],
    *,
    alternative: Literal["two-sided", "greater", "less"] = "two-sided",
) -> FisherTest:
    """Test independence of rows and columns given both margins.

    Parameters
    ----------
    table : sequence of int, shape (r, c)
    alternative : {"two-sided", "greater", "less"}
        Two-sided sums all tables that are not more probable; the others are of the odds ratio
        of a 2 x 2 table.

    Raises
    ------
    DesignError
        If the table holds no counts, is one-sided without being 2 x 2, or is too large to be
        enumerated.

    References
    ----------
    .. [1] Fisher, R. A. (1935). The logic of inductive inference. J. R. Stat. Soc. 98, 39-82.
       :doi:`10.2307/2342435`
    .. [2] Freeman, G. H. and Halton, J. H. (1951). Note on an exact treatment of contingency,
       goodness of fit and other problems of significance. Biometrika 38, 141-149.
       :doi:`10.1093/biomet/38.1-2.141`

    Examples
    --------
    >>> round(fisher_exact([[3, 1], [1, 3]], alternative="greater").p_value, 6)
    0.242857
    """
    counts = finite(np.asarray(table, dtype=np.float64), "table")
    if counts.ndim != 2 or (counts < 0).any() or (counts != np.rint(counts)).any():  # noqa: PLR2004
        raise DesignError("the table does not hold counts", expected="whole numbers, 0 or more")
    if counts.shape == (2, 2):
        return _two_by_two(counts, alternative)
    if alternative != "two-sided":
        raise DesignError("only a 2 x 2 table has sides", found=str(counts.shape))
    counts = counts[counts.sum(axis=1) > 0][:, counts.sum(axis=0) > 0]
    if min(counts.shape) < 2:  # noqa: PLR2004 - a single row fits its margins in one way
        return FisherTest(1.0)
    return FisherTest(_two_sided(counts if counts.shape[0] <= counts.shape[1] else counts.T))


def _two_by_two(counts: Values, alternative: str) -> FisherTest:
    row, other = counts.sum(axis=1)
    column = counts[:, 0].sum()
    observed = int(counts[0, 0])
    low, high = int(max(0, column - other)), int(min(row, column))
    support = np.arange(low, high + 1, dtype=np.float64)
    weights = _log_choose(row, support) + _log_choose(other, column - support)
    weights -= weights.max()
    chances = np.exp(weights) / np.exp(weights).sum()
    at = observed - low
    if alternative == "greater":
        p_value = float(chances[at:].sum())
    elif alternative == "less":
        p_value = float(chances[: at + 1].sum())
    else:
        p_value = float(chances[chances <= chances[at] * (1 + SAME)].sum())
    return FisherTest(min(1.0, p_value), _odds_ratio(support, weights, observed))


def _odds_ratio(support: Values, weights: Values, observed: int) -> float:
    """Return the ratio at which the observed count is the expected one."""
    if observed == support[0]:
        return 0.0
    if observed == support[-1]:
        return math.inf

    def excess(log_ratio: float) -> float:
        tilted = weights + support * log_ratio
        tilted = np.exp(tilted - tilted.max())
        return float((support * tilted).sum() / tilted.sum()) - observed

    return math.exp(crossing(excess, -60.0, 60.0))


def _two_sided(counts: Values) -> float:
    """Sum the tables not more probable: each half of the columns by the row sums it uses up."""
    rows = counts.sum(axis=1).astype(np.int64)
    columns = [int(total) for total in counts.sum(axis=0)]
    half = len(columns) // 2
    # a row-sum vector as one number, so that a half and its complement add up to `everything`
    radix = np.cumprod(np.concatenate([[1], rows[:-1] + 1]))
    everything = int(rows @ radix)
    left, right = _fill(rows, columns[:half], radix), _fill(rows, columns[half:], radix)
    bound = -float(gammaln(counts + 1).sum()) + math.log1p(SAME)
    top_left, top_right = (
        max(float(logs.max()) for logs in side.values()) for side in (left, right)
    )
    inside = total = 0.0
    for used, first in left.items():
        if everything - used not in right:
            continue
        logs = right[everything - used]
        cumulated = np.concatenate([[0.0], np.cumsum(np.exp(logs - top_right))])
        scaled = np.exp(first - top_left)
        inside += float((scaled * cumulated[np.searchsorted(logs, bound - first, "right")]).sum())
        total += float(scaled.sum() * cumulated[-1])
    return min(1.0, inside / total)


def _fill(rows: Places, columns: list[int], radix: Places) -> dict[int, Values]:
    """Return, by row sums used up, minus the log factorials of every filling, sorted."""
    used, logs = np.zeros((1, len(rows)), dtype=np.int64), np.zeros(1)
    for total in columns:
        ways = list(itertools.islice(_compositions(total, tuple(rows.tolist())), MAX_COLUMNS + 1))
        if len(ways) > MAX_COLUMNS or len(used) * len(ways) > MAX_PRODUCT:
            raise _too_large()
        column = np.array(ways, dtype=np.int64)
        weights = -gammaln(column + 1).sum(axis=1)
        parts = []
        for start in range(0, len(used), CHUNK_ROWS):
            some = slice(start, start + CHUNK_ROWS)
            after = used[some, None, :] + column[None, :, :]
            fits = (after <= rows).all(axis=2)
            parts.append((after[fits], (logs[some, None] + weights[None, :])[fits]))
        used = np.concatenate([after for after, _ in parts])
        logs = np.concatenate([log for _, log in parts])
        if len(used) > MAX_HALF_TABLES:
            raise _too_large()
    keys = used @ radix
    order = np.lexsort((logs, keys))
    found, starts = np.unique(keys[order], return_index=True)
    pieces = np.split(logs[order], starts[1:])
    return {int(key): piece for key, piece in zip(found, pieces, strict=True)}


def _too_large() -> DesignError:
    return DesignError(
        "the table is too large to be enumerated",
        expected="smaller counts, or the chi-squared test",
    )


def _compositions(total: int, room: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    """Yield all ways to deal `total` to places with limited room."""
    if len(room) == 1:
        if total <= room[0]:
            yield (total,)
        return
    rest = sum(room[1:])
    for first in range(max(0, total - rest), min(total, room[0]) + 1):
        for others in _compositions(total - first, room[1:]):
            yield (first, *others)


def _log_choose(n: float, k: Values) -> Values:
    logs: Values = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return logs
