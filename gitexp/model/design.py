"""Designs: what chooses a significance test before a value is seen, and what its power is."""

from __future__ import annotations

import enum
from typing import Final

from gitexp.model import dataclass
from gitexp.model.plan import Direction, Effect, Verdict


class Unit(enum.Enum):
    """What is exchanged under the null hypothesis."""

    REPEAT = "repeat"
    EXAMPLE = "example"  # of the evaluation set, predicted by both sides
    FOLD = "fold"  # of one cross-validation, or one of several random splits
    DATASET = "dataset"  # one value each of either side


@dataclass(frozen=True, slots=True)
class Splits:
    """How one set of data was divided, again and again, into training and test parts."""

    repetitions: int  # of the whole division
    folds: int  # of one repetition; 0 where they differ, or are random splits
    n_train: float  # examples in either part, mean over the splits
    n_test: float
    balanced: bool = False  # whether the two parts of every split differ by at most one example

    @property
    def five_by_two(self) -> bool:
        """Whether this is Dietterich's five repetitions of two-fold cross-validation."""
        return (self.repetitions, self.folds) == (5, 2) and self.balanced

    @property
    def ratio(self) -> float:
        """The examples of a test part for each one of its training part."""
        return self.n_test / self.n_train


@dataclass(frozen=True, slots=True)
class KnownFolds:
    """The folds in which repeats report a metric, before there is a candidate."""

    number: int  # of each repeat; of all together where they are the same for every seed
    splits: Splits  # of one repeat
    sd: float  # of a fold's value
    same: bool = False  # whether more repeats are no more folds


@dataclass(frozen=True, slots=True)
class Design:
    """All that may choose a test."""

    unit: Unit  # what there is one value of on either side
    # Whether unit i of one side belongs to unit i of the other (same seed, same example).
    paired: bool
    n_baseline: int  # units of either side; equal if paired
    n_candidate: int
    alpha: float  # promised rate of false positives, in (0, 1)
    metric: str = ""  # for examples: the kind of a `metrics.Definition`, "accuracy", "f1", ...
    # The promised effect; None for a metric without a hypothesis, which is tested two-sided.
    effect: Effect | None = None
    direction: Direction | None = None  # which way is better; needed with an effect
    splits: Splits | None = None  # needed for folds
    row_key: str = ""  # by what rows of plain files are joined; "": repeats, by seed
    test: str = ""  # that a plan names for repeats that pair; "": the usual one

    @property
    def one_sided(self) -> bool:
        """Whether the planned null has one side (superiority, or each of equivalence's two)."""
        return self.effect is not None and self.effect.one_sided


SKEW_FLIPS: Final = "sign-flip@2"
FEWEST_SKEWED: Final = 15  # pairs from which a skewness can be estimated
NO_CHANGE: Final = "nothing changes"


class PowerDesign(enum.Enum):
    """What the units are, and which test they get."""

    PAIRED = "paired"  # repeats with common seeds
    INDEPENDENT = "independent"  # repeats without
    ACCURACY = "accuracy"  # examples, McNemar
    AREA = "auc"  # examples, areas under two ROC curves


@dataclass(frozen=True, slots=True)
class PowerRequest:
    """One call of `gitexp power`; None means: from the plan, else from the records."""

    name: str | None = None  # experiment; None: that of the current branch, if there is one
    metric: str | None = None
    direction: Direction | None = None
    effect: str | None = None  # the promise, ">=5%"
    expect: str | None = None  # the true effect, "8%" or "0.01"; with a sign the metric's change
    sd: float | None = None  # of the metric from repeat to repeat, on one side
    n: int | None = None  # repeats (examples) to judge; None: those of the plan
    alpha: float | None = None
    power: float = 0.8
    design: PowerDesign | None = None
    discordant: float | None = None  # share of examples that one model alone has right
    # The baseline's value: its accuracy, its area under the ROC curve, or the mean of its metric,
    # which a promise relative to it needs.
    area: float | None = None
    share: float | None = None  # of positive examples
    correlation: float | None = None  # of the two areas; None: 0.5

    @property
    def is_complete(self) -> bool:
        """Whether it says promise and spread itself, so that nothing has to be looked up."""
        by_examples = self.design in {PowerDesign.ACCURACY, PowerDesign.AREA}
        noise = self.area if by_examples else self.sd
        promise = self.effect or self.expect
        return self.name is None and promise is not None and noise is not None


@dataclass(frozen=True, slots=True)
class Price:
    """What repeats cost on both sides."""

    repeats: int  # executions, both sides
    seconds: float | None  # at one job; None while no duration is known
    basis: str  # where the duration comes from
    reusing: int | None = None  # executions with --seeds committed, where the baseline has some
    money: float | None = None  # by Git's gitexp.pricePerHour, where that and the time are known


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """How likely a promise is supported, if something is true.

    Where the noise of one test set is not known, two cases say what is possible: the two sides'
    errors have nothing in common, and the examples add no noise at all.
    """

    verdict: Verdict = Verdict.SUPPORTED  # or equivalent
    truth: str = ""  # as a clause, "f1 rises by 8 %"; "" where nobody said what is expected
    chance: float | None = None  # with `units`; None without a truth, and where nobody can know
    up_to: float | None = None  # the same without the noise of the test set
    needed: int | None = None  # units at which the chance is `power`
    needed_from: int | None = None  # the same without the noise of the test set
    least: float | None = None  # the true gain that `units` support with `power`
    least_share: float | None = None  # of the baseline's mean

    def planned(self, units: int) -> int | None:
        """Return how many to plan; where a lower bound is all that is known no fewer than `units`.

        None where no number is enough.
        """
        if self.needed is not None or self.needed_from is None:
            return self.needed
        return max(self.needed_from, units)


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerReport:
    """How likely a yes is; how many units tell the promise from no change, what so many find."""

    metric: str
    promise: str
    unit: str  # "pairs", "repeats a side", "examples"
    question: str  # what is told from what, as a clause: "a true gain of 0 from the promised 5 %"
    # Between the two, in the unit of the metric; None where nobody said a size.
    distance: float | None
    spread: float | None = None  # of one unit; None for examples
    alpha: float
    power: float
    needed: int | None  # units that find `distance` with `power`; see `again`
    units: int  # planned, or asked about
    reached: float | None = None  # power at `units`
    # Distance that `units` find with `power`; None where no outcome of theirs reaches alpha.
    detectable: float | None = None
    support: Support  # first of all answers
    price: Price | None = None  # of the repeats that are needed, else of those planned; both sides
    assumed: tuple[str, ...] = ()  # what the numbers rest on
    next_step: str
    # What p of a next try is multiplied by, which units beyond the planned ones are of; 0: no more
    # than that of these.
    again: int = 0
