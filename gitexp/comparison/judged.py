"""Comparisons before their words: what was measured of two sides, and what was judged of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gitexp.comparison.designs.slices import Subgroups
from gitexp.model.comparison import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gitexp.comparison import exclusions as why
    from gitexp.comparison.counting import Count, Evaluation
    from gitexp.comparison.designs.pairs import Pair
    from gitexp.comparison.sides import ResolvedSide
    from gitexp.model.comparison import Change, Ledger, MetricComparison, Selection
    from gitexp.model.plan import Claim, Plan, Verdict
    from gitexp.model.result import SignificanceResult
    from gitexp.stats.values import Values


@dataclass(frozen=True, slots=True)
class Draft:
    """A comparison before the family of candidates is known.

    Attributes
    ----------
    problem : str
        Why the two sides are not comparable; "" if they are.
    obstacle : str
        Why the hypothesis can be neither supported nor refuted although they are.
    still : Mapping of str to str
        By metric, why there is no test of it: nothing varies, or only copies are there.
    remedy : str
        What to change in the project, where the seed does not act; "" elsewhere.
    prefix : str
        What the first line has to say before all else.
    paired : bool
        Whether repeats were joined by seed.
    lost : tuple of bool
        For baseline and candidate: a source commit is gone, inputs and plan digest decided.
    pair : Pair or None
        The predictions of both sides, where the claim is about two models.
    crossed : bool
        Whether all repeats predicted one evaluation set, which has a noise of its own.
    added : Mapping of str to pair of ndarray of float, shape (n_repeats, n_examples)
        By metric, what each example adds to it on both sides; of a call with several candidates.
    swapped : str
        The experiment whose plan has the two sides the other way round; "" for none.
    same : bool
        Whether both sides have the same inputs.
    concluded : bool
        Whether the experiment has its conclusion under this plan already.
    """

    baseline: ResolvedSide
    candidate: ResolvedSide
    plan: Plan | None
    claim: Claim
    count: Count
    evaluation: Evaluation
    metrics: tuple[MetricComparison, ...]
    problem: str
    obstacle: str
    prefix: str
    changes: tuple[Change, ...]
    warnings: tuple[str, ...]
    paired: bool
    lost: tuple[bool, bool]
    subgroups: Subgroups = field(default_factory=Subgroups)
    pair: Pair | None = None
    crossed: bool = False
    added: Mapping[str, tuple[Values, Values]] = field(default_factory=dict)
    swapped: str = ""
    same: bool = False
    concluded: bool = False
    still: Mapping[str, str] = field(default_factory=dict)
    remedy: str = ""
    selection: Selection | None = None
    ledger: Ledger | None = None
    failed: tuple[why.Failure, ...] = ()

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that the verdict is on."""
        return next((item for item in self.metrics if item.role is Role.PRIMARY), None)


@dataclass(frozen=True, slots=True)
class Judged:
    """A draft with its verdict: what is known when the words are chosen.

    Attributes
    ----------
    result : SignificanceResult or None
        Adjusted for several candidates, as the verdict is.
    family : int
        Candidates that were compared in one call.
    problem : str
        Why the sides are not comparable, or nothing could be tested, or a yes became open.
    configurations : int
        To pick from: what p was multiplied by.
    adjustment : str
        Over several candidates.
    """

    draft: Draft
    verdict: Verdict | None
    result: SignificanceResult | None
    family: int
    problem: str
    configurations: int
    adjustment: str
    current_branch: str

    @property
    def primary(self) -> MetricComparison | None:
        """The metric that the verdict is on, else the first one."""
        return self.draft.primary or next(iter(self.draft.metrics), None)
