"""Parts of a comparison that rest on recorded predictions: subgroups and categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.result import MetricComparison, SignificanceResult


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
