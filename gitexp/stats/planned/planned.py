"""Run the planned test: values in, the p-values of the recorded hypothesis out.

Whoever calls this has made the plan from a `Design` beforehand; values that do not fit the plan
are refused.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model.design import Unit
from gitexp.model.plan import Direction
from gitexp.stats import examples, hypotheses, tests
from gitexp.stats.values import finite

if TYPE_CHECKING:
    from gitexp.model.comparison import PlannedTest, SignificanceResult
    from gitexp.stats.design import Design
    from gitexp.stats.examples import Cells
    from gitexp.stats.metrics import Definition
    from gitexp.stats.permutation import Tails
    from gitexp.stats.values import Floats, Values


def run_on_repeats(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult:
    """Run a permutation test of repeats.

    Parameters
    ----------
    plan : PlannedTest
        From `design.plan_test` of the same design.
    baseline, candidate : sequence of float, length n_baseline and n_candidate
        One finite value a repeat, in the unit of the metric; in the same order if paired.

    Returns
    -------
    SignificanceResult
        `statistic` is the difference of the means, candidate minus baseline.

    Raises
    ------
    DesignError
        If values are missing or not finite, a relative effect meets a baseline value that is
        not positive, or the plan is not for repeats.

    Notes
    -----
    Against a margin m the test is that of d = c - b - m, or c - (1 + m) b for a share of the
    baseline, where larger is better; of b - c - m or (1 - m) b - c where smaller is. The null is
    that the mean of d is at most zero; what is exchanged is the sign of d or, unpaired, the label
    of c and of the shifted or scaled b.

    Examples
    --------
    >>> from gitexp.model.plan import Effect, HypothesisKind
    >>> from gitexp.stats.design import Design, Unit, plan_test
    >>> five_percent = Effect(HypothesisKind.SUPERIORITY, 0.05, relative=True)
    >>> design = Design(Unit.REPEAT, True, 5, 5, 0.05, effect=five_percent, direction=Direction.MAX)
    >>> plan = plan_test(design)
    >>> baseline = [0.50, 0.51, 0.52, 0.50, 0.49]
    >>> run_on_repeats(plan, design, baseline, [b * 1.06 for b in baseline]).p_support
    0.03125
    """
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    if (len(old), len(new)) != (plan.n_baseline, plan.n_candidate):
        raise DesignError(
            "the values do not fit the plan",
            found=f"{len(old)} and {len(new)} values",
            expected=f"{plan.n_baseline} and {plan.n_candidate}",
        )
    draws = None if plan.exact else plan.resamples
    tails = partial(tests.function_of(plan, Unit.REPEAT), draws=draws, seed=plan.seed)
    hypotheses.check_share(old, design.effect)
    return hypotheses.at_margins(plan, design, (old, new), tails, float(new.mean() - old.mean()))


def run_on_predictions(
    plan: PlannedTest, design: Design, cells: Cells, definition: Definition
) -> SignificanceResult:
    """Run a test of two sets of predictions.

    Parameters
    ----------
    plan : PlannedTest
        From `design.plan_test` of the same design.
    cells : Cells
        From `examples.tabulate`.
    definition : Definition
        From `metrics.match_metric`.

    Returns
    -------
    SignificanceResult
        `statistic` is the difference of the metric, candidate minus baseline. The two-sided
        p-value against no difference always comes from McNemar or the swaps; only a margin's
        come from the bootstrap.

    Raises
    ------
    DesignError
        If the plan is not for examples, or of another number of them.
    """
    if int(cells.number.sum()) != plan.n_baseline:
        raise DesignError(
            "the predictions do not fit the plan",
            found=f"{int(cells.number.sum())} examples",
            expected=str(plan.n_baseline),
        )
    tests.expect(plan, Unit.EXAMPLE)
    old, new = examples.scores(cells, definition)
    hypotheses.check_share(np.array([old]), design.effect)
    sign = -1.0 if design.direction is Direction.MIN else 1.0

    def no_difference() -> Tails:
        if definition.kind in {"accuracy", "error_rate"}:
            return examples.mcnemar_tails(*examples.lost_and_won(cells, definition.kind, sign))
        return examples.swap_tails(
            cells, definition, sign=sign, draws=plan.resamples, seed=plan.seed
        )

    def beyond(margin: float, baseline: Values, candidate: Values) -> Values:
        sides = hypotheses.with_margin(baseline, candidate, design.effect, design.direction)
        shifted, other = sides(margin)
        return other - shifted

    def tails_at(margin: float) -> Tails:
        if margin == 0:
            return no_difference()
        many = examples.resampled_scores(cells, definition, draws=plan.resamples, seed=plan.seed)
        gain = beyond(margin, np.array([old]), np.array([new]))
        return examples.bootstrap_tails(beyond(margin, *many), float(gain[0]))

    found = hypotheses.p_values(design.effect, tails_at)
    return found.of(plan, new - old)
