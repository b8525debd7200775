"""The second test that stands beside the planned one: t beside permutation, mid-p beside exact.

It is printed so that a reader can see whether the choice of test mattered; it decides nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.model.plan import Direction
from gitexp.stats import examples, hypotheses, tests, ttests
from gitexp.stats.design import beside
from gitexp.stats.permutation import Tails
from gitexp.stats.planned import byranks
from gitexp.stats.values import finite

if TYPE_CHECKING:
    from gitexp.model.comparison import PlannedTest, SignificanceResult
    from gitexp.stats.design import Design
    from gitexp.stats.examples import Cells
    from gitexp.stats.values import Floats


def beside_repeats(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[SignificanceResult, ...]:
    """Return the t test and the rank tests beside a permutation test, against the same margins.

    Parameters
    ----------
    plan : PlannedTest
        Of the permutation test.
    design : Design
    baseline, candidate : sequence of float
        As for `planned.run_on_repeats`.

    Returns
    -------
    tuple of SignificanceResult
        Paired t or Welch's, left out where t does not exist (a single value, or no variation);
        then Wilcoxon's signed ranks, or Mann-Whitney and Brunner-Munzel.

    Raises
    ------
    DesignError
        If a value is not finite, or a relative margin has no positive baseline.

    Examples
    --------
    >>> from gitexp.stats.design import Design, Unit, plan_test
    >>> design = Design(Unit.REPEAT, True, 3, 3, 0.05)
    >>> found = beside_repeats(plan_test(design), design, [1.0, 2.0, 4.0], [2.0, 4.0, 5.0])
    >>> found[0].plan.title, round(found[0].p_value, 3)
    ('paired t', 0.057)
    """
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    hypotheses.check_share(old, design.effect)
    shifted = hypotheses.with_margin(old, new, design.effect, design.direction)
    estimate = ttests.paired_difference if plan.paired else ttests.welch_difference

    def tails_at(margin: float) -> Tails:
        below, above = shifted(margin)
        mean = estimate(above, below)
        t = mean.estimate / mean.error
        return Tails(
            greater=ttests.p_of_t(t, mean.df, "greater"),
            less=ttests.p_of_t(t, mean.df, "less"),
            two_sided=ttests.p_of_t(t, mean.df, "two-sided"),
        )

    ranked = byranks.beside(plan, design, old, new)
    try:
        found = hypotheses.p_values(design.effect, tails_at)
        mean = estimate(new, old)
    except DesignError:
        return ranked
    t = beside(plan, tests.PAIRED_T if plan.paired else tests.WELCH_T)
    return found.of(t, mean.estimate / mean.error), *ranked


def beside_predictions(
    plan: PlannedTest, design: Design, cells: Cells
) -> tuple[SignificanceResult, ...]:
    """Return McNemar's mid-p-values beside the exact ones; empty for every other plan.

    Parameters
    ----------
    plan : PlannedTest
    design : Design
    cells : Cells

    Raises
    ------
    DesignError
        If a margin relative to the baseline has no positive baseline.
    """
    if not tests.named(plan.test).by_discordance:
        return ()
    sign = -1.0 if design.direction is Direction.MIN else 1.0
    tails = examples.mid_p_tails(*examples.lost_and_won(cells, design.metric, sign))
    found = hypotheses.p_values(design.effect, lambda _: tails)
    mid_p = replace(beside(plan, tests.MCNEMAR_MID_P), smallest_p=plan.smallest_p)
    return (found.of(mid_p, None),)
