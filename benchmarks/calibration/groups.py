"""Many data sets, more than two commits, and looking early."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calibration.rates import ALPHA, LAWS, SIMULATIONS, Row, counted, row, superiority
from gitexp.model.plan import Direction
from gitexp.stats import groups
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.hypotheses import family
from gitexp.stats.planned.datasets import beside_datasets, run_on_datasets
from gitexp.stats.planned.one_dataset import run_on_repeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.calibration.rates import Result

COMMITS = 4
MOST_EXACT = 10  # data sets whose sign flips are visited here


def dataset_rows(simulations: int = SIMULATIONS // 2) -> Iterator[Row]:
    """Yield the rows of one value a data set: signed ranks, beside them sign flips."""
    for law in ("normal", "t, 3 df", "discrete"):
        for n in (5, 10, 30):
            yield row(f"{law}, {n} data sets", _over_datasets(law, n, simulations))


def _over_datasets(law: str, n: int, simulations: int) -> Iterator[Result]:
    design = Design(
        unit=Unit.DATASET,
        paired=True,
        n_baseline=n,
        n_candidate=n,
        alpha=ALPHA,
        effect=superiority(0.0),
        direction=Direction.MAX,
    )
    plan = plan_test(design)
    rng = np.random.default_rng(3)
    for _ in range(simulations):
        worth = rng.normal(size=n)
        old, new = (20 + worth + 0.3 * LAWS[law](rng, n) for _ in range(2))
        beside = beside_datasets(plan, design, old, new) if n <= MOST_EXACT else ()
        yield run_on_datasets(plan, design, old, new), beside


def omnibus_rows(simulations: int = SIMULATIONS // 2) -> Iterator[Row]:
    """Yield the rows of four commits at once: the planned omnibus, and a rank test beside it."""
    for law in ("normal", "exponential"):
        for sd in (1.0, 3.0):
            for n in (5, 10, 30):
                spread = "" if sd == 1.0 else f", one sd {sd:g}"
                name = f"{law}{spread}, {n} a commit"
                yield _independent(f"independent, {name}", law, n, sd, simulations)
                yield _blocked(f"same seeds, {name}", law, n, sd, simulations)


def _independent(name: str, law: str, n: int, sd: float, simulations: int) -> Row:
    rng = np.random.default_rng(11)
    columns: dict[str, list[float | None]] = {"planned": [], "ranks": []}
    for _ in range(simulations):
        values = {
            f"commit-{index}": (LAWS[law](rng, n) * (sd if index == 0 else 1.0)).tolist()
            for index in range(COMMITS)
        }
        columns["planned"].append(groups.welch_anova(values).p_value)
        columns["ranks"].append(groups.kruskal_wallis(values).p_value)
    return counted(name, columns)


def _blocked(name: str, law: str, n: int, sd: float, simulations: int) -> Row:
    rng = np.random.default_rng(12)
    names = [f"commit-{index}" for index in range(COMMITS)]
    columns: dict[str, list[float | None]] = {"planned": [], "ranks": []}
    for _ in range(simulations):
        noise = LAWS[law](rng, n * COMMITS).reshape(n, COMMITS)
        noise[:, 0] *= sd
        table = (rng.normal(size=(n, 1)) + noise).tolist()
        columns["planned"].append(groups.repeated_measures_anova(table, names).p_value_gg)
        ranked = groups.friedman_test(table, names)
        columns["ranks"].append(groups.davenport(ranked.statistic, n, COMMITS).p_value)
    return counted(name, columns)


def candidates_rows(simulations: int = SIMULATIONS // 2) -> Iterator[Row]:
    """Yield how often any of several candidates is supported, each against one baseline."""
    design = Design(
        unit=Unit.REPEAT,
        paired=True,
        n_baseline=10,
        n_candidate=10,
        alpha=ALPHA,
        effect=superiority(0.0),
        direction=Direction.MAX,
    )
    plan = plan_test(design)
    for k in (3, 5, 10):
        rng = np.random.default_rng(k)
        columns: dict[str, list[float | None]] = {"Holm": [], "none": []}
        for _ in range(simulations):
            old = rng.normal(size=10)
            raw = [
                run_on_repeats(plan, design, old, rng.normal(size=10)).p_support or 0.0
                for _ in range(k)
            ]
            columns["Holm"].append(min(family(raw, "holm")))
            columns["none"].append(min(raw))
        yield counted(f"{k} candidates, 10 pairs each", columns)
