"""Where the noise of a difference comes from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VarianceShare:
    """Where the noise of a difference comes from, if repeats and examples are both random.

    Attributes
    ----------
    repeats, examples : int
        Of either side; all repeats predicted the same examples.
    standard_error : float
        Of the difference, in the metric's unit.
    seeds_share, examples_share, rest_share : float
        Of its variance: another seed, another test set, and what neither explains alone. They
        sum to 1.
    """

    repeats: int
    examples: int
    standard_error: float
    seeds_share: float
    examples_share: float
    rest_share: float
