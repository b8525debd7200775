"""What stands around a test and keeps it honest: power, failures, choices, uses of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.ids import EvaluationDigest
    from gitexp.model.plan import OnFailed


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest true effect that a design finds, from its size and the spread alone.

    Attributes
    ----------
    distance : float
        Between the true gain and the promised one, in the unit of the metric, at least 0.
    relative : float or None
        The same as a share of the baseline's mean; None where that is not positive.
    power : float
        With which it is found at the plan's alpha.
    units : int
        Of the smaller side.
    unit : str
        "pairs", "repeats a side", "examples", "pairs on the same 500 examples".
    spread : float
        Standard deviation of one unit, in the unit of the metric: of the paired differences, or
        of one side's values. Elsewhere the standard error times the root of the units.
    promised : float or None
        Distance that the plan is about, in the unit of the metric: between no gain and the
        promised one. None where the promise is any gain at all.
    needed : int or None
        Units at which `promised` is found with `power`; None where there is no such distance, or
        no number that anybody could run.
    """

    distance: float
    relative: float | None
    power: float
    units: int
    unit: str
    spread: float
    promised: float | None = None
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Repeats that failed, and the most that they could do to the verdict.

    Attributes
    ----------
    policy : OnFailed
        What the plan says of them.
    baseline, candidate : tuple of int
        Their seeds.
    best, worst : str
        The word of the verdict, were each missing value as good (as bad) for the candidate as any
        value of either side; "" where nothing could be tested, or not by the planned test.
    best_p, worst_p : float or None
        The one-sided p of the hypothesis in both cases.
    interrupted : bool
        All of them were stopped or killed: they can be run as they are.
    """

    policy: OnFailed
    baseline: tuple[int, ...]
    candidate: tuple[int, ...]
    best: str = ""
    worst: str = ""
    best_p: float | None = None
    worst_p: float | None = None
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Selection:
    """How many configurations the candidate may have been picked from.

    Attributes
    ----------
    configurations : int
        Different inputs that were run and could have become the candidate, itself included.
    how : str
        "under this plan", "in the sweep 3f9a".
    fresh : bool
        Nothing that the choice could have looked at counts now.
    inflation : float
        Chance that the best of so many looks good at alpha where none is, were they independent:
        1 - (1 - alpha)^k.
    """

    configurations: int
    how: str
    fresh: bool
    inflation: float


@dataclass(frozen=True, slots=True)
class Ledger:
    """How often the same evaluation data have been used for a decision.

    Attributes
    ----------
    evaluation : tuple of EvaluationDigest
        Identities of the data behind this comparison, sorted.
    experiments : tuple of str
        Other experiments with a conclusion on one of them, in the order of their conclusions.
    budget : int or None
        How many decisions the settings allow; None: they do not say.
    """

    evaluation: tuple[EvaluationDigest, ...]
    experiments: tuple[str, ...]
    budget: int | None = None

    @property
    def overdrawn(self) -> bool:
        """Whether a decision now would be one too many."""
        return self.budget is not None and len(self.experiments) + 1 > self.budget
