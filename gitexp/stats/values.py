"""What every test does with numbers first: check that they are there, finite, and of one length.

A failed repeat is reported by the caller, never passed on as NaN, so a value that is not finite
is an error of the design and not something to drop.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gitexp.errors import DesignError

Values = NDArray[np.float64]
Floats = Sequence[float] | Values
Places = NDArray[np.intp]
ULPS = 8  # units in the last place that a metric may be off by rounding


def finite(values: Floats, what: str = "values", *, least: int = 1) -> Values:
    """Return the values as a float array, `least` of them (or rows), none missing or infinite."""
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DesignError(
            f"{what} cannot be read as numbers", found=str(error), expected="finite numbers"
        ) from error
    count = len(array) if array.ndim else 0
    if count < least:
        raise DesignError(
            f"too few {what}", found=str(count), expected=f"at least {least} finite values"
        )
    if not np.isfinite(array).all():
        raise DesignError(
            f"every one of the {what} has to be finite before it can be tested",
            found=str(array[~np.isfinite(array)][0]),
            expected="finite numbers; a failed repeat is reported, never dropped",
        )
    return array


def finite_pairs(a: Floats, b: Floats, *, least: int = 1) -> tuple[Values, Values]:
    """Return two sides of equal length, checked as `finite` does."""
    first, second = finite(a, "values", least=least), finite(b, "values", least=least)
    if first.shape != second.shape:
        raise DesignError(
            "paired sides differ in length",
            found=f"{len(first)} and {len(second)} values",
            expected="one value of either side per pair",
        )
    return first, second


def rate(alpha: float, what: str = "alpha") -> float:
    """Return `alpha` if it lies strictly between 0 and 1, else raise `DesignError`."""
    if not 0 < alpha < 1:
        raise DesignError(f"{what} is not a rate", found=str(alpha), expected="0 < rate < 1")
    return alpha


def number(value: float, what: str, *, least: float = -math.inf) -> float:
    """Return `value` if it is finite and at least `least`, else raise `DesignError`."""
    if not (math.isfinite(value) and value >= least):
        raise DesignError(f"{what} is no number to go by", found=str(value))
    return value


def noise(summed: Values, *sides: Values) -> float:
    """Return a bound on the rounding error in a sum of differences, whose terms are `summed`.

    Two relabellings whose statistics differ by less are ties: 0.3 - 0.1 and 0.2 are the same
    difference although binary arithmetic says otherwise. `sides`: the values that the terms were
    made of, which may be a few units in their last place off, however small the differences are.

    >>> a, b = np.array([0.1 + 0.2]), np.array([0.3])
    >>> bool(abs(a - b)[0] <= noise(a - b, a, b))
    True
    """
    eps = float(np.finfo(np.float64).eps)
    values = math.fsum(np.abs(side).sum() for side in sides)
    return eps * (ULPS * values + summed.size * float(np.abs(summed).sum()))


def resolution(*sides: Values) -> float:
    """Return what a difference of these values has to exceed to be one at all."""
    largest = max(float(np.abs(side).max(initial=0.0)) for side in sides)
    return 2 * ULPS * float(np.finfo(np.float64).eps) * largest
