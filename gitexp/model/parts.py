"""The parts that the value of a repeat is made of: folds of a cross-validation, data sets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """One fold or data set of a repeat, measured on both sides; None where a key does not apply."""

    seed: int | None
    rep: int | None
    fold: int | None
    n_train: int | None
    n_test: int | None
    dataset: str
    baseline: float
    candidate: float
