"""Predictions of one evaluation set: two classifiers, and two models that score or estimate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calibration.rates import ALPHA, DRAWS, SIMULATIONS, row, superiority
from gitexp.model.plan import Direction, Effect, HypothesisKind
from gitexp.stats import examples
from gitexp.stats.design import RANKED, Design, Unit, plan_examples, plan_test
from gitexp.stats.metrics import Definition, MeasuredMetric
from gitexp.stats.planned import one_dataset
from gitexp.stats.planned.one_dataset import run_on_predictions
from gitexp.stats.planned.scoretests import of_terms, run_on_scores
from gitexp.stats.scored import Scoring, terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from benchmarks.calibration.rates import Result, Row, Values


@dataclass(frozen=True, slots=True)
class Population:
    """Two classifiers of two classes: sensitivity and specificity, correlated within examples."""

    prevalence: float
    baseline: tuple[float, float]
    candidate: tuple[float, float]
    correlation: float = 0.5

    def cells(self) -> tuple[NDArray[np.intp], Values]:
        """Return (truth, baseline's label, candidate's label) and the share of each cell."""
        index, share = [], []
        for truth, size in ((1, self.prevalence), (0, 1 - self.prevalence)):
            b, c = self.baseline[1 - truth], self.candidate[1 - truth]
            spread = math.sqrt(b * (1 - b) * c * (1 - c))
            both = min(b, c, b * c + self.correlation * spread)
            for right_b, right_c, part in (
                (1, 1, both),
                (1, 0, b - both),
                (0, 1, c - both),
                (0, 0, 1 - b - c + both),
            ):
                index.append((truth, truth ^ (not right_b), truth ^ (not right_c)))
                share.append(size * part)
        return np.array(index, dtype=np.intp), np.array(share) / sum(share)


POPULATIONS = {
    "balanced": Population(0.5, (0.80, 0.80), (0.86, 0.84)),
    "27 % positive": Population(0.27, (0.55, 0.90), (0.65, 0.90)),
    "10 % positive": Population(0.10, (0.50, 0.95), (0.60, 0.96)),
}


def tabulated(index: NDArray[np.intp], number: NDArray[np.int64]) -> examples.Cells:
    """Return the cells that have examples."""
    kept = number > 0
    one, two, three = index[kept].T
    return examples.Cells(("0", "1"), one, two, three, number[kept])


def predictions_under_null(  # noqa: PLR0913 - one argument a column of the table
    population: Population,
    definition: Definition,
    n: int,
    *,
    relative: bool | None,
    name: str = "",
    simulations: int = SIMULATIONS,
    seed: int = 1,
) -> Row:
    """Simulate predictions whose true gain is the margin.

    Parameters
    ----------
    population : Population
    definition : Definition
    n : int
        Examples of one evaluation set.
    relative : bool or None
        Kind of the margin; None: margin 0, of two classifiers that both are the baseline.
    name : str
    simulations, seed : int
    """
    if relative is None:
        population = replace(population, candidate=population.baseline)
    index, share = population.cells()
    old, new = examples.scores(tabulated(index, np.rint(share * 1e12).astype(np.int64)), definition)
    margin = 0.0 if relative is None else new / old - 1 if relative else new - old
    design = Design(
        Unit.EXAMPLE,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=ALPHA,
        metric=definition.kind,
        effect=Effect(HypothesisKind.SUPERIORITY, margin, relative=bool(relative)),
        direction=Direction.MAX,
    )
    plan = plan_test(design)
    if not plan.exact:
        plan = replace(plan, resamples=DRAWS)
    rng = np.random.default_rng(seed)

    def one(draw: int) -> Result:
        cells = tabulated(index, rng.multinomial(n, share))
        result = run_on_predictions(replace(plan, seed=draw), design, cells, definition)
        return result, one_dataset.beside_predictions(plan, design, cells)

    return row(name, map(one, range(simulations)))


def label_rows(simulations: int = SIMULATIONS // 5) -> Iterator[Row]:
    """Yield the rows of metrics of class predictions."""
    for name, population in POPULATIONS.items():
        for definition in (Definition("accuracy"), Definition("f1", "binary", "1")):
            cases: list[tuple[int, bool | None, str]] = [(n, None, "") for n in (100, 500)]
            for n in (200, 500, 2000):
                cases += [(n, False, ", absolute margin"), (n, True, ", relative margin")]
            for n, relative, margin in cases:
                yield predictions_under_null(
                    population,
                    definition,
                    n,
                    relative=relative,
                    name=f"{definition.kind}, {name}, {n} examples{margin}",
                    simulations=simulations,
                )


def score_rows(simulations: int = SIMULATIONS // 4) -> Iterator[Row]:
    """Yield the rows of metrics of scores: two models of equal worth, correlated by 0.5."""
    for kind in ("roc_auc", "log_loss", "brier"):
        for n, share in ((50, 0.5), (200, 0.1), (1000, 0.1)):
            yield _scores_under_null(kind, n, share, simulations)
    yield _scores_under_null("average_precision", 200, 0.1, simulations // 4)
    for kind in ("mae", "rmse"):
        for n in (30, 200):
            yield _scores_under_null(kind, n, 0.5, simulations)


def _scores_under_null(kind: str, n: int, share: float, simulations: int) -> Row:
    scoring = Scoring(kind) if kind in {"mae", "rmse"} else Scoring(kind, "1")
    design = Design(
        unit=Unit.EXAMPLE,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=ALPHA,
        metric=kind,
        effect=superiority(0.0),
        direction=Direction.MAX if kind in RANKED else Direction.MIN,
    )
    n_positive = round(n * share)
    plan = plan_examples(design, classes=(n_positive, n - n_positive))
    if plan.test != "delong":
        plan = replace(plan, resamples=DRAWS)
    rng = np.random.default_rng(7)

    def one(draw: int) -> Result:
        truth = np.zeros(n, dtype=int)
        truth[:n_positive] = 1
        shared, *noise = rng.normal(size=(3, n))
        sides = []
        for each in noise:
            value = 1.2 * truth + (shared + each) / math.sqrt(2)
            if kind in {"mae", "rmse"}:
                measured = MeasuredMetric(
                    0.0, tuple(map(str, truth)), tuple(map(repr, value.tolist()))
                )
            else:
                score = tuple((1 / (1 + np.exp(-(value - 1)))).tolist())
                measured = MeasuredMetric(
                    0.0, tuple(map(str, truth)), tuple(map(str, truth)), {"score": score}
                )
            sides.append(terms(scoring, measured))
        found = run_on_scores(replace(plan, seed=draw), design, of_terms(*sides))
        return found, ()

    shape = "" if kind in {"mae", "rmse"} else f", {share:.0%} positive"
    return row(f"{kind}{shape}, {n} examples", map(one, range(simulations)))
