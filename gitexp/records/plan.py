"""``.gitexp/experiments/<name>.yaml``: the plan of an experiment.

The digest covers what binds, as values: claim, metric, direction, effect, alpha, repeats, the
baseline's commit, guard-rails, the declaration of evaluation; the stopping rule and what failed
repeats do only where a plan says them, so that older plans keep their digest. Objective,
hypothesis, names and layout may be mended without changing it.
"""

from __future__ import annotations

import hashlib
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gitexp.errors import BadFormatError, GitexpError, UsageError
from gitexp.model.ids import PlanDigest
from gitexp.model.plan import (
    ALPHA_BELOW,
    ALPHAS,
    MAX_LOOKS,
    MAX_REPEATS,
    Amendment,
    BaselineRef,
    Claim,
    Direction,
    Effect,
    Guard,
    OnFailed,
    Person,
    Plan,
    Stopping,
    StoppingRule,
)
from gitexp.records import amendments
from gitexp.records.effects import (
    effect_text,
    format_effect,
    guard_text,
    parse_effect,
    parse_guard,
    parse_metric,
)
from gitexp.records.versions import schema, schema_of
from gitexp.text.fields import Fields, time_text
from gitexp.text.jsontext import Json, json_dumps_compact
from gitexp.text.yamltext import yaml_loads
from gitexp.text.yamlwrite import yaml_dumps

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "Draft",
    "digest",
    "dump",
    "format_effect",
    "load",
    "load_draft",
    "make",
    "parse_effect",
    "parse_guard",
    "parse_metric",
    "read",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan file that a person wrote for ``gitexp new --from``: whatever it says."""

    objective: str | None = None
    hypothesis: str | None = None
    claim: Claim | None = None
    metric: str | None = None
    direction: Direction | None = None
    effect: str | None = None  # unread: its meaning needs the direction
    alpha: float | None = None
    repeats: int | None = None
    guards: tuple[Guard, ...] = ()
    baseline: str | None = None
    evaluation: tuple[str, ...] = ()
    stopping: Stopping | None = None
    on_failed: OnFailed | None = None


def load(data: bytes, where: str) -> Plan:
    """Read a plan.

    Raises `BadFormatError, NewerFormatError, UnsafeInputError` if it is not a plan; Git's conflict
    markers are named as what they are.
    """
    _refuse_conflict(data, where)
    value = yaml_loads(data, where=where)
    schema_of(value, "plan", where)
    return read(Fields(value, where))


def load_draft(data: bytes, where: str) -> Draft:
    """Read what a person wrote down of a plan; every key may be missing.

    Raises `BadFormatError, UnsafeInputError`.
    """
    _refuse_conflict(data, where)
    value = yaml_loads(data, where=where)
    fields = Fields(value if value is not None else {}, where)
    base = fields.raw("baseline")
    baseline = base if isinstance(base, str) else None
    if base is not None and baseline is None:
        child = fields.child("baseline")
        baseline = child.maybe_text("commit") or child.text("name")
    draft = Draft(
        objective=fields.maybe_text("objective"),
        hypothesis=fields.maybe_text("hypothesis"),
        claim=fields.maybe_word("claim", Claim),
        metric=fields.maybe_text("metric"),
        direction=fields.maybe_word("direction", Direction),
        effect=fields.maybe_text("effect"),
        alpha=fields.maybe_number("alpha"),
        repeats=fields.maybe_integer("repeats"),
        guards=_guards(fields),
        baseline=baseline,
        evaluation=fields.texts("evaluation", ()),
        stopping=_stopping(fields),
        on_failed=fields.maybe_word("on_failed", OnFailed),
    )
    for key in (
        "name",
        "branch",
        "author",
        "created_at",
        "formerly",
        "amended",
    ):  # a recorded plan, again
        fields.raw(key)
    fields.only_known()
    return draft


def dump(plan: Plan) -> bytes:
    """Write a plan, in the order in which a person reads it."""
    return yaml_dumps(to_json(plan))


def make(  # noqa: PLR0913 - the fields of a plan, by name
    *,
    name: str,
    branch: str,
    objective: str,
    hypothesis: str,
    claim: Claim,
    metric: str,
    direction: Direction,
    effect: Effect,
    alpha: float,
    repeats: int,
    baseline: BaselineRef,
    author: Person,
    created_at: datetime,
    guards: tuple[Guard, ...] = (),
    evaluation: tuple[str, ...] = (),
    formerly: tuple[str, ...] = (),
    stopping: Stopping | None = None,
    on_failed: OnFailed = OnFailed.REFUSE,
    amended: tuple[Amendment, ...] = (),
) -> Plan:
    """Make a plan with its digest.

    Raises `UsageError` if alpha is no rate of false positives; `BadFormatError` if there is no
    repeat, or there are more looks than repeats.
    """
    check_alpha(alpha)
    if not 1 <= repeats <= MAX_REPEATS:
        raise BadFormatError(
            "a plan cannot have so many repeats", found=str(repeats), expected=f"1 to {MAX_REPEATS}"
        )
    if stopping is not None:
        check_looks(stopping, repeats)
    plan = Plan(
        name=name,
        branch=branch,
        objective=objective,
        hypothesis=hypothesis,
        claim=claim,
        metric=metric,
        direction=direction,
        effect=effect,
        alpha=alpha,
        repeats=repeats,
        guards=guards,
        baseline=baseline,
        evaluation=evaluation,
        author=author,
        created_at=created_at,
        digest=PlanDigest(""),
        formerly=formerly,
        stopping=stopping,
        on_failed=on_failed,
        amended=amended,
    )
    return replace(plan, digest=digest(plan))


def check_alpha(alpha: float) -> float:
    """Return alpha if it can be that of a test.

    Raises `UsageError` if it is no rate of false positives.
    """
    if not 0 < alpha < ALPHA_BELOW:  # nor is nan
        raise UsageError("alpha is no rate of false positives", found=str(alpha), expected=ALPHAS)
    return alpha


def check_looks(stopping: Stopping, repeats: int) -> None:
    """Raise `BadFormatError` if the looks of a rule do not fit its repeats."""
    if stopping.rule is StoppingRule.ALWAYS_VALID:
        if stopping.looks:
            raise BadFormatError(
                "always-valid p-values have no looks to plan", found=f"{stopping.looks} looks"
            )
        return
    most = min(repeats, MAX_LOOKS)
    if not 2 <= stopping.looks <= most:  # noqa: PLR2004  a single look is no rule
        raise BadFormatError(
            "the looks of a stopping rule do not fit its repeats",
            found=f"{stopping.looks} looks, {repeats} repeats",
            expected=f"2 to {most} looks" if most > 1 else "at least 2 repeats",
        )


def _guards(fields: Fields) -> tuple[Guard, ...]:
    try:
        return tuple(parse_guard(text) for text in fields.texts("guards", ()))
    except GitexpError as error:
        if isinstance(error, BadFormatError):
            raise
        raise fields.bad("guards", error.expected) from error


def _refuse_conflict(data: bytes, where: str) -> None:
    lines = data.splitlines()
    marker = next((i for i, line in enumerate(lines, 1) if line.startswith(b"<<<<<<< ")), None)
    if marker is not None:
        raise BadFormatError(
            "the plan has two sides of a merge in it",
            found="<<<<<<< of a merge conflict",
            where=f"{where}, line {marker}",
            expected="one plan",
            next_step=f"keep one side: git checkout --ours -- {shlex.quote(where)} (or --theirs)",
        )


def digest(plan: Plan) -> PlanDigest:
    """Compute the digest of what binds; prose, names, author and time are no part of it."""
    binding: dict[str, Json] = {
        "rules": "plan@1",
        "claim": plan.claim.value,
        "metric": plan.metric,
        "direction": plan.direction.value,
        "effect": {
            "kind": plan.effect.kind.value,
            "margin": float(plan.effect.margin),
            "relative": plan.effect.relative,
        },
        "alpha": float(plan.alpha),
        "repeats": plan.repeats,
        "baseline": plan.baseline.commit,
        "guards": sorted(guard_text(guard) for guard in plan.guards),
        "evaluation": sorted(plan.evaluation),
        **_later_keys(plan),
    }
    return PlanDigest(hashlib.sha256(json_dumps_compact(binding)).hexdigest())


def read(fields: Fields) -> Plan:
    """Read the fields of a plan, from its file or from within another record."""
    direction = fields.word("direction", Direction)
    baseline, author = fields.child("baseline"), fields.child("author")
    try:
        effect = parse_effect(fields.text("effect"), direction)
    except GitexpError as error:
        raise fields.bad("effect", error.expected) from error
    name = fields.text("name")
    if not name or not name.isprintable():  # it goes into messages of commits
        raise fields.bad("name", "a name")
    alpha = fields.number("alpha")
    if not 0 < alpha < ALPHA_BELOW:
        raise fields.bad("alpha", ALPHAS)
    plan = make(
        name=name,
        branch=fields.text("branch"),
        objective=fields.text("objective", ""),
        hypothesis=fields.text("hypothesis"),
        claim=fields.word("claim", Claim),
        metric=fields.text("metric"),
        direction=direction,
        effect=effect,
        alpha=alpha,
        repeats=fields.integer("repeats", least=1, most=MAX_REPEATS),
        guards=_guards(fields),
        baseline=BaselineRef(name=baseline.text("name"), commit=baseline.commit("commit")),
        evaluation=fields.texts("evaluation", ()),
        author=Person(name=author.text("name"), email=author.text("email")),
        created_at=fields.time("created_at"),
        formerly=fields.texts("formerly", ()),
        stopping=_stopping(fields),
        on_failed=fields.maybe_word("on_failed", OnFailed) or OnFailed.REFUSE,
        amended=amendments.read(fields),
    )
    for part in (fields, baseline, author):
        part.only_known()
    return plan


def to_json(plan: Plan) -> dict[str, Json]:
    """Turn a plan into JSON."""
    value: dict[str, Json] = {
        "$schema": schema("plan"),
        "name": plan.name,
        "branch": plan.branch,
        "objective": plan.objective,
        "hypothesis": plan.hypothesis,
        "claim": plan.claim.value,
        "metric": plan.metric,
        "direction": plan.direction.value,
        "effect": effect_text(plan.effect, plan.direction),
        "alpha": plan.alpha,
        "repeats": plan.repeats,
        "guards": [guard_text(guard) for guard in plan.guards],
        "baseline": {"name": plan.baseline.name, "commit": plan.baseline.commit},
        "evaluation": list(plan.evaluation),
        "author": {"name": plan.author.name, "email": plan.author.email},
        "created_at": time_text(plan.created_at),
        **_later_keys(plan),
    }
    if plan.formerly:
        value["formerly"] = list(plan.formerly)
    if plan.amended:
        value["amended"] = amendments.to_json(plan.amended)
    return value


def _later_keys(plan: Plan) -> dict[str, Json]:
    """Return what plans did not always have, where this one has it."""
    value: dict[str, Json] = {}
    if plan.stopping is not None:
        value["stopping"] = {"rule": plan.stopping.rule.value, "looks": plan.stopping.looks}
    if plan.on_failed is not OnFailed.REFUSE:
        value["on_failed"] = plan.on_failed.value
    return value


def _stopping(fields: Fields) -> Stopping | None:
    child = fields.maybe_child("stopping")
    if child is None:
        return None
    rule = child.word("rule", StoppingRule)
    found = Stopping(rule, child.integer("looks", 0, least=0, most=MAX_LOOKS))
    child.only_known()
    return found
