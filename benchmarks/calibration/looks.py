"""Looking early: a rule of the plan pays for its looks, a plain test looked at again does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.calibration.rates import ALPHA, LAWS, SIMULATIONS, counted, superiority
from gitexp.model.plan import Direction, Stopping, StoppingRule
from gitexp.stats.design import Design, Unit
from gitexp.stats.permutation import sign_flip_tails
from gitexp.stats.stopping import run_sequential

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.calibration.rates import Row

REPEATS = 20
FIRST = 5  # pairs at the first look of somebody who looks after every repeat
RULES = (
    ("O'Brien-Fleming, 4 looks", Stopping(StoppingRule.OBRIEN_FLEMING, 4)),
    ("Pocock, 4 looks", Stopping(StoppingRule.POCOCK, 4)),
    ("always valid, every repeat", Stopping(StoppingRule.ALWAYS_VALID)),
)


def looks_rows(simulations: int = SIMULATIONS // 2) -> Iterator[Row]:
    """Yield how often a true null is rejected at any look, up to 20 pairs."""
    design = Design(
        unit=Unit.REPEAT,
        paired=True,
        n_baseline=REPEATS,
        n_candidate=REPEATS,
        alpha=ALPHA,
        effect=superiority(0.0),
        direction=Direction.MAX,
    )
    for law in ("normal", "t, 3 df", "discrete"):
        for name, stopping in RULES:
            yield _by_rule(name, law, design, stopping, simulations)
        yield _plain(law, simulations)
    for name, stopping in RULES:
        yield _by_rule(name, "exponential", design, stopping, simulations, sd=3.0)


def _by_rule(  # noqa: PLR0913, PLR0917  the rule, and the noise that it meets
    name: str, law: str, design: Design, stopping: Stopping, simulations: int, sd: float = 1.0
) -> Row:
    rng = np.random.default_rng(31)
    columns: dict[str, list[float | None]] = {"supported": [], "refuted": []}
    for _ in range(simulations):
        old, new = LAWS[law](rng, REPEATS), sd * LAWS[law](rng, REPEATS)
        found = run_sequential(design, stopping, REPEATS, old, new).result
        columns["supported"].append(found.p_support)
        columns["refuted"].append(found.p_refute)
    spread = "" if sd == 1.0 else f", sd 1 and {sd:g}"
    return counted(f"{name}: {law}{spread}", columns)


def _plain(law: str, simulations: int) -> Row:
    """Somebody tests after every repeat and stops as soon as it looks good."""
    rng = np.random.default_rng(32)
    columns: dict[str, list[float | None]] = {"supported": [], "refuted": []}
    for _ in range(simulations):
        old, new = LAWS[law](rng, REPEATS), LAWS[law](rng, REPEATS)
        tails = [sign_flip_tails(old[:n], new[:n]) for n in range(FIRST, REPEATS + 1, 3)]
        columns["supported"].append(min(tail.greater for tail in tails))
        columns["refuted"].append(min(tail.less for tail in tails))
    return counted(f"no rule, 6 looks: {law}", columns)
