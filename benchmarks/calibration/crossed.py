"""Repeats times examples with no true gain: noise of seeds, of the test set, of both."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calibration.rates import ALPHA, DRAWS, SIMULATIONS, counted, superiority
from gitexp.model.plan import Direction
from gitexp.stats import crossed, sums
from gitexp.stats.design import Design, Unit, plan_crossed, plan_examples, plan_test
from gitexp.stats.metrics import Definition
from gitexp.stats.planned.one_dataset import run_on_repeats
from gitexp.stats.planned.scoretests import Sides, run_on_scores

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.calibration.rates import Row, Values

    Pair = tuple[Values, Values]

SIZES = ((3, 50), (3, 200), (5, 50), (5, 1000), (10, 200), (10, 1000))
# standard deviations of the seeds' and the examples' own effect on the difference of a loss; the
# seeds' is per root example, so that it counts as much at any size of the test set
EASE = 0.5  # of the examples in clusters: most are right
NOISE = {
    "neither": (0.0, 0.0),
    "seeds": (2.0, 0.0),
    "test set": (0.0, 1.0),
    "both": (1.0, 1.0),
}


def crossed_rows(simulations: int = SIMULATIONS // 4) -> Iterator[Row]:
    """Yield the rows of the crossed test, with sign flips of the repeats beside it."""
    for name, (seeds, examples) in NOISE.items():
        for repeats, n in SIZES:
            title = f"loss, noise of {name}, {repeats} repeats, {n} examples"
            yield _row(title, repeats, n, _losses(seeds, examples), simulations)
    for kind in ("accuracy", "f1"):
        definition = Definition(kind) if kind == "accuracy" else Definition(kind, "binary", "1")
        for repeats, n in ((3, 100), (5, 400)):
            title = f"{kind}, noise of both, {repeats} repeats, {n} examples"
            yield _row(title, repeats, n, _labels(definition), simulations // 2)
    for number, size in ((10, 20), (40, 5)):
        yield _clusters(number, size, simulations)


def _row(
    name: str,
    repeats: int,
    n: int,
    tables: Callable[[np.random.Generator, int, int], Pair],
    simulations: int,
) -> Row:
    design = Design(
        Unit.REPEAT,
        paired=True,
        n_baseline=repeats,
        n_candidate=repeats,
        alpha=ALPHA,
        effect=superiority(0.0),
        direction=Direction.MAX,
    )
    plan, flips = plan_crossed(design, n), plan_test(design)
    rng = np.random.default_rng(11)
    columns: dict[str, list[float | None]] = {"supported": [], "refuted": [], "sign flips": []}
    for _ in range(simulations):
        baseline, candidate = tables(rng, repeats, n)
        found = crossed.run_on_crossed(plan, design, baseline, candidate)
        alone = run_on_repeats(flips, design, baseline.mean(axis=1), candidate.mean(axis=1))
        columns["supported"].append(found.p_support)
        columns["refuted"].append(found.p_refute)
        columns["sign flips"].append(alone.p_support)
    return counted(name, columns)


def _losses(seeds: float, examples: float) -> Callable[[np.random.Generator, int, int], Pair]:
    def tables(rng: np.random.Generator, repeats: int, n: int) -> Pair:
        baseline = rng.normal(size=(repeats, n))
        own = (
            seeds
            / np.sqrt(n)
            * rng.exponential(size=(repeats, 1))
            * rng.choice((-1, 1), (repeats, 1))
        )
        return baseline, baseline + own + examples * rng.normal(size=(1, n)) + rng.normal(
            size=(repeats, n)
        )

    return tables


def _labels(definition: Definition) -> Callable[[np.random.Generator, int, int], Pair]:
    """Return tables of two recipes of equal worth, each with its own easy and hard examples."""

    def tables(rng: np.random.Generator, repeats: int, n: int) -> Pair:
        truth = (np.arange(n) % 3 == 0).astype(int)
        rng.shuffle(truth)
        hard = rng.normal(size=n)
        sides = []
        for _ in range(2):
            own = 0.6 * rng.normal(size=n)
            rows = []
            for _ in range(repeats):
                lean = 0.3 * rng.normal()
                score = 1.2 * (2 * truth - 1) + hard + own + lean + 0.5 * rng.normal(size=n)
                guess = tuple("1" if x > 0 else "0" for x in score)
                labels = tuple(map(str, truth))
                rows.append(sums.pseudo_of_labels(definition, labels, guess, ("0", "1")))
            sides.append(np.stack(rows))
        return sides[0], sides[1]

    return tables


def _clusters(number: int, size: int, simulations: int) -> Row:
    """Return the row of two models on clusters whose examples are right or wrong together."""
    n = number * size
    design = Design(
        unit=Unit.EXAMPLE,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=ALPHA,
        metric="accuracy",
        effect=superiority(0.0),
        direction=Direction.MAX,
    )
    clusters = np.repeat(np.arange(number), size)
    plan = replace(plan_examples(design, clusters=number), resamples=DRAWS)
    single = replace(plan_examples(design), seed=0)
    rng = np.random.default_rng(13)
    columns: dict[str, list[float | None]] = {"supported": [], "refuted": [], "examples alone": []}
    definition = Definition("accuracy")
    for _ in range(simulations):
        shared = rng.normal(size=n)
        guesses = [
            (shared + rng.normal(size=number)[clusters] + 0.5 * rng.normal(size=n) > -EASE).astype(
                int
            )
            for _ in range(2)
        ]
        truth = np.ones(n, dtype=int)
        for name, units in (("supported", clusters), ("examples alone", np.arange(n))):
            data = sums.of_labels(truth, (guesses[0], guesses[1]), ("0", "1"), definition, units)
            sides = Sides("accuracy", data.both, data, None, units)
            if name == "supported":
                found = run_on_scores(plan, design, sides)
                columns["supported"].append(found.p_support)
                columns["refuted"].append(found.p_refute)
            else:
                wider = replace(plan, n_baseline=n, n_candidate=n, title=single.title)
                columns[name].append(run_on_scores(wider, design, sides).p_support)
    return counted(f"accuracy, {number} clusters of {size} examples", columns)
