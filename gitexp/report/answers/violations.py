"""Broken rules as lines: which rule, where, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.rules import Policy, Violation
from gitexp.report.escape import PROSE_LIMIT, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


_WORDS = {Policy.ERROR: "error", Policy.WARN: "warning"}


def violations_text(violations: Iterable[Violation]) -> str:
    """Return what a hook says of them, errors first; every part of it is escaped."""
    lines: list[str] = []
    for each in sorted(violations, key=lambda found: found.policy is not Policy.ERROR):
        lines.append(_line(head_of(each)))
        lines += [f"  {label:<8}  {_line(text)}" for label, text in places_of(each)]
    return "\n".join(lines)


def head_of(item: Violation) -> str:
    """Return what is broken, and how much it weighs."""
    return f"{_WORDS.get(item.policy, 'note')}[{item.rule}]: {item.message}"


def places_of(item: Violation) -> Iterator[tuple[str, str]]:
    """Yield label and text of where it is, and of what to type."""
    pairs = (("where", str(item.where)), ("next", item.next_step))
    yield from (pair for pair in pairs if pair[1])


def _line(text: str) -> str:
    return visible(text, limit=PROSE_LIMIT)
