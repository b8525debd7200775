"""Folds, data sets, variance and Bayesian companions of a metric as JSON; absent where none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.parts import Part
from gitexp.model.posterior import Posterior
from gitexp.model.variance import VarianceShare

if TYPE_CHECKING:
    from gitexp.formats.fields import Fields
    from gitexp.formats.jsontext import Json
    from gitexp.model.comparison import MetricComparison

_COUNTS = ("seed", "rep", "fold", "n_train", "n_test")


def read_parts(fields: Fields) -> tuple[Part, ...]:
    """Read what a metric's value was made of."""
    return tuple(
        Part(
            seed=item.maybe_integer("seed"),
            rep=item.maybe_integer("rep"),
            fold=item.maybe_integer("fold"),
            dataset=item.text("dataset", ""),
            n_train=item.maybe_integer("n_train"),
            n_test=item.maybe_integer("n_test"),
            baseline=item.number("baseline"),
            candidate=item.number("candidate"),
        )
        for item in fields.children("parts", required=False)
    )


def read_posteriors(fields: Fields) -> tuple[Posterior, ...]:
    """Read the Bayesian companions."""
    return tuple(
        Posterior(
            method=item.text("method"),
            rope=item.number("rope"),
            rope_why=item.text("rope_why"),
            below=item.number("below"),
            within=item.number("within"),
            above=item.number("above"),
        )
        for item in fields.children("posteriors", required=False)
    )


def read_variance(fields: Fields | None) -> VarianceShare | None:
    """Read where the noise of a difference comes from."""
    if fields is None:
        return None
    return VarianceShare(
        repeats=fields.integer("repeats", least=1),
        examples=fields.integer("examples", least=1),
        standard_error=fields.number("standard_error"),
        seeds_share=fields.number("seeds_share"),
        examples_share=fields.number("examples_share"),
        rest_share=fields.number("rest_share"),
    )


def parts_json(metric: MetricComparison) -> dict[str, Json]:
    """Return the keys that a metric has beside its numbers."""
    found: dict[str, Json] = {}
    if metric.parts:
        found["parts"] = [_part_json(part) for part in metric.parts]
    if metric.posteriors:
        found["posteriors"] = [
            {
                "method": item.method,
                "rope": float(item.rope),
                "rope_why": item.rope_why,
                "below": float(item.below),
                "within": float(item.within),
                "above": float(item.above),
            }
            for item in metric.posteriors
        ]
    if metric.variance is not None:
        variance = metric.variance
        found["variance"] = {
            "repeats": variance.repeats,
            "examples": variance.examples,
            "standard_error": float(variance.standard_error),
            "seeds_share": float(variance.seeds_share),
            "examples_share": float(variance.examples_share),
            "rest_share": float(variance.rest_share),
        }
    return found


def _part_json(part: Part) -> Json:
    counts = {name: getattr(part, name) for name in _COUNTS}
    found: dict[str, Json] = {key: value for key, value in counts.items() if value is not None}
    if part.dataset:
        found["dataset"] = part.dataset
    return {**found, "baseline": float(part.baseline), "candidate": float(part.candidate)}
