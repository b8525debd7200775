"""The history of a plan that was amended: what bound before, who changed it, when and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.ids import PlanDigest
from gitexp.model.plan import Amendment, Person
from gitexp.records.effects import effect_text, guard_text
from gitexp.text.fields import params_json, time_text

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue
    from gitexp.model.plan import Plan, Stopping
    from gitexp.text.fields import Fields
    from gitexp.text.jsontext import Json


def read(fields: Fields) -> tuple[Amendment, ...]:
    """Read what a plan says of its earlier states.

    Raises `BadFormatError`.
    """
    return tuple(_read(item) for item in fields.children("amended", required=False))


def to_json(amended: tuple[Amendment, ...]) -> Json:
    """Turn them into JSON."""
    return [
        {
            "digest": item.digest,
            "why": item.why,
            "by": {"name": item.by.name, "email": item.by.email},
            "at": time_text(item.at),
            "old": params_json(item.old),
        }
        for item in amended
    ]


def binding(plan: Plan) -> dict[str, ParamValue]:
    """Return what binds in a plan, in a person's words: what an amendment can change."""
    stopping = plan.stopping
    return {
        "claim": plan.claim.value,
        "metric": plan.metric,
        "direction": plan.direction.value,
        "effect": effect_text(plan.effect, plan.direction),
        "alpha": plan.alpha,
        "repeats": plan.repeats,
        "baseline": plan.baseline.commit,
        "guards": tuple(guard_text(guard) for guard in plan.guards),
        "evaluation": plan.evaluation,
        "stopping": None if stopping is None else _stopping_text(stopping),
        "on_failed": plan.on_failed.value,
    }


def _stopping_text(stopping: Stopping) -> str:
    return f"{stopping.rule.value} {stopping.looks or ''}".strip()


def _read(fields: Fields) -> Amendment:
    by = fields.child("by")
    found = Amendment(
        digest=PlanDigest(fields.sha256("digest")),
        why=fields.text("why"),
        by=Person(name=by.text("name"), email=by.text("email")),
        at=fields.time("at"),
        old=fields.params("old"),
    )
    if not found.why.strip():
        raise fields.bad("why", "the reason")
    by.only_known()
    fields.only_known()
    return found
