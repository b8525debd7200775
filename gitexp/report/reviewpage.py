"""A review as one HTML page: what decides, the broken rules, then each comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gitexp.model.rules import Policy
from gitexp.report import brief, html
from gitexp.report.brief import joined
from gitexp.report.escape import html as escaped
from gitexp.report.facts import is_good

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.model.review import Review, ReviewedExperiment
    from gitexp.report.brief import Line

MOST_VIOLATIONS: Final = 1_000
_LONG = 1_000  # characters of a line
_CSS = {True: "good", False: "bad", None: "open"}


def render(review: Review) -> str:
    """Return the whole page."""
    every = [item.comparison for item in review.experiments]
    comparisons = tuple(item for item in every if item is not None)
    name = review.branch or review.head.name
    body = [*_front(review), *html.articles(comparisons)]
    return html.page(f"review of {name}", body)


def _front(review: Review) -> Iterator[str]:
    yield "<article><header>"
    yield f'<p class="kind">review against {escaped(review.base.name)}</p>'
    yield f"<h1>{escaped(review.branch or review.head.name)}</h1>"
    css = _CSS[not review.broken(Policy.ERROR)]
    for line in brief.heading(review):
        yield f'<p class="verdict {css}"><span>{_line(line)}</span></p>'
    yield "</header>"
    for item in review.experiments:
        yield from _experiment(item)
    yield from _rules(review)
    yield from _section("Notes", (escaped(note, limit=_LONG) for note in review.notes))
    yield "</article>"


def _experiment(item: ReviewedExperiment) -> Iterator[str]:
    verdict, *others = (_line(line) for line in brief.three(item))
    word = brief.word_of(item)
    css = _CSS[is_good(item.verdict)]
    yield f"<h2>{escaped(item.name)}</h2>"
    yield f'<p class="verdict {css}"><strong>{word}</strong>'
    yield f"<span>{verdict.removeprefix(word)}</span></p>"
    lines = [*others, _line(brief.hypothesis(item)), _line(brief.recorded(item))]
    yield from (f"<p>{line}</p>" for line in lines)


def _rules(review: Review) -> Iterator[str]:
    ordered = (*review.broken(Policy.ERROR), *review.broken(Policy.WARN))
    shown = [
        f"{escaped(item.rule)} {item.policy.value}: {escaped(item.message, limit=_LONG)}<br>"
        f"<small>{escaped(str(item.where), limit=_LONG)}</small>"
        f'<code class="cmd">{escaped(item.next_step, limit=_LONG)}</code>'
        for item in ordered[:MOST_VIOLATIONS]
    ]
    if len(ordered) > MOST_VIOLATIONS:
        shown.append(f"and {len(ordered) - MOST_VIOLATIONS} more; the JSON has them")
    yield from _section("Rules", shown)


def _section(title: str, items: Iterable[str]) -> Iterator[str]:
    found = [f"<li>{item}</li>" for item in items]
    if found:
        yield f"<h2>{title}</h2>"
        yield from ("<ul>", *found, "</ul>")


def _line(line: Line) -> str:
    own = tuple(escaped(part, limit=_LONG) if isinstance(part, str) else part for part in line)
    return joined(own, lambda part: escaped(part.text, limit=part.limit))
