"""Bayesian comparisons of two treatments over many data sets, with a region of equivalence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from gitexp.errors import DesignError
from gitexp.stats.ranks import differences
from gitexp.stats.values import Values, finite_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

CHUNK = 20_000
SAME = 1e-12  # a difference at the edge of the region lies inside, whatever rounding made of it


@dataclass(frozen=True, slots=True)
class Regions:
    """How often each region has the largest posterior mass."""

    p_less: float
    p_rope: float
    p_greater: float


def bayesian_signed_rank_test(
    a: Sequence[float],
    b: Sequence[float],
    *,
    rope: float,
    n_samples: int = 50_000,
    seed: int = 0,
) -> Regions:
    """Return how probably a - b tends to lie below, within or above the region.

    Parameters
    ----------
    a, b : sequence of float, shape (n_datasets,)
        In the unit of the metric.
    rope : float
        Half-width of the region of practical equivalence.
    n_samples : int
        Draws from the posterior.
    seed : int

    Raises
    ------
    DesignError
        If the region is negative, there are no draws, the sides differ in length or a value is not
        finite.

    Notes
    -----
    A Dirichlet process with strength 0.5 on a pseudo-difference of 0; the mass of a region is
    that of the Walsh averages in it [1]_.

    References
    ----------
    .. [1] Benavoli, A., Corani, G., Demsar, J. and Zaffalon, M. (2017). Time for a change: a
       tutorial for comparing multiple classifiers through Bayesian analysis. J. Mach. Learn.
       Res. 18(77), 1-36.
    """
    d = np.concatenate([[0.0], _differences(a, b, rope, n_samples)])
    walsh = (d[:, None] + d[None, :]) / 2
    above = (walsh > rope + SAME).astype(np.float64)
    below = (walsh < -rope - SAME).astype(np.float64)
    strength = np.array([0.5] + [1.0] * (len(d) - 1))
    rng = np.random.default_rng(seed)
    wins = np.zeros(3)
    for start in range(0, n_samples, CHUNK):
        weights = rng.dirichlet(strength, size=min(CHUNK, n_samples - start))
        greater = ((weights @ above) * weights).sum(axis=1)
        less = ((weights @ below) * weights).sum(axis=1)
        wins += _wins(np.stack([less, 1 - less - greater, greater]))
    less, inside, greater = (float(share) for share in wins / n_samples)
    return Regions(less, inside, greater)


def _wins(masses: Values) -> Values:
    return np.bincount(masses.argmax(axis=0), minlength=3).astype(np.float64)


def _differences(a: Sequence[float], b: Sequence[float], rope: float, n_samples: int) -> Values:
    if not rope >= 0 or n_samples < 1:
        raise DesignError(
            "no region or no draws", found=f"rope {rope}, {n_samples} draws", expected="rope >= 0"
        )
    return differences(*finite_pairs(a, b))
