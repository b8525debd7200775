"""A comparison as JSON: what ``gitexp compare --json`` prints and a conclusion embeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.errors import BadEffectError
from gitexp.formats import honesty, subgroups
from gitexp.formats import plan as plans
from gitexp.formats.across import across_json, read_across
from gitexp.formats.effects import effect_text, parse_effect
from gitexp.formats.fields import Fields, time_text
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.metrics import metric_json, read_metric
from gitexp.formats.versions import schema, schema_of
from gitexp.formats.witness import order_json, read_order
from gitexp.model.comparison import Change, Comparison, Side, Unused
from gitexp.model.ids import EnvironmentDigest, EvaluationDigest, InputsDigest
from gitexp.model.plan import Claim, Direction
from gitexp.model.verdict import Verdict

if TYPE_CHECKING:
    from gitexp.model.plan import Effect

_LIMIT = 16 << 20


def load(data: bytes, where: str) -> Comparison:
    """Read a comparison.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not a comparison.
    """
    value = json_loads(data, where=where, limit=_LIMIT)
    schema_of(value, "comparison", where)
    return read(Fields(value, where))


def dump(comparison: Comparison) -> bytes:
    """Write a comparison.

    Raises
    ------
    BadFormatError
        If a number is not finite.
    """
    return json_dumps(to_json(comparison))


def read(fields: Fields) -> Comparison:
    """Read the fields of a comparison, from its file or from within a conclusion.

    Raises
    ------
    BadFormatError, UnsafeInputError
        If a field is not what it should be.
    """
    plan = fields.maybe_child("plan")
    return Comparison(
        baseline=_side(fields.child("baseline")),
        candidate=_side(fields.child("candidate")),
        plan=plans.read(plan) if plan else None,
        claim=fields.word("claim", Claim),
        effect=_effect(fields),
        verdict=fields.maybe_word("verdict", Verdict),
        headline=fields.text("headline"),
        reasons=fields.texts("reasons"),
        metrics=tuple(read_metric(item) for item in fields.children("metrics")),
        changes=tuple(
            Change(
                kind=item.text("kind"),
                what=item.text("what"),
                baseline=item.text("baseline"),
                candidate=item.text("candidate"),
            )
            for item in fields.children("changes")
        ),
        unused=tuple(
            Unused(
                why=item.text("why"),
                run=item.text("run"),
                where=item.text("where"),
                seeds=item.integers("seeds"),
            )
            for item in fields.children("unused")
        ),
        warnings=fields.texts("warnings"),
        looks=fields.integer("looks", least=0),
        planned_repeats=fields.maybe_integer("planned_repeats"),
        pairs=fields.integer("pairs", least=0),
        next_step=fields.text("next_step"),
        compared_at=fields.time("compared_at"),
        program=fields.text("program"),
        adjustment=fields.text("adjustment", "holm"),
        detectable=honesty.read_detectable(fields.maybe_child("detectable")),
        missing=honesty.read_missing(fields.maybe_child("missing")),
        selection=honesty.read_selection(fields.maybe_child("selection")),
        ledger=honesty.read_ledger(fields.maybe_child("ledger")),
        slices=subgroups.read_slices(fields.maybe_child("slices")),
        categories=subgroups.read_categories(fields.maybe_child("categories")),
        order=read_order(fields.maybe_child("order")),
        across=read_across(fields),
        words=fields.text("words", ""),
    )


def to_json(comparison: Comparison) -> dict[str, Json]:
    """Turn a comparison into JSON."""
    plan, effect, verdict = comparison.plan, comparison.effect, comparison.verdict
    return {
        "$schema": schema("comparison"),
        "verdict": verdict.value if verdict else None,
        "headline": comparison.headline,
        "reasons": list(comparison.reasons),
        "claim": comparison.claim.value,
        "effect": effect_text(effect, Direction.MAX) if effect else None,
        "baseline": _side_json(comparison.baseline),
        "candidate": _side_json(comparison.candidate),
        "pairs": comparison.pairs,
        "planned_repeats": comparison.planned_repeats,
        "looks": comparison.looks,
        "metrics": [metric_json(metric) for metric in comparison.metrics],
        "changes": [
            {
                "kind": change.kind,
                "what": change.what,
                "baseline": change.baseline,
                "candidate": change.candidate,
            }
            for change in comparison.changes
        ],
        "unused": [
            {
                "why": unused.why,
                "run": unused.run,
                "where": unused.where,
                "seeds": list(unused.seeds),
            }
            for unused in comparison.unused
        ],
        "warnings": list(comparison.warnings),
        "next_step": comparison.next_step,
        "plan": plans.to_json(plan) if plan else None,
        "compared_at": time_text(comparison.compared_at),
        "program": comparison.program,
        **({"words": comparison.words} if comparison.words else {}),
        **({} if comparison.order is None else {"order": order_json(comparison.order)}),
        **across_json(comparison.across),
        **honesty.to_json(comparison),
        **subgroups.to_json(comparison),
    }


def _effect(fields: Fields) -> Effect | None:
    text = fields.maybe_text("effect")
    try:
        # Written as a gain, so it is read as that of a metric to be raised.
        return parse_effect(text, Direction.MAX) if text else None
    except BadEffectError as error:
        raise fields.bad("effect", error.expected) from error


def _side(fields: Fields) -> Side:
    environment, evaluation = fields.maybe_sha256("environment"), fields.maybe_sha256("evaluation")
    return Side(
        name=fields.text("name"),
        commit=fields.commit("commit"),
        inputs=InputsDigest(fields.sha256("inputs")),
        environment=EnvironmentDigest(environment) if environment else None,
        evaluation=EvaluationDigest(evaluation) if evaluation else None,
        runs=fields.texts("runs"),
        seeds=fields.integers("seeds"),
        failed=fields.integer("failed", least=0),
        wall_s=fields.number("wall_s"),
        source_lost=fields.flag("source_lost", default=False),
    )


def _side_json(side: Side) -> Json:
    return {
        "name": side.name,
        "commit": side.commit,
        "inputs": side.inputs,
        "environment": side.environment,
        "evaluation": side.evaluation,
        "runs": list(side.runs),
        "seeds": list(side.seeds),
        "failed": side.failed,
        "wall_s": side.wall_s,
        "source_lost": side.source_lost,
    }
