"""Comparisons and reviews as one self-contained HTML page.

The page loads nothing, runs nothing and says so in its content security policy. Every string
that is not ours passes `escape.html`.
"""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING

from gitexp.model.plan import Verdict
from gitexp.model.result import Role
from gitexp.model.rules import Policy
from gitexp.records.terms import format_effect, guard_text
from gitexp.report import brief, numbers, supplements, words
from gitexp.report import comparisons as table
from gitexp.report import sheet as sheets
from gitexp.report.brief import Line, joined
from gitexp.report.drawing import figures
from gitexp.report.drawing.figures import Room
from gitexp.report.escape import PROSE_LIMIT, html, prose

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gitexp.model.comparison import Comparison
    from gitexp.model.review import Review, ReviewedExperiment
    from gitexp.report.sheet import Fact, Sheet, Style

_TEXT_LIMIT = 1_000  # characters of a line of facts
_ROOM = 280_000  # bytes of all that is not the page's frame
_MOST_METRICS = 60  # rows of the table
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
# Facts that other sections have; all others stand below "Method", so that none is forgotten.
_ELSEWHERE = frozenset({"concluded", "reason", "warning", "differs", "not used", "note"})
_MOST_VIOLATIONS = 1_000
_MARKS = {True: ("good", "\u2713"), False: ("bad", "\u2717"), None: ("open", "?")}
_MEANINGS = {
    Verdict.SUPPORTED: "The data reject that the effect is smaller than promised.",
    Verdict.REFUTED: "The data reject that the effect is as large as promised.",
    Verdict.INCONCLUSIVE: "The data reject neither that the effect is as promised nor that it is "
    "smaller. That is no evidence of no effect.",
    Verdict.EQUIVALENT: "The data reject that the two sides differ by the margin or more.",
    Verdict.UNDECIDABLE: "No outcome of this design could have reached the promised error rate.",
    Verdict.NOT_COMPARABLE: "The two sides were not measured on the same ground.",
}


def render(comparisons: tuple[Comparison, ...], style: Style) -> str:
    """Return the whole page."""
    del style
    names = ", ".join(item.candidate.name for item in comparisons)
    title = f"{names} against {comparisons[0].baseline.name}" if comparisons else "nothing"
    return page(title, articles(comparisons))


def document(sheet: Sheet) -> str:
    """Return a sheet as a page."""
    return page(sheet.title or sheet.headline or "gitexp", sheets.page_sheet(sheet))


def review(found: Review) -> str:
    """Return the whole page."""
    every = [item.comparison for item in found.experiments]
    comparisons = tuple(item for item in every if item is not None)
    name = found.branch or found.head.name
    body = [*_front(found), *articles(comparisons)]
    return page(f"review of {name}", body)


def articles(comparisons: tuple[Comparison, ...]) -> Iterator[str]:
    """Yield an article for each comparison; above several of them what they say in short."""
    several = len(comparisons) > 1
    found = supplements.of_call(comparisons)
    together = [] if found is None else list(supplements.commits_page(found, "all"))
    left = _ROOM - _size(_overview(comparisons, len(comparisons))) - _size(together)
    shown: list[Comparison] = []
    for item in comparisons:  # what is said comes before what is drawn
        left -= _size(_article(item, Room(0), key=f"c{len(shown)}", several=several))
        if shown and left < 0:
            break
        shown.append(item)
    room = Room(max(0, left))
    if several:
        yield from _overview(comparisons, len(shown))
    yield from together
    for index, item in enumerate(shown):
        yield from _article(item, room, key=f"c{index}", several=several)
    if len(shown) < len(comparisons):
        more = numbers.amount(len(comparisons) - len(shown), "candidate")
        yield f'<p class="none">{more} more have no room here; csv and json have all.</p>'


def _size(lines: Iterable[str]) -> int:
    return sum(len(line.encode()) + 1 for line in lines)


def page(title: str, body: Iterable[str]) -> str:
    """Return a page that loads and runs nothing."""
    css = resources.files("gitexp.report").joinpath("page.css").read_text("utf-8")
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{html(title)}</title>",
            f"<style>\n{css}</style>",
            "</head>",
            "<body>",
            "<main>",
            *filter(None, body),
            "</main>",
            "</body>",
            "</html>",
            "",
        ]
    )


def _overview(comparisons: tuple[Comparison, ...], shown: int) -> Iterator[str]:
    """Yield every verdict, with links to the articles that are shown."""
    if not comparisons:
        return
    yield "<header>"
    yield '<p class="kind">comparison</p>'
    yield f"<h1>{len(comparisons)} candidates against {html(comparisons[0].baseline.name)}</h1>"
    yield "</header>"
    yield '<div class="scroll"><table><thead><tr><th scope="col">candidate</th>'
    yield '<th scope="col" class="word">verdict</th><th scope="col" class="word">why</th></tr>'
    yield "</thead><tbody>"
    for index, item in enumerate(comparisons):
        name = html(item.candidate.name)
        link = f'<a href="#c{index}">{name}</a>' if index < shown else name
        yield (
            f'<tr><th scope="row" class="name">{link}</th>'
            f'<td class="word">{words.verdict_word(item)}</td>'
            f'<td class="word">{html(item.headline, limit=_TEXT_LIMIT)}</td></tr>'
        )
    yield "</tbody></table></div>"


def _article(comparison: Comparison, room: Room, *, key: str, several: bool) -> Iterator[str]:
    level = 2 if several else 1
    css, mark = _MARKS[sheets.is_good(comparison.verdict)]
    yield f'<article id="{key}">'
    yield "<header>"
    yield f'<p class="kind">against {html(comparison.baseline.name)}</p>'
    yield f"<h{level}>{html(comparison.candidate.name)}</h{level}>"
    yield (
        f'<p class="verdict {css}"><strong><span aria-hidden="true">{mark}</span> '
        f"{words.verdict_word(comparison)}</strong>"
        f"<span>{html(comparison.headline, limit=_TEXT_LIMIT)}</span></p>"
    )
    yield "</header>"
    for title, section in (
        ("Objective", _objective(comparison)),
        ("Hypothesis", _hypothesis(comparison)),
        ("Method", _method(comparison)),
        ("Results", _results(comparison, room, key)),
        ("Conclusion", _conclusion(comparison)),
    ):
        name = f"{key}-{title.lower()}"
        yield f'<section aria-labelledby="{name}">'
        yield f'<h{level + 1} id="{name}">{title}</h{level + 1}>'
        yield from section
        yield "</section>"
    when = comparison.compared_at.strftime("%Y-%m-%d %H:%M UTC")
    yield f"<footer>Compared {when} by {html(comparison.program)}.</footer>"
    yield "</article>"


def _objective(comparison: Comparison) -> Iterator[str]:
    plan = comparison.plan
    text = "" if plan is None else prose(plan.objective)
    yield (
        f'<p class="lead">{html(text, limit=PROSE_LIMIT)}</p>'
        if text
        else '<p class="none">None was recorded.</p>'
    )


def _hypothesis(comparison: Comparison) -> Iterator[str]:
    plan = comparison.plan
    if plan is None:
        yield (
            '<p class="none">None was recorded before the runs: what follows is exploratory '
            "and gives no verdict.</p>"
            if comparison.effect is None
            else '<p class="none">It was typed with the data at hand, and not recorded before.</p>'
        )
        return
    yield f'<p class="lead">{html(prose(plan.hypothesis), limit=PROSE_LIMIT)}</p>'
    for item in plan.amended:
        yield f'<p class="none">Amended {html(sheets.amendment_words(item), limit=_TEXT_LIMIT)}</p>'
    if comparison.order is not None:
        said = html(sheets.order_words(comparison.order), limit=_TEXT_LIMIT)
        yield f'<p class="none">That it came before the runs: {said}.</p>'
    promise = format_effect(plan.effect, plan.metric, plan.direction)
    guards = "; ".join(guard_text(guard) for guard in plan.guards)
    yield "<dl>"
    yield from _terms(
        ("promised", promise),
        ("error rate", f"{plan.alpha:g} (alpha)"),
        ("planned", f"{numbers.amount(plan.repeats, 'repeat')} a side"),
        ("guard-rails", guards),
        ("recorded", f"{plan.created_at:%Y-%m-%d} by {plan.author.name}"),
        ("plan", plan.digest[: sheets.SHORT]),
    )
    yield "</dl>"


def _method(comparison: Comparison) -> Iterator[str]:
    yield "<dl>"
    yield from _terms(
        *(
            (fact.label, fact.text)
            for fact in words.facts(comparison)
            if fact.label not in _ELSEWHERE
        )
    )
    yield "</dl>"


def _results(comparison: Comparison, room: Room, key: str) -> Iterator[str]:
    main = words.primary(comparison) or next(iter(comparison.metrics), None)
    if main is None:
        yield '<p class="none">There are no samples on which the two sides can be compared.</p>'
    else:
        yield figures.strip(comparison, main, room, f"{key}-m0")
        yield figures.pairs(comparison, main, room, f"{key}-p")
        yield from _table(comparison)
        yield figures.metrics(comparison, room, f"{key}-f")
        yield from supplements.groups_page(comparison, room, f"{key}-g")
        yield figures.samples(comparison, main, room)
        yield from figures.others(comparison, main, room, key)
    facts = words.facts(comparison)
    yield from _list("What else differs", facts, "differs")
    yield from _list("Seen and not counted", facts, "not used")
    yield from _list("Notes", facts, "note")


def _conclusion(comparison: Comparison) -> Iterator[str]:
    yield (
        f"<p><strong>{words.verdict_word(comparison).capitalize()}:</strong> "
        f"{html(comparison.headline, limit=_TEXT_LIMIT)}.</p>"
    )
    if comparison.words:
        said = html(prose(comparison.words), limit=PROSE_LIMIT)
        yield f'<p class="lead">Its author: {said}</p>'
    if comparison.verdict is not None:
        yield f"<p>{html(_MEANINGS[comparison.verdict])}</p>"
    broken = [metric.metric for metric in comparison.metrics if metric.broken]
    if broken:
        yield f"<p><strong>Broken guard-rail:</strong> {html(', '.join(broken))}</p>"
    remarks = (*comparison.reasons, *comparison.warnings)
    if remarks:
        yield '<ul class="notes">'
        for text in remarks:
            yield f"<li>{html(text, limit=_TEXT_LIMIT)}</li>"
        yield "</ul>"
    if comparison.next_step:
        yield "<p>Next:</p>"
        yield f'<code class="cmd">{html(comparison.next_step, limit=_TEXT_LIMIT)}</code>'


def _table(comparison: Comparison) -> Iterator[str]:
    grid = table.grid(comparison, most=_MOST_METRICS)
    below = grid.below or {}
    under = {above: at for at, above in below.items()}
    first, *columns = (at for at in range(len(grid.header)) if at not in below)
    titles = {
        at: html(", ".join([grid.header[at], *([grid.header[under[at]]] if at in under else [])]))
        for at in columns
    }
    yield '<div class="scroll" role="region" aria-label="All metrics" tabindex="0">'
    yield '<table class="metrics">'
    yield "<caption>All metrics; p against no difference</caption><thead><tr>"
    yield f'<th scope="col">{grid.header[first]}</th>'
    yield "".join(f'<th scope="col" class="name">{title}</th>' for title in titles.values())
    yield "</tr></thead><tbody>"
    for metric, row in zip(comparison.metrics, grid.rows, strict=False):
        cells = [html(sheets.cell_text(cell)) for cell in row]
        css = ' class="primary"' if metric.role is Role.PRIMARY else ""
        role = ' class="broken"' if metric.broken else ""
        yield f'<tr{css}><th scope="row" class="name">{cells[first]}'
        yield f"<small{role}>{cells[under[first]]}</small></th>"
        for at, title in titles.items():
            small = f"<small>{cells[under[at]]}</small>" if at in under else ""
            yield f'<td data-label="{title}">{cells[at]}{small}</td>'
        yield "</tr>"
    yield "</tbody></table></div>"
    if grid.left_out:
        yield f'<p class="none">And {grid.left_out} more, which the formats csv and json have.</p>'


def _list(title: str, facts: list[Fact], label: str) -> Iterator[str]:
    texts = [fact.text for fact in facts if fact.label == label]
    if not texts:
        return
    yield f"<p><strong>{title}</strong></p>"
    yield "<ul>"
    for text in texts:
        yield f'<li class="mono">{html(text, limit=_TEXT_LIMIT)}</li>'
    yield "</ul>"


def _terms(*terms: tuple[str, str]) -> Iterator[str]:
    for label, text in terms:
        if text:
            yield f"<dt>{html(label)}</dt><dd>{html(text, limit=_TEXT_LIMIT)}</dd>"


def _front(review: Review) -> Iterator[str]:
    yield "<article><header>"
    yield f'<p class="kind">review against {html(review.base.name)}</p>'
    yield f"<h1>{html(review.branch or review.head.name)}</h1>"
    css, _ = _MARKS[not review.broken(Policy.ERROR)]
    for line in brief.heading(review):
        yield f'<p class="verdict {css}"><span>{_line(line)}</span></p>'
    yield "</header>"
    for item in review.experiments:
        yield from _reviewed(item)
    yield from _rules(review)
    if (changed := brief.changed(review)) is not None:
        yield "<section><h2>What differs</h2>"
        yield from sheets.page_sheet(changed)
        yield "</section>"
    yield from _section("Notes", (html(note, limit=_TEXT_LIMIT) for note in review.notes))
    yield "</article>"


def _reviewed(item: ReviewedExperiment) -> Iterator[str]:
    verdict, *others = (_line(line) for line in brief.three(item))
    word = brief.word_of(item)
    css, _ = _MARKS[sheets.is_good(item.verdict)]
    yield f"<h2>{html(item.name)}</h2>"
    yield f'<p class="verdict {css}"><strong>{word}</strong>'
    yield f"<span>{verdict.removeprefix(word)}</span></p>"
    lines = [*others, _line(brief.hypothesis(item)), _line(brief.recorded(item))]
    yield from (f"<p>{line}</p>" for line in lines)


def _rules(review: Review) -> Iterator[str]:
    ordered = (*review.broken(Policy.ERROR), *review.broken(Policy.WARN))
    shown = [
        f"{html(item.rule)} {item.policy.value}: {html(item.message, limit=_TEXT_LIMIT)}<br>"
        f"<small>{html(str(item.where), limit=_TEXT_LIMIT)}</small>"
        f'<code class="cmd">{html(item.next_step, limit=_TEXT_LIMIT)}</code>'
        for item in ordered[:_MOST_VIOLATIONS]
    ]
    if len(ordered) > _MOST_VIOLATIONS:
        shown.append(f"and {len(ordered) - _MOST_VIOLATIONS} more; the JSON has them")
    yield from _section("Rules", shown)


def _section(title: str, items: Iterable[str]) -> Iterator[str]:
    found = [f"<li>{item}</li>" for item in items]
    if found:
        yield f"<h2>{title}</h2>"
        yield from ("<ul>", *found, "</ul>")


def _line(line: Line) -> str:
    own = tuple(html(part, limit=_TEXT_LIMIT) if isinstance(part, str) else part for part in line)
    return joined(own, lambda part: html(part.text, limit=part.limit))
