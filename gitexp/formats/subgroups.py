"""Slices and categories of a comparison as JSON; absent where they were not asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.metrics import metric_json, read_metric, read_result, result_json
from gitexp.model.slices import Category, CategoryComparison, Slice, SliceComparison

if TYPE_CHECKING:
    from gitexp.formats.fields import Fields
    from gitexp.formats.jsontext import Json
    from gitexp.model.comparison import Comparison


def read_slices(fields: Fields | None) -> SliceComparison | None:
    """Read the comparison in subgroups."""
    if fields is None:
        return None
    return SliceComparison(
        column=fields.text("column"),
        metrics=fields.texts("metrics"),
        slices=tuple(_slice(item) for item in fields.children("slices")),
        family=fields.integer("family", least=0),
        hidden=fields.integer("hidden", least=0),
        least=fields.integer("least", least=0),
    )


def read_categories(fields: Fields | None) -> CategoryComparison | None:
    """Read the counts of categories.

    Raises
    ------
    BadFormatError
        If there are not two seeds.
    """
    if fields is None:
        return None
    seeds = fields.integers("seeds")
    if len(seeds) != 2:  # noqa: PLR2004 - one a side
        raise fields.bad("seeds", "two numbers")
    result = fields.maybe_child("result")
    return CategoryComparison(
        column=fields.text("column"),
        seeds=(seeds[0], seeds[1]),
        categories=tuple(
            Category(
                name=item.text("name"),
                baseline=item.integer("baseline", least=0),
                candidate=item.integer("candidate", least=0),
            )
            for item in fields.children("categories")
        ),
        result=read_result(result) if result else None,
        beside=tuple(read_result(item) for item in fields.children("beside")),
        cramers_v=fields.maybe_number("cramers_v"),
        note=fields.text("note"),
    )


def to_json(comparison: Comparison) -> dict[str, Json]:
    """Return the keys that a comparison has for subgroups and categories."""
    found: dict[str, Json] = {}
    if comparison.slices is not None:
        found["slices"] = _slices_json(comparison.slices)
    if comparison.categories is not None:
        found["categories"] = _categories_json(comparison.categories)
    return found


def _slice(fields: Fields) -> Slice:
    item = fields.maybe_child("comparison")
    return Slice(
        value=fields.text("value"),
        examples=fields.integer("examples", least=0),
        metric=fields.text("metric"),
        comparison=read_metric(item) if item else None,
        p_adjusted=fields.maybe_number("p_adjusted"),
        p_refute_adjusted=fields.maybe_number("p_refute_adjusted"),
        note=fields.text("note"),
    )


def _slices_json(slices: SliceComparison) -> Json:
    return {
        "column": slices.column,
        "metrics": list(slices.metrics),
        "slices": [
            {
                "value": item.value,
                "examples": item.examples,
                "metric": item.metric,
                "comparison": None if item.comparison is None else metric_json(item.comparison),
                "p_adjusted": _float(item.p_adjusted),
                "p_refute_adjusted": _float(item.p_refute_adjusted),
                "note": item.note,
            }
            for item in slices.slices
        ],
        "family": slices.family,
        "hidden": slices.hidden,
        "least": slices.least,
    }


def _categories_json(found: CategoryComparison) -> Json:
    return {
        "column": found.column,
        "seeds": list(found.seeds),
        "categories": [
            {"name": item.name, "baseline": item.baseline, "candidate": item.candidate}
            for item in found.categories
        ],
        "result": None if found.result is None else result_json(found.result),
        "beside": [result_json(item) for item in found.beside],
        "cramers_v": _float(found.cramers_v),
        "note": found.note,
    }


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)  # not a numpy scalar, which json refuses
