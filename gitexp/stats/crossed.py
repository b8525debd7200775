"""Repeats and test examples as crossed random factors: neither source of noise is forgotten.

Every repeat of both sides predicted the same examples. More seeds cannot make up for a small
test set, and more examples not for few seeds; the error of the mean difference has both in it.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from scipy.special import stdtrit

from gitexp.errors import DesignError
from gitexp.model import dataclass
from gitexp.model.comparison import Interval, PlannedTest, SignificanceResult
from gitexp.model.result import VarianceShare
from gitexp.stats import hypotheses, ttests
from gitexp.stats.effects import bracket, crossing
from gitexp.stats.permutation import Tails
from gitexp.stats.values import Values, finite, finite_pairs, resolution

if TYPE_CHECKING:
    from collections.abc import Callable

    from gitexp.stats.design import Design

FARTHEST = 10.0  # ratio of the sides at which a relative limit is no longer looked for


@dataclass(frozen=True, slots=True)
class Squares:
    """Mean squares of a two-way table without replication."""

    mean: float
    repeats: float  # of rows
    examples: float  # of columns
    rest: float  # of what neither explains
    n_repeats: int
    n_examples: int

    @property
    def total(self) -> float:
        """The variance of the mean, times the number of cells.

        The unbiased estimate, kept from falling below what the examples alone would give: the
        parts are estimates, and a negative one is chance.
        """
        return max(self.repeats + max(self.examples - self.rest, 0.0), self.examples)

    @property
    def error(self) -> float:
        """The standard error of the mean."""
        return math.sqrt(self.total / (self.n_repeats * self.n_examples))

    @property
    def df(self) -> float:
        """Satterthwaite's degrees of freedom."""
        bottom = self.repeats**2 / (self.n_repeats - 1) + self.examples**2 / (self.n_examples - 1)
        return self.total**2 / bottom


def squares(table: Values) -> Squares:
    """Return the mean squares of a table of repeats by examples."""
    cells = finite(table, "cells", least=2)
    r, n = cells.shape
    if n < 2:  # noqa: PLR2004 - a variance needs two
        raise DesignError("a test set needs two examples", found=str(n))
    centre = float(cells.mean())
    rows, columns = cells.mean(axis=1) - centre, cells.mean(axis=0) - centre
    rest = cells - centre - rows[:, None] - columns
    return Squares(
        centre,
        n * float(rows @ rows) / (r - 1),
        r * float(columns @ columns) / (n - 1),
        float((rest**2).sum()) / ((r - 1) * (n - 1)),
        r,
        n,
    )


def run_on_crossed(
    plan: PlannedTest, design: Design, baseline: Values, candidate: Values
) -> SignificanceResult:
    """Test a difference over repeats and examples at once.

    `baseline`, `candidate`: shape (n_repeats, n_examples), what each example adds to the metric of
    each repeat, so that a row's mean is its metric: losses, or jackknife pseudo-values of a metric
    that is not a mean.

    The difference d = gain beyond the margin has a row effect (this seed was lucky), a column
    effect (this example is easy for the candidate) and a rest. Its mean has variance
    (MS_repeats + MS_examples - MS_rest) / cells, where the parts are kept from turning negative
    (Dorfman, Berbaum and Metz 1992, Obuchowski and Rockette 1995), and t has Satterthwaite's
    degrees of freedom, near the number of repeats less one if seeds dominate, near that of the
    examples if the test set does (Hillis 2007). Readers of medical images were first treated so;
    repeats are the readers here.
    """
    hypotheses.check_fit(plan, len(baseline), len(candidate))
    baseline, candidate = finite_pairs(baseline, candidate)
    hypotheses.check_share(baseline.mean(axis=1), design.effect)
    tolerance = resolution(baseline, candidate)

    def over_both(below: Values, above: Values) -> Tails:
        found = squares(above - below)
        if found.error <= tolerance:
            if abs(found.mean) <= tolerance:
                return Tails(1.0, 1.0, 1.0)
            raise DesignError(
                "the difference varies neither between repeats nor between examples",
                found=f"{found.mean:g} everywhere",
            )
        return ttests.t_tails(found.mean / found.error, found.df)

    statistic = float(candidate.mean() - baseline.mean())
    return hypotheses.at_margins(plan, design, (baseline, candidate), over_both, statistic)


def intervals(
    baseline: Values, candidate: Values, *, confidence: float
) -> tuple[Interval | None, Interval | None]:
    """Return the interval of the difference, and of the relative one by Fieller's argument."""
    found = squares(candidate - baseline)
    if found.error <= resolution(baseline, candidate):
        return None, None
    method = "t over repeats and examples"
    reach = float(stdtrit(found.df, (1 + confidence) / 2)) * found.error
    difference = Interval(found.mean - reach, found.mean + reach, confidence, method)
    old, new = float(baseline.mean()), float(candidate.mean())
    if old <= 0:
        return difference, None
    parts = squares(baseline), squares(candidate), squares(candidate - baseline)

    def inside(ratio: float) -> float:
        """Return how far a ratio is from being rejected; negative: it is."""
        one = _combined(parts, ratio)
        limit = float(stdtrit(one.df, (1 + confidence) / 2)) * one.error
        return limit - abs(new - ratio * old)

    middle = new / old
    limits: list[float] = []
    for step in (-1.0, 1.0):
        try:
            limits.append(crossing(inside, *_ends(inside, middle, step * reach / old)))
        except DesignError:  # the baseline is not clearly positive
            return difference, None
    low, high = sorted(limits)
    return difference, Interval(low - 1, high - 1, confidence, f"{method}, Fieller")


def variance_share(baseline: Values, candidate: Values) -> VarianceShare | None:
    """Return how much of the difference's variance is seeds, and how much the test set.

    The shares sum to 1; None where nothing varies.
    """
    found = squares(candidate - baseline)
    seeds, examples = max(found.repeats - found.rest, 0.0), max(found.examples - found.rest, 0.0)
    total = seeds + examples + found.rest
    if total <= 0:
        return None
    return VarianceShare(
        repeats=found.n_repeats,
        examples=found.n_examples,
        standard_error=found.error,
        seeds_share=seeds / total,
        examples_share=examples / total,
        rest_share=found.rest / total,
    )


def _ends(inside: Callable[[float], float], middle: float, step: float) -> tuple[float, float]:
    low, high = bracket(inside, middle, step)
    if abs(low) > FARTHEST * max(1.0, abs(middle)) or abs(high) > FARTHEST * max(1.0, abs(middle)):
        raise DesignError("the limit is too far away")
    return low, high


def _combined(parts: tuple[Squares, Squares, Squares], ratio: float) -> Squares:
    """Return those of c - r b, which are quadratic in r, from those of b, c and c - b."""
    b, c, d = parts

    def of(bb: float, cc: float, dd: float) -> float:
        product = (bb + cc - dd) / 2
        return max(0.0, cc - 2 * ratio * product + ratio**2 * bb)

    return Squares(
        c.mean - ratio * b.mean,
        of(b.repeats, c.repeats, d.repeats),
        of(b.examples, c.examples, d.examples),
        of(b.rest, c.rest, d.rest),
        c.n_repeats,
        c.n_examples,
    )
