"""A review as JSON: a job that trusts nobody reads it field by field and shows it itself."""

from __future__ import annotations

import re
from typing import Final

from gitexp.formats import comparison as comparisons
from gitexp.formats.fields import Fields, maybe_time_text, time_text
from gitexp.formats.jsontext import Json, json_dumps, json_loads
from gitexp.formats.versions import schema, schema_of
from gitexp.model.checked import CheckedPlan
from gitexp.model.ids import PlanDigest
from gitexp.model.order import Grade, OrderGrade
from gitexp.model.review import Behind, End, RecordedBy, Review, ReviewedExperiment
from gitexp.model.rules import Policy, Violation, Where

LIMIT_BYTES: Final = 16 << 20
_RULE = re.compile(r"R[0-9]{1,2}")


def load(data: bytes, where: str) -> Review:
    """Read a review.

    Raises
    ------
    BadFormatError, NewerFormatError, UnsafeInputError
        If it is not a review, or has a field that a review has not.
    """
    value = json_loads(data, where=where, limit=LIMIT_BYTES)
    schema_of(value, "review", where)
    fields = Fields(value, where)
    found = Review(
        base=_end(fields.child("base")),
        head=_end(fields.child("head")),
        branch=fields.maybe_text("branch") or "",
        commits=fields.integer("commits", least=0),
        violations=tuple(_violation(item) for item in fields.children("violations")),
        experiments=tuple(_experiment(item) for item in fields.children("experiments")),
        notes=fields.texts("notes"),
        reviewed_at=fields.time("reviewed_at"),
        program=fields.text("program"),
    )
    fields.only_known()
    return found


def dump(review: Review) -> bytes:
    """Write a review.

    Raises
    ------
    BadFormatError
        If a number is not finite.
    """
    return json_dumps(to_json(review))


def to_json(review: Review) -> dict[str, Json]:
    """Turn a review into JSON."""
    return {
        "$schema": schema("review"),
        "base": _end_json(review.base),
        "head": _end_json(review.head),
        "branch": review.branch or None,
        "commits": review.commits,
        "violations": [violation_json(item) for item in review.violations],
        "experiments": [_experiment_json(item) for item in review.experiments],
        "notes": list(review.notes),
        "reviewed_at": time_text(review.reviewed_at),
        "program": review.program,
    }


def _end(fields: Fields) -> End:
    found = End(fields.text("name"), fields.commit("commit"))
    fields.only_known()
    return found


def _end_json(end: End) -> Json:
    return {"name": end.name, "commit": end.commit}


def _violation(fields: Fields) -> Violation:
    commit = fields.commit("commit") if fields.has("commit") else ""
    fields.raw("commit")
    found = Violation(
        rule=fields.text("rule"),
        policy=fields.word("policy", Policy),
        message=fields.text("message"),
        where=Where(commit, fields.maybe_text("path") or "", fields.maybe_text("branch") or ""),
        next_step=fields.text("next"),
    )
    fields.only_known()
    if not _RULE.fullmatch(found.rule):
        raise fields.bad("rule", "a rule, like R1")
    if found.policy is Policy.OFF:
        raise fields.bad("policy", "error or warn")
    return found


def violation_json(item: Violation) -> Json:
    """Turn a violation into JSON."""
    return {
        "rule": item.rule,
        "policy": item.policy.value,
        "message": item.message,
        "commit": item.where.commit or None,
        "path": item.where.path or None,
        "branch": item.where.branch or None,
        "next": item.next_step,
    }


def _experiment(fields: Fields) -> ReviewedExperiment:
    comparison, behind = fields.maybe_child("comparison"), fields.maybe_child("behind")
    found = ReviewedExperiment(
        plan=CheckedPlan(
            name=fields.text("experiment"),
            digest=PlanDigest(fields.sha256("plan")),
            amended=fields.integer("amended", least=0),
            runs=fields.integer("runs", least=0),
            order=OrderGrade(
                fields.word("order", Grade), fields.text("why"), fields.maybe_time("time")
            ),
        ),
        hypothesis=fields.text("hypothesis"),
        comparison=None if comparison is None else comparisons.read(comparison),
        problem=fields.text("problem"),
        next_step=fields.text("next"),
        behind=None if behind is None else _behind(behind),
        recorded_by=tuple(_recorded_by(item) for item in fields.children("recorded_by")),
        concluded=fields.maybe_text("concluded"),
    )
    fields.only_known()
    return found


def _experiment_json(item: ReviewedExperiment) -> Json:
    plan = item.plan
    return {
        "experiment": plan.name,
        "plan": plan.digest,
        "amended": plan.amended,
        "runs": plan.runs,
        "order": plan.order.grade.value,
        "why": plan.order.why,
        "time": maybe_time_text(plan.order.time),
        "hypothesis": item.hypothesis,
        "comparison": None if item.comparison is None else comparisons.to_json(item.comparison),
        "problem": item.problem,
        "next": item.next_step,
        "behind": None
        if item.behind is None
        else {"commits": item.behind.commits, "other_inputs": item.behind.other_inputs},
        "recorded_by": [
            {"who": one.who, "runs": one.runs, "seeds": list(one.seeds)} for one in item.recorded_by
        ],
        "concluded": item.concluded,
    }


def _behind(fields: Fields) -> Behind:
    found = Behind(
        fields.integer("commits", least=0),
        fields.flag("other_inputs") if fields.has("other_inputs") else None,
    )
    fields.raw("other_inputs")
    fields.only_known()
    return found


def _recorded_by(fields: Fields) -> RecordedBy:
    found = RecordedBy(
        fields.text("who"), fields.integer("runs", least=1), fields.integers("seeds")
    )
    fields.only_known()
    return found
