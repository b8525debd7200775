"""A comparison: what was tested, what came out, what it says about the hypothesis."""

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

    from gitexp.model.caveats import Detectable, Ledger, Missing, Selection
    from gitexp.model.ids import CommitHash, EnvironmentDigest, EvaluationDigest, InputsDigest
    from gitexp.model.omnibus import Across
    from gitexp.model.order import OrderGrade
    from gitexp.model.plan import Claim, Effect, Plan
    from gitexp.model.slices import CategoryComparison, SliceComparison
    from gitexp.model.verdict import Verdict

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
    across: Across | None = None  # of a call with more than two commits, in each comparison alike
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
