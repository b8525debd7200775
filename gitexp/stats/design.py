"""Choose the significance test from the design of a comparison, before a value is seen.

Pairing, numbers, the recorded claim, the promised effect and alpha decide; measured values are
no argument of anything here, so looking at the data cannot change the question.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass, replace

from gitexp.errors import DesignError
from gitexp.model.comparison import PlannedTest
from gitexp.model.plan import Claim, Direction, Effect, HypothesisKind

MAX_SIGN_FLIPS = 2**20  # enumerated; above this they are drawn at random
MAX_ASSIGNMENTS = 20_000  # of labels, enumerated
FLIP_DRAWS = 99_999
LABEL_DRAWS = 99_999
SWAP_DRAWS = 19_999
BOOTSTRAP_DRAWS = 9_999
MAX_COUNTED = 1_000
MAX_RANKED = 200  # data sets whose signed ranks are counted exactly
MIN_BOOTSTRAP_EXAMPLES = (
    200  # below, the measured error is up to four times alpha: docs/statistics.md
)


class Unit(enum.Enum):
    """What is exchanged under the null hypothesis."""

    REPEAT = "repeat"
    EXAMPLE = "example"  # of the evaluation set, predicted by both sides
    FOLD = "fold"  # of one cross-validation, or one of several random splits
    DATASET = "dataset"  # one value each of either side


@dataclass(frozen=True, slots=True)
class Splits:
    """How one set of data was divided, again and again, into training and test parts.

    Attributes
    ----------
    repetitions : int
        Of the whole division.
    folds : int
        Of one repetition; 0 where they differ, or are random splits.
    n_train, n_test : float
        Examples in either part, mean over the splits.
    balanced : bool
        Whether the two parts of every split differ by at most one example.
    """

    repetitions: int
    folds: int
    n_train: float
    n_test: float
    balanced: bool = False

    @property
    def five_by_two(self) -> bool:
        """Whether this is Dietterich's five repetitions of two-fold cross-validation."""
        return (self.repetitions, self.folds) == (5, 2) and self.balanced

    @property
    def ratio(self) -> float:
        """The examples of a test part for each one of its training part."""
        return self.n_test / self.n_train


@dataclass(frozen=True, slots=True)
class Design:
    """All that may choose a test.

    Attributes
    ----------
    unit : Unit
        What there is one value of on either side.
    paired : bool
        Whether unit i of one side belongs to unit i of the other (same seed, same example).
    n_baseline, n_candidate : int
        Units of either side; equal if paired.
    alpha : float
        Promised rate of false positives, in (0, 1).
    claim : Claim
        What the hypothesis speaks of.
    metric : str
        For examples: the kind of a `metrics.Definition`, "accuracy", "f1", ...
    effect : Effect or None
        The promised effect; None for a metric without a hypothesis, which is tested two-sided.
    direction : Direction or None
        Which way is better; needed with an effect.
    splits : Splits or None
        Needed for folds.
    """

    unit: Unit
    paired: bool
    n_baseline: int
    n_candidate: int
    alpha: float
    claim: Claim = Claim.METHOD
    metric: str = ""
    effect: Effect | None = None
    direction: Direction | None = None
    splits: Splits | None = None

    @property
    def one_sided(self) -> bool:
        """Whether the planned null has one side (superiority, or each of equivalence's two)."""
        return self.effect is not None and self.effect.kind is not HypothesisKind.TWO_SIDED


def plan_test(design: Design) -> PlannedTest:
    """Return the test that this design gets.

    Parameters
    ----------
    design : Design

    Returns
    -------
    PlannedTest
        `smallest_p` is that of the most extreme outcome which the design allows, one-sided for
        a one-sided hypothesis: a design whose `smallest_p` exceeds alpha decides nothing. It is 1
        for a bootstrap over fewer than `MIN_BOOTSTRAP_EXAMPLES` examples.

    Raises
    ------
    DesignError
        If the design makes no sense: an empty side, paired sides of different length, an alpha
        outside (0, 1), an effect without a direction, single examples for a claim about the
        method, or folds whose sizes are not known.

    Examples
    --------
    >>> plan = plan_test(Design(Unit.REPEAT, True, 8, 8, alpha=0.05))
    >>> plan.test, plan.resamples, plan.smallest_p
    ('paired-permutation', 256, 0.0078125)
    """
    _check(design)
    if design.unit is Unit.EXAMPLE:
        return _plan_examples(design)
    if design.unit is Unit.FOLD:
        return _plan_folds(design)
    if design.unit is Unit.DATASET:
        return _plan_datasets(design)
    return _plan_paired(design) if design.paired else _plan_independent(design)


def smallest_p(n_baseline: int, n_candidate: int, *, paired: bool, one_sided: bool) -> float:
    """Return the smallest p-value of an exact permutation test of so many repeats.

    Examples
    --------
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

    Parameters
    ----------
    alpha : float
        In (0, 1).
    paired : bool
        Whether repeats are joined by seed.
    one_sided : bool
        Whether the null hypothesis has one side.

    Raises
    ------
    DesignError
        If alpha is no rate.

    Examples
    --------
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

    Examples
    --------
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
            next_step="gitexp new NAME --metric METRIC:max",
        )
    if design.effect is not None and not math.isfinite(design.effect.margin):
        raise DesignError("the margin is not finite", found=str(design.effect.margin))
    if design.unit in {Unit.FOLD, Unit.DATASET} and not design.paired:
        raise DesignError(
            f"{design.unit.value}s are compared in pairs only",
            expected=f"the same {design.unit.value}s on both sides",
        )
    if design.unit is Unit.EXAMPLE and not design.paired:
        raise DesignError(
            "predictions are compared on the same examples only",
            expected="one evaluation set, predicted by both sides",
        )
    if design.unit is Unit.EXAMPLE and design.claim is Claim.METHOD:
        raise DesignError(
            "the predictions of one training say nothing about the method",
            expected="claim: model, or repeats with several seeds",
            next_step="gitexp run --repeats 10 --with-baseline",
        )


def _check_alpha(alpha: float) -> None:
    if not 0 < alpha < 1:
        raise DesignError("alpha is not a rate", found=str(alpha), expected="0 < alpha < 1")


def _plan_paired(design: Design) -> PlannedTest:
    ways = 2**design.n_baseline
    exact = ways <= MAX_SIGN_FLIPS
    drawn = f"paired permutation of the mean, {FLIP_DRAWS:,} random sign flips"
    return _planned(
        design,
        test="paired-permutation",
        title="exact paired permutation of the mean" if exact else drawn,
        why=f"{counted(design.n_baseline, 'repeat')} on both sides, joined by seed",
        resamples=ways if exact else FLIP_DRAWS,
        exact=exact,
    )


def _plan_independent(design: Design) -> PlannedTest:
    ways = math.comb(design.n_baseline + design.n_candidate, design.n_baseline)
    exact = ways <= MAX_ASSIGNMENTS
    drawn = "" if exact else f", {LABEL_DRAWS:,} random assignments"
    title = "exact permutation of the labels" if exact else "permutation of the labels"
    repeats = counted(design.n_candidate, "repeat")
    planned = _planned(
        design,
        test="permutation",
        title=f"{title}{drawn}",
        why=f"{design.n_baseline} and {repeats}, not joined by seed",
        resamples=ways if exact else LABEL_DRAWS,
        exact=exact,
    )
    # with equal numbers t rises with the difference of means; a single value has no spread
    if design.n_baseline == design.n_candidate or min(design.n_baseline, design.n_candidate) == 1:
        return planned
    return replace(
        planned,
        test="studentized-permutation",
        title=f"{title} by Welch's t{drawn}",
        why=f"{planned.why}; unequal numbers, so that spreads may differ",
    )


def _plan_examples(design: Design) -> PlannedTest:
    n = design.n_baseline
    why = f"claim: model, {counted(n, 'example')} predicted by both sides"
    metric = design.metric or "the metric"
    if design.effect is not None and design.effect.margin != 0:
        return _planned(
            design,
            test="bootstrap-margin",
            title=f"paired bootstrap of {metric} against the margin, {BOOTSTRAP_DRAWS:,} resamples",
            why=f"{why}; a margin other than zero",
            resamples=BOOTSTRAP_DRAWS,
            exact=False,
            usable=n >= MIN_BOOTSTRAP_EXAMPLES,
        )
    if design.metric in {"accuracy", "error_rate"}:
        return _planned(
            design,
            test="mcnemar",
            title="McNemar, exact conditional binomial",
            why=f"{why}; each of them right or wrong",
            resamples=0,
            exact=True,
        )
    return _planned(
        design,
        test="paired-randomization",
        title=f"paired randomization of {metric}, {SWAP_DRAWS:,} random swaps",
        why=f"{why}; {metric} is no mean over examples",
        resamples=SWAP_DRAWS,
        exact=False,
    )


def _plan_folds(design: Design) -> PlannedTest:
    splits = design.splits
    if splits is None or min(splits.n_train, splits.n_test) <= 0:
        raise DesignError(
            "the sizes of the training and test parts are not recorded",
            expected="n_train and n_test of every fold",
        )
    times = "once" if splits.repetitions == 1 else f"{splits.repetitions} times"
    parts = f"{splits.folds} folds, {times}" if splits.folds else f"{design.n_baseline} splits"
    why = (
        f"{parts}, n_train {splits.n_train:.6g} and n_test {splits.n_test:.6g}: "
        "folds share training data"
    )
    five = splits.five_by_two
    return PlannedTest(
        test="combined-5x2cv-f" if five else "corrected-resampled-t",
        title="combined 5 x 2 cv F (Alpaydin)" if five else "corrected resampled t (Nadeau-Bengio)",
        why=why,
        n_baseline=design.n_baseline,
        n_candidate=design.n_candidate,
        paired=True,
        alpha=design.alpha,
        resamples=0,
        exact=False,
        smallest_p=0.0,  # of a continuous distribution
    )


def _plan_datasets(design: Design) -> PlannedTest:
    exact = design.n_baseline <= MAX_RANKED
    ranked = "exact" if exact else "normal approximation"
    planned = _planned(
        design,
        test="signed-rank",
        title=f"Wilcoxon signed-rank, {ranked}",
        why=f"{counted(design.n_baseline, 'data set')}, one value each on either side",
        resamples=0,
        exact=True,
    )
    return replace(planned, exact=exact)


def _planned(  # noqa: PLR0913 - the fields of a PlannedTest that differ
    design: Design,
    *,
    test: str,
    title: str,
    why: str,
    resamples: int,
    exact: bool,
    usable: bool = True,
) -> PlannedTest:
    n_baseline, n_candidate = design.n_baseline, design.n_candidate
    least = 1.0
    if usable:
        least = _least(design)
        if not exact:
            least = max(least, 1 / (resamples + 1))
    return PlannedTest(
        test=test,
        title=title,
        why=why,
        n_baseline=n_baseline,
        n_candidate=n_candidate,
        paired=design.paired,
        alpha=design.alpha,
        resamples=resamples,
        exact=exact,
        smallest_p=least,
    )


def _least(design: Design) -> float:
    """Return the p-value of the most extreme outcome, were all relabellings visited."""
    # 2**n for a million examples is no float; past 1,000 pairs the smallest p is nil anyhow
    n = min(design.n_baseline, MAX_COUNTED) if design.paired else design.n_baseline
    m = n if design.paired else design.n_candidate
    if design.effect is not None and not design.one_sided and design.effect.margin != 0:
        # either side of a band is tested at half of alpha, whether they mirror each other or not
        return min(1.0, 2 * smallest_p(n, m, paired=design.paired, one_sided=True))
    return smallest_p(n, m, paired=design.paired, one_sided=design.one_sided)
