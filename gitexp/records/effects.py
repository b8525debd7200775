"""The short language of promises: ``>=5%`` for an effect, ``latency_ms<=+5%`` for a guard-rail.

A margin is a gain, positive for better, whatever way the metric runs: ``<=-5%`` of a loss and
``>=5%`` of an accuracy both have margin 0.05. Percent are read as decimals, so that text and
number come back to each other exactly.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from gitexp.errors import BadEffectError, UnknownMetricError
from gitexp.model.plan import Direction, Effect, Guard, HypothesisKind

if TYPE_CHECKING:
    from gitexp.model.plan import Plan

_NUMBER = r"([+-]?(?:[0-9]{1,30}\.?[0-9]{0,30}|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?)\s*(%?)"
_EFFECT = re.compile(rf"\s*(>=|<=|>|<|\+-|±)\s*{_NUMBER}\s*")
_GUARD = re.compile(rf"\s*([^<>=\s][^<>=]*?)\s*(<=|>=)\s*{_NUMBER}\s*")
_PLAIN_SIZES = (Decimal("1e-6"), Decimal("1e16"))  # shown without an exponent
_TWO_SIDED = frozenset(("!=", "!=0", "≠", "≠0"))


def parse_effect(text: str, direction: Direction) -> Effect:
    """Read a promised effect.

    `text`: ``>=5%``, ``>0``, ``>=0.01``, ``>=-2%`` (not worse by more than 2 %), ``+-1%``
    (equivalence), ``!=0`` (any difference). For a metric that is better when smaller also
    ``<=-5%`` (falls by 5 %).

    Raises `BadEffectError` if it cannot be read, or promises that a metric gets worse by naming
    the wrong side.

    Examples
    --------
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

    Examples
    --------
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


def format_effect(effect: Effect, metric: str, direction: Direction) -> str:
    """Say an effect in English, with the metric as subject.

    Examples
    --------
    >>> format_effect(parse_effect(">=5%", Direction.MAX), "f1", Direction.MAX)
    'f1 rises by at least 5 %'
    >>> format_effect(parse_effect(">=-2%", Direction.MIN), "loss", Direction.MIN)
    'loss rises by at most 2 %'
    """
    size = _shown(abs(effect.margin), relative=effect.relative).replace("%", " %")
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


def told_apart(plan: Plan) -> str:
    """Return what repeats have to do for a promise with a size, as a verb with its object."""
    promise = format_effect(plan.effect, plan.metric, plan.direction)
    if plan.effect.kind is HypothesisKind.EQUIVALENCE or plan.effect.margin < 0:
        return f"show that {promise}, if in truth nothing changes"
    return f"refute the promise that {promise}, if in truth nothing changes"


def parse_guard(text: str) -> Guard:
    """Read a guard-rail: ``METRIC<=+5%`` or ``METRIC>=-0.01``, against the baseline.

    Raises `BadEffectError`.

    Examples
    --------
    >>> parse_guard("latency_ms<=+5%")
    Guard(metric='latency_ms', op='<=', margin=0.05, relative=True)
    """
    match = _GUARD.fullmatch(text)
    if match is None:
        raise _bad(text, "cannot be read as a guard-rail", "latency_ms<=+5% or recall>=-0.01")
    return Guard(match[1], match[2], _margin(match[3], match[4], text), match[4] == "%")


def guard_text(guard: Guard) -> str:
    """Write a guard-rail so that `parse_guard` reads it back.

    Examples
    --------
    >>> guard_text(Guard("latency_ms", "<=", 0.05, relative=True))
    'latency_ms<=+5%'
    """
    sign = "" if guard.margin < 0 else "+"
    return f"{guard.metric}{guard.op}{sign}{_shown(guard.margin, relative=guard.relative)}"


def parse_metric(text: str) -> tuple[str, Direction | None]:
    """Read ``NAME`` or ``NAME:max`` or ``NAME:min``.

    Raises `UnknownMetricError` if there is no name.

    Examples
    --------
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
