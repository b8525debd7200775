"""The planned tests of scores, of clusters of examples, and of repeats times examples.

As everything in `design`, a plan follows from claim, metric, numbers and effect; how many random
draws it has follows from the number of examples, so that a large evaluation set stays quick.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.stats.design import AREA, MEANS, RANKED, ROOT, plan_as, plan_test, smallest_p
from gitexp.stats.tests import (
    BOOTSTRAP_DRAWS,
    BOOTSTRAP_MARGIN,
    CROSSED_T,
    DELONG,
    MIN_BOOTSTRAP_EXAMPLES,
    MIN_CLASS,
    MIN_CLUSTERS,
    PAIRED_RANDOMIZATION,
    SWAP_DRAWS,
    named,
)

if TYPE_CHECKING:
    from gitexp.model.comparison import PlannedTest
    from gitexp.stats.design import Design

MIN_DRAWS = 999
MAX_COUNTED = 1_000
SWAPPED_WORK = 1_000_000_000  # examples times swaps that are counted by rank in some seconds
DRAWN_WORK = 300_000_000  # examples times bootstrap samples that are


def swap_draws(metric: str, n: int) -> int:
    """Return how many random sets of swaps n units get.

    Examples
    --------
    >>> swap_draws("mae", 10**6), swap_draws("average_precision", 10**5)
    (19999, 10000)
    """
    if metric not in RANKED:
        return SWAP_DRAWS
    return min(SWAP_DRAWS, max(MIN_DRAWS, SWAPPED_WORK // n))


def bootstrap_draws(n: int) -> int:
    """Return how many bootstrap samples of n units are drawn."""
    return min(BOOTSTRAP_DRAWS, max(MIN_DRAWS, DRAWN_WORK // n))


def plan_examples(
    design: Design, *, classes: tuple[int, int] = (0, 0), clusters: int = 0
) -> PlannedTest:
    """Return the test of two models on the same examples, by whatever metric.

    Parameters
    ----------
    design : Design
        `metric` is a kind of `scored` or of `metrics`; its numbers are examples.
    classes : pair of int
        Examples (or clusters) that hold the positive class, and others, as the evaluation data
        have them; zeros for a metric that has no such class.
    clusters : int
        Clusters that are swapped and drawn whole; 0: every example is one.
    """
    units = clusters or design.n_baseline
    checked = plan_test(design)  # refuses what makes no sense
    margin = design.effect is not None and design.effect.margin != 0
    score = design.metric in RANKED | MEANS | {ROOT}
    if not score and not clusters:
        few = margin and 0 < classes[0] < MIN_CLASS
        return replace(checked, smallest_p=1.0) if few else checked
    why = f"claim: model, {design.n_baseline} examples predicted by both sides"
    if clusters:
        why += f" in {clusters} clusters"
    if design.metric == AREA:
        return _area(design, units, why, classes)
    if margin:
        draws, usable = bootstrap_draws(units), units >= MIN_BOOTSTRAP_EXAMPLES
        fewest = min(classes) if design.metric in RANKED else classes[0] or MIN_CLASS
        usable = usable and fewest >= MIN_CLASS
        test = BOOTSTRAP_MARGIN
        why += test.because
    else:
        draws, usable = swap_draws(design.metric, units), True
        test = PAIRED_RANDOMIZATION
    title = test.titled(metric=design.metric, draws=draws)
    if clusters:
        title += " of whole clusters"
    least = 1.0
    if usable:
        both = not design.one_sided
        exact = smallest_p(min(units, MAX_COUNTED), units, paired=True, one_sided=not both)
        least = max(1 / (draws + 1), 0.0 if margin else exact)
    return plan_as(test, design, why, title=title, units=units, resamples=draws, smallest_p=least)


def plan_crossed(design: Design, examples: int) -> PlannedTest:
    """Return the test of repeats and examples as crossed random factors.

    Parameters
    ----------
    design : Design
        Of repeats joined by seed.
    examples : int
        Of the one evaluation set that all repeats predicted.
    """
    plan_test(design)  # refuses what makes no sense
    if examples < 2:  # noqa: PLR2004 - a variance needs two
        raise DesignError("a test set needs two examples", found=str(examples))
    why = (
        f"{design.n_baseline} repeats on both sides, joined by seed, "
        f"all on the same {examples} examples"
    )
    few = design.n_baseline < CROSSED_T.fewest
    return plan_as(CROSSED_T, design, why, smallest_p=1.0 if few else 0.0)


def lacking(plan: PlannedTest) -> str:
    """Return what a plan would need beside units to decide anything; "" where nothing is missing.

    Examples
    --------
    >>> from gitexp.stats.design import Design, Unit
    >>> lacking(plan_crossed(Design(Unit.REPEAT, True, 2, 2, alpha=0.05), 100))
    'repeats crossed with examples need 3 pairs, 2 are there'
    """
    return "" if plan.smallest_p <= plan.alpha else named(plan.test).needs(plan)


def _area(design: Design, units: int, why: str, classes: tuple[int, int]) -> PlannedTest:
    clustered = units != design.n_baseline
    usable = min(classes) >= MIN_CLASS and (not clustered or units >= MIN_CLUSTERS)
    return plan_as(
        DELONG,
        design,
        f"{why}, {classes[0]} of them {'with positive ones' if clustered else 'positive'}",
        title=DELONG.title + (", clustered" if clustered else ""),
        units=units,
        smallest_p=0.0 if usable else 1.0,
    )
