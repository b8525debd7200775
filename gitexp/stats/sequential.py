"""Evidence by betting, which may be looked at whenever values arrive.

It holds at all sample sizes at once; what holds for looks fixed beforehand is in `boundaries`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats.values import Values, finite, number

if TYPE_CHECKING:
    from collections.abc import Sequence


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
