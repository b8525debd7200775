"""Group-sequential boundaries: what z has to pass at a number of looks fixed beforehand."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.stats.values import Values

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
