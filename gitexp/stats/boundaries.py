"""Group-sequential boundaries: what z has to pass at a number of looks fixed beforehand."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from gitexp.errors import DesignError
from gitexp.stats.roots import crossing
from gitexp.stats.values import Values, rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

NODES = 120  # of the quadrature over one look's statistic
REACH = 8.5  # standard deviations


@dataclass(frozen=True, slots=True)
class GroupSequential:
    """Critical values of z at equally spaced looks."""

    constant: float
    critical_values: tuple[float, ...]
    nominal_p_values: tuple[float, ...]


def pocock_boundary(n_looks: int, alpha: float, *, two_sided: bool = True) -> GroupSequential:
    """Return the critical value that is the same at all looks.

    Parameters
    ----------
    n_looks : int
        At least 1, equally spaced.
    alpha : float
        Error of all looks together.
    two_sided : bool

    Raises
    ------
    DesignError
        If there is no look, or alpha is no rate.

    References
    ----------
    .. [1] Pocock, S. J. (1977). Group sequential methods in the design and analysis of clinical
       trials. Biometrika 64, 191-199. :doi:`10.1093/biomet/64.2.191`
    """
    return _group_sequential(lambda _: 1.0, n_looks, alpha, two_sided=two_sided)


def obrien_fleming_boundary(
    n_looks: int, alpha: float, *, two_sided: bool = True
) -> GroupSequential:
    """Return critical values constant * sqrt(K / k), strict at first and lenient at last.

    See `pocock_boundary` for the parameters.

    References
    ----------
    .. [1] O'Brien, P. C. and Fleming, T. R. (1979). A multiple testing procedure for clinical
       trials. Biometrics 35, 549-556. :doi:`10.2307/2530245`
    """
    return _group_sequential(
        lambda look: math.sqrt(n_looks / look), n_looks, alpha, two_sided=two_sided
    )


def crossing_probability(
    critical: Sequence[float], *, times: Sequence[float] | None = None, two_sided: bool = False
) -> float:
    """Return the probability under the null that z leaves its limits at any look.

    Parameters
    ----------
    critical : sequence of float
        Limit of z at each look.
    times : sequence of float, optional
        Units (information) at each look, rising; equally spaced by default.
    two_sided : bool
        Whether the limits are on both sides.

    Notes
    -----
    The sum over looks is carried as its density on the limits' inside (Armitage, McPherson and
    Rowe 1969, :doi:`10.2307/2343787`).

    Examples
    --------
    >>> round(crossing_probability([1.96] * 5, two_sided=True), 3)
    0.142
    """
    x, w = _legendre()
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


def _group_sequential(
    shape: Callable[[int], float], n_looks: int, alpha: float, *, two_sided: bool
) -> GroupSequential:
    rate(alpha)
    if n_looks < 1:
        raise DesignError("no look, no test", found=str(n_looks), expected="at least 1")
    shapes = [shape(look) for look in range(1, n_looks + 1)]

    def excess(constant: float) -> float:
        return crossing_probability([constant * s for s in shapes], two_sided=two_sided) - alpha

    constant = crossing(excess, float(ndtri(1 - alpha)) * 0.5, 8.0)
    critical = [constant * s for s in shapes]
    sides = 2 if two_sided else 1
    nominal = tuple(float(sides * ndtr(-z)) for z in critical)
    return GroupSequential(constant, tuple(critical), nominal)


@functools.cache
def _legendre() -> tuple[Values, Values]:
    x, w = np.polynomial.legendre.leggauss(NODES)
    return x, w
