"""The terms of a plan: how promises are read and written, what can bind, and the digest of it.

The digest covers claim, metric, direction, effect, alpha, repeats, the baseline's commit,
guard-rails and the declaration of evaluation; later terms only where a plan says them, so that
older plans keep their digest. Objective, hypothesis, names and layout may be mended.

A margin is a gain, positive for better, whatever way the metric runs: ``<=-5%`` of a loss and
``>=5%`` of an accuracy both have margin 0.05. Percent are read as decimals, so that text and
number come back to each other exactly.
"""

from __future__ import annotations

import enum
import hashlib
import math
import re
from dataclasses import fields, replace
from decimal import Decimal
from typing import cast

from gitexp.errors import BadEffectError, BadFormatError, UnknownMetricError, UsageError
from gitexp.model.design import FEWEST_SKEWED, NO_CHANGE, SKEW_FLIPS
from gitexp.model.ids import ParamValue, PlanDigest
from gitexp.model.metrics import SCORED
from gitexp.model.plan import (
    ALPHA_BELOW,
    ALPHAS,
    MAX_LOOKS,
    MAX_REPEATS,
    TERMS,
    BaselineRef,
    Claim,
    Direction,
    Effect,
    FailureRule,
    Guard,
    HypothesisKind,
    Plan,
    PlanSeeds,
    PlanTerms,
    Stopping,
    StoppingRule,
)
from gitexp.text.jsontext import Json, json_dumps_compact

_NUMBER = r"([+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?)\s*+(%?)"
_EFFECT = re.compile(rf"\s*(>=|<=|>|<|\+-|±)\s*{_NUMBER}\s*")
_GUARD = re.compile(rf"\s*([^<>=\s](?:[^<>=]*[^<>=\s])?)\s*(<=|>=)\s*{_NUMBER}\s*")
_FAILURE = re.compile(rf"\s*([^<>=\s](?:[^<>=]*[^<>=\s])?)\s*(<=|>=|<|>)\s*{_NUMBER}\s*")
_PLAIN_SIZES = (Decimal("1e-6"), Decimal("1e16"))  # shown without an exponent
_TWO_SIDED = frozenset(("!=", "!=0", "≠", "≠0"))


def parse_effect(text: str, direction: Direction) -> Effect:
    """Read a promised effect.

    `text`: ``>=5%``, ``>0``, ``>=0.01``, ``>=-2%`` (not worse by more than 2 %), ``+-1%``
    (equivalence), ``!=0`` (any difference). For a metric that is better when smaller also
    ``<=-5%`` (falls by 5 %).

    Raises `BadEffectError` if it cannot be read, or promises that a metric gets worse by naming the
    wrong side.

    >>> parse_effect(">=5%", Direction.MAX) == parse_effect("<=-5%", Direction.MIN)
    True
    """
    if text.strip().replace(" ", "") in _TWO_SIDED:
        return Effect(HypothesisKind.TWO_SIDED, 0.0, relative=False)
    match = _EFFECT.fullmatch(text)
    if match is None:
        raise _bad(text, "cannot be read", ">=5%, >0, >=0.01, >=-2% or +-1%")
    op, margin, relative = match[1], _margin(match[2], match[3], text), match[3] == "%"
    if op in ("+-", "±"):
        if margin <= 0:
            raise _bad(text, "has no room", "a margin above 0, like +-1%")
        return Effect(HypothesisKind.EQUIVALENCE, margin, relative)
    if op in ("<=", "<"):
        if direction is Direction.MAX:
            raise _bad(text, "contradicts the direction max", ">=... for a metric to be raised")
        margin = 0.0 - margin  # not -margin: that has a minus at zero
    return Effect(HypothesisKind.SUPERIORITY, margin, relative, strict=len(op) == 1)


def effect_text(effect: Effect, direction: Direction) -> str:
    """Write an effect so that `parse_effect` reads it back.

    >>> effect_text(parse_effect(">=5%", Direction.MIN), Direction.MIN)
    '<=-5%'
    """
    match effect.kind:
        case HypothesisKind.TWO_SIDED:
            return "!=0"
        case HypothesisKind.EQUIVALENCE:
            return f"+-{_shown(effect.margin, relative=effect.relative)}"
        case HypothesisKind.SUPERIORITY:
            up = direction is Direction.MAX
            op = (">" if up else "<") + ("" if effect.strict else "=")
            margin = effect.margin if up else 0.0 - effect.margin
            return f"{op}{_shown(margin, relative=effect.relative)}"


def _size(effect: Effect) -> str:
    return _shown(abs(effect.margin), relative=effect.relative).replace("%", " %")


def format_effect(effect: Effect, metric: str, direction: Direction) -> str:
    """Say an effect in English, with the metric as subject.

    >>> format_effect(parse_effect(">=5%", Direction.MAX), "f1", Direction.MAX)
    'f1 rises by at least 5 %'
    >>> format_effect(parse_effect(">=-2%", Direction.MIN), "loss", Direction.MIN)
    'loss rises by at most 2 %'
    """
    size = _size(effect)
    if effect.kind is HypothesisKind.TWO_SIDED:
        return f"{metric} changes"
    if effect.kind is HypothesisKind.EQUIVALENCE:
        return f"{metric} changes by less than {size}"
    better, worse = ("rises", "falls") if direction is Direction.MAX else ("falls", "rises")
    if effect.margin > 0:
        return f"{metric} {better} by {'more than' if effect.strict else 'at least'} {size}"
    if effect.margin < 0:
        return f"{metric} {worse} by {'less than' if effect.strict else 'at most'} {size}"
    return f"{metric} {better}" if effect.strict else f"{metric} does not get worse"


def denied_effect(effect: Effect, metric: str, direction: Direction) -> str:
    """Say that an effect is not there.

    >>> denied_effect(parse_effect(">=5%", Direction.MAX), "f1", Direction.MAX)
    'f1 did not rise by 5 %'
    >>> denied_effect(parse_effect(">=-2%", Direction.MIN), "loss", Direction.MIN)
    'loss rose by more than 2 %'
    """
    size = _size(effect)
    if effect.kind is HypothesisKind.TWO_SIDED:
        return f"{metric} did not change"
    if effect.kind is HypothesisKind.EQUIVALENCE:
        return f"{metric} changed by {size} or more"
    up = direction is Direction.MAX
    if effect.margin > 0 or (effect.margin == 0 and effect.strict):
        by = f" by {size}" if effect.margin else ""
        return f"{metric} did not {'rise' if up else 'fall'}{by}"
    worse = "fell" if up else "rose"
    if effect.margin < 0:
        return f"{metric} {worse} by {f'{size} or more' if effect.strict else f'more than {size}'}"
    return f"{metric} got worse"


def parse_expected(text: str, direction: Direction) -> Effect:
    """Read a true effect, as a gain: ``8%``, ``0.02``; with a sign the change of the metric.

    >>> [parse_expected(text, Direction.MIN).margin for text in ("8%", "-8%", "+0.5")]
    [0.08, 0.08, -0.5]
    """
    said = text.strip()
    try:
        found = parse_effect(f">={said}", Direction.MAX)
    except BadEffectError as error:
        raise _bad(text, "is no size of a true effect", "8% or 0.02") from error
    turned = said[:1] in {"+", "-"} and direction is Direction.MIN
    return replace(found, margin=0.0 - found.margin) if turned else found


def truth_text(gain: Effect, metric: str, direction: Direction) -> str:
    """Say what is true, as a clause.

    >>> truth_text(parse_expected("8%", Direction.MIN), "loss", Direction.MIN)
    'loss falls by 8 %'
    """
    if gain.margin == 0:
        return NO_CHANGE
    up = (gain.margin > 0) is (direction is Direction.MAX)
    size = _size(gain)
    return f"{metric} {'rises' if up else 'falls'} by {size}"


def told_apart(plan: Plan) -> str:
    """Return what repeats have to do for a promise with a size, as a verb with its object."""
    promise = format_effect(plan.effect, plan.metric, plan.direction)
    if plan.effect.kind is HypothesisKind.EQUIVALENCE or plan.effect.margin < 0:
        return f"show that {promise}, if in truth nothing changes"
    return f"refute the promise that {promise}, if in truth nothing changes"


def parse_guard(text: str) -> Guard:
    """Read a guard-rail: ``METRIC<=+5%`` or ``METRIC>=-0.01``, against the baseline.

    >>> parse_guard("latency_ms<=+5%")
    Guard(metric='latency_ms', op='<=', margin=0.05, relative=True)
    """
    match = _GUARD.fullmatch(text)
    if match is None:
        raise _bad(text, "cannot be read as a guard-rail", "latency_ms<=+5% or recall>=-0.01")
    return Guard(match[1], match[2], _margin(match[3], match[4], text), match[4] == "%")


def guard_text(guard: Guard) -> str:
    """Write a guard-rail so that `parse_guard` reads it back.

    >>> guard_text(Guard("latency_ms", "<=", 0.05, relative=True))
    'latency_ms<=+5%'
    """
    sign = "" if guard.margin < 0 else "+"
    return f"{guard.metric}{guard.op}{sign}{_shown(guard.margin, relative=guard.relative)}"


def parse_failure(text: str) -> FailureRule:
    """Read the rule by which finished repeats failed: ``METRIC<NUMBER``, or another order.

    >>> parse_failure("f1 < 0.3")
    FailureRule(metric='f1', op='<', limit=0.3)
    """
    match = _FAILURE.fullmatch(text)
    if match is None or match[4]:
        raise _bad(text, "cannot be read as a rule for failures", "f1<0.3 or loss>10")
    return FailureRule(match[1], match[2], _margin(match[3], "", text))


def failure_text(rule: FailureRule) -> str:
    """Write a rule for failures so that `parse_failure` reads it back.

    >>> failure_text(FailureRule("f1", "<", 0.3))
    'f1<0.3'
    """
    return f"{rule.metric}{rule.op}{_shown(rule.limit, relative=False)}"


def parse_metric(text: str) -> tuple[str, Direction | None]:
    """Read ``NAME`` or ``NAME:max`` or ``NAME:min``.

    Raises `UnknownMetricError` if there is no name.

    >>> parse_metric("f1:max")
    ('f1', <Direction.MAX: 'max'>)
    """
    name, colon, word = text.strip().rpartition(":")
    for direction in Direction:
        if colon and word.strip() == direction.value:
            if not name.strip():
                break
            return name.strip(), direction
    if not text.strip() or text.strip().startswith(":"):
        raise UnknownMetricError(
            "a metric needs a name", found=repr(text), expected="f1, f1:max or loss:min"
        )
    return text.strip(), None


def sealed(plan: Plan) -> Plan:
    """Return a plan with its digest, if its terms can be those of a plan."""
    check_alpha(plan.alpha)
    _check_named(plan)
    if not 1 <= plan.repeats <= MAX_REPEATS:
        raise BadFormatError(
            "a plan cannot have so many repeats",
            found=str(plan.repeats),
            expected=f"1 to {MAX_REPEATS}",
        )
    if plan.stopping is not None:
        check_looks(plan.stopping, plan.repeats)
    if plan.failure:
        plan = replace(plan, failure=failure_text(parse_failure(plan.failure)))
    return replace(plan, digest=digest(plan))


def _check_named(plan: Plan) -> None:
    """Refuse what a hidden holdout scores: it is shown, and decides nothing."""
    names = [plan.metric, *(guard.metric for guard in plan.guards), plan.failure]
    if found := next((name for name in names if name.startswith(SCORED)), ""):
        raise BadFormatError(
            "a plan cannot rest on what a hidden holdout scores, which decides nothing",
            found=found,
            expected="metrics that each repeat reports; the holdout's is shown beside them",
        )


def with_test(plan: Plan) -> Plan:
    """Return a plan that names the test of repeats that pair, where it gets another than usual."""
    skewed = (
        plan.rules > 1
        and plan.claim is Claim.METHOD
        and plan.stopping is None
        and plan.repeats >= FEWEST_SKEWED
    )
    return replace(plan, test=SKEW_FLIPS if skewed else "")


def check_alpha(alpha: float) -> float:
    """Return alpha if it can be that of a test."""
    if not 0 < alpha < ALPHA_BELOW:  # nor is nan
        raise UsageError("alpha is no rate of false positives", found=str(alpha), expected=ALPHAS)
    return alpha


def check_looks(stopping: Stopping, repeats: int) -> None:
    """Raise `BadFormatError` if the looks of a rule do not fit its repeats."""
    if stopping.rule is StoppingRule.ALWAYS_VALID:
        if stopping.looks:
            raise BadFormatError(
                "always-valid p-values have no looks to plan",
                found=f"{stopping.looks} looks",
                expected="no looks",
            )
        return
    most = min(repeats, MAX_LOOKS)
    if not 2 <= stopping.looks <= most:  # noqa: PLR2004  a single look is not a rule
        raise BadFormatError(
            "the looks of a stopping rule do not fit its repeats",
            found=f"{stopping.looks} looks, {repeats} repeats",
            expected=f"2 to {most} looks" if most > 1 else "at least 2 repeats",
        )


def digest(plan: PlanTerms) -> PlanDigest:
    """Compute the digest of what binds; prose, names, author and time are not part of it."""
    terms: dict[str, Json] = {"rules": "plan@1"}
    for item in fields(PlanTerms):
        value = getattr(plan, item.name)
        if value != item.default:
            terms[item.name] = _plain(value)
    return PlanDigest(hashlib.sha256(json_dumps_compact(terms)).hexdigest())


def _plain(value: object) -> Json:
    """Return a term as its digest has it: in one order, whatever the file's."""
    match value:
        case tuple():
            plain: object = sorted(guard_text(x) if isinstance(x, Guard) else x for x in value)
        case Effect():
            margin = float(value.margin)
            plain = {"kind": value.kind.value, "margin": margin, "relative": value.relative}
        case BaselineRef():
            plain = value.commit
        case PlanSeeds():
            plain = value.root or value.origin.value
        case Stopping():
            plain = {"rule": value.rule.value, "looks": value.looks}
        case enum.Enum():
            plain = value.value
        case _:
            plain = value
    return cast("Json", plain)


def binding(plan: Plan) -> dict[str, ParamValue]:
    """Return what binds in a plan, in a person's words: what an amendment can change."""
    return {name: _words(getattr(plan, name), plan) for name in TERMS}


def _words(value: object, plan: PlanTerms) -> ParamValue:
    if isinstance(value, tuple):
        return tuple(_words(item, plan) for item in value)
    match value:
        case Effect():
            words: object = effect_text(value, plan.direction)
        case Guard():
            words = guard_text(value)
        case PlanSeeds():
            words = value.origin.value
        case Stopping():
            words = f"{value.rule.value} {value.looks or ''}".strip()
        case _:
            words = _plain(value)
    return cast("ParamValue", words)


def _margin(digits: str, percent: str, text: str) -> float:
    number = Decimal(digits)
    margin = float(number.scaleb(-2) if percent else number)
    if not math.isfinite(margin):
        raise _bad(text, "is not finite", "a finite margin")
    return margin + 0.0  # "-0" is 0


def _shown(margin: float, *, relative: bool) -> str:
    number = Decimal(repr(margin))
    if relative:
        number = number.scaleb(2)
    small, large = _PLAIN_SIZES
    if not number:
        digits = "0"
    elif small < abs(number) < large:
        digits = f"{number.normalize():f}"
    else:
        digits = str(number)
    return f"{digits}%" if relative else digits


def _bad(text: str, why: str, expected: str) -> BadEffectError:
    return BadEffectError(f"the effect {text[:60]!r} {why}", found=text[:60], expected=expected)
