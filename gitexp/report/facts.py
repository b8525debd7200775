"""Labelled lines, as every answer has some below its table."""

from __future__ import annotations

from dataclasses import dataclass

from gitexp.model.verdict import Verdict

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
