"""How often the planned tests reject a true null: simulated, with fixed seeds.

``python -m benchmarks.calibration [WORD]`` prints the tables of ``docs/statistics.md``, or those
with the word in their title; the slow tests run the same functions with fewer simulations. Every
null is at the edge of the hypothesis, where the error is largest: the true gain equals the margin.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from gitexp.model.plan import Claim, Direction, Effect, HypothesisKind
from gitexp.stats import companions, examples
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.metrics import Definition
from gitexp.stats.planned import run_on_predictions, run_on_repeats

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from gitexp.model.comparison import SignificanceResult

    Values = NDArray[np.float64]
    Law = Callable[[np.random.Generator, int], Values]

ALPHA = 0.05
SIMULATIONS = 4_000
BOOTSTRAP_DRAWS = 999  # in simulations; 9,999 in use
LOG_MEAN = math.exp(0.5)

LAWS: dict[str, Law] = {  # mean 0, standard deviation about 1
    "normal": lambda rng, n: rng.normal(size=n),
    "t, 3 df": lambda rng, n: rng.standard_t(3, size=n) / math.sqrt(3),
    "exponential": lambda rng, n: rng.exponential(size=n) - 1,
    "lognormal": lambda rng, n: (rng.lognormal(size=n) - LOG_MEAN) / 2.16,
    "discrete": lambda rng, n: rng.integers(-2, 3, size=n) / math.sqrt(2),
}


@dataclass(frozen=True, slots=True)
class Rate:
    """Shares of rejections at alpha, with their number of simulations."""

    support: float  # "supported" although the gain is only the margin
    refute: float  # "refuted" although the gain is the margin
    companion: float | None  # of the t test or mid-p beside, towards support; None: there is none
    simulations: int

    @property
    def error(self) -> float:
        """Standard error of a rate that is alpha."""
        return math.sqrt(ALPHA * (1 - ALPHA) / self.simulations)


def rates(results: Iterator[tuple[SignificanceResult, tuple[SignificanceResult, ...]]]) -> Rate:
    """Count rejections."""
    seen = list(results)
    support, refute, companion = (
        float(np.mean([p is not None and p <= ALPHA for p in column]))
        for column in (
            [result.p_support for result, _ in seen],
            [result.p_refute for result, _ in seen],
            [beside[0].p_support if beside else None for _, beside in seen],
        )
    )
    return Rate(support, refute, companion if any(b for _, b in seen) else None, len(seen))


def repeats_under_null(  # noqa: PLR0913 - one argument a column of the table
    law: Law,
    n_baseline: int,
    n_candidate: int | None,
    effect: Effect,
    *,
    sd: tuple[float, float] = (1.0, 1.0),
    simulations: int = SIMULATIONS,
    seed: int = 1,
) -> Rate:
    """Simulate repeats whose true gain is the margin.

    Parameters
    ----------
    law : callable
        Of the noise.
    n_baseline : int
        Repeats of the baseline; pairs, where `n_candidate` is None.
    n_candidate : int or None
    effect : Effect
        Its margin is the true gain. Values lie near 20 with noise of standard deviation 1, and a
        seed moves both sides of a pair alike, by a standard deviation of 1.
    sd : pair of float
        Standard deviations of both sides' noise.
    simulations, seed : int
    """
    paired = n_candidate is None
    m = n_baseline if n_candidate is None else n_candidate
    design = Design(
        Unit.REPEAT, paired, n_baseline, m, ALPHA, effect=effect, direction=Direction.MAX
    )
    plan = plan_test(design)
    rng = np.random.default_rng(seed)

    def one() -> tuple[SignificanceResult, tuple[SignificanceResult, ...]]:
        shared = rng.normal(size=n_baseline) if paired else np.zeros(n_baseline)
        centre = 20 + shared
        baseline = centre + sd[0] * law(rng, n_baseline)
        start = centre if paired else np.full(m, 20.0)
        moved = start * (1 + effect.margin) if effect.relative else start + effect.margin
        candidate = moved + sd[1] * law(rng, m)
        return (
            run_on_repeats(plan, design, baseline, candidate),
            companions.beside_repeats(plan, design, baseline, candidate),
        )

    return rates(one() for _ in range(simulations))


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
    simulations: int = SIMULATIONS,
    seed: int = 1,
) -> Rate:
    """Simulate predictions whose true gain is the margin.

    Parameters
    ----------
    population : Population
    definition : Definition
    n : int
        Examples of one evaluation set.
    relative : bool or None
        Kind of the margin; None: margin 0, of two classifiers that both are the baseline.
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
        claim=Claim.MODEL,
        metric=definition.kind,
        effect=Effect(HypothesisKind.SUPERIORITY, margin, relative=bool(relative)),
        direction=Direction.MAX,
    )
    plan = plan_test(design)
    if not plan.exact:
        plan = replace(plan, resamples=BOOTSTRAP_DRAWS)
    rng = np.random.default_rng(seed)

    def one(draw: int) -> tuple[SignificanceResult, tuple[SignificanceResult, ...]]:
        cells = tabulated(index, rng.multinomial(n, share))
        result = run_on_predictions(replace(plan, seed=draw), design, cells, definition)
        return result, companions.beside_predictions(plan, design, cells)

    return rates(one(draw) for draw in range(simulations))


def superiority(margin: float, *, relative: bool = False) -> Effect:
    """Return the effect "better by more than a margin"."""
    return Effect(HypothesisKind.SUPERIORITY, margin, relative=relative)


def paired_rows(simulations: int = SIMULATIONS) -> Iterator[tuple[str, Rate]]:
    """Yield the rows of the table for repeats paired by seed."""
    for name, law in LAWS.items():
        for n in (5, 10, 20):
            found = repeats_under_null(law, n, None, superiority(0.0), simulations=simulations)
            yield f"{name}, {n} pairs, margin 0", found
    for name, effect in (
        ("margin 1.0", superiority(1.0)),
        ("margin 5 %", superiority(0.05, relative=True)),
        ("margin -5 %", superiority(-0.05, relative=True)),
    ):
        for shape in ("normal", "exponential"):
            found = repeats_under_null(LAWS[shape], 10, None, effect, simulations=simulations)
            yield f"{shape}, 10 pairs, {name}", found
    skewed = repeats_under_null(
        LAWS["exponential"], 10, None, superiority(0.0), sd=(1.0, 3.0), simulations=simulations
    )
    yield "exponential, candidate 3 x spread, 10 pairs, margin 0", skewed


def independent_rows(simulations: int = SIMULATIONS) -> Iterator[tuple[str, Rate]]:
    """Yield the rows of the table for repeats that share no seeds."""
    rows: tuple[tuple[str, int, int, Effect, tuple[float, float]], ...] = (
        ("normal", 5, 5, superiority(0.0), (1.0, 1.0)),
        ("normal", 8, 8, superiority(0.0), (1.0, 1.0)),
        ("exponential", 8, 8, superiority(0.0), (1.0, 1.0)),
        ("lognormal", 8, 8, superiority(0.0), (1.0, 1.0)),
        ("discrete", 8, 8, superiority(0.0), (1.0, 1.0)),
        ("normal", 8, 8, superiority(1.0), (1.0, 1.0)),
        ("normal", 8, 8, superiority(0.05, relative=True), (1.0, 1.05)),
        ("normal", 8, 8, superiority(0.0), (1.0, 3.0)),
        ("normal", 4, 10, superiority(0.0), (1.0, 3.0)),
        ("normal", 4, 10, superiority(0.0), (3.0, 1.0)),
    )
    for law, n, m, effect, sd in rows:
        margin = f"{effect.margin:.0%}" if effect.relative else f"{effect.margin:g}"
        found = repeats_under_null(LAWS[law], n, m, effect, sd=sd, simulations=simulations)
        spread = "" if sd[0] == sd[1] else f", sd {sd[0]:g} and {sd[1]:g}"
        yield f"{law}, {n} and {m} repeats{spread}, margin {margin}", found


def predictions_rows(simulations: int = SIMULATIONS) -> Iterator[tuple[str, Rate]]:
    """Yield the rows of the table for predictions of one evaluation set."""
    accuracy, f1 = Definition("accuracy"), Definition("f1", "binary", "1")
    for name, population in POPULATIONS.items():
        for definition in (accuracy, f1):
            for n in (100, 500):
                found = predictions_under_null(
                    population, definition, n, relative=None, simulations=simulations
                )
                yield f"{definition.kind}, {name}, {n} examples, margin 0", found
            for n in (200, 500, 2000):
                for relative in (False, True):
                    found = predictions_under_null(
                        population, definition, n, relative=relative, simulations=simulations
                    )
                    kind = "relative" if relative else "absolute"
                    yield f"{definition.kind}, {name}, {n} examples, {kind} margin", found


def main() -> None:
    """Print the tables."""
    tables = {
        "Repeats paired by seed": paired_rows,
        "Independent repeats": independent_rows,
        "Predictions of one evaluation set": predictions_rows,
    }
    wanted = sys.argv[1:]
    for title, rows in tables.items():
        if wanted and not any(word in title.lower() for word in wanted):
            continue
        lines = [f"\n### {title}\n", "| null | supported | refuted | beside |", "|---|---|---|---|"]
        for name, rate in rows():
            shown = "-" if rate.companion is None else f"{rate.companion:.3f}"
            lines.append(f"| {name} | {rate.support:.3f} | {rate.refute:.3f} | {shown} |")
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
