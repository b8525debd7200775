"""The design of a comparison: all that may choose its significance test, before a value is seen."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from gitexp.model.plan import Claim, Direction, Effect, HypothesisKind


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
