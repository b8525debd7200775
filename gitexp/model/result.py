"""One metric of a comparison: its numbers, the planned test and what came of it."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.parts import Part
    from gitexp.model.plan import Direction
    from gitexp.model.posterior import Posterior
    from gitexp.model.variance import VarianceShare


class Role(enum.Enum):
    """What a metric is to the plan."""

    PRIMARY = "primary"
    GUARD = "guard"
    WATCHED = "watched"  # reported, no verdict


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval; a limit that does not exist is None."""

    low: float | None
    high: float | None
    confidence: float  # 0.95
    method: str  # "t on paired differences"


@dataclass(frozen=True, slots=True)
class PlannedTest:
    """Which test, fixed by the design alone before a value is read."""

    test: str  # "paired-permutation", "mcnemar", ...
    title: str  # "exact paired permutation of the mean"
    why: str  # the part of the design that chose it
    n_baseline: int
    n_candidate: int
    paired: bool
    alpha: float
    resamples: int  # relabellings visited
    exact: bool
    smallest_p: float
    seed: int = 0  # of the random draws, where not exact


@dataclass(frozen=True, slots=True)
class SignificanceResult:
    """The planned test's numbers.

    `p_support` belongs to the null "the effect is below the promised one", `p_refute` to the
    null "it is at least the promised one"; both one-sided. `p_value` is two-sided against no
    difference, for metrics without a hypothesis and for the reader.
    """

    plan: PlannedTest
    p_value: float
    p_support: float | None
    p_refute: float | None
    statistic: float | None = None


@dataclass(frozen=True, slots=True)
class EffectSize:
    """A standardised effect with its interval."""

    name: str  # "Cohen's dz"
    estimate: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class MetricComparison:
    """One metric of both sides. Differences are candidate minus baseline, in the metric's unit."""

    metric: str
    direction: Direction | None  # None: not known, no side is called better
    role: Role
    n_baseline: int
    n_candidate: int
    mean_baseline: float
    mean_candidate: float
    sd_baseline: float | None  # None below two samples
    sd_candidate: float | None
    difference: float
    relative: float | None  # of the baseline's mean; None where that is not positive
    interval: Interval | None  # of the difference
    relative_interval: Interval | None
    effects: tuple[EffectSize, ...]
    result: SignificanceResult | None
    beside: tuple[SignificanceResult, ...]  # the companion test (paired t, Welch)
    p_adjusted: float | None  # Holm, over the watched metrics of this comparison
    baseline_values: tuple[tuple[int, float], ...]  # (seed, value) used
    candidate_values: tuple[tuple[int, float], ...]
    broken: bool = False  # a guard-rail that is broken
    notes: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()  # folds or data sets, where these were tested
    posteriors: tuple[Posterior, ...] = ()  # the Bayesian companions
    variance: VarianceShare | None = None  # where repeats and examples are both random

    @property
    def one_valued(self) -> str:
        """The side whose repeats all report the same, alone of the two; "" for none."""
        sides = {"baseline": self.baseline_values, "candidate": self.candidate_values}
        still = [
            name
            for name, pairs in sides.items()
            if len(pairs) > 1 and all(math.isclose(v, pairs[0][1], rel_tol=1e-10) for _, v in pairs)
        ]
        return still[0] if len(still) == 1 else ""
