"""Turn the planned test's p-values and the plan into a verdict: one function, no other reads p.

Neither a confidence interval nor an effect size is an argument here, on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.plan import HypothesisKind, Verdict

if TYPE_CHECKING:
    from gitexp.model.comparison import SignificanceResult

FEWEST_UNITS = 2


def decide(  # noqa: PLR0911 - one return a rule, in order
    kind: HypothesisKind,
    result: SignificanceResult | None,
    *,
    comparable: bool = True,
    planned: int | None = None,
    repeats: int | None = None,
) -> Verdict:
    """Return what the evidence says about the recorded hypothesis, whose shape is `kind`.

    The first that applies of: not comparable; undecidable (nothing to test, fewer than two units,
    or a smallest p above alpha); inconclusive for fewer repeats than planned; supported - for an
    equivalence hypothesis: equivalent - if its null is rejected at alpha; refuted if the opposite
    null is; inconclusive. Both nulls meet in the margin only, and no data reject both at an alpha
    below one half.

    `result`: of the primary metric; None: there was nothing to test. `comparable`: not where
    evaluation data differ, a share has no baseline, ... `planned`: repeats that the plan promised;
    None where it promised none. `repeats`: those a side; None where they are the units.
    """
    if not comparable:
        return Verdict.NOT_COMPARABLE
    if result is None or result.p_support is None:
        return Verdict.UNDECIDABLE
    plan = result.plan
    units = min(plan.n_baseline, plan.n_candidate)
    if units < FEWEST_UNITS or plan.smallest_p > plan.alpha:
        return Verdict.UNDECIDABLE
    if planned is not None and (units if repeats is None else repeats) < planned:
        return Verdict.INCONCLUSIVE
    if result.p_support <= plan.alpha:
        equivalence = kind is HypothesisKind.EQUIVALENCE
        return Verdict.EQUIVALENT if equivalence else Verdict.SUPPORTED
    if result.p_refute is not None and result.p_refute <= plan.alpha:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE
