"""Comparisons before their words: what was measured of two sides, and what was judged of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.comparison.designs import still
from gitexp.comparison.designs.slices import Subgroups
from gitexp.model import dataclass, field, replace
from gitexp.model.comparison import (
    Change,
    Collapsed,
    Ledger,
    MetricComparison,
    Role,
    Selection,
    SharedEvaluator,
    Siblings,
)
from gitexp.model.plan import Verdict
from gitexp.report import words
from gitexp.stats.design import lacking
from gitexp.stats.hypotheses import family
from gitexp.stats.tests import named

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gitexp.comparison.designs.prediction_pairs import Pair
    from gitexp.comparison.failures import Failure
    from gitexp.comparison.measure import Answer, CountedSides, Question
    from gitexp.model.result import SignificanceResult, VarianceShare
    from gitexp.stats.values import Values


@dataclass(frozen=True, slots=True)
class Measured:
    """What was measured and tested of two sides, by metric; nothing where they are the same."""

    metrics: tuple[MetricComparison, ...] = ()
    problem: str = ""  # why the two sides are not comparable; "" if they are
    obstacle: str = ""  # why the hypothesis can be neither supported nor refuted although they are
    # why a metric is not tested, by its name: it does not vary, or its values are copies
    still: Mapping[str, str] = field(default_factory=dict)
    idle: bool = False
    warnings: tuple[str, ...] = ()
    subgroups: Subgroups = field(default_factory=Subgroups)
    pair: Pair | None = None  # the predictions of both sides, where the claim is about two models
    # by metric, what each example adds to it on both sides; of a call with several candidates
    added: Mapping[str, tuple[Values, Values]] = field(default_factory=dict)
    scope: str = ""  # what a decision on the planned metric speaks of
    # where the noise of what pairs gain beyond the promise comes from, in a crossed design
    gains: VarianceShare | None = None

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that the verdict is on."""
        return next((item for item in self.metrics if item.role is Role.PRIMARY), None)


@dataclass(frozen=True, slots=True)
class Draft:
    """A comparison before the family of candidates is known."""

    sides: CountedSides
    measured: Measured
    prefix: str  # what the first line has to say before all else
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    # for baseline and candidate: a source commit is gone, inputs and plan digest decided
    lost: tuple[bool, bool]
    # the experiment whose plan has the two sides the other way round; "" for none
    swapped: str = ""
    same: bool = False  # whether both sides have the same inputs
    concluded: bool = False  # whether the experiment has its conclusion under this plan already
    remedy: str = ""  # what to change in the project, where the seed does not act; "" elsewhere
    selection: Selection | None = None
    ledger: Ledger | None = None
    failed: tuple[Failure, ...] = ()
    collapsed: Collapsed | None = None
    evaluator: SharedEvaluator | None = None
    choice: str = ""  # what to do about one that differs

    @property
    def still(self) -> str:
        """Why the plan's metric is not tested though it was measured; "" where it is."""
        plan = self.sides.plan
        return "" if plan is None else self.measured.still.get(plan.metric, "")


@dataclass(frozen=True, slots=True)
class Judged:
    """A draft with its verdict: what is known when the words are chosen."""

    draft: Draft
    verdict: Verdict | None
    result: SignificanceResult | None  # adjusted for several candidates, as the verdict is
    family: int  # candidates that were compared in one call
    # why the sides are not comparable, or nothing could be tested, or a yes became open
    problem: str
    adjustment: str  # over several candidates
    current_branch: str
    siblings: Siblings | None = None
    shares: int = 1  # experiments among which a next plan shares alpha, itself one of them
    alone: SignificanceResult | None = None  # without siblings
    refuted: bool = False  # whether that is a no

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that the verdict is on, else the first one."""
        return self.draft.measured.primary or next(iter(self.draft.measured.metrics), None)

    @property
    def sides(self) -> CountedSides:
        """The two sides, counted."""
        return self.draft.sides

    @property
    def met(self) -> bool:
        """Whether a broken guard-rail alone keeps a yes from what was promised."""
        return self.verdict is Verdict.INCONCLUSIVE and self.problem.endswith(words.BROKEN)


def adjusted(metrics: Sequence[MetricComparison], method: str) -> tuple[MetricComparison, ...]:
    """Adjust the watched metrics of one comparison, whose number nobody planned."""
    # One that is the same number in every repeat (a counter of steps) could not have been found to
    # differ, so the others need not pay for it (Tarone, doi:10.2307/2531456). Nor for one that only
    # repeats another's numbers (``curve:loss.final`` beside ``loss``).
    planned = {_values(item) for item in metrics if item.role is not Role.WATCHED}
    watched = {
        (*_values(item), item.result.p_value): item.result.p_value
        for item in metrics
        if item.role is Role.WATCHED
        and item.result is not None
        and len({value for _, value in (*item.baseline_values, *item.candidate_values)}) > 1
        and _values(item) not in planned
    }
    adjusted = dict(zip(watched, family(list(watched.values()), method), strict=True))
    return tuple(
        replace(item, p_adjusted=adjusted.get((*_values(item), item.result.p_value)))
        if item.role is Role.WATCHED and item.result is not None
        else item
        for item in metrics
    )


def _values(item: MetricComparison) -> tuple[object, ...]:
    return item.baseline_values, item.candidate_values, item.parts


def troubles(answered: Sequence[tuple[Question, Answer]]) -> tuple[str, str]:
    """Return why the primary metric is not comparable, and what else keeps it from a yes."""
    problem = obstacle = ""
    for question, answer in answered:
        if question.role is Role.PRIMARY:
            if answer.comparison is None:
                problem = answer.refused or f"{question.metric} was not measured on both sides"
            elif answer.refused:
                problem = answer.refused
            obstacle = "" if answer.still else answer.lacks
        elif question.role is Role.GUARD and not obstacle.endswith(words.BROKEN):
            why = _open(question, answer)
            if why and (not obstacle or why.endswith(words.BROKEN)):
                obstacle = f"the guard-rail on {question.metric} {why}"
    return problem, obstacle


def _open(question: Question, answer: Answer) -> str:
    """Return what a guard-rail keeps open: where nothing could show it to be broken, or to be kept.

    The second only where the plan asks for that, and then of all pairs, since who has left some out
    may have chosen them; what is broken stays so, and leaves nothing open.
    """
    if why := _unjudged(question, answer):
        return f"cannot be judged: {why}"
    found = answer.comparison
    result = None if found is None else found.result
    if not question.proven or found is None or result is None or result.p_support is None:
        return ""
    if found.broken:
        return words.BROKEN
    if answer.lacks:
        return f"is not shown to be kept: {answer.lacks}"
    shown = max(result.p_support, result.plan.smallest_p) <= result.plan.alpha
    return "" if shown else f"is not shown to be kept, p = {result.p_support:.2g}"


def _unjudged(question: Question, answer: Answer) -> str:
    """Return why a guard-rail could not have been shown to be broken; "" where it could."""
    if answer.still and answer.comparison is not None:
        same = not (answer.lacks or answer.still.startswith((still.IDLE, still.SEEN)))
        return "" if same and still.is_kept(question, answer.comparison) else answer.still
    result = None if answer.comparison is None else answer.comparison.result
    if result is None:
        return answer.refused or "not measured on both sides"
    plan = result.plan
    if plan.smallest_p <= plan.alpha:
        return ""
    units = min(plan.n_baseline, plan.n_candidate)
    if (fewest := named(plan.test).fewest) and not lacking(plan):
        return f"a bootstrap needs {fewest} examples, {units} are there"
    number = f"{units} {'pairs' if plan.paired else 'values a side'}"
    return lacking(plan) or f"no outcome of {number} reaches alpha = {plan.alpha:g}"
