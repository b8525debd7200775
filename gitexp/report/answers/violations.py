"""Broken rules as lines: which rule, where, and what to type next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gitexp.model.rules import Policy
from gitexp.report.escape import PROSE_LIMIT, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gitexp.model.rules import Violation

_WORDS = {Policy.ERROR: "error", Policy.WARN: "warning"}


def violations_text(violations: Iterable[Violation]) -> str:
    """Return what a hook says of them, errors first; every part of it is escaped."""
    lines: list[str] = []
    for each in sorted(violations, key=lambda found: found.policy is not Policy.ERROR):
        lines.append(f"{_WORDS.get(each.policy, 'note')}[{each.rule}]: {_line(each.message)}")
        lines += [
            f"  {label:<8}  {_line(text)}"
            for label, text in (("where", str(each.where)), ("next", each.next_step))
            if text
        ]
    return "\n".join(lines)


def _line(text: str) -> str:
    return visible(text, limit=PROSE_LIMIT)
