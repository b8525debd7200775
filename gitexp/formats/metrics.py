"""One metric of a comparison as JSON: its numbers, the planned test and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.formats import parts
from gitexp.model.comparison import (
    EffectSize,
    Interval,
    MetricComparison,
    PlannedTest,
    Role,
    SignificanceResult,
)
from gitexp.model.plan import Direction

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.formats.fields import Fields
    from gitexp.formats.jsontext import Json


def read_metric(fields: Fields) -> MetricComparison:
    """Read a metric."""
    result = fields.maybe_child("result")
    return MetricComparison(
        metric=fields.text("metric"),
        direction=fields.maybe_word("direction", Direction),
        role=fields.word("role", Role),
        n_baseline=fields.integer("n_baseline", least=0),
        n_candidate=fields.integer("n_candidate", least=0),
        mean_baseline=fields.number("mean_baseline"),
        mean_candidate=fields.number("mean_candidate"),
        sd_baseline=fields.maybe_number("sd_baseline"),
        sd_candidate=fields.maybe_number("sd_candidate"),
        difference=fields.number("difference"),
        relative=fields.maybe_number("relative"),
        interval=read_interval(fields, "interval"),
        relative_interval=read_interval(fields, "relative_interval"),
        effects=read_sizes(fields, "effects"),
        result=read_result(result) if result else None,
        beside=tuple(read_result(item) for item in fields.children("beside")),
        p_adjusted=fields.maybe_number("p_adjusted"),
        baseline_values=_values(fields, "baseline_values"),
        candidate_values=_values(fields, "candidate_values"),
        broken=fields.flag("broken", default=False),
        notes=fields.texts("notes", ()),
        posteriors=parts.read_posteriors(fields),
        parts=parts.read_parts(fields),
        variance=parts.read_variance(fields.maybe_child("variance")),
    )


def metric_json(metric: MetricComparison) -> Json:
    """Turn a metric into JSON."""
    return {
        "metric": metric.metric,
        "direction": metric.direction.value if metric.direction else None,
        "role": metric.role.value,
        "n_baseline": metric.n_baseline,
        "n_candidate": metric.n_candidate,
        "mean_baseline": float(metric.mean_baseline),
        "mean_candidate": float(metric.mean_candidate),
        "sd_baseline": _float(metric.sd_baseline),
        "sd_candidate": _float(metric.sd_candidate),
        "difference": float(metric.difference),
        "relative": _float(metric.relative),
        "interval": interval_json(metric.interval),
        "relative_interval": interval_json(metric.relative_interval),
        "effects": sizes_json(metric.effects),
        "result": result_json(metric.result) if metric.result else None,
        "beside": [result_json(result) for result in metric.beside],
        "p_adjusted": _float(metric.p_adjusted),
        "baseline_values": [
            {"seed": seed, "value": float(value)} for seed, value in metric.baseline_values
        ],
        "candidate_values": [
            {"seed": seed, "value": float(value)} for seed, value in metric.candidate_values
        ],
        "broken": metric.broken,
        "notes": list(metric.notes),
        **parts.parts_json(metric),
    }


def read_sizes(fields: Fields, key: str) -> tuple[EffectSize, ...]:
    """Read standardised effects."""
    return tuple(
        EffectSize(
            name=item.text("name"),
            estimate=item.number("estimate"),
            interval=read_interval(item, "interval"),
        )
        for item in fields.children(key)
    )


def sizes_json(sizes: Iterable[EffectSize]) -> Json:
    """Turn standardised effects into JSON."""
    return [
        {
            "name": size.name,
            "estimate": float(size.estimate),
            "interval": interval_json(size.interval),
        }
        for size in sizes
    ]


def read_interval(fields: Fields, key: str) -> Interval | None:
    """Read an interval that may be null."""
    child = fields.maybe_child(key)
    if child is None:
        return None
    return Interval(
        low=child.maybe_number("low"),
        high=child.maybe_number("high"),
        confidence=child.number("confidence"),
        method=child.text("method"),
    )


def interval_json(interval: Interval | None) -> Json:
    """Turn an interval into JSON; null where there is none."""
    if interval is None:
        return None
    return {
        "low": _float(interval.low),
        "high": _float(interval.high),
        "confidence": float(interval.confidence),
        "method": interval.method,
    }


def read_result(fields: Fields) -> SignificanceResult:
    """Read a planned test and what came of it."""
    test = fields.child("test")
    return SignificanceResult(
        plan=PlannedTest(
            test=test.text("test"),
            title=test.text("title"),
            why=test.text("why"),
            n_baseline=test.integer("n_baseline", least=0),
            n_candidate=test.integer("n_candidate", least=0),
            paired=test.flag("paired"),
            alpha=test.number("alpha"),
            resamples=test.integer("resamples", least=0),
            exact=test.flag("exact"),
            smallest_p=test.number("smallest_p"),
            seed=test.integer("seed", 0),
        ),
        p_value=fields.number("p_value"),
        p_support=fields.maybe_number("p_support"),
        p_refute=fields.maybe_number("p_refute"),
        statistic=fields.maybe_number("statistic"),
    )


def result_json(result: SignificanceResult) -> Json:
    """Turn a planned test and what came of it into JSON."""
    plan = result.plan
    return {
        "test": {
            "test": plan.test,
            "title": plan.title,
            "why": plan.why,
            "n_baseline": plan.n_baseline,
            "n_candidate": plan.n_candidate,
            "paired": plan.paired,
            "alpha": float(plan.alpha),
            "resamples": plan.resamples,
            "exact": plan.exact,
            "smallest_p": float(plan.smallest_p),
            "seed": plan.seed,
        },
        "p_value": float(result.p_value),
        "p_support": _float(result.p_support),
        "p_refute": _float(result.p_refute),
        "statistic": _float(result.statistic),
    }


def _values(fields: Fields, key: str) -> tuple[tuple[int, float], ...]:
    return tuple((item.integer("seed"), item.number("value")) for item in fields.children(key))


def _float(value: float | None) -> float | None:
    return None if value is None else float(value)  # not a numpy scalar, which json refuses
