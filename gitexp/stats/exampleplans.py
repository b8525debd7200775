"""The planned tests of scores, of clusters of examples, and of repeats times examples.

As everything in `design`, a plan follows from claim, metric, numbers and effect; how many random
draws it has follows from the number of examples, so that a large evaluation set stays quick.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from gitexp.errors import DesignError
from gitexp.model.comparison import PlannedTest
from gitexp.stats.design import (
    BOOTSTRAP_DRAWS,
    MIN_BOOTSTRAP_EXAMPLES,
    SWAP_DRAWS,
    plan_test,
    smallest_p,
)
from gitexp.stats.scorekinds import AREA, MEANS, RANKED, ROOT

if TYPE_CHECKING:
    from gitexp.stats.design import Design

# Examples of either class. DeLong: with 10 of 100 z rejects 6.3 %. A bootstrap of recall against a
# margin: with 5 to 8 positive ones of 400 it rejects 20 % to 49 %, with 20 of them 5 % to 9 %.
MIN_CLASS = 20
# For the same: with 10 clusters it rejects 6.9 %, with 5 9.4 %; where 5 of 100 clusters hold all
# positive examples 9 %, where 3 do 14 %. So classes are counted by the clusters that hold them.
MIN_CLUSTERS = 20
MIN_REPEATS = 3  # of a crossed design: with two the measured error is up to 6.5 %
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
    score = design.metric in RANKED | MEANS | {ROOT}
    if not score and not clusters:
        few = checked.test == "bootstrap-margin" and 0 < classes[0] < MIN_CLASS
        return replace(checked, smallest_p=1.0) if few else checked
    why = f"claim: model, {design.n_baseline} examples predicted by both sides"
    if clusters:
        why += f" in {clusters} clusters"
    if design.metric == AREA:
        return _area(design, units, why, classes)
    margin = design.effect is not None and design.effect.margin != 0
    what = "clusters" if clusters else "examples"
    if margin:
        draws, usable = bootstrap_draws(units), units >= MIN_BOOTSTRAP_EXAMPLES
        fewest = min(classes) if design.metric in RANKED else classes[0] or MIN_CLASS
        usable = usable and fewest >= MIN_CLASS
        title = f"paired bootstrap of {design.metric} against the margin, {draws:,} resamples"
        test, why = "bootstrap-margin", f"{why}; a margin other than zero"
    else:
        draws, usable = swap_draws(design.metric, units), True
        title = f"paired randomization of {design.metric}, {draws:,} random swaps"
        test = "paired-randomization"
    if clusters:
        title += f" of whole {what}"
    least = 1.0
    if usable:
        both = not design.one_sided
        exact = smallest_p(min(units, MAX_COUNTED), units, paired=True, one_sided=not both)
        least = max(1 / (draws + 1), 0.0 if margin else exact)
    return PlannedTest(
        test=test,
        title=title,
        why=why,
        n_baseline=units,
        n_candidate=units,
        paired=True,
        alpha=design.alpha,
        resamples=draws,
        exact=False,
        smallest_p=least,
    )


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
    return PlannedTest(
        test="crossed-t",
        title="t over repeats and examples, crossed random factors",
        why=(
            f"{design.n_baseline} repeats on both sides, joined by seed, "
            f"all on the same {examples} examples"
        ),
        n_baseline=design.n_baseline,
        n_candidate=design.n_candidate,
        paired=True,
        alpha=design.alpha,
        resamples=0,
        exact=False,
        smallest_p=0.0 if design.n_baseline >= MIN_REPEATS else 1.0,
    )


def lacking(plan: PlannedTest) -> str:
    """Return what a plan of this file would need to decide anything; "" where nothing is missing.

    Examples
    --------
    >>> from gitexp.stats.design import Design, Unit
    >>> lacking(plan_crossed(Design(Unit.REPEAT, True, 2, 2, alpha=0.05), 100))
    'repeats crossed with examples need 3 pairs, 2 are there'
    """
    if plan.smallest_p <= plan.alpha:
        return ""
    there, clustered = f"{plan.n_baseline} are there", "clusters" in plan.title
    few = plan.n_baseline < MIN_BOOTSTRAP_EXAMPLES
    needs = ""
    if plan.test == "delong":
        clusters = f", in {MIN_CLUSTERS} clusters" if "clustered" in plan.title else ""
        needs = f"an area needs {MIN_CLASS} examples of either class{clusters}"
    elif plan.test == "crossed-t":
        needs = f"repeats crossed with examples need {MIN_REPEATS} pairs, {there}"
    elif plan.test == "paired-randomization" and clustered:
        least = math.ceil(-math.log2(plan.alpha))
        needs = f"whole clusters are swapped: it needs {least}, {there}"
    elif plan.test == "bootstrap-margin" and not few:
        apart = f", in {MIN_CLUSTERS} clusters" if clustered else ""
        positive = f"{MIN_CLASS} examples of the positive class{apart}"
        needs = f"a bootstrap against a margin needs {positive}"
    elif plan.test == "bootstrap-margin" and clustered:
        needs = f"a bootstrap against a margin needs {MIN_BOOTSTRAP_EXAMPLES} clusters, {there}"
    return needs


def _area(design: Design, units: int, why: str, classes: tuple[int, int]) -> PlannedTest:
    clustered = units != design.n_baseline
    usable = min(classes) >= MIN_CLASS and (not clustered or units >= MIN_CLUSTERS)
    return PlannedTest(
        test="delong",
        title="DeLong, normal approximation" + (", clustered" if clustered else ""),
        why=f"{why}, {classes[0]} of them {'with positive ones' if clustered else 'positive'}",
        n_baseline=units,
        n_candidate=units,
        paired=True,
        alpha=design.alpha,
        resamples=0,
        exact=False,
        smallest_p=0.0 if usable else 1.0,
    )
