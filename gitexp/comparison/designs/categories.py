"""Counts of categories on either side: predicted classes, kinds of error, a column of the file.

One repeat of each side is looked at: counts of several repeats of the same examples would pretend
that there are more examples than there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.model.comparison import Category, CategoryComparison, PlannedTest, SignificanceResult
from gitexp.stats import contingency, sums, tests
from gitexp.stats.contingency import chi_square_independence
from gitexp.stats.design import beside as beside_planned
from gitexp.stats.tests import SWAP_DRAWS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gitexp.comparison.designs.pairs import Guesses, Pair
    from gitexp.stats.contingency import ChiSquared, Independence
    from gitexp.stats.tests import SignificanceTest

ERRORS, PREDICTED = "errors", "y_pred"
RIGHT = "right"
OTHERS = "(others)"
MOST = 100

_AS_IF = ", as if of different examples"  # a test of independent samples, beside


@dataclass(frozen=True, slots=True)
class Apart:
    """One side's predictions of examples that the other side did not see."""

    seed: int
    y_true: tuple[str, ...]
    guesses: Guesses


def compare(
    pair: Pair, column: str, *, alpha: float, least: int, by: Sequence[str] | None = None
) -> CategoryComparison:
    """Compare how often each category occurs.

    `pair`: read with the column, where it is one of the project's own. `column`: ``y_pred``,
    ``errors`` (the true class of what is wrong), or a column. `alpha`: for the record: nothing is
    decided here. `least`: categories with fewer examples on either side are joined. `by`: subgroup
    of each example, for the test over strata.

    Raises `DesignError` if the column is missing or has too many categories.
    """
    sides = (pair.baseline, pair.candidate)
    left, right = (_labels(pair.y_true, side, column) for side in sides)
    names, first, second = _joined(left, right, least)
    k, n = len(names), len(first)
    _check(column, k)
    seeds = pair.seed_baseline, pair.seed_candidate
    counts = np.bincount(first, minlength=k), np.bincount(second, minlength=k)
    shown = tuple(
        Category(name, int(counts[0][i]), int(counts[1][i])) for i, name in enumerate(names)
    )
    note = _note(names, least)
    if k < 2:  # noqa: PLR2004 - nothing to compare
        return CategoryComparison(column, seeds, shown, None, (), None, note or "one category only")
    joint = np.zeros((k, k))
    np.add.at(joint, (first, second), 1)
    drawn = contingency.swapped_categories(joint, draws=SWAP_DRAWS, seed=0)
    plan = _plan(
        tests.CATEGORY_SWAPS,
        f"{n} examples put into {k} categories by both sides",
        (n, n),
        alpha,
        resamples=SWAP_DRAWS,
    )
    plain = chi_square_independence([list(map(int, row)) for row in counts])
    beside = [
        _beside(plan, tests.STUART_MAXWELL, contingency.stuart_maxwell(joint)),
        _beside(plan, tests.CHI_SQUARED, plain, _AS_IF),
    ]
    if by is not None:
        strata = _strata(first, second, by, k)
        found = contingency.mantel_haenszel_categories(strata)
        beside.append(_beside(plan, tests.MANTEL_HAENSZEL, found, _AS_IF))
    return CategoryComparison(
        column,
        seeds,
        shown,
        SignificanceResult(plan, drawn.p_value, None, None, drawn.statistic),
        tuple(beside),
        plain.cramers_v,
        note,
    )


def compare_apart(
    one: Apart, two: Apart, column: str, *, alpha: float, least: int
) -> CategoryComparison:
    """Compare how often each category occurs among different examples.

    Chi-squared, or tables dealt anew where an expected count is small: the choice follows from
    the margins alone. See `compare`.
    """
    left, right = (_labels(side.y_true, side.guesses, column) for side in (one, two))
    names, first, second = _joined(left, right, least)
    k = len(names)
    _check(column, k)
    counts = [[int(x) for x in np.bincount(side, minlength=k)] for side in (first, second)]
    shown = tuple(Category(name, counts[0][i], counts[1][i]) for i, name in enumerate(names))
    seeds = one.seed, two.seed
    note = _note(names, least)
    if k < 2:  # noqa: PLR2004 - nothing to compare
        return CategoryComparison(column, seeds, shown, None, (), None, note or "one category only")
    plain = chi_square_independence(counts)
    sizes = len(left), len(right)
    if contingency.smallest_expected(*counts) >= contingency.SMALL:
        plan = _plan(tests.CHI_SQUARED, "different examples on both sides", sizes, alpha)
        result = SignificanceResult(plan, plain.p_value, None, None, plain.statistic)
    else:
        why = f"different examples on both sides, an expected count below {contingency.SMALL:g}"
        plan = _plan(tests.CHI_SQUARED_DRAWN, why, sizes, alpha, resamples=SWAP_DRAWS)
        drawn = contingency.dealt_categories(*counts, draws=SWAP_DRAWS, seed=0)
        result = SignificanceResult(plan, drawn.p_value, None, None, drawn.statistic)
    return CategoryComparison(column, seeds, shown, result, (), plain.cramers_v, note)


def _check(column: str, number: int) -> None:
    if number > MOST:
        raise DesignError(
            f"{column} has too many categories", found=str(number), expected=f"at most {MOST}"
        )


def _note(names: Sequence[str], least: int) -> str:
    return f"categories below {least} examples are joined" if OTHERS in names else ""


def _labels(y_true: Sequence[str], side: Guesses, column: str) -> tuple[str, ...]:
    if column == PREDICTED:
        return side.y_pred
    if column == ERRORS:
        pairs = zip(y_true, side.y_pred, strict=True)
        return tuple(RIGHT if truth == guess else f"wrong, was {truth}" for truth, guess in pairs)
    if column not in side.columns:
        raise DesignError(
            f"the predictions have no column {column}",
            found=", ".join(side.header)[:120],
            expected=f"{PREDICTED}, {ERRORS} or a column of the predictions file on both sides",
        )
    return side.columns[column]


def _joined(
    left: Sequence[str], right: Sequence[str], least: int
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Return the categories and their numbers, the rare ones of either side as one."""
    names = sorted({*left, *right})
    places = sums.places([*left, *right])[0]
    n = len(left)
    first, second = places[:n], places[n:]
    k = len(names)
    rarest = np.minimum(np.bincount(first, minlength=k), np.bincount(second, minlength=k))
    kept = np.flatnonzero(rarest >= least)
    if len(kept) == k:
        return names, first, second
    place = np.full(k, len(kept))
    place[kept] = np.arange(len(kept))
    return [*(names[i] for i in kept), OTHERS], place[first], place[second]


def _strata(
    first: np.ndarray, second: np.ndarray, by: Sequence[str], k: int
) -> list[list[list[int]]]:
    groups = sums.places(by)[0]
    return [
        [
            [int(number) for number in np.bincount(side[groups == group], minlength=k)]
            for side in (first, second)
        ]
        for group in range(int(groups.max()) + 1)
    ]


def _beside(
    plan: PlannedTest,
    test: SignificanceTest,
    found: ChiSquared | Independence,
    caveat: str = "",
) -> SignificanceResult:
    one = beside_planned(plan, test, f"{test.title}{caveat}")
    return SignificanceResult(one, found.p_value, None, None, found.statistic)


def _plan(
    test: SignificanceTest, why: str, n: tuple[int, int], alpha: float, *, resamples: int = 0
) -> PlannedTest:
    return PlannedTest(
        test=test.name,
        title=test.titled(draws=resamples),
        why=why,
        n_baseline=n[0],
        n_candidate=n[1],
        paired=not why.startswith("different"),
        alpha=alpha,
        resamples=resamples,
        exact=False,
        smallest_p=1 / (resamples + 1) if resamples else 0.0,
    )
