"""Group-sequential boundaries, and evidence by betting: tests of values that arrive.

Evidence by betting holds at all sample sizes at once, the boundaries at the looks fixed beforehand.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats.values import Values, finite, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.values import Values


@dataclass(frozen=True, slots=True)
class EProcess:
    """Evidence against a null hypothesis after each value."""

    e_values: tuple[float, ...]
    always_valid_p_values: tuple[float, ...]


def betting_e_process(values: Sequence[float], *, mu0: float, bet: float) -> EProcess:
    """Return the wealth of betting a constant share on a mean above `mu0`.

    Parameters
    ----------
    values : sequence of float, shape (n,)
        In [0, 1], in the order of arrival.
    mu0 : float
        In [0, 1].
    bet : float
        In [-1 / (1 - mu0), 1 / mu0], so that wealth stays positive.

    Raises
    ------
    DesignError
        If a value lies outside [0, 1], or the bet can lose more than everything.

    References
    ----------
    .. [1] Waudby-Smith, I. and Ramdas, A. (2024). Estimating means of bounded random variables by
       betting. J. R. Stat. Soc. B 86, 1-27. :doi:`10.1093/jrsssb/qkad009`
    """
    x = finite(values)
    number(bet, "the bet")
    if ((x < 0) | (x > 1)).any() or not 0 <= mu0 <= 1:
        raise DesignError("a value lies outside [0, 1]", found=f"{x.min():g} to {x.max():g}")
    factors = 1 + bet * (x - mu0)
    if 1 - bet * mu0 < 0 or 1 + bet * (1 - mu0) < 0:
        raise DesignError(
            "the bet can lose more than everything",
            found=str(bet),
            expected=f"between -1 / {1 - mu0:g} and 1 / {mu0:g}",
        )
    e_values = np.cumprod(factors, dtype=np.float64)
    return EProcess(_tuple(e_values), _always_valid(e_values))


def _always_valid(e_values: Values) -> tuple[float, ...]:
    return _tuple(np.minimum(1.0, 1 / np.maximum(np.maximum.accumulate(e_values), 1e-300)))


def _tuple(values: Values) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


NODES = 120  # of the quadrature over one look's statistic
REACH = 8.5  # standard deviations


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


@functools.cache
def _legendre() -> tuple[Values, Values]:
    x, w = np.polynomial.legendre.leggauss(NODES)
    return x, w
