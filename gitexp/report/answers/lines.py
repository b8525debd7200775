"""Broken rules and logs as lines, each of them escaped, for who needs no sheet.

What a command printed is foreign text: a terminal never gets it raw.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gitexp.model.rules import Policy, Violation
from gitexp.model.run import LoggedValue, RepeatState
from gitexp.report import numbers
from gitexp.report.escape import PROSE_LIMIT, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gitexp.model.views import LogView, RepeatLog

_WORDS = {Policy.ERROR: "error", Policy.WARN: "warning"}
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_LINE_LIMIT = 10_000
_SHOWN = 3
_NAME_SHOWN = 40  # characters


def violations_text(violations: Iterable[Violation]) -> str:
    """Return what a hook says of them, errors first; every part of it is escaped."""
    lines: list[str] = []
    for each in sorted(violations, key=lambda found: found.policy is not Policy.ERROR):
        lines.append(_prose(head_of(each)))
        lines += [f"  {label:<8}  {_prose(text)}" for label, text in places_of(each)]
    return "\n".join(lines)


def head_of(item: Violation) -> str:
    """Return what is broken, and how much it weighs."""
    return f"{_WORDS.get(item.policy, 'note')}[{item.rule}]: {item.message}"


def places_of(item: Violation) -> Iterator[tuple[str, str]]:
    """Yield label and text of where it is, and of what to type."""
    pairs = (("where", str(item.where)), ("next", item.next_step))
    yield from (pair for pair in pairs if pair[1])


def _prose(text: str) -> str:
    return visible(text, limit=PROSE_LIMIT)


def log_lines(value: LogView, *, raw: bool, headings: bool) -> Iterator[str]:
    """Yield the lines of all logs; `raw`: as printed, for a file or a pipe, never a terminal."""
    for item in value.repeats:
        if headings:
            yield heading(item)
        if item.left_out:
            yield f"[the first {numbers.size(item.left_out)} are left out; --all shows them]"
        elif item.truncated:
            yield "[only this end was recorded]"
        if item.text:
            yield item.text.rstrip("\n") if raw else safe(item.text).rstrip("\n")
    failed = [item for item in value.repeats if item.state is RepeatState.FAILED and item.reason]
    if failed and (headings or not raw):
        item, *more = failed
        rest = f" ({len(more)} more failed)" if more else ""
        yield f"[seed {item.seed} failed: {visible(item.reason, limit=400)}]{rest}"


def heading(item: RepeatLog) -> str:
    """Return the line above a log: ``==> seed 3, failed: exit code 1``."""
    state = item.state if isinstance(item.state, str) else item.state.value
    attempt = f", attempt {item.attempt}" if item.attempt > 1 else ""
    reason = f": {visible(item.reason, limit=400)}" if item.reason else ""
    said = f"; {visible(in_short(item.logged))}" if item.logged else ""
    seeds = f" ({visible(item.seeds)})" if item.seeds else ""
    return f"==> seed {item.seed}{seeds}{attempt}, {state}{reason}{said}"


def in_short(values: Sequence[LoggedValue], metric: str = "") -> str:
    """Return the latest values for people: a plan's metric first, then the newest.

    >>> from gitexp.model.run import LoggedValue
    >>> in_short([LoggedValue("f1", 0.81251, 2), LoggedValue("loss", None, 3)], "f1")
    'f1 0.8125, loss not finite, step 3'
    """
    shown = [item for item in values if item.name == metric]
    shown += [item for item in reversed(values) if item.name != metric][: _SHOWN - len(shown)]
    steps = [item.step for item in shown if item.step is not None]
    parts = [
        f"{item.name[:_NAME_SHOWN]} {'not finite' if item.value is None else f'{item.value:.4g}'}"
        for item in shown
    ]
    return ", ".join([*parts, *([f"step {max(steps)}"] if steps else [])])


def safe(text: str) -> str:
    r"""Return a log for a terminal: lines and tabs stay, colours go, other controls are shown.

    A carriage return within a line starts it anew, as a progress bar means it to: the last state
    is kept.

    >>> safe("10%\r90%\rdone\r\n\x1b[31mred\x1b[0m\x07\n")
    'done\nred\\x07\n'
    """
    return "\n".join(_line(line) for line in text.split("\n"))


def _line(line: str) -> str:
    parts = [part for part in line.split("\r") if part]
    last = _COLOUR.sub("", parts[-1]) if parts else ""
    return "\t".join(visible(part, limit=_LINE_LIMIT) for part in last.split("\t"))
