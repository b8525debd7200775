"""Results: the numbers of one metric, the planned test, the verdict, all candidates together."""

from __future__ import annotations

import enum
import math
from typing import TYPE_CHECKING

from gitexp.model import dataclass, replace

if TYPE_CHECKING:
    from gitexp.model.plan import Direction


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

    def noted(self, *notes: str) -> MetricComparison:
        """Return it with these notes behind its own."""
        return replace(self, notes=(*self.notes, *notes))

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


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """Where the noise of a difference comes from, if repeats and examples are both random."""

    repeats: int  # of either side; all repeats predicted the same examples
    examples: int
    standard_error: float  # of the difference, in the metric's unit
    # Of its variance: another seed, another test set, and what neither explains alone. They sum to
    # 1.
    seeds_share: float
    examples_share: float
    rest_share: float


@dataclass(frozen=True, slots=True)
class Posterior:
    """Where the difference lies, candidate minus baseline, given the data."""

    method: str  # "correlated Bayesian t"
    rope: float  # half-width of the region of practical equivalence around 0, in the metric's unit
    rope_why: str  # where the half-width comes from
    below: float  # probabilities of the three regions; they sum to 1
    within: float
    above: float


@dataclass(frozen=True, slots=True)
class Part:
    """One fold or data set of a repeat, measured on both sides; None where a key does not apply."""

    seed: int | None
    rep: int | None
    fold: int | None
    n_train: int | None
    n_test: int | None
    dataset: str
    baseline: float
    candidate: float


@dataclass(frozen=True, slots=True)
class Group:
    """One commit: its name as typed, how many values it has and their mean."""

    name: str
    n: int
    mean: float
    rank: float | None = None  # mean rank over the blocks, 1 is best; None without blocks


@dataclass(frozen=True, slots=True)
class Omnibus:
    """One test of the null that all commits are alike."""

    test: str  # "welch-anova", "friedman", ...
    title: str
    statistic: float
    p_value: float
    df1: float | None = None  # degrees of freedom, where the statistic has any
    df2: float | None = None
    planned: bool = False  # whether the design chose this one; others stand beside it


@dataclass(frozen=True, slots=True)
class Pairwise:
    """One commit against another within a family of comparisons."""

    first: str  # names of commits; the difference is that of `first` minus `second`
    second: str
    difference: float  # of means, or of mean ranks (rank 1 is the best)
    interval: Interval | None  # simultaneous over the family, where the procedure has one
    p_value: float  # two-sided, adjusted for the family


@dataclass(frozen=True, slots=True)
class Family:
    """A set of comparisons whose error rate is held together."""

    test: str  # "dunnett", "games-howell", "nemenyi", ...
    title: str
    among: str  # "each against the baseline", "all pairs"
    pairs: tuple[Pairwise, ...]


@dataclass(frozen=True, slots=True)
class AcrossMetric:
    """One metric of all commits."""

    metric: str
    direction: Direction | None
    # "repeats as independent groups", "repeats blocked by seed", "repeats crossed with examples",
    # "data sets", "examples"
    design: str
    alpha: float
    groups: tuple[Group, ...]  # the baseline first
    omnibus: tuple[Omnibus, ...]
    families: tuple[Family, ...]
    sizes: tuple[EffectSize, ...] = ()  # share of the variation that lies between commits
    critical_difference: float | None = None  # by which mean ranks have to differ, among all pairs
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OmnibusComparison:
    """What one call says about all its commits together; it decides no verdict."""

    names: tuple[str, ...]  # as typed, the baseline first
    metrics: tuple[AcrossMetric, ...]
    reason: str = ""  # why nothing could be tested together; "" if something was
