"""The values that a metric was tested by, with what each is called: seed, fold, data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gitexp.model.result import MetricComparison, Part

_KEYS = ("seed", "rep", "fold")


def units(metric: MetricComparison) -> tuple[dict[str, float], dict[str, float]]:
    """Return the values of baseline and candidate by name, in the same order where both have it.

    Folds and data sets stand for themselves; otherwise there is one value a seed.
    """
    if metric.parts:
        names = [part_name(part) for part in metric.parts]
        left = {name: part.baseline for name, part in zip(names, metric.parts, strict=True)}
        right = {name: part.candidate for name, part in zip(names, metric.parts, strict=True)}
        return left, right
    left = {str(seed): value for seed, value in sorted(metric.baseline_values)}
    right = {str(seed): value for seed, value in sorted(metric.candidate_values)}
    return left, right


def title(metric: MetricComparison) -> str:
    """Return what the names are those of."""
    if not metric.parts:
        return "seed"
    return "data set" if all(part.seed is None for part in metric.parts) else "part"


def part_name(part: Part) -> str:
    """Return what a fold or a data set is called.

    Examples
    --------
    >>> from gitexp.model.result import Part
    >>> part_name(Part(1, None, 3, 90, 10, "", 0.5, 0.6))
    'seed 1, fold 3'
    """
    counts = [(key, getattr(part, key)) for key in _KEYS]
    words = [part.dataset] if part.dataset else []
    words += [f"{key} {value}" for key, value in counts if value is not None]
    return ", ".join(words)
