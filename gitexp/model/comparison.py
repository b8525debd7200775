"""A comparison: its sides, metrics, slices and caveats, and the conclusion drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.result import (
    EffectSize,
    Interval,
    MetricComparison,
    PlannedTest,
    Role,
    SignificanceResult,
)

if TYPE_CHECKING:
    from datetime import datetime

    from gitexp.model.ids import CommitHash, EnvironmentDigest, EvaluationDigest, InputsDigest
    from gitexp.model.plan import Claim, Effect, OnFailed, Plan, Verdict
    from gitexp.model.result import OmnibusComparison
    from gitexp.model.witness import OrderGrade


__all__ = [
    "Change",
    "Comparison",
    "Conclusion",
    "EffectSize",
    "Interval",
    "MetricComparison",
    "PlannedTest",
    "Role",
    "Side",
    "SignificanceResult",
    "Unused",
]


LATE = "added after a look at the planned repeats"  # why a repeat is not used


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
    interrupted: int = 0  # of those that failed, what was stopped or killed


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """What `gitexp compare` answers; every output format shows this value."""

    verdict: Verdict | None  # None: no recorded hypothesis
    headline: str  # first line, without the verdict word
    reasons: tuple[str, ...]  # why not comparable, what is missing, ...
    claim: Claim
    effect: Effect | None
    baseline: Side
    candidate: Side
    pairs: int
    planned_repeats: int | None
    looks: int
    metrics: tuple[MetricComparison, ...]  # primary first
    changes: tuple[Change, ...]
    unused: tuple[Unused, ...]
    warnings: tuple[str, ...]  # confounders, non-determinism, retrospective looks
    next_step: str
    plan: Plan | None
    compared_at: datetime
    program: str
    words: str = ""  # of its author, where the experiment was concluded
    order: OrderGrade | None = None  # how sure it is that the plan came first; None: no plan
    across: OmnibusComparison | None = (
        None  # of a call with more than two commits, in each comparison alike
    )
    adjustment: str = "holm"  # of watched metrics and of several candidates
    detectable: Detectable | None = None
    missing: Missing | None = None
    selection: Selection | None = None
    ledger: Ledger | None = None
    slices: SliceComparison | None = None
    categories: CategoryComparison | None = None

    def __repr__(self) -> str:
        """Return the answer in a line: all of it is many thousand characters."""
        verdict = "no verdict" if self.verdict is None else self.verdict.value
        sides = f"{self.candidate.name} against {self.baseline.name}"
        return f"<Comparison of {sides}: {verdict}: {self.headline}>"


@dataclass(frozen=True, slots=True)
class Conclusion:
    """The end of an experiment in its author's words, with the comparison it rests on."""

    experiment: str
    verdict: Verdict | None
    words: str
    author_name: str
    author_email: str
    concluded_at: datetime
    comparison: Comparison

    def stands(self, plan: Plan) -> bool:
        """Return whether it was reached under the plan as it is, and not before an amendment."""
        return self.comparison.plan is not None and self.comparison.plan.digest == plan.digest

    def told(self, plan: Plan, what: str = "") -> str:
        """Return what an answer says of a plan: `what`, and first that the plan was another."""
        verdict = "no verdict" if self.verdict is None else self.verdict.value
        if self.stands(plan):
            return what or verdict
        digest = "" if self.comparison.plan is None else f" {self.comparison.plan.digest[:7]}"
        return f"under the earlier plan{digest}, {verdict}{f': {what}' if what else ''}"


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


@dataclass(frozen=True, slots=True)
class Slice:
    """One metric on one subgroup.

    Attributes
    ----------
    value : str
        Of the column.
    examples : int
        In the subgroup; the smallest number, where it differs between seeds.
    metric : str
    comparison : MetricComparison or None
        Its p-values are those of the subgroup alone. None where the metric is not defined there.
    p_adjusted : float or None
        Over all subgroups and metrics that are shown: towards the promised effect, or two-sided
        where nothing was promised. None where nothing could be tested.
    p_refute_adjusted : float or None
        Towards the opposite, likewise; None without a promise.
    note : str
        Why nothing was tested; "" if something was.
    """

    value: str
    examples: int
    metric: str
    comparison: MetricComparison | None
    p_adjusted: float | None
    p_refute_adjusted: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class SliceComparison:
    """The same comparison in the subgroups that a column of the predictions makes.

    Attributes
    ----------
    column : str
    metrics : tuple of str
        What is compared in each.
    slices : tuple of Slice
        By value, then by metric.
    family : int
        Tests over which alpha is held.
    hidden : int
        Subgroups whose numbers are not shown: those with fewer examples than `least`, and others
        from which their numbers would follow.
    least : int
        The project's ``privacy.min_slice``.
    """

    column: str
    metrics: tuple[str, ...]
    slices: tuple[Slice, ...]
    family: int
    hidden: int
    least: int


@dataclass(frozen=True, slots=True)
class Category:
    """How often a category occurs on either side."""

    name: str
    baseline: int
    candidate: int


@dataclass(frozen=True, slots=True)
class CategoryComparison:
    """Whether both sides put examples into categories in the same proportions.

    Attributes
    ----------
    column : str
        ``y_pred``, ``errors`` (the true class of what is wrong) or a column of the predictions.
    seeds : tuple of int
        Of the repeats compared, baseline and candidate.
    categories : tuple of Category
        The rarest ones joined, none below the project's ``privacy.min_slice`` shown.
    result : SignificanceResult or None
        Of the planned test.
    beside : tuple of SignificanceResult
    cramers_v : float or None
    note : str
        What the numbers leave out, or why nothing was tested.
    """

    column: str
    seeds: tuple[int, int]
    categories: tuple[Category, ...]
    result: SignificanceResult | None
    beside: tuple[SignificanceResult, ...]
    cramers_v: float | None
    note: str = ""
