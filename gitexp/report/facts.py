"""Labelled lines, as every answer has some below its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gitexp.model.result import Verdict
from gitexp.text.fields import maybe_time_text, param_json
from gitexp.text.jsontext import json_dumps_compact

if TYPE_CHECKING:
    from gitexp.model.ids import ParamValue
    from gitexp.model.plan import Amendment
    from gitexp.model.witness import OrderGrade

SHORT = 7  # characters of a hash that people read
MANY = 6  # changed paths, parameters, ... of one kind that are named


@dataclass(frozen=True, slots=True)
class Fact:
    """A labelled line."""

    label: str
    text: str


def is_good(verdict: Verdict | None) -> bool | None:
    """Return how a verdict is coloured: True yes, False no, None neither."""
    if verdict in {Verdict.SUPPORTED, Verdict.EQUIVALENT}:
        return True
    return False if verdict is Verdict.REFUTED else None


def shortened(items: list[Fact]) -> list[Fact]:
    """Keep at most `MANY` facts of one label, and say how many are left out."""
    kept: list[Fact] = []
    counts: dict[str, int] = {}
    for item in items:
        counts[item.label] = counts.get(item.label, 0) + 1
        if counts[item.label] <= MANY:
            kept.append(item)
    for label, number in counts.items():
        if number > MANY:
            place = max(index for index, item in enumerate(kept) if item.label == label)
            kept.insert(place + 1, Fact(label, f"and {number - MANY} more; -v shows them"))
    return kept


def order_words(order: OrderGrade) -> str:
    """Return how sure an order is, in a line: grade, time, and what it rests on."""
    when = f" at {maybe_time_text(order.time)}" if order.time is not None else ""
    return f"{order.grade.value}{when}: {order.why}"


def amendment_words(item: Amendment) -> str:
    """Return one amendment in a line: what bound before, and why it was changed."""
    old = ", ".join(f"{key} was {value_text(value)}" for key, value in item.old.items())
    return f"{item.at:%Y-%m-%d}: {old}; {item.why} ({item.by.name})"


def value_text(value: ParamValue) -> str:
    """Return a term as people read it."""
    return value if isinstance(value, str) else json_dumps_compact(param_json(value)).decode()
