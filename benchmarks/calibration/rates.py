"""A row of a calibration table: how often, out of how many simulations, and the laws of noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.model.plan import Effect, HypothesisKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from numpy.typing import NDArray

    from gitexp.model.comparison import SignificanceResult

    Values = NDArray[np.float64]
    Law = Callable[[np.random.Generator, int], Values]
    Result = tuple[SignificanceResult, tuple[SignificanceResult, ...]]

ALPHA = 0.05
SIMULATIONS = 4_000
DRAWS = 999  # relabellings and resamples in simulations; up to 99,999 in use
LOG_MEAN = math.exp(0.5)

LAWS: dict[str, Law] = {  # mean 0, standard deviation about 1
    "normal": lambda rng, n: rng.normal(size=n),
    "t, 3 df": lambda rng, n: rng.standard_t(3, size=n) / math.sqrt(3),
    "exponential": lambda rng, n: rng.exponential(size=n) - 1,
    "lognormal": lambda rng, n: (rng.lognormal(size=n) - LOG_MEAN) / 2.16,
    "discrete": lambda rng, n: rng.integers(-2, 3, size=n) / math.sqrt(2),
}


@dataclass(frozen=True, slots=True)
class Row:
    """Shares by column, with their number of simulations; a column that has none is left out."""

    name: str
    simulations: int
    shares: Mapping[str, float]

    def error(self, column: str) -> float:
        """Return the standard error of a share."""
        share = self.shares[column]
        return math.sqrt(share * (1 - share) / self.simulations)

    @property
    def alpha_error(self) -> float:
        """Standard error of a share that is alpha."""
        return math.sqrt(ALPHA * (1 - ALPHA) / self.simulations)


def row(name: str, results: Iterable[Result]) -> Row:
    """Count false verdicts: of either side, and of the companion's towards support."""
    seen = list(results)
    columns: dict[str, list[float | None]] = {
        "supported": [result.p_support for result, _ in seen],
        "refuted": [result.p_refute for result, _ in seen],
    }
    if any(beside for _, beside in seen):
        columns["beside"] = [beside[0].p_support if beside else None for _, beside in seen]
    return counted(name, columns)


def counted(name: str, columns: Mapping[str, Iterable[float | None]]) -> Row:
    """Count the p-values of each column that reach alpha."""
    hits = {
        column: np.array([p is not None and p <= ALPHA for p in ps])
        for column, ps in columns.items()
    }
    n = max((len(found) for found in hits.values()), default=0)
    return Row(name, n, {column: float(found.mean()) for column, found in hits.items()})


def superiority(margin: float, *, relative: bool = False) -> Effect:
    """Return the effect "better by more than a margin"."""
    return Effect(HypothesisKind.SUPERIORITY, margin, relative=relative)
