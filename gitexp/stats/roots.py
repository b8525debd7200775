"""Find where a monotone function crosses zero, without the import price of an optimiser."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from gitexp.errors import DesignError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_STEPS = 200


def crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Return the argument between two at which a function changes its sign, by bisection.

    Parameters
    ----------
    function : callable
        Float to float, monotone between `low` and `high`.
    low, high : float
        Values of the function there must not have the same sign.

    Returns
    -------
    float
        To the last bit that halving can give.

    Raises
    ------
    DesignError
        If the function does not change its sign.

    Examples
    --------
    >>> crossing(lambda x: x * x - 2, 0, 2)
    1.4142135623730951
    """
    at_low, at_high = function(low), function(high)
    if at_low == 0:
        return low
    if at_high == 0:
        return high
    if math.isnan(at_low) or math.isnan(at_high) or (at_low > 0) == (at_high > 0):
        raise DesignError(
            "no solution in the range searched",
            found=f"{at_low:g} at {low:g}, {at_high:g} at {high:g}",
            expected="a change of sign",
        )
    for _ in range(MAX_STEPS):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if (function(middle) > 0) == (at_low > 0):
            low = middle
        else:
            high = middle
    return high


def bracket(function: Callable[[float], float], start: float, step: float) -> tuple[float, float]:
    """Walk from `start` with doubling steps until the sign changes; return the last two places.

    Raises
    ------
    DesignError
        If it does not change within sixty doublings.
    """
    here, sign = start, function(start) > 0
    for _ in range(60):
        there = here + step
        if (function(there) > 0) != sign:
            return min(here, there), max(here, there)
        here, step = there, step * 2
    raise DesignError("no solution in any range", found=f"searched from {start:g} to {here:g}")
