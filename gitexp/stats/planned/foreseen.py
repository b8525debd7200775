"""What repeats find under a plan's rule, at one look or several; what predictions of examples find.

As in `detectable`, no measured effect is an argument.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, ndtri

from gitexp.errors import DesignError
from gitexp.model import dataclass, replace
from gitexp.model.plan import Stopping, StoppingRule
from gitexp.stats.planned import detectable
from gitexp.stats.stopping import FEWEST, nominal_level, wealth
from gitexp.stats.values import Values, rate

if TYPE_CHECKING:
    from collections.abc import Callable


SIMULATIONS = 400  # standard error of a power of 0.8: 0.02
CELLS = 40_000  # simulations times pairs
FEWEST_SIMULATIONS = 40
MOST_PAIRS = CELLS // FEWEST_SIMULATIONS


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan's rule, and what its repeats find by it.

    Effects are in standard deviations of the paired differences, or of one side's values.
    Planned looks: what the last look alone finds at its own level, a lower bound that is close,
    for an effect that an earlier look finds is mostly found by the last one, too. Always valid:
    simulated, normal values, common random numbers.
    """

    stopping: Stopping | None  # None for a single look
    repeats: int  # planned
    alpha: float  # one-sided
    paired: bool
    band: bool  # the promise is equivalence: its effects are half-widths of the band
    floor: detectable.Floor | None = None  # of pairs that share examples
    truth: float = 0.0  # the true difference, for a band

    def smallest(self, n: int, power: float) -> float | None:
        """Return the effect that n pairs, or repeats of each side, find with `power`.

        None where nothing can be found, as before the first look.
        """
        if self.floor is not None:
            if self.floor.common:
                noisy = replace(self, floor=replace(self.floor, common=False))
                return noisy.smallest(n, power)
            test = functools.partial(self._test, n, alpha=self.alpha, paired=self.paired)
            return detectable.smallest_of(lambda size: test(size) >= power, 16)
        if not self._always_valid:
            reached = [look for look in self._looks if look <= n]
            if self.stopping is not None:
                if not reached:
                    return None
                n = reached[-1]
            find = detectable.smallest_band if self.band else detectable.smallest_size
            return find(n, power, alpha=self._level(len(reached)), paired=self.paired)
        if n < FEWEST or n > MOST_PAIRS or 2.0**-n > self.alpha:
            return None
        return detectable.smallest_of(lambda size: self._power_of_bets(n, size) >= power, 12)

    def needed(self, size: float, power: float) -> int | None:
        """Return the fewest repeats that find an effect of `size`.

        None where nobody could run them; for the always-valid rule above `MOST_PAIRS`.
        """
        if not self._always_valid:
            level = self._level(len(self._looks))
            if self.floor is not None:
                return self._fewest(size, power)
            return detectable.fewest(self._test, size, power, alpha=level, paired=self.paired)
        least = max(FEWEST, math.ceil(-math.log2(self.alpha)))
        low, high = least - 1, least
        while self._power_of_bets(high, size) < power:
            if high >= MOST_PAIRS:
                return None
            low, high = high, min(2 * high, MOST_PAIRS)
        return detectable.halved(low, high, lambda n: self._power_of_bets(n, size) >= power)

    def _fewest(self, size: float, power: float) -> int | None:
        """Return the fewest pairs of a t test, which has no level that so many relabellings set."""

        def enough(n: int) -> bool:
            return self._over_floor(n, size, alpha=self.alpha, paired=self.paired) >= power

        high = 1
        while not enough(high):
            high *= 2
            if high > detectable.MOST:
                return None
        return detectable.halved(high // 2, high, enough)

    def power_at(self, size: float) -> float:
        """Return with which power all planned repeats find an effect of `size`."""
        if self._always_valid:
            return self._power_of_bets(min(self.repeats, MOST_PAIRS), size)
        level = self._level(len(self._looks))
        return self._test(self.repeats, size, alpha=level, paired=self.paired)

    @property
    def _test(self) -> Callable[..., float]:
        if self.floor is not None:
            return self._over_floor
        if self.band:
            return functools.partial(detectable.power_of_band, truth=self.truth)
        return detectable.power_at

    def _over_floor(self, n: int, size: float, *, alpha: float, paired: bool) -> float:
        if self.floor is None or not paired:
            return 0.0
        if self.floor.common and self.floor.units(n) > 1:
            return 1.0 if size > abs(self.truth) else alpha
        truth = self.truth if self.band else None
        return detectable.power_over_floor(n, size, self.floor, alpha=alpha, truth=truth)

    @property
    def _always_valid(self) -> bool:
        return self.stopping is not None and self.stopping.rule is StoppingRule.ALWAYS_VALID

    @property
    def _looks(self) -> tuple[int, ...]:
        return () if self.stopping is None else self.stopping.at(self.repeats)

    def _level(self, look: int) -> float:
        """Return the level of one of the planned looks, of the only one without any."""
        if self.stopping is None:
            return self.alpha
        return nominal_level(self.stopping, self._looks, look, self.alpha)

    def _power_of_bets(self, n: int, size: float) -> float:
        """Return how often bets on signs decide within n repeats that are looked at all along."""
        noise = _noise(n)
        shift = size if self.paired else size / math.sqrt(2)  # differences of two groups vary more
        noise = noise + (self.truth if self.paired else self.truth / math.sqrt(2))
        decided = wealth(noise + shift).max(axis=1) >= 1 / self.alpha
        if self.band:
            decided &= wealth(shift - noise).max(axis=1) >= 1 / self.alpha
        return float(decided.mean())


@functools.lru_cache(maxsize=32)
def _noise(n: int) -> Values:
    return np.random.default_rng(n).normal(size=(min(SIMULATIONS, CELLS // n), n))


@dataclass(frozen=True, slots=True)
class OfExamples:
    """A baseline's share of right answers, or its area where the share of positives is given.

    Asked how likely two models' predictions of the same examples show a gain, and of how many. By
    normal approximations: McNemar's (Connett, Smith and McHugh 1987) for a share of right answers,
    Hanley and McNeil's for an area under the ROC curve.

    >>> round(OfExamples(0.9, 0.05, discordant=0.08).chance(1_000, 0.02, 0.0), 2)
    0.72
    """

    level: float
    alpha: float  # of the one-sided test
    discordant: float | None = None  # right on one side only; None: errors have nothing in common
    positives: float | None = None  # in (0, 1)
    correlation: float = 0.5  # of both areas over common examples (Hanley and McNeil 1983)

    @property
    def fewest(self) -> float:
        """How many examples have a share, or an area."""
        if self.positives is None:
            return 1
        return 1 / min(rate(self.positives, "the share of positives"), 1 - self.positives)

    def apart(self, truth: float) -> float:
        """Return the share of examples that one side alone has right."""
        if self.discordant is not None:
            return self.discordant
        other = min(1.0, self.level + truth)
        return self.level * (1 - other) + other * (1 - self.level)

    def reach(self, n: float, truth: float, margin: float) -> float:
        """Return how far beyond the critical value n examples are expected, in standard errors."""
        critical, areas = float(ndtri(self.alpha)), (self.level, self.level + truth)
        if self.positives is not None:
            if not 0 < areas[1] < 1:
                return -math.inf
            classes = n * self.positives, n * (1 - self.positives)
            one, two = (area_error(area, *classes) for area in areas)
            error = math.sqrt(one**2 + two**2 - 2 * self.correlation * one * two)
            return (truth - margin) / error + critical
        apart = self.apart(truth)
        if not max(abs(truth), abs(margin)) <= apart <= 1:
            return -math.inf
        null, real = math.sqrt(apart - margin**2), math.sqrt(apart - truth**2)
        beyond = (truth - margin) * math.sqrt(n) + critical * null
        return beyond / real if real else math.copysign(math.inf, beyond)

    def chance(self, n: int, truth: float, margin: float) -> float:
        """Return the power to show a gain beyond `margin`, if `truth` is the true one."""
        return float(ndtr(self.reach(n, truth, margin))) if n >= self.fewest else 0.0

    def needed(self, truth: float, margin: float, power: float) -> int | None:
        """Return the fewest examples with `power`; None where there is no such number."""
        wanted = float(ndtri(rate(power, "power")))
        high = math.ceil(self.fewest)
        low = high - 1
        while self.reach(high, truth, margin) < wanted:
            if high >= detectable.MOST:
                return None
            low, high = high, min(2 * high, detectable.MOST)
        return detectable.halved(low, high, lambda n: self.reach(n, truth, margin) >= wanted)

    def least(self, n: int, margin: float, power: float) -> float | None:
        """Return the smallest true gain that n examples show with `power`; None: none does."""
        room = 1 - self.level - margin
        beyond = detectable.smallest_of(
            lambda size: size >= room or self.chance(n, margin + size, margin) >= power, 24
        )
        return None if beyond is None or beyond >= room else margin + beyond


def area_error(area: float, n_positive: float, n_negative: float) -> float:
    """Return the standard error of an area under the ROC curve, from its size alone.

    See Hanley and McNeil (1982).
    """
    if not (0 < area < 1 and min(n_positive, n_negative) >= 1):
        raise DesignError(
            "no area under a curve",
            found=f"{area:g} of {n_positive:g} and {n_negative:g} examples",
            expected="an area between 0 and 1, an example of each class",
        )
    first, second = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area)
        + (n_positive - 1) * (first - area**2)
        + (n_negative - 1) * (second - area**2)
    ) / (n_positive * n_negative)
    return math.sqrt(variance)
