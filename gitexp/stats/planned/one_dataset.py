"""Run the planned test: values in, the p-values of the recorded hypothesis out.

Whoever calls this has made the plan from a `Design` beforehand; values that do not fit the plan
are refused.
"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model.design import Unit
from gitexp.model.plan import Direction
from gitexp.stats import examples, hypotheses, tests, ttests
from gitexp.stats.design import Design, beside
from gitexp.stats.permutation import Tails
from gitexp.stats.ranks import differences, midranks, rank_sum_tails, signed_rank_tails
from gitexp.stats.tests import BRUNNER_MUNZEL, MANN_WHITNEY, SIGNED_RANK, SignificanceTest
from gitexp.stats.values import Floats, Values, finite

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.model.comparison import PlannedTest, SignificanceResult
    from gitexp.stats.examples import Cells
    from gitexp.stats.metrics import Definition


def run_on_repeats(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult:
    """Run a permutation test of repeats: one finite value each, in the same order if paired.

    `statistic` is the difference of the means, candidate minus baseline. Against a margin m the
    test is that of d = c - b - m, or c - (1 + m) b for a share of the baseline, where larger is
    better; of b - c - m or (1 - m) b - c where smaller is. The null is that the mean of d is at
    most zero; what is exchanged is the sign of d or, unpaired, the label of c and of the shifted
    or scaled b.

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
    hypotheses.check_fit(plan, len(old), len(new))
    draws = None if plan.exact else plan.resamples
    tails = partial(tests.function_of(plan, Unit.REPEAT), draws=draws, seed=plan.seed)
    hypotheses.check_share(old, design.effect)
    return hypotheses.at_margins(plan, design, (old, new), tails, float(new.mean() - old.mean()))


def run_on_predictions(
    plan: PlannedTest, design: Design, cells: Cells, definition: Definition
) -> SignificanceResult:
    """Run a test of two sets of predictions.

    `statistic` is the difference of the metric, candidate minus baseline. The two-sided p-value
    against no difference always comes from McNemar or the swaps; only a margin's come from the
    bootstrap.
    """
    n = int(cells.number.sum())
    hypotheses.check_fit(plan, n, n)
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


MOST_EXACT = 100  # pairs, or values of both sides together, whose ranks are counted exactly


def beside_repeats(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> tuple[SignificanceResult, ...]:
    """Return the t test and the rank tests beside a permutation test, against the same margins.

    Paired t or Welch's, left out where t does not exist (a single value, or no variation); then
    Wilcoxon's signed ranks, or Mann-Whitney and Brunner-Munzel.

    >>> from gitexp.stats.design import Design, Unit, plan_test
    >>> design = Design(Unit.REPEAT, True, 3, 3, 0.05)
    >>> found = beside_repeats(plan_test(design), design, [1.0, 2.0, 4.0], [2.0, 4.0, 5.0])
    >>> found[0].plan.title, round(found[0].p_value, 3)
    ('paired t', 0.057)
    """
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    hypotheses.check_share(old, design.effect)
    t = student(plan, design, old, new)
    return *(() if t is None else (t,)), *by_ranks(plan, design, old, new)


def student(
    plan: PlannedTest, design: Design, baseline: Floats, candidate: Floats
) -> SignificanceResult | None:
    """Return the t test beside a permutation test, paired or Welch's; None where there is no t."""
    old, new = finite(baseline, "baseline values"), finite(candidate, "candidate values")
    estimate = ttests.paired_difference if plan.paired else ttests.welch_difference

    def tails(below: Values, above: Values) -> Tails:
        return estimate(above, below).tails

    t = beside(plan, tests.PAIRED_T if plan.paired else tests.WELCH_T)
    try:
        return hypotheses.at_margins(t, design, (old, new), tails, estimate(new, old).t)
    except DesignError:
        return None


def beside_predictions(
    plan: PlannedTest, design: Design, cells: Cells
) -> tuple[SignificanceResult, ...]:
    """Return McNemar's mid-p-values beside the exact ones; empty for every other plan."""
    if not tests.named(plan.test).by_discordance:
        return ()
    sign = -1.0 if design.direction is Direction.MIN else 1.0
    tails = examples.mid_p_tails(*examples.lost_and_won(cells, design.metric, sign))
    found = hypotheses.p_values(design.effect, lambda _: tails)
    mid_p = replace(beside(plan, tests.MCNEMAR_MID_P), smallest_p=plan.smallest_p)
    return (found.of(mid_p, None),)


def by_ranks(
    plan: PlannedTest, design: Design, old: Values, new: Values
) -> tuple[SignificanceResult, ...]:
    """Return the rank tests of `beside_repeats`, against the same margins."""

    def result(
        test: SignificanceTest, title: str, tails: Callable[[Values, Values], Tails]
    ) -> SignificanceResult:
        return hypotheses.at_margins(beside(plan, test, title), design, (old, new), tails, None)

    exact = (len(old) if plan.paired else len(old) + len(new)) <= MOST_EXACT
    if plan.paired:
        d = differences(new, old)
        zeros, ties = int((d == 0).sum()), _tied(np.abs(d[d != 0]))
        plural = "" if zeros == 1 else "s"
        said = f"{SIGNED_RANK.titled(exact=exact)}, {zeros} zero{plural} dropped, {ties} tied"

        def signed(below: Values, above: Values) -> Tails:
            return signed_rank_tails(differences(above, below), exact=exact)

        return (result(SIGNED_RANK, said, signed),)

    def labelled(below: Values, above: Values) -> Tails:
        return rank_sum_tails(above, below, exact=exact)

    said = f"{MANN_WHITNEY.titled(exact=exact)}, {_tied(np.concatenate([old, new]))} tied"
    found = [result(MANN_WHITNEY, said, labelled)]
    shifted = hypotheses.with_margin(old, new, design.effect, design.direction)
    margin = 0.0 if design.effect is None else design.effect.margin
    if all(brunner_munzel(*shifted(each)) is not None for each in {0.0, margin, -margin}):

        def placed(below: Values, above: Values) -> Tails:
            return brunner_munzel(below, above) or Tails(1.0, 1.0, 1.0)

        found.append(result(BRUNNER_MUNZEL, BRUNNER_MUNZEL.title, placed))
    return tuple(found)


def brunner_munzel(below: Values, above: Values) -> Tails | None:
    """Test whether values of one side tend to be larger, whatever their spreads.

    `greater` is for `above` (Brunner and Munzel 2000). None where every value of one side exceeds
    all of the other, or a side has one value: the variance is zero or not known.

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
    return ttests.t_tails(statistic, df)


def _tied(values: Values) -> int:
    """Return how many values share their rank with another."""
    ranks = midranks(values) if len(values) else values
    _, counts = np.unique(ranks, return_counts=True)
    return int(counts[counts > 1].sum())
