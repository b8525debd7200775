"""Cross-validation of two learners of equal worth, on a new set of data each time.

Both learners are the same, on feature blocks that are disjoint and equally informative, so the
null hypothesis holds by symmetry. Stable learners change little with their training data, others
much: for those no fold-based test keeps alpha, and the table says by how far.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calibration.rates import ALPHA, counted
from gitexp.errors import DesignError
from gitexp.stats import ttests
from gitexp.stats.design import Design, Splits, Unit, plan_test
from gitexp.stats.planned.datasets import beside_folds, run_on_folds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from benchmarks.calibration.rates import Row, Values

    Indices = NDArray[np.intp]
    Learner = Callable[[Values, Indices, Indices], Indices]

SIMULATIONS = 1_000


def centroid(features: Values, labels: Indices, train: Indices) -> Indices:
    """Predict all examples by the nearer of the two class means."""
    ours, mine = features[train], labels[train]
    one, zero = ours[mine == 1].mean(axis=0), ours[mine == 0].mean(axis=0)
    return ((features - (one + zero) / 2) @ (one - zero) > 0).astype(np.intp)


def neighbour(features: Values, labels: Indices, train: Indices) -> Indices:
    """Predict all examples by the nearest training example."""
    away = ((features[:, None, :] - features[None, train, :]) ** 2).sum(axis=2)
    return labels[train[away.argmin(axis=1)]]


@dataclass(frozen=True, slots=True)
class Problem:
    """A learner with the data it is given."""

    name: str
    learner: Learner
    n: int
    features: int
    shift: float  # of the class means from zero, in standard deviations


STABLE = Problem("stable (centroid, n = 200)", centroid, 200, 5, 0.35)
UNSTABLE = (
    Problem("unstable (centroid, n = 300, weak)", centroid, 300, 20, 0.05),
    Problem("unstable (1-neighbour, n = 100)", neighbour, 100, 2, 0.5),
)


def scores(
    problem: Problem, repetitions: int, folds: int, rng: np.random.Generator
) -> tuple[Values, Values]:
    """Return both learners' accuracies, fold by fold, of stratified cross-validations."""
    n, p = problem.n, problem.features
    labels = np.repeat(np.array([0, 1], dtype=np.intp), n // 2)
    features = rng.normal(size=(n, 2 * p)) + problem.shift * (2 * labels - 1)[:, None]
    found: list[list[float]] = [[], []]
    for _ in range(repetitions):
        order = np.concatenate([rng.permutation(n // 2), n // 2 + rng.permutation(n // 2)])
        for fold in range(folds):
            test = order[fold::folds]
            train = np.setdiff1d(order, test)
            for side, block in enumerate((features[:, :p], features[:, p:])):
                right = problem.learner(block, labels, train)[test] == labels[test]
                found[side].append(float(right.mean()))
    return np.array(found[0]), np.array(found[1])


def fold_rows(simulations: int = SIMULATIONS) -> Iterator[Row]:
    """Yield the rows of fold-based tests; two-sided, as nothing is promised."""
    for problem in (STABLE, *UNSTABLE):
        for repetitions, folds in ((1, 10), (10, 10), (5, 2)):
            few = simulations if repetitions * folds <= 10 else simulations // 4  # noqa: PLR2004  dear
            yield under_null(problem, repetitions, folds, few)


def under_null(problem: Problem, repetitions: int, folds: int, simulations: int) -> Row:
    """Simulate cross-validations of two learners of equal worth.

    Columns: the planned test, its companion (5 x 2 only) and the naive paired t.
    """
    test = problem.n / folds
    splits = Splits(repetitions, folds, problem.n - test, test, balanced=folds == 2)  # noqa: PLR2004
    count = repetitions * folds
    design = Design(Unit.FOLD, True, count, count, ALPHA, splits=splits)  # noqa: FBT003
    plan = plan_test(design)
    rng = np.random.default_rng(1)
    columns: dict[str, list[float | None]] = {"planned": [], "beside": [], "naive": []}
    for _ in range(simulations):
        left, right = scores(problem, repetitions, folds, rng)
        columns["planned"].append(
            _or_none(lambda a, b: run_on_folds(plan, design, a, b).p_value, left, right)
        )
        beside = beside_folds(plan, design, left, right)
        columns["beside"].append(beside[0].p_value if beside else None)
        columns["naive"].append(_or_none(_naive, left, right))
    if plan.test != "combined-5x2cv-f":
        del columns["beside"]
    shape = f"{folds}-fold" if repetitions == 1 else f"{repetitions} x {folds}-fold"
    return counted(f"{problem.name}, {shape}", columns)


def _naive(left: Values, right: Values) -> float:
    mean = ttests.paired_difference(left, right)
    return ttests.p_of_t(mean.estimate / mean.error, mean.df, "two-sided")


def _or_none(test: Callable[[Values, Values], float], left: Values, right: Values) -> float | None:
    """Return the p-value; None where the scores do not vary."""
    try:
        return test(left, right)
    except DesignError:
        return None
