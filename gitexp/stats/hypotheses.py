"""From a test of "no gain" to the nulls of a recorded hypothesis: margins, two sides, equivalence.

A test gives its three p-values for the gain shifted by a margin; which of them support and
which refute the hypothesis depends on its kind alone and is decided here for every test alike.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.model.comparison import PlannedTest, SignificanceResult
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats.values import Values, finite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gitexp.stats.design import Design
    from gitexp.stats.permutation import Tails

    TailsAt = Callable[[float], Tails]


@dataclass(frozen=True, slots=True)
class PValues:
    """What a `SignificanceResult` reports, see there."""

    p_value: float
    p_support: float | None
    p_refute: float | None

    def of(self, plan: PlannedTest, statistic: float | None) -> SignificanceResult:
        """Return them as what the planned test came to."""
        return SignificanceResult(plan, self.p_value, self.p_support, self.p_refute, statistic)


def p_values(effect: Effect | None, tails_at: TailsAt) -> PValues:
    """Return the p-values of an effect's nulls; `p_value` belongs to "no difference at all".

    `tails_at`: the test of "gain minus margin is zero" for a margin that is chosen here; with a
    relative effect the margin is a share of the baseline. Superiority: one null on either side of
    the margin. Equivalence: both one-sided tests have to reject (TOST; Schuirmann 1987), and it is
    refuted if either opposite test rejects at half alpha. A two-sided hypothesis is the mirror
    image of equivalence.
    """
    none = tails_at(0.0)
    if effect is None:
        return PValues(none.two_sided, None, None)
    margin = effect.margin
    upper = none if margin == 0 else tails_at(margin)
    if effect.kind is HypothesisKind.SUPERIORITY:
        return PValues(none.two_sided, upper.greater, upper.less)
    if margin < 0:
        raise DesignError(
            "a band of equivalence has no negative half-width",
            found=str(margin),
            expected="a margin of at least 0",
        )
    lower = none if margin == 0 else tails_at(-margin)
    inside = max(upper.less, lower.greater)
    outside = min(1.0, 2 * min(upper.greater, lower.less)) if margin else none.two_sided
    if effect.kind is HypothesisKind.EQUIVALENCE:
        return PValues(none.two_sided, inside, outside)
    return PValues(none.two_sided, outside, inside)


def at_margins(
    plan: PlannedTest,
    design: Design,
    sides: tuple[Values, Values],
    tails: Callable[[Values, Values], Tails],
    statistic: float | None,
) -> SignificanceResult:
    """Return what a test of two sides comes to at every margin that the design's effect asks of.

    `sides`: baseline and candidate. `tails`: the test that the second side is not larger than the
    first, of sides moved by the margin.
    """
    shifted = with_margin(*sides, design.effect, design.direction)
    return p_values(design.effect, lambda margin: tails(*shifted(margin))).of(plan, statistic)


def check_fit(plan: PlannedTest, baseline: int, candidate: int) -> None:
    """Raise `DesignError` if the sides have not as many units as a plan was made for."""
    expected = (plan.n_baseline, plan.n_candidate)
    if (baseline, candidate) != expected:
        raise DesignError(
            "the values do not fit the plan",
            found=f"{baseline} and {candidate}",
            expected=f"{expected[0]} and {expected[1]}",
        )


def check_share(baseline: Values, effect: Effect | None) -> None:
    """Raise `DesignError` if the effect is a share of a baseline that is not positive.

    A share of zero is nothing, and a share of a negative number changes its side.
    """
    if effect is not None and effect.relative and not (baseline > 0).all():
        raise DesignError(
            "a relative effect needs a positive baseline",
            found=f"a baseline value of {float(baseline.min()):g}",
            expected="positive values, or an absolute effect such as >=0.01",
        )


def with_margin(
    baseline: Values, candidate: Values, effect: Effect | None, direction: Direction | None
) -> Callable[[float], tuple[Values, Values]]:
    """Return the two sides as a function of the margin, so that the gain beyond it is their gap.

    margin -> (baseline', candidate') with candidate' - baseline' being c - b - m or c - (1 + m) b
    where larger is better, b - c - m or (1 - m) b - c where smaller is. No direction is read as
    larger is better, which a two-sided p-value does not feel.
    """
    relative = effect is not None and effect.relative
    sign = -1.0 if direction is Direction.MIN else 1.0

    def shifted(margin: float) -> tuple[Values, Values]:
        if relative:
            return sign * (1 + sign * margin) * baseline, sign * candidate
        return sign * baseline + margin, sign * candidate

    return shifted


def _stepwise(
    multiplier: Callable[[int, int], float], p_values: Sequence[float], *, down: bool = False
) -> tuple[float, ...]:
    """Multiply each p-value by what its rank among n asks for; steps go down or up."""
    p = finite(p_values, "p-values")
    if ((p < 0) | (p > 1)).any():
        raise DesignError("a p-value is no probability", found=str(p), expected="0 <= p <= 1")
    n = len(p)
    order = np.argsort(p, kind="stable")
    scaled = p[order] * np.array([multiplier(rank, n) for rank in range(1, n + 1)])
    monotone = np.maximum.accumulate(scaled) if down else np.minimum.accumulate(scaled[::-1])[::-1]
    result = np.empty(n)
    result[order] = np.minimum(monotone, 1.0)
    return tuple(result.tolist())


ADJUSTMENTS: dict[str, Callable[[Sequence[float]], tuple[float, ...]]] = {
    # familywise error under any dependence (Holm 1979, Dunn 1961)
    "holm": partial(_stepwise, lambda rank, n: n - rank + 1, down=True),
    "bonferroni": partial(_stepwise, lambda _, n: n),
    # of independent or positively dependent tests (Hochberg 1988)
    "hochberg": partial(_stepwise, lambda rank, n: n - rank + 1),
    # their false discovery rate (Benjamini and Hochberg 1995)
    "bh": partial(_stepwise, lambda rank, n: n / rank),
    # the same under any dependence (Benjamini and Yekutieli 2001)
    "by": partial(_stepwise, lambda rank, n: float((1 / np.arange(1, n + 1)).sum()) * n / rank),
    "none": tuple,
}


def family(p_values: Sequence[float], method: str) -> tuple[float, ...]:
    """Adjust a family, which may be empty, by a key of `ADJUSTMENTS`.

    >>> family([0.02, 0.5], "none"), family([], "holm"), family([0.02, 0.5], "bonferroni")
    ((0.02, 0.5), (), (0.04, 1.0))
    """
    if method not in ADJUSTMENTS:
        raise DesignError(
            "unknown adjustment of p-values", found=method, expected=", ".join(ADJUSTMENTS)
        )
    return ADJUSTMENTS[method](p_values) if p_values else ()
