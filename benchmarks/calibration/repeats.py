"""Repeats: paired by seed and independent, under every law; and the power that exactness costs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from benchmarks.calibration.rates import DRAWS, LAWS, SIMULATIONS, counted, row, superiority
from gitexp.model.plan import Direction, Effect
from gitexp.stats.design import Design, Unit, plan_test
from gitexp.stats.planned import one_dataset
from gitexp.stats.planned.one_dataset import run_on_repeats

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.calibration.rates import Law, Result, Row

NS = (3, 5, 10, 30)
GAINS = {True: ((5, 1.9), (10, 1.2), (30, 0.66)), False: ((5, 1.75), (10, 1.16), (30, 0.65))}


def repeats_under_null(  # noqa: PLR0913 - one argument a column of the table
    law: Law,
    n_baseline: int,
    n_candidate: int | None,
    effect: Effect,
    *,
    name: str = "",
    sd: tuple[float, float] = (1.0, 1.0),
    gain: float = 0.0,
    simulations: int = SIMULATIONS,
    seed: int = 1,
) -> Row:
    """Simulate repeats whose true gain is the margin, or more.

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
    name : str
    sd : pair of float
        Standard deviations of both sides' noise.
    gain : float
        Beyond the margin; 0 for a true null.
    simulations, seed : int
    """
    paired = n_candidate is None
    m = n_baseline if n_candidate is None else n_candidate
    design = Design(
        Unit.REPEAT, paired, n_baseline, m, 0.05, effect=effect, direction=Direction.MAX
    )
    plan = plan_test(design)
    if not plan.exact:
        plan = replace(plan, resamples=DRAWS)
    rng = np.random.default_rng(seed)

    def one(draw: int) -> Result:
        shared = rng.normal(size=n_baseline) if paired else np.zeros(n_baseline)
        centre = 20 + shared
        baseline = centre + sd[0] * law(rng, n_baseline)
        start = centre if paired else np.full(m, 20.0)
        moved = start * (1 + effect.margin) if effect.relative else start + effect.margin
        candidate = moved + gain + sd[1] * law(rng, m)
        return (
            run_on_repeats(replace(plan, seed=draw), design, baseline, candidate),
            one_dataset.beside_repeats(plan, design, baseline, candidate),
        )

    return row(name, map(one, range(simulations)))


def paired_rows(simulations: int = SIMULATIONS) -> Iterator[Row]:
    """Yield the rows of repeats paired by seed."""
    cases: list[tuple[str, str, int, Effect, tuple[float, float]]] = [
        (f"{law}, {n} pairs", law, n, superiority(0.0), (1.0, 1.0)) for law in LAWS for n in NS
    ]
    cases += [
        (f"normal, sd 1 and 3, {n} pairs", "normal", n, superiority(0.0), (1.0, 3.0)) for n in NS
    ]
    cases += [
        (f"exponential, sd 1 and 3, {n} pairs", "exponential", n, superiority(0.0), (1.0, 3.0))
        for n in NS
    ]
    cases.append(("lognormal, sd 1 and 3, 10 pairs", "lognormal", 10, superiority(0.0), (1.0, 3.0)))
    for name, effect in (
        ("margin 1.0", superiority(1.0)),
        ("margin 5 %", superiority(0.05, relative=True)),
        ("margin -5 %", superiority(-0.05, relative=True)),
    ):
        cases += [
            (f"{law}, 10 pairs, {name}", law, 10, effect, (1.0, 1.0))
            for law in ("normal", "exponential")
        ]
    for name, law, n, effect, sd in cases:
        yield repeats_under_null(
            LAWS[law], n, None, effect, name=name, sd=sd, simulations=simulations
        )


def independent_rows(simulations: int = SIMULATIONS) -> Iterator[Row]:
    """Yield the rows of repeats that share no seeds."""
    even = (1.0, 1.0)
    cases: list[tuple[str, str, int, int, Effect, tuple[float, float]]] = [
        (f"{law}, {n} and {n}", law, n, n, superiority(0.0), even) for law in LAWS for n in NS
    ]
    cases += [
        (f"normal, sd 1 and 3, {n} and {n}", "normal", n, n, superiority(0.0), (1.0, 3.0))
        for n in NS
    ]
    cases += [
        ("exponential, sd 1 and 3, 10 and 10", "exponential", 10, 10, superiority(0.0), (1.0, 3.0)),
    ]
    wide, narrow = (1.0, 3.0), (3.0, 1.0)
    cases += [
        (f"{law}{spread}, 4 and 10", law, 4, 10, superiority(0.0), sd)
        for law in ("normal", "exponential")
        for spread, sd in (("", even), (", sd 1 and 3", wide), (", sd 3 and 1", narrow))
    ]
    cases += [
        ("normal, 10 and 30", "normal", 10, 30, superiority(0.0), even),
        ("normal, sd 3 and 1, 10 and 30", "normal", 10, 30, superiority(0.0), narrow),
        ("exponential, sd 3 and 1, 10 and 30", "exponential", 10, 30, superiority(0.0), narrow),
    ]
    cases += [
        ("normal, sd 5 and 1, 3 and 30", "normal", 3, 30, superiority(0.0), (5.0, 1.0)),
        ("normal, 8 and 8, margin 1.0", "normal", 8, 8, superiority(1.0), even),
        (
            "normal, sd 1 and 1.05, 8 and 8, margin 5 %", "normal", 8, 8,
            superiority(0.05, relative=True), (1.0, 1.05),
        ),
    ]  # fmt: skip
    for name, law, n, m, effect, sd in cases:
        yield repeats_under_null(LAWS[law], n, m, effect, name=name, sd=sd, simulations=simulations)


def power_rows(simulations: int = SIMULATIONS // 2) -> Iterator[Row]:
    """Yield how often a true gain is found: by the planned test, by t, by ranks.

    The gain is that which t finds in about four of five cases under normal noise.
    """
    for paired, sizes in GAINS.items():
        for law in ("normal", "t, 3 df", "exponential"):
            for n, gain in sizes:
                yield _power(law, n, gain, simulations, paired=paired)


def _power(law: str, n: int, gain: float, simulations: int, *, paired: bool) -> Row:
    design = Design(
        Unit.REPEAT, paired, n, n, 0.05, effect=superiority(0.0), direction=Direction.MAX
    )
    plan = plan_test(design)
    if not plan.exact:
        plan = replace(plan, resamples=DRAWS)
    rng = np.random.default_rng(5)
    columns: dict[str, list[float | None]] = {"planned": [], "t": [], "ranks": []}
    exact = "exact" if n <= 10 else "asymptotic"  # noqa: PLR2004  as fast as it has to be here
    for draw in range(simulations):
        old, new = LAWS[law](rng, n), LAWS[law](rng, n) + gain
        columns["planned"].append(
            run_on_repeats(replace(plan, seed=draw), design, old, new).p_support
        )
        beside = one_dataset.beside_repeats(plan, design, old, new)
        columns["t"].append(beside[0].p_support if beside else None)
        if paired:
            ranked = stats.wilcoxon(new, old, alternative="greater", method=exact).pvalue
        else:
            ranked = stats.mannwhitneyu(
                new, old, alternative="greater", method=exact, use_continuity=False
            ).pvalue
        columns["ranks"].append(float(ranked))
    shape = f"{n} pairs" if paired else f"{n} and {n}"
    return counted(f"{law}, {shape}, gain {gain:.2f} sd", columns)
