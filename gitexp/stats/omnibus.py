"""Several groups without a distribution: labels permuted by F, and Dunn's comparison of ranks."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

from gitexp.stats.adjust import holm
from gitexp.stats.groups import checked
from gitexp.stats.ranks import midranks, tie_sum
from gitexp.stats.tests import MAX_ASSIGNMENTS
from gitexp.stats.values import Values, resolution

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    Groups = Mapping[str, Sequence[float]]

LABEL_DRAWS = 9_999
CHUNK = 2_000_000  # random numbers held at a time: 16 MB


@dataclass(frozen=True, slots=True)
class PermutationF:
    """The F statistic with the share of relabellings that reach it."""

    statistic: float
    p_value: float
    relabellings: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Dunn:
    """Comparisons of mean ranks by "A - B", p-values adjusted by Holm."""

    differences: Mapping[str, float]
    z: Mapping[str, float]
    p_values: Mapping[str, float]
    adjusted_p_values: Mapping[str, float]


def permutation_f_test(groups: Groups, *, seed: int = 0) -> PermutationF:
    """Test whether the groups have one distribution, by F over relabellings.

    Parameters
    ----------
    groups : mapping of name to values
    seed : int
        Of the random relabellings, where there are more than `design.MAX_ASSIGNMENTS`.

    Returns
    -------
    PermutationF
        The observed labels are one relabelling, so p is never 0. An infinite F, of groups that do
        not vary within, is reported as the largest float.

    Notes
    -----
    The sum of squares between the groups orders relabellings as F does [1]_.

    References
    ----------
    .. [1] Pitman, E. J. G. (1938). Significance tests which may be applied to samples from any
       populations: III. The analysis of variance test. Biometrika 29, 322-335.
       :doi:`10.1093/biomet/29.3-4.322`

    Examples
    --------
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
        for dealt in _drawn(centred, seed):
            reached += int((_between(dealt, sizes) >= bound).sum())
    within = max(total - observed, 0.0)
    k, n = len(sizes), len(pooled)
    statistic = math.inf if within <= 1e-12 * total else (observed / (k - 1)) / (within / (n - k))
    return PermutationF(min(statistic, np.finfo(float).max), reached / number, number, exact)


def dunn_test(groups: Groups) -> Dunn:
    """Compare the mean ranks of all pairs of groups, with the ranks of all groups together.

    Parameters
    ----------
    groups : mapping of name to values

    References
    ----------
    .. [1] Dunn, O. J. (1964). Multiple comparisons using rank sums. Technometrics 6, 241-252.
       :doi:`10.1080/00401706.1964.10490181`

    Examples
    --------
    >>> found = dunn_test({"a": [1.0, 2.0, 3.0], "b": [4.0, 5.0, 6.0]})
    >>> round(found.z["a - b"], 4)
    -1.964
    """
    values = checked(groups)
    pooled = np.concatenate(values)
    n = len(pooled)
    parts = np.split(midranks(pooled), np.cumsum([len(group) for group in values])[:-1])
    variance = n * (n + 1) / 12 - tie_sum(pooled) / (12 * (n - 1))
    differences, z = {}, {}
    for (name_a, a), (name_b, b) in itertools.combinations(zip(groups, parts, strict=True), 2):
        name = f"{name_a} - {name_b}"
        differences[name] = float(a.mean() - b.mean())
        error = math.sqrt(variance * (1 / len(a) + 1 / len(b)))
        z[name] = differences[name] / error if error else 0.0
    p_values = {name: min(1.0, float(2 * ndtr(-abs(value)))) for name, value in z.items()}
    adjusted = holm(tuple(p_values.values()))
    return Dunn(differences, z, p_values, dict(zip(p_values, adjusted, strict=True)))


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


def _drawn(values: Values, seed: int) -> Iterator[Values]:
    rng = np.random.default_rng(seed)
    size = max(1, CHUNK // len(values))
    for start in range(0, LABEL_DRAWS, size):
        rows = min(size, LABEL_DRAWS - start)
        yield rng.permuted(np.broadcast_to(values, (rows, len(values))), axis=1)
