"""What repeats find under a plan's rule: at one look, at planned looks, or looked at all along.

As in `detectable`, no measured effect is an argument.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np

from gitexp.model.plan import StoppingRule
from gitexp.stats.planned import detectable as rules
from gitexp.stats.stopping import BETS, FEWEST, nominal_level

if TYPE_CHECKING:
    from gitexp.model.plan import Stopping
    from gitexp.stats.values import Values

SIMULATIONS = 400  # standard error of a power of 0.8: 0.02
CELLS = 40_000  # simulations times pairs
FEWEST_SIMULATIONS = 40
MOST_PAIRS = CELLS // FEWEST_SIMULATIONS


def smallest(  # noqa: PLR0913  a rule, numbers, and what is asked of them
    stopping: Stopping | None,
    repeats: int,
    n: int,
    power: float,
    *,
    alpha: float,
    paired: bool,
    band: bool,
) -> float | None:
    """Return the effect, or half-width of a band, that n repeats find with `power`.

    Parameters
    ----------
    stopping : Stopping or None
        The plan's rule; None for a single look.
    repeats : int
        Planned.
    n : int
        Pairs, or repeats of each side, that are there.
    alpha : float
        One-sided.
    band : bool
        Whether the promise is equivalence.

    Returns
    -------
    float or None
        In standard deviations of the paired differences, or of one side's values. None where
        nothing can be found, as before the first look.

    Notes
    -----
    Planned looks: what the last look alone finds at its own level, a lower bound that is close,
    for an effect that an earlier look finds is mostly found by the last one, too. Always valid:
    simulated, normal values, common random numbers.
    """
    if stopping is None or stopping.rule is not StoppingRule.ALWAYS_VALID:
        level = alpha
        if stopping is not None:
            looks = stopping.at(repeats)
            reached = [look for look in looks if look <= n]
            if not reached:
                return None
            n, level = reached[-1], nominal_level(stopping, looks, len(reached), alpha)
        find = rules.smallest_band if band else rules.smallest_size
        return find(n, power, alpha=level, paired=paired)
    if n < FEWEST or n > MOST_PAIRS or 2.0**-n > alpha:
        return None

    def gap(size: float) -> float:
        return power_of_bets(n, size, alpha=alpha, paired=paired, band=band) - power

    low, high = 0.0, 1.0
    while gap(high) < 0:
        low, high = high, 2 * high
        if high > rules.MOST:
            return None
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if gap(middle) >= 0 else (middle, high)
    return high


def needed(  # noqa: PLR0913  as above
    stopping: Stopping | None,
    repeats: int,
    size: float,
    power: float,
    *,
    alpha: float,
    paired: bool,
    band: bool,
) -> int | None:
    """Return the fewest repeats that find an effect of `size`; see `smallest`.

    None where nobody could run them; for the always-valid rule above `MOST_PAIRS`.
    """
    if stopping is None or stopping.rule is not StoppingRule.ALWAYS_VALID:
        level = alpha
        if stopping is not None:
            looks = stopping.at(repeats)
            level = nominal_level(stopping, looks, len(looks), alpha)
        find = rules.repeats_needed_for_band if band else rules.repeats_needed
        return find(size, power, alpha=level, paired=paired)
    least = max(FEWEST, math.ceil(-math.log2(alpha)))
    low, high = least - 1, least
    while power_of_bets(high, size, alpha=alpha, paired=paired, band=band) < power:
        if high >= MOST_PAIRS:
            return None
        low, high = high, min(2 * high, MOST_PAIRS)
    while high - low > 1:
        middle = (low + high) // 2
        enough = power_of_bets(middle, size, alpha=alpha, paired=paired, band=band) >= power
        low, high = (low, middle) if enough else (middle, high)
    return high


def power_at(  # noqa: PLR0913  as above
    stopping: Stopping | None,
    repeats: int,
    size: float,
    *,
    alpha: float,
    paired: bool,
    band: bool,
) -> float:
    """Return with which power all planned repeats find an effect of `size`; see `smallest`."""
    if stopping is not None and stopping.rule is StoppingRule.ALWAYS_VALID:
        n = min(repeats, MOST_PAIRS)
        return power_of_bets(n, size, alpha=alpha, paired=paired, band=band)
    if stopping is not None:
        looks = stopping.at(repeats)
        alpha = nominal_level(stopping, looks, len(looks), alpha)
    at = rules.power_of_band if band else rules.power_at
    return at(repeats, size, alpha=alpha, paired=paired)


def power_of_bets(n: int, size: float, *, alpha: float, paired: bool, band: bool) -> float:
    """Return how often bets on signs decide within n repeats that are looked at all along."""
    noise = _noise(n)
    shift = size if paired else size / math.sqrt(2)  # differences of two groups vary more
    decided = _decides(noise + shift, alpha)
    if band:
        decided &= _decides(shift - noise, alpha)
    return float(decided.mean())


def _decides(differences: Values, alpha: float) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return, row by row, whether the wealth of `stopping`'s bets ever reaches 1 / alpha."""
    numbers = np.arange(1, differences.shape[1] + 1)
    scale = np.sqrt(np.cumsum(differences**2, axis=1) / numbers)
    stakes = (differences / scale)[:, :, None] * np.array(BETS)
    logs = math.log(2) - np.logaddexp(0.0, -2 * stakes)
    wealth = np.exp(np.cumsum(logs, axis=1)).mean(axis=2)
    decided: np.ndarray[tuple[int], np.dtype[np.bool_]] = wealth.max(axis=1) >= 1 / alpha
    return decided


@functools.lru_cache(maxsize=32)
def _noise(n: int) -> Values:
    return np.random.default_rng(n).normal(size=(min(SIMULATIONS, CELLS // n), n))
