"""A Bayesian companion of a test: how probable each of three regions is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Posterior:
    """Where the difference lies, candidate minus baseline, given the data.

    Attributes
    ----------
    method : str
        "correlated Bayesian t"
    rope : float
        Half-width of the region of practical equivalence around 0, in the metric's unit.
    rope_why : str
        Where the half-width comes from.
    below, within, above : float
        Probabilities of the three regions; they sum to 1.
    """

    method: str
    rope: float
    rope_why: str
    below: float
    within: float
    above: float
