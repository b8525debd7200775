"""A comparison: what was tested, what came out, what it says about the hypothesis."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.across import Across
    from gitexp.model.honesty import Detectable, Ledger, Missing, Selection
    from gitexp.model.ids import (
        CommitHash,
        EnvironmentDigest,
        EvaluationDigest,
        InputsDigest,
        ParamValue,
    )
    from gitexp.model.parts import Part
    from gitexp.model.plan import Claim, Direction, Effect, Plan
    from gitexp.model.posterior import Posterior
    from gitexp.model.slices import CategoryComparison, SliceComparison, VarianceShare


class Verdict(enum.Enum):
    """What a comparison says about the recorded hypothesis."""

    SUPPORTED = "supported"
    REFUTED = "refuted"  # "the effect is at least the promised one" is rejected
    INCONCLUSIVE = "inconclusive"
    EQUIVALENT = "equivalent"
    UNDECIDABLE = "undecidable"  # no outcome of this design could reach alpha
    NOT_COMPARABLE = "not comparable"


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
    posteriors: tuple[Posterior, ...] = ()  # the Bayesian companions
    parts: tuple[Part, ...] = ()  # folds or data sets, where these were tested
    variance: VarianceShare | None = None  # where repeats and examples are both random


@dataclass(frozen=True, slots=True)
class Unused:
    """Samples that were seen and not counted, with the reason."""

    why: str  # "exploratory: before the plan", "unpaired seed", "found elsewhere", ...
    run: str
    where: str
    seeds: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that differs between the two sides beside the metric."""

    kind: str  # "code" | "params" | "data" | "environment"
    what: str  # path, key or distribution
    baseline: str
    candidate: str


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a comparison."""

    name: str  # as typed: "main", "exp/focal-loss"
    commit: CommitHash
    inputs: InputsDigest
    environment: EnvironmentDigest | None
    evaluation: EvaluationDigest | None
    runs: tuple[str, ...]  # ids of the runs that count
    seeds: tuple[int, ...]
    failed: int  # repeats that failed, were cancelled or lost
    wall_s: float  # price paid, all repeats that count
    source_lost: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """What `gitexp compare` answers; every output format shows this value."""

    baseline: Side
    candidate: Side
    plan: Plan | None
    claim: Claim
    effect: Effect | None
    verdict: Verdict | None  # None: no recorded hypothesis
    headline: str  # first line, without the verdict word
    reasons: tuple[str, ...]  # why not comparable, what is missing, ...
    metrics: tuple[MetricComparison, ...]  # primary first
    changes: tuple[Change, ...]
    unused: tuple[Unused, ...]
    warnings: tuple[str, ...]  # confounders, non-determinism, retrospective looks
    looks: int
    planned_repeats: int | None
    pairs: int
    next_step: str
    compared_at: datetime
    program: str
    adjustment: str = "holm"  # of watched metrics and of several candidates
    detectable: Detectable | None = None
    missing: Missing | None = None
    selection: Selection | None = None
    ledger: Ledger | None = None
    slices: SliceComparison | None = None
    categories: CategoryComparison | None = None
    across: Across | None = None  # of a call with more than two commits, in each comparison alike


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of an experiment in its author's words, with the comparison it rests on."""

    experiment: str
    verdict: Verdict | None
    words: str
    comparison: Comparison
    author_name: str
    author_email: str
    concluded_at: datetime


@dataclass(frozen=True, slots=True)
class MetricSummary:
    """Mean and spread of one metric over the samples of a run or experiment."""

    metric: str
    n: int
    mean: float
    sd: float | None


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of `gitexp list --runs`."""

    id: str
    branch: str
    experiment: str
    inputs: str
    environment: str
    state: str  # "finished 10/10", ...
    finished: int
    repeats: int
    author: str
    started_at: datetime
    params: tuple[tuple[str, ParamValue], ...]
    metrics: tuple[MetricSummary, ...]
    exploratory: bool
    seeds: tuple[int, ...] = ()  # of finished repeats


@dataclass(frozen=True, slots=True)
class ExperimentSummary:
    """A line of `gitexp list`."""

    name: str
    branch: str
    commit: str
    state: (
        str  # "planned", "running", "run", "concluded", "merged", "archived", "removed", "no plan"
    )
    verdict: Verdict | None
    hypothesis: str
    metric: str
    runs: int
    finished: int  # repeats that finished under the plan
    planned: int
    primary: MetricSummary | None
    author: str
    created_at: datetime | None
    baseline: str = ""  # as the plan's author typed it
    source_lost: bool = False  # of a merged one: no ref leads to what ran (squashed, rebased)
