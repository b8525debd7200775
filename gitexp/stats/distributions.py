"""Distributions that no table has, by quadrature: ranges, maxima, and sums at several looks."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import chdtr, chdtri, gammaln, ndtr

from gitexp.stats.effects import crossing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.values import Values

NODES = 160  # of the quadrature
LOOK_NODES = 120  # of that over one look's statistic
TAIL = 1e-13  # of the distribution of the standard deviation, left out at either end
REACH = 8.5  # standard deviations of the normal variable


def range_sf(q: float, k: int, df: float) -> float:
    """Return P(studentized range of k means > q), by quadrature (Lund and Lund 1983).

    >>> round(range_sf(3.633160, 4, math.inf), 6)
    0.05
    """
    if q <= 0:
        return 1.0
    scale, weight = standard_deviations(df)
    z, density = _normal()
    inner = ndtr(z[:, None]) - ndtr(z[:, None] - q * scale[None, :])
    inside = k * (density[:, None] * inner ** (k - 1)).sum(axis=0)
    return float(min(1.0, max(0.0, (weight * (1 - inside)).sum())))


def range_isf(p: float, k: int, df: float) -> float:
    """Return the q that the studentized range exceeds with probability p."""
    return crossing(lambda q: range_sf(q, k, df) - p, 1e-6, 1e3)


def many_to_one_sf(statistic: float, shares: Sequence[float], df: float) -> float:
    """Return P(max over groups of abs(t) > statistic) for comparisons with one control.

    `shares`: n_group / (n_group + n_control) of each group; statistics i and j have the
    correlation sqrt(share_i share_j).
    """
    scale, weight = standard_deviations(df)
    z, density = _normal()
    inside = np.ones((len(z), len(scale)))
    for share in shares:
        common, own = math.sqrt(share), math.sqrt(1 - share)
        upper = ndtr((common * z[:, None] + statistic * scale[None, :]) / own)
        lower = ndtr((common * z[:, None] - statistic * scale[None, :]) / own)
        inside = inside * np.maximum(0.0, upper - lower)
    return float(min(1.0, max(0.0, (weight * (1 - density @ inside)).sum())))


def standard_deviations(df: float, *, at_most: float = math.inf) -> tuple[Values, Values]:
    """Return nodes and weights over s / sigma with `df` degrees of freedom.

    Weights sum to the probability of an s / sigma of at most `at_most`.
    """
    if math.isinf(df):
        return np.ones(1), np.ones(1)
    low = math.sqrt(float(chdtri(df, 1 - TAIL)) / df)
    high = min(at_most, math.sqrt(float(chdtri(df, TAIL)) / df))
    if high <= low:
        return np.ones(1), np.zeros(1)
    x, w = _legendre(NODES)
    s = (high + low) / 2 + (high - low) / 2 * x
    log_density = (df - 1) * np.log(s) - df * s * s / 2
    log_density += df / 2 * math.log(df / 2) - float(gammaln(df / 2)) + math.log(2)
    weight = (high - low) / 2 * w * np.exp(log_density)
    return s, weight / weight.sum() * float(chdtr(df, df * high * high))


def crossing_probability(
    critical: Sequence[float], *, times: Sequence[float] | None = None, two_sided: bool = False
) -> float:
    """Return the probability under the null that z leaves its limits at any look.

    `critical`: limit of z at each look. `times`: units (information) at each look, rising; equally
    spaced by default. The sum over looks is carried as its density on the limits' inside
    (Armitage, McPherson and Rowe 1969).

    >>> round(crossing_probability([1.96] * 5, two_sided=True), 3)
    0.142
    """
    x, w = _legendre(LOOK_NODES)
    inside, before = 1.0, 0.0
    points, density, weight = np.zeros(1), np.ones(1), np.ones(1)
    for time, z in zip(times or range(1, len(critical) + 1), critical, strict=True):
        reach = REACH * math.sqrt(time)
        high = max(-reach, min(z * math.sqrt(time), reach))
        low = -high if two_sided else -reach
        following = (high + low) / 2 + (high - low) / 2 * x
        spread, before = time - before, float(time)
        step = np.exp(-((following[:, None] - points[None, :]) ** 2) / (2 * spread))
        density = step @ (density * weight) / math.sqrt(2 * math.pi * spread)
        points, weight = following, (high - low) / 2 * w
        inside = float((density * weight).sum())
    return min(1.0, max(0.0, 1 - inside))


@functools.cache
def _legendre(nodes: int) -> tuple[Values, Values]:
    x, w = np.polynomial.legendre.leggauss(nodes)
    return x, w


def _normal() -> tuple[Values, Values]:
    x, w = _legendre(NODES)
    z = REACH * x
    weight = REACH * w * np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return z, weight / weight.sum()
