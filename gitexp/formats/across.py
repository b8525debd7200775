"""What is said about all commits of one call, as JSON; absent where there are only two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats.metrics import interval_json, read_interval, read_sizes, sizes_json
from gitexp.model.across import Across, AcrossMetric, Family, Group, Omnibus, Pairwise
from gitexp.model.plan import Direction

if TYPE_CHECKING:
    from gitexp.formats.fields import Fields
    from gitexp.formats.jsontext import Json


def read_across(fields: Fields) -> Across | None:
    """Read the key `across` of a comparison."""
    child = fields.maybe_child("across")
    if child is None:
        return None
    return Across(
        names=child.texts("names"),
        metrics=tuple(_metric(item) for item in child.children("metrics")),
        reason=child.text("reason"),
    )


def across_json(across: Across | None) -> dict[str, Json]:
    """Return the key `across` of a comparison, or none."""
    if across is None:
        return {}
    return {
        "across": {
            "names": list(across.names),
            "metrics": [_metric_json(item) for item in across.metrics],
            "reason": across.reason,
        }
    }


def _metric(fields: Fields) -> AcrossMetric:
    return AcrossMetric(
        metric=fields.text("metric"),
        direction=fields.maybe_word("direction", Direction),
        design=fields.text("design"),
        alpha=fields.number("alpha"),
        groups=tuple(
            Group(
                name=item.text("name"),
                n=item.integer("n", least=0),
                mean=item.number("mean"),
                rank=item.maybe_number("rank"),
            )
            for item in fields.children("groups")
        ),
        omnibus=tuple(
            Omnibus(
                test=item.text("test"),
                title=item.text("title"),
                statistic=item.number("statistic"),
                p_value=item.number("p_value"),
                df1=item.maybe_number("df1"),
                df2=item.maybe_number("df2"),
                planned=item.flag("planned"),
            )
            for item in fields.children("omnibus")
        ),
        families=tuple(
            Family(
                test=item.text("test"),
                title=item.text("title"),
                among=item.text("among"),
                pairs=tuple(
                    Pairwise(
                        first=pair.text("first"),
                        second=pair.text("second"),
                        difference=pair.number("difference"),
                        interval=read_interval(pair, "interval"),
                        p_value=pair.number("p_value"),
                    )
                    for pair in item.children("pairs")
                ),
            )
            for item in fields.children("families")
        ),
        sizes=read_sizes(fields, "sizes"),
        critical_difference=fields.maybe_number("critical_difference"),
        notes=fields.texts("notes"),
    )


def _metric_json(metric: AcrossMetric) -> Json:
    return {
        "metric": metric.metric,
        "direction": metric.direction.value if metric.direction else None,
        "design": metric.design,
        "alpha": float(metric.alpha),
        "groups": [
            {
                "name": group.name,
                "n": group.n,
                "mean": float(group.mean),
                "rank": _float(group.rank),
            }
            for group in metric.groups
        ],
        "omnibus": [
            {
                "test": item.test,
                "title": item.title,
                "statistic": float(item.statistic),
                "p_value": float(item.p_value),
                "df1": _float(item.df1),
                "df2": _float(item.df2),
                "planned": item.planned,
            }
            for item in metric.omnibus
        ],
        "families": [
            {
                "test": family.test,
                "title": family.title,
                "among": family.among,
                "pairs": [
                    {
                        "first": pair.first,
                        "second": pair.second,
                        "difference": float(pair.difference),
                        "interval": interval_json(pair.interval),
                        "p_value": float(pair.p_value),
                    }
                    for pair in family.pairs
                ],
            }
            for family in metric.families
        ],
        "sizes": sizes_json(metric.sizes),
        "critical_difference": _float(metric.critical_difference),
        "notes": list(metric.notes),
    }


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)  # not a numpy scalar, which json refuses
