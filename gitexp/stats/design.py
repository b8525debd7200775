"""Choose the significance test from the design of a comparison, before a value is seen.

Pairing, numbers, the recorded claim, the promised effect and alpha decide; measured values are
no argument of anything here, so looking at the data cannot change the question.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace

from gitexp.errors import DesignError
from gitexp.model.comparison import PlannedTest
from gitexp.model.design import Design, Splits, Unit
from gitexp.stats import tests

__all__ = [
    "Design",
    "Splits",
    "Unit",
    "beside",
    "counted",
    "pairs_needed",
    "plan_as",
    "plan_test",
    "smallest_p",
]

MAX_COUNTED = (
    1_000  # units: 2**n for a million is not a float, and past these the smallest p is nil
)


def plan_test(design: Design) -> PlannedTest:
    """Return the test that this design gets.

    `smallest_p` is that of the most extreme outcome which the design allows, one-sided for a
    one-sided hypothesis: a design whose `smallest_p` exceeds alpha decides nothing. It is 1 for a
    bootstrap over fewer than `MIN_BOOTSTRAP_EXAMPLES` examples.

    >>> plan = plan_test(Design(Unit.REPEAT, True, 8, 8, alpha=0.05))
    >>> plan.test, plan.resamples, plan.smallest_p
    ('paired-permutation', 256, 0.0078125)
    """
    _check(design)
    test = next(test for test in tests.TESTS.values() if test.suits(design))
    resamples, exact = test.visits(design)
    least = 0.0 if test.continuous else _least(design)
    if resamples and not exact:
        least = max(least, 1 / (resamples + 1))
    metric = design.metric or "the metric"
    return replace(
        plan_as(test, design, f"{units_of(design)}{test.because.format(metric=metric)}"),
        title=test.titled(exact=exact, metric=metric, draws=resamples),
        resamples=resamples,
        exact=exact,
        smallest_p=least if design.n_baseline >= test.fewest else 1.0,
    )


def plan_as(test: tests.SignificanceTest, design: Design, why: str) -> PlannedTest:
    """Return a test as planned for a design, before it is known how p comes about."""
    return PlannedTest(
        test=test.name,
        title=test.title,
        why=why,
        n_baseline=design.n_baseline,
        n_candidate=design.n_candidate,
        paired=design.paired,
        alpha=design.alpha,
        resamples=0,
        exact=False,
        smallest_p=0.0,
    )


def beside(plan: PlannedTest, test: tests.SignificanceTest, title: str = "") -> PlannedTest:
    """Return a test that stands beside a planned one, on the same values."""
    return replace(
        plan,
        test=test.name,
        title=title or test.title,
        why=f"beside: {plan.test}",
        resamples=0,
        smallest_p=0.0,
    )


def smallest_p(n_baseline: int, n_candidate: int, *, paired: bool, one_sided: bool) -> float:
    """Return the smallest p-value of an exact permutation test of so many repeats.

    >>> smallest_p(5, 5, paired=True, one_sided=True)
    0.03125
    >>> smallest_p(3, 3, paired=False, one_sided=False)
    0.1
    """
    ways = 2**n_baseline if paired else math.comb(n_baseline + n_candidate, n_baseline)
    # with sides of different size no assignment mirrors the most extreme one
    mirrored = paired or n_baseline == n_candidate
    return min(1.0, (2 if mirrored and not one_sided else 1) / ways)


def pairs_needed(alpha: float, *, paired: bool = True, one_sided: bool = True) -> int:
    """Return the fewest pairs (or repeats of each side) whose permutation test can reach alpha.

    >>> pairs_needed(0.05), pairs_needed(0.05, one_sided=False), pairs_needed(0.05, paired=False)
    (5, 6, 3)
    """
    _check_alpha(alpha)
    n = 2
    while smallest_p(n, n, paired=paired, one_sided=one_sided) > alpha:
        n += 1
    return n


def counted(number: int, noun: str) -> str:
    """Return a number with its noun.

    >>> counted(1, "pair"), counted(2, "data set")
    ('1 pair', '2 data sets')
    """
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check(design: Design) -> None:
    _check_alpha(design.alpha)
    counts = f"{design.n_baseline} and {design.n_candidate}"
    if min(design.n_baseline, design.n_candidate) < 1:
        raise DesignError("each side needs a value", found=counts, expected="at least 1")
    if design.paired and design.n_baseline != design.n_candidate:
        raise DesignError(
            "paired sides differ in length", found=counts, expected="one value a side per pair"
        )
    if design.effect is not None and design.direction is None:
        raise DesignError(
            "an effect cannot be judged without knowing which way is better",
            expected="a direction, max or min",
            next_step="gitexp new NAME --metric METRIC:max --effect ... --hypothesis ...",
        )
    if design.effect is not None and not math.isfinite(design.effect.margin):
        raise DesignError("the margin is not finite", found=str(design.effect.margin))
    splits = design.splits
    if design.unit is Unit.FOLD and (splits is None or min(splits.n_train, splits.n_test) <= 0):
        raise DesignError(
            "the sizes of the training and test parts are not recorded",
            expected="n_train and n_test of every fold",
        )


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise DesignError("alpha is not a rate", found=str(alpha), expected="0 < alpha < 1")


def units_of(design: Design) -> str:
    """Return what of the design chose its test: the unit, and how many there are of it."""
    n, splits = design.n_baseline, design.splits
    if design.unit is Unit.EXAMPLE:
        return f"claim: model, {counted(n, 'example')} predicted by both sides"
    if design.unit is Unit.DATASET:
        return f"{counted(n, 'data set')}, one value each on either side"
    if design.unit is Unit.FOLD and splits is not None:
        times = "once" if splits.repetitions == 1 else f"{splits.repetitions} times"
        parts = f"{splits.folds} folds, {times}" if splits.folds else f"{n} splits"
        sizes = f"n_train {splits.n_train:.6g} and n_test {splits.n_test:.6g}"
        return f"{parts}, {sizes}: folds share training data"
    noun, where = ("row", "of either file") if design.row_key else ("repeat", "on both sides")
    if design.paired:
        return f"{counted(n, noun)} {where}, joined by {design.row_key or 'seed'}"
    how = "joined" if design.row_key else "joined by seed"
    return f"{n} and {counted(design.n_candidate, noun)}, not {how}"


def _least(design: Design) -> float:
    """Return the p-value of the most extreme outcome, were all relabellings visited."""
    n = min(design.n_baseline, MAX_COUNTED) if design.paired else design.n_baseline
    m = n if design.paired else design.n_candidate
    if design.effect is not None and not design.one_sided and design.effect.margin != 0:
        # either side of a band is tested at half of alpha, whether they mirror each other or not
        return min(1.0, 2 * smallest_p(n, m, paired=design.paired, one_sided=True))
    return smallest_p(n, m, paired=design.paired, one_sided=design.one_sided)


AREA, PRECISION = "roc_auc", "average_precision"
RANKED = frozenset({AREA, PRECISION})
ROOT = "rmse"
MEAN = "mean"  # of numbers that somebody gave each example
MEANS = frozenset({"log_loss", "brier", "mae", "mse", MEAN})
# What projects call them; an area under another curve must not be read as that of the ROC curve.
WORDS = (
    (r"(average|avg)_?prec|pr_?auc|auc_?prc?|auprc|(^|[^a-z])ap($|[^a-z])", PRECISION),
    (r"auc|auroc|area_under", AREA),
    (r"log_?loss|cross_?entropy|(^|[^a-z])(nll|bce|ce|xent)($|[^a-z])", "log_loss"),
    (r"brier", "brier"),
    (r"rmse|root_mean_sq", ROOT),
    (r"(^|[^a-z])mae($|[^a-z])|mean_abs\w*_err|abs_err", "mae"),
    (r"(^|[^a-z])mse($|[^a-z])|mean_sq\w*_err|squared_err", "mse"),
)


def kind_of(name: str) -> str | None:
    """Return the kind that a metric's name says; None for a metric of labels, or of nothing.

    >>> kind_of("val.roc_auc"), kind_of("pr_auc"), kind_of("f1"), kind_of("error_rate")
    ('roc_auc', 'average_precision', None, None)
    """
    lowered = name.lower()
    return next((kind for pattern, kind in WORDS if re.search(pattern, lowered)), None)


MIN_DRAWS = 999
SWAPPED_WORK = 1_000_000_000  # examples times swaps that are counted by rank in some seconds
DRAWN_WORK = 300_000_000  # examples times bootstrap samples that are


def swap_draws(metric: str, n: int) -> int:
    """Return how many random sets of swaps n units get.

    >>> swap_draws("mae", 10**6), swap_draws("average_precision", 10**5)
    (19999, 10000)
    """
    if metric not in RANKED:
        return tests.SWAP_DRAWS
    return min(tests.SWAP_DRAWS, max(MIN_DRAWS, SWAPPED_WORK // n))


def bootstrap_draws(n: int) -> int:
    """Return how many bootstrap samples of n units are drawn."""
    return min(tests.BOOTSTRAP_DRAWS, max(MIN_DRAWS, DRAWN_WORK // n))


def plan_examples(
    design: Design, *, classes: tuple[int, int] = (0, 0), clusters: int = 0
) -> PlannedTest:
    """Return the test of two models on the same examples, by whatever metric.

    `design.metric` is a kind of `scored` or of `metrics`; its numbers are examples. `classes`:
    examples (or clusters) that hold the positive class, and others, as the evaluation data have
    them; zeros for a metric that has no such class. `clusters`: those that are swapped and drawn
    whole; 0: every example is one.
    """
    units = clusters or design.n_baseline
    checked = plan_test(design)  # refuses what makes no sense
    margin = design.effect is not None and design.effect.margin != 0
    score = design.metric in RANKED | MEANS | {ROOT}
    if not score and not clusters:
        few = margin and 0 < classes[0] < tests.MIN_CLASS
        return replace(checked, smallest_p=1.0) if few else checked
    why = units_of(design)
    if clusters:
        why += f" in {clusters} clusters"
    if design.metric == AREA:
        return _area(design, units, why, classes)
    if margin:
        draws, usable = bootstrap_draws(units), units >= tests.MIN_BOOTSTRAP_EXAMPLES
        fewest = min(classes) if design.metric in RANKED else classes[0] or tests.MIN_CLASS
        usable = usable and fewest >= tests.MIN_CLASS
        test = tests.BOOTSTRAP_MARGIN
        why += test.because
    else:
        draws, usable = swap_draws(design.metric, units), True
        test = tests.PAIRED_RANDOMIZATION
    what = "the mean" if design.metric == MEAN else design.metric
    title = test.titled(metric=what, draws=draws)
    if clusters:
        title += " of whole clusters"
    least = 1.0
    if usable:
        both = not design.one_sided
        exact = smallest_p(min(units, MAX_COUNTED), units, paired=True, one_sided=not both)
        least = max(1 / (draws + 1), 0.0 if margin else exact)
    plan = replace(plan_as(test, design, why), title=title, resamples=draws, smallest_p=least)
    return replace(plan, n_baseline=units, n_candidate=units)


def plan_crossed(design: Design, examples: int) -> PlannedTest:
    """Return the test of repeats (joined by seed) and examples as crossed random factors.

    `examples`: those of the one evaluation set that all repeats predicted.
    """
    plan_test(design)  # refuses what makes no sense
    if examples < 2:  # noqa: PLR2004 - a variance needs two
        raise DesignError("a test set needs two examples", found=str(examples))
    why = f"{units_of(design)}, all on the same {examples} examples"
    few = design.n_baseline < tests.CROSSED_T.fewest
    return replace(plan_as(tests.CROSSED_T, design, why), smallest_p=1.0 if few else 0.0)


def lacking(plan: PlannedTest) -> str:
    """Return what a plan would need beside units to decide anything; "" where nothing is missing.

    >>> from gitexp.stats.design import Design, Unit
    >>> lacking(plan_crossed(Design(Unit.REPEAT, True, 2, 2, alpha=0.05), 100))
    'repeats crossed with examples need 3 pairs, 2 are there'
    """
    return "" if plan.smallest_p <= plan.alpha else tests.named(plan.test).needs(plan)


def _area(design: Design, units: int, why: str, classes: tuple[int, int]) -> PlannedTest:
    clustered = units != design.n_baseline
    usable = min(classes) >= tests.MIN_CLASS and (not clustered or units >= tests.MIN_CLUSTERS)
    why += f", {classes[0]} of them {'with positive ones' if clustered else 'positive'}"
    return replace(
        plan_as(tests.DELONG, design, why),
        title=tests.DELONG.title + (", clustered" if clustered else ""),
        n_baseline=units,
        n_candidate=units,
        smallest_p=0.0 if usable else 1.0,
    )
