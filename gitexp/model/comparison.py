"""A comparison: its sides, metrics, slices and caveats, and the conclusion drawn from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.model import dataclass
from gitexp.model.plan import Claim, Effect, HypothesisKind, OnFailed, Person, Plan, Verdict
from gitexp.model.result import (
    EffectSize,
    Interval,
    MetricComparison,
    OmnibusComparison,
    PlannedTest,
    Role,
    SignificanceResult,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gitexp.model.ids import CommitHash, EnvironmentDigest, EvaluationDigest, InputsDigest
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
    "SharedEvaluator",
    "Side",
    "SignificanceResult",
    "Unused",
]


LATE = "added after a look at the planned repeats"  # why a repeat is not used
EQUAL_IN_PAIRS = "the environment is equal within each pair, not over all"


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

    kind: str  # "config" | "code" | "params" | "data" | "environment"
    what: str  # setting, path, key or distribution
    baseline: str
    candidate: str


# Whether a repeat could read what its inputs do not cover: its Python processes could not, unheard.
PYTHON: Final = "Python"
NOBODY: Final = "not observed"


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


@dataclass(frozen=True, slots=True)
class SharedEvaluator:
    """Whether both sides were measured by the evaluator that the plan froze."""

    differing: tuple[str, ...] = ()  # frozen names at which the candidate has another one
    lent: tuple[str, ...] = ()  # what the baseline took of the candidate's
    lacking: str = ""  # why it is not frozen; "" where it is


@dataclass(frozen=True, slots=True)
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
    collapsed: Collapsed | None = None
    selection: Selection | None = None
    ledger: Ledger | None = None
    siblings: Siblings | None = None
    slices: SliceComparison | None = None
    categories: CategoryComparison | None = None
    evaluator: SharedEvaluator | None = None  # where there is anything to say of it
    # by what rows of two plain files are joined: a column, "order of rows"; "": repeats, by seed
    row_key: str = ""
    scope: str = ""  # of what a decision on the planned metric speaks: what varied, what did not
    # who saw what the repeats read, `PYTHON` or `NOBODY`; "" for plain files
    isolation: str = ""
    newer_rules: str = ""  # what these would say of an older plan, where that was asked

    def __repr__(self) -> str:
        """Return the answer in a line: all of it is many thousand characters."""
        verdict = "no verdict" if self.verdict is None else self.verdict.value
        sides = f"{self.candidate.name} against {self.baseline.name}"
        return f"<Comparison of {sides}: {verdict}: {self.headline}>"

    @property
    def broken_guards(self) -> tuple[str, ...]:
        """Metrics whose guard-rail is broken."""
        return tuple(item.metric for item in self.metrics if item.broken)

    @property
    def is_against(self) -> bool:
        """Whether it speaks against the candidate's code: refuted, or a guard-rail is broken."""
        return self.verdict is Verdict.REFUTED or bool(self.verdict and self.broken_guards)

    @property
    def exit_code(self) -> int:
        """Return 1 for a no, 6 for an open answer, else 0, also where nothing was asked.

        A hypothesis of equivalence is confirmed by `equivalent`; for any other it is a no. A broken
        guard-rail is a no.
        """
        if self.verdict is not None and self.broken_guards:
            return 1
        match self.verdict:
            case None | Verdict.SUPPORTED:
                return 0
            case Verdict.EQUIVALENT:
                effect = self.effect
                wanted = effect is not None and effect.kind is HypothesisKind.EQUIVALENCE
                return 0 if wanted else 1
            case Verdict.REFUTED:
                return 1
            case Verdict.INCONCLUSIVE | Verdict.UNDECIDABLE | Verdict.NOT_COMPARABLE:
                return 6


def qualifier(headline: str, broken: Sequence[str]) -> str:
    """Return what qualifies a verdict wherever it is shown, "" where nothing does.

    >>> qualifier("confounded: environment; f1 rises", ["ms"])
    'confounded; BROKEN: ms'
    """
    guards = f"BROKEN: {', '.join(broken)}" if broken else ""
    return "; ".join(filter(None, ("confounded" if "confounded: " in headline else "", guards)))


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

    @property
    def author(self) -> Person:
        """Whom it names."""
        return Person(self.author_name, self.author_email)

    @property
    def qualifier(self) -> str:
        """What line 1 says beside the verdict, in short."""
        return qualifier(self.comparison.headline, self.comparison.broken_guards)

    def told(self, plan: Plan, what: str = "", *, changed: bool = False) -> str:
        """Return what an answer says of a plan: `what`, and first that the plan was another.

        `changed`: whether the candidate has other inputs since.
        """
        verdict = "no verdict" if self.verdict is None else self.verdict.value
        verdict = "; ".join(filter(None, (verdict, self.qualifier)))
        if self.stands(plan) and changed:
            at = self.comparison.candidate.commit[:9]
            return f"at {at}, before the inputs changed, {verdict}{f': {what}' if what else ''}"
        if self.stands(plan):
            return what or verdict
        digest = "" if self.comparison.plan is None else f" {self.comparison.plan.digest[:7]}"
        return f"under the earlier plan{digest}, {verdict}{f': {what}' if what else ''}"


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest true effect that a design finds, from its size and the spread alone."""

    # Between the true gain and the promised one, in the unit of the metric, at least 0.
    distance: float
    # The same as a share of the baseline's mean; None where that is not positive.
    relative: float | None
    power: float  # with which it is found at the plan's alpha
    units: int  # of the smaller side
    unit: str  # "pairs", "repeats a side", "examples", "pairs on the same 500 examples"
    # Standard deviation of one unit, in the unit of the metric: of what a pair, split, fold or data
    # set gains, or of one side's values. Of examples the error times the root of the units.
    spread: float
    # Distance that the plan is about, in the unit of the metric: between no gain and the promised
    # one. None where the promise is any gain at all.
    promised: float | None = None
    # Units at which `promised` is found with `power`, as `gitexp power` has it; those beyond the
    # planned repeats by a next plan, which pays for its try. None where there is no such distance,
    # or no number that anybody could run.
    needed: int | None = None


@dataclass(frozen=True, slots=True)
class Missing:
    """Repeats that failed, and the most that they could do to the verdict."""

    policy: OnFailed  # what the plan says of them
    baseline: tuple[int, ...]  # their seeds
    candidate: tuple[int, ...]
    # The word of the verdict, were each missing value as good (as bad) for the candidate as any
    # value of either side; "" where nothing could be tested, or not by the planned test.
    best: str = ""
    worst: str = ""
    best_p: float | None = None  # the one-sided p of the hypothesis in both cases
    worst_p: float | None = None
    interrupted: bool = False  # all of them were stopped or killed: they can be run as they are


@dataclass(frozen=True, slots=True)
class Collapsed:
    """Finished repeats that failed by the plan's own rule, and are not compared."""

    rule: str  # f1<0.3
    baseline: tuple[int, ...]  # their seeds
    candidate: tuple[int, ...]
    of_baseline: int  # of so many repeats; where they pair, of so many pairs
    of_candidate: int


@dataclass(frozen=True, slots=True)
class Selection:
    """How many configurations the candidate may have been picked from."""

    # Different inputs that were run and could have become the candidate, itself included.
    configurations: int
    how: str  # "under this plan", "at this candidate, after plan deep", "in the sweep 3f9a"
    fresh: bool  # nothing that the choice could have looked at counts now
    # Chance that the best of so many looks good at alpha where none is, were they independent:
    # one less (1 - alpha)^k.
    inflation: float
    # What p is multiplied by, where `configurations` are the tries up to this one; 0: by all alike.
    price: int = 0


def price_of_try(number: int) -> int:
    """Return what the p-value of the first, second, ... try is multiplied by.

    The first pays nothing, the k-th k (k + 1). What is left of alpha for it sums up to no more than
    one and a half alpha over all tries, whenever somebody stops.

    Examples
    --------
    >>> [price_of_try(number) for number in (1, 2, 3, 4)]
    [1, 6, 12, 20]
    """
    return 1 if number <= 1 else number * (number + 1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """How often the same evaluation data have been used for a decision."""

    # Identities of the data behind this comparison, sorted.
    evaluation: tuple[EvaluationDigest, ...]
    # Other experiments with a conclusion on one of them, in the order of their conclusions.
    experiments: tuple[str, ...]
    budget: int | None = None  # how many decisions the settings allow; None: they do not say
    raw: bool = False  # only raw data are known, of which each experiment may split off others

    @property
    def overdrawn(self) -> bool:
        """Whether a decision now would be one too many."""
        return self.budget is not None and len(self.experiments) + 1 > self.budget


@dataclass(frozen=True, slots=True)
class Sibling:
    """Another experiment on the same data, with its own p-values: after its tries, before Holm."""

    name: str
    p_support: float
    p_refute: float


@dataclass(frozen=True, slots=True)
class Siblings:
    """Other experiments on the same data that have a result: each was a chance of a yes."""

    # Over which the deciding p-values are Holm's, in the order of their names.
    experiments: tuple[Sibling, ...]
    newer: tuple[str, ...] = ()  # run since the conclusion, which they do not change
    missed: tuple[str, ...] = ()  # run before it, and not in the clone where it was reached


@dataclass(frozen=True, slots=True)
class Slice:
    """One metric on one subgroup."""

    value: str  # of the column
    examples: int  # in the subgroup; the smallest number, where it differs between seeds
    metric: str
    # Its p-values are those of the subgroup alone. None where the metric is not defined there.
    comparison: MetricComparison | None
    # Over all subgroups and metrics that are shown: towards the promised effect, or two-sided where
    # nothing was promised. None where nothing could be tested.
    p_adjusted: float | None
    p_refute_adjusted: float | None  # towards the opposite, likewise; None without a promise
    note: str = ""  # why nothing was tested; "" if something was


@dataclass(frozen=True, slots=True)
class SliceComparison:
    """The same comparison in the subgroups that a column of the predictions makes."""

    column: str
    metrics: tuple[str, ...]  # what is compared in each
    slices: tuple[Slice, ...]  # by value, then by metric
    family: int  # tests over which alpha is held
    # Subgroups whose numbers are not shown: those with fewer examples than `least`, and others from
    # which their numbers would follow.
    hidden: int
    least: int  # the project's ``privacy.min_slice``


@dataclass(frozen=True, slots=True)
class Category:
    """How often a category occurs on either side."""

    name: str
    baseline: int
    candidate: int


@dataclass(frozen=True, slots=True)
class CategoryComparison:
    """Whether both sides put examples into categories in the same proportions."""

    # ``y_pred``, ``errors`` (the true class of what is wrong) or a column of the predictions.
    column: str
    seeds: tuple[int, int]  # of the repeats compared, baseline and candidate
    # The rarest ones joined, none below the project's ``privacy.min_slice`` shown.
    categories: tuple[Category, ...]
    result: SignificanceResult | None  # of the planned test
    beside: tuple[SignificanceResult, ...]
    cramers_v: float | None
    note: str = ""  # what the numbers leave out, or why nothing was tested
