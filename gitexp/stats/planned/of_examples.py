"""How likely two models' predictions of the same examples show a gain, and of how many.

By normal approximations: McNemar's (Connett, Smith and McHugh 1987) for a share of right answers,
Hanley and McNeil's for an area under the ROC curve. As in `detectable`, no measured effect is an
argument.
"""

from __future__ import annotations

import math
from typing import Final

from scipy.special import ndtr, ndtri

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.stats.planned.detectable import MOST, halved, smallest_of
from gitexp.stats.values import rate

_HALVINGS: Final = 24


@dataclass(frozen=True, slots=True)
class OfExamples:
    """A baseline's share of right answers, or its area where the share of positives is given.

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
            if high >= MOST:
                return None
            low, high = high, min(2 * high, MOST)
        return halved(low, high, lambda n: self.reach(n, truth, margin) >= wanted)

    def least(self, n: int, margin: float, power: float) -> float | None:
        """Return the smallest true gain that n examples show with `power`; None: none does."""
        room = 1 - self.level - margin
        beyond = smallest_of(
            lambda size: size >= room or self.chance(n, margin + size, margin) >= power, _HALVINGS
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
