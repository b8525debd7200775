"""From a test of "no gain" to the nulls of a recorded hypothesis: margins, two sides, equivalence.

A test gives its three p-values for the gain shifted by a margin; which of them support and
which refute the hypothesis depends on its kind alone and is decided here for every test alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.model.comparison import SignificanceResult
from gitexp.model.plan import Direction, Effect, HypothesisKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import PlannedTest
    from gitexp.stats.permutation import Tails
    from gitexp.stats.values import Values

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
    """Return the p-values of an effect's nulls.

    Parameters
    ----------
    effect : Effect or None
        None: only the two-sided p-value is there to report.
    tails_at : callable
        The test of "gain minus margin is zero" for a margin that this function chooses; with a
        relative effect the margin is a share of the baseline.

    Returns
    -------
    PValues
        `p_value` always belongs to "no difference at all".

    Raises
    ------
    DesignError
        If a band of equivalence has a negative margin.

    Notes
    -----
    Superiority: one null on either side of the margin. Equivalence: both one-sided tests have
    to reject (TOST) [1]_, and it is refuted if either opposite test rejects at half alpha. A
    two-sided hypothesis is the mirror image of equivalence.

    References
    ----------
    .. [1] Schuirmann, D. J. (1987). A comparison of the two one-sided tests procedure and the
       power approach. J. Pharmacokinet. Biopharm. 15, 657-680. :doi:`10.1007/BF01068419`
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

    Parameters
    ----------
    baseline, candidate : ndarray of float
        In the unit of the metric.
    effect : Effect or None
        Only `relative` is used.
    direction : Direction or None
        None is read as larger is better, which a two-sided p-value does not feel.

    Returns
    -------
    callable
        margin -> (baseline', candidate') with candidate' - baseline' being c - b - m or
        c - (1 + m) b where larger is better, b - c - m or (1 - m) b - c where smaller is.
    """
    relative = effect is not None and effect.relative
    sign = -1.0 if direction is Direction.MIN else 1.0

    def shifted(margin: float) -> tuple[Values, Values]:
        if relative:
            return sign * (1 + sign * margin) * baseline, sign * candidate
        return sign * baseline + margin, sign * candidate

    return shifted
