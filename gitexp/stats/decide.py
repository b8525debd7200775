"""Turn the planned test's p-values and the plan into a verdict: one function, no other reads p.

Neither a confidence interval nor an effect size is an argument here, on purpose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model import dataclass
from gitexp.model.plan import HypothesisKind, Verdict

if TYPE_CHECKING:
    from gitexp.model.comparison import SignificanceResult

FEWEST_UNITS = 2


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict may rest on."""

    kind: HypothesisKind  # the shape of the recorded hypothesis
    result: SignificanceResult | None  # of the primary metric; None: there was nothing to test
    comparable: bool = True  # not where evaluation data differ, a share has no baseline, ...
    planned: int | None = None  # repeats that the plan promised; None where it promised none
    repeats: int | None = None  # those a side that are there; None where they are the units


def decide(evidence: Evidence) -> Verdict:  # noqa: PLR0911 - one return a rule, in order
    """Return what the evidence says about the recorded hypothesis.

    The first that applies of: not comparable; undecidable (nothing to test, fewer than two units,
    or a smallest p above alpha); inconclusive for fewer repeats than planned; supported - for an
    equivalence hypothesis: equivalent - if its null is rejected at alpha; refuted if the opposite
    null is; inconclusive. Both nulls meet in the margin only, and no data reject both at an alpha
    below one half.
    """
    result = evidence.result
    if not evidence.comparable:
        return Verdict.NOT_COMPARABLE
    if result is None or result.p_support is None:
        return Verdict.UNDECIDABLE
    plan = result.plan
    units = min(plan.n_baseline, plan.n_candidate)
    if units < FEWEST_UNITS or plan.smallest_p > plan.alpha:
        return Verdict.UNDECIDABLE
    repeats = units if evidence.repeats is None else evidence.repeats
    if evidence.planned is not None and repeats < evidence.planned:
        return Verdict.INCONCLUSIVE
    if result.p_support <= plan.alpha:
        equivalence = evidence.kind is HypothesisKind.EQUIVALENCE
        return Verdict.EQUIVALENT if equivalence else Verdict.SUPPORTED
    if result.p_refute is not None and result.p_refute <= plan.alpha:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE
