"""Permutation tests of a mean: sign flips of paired differences, labels of independent values.

Every p-value counts the observed relabelling itself, so none is ever zero; relabellings that
tie with the observed one up to rounding noise count as at least as extreme.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.values import Values, finite, finite_pairs, noise

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAX_SUMS = 2**20  # of one half of the values, in an exact count: 8 MB
_BYTE = 8
_NO_SPREAD = 1e-12  # of the mean square
CHUNK = 2_000_000  # random numbers held at a time: 16 MB


@dataclass(frozen=True, slots=True)
class Tails:
    """P-values of one statistic: against "not greater", "not less" and "no difference"."""

    greater: float
    less: float
    two_sided: float
    statistic: float | None = None  # where its size is worth being told


def sign_flip_tails(
    baseline: Values, candidate: Values, *, draws: int | None = None, seed: int = 0
) -> Tails:
    """Test the mean of the paired differences candidate - baseline against zero.

    `draws`: random sign patterns; None visits all ``2**n_pairs``. If the difference of each pair is
    symmetric about zero, its sign is a fair coin (Fisher 1935, section 21). All patterns are
    counted by meeting in the middle: the sums over the first half of the pairs against the sorted
    sums over the second, so 20 pairs cost 2 * 1024 sums, not 2**20. Drawn p-values are
    (b + 1) / (m + 1) (Phipson and Smyth 2010).

    >>> candidate = np.array([0.733, 0.737, 0.736, 0.746, 0.727])
    >>> sign_flip_tails(np.array([0.728, 0.729, 0.736, 0.746, 0.729]), candidate).greater
    0.25
    """
    baseline, candidate = finite_pairs(baseline, candidate)
    differences = candidate - baseline
    tolerance = noise(differences, baseline, candidate)
    observed = float(differences.sum())
    if draws is None:
        half = len(differences) // 2
        _countable(2 ** (len(differences) - half))
        left = _signed_sums(differences[:half])
        right = np.sort(_signed_sums(differences[half:]))

        def at_least(bound: float) -> int:
            return _pairs_at_least(left, right, bound)

        total, extra = 2 ** len(differences), 0
        greater, less = at_least(observed - tolerance), at_least(-observed - tolerance)
        outside = 2 * at_least(abs(observed) - tolerance)
    else:
        sums = np.concatenate(list(drawn_flips(differences, draws, seed)))
        total, extra = draws, 1
        greater, less, outside = _as_extreme(sums, observed, tolerance)
    if abs(observed) <= tolerance:
        outside = total
    return _tails(greater, less, outside, total=total, extra=extra)


def flips_of_t_tails(
    baseline: Values, candidate: Values, *, draws: int | None = None, seed: int = 0
) -> Tails:
    """Test the mean of the paired differences by Hall's t over the patterns of signs.

    As `sign_flip_tails` where each difference is symmetric about zero. Where they are skewed, t
    without its skewness (Hall 1992) errs less: of exponential values with spreads 1 and 3 the mean
    is rejected from the side of the short tail in 10 % of true nulls of 20 pairs, this in 8 %.

    >>> candidate = np.arange(1.0, 17.0)
    >>> flips_of_t_tails(np.zeros(16), candidate).greater == 2**-16
    True
    """
    baseline, candidate = finite_pairs(baseline, candidate)
    differences = candidate - baseline
    tolerance, scale = noise(differences, baseline, candidate), float(np.abs(differences).max())
    if scale <= tolerance:
        return Tails(1.0, 1.0, 1.0)
    scaled = differences / scale
    square, powers = float((scaled**2).sum()), (scaled, scaled**3)
    first, third = flip_sums(powers, draws, seed)
    t = halls_t(first, third, square, len(scaled))
    first, third = (np.array([each.sum()]) for each in powers)
    observed = float(halls_t(first, third, square, len(scaled))[0])
    greater, less, outside = _as_extreme(t, observed, t_noise(observed))
    extra = 0 if draws is None else 1
    return _tails(greater, less, outside, total=len(t), extra=extra)


def flip_sums(columns: Iterable[Values], draws: int | None, seed: int) -> list[Values]:
    """Return the sums of each column under the same patterns of signs: all, or random ones."""
    if draws is None:
        return [_signed_sums(column) for column in columns]
    return [np.concatenate(list(drawn_flips(column, draws, seed))) for column in columns]


def halls_t(first: Values, third: Values, square: float, n: int) -> Values:
    """Return Hall's t of n values from the sums of their first and third powers, and squares.

    Without spread it is infinite, and 0 where the mean is 0, too.
    """
    mean = first / n
    squared = mean * mean
    variance = square / n - squared
    there = variance > _NO_SPREAD * square / n
    spread = np.sqrt(np.where(there, variance, 1.0))
    ratio = mean / spread
    central = third / n - mean * (3 * square / n - 2 * squared)
    skewness = math.sqrt(n * (n - 1)) / (n - 2) * central / (spread * spread * spread)
    bent = skewness * ratio / 3
    t = ratio * (1 + bent + bent * bent / 3) + skewness / (6 * n)
    apart = np.where(np.abs(mean) > 0, np.copysign(math.inf, mean), 0.0)
    return np.where(there, math.sqrt(n) * t, apart)


def t_noise(observed: float) -> float:
    """Return by how much rounding may move Hall's t."""
    return 1e-9 * (1 + abs(observed)) if math.isfinite(observed) else 0.0


def label_tails(
    baseline: Values, candidate: Values, *, draws: int | None = None, seed: int = 0
) -> Tails:
    """Test the difference of two independent means against zero.

    `draws`: random assignments; None visits all ``comb(n_baseline + n_candidate, n_baseline)``. If
    both sides have the same distribution, labels may be dealt afresh (Pitman 1937). With different
    spread *and* number the test of the mean does not keep alpha (Romano 1990), however many values
    there are: use `studentized_label_tails` then. With equal numbers the two are the same test,
    since t rises with the difference of the means. Assignments are counted by meeting in the
    middle, as in `sign_flip_tails`, with subsets of the pooled values by size.

    >>> label_tails(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])).greater
    0.05
    """
    baseline, candidate = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    n, m = len(candidate), len(baseline)
    if _mirrored(baseline, candidate):  # fewer subsets are counted from the smaller side
        mirrored = label_tails(candidate, baseline, draws=draws, seed=seed)
        return Tails(mirrored.less, mirrored.greater, mirrored.two_sided)
    pooled = np.concatenate([candidate, baseline])
    # With the pooled mean taken off, the difference of means is the candidate's sum times
    # 1/n + 1/m; large constants would drown the differences otherwise.
    centred = pooled - pooled.mean()
    tolerance = noise(centred, baseline, candidate)
    observed = float(centred[:n].sum())
    if draws is None:
        half = (n + m) // 2
        _countable(sum(math.comb(n + m - half, k) for k in range(n + 1)))
        left, right = _subsets(centred[:half], n), _subsets(centred[half:], n)
        splits = [(left[k], right[n - k]) for k in range(len(left)) if 0 <= n - k < len(right)]

        def at_least(bound: float) -> int:
            return sum(_pairs_at_least(some, others, bound) for some, others in splits)

        total, extra = math.comb(n + m, n), 0
        greater = at_least(observed - tolerance)
        less = total - at_least(math.nextafter(observed + tolerance, math.inf))
        above = at_least(abs(observed) - tolerance)
        outside = above + total - at_least(math.nextafter(tolerance - abs(observed), math.inf))
    else:
        total, extra = draws, 1
        dealt = _drawn_labels(centred, n, draws, seed)
        sums = np.concatenate([values.sum(axis=1) for values in dealt])
        greater, less, outside = _as_extreme(sums, observed, tolerance)
    if abs(observed) <= tolerance:
        outside = total
    return _tails(greater, less, outside, total=total, extra=extra)


def studentized_label_tails(
    baseline: Values, candidate: Values, *, draws: int | None = None, seed: int = 0
) -> Tails:
    """Test the difference of two independent means by Welch's t over the assignments of labels.

    Two values a side at least. If both sides have the same distribution the p-value is exact, as
    that of `label_tails`; if only their means are the same it is so in the limit (Janssen 1997,
    Chung and Romano 2013), since t has the same distribution whatever the spreads.

    >>> studentized_label_tails(np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0])).greater
    0.1
    """
    baseline = finite(baseline, "baseline values", least=2)
    candidate = finite(candidate, "candidate values", least=2)
    n, m = len(candidate), len(baseline)
    if _mirrored(baseline, candidate):  # fewer values are dealt from the smaller side
        mirrored = studentized_label_tails(candidate, baseline, draws=draws, seed=seed)
        return Tails(mirrored.less, mirrored.greater, mirrored.two_sided)
    pooled = np.concatenate([candidate, baseline])
    centred = pooled - pooled.mean()
    tolerance, scale = noise(centred, baseline, candidate), float(np.abs(centred).max())
    if scale <= tolerance:  # all values are equal
        return Tails(1.0, 1.0, 1.0)
    centred, tolerance = centred / scale, tolerance / scale
    if draws is None:
        ways = math.comb(n + m, n)
        _countable(ways)
        chosen = itertools.chain.from_iterable(itertools.combinations(range(n + m), n))
        dealt = iter([centred[np.fromiter(chosen, np.intp, ways * n).reshape(ways, n)]])
    else:
        dealt = _drawn_labels(centred, n, draws, seed)
    t = np.concatenate([_welch_t(values, centred, tolerance) for values in dealt])
    observed = float(_welch_t(centred[None, :n], centred, tolerance)[0])
    error = 0.0  # of t by rounding
    if math.isfinite(observed):
        spread = centred[:n].var(ddof=1) / n + centred[n:].var(ddof=1) / m
        error = tolerance * (1 + abs(observed)) / math.sqrt(spread) + 1e-12 * abs(observed)
    greater, less, outside = _as_extreme(t, observed, error)
    total, extra = (len(t), 0) if draws is None else (draws, 1)
    return _tails(greater, less, outside, total=total, extra=extra)


def _welch_t(dealt: Values, centred: Values, tolerance: float) -> Values:
    """Return Welch's t of each row against the values that it leaves; infinite without spread."""
    n, m = dealt.shape[1], len(centred) - dealt.shape[1]
    sums, squares = dealt.sum(axis=1), (dealt**2).sum(axis=1)
    one, two = sums / n, (centred.sum() - sums) / m
    variance = (squares - n * one**2) / (n - 1) / n
    variance += ((centred**2).sum() - squares - m * two**2) / (m - 1) / m
    difference: Values = one - two
    apart = np.where(np.abs(difference) <= tolerance, 0.0, np.copysign(math.inf, difference))
    t: Values = np.divide(
        difference, np.sqrt(np.maximum(variance, 0.0)), out=apart, where=variance > tolerance
    )
    return t


def drawn_tails(draws: Iterable[Values], observed: float, tie: float) -> Tails:
    """Return (b + 1) / (m + 1) of what random relabellings give, some rows of them at a time.

    `tie`: by which a draw may miss the observed value and still reach it.
    """
    counts, total = np.ones(3), 1
    for values in draws:
        counts += _as_extreme(values, observed, tie)
        total += len(values)
    greater, less, outside = (float(count) / total for count in counts)
    return Tails(greater, less, outside)


def _as_extreme(values: Values, observed: float, tolerance: float) -> tuple[int, int, int]:
    """Count the values that are at least as great, as small, and as far from zero as observed."""
    return (
        int((values >= observed - tolerance).sum()),
        int((values <= observed + tolerance).sum()),
        int((np.abs(values) >= abs(observed) - tolerance).sum()),
    )


def _countable(sums: int) -> None:
    if sums > MAX_SUMS:
        raise DesignError(
            "too many values for an exact permutation test",
            found=f"{sums:,} sums of one half",
            expected=f"at most {MAX_SUMS:,} (40 values), or random draws",
        )


def _pairs_at_least(left: Values, right: Values, bound: float) -> int:
    """Count the pairs, one of either side, whose sum reaches a bound; `right` is sorted."""
    return int((len(right) - np.searchsorted(right, bound - left, side="left")).sum())


def _signed_sums(values: Values) -> Values:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums


def _subsets(values: Values, most: int) -> list[Values]:
    """Return the sorted sums of all subsets of 0, 1, ... up to `most` of the values."""
    by_size = [np.zeros(1)]
    for value in values:
        none = [np.zeros(0)]
        without, longer = by_size + none, none + [sums + value for sums in by_size]
        pairs = list(zip(without, longer, strict=True))[: most + 1]
        by_size = [np.concatenate(both) for both in pairs]
    return [np.sort(sums) for sums in by_size]


def drawn_flips(differences: Values, draws: int, seed: int) -> Iterator[Values]:
    """Yield sums with random signs: one random byte decides eight of them, by a table of sums."""
    rng = np.random.default_rng(seed)
    signs = 2.0 * ((np.arange(2**_BYTE)[:, None] >> np.arange(_BYTE)) & 1) - 1.0
    padded = np.zeros((-(-len(differences) // _BYTE), _BYTE))
    padded.flat[: len(differences)] = differences
    for rows in chunks(draws, _BYTE):
        sums = np.zeros(rows)
        for block in padded:
            sums += (signs @ block).take(rng.integers(0, 2**_BYTE, size=rows, dtype=np.uint8))
        yield sums


def _mirrored(baseline: Values, candidate: Values) -> bool:
    """Whether the sides change places, so that swapped ones are dealt the same."""
    n, m = len(candidate), len(baseline)
    return n > m or (n == m and tuple(np.sort(candidate)) < tuple(np.sort(baseline)))


def _drawn_labels(values: Values, n: int, draws: int, seed: int) -> Iterator[Values]:
    """Yield the n values that the first side is dealt, one row a draw, whatever their order."""
    rng, values = np.random.default_rng(seed), np.sort(values)
    for rows in chunks(draws, len(values)):
        dealt = rng.permuted(np.broadcast_to(values, (rows, len(values))), axis=1)
        yield dealt[:, :n]


def chunks(draws: int, width: int, held: int = CHUNK) -> Iterator[int]:
    """Yield how many draws to make at a time, each of so many numbers."""
    size = max(1, held // max(1, width))
    for start in range(0, draws, size):
        yield min(size, draws - start)


def _tails(greater: int, less: int, outside: int, *, total: int, extra: int) -> Tails:
    share = total + extra
    return Tails(
        greater=(greater + extra) / share,
        less=(less + extra) / share,
        two_sided=min(1.0, (outside + extra) / share),
    )
