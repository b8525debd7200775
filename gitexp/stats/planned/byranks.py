"""The rank tests that stand beside a permutation of means: less moved by a single odd value.

They ask another question - whether values tend to be larger, not whether their mean is - and so
they decide nothing.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from gitexp.stats import hypotheses
from gitexp.stats.design import beside as beside_planned
from gitexp.stats.permutation import Tails
from gitexp.stats.ranks import differences, mann_whitney_u, midranks, signed_rank_tails
from gitexp.stats.tests import BRUNNER_MUNZEL, MANN_WHITNEY, SIGNED_RANK
from gitexp.stats.ttests import p_of_t

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import PlannedTest, SignificanceResult
    from gitexp.stats.design import Design
    from gitexp.stats.ranks import Method
    from gitexp.stats.tests import SignificanceTest
    from gitexp.stats.values import Values

MOST_EXACT = 100  # pairs, or values of both sides together, whose ranks are counted exactly


def beside(
    plan: PlannedTest, design: Design, old: Values, new: Values
) -> tuple[SignificanceResult, ...]:
    """Return Wilcoxon's signed ranks, or Mann-Whitney and Brunner-Munzel, against the same margins.

    Parameters
    ----------
    plan : PlannedTest
        Of the permutation test.
    design : Design
    old, new : ndarray of float
        Of baseline and candidate; by pairs if paired.
    """
    shifted = hypotheses.with_margin(old, new, design.effect, design.direction)
    exact = (len(old) if plan.paired else len(old) + len(new)) <= MOST_EXACT
    if plan.paired:
        d = differences(new, old)
        zeros, ties = int((d == 0).sum()), _tied(np.abs(d[d != 0]))
        plural = "" if zeros == 1 else "s"
        said = f"{SIGNED_RANK.titled(exact=exact)}, {zeros} zero{plural} dropped, {ties} tied"

        def signed(margin: float) -> Tails:
            below, above = shifted(margin)
            return signed_rank_tails(differences(above, below), exact=exact)

        return (_result(plan, design, SIGNED_RANK, said, signed),)

    def labelled(margin: float) -> Tails:
        below, above = shifted(margin)
        method: Method = "exact" if exact else "normal_approximation"
        sides = above.tolist(), below.tolist()
        return Tails(
            mann_whitney_u(*sides, alternative="greater", method=method).p_value,
            mann_whitney_u(*sides, alternative="less", method=method).p_value,
            mann_whitney_u(*sides, alternative="two-sided", method=method).p_value,
        )

    said = f"{MANN_WHITNEY.titled(exact=exact)}, {_tied(np.concatenate([old, new]))} tied"
    found = [_result(plan, design, MANN_WHITNEY, said, labelled)]
    if all(brunner_munzel(*shifted(margin)) is not None for margin in _margins(design)):
        found.append(
            _result(
                plan,
                design,
                BRUNNER_MUNZEL,
                BRUNNER_MUNZEL.title,
                lambda margin: brunner_munzel(*shifted(margin)) or Tails(1.0, 1.0, 1.0),
            )
        )
    return tuple(found)


def brunner_munzel(below: Values, above: Values) -> Tails | None:
    """Test whether values of one side tend to be larger, whatever their spreads.

    Parameters
    ----------
    below, above : ndarray of float, shapes (n,) and (m,)

    Returns
    -------
    Tails or None
        `greater` is for `above`; None where every value of one side exceeds all of the other, or
        a side has one value: the variance is zero or not known.

    References
    ----------
    .. [1] Brunner, E. and Munzel, U. (2000). The nonparametric Behrens-Fisher problem: asymptotic
       theory and a small-sample approximation. Biom. J. 42, 17-25.

    Examples
    --------
    >>> tails = brunner_munzel(np.array([1.0, 2.0, 4.0]), np.array([3.0, 5.0, 6.0]))
    >>> round(tails.two_sided, 4)
    0.0686
    """
    n, m = len(below), len(above)
    if min(n, m) < 2:  # noqa: PLR2004  a variance needs two
        return None
    pooled = midranks(np.concatenate([below, above]))
    parts = []
    for ranks, own in ((pooled[:n], midranks(below)), (pooled[n:], midranks(above))):
        placed = ranks - own
        parts.append((float(ranks.mean()), float(placed.var(ddof=1)), len(own)))
    (low, low_var, _), (high, high_var, _) = parts
    weighted = n * low_var + m * high_var
    if weighted <= 0:
        return None
    statistic = n * m * (high - low) / ((n + m) * math.sqrt(weighted))
    df = weighted**2 / ((n * low_var) ** 2 / (n - 1) + (m * high_var) ** 2 / (m - 1))
    return Tails(
        p_of_t(statistic, df, "greater"),
        p_of_t(statistic, df, "less"),
        p_of_t(statistic, df, "two-sided"),
    )


def _result(
    plan: PlannedTest,
    design: Design,
    test: SignificanceTest,
    title: str,
    tails_at: Callable[[float], Tails],
) -> SignificanceResult:
    found = hypotheses.p_values(design.effect, tails_at)
    return found.of(beside_planned(plan, test, title), None)


def _margins(design: Design) -> tuple[float, ...]:
    """Return every margin at which a hypothesis is looked at."""
    margin = 0.0 if design.effect is None else design.effect.margin
    return tuple({0.0, margin, -margin})


def _tied(values: Values) -> int:
    """Return how many values share their rank with another."""
    ranks = midranks(values) if len(values) else values
    _, counts = np.unique(ranks, return_counts=True)
    return int(counts[counts > 1].sum())
